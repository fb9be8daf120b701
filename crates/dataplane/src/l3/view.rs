//! A router as an L3 agent sees it, and the agent's settings.
//!
//! Field names are those of the server's message, so that a case can be written from it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use neutrino_types::MacAddr;
use serde::{Deserialize, Serialize};

use crate::dhcp::view::Ipv6Mode;

/// A router with everything that concerns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Router {
    /// The router.
    pub id: String,
    /// Whether its namespaces are on every host that needs it.
    pub distributed: bool,
    /// Whether the router's own address stands in for its networks' outside.
    pub enable_snat: bool,
    /// The port on the external network.
    pub gw_port: Option<Port>,
    /// Host of the centralised part of a distributed router.
    pub gw_port_host: Option<String>,
    /// Further routes.
    pub routes: Vec<ExtraRoute>,
    /// Ports on the internal networks.
    #[serde(rename = "_interfaces")]
    pub interfaces: Vec<Port>,
    /// Ports of a distributed router's centralised part on the internal networks.
    #[serde(rename = "_snat_router_interfaces")]
    pub snat_interfaces: Vec<Port>,
    /// Floating IPs of its instances.
    #[serde(rename = "_floatingips")]
    pub floating_ips: Vec<FloatingIp>,
    /// Ports of the hosts on the external network, for distributed floating IPs.
    #[serde(rename = "_floatingip_agent_interfaces")]
    pub agent_gateways: Vec<Port>,
    /// Single ports forwarded to instances.
    pub port_forwardings: Vec<PortForwarding>,
}

impl Default for Router {
    fn default() -> Self {
        Self {
            id: String::new(),
            distributed: false,
            enable_snat: true,
            gw_port: None,
            gw_port_host: None,
            routes: Vec::new(),
            interfaces: Vec::new(),
            snat_interfaces: Vec::new(),
            floating_ips: Vec::new(),
            agent_gateways: Vec::new(),
            port_forwardings: Vec::new(),
        }
    }
}

impl Router {
    /// The same router with its parts in an order of their own: servers list them in any, and no
    /// rule is to move for that.
    pub(super) fn sorted(&self) -> Self {
        let mut sorted = self.clone();
        sorted.interfaces.sort_by(|one, other| one.id.cmp(&other.id));
        sorted.snat_interfaces.sort_by(|one, other| one.id.cmp(&other.id));
        sorted.floating_ips.sort_by_key(|fip| fip.floating_ip_address);
        sorted.port_forwardings.sort_by(|one, other| one.id.cmp(&other.id));
        sorted
    }
}

/// A port of the router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The port.
    pub id: String,
    /// Its network.
    #[serde(default)]
    pub network_id: String,
    /// MAC.
    pub mac_address: MacAddr,
    /// Whether the port carries traffic.
    #[serde(default = "yes")]
    pub admin_state_up: bool,
    /// MTU of the network in bytes; 0 when unknown.
    #[serde(default)]
    pub mtu: u32,
    /// Addresses.
    #[serde(default)]
    pub fixed_ips: Vec<FixedIp>,
    /// Subnets the addresses are of.
    #[serde(default)]
    pub subnets: Vec<Subnet>,
    /// Further subnets of the network.
    #[serde(default)]
    pub extra_subnets: Vec<Subnet>,
    /// Address scope by IP version.
    #[serde(default)]
    pub address_scopes: AddressScopes,
}

const fn yes() -> bool {
    true
}

/// Address scopes of a port, by IP version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressScopes {
    /// Of its IPv4 addresses.
    #[serde(rename = "4", default)]
    pub v4: Option<String>,
    /// Of its IPv6 addresses.
    #[serde(rename = "6", default)]
    pub v6: Option<String>,
}

/// `fixed_ips` entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedIp {
    /// Subnet of the address.
    pub subnet_id: String,
    /// The address.
    pub ip_address: IpAddr,
    /// Prefix length of the subnet.
    pub prefixlen: u8,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// The subnet.
    pub id: String,
    /// Its range.
    pub cidr: IpNet,
    /// Gateway.
    #[serde(default)]
    pub gateway_ip: Option<IpAddr>,
    /// Who advertises the subnet.
    #[serde(default)]
    pub ipv6_ra_mode: Option<Ipv6Mode>,
    /// DNS servers, in order.
    #[serde(default)]
    pub dns_nameservers: Vec<IpAddr>,
}

/// `routes` entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraRoute {
    /// Where to.
    pub destination: IpNet,
    /// Through whom.
    pub nexthop: IpAddr,
}

/// A floating IP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloatingIp {
    /// The floating IP.
    pub id: String,
    /// Its address.
    pub floating_ip_address: Ipv4Addr,
    /// Its network.
    #[serde(default)]
    pub floating_network_id: String,
    /// The instance's address.
    pub fixed_ip_address: Ipv4Addr,
    /// Address scope of the instance's address.
    #[serde(default)]
    pub fixed_ip_address_scope: Option<String>,
    /// Host of the instance.
    #[serde(default)]
    pub host: Option<String>,
    /// Host the instance migrates to.
    #[serde(default)]
    pub dest_host: Option<String>,
    /// Whether a distributed router serves it in its centralised part.
    #[serde(default)]
    pub dvr_snat_bound: bool,
}

/// A port of a floating IP that leads to a port of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortForwarding {
    /// The port forwarding.
    pub id: String,
    /// Address of its floating IP.
    pub floating_ip_address: Ipv4Addr,
    /// `tcp`, `udp`, ...
    pub protocol: String,
    /// First and last port of the floating IP.
    pub external_ports: (u16, u16),
    /// Address of the instance.
    pub internal_ip_address: Ipv4Addr,
    /// First and last port of the instance.
    pub internal_ports: (u16, u16),
}

/// `agent_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentMode {
    /// Centralised routers only.
    #[default]
    Legacy,
    /// A compute host.
    Dvr,
    /// A network host: also centralised parts of distributed routers.
    DvrSnat,
    /// A compute host without a path to external networks.
    DvrNoExternal,
}

/// The agent's settings that shape what it makes, named as the options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What parts of distributed routers the host carries.
    pub agent_mode: AgentMode,
    /// Name of the host.
    pub host: String,
    /// Whether instances find the metadata service through the router.
    pub enable_metadata_proxy: bool,
    /// Port of the metadata proxy in the namespace.
    pub metadata_port: u16,
    /// Mark of requests to the metadata service.
    pub metadata_access_mark: u16,
    /// Mark of packets from the external network.
    pub external_ingress_mark: u16,
    /// Random source ports when addresses are translated.
    pub use_random_fully: bool,
    /// Default router of external networks without an IPv6 subnet.
    pub ipv6_gateway: Option<Ipv6Addr>,
    /// Shortest time between router advertisements, seconds.
    pub min_rtr_adv_interval: u32,
    /// Longest time between router advertisements, seconds.
    pub max_rtr_adv_interval: u32,
    /// Comments in the packet filter.
    pub comment_iptables_rules: bool,
    /// Whether the host speaks IPv6.
    pub ipv6: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            agent_mode: AgentMode::Legacy,
            host: String::new(),
            enable_metadata_proxy: true,
            metadata_port: 9697,
            metadata_access_mark: 0x1,
            external_ingress_mark: 0x2,
            use_random_fully: true,
            ipv6_gateway: None,
            min_rtr_adv_interval: 30,
            max_rtr_adv_interval: 100,
            comment_iptables_rules: true,
            ipv6: true,
        }
    }
}

/// Who is on a subnet of a distributed router (`get_ports_by_subnet`): its neighbours, for each
/// host answers for all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetPort {
    /// MAC.
    pub mac_address: MacAddr,
    /// `device_owner`.
    #[serde(default)]
    pub device_owner: String,
    /// Addresses.
    #[serde(default)]
    pub fixed_ips: Vec<SubnetAddress>,
    /// Further addresses, with the MAC they are used from.
    #[serde(default)]
    pub allowed_address_pairs: Vec<AddressPair>,
}

/// An address of a [`SubnetPort`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetAddress {
    /// Subnet of the address.
    pub subnet_id: String,
    /// The address.
    pub ip_address: IpAddr,
}

/// `allowed_address_pairs` entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressPair {
    /// An address or a range.
    pub ip_address: IpNet,
    /// MAC.
    pub mac_address: MacAddr,
}
