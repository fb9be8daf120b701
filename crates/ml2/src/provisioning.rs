//! Provisioning blocks: what must still happen before a port may turn ACTIVE.
//!
//! A port bound where an agent wires it waits for that agent (`L2`). A port with an address that
//! DHCP agents serve waits for one of them too (`DHCP`).

use chrono::{TimeDelta, Utc};
use neutrino_db::{
    Conn, DbResult, Prepared,
    list::any_of,
    schema::{
        Agents, NetworkDhcpAgentBindings as B, Ports as P, ProvisioningBlocks as V, Subnets as S,
    },
    sea_query::{Expr, ExprTrait, IntoColumnRef, JoinType, Query},
    time,
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
/// Waiting for a DHCP agent.
pub const DHCP: &str = "DHCP";

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

fn may_wait_for_agent(port: &Port) -> bool {
    !port.binding.host.is_empty()
        && port.status != status::ACTIVE
        && !NEVER.contains(&port.device_owner.as_str())
}

fn may_wait_for_dhcp(port: &Port) -> bool {
    !port.fixed_ips.is_empty() && !NEVER.contains(&port.device_owner.as_str())
}

/// The statement that makes new ports wait for their host's agent and for DHCP; none, and no query
/// either, when none of them may have to.
pub(crate) async fn blocks(core: &Core, conn: &Conn, ports: &[Port]) -> DbResult<Option<Prepared>> {
    let mut blocks = agent_blocks(core, conn, ports).await?;
    blocks.extend(dhcp_blocks(core, conn, ports).await?);
    Ok(port::insert_blocks(blocks.into_iter()))
}

/// The statement that makes rebound ports wait for their host's agent.
pub(crate) async fn rebound(
    core: &Core,
    conn: &Conn,
    ports: &[Port],
) -> DbResult<Option<Prepared>> {
    Ok(port::insert_blocks(agent_blocks(core, conn, ports).await?.into_iter()))
}

/// The statements that make ports with other addresses, or another MAC, wait for DHCP to serve
/// them, or no longer wait when nobody will.
pub(crate) async fn readdressed(
    core: &Core,
    conn: &Conn,
    ports: &[Port],
) -> DbResult<Vec<Prepared>> {
    let ids: Vec<&str> = ports.iter().map(|p| p.id.as_str()).collect();
    let mut out = vec![complete(&ids, DHCP)];
    out.extend(port::insert_blocks(dhcp_blocks(core, conn, ports).await?.into_iter()));
    Ok(out)
}

async fn agent_blocks<'a>(
    core: &Core,
    conn: &Conn,
    ports: &'a [Port],
) -> DbResult<Vec<(&'a str, &'static str)>> {
    let waiting: Vec<&Port> = ports.iter().filter(|p| may_wait_for_agent(p)).collect();
    let types: Vec<String> = core
        .mechanisms
        .drivers()
        .iter()
        .filter_map(|d| d.agent_type())
        .map(str::to_string)
        .collect();
    if waiting.is_empty() || types.is_empty() {
        return Ok(Vec::new());
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
    let has_agent = |p: &&Port| with_agent.contains(&p.binding.host);
    Ok(waiting.into_iter().filter(has_agent).map(|p| (p.id.as_str(), L2)).collect())
}

async fn dhcp_blocks<'a>(
    core: &Core,
    conn: &Conn,
    ports: &'a [Port],
) -> DbResult<Vec<(&'a str, &'static str)>> {
    let waiting: Vec<&Port> = ports.iter().filter(|p| may_wait_for_dhcp(p)).collect();
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let subnets = waiting.iter().flat_map(|p| &p.fixed_ips).map(|ip| ip.subnet_id.as_str());
    let query = Query::select()
        .column(S::Id)
        .from(S::Table)
        .and_where(is_in(S::Id, distinct(subnets)))
        .and_where(Expr::col(S::EnableDhcp).eq(true))
        .and_where(served((S::Table, S::NetworkId), down_time(core)))
        .to_owned();
    let served = conn.fetch_map(&query, |r| r.text(0)).await?;
    let is_served = |p: &&Port| p.fixed_ips.iter().any(|ip| served.contains(&ip.subnet_id));
    Ok(waiting.into_iter().filter(is_served).map(|p| (p.id.as_str(), DHCP)).collect())
}

fn down_time(core: &Core) -> TimeDelta {
    TimeDelta::seconds(core.config.agent_down_time_secs)
}

/// The condition that a DHCP agent that reported within `silence` serves `network`.
fn served(network: impl IntoColumnRef, silence: TimeDelta) -> Expr {
    let since = time::to_text(Utc::now() - silence);
    let agents = Query::select()
        .expr(Expr::val(1))
        .from(B::Table)
        .join(
            JoinType::InnerJoin,
            Agents::Table,
            Expr::col((Agents::Table, Agents::Id)).equals((B::Table, B::DhcpAgentId)),
        )
        .and_where(Expr::col((B::Table, B::NetworkId)).eq(Expr::col(network)))
        .and_where(Expr::col((Agents::Table, Agents::HeartbeatTimestamp)).gte(since))
        .to_owned();
    Expr::exists(agents)
}

/// The ports that wait for DHCP though no agent of their network has reported for twice
/// `agent_down_time`.
pub(crate) async fn unserved(core: &Core, conn: &Conn) -> DbResult<Vec<String>> {
    let query = Query::select()
        .column((V::Table, V::PortId))
        .from(V::Table)
        .join(
            JoinType::InnerJoin,
            P::Table,
            Expr::col((P::Table, P::Id)).equals((V::Table, V::PortId)),
        )
        .and_where(Expr::col((V::Table, V::Entity)).eq(DHCP))
        .and_where(served((P::Table, P::NetworkId), down_time(core) * 2).not())
        .to_owned();
    conn.fetch_map(&query, |r| r.text(0)).await
}

/// Those of `ports` that wait for `entity`.
pub(crate) async fn waiting_for(
    conn: &Conn,
    ports: &[&str],
    entity: &str,
) -> DbResult<Vec<String>> {
    let query = Query::select()
        .column(V::PortId)
        .from(V::Table)
        .and_where(is_in(V::PortId, ports.iter().copied()))
        .and_where(Expr::col(V::Entity).eq(entity))
        .to_owned();
    conn.fetch_map(&query, |r| r.text(0)).await
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
