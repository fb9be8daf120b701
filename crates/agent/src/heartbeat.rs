//! Reports the agent's state to the server: at once, every interval, after a reconnect, and when
//! asked.

use std::{sync::Arc, time::Duration};

use neutrino_rpc::shapes::AgentState;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use crate::{
    api::{AgentStatus, ServerApi},
    notification::ResyncReason,
};

/// A running heartbeat; stops when dropped.
pub struct Heartbeat {
    state: watch::Sender<AgentState>,
    last: watch::Receiver<Option<AgentStatus>>,
    now: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Heartbeat {
    /// Reports `state` every `interval`. `start_flag` is sent as `state` has it: set it at the
    /// start and call [`Heartbeat::sync_done`] after the first reconcile.
    #[must_use]
    pub fn spawn(api: ServerApi, state: AgentState, interval: Duration) -> Self {
        let (state, states) = watch::channel(state);
        let (last, last_seen) = watch::channel(None);
        let now = Arc::new(Notify::new());
        let task = tokio::spawn(run(api, states, last, Arc::clone(&now), interval));
        Self { state, last: last_seen, now, task }
    }

    /// Changes what is reported from the next report on, e.g. the number of devices.
    pub fn update(&self, change: impl FnOnce(&mut AgentState)) {
        self.state.send_modify(change);
    }

    /// The first reconcile has finished: clears `start_flag`.
    pub fn sync_done(&self) {
        self.update(|state| state.start_flag = false);
    }

    /// Reports now, without waiting for the interval.
    pub fn report_now(&self) {
        self.now.notify_one();
    }

    /// The server's last answer, to be watched.
    #[must_use]
    pub fn last_status(&self) -> watch::Receiver<Option<AgentStatus>> {
        self.last.clone()
    }
}

async fn run(
    api: ServerApi,
    states: watch::Receiver<AgentState>,
    last: watch::Sender<Option<AgentStatus>>,
    now: Arc<Notify>,
    interval: Duration,
) {
    let mut connected = api.connected();
    let mut versions_known = false;
    loop {
        if connected.wait_for(|connected| *connected).await.is_err() {
            return;
        }
        let next = Instant::now() + interval;
        let mut state = states.borrow().clone();
        if versions_known {
            state.resource_versions = None;
        }
        match api.report_state(&state).await {
            Ok(status) => {
                versions_known = true;
                if status == Some(AgentStatus::Revived) {
                    tracing::info!("the server had taken this agent for dead, reading all again");
                    api.resync(ResyncReason::Revived).await;
                }
                last.send_replace(status);
            }
            // Not retried at once: a server that cannot keep up needs fewer reports, not more.
            Err(error) => tracing::warn!(error = %error, "reporting state failed"),
        }
        // A reconnect reports at once, so that the agent is alive again without delay.
        let early = async {
            tokio::select! {
                () = now.notified() => {}
                lost = connected.wait_for(|connected| !*connected) => drop(lost),
            }
        };
        // Elapsing is the normal case.
        let _ = timeout_at(next, early).await;
    }
}
