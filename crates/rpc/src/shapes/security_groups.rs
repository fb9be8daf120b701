//! `security_group_info_for_devices` (call version 1.3) and what it answers.

use std::collections::BTreeMap;

use neutrino_types::MacAddr;
use serde::{Deserialize, Serialize};

use super::AddressPair;

/// Rules of the groups of the devices asked for, and the addresses behind remote groups.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SecurityGroupInfo {
    /// Port id to its part. Devices the server does not know, and ports without port security,
    /// are missing.
    #[serde(default)]
    pub devices: BTreeMap<String, SecuredDevice>,
    /// Group to its rules; a group without rules has an empty list.
    #[serde(default)]
    pub security_groups: BTreeMap<String, Vec<SecurityGroupRule>>,
    /// Remote security group or remote address group to `IPv4`/`IPv6` to members.
    #[serde(default)]
    pub sg_member_ips: BTreeMap<String, BTreeMap<String, Vec<Member>>>,
}

/// `[address or CIDR, MAC or null]`: one member of a remote group. Address groups have no MACs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member(pub String, #[serde(default)] pub Option<String>);

/// One port's part of [`SecurityGroupInfo`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SecuredDevice {
    /// The device as asked for.
    #[serde(default)]
    pub device: String,
    /// The port's groups.
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// Rules of no group: router advertisements and DHCP answers towards the port.
    #[serde(default)]
    pub security_group_rules: Vec<SecurityGroupRule>,
    /// Remote groups the port's rules name.
    #[serde(default)]
    pub security_group_source_groups: Vec<String>,
    /// Remote address groups the port's rules name.
    #[serde(default)]
    pub security_group_remote_address_groups: Vec<String>,
    /// The port's addresses.
    #[serde(default)]
    pub fixed_ips: Vec<String>,
    /// The port's network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_id: Option<String>,
    /// `device_owner`.
    #[serde(default)]
    pub device_owner: String,
    /// The port's MAC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<MacAddr>,
    /// Further addresses the port may use.
    #[serde(default)]
    pub allowed_address_pairs: Vec<AddressPair>,
}

/// One rule as agents are told it; keys without value are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroupRule {
    /// `ingress` or `egress`.
    pub direction: String,
    /// `IPv4` or `IPv6`.
    pub ethertype: String,
    /// Name or number; any when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// First port, or the ICMP type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_range_min: Option<u32>,
    /// Last port, or the ICMP code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_range_max: Option<u32>,
    /// First source port, or the ICMP type (rules of no group only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port_range_min: Option<u32>,
    /// Last source port (rules of no group only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port_range_max: Option<u32>,
    /// Remote prefix of an ingress rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip_prefix: Option<String>,
    /// Remote prefix of an egress rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dest_ip_prefix: Option<String>,
    /// Remote security group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_group_id: Option<String>,
    /// Remote address group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_address_group_id: Option<String>,
    /// Of the rule's group; absent for rules of no group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stateful: Option<bool>,
}
