//! Which connections are cut when a port, an address, a rule or a member is gone.
//!
//! Connections that are known pass without being asked for again, so that what no longer allows
//! them must cut them. Pure: the agent reads the tracked connections and removes those that
//! [`Deletions::hits`].

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use ipnet::IpNet;

use crate::view::{HostView, Port};

use super::{Direction, Ethertype, Rule, SecurityGroups};

/// A tracked connection: its first packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Zone.
    pub zone: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// Who opened it.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
}

/// Connections to cut in one zone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deletion {
    /// IP version.
    pub version: Ethertype,
    /// Who opened them: [`Direction::Ingress`] for connections to the port.
    pub direction: Direction,
    /// Those of one IP protocol; all when `None`.
    pub protocol: Option<u8>,
    /// The port's address.
    pub local: IpNet,
    /// The other side; all when `None`.
    pub remotes: Option<Arc<Remotes>>,
}

/// Addresses of remote sides.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remotes {
    /// Single addresses, which most members are.
    pub hosts: BTreeSet<IpAddr>,
    /// Networks.
    pub nets: BTreeSet<IpNet>,
}

impl Remotes {
    fn insert(&mut self, net: IpNet) {
        if net.prefix_len() == net.max_prefix_len() {
            self.hosts.insert(net.addr());
        } else {
            self.nets.insert(net);
        }
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.hosts.contains(&address) || self.nets.iter().any(|net| net.contains(&address))
    }
}

/// Connections to cut, by zone and by address of a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deletions {
    cuts: BTreeMap<(u16, IpNet), BTreeSet<Deletion>>,
    /// The keys that are more than one address, which is rare.
    nets: BTreeSet<(u16, IpNet)>,
}

impl Deletions {
    /// What is to be cut between two views of a host.
    ///
    /// `old` is what was last applied, `new` what is applied now; `zone` answers the zone of a
    /// port of either. Call after the new rules are in: a connection cut before could come back.
    /// A group that is not known is a group without rules or members, as for the drivers.
    #[must_use]
    pub fn between(old: &HostView, new: &HostView, zone: impl Fn(&Port) -> Option<u16>) -> Self {
        let mut out = Self::default();
        let after: BTreeMap<&str, &Port> = filtered(new).map(|port| (&*port.id, port)).collect();
        let lost = lost_members(&old.security_groups, &new.security_groups);
        for port in filtered(old) {
            let Some(zone) = zone(port) else { continue };
            let Some(now) = after.get(port.id.as_str()) else {
                out.extend(zone, port.addresses().into_iter().flat_map(everything));
                continue;
            };
            let addresses = now.addresses();
            let gone = port.addresses().into_iter().filter(|net| !addresses.contains(net));
            out.extend(zone, gone.flat_map(everything));
            let allowed = rules(now, &new.security_groups);
            for rule in rules(port, &old.security_groups).difference(&allowed) {
                out.extend(zone, of_rule(rule, &addresses));
            }
            let named: BTreeSet<(&str, Ethertype)> = allowed
                .iter()
                .filter_map(|rule| Some((rule.remote.id()?, rule.ethertype)))
                .collect();
            for key in named {
                if let Some(remotes) = lost.get(&key) {
                    out.extend(zone, of_members(key.1, remotes, &addresses));
                }
            }
        }
        out
    }

    /// What ports that left, and addresses that a port no longer has, leave behind. All that is to
    /// be cut where flows mark what no rule allows any more: a connection cut instead of marked
    /// comes back with the next packet of the side that may open it.
    #[must_use]
    pub fn left(old: &HostView, new: &HostView, zone: impl Fn(&Port) -> Option<u16>) -> Self {
        let mut out = Self::default();
        let after: BTreeMap<&str, &Port> = filtered(new).map(|port| (&*port.id, port)).collect();
        for port in filtered(old) {
            let Some(zone) = zone(port) else { continue };
            let kept = after.get(port.id.as_str()).map(|now| now.addresses()).unwrap_or_default();
            let gone = port.addresses().into_iter().filter(|net| !kept.contains(net));
            out.extend(zone, gone.flat_map(everything));
        }
        out
    }

    /// What rules, groups and members that came allow again, as far as it is marked as not
    /// allowed: the mark would outlive its reason.
    #[must_use]
    pub fn regained(old: &HostView, new: &HostView, zone: impl Fn(&Port) -> Option<u16>) -> Self {
        let mut out = Self::default();
        let before: BTreeMap<&str, &Port> = filtered(old).map(|port| (&*port.id, port)).collect();
        // Members that are there now and were not.
        let joined = lost_members(&new.security_groups, &old.security_groups);
        for port in filtered(new) {
            let Some(zone) = zone(port) else { continue };
            let addresses = port.addresses();
            let was = before.get(port.id.as_str());
            let had = was.map(|was| rules(was, &old.security_groups)).unwrap_or_default();
            for rule in rules(port, &new.security_groups) {
                if !had.contains(&rule) {
                    out.extend(zone, of_rule(rule, &addresses));
                    continue;
                }
                let key = rule.remote.id().map(|id| (id, rule.ethertype));
                if let Some(remotes) = key.and_then(|key| joined.get(&key)) {
                    let of_rule = of_rule(rule, &addresses).into_iter();
                    let cuts =
                        of_rule.map(|cut| Deletion { remotes: Some(remotes.clone()), ..cut });
                    out.extend(zone, cuts);
                }
            }
        }
        out
    }

    fn extend(&mut self, zone: u16, deletions: impl IntoIterator<Item = Deletion>) {
        for deletion in deletions {
            let key = (zone, deletion.local);
            if deletion.local.prefix_len() < deletion.local.max_prefix_len() {
                self.nets.insert(key);
            }
            self.cuts.entry(key).or_default().insert(deletion);
        }
    }

    /// Whether nothing is to be cut.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cuts.is_empty()
    }

    /// Zone and connections to cut in it.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &Deletion)> {
        self.cuts.iter().flat_map(|((zone, _), cuts)| cuts.iter().map(move |cut| (*zone, cut)))
    }

    /// Whether `connection` is to be cut.
    #[must_use]
    pub fn hits(&self, connection: &Connection) -> bool {
        let zone = connection.zone;
        let ends = [connection.source, connection.destination];
        let single = ends.map(|end| (zone, IpNet::from(end)));
        let nets = self
            .nets
            .iter()
            .filter(|(of, net)| *of == zone && ends.iter().any(|end| net.contains(end)));
        single
            .iter()
            .chain(nets)
            .filter_map(|key| self.cuts.get(key))
            .flatten()
            .any(|cut| cut.hits(connection))
    }
}

/// The ports a firewall looks after.
fn filtered(view: &HostView) -> impl Iterator<Item = &Port> {
    view.ports.iter().filter(|port| port.protected() && !port.dead)
}

impl Deletion {
    fn hits(&self, connection: &Connection) -> bool {
        let (local, remote) = match self.direction {
            Direction::Ingress => (connection.destination, connection.source),
            Direction::Egress => (connection.source, connection.destination),
        };
        self.protocol.is_none_or(|protocol| protocol == connection.protocol)
            && self.local.contains(&local)
            && self.remotes.as_ref().is_none_or(|remotes| remotes.contains(remote))
    }
}

/// The rules that apply to a port.
fn rules<'a>(port: &Port, groups: &'a SecurityGroups) -> BTreeSet<&'a Rule> {
    let known = port.security_groups.iter().filter_map(|id| groups.groups.get(id));
    known.flat_map(|group| &group.rules).collect()
}

fn version(net: &IpNet) -> Ethertype {
    match net {
        IpNet::V4(_) => Ethertype::V4,
        IpNet::V6(_) => Ethertype::V6,
    }
}

/// All connections of an address.
fn everything(local: IpNet) -> [Deletion; 2] {
    [Direction::Ingress, Direction::Egress].map(|direction| Deletion {
        version: version(&local),
        direction,
        protocol: None,
        local,
        remotes: None,
    })
}

/// The connections that a rule allowed, and others of its protocol: those that are still allowed
/// pass again as new ones.
fn of_rule(rule: &Rule, addresses: &BTreeSet<IpNet>) -> Vec<Deletion> {
    addresses
        .iter()
        .filter(|local| version(local) == rule.ethertype)
        .map(|local| Deletion {
            version: rule.ethertype,
            direction: rule.direction,
            protocol: rule.protocol.filter(|protocol| *protocol != 0),
            local: *local,
            remotes: None,
        })
        .collect()
}

fn of_members(
    ethertype: Ethertype,
    remotes: &Arc<Remotes>,
    addresses: &BTreeSet<IpNet>,
) -> Vec<Deletion> {
    let local = addresses.iter().filter(|local| version(local) == ethertype);
    local
        .flat_map(|local| everything(*local))
        .map(|all| Deletion { remotes: Some(Arc::clone(remotes)), ..all })
        .collect()
}

/// Remote group and IP version to the addresses that are no longer behind it.
fn lost_members<'a>(
    old: &'a SecurityGroups,
    new: &SecurityGroups,
) -> BTreeMap<(&'a str, Ethertype), Arc<Remotes>> {
    let mut out: BTreeMap<(&str, Ethertype), Remotes> = BTreeMap::new();
    for (id, before) in &old.members {
        let now = new.members.get(id);
        if now == Some(before) {
            continue;
        }
        let now: BTreeSet<IpNet> = now.into_iter().flatten().map(|m| m.address).collect();
        for net in before.iter().map(|m| m.address).filter(|net| !now.contains(net)) {
            out.entry((id, version(&net))).or_default().insert(net);
        }
    }
    out.into_iter().map(|(key, nets)| (key, Arc::new(nets))).collect()
}
