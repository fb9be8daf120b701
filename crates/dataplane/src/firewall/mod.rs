//! Security groups as both firewall drivers see them: plain values.
//!
//! What a driver makes of them is its own module's business: [`iptables`], [`openflow`]; whose connections are
//! cut when something is no longer allowed is the same for all: [`conntrack`].

pub mod conntrack;
pub mod iptables;
pub mod openflow;
mod services;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use neutrino_types::MacAddr;
use serde::{Deserialize, Serialize};

/// Who filters the traffic of ports (`[securitygroup] firewall_driver`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Driver {
    /// Nobody; anti-spoofing stays.
    #[default]
    Noop,
    /// iptables on the Linux bridge a port is plugged through.
    IptablesHybrid,
    /// Flows of the integration bridge.
    Openvswitch,
}

impl Driver {
    /// Whether the driver itself keeps ports from using addresses of others; otherwise tables 24
    /// and 25 do.
    #[must_use]
    pub const fn prevents_spoofing(self) -> bool {
        matches!(self, Self::Openvswitch)
    }
}

/// Every group this host's ports are in, and the addresses behind every remote group their
/// rules name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecurityGroups {
    /// Group id to its rules.
    pub groups: BTreeMap<String, SecurityGroup>,
    /// Id of a remote security group or remote address group to its members.
    pub members: BTreeMap<String, BTreeSet<Member>>,
}

/// A member of a remote group. Members of security groups have a MAC, addresses of address
/// groups have none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Member {
    /// The address.
    pub address: IpNet,
    /// Who has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddr>,
}

/// A security group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecurityGroup {
    /// Whether answers to allowed packets are allowed by themselves.
    pub stateful: bool,
    /// The rules.
    pub rules: BTreeSet<Rule>,
}

/// Which way a rule looks, from the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Towards the instance.
    Ingress,
    /// From the instance.
    Egress,
}

/// IP version a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ethertype {
    /// IPv4.
    #[serde(rename = "IPv4")]
    V4,
    /// IPv6.
    #[serde(rename = "IPv6")]
    V6,
}

/// One rule: what it allows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which way.
    pub direction: Direction,
    /// IP version.
    pub ethertype: Ethertype,
    /// IP protocol number; any when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u8>,
    /// First destination port, or the ICMP type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_min: Option<u16>,
    /// Last destination port, or the ICMP code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_max: Option<u16>,
    /// The other side.
    #[serde(default)]
    pub remote: Remote,
}

impl Rule {
    /// The IP protocol it is for; 0 is any, as the API says.
    #[must_use]
    pub fn ip_protocol(&self) -> Option<u8> {
        self.protocol.filter(|protocol| *protocol != 0)
    }
}

/// The other side of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remote {
    /// Anybody.
    #[default]
    Any,
    /// Addresses of a prefix.
    Prefix(IpNet),
    /// Members of a security group (key of [`SecurityGroups::members`]).
    Group(String),
    /// Addresses of an address group (key of [`SecurityGroups::members`]).
    AddressGroup(String),
}

impl Remote {
    /// The key in [`SecurityGroups::members`] of a remote group; none for an address.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Group(id) | Self::AddressGroup(id) => Some(id),
            Self::Any | Self::Prefix(_) => None,
        }
    }
}
