//! Distributed routers: a router that is on every host that needs it.
//!
//! - `hosts`: which hosts those are;
//! - `sync`: what an agent is told of a distributed router beyond a centralised one;
//! - `presence`: ports that bring routers to hosts and take them away again, and their neighbours;
//! - `csnat`: the ports of the centralised part, which translates addresses;
//! - `gateways`: the ports through which hosts serve floating IPs themselves.
//!
//! Who schedules and notifies calls [`hosts`], [`routers_on`], [`bind`] and [`extend`]; the rest
//! happens upon events, before notifications about the same event go out.

mod arp;
mod csnat;
mod gateways;
mod hosts;
mod presence;
mod sync;

use std::sync::Arc;

use async_trait::async_trait;
use neutrino_callbacks::{
    Action, DEFAULT_PRIORITY, Payload, Phase, Registry, Resource, Subscriber,
};
use neutrino_db::{Db, Tx, agents, dvr};
use neutrino_ml2::Ml2Plugin;
use neutrino_rpc::methods;
use neutrino_types::{ApiResult, Attrs, constants::agent_type, request};
use serde_json::json;

use super::{L3Notifier, interfaces::attachment_conflict};

pub use hosts::{hosts, routers_on};
pub use sync::{bind, extend};

/// Before those who tell agents: these find what is made here.
const PRIORITY: i64 = DEFAULT_PRIORITY - 100;

/// Distributed routing. A cheap handle: clone it freely.
#[derive(Clone)]
pub struct Dvr(Arc<Inner>);

struct Inner {
    db: Db,
    ml2: Ml2Plugin,
    notifier: Arc<dyn L3Notifier>,
    /// `host_dvr_for_dhcp`.
    dhcp: bool,
}

impl Dvr {
    /// Distributed routing over `db`, its ports made by `ml2`, agents told by `notifier`. `dhcp` is
    /// `host_dvr_for_dhcp`.
    #[must_use]
    pub fn new(db: Db, ml2: Ml2Plugin, notifier: Arc<dyn L3Notifier>, dhcp: bool) -> Self {
        Self(Arc::new(Inner { db, ml2, notifier, dhcp }))
    }

    /// Does what is due upon changes of routers, floating IPs, ports, networks and agents.
    pub fn subscribe(&self, registry: &Registry) {
        use Action::{Create, Delete, Update};
        let this = Arc::new(Events(self.clone()));
        for (resource, actions) in [
            (Resource::Router, &[Update][..]),
            (Resource::RouterInterface, &[Delete]),
            (Resource::RouterGateway, &[Delete]),
            (Resource::FloatingIp, &[Create, Update, Delete]),
            (Resource::Port, &[Create, Update, Delete]),
            (Resource::Network, &[Delete]),
            (Resource::Agent, &[Delete]),
        ] {
            for action in actions {
                registry.subscribe_at(resource, Phase::After, *action, PRIORITY, this.clone());
            }
        }
        for (resource, action) in [
            (Resource::Router, Update),
            (Resource::RouterInterface, Create),
            (Resource::RouterGateway, Create),
        ] {
            registry.subscribe_at(resource, Phase::Precommit, action, PRIORITY, this.clone());
        }
    }
}

impl Inner {
    async fn routers_updated_on(&self, host: &str, routers: &[&str]) {
        if !routers.is_empty() && !host.is_empty() {
            let args = json!({ "routers": routers });
            self.notifier.cast(host, methods::ROUTERS_UPDATED, args).await;
        }
    }

    /// A router is on `host` no more: its distributed ports are given up there, and its agent is
    /// told.
    async fn router_left(&self, host: &str, router: &str) -> ApiResult<()> {
        let conn = self.db.read().await?;
        let owner = neutrino_types::constants::device_owner::DVR_INTERFACE;
        let interfaces = dvr::interfaces(&conn, &[router], owner).await?;
        drop(conn);
        let mut ports: Vec<&str> = interfaces.iter().map(|i| i.port_id.as_str()).collect();
        ports.dedup();
        self.ml2.leave_distributed(host, &ports).await?;
        tracing::info!(router, host, "a distributed router left a host");
        let args = json!({ "payload": { "router_id": router } });
        self.notifier.cast(host, methods::ROUTER_REMOVED_FROM_AGENT, args).await;
        Ok(())
    }
}

struct Events(Dvr);

fn is_distributed(router: Option<&Attrs>) -> bool {
    router.and_then(|r| request::flag(r, "distributed")).unwrap_or(false)
}

/// The external network of a router's gateway.
fn gateway_network(router: Option<&Attrs>) -> Option<&str> {
    router?.get("external_gateway_info")?.get("network_id")?.as_str()
}

#[async_trait]
impl Subscriber for Events {
    fn name(&self) -> &'static str {
        "distributed routers"
    }

    /// A router becomes distributed, or stops to be: its interfaces' bindings follow. What brings
    /// one a centralised part brings the ports of that.
    async fn precommit(
        &self,
        tx: &mut Tx,
        resource: Resource,
        _: Action,
        payload: &Payload<'_>,
    ) -> ApiResult<()> {
        let inner = &*self.0.0;
        let was = is_distributed(payload.original);
        match resource {
            Resource::RouterInterface if was => {
                inner.create_csnat(tx, payload.id).await.map_err(attachment_conflict)
            }
            Resource::RouterGateway if was => inner.create_csnat(tx, payload.id).await,
            Resource::Router => {
                let is = is_distributed(payload.current);
                if was != is {
                    inner.ml2.rebind_router(tx, payload.id).await?;
                }
                if is && !was { inner.create_csnat(tx, payload.id).await } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    async fn after(
        &self,
        resource: Resource,
        action: Action,
        payload: &Payload<'_>,
    ) -> ApiResult<()> {
        self.after_all(resource, action, std::slice::from_ref(payload)).await
    }

    async fn after_all(
        &self,
        resource: Resource,
        action: Action,
        payloads: &[Payload<'_>],
    ) -> ApiResult<()> {
        let inner = &*self.0.0;
        if (resource, action) == (Resource::Port, Action::Create) {
            let ports: Vec<&Attrs> = payloads.iter().filter_map(|p| p.current).collect();
            return inner.ports_created(&ports).await;
        }
        for payload in payloads {
            match (resource, action) {
                (Resource::Port, _) => inner.port_changed(payload).await?,
                (Resource::FloatingIp, _) => inner.floating_ip_changed(payload).await?,
                (Resource::Router, _) => inner.router_changed(payload).await?,
                (Resource::RouterInterface, _) if is_distributed(payload.original) => {
                    inner.interface_removed(payload).await?;
                }
                (Resource::RouterGateway, _) if is_distributed(payload.original) => {
                    inner.gateway_removed(payload).await?;
                }
                (Resource::Network, _) => inner.network_deleted(payload).await,
                (Resource::Agent, _) => inner.agent_deleted(payload).await?,
                _ => {}
            }
        }
        Ok(())
    }
}

impl Inner {
    /// A router stopped to be distributed, perhaps.
    async fn router_changed(&self, payload: &Payload<'_>) -> ApiResult<()> {
        let (was, is) = (is_distributed(payload.original), is_distributed(payload.current));
        if was && !is { self.delete_csnat(payload.id, None).await } else { Ok(()) }
    }

    /// The gateway of a router is gone; with the last one of its network go the ports of hosts
    /// there.
    async fn gateway_removed(&self, payload: &Payload<'_>) -> ApiResult<()> {
        self.delete_csnat(payload.id, None).await?;
        let Some(network) = gateway_network(payload.original) else { return Ok(()) };
        let conn = self.db.read().await?;
        let has_others = dvr::has_gateways(&conn, network).await?;
        drop(conn);
        if !has_others {
            self.delete_agent_gateways(None, network).await?;
            self.external_network_left(network).await;
        }
        Ok(())
    }

    async fn network_deleted(&self, payload: &Payload<'_>) {
        let external =
            payload.latest().and_then(|network| request::flag(network, "router:external"));
        if external == Some(true) {
            self.external_network_left(payload.id).await;
        }
    }

    /// No host needs its `fip-` namespace of the network any more.
    async fn external_network_left(&self, network: &str) {
        let args = json!({ "ext_net_id": network });
        self.notifier.fanout(methods::FIPNAMESPACE_DELETE_ON_EXT_NET, args).await;
    }

    async fn agent_deleted(&self, payload: &Payload<'_>) -> ApiResult<()> {
        let agent = payload.original;
        let kind = agent.and_then(|agent| request::text(agent, "agent_type"));
        if kind == Some(agent_type::L3) {
            self.delete_gateways_of(payload.id).await?;
        }
        Ok(())
    }

    /// Those of `hosts` that have an L3 agent.
    async fn with_agent<'h>(&self, hosts: &[&'h str]) -> ApiResult<Vec<&'h str>> {
        let conn = self.db.read().await?;
        let found = agents::on_hosts(&conn, agent_type::L3, hosts).await?;
        Ok(hosts.iter().copied().filter(|host| found.iter().any(|f| f.host == *host)).collect())
    }
}
