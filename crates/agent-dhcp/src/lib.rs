//! The DHCP agent: one dnsmasq per network, in a namespace of its own.
//!
//! - [`config`]: settings, checked once;
//! - [`state`]: which networks there are and which wants to be looked at, a plain value;
//! - [`observe`]: what the host has of a network;
//! - [`plan`]: what its dnsmasq is to become; texts come from the data plane crate;
//! - [`apply`] and [`network`]: making it so;
//! - [`rpc`], [`ready`] and [`status`]: what the server says, is asked and is told;
//! - [`reconcile`]: the loop around all of it.
//!
//! dnsmasq is nobody's child: it serves on when the agent stops or the server is lost, and the next
//! agent finds it. Nothing is removed before the server was heard completely.

pub mod apply;
pub mod config;
pub mod network;
pub mod observe;
pub mod plan;
pub mod ready;
pub mod reconcile;
pub mod rpc;
pub mod state;
pub mod status;

use std::{process::Command, sync::Arc, time::Duration};

use neutrino_agent::{AgentConfig, Heartbeat, ServerApi, Signals, interface::Interfaces};
use neutrino_agent_metadata::proxy::MetadataProxy;
use neutrino_conf::Conf;
use neutrino_linux::process;
use neutrino_ovsdb::{ClientOptions, OvsdbClient, OvsdbError};
use neutrino_rpc::{RpcError, shapes::AgentState};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use crate::{
    apply::ApplyError,
    config::{Config, ConfigError},
    network::{Proxies, Worker},
    reconcile::{Agent, Parts},
    rpc::DhcpApi,
    state::{Pace, State},
    status::Progress,
};

/// How many times `ovsdb_timeout` Open vSwitch's database may take to come up at start.
const OVSDB_START_ATTEMPTS: u32 = 3;
/// The first dnsmasq that knows tags in its hosts file.
const HOST_TAG_SINCE: (u32, u32) = (2, 81);

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
    /// dnsmasq.
    #[error("asking dnsmasq for its version; is it installed (Debian: dnsmasq-base)?")]
    Dnsmasq(#[source] neutrino_linux::Error),
    /// The directory of the networks' files.
    #[error(transparent)]
    Confs(#[from] ApplyError),
    /// The directory of the networks' files.
    #[error("reading dhcp_confs")]
    ReadConfs(#[source] std::io::Error),
    /// Signals.
    #[error("installing signal handlers")]
    Signals(#[source] std::io::Error),
}

/// Runs the agent until SIGTERM or SIGINT. Networks are served on then.
///
/// # Errors
/// It cannot start: a setting, no dnsmasq, or Open vSwitch not running.
pub async fn run(conf: Conf) -> Result<(), AgentError> {
    let mut signals = Signals::install().map_err(AgentError::Signals)?;
    let mut running = start_from_conf(&conf).await?;
    tokio::select! {
        () = running.finished() => return Ok(()),
        () = signals.stop() => {}
    }
    tracing::info!("stopping, networks are served on");
    running.stop().await;
    Ok(())
}

/// Starts the agent as configured.
///
/// # Errors
/// As [`run`].
pub async fn start_from_conf(conf: &Conf) -> Result<Running, AgentError> {
    let rpc_config = AgentConfig::dhcp_from_conf(conf)?;
    let config = Config::from_conf(&rpc_config.host, conf)?;
    start(config, &rpc_config).await
}

/// A started agent; stops when dropped.
pub struct Running {
    tasks: [JoinHandle<()>; 3],
    progress: watch::Receiver<Progress>,
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
        for task in &mut self.tasks {
            task.abort();
            // Being cancelled is what was asked for.
            let _ = task.await;
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
pub async fn start(mut config: Config, rpc_config: &AgentConfig) -> Result<Running, AgentError> {
    let version = process::run(Command::new("dnsmasq").arg("--version"));
    config.settings.host_tag = knows_host_tags(&version.map_err(AgentError::Dnsmasq)?);
    apply::ensure_dir(&config.confs)?;
    let local = observe::networks(&config.confs).map_err(AgentError::ReadConfs)?;
    let options =
        ClientOptions { request_timeout: config.ovsdb_timeout, ..ClientOptions::default() };
    let wait = config.ovsdb_timeout * OVSDB_START_ATTEMPTS;
    let ovsdb = OvsdbClient::connect(&config.ovsdb_connection, options, wait).await?;
    let (api, notifications) = neutrino_agent::connect(rpc_config).await?;
    tracing::info!(host = config.host, networks = local.len(), "agent started");

    let pace = Pace {
        sync_jobs: config.num_sync_threads,
        resync_interval: config.resync_interval,
        resync_throttle: config.resync_throttle,
        bulk_reload_interval: config.bulk_reload_interval,
    };
    let interfaces = Interfaces {
        ovsdb,
        bridge: config.integration_bridge.clone(),
        veth: config.use_veth,
        netdev: config.netdev,
    };
    let state = status::agent_state(&config);
    let interval = config.report_interval;
    let (died, deaths) = mpsc::unbounded_channel();
    let worker = Worker {
        proxy: MetadataProxy::new(config.metadata.clone()),
        config: Arc::new(config),
        api: DhcpApi::new(api.clone()),
        interfaces,
        counters: Arc::default(),
        proxies: Proxies::default(),
        deaths: died,
    };
    let (ready, ports) = mpsc::unbounded_channel();
    let reporter = ready::report(worker.api.clone(), ports);
    let agent = Agent::new(Parts { worker, notifications, ready, deaths }, State::new(pace, local));
    let progress = agent.progress();
    let heartbeat = heartbeat(api, state, interval, progress.clone());
    let tasks = [tokio::spawn(agent.run()), tokio::spawn(reporter), tokio::spawn(heartbeat)];
    Ok(Running { tasks, progress })
}

/// Whether the dnsmasq that printed this version knows tags in its hosts file.
fn knows_host_tags(version: &str) -> bool {
    let mut words = version.split_whitespace().skip_while(|word| *word != "version");
    let Some(number) = words.nth(1) else { return false };
    let mut parts = number.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) >= HOST_TAG_SINCE,
        _ => false,
    }
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
        // The end of the start is news; the number of networks can wait its turn.
        if started {
            heartbeat.report_now();
        }
        if progress.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_tags_came_with_2_81() {
        assert!(knows_host_tags("Dnsmasq version 2.90  Copyright (c) 2000-2024 Simon Kelley\n"));
        assert!(knows_host_tags("Dnsmasq version 2.81test1 Copyright\n"));
        assert!(!knows_host_tags("Dnsmasq version 2.80  Copyright\n"));
        assert!(!knows_host_tags("something else"));
    }
}
