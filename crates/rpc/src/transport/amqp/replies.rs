//! Answers to calls: sent until the caller's queue has them, or is known to be gone.

use std::{collections::HashMap, sync::PoisonError, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use super::Shared;
use crate::{
    envelope::{CallHeader, Reply},
    error::Failure,
    transport::Answer,
};

/// Pause between attempts while the queue is missing.
const RETRY: Duration = Duration::from_millis(250);
/// Queues remembered as gone, and for how long: their callers' other calls are not answered, so
/// that a thousand of them do not keep everybody else waiting.
const GONE: usize = 200;
const GONE_FOR: Duration = Duration::from_secs(60);

/// Reply queues that do not exist any more.
#[derive(Default)]
pub(super) struct Obsolete {
    until: HashMap<String, Instant>,
}

impl Obsolete {
    fn contains(&mut self, queue: &str, now: Instant) -> bool {
        self.until.retain(|_, until| *until > now);
        self.until.contains_key(queue)
    }

    fn add(&mut self, queue: &str, now: Instant) {
        if self.until.len() >= GONE
            && let Some(oldest) =
                self.until.iter().min_by_key(|(_, until)| **until).map(|(queue, _)| queue.clone())
        {
            self.until.remove(&oldest);
        }
        self.until.insert(queue.to_string(), now + GONE_FOR);
    }
}

impl Shared {
    /// Sends the final answer to `call`.
    pub(super) async fn reply(&self, call: &CallHeader, method: &str, answer: Answer) {
        let mut body = Reply::new(&call.msg_id, answer).encode();
        let limit = self.config.limits.bytes;
        if body.len() > limit {
            let failure = Failure::new(
                "builtins",
                "ValueError",
                format!("the answer of {} bytes exceeds the limit of {limit}", body.len()),
            );
            tracing::error!(method, size = body.len(), limit, "answer too large to send");
            body = Reply::new(&call.msg_id, Err(failure)).encode();
        }
        self.deliver(call, method, &body).await;
    }

    /// Tells the caller, when there still is one, that its call is being worked on. False when
    /// there is nobody to tell.
    pub(super) async fn reply_heartbeat(&self, call: &CallHeader) -> bool {
        let link = self.link.borrow().clone();
        let Some(link) = link else { return true };
        let body = Reply::working(&call.msg_id).encode();
        // A connection that fails here is for others to notice.
        link.direct(&call.reply_q, body.as_bytes()).await.unwrap_or(true)
    }

    async fn deliver(&self, call: &CallHeader, method: &str, body: &str) {
        let queue = &call.reply_q;
        if self.obsolete(|obsolete| obsolete.contains(queue, Instant::now())) {
            tracing::debug!(queue, method, "answer to a caller that is gone dropped");
            return;
        }
        let deadline = Instant::now() + self.config.missing_reply_queue;
        let mut links = self.link.subscribe();
        loop {
            let link = timeout_at(deadline, links.wait_for(Option::is_some)).await;
            let Some(link) = link.ok().and_then(|link| link.ok()?.clone()) else {
                tracing::warn!(queue, method, "answer not sent: no connection to the broker");
                return;
            };
            match link.direct(queue, body.as_bytes()).await {
                Ok(true) => return,
                Ok(false) if Instant::now() >= deadline => {
                    self.obsolete(|obsolete| obsolete.add(queue, Instant::now()));
                    tracing::warn!(queue, method, "answer not sent: the caller's queue is gone");
                    return;
                }
                Ok(false) => {}
                Err(error) => tracing::debug!(queue, method, error = %error, "sending again"),
            }
            sleep(RETRY).await;
        }
    }

    fn obsolete<T>(&self, look: impl FnOnce(&mut Obsolete) -> T) -> T {
        // No code panics while holding it.
        look(&mut self.obsolete.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gone_queues_are_remembered_for_a_while_and_not_too_many() {
        let mut obsolete = Obsolete::default();
        let now = Instant::now();
        obsolete.add("q", now);
        assert!(obsolete.contains("q", now + Duration::from_secs(59)));
        assert!(!obsolete.contains("q", now + Duration::from_secs(60)));
        for n in 0..500 {
            obsolete.add(&n.to_string(), now + Duration::from_millis(n));
        }
        assert_eq!(obsolete.until.len(), GONE);
        assert!(obsolete.contains("499", now) && !obsolete.contains("1", now));
    }
}
