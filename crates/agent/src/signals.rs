//! The signals an agent listens to.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT, which end an agent, and SIGHUP, which must not.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals over from now on, also while the agent still starts.
    ///
    /// # Errors
    /// What the system refused.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Returns when the agent is asked to stop. May be dropped and called again: no signal is
    /// lost.
    pub async fn stop(&mut self) {
        loop {
            tokio::select! {
                // Cancel-safe: each arm waits for one event and loses none.
                _ = self.hangup.recv() => {
                    tracing::warn!(
                        "hangup: the configuration is read at start only, restart instead"
                    );
                }
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
            }
        }
    }
}
