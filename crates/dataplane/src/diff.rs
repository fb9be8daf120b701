//! From installed to desired flows: the changes to send, and what to leave alone.
//!
//! A flow that already does what it should is not touched, whoever installed it: neither its
//! cookie nor its counters change, so a restart of the agent is invisible on the switch.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use neutrino_openflow::{Action, Field, Flow, FlowKey, FlowMod};

use crate::{
    tables::tun::{self, priority},
    view::HostView,
};

/// The flows of one bridge, by what identifies them.
pub type Installed = HashMap<FlowKey, Flow>;

/// What may be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Nothing: the server has not been heard completely since start, so what is not desired
    /// may only be not known yet.
    Hold,
    /// Everything not desired in the tables the agent owns, as Neutron's stale-flow cleanup.
    Stale,
}

/// The changes that turn `installed` into `desired`.
///
/// `tables` are those the cleanup walks; flows in other tables are never removed. `spare` says
/// which flows that nobody desires are to be kept all the same (see [`LearnedFlows`]).
#[must_use]
pub fn diff(
    installed: &Installed,
    desired: &[Flow],
    tables: &[u8],
    removal: Removal,
    spare: impl Fn(&Flow) -> bool,
) -> Vec<FlowMod> {
    let mut mods = Vec::new();
    let mut wanted = BTreeSet::new();
    for flow in desired {
        let key = flow.key();
        if !installed.get(&key).is_some_and(|found| found.same(flow)) {
            mods.push(FlowMod::add(flow.clone()));
        }
        wanted.insert(key);
    }
    if removal == Removal::Stale {
        let mut stale: Vec<&Flow> = installed
            .iter()
            .filter(|(key, flow)| {
                tables.contains(&key.table) && !wanted.contains(*key) && !spare(flow)
            })
            .map(|(_, flow)| flow)
            .collect();
        stale.sort_by_key(|flow| flow.key());
        mods.extend(stale.into_iter().map(FlowMod::delete_strict));
    }
    mods
}

/// Applies changes to the record of what is installed, as the switch does.
pub fn record(installed: &mut Installed, mods: &[FlowMod]) {
    use neutrino_openflow::Command;
    for change in mods {
        let key = change.flow.key();
        match change.command {
            Command::Add | Command::Modify | Command::ModifyStrict => {
                installed.insert(key, change.flow.clone());
            }
            Command::Delete | Command::DeleteStrict => {
                installed.remove(&key);
            }
        }
    }
}

/// Which learned flows of br-tun still make sense: their VLAN is in use here, and the tunnel
/// they send to exists.
#[derive(Clone, Debug, Default)]
pub struct LearnedFlows {
    vlans: BTreeSet<u16>,
    ports: BTreeSet<u32>,
}

impl LearnedFlows {
    /// What is in use according to `view`.
    #[must_use]
    pub fn of(view: &HostView) -> Self {
        Self {
            vlans: view.vlans.iter().map(|v| v.vlan).collect(),
            ports: view.tunnel_ports.iter().map(|t| t.ofport).collect(),
        }
    }

    /// Whether `flow` was learned and is to be left to its timeout.
    #[must_use]
    pub fn spares(&self, flow: &Flow) -> bool {
        flow.table == tun::UCAST_TO_TUN
            && flow.priority == priority::LEARNED
            && flow.hard_timeout > 0
            && learned_vlan(flow).is_some_and(|vlan| self.vlans.contains(&vlan))
            && flow.output_ports().all(|port| self.ports.contains(&port))
    }
}

/// The VLAN of a learned flow: learning matches the twelve id bits without the present bit.
fn learned_vlan(flow: &Flow) -> Option<u16> {
    let (value, mask) = flow.fields.get(Field::VlanTci)?;
    let id = u16::try_from(value & 0xfff).ok()?;
    (mask & 0xfff == 0xfff).then_some(id)
}

/// Every VLAN id the flows match or set: local VLANs, and segments of physical networks, which
/// cannot be told apart here.
#[must_use]
pub fn vlans(installed: &Installed) -> BTreeSet<u16> {
    let vid = |value: u128| u16::try_from(value & 0xfff).ok().filter(|id| *id != 0);
    let matched = |flow: &Flow| {
        let (value, mask) = flow.fields.get(Field::VlanTci)?;
        (mask & 0xfff == 0xfff).then(|| vid(value)).flatten()
    };
    let set = |action: &Action| match action {
        Action::SetField { field: Field::VlanVid, value, .. } => vid(*value),
        _ => None,
    };
    installed
        .values()
        .flat_map(|flow| flow.actions.iter().filter_map(set).chain(matched(flow)))
        .collect()
}

/// While removals are on hold, a network's flood list may only grow: ports found installed are
/// kept in it, because the hosts behind them may simply not have been heard of yet.
pub fn keep_flooding(installed: &Installed, desired: &mut [Flow]) {
    let mut lists: BTreeMap<FlowKey, &mut Flow> = desired
        .iter_mut()
        .filter(|f| f.table == tun::FLOOD_TO_TUN && f.priority == priority::MATCH)
        .map(|f| (f.key(), f))
        .collect();
    for (key, flow) in installed {
        let Some(wanted) = lists.get_mut(key) else { continue };
        let ports: BTreeSet<u32> = wanted.output_ports().chain(flow.output_ports()).collect();
        // A flow that also changes more than its list (another segment) is replaced as a whole.
        let head = |f: &Flow| {
            f.actions
                .iter()
                .filter(|a| !matches!(a, Action::Output(_)))
                .cloned()
                .collect::<Vec<_>>()
        };
        if head(wanted) == head(flow) {
            let list = ports.into_iter().map(Action::Output);
            wanted.actions = head(flow).into_iter().chain(list).collect();
            // The same set in another order floods the same.
            if wanted.actions.len() == flow.actions.len() {
                wanted.actions.clone_from(&flow.actions);
            }
        }
    }
}

/// Mistakes in a set of desired flows that a switch would silently accept.
#[must_use]
pub fn lint(flows: &[Flow]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen: HashMap<FlowKey, &Flow> = HashMap::new();
    for flow in flows {
        match seen.insert(flow.key(), flow) {
            Some(other) if !other.same(flow) => {
                problems.push(format!("same match, different actions: {other} | {flow}"));
            }
            Some(other) => problems.push(format!("twice: {other}")),
            None => {}
        }
        for action in &flow.actions {
            if let Action::GotoTable(next) = action
                && *next <= flow.table
            {
                problems.push(format!("goto_table goes backwards: {flow}"));
            }
        }
    }
    problems
}
