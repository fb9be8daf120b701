//! What of the installed flows a view knows enough of to say that they are stale.

use std::collections::BTreeSet;

use neutrino_openflow::{Action, Field, Flow};

use super::{conjunctions, plan::Plan};
use crate::{
    tables::int::{self, priority, register},
    view::{HostView, OfPort},
};

/// Whether the flow is of the firewall's making: its tables, and what leads to them.
#[must_use]
pub fn owns(flow: &Flow) -> bool {
    int::FIREWALL.contains(&flow.table)
        || flow.table == int::TRANSIENT_TABLE && flow.priority > priority::TRANSIENT
}

/// Ports and remote groups the server has spoken of.
///
/// A restarted agent removes nothing before it heard everything, but what it did hear of must not
/// stay in force: a rule or a member that went while it was away.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    ports: BTreeSet<OfPort>,
    blocks: BTreeSet<u32>,
}

impl Heard {
    /// What `view` is about: its ports, and the remote groups of which the members are known.
    #[must_use]
    pub fn of(view: &HostView) -> Self {
        let plan = Plan::of(view);
        let members = &view.security_groups.members;
        let ids = plan.iter().flat_map(|plan| plan.ids().iter());
        Self {
            ports: view.ports.iter().map(|port| port.ofport).collect(),
            blocks: ids
                .filter(|(key, _)| members.contains_key(key.remote))
                .map(|(_, id)| conjunctions::block(id))
                .collect(),
        }
    }

    /// Whether `flow`, if nobody desires it, is stale: it is about a port heard of, or about
    /// conjunctions all of which are with remote groups heard of.
    #[must_use]
    pub fn judges(&self, flow: &Flow) -> bool {
        if let Some(port) = port_of(flow) {
            return self.ports.contains(&port);
        }
        let mut clauses = flow.actions.iter().filter_map(|action| match action {
            Action::Conjunction { id, .. } => Some(self.blocks.contains(&conjunctions::block(*id))),
            _ => None,
        });
        clauses.next().is_some_and(|known| known && clauses.all(|known| known))
    }
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
