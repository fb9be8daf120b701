//! The agent's end of the embedded bus: one connection, kept up by itself.
//!
//! ```text
//!  connection task: connect -> authenticate -> subscribe -> read frames --+
//!        ^ backoff with jitter                                            |
//!        +----------------- on any error ---------------------------------+
//!  inbox (bounded by the server's window) -> dispatch task -> handlers -> ack
//! ```

mod connection;
mod delivery;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use super::{
    ClientTls, DEFAULT_PORT, SCHEME,
    broker::nack_error,
    outbox::CallResult,
    protocol::{self, Frame, NackReason},
    tls_connector,
};
use crate::{
    envelope::{CallHeader, Reply, Request},
    error::RpcError,
    transport::{
        BusEvent, Handler, Subscription, Target, Transport,
        attempt::{Attempts, Finally},
    },
};

/// Requests waiting to be written; further ones wait in their callers.
const SEND_QUEUE: usize = 64;

/// How an agent reaches the bus.
#[derive(Clone)]
pub struct ClientConfig {
    /// Server host name or address.
    pub host: String,
    /// Server port.
    pub port: u16,
    /// Shared secret.
    pub secret: String,
    /// Names this process among all agents; keep it over reconnects.
    pub client: String,
    /// Check the server's certificate and encrypt.
    pub tls: Option<ClientTls>,
    /// First pause between connection attempts.
    pub min_backoff: Duration,
    /// Longest pause between connection attempts.
    pub max_backoff: Duration,
    /// Time for connecting, TLS and authentication.
    pub connect_timeout: Duration,
}

impl std::fmt::Debug for ClientConfig {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientConfig").field("client", &self.client).finish_non_exhaustive()
    }
}

impl ClientConfig {
    /// A configuration for `transport_url`, e.g. `embedded://controller:9697`.
    pub fn from_url(url: &str, secret: &str, client: &str) -> Result<Self, RpcError> {
        let doing = || format!("reading transport_url {url:?}");
        let bad = |why: &'static str| RpcError::setup(doing(), why);
        let rest = url.strip_prefix(SCHEME).ok_or_else(|| bad("expected embedded://host:port"))?;
        let rest = rest.trim_end_matches('/');
        let (host, port) = match rest.rsplit_once(':') {
            // A colon inside brackets belongs to an IPv6 address.
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|e| RpcError::setup(doing(), e))?)
            }
            _ => (rest, DEFAULT_PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(bad("the host is empty"));
        }
        if secret.is_empty() {
            return Err(bad("the shared secret of [embedded_bus] is empty"));
        }
        Ok(Self {
            host: host.into(),
            port,
            secret: secret.into(),
            client: client.into(),
            tls: None,
            min_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
        })
    }
}

/// The connection of the moment.
struct Link {
    generation: u64,
    send: mpsc::Sender<Bytes>,
}

enum Work {
    Deliver {
        generation: u64,
        tag: u64,
        call: bool,
        topic: String,
        body: Value,
    },
    /// For `only` one handler, or for all.
    Event {
        event: BusEvent,
        ack: Option<(u64, u64)>,
        only: Option<Arc<dyn Handler>>,
    },
}

#[derive(Default)]
struct State {
    link: Option<Link>,
    generation: u64,
    next_id: u64,
    calls: HashMap<u64, oneshot::Sender<CallResult>>,
    subscribing: HashMap<u64, oneshot::Sender<()>>,
    subscriptions: Vec<Arc<Subscription>>,
    inbox: VecDeque<Work>,
}

struct Shared {
    config: ClientConfig,
    state: Mutex<State>,
    arrived: Notify,
    attempts: Attempts,
}

/// A connection to the server's bus. Reconnects until dropped.
pub struct BusClient {
    shared: Arc<Shared>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for BusClient {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl BusClient {
    /// Starts connecting in the background, consuming `subscriptions` from the first connection
    /// on. Fails only on an unusable configuration.
    pub fn start(
        config: ClientConfig,
        subscriptions: Vec<Subscription>,
    ) -> Result<Arc<Self>, RpcError> {
        let tls = config.tls.as_ref().map(tls_connector).transpose()?;
        let shared = Arc::new(Shared {
            config,
            state: Mutex::new(State {
                subscriptions: subscriptions.into_iter().map(Arc::new).collect(),
                ..State::default()
            }),
            arrived: Notify::new(),
            attempts: Attempts::default(),
        });
        let tasks = [
            tokio::spawn(Arc::clone(&shared).keep_connected(tls)),
            tokio::spawn(Arc::clone(&shared).dispatch()),
        ];
        Ok(Arc::new(Self { shared, tasks }))
    }

    /// Whether the bus is connected and subscribed, to be watched.
    #[must_use]
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.shared.attempts.watch()
    }

    /// Connection attempts so far.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.shared.attempts.count()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while holding it; its state is consistent between statements anyway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn subscribe_frame(seq: u64, subscription: &Subscription) -> Result<Bytes, protocol::FrameError> {
    protocol::encode(&Frame::Subscribe {
        seq,
        topic: subscription.topic.clone(),
        server: subscription.server.clone(),
    })
}

fn frame_error(error: protocol::FrameError, method: &str) -> RpcError {
    match error {
        protocol::FrameError::TooLarge { size, limit } => {
            RpcError::TooLarge { method: method.into(), size, limit }
        }
        protocol::FrameError::Json(error) => RpcError::setup(format!("framing {method}"), error),
    }
}

#[async_trait]
impl Transport for BusClient {
    async fn call(
        &self,
        target: &Target,
        mut request: Request,
        patience: Duration,
    ) -> Result<Value, RpcError> {
        let method = request.method.clone();
        let fail = |reason| nack_error(reason, target.routing_key(), method.clone(), patience);
        request.call.get_or_insert_with(CallHeader::direct);
        let (answer, result) = oneshot::channel();
        let (send, id) = {
            let mut state = self.shared.state();
            let Some(link) = &state.link else { return Err(fail(NackReason::Disconnected)) };
            let send = link.send.clone();
            state.next_id += 1;
            let id = state.next_id;
            state.calls.insert(id, answer);
            (send, id)
        };
        let _slot = Finally(|| {
            self.shared.state().calls.remove(&id);
        });
        let frame = Frame::Call {
            id,
            topic: target.topic.clone(),
            server: target.server.clone(),
            timeout_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
            body: Value::Null,
        };
        let frame = protocol::encode_with_body(&frame, &request.encode())
            .map_err(|e| frame_error(e, &method))?;
        let answered = timeout(patience, async {
            if send.send(frame).await.is_err() {
                return Err(NackReason::Disconnected);
            }
            result.await.unwrap_or(Err(NackReason::Disconnected))
        });
        let body = answered.await.unwrap_or(Err(NackReason::Timeout)).map_err(fail)?;
        Reply::from_value(body)?.result.map_err(RpcError::Remote)
    }

    async fn cast(&self, target: &Target, request: Request) -> Result<(), RpcError> {
        let gone = || {
            let method = request.method.clone();
            nack_error(NackReason::Disconnected, target.routing_key(), method, Duration::ZERO)
        };
        let send = match &self.shared.state().link {
            Some(link) => link.send.clone(),
            None => return Err(gone()),
        };
        let frame = Frame::Cast {
            topic: target.topic.clone(),
            server: target.server.clone(),
            fanout: target.fanout,
            body: Value::Null,
        };
        let frame = protocol::encode_with_body(&frame, &request.encode())
            .map_err(|e| frame_error(e, &request.method))?;
        send.send(frame).await.map_err(|_| gone())
    }

    /// Takes effect at once when connected, else with the next connection.
    async fn listen(
        &self,
        topic: &str,
        server: &str,
        handler: Arc<dyn Handler>,
    ) -> Result<(), RpcError> {
        let subscription =
            Arc::new(Subscription { topic: topic.into(), server: server.into(), handler });
        let (send, frame, confirmed) = {
            let mut state = self.shared.state();
            state.subscriptions.push(Arc::clone(&subscription));
            let Some(link) = &state.link else { return Ok(()) };
            let send = link.send.clone();
            state.next_id += 1;
            let seq = state.next_id;
            let (confirm, confirmed) = oneshot::channel();
            state.subscribing.insert(seq, confirm);
            let frame =
                subscribe_frame(seq, &subscription).map_err(|e| frame_error(e, "subscribe"))?;
            (send, frame, confirmed)
        };
        // When the connection ends here, the next one subscribes.
        if send.send(frame).await.is_ok() && confirmed.await.is_ok() {
            let only = Some(Arc::clone(&subscription.handler));
            let event = Work::Event { event: BusEvent::Connected, ack: None, only };
            self.shared.state().inbox.push_back(event);
            self.shared.arrived.notify_one();
        }
        Ok(())
    }
}
