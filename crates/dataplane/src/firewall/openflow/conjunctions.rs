//! Rules that name a remote group: conjunctive matches.
//!
//! Dimension 1 is the address (one set of flows per network, shared by its ports), dimension 2
//! the port and protocol (flows of each port). Where both meet, the flow that matches the
//! conjunction's id accepts. A member costs its own flows, however many ports and rules there are.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use neutrino_openflow::{Action, Field, Flow, Match};
use neutrino_types::MacAddr;
use sha1::{Digest, Sha1};

use super::{
    plan::PortContext,
    rules::{self, State},
};
use crate::{
    firewall::{Direction, Ethertype, Member, Remote, Rule},
    tables::int::{priority, register},
};

/// Ids a key gets: four offsets, each with one for established and one for new connections.
const BLOCK: u32 = 8;
/// The first block; Neutron's first on a clean bridge.
const FIRST_BLOCK: u32 = 2;
/// Blocks there are: the last one of 32 bits is left out, as in Neutron.
const BLOCKS: u32 = u32::MAX / BLOCK - FIRST_BLOCK;

/// What a conjunction is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConjunctionKey<'a> {
    /// Remote security group or remote address group.
    pub remote: &'a str,
    /// Which way.
    pub direction: Direction,
    /// IP version.
    pub ethertype: Ethertype,
}

impl<'a> ConjunctionKey<'a> {
    /// What `rule` needs a conjunction about; `None` when it names no group.
    #[must_use]
    pub fn of(rule: &'a Rule) -> Option<Self> {
        match &rule.remote {
            Remote::Group(remote) | Remote::AddressGroup(remote) => {
                Some(Self { remote, direction: rule.direction, ethertype: rule.ethertype })
            }
            Remote::Any | Remote::Prefix(_) => None,
        }
    }

    /// The block it would like best: a hash, so that it is the same after a restart and does not
    /// depend on the other keys.
    fn preferred(&self) -> u32 {
        let text = format!("{}/{:?}/{:?}", self.remote, self.direction, self.ethertype);
        let hash = Sha1::digest(text.as_bytes());
        u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) % BLOCKS
    }
}

/// Which conjunction ids each key has (ADR 0007).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConjunctionIds<'a>(BTreeMap<ConjunctionKey<'a>, u32>);

impl<'a> ConjunctionIds<'a> {
    /// Gives every key a block of eight ids. Where two want the same block, the one that sorts
    /// later takes the next free one.
    #[must_use]
    pub fn assign(keys: impl IntoIterator<Item = ConjunctionKey<'a>>) -> Self {
        let keys: BTreeSet<ConjunctionKey<'a>> = keys.into_iter().collect();
        let mut taken = BTreeSet::new();
        let mut ids = BTreeMap::new();
        for key in keys {
            let mut block = key.preferred();
            // Ends: there are far fewer keys than blocks.
            while !taken.insert(block) {
                block = (block + 1) % BLOCKS;
            }
            ids.insert(key, (FIRST_BLOCK + block) * BLOCK);
        }
        Self(ids)
    }

    /// The first id of the block of `key`.
    #[must_use]
    pub fn get(&self, key: ConjunctionKey<'_>) -> Option<u32> {
        // A key of a shorter lifetime compares the same.
        self.0.get(&key).copied()
    }

    /// The id of `rule`, whose key is `key`, for established connections; the next one is that
    /// for new ones.
    #[must_use]
    pub fn of_rule(&self, key: ConjunctionKey<'_>, rule: &Rule) -> Option<u32> {
        Some(self.get(key)? + 2 * u32::from(rules::offset(rule)))
    }
}

/// Priority of the flows of a conjunction: its id tells the offset.
fn priority_of(id: u32) -> u16 {
    // Less than eight.
    priority::RULE + (id % BLOCK / 2) as u16
}

/// One address of a remote group on a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressKey {
    /// Local VLAN.
    pub vlan: u16,
    /// Which way the rules look.
    pub direction: Direction,
    /// The address.
    pub address: IpNet,
    /// Who has it, where the address alone says nothing because it is a /0.
    pub mac: Option<MacAddr>,
}

impl AddressKey {
    /// The address of `member` as `key` wants it; `None` when it is of the other IP version.
    #[must_use]
    pub fn of(vlan: u16, key: ConjunctionKey<'_>, member: &Member) -> Option<Self> {
        rules::is_version(&member.address, key.ethertype).then(|| Self {
            vlan,
            direction: key.direction,
            address: member.address.trunc(),
            mac: member.mac.filter(|_| member.address.prefix_len() == 0),
        })
    }
}

/// Dimension 1: the flows of one address that is in the conjunctions `ids` (those for established
/// connections). At most eight: one per offset and connection state.
#[must_use]
pub fn address_flows(key: &AddressKey, ids: &BTreeSet<u32>) -> Vec<Flow> {
    let mut by_priority: BTreeMap<u16, Vec<u32>> = BTreeMap::new();
    for id in ids {
        by_priority.entry(priority_of(*id)).or_default().push(*id);
    }
    let mut fields = Match::new().reg(register::NET, key.vlan.into());
    fields = rules::remote(fields, key.direction, &key.address);
    if let Some(mac) = key.mac {
        // Neutron matches the source in both directions; towards the member it is no source.
        fields = match key.direction {
            Direction::Ingress => fields.eth_src(mac),
            Direction::Egress => fields.eth_dst(mac),
        };
    }
    let table = rules::table(key.direction);
    let mut flows = Vec::with_capacity(2 * by_priority.len());
    for (priority, ids) in by_priority {
        for state in State::BOTH {
            flows.push(
                Flow::new(table, priority, state.on(fields.clone()))
                    .then(ids.iter().map(|id| conjunction(state.id(*id), 1))),
            );
        }
    }
    flows
}

fn conjunction(id: u32, clause: u8) -> Action {
    Action::Conjunction { id, clause, n_clauses: 2 }
}

/// What of a port's rules shares flows of dimension 2.
type RuleKind = (Direction, Ethertype, Option<u8>);

/// The rules of a port that name a remote group, with their ids.
fn remote_rules<'a>(context: &PortContext<'a>) -> BTreeMap<RuleKind, Vec<(&'a Rule, u32)>> {
    let mut kinds: BTreeMap<RuleKind, Vec<(&Rule, u32)>> = BTreeMap::new();
    for rule in &context.rules {
        let Some(base) = ConjunctionKey::of(rule).and_then(|key| context.ids.get(&key)) else {
            continue;
        };
        let id = base + 2 * u32::from(rules::offset(rule));
        kinds
            .entry((rule.direction, rule.ethertype, rule.ip_protocol()))
            .or_default()
            .push((rule, id));
    }
    kinds
}

/// Dimension 2 and the accepting flows of one port.
pub(super) fn port_flows(context: &PortContext<'_>, flows: &mut Vec<Flow>) {
    let mut accepted = BTreeSet::new();
    // A switch keeps one flow of a match, so what matches the same is one flow.
    let mut services: BTreeMap<(Direction, u16, Match), BTreeSet<u32>> = BTreeMap::new();
    for ((direction, ethertype, protocol), rules) in remote_rules(context) {
        accepted.extend(rules.iter().map(|(_, id)| (direction, ethertype, *id)));
        for (ports, ids) in merged(protocol, &rules) {
            let mut matches = rules::matches(ethertype, protocol, ports);
            let misses = rules::misses_fragments(ethertype, protocol, ports);
            if context.fragments && misses && !matches.is_empty() {
                matches.push(rules::later_fragments(ethertype, protocol));
            }
            for fields in matches {
                for id in &ids {
                    let service = (direction, priority_of(*id), fields.clone());
                    services.entry(service).or_default().insert(*id);
                }
            }
        }
    }
    for ((direction, priority, fields), ids) in services {
        let fields = fields.reg(register::PORT, context.port.ofport);
        for state in State::BOTH {
            flows.push(
                Flow::new(rules::table(direction), priority, state.on(fields.clone()))
                    .then(ids.iter().map(|id| conjunction(state.id(*id), 2))),
            );
        }
    }
    for (direction, ethertype, id) in accepted {
        for state in State::BOTH {
            let id = state.id(id);
            let fields = state.on(rules::version(Match::new(), ethertype)
                .reg(register::PORT, context.port.ofport)
                .conj_id(id));
            let mut actions =
                vec![Action::set_field(Field::reg(register::REMOTE_GROUP), id.into())];
            actions.extend(rules::accept(direction, state, context.port.ofport));
            flows.push(Flow::new(rules::table(direction), priority_of(id), fields).then(actions));
        }
    }
}

/// First and last port, or ICMP type and code.
type Ports = (Option<u16>, Option<u16>);

/// The rules' ports with the ids each belongs to, so that no two overlap.
fn merged(protocol: Option<u8>, rules: &[(&Rule, u32)]) -> Vec<(Ports, BTreeSet<u32>)> {
    if !rules::has_ports(protocol) || rules.len() == 1 {
        let mut same: BTreeMap<Ports, BTreeSet<u32>> = BTreeMap::new();
        for (rule, id) in rules {
            same.entry((rule.port_min, rule.port_max)).or_default().insert(*id);
        }
        return same.into_iter().collect();
    }
    let mut intervals = intervals(rules);
    if let [((1, u16::MAX), ids)] = intervals.as_mut_slice() {
        return vec![((None, None), std::mem::take(ids))];
    }
    intervals.into_iter().map(|((min, max), ids)| ((Some(min), Some(max)), ids)).collect()
}

/// Cuts the port ranges of `rules` where one begins or ends.
fn intervals(rules: &[(&Rule, u32)]) -> Vec<((u16, u16), BTreeSet<u32>)> {
    let mut ranges: BTreeMap<u32, Vec<(u16, u16)>> = BTreeMap::new();
    for (rule, id) in rules {
        let range = (rule.port_min.unwrap_or(1), rule.port_max.unwrap_or(u16::MAX));
        if range.0 <= range.1 {
            ranges.entry(*id).or_default().push(range);
        }
    }
    for ranges in ranges.values_mut() {
        ranges.sort_unstable();
        // Ranges of one id that overlap are one; those that only touch stay two, as in Neutron.
        ranges.dedup_by(|next, kept| {
            let overlap = next.0 <= kept.1;
            if overlap {
                kept.1 = kept.1.max(next.1);
            }
            overlap
        });
    }
    let all = || ranges.iter().flat_map(|(id, ranges)| ranges.iter().map(move |r| (*id, *r)));
    // Ports as u32, for the end of a range is the beginning of what follows.
    let cuts: BTreeSet<u32> =
        all().flat_map(|(_, (min, max))| [u32::from(min), u32::from(max) + 1]).collect();
    let cuts: Vec<u32> = cuts.into_iter().collect();
    cuts.windows(2)
        .filter_map(|pair| {
            let (min, max) =
                (u16::try_from(pair[0]).ok()?, u16::try_from(pair[1].checked_sub(1)?).ok()?);
            let ids: BTreeSet<u32> =
                all().filter(|(_, r)| r.0 <= min && max <= r.1).map(|(id, _)| id).collect();
            (!ids.is_empty()).then_some(((min, max), ids))
        })
        .collect()
}
