//! Routers of agents that are gone go to others (`reschedule_routers_from_down_agents`).

use neutrino_db::{
    agent_bindings::{self, Binding, BoundAgent},
    l3_bindings::{self, Which},
};
use neutrino_types::ApiResult;

use super::{
    placement::place,
    scheduler::{L3Scheduler, hosting_of, rebind},
};

/// A router that goes to another agent.
struct Move {
    router: String,
    from: BoundAgent,
    to: BoundAgent,
}

impl L3Scheduler {
    /// Takes the routers from agents that have been silent for twice `agent_down_time` and gives
    /// them to others, where `allow_automatic_l3agent_failover` says so; those that nobody else
    /// can have stay where they are. Answers how many went.
    ///
    /// # Errors
    /// What the database refused; what was done until then stays.
    pub async fn fail_over(&self) -> ApiResult<usize> {
        if !self.0.config.automatic_failover {
            return Ok(0);
        }
        let conn = self.0.db.read().await?;
        let agents = agent_bindings::L3.hosting(&conn, &[]).await?.agents;
        let liveness = self.rules().liveness;
        let dead: Vec<&BoundAgent> = agents.iter().filter(|a| liveness.is_dead(a)).collect();
        if dead.is_empty() {
            return Ok(0);
        }
        let ids: Vec<&str> = dead.iter().map(|a| a.id.as_str()).collect();
        let bindings = agent_bindings::L3.of_agents(&conn, &ids).await?;
        drop(conn);
        for agent in &dead {
            tracing::warn!(
                agent = agent.id,
                host = agent.host,
                last_report = agent.heartbeat_timestamp,
                routers = agent.bound,
                "routers are taken from an L3 agent that is dead"
            );
        }
        let routers: Vec<&str> = bindings.iter().map(|b| b.resource_id.as_str()).collect();
        let moves = self.reschedule(&routers).await?;
        for router in routers.iter().filter(|r| moves.iter().all(|m| m.router != **r)) {
            tracing::error!(router, "no L3 agent can take this router: it stays with a dead one");
        }
        let mut moved = 0;
        for m in &moves {
            moved += usize::from(self.announce(m).await?);
        }
        Ok(moved)
    }

    /// Gives routers to other agents than they have; one for which there is none stays.
    async fn reschedule(&self, routers: &[&str]) -> ApiResult<Vec<Move>> {
        let tx = self.0.db.begin().await?;
        let wishes = l3_bindings::wishes(&tx, Which::Of(routers)).await?;
        let mut hosting = hosting_of(&tx, &wishes).await?;
        let old = std::mem::take(&mut hosting.bindings);
        let new = place(&hosting, &wishes, &self.rules(), None, &mut rand::rng());
        let is_moved = |b: &Binding| new.iter().any(|n| n.resource_id == b.resource_id);
        let old: Vec<Binding> = old.into_iter().filter(is_moved).collect();
        if !new.is_empty() {
            rebind(&tx, &old, &new).await?;
            tx.commit().await?;
        }
        let agent = |id: &str| hosting.agents.iter().find(|a| a.id == id).cloned();
        let moves = old.iter().filter_map(|binding| {
            let to = new.iter().find(|n| n.resource_id == binding.resource_id)?;
            Some(Move {
                router: binding.resource_id.clone(),
                from: agent(&binding.agent_id)?,
                to: agent(&to.agent_id)?,
            })
        });
        Ok(moves.collect())
    }

    /// Tells both agents. A new one that cannot be reached does not get the router: it is left to
    /// whoever asks next. Answers whether it went.
    async fn announce(&self, m: &Move) -> ApiResult<bool> {
        self.router_left(&m.from.host, &m.router).await?;
        if self.router_added_to(&m.to.host, &m.router).await {
            return Ok(true);
        }
        let tx = self.0.db.begin().await?;
        agent_bindings::L3.remove(&tx, &m.to.id, &[&m.router]).await?;
        tx.commit().await?;
        Ok(false)
    }
}
