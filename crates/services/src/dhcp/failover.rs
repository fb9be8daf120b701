//! Networks of agents that are gone go to others (`remove_networks_from_down_agents`).

use std::collections::BTreeMap;

use neutrino_db::{
    agent_bindings::{self, BoundAgent},
    dhcp_bindings,
};
use neutrino_types::{ApiResult, Attrs, constants::agent_type};
use serde_json::Value;

use super::DhcpScheduler;

impl DhcpScheduler {
    /// Takes the networks from agents that have been silent for twice `agent_down_time` and gives
    /// them to others. Nothing happens while no agent at all is in service: then there is nobody
    /// to take them, and the agents that come back find theirs. Answers how many were taken.
    ///
    /// The dead agents are not told: back again they ask what is theirs.
    ///
    /// # Errors
    /// What the database refused; what was done until then stays.
    pub async fn fail_over(&self) -> ApiResult<usize> {
        if !self.0.config.automatic_failover {
            return Ok(0);
        }
        let conn = self.0.db.read().await?;
        let agents = agent_bindings::DHCP.hosting(&conn, &[]).await?.agents;
        let rules = self.rules();
        let is_dead = |a: &&BoundAgent| rules.liveness.is_dead(a) && !rules.is_starting(a);
        let dead: Vec<&BoundAgent> = agents.iter().filter(is_dead).collect();
        if dead.is_empty() {
            return Ok(0);
        }
        if !agents.iter().any(|a| rules.is_in_service(a)) {
            tracing::warn!("no DHCP agent is in service: the networks of dead ones stay theirs");
            return Ok(0);
        }
        let ids: Vec<&str> = dead.iter().map(|a| a.id.as_str()).collect();
        let bindings = agent_bindings::DHCP.of_agents(&conn, &ids).await?;
        drop(conn);
        let mut taken: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for binding in &bindings {
            taken.entry(&binding.agent_id).or_default().push(&binding.resource_id);
        }
        for agent in &dead {
            let networks = taken.get(agent.id.as_str()).map(Vec::as_slice).unwrap_or_default();
            tracing::warn!(
                agent = agent.id,
                host = agent.host,
                last_report = agent.heartbeat_timestamp,
                networks = networks.len(),
                "networks are taken from a DHCP agent that is dead"
            );
            self.take(agent, networks).await?;
        }
        let mut networks: Vec<&str> = bindings.iter().map(|b| b.resource_id.as_str()).collect();
        networks.dedup();
        self.give(&networks).await?;
        Ok(bindings.len())
    }

    async fn take(&self, agent: &BoundAgent, networks: &[&str]) -> ApiResult<()> {
        let tx = self.0.db.begin().await?;
        agent_bindings::DHCP.remove(&tx, &agent.id, networks).await?;
        tx.commit().await?;
        self.reserve_ports(&agent.host, Some(networks)).await
    }

    async fn give(&self, networks: &[&str]) -> ApiResult<()> {
        let scheduled = self.schedule(networks).await?;
        self.announce(&scheduled).await;
        for network in networks {
            if scheduled.hosting.of(network).next().is_none() {
                tracing::warn!(network, "no DHCP agent can take this network");
            }
        }
        Ok(())
    }

    /// An operator deleted an agent: its ports are set aside, and networks that lack agents now go
    /// to others, whether it had made ports on them or not.
    pub(super) async fn agent_deleted(&self, agent: &Attrs) -> ApiResult<()> {
        let text = |key: &str| agent.get(key).and_then(Value::as_str);
        let (Some(agent_type::DHCP), Some(id), Some(host)) =
            (text("agent_type"), text("id"), text("host"))
        else {
            return Ok(());
        };
        self.reserve_ports(host, None).await?;
        let conn = self.0.db.read().await?;
        let short = dhcp_bindings::short_of_agents(&conn, id, self.0.config.per_network).await?;
        drop(conn);
        let networks: Vec<&str> = short.iter().map(String::as_str).collect();
        if networks.is_empty() { Ok(()) } else { self.give(&networks).await }
    }
}
