//! MAC addresses, IP addresses, CIDRs and lists of them, as netaddr reads them.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use neutrino_types::MacAddr;
use serde_json::Value;

use super::{Check, refuse};
use crate::{convert, pytext};

/// A network with its host bits: `(address, prefix length)`. The length may be a netmask, or
/// missing, which means a single address.
#[must_use]
pub fn parse_network(s: &str) -> Option<(IpAddr, u8)> {
    let (address, suffix) = match s.split_once('/') {
        Some((address, suffix)) => (address, Some(suffix)),
        None => (s, None),
    };
    let ip: IpAddr = address.parse().ok()?;
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    let length = match suffix {
        None => bits,
        Some(suffix) => match convert::parse_int(suffix) {
            Some(n) => u8::try_from(n).ok().filter(|n| *n <= bits)?,
            None => mask_length(ip, suffix)?,
        },
    };
    Some((ip, length))
}

/// Length of the netmask (or its complement) `suffix` of the family of `ip`.
fn mask_length(ip: IpAddr, suffix: &str) -> Option<u8> {
    let (mask, bits) = match ip {
        IpAddr::V4(_) => (u128::from(u32::from(suffix.parse::<Ipv4Addr>().ok()?)) << 96, 32),
        IpAddr::V6(_) => (u128::from(suffix.parse::<Ipv6Addr>().ok()?), 128),
    };
    let all = u128::MAX << (128 - bits);
    let contiguous = |m: u128| m.leading_ones() + m.trailing_zeros() >= 128 || m == 0;
    if contiguous(mask) {
        u8::try_from(mask.leading_ones()).ok()
    } else if contiguous(!mask & all) {
        u8::try_from((!mask & all).leading_ones()).ok()
    } else {
        None
    }
}

/// The network of `(ip, length)`, host bits cleared.
#[must_use]
pub fn network_of(ip: IpAddr, length: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(ip) & mask))
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(ip) & mask))
        }
    }
}

/// A MAC address that is neither all zeros nor broadcast.
///
/// # Errors
/// Anything else.
pub fn mac(value: &Value) -> Check {
    match value.as_str().and_then(|s| s.parse::<MacAddr>().ok()) {
        Some(mac) if mac != MacAddr::ZERO && mac != MacAddr::BROADCAST => Ok(()),
        _ => refuse(format!("'{}' is not a valid MAC address", pytext::str(value))),
    }
}

/// An IP address; IPv4 without leading zeros.
///
/// # Errors
/// Anything else.
pub fn ip(value: &Value) -> Check {
    if let Some(s) = value.as_str() {
        if s.parse::<IpAddr>().is_ok() {
            return Ok(());
        }
        if let Some(plain) = without_leading_zeros(s) {
            return refuse(format!(
                "'{s}' is not an accepted IP address, '{plain}' is recommended"
            ));
        }
    }
    refuse(format!("'{}' is not a valid IP address", pytext::str(value)))
}

/// The address `s` means when leading zeros are decimal, as in `010.0.0.1`.
fn without_leading_zeros(s: &str) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut parts = s.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *octet = part.parse().ok()?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

/// A CIDR as `address/length`; IPv4 exactly in the form it is printed in.
///
/// # Errors
/// Anything else.
pub fn subnet(value: &Value) -> Check {
    if let Some(s) = value.as_str()
        && s.contains('/')
        && !s.contains(char::is_whitespace)
        && let Some((ip, length)) = parse_network(s)
        && (ip.is_ipv6() || format!("{ip}/{length}") == s)
    {
        return Ok(());
    }
    refuse(format!("'{}' is not a valid IP subnet", pytext::str(value)))
}

/// The destination of a route: a CIDR without host bits, and not loopback.
///
/// # Errors
/// Anything else.
pub fn route_cidr(value: &Value) -> Check {
    if let Some(s) = value.as_str()
        && s.contains('/')
        && !s.contains(char::is_whitespace)
        && let Some((ip, length)) = parse_network(s)
        && network_of(ip, length) == ip
    {
        if is_loopback(ip, length) {
            return refuse(format!("'{s}' is not a routable CIDR"));
        }
        return Ok(());
    }
    refuse(format!("'{}' is not a valid CIDR", pytext::str(value)))
}

fn is_loopback(ip: IpAddr, length: u8) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() && length >= 8,
        IpAddr::V6(ip) => ip.is_loopback() && length == 128,
    }
}

/// Reason why an address must not be multicast, if it is.
#[must_use]
pub fn multicast_ip(s: &str) -> Option<String> {
    let ip: IpAddr = s.parse().ok()?;
    ip.is_multicast().then(|| format!("IP {s} is a multicast address, which is not supported."))
}

/// Reason why a block must not overlap the multicast range, if it does. 0.0.0.0/0 may.
#[must_use]
pub fn multicast_subnet(s: &str) -> Option<String> {
    let (ip, length) = parse_network(s)?;
    let (base, base_length, range) = match ip {
        IpAddr::V4(_) => (IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4, "224.0.0.0/4"),
        IpAddr::V6(_) => (IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8, "ff00::/8"),
    };
    if ip == IpAddr::V4(Ipv4Addr::UNSPECIFIED) && length == 0 {
        return None;
    }
    let common = length.min(base_length);
    (network_of(ip, common) == network_of(base, common)).then(|| {
        format!(
            "Subnet {ip}/{length} overlaps with multicast range {range}, which is not supported."
        )
    })
}

/// A list of `{start, end}`.
///
/// # Errors
/// Anything else.
pub fn ip_pools(value: &Value) -> Check {
    let Some(pools) = value.as_array() else {
        return refuse(format!("Invalid data format for IP pool: '{}'", pytext::str(value)));
    };
    for pool in pools {
        exact_keys(pool, &["start", "end"])?;
        for key in ["start", "end"] {
            ip(&pool[key])?;
        }
    }
    Ok(())
}

/// A list of distinct addresses. As in Neutron a string counts as a list of its characters and an
/// object as a list of its keys, so both are refused for their elements.
///
/// # Errors
/// Anything else.
pub fn nameservers(value: &Value) -> Check {
    let hosts: Vec<Value> = match value {
        Value::Array(hosts) => return distinct_addresses(hosts.iter()),
        Value::String(s) => s.chars().map(|c| Value::String(c.to_string())).collect(),
        Value::Object(map) => map.keys().cloned().map(Value::String).collect(),
        other => {
            let text = pytext::str(other);
            return refuse(format!("Invalid data format for nameserver: '{text}'"));
        }
    };
    distinct_addresses(hosts.iter())
}

fn distinct_addresses<'a>(hosts: impl Iterator<Item = &'a Value>) -> Check {
    let mut seen = HashSet::new();
    for host in hosts {
        let text = pytext::str(host);
        if let Err(super::Refusal::Reason(why)) = ip(host) {
            return refuse(format!("'{text}' is not a valid nameserver. {why}"));
        }
        if !seen.insert(text.clone()) {
            return refuse(format!("Duplicate nameserver '{text}'"));
        }
    }
    Ok(())
}

/// A list of distinct `{destination, nexthop}`.
///
/// # Errors
/// Anything else.
pub fn host_routes(value: &Value) -> Check {
    let Some(routes) = value.as_array() else {
        return refuse(format!("Invalid data format for hostroute: '{}'", pytext::str(value)));
    };
    let mut seen = HashSet::new();
    for route in routes {
        exact_keys(route, &["destination", "nexthop"])?;
        route_cidr(&route["destination"])?;
        ip(&route["nexthop"])?;
        if !seen.insert((route["destination"].as_str(), route["nexthop"].as_str())) {
            return refuse(format!("Duplicate hostroute '{}'", pytext::repr(route)));
        }
    }
    Ok(())
}

/// An object with exactly `keys`.
fn exact_keys(value: &Value, keys: &[&str]) -> Check {
    let Some(map) = value.as_object() else {
        return refuse(format!(
            "Invalid input. '{}' must be a dictionary with keys: {}",
            pytext::str(value),
            pytext::repr_list(keys.iter().copied())
        ));
    };
    if map.len() == keys.len() && keys.iter().all(|k| map.contains_key(*k)) {
        return Ok(());
    }
    refuse(format!(
        "Validation of dictionary's keys failed. Expected keys: {} Provided keys: {}",
        set(keys.iter().copied()),
        set(map.keys().map(String::as_str))
    ))
}

/// `repr()` of a set of strings, in the order given.
pub(super) fn set<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let list = pytext::repr_list(items);
    let inner = &list[1..list.len() - 1];
    if inner.is_empty() { "set()".to_string() } else { format!("{{{inner}}}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn macs_that_are_nobodys() {
        assert!(mac(&json!("00:00:00:00:00:00")).is_err());
        assert!(mac(&json!("ff:ff:ff:ff:ff:ff")).is_err());
    }

    #[test]
    fn leading_zeros_are_explained() {
        let Err(super::super::Refusal::Reason(why)) = ip(&json!("010.0.0.1")) else {
            panic!("accepted");
        };
        assert_eq!(why, "'010.0.0.1' is not an accepted IP address, '10.0.0.1' is recommended");
        assert!(ip(&json!("1.2.3")).is_err());
        assert!(ip(&json!("fe80::1%1")).is_err());
        assert!(ip(&json!("::1")).is_ok());
    }

    #[test]
    fn masks() {
        assert_eq!(parse_network("10.0.0.0/255.0.0.0").map(|n| n.1), Some(8));
        assert_eq!(parse_network("10.0.0.0/0.255.255.255").map(|n| n.1), Some(8));
        assert_eq!(parse_network("10.0.0.0/255.0.255.0"), None);
        assert_eq!(parse_network("fe80::/ffff::").map(|n| n.1), Some(16));
        assert_eq!(parse_network("fe80::/129"), None);
    }

    #[test]
    fn multicast() {
        assert!(multicast_ip("224.0.0.1").is_some());
        assert!(multicast_ip("10.0.0.1").is_none());
        assert!(multicast_subnet("0.0.0.0/0").is_none());
        assert!(multicast_subnet("224.0.1.0/24").is_some());
        assert!(multicast_subnet("10.0.0.0/8").is_none());
        assert!(multicast_subnet("::/0").is_some());
    }
}
