use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};
use neutrino_rpc::shapes::AgentState;
use neutrino_services::{AgentConfig, Agents, agents::ReportStatus};
use neutrino_types::{Context, ListQuery, ResourcePlugin, Sort, SortDir};
use serde_json::{Value, json};

use crate::database;

/// 2026-11-21 02:06:09 UTC.
const START: i64 = 1_795_226_769;

#[derive(Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub fn new() -> Self {
        Self(Arc::new(AtomicI64::new(START)))
    }

    pub fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0.load(Ordering::Relaxed), 0).expect("time")
    }

    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

async fn agents(config: AgentConfig) -> (Agents, TestClock) {
    let clock = TestClock::new();
    let other = clock.clone();
    (Agents::with_clock(database().await, config, Arc::new(move || other.now())), clock)
}

fn ovs(host: &str) -> AgentState {
    AgentState {
        binary: "neutron-openvswitch-agent".into(),
        host: host.into(),
        topic: "N/A".into(),
        agent_type: "Open vSwitch agent".into(),
        configurations: json!({"tunneling_ip": "10.0.0.1", "bridge_mappings": {}})
            .as_object()
            .expect("object")
            .clone(),
        ..AgentState::default()
    }
}

async fn only(agents: &Agents) -> Value {
    let list = agents.list(&Context::admin(), &ListQuery::default()).await.expect("list");
    assert_eq!(list.len(), 1);
    Value::from(list[0].clone())
}

#[tokio::test]
async fn reports_make_an_agent_live_and_silence_makes_it_die() {
    let (agents, clock) = agents(AgentConfig::default()).await;
    let state = AgentState { start_flag: true, ..ovs("compute0") };
    let report = async |state: &AgentState| {
        agents.report_state(state, Some(clock.now())).await.expect("report")
    };
    assert_eq!(report(&state).await, Some(ReportStatus::New));
    let mut shown = only(&agents).await;
    shown["id"] = json!("ID");
    assert_eq!(
        shown,
        json!({
            "id": "ID",
            "agent_type": "Open vSwitch agent",
            "binary": "neutron-openvswitch-agent",
            "topic": "N/A",
            "host": "compute0",
            "admin_state_up": true,
            "created_at": "2026-11-21 02:06:09",
            "started_at": "2026-11-21 02:06:09",
            "heartbeat_timestamp": "2026-11-21 02:06:09",
            "description": null,
            "resources_synced": null,
            "availability_zone": null,
            "alive": true,
            "configurations": {"tunneling_ip": "10.0.0.1", "bridge_mappings": {}},
        })
    );
    clock.advance(30);
    assert_eq!(report(&ovs("compute0")).await, Some(ReportStatus::Alive));
    let shown = only(&agents).await;
    assert_eq!(shown["heartbeat_timestamp"], json!("2026-11-21 02:06:39"));
    assert_eq!(shown["started_at"], json!("2026-11-21 02:06:09"));
    clock.advance(75);
    assert_eq!(only(&agents).await["alive"], json!(true));
    clock.advance(1);
    assert_eq!(only(&agents).await["alive"], json!(false));
    assert_eq!(report(&state).await, Some(ReportStatus::Revived));
    let shown = only(&agents).await;
    assert_eq!(
        (&shown["alive"], &shown["started_at"]),
        (&json!(true), &json!("2026-11-21 02:07:55"))
    );
}

#[tokio::test]
async fn a_report_from_before_the_start_is_ignored() {
    let (agents, clock) = agents(AgentConfig::default()).await;
    let late = clock.now() - TimeDelta::seconds(1);
    assert_eq!(agents.report_state(&ovs("h"), Some(late)).await.expect("report"), None);
    let list = agents.list(&Context::admin(), &ListQuery::default()).await.expect("list");
    assert!(list.is_empty());
}

#[tokio::test]
async fn new_agents_follow_the_option() {
    let config = AgentConfig { enable_new_agents: false, ..AgentConfig::default() };
    let (agents, _) = agents(config).await;
    let state = AgentState {
        agent_type: "DHCP agent".into(),
        availability_zone: Some("nova".into()),
        ..ovs("h")
    };
    agents.report_state(&state, None).await.expect("report");
    let shown = only(&agents).await;
    assert_eq!(shown["admin_state_up"], json!(false));
    assert_eq!(shown["availability_zone"], json!("nova"));
}

#[tokio::test]
async fn list_show_update_delete() {
    let (agents, clock) = agents(AgentConfig::default()).await;
    let ctx = Context::admin();
    agents.report_state(&ovs("old"), None).await.expect("report");
    clock.advance(100);
    for host in ["a", "b"] {
        agents.report_state(&ovs(host), None).await.expect("report");
    }
    let hosts = async |query: ListQuery| -> Vec<String> {
        let rows = agents.list(&ctx, &query).await.expect("list");
        let mut hosts: Vec<_> =
            rows.iter().filter_map(|r| r["host"].as_str().map(str::to_string)).collect();
        hosts.sort();
        hosts
    };
    assert_eq!(hosts(ListQuery::filter("alive", [true])).await, ["a", "b"]);
    assert_eq!(hosts(ListQuery::filter("alive", ["False"])).await, ["old"]);
    assert_eq!(hosts(ListQuery::filter("host", ["a", "old"])).await, ["a", "old"]);
    let dead = agents.dead().await.expect("dead");
    assert_eq!(dead.iter().map(|a| a.host.as_str()).collect::<Vec<_>>(), ["old"]);
    let sorts = vec![Sort { key: "host".into(), dir: SortDir::Desc }];
    let page = ListQuery { sorts, limit: Some(1), ..ListQuery::default() };
    assert_eq!(hosts(page).await, ["old"]);

    let rows = agents.list(&ctx, &ListQuery::filter("host", ["a"])).await.expect("list");
    let id = rows[0]["id"].as_str().expect("id");
    let change = json!({"admin_state_up": false, "description": "in repair"});
    let change = change.as_object().expect("object").clone();
    agents.update(&ctx, id, change, None).await.expect("update");
    agents.report_state(&ovs("a"), None).await.expect("report");
    let shown = agents.get(&ctx, id).await.expect("get");
    assert_eq!(
        (&shown["admin_state_up"], &shown["description"]),
        (&json!(false), &json!("in repair"))
    );
    agents.delete(&ctx, id, None).await.expect("delete");
    for error in [
        agents.get(&ctx, id).await.expect_err("gone"),
        agents.delete(&ctx, id, None).await.expect_err("gone"),
    ] {
        assert_eq!((error.kind, error.status), ("AgentNotFound", 404));
        assert_eq!(error.message, format!("Agent {id} could not be found."));
    }
    assert_eq!(agents.create(&ctx, vec![]).await.expect_err("no POST").status, 405);
}
