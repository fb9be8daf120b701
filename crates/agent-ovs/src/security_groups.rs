//! What the server said of security groups: rules of the groups this host's ports are in, and the
//! addresses behind the remote groups those rules name.
//!
//! Owns which port is in which group, and what must be asked again after a notification: of a
//! changed group one port that uses it, not all. A plain value, no I/O; the firewall drivers make
//! of it what is installed.

mod convert;

use std::collections::{BTreeMap, BTreeSet};

use neutrino_dataplane::firewall::{Remote, SecurityGroup, SecurityGroups as Groups};
use neutrino_rpc::shapes::security_groups::SecurityGroupInfo;

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

/// Security groups of the host.
#[derive(Clone, Debug, Default)]
pub struct SecurityGroups {
    known: Groups,
    /// Filtered ports the server has answered for.
    ports: BTreeMap<String, Member>,
    stale: Stale,
    /// What is being asked for.
    asked: Stale,
}

impl SecurityGroups {
    /// Rules of `groups` changed.
    pub fn rules_updated(&mut self, groups: Vec<String>) {
        self.stale.rules.extend(groups);
    }

    /// Members of `groups` changed, or their addresses.
    pub fn members_updated(&mut self, groups: Vec<String>) {
        self.stale.members.extend(groups);
    }

    /// Ports to ask the server for, so that everything stale is answered: one per group. Groups
    /// that no port of this host uses are of no interest. They count as asked from now on.
    ///
    /// Not to be called while an answer is awaited: a port just being asked for may use a group
    /// that is not known yet.
    pub fn ask(&mut self) -> Vec<String> {
        if self.stale.is_empty() {
            return Vec::new();
        }
        let mut stale = std::mem::take(&mut self.stale);
        let mut devices = BTreeSet::new();
        let mut unanswered = stale.clone();
        for (id, port) in self.ports.iter().filter(|(_, port)| !port.absent) {
            let remotes: BTreeSet<&str> = self.remotes(&port.groups).collect();
            let serves = unanswered.rules.iter().any(|group| port.groups.contains(group))
                || unanswered.members.iter().any(|group| remotes.contains(group.as_str()));
            if serves {
                unanswered.rules.retain(|group| !port.groups.contains(group));
                unanswered.members.retain(|group| !remotes.contains(group.as_str()));
                devices.insert(id.clone());
            }
            if unanswered.is_empty() {
                break;
            }
        }
        stale.rules.retain(|group| !unanswered.rules.contains(group));
        stale.members.retain(|group| !unanswered.members.contains(group));
        self.asked = stale;
        devices.into_iter().collect()
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
        if !absent.is_empty() {
            // Other ports may use what they were asked for.
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
            for remote in group.rules.iter().filter_map(|rule| remote_of(&rule.remote)) {
                sg_member_ips.entry(remote.to_string()).or_default();
            }
            self.known.groups.insert(id.clone(), group);
        }
        for (id, members) in &sg_member_ips {
            self.known.members.insert(id.clone(), convert::members(id, members));
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
        let rules = self.known.groups.values().flat_map(|group| &group.rules);
        let remotes: BTreeSet<&str> = rules.filter_map(|rule| remote_of(&rule.remote)).collect();
        self.known.members.retain(|id, _| remotes.contains(id.as_str()));
    }

    fn remotes<'a>(&'a self, groups: &'a BTreeSet<String>) -> impl Iterator<Item = &'a str> {
        let known = groups.iter().filter_map(|id| self.known.groups.get(id));
        let rules = known.flat_map(|group: &SecurityGroup| &group.rules);
        rules.filter_map(|rule| remote_of(&rule.remote))
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
        self.stale.is_empty() && self.asked.is_empty()
    }
}

fn remote_of(remote: &Remote) -> Option<&str> {
    match remote {
        Remote::Group(id) | Remote::AddressGroup(id) => Some(id),
        Remote::Any | Remote::Prefix(_) => None,
    }
}

#[cfg(test)]
mod tests;
