//! `report_state` and its neighbours.

use std::sync::Arc;

use neutrino_types::{Context, ListQuery, ResourcePlugin};
use serde_json::{Value, json};

use super::{Agent, Server, devices::Scripted};

const TOPIC: &str = "q-reports-plugin";

async fn server() -> Server {
    Server::start(Arc::new(Scripted::default())).await
}

async fn report(agent: &Agent, host: &str, time: &str) -> Value {
    let state = json!({
        "binary": "neutron-openvswitch-agent", "host": host, "topic": "N/A",
        "agent_type": "Open vSwitch agent", "configurations": {"tunneling_ip": "10.0.0.5"},
        "start_flag": true, "uuid": "u",
    });
    let args = json!({ "agent_state": { "agent_state": state }, "time": time });
    agent.call(TOPIC, "report_state", "1.4", args).await.expect("answered")
}

#[tokio::test]
async fn reporting_agents_are_new_then_alive_and_listed() {
    let server = server().await;
    let agent = server.agent("compute0", &[]).await;
    let later = "2999-01-01T00:00:00.000000";
    assert_eq!(report(&agent, "compute0", later).await, "new");
    assert_eq!(report(&agent, "compute0", later).await, "alive");
    assert_eq!(report(&agent, "compute0", "2001-01-01T00:00:00.000000").await, Value::Null);
    let listed = server.agents.list(&Context::admin(), &ListQuery::default()).await.expect("lists");
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["binary"], "neutron-openvswitch-agent");
    assert_eq!(listed[0]["alive"], true);
    assert_eq!(listed[0]["configurations"]["tunneling_ip"], "10.0.0.5");
}

#[tokio::test]
async fn agents_can_be_asked_for_and_removed() {
    let server = server().await;
    let agent = server.agent("compute0", &[]).await;
    for host in ["compute0", "compute1"] {
        report(&agent, host, "2999-01-01T00:00:00.000000").await;
    }
    let filter = json!({ "host": ["compute1"], "is_active": true });
    let found = agent.call(TOPIC, "get_agents", "1.4", filter).await.expect("answered");
    assert_eq!(found.as_array().map(Vec::len), Some(1));
    assert_eq!(found[0]["host"], "compute1");
    let which = json!({ "host": "compute1", "agent_type": "Open vSwitch agent" });
    agent.call(TOPIC, "delete_agent", "1.4", which).await.expect("answered");
    let left = agent.call(TOPIC, "get_agents", "1.4", json!({})).await.expect("answered");
    assert_eq!(left.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn server_is_alive_on_both_topics() {
    let server = server().await;
    let agent = server.agent("compute0", &[]).await;
    for topic in [TOPIC, "q-plugin"] {
        let answer = agent.call(topic, "has_alive_neutron_server", "1.4", json!({})).await;
        assert_eq!(answer.expect("answered"), true);
    }
}

#[tokio::test]
async fn malformed_reports_are_refused() {
    let server = server().await;
    let agent = server.agent("compute0", &[]).await;
    for args in [
        json!({}),
        json!({ "agent_state": {}, "time": "2999-01-01T00:00:00.000000" }),
        json!({ "agent_state": { "agent_state": { "host": 5 } }, "time": "x" }),
    ] {
        let error = agent.call(TOPIC, "report_state", "1.4", args).await.expect_err("refused");
        assert_eq!(error.remote_class(), Some("TypeError"));
    }
    let error = agent.call(TOPIC, "report_state", "2.0", json!({})).await.expect_err("refused");
    assert_eq!(error.remote_class(), Some("UnsupportedVersion"));
    let error = agent.call(TOPIC, "update_device_up", "1.4", json!({})).await.expect_err("refused");
    assert_eq!(error.remote_class(), Some("NoSuchMethod"));
}
