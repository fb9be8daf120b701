//! Agents as objects.

use neutrino_db::{
    Conn,
    agents::{self as rows, Agent},
    list::{ListSpec, nothing_computed, scope},
    schema::Agents as A,
    sea_query::{Expr, Query},
};
use neutrino_rpc::objects::{Attributes, catalog::AGENT};
use neutrino_types::ApiResult;

use super::{
    attributes,
    filters::{self, Filters},
};

fn col(column: A) -> Expr {
    Expr::col((A::Table, column))
}

/// How agents are found.
static SPEC: ListSpec = ListSpec {
    resource: "agent",
    from: || Query::select().from(A::Table).to_owned(),
    id: || col(A::Id),
    columns: crate::agents::LISTED,
    computed: nothing_computed,
    visibility: scope::everything,
    updated_at: None,
    tagged: false,
};

pub(super) async fn find(conn: &Conn, filters: &Filters) -> ApiResult<Vec<Attributes>> {
    let mut query = rows::select();
    query.cond_where(filters::condition(&AGENT, &SPEC, filters)?);
    let agents = conn.fetch_map(&query, rows::decode).await?;
    Ok(agents.iter().map(attributes_of).collect())
}

fn attributes_of(a: &Agent) -> Attributes {
    attributes! {
        "id": a.id,
        "agent_type": a.agent_type,
        "binary": a.binary,
        "topic": a.topic,
        "host": a.host,
        "availability_zone": a.availability_zone,
        "admin_state_up": a.admin_state_up,
        "started_at": a.started_at,
        "created_at": a.created_at,
        "heartbeat_timestamp": a.heartbeat_timestamp,
        "description": a.description,
        "configurations": a.configurations,
        "resource_versions": a.resource_versions,
        "load": a.load,
        "resources_synced": a.resources_synced,
    }
}
