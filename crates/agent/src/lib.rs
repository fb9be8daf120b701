//! What every agent shares: heartbeat, server API, notifications; for those with devices and
//! processes in namespaces, how to make and find them.
//!
//! - [`connect`] opens the bus and answers a [`ServerApi`] (typed calls) and the stream of
//!   [`Notification`]s;
//! - [`heartbeat`] reports the agent's state and turns "revived" into a resync.
//! - [`interface`] plugs the agents' own ports;
//! - [`external_process`] runs daemons that outlive the agent.
//!
//! Owns nothing that belongs to one role.

pub mod api;
pub mod config;
pub mod external_process;
pub mod heartbeat;
pub mod interface;
pub mod notification;
mod signals;

use std::sync::Arc;

use neutrino_rpc::{RpcClient, RpcError, transport::Subscription};
use tokio::sync::mpsc;

pub use api::{AgentStatus, ServerApi};
pub use config::{AgentConfig, ConfigError};
pub use heartbeat::Heartbeat;
pub use notification::{DhcpEvent, L3Event, Notification, ResyncReason};
pub use signals::Signals;

/// Notifications waiting for the agent's loop; further ones wait in the server's queue, where
/// they are merged.
const NOTIFICATIONS: usize = 256;

/// Opens the bus in the background. The first [`Notification`] is `Connected`, whenever the
/// server can be reached; until then calls fail with a retriable error. Fails only on an unusable
/// configuration.
///
/// The stream ends when the last [`ServerApi`] is dropped.
pub async fn connect(
    config: &AgentConfig,
) -> Result<(ServerApi, mpsc::Receiver<Notification>), RpcError> {
    let (sender, receiver) = mpsc::channel(NOTIFICATIONS);
    let handler = Arc::new(notification::Receiver::new(sender.clone()));
    let subscriptions = config
        .topics
        .iter()
        .map(|topic| Subscription {
            topic: topic.clone(),
            server: config.host.clone(),
            handler: Arc::clone(&handler) as Arc<dyn neutrino_rpc::Handler>,
        })
        .collect();
    let bus = config.bus.start(subscriptions)?;
    let client = RpcClient::new(bus.transport, config.timeouts);
    Ok((ServerApi::new(client, config, bus.connected, sender.downgrade()), receiver))
}

/// An error with what caused it, on one line.
#[must_use]
pub fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}
