//! A network as a DHCP agent sees it, and the agent's settings.
//!
//! Field names are the API's, so that a case can be written from what the API shows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use neutrino_types::{
    MacAddr,
    constants::device_owner::{DHCP, DISTRIBUTED, FLOATING_IP, ROUTER_HA_INTERFACE},
};
use serde::{Deserialize, Serialize};

/// Owners whose ports get no address from DHCP.
const NOT_SERVED: [&str; 4] = [ROUTER_HA_INTERFACE, FLOATING_IP, DHCP, DISTRIBUTED];

/// A network with all its ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// The network.
    pub id: String,
    /// Owner.
    pub project_id: Option<String>,
    /// Whether the network carries traffic.
    pub admin_state_up: bool,
    /// MTU in bytes; 0 when unknown.
    pub mtu: u32,
    /// Subnets of the agent's own segment.
    pub subnets: Vec<Subnet>,
    /// Subnets of other segments (routed networks).
    pub non_local_subnets: Vec<Subnet>,
    /// Every port.
    pub ports: Vec<Port>,
}

impl Network {
    /// Local subnets, then those of other segments.
    pub fn all_subnets(&self) -> impl Iterator<Item = &Subnet> {
        self.subnets.iter().chain(&self.non_local_subnets)
    }

    /// The subnet called `id`.
    #[must_use]
    pub fn subnet(&self, id: &str) -> Option<&Subnet> {
        self.all_subnets().find(|subnet| subnet.id == id)
    }

    /// Whether an agent has anything to do for the network.
    #[must_use]
    pub fn wants_dhcp(&self) -> bool {
        self.admin_state_up && self.subnets.iter().any(|subnet| subnet.enable_dhcp)
    }

    /// The port whose `device_id` is this.
    #[must_use]
    pub fn port_of_device(&self, device_id: &str) -> Option<&Port> {
        self.ports.iter().find(|port| port.device_id == device_id)
    }
}

/// Values of `ipv6_ra_mode` and `ipv6_address_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ipv6Mode {
    /// Addresses from router advertisements only.
    Slaac,
    /// Addresses from DHCPv6.
    Dhcpv6Stateful,
    /// Addresses from router advertisements, options from DHCPv6.
    Dhcpv6Stateless,
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
    /// Whether addresses are served.
    #[serde(default)]
    pub enable_dhcp: bool,
    /// DNS servers, in order.
    #[serde(default)]
    pub dns_nameservers: Vec<IpAddr>,
    /// Further routes.
    #[serde(default)]
    pub host_routes: Vec<HostRoute>,
    /// Who advertises the subnet.
    #[serde(default)]
    pub ipv6_ra_mode: Option<Ipv6Mode>,
    /// How addresses are made.
    #[serde(default)]
    pub ipv6_address_mode: Option<Ipv6Mode>,
    /// Segment of a routed network.
    #[serde(default)]
    pub segment_id: Option<String>,
}

impl Subnet {
    /// Whether the subnet is IPv6.
    #[must_use]
    pub fn is_v6(&self) -> bool {
        matches!(self.cidr, IpNet::V6(_))
    }

    /// Whether instances make their addresses themselves and never ask by DHCP.
    pub(crate) fn is_slaac(&self) -> bool {
        self.is_v6() && self.ipv6_address_mode == Some(Ipv6Mode::Slaac)
    }

    /// Whether instances make their addresses themselves but ask for options by DHCPv6.
    pub(crate) fn is_stateless(&self) -> bool {
        self.is_v6() && self.ipv6_address_mode == Some(Ipv6Mode::Dhcpv6Stateless)
    }

    /// Whether the only name server is "any address", which stands for none at all.
    pub(crate) fn announces_no_dns(&self) -> bool {
        let none = if self.is_v6() {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        } else {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        };
        self.dns_nameservers == [none]
    }
}

/// `host_routes` entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRoute {
    /// Where to.
    pub destination: IpNet,
    /// Through whom.
    pub nexthop: IpAddr,
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The port.
    pub id: String,
    /// MAC.
    pub mac_address: MacAddr,
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
    pub extra_dhcp_opts: Vec<ExtraDhcpOpt>,
    /// Names, if the server keeps them.
    #[serde(default)]
    pub dns_assignment: Vec<DnsAssignment>,
}

impl Port {
    /// Whether the port's owner may ask for an address.
    #[must_use]
    pub fn is_served(&self) -> bool {
        !NOT_SERVED.contains(&self.device_owner.as_str())
    }

    /// The client id the port must identify itself with, if any.
    pub(crate) fn client_id(&self) -> Option<&str> {
        self.extra_dhcp_opts.iter().find(|opt| opt.is_client_id()).map(|o| o.opt_value.as_str())
    }
}

/// `fixed_ips` entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedIp {
    /// Subnet of the address.
    pub subnet_id: String,
    /// The address.
    pub ip_address: IpAddr,
}

/// `extra_dhcp_opts` entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraDhcpOpt {
    /// Name or number.
    pub opt_name: String,
    /// Value.
    pub opt_value: String,
    /// 4 or 6.
    pub ip_version: u8,
}

impl ExtraDhcpOpt {
    /// Whether this is the client id, which goes to the hosts file instead of the options.
    pub(crate) fn is_client_id(&self) -> bool {
        ["client-id", "61"].contains(&self.opt_name.as_str())
    }
}

/// `dns_assignment` entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsAssignment {
    /// Address.
    pub ip_address: IpAddr,
    /// Short name.
    pub hostname: String,
    /// Name with domain and final dot.
    pub fqdn: String,
}

/// The agent's settings that shape what it makes, named as the options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Seconds; `None` is for ever.
    pub dhcp_lease_duration: Option<u32>,
    /// Seconds; 0 leaves it to the client.
    pub dhcp_renewal_time: u32,
    /// Seconds; 0 leaves it to the client.
    pub dhcp_rebinding_time: u32,
    /// Most leases of one dnsmasq.
    pub dnsmasq_lease_max: u32,
    /// Servers that unknown names are asked of.
    pub dnsmasq_dns_servers: Vec<String>,
    /// Ask the host's own resolvers.
    pub dnsmasq_local_resolv: bool,
    /// File of further settings; empty for none.
    pub dnsmasq_config_file: String,
    /// TXT record; empty for none.
    pub dnsmasq_txt_record: String,
    /// Directory of logs.
    pub dnsmasq_base_log_dir: Option<String>,
    /// Several addresses of a subnet go to one `host` line.
    pub dnsmasq_enable_addr6_list: bool,
    /// Answer by broadcast.
    pub dhcp_broadcast_reply: bool,
    /// Domain of the names; empty for none.
    pub dns_domain: String,
    /// Metadata on every network.
    pub force_metadata: bool,
    /// Metadata on networks without a router.
    pub enable_isolated_metadata: bool,
    /// Metadata on networks made for it.
    pub enable_metadata_network: bool,
    /// Whether this dnsmasq knows tags in the hosts file (2.81).
    pub host_tag: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dhcp_lease_duration: Some(86_400),
            dhcp_renewal_time: 0,
            dhcp_rebinding_time: 0,
            dnsmasq_lease_max: 1 << 24,
            dnsmasq_dns_servers: Vec::new(),
            dnsmasq_local_resolv: false,
            dnsmasq_config_file: String::new(),
            dnsmasq_txt_record: String::new(),
            dnsmasq_base_log_dir: None,
            dnsmasq_enable_addr6_list: false,
            dhcp_broadcast_reply: false,
            dns_domain: "openstacklocal".into(),
            force_metadata: false,
            enable_isolated_metadata: false,
            enable_metadata_network: false,
            host_tag: true,
        }
    }
}
