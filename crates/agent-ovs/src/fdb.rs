//! What l2population told this agent: which MAC and address lives behind which tunnel.
//!
//! Owns the forwarding entries per network segment and which of them the server has confirmed
//! since the last (re)connection. Knows no flows: the data plane crate derives them.
//!
//! Notifications sent while the agent was away are lost, so after every connection the agent
//! asks the server for whole tables (`refresh_tunnels`). Until they have arrived the old entries
//! stay in force; [`Fdb::sweep`] then drops what nobody confirmed.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use neutrino_dataplane::view::{FdbRemote, FdbTable};
use neutrino_rpc::shapes::{FdbEntries, FdbPort, FdbUpdate};
use neutrino_types::MacAddr;

use crate::local_vlans::NetworkKey;

/// One entry; `None` is the flooding entry.
type Entry = Option<(MacAddr, IpAddr)>;

/// The forwarding entries of all networks on this host.
#[derive(Clone, Debug, Default)]
pub struct Fdb {
    /// Entry to whether the server confirmed it since the last connection.
    tables: BTreeMap<NetworkKey, BTreeMap<(IpAddr, Entry), bool>>,
}

impl Fdb {
    /// `add_fdb_entries`: takes over what concerns networks in `present`; `local_ip` is this
    /// host, whose own ports need no tunnel. Answers whether anything changed.
    pub fn add(
        &mut self,
        entries: &FdbEntries,
        local_ip: Option<IpAddr>,
        present: impl Fn(&NetworkKey) -> bool,
    ) -> bool {
        let mut changed = false;
        for (key, remote, ports) in parts(entries, local_ip) {
            if !present(&key) {
                continue;
            }
            let table = self.tables.entry(key).or_default();
            for entry in ports.iter().filter_map(parse) {
                if table.insert((remote, entry), true).is_none() {
                    changed = true;
                    // A port is in one place: what was said last counts, as in Neutron.
                    table.retain(|(host, known), _| {
                        known.is_none() || *known != entry || *host == remote
                    });
                }
            }
        }
        changed
    }

    /// `remove_fdb_entries`. Answers whether anything changed.
    pub fn remove(&mut self, entries: &FdbEntries, local_ip: Option<IpAddr>) -> bool {
        let mut changed = false;
        for (key, remote, ports) in parts(entries, local_ip) {
            let Some(table) = self.tables.get_mut(&key) else { continue };
            for entry in ports.iter().filter_map(parse) {
                changed |= table.remove(&(remote, entry)).is_some();
            }
        }
        changed
    }

    /// `update_fdb_entries`: ports whose address changed. Answers whether anything changed.
    pub fn update(&mut self, update: &FdbUpdate, local_ip: Option<IpAddr>) -> bool {
        let mut changed = false;
        for (network_id, hosts) in &update.chg_ip {
            for (key, table) in &mut self.tables {
                if key.network_id != *network_id {
                    continue;
                }
                for (host, change) in hosts {
                    let Ok(remote) = host.parse::<IpAddr>() else { continue };
                    if Some(remote) == local_ip {
                        continue;
                    }
                    for entry in change.before.iter().filter_map(parse) {
                        changed |= table.remove(&(remote, entry)).is_some();
                    }
                    for entry in change.after.iter().filter_map(parse) {
                        changed |= table.insert((remote, entry), true).is_none();
                    }
                }
            }
        }
        changed
    }

    /// A new connection: everything known must be confirmed again.
    pub fn unconfirm(&mut self) {
        for confirmed in self.tables.values_mut().flat_map(BTreeMap::values_mut) {
            *confirmed = false;
        }
    }

    /// Drops what the server did not confirm, answering how many entries that were.
    pub fn sweep(&mut self) -> usize {
        let mut dropped = 0;
        for table in self.tables.values_mut() {
            let before = table.len();
            table.retain(|_, confirmed| *confirmed);
            dropped += before - table.len();
        }
        dropped
    }

    /// Forgets the networks that left this host.
    pub fn retain(&mut self, present: &BTreeSet<NetworkKey>) {
        self.tables.retain(|key, _| present.contains(key));
    }

    /// The entries of a network segment, as the data plane wants them.
    #[must_use]
    pub fn table(&self, key: &NetworkKey) -> FdbTable {
        let mut out = FdbTable::new();
        for (remote, entry) in self.tables.get(key).into_iter().flat_map(BTreeMap::keys) {
            let host: &mut FdbRemote = out.entry(*remote).or_default();
            match entry {
                None => host.flood = true,
                Some(pair) => {
                    host.entries.insert(*pair);
                }
            }
        }
        out
    }
}

/// The parts of a message that concern other hosts.
fn parts(
    entries: &FdbEntries,
    local_ip: Option<IpAddr>,
) -> impl Iterator<Item = (NetworkKey, IpAddr, &Vec<FdbPort>)> {
    entries.iter().flat_map(move |(network_id, network)| {
        network.ports.iter().filter_map(move |(host, ports)| {
            let remote = host.parse::<IpAddr>().ok()?;
            if Some(remote) == local_ip {
                return None;
            }
            let key = NetworkKey {
                network_id: network_id.clone(),
                segmentation_id: Some(network.segment_id),
            };
            Some((key, remote, ports))
        })
    })
}

/// An entry of the wire; none when its address is not one.
fn parse(port: &FdbPort) -> Option<Entry> {
    if port.is_flooding() {
        return Some(None);
    }
    port.1.parse().ok().map(|ip| Some((port.0, ip)))
}

#[cfg(test)]
mod tests {
    use neutrino_rpc::shapes::FdbNetwork;

    use super::*;

    fn mac(last: u8) -> MacAddr {
        MacAddr([0xfa, 0x16, 0x3e, 0, 0, last])
    }

    fn message(host: &str, ports: Vec<FdbPort>) -> FdbEntries {
        FdbEntries::from([(
            "net".to_string(),
            FdbNetwork {
                segment_id: 5,
                network_type: "vxlan".into(),
                ports: BTreeMap::from([(host.to_string(), ports)]),
            },
        )])
    }

    fn key() -> NetworkKey {
        NetworkKey { network_id: "net".into(), segmentation_id: Some(5) }
    }

    #[test]
    fn own_host_and_absent_networks_are_ignored() {
        let mut fdb = Fdb::default();
        let local = "10.0.0.1".parse().ok();
        assert!(!fdb.add(&message("10.0.0.1", vec![FdbPort::flooding()]), local, |_| true));
        assert!(!fdb.add(&message("10.0.0.2", vec![FdbPort::flooding()]), local, |_| false));
        assert!(fdb.table(&key()).is_empty());
    }

    #[test]
    fn added_entries_show_until_removed() {
        let mut fdb = Fdb::default();
        let ports = vec![FdbPort::flooding(), FdbPort(mac(1), "192.168.0.3".into())];
        assert!(fdb.add(&message("10.0.0.2", ports), None, |_| true));
        let table = fdb.table(&key());
        let host = &table[&"10.0.0.2".parse::<IpAddr>().expect("valid")];
        assert!(host.flood);
        assert_eq!(host.entries.len(), 1);
        assert!(fdb.remove(&message("10.0.0.2", vec![FdbPort::flooding()]), None));
        assert!(!fdb.table(&key())[&"10.0.0.2".parse::<IpAddr>().expect("valid")].flood);
    }

    #[test]
    fn port_announced_elsewhere_has_moved() {
        let mut fdb = Fdb::default();
        let port = FdbPort(mac(1), "192.168.0.3".into());
        let ports = vec![FdbPort::flooding(), port.clone()];
        fdb.add(&message("10.0.0.2", ports.clone()), None, |_| true);
        assert!(fdb.add(&message("10.0.0.7", ports), None, |_| true));
        let table = fdb.table(&key());
        let host = |ip: &str| &table[&ip.parse::<IpAddr>().expect("valid")];
        assert!(host("10.0.0.2").entries.is_empty() && host("10.0.0.2").flood);
        assert_eq!(host("10.0.0.7").entries.len(), 1);
        // The withdrawal at the former place comes late and changes nothing.
        assert!(!fdb.remove(&message("10.0.0.2", vec![port]), None));
    }

    #[test]
    fn unconfirmed_entries_go_with_the_sweep_only() {
        let mut fdb = Fdb::default();
        let old = FdbPort(mac(1), "192.168.0.3".into());
        let kept = FdbPort(mac(2), "192.168.0.4".into());
        fdb.add(&message("10.0.0.2", vec![old, kept.clone()]), None, |_| true);
        fdb.unconfirm();
        assert!(!fdb.add(&message("10.0.0.2", vec![kept]), None, |_| true));
        assert_eq!(fdb.table(&key()).values().next().map(|h| h.entries.len()), Some(2));
        assert_eq!(fdb.sweep(), 1);
        assert_eq!(fdb.table(&key()).values().next().map(|h| h.entries.len()), Some(1));
    }

    #[test]
    fn changed_address_replaces_the_entry() {
        let mut fdb = Fdb::default();
        let before = FdbPort(mac(1), "192.168.0.3".into());
        let after = FdbPort(mac(1), "192.168.0.9".into());
        fdb.add(&message("10.0.0.2", vec![before.clone()]), None, |_| true);
        let change = neutrino_rpc::shapes::FdbChange { before: vec![before], after: vec![after] };
        let update = FdbUpdate {
            chg_ip: BTreeMap::from([("net".into(), BTreeMap::from([("10.0.0.2".into(), change)]))]),
        };
        assert!(fdb.update(&update, None));
        let table = fdb.table(&key());
        let entries: Vec<_> = table.values().flat_map(|h| h.entries.iter()).collect();
        assert_eq!(entries[0].1.to_string(), "192.168.0.9");
    }
}
