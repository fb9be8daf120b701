//! Remote groups as ipsets: one set per group and IP version, whatever the number of ports and
//! rules that name it.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::{
    firewall::{Ethertype, SecurityGroups},
    view::Port,
};

/// All names of the agent's sets start with this.
const PREFIX: &str = "N";
/// Longest name: two less than that of ipset, for the set that is built beside it to replace it.
const NAME_MAX_LEN: usize = 29;

/// A set of type `hash:net`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// IP version of all members.
    pub version: Ethertype,
    /// Networks; none has prefix length 0, which ipset cannot hold.
    pub members: BTreeSet<IpNet>,
}

/// The name of the set of a security group or address group.
#[must_use]
pub fn name(version: Ethertype, group_id: &str) -> String {
    let version = match version {
        Ethertype::V4 => "IPv4",
        Ethertype::V6 => "IPv6",
    };
    format!("{PREFIX}{version}{group_id}").chars().take(NAME_MAX_LEN).collect()
}

/// Whether a set of this name is an agent's, be it one left half built.
#[must_use]
pub fn is_ours(name: &str) -> bool {
    name.starts_with("NIPv4") || name.starts_with("NIPv6")
}

/// Whether an address is of an IP version.
pub(super) const fn is_of(net: &IpNet, version: Ethertype) -> bool {
    matches!((net, version), (IpNet::V4(_), Ethertype::V4) | (IpNet::V6(_), Ethertype::V6))
}

/// The sets that the rules of `ports` name, and their members. Groups whose members are not known
/// have none, and no rule names one.
pub(super) fn desired(ports: &[&Port], groups: &SecurityGroups) -> BTreeMap<String, Set> {
    let used: BTreeSet<&String> = ports
        .iter()
        .filter(|port| port.protected())
        .flat_map(|port| &port.security_groups)
        .collect();
    let rules = used.into_iter().filter_map(|id| groups.groups.get(id)).flat_map(|g| &g.rules);
    let named: BTreeSet<(Ethertype, &str)> =
        rules.filter_map(|rule| Some((rule.ethertype, rule.remote.id()?))).collect();
    named
        .into_iter()
        .filter_map(|(version, id)| {
            let members = groups.members.get(id)?;
            let nets = members.iter().map(|m| m.address).filter(|net| is_of(net, version));
            let members = nets.flat_map(storable).collect();
            Some((name(version, id), Set { version, members }))
        })
        .collect()
}

/// The network as ipset can hold it: one of prefix length 0 becomes its two halves.
fn storable(net: IpNet) -> Vec<IpNet> {
    let net = net.trunc();
    if net.prefix_len() > 0 {
        return vec![net];
    }
    // Halving prefix length 0 always works.
    net.subnets(1).map(Iterator::collect).unwrap_or_default()
}
