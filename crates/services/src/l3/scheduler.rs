//! Routers and the L3 agents that have them: options, scheduling, and who is told.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use neutrino_callbacks::Registry;
use neutrino_conf::{Conf, opts};
use neutrino_db::{
    Conn, Db, Tx,
    agent_bindings::{self, Binding, BoundAgent, Hosting},
    l3_bindings::{self, RouterWish, Which},
};
use neutrino_rpc::methods::{self, Method};
use neutrino_types::{ApiResult, ResourcePlugin};
use serde_json::{Value, json};

use super::{
    dvr, notify,
    placement::{self, AgentTraits, Driver, Rules},
};
use crate::{Agents, scheduling::told};

/// Options of scheduling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L3SchedulerConfig {
    /// `router_scheduler_driver`.
    pub driver: Driver,
    /// `router_auto_schedule`.
    pub auto_schedule: bool,
    /// `allow_automatic_l3agent_failover`.
    pub automatic_failover: bool,
    /// `enable_services_on_agents_with_admin_state_down`.
    pub services_on_down_agents: bool,
    /// `default_availability_zones`.
    pub default_zones: Vec<String>,
    /// `host_dvr_for_dhcp`.
    pub host_dvr_for_dhcp: bool,
}

impl Default for L3SchedulerConfig {
    fn default() -> Self {
        Self {
            driver: Driver::LeastRouters,
            auto_schedule: true,
            automatic_failover: false,
            services_on_down_agents: false,
            default_zones: Vec::new(),
            host_dvr_for_dhcp: true,
        }
    }
}

/// A scheduler nobody knows.
#[derive(Debug, thiserror::Error)]
#[error("router_scheduler_driver: there is no scheduler '{0}'")]
pub struct UnknownScheduler(String);

impl L3SchedulerConfig {
    /// The options in `conf`.
    ///
    /// # Errors
    /// A scheduler that does not exist.
    pub fn from_conf(conf: &Conf) -> Result<Self, UnknownScheduler> {
        use opts::default as d;
        let name = conf.get(&d::ROUTER_SCHEDULER_DRIVER);
        Ok(Self {
            driver: Driver::named(&name).ok_or(UnknownScheduler(name))?,
            auto_schedule: conf.get(&d::ROUTER_AUTO_SCHEDULE),
            automatic_failover: conf.get(&d::ALLOW_AUTOMATIC_L3AGENT_FAILOVER),
            services_on_down_agents: conf.get(&d::ENABLE_SERVICES_ON_AGENTS_WITH_ADMIN_STATE_DOWN),
            default_zones: conf.get(&d::DEFAULT_AVAILABILITY_ZONES),
            host_dvr_for_dhcp: conf.get(&d::HOST_DVR_FOR_DHCP),
        })
    }
}

/// Sends messages to L3 agents; `args` are the method's arguments by name. Implementations log
/// what they cannot deliver: an agent that missed something resynchronises.
#[async_trait]
pub trait L3Notifier: Send + Sync {
    /// To the agent on `host`.
    async fn cast(&self, host: &str, method: Method, args: Value);
    /// To every L3 agent.
    async fn fanout(&self, method: Method, args: Value);
    /// To the agent on `host`; answers whether it has received it.
    async fn call(&self, host: &str, method: Method, args: Value) -> bool;
}

/// Routers and the L3 agents that have them. A cheap handle: clone it freely.
#[derive(Clone)]
pub struct L3Scheduler(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) db: Db,
    pub(super) config: L3SchedulerConfig,
    pub(super) agents: Arc<Agents>,
    pub(super) routers: Arc<dyn ResourcePlugin>,
    pub(super) ports: Arc<dyn ResourcePlugin>,
    pub(super) notifier: Arc<dyn L3Notifier>,
}

/// What a scheduler works upon.
pub struct Seams {
    /// `/v2.0/agents`, which knows who is alive.
    pub agents: Arc<Agents>,
    /// `/v2.0/routers`.
    pub routers: Arc<dyn ResourcePlugin>,
    /// `/v2.0/ports`, without quotas.
    pub ports: Arc<dyn ResourcePlugin>,
    /// Tells L3 agents.
    pub notifier: Arc<dyn L3Notifier>,
}

impl L3Scheduler {
    /// A scheduler over `db`.
    #[must_use]
    pub fn new(db: Db, config: L3SchedulerConfig, seams: Seams) -> Self {
        let Seams { agents, routers, ports, notifier } = seams;
        Self(Arc::new(Inner { db, config, agents, routers, ports, notifier }))
    }

    /// Schedules and notifies upon what `registry` tells of routers, floating IPs, ports, subnets
    /// and agents.
    pub fn subscribe(&self, registry: &Registry) {
        notify::subscribe(self, registry);
    }

    /// What tells L3 agents.
    #[must_use]
    pub fn notifier(&self) -> &Arc<dyn L3Notifier> {
        &self.0.notifier
    }

    pub(super) fn rules(&self) -> Rules<'_> {
        Rules {
            driver: self.0.config.driver,
            default_zones: &self.0.config.default_zones,
            liveness: self.0.agents.liveness(),
        }
    }

    /// Tells the agents that have `routers`, scheduling those that none has, that they changed
    /// (`routers_updated`): one message per router and host, as Neutron sends them. Of a distributed
    /// router, all hosts that need it hear.
    ///
    /// # Errors
    /// What the database refused; nobody was told then.
    pub async fn routers_updated(&self, routers: &[&str]) -> ApiResult<()> {
        if routers.is_empty() {
            return Ok(());
        }
        let hosting = self.schedule(routers).await?;
        let needing = self.hosts_needing(&hosting, routers).await?;
        for router in routers {
            let centres = self.hosts_told(&hosting, router);
            for host in &centres {
                self.routers_updated_on(host, &[router]).await;
            }
            let needing = needing.get(*router).into_iter().flatten().map(String::as_str);
            for host in needing.filter(|host| !centres.contains(host)) {
                if self.is_told(&hosting, host) {
                    self.routers_updated_on(host, &[router]).await;
                }
            }
        }
        Ok(())
    }

    /// The hosts that need each of `routers` that is distributed. No statement where no agent has
    /// distributed routers.
    async fn hosts_needing(
        &self,
        hosting: &Hosting,
        routers: &[&str],
    ) -> ApiResult<HashMap<String, BTreeSet<String>>> {
        if !hosting.agents.iter().any(|agent| AgentTraits::of(agent).is_distributed()) {
            return Ok(HashMap::new());
        }
        let conn = self.0.db.read().await?;
        dvr::hosts(&conn, routers, self.0.config.host_dvr_for_dhcp).await
    }

    /// As [`L3Scheduler::routers_updated`], but of distributed routers only the agents that have
    /// their centralised part.
    ///
    /// # Errors
    /// What the database refused; nobody was told then.
    pub async fn centres_updated(&self, routers: &[&str]) -> ApiResult<()> {
        if routers.is_empty() {
            return Ok(());
        }
        let hosting = self.schedule(routers).await?;
        for router in routers {
            for host in self.hosts_told(&hosting, router) {
                self.routers_updated_on(host, &[router]).await;
            }
        }
        Ok(())
    }

    /// Tells the agent on `host` that `routers` changed, in one message.
    pub async fn routers_updated_on(&self, host: &str, routers: &[&str]) {
        let args = json!({ "routers": routers });
        self.0.notifier.cast(host, methods::ROUTERS_UPDATED, args).await;
    }

    /// Tells the agent on `host` that `router` is no longer its own.
    pub async fn router_removed_from(&self, host: &str, router: &str) {
        let args = json!({ "payload": { "router_id": router } });
        self.0.notifier.cast(host, methods::ROUTER_REMOVED_FROM_AGENT, args).await;
    }

    /// Tells the agent on `host` that `router` is its own now; answers whether it knows.
    pub(super) async fn router_added_to(&self, host: &str, router: &str) -> bool {
        let args = json!({ "payload": [router] });
        self.0.notifier.call(host, methods::ROUTER_ADDED_TO_AGENT, args).await
    }

    /// The hosts of agents that are told of changes of a router: alive, and up.
    fn hosts_told<'a>(&self, hosting: &'a Hosting, router: &'a str) -> Vec<&'a str> {
        let liveness = self.0.agents.liveness();
        let told = told(hosting, router, self.0.config.services_on_down_agents);
        told.into_iter().filter(|a| liveness.is_alive(a)).map(|a| a.host.as_str()).collect()
    }

    /// Whether `host` has an agent that is told of changes.
    fn is_told(&self, hosting: &Hosting, host: &str) -> bool {
        let liveness = self.0.agents.liveness();
        let all = self.0.config.services_on_down_agents;
        let mut here = hosting.agents.iter().filter(|agent| agent.host == host);
        here.any(|agent| (all || agent.admin_state_up) && liveness.is_alive(agent))
    }

    /// Who has `routers`, after those that no agent has were given to one, as far as one may.
    async fn schedule(&self, routers: &[&str]) -> ApiResult<Hosting> {
        let conn = self.0.db.read().await?;
        let mut hosting = agent_bindings::L3.hosting(&conn, routers).await?;
        drop(conn);
        let bound = |router: &str| hosting.bindings.iter().any(|b| b.resource_id == router);
        let lacking: Vec<&str> = routers.iter().copied().filter(|r| !bound(r)).collect();
        // Where there is no agent at all, nothing can be placed: no write transaction for that.
        if lacking.is_empty() || hosting.agents.is_empty() {
            return Ok(hosting);
        }
        let new = self.place(Which::Of(&lacking), None).await?;
        hosting.bindings.extend(new);
        Ok(hosting)
    }

    /// Gives the agent `id` the routers that no agent has and that suit it.
    pub(super) async fn fill(&self, id: &str) -> ApiResult<()> {
        let conn = self.0.db.read().await?;
        let lacking = l3_bindings::wishes(&conn, Which::Unscheduled).await?;
        drop(conn);
        if lacking.is_empty() {
            return Ok(());
        }
        let new = self.place(Which::Unscheduled, Some(id)).await?;
        if !new.is_empty() {
            tracing::info!(agent = id, routers = new.len(), "routers scheduled to an L3 agent");
        }
        Ok(())
    }

    /// Decides and stores within one transaction.
    async fn place(&self, which: Which<'_>, only: Option<&str>) -> ApiResult<Vec<Binding>> {
        let tx = self.0.db.begin().await?;
        let wishes = l3_bindings::wishes(&tx, which).await?;
        let hosting = hosting_of(&tx, &wishes).await?;
        let new = placement::place(&hosting, &wishes, &self.rules(), only, &mut rand::rng());
        if !new.is_empty() {
            tx.execute_batch(agent_bindings::L3.insert(&new)).await?;
            tx.commit().await?;
        }
        log_placed(&hosting, &wishes, &new, only);
        Ok(new)
    }
}

/// The agents, and who has the routers of `wishes`.
pub(super) async fn hosting_of(conn: &Conn, wishes: &[RouterWish]) -> ApiResult<Hosting> {
    let ids: Vec<&str> = wishes.iter().map(|w| w.router_id.as_str()).collect();
    Ok(agent_bindings::L3.hosting(conn, &ids).await?)
}

fn log_placed(hosting: &Hosting, wishes: &[RouterWish], new: &[Binding], only: Option<&str>) {
    let hosts: HashMap<&str, &BoundAgent> =
        hosting.agents.iter().map(|a| (a.id.as_str(), a)).collect();
    for wish in wishes {
        let router = wish.router_id.as_str();
        match new.iter().find(|b| b.resource_id == router) {
            Some(binding) => {
                let host = hosts.get(binding.agent_id.as_str()).map(|a| a.host.as_str());
                tracing::debug!(router, host, "a router was scheduled to an L3 agent");
            }
            // One agent asked for what suits it; the others are not its business.
            None if only.is_some() => {}
            None if hosting.of(router).next().is_some() => {}
            None => tracing::warn!(router, "no L3 agent can have this router"),
        }
    }
}

/// Replaces who has routers, within `tx`.
pub(super) async fn rebind(tx: &Tx, old: &[Binding], new: &[Binding]) -> ApiResult<()> {
    let mut of_agent: HashMap<&str, Vec<&str>> = HashMap::new();
    for binding in old {
        of_agent.entry(&binding.agent_id).or_default().push(&binding.resource_id);
    }
    for (agent, routers) in of_agent {
        agent_bindings::L3.remove(tx, agent, &routers).await?;
    }
    tx.execute_batch(agent_bindings::L3.insert(new)).await?;
    Ok(())
}
