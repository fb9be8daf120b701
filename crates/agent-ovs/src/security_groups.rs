//! What the server said of security groups: rules of the groups this host's ports are in, and the
//! addresses behind the remote groups those rules name.
//!
//! Owns which port is in which group, and what must be asked again after a notification: of a
//! changed group one port that uses it, not all. A plain value, no I/O; the firewall drivers make
//! of it what is installed.

mod convert;

use std::collections::{BTreeMap, BTreeSet};

use neutrino_dataplane::firewall::{
    Ethertype, Member as Address, SecurityGroup, SecurityGroups as Groups,
};
use neutrino_rpc::shapes::security_groups::SecurityGroupInfo;
use neutrino_types::{Attrs, MacAddr};

/// A filtered port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Member {
    groups: BTreeSet<String>,
    /// Whether the server did not know the port when it was asked last: another is asked.
    absent: bool,
}

/// Groups the server is to be asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stale {
    /// For their rules.
    rules: BTreeSet<String>,
    /// For their members.
    members: BTreeSet<String>,
}

impl Stale {
    fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.members.is_empty()
    }

    fn extend(&mut self, other: Self) {
        self.rules.extend(other.rules);
        self.members.extend(other.members);
    }
}

/// What was said of a port, not necessarily of this host, when it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Updated {
    groups: Vec<String>,
    mac: Option<MacAddr>,
    /// What it is in its groups.
    members: BTreeSet<Address>,
}

impl Updated {
    /// Whether `known`, of an IP version, lacks an address of the port or has one it no longer has.
    fn contradicts(&self, known: &BTreeSet<Address>, ethertype: Ethertype) -> bool {
        let of_version = |member: &&Address| convert::is_of(&member.address, ethertype);
        let has_other = |member: &Address| self.mac.is_some() && member.mac == self.mac;
        self.members.iter().filter(of_version).any(|member| !known.contains(member))
            || known
                .iter()
                .filter(of_version)
                .any(|member| has_other(member) && !self.members.contains(member))
    }
}

/// Security groups of the host.
#[derive(Clone, Debug, Default)]
pub struct SecurityGroups {
    known: Groups,
    /// Filtered ports the server has answered for.
    ports: BTreeMap<String, Member>,
    stale: Stale,
    /// Ports to compare with the members of their groups.
    updated: BTreeMap<String, Updated>,
    /// What is being asked for.
    asked: Stale,
}

impl SecurityGroups {
    /// Rules of `groups` changed.
    pub fn rules_updated(&mut self, groups: Vec<String>) {
        self.stale.rules.extend(groups);
    }

    /// Members of `groups` changed, or their addresses: of security groups or of address groups.
    pub fn members_updated(&mut self, groups: Vec<String>) {
        self.stale.members.extend(groups);
    }

    /// A port of any host changed. Neutron's server says in no other way that its allowed address
    /// pairs or its MAC did; of a pair with a MAC of its own that was taken away nothing can be
    /// told from it.
    pub fn port_updated(&mut self, port_id: String, port: &Attrs) {
        self.updated.insert(port_id, convert::updated(port));
    }

    /// Members that ports which changed are not as: to be asked for.
    fn compare_updated(&mut self) {
        let updated = std::mem::take(&mut self.updated);
        if updated.is_empty() {
            return;
        }
        let named: BTreeSet<(&str, Ethertype)> = remotes(self.known.groups.values()).collect();
        for (remote, ethertype) in named {
            let Some(known) = self.known.members.get(remote) else { continue };
            let mut ports = updated.values().filter(|p| p.groups.iter().any(|g| g == remote));
            if ports.any(|port| port.contradicts(known, ethertype)) {
                self.stale.members.insert(remote.to_string());
            }
        }
    }

    /// Ports to ask the server for, so that everything stale is answered: one per group. Groups
    /// that no port of this host uses are of no interest. They count as asked from now on.
    ///
    /// Not to be called while an answer is awaited: a port just being asked for may use a group
    /// that is not known yet.
    pub fn ask(&mut self) -> Vec<String> {
        self.compare_updated();
        if self.stale.is_empty() {
            return Vec::new();
        }
        let mut stale = std::mem::take(&mut self.stale);
        stale.rules.retain(|group| self.known.groups.contains_key(group));
        stale.members.retain(|remote| self.known.members.contains_key(remote));
        let mut rules: BTreeSet<&str> = stale.rules.iter().map(String::as_str).collect();
        // An answer has the members of the IP versions that the port's own rules are for.
        let mut members: BTreeSet<(&str, Ethertype)> = remotes(self.known.groups.values())
            .filter(|(remote, _)| stale.members.contains(*remote))
            .collect();
        let mut devices = Vec::new();
        for (id, port) in self.ports.iter().filter(|(_, port)| !port.absent) {
            let left = rules.len() + members.len();
            rules.retain(|group| !port.groups.contains(*group));
            let groups = port.groups.iter().filter_map(|id| self.known.groups.get(id));
            for named in remotes(groups) {
                members.remove(&named);
            }
            if rules.len() + members.len() < left {
                devices.push(id.clone());
            }
            if rules.is_empty() && members.is_empty() {
                break;
            }
        }
        if !devices.is_empty() {
            self.asked = stale;
        }
        devices
    }

    /// The call failed: everything is to be asked for again.
    pub fn ask_failed(&mut self) {
        let asked = std::mem::take(&mut self.asked);
        self.stale.extend(asked);
    }

    /// Takes over the answer for `devices` (of [`SecurityGroups::ask`]). Answers those the server
    /// did not know: something else about them changed.
    pub fn answered(&mut self, devices: &[String], info: SecurityGroupInfo) -> Vec<String> {
        let asked = std::mem::take(&mut self.asked);
        let absent: Vec<String> =
            devices.iter().filter(|id| !info.devices.contains_key(*id)).cloned().collect();
        for id in &absent {
            if let Some(port) = self.ports.get_mut(id) {
                port.absent = true;
            }
        }
        let is_elsewhere = |id: &String| {
            let (port, device) = (self.ports.get(id), info.devices.get(id));
            let groups = device.map(|device| device.security_groups.iter().collect());
            port.is_some_and(|port| Some(port.groups.iter().collect::<BTreeSet<_>>()) != groups)
        };
        if devices.iter().any(is_elsewhere) {
            // Gone, or moved to other groups meanwhile, it says nothing of what it was asked for;
            // other ports may.
            self.stale.extend(asked);
        }
        self.learn(info);
        absent
    }

    /// Takes over what the server said of ports and their groups.
    pub fn learn(&mut self, info: SecurityGroupInfo) {
        let SecurityGroupInfo { devices, security_groups, mut sg_member_ips } = info;
        for (id, rules) in &security_groups {
            let group = convert::group(id, rules);
            // A remote group the answer says nothing of is empty.
            for (remote, ethertype) in remotes([&group]) {
                let members = sg_member_ips.entry(remote.to_string()).or_default();
                members.entry(convert::ethertype_name(ethertype).to_string()).or_default();
            }
            self.known.groups.insert(id.clone(), group);
        }
        for (id, by_ethertype) in &sg_member_ips {
            let known = self.known.members.entry(id.clone()).or_default();
            for (name, members) in by_ethertype {
                convert::replace_members(known, id, name, members);
            }
        }
        for (id, device) in devices {
            let groups: BTreeSet<String> = device.security_groups.into_iter().collect();
            for group in groups.iter().filter(|group| !security_groups.contains_key(*group)) {
                // Without rules it allows nothing.
                self.known.groups.insert(group.clone(), convert::group(group, &[]));
            }
            self.ports.insert(id, Member { groups, absent: false });
        }
        self.forget_unused();
    }

    /// Forgets the ports that `keep` does not want, and what only they used.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let before = self.ports.len();
        self.ports.retain(|id, _| keep(id));
        if self.ports.len() != before {
            self.forget_unused();
        }
    }

    fn forget_unused(&mut self) {
        let groups: BTreeSet<&String> = self.ports.values().flat_map(|p| &p.groups).collect();
        self.known.groups.retain(|id, _| groups.contains(id));
        let named: BTreeSet<&str> = remotes(self.known.groups.values()).map(|(id, _)| id).collect();
        self.known.members.retain(|id, _| named.contains(id.as_str()));
    }

    /// The groups of a port; none while the server has not told them.
    #[must_use]
    pub fn of_port(&self, port_id: &str) -> Option<&BTreeSet<String>> {
        self.ports.get(port_id).map(|port| &port.groups)
    }

    /// Rules and members, as the data plane wants them.
    #[must_use]
    pub const fn known(&self) -> &Groups {
        &self.known
    }

    /// Whether nothing is to be asked.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.stale.is_empty() && self.asked.is_empty() && self.updated.is_empty()
    }
}

/// The remote groups that rules name, with the IP version of the rule.
fn remotes<'a>(
    groups: impl IntoIterator<Item = &'a SecurityGroup>,
) -> impl Iterator<Item = (&'a str, Ethertype)> {
    let rules = groups.into_iter().flat_map(|group| &group.rules);
    rules.filter_map(|rule| Some((rule.remote.id()?, rule.ethertype)))
}

#[cfg(test)]
mod tests;
