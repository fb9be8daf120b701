//! The embedded bus: topics, queues and fanout exchanges inside the server process.
//!
//! ```text
//!  server process                                    agent process
//!  endpoints --listen--> Broker <--session--TCP/TLS--> BusClient <--listen-- agent
//!  notifier  --cast----> (routes)   outbox per agent    one connection, reconnects by itself
//! ```
//!
//! - [`protocol`]: frames (length-prefixed JSON) and the handshake's proofs; pure.
//! - [`outbox`]: what waits for one agent: bounded, coalescing, with an ack window; pure.
//! - [`broker`]: routing, and the [`Transport`](super::Transport) of the server process itself.
//! - [`session`]: one agent's connection as the server sees it; the listener.
//! - [`client`]: the agent's end.
//!
//! A notification is delivered at least once while its consumer stays connected. After a
//! reconnect, and after an overflow of a slow consumer's queue, the consumer gets an event that
//! says "read everything again" instead of what it missed. Agents are authenticated, and
//! authenticate the server, by a shared secret that never crosses the wire; without TLS the
//! frames themselves are neither encrypted nor signed.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio_rustls::rustls;

use crate::{
    error::RpcError,
    transport::stream::{provider, read_certs, read_key},
};

pub mod broker;
pub mod client;
pub mod outbox;
pub mod protocol;
pub mod session;

pub use broker::Broker;
pub use client::{BusClient, ClientConfig};
pub use session::{Listener, ServerConfig};

/// TCP port the server listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 9697;
/// Scheme of `transport_url`.
pub const SCHEME: &str = "embedded://";

/// Limits and clocks of both ends. The server's values rule: it tells the agent in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A peer sends something at least this often, and is dead after three times as long.
    pub heartbeat: Duration,
    /// Notifications sent to an agent and not yet acknowledged.
    pub window: usize,
    /// Notifications waiting for an agent before all are dropped for one resync.
    pub queue_len: usize,
    /// Bytes waiting for an agent before all are dropped for one resync.
    pub queue_bytes: usize,
    /// Requests of one agent running at a time; further ones wait in its socket.
    pub calls_in_flight: usize,
    /// Time a peer has to authenticate.
    pub handshake: Duration,
    /// Connections that have not authenticated yet; further ones are closed at once.
    pub unauthenticated: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(10),
            window: 64,
            queue_len: 1024,
            queue_bytes: 16 << 20,
            calls_in_flight: 64,
            handshake: Duration::from_secs(10),
            unauthenticated: 256,
        }
    }
}

/// Files of the server's TLS identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// PEM certificate chain.
    pub cert_file: PathBuf,
    /// PEM private key.
    pub key_file: PathBuf,
}

/// How an agent checks the server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// PEM certificates that may sign the server's.
    pub ca_file: PathBuf,
    /// Name in the server's certificate; the host of `transport_url` when absent.
    pub server_name: Option<String>,
}

pub(crate) fn tls_acceptor(tls: &ServerTls) -> Result<tokio_rustls::TlsAcceptor, RpcError> {
    let doing = || format!("using the private key in {}", tls.key_file.display());
    let config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| RpcError::setup("choosing TLS versions", e))?
        .with_no_client_auth()
        .with_single_cert(read_certs(&tls.cert_file)?, read_key(&tls.key_file)?)
        .map_err(|e| RpcError::setup(doing(), e))?;
    Ok(tokio_rustls::TlsAcceptor::from(Arc::new(config)))
}

pub(crate) fn tls_connector(tls: &ClientTls) -> Result<tokio_rustls::TlsConnector, RpcError> {
    let mut roots = rustls::RootCertStore::empty();
    for cert in read_certs(&tls.ca_file)? {
        roots.add(cert).map_err(|e| {
            RpcError::setup(format!("trusting the certificate in {}", tls.ca_file.display()), e)
        })?;
    }
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| RpcError::setup("choosing TLS versions", e))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(tokio_rustls::TlsConnector::from(Arc::new(config)))
}
