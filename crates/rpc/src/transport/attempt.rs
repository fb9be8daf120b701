//! What clients of both buses keep of their connection and their calls.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// Whether a client is connected, and how often it tried to be.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    connected: watch::Sender<bool>,
    count: AtomicU64,
}

impl Attempts {
    /// One more begins.
    pub(super) fn begin(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// How many began.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Says whether there is a connection now.
    pub(super) fn set_connected(&self, connected: bool) {
        self.connected.send_replace(connected);
    }

    /// Whether there is one.
    pub(super) fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// The same, to be watched.
    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }
}

/// Does something at the end of a scope however it ends, also when its future is dropped: takes a
/// call's place away.
pub(super) struct Finally<F: Fn()>(pub(super) F);

impl<F: Fn()> Drop for Finally<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
