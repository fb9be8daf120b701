//! Routers, floating IPs and what L3 agents are told of them.
//!
//! - `routers`: the collection itself;
//! - `interfaces` and `gateway`: a router's ports; `external_subnets`: what new ones give gateways;
//! - `checks`: what these must be like;
//! - `vetoes`: what routers refuse to other resources;
//! - `floating_ips`: the collection, and what ports have to do with it;
//! - `port_forwardings` of floating IPs;
//! - `dvr`: routers that are on every host that needs them;
//! - `view`: what the API and subscribers see of a router;
//! - [`placement`] decides which L3 agents get a router, [`L3Scheduler`] reads, decides and stores
//!   and is what the API (`agents`) and the RPC endpoint (`sync`) use, `failover` empties dead
//!   agents, `notify` turns changes into messages to agents.
//!
//! Changes are published as the events of [`neutrino_callbacks::Resource::Router`] (all phases),
//! `RouterInterface` (no PRECOMMIT of a delete) and `RouterGateway` (likewise); who schedules,
//! notifies or vetoes subscribes to them. The port of an interface or a gateway comes after BEFORE of
//! its create; both are gone AFTER a delete.

mod agents;
mod checks;
pub mod dvr;
mod external_subnets;
mod failover;
mod floating_ips;
mod gateway;
mod interfaces;
mod notify;
pub mod placement;
mod port_forwardings;
mod router_dict;
mod routers;
mod routes;
mod scheduler;
mod sync;
mod vetoes;
mod view;

pub use scheduler::{L3Notifier, L3Scheduler, L3SchedulerConfig, Seams, UnknownScheduler};

use std::sync::Arc;

use neutrino_callbacks::Registry;
use neutrino_conf::{Conf, opts};
use neutrino_db::{
    Conn, Db,
    quotas::QuotaDefaults,
    routers::{Router, by_id},
};
use neutrino_ml2::Ml2Plugin;
use neutrino_types::{ApiError, ApiResult, Context, ResourcePlugin, constants::device_owner};

use crate::service_providers::ServiceProvider;

/// Options of routers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L3Config {
    /// `router_distributed`.
    pub distributed: bool,
    /// `enable_dvr`.
    pub enable_dvr: bool,
    /// `enable_snat_by_default`.
    pub enable_snat: bool,
}

impl Default for L3Config {
    fn default() -> Self {
        Self { distributed: false, enable_dvr: true, enable_snat: true }
    }
}

impl L3Config {
    /// The options in `conf`.
    #[must_use]
    pub fn from_conf(conf: &Conf) -> Self {
        use opts::default as d;
        Self {
            distributed: conf.get(&d::ROUTER_DISTRIBUTED),
            enable_dvr: conf.get(&d::ENABLE_DVR),
            enable_snat: conf.get(&d::ENABLE_SNAT_BY_DEFAULT),
        }
    }
}

/// What the parts of the service share.
struct Inner {
    db: Db,
    config: L3Config,
    ml2: Ml2Plugin,
    registry: Arc<Registry>,
    quotas: QuotaDefaults,
}

/// Routers and what hangs on them. A cheap handle: clone it freely.
#[derive(Clone)]
pub struct L3(Arc<Inner>);

impl L3 {
    /// Routers in `db` between the networks of `ml2`. `registry` hears of changes and may veto
    /// them, `quotas` bounds how many there are.
    #[must_use]
    pub fn new(
        db: Db,
        config: L3Config,
        ml2: Ml2Plugin,
        registry: Arc<Registry>,
        quotas: QuotaDefaults,
    ) -> Self {
        Self(Arc::new(Inner { db, config, ml2, registry, quotas }))
    }

    /// Guards the ports of routers, has floating IPs follow theirs and gateways take addresses of new
    /// subnets, upon what the registry tells of ports and subnets.
    pub fn subscribe(&self) {
        external_subnets::subscribe(&self.0, &self.0.registry);
        floating_ips::subscribe(&self.0, &self.0.registry);
        vetoes::subscribe(&self.0.db, &self.0.registry);
    }

    /// The kinds of routers there are, as providers of the service; none of them is the default, as
    /// routers that name no flavor are made by their attributes.
    #[must_use]
    pub fn providers(&self) -> Vec<ServiceProvider> {
        let distributed = self.0.config.enable_dvr.then_some("dvr");
        let provider = |name: &str| ServiceProvider {
            service_type: "L3_ROUTER_NAT".into(),
            name: name.into(),
            default: false,
        };
        distributed.into_iter().chain(["single_node"]).map(provider).collect()
    }

    /// `/v2.0/routers`.
    #[must_use]
    pub fn routers(&self) -> Arc<dyn ResourcePlugin> {
        Arc::new(routers::Routers(Arc::clone(&self.0)))
    }

    /// `/v2.0/floatingips`.
    #[must_use]
    pub fn floating_ips(&self) -> Arc<dyn ResourcePlugin> {
        Arc::new(floating_ips::FloatingIps(Arc::clone(&self.0)))
    }

    /// `/v2.0/floatingip-pools`.
    #[must_use]
    pub fn floating_ip_pools(&self) -> Arc<dyn ResourcePlugin> {
        Arc::new(floating_ips::Pools(Arc::clone(&self.0)))
    }

    /// `/v2.0/floatingips/{floating_ip}/port_forwardings`.
    #[must_use]
    pub fn port_forwardings(&self, floating_ip: &str) -> Arc<dyn ResourcePlugin> {
        let (inner, floating_ip) = (Arc::clone(&self.0), floating_ip.to_string());
        Arc::new(port_forwardings::PortForwardings { inner, floating_ip })
    }
}

/// The router `id` with all that hangs on it.
///
/// # Errors
/// `RouterNotFound` when it is not there or `ctx` may not see it.
async fn load(conn: &Conn, ctx: &Context, id: &str) -> ApiResult<Router> {
    let found = by_id(conn, ctx, id).await?;
    found.ok_or_else(|| ApiError::resource_not_found("router", id))
}

/// The device owner of the router's interfaces.
fn interface_owner(router: &Router) -> &'static str {
    if router.distributed { device_owner::DVR_INTERFACE } else { device_owner::ROUTER_INTERFACE }
}

/// `BadRequest` (400) about a router.
fn bad_request(reason: impl std::fmt::Display) -> ApiError {
    ApiError::bad_request("BadRequest", format!("Bad router request: {reason}."))
}
