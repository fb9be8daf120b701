//! What a DHCP agent is told of a network (`get_active_networks_info`, `get_network_info`).
//!
//! The server sends whole API objects; these shapes name what an agent reads of them and ignore
//! the rest.

use serde::{Deserialize, Serialize};

use super::FixedIp;

/// A network with its subnets and ports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DhcpNetwork {
    /// The network.
    pub id: String,
    /// Owner.
    #[serde(default)]
    pub project_id: Option<String>,
    /// Whether the network carries traffic.
    #[serde(default)]
    pub admin_state_up: bool,
    /// MTU in bytes; 0 or null when unknown.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// Subnets of the agent's own segment, by id.
    #[serde(default)]
    pub subnets: Vec<DhcpSubnet>,
    /// Subnets of other segments (routed networks).
    #[serde(default)]
    pub non_local_subnets: Vec<DhcpSubnet>,
    /// Every port of the network.
    #[serde(default)]
    pub ports: Vec<DhcpPort>,
}

/// A subnet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DhcpSubnet {
    /// The subnet.
    pub id: String,
    /// Its network.
    #[serde(default)]
    pub network_id: String,
    /// CIDR.
    pub cidr: String,
    /// 4 or 6.
    pub ip_version: u8,
    /// Gateway.
    #[serde(default)]
    pub gateway_ip: Option<String>,
    /// Whether addresses are served.
    #[serde(default)]
    pub enable_dhcp: bool,
    /// DNS servers, in order.
    #[serde(default)]
    pub dns_nameservers: Vec<String>,
    /// Further routes.
    #[serde(default)]
    pub host_routes: Vec<HostRoute>,
    /// `ipv6_ra_mode`.
    #[serde(default)]
    pub ipv6_ra_mode: Option<String>,
    /// `ipv6_address_mode`.
    #[serde(default)]
    pub ipv6_address_mode: Option<String>,
    /// Segment of a routed network.
    #[serde(default)]
    pub segment_id: Option<String>,
}

/// `host_routes` entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRoute {
    /// CIDR.
    pub destination: String,
    /// Address.
    pub nexthop: String,
}

/// A port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DhcpPort {
    /// The port.
    pub id: String,
    /// Its network.
    #[serde(default)]
    pub network_id: String,
    /// MAC.
    #[serde(default)]
    pub mac_address: String,
    /// `device_id`.
    #[serde(default)]
    pub device_id: String,
    /// `device_owner`.
    #[serde(default)]
    pub device_owner: String,
    /// Addresses.
    #[serde(default)]
    pub fixed_ips: Vec<FixedIp>,
    /// DHCP options of this port.
    #[serde(default)]
    pub extra_dhcp_opts: Option<Vec<ExtraDhcpOpt>>,
    /// Names, if the server keeps them.
    #[serde(default)]
    pub dns_assignment: Option<Vec<DnsAssignment>>,
    /// `revision_number`: an older update must not undo a newer one.
    #[serde(default)]
    pub revision_number: Option<i64>,
}

/// `extra_dhcp_opts` entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraDhcpOpt {
    /// Name or number.
    pub opt_name: String,
    /// Value.
    #[serde(default)]
    pub opt_value: Option<String>,
    /// 4 or 6.
    #[serde(default = "four")]
    pub ip_version: u8,
}

fn four() -> u8 {
    4
}

/// `dns_assignment` entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsAssignment {
    /// Address.
    pub ip_address: String,
    /// Short name.
    pub hostname: String,
    /// Name with domain and final dot.
    pub fqdn: String,
}
