//! `/v2.0/ports/<id>/bindings`.

use neutrino_rpc::shapes::AgentState;
use serde_json::json;

use crate::support::server::{TestServer, assert_error, create, network, text};

async fn agent(t: &TestServer, host: &str) {
    let state: AgentState = serde_json::from_value(json!({
        "agent_type": "Open vSwitch agent", "binary": "neutron-openvswitch-agent", "host": host,
        "topic": "N/A", "start_flag": true,
        "configurations": {"tunnel_types": ["vxlan"], "tunneling_ip": "192.0.2.1",
            "bridge_mappings": {}, "integration_bridge": "br-int", "datapath_type": "system"}
    }))
    .expect("state");
    t.server.parts.agents.report_state(&state, None).await.expect("report");
}

#[tokio::test]
async fn second_binding_is_inactive_until_activated() {
    let t = TestServer::start().await;
    for host in ["compute0", "compute1"] {
        agent(&t, host).await;
    }
    let (net, _) = network(&t.client, "n", "10.0.0.0/24").await;
    let body = json!({"network_id": net["id"], "binding:host_id": "compute0",
                      "device_owner": "compute:nova", "device_id": "vm"});
    let port = create(&t.client, "ports", body).await;
    assert_eq!(port["binding:vif_type"], "ovs");
    assert_eq!(port["binding:vif_details"]["bridge_name"], "br-int");

    let path = format!("/v2.0/ports/{}/bindings", text(&port, "id"));
    let nova = t.user("service", "service,member,reader");
    let refused = t.client.post(&path, &json!({"binding": {"host": "compute1"}})).await;
    assert_error(&refused, 403, "PolicyNotAuthorized", "rule:create_port_binding");
    let made = nova.post(&path, &json!({"binding": {"host": "compute1"}})).await;
    assert_eq!(made.status, 201, "{}", made.json());
    assert_eq!(made.json()["binding"]["status"], "INACTIVE");
    let list = t.client.get(&path).await.json();
    assert_eq!(list["bindings"].as_array().map(Vec::len), Some(2), "{list}");
    let again = nova.post(&path, &json!({"binding": {"host": "compute1"}})).await;
    assert_eq!(again.status, 409, "{}", again.json());

    let done = nova.put(&format!("{path}/compute1/activate"), &json!({})).await;
    assert_eq!((done.status, done.json()["status"].clone()), (200, json!("ACTIVE")));
    let shown = t.client.get(&format!("/v2.0/ports/{}", text(&port, "id"))).await.json();
    assert_eq!(shown["port"]["binding:host_id"], "compute1");
    assert_eq!(nova.delete(&format!("{path}/compute0")).await.status, 204);
    let gone = t.client.get(&format!("{path}/compute0")).await;
    assert_error(&gone, 404, "PortBindingNotFound", "compute0");
    let member = t.user("fake_project_id", "member,reader").get(&path).await.json();
    assert_eq!(member["bindings"], json!([]));
    t.stop().await;
}
