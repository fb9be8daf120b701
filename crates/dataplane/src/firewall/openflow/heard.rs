//! What of the installed flows a view knows enough of to say that they are stale.

use std::collections::BTreeSet;

use neutrino_openflow::{Action, Field, Flow};

use crate::{
    diff::Installed,
    tables::int::{self, priority, register},
    view::{HostView, OfPort},
};

/// Whether the flow is of the firewall's making: its tables, and what leads to them.
#[must_use]
pub fn owns(flow: &Flow) -> bool {
    int::FIREWALL.contains(&flow.table)
        || flow.table == int::TRANSIENT_TABLE
            && flow.priority > priority::TRANSIENT
            && flow.priority != priority::DVR_TO_PORT
}

/// What the server has spoken of.
///
/// A restarted agent removes nothing before it heard everything, but what it did hear of must not
/// stay in force: a rule or a member that went while it was away. Addresses of remote groups are
/// shared by the ports of a network, so that they can be judged only when all ports are known.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    ports: BTreeSet<OfPort>,
    all: bool,
}

impl Heard {
    /// The ports of `view`; `all` when the host has no other.
    #[must_use]
    pub fn of(view: &HostView, all: bool) -> Self {
        Self { ports: view.ports.iter().map(|port| port.ofport).collect(), all }
    }

    /// Whether `flow`, if nobody desires it, is stale: it is about a port heard of, or all were
    /// and it is the firewall's.
    #[must_use]
    pub fn judges(&self, flow: &Flow) -> bool {
        port_of(flow).is_some_and(|port| self.ports.contains(&port)) || self.all && owns(flow)
    }

    /// Until all were heard of, an address stays in the conjunctions it was found in: they may be
    /// of ports not heard of yet.
    pub fn keep_conjunctions(&self, installed: &Installed, desired: &mut [Flow]) {
        if self.all {
            return;
        }
        for flow in desired.iter_mut().filter(|flow| is_address(flow)) {
            let Some(found) = installed.get(&flow.key()).filter(|found| is_address(found)) else {
                continue;
            };
            let lacks = found.actions.iter().filter(|action| !flow.actions.contains(action));
            let lacks: Vec<Action> = lacks.cloned().collect();
            flow.actions.extend(lacks);
            if flow.actions.len() == found.actions.len() {
                // The same set in another order does the same.
                flow.actions.clone_from(&found.actions);
            }
        }
    }
}

/// Whether the flow puts an address into conjunctions, for whichever port.
fn is_address(flow: &Flow) -> bool {
    port_of(flow).is_none()
        && !flow.actions.is_empty()
        && flow.actions.iter().all(|action| matches!(action, Action::Conjunction { .. }))
}

/// The port a flow is about.
fn port_of(flow: &Flow) -> Option<OfPort> {
    let register = Field::reg(register::PORT);
    let checked = flow.fields.exact(register).and_then(|port| OfPort::try_from(port).ok());
    let set = || {
        flow.actions.iter().find_map(|action| match action {
            Action::SetField { field, value, .. } if *field == register => {
                OfPort::try_from(*value).ok()
            }
            _ => None,
        })
    };
    flow.in_port().or(checked).or_else(set)
}
