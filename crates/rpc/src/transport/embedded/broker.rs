//! Routing: topics, `topic.server` queues and fanout, between endpoints of the server process and
//! agents' sessions. Also the server process's own [`Transport`].
//!
//! Unlike a message broker it keeps no queue without a consumer: an agent that is away reads
//! everything again when it is back, so what it missed has no worth.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    outbox::{CallResult, Message, Pushed},
    protocol::NackReason,
    session::Session,
};
use crate::{
    envelope::{CallHeader, Request},
    error::{Failure, RpcError},
    methods, topics,
    transport::{BusEvent, Handler, Target, Transport},
};

#[derive(Clone)]
enum Consumer {
    Local(Arc<dyn Handler>),
    Remote(Arc<Session>),
}

struct Binding {
    topic: Arc<str>,
    consumer: Consumer,
}

#[derive(Default)]
struct Queue {
    bindings: Vec<Arc<Binding>>,
    next: usize,
}

#[derive(Default)]
struct Routes {
    /// Routing key (`topic`, `topic.server` or `topic_fanout`) to its consumers.
    queues: HashMap<String, Queue>,
    sessions: HashMap<u64, Arc<Session>>,
}

/// Counts of what the broker did, for status output and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BrokerStats {
    /// Agents connected.
    pub sessions: usize,
    /// Notifications replaced by newer ones while waiting.
    pub coalesced: u64,
    /// Queues dropped for a resync.
    pub overflows: u64,
}

/// The bus inside the server process. Shared by reference.
pub struct Broker {
    routes: Mutex<Routes>,
    next_session: AtomicU64,
    coalesced: AtomicU64,
    overflows: AtomicU64,
}

impl Default for Broker {
    fn default() -> Self {
        Self {
            routes: Mutex::default(),
            next_session: AtomicU64::new(1),
            coalesced: AtomicU64::new(0),
            overflows: AtomicU64::new(0),
        }
    }
}

impl Broker {
    /// An empty bus. [`super::Listener::bind`] opens it to agents.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// What happened so far.
    #[must_use]
    pub fn stats(&self) -> BrokerStats {
        BrokerStats {
            sessions: self.routes().sessions.len(),
            coalesced: self.coalesced.load(Ordering::Relaxed),
            overflows: self.overflows.load(Ordering::Relaxed),
        }
    }

    /// Names of the agents connected.
    #[must_use]
    pub fn clients(&self) -> Vec<String> {
        self.routes().sessions.values().map(|s| s.client().to_string()).collect()
    }

    pub(super) fn new_session_id(&self) -> u64 {
        self.next_session.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds a session, closing an older one of the same client: half-dead connections must not
    /// take messages meant for the living one.
    pub(super) fn add_session(&self, session: &Arc<Session>) {
        let mut routes = self.routes();
        let stale: Vec<_> = routes
            .sessions
            .values()
            .filter(|old| old.client() == session.client())
            .map(Arc::clone)
            .collect();
        for old in stale {
            remove_session(&mut routes, old.id());
            old.close("replaced by a newer connection");
        }
        routes.sessions.insert(session.id(), Arc::clone(session));
    }

    pub(super) fn remove_session(&self, id: u64) {
        remove_session(&mut self.routes(), id);
    }

    pub(super) fn subscribe(&self, session: &Arc<Session>, topic: &str, server: &str) {
        self.bind(topic, server, &Consumer::Remote(Arc::clone(session)));
    }

    /// Closes every agent's connection, e.g. when the server stops.
    pub fn close_sessions(&self, reason: &'static str) {
        let sessions: Vec<_> = self.routes().sessions.drain().map(|(_, s)| s).collect();
        let mut routes = self.routes();
        for session in sessions {
            remove_session(&mut routes, session.id());
            session.close(reason);
        }
    }

    fn bind(&self, topic: &str, server: &str, consumer: &Consumer) {
        let mut routes = self.routes();
        if let Consumer::Remote(session) = consumer
            && !routes.sessions.contains_key(&session.id())
        {
            // Removed while it subscribed: nothing would ever take the binding away again.
            return;
        }
        let keys = [topic.to_string(), topics::on_server(topic, server), topics::fanout(topic)];
        for key in keys {
            let binding = Binding { topic: topic.into(), consumer: consumer.clone() };
            routes.queues.entry(key).or_default().bindings.push(Arc::new(binding));
        }
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        // Nothing panics while holding the lock in a way that leaves the map inconsistent.
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next consumer of `key` in turn.
    fn one(&self, key: &str) -> Option<Arc<Binding>> {
        let mut routes = self.routes();
        let queue = routes.queues.get_mut(key)?;
        let binding = queue.bindings.get(queue.next % queue.bindings.len().max(1))?;
        let binding = Arc::clone(binding);
        queue.next = queue.next.wrapping_add(1);
        Some(binding)
    }

    fn all(&self, key: &str) -> Vec<Arc<Binding>> {
        self.routes().queues.get(key).map(|q| q.bindings.clone()).unwrap_or_default()
    }

    fn push(&self, session: &Session, message: Message) {
        match session.push(message) {
            Pushed::Queued => {}
            Pushed::Coalesced => {
                self.coalesced.fetch_add(1, Ordering::Relaxed);
            }
            Pushed::Overflowed(dropped) => {
                self.overflows.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(
                    client = session.client(),
                    dropped,
                    "slow agent: its notifications were dropped, it will resync"
                );
            }
        }
    }

    /// Delivers a cast; synchronous up to the consumers' queues. `permit` is held until handlers
    /// of this process are done, which bounds what one agent can have running.
    pub(super) fn publish(
        &self,
        target: &Target,
        request: Request,
        permit: Option<&Arc<OwnedSemaphorePermit>>,
    ) {
        let key = target.routing_key();
        let bindings =
            if target.fanout { self.all(&key) } else { self.one(&key).into_iter().collect() };
        if bindings.is_empty() {
            tracing::debug!(key, method = request.method, "cast without consumer dropped");
            return;
        }
        let mut body: Option<Arc<str>> = None;
        let coalesce: Option<Arc<str>> =
            methods::coalesce_key(&request.method, &request.args).map(Into::into);
        for binding in bindings {
            match &binding.consumer {
                Consumer::Local(handler) => {
                    Self::spawn_local(Arc::clone(handler), request.clone(), permit.cloned());
                }
                Consumer::Remote(session) => {
                    let body = body.get_or_insert_with(|| request.encode().into());
                    self.push(
                        session,
                        Message {
                            topic: Arc::clone(&binding.topic),
                            body: Arc::clone(body),
                            key: coalesce.clone(),
                            answer: None,
                        },
                    );
                }
            }
        }
    }

    /// Runs a cast on a handler of this process, beside the caller.
    fn spawn_local(
        handler: Arc<dyn Handler>,
        request: Request,
        permit: Option<Arc<OwnedSemaphorePermit>>,
    ) {
        tokio::spawn(async move {
            // A cast has nobody to answer to; the handler logs its own failure.
            let _ = handler.handle(request).await;
            drop(permit);
        });
    }

    /// Delivers a call and waits for the answer, as long as the caller does.
    pub(super) async fn route_call(
        &self,
        target: &Target,
        mut request: Request,
    ) -> Result<Result<Value, Failure>, NackReason> {
        let Some(binding) = self.one(&target.routing_key()) else {
            return Err(NackReason::NoConsumer);
        };
        match &binding.consumer {
            Consumer::Local(handler) => Ok(handler.handle(request).await),
            Consumer::Remote(session) => {
                if request.call.is_none() {
                    request.call = Some(CallHeader::direct());
                }
                let (answer, result) = oneshot::channel::<CallResult>();
                self.push(
                    session,
                    Message {
                        topic: Arc::clone(&binding.topic),
                        body: request.encode().into(),
                        key: None,
                        answer: Some(answer),
                    },
                );
                let body = result.await.unwrap_or(Err(NackReason::Disconnected))?;
                crate::envelope::Reply::from_value(body)
                    .map(|reply| reply.result)
                    .map_err(|_| NackReason::Malformed)
            }
        }
    }
}

fn remove_session(routes: &mut Routes, id: u64) {
    routes.sessions.remove(&id);
    routes.queues.retain(|_, queue| {
        queue
            .bindings
            .retain(|b| !matches!(&b.consumer, Consumer::Remote(session) if session.id() == id));
        !queue.bindings.is_empty()
    });
}

/// The error a caller sees for a call that was not answered.
pub(super) fn nack_error(
    reason: NackReason,
    key: String,
    method: String,
    timeout: Duration,
) -> RpcError {
    match reason {
        NackReason::NoConsumer => RpcError::NoConsumer { topic: key, method },
        NackReason::Disconnected => RpcError::Disconnected { topic: key, method },
        NackReason::Overloaded => RpcError::Overloaded { topic: key, method },
        NackReason::Timeout => RpcError::Timeout {
            topic: key,
            method,
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        },
        NackReason::Malformed => {
            crate::envelope::EnvelopeError::Shape("the other side refused the envelope").into()
        }
    }
}

#[async_trait]
impl Transport for Broker {
    async fn call(
        &self,
        target: &Target,
        request: Request,
        timeout: Duration,
    ) -> Result<Value, RpcError> {
        let method = request.method.clone();
        let answered = tokio::time::timeout(timeout, self.route_call(target, request)).await;
        match answered.unwrap_or(Err(NackReason::Timeout)) {
            Ok(result) => result.map_err(RpcError::Remote),
            Err(reason) => Err(nack_error(reason, target.routing_key(), method, timeout)),
        }
    }

    async fn cast(&self, target: &Target, request: Request) -> Result<(), RpcError> {
        self.publish(target, request, None);
        Ok(())
    }

    async fn listen(
        &self,
        topic: &str,
        server: &str,
        handler: Arc<dyn Handler>,
    ) -> Result<(), RpcError> {
        self.bind(topic, server, &Consumer::Local(Arc::clone(&handler)));
        handler.event(BusEvent::Connected).await;
        Ok(())
    }
}
