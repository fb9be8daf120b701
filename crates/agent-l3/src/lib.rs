//! The L3 agent: routers in namespaces, centralised and distributed.
//!
//! - [`config`]: settings, checked once;
//! - [`state`]: which routers there are and which wants to be looked at, a plain value;
//! - [`observe`]: what the host has;
//! - [`plan`]: what a namespace is to become; what is in it comes from the data plane crate;
//! - [`apply`], [`radvd`], [`metadata`] and [`announce`]: making it so; [`work`] does all of it for
//!   one router;
//! - [`rpc`], [`sync`], [`neighbours`], [`floating_ips`] and [`status`]: what the server says, is
//!   asked and is told;
//! - [`hosted`]: what the host chooses by itself;
//! - [`reconcile`]: the loop around all of it.
//!
//! Routers forward on when the agent stops or the server is lost, and the next agent finds them.
//! Nothing is removed before the server was heard completely; what is right is not touched.

pub mod announce;
pub mod apply;
pub mod config;
pub mod floating_ips;
pub mod hosted;
pub mod metadata;
pub mod neighbours;
pub mod observe;
pub mod plan;
pub mod radvd;
pub mod reconcile;
pub mod rpc;
pub mod state;
pub mod status;
pub mod sync;
pub mod work;

use std::{sync::Arc, time::Duration};

use neutrino_agent::{AgentConfig, Heartbeat, ServerApi, Signals, interface::Interfaces};
use neutrino_conf::Conf;
use neutrino_ovsdb::{ClientOptions, OvsdbClient, OvsdbError};
use neutrino_rpc::{RpcError, shapes::AgentState};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    config::{Config, ConfigError},
    hosted::Hosted,
    metadata::Proxies,
    observe::ObserveError,
    reconcile::{Agent, Parts},
    rpc::L3Api,
    state::{Goal, Job, Outcome, State},
    status::Progress,
    work::Worker,
};

/// How many times `ovsdb_timeout` Open vSwitch's database may take to come up at start.
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
    /// The database.
    #[error("opening Open vSwitch's database")]
    Ovsdb(#[from] OvsdbError),
    /// The host.
    #[error("looking for routers on the host")]
    Host(#[from] ObserveError),
    /// What was chosen before.
    #[error("reading state_path")]
    State(#[source] std::io::Error),
    /// Signals.
    #[error("installing signal handlers")]
    Signals(#[source] std::io::Error),
}

/// Runs the agent until SIGTERM or SIGINT. Routers forward on then, unless `cleanup_on_shutdown`
/// says otherwise.
///
/// # Errors
/// It cannot start: a setting, or Open vSwitch not running.
pub async fn run(conf: Conf) -> Result<(), AgentError> {
    let mut signals = Signals::install().map_err(AgentError::Signals)?;
    let mut running = start_from_conf(&conf).await?;
    tokio::select! {
        () = running.finished() => return Ok(()),
        () = signals.stop() => {}
    }
    if running.worker.config.cleanup_on_shutdown {
        tracing::warn!("stopping and taking all routers off the host, as cleanup_on_shutdown says");
        running.stop_and_clean_up().await;
    } else {
        tracing::info!("stopping, routers forward on");
        running.stop().await;
    }
    Ok(())
}

/// Starts the agent as configured.
///
/// # Errors
/// As [`run`].
pub async fn start_from_conf(conf: &Conf) -> Result<Running, AgentError> {
    let rpc_config = AgentConfig::l3_from_conf(conf)?;
    let config = Config::from_conf(&rpc_config.host, conf)?;
    start(config, &rpc_config).await
}

/// A started agent; stops when dropped.
pub struct Running {
    tasks: [JoinHandle<()>; 2],
    progress: watch::Receiver<Progress>,
    worker: Worker,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
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
        self.end().await;
    }

    async fn end(&mut self) {
        for task in &mut self.tasks {
            task.abort();
            // Being cancelled is what was asked for.
            let _ = task.await;
        }
    }

    /// Stops the agent and takes all that it made off the host.
    pub async fn stop_and_clean_up(mut self) {
        self.end().await;
        let sites: Vec<_> = self.worker.made().keys().cloned().collect();
        for site in sites {
            let job = Job { site, goal: Goal::Remove };
            if let Outcome::Failed(error) = self.worker.run(job).await {
                tracing::error!(error, "could not be taken off the host");
            }
        }
    }

    /// Returns when the agent has ended by itself.
    pub async fn finished(&mut self) {
        // A panic was already printed; either way the agent is over.
        let _ = (&mut self.tasks[0]).await;
    }
}

/// Starts the agent: connects to Open vSwitch, opens the bus.
///
/// # Errors
/// As [`run`].
pub async fn start(config: Config, rpc_config: &AgentConfig) -> Result<Running, AgentError> {
    let hosted = Hosted::open(&config.state_path).map_err(AgentError::State)?;
    let local = observe::sites()?;
    let options =
        ClientOptions { request_timeout: config.ovsdb_timeout, ..ClientOptions::default() };
    let wait = config.ovsdb_timeout * OVSDB_START_ATTEMPTS;
    let ovsdb = OvsdbClient::connect(&config.ovsdb_connection, options, wait).await?;
    let (api, notifications) = neutrino_agent::connect(rpc_config).await?;
    tracing::info!(host = config.host, sites = local.len(), "agent started");

    let interfaces = Interfaces {
        ovsdb,
        bridge: config.integration_bridge.clone(),
        veth: config.use_veth,
        netdev: config.netdev,
    };
    let reported = status::agent_state(&config);
    let interval = config.report_interval;
    let state = State::new(config.settings.clone(), local);
    let config = Arc::new(config);
    let worker = Worker {
        proxies: Proxies::new(&config),
        config,
        api: L3Api::new(api.clone()),
        interfaces,
        hosted,
        counters: Arc::default(),
        made: Arc::default(),
    };
    let agent = Agent::new(Parts { worker: worker.clone(), notifications }, state);
    let progress = agent.progress();
    let heartbeat = heartbeat(api, reported, interval, progress.clone());
    let tasks = [tokio::spawn(agent.run()), tokio::spawn(heartbeat)];
    Ok(Running { tasks, progress, worker })
}

/// Reports the agent's state, and keeps what is reported up to date.
async fn heartbeat(
    api: ServerApi,
    mut state: AgentState,
    interval: Duration,
    mut progress: watch::Receiver<Progress>,
) {
    let heartbeat = Heartbeat::spawn(api, state.clone(), interval);
    loop {
        let seen = *progress.borrow_and_update();
        let started = state.start_flag && seen.started;
        status::refresh(&mut state, &seen);
        heartbeat.update(|reported| *reported = state.clone());
        // The end of the start is news; the number of routers can wait its turn.
        if started {
            heartbeat.report_now();
        }
        if progress.changed().await.is_err() {
            return;
        }
    }
}
