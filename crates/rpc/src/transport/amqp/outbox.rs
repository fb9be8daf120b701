//! What waits to be published: in order, bounded, and kept until the broker has confirmed it.
//! Pure.

use std::{collections::VecDeque, sync::Arc};

use tokio::time::Instant;

use super::{config::Limits, topology::Exchange};

/// A message on its way to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Exchange.
    pub exchange: Exchange,
    /// Routing key; empty for a fanout.
    pub key: String,
    /// Envelope as JSON text.
    pub body: String,
    /// Present on calls.
    pub call: Option<Call>,
}

/// The part of a message that only calls have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Correlates the answer.
    pub msg_id: String,
    /// Milliseconds the caller waits, `expiration` on the wire.
    pub patience_ms: u64,
    /// When the caller stops waiting.
    pub deadline: Instant,
}

impl Message {
    /// Whether nobody waits for it any more.
    fn stale(&self, now: Instant) -> bool {
        self.call.as_ref().is_some_and(|call| call.deadline <= now)
    }
}

/// Why [`Outbox::push`] did not take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Whether the messages before it were still taken: the moment to say so.
    pub first: bool,
}

/// The queue of one process. The first `sent` messages are at the broker, unconfirmed.
#[derive(Debug)]
pub struct Outbox {
    limits: Limits,
    queue: VecDeque<Arc<Message>>,
    sent: usize,
    bytes: usize,
    lost: u64,
}

impl Outbox {
    /// An empty queue.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, queue: VecDeque::new(), sent: 0, bytes: 0, lost: 0 }
    }

    /// Queues a message.
    pub fn push(&mut self, message: Message) -> Result<(), Full> {
        let full = self.queue.len() >= self.limits.messages
            || self.bytes.saturating_add(message.body.len()) > self.limits.bytes;
        if full {
            // A call tells its caller; a cast tells nobody.
            let first = self.lost == 0;
            self.lost += u64::from(message.call.is_none());
            return Err(Full { first: first && self.lost > 0 });
        }
        self.bytes += message.body.len();
        self.queue.push_back(Arc::new(message));
        Ok(())
    }

    /// The next message to send; it counts as sent. Calls nobody waits for are dropped.
    pub fn next(&mut self, now: Instant) -> Option<Arc<Message>> {
        while let Some(message) = self.queue.get(self.sent) {
            if !message.stale(now) {
                let message = Arc::clone(message);
                self.sent += 1;
                return Some(message);
            }
            if let Some(stale) = self.queue.remove(self.sent) {
                self.bytes -= stale.body.len();
            }
        }
        None
    }

    /// The broker has the oldest sent message.
    pub fn confirmed(&mut self) {
        if self.sent > 0
            && let Some(message) = self.queue.pop_front()
        {
            self.sent -= 1;
            self.bytes -= message.body.len();
        }
    }

    /// The channel ended: what is unconfirmed is sent again, first.
    pub fn resend(&mut self) {
        self.sent = 0;
    }

    /// The connection ended: as [`Outbox::resend`], without calls, which have failed.
    pub fn disconnected(&mut self) {
        self.resend();
        self.queue.retain(|message| message.call.is_none());
        self.bytes = self.queue.iter().map(|message| message.body.len()).sum();
    }

    /// Casts that were dropped, once there is room again (half of the queue); then counts anew.
    pub fn take_lost(&mut self) -> Option<u64> {
        let roomy =
            self.queue.len() <= self.limits.messages / 2 && self.bytes <= self.limits.bytes / 2;
        (roomy && self.lost > 0).then(|| std::mem::take(&mut self.lost))
    }

    /// Messages waiting, sent or not, and bytes of them.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        (self.queue.len(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::topology::Kind, *};

    fn cast(body: &str) -> Message {
        let exchange = Exchange {
            name: "neutron".into(),
            kind: Kind::Topic,
            durable: false,
            auto_delete: false,
        };
        Message { exchange, key: "k".into(), body: body.into(), call: None }
    }

    fn call(body: &str, deadline: Instant) -> Message {
        let call = Call { msg_id: body.into(), patience_ms: 1, deadline };
        Message { call: Some(call), ..cast(body) }
    }

    fn outbox(messages: usize, bytes: usize) -> Outbox {
        Outbox::new(Limits { messages, bytes })
    }

    fn drain(outbox: &mut Outbox) -> Vec<String> {
        let now = Instant::now();
        std::iter::from_fn(|| outbox.next(now)).map(|m| m.body.clone()).collect()
    }

    #[test]
    fn unconfirmed_messages_are_sent_again_in_order() {
        let mut outbox = outbox(10, 100);
        for body in ["1", "2", "3"] {
            outbox.push(cast(body)).expect("room");
        }
        assert_eq!(drain(&mut outbox), ["1", "2", "3"]);
        outbox.confirmed();
        outbox.resend();
        outbox.push(cast("4")).expect("room");
        assert_eq!(drain(&mut outbox), ["2", "3", "4"]);
        for _ in 0..9 {
            outbox.confirmed();
        }
        assert_eq!(outbox.waiting(), (0, 0));
    }

    #[test]
    fn calls_end_with_their_callers_and_with_the_connection() {
        let mut outbox = outbox(10, 100);
        let now = Instant::now();
        outbox.push(call("stale", now)).expect("room");
        outbox.push(call("fresh", now + Duration::from_secs(60))).expect("room");
        outbox.push(cast("cast")).expect("room");
        assert_eq!(drain(&mut outbox), ["fresh", "cast"]);
        outbox.disconnected();
        assert_eq!(outbox.waiting(), (1, 4));
        assert_eq!(drain(&mut outbox), ["cast"]);
    }

    #[test]
    fn bounds_are_kept_and_losses_counted_until_there_is_room() {
        let mut outbox = outbox(2, 100);
        outbox.push(cast("1")).expect("room");
        outbox.push(cast("2")).expect("room");
        assert_eq!(outbox.push(call("c", Instant::now())), Err(Full { first: false }));
        assert_eq!(outbox.push(cast("3")), Err(Full { first: true }));
        assert_eq!(outbox.push(cast("4")), Err(Full { first: false }));
        assert_eq!(outbox.take_lost(), None);
        drain(&mut outbox);
        outbox.confirmed();
        assert_eq!(outbox.take_lost(), Some(2));
        assert_eq!(outbox.take_lost(), None);
        let mut small = Outbox::new(Limits { messages: 10, bytes: 3 });
        small.push(cast("12")).expect("room");
        assert_eq!(small.push(cast("34")), Err(Full { first: true }));
        assert_eq!(small.waiting(), (1, 2));
    }
}
