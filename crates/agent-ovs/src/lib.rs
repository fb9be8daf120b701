//! The Open vSwitch agent: wires the ports plugged into br-int as the server says.
//!
//! - [`config`]: settings, checked once;
//! - [`observe`]: Open vSwitch's database in the agent's terms;
//! - [`state`] with [`ports`], [`local_vlans`], [`fdb`], [`security_groups`] and [`dvr`]: what the
//!   agent remembers, plain values;
//! - [`plan`]: what the database should hold; the flows come from the data plane crate;
//! - [`apply`] and [`flows`]: writing the difference, confirmed by the switch;
//! - [`iptables`] and [`connections`]: the packet filter of hybrid ports, and connections to cut;
//! - [`rpc`] and [`status`]: what the server says, is asked and is told;
//! - [`reconcile`]: the loop around all of it.
//!
//! Nothing on the host changes because the server is lost or the agent stops, and nothing is
//! removed before the server was heard completely.

pub mod apply;
pub mod config;
pub mod connections;
pub mod dvr;
pub mod fdb;
pub mod flows;
pub mod iptables;
pub mod local_vlans;
pub mod observe;
pub mod plan;
pub mod ports;
pub mod reconcile;
pub mod rpc;
pub mod security_groups;
pub mod state;
pub mod status;
pub mod unixctl;

use std::time::Duration;

use neutrino_agent::{AgentConfig, Heartbeat, Notification, ServerApi, Signals};
use neutrino_conf::{Conf, opts};
use neutrino_ofconn::{OfController, OfError, Timing};
use neutrino_ovsdb::{ClientOptions, OvsdbClient, OvsdbError, Replica};
use neutrino_rpc::{RpcError, objects::catalog::ADDRESS_GROUP, shapes::AgentState, topics};
use tokio::sync::{mpsc, watch};

use crate::{
    config::{Config, ConfigError},
    dvr::Dvr,
    reconcile::{Agent, Parts},
    rpc::Caller,
    status::Progress,
};

/// How long Open vSwitch's database may take to come up at start (Neutron: three times
/// `ovsdb_timeout`).
const OVSDB_START_ATTEMPTS: u32 = 3;

/// Why the agent cannot start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// How to reach the server.
    #[error("reading how to reach the server")]
    Server(#[from] neutrino_agent::config::ConfigError),
    /// The message bus.
    #[error("opening the message bus")]
    Bus(#[from] RpcError),
    /// Distributed routing.
    #[error("asking the server for the MAC of this host's distributed routers")]
    DvrMac(#[source] RpcError),
    /// The database.
    #[error("opening Open vSwitch's database")]
    Ovsdb(#[from] OvsdbError),
    /// The OpenFlow port.
    #[error("listening for Open vSwitch on {address}")]
    Listen {
        /// Address and port.
        address: String,
        /// Why.
        #[source]
        source: OfError,
    },
    /// A bridge of `bridge_mappings` is missing.
    #[error(
        "bridge {bridge} of physical network {network} does not exist; make it (ovs-vsctl add-br \
         {bridge}) or correct [ovs] bridge_mappings"
    )]
    NoPhysicalBridge {
        /// Bridge.
        bridge: String,
        /// Physical network.
        network: String,
    },
    /// Signals.
    #[error("installing signal handlers")]
    Signals(#[source] std::io::Error),
}

/// Runs the agent until SIGTERM or SIGINT. The host stays as it is then.
///
/// # Errors
/// It cannot start: a setting, a missing bridge, or Open vSwitch not running.
pub async fn run(conf: Conf) -> Result<(), AgentError> {
    let rpc_config = AgentConfig::ovs_from_conf(&conf)?;
    let config = Config::from_conf(&rpc_config.host, &conf)?;
    config.check_host()?;
    let timeout = u64::try_from(conf.get(&opts::ovs::OVSDB_TIMEOUT)).unwrap_or(10).max(1);
    let mut signals = Signals::install().map_err(AgentError::Signals)?;
    let starting = start(config, &rpc_config, Duration::from_secs(timeout));
    let mut running = tokio::select! {
        // The host is as it was until the agent is started.
        () = signals.stop() => return Ok(()),
        started = starting => started?,
    };
    tokio::select! {
        () = running.finished() => return Ok(()),
        () = signals.stop() => {}
    }
    tracing::info!("stopping, the host stays as it is");
    running.stop().await;
    Ok(())
}

/// A started agent; stops when dropped.
pub struct Running {
    agent: tokio::task::JoinHandle<()>,
    reporter: tokio::task::JoinHandle<()>,
    progress: watch::Receiver<Progress>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.agent.abort();
        self.reporter.abort();
    }
}

impl Running {
    /// The agent's progress, to be watched.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Stops the agent and waits until it let go of its connections.
    pub async fn stop(mut self) {
        self.agent.abort();
        self.reporter.abort();
        // Being cancelled is what was asked for.
        let _ = (&mut self.agent).await;
        let _ = (&mut self.reporter).await;
    }

    async fn finished(&mut self) {
        // A panic was already printed; either way the agent is over.
        let _ = (&mut self.agent).await;
    }
}

/// Starts the agent: connects to Open vSwitch, checks the bridges, opens the bus. An agent of
/// distributed routing waits for the server.
///
/// # Errors
/// As [`run`].
pub async fn start(
    config: Config,
    rpc_config: &AgentConfig,
    ovsdb_timeout: Duration,
) -> Result<Running, AgentError> {
    let timing = Timing {
        request: config.of_request_timeout,
        probe: Duration::from_secs(config.of_inactivity_probe_secs.max(1)),
        ..Timing::default()
    };
    let controller = OfController::listen_with(&config.of_listen, timing)
        .await
        .map_err(|source| AgentError::Listen { address: config.of_listen.clone(), source })?;
    let options = ClientOptions { request_timeout: ovsdb_timeout, ..ClientOptions::default() };
    let wait = ovsdb_timeout * OVSDB_START_ATTEMPTS;
    let ovsdb = OvsdbClient::connect(&config.ovsdb_connection, options, wait).await?;
    check_physical_bridges(&config, &ovsdb.replica())?;
    let mut rpc_config = rpc_config.clone();
    if config.security_groups() {
        rpc_config.topics.push(topics::SECURITY_GROUP_UPDATE.to_string());
        // Our server says of addresses on the topic above; Neutron's pushes the object only.
        rpc_config.topics.push(ADDRESS_GROUP.topic(ADDRESS_GROUP.version));
    }
    if config.distributed {
        rpc_config.topics.push(topics::DVR_UPDATE.to_string());
    }
    let (api, notifications) = neutrino_agent::connect(&rpc_config).await?;
    let dvr = if config.distributed {
        let mac = dvr::own_mac(&api, rpc_config.timeouts.initial).await;
        let mac = mac.map_err(AgentError::DvrMac)?;
        tracing::info!(%mac, "routers of this host are distributed");
        Some(Dvr::new(mac))
    } else {
        None
    };
    let hypervisor = hypervisor(&config.host);
    Ok(launch(config, dvr, &hypervisor, Connections { controller, ovsdb, api, notifications }))
}

struct Connections {
    controller: OfController,
    ovsdb: OvsdbClient,
    api: ServerApi,
    notifications: mpsc::Receiver<Notification>,
}

/// The system's host name, which is what hypervisors go by; `host` where it has none.
fn hypervisor(host: &str) -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Some(name.trim()).filter(|name| !name.is_empty()).unwrap_or(host).to_string()
}

fn launch(config: Config, dvr: Option<Dvr>, hypervisor: &str, connections: Connections) -> Running {
    let Connections { controller, ovsdb, api, notifications } = connections;
    let (caller, answers) = Caller::new(api.clone());
    let parts = Parts { ovsdb: ovsdb.clone(), controller, caller, answers, notifications };
    let state = status::agent_state(&config, hypervisor);
    let interval = config.report_interval;
    tracing::info!(host = config.host, "agent started");
    let agent = Agent::new(config, dvr, parts);
    let progress = agent.progress();
    let reporter = Reporter { api, ovsdb, state, interval, progress: progress.clone() };
    Running { agent: tokio::spawn(agent.run()), reporter: tokio::spawn(reporter.run()), progress }
}

/// Reports the agent's state, and keeps what is reported up to date.
struct Reporter {
    api: ServerApi,
    ovsdb: OvsdbClient,
    state: AgentState,
    interval: Duration,
    progress: watch::Receiver<Progress>,
}

impl Reporter {
    async fn run(mut self) {
        let mut heartbeat: Option<Heartbeat> = None;
        let mut known = None;
        loop {
            let progress = *self.progress.borrow_and_update();
            let reported = (progress.devices, progress.started);
            if known != Some(reported) {
                self.refresh(&progress);
                if let Some(heartbeat) = &heartbeat {
                    heartbeat.update(|state| *state = self.state.clone());
                    // The end of the start is news; the number of devices can wait its turn.
                    if known.is_some_and(|(_, started)| started != progress.started) {
                        heartbeat.report_now();
                    }
                }
                known = Some(reported);
            }
            // A host whose switch is down must not look alive to the scheduler.
            if progress.ovs_down && heartbeat.take().is_some() {
                tracing::error!("Open vSwitch is down, not reporting state to the server");
            }
            if !progress.ovs_down && heartbeat.is_none() {
                let state = self.state.clone();
                heartbeat = Some(Heartbeat::spawn(self.api.clone(), state, self.interval));
            }
            if self.progress.changed().await.is_err() {
                return;
            }
        }
    }

    fn refresh(&mut self, progress: &Progress) {
        let replica = self.ovsdb.replica();
        let list = |column: &str| -> Vec<String> {
            replica.root_column(column).strings().map(str::to_string).collect()
        };
        let (datapaths, ifaces) = (list("datapath_types"), list("iface_types"));
        status::refresh(&mut self.state, progress, &datapaths, &ifaces);
    }
}

fn check_physical_bridges(config: &Config, replica: &Replica) -> Result<(), AgentError> {
    let seen = observe::bridges(replica, plan::bridge_names(config));
    match plan::missing_physical(config, &seen).first() {
        Some((network, bridge)) => Err(AgentError::NoPhysicalBridge {
            bridge: (*bridge).to_string(),
            network: (*network).to_string(),
        }),
        None => Ok(()),
    }
}
