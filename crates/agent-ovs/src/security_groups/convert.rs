//! From the server's shapes to the data plane's values. What cannot be understood is logged and
//! allows nothing: a rule that lost a condition would allow more than was asked for.

use std::collections::BTreeSet;

use ipnet::IpNet;
use neutrino_dataplane::firewall::{Direction, Ethertype, Member, Remote, Rule, SecurityGroup};
use neutrino_rpc::shapes::security_groups::{Member as MemberShape, SecurityGroupRule};
use neutrino_types::{Attrs, ip_protocol};
use serde_json::Value;

use super::Updated;
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

/// Puts those of `shapes` that are understood in place of the members of their IP version.
pub(super) fn replace_members(
    known: &mut BTreeSet<Member>,
    id: &str,
    ethertype_name: &str,
    shapes: &[MemberShape],
) {
    let ethertype = match ethertype(ethertype_name) {
        Ok(ethertype) => ethertype,
        Err(problem) => {
            tracing::error!(remote_group_id = id, problem, ethertype_name, "members left out");
            return;
        }
    };
    known.retain(|member| !is_of(&member.address, ethertype));
    for shape in shapes {
        match member(ethertype, shape) {
            Ok(member) => {
                known.insert(member);
            }
            Err(problem) => {
                tracing::error!(remote_group_id = id, problem, member = ?shape, "left out");
            }
        }
    }
}

/// Ethertypes by the names they have on the wire.
const ETHERTYPES: [(Ethertype, &str); 2] = [(Ethertype::V4, "IPv4"), (Ethertype::V6, "IPv6")];

/// The name of an ethertype on the wire.
pub(super) fn ethertype_name(ethertype: Ethertype) -> &'static str {
    // Every ethertype is listed.
    ETHERTYPES.iter().find(|(known, _)| *known == ethertype).map_or("", |(_, name)| name)
}

fn ethertype(name: &str) -> Result<Ethertype, &'static str> {
    let known = ETHERTYPES.iter().find(|(_, known)| *known == name);
    known.map(|(ethertype, _)| *ethertype).ok_or("unknown ethertype")
}

pub(super) const fn is_of(net: &IpNet, ethertype: Ethertype) -> bool {
    matches!((ethertype, net), (Ethertype::V4, IpNet::V4(_)) | (Ethertype::V6, IpNet::V6(_)))
}

fn address(ethertype: Ethertype, text: &str) -> Result<IpNet, &'static str> {
    let net = parse_address(text).ok_or("no address")?;
    if is_of(&net, ethertype) { Ok(net) } else { Err("address of the other IP version") }
}

fn member(ethertype: Ethertype, shape: &MemberShape) -> Result<Member, &'static str> {
    let MemberShape(text, mac) = shape;
    let address = address(ethertype, text)?;
    // With a /0 the MAC is all that tells the member from others.
    let mac = mac.as_deref().map(str::parse).transpose().map_err(|_| "no MAC address")?;
    Ok(Member { address, mac })
}

/// What a port, as the API shows it, says of its groups and addresses. Of an address that is not
/// understood it says nothing: the server is asked in vain.
pub(super) fn updated(port: &Attrs) -> Updated {
    let list = |key: &str| port.get(key).and_then(Value::as_array).into_iter().flatten();
    let text = |value: &Value, key: &str| Some(value.get(key)?.as_str()?.to_string());
    let own = port.get("mac_address").and_then(Value::as_str);
    let fixed = list("fixed_ips").map(|ip| (text(ip, "ip_address"), own.map(str::to_string)));
    let pairs = list("allowed_address_pairs")
        .map(|pair| (text(pair, "ip_address"), text(pair, "mac_address")));
    let members = fixed.chain(pairs).filter_map(|(address, mac)| {
        Some(Member { address: parse_address(&address?)?, mac: Some(mac?.parse().ok()?) })
    });
    Updated {
        groups: list("security_groups").filter_map(Value::as_str).map(str::to_string).collect(),
        mac: own.and_then(|mac| mac.parse().ok()),
        members: members.collect(),
    }
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
