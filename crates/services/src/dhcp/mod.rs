//! DHCP agents and their networks: scheduling, failover, and what agents are told.
//!
//! - [`placement`] decides which agents get a network;
//! - [`DhcpScheduler`] reads, decides and stores, and is what the API and the RPC endpoint use;
//! - `notify` turns changes of networks, subnets, ports and agents into notifications.

mod agents;
mod failover;
mod notify;
pub mod placement;

use std::sync::Arc;

use async_trait::async_trait;
use neutrino_callbacks::Registry;
use neutrino_conf::{Conf, opts};
use neutrino_db::{
    Conn, Db,
    agent_bindings::{self, Binding, BoundAgent, Hosting},
    agents::by_type_and_host,
    dhcp_bindings,
};
use neutrino_rpc::methods::{self, Method};
use neutrino_types::{ApiResult, ResourcePlugin, constants::agent_type};
use serde_json::{Value, json};

use crate::{Agents, scheduling::told};
use placement::{Driver, Rules, Wish};

/// `priority` of notifications in an agent's queue; lower is earlier.
mod priority {
    pub const NETWORK_CREATE: u8 = 0;
    pub const NETWORK_UPDATE: u8 = 1;
    pub const NETWORK_DELETE: u8 = 2;
    pub const SUBNET_UPDATE: u8 = 3;
    pub const SUBNET_DELETE: u8 = 4;
    /// One agent of a network takes a new port up before the others.
    pub const PORT_CREATE_HIGH: u8 = 5;
    pub const PORT: u8 = 6;
}

/// Options of scheduling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhcpConfig {
    /// `dhcp_agents_per_network`.
    pub per_network: usize,
    /// `network_auto_schedule`.
    pub auto_schedule: bool,
    /// `allow_automatic_dhcp_failover`.
    pub automatic_failover: bool,
    /// `dhcp_agent_notification`.
    pub notification: bool,
    /// `enable_services_on_agents_with_admin_state_down`.
    pub services_on_down_agents: bool,
    /// `network_scheduler_driver`.
    pub driver: Driver,
    /// `default_availability_zones`.
    pub default_zones: Vec<String>,
}

impl Default for DhcpConfig {
    fn default() -> Self {
        Self {
            per_network: 1,
            auto_schedule: true,
            automatic_failover: true,
            notification: true,
            services_on_down_agents: false,
            driver: Driver::Weight,
            default_zones: Vec::new(),
        }
    }
}

/// A scheduler nobody knows.
#[derive(Debug, thiserror::Error)]
#[error("network_scheduler_driver: there is no scheduler '{0}'")]
pub struct UnknownScheduler(String);

impl DhcpConfig {
    /// The options in `conf`.
    ///
    /// # Errors
    /// A scheduler that does not exist.
    pub fn from_conf(conf: &Conf) -> Result<Self, UnknownScheduler> {
        use opts::default as d;
        let name = conf.get(&d::NETWORK_SCHEDULER_DRIVER);
        Ok(Self {
            per_network: usize::try_from(conf.get(&d::DHCP_AGENTS_PER_NETWORK)).unwrap_or(1),
            auto_schedule: conf.get(&d::NETWORK_AUTO_SCHEDULE),
            automatic_failover: conf.get(&d::ALLOW_AUTOMATIC_DHCP_FAILOVER),
            notification: conf.get(&d::DHCP_AGENT_NOTIFICATION),
            services_on_down_agents: conf.get(&d::ENABLE_SERVICES_ON_AGENTS_WITH_ADMIN_STATE_DOWN),
            driver: Driver::named(&name).ok_or(UnknownScheduler(name))?,
            default_zones: conf.get(&d::DEFAULT_AVAILABILITY_ZONES),
        })
    }
}

/// Sends notifications to DHCP agents. Implementations log what they cannot deliver: an agent that
/// missed one resynchronises.
#[async_trait]
pub trait DhcpNotifier: Send + Sync {
    /// To the agent on `host`.
    async fn cast(&self, host: &str, method: Method, payload: Value);
    /// To every DHCP agent.
    async fn fanout(&self, method: Method, payload: Value);
}

/// Networks and the DHCP agents that serve them. A cheap handle: clone it freely.
#[derive(Clone)]
pub struct DhcpScheduler(Arc<Inner>);

struct Inner {
    db: Db,
    config: DhcpConfig,
    agents: Arc<Agents>,
    networks: Arc<dyn ResourcePlugin>,
    ports: Arc<dyn ResourcePlugin>,
    notifier: Arc<dyn DhcpNotifier>,
}

/// What a scheduler works upon.
pub struct Seams {
    /// `/v2.0/agents`, which knows who is alive.
    pub agents: Arc<Agents>,
    /// `/v2.0/networks`.
    pub networks: Arc<dyn ResourcePlugin>,
    /// `/v2.0/ports`.
    pub ports: Arc<dyn ResourcePlugin>,
    /// Tells DHCP agents.
    pub notifier: Arc<dyn DhcpNotifier>,
}

/// Who serves some networks, after scheduling.
struct Scheduled {
    hosting: Hosting,
    /// The bindings that are new.
    new: Vec<Binding>,
}

impl DhcpScheduler {
    /// A scheduler over `db`.
    #[must_use]
    pub fn new(db: Db, config: DhcpConfig, seams: Seams) -> Self {
        let Seams { agents, networks, ports, notifier } = seams;
        Self(Arc::new(Inner { db, config, agents, networks, ports, notifier }))
    }

    /// Schedules and notifies upon what `registry` tells of networks, subnets, ports and agents.
    pub fn subscribe(&self, registry: &Registry) {
        if self.0.config.notification {
            notify::subscribe(self, registry);
        }
    }

    /// The networks of the DHCP agent on `host`, after it was given what lacks agents. None for an
    /// agent that is unknown or administratively down.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn networks_on(&self, host: &str) -> ApiResult<Vec<String>> {
        let conn = self.0.db.read().await?;
        let agent = by_type_and_host(&conn, agent_type::DHCP, host).await?;
        drop(conn);
        let Some(agent) = agent else {
            tracing::debug!(host, "no DHCP agent has reported from this host");
            return Ok(Vec::new());
        };
        if self.0.config.auto_schedule {
            self.fill(&agent.id).await?;
        }
        if !agent.admin_state_up && !self.0.config.services_on_down_agents {
            return Ok(Vec::new());
        }
        let conn = self.0.db.read().await?;
        Ok(agent_bindings::DHCP.resources_of(&conn, &agent.id).await?)
    }

    /// Whether the agent on `host` serves `network`.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn is_hosted_on(&self, network: &str, host: &str) -> ApiResult<bool> {
        let conn = self.0.db.read().await?;
        let hosting = agent_bindings::DHCP.hosting(&conn, &[network]).await?;
        Ok(hosting.of(network).any(|agent| agent.host == host))
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            per_network: self.0.config.per_network,
            driver: self.0.config.driver,
            default_zones: &self.0.config.default_zones,
            liveness: self.0.agents.liveness(),
        }
    }

    /// Gives `agent` the networks that have DHCP and too few agents.
    async fn fill(&self, agent: &str) -> ApiResult<()> {
        let per_network = self.0.config.per_network;
        let conn = self.0.db.read().await?;
        let short = dhcp_bindings::short_of_agents(&conn, agent, per_network).await?;
        drop(conn);
        if short.is_empty() {
            return Ok(());
        }
        let short: Vec<&str> = short.iter().map(String::as_str).collect();
        let scheduled = self.place(&short, Some(agent)).await?;
        tracing::info!(agent, networks = scheduled.new.len(), "networks scheduled to a DHCP agent");
        Ok(())
    }

    /// Gives `networks` the agents they lack, as far as there are any.
    async fn schedule(&self, networks: &[&str]) -> ApiResult<Scheduled> {
        let conn = self.0.db.read().await?;
        let hosting = agent_bindings::DHCP.hosting(&conn, networks).await?;
        drop(conn);
        let rules = self.rules();
        let lacking: Vec<&str> =
            networks.iter().copied().filter(|n| rules.may_place(&hosting, n)).collect();
        if lacking.is_empty() || !self.0.config.auto_schedule {
            return Ok(Scheduled { hosting, new: Vec::new() });
        }
        let placed = self.place(&lacking, None).await?;
        let mut hosting = hosting;
        hosting.bindings.extend(placed.new.iter().cloned());
        Ok(Scheduled { hosting, new: placed.new })
    }

    /// Decides and stores within one transaction.
    async fn place(&self, networks: &[&str], only: Option<&str>) -> ApiResult<Scheduled> {
        let tx = self.0.db.begin().await?;
        let hosting = agent_bindings::DHCP.hosting(&tx, networks).await?;
        let wishes = wishes(&tx, networks).await?;
        let new = placement::place(&hosting, &wishes, &self.rules(), only, &mut rand::rng());
        if !new.is_empty() {
            tx.execute_batch(agent_bindings::DHCP.insert(&new)).await?;
            tx.commit().await?;
        }
        for binding in &new {
            tracing::debug!(
                network = binding.resource_id,
                agent = binding.agent_id,
                "a network was scheduled to a DHCP agent"
            );
        }
        Ok(Scheduled { hosting, new })
    }

    /// Tells agents of networks that were scheduled to them.
    async fn announce(&self, scheduled: &Scheduled) {
        for binding in &scheduled.new {
            let agent = scheduled.hosting.agents.iter().find(|a| a.id == binding.agent_id);
            if let Some(agent) = agent {
                self.network_added(&agent.host, &binding.resource_id).await;
            }
        }
    }

    async fn network_added(&self, host: &str, network: &str) {
        let payload = json!({ "network": { "id": network }, "priority": priority::NETWORK_CREATE });
        self.0.notifier.cast(host, methods::NETWORK_CREATE_END, payload).await;
    }

    /// The agents of a network that are told of its changes.
    fn told<'a>(&'a self, hosting: &'a Hosting, network: &'a str) -> Vec<&'a BoundAgent> {
        told(hosting, network, self.0.config.services_on_down_agents)
    }
}

/// What `networks` wish for; those that are gone wish for nothing.
async fn wishes(conn: &Conn, networks: &[&str]) -> ApiResult<Vec<Wish>> {
    let hints = dhcp_bindings::zone_hints(conn, networks).await?;
    let wish = |(network_id, hints): (String, String)| Wish {
        network_id,
        // Empty text is no hint.
        zones: serde_json::from_str(&hints).unwrap_or_default(),
    };
    Ok(hints.into_iter().map(wish).collect())
}
