//! Security group rules as conditions of iptables.

use std::collections::HashSet;

use ipnet::IpNet;
use neutrino_types::ip_protocol;

use crate::{
    firewall::{Direction, Ethertype, Member, Remote, Rule, SecurityGroups},
    iptables::protocol_name,
    view::Port,
};

use super::sets;

/// What the rules of one direction and IP version are turned into conditions with.
pub(super) struct Conditions<'a> {
    pub version: Ethertype,
    pub direction: Direction,
    pub groups: &'a SecurityGroups,
    /// Whether remote groups are sets; else every member is a condition.
    pub ipset: bool,
}

impl Conditions<'_> {
    /// The conditions under which a port's groups let a packet pass, each once.
    pub(super) fn of_port(&self, port: &Port) -> Vec<String> {
        let mut out = Vec::new();
        let mut seen = HashSet::new();
        let groups = port.security_groups.iter().filter_map(|id| self.groups.groups.get(id));
        for rule in groups.flat_map(|group| &group.rules) {
            if rule.direction != self.direction || rule.ethertype != self.version {
                continue;
            }
            for condition in self.of_rule(rule, port) {
                if seen.insert(condition.clone()) {
                    out.push(condition);
                }
            }
        }
        out
    }

    /// The conditions of one rule; none while the members of its remote group are not known, and
    /// for what no packet can be.
    fn of_rule(&self, rule: &Rule, port: &Port) -> Vec<String> {
        let (address, set) = match self.direction {
            Direction::Ingress => ("-s", "src"),
            Direction::Egress => ("-d", "dst"),
        };
        let Some(packet) = protocol_and_ports(rule) else { return Vec::new() };
        let from = |net: &IpNet| match net.prefix_len() {
            0 => packet.clone(),
            _ => join(&format!("{address} {}", net.trunc()), &packet),
        };
        match &rule.remote {
            Remote::Any => vec![packet],
            Remote::Prefix(net) => vec![from(net)],
            Remote::Group(id) | Remote::AddressGroup(id) => match self.groups.members.get(id) {
                None => Vec::new(),
                Some(_) if self.ipset => {
                    let name = sets::name(self.version, id);
                    vec![join(&packet, &format!("-m set --match-set {name} {set}"))]
                }
                Some(members) => {
                    let other = |member: &&Member| {
                        sets::is_of(&member.address, self.version)
                            && !port.fixed_ips.iter().any(|ip| IpNet::from(*ip) == member.address)
                    };
                    members.iter().filter(other).map(|member| from(&member.address)).collect()
                }
            },
        }
    }
}

fn join(one: &str, other: &str) -> String {
    match (one, other) {
        ("", only) | (only, "") => only.to_string(),
        _ => format!("{one} {other}"),
    }
}

/// `-p <protocol>` and what it implies; none when no packet is meant, which iptables would take as
/// an error and with it refuse the whole table. Protocol 0 stands for all.
fn protocol_and_ports(rule: &Rule) -> Option<String> {
    let Some(protocol) = rule.ip_protocol() else {
        return Some(String::new());
    };
    // A rule of IPv6 that says ICMP means that of IPv6.
    let protocol = match (rule.ethertype, protocol) {
        (Ethertype::V6, ip_protocol::ICMP) => ip_protocol::IPV6_ICMP,
        (Ethertype::V4, ip_protocol::IPV6_ICMP) => return None,
        _ => protocol,
    };
    let name = protocol_name(protocol);
    let Some(first) = rule.port_min else { return Some(format!("-p {name}")) };
    let last = rule.port_max.filter(|last| *last != first);
    let range = || match last {
        None => Some(first.to_string()),
        Some(last) if last > first => Some(format!("{first}:{last}")),
        Some(_) => None,
    };
    Some(match protocol {
        ip_protocol::ICMP => {
            format!("-p {name} -m icmp --icmp-type {}", icmp(first, rule.port_max)?)
        }
        ip_protocol::IPV6_ICMP => {
            format!("-p {name} -m icmp6 --icmpv6-type {}", icmp(first, rule.port_max)?)
        }
        ip_protocol::TCP | ip_protocol::UDP | ip_protocol::SCTP | ip_protocol::DCCP => match last {
            None => format!("-p {name} -m {name} --dport {first}"),
            Some(_) => format!("-p {name} -m {name} -m multiport --dports {}", range()?),
        },
        // UDP-Lite has no match of its own.
        ip_protocol::UDPLITE => format!("-p {name} -m multiport --dports {}", range()?),
        _ => format!("-p {name}"),
    })
}

/// `type` or `type/code`, numbers of eight bits.
fn icmp(kind: u16, code: Option<u16>) -> Option<String> {
    let kind = u8::try_from(kind).ok()?;
    Some(match code {
        None => kind.to_string(),
        Some(code) => format!("{kind}/{}", u8::try_from(code).ok()?),
    })
}
