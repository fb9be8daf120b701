//! `/v2.0/agents`.

use neutrino_rpc::shapes::AgentState;
use serde_json::{Value, json};

use crate::support::server::{TestServer, assert_error};

async fn report(t: &TestServer, host: &str) {
    report_with(t, host, json!({"tunnel_types": ["vxlan"]})).await;
}

async fn report_with(t: &TestServer, host: &str, configurations: Value) {
    let state: AgentState = serde_json::from_value(json!({
        "agent_type": "Open vSwitch agent", "binary": "neutron-openvswitch-agent", "host": host,
        "topic": "N/A", "configurations": configurations, "start_flag": true
    }))
    .expect("state");
    t.server.parts.agents.report_state(&state, None).await.expect("report");
}

#[tokio::test]
async fn agents_are_listed_shown_changed_and_deleted() {
    let t = TestServer::start().await;
    for host in ["compute0", "compute1"] {
        report(&t, host).await;
    }
    for (filter, found) in [("Open%20vSwitch%20Agent", 2), ("DHCP%20agent", 0)] {
        let list = t.client.get(&format!("/v2.0/agents?agent_type={filter}")).await.json();
        assert_eq!(list["agents"].as_array().map(Vec::len), Some(found), "{filter}: {list}");
    }
    let list = t.client.get("/v2.0/agents?host=compute1").await.json();
    let agent = list["agents"][0].clone();
    for (key, expected) in [
        ("agent_type", json!("Open vSwitch agent")),
        ("binary", json!("neutron-openvswitch-agent")),
        ("alive", json!(true)),
        ("admin_state_up", json!(true)),
        ("availability_zone", Value::Null),
        ("resources_synced", Value::Null),
        ("configurations", json!({"tunnel_types": ["vxlan"]})),
    ] {
        assert_eq!(agent[key], expected, "{key} of {agent}");
    }
    let path = format!("/v2.0/agents/{}", agent["id"].as_str().expect("id"));
    let changed = t.client.put(&path, &json!({"agent": {"admin_state_up": false}})).await.json();
    assert_eq!(changed["agent"]["admin_state_up"], false);
    assert_eq!(t.client.delete(&path).await.status, 204);
    assert_error(&t.client.get(&path).await, 404, "AgentNotFound", "could not be found");
    let left = t.client.get("/v2.0/agents?fields=host").await.json();
    assert_eq!(left["agents"], json!([{"host": "compute0"}]));
    t.stop().await;
}

#[tokio::test]
async fn a_deleted_agents_tunnel_endpoint_is_forgotten() {
    let t = TestServer::start().await;
    let (ml2, ctx) = (&t.server.parts.ml2, neutrino_types::Context::admin());
    for (host, ip) in [("compute0", "192.0.2.1"), ("compute1", "192.0.2.2")] {
        report_with(&t, host, json!({"tunneling_ip": ip, "tunnel_types": ["vxlan"]})).await;
        ml2.tunnel_sync(&ctx, ip, "vxlan", Some(host)).await.expect("endpoint");
    }
    let list = t.client.get("/v2.0/agents?host=compute0").await.json();
    let path = format!("/v2.0/agents/{}", list["agents"][0]["id"].as_str().expect("id"));
    assert_eq!(t.client.delete(&path).await.status, 204);
    let left = ml2.tunnel_sync(&ctx, "192.0.2.2", "vxlan", Some("compute1")).await.expect("sync");
    let left: Vec<_> = left.iter().map(|e| e.ip_address.as_str()).collect();
    assert_eq!(left, ["192.0.2.2"]);
    t.stop().await;
}

#[tokio::test]
async fn agents_are_the_admins_business() {
    let t = TestServer::start().await;
    report(&t, "compute0").await;
    let list = t.client.get("/v2.0/agents").await.json();
    let path = format!("/v2.0/agents/{}", list["agents"][0]["id"].as_str().expect("id"));
    let member = t.user("p1", "member,reader");
    assert_eq!(member.get("/v2.0/agents").await.json(), json!({"agents": []}));
    assert_eq!(member.get(&path).await.status, 404);
    assert_eq!(member.delete(&path).await.status, 404);
    t.stop().await;
}
