//! What agents ask and report.

use serde_json::json;

use crate::common::{Cloud, cloud, text};

async fn status(cloud: &Cloud, id: &str) -> String {
    text(&cloud.get_port(id).await, "status")
}

#[tokio::test]
async fn a_port_goes_build_active_down() {
    let cloud = cloud().await;
    cloud.agent("compute0", "192.0.2.10").await;
    let (network, _) = cloud.net("n", "10.0.0.0/24").await;
    let port = cloud.instance(&network, "compute0").await;
    let id = text(&port, "id");
    let host = Some("compute0");
    let asked = [id.clone()];
    let details = cloud.plugin.devices_details(&cloud.ctx, host, &asked).await.expect("details");
    let d = &details.devices[0];
    assert_eq!(d.port_id.as_deref(), Some(id.as_str()));
    assert_eq!((d.network_type.as_deref(), d.mtu), (Some("vxlan"), Some(1450)));
    assert_eq!(d.mac_address, Some(text(&port, "mac_address")));
    assert!(d.port_security_enabled && d.admin_state_up);
    assert_eq!(status(&cloud, &id).await, "BUILD");
    let up = cloud.plugin.update_device_list(&cloud.ctx, host, &asked, &[], false).await;
    assert_eq!(up.expect("up").devices_up, asked);
    assert_eq!(status(&cloud, &id).await, "ACTIVE");
    let down = cloud.plugin.update_device_list(&cloud.ctx, host, &[], &asked, false).await;
    assert!(down.expect("down").devices_down[0].exists);
    assert_eq!(status(&cloud, &id).await, "DOWN");
    assert_eq!(cloud.get_port(&id).await["revision_number"], 5);
}

#[tokio::test]
async fn devices_are_found_by_id_beginning_and_mac() {
    let cloud = cloud().await;
    cloud.agent("compute0", "192.0.2.10").await;
    let (network, _) = cloud.net("n", "10.0.0.0/24").await;
    let (other, _) = cloud.net("m", "10.0.0.0/24").await;
    let port = cloud.instance(&network, "compute0").await;
    let (id, mac) = (text(&port, "id"), text(&port, "mac_address"));
    cloud.port(json!({"network_id": other, "mac_address": mac})).await.expect("same MAC elsewhere");
    let asked = [
        id.clone(),
        id[..11].to_string(),
        format!("tap{}", &id[..11]),
        mac,
        "tapdeadbeef-00".into(),
    ];
    let details = cloud.plugin.devices_details(&cloud.ctx, Some("compute0"), &asked).await;
    let found: Vec<Option<String>> =
        details.expect("details").devices.into_iter().map(|d| d.port_id).collect();
    let it = Some(id);
    assert_eq!(found, [it.clone(), it.clone(), it.clone(), it, None]);
}

#[tokio::test]
async fn another_host_gets_no_active_binding_and_changes_nothing() {
    let cloud = cloud().await;
    cloud.agent("compute0", "192.0.2.10").await;
    let (network, _) = cloud.net("n", "10.0.0.0/24").await;
    let asked = [text(&cloud.instance(&network, "compute0").await, "id")];
    let host = Some("compute9");
    let details = cloud.plugin.devices_details(&cloud.ctx, host, &asked).await.expect("details");
    assert!(details.devices[0].no_active_binding && details.devices[0].port_id.is_none());
    cloud.plugin.update_device_list(&cloud.ctx, host, &asked, &[], false).await.expect("ignored");
    assert_eq!(status(&cloud, &asked[0]).await, "DOWN");
    let gone = [neutrino_types::new_id()];
    let down = cloud.plugin.update_device_list(&cloud.ctx, host, &[], &gone, false).await;
    assert!(!down.expect("answered").devices_down[0].exists);
}

#[tokio::test]
async fn an_administratively_down_port_stays_down() {
    let cloud = cloud().await;
    cloud.agent("compute0", "192.0.2.10").await;
    let (network, _) = cloud.net("n", "10.0.0.0/24").await;
    let asked = [text(&cloud.instance(&network, "compute0").await, "id")];
    let host = Some("compute0");
    cloud.update_port(&asked[0], json!({"admin_state_up": false})).await.expect("update");
    assert_eq!(cloud.told.kinds(), ["port_update"]);
    cloud.plugin.devices_details(&cloud.ctx, host, &asked).await.expect("details");
    cloud.plugin.update_device_list(&cloud.ctx, host, &asked, &[], false).await.expect("up");
    assert_eq!(status(&cloud, &asked[0]).await, "DOWN");
}

#[tokio::test]
async fn statements_do_not_grow_with_the_number_of_devices() {
    let cloud = cloud().await;
    cloud.agent("compute0", "192.0.2.10").await;
    let (network, _) = cloud.net("n", "10.0.0.0/16").await;
    let item = json!({"network_id": network, "device_owner": "compute:nova",
                      "binding:host_id": "compute0"});
    let items = vec![crate::common::attrs(item); 500];
    let before = cloud.db.counts();
    let made = cloud.plugin.ports().create(&cloud.ctx, items).await.expect("bulk");
    let bulk = (cloud.db.counts() - before).total();
    assert!(made.iter().all(|p| p["binding:vif_type"] == "ovs"));
    let devices: Vec<String> = made.iter().map(|p| text(p, "id")).collect();
    let mut costs = Vec::new();
    for n in [1, 499] {
        let some = &devices[if n == 1 { 0..1 } else { 1..500 }];
        let before = cloud.db.counts();
        let host = Some("compute0");
        cloud.plugin.devices_details(&cloud.ctx, host, some).await.expect("details");
        let middle = cloud.db.counts();
        cloud.plugin.update_device_list(&cloud.ctx, host, some, &[], false).await.expect("up");
        costs.push(((middle - before).total(), (cloud.db.counts() - middle).total()));
    }
    // One more for the forwarding table of a host's first port.
    assert!(costs[1].0 <= costs[0].0 && costs[1].1 <= costs[0].1, "{costs:?}");
    assert!(costs[0].0 <= 10 && costs[0].1 <= 14, "{costs:?}");
    assert!(bulk < 4 * 500 + 50, "{bulk} statements for a bulk of 500 bound ports");
}

#[tokio::test]
async fn tunnel_endpoints_are_recorded_and_announced() {
    let cloud = cloud().await;
    let sync = async |ip: &str, host: &str| {
        cloud.plugin.tunnel_sync(&cloud.ctx, ip, "vxlan", Some(host)).await
    };
    assert_eq!(sync("192.0.2.1", "a").await.expect("sync").len(), 1);
    let both = sync("192.0.2.2", "b").await.expect("sync");
    assert_eq!(both.len(), 2);
    assert_eq!(both[0].udp_port, Some(4789));
    assert_eq!(cloud.told.kinds(), ["tunnel_update", "tunnel_update"]);
    let moved = sync("192.0.2.3", "a").await.expect("sync");
    let mut ips: Vec<&str> = moved.iter().map(|e| e.ip_address.as_str()).collect();
    ips.sort_unstable();
    assert_eq!(ips, ["192.0.2.2", "192.0.2.3"]);
    assert_eq!(cloud.told.kinds(), ["tunnel_delete", "tunnel_update"]);
    assert_eq!(sync("192.0.2.2", "c").await.expect_err("taken").kind, "InvalidInput");
    let error = cloud.plugin.tunnel_sync(&cloud.ctx, "192.0.2.9", "vlan", Some("a")).await;
    assert_eq!(error.expect_err("no tunnel").kind, "InvalidInput");
    let gre = cloud.plugin.tunnel_sync(&cloud.ctx, "192.0.2.3", "gre", Some("a")).await;
    assert_eq!(gre.expect("sync")[0].udp_port, None);
}
