//! Binding: who binds what, and what follows from a change of host.

use neutrino_types::ListQuery;
use serde_json::{Value, json};

use crate::common::{attrs, cloud, text};

#[tokio::test]
async fn a_port_on_a_host_with_an_agent_is_bound() {
    let cloud = cloud().await;
    cloud.agent("compute0", "192.0.2.10").await;
    let (network, _) = cloud.net("n", "10.0.0.0/24").await;
    let port = cloud.instance(&network, "compute0").await;
    assert_eq!(port["binding:vif_type"], "ovs");
    assert_eq!(
        port["binding:vif_details"],
        json!({
            "connectivity": "l2", "port_filter": true, "ovs_hybrid_plug": false,
            "datapath_type": "netdev", "bridge_name": "br-int", "bound_drivers": {"0": "openvswitch"},
        })
    );
    assert_eq!(port["status"], "DOWN");
    assert_eq!(cloud.get_port(&text(&port, "id")).await, port);
}

#[tokio::test]
async fn without_agent_or_mapping_binding_fails_and_a_revived_agent_repairs_it() {
    let cloud = cloud().await;
    let (network, _) = cloud.net("n", "10.0.0.0/24").await;
    let port = cloud.instance(&network, "compute0").await;
    assert_eq!(port["binding:vif_type"], "binding_failed");
    assert_eq!(port["binding:vif_details"], json!({}));
    cloud.agent("compute0", "192.0.2.10").await;
    assert_eq!(cloud.plugin.agent_revived(&cloud.ctx, "compute0").await.expect("rebind"), 1);
    let port = cloud.get_port(&text(&port, "id")).await;
    assert_eq!(port["binding:vif_type"], "ovs");
    assert_eq!(cloud.told.kinds(), ["port_update"]);
    // An agent without the network's type cannot bind it.
    let geneve = cloud
        .network(json!({"name": "g", "provider:network_type": "geneve",
                        "provider:segmentation_id": 5}))
        .await
        .expect("network");
    let port = cloud.instance(&text(&geneve, "id"), "compute0").await;
    assert_eq!(port["binding:vif_type"], "binding_failed");
    let macvtap = json!({"network_id": network, "binding:host_id": "compute0",
                         "binding:vnic_type": "macvtap"});
    assert_eq!(cloud.port(macvtap).await.expect("port")["binding:vif_type"], "binding_failed");
}

#[tokio::test]
async fn a_dead_agent_binds_nothing() {
    let cloud = cloud().await;
    let (network, _) = cloud.net("n", "10.0.0.0/24").await;
    let long_ago = neutrino_db::time::to_text(chrono::Utc::now() - chrono::TimeDelta::seconds(80));
    cloud.agent_heard("compute0", "192.0.2.10", long_ago).await;
    let port = cloud.instance(&network, "compute0").await;
    assert_eq!(port["binding:vif_type"], "binding_failed");
}

#[tokio::test]
async fn a_new_host_rebinds_and_no_host_unbinds() {
    let cloud = cloud().await;
    cloud.agent("compute0", "192.0.2.10").await;
    cloud.agent("compute1", "192.0.2.11").await;
    let (network, _) = cloud.net("n", "10.0.0.0/24").await;
    let port = cloud.port(json!({"network_id": network})).await.expect("port");
    let id = text(&port, "id");
    let bound = cloud.update_port(&id, json!({"binding:host_id": "compute0"})).await.expect("bind");
    assert_eq!(bound["binding:vif_type"], "ovs");
    assert_eq!(cloud.told.kinds(), ["port_update"]);
    let error = cloud.update_port(&id, json!({"mac_address": "fa:16:3e:00:00:09"})).await;
    assert_eq!(error.expect_err("bound").kind, "PortBound");
    let error = cloud.update_port(&id, json!({"binding:vnic_type": "direct"})).await;
    assert_eq!(error.expect_err("bound").kind, "PortInUse");
    let moved = cloud.update_port(&id, json!({"binding:host_id": "compute1"})).await.expect("move");
    assert_eq!((&moved["binding:host_id"], &moved["status"]), (&json!("compute1"), &json!("DOWN")));
    cloud.told.take();
    cloud.update_port(&id, json!({"name": "only a name"})).await.expect("rename");
    assert!(cloud.told.take().is_empty(), "agents do not care for names");
    let free = cloud.update_port(&id, json!({"binding:host_id": ""})).await.expect("unbind");
    assert_eq!(free["binding:vif_type"], "unbound");
    assert_eq!(free["binding:vif_details"], json!({}));
    let null = cloud.update_port(&id, json!({"binding:host_id": Value::Null})).await.expect("same");
    assert_eq!(null["revision_number"], free["revision_number"]);
    assert_eq!(cloud.get_port(&id).await, free);
}

#[tokio::test]
async fn a_vlan_network_binds_by_bridge_mapping() {
    let cloud = cloud().await;
    cloud.agent("compute0", "192.0.2.10").await;
    let vlan = cloud
        .network(json!({"name": "v", "provider:network_type": "vlan",
                        "provider:physical_network": "physnet1"}))
        .await
        .expect("network");
    let port = cloud.instance(&text(&vlan, "id"), "compute0").await;
    assert_eq!(port["binding:vif_type"], "ovs");
    cloud.plugin.ports().delete(&cloud.ctx, &text(&port, "id"), None).await.expect("delete");
    assert_eq!(cloud.told.kinds(), ["port_delete"]);
}

#[tokio::test]
async fn a_second_binding_waits_until_it_is_activated() {
    let cloud = cloud().await;
    cloud.agent("compute0", "192.0.2.10").await;
    cloud.agent("compute1", "192.0.2.11").await;
    let (network, _) = cloud.net("n", "10.0.0.0/24").await;
    let port = cloud.instance(&network, "compute0").await;
    let id = text(&port, "id");
    let bindings = cloud.plugin.port_bindings(&id);
    let body = |host: &str| vec![attrs(json!({"host": host, "profile": {"os": "x"}}))];
    let made = bindings.create(&cloud.ctx, body("compute1")).await.expect("binding");
    assert_eq!((&made[0]["status"], &made[0]["vif_type"]), (&json!("INACTIVE"), &json!("ovs")));
    assert_eq!(made[0]["profile"], json!({"os": "x"}));
    let error = bindings.create(&cloud.ctx, body("compute1")).await.expect_err("there");
    assert_eq!((error.kind, error.status), ("PortBindingAlreadyExists", 409));
    let error = bindings.create(&cloud.ctx, body("nowhere")).await.expect_err("no agent");
    assert_eq!((error.kind, error.status), ("PortBindingError", 500));
    let inactive = ListQuery::filter("status", ["INACTIVE"]);
    assert_eq!(bindings.list(&cloud.ctx, &inactive).await.expect("list"), made);
    assert_eq!(cloud.get_port(&id).await["binding:host_id"], "compute0");

    let devices = [id.clone()];
    let wired = cloud.plugin.update_device_list(&cloud.ctx, Some("compute0"), &devices, &[], false);
    wired.await.expect("up");
    cloud.told.take();
    let active = cloud.plugin.activate_port_binding(&cloud.ctx, &id, "compute1").await;
    assert_eq!(active.expect("activated")["status"], "ACTIVE");
    let told = cloud.told.kinds();
    assert_eq!(told, ["remove_fdb_entries", "binding_deactivate", "binding_activate"]);
    let port = cloud.get_port(&id).await;
    assert_eq!((&port["binding:host_id"], &port["status"]), (&json!("compute1"), &json!("DOWN")));
    let error = cloud.plugin.activate_port_binding(&cloud.ctx, &id, "compute1").await;
    assert_eq!(error.expect_err("active").kind, "PortBindingAlreadyActive");
    let old = bindings.get(&cloud.ctx, "compute0").await.expect("binding");
    assert_eq!((&old["status"], &old["vif_type"]), (&json!("INACTIVE"), &json!("unbound")));
    bindings.delete(&cloud.ctx, "compute0", None).await.expect("delete");
    let error = bindings.get(&cloud.ctx, "compute0").await.expect_err("gone");
    assert_eq!((error.kind, error.status), ("PortBindingNotFound", 404));
    let router = cloud.port(json!({"network_id": network})).await.expect("port");
    let error = cloud.plugin.port_bindings(&text(&router, "id")).list(&cloud.ctx, &inactive).await;
    assert_eq!(error.expect_err("no instance").status, 400);
}
