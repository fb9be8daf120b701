//! Arithmetic on addresses and subnets of either version.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use neutrino_types::{MacAddr, constants::device_owner};

/// An address as a number within its version.
#[must_use]
pub fn to_number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

/// The address of `version` with that number. Numbers beyond IPv4's space wrap.
#[must_use]
pub fn from_number(version: u8, number: u128) -> IpAddr {
    if version == 4 {
        #[expect(clippy::cast_possible_truncation, reason = "documented to wrap")]
        IpAddr::V4(Ipv4Addr::from(number as u32))
    } else {
        IpAddr::V6(Ipv6Addr::from(number))
    }
}

/// 4 or 6.
#[must_use]
pub fn version(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 4 } else { 6 }
}

/// 4 or 6.
#[must_use]
pub fn net_version(net: &IpNet) -> u8 {
    version(net.addr())
}

/// First and last address of a subnet as numbers, network and broadcast address included.
#[must_use]
pub fn bounds(net: &IpNet) -> (u128, u128) {
    let first = to_number(net.network());
    let host_bits = u32::from(net.max_prefix_len() - net.prefix_len());
    let size = 1u128.checked_shl(host_bits).map_or(u128::MAX, |s| s - 1);
    (first, first.saturating_add(size))
}

/// Reads an address or a CIDR, host bits kept out, in the forms Neutron takes.
#[must_use]
pub fn parse_net(text: &str) -> Option<IpNet> {
    match text.parse::<IpNet>() {
        Ok(net) => Some(net.trunc()),
        Err(_) => text.parse::<IpAddr>().ok().map(IpNet::from),
    }
}

/// Whether `ip` may belong to a port with `owner` on `net`: inside, not the network address, and
/// for IPv4 not the broadcast address. Router ports may have an IPv6 subnet's first address.
#[must_use]
pub fn valid_on_subnet(net: &IpNet, ip: IpAddr, owner: &str) -> bool {
    if !net.contains(&ip) {
        return false;
    }
    match net {
        // netaddr knows no broadcast address for /31 and /32, and their first one is usable.
        IpNet::V4(v4) if v4.prefix_len() >= 31 => true,
        IpNet::V4(v4) => ip != IpAddr::V4(v4.network()) && ip != IpAddr::V4(v4.broadcast()),
        IpNet::V6(v6) => {
            owner.is_empty() || is_router_owner(owner) || ip != IpAddr::V6(v6.network())
        }
    }
}

/// Whether `owner` is one of a router's ports (`ROUTER_PORT_OWNERS`).
#[must_use]
pub fn is_router_owner(owner: &str) -> bool {
    is_router_interface_or_snat(owner)
        || matches!(owner, device_owner::ROUTER_GATEWAY | device_owner::FLOATING_IP)
}

/// `ROUTER_INTERFACE_OWNERS_SNAT`: such ports get no automatic addresses.
#[must_use]
pub fn is_router_interface_or_snat(owner: &str) -> bool {
    device_owner::ROUTER_INTERFACES.contains(&owner) || owner == device_owner::ROUTER_SNAT
}

/// Whether a gateway lies in the subnet but is its network or broadcast address (IPv4 only).
#[must_use]
pub fn gateway_unusable(net: &IpNet, gateway: IpAddr) -> bool {
    match (net, gateway) {
        (IpNet::V4(v4), IpAddr::V4(ip)) => {
            v4.contains(&ip) && (ip == v4.network() || ip == v4.broadcast()) && v4.prefix_len() < 32
        }
        _ => false,
    }
}

/// Whether an address's interface identifier looks made from a MAC.
#[must_use]
pub fn is_eui64(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V6(ip) => ip.octets()[11] == 0xff && ip.octets()[12] == 0xfe,
        IpAddr::V4(_) => false,
    }
}

/// The address `mac` gets by EUI-64 on an IPv6 subnet.
#[must_use]
pub fn eui64(net: &IpNet, mac: MacAddr) -> IpAddr {
    match net {
        IpNet::V6(v6) => IpAddr::V6(mac.eui64_address(v6.network())),
        // IPv4 subnets have no address modes; the schema and the validation see to that.
        IpNet::V4(v4) => IpAddr::V4(v4.network()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        parse_net(text).expect("valid")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("valid")
    }

    #[test]
    fn bounds_of_both_versions() {
        assert_eq!(bounds(&net("10.0.0.0/30")), (0x0a00_0000, 0x0a00_0003));
        let (first, last) = bounds(&net("fd00::/64"));
        assert_eq!(last - first, u128::from(u64::MAX));
        assert_eq!(bounds(&net("::/0")), (0, u128::MAX));
    }

    #[test]
    fn network_and_broadcast_are_refused() {
        let v4 = net("10.0.0.0/24");
        assert!(!valid_on_subnet(&v4, ip("10.0.0.0"), ""));
        assert!(!valid_on_subnet(&v4, ip("10.0.0.255"), ""));
        assert!(valid_on_subnet(&v4, ip("10.0.0.254"), ""));
        assert!(!valid_on_subnet(&v4, ip("10.0.1.1"), ""));
        let v6 = net("fd00::/64");
        assert!(!valid_on_subnet(&v6, ip("fd00::"), "compute:nova"));
        assert!(valid_on_subnet(&v6, ip("fd00::"), "network:router_interface"));
        assert!(valid_on_subnet(&net("10.0.0.0/31"), ip("10.0.0.0"), "compute:nova"));
    }

    #[test]
    fn eui64_addresses_are_made_and_known() {
        let mac: MacAddr = "fa:16:3e:d0:33:1a".parse().expect("valid");
        let address = eui64(&net("fd00:1::/64"), mac);
        assert_eq!(address, ip("fd00:1::f816:3eff:fed0:331a"));
        assert!(is_eui64(address) && !is_eui64(ip("fd00:1::5")));
    }

    #[test]
    fn host_bits_are_dropped() {
        assert_eq!(net("10.1.2.3/16").to_string(), "10.1.0.0/16");
        assert!(parse_net("10.0.0.0/33").is_none());
    }
}
