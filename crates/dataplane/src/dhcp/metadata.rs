//! Whether a network's instances find the metadata service in its DHCP namespace.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net};
use neutrino_types::constants::device_owner::{DISTRIBUTED, ROUTER_INTERFACES};

use super::view::{Network, Port, Settings, Subnet};

/// Where instances ask.
pub const METADATA_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// Where instances ask by IPv6.
pub const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe);
/// Port of the metadata service.
pub const METADATA_PORT: u16 = 80;
/// `device_id` of OVN's metadata port is this and the network.
const OVN_METADATA_PREFIX: &str = "ovnmeta-";

/// Subnets whose gateway is a router of Neutron's.
#[must_use]
pub fn routed_subnets(network: &Network) -> BTreeSet<&str> {
    network
        .ports
        .iter()
        .filter(|port| ROUTER_INTERFACES.contains(&port.device_owner.as_str()))
        .flat_map(|port| &port.fixed_ips)
        .filter_map(|ip| network.subnet(&ip.subnet_id).map(|subnet| (subnet, ip.ip_address)))
        .filter(|(subnet, ip)| subnet.gateway_ip == Some(*ip))
        .map(|(subnet, _)| subnet.id.as_str())
        .collect()
}

/// OVN's metadata port, where there is one.
#[must_use]
pub fn ovn_port(network: &Network) -> Option<&Port> {
    network.ports.iter().find(|port| {
        port.device_owner == DISTRIBUTED && port.device_id.starts_with(OVN_METADATA_PREFIX)
    })
}

/// Whether a subnet is of the kind made for metadata only.
fn is_metadata_subnet(subnet: &Subnet) -> bool {
    let link_local = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16);
    IpNet::V4(link_local).contains(&subnet.cidr)
}

/// Whether the proxy listens in the network's DHCP namespace.
#[must_use]
pub fn is_needed(settings: &Settings, network: &Network) -> bool {
    if !network.admin_state_up || ovn_port(network).is_some() {
        return false;
    }
    let mut served = network.all_subnets().filter(|subnet| subnet.enable_dhcp).peekable();
    if served.peek().is_none() {
        return false;
    }
    if settings.force_metadata {
        return true;
    }
    if !settings.enable_isolated_metadata {
        return false;
    }
    if settings.enable_metadata_network && network.all_subnets().any(is_metadata_subnet) {
        return true;
    }
    let routed = routed_subnets(network);
    served.any(|subnet| !routed.contains(subnet.id.as_str()))
}

/// The router that instances of a network made for metadata ask through, when there is one: the
/// proxy then speaks for the router instead of the network.
#[must_use]
pub fn router_of(settings: &Settings, network: &Network) -> Option<String> {
    if !settings.enable_metadata_network || !network.subnets.iter().any(is_metadata_subnet) {
        return None;
    }
    network
        .ports
        .iter()
        .find(|port| ROUTER_INTERFACES.contains(&port.device_owner.as_str()))
        .map(|port| port.device_id.clone())
}

/// Next hop of the route to the metadata service that a subnet's instances get; `own` is the
/// agent's port and `gateway` the subnet's effective gateway.
pub(crate) fn next_hop(
    settings: &Settings,
    network: &Network,
    subnet: &Subnet,
    own: Option<&Port>,
    gateway: Option<IpAddr>,
) -> Option<IpAddr> {
    let address_of = |port: &Port| {
        port.fixed_ips.iter().find(|ip| ip.subnet_id == subnet.id).map(|ip| ip.ip_address)
    };
    if let Some(ip) = ovn_port(network).and_then(address_of) {
        return Some(ip);
    }
    let isolated = !routed_subnets(network).contains(subnet.id.as_str());
    if settings.force_metadata || (isolated && settings.enable_isolated_metadata) {
        return own.and_then(address_of);
    }
    gateway.filter(|_| !isolated)
}
