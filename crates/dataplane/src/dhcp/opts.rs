//! The options file: what clients are told beside their address.

use std::net::IpAddr;

use neutrino_types::constants::device_owner::DHCP;

use super::{
    metadata, port_tag, subnet_tag,
    view::{Network, Port, Settings, Subnet},
};

/// The number Windows knows classless static routes by.
const WINDOWS_STATIC_ROUTES: &str = "249";

/// The options file; `own` is the agent's port on the network.
#[must_use]
pub fn opts(settings: &Settings, network: &Network, own: Option<&Port>) -> String {
    let subnets = || network.all_subnets().filter(|s| s.enable_dhcp && !s.is_slaac());
    let mut lines: Vec<String> =
        subnets().flat_map(|subnet| of_subnet(settings, network, subnet, own)).collect();
    lines.extend(network.ports.iter().flat_map(of_port));
    lines.extend(dhcp_servers(network, |id| {
        subnets().any(|subnet| subnet.id == id && subnet.dns_nameservers.is_empty())
    }));
    lines.join("\n")
}

fn of_subnet(
    settings: &Settings,
    network: &Network,
    subnet: &Subnet,
    own: Option<&Port>,
) -> Vec<String> {
    let option = |name: &str, value: Option<&str>| {
        option(subnet.is_v6(), &subnet_tag(&subnet.id), name, value)
    };
    let mut out = Vec::new();
    if subnet.announces_no_dns() {
        out.push(option("dns-server", None));
    } else if !subnet.dns_nameservers.is_empty() {
        out.push(option("dns-server", Some(&literals(subnet.dns_nameservers.iter().copied()))));
    }
    if subnet.is_v6() {
        if !settings.dns_domain.is_empty() {
            out.push(option("domain-search", Some(&settings.dns_domain)));
        }
        return out;
    }
    let default = |destination: &ipnet::IpNet| destination.prefix_len() == 0;
    let default_route = subnet.host_routes.iter().find(|route| default(&route.destination));
    let gateway = subnet.gateway_ip.or(default_route.map(|route| route.nexthop));
    let mut routes = routes(settings, network, subnet, own, gateway);
    if !routes.is_empty() {
        routes.extend(gateway.map(|gateway| format!("0.0.0.0/0,{gateway}")));
        let routes = routes.join(",");
        out.push(option("classless-static-route", Some(&routes)));
        out.push(option(WINDOWS_STATIC_ROUTES, Some(&routes)));
    }
    let gateway = gateway.map(|gateway| gateway.to_string());
    // Without a value the option keeps dnsmasq from naming itself as the router.
    out.push(option("router", gateway.as_deref()));
    out
}

/// Classless static routes of an IPv4 subnet, the default route left out.
fn routes(
    settings: &Settings,
    network: &Network,
    subnet: &Subnet,
    own: Option<&Port>,
    gateway: Option<IpAddr>,
) -> Vec<String> {
    let mut on_link: Vec<String> = network
        .all_subnets()
        .filter(|other| !other.is_v6() && other.cidr != subnet.cidr)
        .filter(|other| other.segment_id == subnet.segment_id)
        .map(|other| format!("{},0.0.0.0", other.cidr))
        .collect();
    on_link.reverse();
    let host_routes = subnet
        .host_routes
        .iter()
        .filter(|route| route.destination.prefix_len() > 0)
        .map(|route| format!("{},{}", route.destination, route.nexthop));
    let metadata = metadata::next_hop(settings, network, subnet, own, gateway)
        .map(|hop| format!("{}/32,{hop}", metadata::METADATA_V4));
    on_link.into_iter().chain(host_routes).chain(metadata).collect()
}

/// `extra_dhcp_opts` of a port, for the IP versions it has addresses of.
fn of_port(port: &Port) -> Vec<String> {
    let has = |v6: bool| port.fixed_ips.iter().any(|ip| ip.ip_address.is_ipv6() == v6);
    port.extra_dhcp_opts
        .iter()
        .filter(|opt| !opt.is_client_id() && has(opt.ip_version == 6))
        .map(|opt| {
            let v6 = opt.ip_version == 6;
            option(v6, &port_tag(&port.id), &opt.opt_name, Some(&opt.opt_value))
        })
        .collect()
}

/// Where several agents serve a subnet without name servers of its own, each names all of them.
fn dhcp_servers(network: &Network, needs: impl Fn(&str) -> bool) -> Vec<String> {
    let mut by_subnet: Vec<(&str, Vec<IpAddr>)> = Vec::new();
    let ports = network.ports.iter().filter(|port| port.device_owner == DHCP);
    for ip in ports.flat_map(|port| &port.fixed_ips).filter(|ip| needs(&ip.subnet_id)) {
        match by_subnet.iter_mut().find(|(id, _)| *id == ip.subnet_id) {
            Some((_, ips)) => ips.push(ip.ip_address),
            None => by_subnet.push((&ip.subnet_id, vec![ip.ip_address])),
        }
    }
    let mut out = Vec::new();
    for (id, ips) in by_subnet {
        for v6 in [false, true] {
            let same: Vec<IpAddr> = ips.iter().copied().filter(|ip| ip.is_ipv6() == v6).collect();
            if same.len() > 1 {
                let value = literals(same.into_iter());
                out.push(option(v6, &subnet_tag(id), "dns-server", Some(&value)));
            }
        }
    }
    out
}

/// Addresses as option values: IPv6 in brackets.
fn literals(ips: impl Iterator<Item = IpAddr>) -> String {
    let texts: Vec<String> =
        ips.map(|ip| if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }).collect();
    texts.join(",")
}

/// A line of the file. `name` may bring a further condition, `tag:<tag>,<name>`. What follows a
/// line break is cut off: it would be another line.
fn option(v6: bool, tag: &str, name: &str, value: Option<&str>) -> String {
    let first_line = |text: &str| text.split('\n').next().unwrap_or_default().to_string();
    let name = first_line(name);
    let (condition, name) = match name.rsplit_once(',') {
        Some((condition, name)) if condition.starts_with("tag:") => (Some(condition), name),
        _ => (None, name.as_str()),
    };
    let numeric = !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    let name = match (v6, numeric) {
        (true, _) => format!("option6:{name}"),
        (false, false) => format!("option:{name}"),
        (false, true) => name.to_string(),
    };
    let mut parts = vec![format!("tag:{tag}")];
    parts.extend(condition.map(str::to_string));
    parts.push(name);
    parts.extend(value.map(first_line));
    parts.join(",")
}
