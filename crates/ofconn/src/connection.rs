//! One TCP connection: handshake, reading, writing, keepalive.

use std::time::Duration;

use neutrino_openflow::{
    DecodeError, Message, frame_length,
    message::{ErrorMessage, Features, VERSION},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time,
};

use crate::{error::Ended, switch::Link};

/// How much is read at once.
const CHUNK: usize = 64 * 1024;
/// Version bitmap of a hello: OpenFlow 1.3 only.
const BITMAP: u32 = 1 << VERSION;

/// Cuts messages out of the byte stream.
pub(crate) struct Frames {
    stream: OwnedReadHalf,
    buffer: Vec<u8>,
    /// Bytes at the start of `buffer` that were handed out.
    used: usize,
}

impl Frames {
    fn new(stream: OwnedReadHalf) -> Self {
        Self { stream, buffer: Vec::with_capacity(CHUNK), used: 0 }
    }

    /// The next message. May be dropped and called again without losing any.
    async fn next(&mut self) -> Result<(u32, Result<Message, DecodeError>), Ended> {
        loop {
            let unread = self.buffer.get(self.used..).unwrap_or_default();
            if let Some(length) = frame_length(unread)?
                && let Some(frame) = unread.get(..length)
            {
                let decoded = match Message::decode(frame) {
                    Ok((xid, message)) => (xid, Ok(message)),
                    Err(error) => (frame_xid(frame), Err(error)),
                };
                self.used += length;
                return Ok(decoded);
            }
            self.buffer.drain(..self.used);
            self.used = 0;
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(Ended::Closed);
            }
        }
    }
}

/// The transaction id in a frame's header.
fn frame_xid(frame: &[u8]) -> u32 {
    match frame {
        [_, _, _, _, a, b, c, d, ..] => u32::from_be_bytes([*a, *b, *c, *d]),
        _ => 0,
    }
}

/// A connection after its handshake.
pub(crate) struct Connection {
    pub(crate) features: Features,
    frames: Frames,
    writer: OwnedWriteHalf,
}

async fn write(writer: &mut OwnedWriteHalf, message: &Message, xid: u32) -> Result<(), Ended> {
    Ok(writer.write_all(&message.encode(xid)?).await?)
}

impl Connection {
    /// Agrees on the version and learns who is there.
    pub(crate) async fn handshake(stream: TcpStream, patience: Duration) -> Result<Self, Ended> {
        // Requests are small and waited for; a failure only costs latency.
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let mut connection = Self {
            features: Features {
                datapath_id: 0,
                n_buffers: 0,
                n_tables: 0,
                auxiliary_id: 0,
                capabilities: 0,
            },
            frames: Frames::new(reader),
            writer,
        };
        match time::timeout(patience, connection.greet()).await {
            Ok(done) => done.map(|()| connection),
            Err(_) => Err(Ended::Handshake),
        }
    }

    async fn greet(&mut self) -> Result<(), Ended> {
        let hello = Message::Hello { version: VERSION, bitmap: BITMAP };
        write(&mut self.writer, &hello, 0).await?;
        loop {
            let (xid, message) = self.frames.next().await?;
            match message? {
                Message::Hello { version, bitmap } => {
                    let agreed =
                        if bitmap == 0 { version >= VERSION } else { bitmap & BITMAP != 0 };
                    if !agreed {
                        // Hello failed, incompatible.
                        let refusal = Message::Error(ErrorMessage {
                            kind: 0,
                            code: 0,
                            experimenter: None,
                            data: b"OpenFlow 1.3 is needed".to_vec(),
                        });
                        write(&mut self.writer, &refusal, xid).await?;
                        return Err(Ended::Version { version, bitmap });
                    }
                    write(&mut self.writer, &Message::FeaturesRequest, 0).await?;
                }
                Message::FeaturesReply(features) => {
                    self.features = features;
                    return Ok(());
                }
                Message::EchoRequest(data) => {
                    write(&mut self.writer, &Message::EchoReply(data), xid).await?;
                }
                Message::Error(error) => return Err(Ended::Refused(error)),
                _ => {}
            }
        }
    }

    /// Serves the connection until it ends; says why it did.
    pub(crate) async fn serve(
        self,
        link: &Link,
        queue: mpsc::Receiver<Vec<u8>>,
        probe: Duration,
    ) -> Ended {
        let mut replaced = link.closed.subscribe();
        // One task for both directions, but neither ever waits for the other.
        let result = tokio::select! {
            result = read(self.frames, link, probe) => result,
            result = write_queue(self.writer, queue) => result,
            _ = replaced.wait_for(|closed| *closed) => Err(Ended::Replaced),
        };
        result.err().unwrap_or(Ended::Closed)
    }
}

async fn write_queue(
    mut writer: OwnedWriteHalf,
    mut queue: mpsc::Receiver<Vec<u8>>,
) -> Result<(), Ended> {
    let mut batch = Vec::new();
    while let Some(frame) = queue.recv().await {
        batch.extend_from_slice(&frame);
        while batch.len() < CHUNK
            && let Ok(frame) = queue.try_recv()
        {
            batch.extend_from_slice(&frame);
        }
        writer.write_all(&batch).await?;
        batch.clear();
    }
    Ok(())
}

async fn read(mut frames: Frames, link: &Link, probe: Duration) -> Result<(), Ended> {
    let mut probed = false;
    loop {
        let Ok(next) = time::timeout(probe, frames.next()).await else {
            if probed {
                return Err(Ended::Silent);
            }
            probed = true;
            // With a full queue the switch has enough to answer.
            let _ = link.frames.try_send(Message::EchoRequest(Vec::new()).encode(0)?);
            continue;
        };
        probed = false;
        let (xid, message) = next?;
        let message = message.unwrap_or_else(|error| {
            let datapath_id = format_args!("{:016x}", link.features.datapath_id);
            tracing::warn!(datapath_id, xid, %error, "message of the switch cannot be read");
            // Tells whoever waits for it that the answer came and is of no use.
            Message::Other { version: VERSION, kind: 0, body: Vec::new() }
        });
        match message {
            Message::EchoRequest(data) => {
                // With a full queue the switch hears enough of us without this.
                let _ = link.frames.try_send(Message::EchoReply(data).encode(xid)?);
            }
            Message::EchoReply(_)
            | Message::PacketIn(_)
            | Message::PortStatus(_)
            | Message::FlowRemoved(_) => {}
            answer => {
                if let Some(unclaimed) = link.pending.deliver(xid, answer) {
                    let datapath_id = link.features.datapath_id;
                    tracing::debug!(
                        datapath_id = format_args!("{datapath_id:016x}"),
                        xid,
                        message = ?unclaimed,
                        "message nobody waits for"
                    );
                }
            }
        }
    }
}
