//! Tells the server which ports' addresses are served, so that they can become ACTIVE.

use std::{collections::BTreeSet, time::Duration};

use tokio::sync::mpsc;

use crate::rpc::DhcpApi;

/// Ports per call.
const BATCH: usize = 64;
/// Pause after a call that failed.
const RETRY: Duration = Duration::from_secs(1);

/// Reports the ports that come in, at once and in batches, until the sender is gone.
pub async fn report(api: DhcpApi, mut ports: mpsc::UnboundedReceiver<Vec<String>>) {
    let mut waiting: BTreeSet<String> = BTreeSet::new();
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
        let batch: Vec<String> = waiting.iter().take(BATCH).cloned().collect();
        if batch.is_empty() {
            continue;
        }
        match api.ready_on_ports(&batch).await {
            Ok(()) => {
                tracing::debug!(ports = batch.len(), "ports reported as served");
                batch.iter().for_each(|id| {
                    waiting.remove(id);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "reporting served ports failed, will retry");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}
