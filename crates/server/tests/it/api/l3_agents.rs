//! `/v2.0/agents/<id>/l3-routers`, `/v2.0/routers/<id>/l3-agents`, and the zones of routers.

use serde_json::{Value, json};

use crate::support::server::{TestServer, assert_error, create, report, text};

/// An L3 agent in `mode` that has reported; answers its id.
async fn l3_agent(t: &TestServer, host: &str, mode: &str) -> String {
    report(t, "L3 agent", host, "nova", json!({ "agent_mode": mode })).await
}

/// Hosts of the agents that have the router.
async fn hosts(t: &TestServer, router: &Value) -> Vec<String> {
    let path = format!("/v2.0/routers/{}/l3-agents", text(router, "id"));
    let found = t.client.get(&path).await.json();
    let agents = found["agents"].as_array().expect("list");
    agents.iter().map(|a| text(a, "host").to_string()).collect()
}

#[tokio::test]
async fn routers_are_given_to_agents_and_taken_again() {
    let t = TestServer::start().await;
    let agent = l3_agent(&t, "node1", "legacy").await;
    let other = l3_agent(&t, "node2", "legacy").await;
    let router = create(&t.client, "routers", json!({ "name": "r" })).await;
    // Without a gateway or an interface it needs no agent.
    assert_eq!(hosts(&t, &router).await, [""; 0]);
    let path = format!("/v2.0/agents/{agent}/l3-routers");
    let body = json!({ "router_id": router["id"] });
    let added = t.client.post(&path, &body).await;
    assert_eq!((added.status, added.json()), (201, Value::Null));
    assert_eq!(hosts(&t, &router).await, ["node1"]);
    let shown = t.client.get(&format!("/v2.0/routers/{}", text(&router, "id"))).await.json();
    assert_eq!(shown["router"]["availability_zones"], json!(["nova"]));
    let listed = t.client.get(&path).await.json();
    assert_eq!(listed["routers"][0]["id"], router["id"]);
    assert_eq!(t.client.post(&path, &body).await.status, 201, "it has it already");
    let elsewhere = t.client.post(&format!("/v2.0/agents/{other}/l3-routers"), &body).await;
    let text_of = format!("has been already hosted by the L3 Agent {agent}.");
    assert_error(&elsewhere, 409, "RouterHostedByL3Agent", &text_of);
    let one = format!("{path}/{}", text(&router, "id"));
    assert_eq!(t.client.delete(&one).await.status, 204);
    assert_eq!(t.client.delete(&one).await.status, 204, "as Neutron: no matter that it has not");
    assert_eq!(t.client.get(&path).await.json(), json!({ "routers": [] }));
    t.stop().await;
}

#[tokio::test]
async fn what_cannot_have_a_router_is_refused_it() {
    let t = TestServer::start().await;
    let plain = create(&t.client, "routers", json!({ "name": "r" })).await;
    let distributed = json!({ "name": "d", "distributed": true });
    let distributed = create(&t.client, "routers", distributed).await;
    let l2 = report(&t, "Open vSwitch agent", "node1", "", json!({})).await;
    let legacy = l3_agent(&t, "node1", "legacy").await;
    let compute = l3_agent(&t, "node2", "dvr").await;
    let down = l3_agent(&t, "node3", "dvr_snat").await;
    let state = json!({ "agent": { "admin_state_up": false } });
    t.client.put(&format!("/v2.0/agents/{down}"), &state).await;
    let nobody = neutrino_types::new_id();
    for (agent, router, code, kind, words) in [
        (&l2, &plain, 404, "InvalidL3Agent", "is not a L3 Agent or has been disabled"),
        (&down, &plain, 404, "InvalidL3Agent", "is not a L3 Agent or has been disabled"),
        (&nobody, &plain, 404, "AgentNotFound", "could not be found"),
        (&compute, &plain, 409, "DVRL3CannotAssignToDvrAgent", "an agent in 'dvr' mode"),
        (&legacy, &distributed, 409, "RouterL3AgentMismatch", "Cannot host distributed router"),
    ] {
        let path = format!("/v2.0/agents/{agent}/l3-routers");
        let refused = t.client.post(&path, &json!({ "router_id": router["id"] })).await;
        assert_error(&refused, code, kind, words);
    }
    let path = format!("/v2.0/agents/{legacy}/l3-routers");
    let missing = t.client.post(&path, &json!({ "router_id": nobody })).await;
    assert_error(&missing, 404, "RouterNotFound", "could not be found");
    let unnamed = t.client.post(&path, &json!({ "router": 5 })).await;
    assert_error(&unnamed, 400, "HTTPBadRequest", "router_id");
    let gone = t.client.delete(&format!("{path}/{nobody}")).await;
    assert_error(&gone, 404, "RouterNotFound", "could not be found");
    let path = format!("/v2.0/agents/{compute}/l3-routers/{}", text(&distributed, "id"));
    let kept = t.client.delete(&path).await;
    assert_error(&kept, 409, "DVRL3CannotRemoveFromDvrAgent", "manually remove a router");
    let path = format!("/v2.0/agents/{nobody}/l3-routers");
    assert_error(&t.client.get(&path).await, 404, "AgentNotFound", "could not be found");
    t.stop().await;
}

#[tokio::test]
async fn scheduling_of_routers_is_the_admins_business() {
    let t = TestServer::start().await;
    let agent = l3_agent(&t, "node1", "legacy").await;
    let member = t.user("p1", "member,reader");
    let router = create(&member, "routers", json!({ "name": "r" })).await;
    let path = format!("/v2.0/agents/{agent}/l3-routers");
    let answers = [
        member.get(&path).await,
        member.get(&format!("/v2.0/routers/{}/l3-agents", text(&router, "id"))).await,
        member.post(&path, &json!({ "router_id": router["id"] })).await,
        member.delete(&format!("{path}/{}", text(&router, "id"))).await,
    ];
    assert_eq!(answers.map(|a| a.status), [403; 4]);
    t.stop().await;
}

#[tokio::test]
async fn a_changed_router_gets_an_agent_and_a_deleted_agent_leaves_its_routers() {
    let t = TestServer::start().await;
    let router = create(&t.client, "routers", json!({ "name": "r" })).await;
    let path = format!("/v2.0/routers/{}", text(&router, "id"));
    let rename = json!({ "router": { "name": "s" } });
    // There is nobody to have it.
    assert_eq!(t.client.put(&path, &rename).await.status, 200);
    assert_eq!(hosts(&t, &router).await, [""; 0]);
    let agent = l3_agent(&t, "node1", "dvr_snat").await;
    l3_agent(&t, "node2", "dvr").await;
    assert_eq!(t.client.put(&path, &rename).await.status, 200);
    assert_eq!(hosts(&t, &router).await, ["node1"]);
    assert_eq!(t.client.delete(&format!("/v2.0/agents/{agent}")).await.status, 204);
    assert_eq!(hosts(&t, &router).await, [""; 0]);
    assert_eq!(t.client.delete(&path).await.status, 204);
    t.stop().await;
}

#[tokio::test]
async fn zones_of_l3_agents_are_for_routers() {
    let t = TestServer::start_with(
        "[DEFAULT]\nrouter_scheduler_driver = \
         neutron.scheduler.l3_agent_scheduler.AZLeastRoutersScheduler\n",
    )
    .await;
    report(&t, "L3 agent", "node1", "north", json!({})).await;
    report(&t, "L3 agent", "node2", "south", json!({})).await;
    let zones = t.client.get("/v2.0/availability_zones?resource=router").await.json();
    let zones = zones["availability_zones"].as_array().expect("list");
    let mut names: Vec<&str> = zones.iter().map(|z| text(z, "name")).collect();
    names.sort_unstable();
    assert_eq!(names, ["north", "south"]);
    for _ in 0..2 {
        let body = json!({ "name": "r", "availability_zone_hints": ["south"] });
        let router = create(&t.client, "routers", body).await;
        let path = format!("/v2.0/routers/{}", text(&router, "id"));
        t.client.put(&path, &json!({ "router": { "name": "s" } })).await;
        assert_eq!(hosts(&t, &router).await, ["node2"]);
    }
    t.stop().await;
}
