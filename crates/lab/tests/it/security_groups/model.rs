//! What security groups mean, told again from the API's words alone: the expected results of the
//! matrix come from here, not from the code that makes flows and rules.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::probe::Protocol;

/// Whom a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    Anyone,
    Prefix(IpNet),
    /// Members of a security group, by its name.
    Group(&'static str),
    /// An address group, by its name.
    AddressGroup(&'static str),
}

/// A security group rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub egress: bool,
    pub ipv6: bool,
    /// Every protocol when absent.
    pub protocol: Option<Protocol>,
    /// Every port when absent.
    pub port: Option<u16>,
    pub remote: Remote,
}

/// An instance with one port.
#[derive(Debug, Clone)]
pub struct Member {
    pub name: String,
    pub v4: Ipv4Addr,
    pub v6: Ipv6Addr,
    pub groups: Vec<&'static str>,
    /// Its host has the firewall driver iptables_hybrid.
    pub hybrid: bool,
}

impl Member {
    /// Its address of one family.
    pub fn address(&self, ipv6: bool) -> IpAddr {
        if ipv6 { self.v6.into() } else { self.v4.into() }
    }
}

/// One kind of packet.
#[derive(Debug, Clone, Copy)]
pub struct Packet {
    pub protocol: Protocol,
    pub ipv6: bool,
    /// 0 with ICMP.
    pub port: u16,
    /// Bytes of payload; what does not fit into the MTU is sent in fragments.
    pub size: u16,
}

/// Groups and who is in them.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub members: Vec<Member>,
    pub rules: BTreeMap<&'static str, Vec<Rule>>,
    pub address_groups: BTreeMap<&'static str, Vec<IpNet>>,
}

impl World {
    /// Whether `to` hears `packet` of `from`: the groups of the one let it out, those of the
    /// other in.
    pub fn allows(&self, from: &Member, to: &Member, packet: Packet) -> bool {
        // As in Neutron, no rule is asked for ICMPv6 that leaves through iptables.
        let unasked = from.hybrid && packet.ipv6 && packet.protocol == Protocol::Icmp;
        (unasked || self.passes(true, from, to, packet)) && self.passes(false, to, from, packet)
    }

    fn passes(&self, egress: bool, own: &Member, remote: &Member, packet: Packet) -> bool {
        let mut rules = own.groups.iter().flat_map(|group| &self.rules[group]);
        rules.any(|rule| {
            rule.egress == egress
                && rule.ipv6 == packet.ipv6
                && rule.protocol.is_none_or(|protocol| protocol == packet.protocol)
                && rule.port.is_none_or(|port| port == packet.port)
                && self.is_about(&rule.remote, remote, packet.ipv6)
        })
    }

    fn is_about(&self, remote: &Remote, member: &Member, ipv6: bool) -> bool {
        let address = member.address(ipv6);
        match remote {
            Remote::Anyone => true,
            Remote::Prefix(prefix) => prefix.contains(&address),
            Remote::Group(group) => member.groups.contains(group),
            Remote::AddressGroup(group) => {
                self.address_groups[group].iter().any(|net| net.contains(&address))
            }
        }
    }
}
