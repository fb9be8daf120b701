//! From the server's shapes to the data plane's values. What cannot be understood is logged and
//! allows nothing: a rule that lost a condition would allow more than was asked for.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use neutrino_dataplane::firewall::{Direction, Ethertype, Member, Remote, Rule, SecurityGroup};
use neutrino_rpc::shapes::security_groups::{Member as MemberShape, SecurityGroupRule};
use neutrino_types::ip_protocol;

use crate::ports::parse_address;

/// A group with the rules that are understood.
pub(super) fn group(id: &str, rules: &[SecurityGroupRule]) -> SecurityGroup {
    let understood = rules.iter().filter_map(|shape| match rule(shape) {
        Ok(rule) => Some(rule),
        Err(problem) => {
            tracing::error!(security_group_id = id, problem, rule = ?shape, "rule left out");
            None
        }
    });
    SecurityGroup {
        // Every rule says it of its group; a group without rules allows nothing either way.
        stateful: rules.iter().all(|rule| rule.stateful != Some(false)),
        rules: understood.collect(),
    }
}

/// The members that are understood.
pub(super) fn members(
    id: &str,
    by_ethertype: &BTreeMap<String, Vec<MemberShape>>,
) -> BTreeSet<Member> {
    let mut out = BTreeSet::new();
    for (name, shapes) in by_ethertype {
        for shape in shapes {
            match member(name, shape) {
                Ok(member) => {
                    out.insert(member);
                }
                Err(problem) => {
                    tracing::error!(remote_group_id = id, problem, member = ?shape, "left out");
                }
            }
        }
    }
    out
}

fn ethertype(name: &str) -> Result<Ethertype, &'static str> {
    match name {
        "IPv4" => Ok(Ethertype::V4),
        "IPv6" => Ok(Ethertype::V6),
        _ => Err("unknown ethertype"),
    }
}

fn address(ethertype: Ethertype, text: &str) -> Result<IpNet, &'static str> {
    let net = parse_address(text).ok_or("no address")?;
    match (ethertype, net) {
        (Ethertype::V4, IpNet::V4(_)) | (Ethertype::V6, IpNet::V6(_)) => Ok(net),
        _ => Err("address of the other IP version"),
    }
}

fn member(name: &str, shape: &MemberShape) -> Result<Member, &'static str> {
    let MemberShape(text, mac) = shape;
    let address = address(ethertype(name)?, text)?;
    // With a /0 the MAC is all that tells the member from others.
    let mac = mac.as_deref().map(str::parse).transpose().map_err(|_| "no MAC address")?;
    Ok(Member { address, mac })
}

fn rule(shape: &SecurityGroupRule) -> Result<Rule, &'static str> {
    let ethertype = ethertype(&shape.ethertype)?;
    let (direction, prefix, foreign) = match shape.direction.as_str() {
        "ingress" => (Direction::Ingress, &shape.source_ip_prefix, &shape.dest_ip_prefix),
        "egress" => (Direction::Egress, &shape.dest_ip_prefix, &shape.source_ip_prefix),
        _ => return Err("unknown direction"),
    };
    if foreign.is_some() {
        return Err("prefix of the port's own side");
    }
    if shape.source_port_range_min.is_some() || shape.source_port_range_max.is_some() {
        return Err("source ports");
    }
    let protocol = protocol(ethertype, shape.protocol.as_deref())?;
    let (port_min, port_max) = ports(protocol, shape.port_range_min, shape.port_range_max)?;
    let remote = match (prefix, &shape.remote_group_id, &shape.remote_address_group_id) {
        (None, None, None) => Remote::Any,
        (Some(text), None, None) => Remote::Prefix(address(ethertype, text)?),
        (None, Some(id), None) => Remote::Group(id.clone()),
        (None, None, Some(id)) => Remote::AddressGroup(id.clone()),
        _ => return Err("more than one remote side"),
    };
    Ok(Rule { direction, ethertype, protocol, port_min, port_max, remote })
}

/// The protocol's number; `None` for any.
fn protocol(ethertype: Ethertype, text: Option<&str>) -> Result<Option<u8>, &'static str> {
    let Some(text) = text.filter(|text| *text != "any") else { return Ok(None) };
    match (ip_protocol::number(text).ok_or("unknown protocol")?, ethertype) {
        (0, _) => Ok(None),
        // ICMP is the ICMP of the rule's IP version.
        (ip_protocol::ICMP, Ethertype::V6) => Ok(Some(ip_protocol::IPV6_ICMP)),
        (number, _) => Ok(Some(number)),
    }
}

type Ports = (Option<u16>, Option<u16>);

/// First and last port, or ICMP type and code.
fn ports(protocol: Option<u8>, min: Option<u32>, max: Option<u32>) -> Result<Ports, &'static str> {
    let icmp = matches!(protocol, Some(ip_protocol::ICMP | ip_protocol::IPV6_ICMP));
    let limit = if icmp { u16::from(u8::MAX) } else { u16::MAX };
    let number = |value: Option<u32>| {
        let number = value.map(u16::try_from).transpose().ok();
        number.filter(|n| n.is_none_or(|n| n <= limit)).ok_or("port out of range")
    };
    match (number(min)?, number(max)?) {
        (None, None) => Ok((None, None)),
        (Some(kind), code) if icmp => Ok((Some(kind), code)),
        (Some(min), Some(max)) if protocol.is_some_and(ip_protocol::has_ports) && min <= max => {
            Ok((Some(min), Some(max)))
        }
        _ => Err("ports do not fit the protocol"),
    }
}
