//! Frames of the embedded bus and the proofs of its handshake.
//!
//! A frame is a big-endian `u32` length and that many bytes of JSON. Pure: the decoder takes
//! bytes as they come and never panics or allocates ahead of what has arrived.
//!
//! ```text
//!  server                          agent
//!  challenge(nonce)         ->
//!                           <-     hello(nonce, client, proof)
//!  welcome(proof, limits)   ->                                     or refused(reason)
//!                           <-     subscribe(seq, topic, server)
//!  subscribed(seq)          ->
//!                           <-     call(id) | cast
//!  reply(id) | nack(id)     ->
//!  deliver(tag) | resync(tag) ->
//!                           <-     ack(tag) | reply(tag) | nack(tag)
//!  ping                    <->     ping
//! ```

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::{Buf, Bytes, BytesMut};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;

/// Protocol version; both ends must speak the same.
pub const VERSION: u32 = 1;
/// Largest frame in bytes, once authenticated.
pub const MAX_FRAME: usize = 16 << 20;
/// Largest frame of a peer that has not authenticated.
pub const MAX_HANDSHAKE_FRAME: usize = 4 << 10;

/// Why a call was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NackReason {
    /// Nobody consumes the routing key.
    NoConsumer,
    /// The consumer went away before it answered.
    Disconnected,
    /// The consumer's queue overflowed.
    Overloaded,
    /// The consumer did not answer in time.
    Timeout,
    /// The message is no valid envelope.
    Malformed,
}

/// One frame. `body` is an oslo envelope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum Frame {
    /// First frame of the server.
    Challenge {
        /// [`VERSION`].
        version: u32,
        /// 32 random bytes in base64.
        nonce: String,
    },
    /// The agent's answer.
    Hello {
        /// [`VERSION`].
        version: u32,
        /// 32 random bytes in base64.
        nonce: String,
        /// Names this process: a newer connection of the same name replaces the older.
        client: String,
        /// [`Proof::client`] in base64.
        proof: String,
    },
    /// Accepted.
    Welcome {
        /// [`Proof::server`] in base64.
        proof: String,
        /// Interval in milliseconds at which both ends must send something.
        heartbeat_ms: u64,
        /// Deliveries that may be unacknowledged.
        window: u32,
    },
    /// Not accepted; the connection is closed after it.
    Refused {
        /// For the log.
        reason: String,
    },
    /// Consume `topic`, `topic.server` and the fanout of `topic`.
    Subscribe {
        /// Echoed in [`Frame::Subscribed`].
        seq: u64,
        /// Topic.
        topic: String,
        /// Server name, usually the host.
        server: String,
    },
    /// From now on messages for the subscription are delivered.
    Subscribed {
        /// Of the subscription.
        seq: u64,
    },
    /// Call; answered with `Reply` or `Nack` of the same id.
    Call {
        /// Chosen by the agent.
        id: u64,
        /// Topic.
        topic: String,
        /// One server of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<String>,
        /// How long the caller waits, in milliseconds.
        timeout_ms: u64,
        /// Request.
        body: Value,
    },
    /// Cast; not answered.
    Cast {
        /// Topic.
        topic: String,
        /// One server of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server: Option<String>,
        /// Every consumer.
        #[serde(default)]
        fanout: bool,
        /// Request.
        body: Value,
    },
    /// A message for a subscription.
    Deliver {
        /// Chosen by the server; to be acknowledged, or replied to when `call`.
        tag: u64,
        /// Whether an answer is expected.
        #[serde(default)]
        call: bool,
        /// Topic of the subscription.
        topic: String,
        /// Request.
        body: Value,
    },
    /// The delivery was handled.
    Ack {
        /// Of the delivery.
        tag: u64,
    },
    /// Answer to a call (either way).
    Reply {
        /// `id` of the call or `tag` of the delivery.
        id: u64,
        /// Reply.
        body: Value,
    },
    /// A call was not answered (either way).
    Nack {
        /// `id` of the call or `tag` of the delivery.
        id: u64,
        /// Why.
        reason: NackReason,
    },
    /// Deliveries were dropped; to be acknowledged.
    Resync {
        /// As of a delivery.
        tag: u64,
    },
    /// Keeps the connection alive.
    Ping,
}

/// Bytes are not a frame; the connection cannot be used further.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The announced length exceeds the limit.
    #[error("frame of {size} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// Announced.
        size: usize,
        /// Allowed.
        limit: usize,
    },
    /// Not a frame's JSON.
    #[error("malformed frame")]
    Json(#[from] serde_json::Error),
}

/// Splits a byte stream into frames.
#[derive(Debug)]
pub struct FrameDecoder {
    limit: usize,
    /// Received and not yet decoded; readers append to it.
    pub buffer: BytesMut,
}

impl FrameDecoder {
    /// A decoder that refuses frames above `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, buffer: BytesMut::new() }
    }

    /// Changes the limit, e.g. after authentication.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The next complete frame, or `None` when more bytes are needed.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(header) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let size = u32::from_be_bytes(*header) as usize;
        if size > self.limit {
            return Err(FrameError::TooLarge { size, limit: self.limit });
        }
        if self.buffer.len() < 4 + size {
            return Ok(None);
        }
        self.buffer.advance(4);
        let body = self.buffer.split_to(size);
        Ok(Some(serde_json::from_slice(&body)?))
    }
}

/// Puts the length in front of a frame's JSON.
fn with_length(json: &[u8]) -> Result<Bytes, FrameError> {
    let size = json.len();
    if size > MAX_FRAME {
        return Err(FrameError::TooLarge { size, limit: MAX_FRAME });
    }
    let mut out = Vec::with_capacity(4 + size);
    // `size` is at most MAX_FRAME, which fits.
    out.extend_from_slice(&(size as u32).to_be_bytes());
    out.extend_from_slice(json);
    Ok(out.into())
}

/// A frame's bytes.
pub fn encode(frame: &Frame) -> Result<Bytes, FrameError> {
    with_length(&serde_json::to_vec(frame)?)
}

/// Bytes of a frame whose `body`, left null in `frame`, is JSON text already: a fanout encodes its
/// envelope once and not per agent.
pub fn encode_with_body(frame: &Frame, body: &str) -> Result<Bytes, FrameError> {
    let mut json = serde_json::to_string(frame)?;
    // `body` is the last field of every frame that has one.
    if json.ends_with(NULL_BODY) {
        json.truncate(json.len() - NULL_BODY.len());
        json.push_str(r#""body":"#);
        json.push_str(body);
        json.push('}');
    }
    with_length(json.as_bytes())
}

const NULL_BODY: &str = r#""body":null}"#;

/// A nonce of 32 random bytes, in base64.
#[must_use]
pub fn nonce() -> String {
    BASE64.encode(rand::random::<[u8; 32]>())
}

/// HMAC-SHA256 proofs that a peer knows the shared secret. The two directions have different
/// labels and both nonces, so that no proof can be reflected or replayed.
#[derive(Clone, Copy)]
pub struct Proof<'a> {
    /// The shared secret.
    pub secret: &'a str,
    /// The server's nonce as sent.
    pub server_nonce: &'a str,
    /// The agent's nonce as sent.
    pub client_nonce: &'a str,
    /// The agent's name as sent.
    pub client: &'a str,
}

impl Proof<'_> {
    /// What the agent sends.
    #[must_use]
    pub fn client(&self) -> String {
        self.encode("client")
    }

    /// What the server sends.
    #[must_use]
    pub fn server(&self) -> String {
        self.encode("server")
    }

    /// Checks the agent's proof in constant time.
    #[must_use]
    pub fn client_is(&self, proof: &str) -> bool {
        self.check("client", proof)
    }

    /// Checks the server's proof in constant time.
    #[must_use]
    pub fn server_is(&self, proof: &str) -> bool {
        self.check("server", proof)
    }

    fn mac(&self, role: &str) -> Option<Hmac<Sha256>> {
        // HMAC takes keys of any length; `None` never happens and counts as a failed proof.
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).ok()?;
        for part in ["neutrino-bus-1", role, self.server_nonce, self.client_nonce, self.client] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Some(mac)
    }

    fn encode(&self, role: &str) -> String {
        self.mac(role).map(|mac| BASE64.encode(mac.finalize().into_bytes())).unwrap_or_default()
    }

    fn check(&self, role: &str, proof: &str) -> bool {
        let Ok(proof) = BASE64.decode(proof) else { return false };
        self.mac(role).is_some_and(|mac| mac.verify_slice(&proof).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof<'a>(secret: &'a str, client: &'a str) -> Proof<'a> {
        Proof { secret, server_nonce: "s", client_nonce: "c", client }
    }

    #[test]
    fn proofs_hold_only_for_their_role_secret_and_name() {
        let good = proof("secret", "agent");
        assert!(good.client_is(&good.client()));
        assert!(good.server_is(&good.server()));
        assert!(!good.client_is(&good.server()));
        assert!(!good.client_is(&proof("other", "agent").client()));
        assert!(!good.client_is(&proof("secret", "other").client()));
        assert!(!good.client_is("not base64!"));
    }

    #[test]
    fn bodies_given_as_text_make_the_same_frames() {
        let body = serde_json::json!({"oslo.version": "2.0", "oslo.message": "{\"a\":1}"});
        let frames = |body: &Value| {
            let body = || body.clone();
            let (topic, server) = ("a\"b".to_string(), Some("s".to_string()));
            [
                Frame::Deliver { tag: 7, call: true, topic: topic.clone(), body: body() },
                Frame::Reply { id: 8, body: body() },
                Frame::Call {
                    id: 9,
                    topic: topic.clone(),
                    server: server.clone(),
                    timeout_ms: 1,
                    body: body(),
                },
                Frame::Cast { topic, server, fanout: true, body: body() },
            ]
        };
        for (typed, bare) in frames(&body).iter().zip(frames(&Value::Null)) {
            let bytes = encode_with_body(&bare, &body.to_string()).expect("encodes");
            assert_eq!(bytes, encode(typed).expect("encodes"));
        }
    }
}
