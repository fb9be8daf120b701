//! Typed calls: arguments, versions, chunks, answers.

use neutrino_agent::connect;
use neutrino_rpc::{Failure, RpcError};
use serde_json::{Map, Value, json};

use crate::support::Server;

fn plugin(method: &str, args: &Map<String, Value>) -> Result<Value, Failure> {
    match method {
        "get_devices_details_list_and_failed_devices" => {
            let devices = args["devices"].as_array().expect("list");
            let details: Vec<_> = devices
                .iter()
                .filter(|d| *d != "d7")
                .map(|d| json!({ "device": d, "port_id": d }))
                .collect();
            let failed: Vec<_> = devices.iter().filter(|d| *d == "d7").collect();
            Ok(json!({ "devices": details, "failed_devices": failed }))
        }
        "update_device_list" => Ok(json!({
            "devices_up": args["devices_up"],
            "failed_devices_up": [],
            "devices_down": args["devices_down"].as_array().expect("list").iter()
                .map(|d| json!({ "device": d, "exists": true })).collect::<Vec<_>>(),
            "failed_devices_down": [],
        })),
        "get_device_details" => Ok(json!({ "device": args["device"] })),
        "tunnel_sync" => Ok(json!({ "tunnels": [
            { "ip_address": args["tunnel_ip"], "host": args["host"], "udp_port": 4789 },
        ]})),
        "has_alive_neutron_server" => Ok(json!(true)),
        "update_device_up" => Ok(Value::Null),
        "update_device_down" => Ok(json!({ "device": args["device"], "exists": false })),
        "get_network_details" => {
            Err(Failure::new("neutron_lib.exceptions", "NetworkNotFound", "gone"))
        }
        other => Err(Failure::no_such_method(other)),
    }
}

fn devices(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("d{n}")).collect()
}

#[tokio::test]
async fn details_are_asked_for_in_chunks_and_put_together() {
    let server = Server::start(plugin).await;
    let (api, _open) = server.agent().await;
    let details = api.get_devices_details(&devices(45)).await.expect("answered");
    assert_eq!(details.devices.len(), 44);
    assert_eq!(details.devices[43].device, "d44");
    assert_eq!(details.failed_devices, ["d7"]);
    let asked = server.asked("get_devices_details_list_and_failed_devices");
    let sizes: Vec<_> = asked.iter().map(|r| r.args["devices"].as_array().map(Vec::len)).collect();
    assert_eq!(sizes, [Some(20), Some(20), Some(5)]);
    assert_eq!(asked[0].version.as_deref(), Some("1.5"));
    assert_eq!(asked[0].args["agent_id"], "ovs-agent-compute0");
    assert_eq!(asked[0].args["host"], "compute0");
}

#[tokio::test]
async fn devices_up_and_down_share_calls() {
    let server = Server::start(plugin).await;
    let (api, _open) = server.agent().await;
    let done = api.update_device_list(&devices(25), &devices(3), true).await.expect("answered");
    assert_eq!((done.devices_up.len(), done.devices_down.len()), (25, 3));
    let asked = server.asked("update_device_list");
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].args["devices_down"], json!([]));
    assert_eq!(asked[1].args["refresh_tunnels"], true);
    let done = api.update_device_list(&[], &[], false).await.expect("nothing to do");
    assert!(done.devices_up.is_empty());
    assert_eq!(server.asked("update_device_list").len(), 2, "nothing, so not asked");
}

#[tokio::test]
async fn single_calls_have_neutrons_shapes() {
    let server = Server::start(plugin).await;
    let (api, _open) = server.agent().await;
    assert!(api.has_alive_neutron_server().await.expect("answered"));
    let unknown = api.get_device_details("tap1").await.expect("answered");
    assert_eq!((unknown.device.as_str(), unknown.port_id), ("tap1", None));
    api.update_device_up("p").await.expect("answered");
    assert!(!api.update_device_down("p").await.expect("answered").exists);
    let tunnels = api.tunnel_sync("10.0.0.1", "vxlan").await.expect("answered");
    assert_eq!(tunnels[0].udp_port, Some(4789));
    assert_eq!(server.asked("tunnel_sync")[0].version.as_deref(), Some("1.4"));
    let error = api.get_network_details("n").await.expect_err("gone");
    assert_eq!(error.remote_class(), Some("NetworkNotFound"));
    assert!(!error.retriable());
    assert_eq!(server.asked("get_network_details")[0].context["is_admin"], true);
}

#[tokio::test]
async fn calls_without_a_server_fail_at_once_and_may_be_repeated() {
    let mut server = Server::start(plugin).await;
    let config = server.config();
    server.stop().await;
    let (api, _open) = connect(&config).await.expect("starts without a server");
    let error = api.has_alive_neutron_server().await.expect_err("not connected");
    assert!(matches!(error, RpcError::Disconnected { .. }) && error.retriable());
    server.restart().await;
    let mut connected = api.connected();
    connected.wait_for(|connected| *connected).await.expect("connects");
    assert!(api.has_alive_neutron_server().await.expect("answered"));
}
