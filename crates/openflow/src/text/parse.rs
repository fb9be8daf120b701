//! Reads flows and matches as ovs-ofctl writes them.

use std::str::FromStr;

use super::{ParseError, parse_action, parse_num, parse_u64, split_args, value};
use crate::{
    field::Field,
    flow::{Flow, FlowFlags},
    matching::{ETH_ARP, ETH_IP, ETH_IPV6, ETH_RARP, Match, proto},
};

impl FromStr for Flow {
    type Err = ParseError;

    /// Reads a line of `ovs-ofctl dump-flows` (any version, with or without statistics) or the
    /// argument of `ovs-ofctl add-flow`. Without `actions=` the flow drops.
    fn from_str(line: &str) -> Result<Self, ParseError> {
        let line = line.trim();
        let (head, actions) = match line.split_once("actions=") {
            Some((head, actions)) => (head, actions),
            None => (line, ""),
        };
        let mut flow = Flow::default();
        let mut fields = Vec::new();
        for part in head.split([',', ' ']).filter(|part| !part.is_empty()) {
            if !read_property(&mut flow, part)? {
                fields.push(part);
            }
        }
        flow.fields = parse_match(&fields)?;
        flow.actions = parse_action::parse_list(actions)?;
        Ok(flow)
    }
}

impl FromStr for Match {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse_match(&split_args(text))
    }
}

/// Takes `part` if it is a property of the flow rather than of its match.
fn read_property(flow: &mut Flow, part: &str) -> Result<bool, ParseError> {
    if let Some((bit, _)) = FlowFlags::NAMES.iter().find(|(_, name)| *name == part) {
        flow.flags.0 |= bit;
        return Ok(true);
    }
    let Some((name, text)) = part.split_once('=') else { return Ok(false) };
    match name {
        "cookie" => flow.cookie = parse_u64(text)?,
        "table" => flow.table = parse_num(text)?,
        "priority" => flow.priority = parse_num(text)?,
        "idle_timeout" => flow.idle_timeout = parse_num(text)?,
        "hard_timeout" => flow.hard_timeout = parse_num(text)?,
        "duration" | "n_packets" | "n_bytes" | "idle_age" | "hard_age" | "importance" => {}
        _ => return Ok(false),
    }
    Ok(true)
}

/// Ethernet type and protocol said by a bare word.
fn shorthand(word: &str) -> Option<(u16, Option<u8>)> {
    Some(match word {
        "ip" => (ETH_IP, None),
        "icmp" => (ETH_IP, Some(proto::ICMP)),
        "tcp" => (ETH_IP, Some(proto::TCP)),
        "udp" => (ETH_IP, Some(proto::UDP)),
        "sctp" => (ETH_IP, Some(proto::SCTP)),
        "ipv6" => (ETH_IPV6, None),
        "icmp6" => (ETH_IPV6, Some(proto::ICMPV6)),
        "tcp6" => (ETH_IPV6, Some(proto::TCP)),
        "udp6" => (ETH_IPV6, Some(proto::UDP)),
        "sctp6" => (ETH_IPV6, Some(proto::SCTP)),
        "arp" => (ETH_ARP, None),
        "rarp" => (ETH_RARP, None),
        _ => return None,
    })
}

/// The field a name means in a match of these protocols.
fn field_for(name: &str, eth_type: Option<u16>, ip_proto: Option<u8>) -> Option<Field> {
    let arp = matches!(eth_type, Some(ETH_ARP | ETH_RARP));
    let v6 = eth_type == Some(ETH_IPV6);
    let by_proto = |tcp, udp, sctp| match ip_proto {
        Some(proto::UDP) => udp,
        Some(proto::SCTP) => sctp,
        _ => tcp,
    };
    Some(match name {
        "in_port" => Field::InPort,
        "nw_src" if arp => Field::ArpSpa,
        "nw_dst" if arp => Field::ArpTpa,
        "nw_proto" if arp => Field::ArpOp,
        "tp_src" => by_proto(Field::TcpSrc, Field::UdpSrc, Field::SctpSrc),
        "tp_dst" => by_proto(Field::TcpDst, Field::UdpDst, Field::SctpDst),
        "icmp_type" if v6 => Field::Icmpv6Type,
        "icmp_code" if v6 => Field::Icmpv6Code,
        _ => return Field::from_name(name),
    })
}

fn parse_match(parts: &[&str]) -> Result<Match, ParseError> {
    let mut fields = Match::new();
    for part in parts {
        if let Some((eth_type, ip_proto)) = shorthand(part) {
            fields = fields.eth_type(eth_type);
            if let Some(ip_proto) = ip_proto {
                fields = fields.ip_proto(ip_proto);
            }
        } else if let Some(("dl_type" | "eth_type", text)) = part.split_once('=') {
            fields = fields.eth_type(parse_num(text)?);
        } else if let Some(("nw_proto" | "ip_proto", text)) = part.split_once('=') {
            let arp = matches!(fields.exact(Field::EthType), Some(t) if t == u128::from(ETH_ARP));
            if !arp {
                fields = fields.ip_proto(parse_num(text)?);
            }
        }
    }
    let eth_type = fields.exact(Field::EthType).and_then(|v| u16::try_from(v).ok());
    let ip_proto = fields.exact(Field::IpProto).and_then(|v| u8::try_from(v).ok());
    for part in parts {
        if shorthand(part).is_some() {
            continue;
        }
        let (name, text) =
            part.split_once('=').ok_or_else(|| ParseError::new("unknown word in match", part))?;
        match name {
            "dl_vlan" => {
                let vid: u16 = parse_num(text)?;
                fields = if vid == 0xffff { fields.untagged() } else { fields.dl_vlan(vid) };
            }
            "dl_vlan_pcp" => fields.insert(Field::VlanPcp, parse_num::<u8>(text)?.into(), 7),
            "nw_tos" => fields.insert(Field::IpDscp, (parse_num::<u8>(text)? >> 2).into(), 0x3f),
            _ => {
                let field = field_for(name, eth_type, ip_proto)
                    .ok_or_else(|| ParseError::new("unknown field in match", part))?;
                let (value, mask) = value::parse(field, text)?;
                fields.insert(field, value, mask);
            }
        }
    }
    Ok(fields)
}
