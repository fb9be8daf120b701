//! Which request an answer belongs to.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use neutrino_openflow::Message;
use tokio::sync::mpsc;

/// An answer with the transaction id it came under.
pub(crate) type Answer = (u32, Message);

#[derive(Default)]
struct State {
    next: u32,
    closed: bool,
    /// First transaction id of a request to its last one and where its answers go.
    waiting: BTreeMap<u32, (u32, mpsc::UnboundedSender<Answer>)>,
}

/// The requests of one connection that wait for answers.
///
/// The queues of answers are unbounded so that the reading side never waits: it must go on reading
/// for the switch to go on reading, or both ends of a large bundle would wait for each other. Their
/// length is bounded by what was asked, as answers to nothing asked are dropped.
#[derive(Default)]
pub(crate) struct Pending(Mutex<State>);

/// A request's claim on a run of transaction ids; given back when dropped.
pub(crate) struct Claim<'a> {
    pending: &'a Pending,
    /// First id of the run.
    pub(crate) first: u32,
    pub(crate) answers: mpsc::UnboundedReceiver<Answer>,
}

impl Pending {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between statements, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims `count` ids in a row; `None` when the connection ended.
    pub(crate) fn claim(&self, count: u32) -> Option<Claim<'_>> {
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        // Zero is for what nobody waits for.
        let first = match state.next.max(1).checked_add(count) {
            Some(_) => state.next.max(1),
            None => 1,
        };
        state.next = first.saturating_add(count);
        let (sender, answers) = mpsc::unbounded_channel();
        let last = first.saturating_add(count.saturating_sub(1));
        state.waiting.insert(first, (last, sender));
        Some(Claim { pending: self, first, answers })
    }

    /// Hands an answer to who waits for it; gives it back when nobody does.
    pub(crate) fn deliver(&self, xid: u32, message: Message) -> Option<Message> {
        let state = self.lock();
        match state.waiting.range(..=xid).next_back() {
            Some((_, (last, sender))) if xid <= *last => {
                sender.send((xid, message)).err().map(|unsent| unsent.0.1)
            }
            _ => Some(message),
        }
    }

    /// Ends every wait; later claims fail.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.pending.lock().waiting.remove(&self.first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_reach_the_claim_their_id_lies_in() {
        let pending = Pending::default();
        let mut one = pending.claim(3).unwrap();
        let mut two = pending.claim(1).unwrap();
        assert_eq!((one.first, two.first), (1, 4));
        assert!(pending.deliver(3, Message::BarrierReply).is_none());
        assert!(pending.deliver(4, Message::BarrierReply).is_none());
        assert!(pending.deliver(5, Message::BarrierReply).is_some());
        assert!(pending.deliver(0, Message::BarrierReply).is_some());
        assert_eq!(one.answers.try_recv().unwrap().0, 3);
        assert_eq!(two.answers.try_recv().unwrap().0, 4);
        drop(one);
        assert!(pending.deliver(2, Message::BarrierReply).is_some());
    }

    #[test]
    fn ids_wrap_and_a_closed_connection_takes_no_claims() {
        let pending = Pending::default();
        pending.lock().next = u32::MAX - 1;
        assert_eq!(pending.claim(10).unwrap().first, 1);
        let mut claim = pending.claim(1).unwrap();
        pending.close();
        assert!(claim.answers.try_recv().is_err());
        assert!(pending.claim(1).is_none());
    }
}
