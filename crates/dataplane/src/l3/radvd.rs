//! radvd's configuration: Neutron's text byte for byte, so that a radvd started by either agent is
//! right for the other.

use std::fmt::Write;

use ipnet::IpNet;

use crate::dhcp::view::Ipv6Mode;

use super::{
    names::{self, INTERNAL_PREFIX},
    view::{Port, Settings, Subnet},
};

/// Least MTU of IPv6, bytes.
const MIN_MTU: u32 = 1280;
/// Most name servers that are announced.
const MAX_DNS: usize = 3;

/// The configuration for a router's internal ports; none without an IPv6 subnet.
#[must_use]
pub fn config(settings: &Settings, ports: &[Port]) -> Option<String> {
    let interfaces: String = ports.iter().filter_map(|port| interface(settings, port)).collect();
    (!interfaces.is_empty()).then_some(interfaces)
}

fn interface(settings: &Settings, port: &Port) -> Option<String> {
    let subnets: Vec<&Subnet> =
        port.subnets.iter().filter(|subnet| matches!(subnet.cidr, IpNet::V6(_))).collect();
    if subnets.is_empty() {
        return None;
    }
    let of = |mode: Ipv6Mode| {
        subnets.iter().copied().filter(move |subnet| subnet.ipv6_ra_mode == Some(mode))
    };
    let mut out = format!(
        "interface {}\n{{\n   AdvSendAdvert on;\n   MinRtrAdvInterval {};\n   \
         MaxRtrAdvInterval {};",
        names::device(INTERNAL_PREFIX, &port.id),
        settings.min_rtr_adv_interval,
        settings.max_rtr_adv_interval,
    );
    if port.mtu >= MIN_MTU {
        let _ = write!(out, "\n   AdvLinkMTU {};\n   ", port.mtu);
    }
    if of(Ipv6Mode::Dhcpv6Stateless).next().is_some() {
        out.push_str("\n   AdvOtherConfigFlag on;\n   ");
    }
    if of(Ipv6Mode::Dhcpv6Stateful).next().is_some() {
        out.push_str("\n   AdvManagedFlag on;\n   ");
    }
    let mut dns =
        of(Ipv6Mode::Slaac).flat_map(|subnet| &subnet.dns_nameservers).take(MAX_DNS).peekable();
    if dns.peek().is_some() {
        let servers: String = dns.map(|server| format!(" {server} ")).collect();
        let _ = write!(out, "\n   RDNSS {servers} {{}};\n   ");
    }
    // In the order of the subnets: those whose addresses instances make themselves first.
    let made = subnets.iter().filter(|subnet| {
        matches!(subnet.ipv6_ra_mode, Some(Ipv6Mode::Slaac | Ipv6Mode::Dhcpv6Stateless))
    });
    made.for_each(|subnet| prefix(&mut out, &subnet.cidr, "on"));
    of(Ipv6Mode::Dhcpv6Stateful).for_each(|subnet| prefix(&mut out, &subnet.cidr, "off"));
    out.push_str("\n\n   route fe80::a9fe:a9fe/128 {\n   };\n};");
    Some(out)
}

fn prefix(out: &mut String, cidr: &IpNet, autonomous: &str) {
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "\n   prefix {cidr}\n   {{\n        AdvOnLink on;\n        AdvAutonomous {autonomous};\n   \
         }};\n   "
    );
}
