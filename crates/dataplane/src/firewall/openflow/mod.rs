//! The openvswitch firewall: flows of br-int that let a port send and receive what its security
//! groups allow (Neutron's `OVSFirewallDriver`, table for table).
//!
//! Owns what the flows are; applying them is the agent's business. They come in three kinds of
//! units, so that a change costs in proportion to itself: [`common`] ones, those of one port
//! ([`port_flows`]), and those of one address of a remote group ([`address_flows`]), which are
//! shared by all ports of a network. [`desired`] is their union, [`changes`] the difference
//! between two views, computed for the units that differ.
//!
//! A packet goes through: 60 (whose is it) → 71 (may its sender use these addresses) → 72 (egress
//! rules) → 73 (receiver here?) → 81 (receiver's exemptions) → 82 (ingress rules), or 94 (out).
//! Fragments are put together by the connection tracker between 71 and 72 and between 81 and 82,
//! and no flow before it needs a port number, so later fragments come as far as the first one. The
//! tracker of a user-space datapath takes them apart again behind it: there the rules have flows
//! for later fragments, and the switch must show the ports of first ones ([`FRAGMENTS`]).

mod conjunctions;
mod heard;
mod plan;
mod port;
mod rules;

use std::collections::HashMap;

use neutrino_openflow::{
    Action, Ct, CtZone, Field, Flow, Match, Subfield, matching::ct_state, message::Fragments,
};

pub use self::{
    conjunctions::{AddressKey, ConjunctionIds, ConjunctionKey, address_flows},
    heard::{Heard, owns},
    plan::{Direct, Outer, Plan, PortContext},
    port::port_flows,
};
use crate::{
    tables::int::{self, priority, register},
    view::{HostView, Options},
};

/// How br-int must treat fragments: as it is after a start, a switch hides the ports of first
/// fragments, which then pass for what no rule is about, such as a DHCP answer of an instance.
pub const FRAGMENTS: Fragments = Fragments::Match;

/// `ct_mark` of a connection that was allowed once and no longer is.
pub const CT_MARK_INVALID: u32 = 1;
/// `ct_mark` of every other connection.
const CT_MARK_NORMAL: u32 = 0;

/// Every flow of the firewall under `cookie`; none when another driver filters.
///
/// Costs as much as there are flows: ports times their rules, plus addresses of the remote groups
/// of each network times the conjunctions that name them.
#[must_use]
pub fn desired(view: &HostView, cookie: u64) -> Vec<Flow> {
    let Some(plan) = Plan::of(view) else { return Vec::new() };
    let mut flows = common(&view.options);
    for context in plan.ports() {
        flows.extend(port_flows(&context));
    }
    for (key, ids) in plan.addresses() {
        flows.extend(address_flows(&key, &ids));
    }
    for flow in &mut flows {
        flow.cookie = cookie;
    }
    flows
}

/// What makes the flows of one view those of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Flows to add, or to put in place of those of the same key.
    pub add: Vec<Flow>,
    /// Flows to remove.
    pub remove: Vec<Flow>,
}

/// The changes from the flows of `old` to those of `new`, added ones under `cookie`.
///
/// Compares both views whole, but computes flows of what differs only: a member that joins a
/// remote group costs the flows of that member on each network that uses the group, a port its
/// own. Conjunction ids do not depend on what else there is (see [`ConjunctionIds`]).
#[must_use]
pub fn changes(old: &HostView, new: &HostView, cookie: u64) -> Changes {
    let (before, after) = (Plan::of(old), Plan::of(new));
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    let old_common = before.as_ref().map(|_| common(&old.options)).unwrap_or_default();
    let new_common = after.as_ref().map(|_| common(&new.options)).unwrap_or_default();
    if old_common != new_common {
        gone.extend(old_common);
        come.extend(new_common);
    }
    let (old, new) = (plan::contexts(before.as_ref()), plan::contexts(after.as_ref()));
    for (id, context) in &old {
        match new.get(id) {
            Some(now) if now == context => {}
            // Most changes are of rules, and most flows are not.
            Some(now) if now.differs_in_rules_only(context) => {
                gone.extend(port::rule_flows(context));
                come.extend(port::rule_flows(now));
            }
            now => {
                gone.extend(port_flows(context));
                come.extend(now.map(port_flows).unwrap_or_default());
            }
        }
    }
    for (_, context) in new.iter().filter(|(id, _)| !old.contains_key(*id)) {
        come.extend(port_flows(context));
    }
    let old = before.as_ref().map(Plan::addresses).unwrap_or_default();
    let new = after.as_ref().map(Plan::addresses).unwrap_or_default();
    for (key, ids) in old.iter().filter(|(key, ids)| new.get(*key) != Some(*ids)) {
        gone.extend(address_flows(key, ids));
    }
    for (key, ids) in new.iter().filter(|(key, ids)| old.get(*key) != Some(*ids)) {
        come.extend(address_flows(key, ids));
    }
    subtract(gone, come, cookie)
}

/// What tells a switch one flow from another.
fn identity(flow: &Flow) -> (u8, u16, &Match) {
    (flow.table, flow.priority, &flow.fields)
}

/// Leaves out what is the same before and after.
fn subtract(gone: Vec<Flow>, come: Vec<Flow>, cookie: u64) -> Changes {
    let mut left: HashMap<_, &Flow> = gone.iter().map(|flow| (identity(flow), flow)).collect();
    let is_new = come.iter().map(|flow| {
        let old = left.remove(&identity(flow));
        !old.is_some_and(|old| old.same(flow))
    });
    let new: Vec<bool> = is_new.collect();
    let mut remove: Vec<Flow> = left.into_values().cloned().collect();
    remove.sort_unstable_by(|a, b| identity(a).cmp(&identity(b)));
    let add = come.into_iter().zip(new).filter(|(_, new)| *new);
    Changes { add: add.map(|(flow, _)| flow.with_cookie(cookie)).collect(), remove }
}

/// Flows that are there whatever the ports: what no other flow allows is dropped.
#[must_use]
pub fn common(options: &Options) -> Vec<Flow> {
    let all = |table, priority| Flow::new(table, priority, Match::new());
    let mut flows: Vec<Flow> = [
        int::BASE_EGRESS_TABLE,
        int::RULES_EGRESS_TABLE,
        int::ACCEPT_OR_INGRESS_TABLE,
        int::BASE_INGRESS_TABLE,
        int::RULES_INGRESS_TABLE,
        int::ACCEPTED_INGRESS_TRAFFIC_TABLE,
        int::DROPPED_TRAFFIC_TABLE,
    ]
    .into_iter()
    .map(|table| all(table, priority::DEFAULT))
    .collect();
    flows.extend([
        all(int::ACCEPTED_EGRESS_TRAFFIC_TABLE, priority::ACCEPTED)
            .then([Action::resubmit(int::ACCEPTED_EGRESS_TRAFFIC_NORMAL_TABLE)]),
        all(int::ACCEPTED_EGRESS_TRAFFIC_NORMAL_TABLE, priority::ACCEPTED).then([Action::Normal]),
        Flow::new(
            int::BASE_EGRESS_TABLE,
            priority::UNTRACK,
            Match::new().ct_state(ct_state::TRK, 0),
        )
        .then([Action::CtClear, Action::resubmit(int::BASE_EGRESS_TABLE)]),
    ]);
    for table in [int::RULES_EGRESS_TABLE, int::RULES_INGRESS_TABLE] {
        let invalid = Match::new().ct_state(ct_state::TRK | ct_state::INV, 0);
        flows.push(Flow::new(table, priority::TRACKED, invalid).then([dropped()]));
    }
    if options.explicitly_egress_direct {
        flows.push(
            all(int::TRANSIENT_TABLE, priority::TRANSIENT_DIRECT)
                .then([Action::resubmit(int::ACCEPTED_EGRESS_TRAFFIC_NORMAL_TABLE)]),
        );
    }
    flows
}

/// Hands the packet to whoever wants to know of drops.
fn dropped() -> Action {
    Action::resubmit(int::DROPPED_TRAFFIC_TABLE)
}

/// The bits of the register of the network that are the conntrack zone.
fn zone() -> CtZone {
    let net = Field::reg(register::NET);
    CtZone::Field(Subfield::bits(net, 0, 15))
}

/// Looks the connection up and continues in `table`.
fn track(table: u8) -> Action {
    let ct = Ct { table: Some(table), zone: zone(), ..Default::default() };
    Action::Ct(Box::new(ct))
}

/// Remembers the connection; `exec` is done to it.
fn commit(exec: Vec<Action>) -> Action {
    let ct = Ct { commit: true, zone: zone(), exec, ..Default::default() };
    Action::Ct(Box::new(ct))
}
