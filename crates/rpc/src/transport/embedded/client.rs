//! The agent's end of the embedded bus: one connection, kept up by itself.
//!
//! ```text
//!  connection task: connect -> authenticate -> subscribe -> read frames --+
//!        ^ backoff with jitter                                            |
//!        +----------------- on any error ---------------------------------+
//!  inbox (bounded by the server's window) -> dispatch task -> handlers -> ack
//! ```

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;
use tokio::{
    io::WriteHalf,
    net::TcpStream,
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::{
    BoxStream, ClientTls, DEFAULT_PORT, SCHEME,
    broker::nack_error,
    outbox::CallResult,
    protocol::{self, Frame, NackReason, Proof},
    session::{FrameReader, LinkError, write},
    tls_connector,
};
use crate::{
    envelope::{CallHeader, DuplicateFilter, Reply, Request, hex_id},
    error::{RpcError, chain},
    transport::{BusEvent, Handler, Target, Transport},
};

/// Requests waiting to be written; further ones wait in their callers.
const SEND_QUEUE: usize = 64;

/// How an agent reaches the bus.
#[derive(Clone, Debug)]
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
    connected: watch::Sender<bool>,
    attempts: AtomicU64,
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
            connected: watch::Sender::new(false),
            attempts: AtomicU64::new(0),
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
        self.shared.connected.subscribe()
    }

    /// Connection attempts so far.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.shared.attempts.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while holding it; its state is consistent between statements anyway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn keep_connected(self: Arc<Self>, tls: Option<tokio_rustls::TlsConnector>) {
        let mut backoff = self.config.min_backoff;
        let mut last_error = String::new();
        loop {
            self.attempts.fetch_add(1, Ordering::Relaxed);
            let begun = Instant::now();
            let (error, was_connected) = self.one_connection(tls.as_ref()).await;
            self.disconnect(was_connected);
            let text = chain(&error);
            if was_connected {
                // Two agents of one name replace each other: they must not do so without pause.
                if begun.elapsed() > self.config.max_backoff {
                    backoff = self.config.min_backoff;
                }
                last_error.clear();
                tracing::warn!(error = text, "connection to the server lost");
            } else if text != last_error {
                // Once per cause: a server that is down for an hour is one line.
                tracing::warn!(error = text, host = self.config.host, "cannot reach the server");
                last_error = text;
            }
            // Full jitter keeps a thousand agents from returning in the same instant.
            let pause = backoff.mul_f64(0.5 + 0.5 * rand::random::<f64>());
            tokio::time::sleep(pause).await;
            backoff = (backoff * 2).min(self.config.max_backoff);
        }
    }

    /// Connects and serves until something fails; answers why, and whether it had connected.
    async fn one_connection(
        self: &Arc<Self>,
        tls: Option<&tokio_rustls::TlsConnector>,
    ) -> (LinkError, bool) {
        let patience = self.config.connect_timeout;
        let greeted = match timeout(patience, self.greet(tls)).await {
            Err(_) => Err(LinkError::Silent(patience)),
            Ok(greeted) => greeted,
        };
        let (reader, writer, heartbeat, window) = match greeted {
            Ok(greeted) => greeted,
            Err(error) => return (error, false),
        };
        let (send, outgoing) = mpsc::channel(SEND_QUEUE);
        let generation = {
            let mut state = self.state();
            state.generation += 1;
            state.generation
        };
        let reading = self.read_loop(reader, send, generation, window);
        // Either side failing ends the connection; nothing of it is used afterwards.
        let result = tokio::select! {
            result = reading => result,
            result = write_loop(writer, outgoing, heartbeat) => result,
        };
        let was_connected = *self.connected.borrow();
        (result.err().unwrap_or(LinkError::Closed), was_connected)
    }

    /// Connects, authenticates both ends.
    async fn greet(
        &self,
        tls: Option<&tokio_rustls::TlsConnector>,
    ) -> Result<(FrameReader, WriteHalf<BoxStream>, Duration, usize), LinkError> {
        let config = &self.config;
        let stream = TcpStream::connect((config.host.as_str(), config.port)).await?;
        stream.set_nodelay(true)?;
        let stream: BoxStream = match (tls, &config.tls) {
            (Some(connector), Some(tls)) => {
                let name = tls.server_name.clone().unwrap_or_else(|| config.host.clone());
                let name = name
                    .try_into()
                    .map_err(|_| LinkError::Protocol("the server's name is no TLS name"))?;
                Box::new(connector.connect(name, stream).await?)
            }
            _ => Box::new(stream),
        };
        let (read, mut writer) = tokio::io::split(stream);
        let mut reader = FrameReader::new(read, config.connect_timeout);
        let Frame::Challenge { version, nonce: server_nonce } = reader.next().await? else {
            return Err(LinkError::Protocol("expected a challenge"));
        };
        if version != protocol::VERSION {
            return Err(LinkError::Protocol("the server speaks another protocol version"));
        }
        let client_nonce = protocol::nonce();
        let proof = Proof {
            secret: &config.secret,
            server_nonce: &server_nonce,
            client_nonce: &client_nonce,
            client: &config.client,
        };
        let hello = Frame::Hello {
            version: protocol::VERSION,
            nonce: client_nonce.clone(),
            client: config.client.clone(),
            proof: proof.client(),
        };
        write(&mut writer, &protocol::encode(&hello)?, config.connect_timeout).await?;
        match reader.next().await? {
            Frame::Welcome { proof: theirs, heartbeat_ms, window } => {
                if !proof.server_is(&theirs) {
                    return Err(LinkError::Refused(
                        "the server does not know the shared secret".into(),
                    ));
                }
                let heartbeat = Duration::from_millis(heartbeat_ms.clamp(10, 600_000));
                reader.trust(heartbeat * 3);
                Ok((reader, writer, heartbeat, window as usize))
            }
            Frame::Refused { reason } => {
                Err(LinkError::Refused(format!("the server refused this agent: {reason}")))
            }
            _ => Err(LinkError::Protocol("expected welcome")),
        }
    }

    /// Subscribes, then takes frames until the connection ends.
    async fn read_loop(
        &self,
        mut reader: FrameReader,
        send: mpsc::Sender<Bytes>,
        generation: u64,
        window: usize,
    ) -> Result<(), LinkError> {
        let mut missing: Vec<u64> = Vec::new();
        let mut frames = Vec::new();
        {
            let mut state = self.state();
            let subscriptions = state.subscriptions.clone();
            for subscription in subscriptions {
                state.next_id += 1;
                missing.push(state.next_id);
                frames.push(subscribe_frame(state.next_id, &subscription)?);
            }
            // From here on `listen` sends its subscription itself.
            state.link = Some(Link { generation, send: send.clone() });
        }
        // The writer runs beside this future, so a full queue drains.
        for frame in frames {
            send.send(frame).await.map_err(|_| LinkError::Closed)?;
        }
        if missing.is_empty() {
            self.connect_done();
        }
        loop {
            match reader.next().await? {
                Frame::Ping => {}
                Frame::Subscribed { seq } => {
                    if let Some(waiting) = self.state().subscribing.remove(&seq) {
                        // `listen` may have been cancelled.
                        let _ = waiting.send(());
                    }
                    let before = missing.len();
                    missing.retain(|m| *m != seq);
                    if before > 0 && missing.is_empty() {
                        self.connect_done();
                    }
                }
                Frame::Reply { id, body } => self.answer(id, Ok(body)),
                Frame::Nack { id, reason } => self.answer(id, Err(reason)),
                Frame::Deliver { tag, call, topic, body } => {
                    self.arrive(Work::Deliver { generation, tag, call, topic, body }, window)?;
                }
                Frame::Resync { tag } => {
                    let ack = Some((generation, tag));
                    self.arrive(Work::Event { event: BusEvent::Resync, ack, only: None }, window)?;
                }
                Frame::Challenge { .. }
                | Frame::Hello { .. }
                | Frame::Welcome { .. }
                | Frame::Refused { .. }
                | Frame::Subscribe { .. }
                | Frame::Call { .. }
                | Frame::Cast { .. }
                | Frame::Ack { .. } => return Err(LinkError::Protocol("frame out of place")),
            }
        }
    }

    /// Every subscription is confirmed: nothing is missed from now on.
    fn connect_done(&self) {
        self.connected.send_replace(true);
        tracing::info!(host = self.config.host, port = self.config.port, "connected to the server");
        self.push_event(BusEvent::Connected);
    }

    /// Fails what waits on the connection and forgets what it delivered: a resync follows.
    fn disconnect(&self, was_connected: bool) {
        let mut state = self.state();
        state.link = None;
        state.calls.clear();
        state.subscribing.clear();
        drop(state);
        if was_connected {
            self.connected.send_replace(false);
            self.push_event(BusEvent::Disconnected);
        }
    }

    /// Queues a change of the connection. Only the latest one matters, and no delivery from
    /// before it: both handlers and memory are spared a pile of them.
    fn push_event(&self, event: BusEvent) {
        let mut state = self.state();
        if event == BusEvent::Disconnected {
            state.inbox.clear();
        } else {
            state
                .inbox
                .retain(|work| !matches!(work, Work::Event { event: BusEvent::Disconnected, .. }));
        }
        state.inbox.push_back(Work::Event { event, ack: None, only: None });
        drop(state);
        self.arrived.notify_one();
    }

    fn arrive(&self, work: Work, window: usize) -> Result<(), LinkError> {
        let mut state = self.state();
        // The server may have `window` deliveries outstanding; events come on top.
        if state.inbox.len() > window + 4 {
            return Err(LinkError::Protocol("the server ignores the delivery window"));
        }
        state.inbox.push_back(work);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    fn answer(&self, id: u64, result: CallResult) {
        if let Some(waiting) = self.state().calls.remove(&id) {
            // The caller may have timed out meanwhile.
            let _ = waiting.send(result);
        }
    }

    /// Hands deliveries to their handlers, in order.
    async fn dispatch(self: Arc<Self>) {
        let mut duplicates = DuplicateFilter::default();
        loop {
            let next = self.state().inbox.pop_front();
            match next {
                None => self.arrived.notified().await,
                Some(Work::Event { event, ack, only }) => {
                    let handlers = only.map_or_else(|| self.handlers(), |handler| vec![handler]);
                    for handler in handlers {
                        handler.event(event).await;
                    }
                    if let Some((generation, tag)) = ack {
                        self.send(generation, protocol::encode(&Frame::Ack { tag })).await;
                    }
                }
                Some(Work::Deliver { generation, tag, call, topic, body }) => {
                    let handler = self.handler_of(&topic);
                    self.deliver(handler, &mut duplicates, generation, tag, call, body).await;
                }
            }
        }
    }

    async fn deliver(
        self: &Arc<Self>,
        handler: Option<Arc<dyn Handler>>,
        duplicates: &mut DuplicateFilter,
        generation: u64,
        tag: u64,
        call: bool,
        body: Value,
    ) {
        let request = match Request::from_value(body) {
            Ok(request) => Some(request),
            Err(error) => {
                tracing::warn!(error = %error, "malformed message from the server dropped");
                None
            }
        };
        let (Some(handler), Some(request)) = (handler, request) else {
            let nack = Frame::Nack { id: tag, reason: NackReason::Malformed };
            let frame = if call { nack } else { Frame::Ack { tag } };
            self.send(generation, protocol::encode(&frame)).await;
            return;
        };
        if call {
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                let msg_id = request.call.as_ref().map(|c| c.msg_id.clone()).unwrap_or_default();
                let result = handler.handle(request).await;
                let body = Reply::new(&msg_id, result).encode();
                shared.send(generation, protocol::encode_reply(tag, &body)).await;
            });
            return;
        }
        if duplicates.is_new(request.unique_id.as_deref()) {
            // A cast has nobody to answer to; the handler logs its own failure.
            let _ = handler.handle(request).await;
        }
        self.send(generation, protocol::encode(&Frame::Ack { tag })).await;
    }

    fn handler_of(&self, topic: &str) -> Option<Arc<dyn Handler>> {
        let state = self.state();
        let found = state.subscriptions.iter().find(|s| s.topic == topic)?;
        Some(Arc::clone(&found.handler))
    }

    /// Every handler once, also one that serves several topics.
    fn handlers(&self) -> Vec<Arc<dyn Handler>> {
        let mut out: Vec<Arc<dyn Handler>> = Vec::new();
        for subscription in &self.state().subscriptions {
            if !out.iter().any(|h| Arc::ptr_eq(h, &subscription.handler)) {
                out.push(Arc::clone(&subscription.handler));
            }
        }
        out
    }

    /// Sends on the connection `generation`; a frame for an older one is dropped.
    async fn send(&self, generation: u64, frame: Result<Bytes, protocol::FrameError>) {
        let send = match &self.state().link {
            Some(link) if link.generation == generation => link.send.clone(),
            _ => return,
        };
        match frame {
            // An error means that the connection ended meanwhile.
            Ok(frame) => drop(send.send(frame).await),
            Err(error) => tracing::error!(error = %error, "message not sent"),
        }
    }
}

async fn write_loop(
    mut stream: WriteHalf<BoxStream>,
    mut outgoing: mpsc::Receiver<Bytes>,
    heartbeat: Duration,
) -> Result<(), LinkError> {
    let ping = protocol::encode(&Frame::Ping)?;
    loop {
        match timeout(heartbeat, outgoing.recv()).await {
            Err(_) => write(&mut stream, &ping, heartbeat * 3).await?,
            Ok(Some(frame)) => write(&mut stream, &frame, heartbeat * 3).await?,
            Ok(None) => return Err(LinkError::Closed),
        }
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

/// Takes a call's slot away however the call ends, also when its future is dropped.
struct Slot<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.shared.state().calls.remove(&self.id);
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
        request.call.get_or_insert_with(|| CallHeader { msg_id: hex_id(), reply_q: String::new() });
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
        let _slot = Slot { shared: &self.shared, id };
        let body: Value = serde_json::from_str(&request.encode())
            .map_err(|e| RpcError::setup(format!("encoding {method}"), e))?;
        let frame = Frame::Call {
            id,
            topic: target.topic.clone(),
            server: target.server.clone(),
            timeout_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
            body,
        };
        let frame = protocol::encode(&frame).map_err(|e| frame_error(e, &method))?;
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
        let body: Value = serde_json::from_str(&request.encode())
            .map_err(|e| RpcError::setup(format!("encoding {}", request.method), e))?;
        let frame = Frame::Cast {
            topic: target.topic.clone(),
            server: target.server.clone(),
            fanout: target.fanout,
            body,
        };
        let frame = protocol::encode(&frame).map_err(|e| frame_error(e, &request.method))?;
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
