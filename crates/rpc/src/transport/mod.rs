//! The seam between RPC and a bus, in Neutron's terms: topic, server, fanout.
//!
//! [`embedded`] is the bus that lives in the server process, [`amqp`] the one over RabbitMQ:
//! `call` and `cast` publish to exchange `neutron` (or `<topic>_fanout`), `listen` declares the
//! three queues `topic`, `topic.server` and `topic_fanout`. [`bus`] chooses.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::Value;

use crate::{
    envelope::Request,
    error::{Failure, RpcError},
    topics,
};

pub mod amqp;
mod attempt;
pub mod bus;
pub mod embedded;
mod stream;

/// What a handler answers to a call; ignored for casts.
pub type Answer = Result<Value, Failure>;

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Topic.
    pub topic: String,
    /// One server (host) of the topic.
    pub server: Option<String>,
    /// Every consumer of the topic.
    pub fanout: bool,
}

impl Target {
    /// One consumer of `topic`, any of them.
    #[must_use]
    pub fn topic(topic: impl Into<String>) -> Self {
        Self { topic: topic.into(), server: None, fanout: false }
    }

    /// The consumer of `topic` on `server`.
    #[must_use]
    pub fn server(topic: impl Into<String>, server: impl Into<String>) -> Self {
        Self { topic: topic.into(), server: Some(server.into()), fanout: false }
    }

    /// Every consumer of `topic`.
    #[must_use]
    pub fn fanout(topic: impl Into<String>) -> Self {
        Self { topic: topic.into(), server: None, fanout: true }
    }

    /// The AMQP routing key, or the fanout exchange.
    #[must_use]
    pub fn routing_key(&self) -> String {
        match &self.server {
            _ if self.fanout => topics::fanout(&self.topic),
            Some(server) => topics::on_server(&self.topic, server),
            None => self.topic.clone(),
        }
    }
}

/// What a consumer learns about its bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusEvent {
    /// Connected and subscribed. Whatever was sent before is lost: read everything again.
    Connected,
    /// The connection is gone.
    Disconnected,
    /// Notifications were dropped because this consumer is slow: read everything again.
    Resync,
    /// Casts from here were dropped because the bus does not take them: whoever they were for
    /// must be told to read everything again.
    CastsLost,
}

/// Consumes what arrives for a subscription.
///
/// Casts of one connection are handled one after the other in the order they arrive; the next is
/// delivered when `handle` returns, which is how a slow consumer slows its queue down. Calls run
/// beside each other.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Runs `request`.
    async fn handle(&self, request: Request) -> Answer;

    /// Whether casts are handled one after the other. The casts of endpoints are as independent
    /// of each other as calls, and run beside each other.
    fn ordered(&self) -> bool {
        true
    }

    /// Tells about the bus, in order with the messages.
    async fn event(&self, event: BusEvent);
}

/// What to consume, and who consumes it.
#[derive(Clone)]
pub struct Subscription {
    /// Topic.
    pub topic: String,
    /// Server name, usually the host.
    pub server: String,
    /// Consumer.
    pub handler: Arc<dyn Handler>,
}

/// A bus.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends `request` to one consumer and waits up to `timeout` for its answer.
    async fn call(
        &self,
        target: &Target,
        request: Request,
        timeout: Duration,
    ) -> Result<Value, RpcError>;

    /// Sends `request` without waiting for anybody to run it. No consumer is no error.
    async fn cast(&self, target: &Target, request: Request) -> Result<(), RpcError>;

    /// Consumes `topic`, `topic.server` and the fanout of `topic`.
    async fn listen(
        &self,
        topic: &str,
        server: &str,
        handler: Arc<dyn Handler>,
    ) -> Result<(), RpcError>;
}
