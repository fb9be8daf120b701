//! Connection tracking zones: one per filtered port, so that ports with the same addresses in
//! different networks do not share connections.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    iptables::{Saved, TableName, Wrap},
    names::{self, TAP_PREFIX},
};

/// The lowest zone: those below are VLANs of the openvswitch driver.
pub const FIRST: u16 = 4097;

/// Which port has which zone. The zone of a port that left is given to another only when all
/// others were used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zones(BTreeMap<String, u16>);

impl Zones {
    /// The zones that the rules of a former agent gave, so that connections outlive a restart.
    #[must_use]
    pub fn adopt(saved: &Saved, wrap: &Wrap) -> Self {
        let mut zones = Self::default();
        let raw = saved.tables.get(&TableName::Raw);
        let chain = raw.and_then(|raw| raw.chains.get(&wrap.chain("PREROUTING")));
        let mut used = BTreeSet::new();
        for rule in chain.iter().flat_map(|chain| &chain.rules) {
            let Some((device, zone)) = zone_of(&rule.text) else { continue };
            // Two ports cannot keep one zone; the second gets another.
            if device.starts_with(TAP_PREFIX) && zone >= FIRST && used.insert(zone) {
                zones.0.insert(device.to_string(), zone);
            }
        }
        zones
    }

    /// Gives each of `ports` (ids) without zone one. Those that get none, because all 61,439 are
    /// taken, are answered.
    pub fn assign<'a>(&mut self, ports: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let ports: BTreeSet<&str> = ports.into_iter().collect();
        let mut highest = self.0.values().max().copied().unwrap_or(FIRST - 1);
        let mut gaps: Option<VecDeque<u16>> = None;
        let mut without = Vec::new();
        for port in &ports {
            let device = names::vif_device(TAP_PREFIX, port);
            if self.0.contains_key(&device) {
                continue;
            }
            let zone = match highest.checked_add(1) {
                Some(next) => {
                    highest = next;
                    Some(next)
                }
                None => gaps.get_or_insert_with(|| self.gaps_without_all_but(&ports)).pop_front(),
            };
            match zone {
                Some(zone) => {
                    self.0.insert(device, zone);
                }
                None => without.push(*port),
            }
        }
        without
    }

    /// The zone of a port.
    #[must_use]
    pub fn of(&self, port_id: &str) -> Option<u16> {
        self.0.get(&names::vif_device(TAP_PREFIX, port_id)).copied()
    }

    /// Forgets the ports that left; the zones that are free then, lowest first.
    fn gaps_without_all_but(&mut self, ports: &BTreeSet<&str>) -> VecDeque<u16> {
        let devices: BTreeSet<String> =
            ports.iter().map(|port| names::vif_device(TAP_PREFIX, port)).collect();
        self.0.retain(|device, _| devices.contains(device));
        let used: BTreeSet<u16> = self.0.values().copied().collect();
        (FIRST..=u16::MAX).filter(|zone| !used.contains(zone)).collect()
    }
}

/// The device and zone of a rule that sets one.
fn zone_of(rule: &str) -> Option<(&str, u16)> {
    let behind = |option: &str| {
        let mut words = rule.split(' ');
        words.find(|word| *word == option)?;
        words.next()
    };
    Some((behind("--physdev-in")?, behind("--zone")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_rise_until_the_end_and_then_fill_gaps() {
        let mut zones = Zones::default();
        assert!(zones.assign(["a", "b"]).is_empty());
        assert_eq!((zones.of("a"), zones.of("b"), zones.of("c")), (Some(4097), Some(4098), None));
        zones.0.insert("tapz".into(), u16::MAX - 1);
        assert!(zones.assign(["b", "c"]).is_empty());
        assert_eq!(zones.of("c"), Some(u16::MAX));
        assert!(zones.assign(["b", "c", "d"]).is_empty());
        assert_eq!(
            (zones.of("b"), zones.of("c"), zones.of("d")),
            (Some(4098), Some(u16::MAX), Some(4097))
        );
    }

    #[test]
    fn port_without_zone_is_told() {
        let mut zones = Zones::default();
        let ids: Vec<String> =
            (0..=u32::from(u16::MAX - FIRST) + 1).map(|n| format!("{n:08}")).collect();
        assert_eq!(zones.assign(ids.iter().map(String::as_str)).len(), 1);
    }

    #[test]
    fn zones_are_adopted_from_rules() {
        let rule = |dev: &str, zone: u32| {
            format!(
                "-A neutron-openvswi-PREROUTING -m physdev --physdev-in {dev} -m comment \
                     --comment \"Set zone for x\" -j CT --zone {zone}\n"
            )
        };
        let text = format!(
            "*raw\n:neutron-openvswi-PREROUTING - [0:0]\n{}{}{}{}{}COMMIT\n",
            rule("qvb18959ebe-cd", 4100),
            rule("tap18959ebe-cd", 4100),
            rule("tapother", 4100),
            rule("tapbad", 99999),
            "-A neutron-openvswi-PREROUTING -j CT --notrack\n",
        );
        let saved = Saved::parse(&text).expect("valid");
        let zones = Zones::adopt(&saved, &Wrap::new("neutron-openvswitch-agent"));
        assert_eq!(zones.of("18959ebe-cd12-4242-8888-000000000000"), Some(4100));
        assert_eq!(zones.0.len(), 1);
    }
}
