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
pub mod middleware;
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
    /// The identity file cannot be used.
    #[error("setting up the built-in identity service")]
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

/// Runs the server until SIGTERM or SIGINT.
///
/// # Errors
/// [`ServerError`] when a part cannot be built or an address cannot be bound.
pub async fn run(conf: neutrino_conf::Conf) -> Result<(), ServerError> {
    if let Err(error) = serve::raise_descriptor_limit() {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let server = app::Server::start(&conf).await?;
    tracing::info!(address = %server.api.address, "network API listens");
    serve::shutdown_signal().await.map_err(ServerError::Signals)?;
    tracing::info!("stopping");
    server.stop().await;
    Ok(())
}
