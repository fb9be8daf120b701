//! What L3 agents ask for: which routers are theirs (`get_router_ids`), and all about them
//! (`sync_routers`).

use std::collections::{BTreeSet, HashMap};

use neutrino_db::{
    Conn, address_scopes, agent_bindings,
    agents::{Agent, by_type_and_host},
    floating_ips, l3_bindings, routers,
};
use neutrino_ml2::l3::router_ports;
use neutrino_types::{
    ApiError, ApiResult, Attrs, Context,
    constants::{agent_mode, agent_type, device_owner},
};

use super::{
    dvr,
    router_dict::{self, Rows},
    scheduler::L3Scheduler,
};

impl L3Scheduler {
    /// The routers of the L3 agent on `host`, after it was given those that no agent has. None for
    /// an agent that is unknown or administratively down.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn router_ids_on(&self, host: &str) -> ApiResult<Vec<String>> {
        let conn = self.0.db.read().await?;
        let agent = by_type_and_host(&conn, agent_type::L3, host).await?;
        drop(conn);
        let Some(agent) = agent else {
            tracing::debug!(host, "no L3 agent has reported from this host");
            return Ok(Vec::new());
        };
        if self.0.config.auto_schedule && agent.admin_state_up {
            self.fill(&agent.id).await?;
        }
        if !self.is_served(&agent) {
            return Ok(Vec::new());
        }
        let conn = self.0.db.read().await?;
        self.ids_of(&conn, &agent, &[]).await
    }

    /// The routers of the L3 agent on `host`, those of `wanted` or (when that is empty) all, as
    /// the agent builds them. Routers that are administratively down are missing, and so are those
    /// the agent is not to have.
    ///
    /// Ports that are not bound to where the agent needs them are bound to it first. When none
    /// has to be, this costs the same statements for any number of routers.
    ///
    /// # Errors
    /// `AgentNotFoundByTypeHost`; what the database refused.
    pub async fn sync_routers(&self, host: &str, wanted: &[String]) -> ApiResult<Vec<Attrs>> {
        let conn = self.0.db.read().await?;
        let agent = by_type_and_host(&conn, agent_type::L3, host).await?;
        let agent = agent.ok_or_else(|| no_agent_on(host))?;
        if !self.is_served(&agent) {
            tracing::info!(host, "an L3 agent that is administratively down gets no routers");
            return Ok(Vec::new());
        }
        let routers = self.load(&conn, &agent, wanted).await?;
        drop(conn);
        if !self.bind_ports(&router_dict::misplaced(&routers, host)).await? {
            return Ok(routers);
        }
        let conn = self.0.db.read().await?;
        self.load(&conn, &agent, wanted).await
    }

    /// How many highly available routers the L3 agent on `host` is to have; none for an unknown one.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn ha_router_count(&self, host: &str) -> ApiResult<usize> {
        let conn = self.0.db.read().await?;
        let Some(agent) = by_type_and_host(&conn, agent_type::L3, host).await? else {
            return Ok(0);
        };
        let ids = agent_bindings::L3.resources_of(&conn, &agent.id).await?;
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let routers = routers::by_ids(&conn, &Context::admin(), &ids).await?;
        Ok(routers.iter().filter(|router| router.ha && router.admin_state_up).count())
    }

    fn is_served(&self, agent: &Agent) -> bool {
        agent.admin_state_up || self.0.config.services_on_down_agents
    }

    /// Those of `wanted` (all, if empty) that `agent` is to have.
    async fn ids_of(
        &self,
        conn: &Conn,
        agent: &Agent,
        wanted: &[String],
    ) -> ApiResult<Vec<String>> {
        let mut ids = agent_bindings::L3.resources_of(conn, &agent.id).await?;
        if agent.config_str("agent_mode").is_some_and(|mode| mode != agent_mode::LEGACY) {
            let dhcp = self.0.config.host_dvr_for_dhcp;
            ids.extend(dvr::routers_on(conn, &agent.host, &ids, dhcp).await?);
        }
        ids.retain(|id| wanted.is_empty() || wanted.contains(id));
        Ok(ids)
    }

    async fn load(&self, conn: &Conn, agent: &Agent, wanted: &[String]) -> ApiResult<Vec<Attrs>> {
        let ids = self.ids_of(conn, agent, wanted).await?;
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = routers::by_ids(conn, &Context::admin(), &ids).await?;
        found.retain(|r| r.admin_state_up);
        found.sort_by(|a, b| a.id.cmp(&b.id));
        routers::load_children(conn, &mut found).await?;
        let interfaces =
            l3_bindings::ports_of(conn, &ids, &device_owner::ROUTER_INTERFACES).await?;
        let gateways = found.iter().filter_map(|r| Some(r.gateway.as_ref()?.port_id.as_str()));
        let ports: Vec<&str> =
            gateways.chain(interfaces.iter().map(|(_, port)| port.as_str())).collect();
        let ports = router_ports(conn, &ports).await?.into_iter().filter_map(|port| {
            let id = port.get("id")?.as_str()?.to_string();
            Some((id, port))
        });
        let ports = ports.collect();
        let hosts = hosts(conn, &ids).await?;
        let floating_ips = floating_ips::of_routers(conn, &ids).await?;
        let networks: BTreeSet<&str> = floating_ips
            .iter()
            .filter_map(|f| Some(f.association.as_ref()?.port.network_id.as_str()))
            .collect();
        let networks: Vec<&str> = networks.into_iter().collect();
        let scopes = address_scopes::of_networks(conn, &networks).await?;
        let rows = Rows { routers: found, interfaces, ports, hosts, floating_ips, scopes };
        let mut routers = router_dict::assemble(rows);
        dvr::extend(conn, agent, &mut routers).await?;
        Ok(routers)
    }

    /// Binds ports to hosts; answers whether there was anything to do. A port that is gone
    /// meanwhile is none of the router's any more.
    async fn bind_ports(&self, ports: &[(&str, &str)]) -> ApiResult<bool> {
        for (port, host) in ports {
            let mut changes = Attrs::new();
            changes.insert("binding:host_id".into(), (*host).into());
            match self.0.ports.update(&Context::admin(), port, changes, None).await {
                Ok(_) => tracing::debug!(port, host, "a router's port was bound to its agent"),
                Err(error) if error.kind == "PortNotFound" => {}
                Err(error) => return Err(error),
            }
        }
        Ok(!ports.is_empty())
    }
}

/// The host of the first agent that has the router, by router.
async fn hosts(conn: &Conn, routers: &[&str]) -> ApiResult<HashMap<String, String>> {
    let hosting = agent_bindings::L3.hosting(conn, routers).await?;
    let host = |router: &&str| {
        let agent = hosting.of(router).next()?;
        Some(((*router).to_string(), agent.host.clone()))
    };
    Ok(routers.iter().filter_map(host).collect())
}

fn no_agent_on(host: &str) -> ApiError {
    ApiError::not_found(
        "AgentNotFoundByTypeHost",
        format!("Agent with agent_type={} and host={host} could not be found.", agent_type::L3),
    )
}
