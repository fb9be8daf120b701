//! Which local VLAN id stands for which network on this host.
//!
//! Owns allocation, adoption of what a previous run wrote to the `Port` rows, and reclaim.
//! Ids are local to br-int: any free id will do, but a network keeps its id for as long as a
//! port of it is plugged, also across restarts of the agent.

use std::collections::{BTreeMap, BTreeSet};

use neutrino_dataplane::view::Segment;
use neutrino_types::constants::{LOCAL_VLAN_MAX, LOCAL_VLAN_MIN};

/// A segment of a network: Neutron's local VLAN manager uses the same pair.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NetworkKey {
    /// The network.
    pub network_id: String,
    /// Its segmentation id, none for flat and local.
    pub segmentation_id: Option<u32>,
}

impl NetworkKey {
    /// The key of `segment` of the network.
    #[must_use]
    pub fn new(network_id: &str, segment: &Segment) -> Self {
        Self { network_id: network_id.to_string(), segmentation_id: segment.segmentation_id }
    }
}

/// A network present on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Local VLAN id.
    pub vlan: u16,
    /// The bound segment.
    pub segment: Segment,
}

/// All 4094 local VLAN ids are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no local VLAN id is free: {LOCAL_VLAN_MAX} networks are present on this host")]
pub struct Exhausted;

/// The local VLAN map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalVlans {
    map: BTreeMap<NetworkKey, Mapping>,
    used: BTreeSet<u16>,
    /// Free, but flows of another network may still mention them.
    held: BTreeSet<u16>,
}

impl LocalVlans {
    /// Takes over a mapping found on a port; false when the id is already another network's or
    /// out of range, in which case the port will be given a fresh id.
    pub fn adopt(&mut self, key: NetworkKey, vlan: u16, segment: Segment) -> bool {
        if let Some(known) = self.map.get(&key) {
            return known.vlan == vlan;
        }
        if !(LOCAL_VLAN_MIN..=LOCAL_VLAN_MAX).contains(&vlan) || !self.used.insert(vlan) {
            return false;
        }
        self.map.insert(key, Mapping { vlan, segment });
        true
    }

    /// The local VLAN of the network, allocating the lowest free id if it has none.
    pub fn ensure(&mut self, key: &NetworkKey, segment: &Segment) -> Result<u16, Exhausted> {
        if let Some(mapping) = self.map.get_mut(key) {
            mapping.segment = segment.clone();
            return Ok(mapping.vlan);
        }
        let vlan = (LOCAL_VLAN_MIN..=LOCAL_VLAN_MAX)
            .find(|id| !self.used.contains(id) && !self.held.contains(id))
            .ok_or(Exhausted)?;
        self.used.insert(vlan);
        self.map.insert(key.clone(), Mapping { vlan, segment: segment.clone() });
        Ok(vlan)
    }

    /// Keeps `ids` from being handed out until [`LocalVlans::release`]: flows that may not be
    /// removed yet mention them, and would carry another network's frames.
    pub fn hold(&mut self, ids: impl IntoIterator<Item = u16>) {
        self.held.extend(ids);
    }

    /// Ends what [`LocalVlans::hold`] began.
    pub fn release(&mut self) {
        self.held.clear();
    }

    /// The mapping of the network.
    #[must_use]
    pub fn get(&self, key: &NetworkKey) -> Option<&Mapping> {
        self.map.get(key)
    }

    /// Forgets every network that is not in `present`, answering the forgotten ones.
    pub fn retain(&mut self, present: &BTreeSet<NetworkKey>) -> Vec<(NetworkKey, u16)> {
        let gone: Vec<_> = self
            .map
            .iter()
            .filter(|(key, _)| !present.contains(key))
            .map(|(key, mapping)| (key.clone(), mapping.vlan))
            .collect();
        for (key, vlan) in &gone {
            self.map.remove(key);
            self.used.remove(vlan);
        }
        gone
    }

    /// Every network present, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&NetworkKey, &Mapping)> {
        self.map.iter()
    }
}

#[cfg(test)]
mod tests {
    use neutrino_types::NetworkType;

    use super::*;

    fn vxlan(id: u32) -> Segment {
        Segment {
            network_type: NetworkType::Vxlan,
            physical_network: None,
            segmentation_id: Some(id),
        }
    }

    fn key(net: &str, seg: u32) -> NetworkKey {
        NetworkKey { network_id: net.into(), segmentation_id: Some(seg) }
    }

    #[test]
    fn adopted_id_is_kept_and_not_handed_out() {
        let mut vlans = LocalVlans::default();
        assert!(vlans.adopt(key("a", 10), 1, vxlan(10)));
        assert_eq!(vlans.ensure(&key("a", 10), &vxlan(10)), Ok(1));
        assert_eq!(vlans.ensure(&key("b", 11), &vxlan(11)), Ok(2));
    }

    #[test]
    fn id_claimed_by_two_networks_stays_with_the_first() {
        let mut vlans = LocalVlans::default();
        assert!(vlans.adopt(key("a", 10), 7, vxlan(10)));
        assert!(!vlans.adopt(key("b", 11), 7, vxlan(11)));
        assert!(!vlans.adopt(key("c", 12), 4095, vxlan(12)));
    }

    #[test]
    fn reclaimed_id_is_reused() {
        let mut vlans = LocalVlans::default();
        vlans.ensure(&key("a", 10), &vxlan(10)).expect("free");
        vlans.ensure(&key("b", 11), &vxlan(11)).expect("free");
        let gone = vlans.retain(&BTreeSet::from([key("b", 11)]));
        assert_eq!(gone, vec![(key("a", 10), 1)]);
        assert_eq!(vlans.ensure(&key("c", 12), &vxlan(12)), Ok(1));
    }

    #[test]
    fn held_id_is_not_handed_out_but_may_be_adopted() {
        let mut vlans = LocalVlans::default();
        vlans.hold([1, 2]);
        assert_eq!(vlans.ensure(&key("a", 10), &vxlan(10)), Ok(3));
        assert!(vlans.adopt(key("b", 11), 2, vxlan(11)));
        vlans.release();
        assert_eq!(vlans.ensure(&key("c", 12), &vxlan(12)), Ok(1));
    }

    #[test]
    fn exhaustion_is_an_error() {
        let mut vlans = LocalVlans::default();
        for i in 1..=u32::from(LOCAL_VLAN_MAX) {
            vlans.ensure(&key("n", i), &vxlan(i)).expect("free");
        }
        assert_eq!(vlans.ensure(&key("n", 5000), &vxlan(5000)), Err(Exhausted));
    }
}
