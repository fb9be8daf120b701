//! Agent gateway ports (`network:floatingip_agent_gateway`): through one, a host serves the
//! floating IPs of an external network itself. There is one for each such network and host.

use neutrino_db::{
    agents::{self, Agent},
    dvr::{self, Gateways},
    retrying,
};
use neutrino_ml2::{MadePort, l3::router_ports};
use neutrino_types::{
    ApiResult, Attrs, Context,
    constants::{agent_mode, agent_type, device_owner::AGENT_GATEWAY, vif_type},
    request,
};
use serde_json::json;

use super::{Dvr, Inner};

/// The agent gateway port of a host on a network.
enum Gateway {
    /// As it was found; none where no agent serves floating IPs.
    There(Option<String>),
    Made(Box<MadePort>),
}

impl Dvr {
    /// The port through which `host` serves floating IPs of `network`, as L3 agents see ports; made
    /// if missing. None where no L3 agent is, or one that has no external network.
    ///
    /// # Errors
    /// No address is left on the network; what the database refused.
    pub async fn agent_gateway_port(&self, network: &str, host: &str) -> ApiResult<Option<Attrs>> {
        let inner = &*self.0;
        let Some(port) = inner.ensure_agent_gateway(network, host).await? else {
            return Ok(None);
        };
        let conn = inner.db.read().await?;
        let found = router_ports(&conn, &[&port]).await?.pop();
        drop(conn);
        let Some(shown) = found else { return Ok(None) };
        if is_at(&shown, host) {
            return Ok(Some(shown));
        }
        let changes = Attrs::from_iter([("binding:host_id".to_string(), host.into())]);
        inner.ml2.service_ports().update(&Context::admin(), &port, changes, None).await?;
        let conn = inner.db.read().await?;
        Ok(router_ports(&conn, &[&port]).await?.pop())
    }

    /// Gives up the port through which `host` serves floating IPs of `network`.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn delete_agent_gateway_port(&self, network: &str, host: &str) -> ApiResult<()> {
        self.0.delete_agent_gateways(Some(host), network).await
    }
}

fn is_at(port: &Attrs, host: &str) -> bool {
    let bound = request::text(port, "binding:vif_type").unwrap_or_default();
    request::text(port, "binding:host_id") == Some(host)
        && ![vif_type::UNBOUND, vif_type::BINDING_FAILED].contains(&bound)
}

impl Inner {
    /// The agent gateway port of `host` on `network`, made if missing.
    pub(super) async fn ensure_agent_gateway(
        &self,
        network: &str,
        host: &str,
    ) -> ApiResult<Option<String>> {
        let conn = self.db.read().await?;
        let agent = agents::by_type_and_host(&conn, agent_type::L3, host).await?;
        let Some(agent) = agent.filter(serves_floating_ips) else {
            tracing::debug!(host, network, "no agent here serves floating IPs");
            return Ok(None);
        };
        let one = Gateways::One { agent: &agent.id, network };
        if let Some(found) = dvr::agent_gateways(&conn, one).await?.into_iter().next() {
            return Ok(Some(found.port_id));
        }
        drop(conn);
        let made = retrying(|| self.make_agent_gateway(network, host)).await?;
        match made {
            Gateway::There(port) => Ok(port),
            Gateway::Made(made) => {
                let port = made.port().id.clone();
                made.committed(&Context::admin()).await?;
                tracing::info!(network, host, "a host serves floating IPs of a network itself");
                Ok(Some(port))
            }
        }
    }

    /// Decides and makes the port in one transaction: of several servers one makes it.
    async fn make_agent_gateway(&self, network: &str, host: &str) -> ApiResult<Gateway> {
        let mut tx = self.db.begin().await?;
        let agent = agents::by_type_and_host(&tx, agent_type::L3, host).await?;
        let Some(agent) = agent.filter(serves_floating_ips) else {
            return Ok(Gateway::There(None));
        };
        let one = Gateways::One { agent: &agent.id, network };
        if let Some(found) = dvr::agent_gateways(&tx, one).await?.into_iter().next() {
            return Ok(Gateway::There(Some(found.port_id)));
        }
        // A row of a port that is gone makes way.
        tx.execute_batch(vec![
            dvr::delete_agent_gateways(network, Some(&agent.id)),
            dvr::insert_agent_gateway(network, &agent.id),
        ])
        .await?;
        let item = json!({
            // Nobody's: projects do not see it.
            "project_id": "", "name": "", "admin_state_up": true,
            "network_id": network, "device_id": agent.id, "device_owner": AGENT_GATEWAY,
            "binding:host_id": host,
        });
        let item = item.as_object().cloned().unwrap_or_default();
        let made = self.ml2.create_port_in(&mut tx, &Context::admin(), item).await?;
        tx.commit().await?;
        Ok(Gateway::Made(Box::new(made)))
    }

    async fn forget_agent_gateways(&self, network: &str, agent: Option<&str>) -> ApiResult<()> {
        let tx = self.db.begin().await?;
        tx.execute_batch(vec![dvr::delete_agent_gateways(network, agent)]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Deletes the agent gateway ports on `network`: of one host, or all.
    pub(super) async fn delete_agent_gateways(
        &self,
        host: Option<&str>,
        network: &str,
    ) -> ApiResult<()> {
        let conn = self.db.read().await?;
        let mut agent = None;
        if let Some(host) = host {
            agent = agents::by_type_and_host(&conn, agent_type::L3, host).await?;
            if agent.is_none() {
                return Ok(());
            }
        }
        let agent = agent.as_ref().map(|agent| agent.id.as_str());
        let which = match agent {
            Some(agent) => Gateways::One { agent, network },
            None => Gateways::OfNetwork(network),
        };
        let found = dvr::agent_gateways(&conn, which).await?;
        drop(conn);
        self.delete_gateway_ports(found).await?;
        self.forget_agent_gateways(network, agent).await
    }

    /// Deletes the agent gateway ports of an agent that is gone.
    pub(super) async fn delete_gateways_of(&self, agent: &str) -> ApiResult<()> {
        let conn = self.db.read().await?;
        let found = dvr::agent_gateways(&conn, Gateways::OfAgent(agent)).await?;
        drop(conn);
        self.delete_gateway_ports(found).await
    }

    async fn delete_gateway_ports(&self, ports: Vec<dvr::AgentGateway>) -> ApiResult<()> {
        let (ctx, service) = (Context::admin(), self.ml2.service_ports());
        for port in ports {
            match service.delete(&ctx, &port.port_id, None).await {
                // Deleted meanwhile.
                Err(error) if error.kind != "PortNotFound" => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether an agent serves floating IPs of distributed routers on its host.
fn serves_floating_ips(agent: &Agent) -> bool {
    let mode = agent.config_str("agent_mode");
    [Some(agent_mode::DVR), Some(agent_mode::DVR_SNAT)].contains(&mode)
}
