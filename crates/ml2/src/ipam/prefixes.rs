//! Sets of addresses as blocks, and which block of a subnet pool is given next.

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};

use super::addr::{bounds, from_number, net_version};

/// Addresses of one IP version, kept as ranges that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefixes {
    version: u8,
    ranges: Vec<(u128, u128)>,
}

impl Prefixes {
    /// The addresses of `nets`; those of another version than the first are left out.
    #[must_use]
    pub fn new<'a>(nets: impl IntoIterator<Item = &'a IpNet>) -> Self {
        let mut version = 0;
        let mut all = Vec::new();
        for net in nets {
            if version == 0 {
                version = net_version(net);
            }
            if net_version(net) == version {
                all.push(bounds(net));
            }
        }
        all.sort_unstable();
        let mut ranges: Vec<(u128, u128)> = Vec::with_capacity(all.len());
        for (first, last) in all {
            match ranges.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => ranges.push((first, last)),
            }
        }
        Self { version, ranges }
    }

    /// Whether no address is in both.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.version != other.version
            || !self.ranges.iter().any(|(first, last)| {
                other.ranges.iter().any(|(start, end)| first <= end && start <= last)
            })
    }

    /// Whether every address is one of `other` too.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.ranges.iter().all(|(first, last)| {
            self.version == other.version
                && other.ranges.iter().any(|(start, end)| start <= first && last <= end)
        })
    }

    /// The addresses that are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        if self.version != other.version {
            return self.clone();
        }
        let mut ranges = Vec::new();
        for &(first, last) in &self.ranges {
            let mut from = Some(first);
            for &(start, end) in other.ranges.iter().filter(|(s, e)| *s <= last && first <= *e) {
                let Some(begin) = from else { break };
                if start > begin {
                    ranges.push((begin, start - 1));
                }
                from = end.checked_add(1).filter(|next| *next <= last);
            }
            ranges.extend(from.map(|begin| (begin, last)));
        }
        Self { version: self.version, ranges }
    }

    /// The fewest blocks that hold the addresses, in order.
    #[must_use]
    pub fn blocks(&self) -> Vec<IpNet> {
        let of = |&(first, last): &(u128, u128)| -> Vec<IpNet> {
            use std::net::IpAddr::{V4, V6};
            match (from_number(self.version, first), from_number(self.version, last)) {
                (V4(a), V4(b)) => Ipv4Subnets::new(a, b, 0).map(IpNet::from).collect(),
                (V6(a), V6(b)) => Ipv6Subnets::new(a, b, 0).map(IpNet::from).collect(),
                // Both ends are made of the same version.
                _ => Vec::new(),
            }
        };
        self.ranges.iter().flat_map(of).collect()
    }

    /// The block of `length` to give next: the first one in the smallest block that has room.
    #[must_use]
    pub fn next_block(&self, length: u8) -> Option<IpNet> {
        let mut blocks = self.blocks();
        // Stable: of blocks of one size the lowest comes first.
        blocks.sort_by_key(|block| std::cmp::Reverse(block.prefix_len()));
        let room = blocks.into_iter().find(|block| block.prefix_len() <= length)?;
        IpNet::new(room.network(), length).ok()
    }

    /// Whether `net` lies within one of the fewest blocks.
    #[must_use]
    pub fn has_block(&self, net: &IpNet) -> bool {
        self.blocks().iter().any(|block| block.contains(net))
    }
}

/// What a block counts against a pool's quota: addresses in IPv4, /64 networks in IPv6; a smaller
/// IPv6 block is a part of one.
#[must_use]
pub fn quota_units(version: u8, length: u8) -> f64 {
    let unit = if version == 4 { 32 } else { 64 };
    2f64.powi(unit - i32::from(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("valid")
    }

    fn set(texts: &[&str]) -> Prefixes {
        let nets: Vec<IpNet> = texts.iter().map(|t| net(t)).collect();
        Prefixes::new(&nets)
    }

    fn texts(set: &Prefixes) -> Vec<String> {
        set.blocks().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn touching_blocks_become_one() {
        assert_eq!(texts(&set(&["10.1.0.0/16", "10.0.0.0/16", "10.0.5.0/24"])), ["10.0.0.0/15"]);
        assert_eq!(
            texts(&set(&["fd00::/64", "fd00:0:0:2::/64"])),
            ["fd00::/64", "fd00:0:0:2::/64"]
        );
        assert_eq!(texts(&set(&["0.0.0.0/0", "128.0.0.0/1"])), ["0.0.0.0/0"]);
        assert_eq!(texts(&set(&["::/0"])), ["::/0"]);
    }

    #[test]
    fn what_is_taken_leaves_the_rest() {
        let all = set(&["10.0.0.0/24"]);
        assert_eq!(texts(&all.without(&set(&["10.0.0.64/26"]))), ["10.0.0.0/26", "10.0.0.128/25"]);
        assert_eq!(texts(&all.without(&all)), Vec::<String>::new());
        assert_eq!(texts(&all.without(&set(&["10.0.0.0/16"]))), Vec::<String>::new());
        assert_eq!(texts(&all.without(&set(&["fd00::/64"]))), ["10.0.0.0/24"]);
        let two = all.without(&set(&["10.0.0.0/26", "10.0.0.128/26"]));
        assert_eq!(texts(&two), ["10.0.0.64/26", "10.0.0.192/26"]);
        let space = set(&["::/0"]).without(&set(&["ffff::/16", "::/16"]));
        assert!(!space.has_block(&net("ffff::/64")) && space.has_block(&net("1::/16")));
    }

    #[test]
    fn the_smallest_block_with_room_is_used_first() {
        let free = set(&["10.0.0.0/24"]).without(&set(&["10.0.0.64/26"]));
        assert_eq!(free.next_block(26), Some(net("10.0.0.0/26")));
        assert_eq!(free.next_block(28), Some(net("10.0.0.0/28")));
        assert_eq!(free.next_block(25), Some(net("10.0.0.128/25")));
        assert_eq!(free.next_block(24), None);
        assert!(free.has_block(&net("10.0.0.128/25")) && !free.has_block(&net("10.0.0.0/25")));
    }

    #[test]
    fn sets_compare() {
        let (big, small) = (set(&["10.0.0.0/8"]), set(&["10.2.0.0/16", "10.9.0.0/16"]));
        assert!(small.is_subset(&big) && !big.is_subset(&small) && !big.is_disjoint(&small));
        assert!(big.is_disjoint(&set(&["11.0.0.0/8"])) && big.is_disjoint(&set(&["fd00::/8"])));
    }

    #[test]
    fn quotas_count_addresses_or_networks() {
        assert_eq!(quota_units(4, 24), 256.0);
        assert_eq!(quota_units(6, 62), 4.0);
        assert_eq!(quota_units(6, 65), 0.5);
    }
}
