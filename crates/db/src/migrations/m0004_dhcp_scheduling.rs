//! 0004: which DHCP agents serve which networks.

use super::{
    Step,
    ddl::{ID, belongs_to, index, int, table, text, unique},
};
use crate::schema::{Agents, NetworkDhcpAgentBindings as B, Networks};

pub(super) fn steps() -> Vec<Step> {
    let mut bindings = table(
        B::Table,
        [text(B::NetworkId, ID), text(B::DhcpAgentId, ID), int(B::BindingIndex)],
        [B::NetworkId, B::DhcpAgentId],
    );
    belongs_to(&mut bindings, (B::Table, B::NetworkId), (Networks::Table, Networks::Id));
    belongs_to(&mut bindings, (B::Table, B::DhcpAgentId), (Agents::Table, Agents::Id));
    vec![
        Step::Table(Box::new(bindings)),
        Step::Index(Box::new(unique(B::Table, [B::NetworkId, B::BindingIndex]))),
        Step::Index(Box::new(index(B::Table, [B::DhcpAgentId]))),
    ]
}
