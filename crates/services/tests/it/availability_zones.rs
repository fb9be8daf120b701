use neutrino_rpc::shapes::AgentState;
use neutrino_services::{AgentConfig, Agents, AvailabilityZones};
use neutrino_types::{Context, ListQuery, ResourcePlugin};
use serde_json::{Value, json};

use crate::database;

#[tokio::test]
async fn zones_come_from_dhcp_and_l3_agents() {
    let db = database().await;
    let agents = Agents::new(db.clone(), AgentConfig::default());
    for (kind, host, zone) in [
        ("DHCP agent", "h1", Some("nova")),
        ("DHCP agent", "h2", Some("nova")),
        ("L3 agent", "h1", Some("rack1")),
        ("Open vSwitch agent", "h1", None),
        ("Metadata agent", "h1", Some("nova")),
    ] {
        let state = AgentState {
            agent_type: kind.into(),
            host: host.into(),
            availability_zone: zone.map(Into::into),
            ..AgentState::default()
        };
        agents.report_state(&state, None).await.expect("report");
    }
    let zones = AvailabilityZones::new(db);
    let ctx = Context::admin();
    let list = async |query: ListQuery| Value::from(zones.list(&ctx, &query).await.expect("list"));
    let network = json!({"state": "available", "name": "nova", "resource": "network"});
    let down = json!({"state": "unavailable", "name": "nova", "resource": "network"});
    assert_eq!(list(ListQuery::filter("resource", ["network"])).await, json!([network]));
    assert_eq!(list(ListQuery::default()).await.as_array().map(Vec::len), Some(2));
    assert_eq!(list(ListQuery::filter("name", ["rack1"])).await[0]["resource"], json!("router"));

    let dhcp = ListQuery::filter("agent_type", ["DHCP agent"]);
    for (n, agent) in agents.list(&ctx, &dhcp).await.expect("agents").iter().enumerate() {
        let id = agent["id"].as_str().expect("id");
        let change = json!({"admin_state_up": false}).as_object().expect("object").clone();
        agents.update(&ctx, id, change, None).await.expect("update");
        let wanted = if n == 0 { &network } else { &down };
        assert_eq!(list(ListQuery::filter("resource", ["network"])).await, json!([wanted]));
    }
    assert_eq!(list(ListQuery::filter("state", ["unavailable"])).await, json!([down]));
}
