//! A broker that stops, dies, hangs or takes no more, and several of them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use neutrino_rpc::{
    BusEvent::{CastsLost, Connected, Disconnected},
    RpcError, Target, Transport,
    transport::amqp::Limits,
};
use neutrino_service_sandbox::Rabbitmq;
use serde_json::json;

use super::{Node, config_with};
use crate::support::{WAIT, request, wait_until};

/// A broker takes longer to come back than anything else here.
const RESTART: Duration = Duration::from_secs(60);

fn start() -> Rabbitmq {
    tokio::task::block_in_place(|| Rabbitmq::start().expect("RabbitMQ is installed"))
}

async fn comes_back(node: &Node) {
    let mut connected = node.client.connected();
    let back = connected.wait_for(|up| *up);
    tokio::time::timeout(RESTART, back).await.expect("in time").expect("alive");
}

async fn is_lost(node: &Node) {
    let mut connected = node.client.connected();
    let lost = connected.wait_for(|up| !*up);
    tokio::time::timeout(WAIT, lost).await.expect("in time").expect("alive");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_goes_fails_calls_at_once_keeps_casts_and_is_found_again() {
    let mut broker = start();
    let server = Node::start(config_with(&broker.url(), ""), "server", &["q"]).connected().await;
    let agent = Node::start(config_with(&broker.url(), ""), "agent", &["t"]).connected().await;
    for orderly in [true, false] {
        let heard = agent.inbox.messages().len();
        let permits = server.inbox.stop().await;
        let client = Arc::clone(&agent.client);
        let hanging = tokio::spawn(async move {
            client.call(&Target::topic("q"), request("hang", json!({})), WAIT).await
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        tokio::task::block_in_place(|| if orderly { broker.stop() } else { broker.kill() })
            .expect("ends");
        let error = hanging.await.expect("joins").expect_err("fails");
        assert!(matches!(error, RpcError::Disconnected { .. }) && error.retriable(), "{error}");
        for node in [&server, &agent] {
            is_lost(node).await;
        }
        // As an API request would: it must not wait for the broker.
        let begun = Instant::now();
        let target = Target::fanout("t");
        server.client.cast(&target, request("kept", json!({}))).await.expect("queued");
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert_eq!(server.client.waiting().0, 1);
        server.inbox.gate.add_permits(permits);
        tokio::task::block_in_place(|| broker.start_again()).expect("comes back");
        for node in [&server, &agent] {
            comes_back(node).await;
        }
        wait_until("the cast to leave", || server.client.waiting().0 == 0).await;
        // Published when the server was back, perhaps before the agent's queue was: as with
        // oslo.messaging. What comes after `Connected` is heard.
        server.client.cast(&target, request("seen", json!({}))).await.expect("cast");
        wait_until("the notification", || {
            agent.inbox.messages()[heard..].iter().any(|(method, _)| method == "seen")
        })
        .await;
        agent.client.call(&Target::topic("q"), request("m", json!({})), WAIT).await.expect("works");
    }
    let expected = [Connected, Disconnected, Connected, Disconnected, Connected];
    assert_eq!(agent.inbox.events(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_move_to_the_broker_that_is_left() {
    let (mut first, second) = (start(), start());
    let both = format!(
        "rabbit://neutron:sandbox@127.0.0.1:{},neutron:sandbox@127.0.0.1:{}/",
        first.port(),
        second.port()
    );
    let mut config = config_with(&both, "");
    config.retry.interval = Duration::from_millis(20);
    let mut nodes = Vec::new();
    for n in 0..4 {
        nodes.push(Node::start(config.clone(), &format!("n{n}"), &["t"]).connected().await);
    }
    tokio::task::block_in_place(|| first.kill()).expect("ends");
    let on_second =
        Node::start(config_with(&second.url(), ""), "observer", &["t"]).connected().await;
    // Whoever was on the first comes over.
    for node in &nodes {
        let heard = |node: &Node| node.inbox.messages().iter().any(|(m, _)| m == "all");
        let begun = Instant::now();
        while !heard(node) {
            assert!(begun.elapsed() < WAIT, "not on the second broker");
            on_second
                .client
                .cast(&Target::fanout("t"), request("all", json!({})))
                .await
                .expect("cast");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_hangs_is_noticed_and_costs_bounded_memory() {
    let broker = start();
    let mut config = config_with(&broker.url(), "heartbeat_timeout_threshold = 2\n");
    config.limits = Limits { messages: 50, bytes: 1 << 20 };
    let node = Node::start(config, "n", &["t"]).connected().await;
    let pid = broker.pid().expect("runs").to_string();
    signal("-STOP", &pid);
    let mut refused = 0;
    for n in 0..200 {
        let cast = node.client.cast(&Target::fanout("t"), request("m", json!({ "n": n }))).await;
        refused += usize::from(matches!(cast, Err(RpcError::Overloaded { .. })));
    }
    assert!(refused >= 150, "{refused}");
    assert!(node.client.waiting().0 <= 50);
    is_lost(&node).await;
    signal("-CONT", &pid);
    comes_back(&node).await;
    wait_until("the queue to empty", || node.client.waiting().0 == 0).await;
    wait_until("the word of it", || node.inbox.events().contains(&CastsLost)).await;
    assert_eq!(node.inbox.events().iter().filter(|e| **e == CastsLost).count(), 1);
}

fn signal(signal: &str, pid: &str) {
    let status = std::process::Command::new("kill").args([signal, pid]).status().expect("runs");
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_without_memory_blocks_senders_but_not_what_they_receive() {
    let broker = start();
    let ctl = |arguments: &[&str]| {
        tokio::task::block_in_place(|| broker.ctl(arguments)).expect("rabbitmqctl");
    };
    let mut config = config_with(&broker.url(), "");
    config.limits = Limits { messages: 100, bytes: 1 << 20 };
    let node = Node::start(config.clone(), "n", &["t"]).connected().await;
    // A connection is blocked when it publishes.
    node.client.cast(&Target::topic("t"), request("before", json!({}))).await.expect("cast");
    node.received(1).await;
    ctl(&["set_vm_memory_high_watermark", "0.0000001"]);
    let full = || async {
        node.client.cast(&Target::fanout("t"), request("later", json!({}))).await.is_err()
    };
    let begun = Instant::now();
    while !full().await {
        assert!(begun.elapsed() < WAIT, "everything was taken");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(node.client.waiting().0 <= 100);
    assert!(*node.client.connected().borrow(), "still connected");
    ctl(&["set_vm_memory_high_watermark", "absolute", "1GB"]);
    wait_until("the rest to leave", || node.client.waiting().0 == 0).await;
    wait_until("the word of what was lost", || node.inbox.events().contains(&CastsLost)).await;
    assert_eq!(node.client.attempts(), 1);
}
