//! Security group rules as matches and actions.

use std::collections::BTreeSet;

use ipnet::IpNet;
use neutrino_openflow::{
    Action, Field, Flow, Match,
    matching::{ct_state, proto},
};

use super::{commit, plan::PortContext};
use crate::{
    firewall::{Direction, Ethertype, Remote, Rule},
    tables::int::{self, priority, register},
    view::OfPort,
};

/// `ip_frag` of all fragments but the first.
const FRAG_LATER: u128 = 3;
/// Offset of rules without remote group: they come before conjunctive ones.
const PLAIN: u8 = 4;

/// The two connection states a rule allows packets in; the rest of a connection is allowed
/// whatever the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// In the direction the connection was made.
    Established,
    /// The first packets.
    New,
}

impl State {
    pub(super) const BOTH: [Self; 2] = [Self::Established, Self::New];

    /// Wants this state.
    pub(super) fn on(self, fields: Match) -> Match {
        match self {
            Self::Established => fields.ct_state(ct_state::EST, ct_state::REL | ct_state::RPL),
            Self::New => fields.ct_state(ct_state::NEW, ct_state::EST),
        }
    }

    /// The conjunction id of this state, given that for established connections.
    pub(super) const fn id(self, established: u32) -> u32 {
        match self {
            Self::Established => established,
            Self::New => established + 1,
        }
    }
}

/// The table of rules.
pub(super) const fn table(direction: Direction) -> u8 {
    match direction {
        Direction::Egress => int::RULES_EGRESS_TABLE,
        Direction::Ingress => int::RULES_INGRESS_TABLE,
    }
}

/// How far above [`priority::RULE`] a rule's flows are, 0 to 3, within plain or conjunctive ones:
/// the more it says of the protocol the higher.
pub(super) fn offset(rule: &Rule) -> u8 {
    match rule.ip_protocol() {
        None => 0,
        Some(proto::ICMP | proto::ICMPV6) => match (rule.port_min, rule.port_max) {
            (None, _) => 1,
            (Some(_), None) => 2,
            (Some(_), Some(_)) => 3,
        },
        Some(_) => 3,
    }
}

pub(super) fn has_ports(protocol: Option<u8>) -> bool {
    destination_port(protocol).is_some()
}

fn destination_port(protocol: Option<u8>) -> Option<Field> {
    match protocol? {
        proto::TCP => Some(Field::TcpDst),
        proto::UDP => Some(Field::UdpDst),
        proto::SCTP => Some(Field::SctpDst),
        _ => None,
    }
}

pub(super) fn is_version(net: &IpNet, ethertype: Ethertype) -> bool {
    matches!((net, ethertype), (IpNet::V4(_), Ethertype::V4) | (IpNet::V6(_), Ethertype::V6))
}

/// Wants packets of this IP version.
pub(super) fn version(fields: Match, ethertype: Ethertype) -> Match {
    match ethertype {
        Ethertype::V4 => fields.ipv4(),
        Ethertype::V6 => fields.ipv6(),
    }
}

/// Wants the other side in `net`.
pub(super) fn remote(fields: Match, direction: Direction, net: &IpNet) -> Match {
    match (direction, net) {
        (Direction::Ingress, IpNet::V4(n)) => fields.ipv4().ipv4_src(n.network(), n.prefix_len()),
        (Direction::Egress, IpNet::V4(n)) => fields.ipv4().ipv4_dst(n.network(), n.prefix_len()),
        (Direction::Ingress, IpNet::V6(n)) => fields.ipv6().ipv6_src(n.network(), n.prefix_len()),
        (Direction::Egress, IpNet::V6(n)) => fields.ipv6().ipv6_dst(n.network(), n.prefix_len()),
    }
}

/// The matches of a protocol and its ports, or ICMP type and code; none when no packet can be so.
pub(super) fn matches(
    ethertype: Ethertype,
    protocol: Option<u8>,
    (min, max): (Option<u16>, Option<u16>),
) -> Vec<Match> {
    let mut fields = version(Match::new(), ethertype);
    let Some(number) = protocol else { return vec![fields] };
    fields = fields.ip_proto(number);
    if let Some(field) = destination_port(protocol) {
        if min.is_none() && max.is_none() {
            return vec![fields];
        }
        let masks = port_masks(min.unwrap_or(1), max.unwrap_or(u16::MAX)).into_iter();
        return masks
            .map(|(value, mask)| fields.clone().set(field, value.into(), mask.into()))
            .collect();
    }
    let icmp = match (ethertype, number) {
        (Ethertype::V4, proto::ICMP) => Some((Field::Icmpv4Type, Field::Icmpv4Code)),
        (Ethertype::V6, proto::ICMPV6) => Some((Field::Icmpv6Type, Field::Icmpv6Code)),
        _ => None,
    };
    if let (Some((kind_field, code_field)), Some(kind)) = (icmp, min) {
        if kind > u8::MAX.into() || max.is_some_and(|code| code > u8::MAX.into()) {
            return Vec::new();
        }
        fields.insert(kind_field, kind.into(), kind_field.full_mask());
        if let Some(code) = max {
            fields.insert(code_field, code.into(), code_field.full_mask());
        }
    }
    vec![fields]
}

/// Whether [`matches`] looks at what only the first fragment of a packet has: ports, ICMP type and
/// code, and of IPv6 also the protocol, which later fragments have as "fragment".
pub(super) fn misses_fragments(
    ethertype: Ethertype,
    protocol: Option<u8>,
    ports: (Option<u16>, Option<u16>),
) -> bool {
    match ethertype {
        Ethertype::V4 => {
            let known =
                has_ports(protocol) || matches!(protocol, Some(proto::ICMP | proto::ICMPV6));
            known && ports != (None, None)
        }
        Ethertype::V6 => protocol.is_some(),
    }
}

/// The later fragments of packets of `protocol`, as far as they show it.
///
/// They are let through where any packet of their protocol and sender is: without the first
/// fragment, which is judged by its ports, nobody can make use of them.
pub(super) fn later_fragments(ethertype: Ethertype, protocol: Option<u8>) -> Match {
    let fields = version(Match::new(), ethertype).set(Field::IpFrag, FRAG_LATER, FRAG_LATER);
    match (ethertype, protocol) {
        (Ethertype::V4, Some(number)) => fields.ip_proto(number),
        (Ethertype::V4, None) | (Ethertype::V6, _) => fields,
    }
}

/// The least values and masks that together match the ports from `min` to `max`; none when `min`
/// is the greater.
pub(super) fn port_masks(min: u16, max: u16) -> Vec<(u16, u16)> {
    let mut out = Vec::new();
    let (mut at, end) = (u32::from(min), u32::from(max) + 1);
    while at < end {
        // The largest aligned power of two that fits; 17 bits are enough for both.
        let aligned = if at == 0 { 1 << 16 } else { at & at.wrapping_neg() };
        let fits = 1 << (31 - (end - at).leading_zeros());
        let size: u32 = aligned.min(fits);
        // Both are below 2^16: `at` < `end` <= 2^16 and `size` >= 1.
        out.push((at as u16, !((size - 1) as u16)));
        at += size;
    }
    out
}

/// What is done with an allowed packet.
pub(super) fn accept(direction: Direction, state: State, ofport: OfPort) -> Vec<Action> {
    match (direction, state) {
        // It may be for an instance here, whose ingress rules have a say as well.
        (Direction::Egress, _) => vec![Action::resubmit(int::ACCEPT_OR_INGRESS_TABLE)],
        (Direction::Ingress, State::Established) => vec![Action::Output(ofport)],
        (Direction::Ingress, State::New) => vec![
            commit(Vec::new()),
            Action::Output(ofport),
            Action::resubmit(int::ACCEPTED_INGRESS_TRAFFIC_TABLE),
        ],
    }
}

/// Flows of the rules that name no group.
pub(super) fn port_flows(context: &PortContext<'_>, flows: &mut Vec<Flow>) {
    let ofport = context.port.ofport;
    // Groups may say the same twice.
    let mut allowed = BTreeSet::new();
    for rule in &context.rules {
        let prefix = match &rule.remote {
            Remote::Any => None,
            Remote::Prefix(net) if is_version(net, rule.ethertype) => Some(net),
            // Of the other IP version: nothing can match.
            Remote::Prefix(_) | Remote::Group(_) | Remote::AddressGroup(_) => continue,
        };
        let priority = priority::RULE + u16::from(PLAIN + offset(rule));
        let ports = (rule.port_min, rule.port_max);
        let mut all = matches(rule.ethertype, rule.ip_protocol(), ports);
        let misses = misses_fragments(rule.ethertype, rule.ip_protocol(), ports);
        if context.fragments && misses && !all.is_empty() {
            all.push(later_fragments(rule.ethertype, rule.ip_protocol()));
        }
        for mut fields in all {
            if let Some(net) = prefix {
                fields = remote(fields, rule.direction, net);
            }
            allowed.insert((rule.direction, priority, fields.reg(register::PORT, ofport)));
        }
    }
    for (direction, priority, fields) in allowed {
        for state in State::BOTH {
            flows.push(
                Flow::new(table(direction), priority, state.on(fields.clone()))
                    .then(accept(direction, state, ofport)),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_few_and_exact() {
        assert_eq!(port_masks(8000, 8010), [(0x1f40, 0xfff8), (0x1f48, 0xfffe), (8010, 0xffff)]);
        assert_eq!(port_masks(0, u16::MAX), [(0, 0)]);
        assert_eq!(port_masks(1, u16::MAX).len(), 16);
        assert_eq!(port_masks(7, 6), []);
        assert_eq!(port_masks(65535, 65535), [(65535, 65535)]);
        for (min, max) in [(1u16, 1000u16), (22, 22), (1023, 40000), (64, 105)] {
            let masks = port_masks(min, max);
            for port in 0..=u16::MAX {
                let hits = masks.iter().filter(|(value, mask)| port & mask == *value).count();
                assert_eq!(hits, usize::from((min..=max).contains(&port)), "{port}");
            }
        }
    }
}
