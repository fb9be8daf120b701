//! What operations cost, at any fill, and what happens when many come at once.

use std::collections::HashSet;

use neutrino_types::Attrs;
use serde_json::json;

use crate::common::{Cloud, attrs, cloud, ips, text};

/// Statements one single port costs: create, get, rename, delete.
async fn costs(cloud: &Cloud, network: &str) -> [u64; 4] {
    let mut at = cloud.db.counts();
    let mut since = || {
        let now = cloud.db.counts();
        let cost = (now - at).total();
        at = now;
        cost
    };
    let port = cloud.port(json!({"network_id": network})).await.expect("port");
    let create = since();
    cloud.get_port(&text(&port, "id")).await;
    let get = since();
    cloud.update_port(&text(&port, "id"), json!({"name": "x"})).await.expect("update");
    let update = since();
    cloud.plugin.ports().delete(&cloud.ctx, &text(&port, "id"), None).await.expect("delete");
    [create, get, update, since()]
}

async fn fill(cloud: &Cloud, network: &str, count: usize) -> Vec<Attrs> {
    let items = vec![attrs(json!({"network_id": network})); count];
    cloud.plugin.ports().create(&cloud.ctx, items).await.expect("bulk")
}

#[tokio::test]
async fn a_port_costs_the_same_at_10_and_at_50_000_ports() {
    let cloud = cloud().await;
    let (network, _) = cloud.net("n", "10.0.0.0/16").await;
    fill(&cloud, &network, 10).await;
    let few = costs(&cloud, &network).await;
    let mut made = 10;
    while made < 50_000 {
        made += fill(&cloud, &network, 1000.min(50_000 - made)).await.len();
    }
    let mut many = Vec::new();
    for _ in 0..20 {
        many.push(costs(&cloud, &network).await);
    }
    // One in three hundred generated MACs is taken by now, which costs another try.
    let as_before = many.iter().filter(|cost| **cost == few).count();
    assert!(as_before >= 15, "{few:?}, then {many:?}");
    assert!(few[0] <= 12, "create costs {few:?}");
    assert!(few[1] <= 3 && few[2] <= 4 && few[3] <= 4, "{few:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_creates_at_once_all_succeed_with_different_addresses() {
    let cloud = cloud().await;
    let (network, _) = cloud.net("n", "10.0.0.0/21").await;
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let (ports, ctx) = (cloud.plugin.ports(), cloud.ctx.clone());
            let item = attrs(json!({"network_id": network}));
            tokio::spawn(async move { ports.create(&ctx, vec![item]).await })
        })
        .collect();
    let mut addresses = HashSet::new();
    for task in tasks {
        let made = task.await.expect("task").expect("port");
        assert!(addresses.insert(ips(&made[0])), "a duplicate");
    }
    assert_eq!(addresses.len(), 1000);
}

#[tokio::test]
async fn a_bulk_of_100_costs_few_statements() {
    let cloud = cloud().await;
    let (network, _) = cloud.net("n", "10.0.0.0/16").await;
    let before = cloud.db.counts();
    fill(&cloud, &network, 100).await;
    let cost = (cloud.db.counts() - before).total();
    assert!(cost <= 12, "{cost} statements");
}

#[tokio::test]
async fn a_list_costs_the_same_for_1_and_for_1000_ports() {
    let cloud = cloud().await;
    let (network, _) = cloud.net("n", "10.0.0.0/16").await;
    let mut list = Vec::new();
    for count in [1, 999] {
        fill(&cloud, &network, count).await;
        let before = cloud.db.counts();
        let ports = cloud.plugin.ports().list(&cloud.ctx, &crate::common::all()).await;
        list.push((ports.expect("list").len(), (cloud.db.counts() - before).total()));
    }
    assert_eq!(list, [(1, 3), (1000, 3)]);
}

#[tokio::test]
async fn a_subnet_is_filled_to_the_last_address() {
    let cloud = cloud().await;
    let (network, _) = cloud.net("n", "10.0.0.0/22").await;
    let made = fill(&cloud, &network, 1000).await;
    let mut seen: HashSet<String> = made.iter().flat_map(ips).collect();
    for _ in 0..21 {
        let port = cloud.port(json!({"network_id": network})).await.expect("port");
        assert!(seen.insert(ips(&port).remove(0)));
    }
    assert_eq!(seen.len(), 1021);
    let error = cloud.port(json!({"network_id": network})).await.expect_err("full");
    assert_eq!(error.kind, "IpAddressGenerationFailure");
}
