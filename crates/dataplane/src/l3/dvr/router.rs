//! A distributed router's namespace, on every host.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use neutrino_types::{MacAddr, constants::device_owner::ROUTER_INTERFACES};

use crate::{
    firewall::Ethertype,
    l3::{
        builder::{Builder, default_route},
        desired::{FIP_TABLE, Namespace, Neighbour, Rule},
        legacy::{marks, plug_internal},
        marks::{Known, Scoped, scope_of},
        names, radvd,
        view::{Port, Router, Settings, SubnetPort},
    },
};

use super::{
    FAST_PATH_PRIORITY, Link, OnHost, agent_gateway, floating_ips, has_fast_path,
    index::table_index,
};

/// The namespace of a distributed router on this host; `known` is what its packet filter has.
#[must_use]
pub fn distributed(
    settings: &Settings,
    router: &Router,
    host: &OnHost<'_>,
    known: &Known,
) -> Namespace {
    let router = &router.sorted();
    let mut builder = Builder::new(settings, names::router_namespace(&router.id));
    let mut devices = plug_internal(&mut builder, router);
    let link = agent_gateway(settings, router).and(host.link);
    if router.gw_port.is_some() {
        builder.sysctl("net/ipv4/conf/all/send_redirects", 0);
    }
    for Scoped { device, port } in &devices {
        neighbours(&mut builder, router, port, device, &host.ports);
        if link.is_some() && has_fast_path(settings, router, port) {
            fast_path(&mut builder, port);
        } else if router.gw_port.is_some()
            && let Some(centralised) = centralised(router, port)
        {
            redirect(&mut builder, port, device, centralised);
        }
    }
    let external = link.zip(router.gw_port.as_ref()).map(|(link, port)| {
        let device = connect(&mut builder, router, link);
        devices.push(Scoped { device: device.clone(), port });
        for fip in floating_ips(settings, router) {
            if let Some(priority) = host.priorities.get(&fip.floating_ip_address) {
                let from = IpAddr::from(fip.fixed_ip_address).into();
                builder.rules.push(rule(from, FIP_TABLE, *priority));
            }
        }
        (port, device)
    });
    builder.extra_routes(&router.routes);

    let marks = marks(router, &devices, known);
    let filter = &mut builder.filter;
    filter.address_scopes();
    filter.metadata();
    match &external {
        Some((port, device)) if !router.floating_ips.is_empty() => {
            filter.spare_internal(device);
            let (from, outside) = (Some(device.as_str()), scope_of(port, Ethertype::V4));
            let here = || floating_ips(settings, router);
            here().for_each(|fip| filter.floating_ip(fip, from));
            filter.floating_scopes(here(), outside, &devices, &marks, from);
        }
        _ => filter.no_source_translation(),
    }
    filter.scopes(&devices, &marks, None);
    let advertised = radvd::config(settings, &router.interfaces);
    builder.finish(advertised, settings.enable_metadata_proxy)
}

fn rule(from: IpNet, table: u32, priority: u32) -> Rule {
    let family = if from.addr().is_ipv4() { Ethertype::V4 } else { Ethertype::V6 };
    Rule { family, priority, from: Some(from), iif: None, table }
}

/// The port of the centralised part that stands beside an internal port.
fn centralised<'r>(router: &'r Router, port: &Port) -> Option<&'r Port> {
    let here = |id: &str| port.fixed_ips.iter().any(|ip| ip.subnet_id == id);
    router.snat_interfaces.iter().find(|snat| snat.fixed_ips.iter().any(|ip| here(&ip.subnet_id)))
}

/// What the other networks do not lead to goes to the centralised part, by a table for each
/// address of the router.
fn redirect(builder: &mut Builder<'_>, port: &Port, device: &str, centralised: &Port) {
    for own in &port.fixed_ips {
        let Ok(from) = IpNet::new(own.ip_address, own.prefixlen) else { continue };
        let mut gateways = centralised.fixed_ips.iter().map(|ip| ip.ip_address);
        let same_version = |ip: &IpAddr| ip.is_ipv4() == own.ip_address.is_ipv4();
        let Some(gateway) = gateways.rfind(same_version) else { continue };
        let index = table_index(from);
        builder.route(index, default_route(gateway), Some(gateway), device);
        builder.rules.push(rule(from, index, index));
    }
    // The centralised part is on the instance's own subnet: the kernel would tell it so.
    builder.device_sysctl(device, &format!("net/ipv4/conf/{device}/send_redirects"), 0);
}

/// Packets of the port's subnets leave by the host's own way to the external network.
fn fast_path(builder: &mut Builder<'_>, port: &Port) {
    let rules = port.subnets.iter().map(|subnet| rule(subnet.cidr, FIP_TABLE, FAST_PATH_PRIORITY));
    builder.rules.extend(rules);
}

/// Joins the router to the external network's namespace; answers the device.
fn connect(builder: &mut Builder<'_>, router: &Router, link: &Link) -> String {
    let device = link.router_device(router);
    let name = device.name.clone();
    builder.devices.push(device);
    builder.neighbours.push(link.fip_neighbour(&name));
    let gateway = link.pair.fip().addr().into();
    builder.route(FIP_TABLE, default_route(gateway), Some(gateway), &name);
    name
}

/// Everybody on the port's subnets: each host has the router's addresses, so answers to its ARP
/// requests would come to one of them only.
fn neighbours(
    builder: &mut Builder<'_>,
    router: &Router,
    port: &Port,
    device: &str,
    ports: &BTreeMap<String, Vec<SubnetPort>>,
) {
    let mut found: BTreeMap<IpAddr, MacAddr> = BTreeMap::new();
    for subnet in &port.subnets {
        let others = ports.get(&subnet.id).into_iter().flatten();
        for other in others.filter(|p| !ROUTER_INTERFACES.contains(&p.device_owner.as_str())) {
            let fixed = other.fixed_ips.iter().filter(|ip| ip.subnet_id == subnet.id);
            found.extend(fixed.map(|ip| (ip.ip_address, other.mac_address)));
            let same_version = |net: &IpNet| net.addr().is_ipv4() == subnet.cidr.addr().is_ipv4();
            let pairs = other.allowed_address_pairs.iter().filter(|pair| {
                let net = &pair.ip_address;
                net.prefix_len() == net.max_prefix_len() && same_version(net)
            });
            found.extend(pairs.map(|pair| (pair.ip_address.addr(), pair.mac_address)));
        }
        for centralised in &router.snat_interfaces {
            let fixed = centralised.fixed_ips.iter().filter(|ip| ip.subnet_id == subnet.id);
            found.extend(fixed.map(|ip| (ip.ip_address, centralised.mac_address)));
        }
    }
    let all = found.into_iter().map(|(ip, mac)| Neighbour { device: device.into(), ip, mac });
    builder.neighbours.extend(all);
}
