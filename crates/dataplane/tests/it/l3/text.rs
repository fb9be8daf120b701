//! A namespace as text, for people to read.

use std::fmt::Write;

use neutrino_dataplane::{
    firewall::Ethertype,
    iptables::{Saved, TableName, Tables},
    l3::desired::{Device, DeviceKind, Hop, MAIN_TABLE, Namespace, Route, Rule},
};

use crate::iptables::restored;

/// The namespace.
pub fn namespace(namespace: &Namespace) -> String {
    let mut out = format!("# {}\n", namespace.name);
    for sysctl in &namespace.sysctls {
        let _ = writeln!(out, "sysctl {} = {}", sysctl.path, sysctl.value);
    }
    namespace.devices.iter().for_each(|d| device(&mut out, d));
    namespace.routes.iter().for_each(|r| {
        let _ = writeln!(out, "route {}", route(r));
    });
    namespace.rules.iter().for_each(|r| {
        let _ = writeln!(out, "rule {}", rule(r));
    });
    for neighbour in &namespace.neighbours {
        let _ = writeln!(out, "neighbour {} {} {}", neighbour.device, neighbour.ip, neighbour.mac);
    }
    for announcement in &namespace.announcements {
        let _ = writeln!(out, "announce {} {}", announcement.device, announcement.ip);
    }
    let _ = writeln!(out, "metadata proxy: {}", namespace.proxied);
    if let Some(radvd) = &namespace.radvd {
        let _ = writeln!(out, "radvd:\n{radvd}");
    }
    let _ = write!(out, "iptables:\n{}", listing(&saved(&namespace.iptables_v4)));
    if let Some(v6) = &namespace.iptables_v6 {
        let _ = write!(out, "ip6tables:\n{}", listing(&saved(v6)));
    }
    out
}

fn device(out: &mut String, device: &Device) {
    let _ = match &device.kind {
        DeviceKind::Port { port_id } => write!(out, "device {} port {port_id}", device.name),
        DeviceKind::Veth { peer, peer_namespace } => {
            write!(out, "device {} pair {peer} in {peer_namespace}", device.name)
        }
    };
    let _ = writeln!(out, " mac {} mtu {:?}", device.mac, device.mtu);
    for address in &device.addresses {
        let _ = writeln!(out, "  address {address}");
    }
    for sysctl in &device.sysctls {
        let _ = writeln!(out, "  sysctl {} = {}", sysctl.path, sysctl.value);
    }
}

/// A route as `ip route` prints it.
pub fn route(route: &Route) -> String {
    let destination = match route.destination.prefix_len() {
        0 if route.destination.addr().is_ipv6() => "default6".to_string(),
        0 => "default".to_string(),
        len if len == route.destination.max_prefix_len() => route.destination.addr().to_string(),
        _ => route.destination.to_string(),
    };
    let hops = route.hops.iter().map(|Hop { gateway, device }| match gateway {
        Some(gateway) => format!(" via {gateway} dev {device}"),
        None => format!(" dev {device} scope link"),
    });
    let table = match route.table {
        MAIN_TABLE => String::new(),
        table => format!(" table {table}"),
    };
    format!("{destination}{}{table}", hops.collect::<Vec<_>>().join(" nexthop"))
}

/// A rule as `ip rule` prints it.
pub fn rule(rule: &Rule) -> String {
    let from = match rule.from {
        None => "all".to_string(),
        Some(net) if net.prefix_len() == net.max_prefix_len() => net.addr().to_string(),
        Some(net) => net.to_string(),
    };
    let iif = rule.iif.as_ref().map_or_else(String::new, |device| format!(" iif {device}"));
    format!("{}: from {from}{iif} lookup {}", rule.priority, rule.table)
}

/// What the kernel has once `tables` were put into an empty namespace.
pub fn saved(tables: &Tables) -> Saved {
    let nothing = Saved::default();
    tables.restore(&nothing).map_or_else(Saved::default, |restore| restored(&nothing, &restore))
}

/// Tables like `iptables-save` prints them.
pub fn listing(saved: &Saved) -> String {
    let mut out = String::new();
    for (name, table) in &saved.tables {
        let _ = writeln!(out, "*{}", name.as_str());
        for (chain, rules) in &table.chains {
            let _ = writeln!(out, ":{chain}");
            for rule in &rules.rules {
                let _ = writeln!(out, "  {}", rule.text);
            }
        }
    }
    out
}

/// The rules of one chain of what `tables` make.
pub fn chain(tables: &Tables, table: TableName, chain: &str) -> Vec<String> {
    let saved = saved(tables);
    saved.tables[&table].chains[chain].rules.iter().map(|rule| rule.text.clone()).collect()
}

/// The IP version as `iptables` programs are called.
pub const fn prefix(family: Ethertype) -> &'static str {
    match family {
        Ethertype::V4 => "iptables",
        Ethertype::V6 => "ip6tables",
    }
}
