//! The agent's own port on a network, and how its device is set up.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use neutrino_types::constants::device_id::RESERVED_DHCP_PORT;
use sha1::{Digest, Sha1};

use super::{
    metadata::{METADATA_V4, METADATA_V6},
    view::{FixedIp, Ipv6Mode, Network, Port, Settings, Subnet},
};

/// Prefix of the namespaces' names.
pub const NAMESPACE_PREFIX: &str = "qdhcp-";
/// `uuid.NAMESPACE_DNS`.
const UUID_NAMESPACE_DNS: [u8; 16] = [
    0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8,
];

/// The namespace of a network.
#[must_use]
pub fn namespace(network_id: &str) -> String {
    format!("{NAMESPACE_PREFIX}{network_id}")
}

/// `device_id` of the port of `host`'s agent on a network.
#[must_use]
pub fn device_id(host: &str, network_id: &str) -> String {
    let short = host.split('.').next().unwrap_or(host);
    format!("dhcp{}-{network_id}", uuid5(short))
}

/// The version 5 UUID of a DNS name.
fn uuid5(name: &str) -> String {
    let digest = Sha1::new().chain_update(UUID_NAMESPACE_DNS).chain_update(name).finalize();
    let mut bytes: [u8; 16] = std::array::from_fn(|i| digest[i]);
    bytes[6] = (bytes[6] & 0x0f) | 0x50;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// An address asked for: with `ip_address`, or any of the subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedIp {
    /// The subnet.
    pub subnet_id: String,
    /// The address, when it is to be kept.
    pub ip_address: Option<IpAddr>,
}

/// How the agent comes by its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortPlan {
    /// It has the right one.
    Keep(Port),
    /// Its port lacks or has too many subnets.
    Update {
        /// The port.
        port_id: String,
        /// What it should have.
        fixed_ips: Vec<WantedIp>,
    },
    /// A port was set aside.
    TakeOver {
        /// The port.
        port_id: String,
    },
    /// There is none.
    Create {
        /// What it should have.
        fixed_ips: Vec<WantedIp>,
    },
}

/// How the agent whose `device_id` this is comes by its port on `network`.
#[must_use]
pub fn port_plan(network: &Network, device_id: &str) -> PortPlan {
    let served: BTreeSet<&str> =
        network.subnets.iter().filter(|s| s.enable_dhcp).map(|s| s.id.as_str()).collect();
    let any = |id: &&str| WantedIp { subnet_id: (*id).to_string(), ip_address: None };
    if let Some(port) = network.port_of_device(device_id) {
        let has: BTreeSet<&str> = port.fixed_ips.iter().map(|ip| ip.subnet_id.as_str()).collect();
        if has == served {
            return PortPlan::Keep(port.clone());
        }
        let kept = port.fixed_ips.iter().filter(|ip| served.contains(ip.subnet_id.as_str()));
        let kept = kept.map(|FixedIp { subnet_id, ip_address }| WantedIp {
            subnet_id: subnet_id.clone(),
            ip_address: Some(*ip_address),
        });
        let fixed_ips = kept.chain(served.difference(&has).map(any)).collect();
        return PortPlan::Update { port_id: port.id.clone(), fixed_ips };
    }
    match network.port_of_device(RESERVED_DHCP_PORT) {
        Some(port) => PortPlan::TakeOver { port_id: port.id.clone() },
        None => PortPlan::Create { fixed_ips: served.iter().map(any).collect() },
    }
}

/// The addresses of the device of the agent's port `own`; `ipv6` is whether the host speaks it.
#[must_use]
pub fn addresses(settings: &Settings, network: &Network, own: &Port, ipv6: bool) -> Vec<IpNet> {
    let mut out: Vec<IpNet> = own
        .fixed_ips
        .iter()
        .filter_map(|ip| {
            let subnet = network.subnets.iter().find(|s| s.id == ip.subnet_id && s.enable_dhcp)?;
            IpNet::new(ip.ip_address, subnet.cidr.prefix_len()).ok()
        })
        .collect();
    if settings.force_metadata || settings.enable_isolated_metadata {
        out.push(Ipv4Net::new_assert(METADATA_V4, 32).into());
        if ipv6 && network.subnets.iter().any(Subnet::is_v6) {
            out.push(Ipv6Net::new_assert(METADATA_V6, 128).into());
        }
    }
    out
}

/// A default route of the namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Through whom.
    pub ip: IpAddr,
    /// The gateway is outside its subnet and needs a route of its own first.
    pub on_link: bool,
}

/// The namespace's default route of one family; `None` when it should have none.
#[must_use]
pub fn gateway(network: &Network, v6: bool) -> Option<Gateway> {
    let eligible = |subnet: &&Subnet| {
        subnet.is_v6() == v6 && subnet.enable_dhcp && (!v6 || has_usable_prefix(subnet))
    };
    network.subnets.iter().filter(eligible).find_map(|subnet| {
        let ip = subnet.gateway_ip?;
        Some(Gateway { ip, on_link: !is_host_of(&subnet.cidr, ip) })
    })
}

fn has_usable_prefix(subnet: &Subnet) -> bool {
    let len = subnet.cidr.prefix_len();
    let advertised =
        |mode: Option<Ipv6Mode>| matches!(mode, Some(Ipv6Mode::Slaac | Ipv6Mode::Dhcpv6Stateless));
    (1..=126).contains(&len)
        && (len == 64 || !(advertised(subnet.ipv6_address_mode) || advertised(subnet.ipv6_ra_mode)))
}

/// Whether `ip` can be a host of `net`: its first and, with IPv4, last address cannot.
pub(crate) fn is_host_of(net: &IpNet, ip: IpAddr) -> bool {
    let reserved = match (net, ip) {
        (IpNet::V4(v4), IpAddr::V4(ip)) if v4.prefix_len() < 31 => {
            let edges: [Ipv4Addr; 2] = [v4.network(), v4.broadcast()];
            edges.contains(&ip)
        }
        _ => false,
    };
    net.contains(&ip) && !reserved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_id_is_neutrons() {
        // Observed on host peer1.
        assert_eq!(
            device_id("peer1.example.org", "96398ab7-b7f5-4334-ade5-e5158c993735"),
            "dhcp5ca610c9-a944-52fb-8794-a1cd17a50cf8-96398ab7-b7f5-4334-ade5-e5158c993735"
        );
    }
}
