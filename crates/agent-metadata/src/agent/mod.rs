//! The metadata agent: tells Nova which instance asks, and vouches for it with a signature.
//!
//! - [`config`]: settings, checked once;
//! - [`identify`]: which instance, from what the proxy and the server say;
//! - [`nova`]: the request to Nova and what its answer becomes;
//! - [`socket`]: the unix socket and what comes through it.
//!
//! Nothing is remembered between requests: an address that went to another instance is known at
//! once.

pub mod config;
pub mod identify;
mod insecure;
pub mod nova;
mod socket;

use std::{path::PathBuf, sync::Arc};

use neutrino_agent::{AgentConfig, Heartbeat, ServerApi, Signals};
use neutrino_conf::Conf;
use neutrino_rpc::RpcError;
use tokio::task::JoinHandle;

use config::{Config, SettingError};
use identify::PortDirectory;

/// Why the agent cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A setting.
    #[error(transparent)]
    Config(#[from] SettingError),
    /// How to reach the server.
    #[error("reading how to reach the server")]
    Server(#[from] neutrino_agent::ConfigError),
    /// The message bus.
    #[error("opening the message bus")]
    Bus(#[from] RpcError),
    /// The unix socket.
    #[error("listening on {path}")]
    Listen {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Signals.
    #[error("installing signal handlers")]
    Signals(#[source] std::io::Error),
}

/// Runs the agent until SIGTERM or SIGINT.
///
/// # Errors
/// It cannot start: a setting, or the socket.
pub async fn run(conf: Conf) -> Result<(), AgentError> {
    // No topics: nobody notifies a metadata agent.
    let bus = AgentConfig::from_conf(&conf, "neutron-metadata-agent", "metadata-agent", vec![])?;
    let config = Config::from_conf(&conf, bus.report_interval)?;
    let mut signals = Signals::install().map_err(AgentError::Signals)?;
    // The stream tells only of the connection; calls fail by themselves while there is none.
    let (api, _) = neutrino_agent::connect(&bus).await?;
    let running = start(config, api)?;
    signals.stop().await;
    tracing::info!("stopping");
    drop(running);
    Ok(())
}

/// A started agent; stops when dropped. The socket's file stays, for whoever starts next replaces
/// it.
pub struct Running(Vec<JoinHandle<()>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Starts the agent: listens, and reports to the server. Must be called within a tokio runtime.
///
/// # Errors
/// The socket cannot be listened on.
pub fn start(config: Config, api: ServerApi) -> Result<Running, AgentError> {
    let state = config.agent_state(api.host());
    let interval = config.report_interval;
    let mut running = serve(config, Arc::new(api.clone()))?;
    running.0.push(tokio::spawn(report(Heartbeat::spawn(api, state, interval))));
    Ok(running)
}

/// Keeps the heartbeat; only the first report the server took says that the agent has started.
async fn report(heartbeat: Heartbeat) {
    let mut last = heartbeat.last_status();
    if last.wait_for(Option::is_some).await.is_ok() {
        heartbeat.sync_done();
    }
    std::future::pending::<()>().await;
}

/// Serves the socket with `ports` for a server, and reports to nobody.
///
/// # Errors
/// As [`start`].
pub fn serve(config: Config, ports: Arc<dyn PortDirectory>) -> Result<Running, AgentError> {
    let listener = socket::listen(&config)
        .map_err(|source| AgentError::Listen { path: config.socket.clone(), source })?;
    tracing::info!(
        socket = %config.socket.display(),
        nova = %config.nova.host,
        port = config.nova.port,
        "metadata agent listens"
    );
    if config.nova.secret.is_empty() {
        tracing::warn!("metadata_proxy_shared_secret is empty: Nova cannot trust this agent");
    }
    let site = Arc::new(socket::Site { nova: config.nova, ports });
    Ok(Running(vec![tokio::spawn(socket::accept(listener, site))]))
}
