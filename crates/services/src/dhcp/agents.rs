//! What operators do with agents' networks: `/v2.0/agents/{id}/dhcp-networks`,
//! `/v2.0/networks/{id}/dhcp-agents`.

use neutrino_db::{
    agent_bindings::{self, Binding},
    agents::by_id,
    dhcp_bindings,
};
use neutrino_rpc::methods;
use neutrino_types::{
    ApiError, ApiResult, Attrs, Context, ListQuery,
    constants::{agent_type, device_id, device_owner},
};
use serde_json::{Value, json};

use super::{DhcpScheduler, priority};
use crate::scheduling::{ensure_agent, vacant_index};
use neutrino_types::ResourcePlugin as _;

impl DhcpScheduler {
    /// The networks the agent serves, as the API shows networks.
    ///
    /// # Errors
    /// `AgentNotFound`.
    pub async fn list_networks(&self, ctx: &Context, agent_id: &str) -> ApiResult<Vec<Attrs>> {
        let conn = self.0.db.read().await?;
        let networks = agent_bindings::DHCP.resources_of(&conn, agent_id).await?;
        if networks.is_empty() {
            ensure_agent(by_id(&conn, agent_id).await?, agent_id)?;
            return Ok(Vec::new());
        }
        drop(conn);
        self.0.networks.list(ctx, &ListQuery::filter("id", networks)).await
    }

    /// The agents that serve the network, as the API shows agents; none for an unknown network.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn list_agents(&self, ctx: &Context, network_id: &str) -> ApiResult<Vec<Attrs>> {
        let conn = self.0.db.read().await?;
        let hosting = agent_bindings::DHCP.hosting(&conn, &[network_id]).await?;
        drop(conn);
        let ids: Vec<String> = hosting.of(network_id).map(|agent| agent.id.clone()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.0.agents.list(ctx, &ListQuery::filter("id", ids)).await
    }

    /// Gives the agent a network, even past `dhcp_agents_per_network`.
    ///
    /// # Errors
    /// `NetworkNotFound`, `AgentNotFound`, `InvalidDHCPAgent`, `NetworkHostedByDHCPAgent`.
    pub async fn add_network(&self, agent_id: &str, network_id: &str) -> ApiResult<()> {
        let tx = self.0.db.begin().await?;
        if dhcp_bindings::zone_hints(&tx, &[network_id]).await?.is_empty() {
            return Err(ApiError::resource_not_found("network", network_id));
        }
        let agent = ensure_agent(by_id(&tx, agent_id).await?, agent_id)?;
        let up = agent.admin_state_up || self.0.config.services_on_down_agents;
        if agent.agent_type != agent_type::DHCP || !up {
            return Err(ApiError::not_found(
                "InvalidDHCPAgent",
                format!("Agent {agent_id} is not a valid DHCP Agent or has been disabled."),
            ));
        }
        let hosting = agent_bindings::DHCP.hosting(&tx, &[network_id]).await?;
        if hosting.bindings.iter().any(|b| b.agent_id == agent_id) {
            return Err(ApiError::conflict(
                "NetworkHostedByDHCPAgent",
                format!(
                    "The network {network_id} has been already hosted by the DHCP Agent \
                     {agent_id}."
                ),
            ));
        }
        let taken: Vec<u32> = hosting.bindings.iter().map(|b| b.index).collect();
        let binding = Binding {
            resource_id: network_id.to_string(),
            agent_id: agent_id.to_string(),
            index: vacant_index(&taken),
        };
        tx.execute_batch(agent_bindings::DHCP.insert(&[binding])).await?;
        tx.commit().await?;
        self.network_added(&agent.host, network_id).await;
        Ok(())
    }

    /// Takes a network from the agent. Its port stays, for the next agent to take over.
    ///
    /// # Errors
    /// `AgentNotFound`, `NetworkNotHostedByDhcpAgent`.
    pub async fn remove_network(&self, agent_id: &str, network_id: &str) -> ApiResult<()> {
        let tx = self.0.db.begin().await?;
        let agent = ensure_agent(by_id(&tx, agent_id).await?, agent_id)?;
        if agent_bindings::DHCP.remove(&tx, agent_id, &[network_id]).await? == 0 {
            return Err(ApiError::conflict(
                "NetworkNotHostedByDhcpAgent",
                format!("The network {network_id} is not hosted by the DHCP Agent {agent_id}."),
            ));
        }
        tx.commit().await?;
        self.reserve_ports(&agent.host, Some(&[network_id])).await?;
        let payload = json!({ "network_id": network_id, "priority": priority::NETWORK_DELETE });
        self.0.notifier.cast(&agent.host, methods::NETWORK_DELETE_END, payload).await;
        Ok(())
    }

    /// Sets the DHCP ports of `host` (those on `networks`, if given) aside for whichever agent
    /// serves their network next, so that it keeps the addresses.
    pub(super) async fn reserve_ports(
        &self,
        host: &str,
        networks: Option<&[&str]>,
    ) -> ApiResult<()> {
        let ctx = Context::admin();
        let mut query = ListQuery::filter("device_owner", [device_owner::DHCP]);
        query.filters.push(("binding:host_id".into(), vec![host.into()]));
        if let Some(networks) = networks {
            let networks = networks.iter().map(|n| Value::from(*n)).collect();
            query.filters.push(("network_id".into(), networks));
        }
        for port in self.0.ports.list(&ctx, &query).await? {
            let text = |key: &str| port.get(key).and_then(Value::as_str).unwrap_or_default();
            if text("device_id") == device_id::RESERVED_DHCP_PORT {
                continue;
            }
            let mut changes = Attrs::new();
            changes.insert("device_id".into(), device_id::RESERVED_DHCP_PORT.into());
            match self.0.ports.update(&ctx, text("id"), changes, None).await {
                Ok(_) => {}
                // Deleted meanwhile.
                Err(error) if error.kind == "PortNotFound" => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
