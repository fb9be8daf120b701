//! Many networks on one agent: nothing of the agent grows with them but memory, and a restart
//! finds all of them. `NEUTRINO_DHCP_NETWORKS=250` and `--nocapture` inside tell figures.

use std::{fs, time::Instant};

use neutrino_privilege::isolated;
use serde_json::json;

use crate::{
    server::Server,
    support::{Host, network, pid, run, v4_subnet, wait_synced},
};

#[test]
fn a_restart_adopts_many_networks_without_threads_for_them() {
    isolated(|| run(adopts_many()));
}

fn id(n: usize) -> String {
    format!("{n:08x}-0000-4000-8000-000000000000")
}

/// A line of this process's status.
fn status(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("readable");
    let line = text.lines().find(|line| line.starts_with(name)).expect("a line");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

async fn adopts_many() {
    let count: usize =
        std::env::var("NEUTRINO_DHCP_NETWORKS").ok().and_then(|n| n.parse().ok()).unwrap_or(30);
    let server = Server::start().await;
    for n in 1..=count {
        let subnets = json!([v4_subnet("s1", "10.0.0.0/24", json!("10.0.0.1"))]);
        server.world().networks.insert(id(n), network(&id(n), subnets));
    }
    let host = Host::new(&server, "force_metadata = true");
    let (rss, begun) = (status("VmRSS"), Instant::now());
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    let made = begun.elapsed();
    let pids: Vec<i32> = (1..=count).map(|n| pid(&host, &id(n))).collect();
    assert_eq!(agent.progress().borrow().networks, count);
    agent.stop().await;

    let begun = Instant::now();
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    let adopted = begun.elapsed();
    assert_eq!((1..=count).map(|n| pid(&host, &id(n))).collect::<Vec<_>>(), pids);
    let progress = *agent.progress().borrow();
    assert_eq!((progress.networks, progress.spawned, progress.reloads), (count, 0, 0));
    let (grown, threads) = (status("VmRSS").saturating_sub(rss), status("Threads"));
    eprintln!(
        "{count} networks: made in {made:?}, adopted in {adopted:?}, {grown} KiB, {threads} threads"
    );
    // The runtime's two, its blocking ones (at most one per job), the test's own.
    assert!(threads < 50, "{threads} threads");
}
