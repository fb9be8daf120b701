//! Calls that wait for their answers. Pure.

use std::collections::HashMap;

use serde_json::Value;
use tokio::sync::oneshot;

use crate::{envelope::Reply, transport::Answer};

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The other side answered.
    Answer(Answer),
    /// The broker has no queue for it.
    NoConsumer,
}

struct Waiter {
    answer: oneshot::Sender<Outcome>,
    /// The result of a sender that ends separately.
    result: Option<Answer>,
}

/// The calls of one process in flight.
#[derive(Default)]
pub struct Waiters {
    calls: HashMap<String, Waiter>,
}

impl Waiters {
    /// Expects the answer to `msg_id`.
    pub fn add(&mut self, msg_id: &str, answer: oneshot::Sender<Outcome>) {
        self.calls.insert(msg_id.to_string(), Waiter { answer, result: None });
    }

    /// Nobody waits for `msg_id` any more.
    pub fn remove(&mut self, msg_id: &str) {
        self.calls.remove(msg_id);
    }

    /// Everybody stops waiting.
    pub fn clear(&mut self) {
        self.calls.clear();
    }

    /// Takes one reply message. The last of several that is no bare end of the call is its
    /// answer: Newton's predecessors sent result and end apart, and a server that is asked to
    /// sends heartbeats (no result, no end) while it works.
    pub fn reply(&mut self, reply: Reply) {
        let Some(waiter) = self.calls.get_mut(&reply.msg_id) else {
            tracing::debug!(msg_id = reply.msg_id, "nobody waits for this answer");
            return;
        };
        if reply.result != Ok(Value::Null) {
            waiter.result = Some(reply.result);
        }
        if reply.ending
            && let Some(waiter) = self.calls.remove(&reply.msg_id)
        {
            let answer = waiter.result.unwrap_or(Ok(Value::Null));
            // The caller may have timed out meanwhile.
            let _ = waiter.answer.send(Outcome::Answer(answer));
        }
    }

    /// The broker had nowhere to put the call `msg_id`.
    pub fn unroutable(&mut self, msg_id: &str) {
        if let Some(waiter) = self.calls.remove(msg_id) {
            // As above.
            let _ = waiter.answer.send(Outcome::NoConsumer);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::Failure;

    fn reply(result: Answer, ending: bool) -> Reply {
        Reply { ending, ..Reply::new("m", result) }
    }

    fn outcome(replies: &[Reply]) -> Option<Outcome> {
        let mut waiters = Waiters::default();
        let (answer, mut answered) = oneshot::channel();
        waiters.add("m", answer);
        for reply in replies {
            waiters.reply(reply.clone());
        }
        answered.try_recv().ok()
    }

    #[test]
    fn both_reply_styles_and_heartbeats() {
        let one = Ok(json!(1));
        let answer = |a: &Answer| Some(Outcome::Answer(a.clone()));
        let heartbeat = reply(Ok(Value::Null), false);
        let end = reply(Ok(Value::Null), true);
        assert_eq!(outcome(&[reply(one.clone(), true)]), answer(&one));
        assert_eq!(outcome(&[reply(one.clone(), false)]), None);
        assert_eq!(outcome(&[reply(one.clone(), false), end.clone()]), answer(&one));
        assert_eq!(outcome(&[heartbeat.clone(), heartbeat.clone()]), None);
        assert_eq!(outcome(&[heartbeat.clone(), reply(one.clone(), true)]), answer(&one));
        assert_eq!(outcome(&[heartbeat, end.clone()]), answer(&Ok(Value::Null)));
        let failed = Err(Failure::new("builtins", "ValueError", "no"));
        assert_eq!(outcome(&[reply(failed.clone(), false), end]), answer(&failed));
    }

    #[test]
    fn answers_to_others_and_unroutable_calls() {
        let mut waiters = Waiters::default();
        let (answer, mut answered) = oneshot::channel();
        waiters.add("m", answer);
        waiters.reply(Reply::new("other", Ok(json!(1))));
        waiters.unroutable("other");
        assert!(answered.try_recv().is_err());
        waiters.unroutable("m");
        assert_eq!(answered.try_recv(), Ok(Outcome::NoConsumer));
    }
}
