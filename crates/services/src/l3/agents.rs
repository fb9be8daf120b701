//! What operators do with agents' routers: `/v2.0/agents/{id}/l3-routers`,
//! `/v2.0/routers/{id}/l3-agents`.

use neutrino_db::{
    Conn,
    agent_bindings::{self, Binding, BoundAgent},
    agents,
    l3_bindings::{self, RouterWish, Which},
};
use neutrino_types::{ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin as _};

use super::{dvr, placement::AgentTraits, scheduler::L3Scheduler};
use crate::scheduling::{ensure_agent, vacant_index};

impl L3Scheduler {
    /// The routers the agent has, as the API shows routers.
    ///
    /// # Errors
    /// `AgentNotFound`.
    pub async fn list_routers(&self, ctx: &Context, agent_id: &str) -> ApiResult<Vec<Attrs>> {
        let conn = self.0.db.read().await?;
        let routers = agent_bindings::L3.resources_of(&conn, agent_id).await?;
        if routers.is_empty() {
            ensure_agent(agents::by_id(&conn, agent_id).await?, agent_id)?;
            return Ok(Vec::new());
        }
        drop(conn);
        self.0.routers.list(ctx, &ListQuery::filter("id", routers)).await
    }

    /// The agents that have the router, as the API shows agents; none for an unknown router.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn list_agents(&self, ctx: &Context, router_id: &str) -> ApiResult<Vec<Attrs>> {
        let conn = self.0.db.read().await?;
        let hosting = agent_bindings::L3.hosting(&conn, &[router_id]).await?;
        drop(conn);
        let ids: Vec<String> = hosting.of(router_id).map(|agent| agent.id.clone()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.0.agents.list(ctx, &ListQuery::filter("id", ids)).await
    }

    /// Gives the agent a router that no other has. One that it has already stays.
    ///
    /// # Errors
    /// `RouterNotFound`, `AgentNotFound`, `InvalidL3Agent`, `DVRL3CannotAssignToDvrAgent`,
    /// `RouterL3AgentMismatch`, `RouterHostedByL3Agent`.
    pub async fn add_router(&self, agent_id: &str, router_id: &str) -> ApiResult<()> {
        let tx = self.0.db.begin().await?;
        let wish = wish_of(&tx, router_id).await?;
        let hosting = agent_bindings::L3.hosting(&tx, &[router_id]).await?;
        let agent = match hosting.agents.iter().find(|a| a.id == agent_id) {
            Some(agent) => agent,
            None => {
                ensure_agent(agents::by_id(&tx, agent_id).await?, agent_id)?;
                return Err(invalid_agent(agent_id));
            }
        };
        self.ensure_suitable(agent, &wish)?;
        match hosting.bindings.first() {
            Some(binding) if binding.agent_id == agent_id => return Ok(()),
            Some(binding) => {
                return Err(ApiError::conflict(
                    "RouterHostedByL3Agent",
                    format!(
                        "The router {router_id} has been already hosted by the L3 Agent {}.",
                        binding.agent_id
                    ),
                ));
            }
            None => {}
        }
        let binding = Binding {
            resource_id: router_id.to_string(),
            agent_id: agent_id.to_string(),
            index: vacant_index(&[]),
        };
        tx.execute_batch(agent_bindings::L3.insert(&[binding])).await?;
        tx.commit().await?;
        self.router_added_to(&agent.host, router_id).await;
        Ok(())
    }

    fn ensure_suitable(&self, agent: &BoundAgent, wish: &RouterWish) -> ApiResult<()> {
        let traits = AgentTraits::of(agent);
        if traits.is_compute() {
            return Err(ApiError::conflict(
                "DVRL3CannotAssignToDvrAgent",
                "Not allowed to manually assign a router to an agent in 'dvr' mode.",
            ));
        }
        if wish.distributed && !traits.is_distributed() {
            return Err(ApiError::conflict(
                "RouterL3AgentMismatch",
                format!(
                    "Cannot host distributed router {} on legacy L3 agent {}.",
                    wish.router_id, agent.id
                ),
            ));
        }
        let is_up = agent.admin_state_up || self.0.config.services_on_down_agents;
        if is_up && traits.suits(wish) { Ok(()) } else { Err(invalid_agent(&agent.id)) }
    }

    /// Takes a router from the agent, if it has it.
    ///
    /// # Errors
    /// `AgentNotFound`, `DVRL3CannotRemoveFromDvrAgent`, `RouterNotFound`.
    pub async fn remove_router(&self, agent_id: &str, router_id: &str) -> ApiResult<()> {
        let tx = self.0.db.begin().await?;
        let hosting = agent_bindings::L3.hosting(&tx, &[router_id]).await?;
        let host = match hosting.agents.iter().find(|a| a.id == agent_id) {
            Some(agent) if AgentTraits::of(agent).is_compute() => {
                return Err(ApiError::conflict(
                    "DVRL3CannotRemoveFromDvrAgent",
                    "Not allowed to manually remove a router from an agent in 'dvr' mode.",
                ));
            }
            Some(agent) => agent.host.clone(),
            None => ensure_agent(agents::by_id(&tx, agent_id).await?, agent_id)?.host,
        };
        wish_of(&tx, router_id).await?;
        agent_bindings::L3.remove(&tx, agent_id, &[router_id]).await?;
        tx.commit().await?;
        self.router_left(&host, router_id).await
    }

    /// Tells the agent on `host` that it no longer has the router; or, if instances there need it
    /// still, that it has no longer its centralised part.
    pub(super) async fn router_left(&self, host: &str, router: &str) -> ApiResult<()> {
        let conn = self.0.db.read().await?;
        let needing = dvr::hosts(&conn, &[router], self.0.config.host_dvr_for_dhcp).await?;
        drop(conn);
        if needing.get(router).is_some_and(|hosts| hosts.contains(host)) {
            self.routers_updated_on(host, &[router]).await;
        } else {
            self.router_removed_from(host, router).await;
        }
        Ok(())
    }
}

/// What the router wishes; `RouterNotFound` when it is gone.
async fn wish_of(conn: &Conn, router_id: &str) -> ApiResult<RouterWish> {
    let found = l3_bindings::wishes(conn, Which::Of(&[router_id])).await?.pop();
    found.ok_or_else(|| ApiError::resource_not_found("router", router_id))
}

fn invalid_agent(id: &str) -> ApiError {
    let text = format!("Agent {id} is not a L3 Agent or has been disabled");
    ApiError::not_found("InvalidL3Agent", text)
}
