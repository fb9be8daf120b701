//! Configured ranges of segmentation ids: parsing, membership and picking.
//!
//! Ranges live in configuration only. The allocation tables hold the ids in use, so a range of
//! sixteen million ids costs nothing at start.

use rand::{Rng, RngExt};

/// A closed range of segmentation ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdRange {
    /// First id.
    pub min: u32,
    /// Last id.
    pub max: u32,
}

/// A range in the configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Neither `min:max` nor (for VLANs) `physical_network[:min:max]`.
    #[error("reading the {kind} range '{text}': expected {expected}")]
    Syntax {
        /// What the range is of.
        kind: &'static str,
        /// The entry as configured.
        text: String,
        /// The form expected.
        expected: &'static str,
    },
    /// Bounds outside of what the encapsulation can carry, or the wrong way round.
    #[error("reading the {kind} range '{text}': ids go from {min} to {max}, smaller first")]
    Bounds {
        /// What the range is of.
        kind: &'static str,
        /// The entry as configured.
        text: String,
        /// Smallest id possible.
        min: u32,
        /// Largest id possible.
        max: u32,
    },
}

/// The ids a kind of segment can carry.
#[derive(Clone, Copy, Debug)]
pub struct IdSpace {
    /// Name used in errors.
    pub kind: &'static str,
    /// Smallest id.
    pub min: u32,
    /// Largest id.
    pub max: u32,
}

/// 802.1Q VLAN ids.
pub const VLAN_SPACE: IdSpace = IdSpace { kind: "VLAN", min: 1, max: 4094 };
/// GRE keys.
pub const GRE_SPACE: IdSpace = IdSpace { kind: "GRE tunnel id", min: 1, max: u32::MAX };
/// VXLAN network identifiers.
pub const VXLAN_SPACE: IdSpace = IdSpace { kind: "VXLAN VNI", min: 1, max: 16_777_215 };
/// Geneve network identifiers.
pub const GENEVE_SPACE: IdSpace = IdSpace { kind: "Geneve VNI", min: 1, max: 16_777_215 };

impl IdSpace {
    /// Whether `id` can be carried.
    #[must_use]
    pub fn contains(self, id: i64) -> bool {
        (i64::from(self.min)..=i64::from(self.max)).contains(&id)
    }

    fn range(self, min: &str, max: &str, text: &str) -> Result<IdRange, RangeError> {
        let syntax = |expected| RangeError::Syntax { kind: self.kind, text: text.into(), expected };
        let number = |s: &str| s.trim().parse::<u64>().map_err(|_| syntax("numbers"));
        let (low, high) = (number(min)?, number(max)?);
        let bounds =
            RangeError::Bounds { kind: self.kind, text: text.into(), min: self.min, max: self.max };
        match (u32::try_from(low), u32::try_from(high)) {
            (Ok(min), Ok(max)) if min >= self.min && max <= self.max && min <= max => {
                Ok(IdRange { min, max })
            }
            _ => Err(bounds),
        }
    }
}

/// A set of ids made of ranges, sorted and merged.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IdRanges(Vec<IdRange>);

impl IdRanges {
    /// Merges `ranges`, which may overlap and come in any order.
    #[must_use]
    pub fn new(mut ranges: Vec<IdRange>) -> Self {
        ranges.sort_by_key(|r| r.min);
        let mut merged: Vec<IdRange> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(last) if range.min <= last.max.saturating_add(1) => {
                    last.max = last.max.max(range.max);
                }
                _ => merged.push(range),
            }
        }
        Self(merged)
    }

    /// Reads `min:max` entries (`vni_ranges`, `tunnel_id_ranges`).
    ///
    /// # Errors
    /// An entry that is not a range of ids in `space`.
    pub fn parse(space: IdSpace, entries: &[String]) -> Result<Self, RangeError> {
        let mut ranges = Vec::with_capacity(entries.len());
        for entry in entries {
            let (min, max) = entry.split_once(':').ok_or_else(|| RangeError::Syntax {
                kind: space.kind,
                text: entry.clone(),
                expected: "min:max",
            })?;
            ranges.push(space.range(min, max, entry)?);
        }
        Ok(Self::new(ranges))
    }

    /// The merged ranges, ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[IdRange] {
        &self.0
    }

    /// Whether there is no id at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `id` is one of the ids.
    #[must_use]
    pub fn contains(&self, id: u32) -> bool {
        self.0.iter().any(|r| (r.min..=r.max).contains(&id))
    }

    /// How many ids there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.iter().map(|r| u64::from(r.max - r.min) + 1).sum()
    }

    /// The id at `index`, counting from the smallest.
    #[must_use]
    pub fn nth(&self, mut index: u64) -> Option<u32> {
        for range in &self.0 {
            let size = u64::from(range.max - range.min) + 1;
            if index < size {
                return u32::try_from(u64::from(range.min) + index).ok();
            }
            index -= size;
        }
        None
    }

    /// Up to `count` different ids at random, in random order.
    #[must_use]
    pub fn sample(&self, rng: &mut impl Rng, count: usize) -> Vec<u32> {
        let total = self.len();
        let mut picked: Vec<u32> = Vec::with_capacity(count);
        // Small sets are walked from a random start, so that every id gets a chance.
        if total <= count as u64 {
            let start = if total == 0 { 0 } else { rng.random_range(0..total) };
            picked.extend((0..total).filter_map(|i| self.nth((start + i) % total)));
            return picked;
        }
        for _ in 0..count * 4 {
            if picked.len() == count {
                break;
            }
            match self.nth(rng.random_range(0..total)) {
                Some(id) if !picked.contains(&id) => picked.push(id),
                _ => {}
            }
        }
        picked
    }
}

/// One `network_vlan_ranges` configuration: physical networks in order, each with the VLANs
/// projects may get (none for a physical network named without a range).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VlanRanges(Vec<(String, IdRanges)>);

impl VlanRanges {
    /// Reads `physical_network[:min:max]` entries.
    ///
    /// # Errors
    /// An entry of another form, without a name, or with ids that are no VLAN ids.
    pub fn parse(entries: &[String]) -> Result<Self, RangeError> {
        let mut found: Vec<(String, Vec<IdRange>)> = Vec::new();
        for entry in entries {
            let syntax = || RangeError::Syntax {
                kind: VLAN_SPACE.kind,
                text: entry.clone(),
                expected: "physical_network or physical_network:min:max",
            };
            let parts: Vec<&str> = entry.split(':').map(str::trim).collect();
            let (name, range) = match parts.as_slice() {
                [name] => (*name, None),
                [name, min, max] => (*name, Some(VLAN_SPACE.range(min, max, entry)?)),
                _ => return Err(syntax()),
            };
            if name.is_empty() {
                return Err(syntax());
            }
            match found.iter_mut().find(|(n, _)| n == name) {
                Some((_, ranges)) => ranges.extend(range),
                None => found.push((name.to_string(), range.into_iter().collect())),
            }
        }
        Ok(Self(found.into_iter().map(|(n, r)| (n, IdRanges::new(r))).collect()))
    }

    /// The VLANs of `physical_network`; `None` when it is not configured.
    #[must_use]
    pub fn get(&self, physical_network: &str) -> Option<&IdRanges> {
        self.0.iter().find(|(n, _)| n == physical_network).map(|(_, r)| r)
    }

    /// Physical networks with their VLANs, in configuration order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &IdRanges)> {
        self.0.iter().map(|(n, r)| (n.as_str(), r))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ranges_merge_and_count() {
        let ranges = IdRanges::parse(VXLAN_SPACE, &entries(&["10:20", "1:5", "6:8", "15:30"]))
            .expect("valid");
        assert_eq!(ranges.as_slice(), [IdRange { min: 1, max: 8 }, IdRange { min: 10, max: 30 }]);
        assert_eq!(ranges.len(), 29);
        assert_eq!((ranges.nth(7), ranges.nth(8), ranges.nth(29)), (Some(8), Some(10), None));
        assert!(ranges.contains(30) && !ranges.contains(9));
    }

    #[test]
    fn the_whole_vni_space_is_one_range() {
        let ranges = IdRanges::parse(VXLAN_SPACE, &entries(&["1:16777215"])).expect("valid");
        assert_eq!(ranges.len(), 16_777_215);
        assert_eq!(ranges.sample(&mut rand::rng(), 16).len(), 16);
    }

    #[test]
    fn a_small_range_is_sampled_whole() {
        let ranges = IdRanges::parse(VLAN_SPACE, &entries(&["5:7"])).expect("valid");
        let mut ids = ranges.sample(&mut rand::rng(), 16);
        ids.sort_unstable();
        assert_eq!(ids, [5, 6, 7]);
        assert!(IdRanges::default().sample(&mut rand::rng(), 16).is_empty());
    }

    #[test]
    fn bad_ranges_are_named() {
        for bad in ["0:5", "5:4", "1:16777216", "a:b", "7"] {
            let error = IdRanges::parse(VXLAN_SPACE, &entries(&[bad])).expect_err("invalid");
            assert!(error.to_string().contains(bad), "{error}");
        }
    }

    #[test]
    fn vlan_entries_name_physical_networks_with_and_without_ranges() {
        let ranges = VlanRanges::parse(&entries(&["b:100:200", "a", "b:300:400"])).expect("valid");
        assert_eq!(
            ranges.iter().map(|(n, r)| (n, r.len())).collect::<Vec<_>>(),
            [("b", 202), ("a", 0)]
        );
        assert!(VlanRanges::parse(&entries(&["b:100"])).is_err());
        assert!(VlanRanges::parse(&entries(&[":1:2"])).is_err());
        assert!(VlanRanges::parse(&entries(&["b:1:4095"])).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".{0,30}") {
            let list = [text];
            let _ = IdRanges::parse(GRE_SPACE, &list);
            let _ = VlanRanges::parse(&list);
        }
    }
}
