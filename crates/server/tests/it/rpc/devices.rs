//! Device calls: what is decoded and what is answered. The plugin's own behaviour is tested with
//! the plugin; here it only says what it was asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use neutrino_rpc::shapes::{
    DeviceDetails, DeviceDown, DeviceListUpdate, DevicesDetails, TunnelEndpoint,
    security_groups::{SecuredDevice, SecurityGroupInfo},
};
use neutrino_server::rpc::L2Plugin;
use neutrino_types::{ApiError, ApiResult, Attrs, Context};
use serde_json::{Value, json};

use super::Server;

/// Knows the device `p1`; `bad` fails; `away` is bound elsewhere.
#[derive(Default)]
pub struct Scripted {
    updates: Mutex<Vec<Value>>,
}

#[async_trait]
impl L2Plugin for Scripted {
    async fn devices_details(
        &self,
        _: &Context,
        _: Option<&str>,
        devices: &[String],
    ) -> ApiResult<DevicesDetails> {
        let mut out = DevicesDetails::default();
        for device in devices {
            let known = DeviceDetails { device: device.clone(), ..DeviceDetails::default() };
            match device.as_str() {
                "bad" => out.failed_devices.push(device.clone()),
                "away" => {
                    out.devices.push(DeviceDetails { no_active_binding: true, ..known });
                }
                "p1" => out.devices.push(DeviceDetails {
                    port_id: Some("p1".into()),
                    segmentation_id: Some(7),
                    ..known
                }),
                _ => out.devices.push(known),
            }
        }
        Ok(out)
    }

    async fn update_device_list(
        &self,
        _: &Context,
        host: Option<&str>,
        up: &[String],
        down: &[String],
        refresh_tunnels: bool,
    ) -> ApiResult<DeviceListUpdate> {
        self.updates.lock().expect("not poisoned").push(json!([host, up, down, refresh_tunnels]));
        let (failed, up): (Vec<_>, Vec<_>) = up.iter().cloned().partition(|d| d == "bad");
        let down = down.iter().map(|d| DeviceDown { device: d.clone(), exists: d == "p1" });
        Ok(DeviceListUpdate {
            devices_up: up,
            failed_devices_up: failed,
            devices_down: down.collect(),
            failed_devices_down: Vec::new(),
        })
    }

    async fn security_group_info(&self, _: &Context, _: &[String]) -> ApiResult<SecurityGroupInfo> {
        Ok(SecurityGroupInfo::default())
    }

    async fn security_group_rules(
        &self,
        _: &Context,
        _: &[String],
    ) -> ApiResult<BTreeMap<String, SecuredDevice>> {
        Ok(BTreeMap::new())
    }

    async fn tunnel_sync(
        &self,
        _: &Context,
        tunnel_ip: &str,
        tunnel_type: &str,
        host: Option<&str>,
    ) -> ApiResult<Vec<TunnelEndpoint>> {
        Ok(vec![TunnelEndpoint {
            ip_address: tunnel_ip.into(),
            host: host.map(str::to_string),
            udp_port: (tunnel_type == "vxlan").then_some(4789),
        }])
    }

    async fn network(&self, _: &Context, network_id: &str) -> ApiResult<Attrs> {
        Err(ApiError::resource_not_found("network", network_id))
    }

    async fn ports_by_vnic_type_and_host(
        &self,
        _: &Context,
        _: &str,
        _: &str,
    ) -> ApiResult<Vec<Attrs>> {
        Err(ApiError::internal("the disk is on fire"))
    }

    async fn agent_revived(&self, _: &Context, _: &str) -> ApiResult<()> {
        Ok(())
    }
}

#[tokio::test]
async fn details_have_neutrons_shape() {
    let server = Server::start(Arc::new(Scripted::default())).await;
    let agent = server.agent("compute0", &[]).await;
    let args = json!({ "devices": ["p1", "nobody", "away", "bad"], "agent_id": "a", "host": "h" });
    let method = "get_devices_details_list_and_failed_devices";
    let found = agent.call("q-plugin", method, "1.5", args.clone()).await.expect("answered");
    assert_eq!(found["failed_devices"], json!(["bad"]));
    assert_eq!(found["devices"][0]["segmentation_id"], 7);
    assert_eq!(found["devices"][1], json!({ "device": "nobody" }));
    assert_eq!(found["devices"][2], json!({ "device": "away", "no_active_binding": true }));
    let list = agent.call("q-plugin", "get_devices_details_list", "1.9", args).await;
    assert_eq!(list.expect("answered").as_array().map(Vec::len), Some(3));
    let one = json!({ "device": ["fa:16:3e:00:00:01", "0000:00:01.0"], "host": "h" });
    let details = agent.call("q-plugin", "get_device_details", "1.9", one).await;
    assert_eq!(details.expect("answered")["device"], "fa:16:3e:00:00:01");
}

#[tokio::test]
async fn updates_reach_the_plugin_under_old_and_new_names() {
    let plugin = Arc::new(Scripted::default());
    let server = Server::start(Arc::clone(&plugin) as Arc<dyn L2Plugin>).await;
    let agent = server.agent("compute0", &[]).await;
    let call = |method: &'static str, args: Value| agent.call("q-plugin", method, "1.9", args);
    let up =
        call("update_device_up", json!({ "device": "p1", "agent_restarted": true, "host": "h" }));
    assert_eq!(up.await.expect("answered"), Value::Null);
    call("update_device_up", json!({ "device": "bad" })).await.expect_err("failed");
    let down = call("update_device_down", json!({ "device": "p9", "host": "h" })).await;
    assert_eq!(down.expect("answered"), json!({ "device": "p9", "exists": false }));
    let lists = json!({ "devices_up": ["p1", "bad"], "devices_down": null, "host": "h",
                        "agent_id": "a", "refresh_tunnels": true });
    let done = call("update_device_list", lists).await.expect("answered");
    assert_eq!(done["devices_up"], json!(["p1"]));
    assert_eq!(done["failed_devices_up"], json!(["bad"]));
    let asked = plugin.updates.lock().expect("not poisoned").clone();
    assert_eq!(asked[0], json!(["h", ["p1"], [], true]));
    assert_eq!(asked[3], json!(["h", ["p1", "bad"], [], true]));
}

#[tokio::test]
async fn tunnels_and_errors_have_neutrons_shape() {
    let server = Server::start(Arc::new(Scripted::default())).await;
    let agent = server.agent("compute0", &[]).await;
    let args = json!({ "tunnel_ip": "10.0.0.5", "tunnel_type": "vxlan", "host": "compute0" });
    let answer = agent.call("q-plugin", "tunnel_sync", "1.4", args).await.expect("answered");
    let tunnel = json!({ "ip_address": "10.0.0.5", "host": "compute0", "udp_port": 4789 });
    assert_eq!(answer, json!({ "tunnels": [tunnel] }));
    let args = json!({ "network": "n", "agent_id": "a", "host": "h" });
    let error = agent.call("q-plugin", "get_network_details", "1.6", args).await;
    assert_eq!(error.expect_err("absent").remote_class(), Some("NetworkNotFound"));
    let args = json!({ "vnic_type": "normal", "host": "h" });
    let error = agent.call("q-plugin", "get_ports_by_vnic_type_and_host", "1.7", args).await;
    let text = error.expect_err("failed").to_string();
    assert!(!text.contains("fire"), "the cause stays in the server's log: {text}");
}
