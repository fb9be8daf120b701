//! The connection task: connects, authenticates, subscribes, reads, and begins again.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    io::WriteHalf,
    net::TcpStream,
    sync::mpsc,
    time::{Instant, timeout},
};

use super::{
    super::{
        protocol::{self, Frame, Proof},
        session::{FrameReader, LinkError, write},
    },
    Link, SEND_QUEUE, Shared, Work, subscribe_frame,
};
use crate::{
    error::chain,
    transport::{BusEvent, stream::BoxStream},
};

impl Shared {
    pub(super) async fn keep_connected(self: Arc<Self>, tls: Option<tokio_rustls::TlsConnector>) {
        let mut backoff = self.config.min_backoff;
        let mut last_error = String::new();
        loop {
            self.attempts.begin();
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
        let was_connected = self.attempts.is_connected();
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
