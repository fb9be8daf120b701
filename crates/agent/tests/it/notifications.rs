//! What the server tells the agent, in order.

use neutrino_agent::Notification;
use neutrino_rpc::{Failure, methods, methods::Method};
use neutrino_types::Context;
use serde_json::{Value, json};

use crate::support::{Server, next};

async fn tell(server: &Server, method: Method, args: Value) {
    server.client.fanout(&Context::admin(), method, &args).await.expect("sent");
}

#[tokio::test]
async fn every_notification_arrives_typed_and_in_order() {
    let server = Server::start(|m, _| Err(Failure::no_such_method(m))).await;
    let (_api, mut notifications) = server.agent().await;
    let port = json!({"port": {"id": "p", "mac_address": "m"}, "network_type": "vlan",
                      "segmentation_id": 100, "physical_network": "physnet1"});
    let fdb = json!({"fdb_entries": {"n": {"segment_id": 5, "network_type": "vxlan",
                     "ports": {"10.0.0.2": [["fa:16:3e:00:00:01", "10.1.0.3"]]}}}});
    let change = json!({"fdb_entries": {"chg_ip": {"n": {"10.0.0.2": {
        "before": [["fa:16:3e:00:00:01", "10.1.0.3"]],
        "after": [["fa:16:3e:00:00:01", "10.1.0.4"]]}}}}});
    let tunnel = json!({"tunnel_ip": "10.0.0.2", "tunnel_type": "gre"});
    tell(&server, methods::PORT_UPDATE, port).await;
    tell(&server, methods::NETWORK_UPDATE, json!({"network": {"id": "n", "mtu": 1400}})).await;
    tell(&server, methods::TUNNEL_UPDATE, tunnel.clone()).await;
    tell(&server, methods::ADD_FDB_ENTRIES, fdb).await;
    tell(&server, methods::UPDATE_FDB_ENTRIES, change).await;
    // Not understood: dropped, and the stream goes on.
    tell(&server, methods::PORT_DELETE, json!({"port": 5})).await;
    tell(&server, methods::PORT_DELETE, json!({"port_id": "p2"})).await;
    tell(&server, methods::NETWORK_DELETE, json!({"network_id": "n2"})).await;

    let Notification::PortUpdate { port_id, port, segmentation_id, physical_network, .. } =
        next(&mut notifications).await
    else {
        panic!("not a port update")
    };
    assert_eq!((port_id.as_str(), segmentation_id), ("p", Some(100)));
    assert_eq!(port["mac_address"], "m");
    assert_eq!(physical_network.as_deref(), Some("physnet1"));
    let Notification::NetworkUpdate { network_id, network } = next(&mut notifications).await else {
        panic!("not a network update")
    };
    assert_eq!((network_id.as_str(), network["mtu"].as_i64()), ("n", Some(1400)));
    let tunnel =
        Notification::TunnelUpdate { tunnel_ip: "10.0.0.2".into(), tunnel_type: "gre".into() };
    assert_eq!(next(&mut notifications).await, tunnel);
    let Notification::AddFdb(entries) = next(&mut notifications).await else {
        panic!("not forwarding entries")
    };
    assert_eq!(entries["n"].ports["10.0.0.2"][0].1, "10.1.0.3");
    let Notification::UpdateFdb(update) = next(&mut notifications).await else {
        panic!("not a change")
    };
    assert_eq!(update.chg_ip["n"]["10.0.0.2"].after[0].1, "10.1.0.4");
    let deleted = Notification::PortDelete { port_id: "p2".into() };
    assert_eq!(next(&mut notifications).await, deleted);
    let deleted = Notification::NetworkDelete { network_id: "n2".into() };
    assert_eq!(next(&mut notifications).await, deleted);
}

#[tokio::test]
async fn forwarding_entries_can_be_meant_for_one_host() {
    let server = Server::start(|m, _| Err(Failure::no_such_method(m))).await;
    let (_api, mut notifications) = server.agent().await;
    let args = json!({"fdb_entries": {}});
    let ctx = Context::admin();
    for host in ["compute1", "compute0"] {
        let method =
            if host == "compute0" { methods::REMOVE_FDB_ENTRIES } else { methods::ADD_FDB_ENTRIES };
        server.client.cast(&ctx, method, Some(host), &args).await.expect("sent");
    }
    assert!(matches!(next(&mut notifications).await, Notification::RemoveFdb(_)));
}

#[tokio::test]
async fn loss_and_return_of_the_server_are_told() {
    let mut server = Server::start(|m, _| Err(Failure::no_such_method(m))).await;
    let (_api, mut notifications) = server.agent().await;
    server.stop().await;
    assert_eq!(next(&mut notifications).await, Notification::Disconnected);
    server.restart().await;
    assert_eq!(next(&mut notifications).await, Notification::Connected);
}

#[tokio::test]
async fn stream_ends_with_the_last_api() {
    let server = Server::start(|m, _| Err(Failure::no_such_method(m))).await;
    let (api, mut notifications) = server.agent().await;
    let again = api.clone();
    drop(api);
    drop(again);
    let ended = tokio::time::timeout(crate::support::WAIT, notifications.recv()).await;
    assert_eq!(ended.expect("in time"), None);
}
