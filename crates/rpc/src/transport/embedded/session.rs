//! One agent's connection as the server sees it, and the listener that accepts them.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    net::{TcpListener, TcpStream},
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::timeout,
};

use super::{
    Limits, ServerTls,
    broker::Broker,
    outbox::{Message, Outbox, Pushed},
    protocol::{
        self, Frame, FrameDecoder, FrameError, MAX_FRAME, MAX_HANDSHAKE_FRAME, NackReason, Proof,
    },
    tls_acceptor,
};
use crate::{
    envelope::{DuplicateFilter, Reply, Request},
    error::RpcError,
    transport::{Target, stream::BoxStream},
};

/// How the bus is offered to agents.
#[derive(Clone)]
pub struct ServerConfig {
    /// Address to listen on, e.g. `0.0.0.0:9697`.
    pub bind: SocketAddr,
    /// Secret shared with the agents; never empty.
    pub secret: String,
    /// Offer TLS instead of plain TCP.
    pub tls: Option<ServerTls>,
    /// Limits and clocks.
    pub limits: Limits,
}

impl std::fmt::Debug for ServerConfig {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerConfig").field("bind", &self.bind).finish_non_exhaustive()
    }
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("reading or writing the connection")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the peer closed the connection")]
    Closed,
    #[error("the peer was silent for {0:?}")]
    Silent(Duration),
    #[error("the peer does not read")]
    NotReading,
    #[error("{0}")]
    Protocol(&'static str),
    #[error("{0}")]
    Refused(String),
    #[error("closed: {0}")]
    Told(&'static str),
}

/// Reads frames, giving up on a peer that stays silent.
pub(crate) struct FrameReader {
    stream: ReadHalf<BoxStream>,
    decoder: FrameDecoder,
    patience: Duration,
}

impl FrameReader {
    pub(crate) fn new(stream: ReadHalf<BoxStream>, patience: Duration) -> Self {
        Self { stream, decoder: FrameDecoder::new(MAX_HANDSHAKE_FRAME), patience }
    }

    /// Call after authentication.
    pub(crate) fn trust(&mut self, patience: Duration) {
        self.decoder.set_limit(MAX_FRAME);
        self.patience = patience;
    }

    /// The next frame. Cancel-safe: what was read stays in the decoder.
    pub(crate) async fn next(&mut self) -> Result<Frame, LinkError> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                return Ok(frame);
            }
            let read = self.stream.read_buf(&mut self.decoder.buffer);
            match timeout(self.patience, read).await {
                Err(_) => return Err(LinkError::Silent(self.patience)),
                Ok(Ok(0)) => return Err(LinkError::Closed),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error.into()),
            }
        }
    }
}

/// Writes `bytes`, giving up on a peer that does not read.
pub(crate) async fn write(
    stream: &mut WriteHalf<BoxStream>,
    bytes: &[u8],
    patience: Duration,
) -> Result<(), LinkError> {
    let written = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    match timeout(patience, written).await {
        Err(_) => Err(LinkError::NotReading),
        Ok(result) => Ok(result?),
    }
}

/// An authenticated agent.
pub(crate) struct Session {
    id: u64,
    client: String,
    /// `None` once the session has ended: what is queued then would wait forever.
    outbox: Mutex<Option<Outbox>>,
    wake: Notify,
    closed: watch::Sender<Option<&'static str>>,
}

impl Session {
    fn new(id: u64, client: String, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            id,
            client,
            outbox: Mutex::new(Some(Outbox::new(limits))),
            wake: Notify::new(),
            closed: watch::Sender::new(None),
        })
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn client(&self) -> &str {
        &self.client
    }

    pub(crate) fn close(&self, reason: &'static str) {
        self.closed.send_replace(Some(reason));
    }

    /// Queues a message; one for a session that has ended is dropped, and a call in it fails.
    pub(crate) fn push(&self, message: Message) -> Pushed {
        let pushed = self.outbox().as_mut().map(|outbox| outbox.push(message));
        self.wake.notify_one();
        pushed.unwrap_or(Pushed::Queued)
    }

    fn control(
        &self,
        frame: Result<bytes::Bytes, FrameError>,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        match frame {
            Ok(frame) => {
                if let Some(outbox) = self.outbox().as_mut() {
                    outbox.control(frame, permit);
                }
                self.wake.notify_one();
            }
            Err(error) => tracing::error!(client = self.client, error = %error, "cannot frame"),
        }
    }

    fn outbox(&self) -> MutexGuard<'_, Option<Outbox>> {
        // No code panics while holding it; its state is consistent between statements anyway.
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write_loop(
        &self,
        mut stream: WriteHalf<BoxStream>,
        limits: Limits,
    ) -> Result<(), LinkError> {
        let ping = protocol::encode(&Frame::Ping)?;
        loop {
            // The guard must not live across the write.
            let next = self.outbox().as_mut().and_then(Outbox::pop);
            if let Some((frame, _permit)) = next {
                write(&mut stream, &frame, limits.heartbeat * 3).await?;
            } else if timeout(limits.heartbeat, self.wake.notified()).await.is_err() {
                write(&mut stream, &ping, limits.heartbeat * 3).await?;
            }
        }
    }
}

/// The reading side of a session: runs requests, takes acknowledgements.
struct Inbox {
    broker: Arc<Broker>,
    session: Arc<Session>,
    permits: Arc<Semaphore>,
    duplicates: DuplicateFilter,
}

impl Inbox {
    async fn run(mut self, mut reader: FrameReader) -> Result<(), LinkError> {
        loop {
            let frame = reader.next().await?;
            self.on_frame(frame).await?;
        }
    }

    async fn on_frame(&mut self, frame: Frame) -> Result<(), LinkError> {
        match frame {
            Frame::Ping => {}
            Frame::Subscribe { seq, topic, server } => {
                self.broker.subscribe(&self.session, &topic, &server);
                self.session.control(protocol::encode(&Frame::Subscribed { seq }), None);
            }
            Frame::Call { id, topic, server, timeout_ms, body } => {
                let target = Target { topic, server, fanout: false };
                self.on_call(id, target, Duration::from_millis(timeout_ms), body).await;
            }
            Frame::Cast { topic, server, fanout, body } => {
                self.on_cast(Target { topic, server, fanout }, body).await;
            }
            Frame::Ack { tag } => {
                if !self.session.outbox().as_mut().is_some_and(|outbox| outbox.ack(tag)) {
                    return Err(LinkError::Protocol("acknowledged what was not delivered"));
                }
                self.session.wake.notify_one();
            }
            Frame::Reply { id, body } => self.on_answer(id, Ok(body))?,
            Frame::Nack { id, reason } => self.on_answer(id, Err(reason))?,
            Frame::Challenge { .. }
            | Frame::Hello { .. }
            | Frame::Welcome { .. }
            | Frame::Refused { .. }
            | Frame::Subscribed { .. }
            | Frame::Deliver { .. }
            | Frame::Resync { .. } => return Err(LinkError::Protocol("frame out of place")),
        }
        Ok(())
    }

    fn on_answer(&self, tag: u64, result: Result<Value, NackReason>) -> Result<(), LinkError> {
        let known = |outbox: &mut Outbox| outbox.answer(tag, result);
        if !self.session.outbox().as_mut().is_some_and(known) {
            return Err(LinkError::Protocol("answered what was not asked"));
        }
        self.session.wake.notify_one();
        Ok(())
    }

    /// Waits for room to run one more request. Not reading on is what holds the agent back.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    fn decode(&mut self, body: Value) -> Option<Request> {
        match Request::from_value(body) {
            Ok(request) if self.duplicates.is_new(request.unique_id.as_deref()) => Some(request),
            Ok(request) => {
                tracing::debug!(method = request.method, "repeated message dropped");
                None
            }
            Err(error) => {
                tracing::warn!(client = self.session.client, error = %error, "bad message");
                None
            }
        }
    }

    async fn on_call(&mut self, id: u64, target: Target, patience: Duration, body: Value) {
        let permit = self.permit().await;
        let Some(request) = self.decode(body) else {
            let nack = Frame::Nack { id, reason: NackReason::Malformed };
            self.session.control(protocol::encode(&nack), permit);
            return;
        };
        let broker = Arc::clone(&self.broker);
        let session = Arc::clone(&self.session);
        // Detached: work that was begun ends properly even when its caller is gone.
        tokio::spawn(async move {
            let msg_id = request.call.as_ref().map(|c| c.msg_id.clone()).unwrap_or_default();
            let answered = timeout(patience, broker.route_call(&target, request)).await;
            let frame = match answered.unwrap_or(Err(NackReason::Timeout)) {
                Ok(result) => {
                    let frame = Frame::Reply { id, body: Value::Null };
                    protocol::encode_with_body(&frame, &Reply::new(&msg_id, result).encode())
                }
                Err(reason) => protocol::encode(&Frame::Nack { id, reason }),
            };
            // A result too large to send must still end the call.
            let frame = frame.or_else(|error| {
                tracing::error!(client = session.client, error = %error, "answer not sent");
                protocol::encode(&Frame::Nack { id, reason: NackReason::Malformed })
            });
            session.control(frame, permit);
        });
    }

    async fn on_cast(&mut self, target: Target, body: Value) {
        let Some(request) = self.decode(body) else { return };
        let permit = self.permit().await.map(Arc::new);
        self.broker.publish(&target, request, permit.as_ref());
    }
}

/// Accepts agents for a [`Broker`].
pub struct Listener {
    addr: SocketAddr,
    task: tokio::task::JoinHandle<()>,
    broker: Arc<Broker>,
}

impl Listener {
    /// Listens on `config.bind`; connections are served in the background until the listener is
    /// dropped, which closes them.
    pub async fn bind(broker: Arc<Broker>, config: ServerConfig) -> Result<Self, RpcError> {
        let doing = || format!("listening for agents on {}", config.bind);
        if config.secret.is_empty() {
            return Err(RpcError::setup(doing(), "the shared secret is empty"));
        }
        let tls = config.tls.as_ref().map(tls_acceptor).transpose()?;
        let listener =
            TcpListener::bind(config.bind).await.map_err(|e| RpcError::setup(doing(), e))?;
        let addr = listener.local_addr().map_err(|e| RpcError::setup(doing(), e))?;
        let acceptor = Acceptor {
            broker: Arc::clone(&broker),
            newcomers: Arc::new(Semaphore::new(config.limits.unauthenticated)),
            config,
            tls,
        };
        let task = tokio::spawn(Arc::new(acceptor).run(listener));
        tracing::info!(%addr, "message bus open to agents");
        Ok(Self { addr, task, broker })
    }

    /// The address listened on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Closes the address and every agent's connection, and returns when both are closed.
    pub async fn close(mut self) {
        self.task.abort();
        // Ends with "cancelled", which is what was asked for.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
        self.broker.close_sessions("the server stops");
    }
}

struct Acceptor {
    broker: Arc<Broker>,
    config: ServerConfig,
    tls: Option<tokio_rustls::TlsAcceptor>,
    newcomers: Arc<Semaphore>,
}

impl Acceptor {
    async fn run(self: Arc<Self>, listener: TcpListener) {
        // Dropped with this future: aborting the listener ends every connection.
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors or the like: an immediate retry would only spin.
                    tracing::error!(error = %error, "accepting an agent failed");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            let Ok(newcomer) = Arc::clone(&self.newcomers).try_acquire_owned() else {
                tracing::warn!(%peer, "too many unauthenticated connections, closed one");
                continue;
            };
            connections.spawn(Arc::clone(&self).connection(stream, peer, newcomer));
        }
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        newcomer: OwnedSemaphorePermit,
    ) {
        let limits = self.config.limits;
        let greeted = match timeout(limits.handshake, self.greet(stream)).await {
            Err(_) => Err(LinkError::Silent(limits.handshake)),
            Ok(greeted) => greeted,
        };
        drop(newcomer);
        let (client, mut reader, writer) = match greeted {
            Ok(greeted) => greeted,
            Err(LinkError::Closed) => return,
            Err(error) => {
                tracing::warn!(%peer, error = %error, "connection refused");
                return;
            }
        };
        reader.trust(limits.heartbeat * 3);
        let session = Session::new(self.broker.new_session_id(), client, limits);
        self.broker.add_session(&session);
        tracing::info!(%peer, client = session.client, "agent connected");
        let mut closed = session.closed.subscribe();
        let inbox = Inbox {
            broker: Arc::clone(&self.broker),
            session: Arc::clone(&session),
            permits: Arc::new(Semaphore::new(limits.calls_in_flight)),
            duplicates: DuplicateFilter::default(),
        };
        // No arm resumes after another finished, so cancellation loses nothing that matters.
        let ended = tokio::select! {
            ended = inbox.run(reader) => ended,
            ended = session.write_loop(writer, limits) => ended,
            reason = closed.wait_for(Option::is_some) => {
                Err(LinkError::Told(reason.ok().and_then(|r| *r).unwrap_or("session dropped")))
            }
        };
        self.broker.remove_session(session.id);
        // Whoever waits for an answer of this agent learns now that none will come.
        *session.outbox() = None;
        if let Err(error) = ended {
            tracing::info!(%peer, client = session.client, reason = %error, "agent disconnected");
        }
    }

    /// TLS and the challenge; answers the agent's name.
    async fn greet(
        &self,
        stream: TcpStream,
    ) -> Result<(String, FrameReader, WriteHalf<BoxStream>), LinkError> {
        stream.set_nodelay(true)?;
        let stream: BoxStream = match &self.tls {
            Some(tls) => Box::new(tls.accept(stream).await?),
            None => Box::new(stream),
        };
        let limits = self.config.limits;
        let (read, mut writer) = tokio::io::split(stream);
        let mut reader = FrameReader::new(read, limits.handshake);
        let server_nonce = protocol::nonce();
        let challenge =
            Frame::Challenge { version: protocol::VERSION, nonce: server_nonce.clone() };
        write(&mut writer, &protocol::encode(&challenge)?, limits.handshake).await?;
        let Frame::Hello { version, nonce, client, proof } = reader.next().await? else {
            return Err(LinkError::Protocol("expected hello"));
        };
        let expected = Proof {
            secret: &self.config.secret,
            server_nonce: &server_nonce,
            client_nonce: &nonce,
            client: &client,
        };
        let refusal = if version != protocol::VERSION {
            Some(format!("protocol version {version} is not supported"))
        } else if !expected.client_is(&proof) {
            Some("the shared secret does not match".to_string())
        } else {
            None
        };
        if let Some(reason) = refusal {
            let refused = protocol::encode(&Frame::Refused { reason: reason.clone() })?;
            write(&mut writer, &refused, limits.handshake).await?;
            return Err(LinkError::Refused(reason));
        }
        let welcome = Frame::Welcome {
            proof: expected.server(),
            heartbeat_ms: u64::try_from(limits.heartbeat.as_millis()).unwrap_or(u64::MAX),
            window: u32::try_from(limits.window).unwrap_or(u32::MAX),
        };
        write(&mut writer, &protocol::encode(&welcome)?, limits.handshake).await?;
        Ok((client, reader, writer))
    }
}
