//! `/v2.0/availability_zones`: the zones of DHCP agents (for networks) and L3 agents (for
//! routers). A zone is available while one of its agents is administratively up.

use async_trait::async_trait;
use neutrino_db::{Db, agents};
use neutrino_types::{
    ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin, constants::agent_type,
};
use serde_json::Value;

use crate::read_only;

/// The plugin behind `/v2.0/availability_zones`.
#[derive(Clone, Debug)]
pub struct AvailabilityZones {
    db: Db,
}

impl AvailabilityZones {
    /// Zones of the agents in `db`.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

/// What the zones of agents of `kind` are for.
fn resource_of(kind: &str) -> Option<&'static str> {
    match kind {
        agent_type::DHCP => Some("network"),
        agent_type::L3 => Some("router"),
        _ => None,
    }
}

/// (zone, resource, available), each once, in the order of the agents.
fn zones_of(agents: &[agents::Agent]) -> Vec<(String, &'static str, bool)> {
    let mut zones: Vec<(String, &'static str, bool)> = Vec::new();
    for agent in agents {
        let named = agent.availability_zone.as_deref().filter(|zone| !zone.is_empty());
        let (Some(zone), Some(resource)) = (named, resource_of(&agent.agent_type)) else {
            continue;
        };
        match zones.iter_mut().find(|(z, r, _)| z == zone && *r == resource) {
            Some((_, _, available)) => *available |= agent.admin_state_up,
            None => zones.push((zone.to_string(), resource, agent.admin_state_up)),
        }
    }
    zones
}

#[async_trait]
impl ResourcePlugin for AvailabilityZones {
    async fn create(&self, _: &Context, _: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        Err(read_only::not_offered())
    }

    async fn list(&self, _: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
        let conn = self.db.read().await?;
        let agents = conn.fetch_map(&agents::select(), agents::decode).await?;
        let rows = zones_of(&agents).into_iter().map(|(zone, resource, available)| {
            let mut row = Attrs::new();
            let state = if available { "available" } else { "unavailable" };
            row.insert("state".into(), Value::from(state));
            row.insert("name".into(), Value::from(zone));
            row.insert("resource".into(), Value::from(resource));
            row
        });
        Ok(read_only::select(rows.collect(), query))
    }

    async fn get(&self, _: &Context, id: &str) -> ApiResult<Attrs> {
        Err(ApiError::resource_not_found("availability_zone", id))
    }

    async fn update(&self, _: &Context, _: &str, _: Attrs, _: Option<i64>) -> ApiResult<Attrs> {
        Err(read_only::not_offered())
    }

    async fn delete(&self, _: &Context, _: &str, _: Option<i64>) -> ApiResult<()> {
        Err(read_only::not_offered())
    }
}
