//! Where the floating IPs of a host meet an external network.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use crate::{
    firewall::Ethertype,
    iptables::TableName,
    l3::{
        builder::{Builder, default_route},
        desired::{MAIN_TABLE, Namespace, Rule},
        names::{self, AGENT_GATEWAY_PREFIX},
        view::{Port, Router, Settings},
    },
};

use super::{Link, floating_ips, has_fast_path, index::table_index};

/// A router on this host that is joined to the external network.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    /// The router.
    pub router: &'a Router,
    /// What joins it.
    pub link: &'a Link,
}

/// The namespace of an external network on this host, whose port there is `gateway`, with all
/// routers that are joined to it.
#[must_use]
pub fn fip(settings: &Settings, gateway: &Port, served: &[Served<'_>]) -> Namespace {
    let mut builder = Builder::new(settings, names::fip_namespace(&gateway.network_id));
    builder.sysctl("net/ipv4/ip_nonlocal_bind", 1);
    let device = builder.plug(AGENT_GATEWAY_PREFIX, gateway);
    builder.on_link(gateway, &device);
    // The host answers for its floating IPs, at once.
    builder.device_sysctl(&device, &format!("net/ipv4/neigh/{device}/proxy_delay"), 1);
    builder.device_sysctl(&device, &format!("net/ipv4/conf/{device}/proxy_arp"), 1);
    let gateways = || {
        gateway.subnets.iter().filter_map(|subnet| match subnet.gateway_ip {
            Some(IpAddr::V4(ip)) => Some(ip),
            _ => None,
        })
    };
    for served in served {
        join(&mut builder, served, &device, gateways());
        serve(settings, &mut builder, served, &device);
    }
    let (v4, raw) = (Ethertype::V4, TableName::Raw);
    builder.filter.add(v4, raw, "PREROUTING", "", "CT --notrack");
    builder.finish(None, false)
}

/// Joins a router: what comes from it goes by a table of its own.
fn join(
    builder: &mut Builder<'_>,
    Served { router, link }: &Served<'_>,
    device: &str,
    gateways: impl Iterator<Item = Ipv4Addr>,
) {
    let end = link.fip_device(router);
    builder.neighbours.push(link.router_neighbour(&end.name));
    let index = table_index(link.pair.fip().into());
    builder.rules.push(Rule {
        family: Ethertype::V4,
        priority: index,
        from: None,
        iif: Some(end.name.clone()),
        table: index,
    });
    builder.devices.push(end);
    for gateway in gateways.map(IpAddr::from) {
        builder.route(index, default_route(gateway), Some(gateway), device);
    }
    builder.extra_routes_by(index, &router.routes, device);
}

/// Leads to a router's floating IPs, and to its subnets that need no translation.
fn serve(
    settings: &Settings,
    builder: &mut Builder<'_>,
    Served { router, link }: &Served<'_>,
    device: &str,
) {
    let end = link.fip_device(router).name;
    let hop = Some(link.pair.router().addr().into());
    for fip in floating_ips(settings, router) {
        let address = fip.floating_ip_address;
        builder.route(MAIN_TABLE, Ipv4Net::from(address).into(), hop, &end);
        builder.announce(device, address.into());
    }
    let up = router.interfaces.iter().filter(|port| port.admin_state_up);
    for port in up.filter(|port| has_fast_path(settings, router, port)) {
        for subnet in &port.subnets {
            builder.route(MAIN_TABLE, subnet.cidr, hop, &end);
        }
    }
}
