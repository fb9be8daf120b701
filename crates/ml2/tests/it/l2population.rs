//! Forwarding entries: who is told what when ports come, move and go.

use neutrino_types::Attrs;
use serde_json::{Value, json};

use crate::common::{Cloud, cloud, ips, text};

const FLOOD: &str = "00:00:00:00:00:00";

async fn up(cloud: &Cloud, port: &Attrs, host: &str) {
    let devices = [text(port, "id")];
    cloud
        .plugin
        .update_device_list(&cloud.ctx, Some(host), &devices, &[], false)
        .await
        .expect("up");
}

async fn down(cloud: &Cloud, port: &Attrs, host: &str) {
    let devices = [text(port, "id")];
    cloud
        .plugin
        .update_device_list(&cloud.ctx, Some(host), &[], &devices, false)
        .await
        .expect("down");
}

fn entry(port: &Attrs) -> Value {
    json!([port["mac_address"], ips(port)[0]])
}

fn flood() -> Value {
    json!([FLOOD, "0.0.0.0"])
}

async fn two_hosts() -> (Cloud, String, Value) {
    let cloud = cloud().await;
    cloud.agent("c0", "192.0.2.10").await;
    cloud.agent("c1", "192.0.2.11").await;
    let (network, _) = cloud.net("n", "10.0.0.0/16").await;
    let shown = cloud.plugin.networks().get(&cloud.ctx, &network).await.expect("network");
    (cloud, network, shown["provider:segmentation_id"].clone())
}

#[tokio::test]
async fn first_ports_bring_the_table_and_flooding_last_ports_take_it() {
    let (cloud, network, vni) = two_hosts().await;
    let message = |ports: Value| json!({network.as_str(): {"segment_id": vni, "network_type": "vxlan", "ports": ports}});
    let a = cloud.instance(&network, "c0").await;
    let b = cloud.instance(&network, "c1").await;
    cloud.told.take();

    up(&cloud, &a, "c0").await;
    assert_eq!(
        cloud.told.take(),
        [("add_fdb_entries".to_string(), message(json!({"192.0.2.10": [flood(), entry(&a)]})))]
    );

    up(&cloud, &b, "c1").await;
    assert_eq!(
        cloud.told.take(),
        [
            (
                "add_fdb_entries@c1".to_string(),
                message(json!({"192.0.2.10": [flood(), entry(&a)]}))
            ),
            ("add_fdb_entries".to_string(), message(json!({"192.0.2.11": [flood(), entry(&b)]}))),
        ]
    );

    let more = [cloud.instance(&network, "c0").await, cloud.instance(&network, "c0").await];
    up(&cloud, &more[0], "c0").await;
    cloud.told.take();
    up(&cloud, &more[1], "c0").await;
    assert_eq!(
        cloud.told.take(),
        [("add_fdb_entries".to_string(), message(json!({"192.0.2.10": [entry(&more[1])]})))]
    );

    down(&cloud, &more[1], "c0").await;
    assert_eq!(
        cloud.told.take(),
        [("remove_fdb_entries".to_string(), message(json!({"192.0.2.10": [entry(&more[1])]})))]
    );
    cloud.plugin.ports().delete(&cloud.ctx, &text(&b, "id"), None).await.expect("delete");
    assert_eq!(
        cloud.told.take(),
        [
            (
                "remove_fdb_entries".to_string(),
                message(json!({"192.0.2.11": [flood(), entry(&b)]}))
            ),
            ("port_delete".to_string(), b["id"].clone()),
        ]
    );
}

#[tokio::test]
async fn a_restarted_agent_gets_everything_again() {
    let (cloud, network, _) = two_hosts().await;
    let mut local = Vec::new();
    for _ in 0..4 {
        local.push(cloud.instance(&network, "c0").await);
    }
    let remote = cloud.instance(&network, "c1").await;
    for port in &local {
        up(&cloud, port, "c0").await;
    }
    up(&cloud, &remote, "c1").await;
    cloud.told.take();
    let devices = [text(&local[0], "id")];
    cloud.plugin.update_device_list(&cloud.ctx, Some("c0"), &devices, &[], true).await.expect("up");
    let told = cloud.told.take();
    assert_eq!(told[0].0, "add_fdb_entries@c0");
    let table = &told[0].1[network.as_str()]["ports"];
    assert_eq!(table, &json!({"192.0.2.11": [flood(), entry(&remote)]}));
    assert_eq!(told[1].0, "add_fdb_entries");
}

#[tokio::test]
async fn a_changed_address_and_a_move_are_announced() {
    let (cloud, network, _) = two_hosts().await;
    let port = cloud.instance(&network, "c0").await;
    let id = text(&port, "id");
    up(&cloud, &port, "c0").await;
    cloud.told.take();
    let new = cloud
        .update_port(&id, json!({"fixed_ips": [{"ip_address": "10.0.200.200"}]}))
        .await
        .expect("update");
    let told = cloud.told.take();
    assert_eq!(
        told[0],
        (
            "update_fdb_entries".to_string(),
            json!({"chg_ip": {network.as_str(): {"192.0.2.10": {
            "before": [entry(&port)], "after": [entry(&new)]}}}})
        )
    );
    assert_eq!(told[1].0, "port_update");
    cloud.update_port(&id, json!({"binding:host_id": "c1"})).await.expect("move");
    let told = cloud.told.take();
    assert_eq!(told[0].0, "remove_fdb_entries");
    let gone = &told[0].1[network.as_str()]["ports"];
    assert_eq!(gone, &json!({"192.0.2.10": [flood(), entry(&new)]}));
}

#[tokio::test]
async fn vlan_networks_take_no_part() {
    let cloud = cloud().await;
    cloud.agent("c0", "192.0.2.10").await;
    let vlan = cloud
        .network(json!({"name": "v", "provider:network_type": "vlan",
                        "provider:physical_network": "physnet1"}))
        .await
        .expect("network");
    let port = cloud.instance(&text(&vlan, "id"), "c0").await;
    up(&cloud, &port, "c0").await;
    down(&cloud, &port, "c0").await;
    assert!(cloud.told.take().is_empty());
}
