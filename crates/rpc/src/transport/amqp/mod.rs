//! RabbitMQ, as oslo.messaging 18 (and Newton's 5.10, where it differs) uses it.
//!
//! ```text
//!  call, cast --> outbox --publisher--> send connection ==> exchange `neutron`, `<topic>_fanout`
//!  handlers <-- inbox (one per handler) <--pump-- listen connection <== T, T.H, T_fanout_<id>
//!      +--- reply --> reply channels --> send connection ==> reply_<id> of the caller
//!  call <-- waiters <--pump-- listen connection <== our reply_<id>
//! ```
//!
//! - [`url`], [`config`]: `transport_url` and `[oslo_messaging_rabbit]`;
//! - [`topology`], [`hosts`], [`outbox`], [`waiters`]: names and arguments, failover, what waits; pure;
//! - `connect`, `declare`, `session`, `publisher`, `replies`, `inbox`: the same with I/O.
//!
//! Two connections, as a broker that is out of memory stops reading from those that publish: what
//! it still has keeps coming in. Both begin and end together, and all queues keep their names.
//! Requests are acknowledged before they run; messages are kept until the broker has confirmed
//! them, and sent again otherwise. Receivers tell repetitions by `_unique_id`; they remember 16
//! of them, so no more are unconfirmed at a time.

pub mod config;
mod connect;
mod declare;
pub mod hosts;
mod inbox;
pub mod outbox;
mod publisher;
mod replies;
mod runtime;
mod session;
mod tls;
pub mod topology;
pub mod url;
pub mod waiters;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;
use tokio::{
    sync::{Notify, oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};

pub use config::{Config, Limits};

use self::{
    inbox::Inbox,
    outbox::{Call, Message, Outbox},
    publisher::Link,
    replies::Obsolete,
    waiters::{Outcome, Waiters},
};
use crate::{
    envelope::{CallHeader, Request, hex_id},
    error::RpcError,
    transport::{
        BusEvent, Handler, Subscription, Target, Transport,
        attempt::{Attempts, Finally},
    },
};

/// What one subscription consumes.
struct Consumed {
    topic: String,
    server: String,
    /// Suffix of the fanout queue, the same over reconnects.
    suffix: String,
    inbox: Arc<Inbox>,
    /// Where to go on in a stream.
    offset: Mutex<Option<i64>>,
    /// Told when consumption has begun.
    begun: Mutex<Option<oneshot::Sender<()>>>,
}

impl Consumed {
    fn offset(&self) -> MutexGuard<'_, Option<i64>> {
        // No code panics while holding it, nor the next one.
        self.offset.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begun(&self) -> Option<oneshot::Sender<()>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[derive(Default)]
struct State {
    /// Whether calls can be made.
    online: bool,
    waiters: Waiters,
    consumed: Vec<Arc<Consumed>>,
    inboxes: Vec<Arc<Inbox>>,
    tasks: Vec<JoinHandle<()>>,
}

struct Shared {
    config: Config,
    reply_queue: String,
    state: Mutex<State>,
    outbox: Mutex<Outbox>,
    /// Something waits in the outbox.
    queued: Notify,
    /// A subscription was added.
    subscribed: Notify,
    link: watch::Sender<Option<Arc<Link>>>,
    attempts: Attempts,
    obsolete: Mutex<Obsolete>,
    stop: watch::Sender<bool>,
}

/// A process's place on RabbitMQ. Reconnects until dropped.
pub struct AmqpClient {
    shared: Arc<Shared>,
}

impl Drop for AmqpClient {
    fn drop(&mut self) {
        // The session says goodbye to the broker by itself, as long as there is a runtime.
        self.shared.stop.send_replace(true);
        for task in self.shared.state().tasks.drain(..) {
            task.abort();
        }
    }
}

impl AmqpClient {
    /// Starts connecting in the background, consuming `subscriptions` from the first connection
    /// on.
    #[must_use]
    pub fn start(config: Config, subscriptions: Vec<Subscription>) -> Arc<Self> {
        let shared = Arc::new(Shared {
            reply_queue: format!("reply_{}", config.naming.suffix()),
            state: Mutex::default(),
            outbox: Mutex::new(Outbox::new(config.limits)),
            queued: Notify::new(),
            subscribed: Notify::new(),
            link: watch::Sender::new(None),
            attempts: Attempts::default(),
            obsolete: Mutex::default(),
            stop: watch::Sender::new(false),
            config,
        });
        for subscription in subscriptions {
            shared.add(subscription);
        }
        tokio::spawn(Arc::clone(&shared).keep_connected());
        Arc::new(Self { shared })
    }

    /// Whether the broker is connected and everything subscribed, to be watched.
    #[must_use]
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.shared.attempts.watch()
    }

    /// Connection attempts so far.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.shared.attempts.count()
    }

    /// Messages that wait to be published or confirmed, and bytes of them.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        self.shared.outbox().waiting()
    }

    /// Stops consuming, deletes the queues only this process reads, and closes the connections.
    pub async fn close(&self) {
        self.shared.stop.send_replace(true);
        // The session drops its receiver as its last act.
        self.shared.stop.closed().await;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while holding it; its state is consistent between statements anyway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        // As above.
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a subscription; the answer is told when its consumption has begun.
    fn add(self: &Arc<Self>, subscription: Subscription) -> oneshot::Receiver<()> {
        let (begun, told) = oneshot::channel();
        let mut state = self.state();
        let known = state.inboxes.iter().find(|i| i.serves(&subscription.handler)).cloned();
        let inbox = known.unwrap_or_else(|| {
            let inbox = Arc::new(Inbox::new(subscription.handler, self.config.workers));
            state.inboxes.push(Arc::clone(&inbox));
            state.tasks.push(tokio::spawn(Arc::clone(&inbox).run(Arc::clone(self))));
            inbox
        });
        state.consumed.push(Arc::new(Consumed {
            topic: subscription.topic,
            server: subscription.server,
            suffix: self.config.naming.suffix(),
            inbox,
            offset: Mutex::new(None),
            begun: Mutex::new(Some(begun)),
        }));
        drop(state);
        self.subscribed.notify_one();
        told
    }

    fn push_event(&self, event: BusEvent) {
        let inboxes = self.state().inboxes.clone();
        for inbox in inboxes {
            inbox.event(event);
        }
    }

    /// Queues a message for the publisher.
    fn publish(
        &self,
        target: &Target,
        request: &Request,
        call: Option<Call>,
    ) -> Result<(), RpcError> {
        let shape = &self.config.shape;
        let (exchange, key) = if target.fanout {
            (shape.fanout_exchange(&target.topic), String::new())
        } else {
            (shape.topic_exchange(), target.routing_key())
        };
        let method = || request.method.clone();
        let body = request.encode();
        let limit = self.config.limits.bytes;
        if body.len() > limit {
            return Err(RpcError::TooLarge { method: method(), size: body.len(), limit });
        }
        match self.outbox().push(Message { exchange, key, body, call }) {
            Ok(()) => self.queued.notify_one(),
            Err(full) => {
                if full.first {
                    tracing::error!(
                        method = request.method,
                        "the broker takes no messages and too many wait: dropping notifications"
                    );
                }
                return Err(RpcError::Overloaded { topic: target.routing_key(), method: method() });
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Transport for AmqpClient {
    /// While disconnected it fails at once; a call in flight fails when the connection is lost.
    async fn call(
        &self,
        target: &Target,
        mut request: Request,
        patience: Duration,
    ) -> Result<Value, RpcError> {
        let (topic, method) = (target.routing_key(), request.method.clone());
        let msg_id = hex_id();
        request.call = Some(CallHeader {
            msg_id: msg_id.clone(),
            reply_q: self.shared.reply_queue.clone(),
            monitor: None,
        });
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.shared.state();
            if !state.online {
                return Err(RpcError::Disconnected { topic, method });
            }
            state.waiters.add(&msg_id, answer);
        }
        let waiting = msg_id.clone();
        let _slot = Finally(|| {
            self.shared.state().waiters.remove(&waiting);
        });
        let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        let deadline = Instant::now() + patience;
        self.shared.publish(target, &request, Some(Call { msg_id, patience_ms, deadline }))?;
        match timeout(patience, answered).await {
            Err(_) => Err(RpcError::Timeout { topic, method, timeout_ms: patience_ms }),
            Ok(Err(_)) => Err(RpcError::Disconnected { topic, method }),
            Ok(Ok(Outcome::NoConsumer)) => Err(RpcError::NoConsumer { topic, method }),
            Ok(Ok(Outcome::Answer(result))) => result.map_err(RpcError::Remote),
        }
    }

    /// Queues the message, also while disconnected; never waits. Fails when too many wait.
    async fn cast(&self, target: &Target, request: Request) -> Result<(), RpcError> {
        self.shared.publish(target, &request, None)
    }

    /// Takes effect at once when connected, else with the next connection.
    async fn listen(
        &self,
        topic: &str,
        server: &str,
        handler: Arc<dyn Handler>,
    ) -> Result<(), RpcError> {
        let subscription = Subscription { topic: topic.into(), server: server.into(), handler };
        let begun = self.shared.add(subscription);
        if self.shared.state().online {
            // When the connection ends meanwhile, the next one begins.
            let mut connected = self.connected();
            tokio::select! {
                _ = begun => {}
                _ = connected.wait_for(|connected| !*connected) => {}
            }
        }
        Ok(())
    }
}
