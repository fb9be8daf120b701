//! The files that say which port has which address and name: `host`, `addn_hosts`, `leases`.

use std::{collections::BTreeMap, fmt::Write, net::IpAddr};

use super::{
    port_tag,
    view::{Network, Port, Settings, Subnet},
};

/// Restricts a line of the hosts file to DHCPv6 requests.
const DHCPV6_TAG: &str = "tag:dhcpv6,";

/// Addresses of one port that share a line: one, or several IPv6 ones of a subnet.
struct Allocation<'n> {
    port: &'n Port,
    /// `None` for an address of a subnet the agent was not told of.
    subnet: Option<&'n Subnet>,
    addresses: Vec<IpAddr>,
}

impl Allocation<'_> {
    fn first(&self) -> Option<IpAddr> {
        self.addresses.first().copied()
    }

    /// Short name and name with domain.
    fn names(&self, settings: &Settings) -> (String, String) {
        let assigned = self
            .port
            .dns_assignment
            .iter()
            .find(|assignment| self.first() == Some(assignment.ip_address));
        if let Some(assignment) = assigned {
            return (assignment.hostname.clone(), assignment.fqdn.clone());
        }
        let address = self.first().map(|ip| ip.to_string()).unwrap_or_default();
        let host = format!("host-{}", address.replace(['.', ':'], "-"));
        let fqdn = match settings.dns_domain.as_str() {
            "" => host.clone(),
            domain => format!("{host}.{domain}"),
        };
        (host, fqdn)
    }

    fn is_v6(&self) -> bool {
        self.subnet.is_some_and(Subnet::is_v6)
    }

    fn is_slaac(&self) -> bool {
        self.subnet.is_some_and(Subnet::is_slaac)
    }

    fn is_stateless(&self) -> bool {
        self.subnet.is_some_and(Subnet::is_stateless)
    }

    fn is_enabled(&self) -> bool {
        self.subnet.is_some_and(|subnet| subnet.enable_dhcp)
    }
}

/// The addresses of the ports that may ask, in the order of the files.
fn allocations<'n>(settings: &Settings, network: &'n Network, merge: bool) -> Vec<Allocation<'n>> {
    let mut out = Vec::new();
    for port in network.ports.iter().filter(|port| port.is_served()) {
        let mut own: Vec<Allocation<'n>> = port
            .fixed_ips
            .iter()
            .map(|ip| Allocation {
                port,
                subnet: network.subnet(&ip.subnet_id),
                addresses: vec![ip.ip_address],
            })
            .collect();
        // dnsmasq reads the file from its end and would answer a DHCPv4 request with a line that
        // has no address; so those come first.
        own.sort_by_key(|allocation| !allocation.is_stateless());
        if merge && settings.dnsmasq_enable_addr6_list {
            own = merged(own);
        }
        out.extend(own);
    }
    out
}

/// Puts the stateful IPv6 addresses of one subnet together, behind the others.
fn merged(allocations: Vec<Allocation<'_>>) -> Vec<Allocation<'_>> {
    use super::view::Ipv6Mode::Dhcpv6Stateful;
    let (stateful, mut out): (Vec<_>, Vec<_>) = allocations.into_iter().partition(|allocation| {
        allocation.subnet.is_some_and(|s| s.is_v6() && s.ipv6_address_mode == Some(Dhcpv6Stateful))
    });
    let begin = out.len();
    for allocation in stateful {
        let id = allocation.subnet.map(|subnet| &subnet.id);
        let same = out.iter_mut().skip(begin).find(|a| a.subnet.map(|s| &s.id) == id);
        match same {
            Some(same) => same.addresses.extend(allocation.addresses),
            None => out.push(allocation),
        }
    }
    out
}

/// The hosts file: who may ask, and what each gets.
#[must_use]
pub fn host(settings: &Settings, network: &Network) -> String {
    allocations(settings, network, true).iter().fold(String::new(), |mut out, allocation| {
        if let Some(line) = host_line(settings, allocation) {
            out.push_str(&line);
            out.push('\n');
        }
        out
    })
}

fn host_line(settings: &Settings, allocation: &Allocation<'_>) -> Option<String> {
    let port = allocation.port;
    let mac = port.mac_address;
    let tag = if allocation.is_v6() && settings.host_tag { DHCPV6_TAG } else { "" };
    if allocation.is_slaac() {
        return None;
    }
    if allocation.is_stateless() {
        let options = !port.extra_dhcp_opts.is_empty();
        return options.then(|| format!("{mac},{tag}set:{}", port_tag(&port.id)));
    }
    if !allocation.is_enabled() {
        return None;
    }
    let addresses: Vec<String> = allocation.addresses.iter().map(literal).collect();
    let addresses = addresses.join(",");
    let (_, name) = allocation.names(settings);
    let client_id = port.client_id().filter(|id| !id.is_empty());
    let id = client_id.map(|id| format!("id:{id},")).unwrap_or_default();
    let only_client_id = client_id.is_some() && port.extra_dhcp_opts.len() == 1;
    let set = if port.extra_dhcp_opts.is_empty() || only_client_id {
        String::new()
    } else {
        format!(",set:{}", port_tag(&port.id))
    };
    Some(format!("{mac},{tag}{id}{name},{addresses}{set}"))
}

/// IPv6 in brackets, so that dnsmasq does not take it for a MAC.
fn literal(ip: &IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// The additional hosts file: names of every address, whoever leased it. The name with domain
/// comes first because that is what reverse queries answer.
#[must_use]
pub fn addn_hosts(settings: &Settings, network: &Network) -> String {
    allocations(settings, network, false).iter().fold(String::new(), |mut out, allocation| {
        let (host, fqdn) = allocation.names(settings);
        for ip in &allocation.addresses {
            let _ = writeln!(out, "{ip}\t{fqdn} {host}");
        }
        out
    })
}

/// The lease file dnsmasq starts with, `existing` being what the last one left.
///
/// A lease for every port keeps dnsmasq from refusing clients that renew what another agent's, or
/// an earlier, dnsmasq gave them. Duration 0 means for ever: the client's next renewal brings the
/// real one. IPv6 leases cannot be made up, since their IAID is the client's; those there are stay.
#[must_use]
pub fn initial_leases(settings: &Settings, network: &Network, existing: &str) -> String {
    let mut out = String::new();
    let mut v6 = BTreeMap::new();
    for line in existing.lines() {
        if line.starts_with("duid ") {
            let _ = writeln!(out, "{line}");
            continue;
        }
        let parts: Vec<&str> = line.split(' ').collect();
        if let [_, _, ip, _, _] = parts.as_slice()
            && let Ok(IpAddr::V6(ip)) = ip.parse()
        {
            v6.insert(IpAddr::V6(ip), line);
        }
    }
    for allocation in allocations(settings, network, false) {
        if allocation.is_slaac() || allocation.is_stateless() || !allocation.is_enabled() {
            continue;
        }
        for ip in &allocation.addresses {
            if !allocation.is_v6() {
                let _ = writeln!(out, "0 {} {ip} * *", allocation.port.mac_address);
            } else if let Some(line) = v6.get(ip) {
                let _ = writeln!(out, "{line}");
            }
        }
    }
    out
}
