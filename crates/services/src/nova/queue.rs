//! What Nova is still to be told.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::events::Event;

/// Most entries kept while Nova cannot be reached; beyond that the oldest go: an instance waits
/// minutes for its port, not longer.
const LIMIT: usize = 20_000;

/// Most entries of one message: Nova looks each of their instances up.
const BATCH: usize = 1_000;

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pending {
    /// This.
    Event(Event),
    /// That the network of the port with this id changed, if it is an instance's.
    ChangedPort(String),
}

/// Entries in the order of their coming.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: Mutex<State>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Pending>,
    dropped: usize,
}

impl Queue {
    /// Appends, unless the last entry says the same.
    pub(super) fn push(&self, pending: Pending) {
        let mut state = self.state();
        if state.entries.back() == Some(&pending) {
            return;
        }
        if state.entries.len() >= LIMIT {
            state.entries.pop_front();
            state.dropped += 1;
        }
        state.entries.push_back(pending);
        drop(state);
        self.filled.notify_one();
    }

    /// Waits until there is an entry.
    pub(super) async fn filled(&self) {
        while self.state().entries.is_empty() {
            self.filled.notified().await;
        }
    }

    /// Takes the next entries, and tells how many were dropped since the last time.
    pub(super) fn take(&self) -> (Vec<Pending>, usize) {
        let mut state = self.state();
        let count = state.entries.len().min(BATCH);
        let batch = state.entries.drain(..count).collect();
        (batch, std::mem::take(&mut state.dropped))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change leaves the state whole.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_order_kept() {
        let queue = Queue::default();
        for n in 0..LIMIT + 5 {
            queue.push(Pending::ChangedPort(n.to_string()));
            queue.push(Pending::ChangedPort(n.to_string()));
        }
        let (batch, dropped) = queue.take();
        assert_eq!((batch.len(), dropped), (BATCH, 5));
        assert_eq!(batch[0], Pending::ChangedPort("5".into()));
        assert_eq!(queue.take().1, 0);
    }
}
