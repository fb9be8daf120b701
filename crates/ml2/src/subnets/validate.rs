//! The rules a subnet must obey, on creation and after updates.

use std::net::IpAddr;

use ipnet::IpNet;
use neutrino_types::{ApiError, ApiResult, Attrs};
use serde_json::Value;

use crate::{
    config::Ml2Config,
    ipam::{
        addr::{self, gateway_unusable, net_version, parse_net},
        pools::{self, Pool},
    },
    models::subnet::Subnet,
    request,
};

/// `BadRequest` as Neutron words it for subnets.
pub(super) fn bad_request(reason: &str) -> ApiError {
    ApiError::bad_request("BadRequest", format!("Bad subnets request: {reason}."))
}

fn refuse<T>(reason: impl std::fmt::Display) -> ApiResult<T> {
    Err(ApiError::invalid_input(reason))
}

/// Refuses an address of the other IP version.
fn same_version(version: u8, ip: IpAddr, name: &str) -> ApiResult<()> {
    if addr::version(ip) == version {
        return Ok(());
    }
    refuse(format!("{name} '{ip}' does not match the ip_version '{version}'"))
}

/// The CIDR in `text`, host bits dropped, as a block for `item`.
///
/// # Errors
/// `InvalidInput`.
pub(super) fn cidr(item: &Attrs, text: &str) -> ApiResult<IpNet> {
    let Some(cidr) = parse_net(text) else {
        return refuse(format!("'{text}' is not a valid IP subnet"));
    };
    let version = request::int(item, "ip_version").unwrap_or(i64::from(net_version(&cidr)));
    if i64::from(net_version(&cidr)) != version {
        return refuse(format!("cidr '{text}' does not match the ip_version '{version}'"));
    }
    if cidr.prefix_len() == 0 {
        return refuse("0 is not allowed as CIDR prefix length");
    }
    if matches!(cidr, IpNet::V6(v6) if v6.network().is_unspecified()) {
        return refuse("IPv6 subnet '::' is not supported");
    }
    Ok(cidr)
}

/// The gateway asked for: `None` when the attribute is absent, `Some(None)` for no gateway.
///
/// # Errors
/// `InvalidInput`.
pub(super) fn gateway(attrs: &Attrs, cidr: &IpNet) -> ApiResult<Option<Option<IpAddr>>> {
    let text = match attrs.get("gateway_ip") {
        None => return Ok(None),
        Some(Value::String(text)) if !text.is_empty() => text,
        Some(_) => return Ok(Some(None)),
    };
    let Ok(ip) = text.parse::<IpAddr>() else {
        return refuse(format!("'{text}' is not a valid IP address"));
    };
    same_version(net_version(cidr), ip, "gateway_ip")?;
    if gateway_unusable(cidr, ip) {
        return refuse("Gateway is not valid on subnet");
    }
    Ok(Some(Some(ip)))
}

/// The allocation pools asked for; `None` when absent.
///
/// # Errors
/// `InvalidAllocationPool`, and those of [`pools::validate`].
pub(super) fn allocation_pools(attrs: &Attrs, cidr: &IpNet) -> ApiResult<Option<Vec<Pool>>> {
    let Some(list) = request::list(attrs, "allocation_pools") else { return Ok(None) };
    let mut out = Vec::with_capacity(list.len());
    for entry in list {
        let end = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let (start, end) = (end("start"), end("end"));
        out.push(Pool::parse(start, end).ok_or_else(|| {
            ApiError::bad_request(
                "InvalidAllocationPool",
                format!("The allocation pool {{'start': '{start}', 'end': '{end}'}} is not valid."),
            )
        })?);
    }
    pools::validate(cidr, &out)?;
    // As they will be read.
    out.sort_unstable_by_key(|pool| pool.first);
    Ok(Some(out))
}

/// What DHCP cannot serve.
///
/// # Errors
/// `InvalidInput`.
pub(super) fn dhcp_possible(cidr: &IpNet) -> ApiResult<()> {
    let too_small = match cidr {
        IpNet::V4(v4) => v4.prefix_len() > 30,
        IpNet::V6(v6) => v6.prefix_len() > 126,
    };
    if too_small {
        return refuse("Subnet has a prefix length that is incompatible with DHCP service enabled");
    }
    let ip = cidr.network();
    if ip.is_multicast() {
        return refuse("Multicast IP subnet is not supported if enable_dhcp is True");
    }
    if ip.is_loopback() {
        return refuse("Loopback IP subnet is not supported if enable_dhcp is True");
    }
    if matches!(ip, IpAddr::V4(v4) if v4.is_unspecified()) {
        return refuse("First IP '0.0.0.0' of network is not supported if enable_dhcp is True.");
    }
    Ok(())
}

/// `dns_nameservers` asked for.
///
/// # Errors
/// `DNSNameServersExhausted`, `InvalidInput`.
pub(super) fn dns_nameservers(
    attrs: &Attrs,
    version: u8,
    id: &str,
    config: &Ml2Config,
) -> ApiResult<Option<Vec<String>>> {
    let Some(list) = request::distinct_texts(attrs, "dns_nameservers") else { return Ok(None) };
    if list.len() > config.max_dns_nameservers {
        return Err(ApiError::bad_request(
            "DNSNameServersExhausted",
            format!(
                "Unable to complete operation for {id}. The number of DNS nameservers exceeds the \
                 limit {}.",
                config.max_dns_nameservers
            ),
        ));
    }
    for server in &list {
        match server.parse() {
            Ok(ip) => same_version(version, ip, "dns_nameserver")?,
            Err(_) => return refuse(format!("Error parsing dns address {server}")),
        }
    }
    Ok(Some(list))
}

/// `host_routes` asked for, as destination and next hop.
///
/// # Errors
/// `HostRoutesExhausted`, `InvalidInput`.
pub(super) fn host_routes(
    attrs: &Attrs,
    version: u8,
    id: &str,
    config: &Ml2Config,
) -> ApiResult<Option<Vec<(String, String)>>> {
    let Some(list) = request::list(attrs, "host_routes") else { return Ok(None) };
    if list.len() > config.max_host_routes {
        return Err(ApiError::bad_request(
            "HostRoutesExhausted",
            format!(
                "Unable to complete operation for {id}. The number of host routes exceeds the \
                 limit {}.",
                config.max_host_routes
            ),
        ));
    }
    let mut out = Vec::with_capacity(list.len());
    for route in list {
        let part = |name: &str| route.get(name).and_then(Value::as_str).unwrap_or_default();
        let (destination, nexthop) = (part("destination"), part("nexthop"));
        let (Some(net), Ok(hop)) = (parse_net(destination), nexthop.parse::<IpAddr>()) else {
            return refuse(format!(
                "Invalid route: {{'destination': '{destination}', 'nexthop': '{nexthop}'}}"
            ));
        };
        same_version(version, hop, "nexthop")?;
        same_version(version, net.addr(), "destination")?;
        let entry = (net.to_string(), hop.to_string());
        if !out.contains(&entry) {
            out.push(entry);
        }
    }
    Ok(Some(out))
}

/// The IPv6 modes and what they ask of each other.
///
/// # Errors
/// `InvalidInput`.
pub(super) fn ipv6_modes(subnet: &Subnet) -> ApiResult<()> {
    let (ra, address) = (subnet.ipv6_ra_mode.as_deref(), subnet.ipv6_address_mode.as_deref());
    if subnet.ip_version() == 4 {
        for (name, mode) in [("ipv6_ra_mode", ra), ("ipv6_address_mode", address)] {
            if mode.is_some() {
                return refuse(format!("{name} is not valid when ip_version is 4"));
            }
        }
        return Ok(());
    }
    if (ra.is_some() || address.is_some()) && !subnet.enable_dhcp {
        return refuse(
            "ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False",
        );
    }
    if let (Some(ra), Some(address)) = (ra, address)
        && ra != address
    {
        return refuse(format!(
            "ipv6_ra_mode set to '{ra}' with ipv6_address_mode set to '{address}' is not valid. \
             If both attributes are set, they must be the same value"
        ));
    }
    if subnet.is_auto_address() && subnet.cidr.prefix_len() != 64 {
        return refuse(format!(
            "Invalid CIDR {} for IPv6 address mode. OpenStack uses the EUI-64 address format, \
             which requires the prefix to be /64",
            subnet.cidr
        ));
    }
    Ok(())
}

/// Refuses a block that overlaps another one of the same network, without naming that one.
///
/// # Errors
/// `InvalidInput`.
pub(super) fn no_overlap<'a>(
    cidr: &IpNet,
    network_id: &str,
    others: impl IntoIterator<Item = &'a Subnet>,
) -> ApiResult<()> {
    for other in others {
        if cidr.contains(&other.cidr) || other.cidr.contains(cidr) {
            tracing::info!(%cidr, overlaps = %other.cidr, subnet = other.id, "overlapping subnet");
            return refuse(format!(
                "Requested subnet with cidr: {cidr} for network: {network_id} overlaps with \
                 another subnet"
            ));
        }
    }
    Ok(())
}

/// Refuses a subnet its network's MTU is too small for.
///
/// # Errors
/// `NetworkMTUSubnetConflict`.
pub(super) fn fits_mtu(network_id: &str, mtu: u32, version: u8) -> ApiResult<()> {
    let minimum = match (mtu, version) {
        (0 | 1280.., _) => return Ok(()),
        (..68, _) => 68,
        (_, 6) => 1280,
        _ => return Ok(()),
    };
    Err(ApiError::conflict(
        "NetworkMTUSubnetConflict",
        format!("MTU of {network_id} is not valid, subnet requires a minimum of {minimum}"),
    ))
}
