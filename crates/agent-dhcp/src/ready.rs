//! Tells the server which ports' addresses are served, so that they can become ACTIVE.

use std::{collections::BTreeSet, time::Duration};

use tokio::sync::mpsc;

use crate::rpc::DhcpApi;

/// Ports per call.
const BATCH: usize = 64;
/// Pause after a call that failed.
const RETRY: Duration = Duration::from_secs(1);

/// Ports whose addresses are served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Those somebody has just made or changed and waits for.
    pub first: BTreeSet<String>,
    /// Those of networks that were read again as a whole.
    pub rest: BTreeSet<String>,
}

impl Ready {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_empty() && self.rest.is_empty()
    }

    fn extend(&mut self, more: Self) {
        self.first.extend(more.first);
        self.rest.extend(more.rest);
    }

    /// What the next call tells.
    fn batch(&self) -> BTreeSet<String> {
        self.first.iter().chain(self.rest.difference(&self.first)).take(BATCH).cloned().collect()
    }

    fn told(&mut self, batch: &BTreeSet<String>) {
        self.first.retain(|id| !batch.contains(id));
        self.rest.retain(|id| !batch.contains(id));
    }
}

/// Reports the ports that come in, at once and in batches, until the sender is gone.
pub async fn report(api: DhcpApi, mut ports: mpsc::UnboundedReceiver<Ready>) {
    let mut waiting = Ready::default();
    loop {
        if waiting.is_empty() {
            match ports.recv().await {
                Some(more) => waiting.extend(more),
                None => return,
            }
        }
        while let Ok(more) = ports.try_recv() {
            waiting.extend(more);
        }
        let batch = waiting.batch();
        if batch.is_empty() {
            continue;
        }
        match api.ready_on_ports(&batch).await {
            Ok(()) => {
                tracing::debug!(ports = batch.len(), "ports reported as served");
                waiting.told(&batch);
            }
            Err(error) => {
                tracing::warn!(%error, "reporting served ports failed, will retry");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ports_somebody_waits_for_go_first_and_each_once() {
        let many: Vec<String> = (0..BATCH).map(|n| format!("a{n:03}")).collect();
        let mut ready = Ready { rest: many.iter().cloned().collect(), ..Ready::default() };
        ready.extend(Ready { first: set(&["z", "a000"]), ..Ready::default() });
        let batch = ready.batch();
        assert_eq!(batch.len(), BATCH);
        assert!(batch.contains("z") && batch.contains("a000"), "{batch:?}");
        ready.told(&batch);
        assert_eq!(ready, Ready { rest: set(&["a063"]), ..Ready::default() });
        ready.told(&ready.batch());
        assert!(ready.is_empty());
    }
}
