//! Rows of the `agents` table.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use neutrino_types::{ApiError, ApiResult};
use sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};
use serde_json::{Map, Value};

use crate::{Conn, DbResult, RowRef, list::any_of, schema::Agents, time};

/// One agent as last reported.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// UUID.
    pub id: String,
    /// e.g. `Open vSwitch agent`.
    pub agent_type: String,
    /// e.g. `neutron-openvswitch-agent`.
    pub binary: String,
    /// e.g. `N/A` or `dhcp_agent`.
    pub topic: String,
    /// The agent's host.
    pub host: String,
    /// For DHCP and L3 agents.
    pub availability_zone: Option<String>,
    /// Whether an operator lets it have resources.
    pub admin_state_up: bool,
    /// First report.
    pub created_at: String,
    /// First report of the running process.
    pub started_at: String,
    /// Last report, by the server's clock.
    pub heartbeat_timestamp: String,
    /// Set by operators.
    pub description: Option<String>,
    /// As reported.
    pub configurations: Map<String, Value>,
    /// As reported.
    pub resource_versions: Option<Map<String, Value>>,
    /// How many resources it carries.
    pub load: i64,
    /// Whether Placement knows its resources; not reported here.
    pub resources_synced: Option<bool>,
}

/// The columns of [`select`], in the order [`decode`] reads them.
pub const COLUMNS: [Agents; 15] = [
    Agents::Id,
    Agents::AgentType,
    Agents::Binary,
    Agents::Topic,
    Agents::Host,
    Agents::AvailabilityZone,
    Agents::AdminStateUp,
    Agents::CreatedAt,
    Agents::StartedAt,
    Agents::HeartbeatTimestamp,
    Agents::Description,
    Agents::Configurations,
    Agents::ResourceVersions,
    Agents::Load,
    Agents::ResourcesSynced,
];

impl Agent {
    /// Whether the agent reported within `down_time` before `now` (Neutron's `alive`).
    #[must_use]
    pub fn is_alive(&self, now: DateTime<Utc>, down_time: TimeDelta) -> bool {
        time::parse(&self.heartbeat_timestamp).is_some_and(|beat| now - beat <= down_time)
    }

    /// A string of the reported configuration.
    #[must_use]
    pub fn config_str(&self, key: &str) -> Option<&str> {
        self.configurations.get(key).and_then(Value::as_str)
    }
}

/// All agents, to be narrowed and then decoded by [`decode`].
#[must_use]
pub fn select() -> SelectStatement {
    Query::select().columns(COLUMNS).from(Agents::Table).order_by(Agents::Id, Order::Asc).to_owned()
}

/// A row of [`select`].
#[must_use]
pub fn decode(row: &RowRef<'_>) -> Agent {
    let json = |i| row.opt_str(i).and_then(|text| serde_json::from_str(text).ok());
    Agent {
        id: row.text(0),
        agent_type: row.text(1),
        binary: row.text(2),
        topic: row.text(3),
        host: row.text(4),
        availability_zone: row.opt_text(5),
        admin_state_up: row.bool(6),
        created_at: row.text(7),
        started_at: row.text(8),
        heartbeat_timestamp: row.text(9),
        description: row.opt_text(10),
        configurations: json(11).unwrap_or_default(),
        resource_versions: json(12),
        load: row.int(13),
        resources_synced: row.opt_bool(14),
    }
}

async fn first(conn: &Conn, select: &SelectStatement) -> DbResult<Option<Agent>> {
    Ok(conn.fetch_map(select, decode).await?.into_iter().next())
}

/// The agent with this id.
///
/// # Errors
/// What the database refused.
pub async fn by_id(conn: &Conn, id: &str) -> DbResult<Option<Agent>> {
    first(conn, select().and_where(Expr::col(Agents::Id).eq(id))).await
}

/// The agent of this type on this host.
///
/// # Errors
/// What the database refused.
pub async fn by_type_and_host(
    conn: &Conn,
    agent_type: &str,
    host: &str,
) -> DbResult<Option<Agent>> {
    let mut select = select();
    select
        .and_where(Expr::col(Agents::AgentType).eq(agent_type))
        .and_where(Expr::col(Agents::Host).eq(host));
    first(conn, &select).await
}

/// The agents on this host, of any type.
///
/// # Errors
/// What the database refused.
pub async fn on_host(conn: &Conn, host: &str) -> DbResult<Vec<Agent>> {
    conn.fetch_map(select().and_where(Expr::col(Agents::Host).eq(host)), decode).await
}

/// The agents of this type on these hosts.
///
/// # Errors
/// What the database refused.
pub async fn on_hosts(conn: &Conn, agent_type: &str, hosts: &[&str]) -> DbResult<Vec<Agent>> {
    let mut select = select();
    select.and_where(Expr::col(Agents::AgentType).eq(agent_type)).and_where(any_of(
        Expr::col(Agents::Host),
        hosts.iter().map(ToString::to_string).collect(),
    ));
    conn.fetch_map(&select, decode).await
}

/// Adds an agent, or changes the one with its id.
///
/// # Errors
/// A duplicate type and host; what the database refused.
pub async fn save(conn: &Conn, agent: &Agent) -> DbResult<()> {
    let json = |map: &Map<String, Value>| serde_json::to_string(map).unwrap_or_default();
    let mut upsert = Query::insert();
    upsert
        .into_table(Agents::Table)
        .columns(COLUMNS)
        .values_panic([
            agent.id.as_str().into(),
            agent.agent_type.as_str().into(),
            agent.binary.as_str().into(),
            agent.topic.as_str().into(),
            agent.host.as_str().into(),
            agent.availability_zone.clone().into(),
            agent.admin_state_up.into(),
            agent.created_at.as_str().into(),
            agent.started_at.as_str().into(),
            agent.heartbeat_timestamp.as_str().into(),
            agent.description.clone().into(),
            json(&agent.configurations).into(),
            agent.resource_versions.as_ref().map(json).into(),
            agent.load.into(),
            agent.resources_synced.into(),
        ])
        .on_conflict(
            sea_query::OnConflict::column(Agents::Id)
                .update_columns(COLUMNS.into_iter().skip(1))
                .to_owned(),
        );
    conn.execute(&upsert).await?;
    Ok(())
}

/// Deletes the agent; answers whether it was there.
///
/// # Errors
/// What the database refused.
pub async fn delete(conn: &Conn, id: &str) -> DbResult<bool> {
    let delete = Query::delete()
        .from_table(Agents::Table)
        .and_where(Expr::col(Agents::Id).eq(id))
        .to_owned();
    Ok(conn.execute(&delete).await? > 0)
}

/// Refuses availability zones no agent of `kind` is in.
///
/// # Errors
/// `AvailabilityZoneNotFound` (404).
pub async fn ensure_zones(conn: &Conn, kind: &str, hints: &[String]) -> ApiResult<()> {
    let query = Query::select()
        .distinct()
        .column(Agents::AvailabilityZone)
        .from(Agents::Table)
        .and_where(Expr::col(Agents::AgentType).eq(kind))
        .to_owned();
    let zones: HashSet<String> =
        conn.fetch_map(&query, |r| r.opt_text(0)).await?.into_iter().flatten().collect();
    match hints.iter().find(|hint| !zones.contains(*hint)) {
        None => Ok(()),
        Some(missing) => Err(ApiError::not_found(
            "AvailabilityZoneNotFound",
            format!("AvailabilityZone {missing} could not be found."),
        )),
    }
}
