//! Reports of the agent's state.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use neutrino_agent::{AgentStatus, Heartbeat, Notification, ResyncReason};
use neutrino_rpc::{Failure, shapes::AgentState};
use serde_json::json;

use crate::support::{Server, WAIT, next, wait_until};

fn state() -> AgentState {
    AgentState {
        binary: "neutron-openvswitch-agent".into(),
        host: "compute0".into(),
        topic: "N/A".into(),
        agent_type: "Open vSwitch agent".into(),
        start_flag: true,
        resource_versions: Some(json!({"Port": "1.11"})),
        ..AgentState::default()
    }
}

#[tokio::test]
async fn start_flag_and_versions_are_sent_until_they_have_served() {
    let server = Server::start(|_, _| Ok(json!("alive"))).await;
    let (api, _open) = server.agent().await;
    let heartbeat = Heartbeat::spawn(api, state(), WAIT);
    let mut status = heartbeat.last_status();
    let answered = status.wait_for(Option::is_some).await.expect("runs");
    assert_eq!(*answered, Some(AgentStatus::Alive));
    drop(answered);
    heartbeat.sync_done();
    heartbeat.update(|state| {
        state.configurations.insert("devices".into(), 3.into());
    });
    heartbeat.report_now();
    wait_until("the second report", || server.asked("report_state").len() == 2).await;
    let reports: Vec<_> = server
        .asked("report_state")
        .into_iter()
        .map(|r| (r.args["agent_state"]["agent_state"].clone(), r.args["time"].clone()))
        .collect();
    assert_eq!(reports[0].0["start_flag"], true);
    assert_eq!(reports[0].0["resource_versions"]["Port"], "1.11");
    assert!(reports[1].0.get("start_flag").is_none());
    assert!(reports[1].0.get("resource_versions").is_none());
    assert_eq!(reports[1].0["configurations"]["devices"], 3);
    assert_ne!(reports[0].0["uuid"], reports[1].0["uuid"]);
    // Neutron's "%Y-%m-%dT%H:%M:%S.%f".
    let time = reports[0].1.as_str().expect("text");
    assert_eq!(time.len(), "2026-01-02T03:04:05.000006".len(), "{time}");
}

#[tokio::test]
async fn revived_agent_is_told_to_read_all_again() {
    let reports = AtomicUsize::new(0);
    let server = Server::start(move |_, _| {
        Ok(json!(if reports.fetch_add(1, Ordering::Relaxed) == 1 { "revived" } else { "alive" }))
    })
    .await;
    let (api, mut notifications) = server.agent().await;
    let _heartbeat = Heartbeat::spawn(api, state(), Duration::from_millis(10));
    let resync = Notification::Resync(ResyncReason::Revived);
    assert_eq!(next(&mut notifications).await, resync);
}

#[tokio::test]
async fn failing_reports_go_on_at_their_interval() {
    let reports = AtomicUsize::new(0);
    let server = Server::start(move |_, _| match reports.fetch_add(1, Ordering::Relaxed) {
        0..3 => Err(Failure::new("oslo_db.exception", "DBError", "busy")),
        _ => Ok(json!(null)),
    })
    .await;
    let (api, _open) = server.agent().await;
    let _heartbeat = Heartbeat::spawn(api, state(), Duration::from_millis(10));
    wait_until("more reports", || server.asked("report_state").len() > 5).await;
}

#[tokio::test]
async fn reconnected_agent_reports_at_once() {
    let mut server = Server::start(|_, _| Ok(json!("alive"))).await;
    let (api, mut notifications) = server.agent().await;
    let _heartbeat = Heartbeat::spawn(api, state(), WAIT);
    wait_until("the first report", || server.asked("report_state").len() == 1).await;
    server.stop().await;
    assert_eq!(next(&mut notifications).await, Notification::Disconnected);
    server.restart().await;
    wait_until("the second report", || server.asked("report_state").len() == 2).await;
}
