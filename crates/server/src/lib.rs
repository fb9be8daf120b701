//! The API server: HTTP, identity, controllers, RPC endpoints, periodic tasks.
//!
//! Owns everything between a socket and a plugin: routing, authentication, policy, the shapes of
//! requests, answers and errors. What a network, subnet or port *is* lives in `neutrino-ml2` and
//! `neutrino-services`.

pub mod app;
pub mod authorize;
pub mod config;
pub mod controllers;
pub mod http;
pub mod identity;
pub mod lease;
pub mod middleware;
pub mod nova;
pub mod parts;
pub mod periodic;
mod router;
pub mod rpc;
pub mod serve;
pub mod versions;

/// Why the server could not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An option cannot be used.
    #[error("configuration: {0}")]
    Config(String),
    /// The identity file or `[keystone_authtoken]` cannot be used.
    #[error("setting up authentication")]
    Identity(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The policy rules cannot be used.
    #[error("loading the policy")]
    Policy(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database cannot be used.
    #[error("opening the database")]
    Database(#[from] neutrino_db::DbError),
    /// The ML2 plugin cannot be built.
    #[error("building the ML2 plugin")]
    Ml2(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An address cannot be listened on.
    #[error("listening on {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The message bus cannot be opened.
    #[error("opening the message bus to agents")]
    Rpc(#[source] neutrino_rpc::RpcError),
    /// SIGTERM cannot be waited for.
    #[error("installing signal handlers")]
    Signals(#[source] std::io::Error),
}

/// Runs a server without API until SIGTERM or SIGINT.
///
/// # Errors
/// [`ServerError`] when a part cannot be built.
pub async fn run_worker(conf: neutrino_conf::Conf, duty: app::Duty) -> Result<(), ServerError> {
    let worker = app::Worker::start(&conf, duty).await?;
    tracing::info!(?duty, "at work, without API");
    serve::shutdown_signal().await.map_err(ServerError::Signals)?;
    tracing::info!("stopping");
    worker.stop().await;
    Ok(())
}

/// Runs the server until SIGTERM or SIGINT. Whatever comes through `reloads` is a configuration
/// to go on with, as far as it can change while the server runs.
///
/// # Errors
/// [`ServerError`] when a part cannot be built or an address cannot be bound.
pub async fn run(
    conf: neutrino_conf::Conf,
    mut reloads: tokio::sync::mpsc::Receiver<neutrino_conf::Conf>,
) -> Result<(), ServerError> {
    if let Err(error) = serve::raise_descriptor_limit() {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let server = app::Server::start(&conf).await?;
    tracing::info!(address = %server.api.address, "network API listens");
    let mut told = std::pin::pin!(serve::shutdown_signal());
    loop {
        // Both are cancel-safe: the signal is polled in place, and so is `recv` documented.
        tokio::select! {
            told = told.as_mut() => break told.map_err(ServerError::Signals)?,
            Some(conf) = reloads.recv() => match server.reload(&conf) {
                Ok(()) => tracing::info!("policy and limits of the API are read again"),
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "policy and limits of the API stay as they were"
                ),
            },
        }
    }
    tracing::info!("stopping");
    server.stop().await;
    Ok(())
}
