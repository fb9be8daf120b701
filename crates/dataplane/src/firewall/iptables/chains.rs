//! The chains of one filtered port: to the instance, from it, and whose addresses it may use.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};
use neutrino_types::MacAddr;

use crate::{
    firewall::{
        Direction, Ethertype,
        services::{DHCP, DHCPV6, icmpv6},
    },
    iptables::{Rule, Table},
    view::Port,
};

use super::{Builder, Devices, SG_CHAIN, SG_FALLBACK, bridged, comment, rules::Conditions};

/// What the chains of a port begin with: to it, from it, and whose addresses it may use.
pub(super) const WAYS: [&str; 3] = ["i", "o", "s"];

/// What an instance must hear for IPv6 to work at all.
const ICMPV6_INGRESS: [u8; 3] = [icmpv6::MLD_QUERY, icmpv6::NS, icmpv6::NA];
/// What an instance sends before it has an address.
const ICMPV6_UNSPECIFIED: [u8; 3] = [icmpv6::MLD_REPORT, icmpv6::NS, icmpv6::MLD2_REPORT];

/// UDP ports of DHCP.
struct Dhcp {
    client: u16,
    server: u16,
}

impl Dhcp {
    const fn of(version: Ethertype) -> Self {
        let (client, server) = match version {
            Ethertype::V4 => DHCP,
            Ethertype::V6 => DHCPV6,
        };
        Self { client, server }
    }

    fn by_client(&self) -> String {
        format!("-p udp -m udp --sport {} --dport {}", self.client, self.server)
    }

    fn by_server(&self) -> String {
        format!("-p udp -m udp --sport {} --dport {}", self.server, self.client)
    }
}

fn icmpv6_type(kind: u8) -> String {
    format!("-p ipv6-icmp -m icmp6 --icmpv6-type {kind}")
}

impl Builder<'_> {
    /// The chains of a filtered port and the ways into them.
    pub(super) fn port(&self, filter: &mut Table, port: &Port) {
        let [ingress, egress, spoof] = WAYS.map(|way| format!("{way}{}", port.id));
        let sg_chain = filter.wrap().chain(SG_CHAIN);
        let [to, from] = Devices::of(port).both_ways().map(|matches| bridged(&matches));
        for (matches, chain) in [(&to, &ingress), (&from, &egress)] {
            let rule = Rule::new(matches, &sg_chain).comment(comment::VM_INT_SG);
            // Before the rules of ports that nobody filters.
            filter.add_top("FORWARD", &rule);
            let chain = filter.wrap().chain(chain);
            filter.add(SG_CHAIN, &Rule::new(matches, chain).comment(comment::SG_TO_VM_SG));
        }
        let rule = Rule::new(&from, filter.wrap().chain(&egress)).comment(comment::INPUT_TO_SG);
        filter.add("INPUT", &rule);

        if self.version == Ethertype::V6 {
            for kind in ICMPV6_INGRESS {
                filter.add(&ingress, &Rule::new(icmpv6_type(kind), "RETURN"));
            }
        }
        self.group_rules(filter, &ingress, port, Direction::Ingress);
        self.fixed_egress(filter, &egress, &spoof, port);
        self.group_rules(filter, &egress, port, Direction::Egress);
    }

    /// What is the same for every instance, before its groups' rules.
    fn fixed_egress(&self, filter: &mut Table, egress: &str, spoof: &str, port: &Port) {
        let dhcp = Dhcp::of(self.version);
        let client = Rule::new(dhcp.by_client(), "RETURN").comment(comment::DHCP_CLIENT);
        match self.version {
            Ethertype::V4 => {
                let matches = format!("-s 0.0.0.0/32 -d 255.255.255.255/32 {}", dhcp.by_client());
                filter.add(egress, &Rule::new(matches, "RETURN").comment(comment::DHCP_CLIENT));
            }
            Ethertype::V6 => {
                for kind in ICMPV6_UNSPECIFIED {
                    let matches = format!("-s ::/128 -d ff02::/16 {}", icmpv6_type(kind));
                    let rule = Rule::new(matches, "RETURN").comment(comment::IPV6_ICMP_ALLOW);
                    filter.add(egress, &rule);
                }
            }
        }
        self.spoof(filter, egress, spoof, port);
        if self.version == Ethertype::V6 {
            let advert = Rule::new(icmpv6_type(icmpv6::RA), "DROP").comment(comment::IPV6_RA_DROP);
            filter.add(egress, &advert);
            let rule = Rule::new("-p ipv6-icmp", "RETURN").comment(comment::IPV6_ICMP_ALLOW);
            filter.add(egress, &rule);
        }
        filter.add(egress, &client);
        filter.add(egress, &Rule::new(dhcp.by_server(), "DROP").comment(comment::DHCP_SPOOF));
    }

    /// The chain of addresses the port may use; none when it has no address of this IP version.
    fn spoof(&self, filter: &mut Table, egress: &str, spoof: &str, port: &Port) {
        let pairs = allowed_pairs(port, self.version);
        if pairs.is_empty() {
            return;
        }
        for (mac, address) in pairs {
            // Any address is no condition, which is how iptables prints it.
            let source = match address {
                Some(net) if net.prefix_len() > 0 => format!("-s {net} "),
                _ => String::new(),
            };
            let matches = format!("{source}-m mac --mac-source {mac}");
            filter.add(spoof, &Rule::new(matches, "RETURN").comment(comment::PAIR_ALLOW));
        }
        filter.add(spoof, &Rule::new("", "DROP").comment(comment::PAIR_DROP));
        filter.add(egress, &Rule::new("", filter.wrap().chain(spoof)));
    }

    /// From known connections over what the port's groups allow to the end of the chain.
    fn group_rules(&self, filter: &mut Table, chain: &str, port: &Port, direction: Direction) {
        let known = Rule::new("-m state --state RELATED,ESTABLISHED", "RETURN");
        filter.add(chain, &known.comment(comment::ALLOW_ASSOC));
        if direction == Direction::Ingress {
            self.provider_rules(filter, chain, port);
        }
        let conditions = Conditions {
            version: self.version,
            direction,
            groups: self.groups,
            ipset: self.options.ipset,
        };
        for matches in conditions.of_port(port) {
            filter.add(chain, &Rule::new(matches, "RETURN"));
        }
        let invalid = Rule::new("-m state --state INVALID", "DROP").comment(comment::INVALID_DROP);
        filter.add(chain, &invalid);
        let fallback = filter.wrap().chain(SG_FALLBACK);
        filter.add(chain, &Rule::new("", fallback).comment(comment::UNMATCHED));
    }

    /// What Neutron's own services may send to the instance: router advertisements, and DHCP
    /// answers to its addresses only, so that it takes no lease of another.
    fn provider_rules(&self, filter: &mut Table, chain: &str, port: &Port) {
        let own = || {
            let of_version = |ip: &&IpAddr| ip.is_ipv6() == (self.version == Ethertype::V6);
            port.fixed_ips.iter().filter(of_version)
        };
        if self.version == Ethertype::V6 && own().next().is_some() {
            filter.add(chain, &Rule::new(icmpv6_type(icmpv6::RA), "RETURN"));
        }
        let anybody = match self.version {
            Ethertype::V4 => "255.255.255.255/32",
            Ethertype::V6 => "fe80::/64",
        };
        let own = own().map(|ip| IpNet::from(*ip).to_string());
        let dhcp = Dhcp::of(self.version).by_server();
        for destination in own.chain([anybody.to_string()]) {
            filter.add(chain, &Rule::new(format!("-d {destination} {dhcp}"), "RETURN"));
        }
    }
}

/// The MACs and addresses of one IP version a port may send from: its allowed pairs, then its own
/// addresses, each IPv6 MAC with its link-local address. A port without any address may use its
/// MAC with every address.
fn allowed_pairs(port: &Port, version: Ethertype) -> Vec<(MacAddr, Option<IpNet>)> {
    let mut out: Vec<(MacAddr, Option<IpNet>)> = Vec::new();
    let mut add = |pair| {
        if !out.contains(&pair) {
            out.push(pair);
        }
    };
    let allowed = port.allowed_pairs.iter().map(|(mac, net)| (*mac, net.trunc()));
    let own = port.fixed_ips.iter().map(|ip| (port.mac, IpNet::from(*ip)));
    for (mac, net) in allowed.chain(own) {
        match (version, net) {
            (Ethertype::V4, IpNet::V4(_)) => add((mac, Some(net))),
            (Ethertype::V6, IpNet::V6(_)) => {
                add((mac, Some(net)));
                add((mac, Some(Ipv6Net::from(mac.link_local()).into())));
            }
            (Ethertype::V4, IpNet::V6(_)) | (Ethertype::V6, IpNet::V4(_)) => {}
        }
    }
    if port.fixed_ips.is_empty() {
        add((port.mac, None));
    }
    out
}
