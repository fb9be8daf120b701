//! Provisioning blocks: what must still happen before a port may turn ACTIVE.
//!
//! A port bound where an agent wires it waits for that agent (`L2`). A port whose addresses a DHCP
//! agent serves would wait for it too (`DHCP`); no DHCP agent is scheduled to networks yet.

use neutrino_db::{
    Conn, DbResult, Prepared,
    list::any_of,
    schema::{Agents, ProvisioningBlocks as V},
    sea_query::{Expr, ExprTrait, Query},
};
use neutrino_types::constants::{device_owner, status};

use crate::{
    models::{
        distinct, is_in,
        port::{self, Port},
    },
    plugin::Core,
};

/// Waiting for the L2 agent.
pub const L2: &str = "L2";

/// Owners whose ports never wait (`NO_PBLOCKS_TYPES`).
const NEVER: [&str; 10] = [
    "",
    device_owner::DVR_INTERFACE,
    device_owner::HA_REPLICATED_INTERFACE,
    device_owner::ROUTER_INTERFACE,
    device_owner::ROUTER_GATEWAY,
    device_owner::ROUTER_SNAT,
    device_owner::DHCP,
    device_owner::AGENT_GATEWAY,
    device_owner::ROUTER_HA_INTERFACE,
    device_owner::FLOATING_IP,
];

fn may_wait(port: &Port) -> bool {
    !port.binding.host.is_empty()
        && port.status != status::ACTIVE
        && !NEVER.contains(&port.device_owner.as_str())
}

/// The statement that makes new or rebound ports wait for their host's agent; none, and no query
/// either, when no port has a host.
pub(crate) async fn blocks(core: &Core, conn: &Conn, ports: &[Port]) -> DbResult<Option<Prepared>> {
    let waiting: Vec<&Port> = ports.iter().filter(|p| may_wait(p)).collect();
    let types: Vec<String> = core
        .mechanisms
        .drivers()
        .iter()
        .filter_map(|d| d.agent_type())
        .map(str::to_string)
        .collect();
    if waiting.is_empty() || types.is_empty() {
        return Ok(None);
    }
    let hosts = distinct(waiting.iter().map(|p| p.binding.host.as_str()));
    let query = Query::select()
        .distinct()
        .column(Agents::Host)
        .from(Agents::Table)
        .and_where(is_in(Agents::Host, hosts))
        .and_where(any_of(Expr::col(Agents::AgentType), types))
        .to_owned();
    let with_agent = conn.fetch_map(&query, |r| r.text(0)).await?;
    let blocks = waiting
        .iter()
        .filter(|p| with_agent.contains(&p.binding.host))
        .map(|p| (p.id.as_str(), L2));
    Ok(port::insert_blocks(blocks))
}

/// Removes `entity`'s blocks of `ports`.
pub(crate) fn complete(ports: &[&str], entity: &str) -> Prepared {
    let statement = Query::delete()
        .from_table(V::Table)
        .and_where(is_in(V::PortId, ports.iter().copied()))
        .and_where(Expr::col(V::Entity).eq(entity))
        .to_owned();
    Prepared::new(&statement)
}

/// Those of `ports` that still wait for something.
pub(crate) async fn blocked(conn: &Conn, ports: &[&str]) -> DbResult<Vec<String>> {
    let query = Query::select()
        .distinct()
        .column(V::PortId)
        .from(V::Table)
        .and_where(is_in(V::PortId, ports.iter().copied()))
        .to_owned();
    conn.fetch_map(&query, |r| r.text(0)).await
}
