//! What waits to be sent to one agent: bounded, coalescing, with an ack window.
//!
//! Owns order and limits; writes nothing itself. The session's writer takes frames from it.
//! Control frames (replies, pings) go first: they are bounded by the number of requests an agent
//! may have in flight. Notifications with the same key are merged, the newest one at the end of
//! the queue. On overflow everything that waits is dropped and one resync marker takes its place.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    Limits,
    protocol::{self, Frame, NackReason},
};

/// What became of a call delivered to an agent.
pub type CallResult = Result<Value, NackReason>;

/// A message on its way to an agent.
#[derive(Debug)]
pub struct Message {
    /// Topic of the subscription.
    pub topic: Arc<str>,
    /// Envelope as JSON text, shared by all receivers of a fanout.
    pub body: Arc<str>,
    /// Newer messages of the same key replace this one while it waits.
    pub key: Option<Arc<str>>,
    /// Where the answer goes, when it is a call.
    pub answer: Option<oneshot::Sender<CallResult>>,
}

/// What [`Outbox::push`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// Waits at the end.
    Queued,
    /// Replaced an older message of its key.
    Coalesced,
    /// The queue was full: this many messages were dropped for a resync marker.
    Overflowed(usize),
}

#[derive(Debug)]
enum Item {
    Message { topic: Arc<str>, body: Arc<str>, key: Option<Arc<str>>, call: bool },
    Resync,
}

impl Item {
    fn size(&self) -> usize {
        match self {
            Self::Message { body, .. } => body.len(),
            Self::Resync => 0,
        }
    }
}

/// The queue of one agent.
#[derive(Debug)]
pub struct Outbox {
    limits: Limits,
    control: VecDeque<(Bytes, Option<OwnedSemaphorePermit>)>,
    queue: BTreeMap<u64, Item>,
    keys: HashMap<Arc<str>, u64>,
    bytes: usize,
    next_tag: u64,
    unacked: HashSet<u64>,
    answers: HashMap<u64, oneshot::Sender<CallResult>>,
}

impl Outbox {
    /// An empty queue.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            control: VecDeque::new(),
            queue: BTreeMap::new(),
            keys: HashMap::new(),
            bytes: 0,
            next_tag: 1,
            unacked: HashSet::new(),
            answers: HashMap::new(),
        }
    }

    /// Sends a frame ahead of all notifications. `permit` is released once it is written.
    pub fn control(&mut self, frame: Bytes, permit: Option<OwnedSemaphorePermit>) {
        self.control.push_back((frame, permit));
    }

    /// Queues a message.
    pub fn push(&mut self, message: Message) -> Pushed {
        let mut outcome = Pushed::Queued;
        if let Some(old) = message.key.as_ref().and_then(|key| self.keys.remove(key)) {
            self.remove(old);
            outcome = Pushed::Coalesced;
        }
        let full = self.queue.len() >= self.limits.queue_len
            || self.bytes.saturating_add(message.body.len()) > self.limits.queue_bytes;
        if full {
            return Pushed::Overflowed(self.overflow(message));
        }
        let tag = self.tag();
        if let Some(key) = &message.key {
            self.keys.insert(Arc::clone(key), tag);
        }
        let call = message.answer.is_some();
        if let Some(answer) = message.answer {
            self.answers.insert(tag, answer);
        }
        self.bytes += message.body.len();
        self.queue.insert(
            tag,
            Item::Message { topic: message.topic, body: message.body, key: message.key, call },
        );
        outcome
    }

    /// The next bytes to write, with the permit to release after writing. `None` when nothing
    /// waits or the agent has to acknowledge first.
    pub fn pop(&mut self) -> Option<(Bytes, Option<OwnedSemaphorePermit>)> {
        if let Some(control) = self.control.pop_front() {
            return Some(control);
        }
        while self.unacked.len() < self.limits.window {
            let (tag, item) = self.queue.pop_first()?;
            self.bytes -= item.size();
            let frame = match item {
                Item::Resync => protocol::encode(&Frame::Resync { tag }),
                Item::Message { topic, body, key, call } => {
                    if let Some(key) = key {
                        self.keys.remove(&key);
                    }
                    let topic = topic.to_string();
                    let frame = Frame::Deliver { tag, call, topic, body: Value::Null };
                    protocol::encode_with_body(&frame, &body)
                }
            };
            match frame {
                Ok(frame) => {
                    self.unacked.insert(tag);
                    return Some((frame, None));
                }
                Err(error) => {
                    self.answers.remove(&tag);
                    tracing::error!(error = %error, "dropped a message that cannot be framed");
                }
            }
        }
        None
    }

    /// The agent handled `tag`. False when no such delivery is outstanding.
    pub fn ack(&mut self, tag: u64) -> bool {
        self.unacked.remove(&tag)
    }

    /// The agent answered the call `tag`. False when no such call is outstanding.
    pub fn answer(&mut self, tag: u64, result: CallResult) -> bool {
        let known = self.unacked.remove(&tag);
        if let Some(answer) = self.answers.remove(&tag) {
            // The caller may have given up meanwhile.
            let _ = answer.send(result);
        }
        known
    }

    /// Messages waiting, and bytes of them.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        (self.queue.len(), self.bytes)
    }

    /// Deliveries sent and not acknowledged.
    #[must_use]
    pub fn unacked(&self) -> usize {
        self.unacked.len()
    }

    fn tag(&mut self) -> u64 {
        let tag = self.next_tag;
        self.next_tag += 1;
        tag
    }

    fn remove(&mut self, tag: u64) {
        if let Some(item) = self.queue.remove(&tag) {
            self.bytes -= item.size();
        }
        if let Some(answer) = self.answers.remove(&tag) {
            let _ = answer.send(Err(NackReason::Overloaded));
        }
    }

    /// Drops all that waits, and `message`, for one resync marker.
    fn overflow(&mut self, message: Message) -> usize {
        let tags: Vec<u64> = self.queue.keys().copied().collect();
        let dropped = self.queue.values().filter(|i| matches!(i, Item::Message { .. })).count() + 1;
        for tag in tags {
            self.remove(tag);
        }
        self.keys.clear();
        if let Some(answer) = message.answer {
            let _ = answer.send(Err(NackReason::Overloaded));
        }
        let tag = self.tag();
        self.queue.insert(tag, Item::Resync);
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::embedded::protocol::{FrameDecoder, MAX_FRAME};

    fn message(body: &str, key: Option<&str>) -> Message {
        Message { topic: "t".into(), body: body.into(), key: key.map(Into::into), answer: None }
    }

    fn limits(queue_len: usize, window: usize) -> Limits {
        Limits { queue_len, window, ..Limits::default() }
    }

    fn drain(outbox: &mut Outbox) -> Vec<String> {
        let mut out = Vec::new();
        while let Some((bytes, _)) = outbox.pop() {
            let mut decoder = FrameDecoder::new(MAX_FRAME);
            decoder.buffer.extend_from_slice(&bytes);
            let (tag, text) = match decoder.next_frame() {
                Ok(Some(Frame::Deliver { tag, body, .. })) => (tag, body.to_string()),
                Ok(Some(Frame::Resync { tag })) => (tag, "resync".into()),
                other => panic!("unexpected {other:?}"),
            };
            assert!(outbox.ack(tag));
            out.push(text);
        }
        out
    }

    #[test]
    fn newest_of_a_key_survives_at_the_end() {
        let mut outbox = Outbox::new(limits(10, 1));
        assert_eq!(outbox.push(message("1", Some("a"))), Pushed::Queued);
        assert_eq!(outbox.push(message("2", None)), Pushed::Queued);
        assert_eq!(outbox.push(message("3", Some("a"))), Pushed::Coalesced);
        assert_eq!(drain(&mut outbox), ["2", "3"]);
        assert_eq!(outbox.waiting(), (0, 0));
        assert_eq!(outbox.push(message("4", Some("a"))), Pushed::Queued);
    }

    #[test]
    fn full_queue_becomes_one_resync() {
        let mut outbox = Outbox::new(limits(3, 10));
        for n in 0..3 {
            outbox.push(message(&n.to_string(), Some(&n.to_string())));
        }
        assert_eq!(outbox.push(message("9", None)), Pushed::Overflowed(4));
        outbox.push(message("10", Some("1")));
        assert_eq!(drain(&mut outbox), ["resync", "10"]);
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut outbox = Outbox::new(Limits { queue_bytes: 10, ..limits(100, 10) });
        outbox.push(message("123456", None));
        assert_eq!(outbox.push(message("123456", None)), Pushed::Overflowed(2));
        assert_eq!(outbox.waiting(), (1, 0));
    }

    #[test]
    fn window_stops_notifications_but_not_control() {
        let mut outbox = Outbox::new(limits(10, 1));
        outbox.push(message("1", None));
        outbox.push(message("2", None));
        assert!(outbox.pop().is_some());
        assert!(outbox.pop().is_none());
        outbox.control(Bytes::from_static(b"x"), None);
        assert!(outbox.pop().is_some());
        assert!(outbox.ack(1));
        assert!(outbox.pop().is_some());
        assert!(!outbox.ack(99));
    }

    #[tokio::test]
    async fn overflow_fails_waiting_calls() {
        let mut outbox = Outbox::new(limits(1, 10));
        let (answer, result) = oneshot::channel();
        outbox.push(Message { answer: Some(answer), ..message("1", None) });
        outbox.push(message("2", None));
        assert_eq!(result.await.expect("answered"), Err(NackReason::Overloaded));
    }
}
