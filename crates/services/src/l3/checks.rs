//! What a router's ports and routes must be like, as pure rules.

use std::net::IpAddr;

use ipnet::IpNet;
use neutrino_api_defs::pytext;
use neutrino_db::routers::{Route, ports::Attached};
use neutrino_types::{ApiError, ApiResult};
use serde_json::json;

use super::bad_request;

/// A subnet as rules see it: its id and its block.
pub(super) type Block<'a> = (&'a str, IpNet);

/// Refuses `new` subnets when the router has a port on one of them, or one that overlaps.
/// `external` are all subnets of its gateway's network.
///
/// # Errors
/// `BadRequest`.
pub(super) fn no_overlap(
    attached: &[Attached],
    external: &[Block<'_>],
    new: &[Block<'_>],
) -> ApiResult<()> {
    let ips = || attached.iter().flat_map(|port| &port.ips);
    if let Some(ip) = ips().find(|ip| new.iter().any(|(id, _)| *id == ip.subnet_id)) {
        return Err(bad_request(format!("Router already has a port on subnet {}", ip.subnet_id)));
    }
    let taken = ips().map(|ip| (ip.subnet_id.as_str(), ip.cidr)).chain(external.iter().copied());
    for (id, cidr) in taken {
        for (new_id, new_cidr) in new {
            if cidr.contains(new_cidr) || new_cidr.contains(&cidr) {
                return Err(bad_request(format!(
                    "Cidr {new_cidr} of subnet {new_id} overlaps with cidr {cidr} of subnet {id}"
                )));
            }
        }
    }
    Ok(())
}

/// Refuses a second port with IPv6 addresses on one network.
///
/// # Errors
/// `BadRequest`.
pub(super) fn one_ipv6_port(attached: &[Attached], network: &str) -> ApiResult<()> {
    match attached.iter().find(|port| port.network_id == network && port.has_ipv6()) {
        None => Ok(()),
        Some(port) => Err(bad_request(format!(
            "Router already contains IPv6 port {} belonging to network id {network}. Only one IPv6 \
             port from the same network subnet can be connected to a router.",
            port.port_id
        ))),
    }
}

/// Refuses routes whose next hop the router does not reach directly, or is the router itself.
///
/// # Errors
/// `InvalidRoutes`.
pub(super) fn next_hops(routes: &[Route], cidrs: &[IpNet], own: &[IpAddr]) -> ApiResult<()> {
    for route in routes {
        let hop: Option<IpAddr> = route.nexthop.parse().ok();
        let connected = hop.is_some_and(|hop| cidrs.iter().any(|cidr| cidr.contains(&hop)));
        let reason = if !connected {
            "the nexthop is not connected with router"
        } else if hop.is_some_and(|hop| own.contains(&hop)) {
            "the nexthop is used by router"
        } else {
            continue;
        };
        return Err(ApiError::bad_request(
            "InvalidRoutes",
            format!("Invalid format for routes: {}, {reason}", pytext::str(&json!(routes))),
        ));
    }
    Ok(())
}

/// `RouterInterfaceInUseByRoute` when a route's next hop is in the subnet.
///
/// # Errors
/// See above (409).
pub(super) fn no_route_through(
    router: &str,
    routes: &[Route],
    (subnet, cidr): Block<'_>,
) -> ApiResult<()> {
    let through = |r: &Route| r.nexthop.parse().is_ok_and(|hop: IpAddr| cidr.contains(&hop));
    if routes.iter().any(through) {
        return Err(ApiError::conflict(
            "RouterInterfaceInUseByRoute",
            format!(
                "Router interface for subnet {subnet} on router {router} cannot be deleted, as it \
                 is required by one or more routes."
            ),
        ));
    }
    Ok(())
}
