//! An L3 agent's view of the server: which routers it has, all about them, and what it is told.

use neutrino_rpc::{Request, RpcError};
use serde_json::{Value, json};

use super::{Agent, connect, report, report_l2};
use crate::support::{
    l3::Site,
    server::{TestServer, create, network, text},
};

const L3: &str = "l3_agent";

/// An L3 agent on `host` that has reported.
pub(super) async fn l3_agent(t: &TestServer, host: &str, mode: &str) -> Agent {
    let agent = connect(&t.server.rpc, "test", host, &[L3]).await;
    let state = json!({
        "binary": "neutron-l3-agent", "host": host, "topic": L3, "availability_zone": "nova",
        "agent_type": "L3 agent", "start_flag": true, "uuid": "u",
        "configurations": { "agent_mode": mode, "handle_internal_only_routers": true },
    });
    report(&agent, state).await;
    agent
}

/// Calls the L3 plugin.
async fn ask(agent: &Agent, method: &str, version: &str, args: Value) -> Value {
    agent.call("q-l3-plugin", method, version, args).await.expect("answered")
}

async fn ids(agent: &Agent, host: &str) -> Value {
    ask(agent, "get_router_ids", "1.9", json!({ "host": host })).await
}

pub(super) async fn sync(agent: &Agent, host: &str, routers: &[&Value]) -> Vec<Value> {
    let ids: Vec<&Value> = routers.iter().map(|r| &r["id"]).collect();
    let args = json!({ "host": host, "router_ids": ids });
    let found = ask(agent, "sync_routers", "1.0", args).await;
    found.as_array().expect("list").clone()
}

/// What an agent was told: method and arguments.
fn told(got: &[Request]) -> Vec<(String, Value)> {
    got.iter().map(|r| (r.method.clone(), Value::Object(r.args.clone()))).collect()
}

/// Waits until the agent was told `method`; answers all it was told until then.
pub(super) async fn told_until(agent: &Agent, method: &str) -> Vec<(String, Value)> {
    told(&agent.wait(|got| got.iter().any(|r| r.method == method)).await)
}

#[tokio::test]
async fn an_agent_that_asks_gets_the_routers_nobody_has() {
    let t = TestServer::start().await;
    let router = create(&t.client, "routers", json!({ "name": "r" })).await;
    let down = json!({ "name": "d", "admin_state_up": false });
    let down = create(&t.client, "routers", down).await;
    let compute = l3_agent(&t, "compute1", "dvr").await;
    assert_eq!(ids(&compute, "compute1").await, json!([]), "none is scheduled to a compute host");
    let agent = l3_agent(&t, "node1", "legacy").await;
    let mut wanted = [text(&router, "id"), text(&down, "id")];
    wanted.sort_unstable();
    assert_eq!(ids(&agent, "node1").await, json!(wanted));
    let second = l3_agent(&t, "node2", "legacy").await;
    assert_eq!(ids(&second, "node2").await, json!([]));

    let found = sync(&agent, "node1", &[]).await;
    assert_eq!(found.len(), 1, "what is down is missing: {found:?}");
    assert_eq!(found[0]["id"], router["id"]);
    for (key, value) in [
        ("gw_port_id", Value::Null),
        ("gw_port_host", Value::Null),
        ("external_gateway_info", Value::Null),
        ("distributed", json!(false)),
        ("ha", json!(false)),
        ("ha_vr_id", json!(0)),
        ("routes", json!([])),
        ("availability_zones", json!(["nova"])),
    ] {
        assert_eq!(found[0].get(key), Some(&value), "{key}");
    }
    for key in ["gw_port", "_interfaces", "_floatingips", "enable_snat"] {
        assert_eq!(found[0].get(key), None, "{key}");
    }
    assert_eq!(sync(&second, "node2", &[&router]).await, [json!(null); 0], "it is not its own");
    t.stop().await;
}

#[tokio::test]
async fn an_agent_that_is_unknown_or_down_has_no_routers() {
    let t = TestServer::start().await;
    create(&t.client, "routers", json!({ "name": "r" })).await;
    let agent = l3_agent(&t, "node1", "legacy").await;
    assert_eq!(ids(&agent, "nowhere").await, json!([]));
    let args = json!({ "host": "nowhere", "router_ids": [] });
    let refused = agent.call("q-l3-plugin", "sync_routers", "1.0", args).await;
    match refused.expect_err("unknown") {
        RpcError::Remote(failure) => assert_eq!(failure.class, "AgentNotFoundByTypeHost"),
        other => panic!("{other}"),
    }
    assert_eq!(ids(&agent, "node1").await.as_array().map(Vec::len), Some(1));
    let found = t.client.get("/v2.0/agents").await.json();
    let path = format!("/v2.0/agents/{}", text(&found["agents"][0], "id"));
    t.client.put(&path, &json!({ "agent": { "admin_state_up": false } })).await;
    let got = told_until(&agent, "agent_updated").await;
    assert_eq!(got[0].1, json!({ "payload": { "admin_state_up": false } }));
    assert_eq!(ids(&agent, "node1").await, json!([]));
    assert_eq!(sync(&agent, "node1", &[]).await, [json!(null); 0]);
    t.stop().await;
}

#[tokio::test]
async fn agents_are_told_of_their_routers_as_neutron_does() {
    let t = TestServer::start().await;
    let one = l3_agent(&t, "node1", "legacy").await;
    let two = l3_agent(&t, "node2", "legacy").await;
    let router = create(&t.client, "routers", json!({ "name": "r" })).await;
    let id = text(&router, "id");
    let agents = t.client.get("/v2.0/agents?host=node1").await.json();
    let path = format!("/v2.0/agents/{}/l3-routers", text(&agents["agents"][0], "id"));
    t.client.post(&path, &json!({ "router_id": id })).await;
    let change = json!({ "router": { "admin_state_up": false } });
    t.client.put(&format!("/v2.0/routers/{id}"), &change).await;
    t.client.delete(&format!("{path}/{id}")).await;
    t.client.delete(&format!("/v2.0/routers/{id}")).await;
    let got = told_until(&one, "router_deleted").await;
    let wanted = [
        ("router_added_to_agent", json!({ "payload": [id] })),
        ("routers_updated", json!({ "routers": [id] })),
        ("router_removed_from_agent", json!({ "payload": { "router_id": id } })),
        ("router_deleted", json!({ "router_id": id })),
    ];
    assert_eq!(got, wanted.map(|(method, args)| (method.to_string(), args)));
    let got = told_until(&two, "router_deleted").await;
    assert_eq!(got.len(), 1, "the other hears of the deletion only: {got:?}");
    t.stop().await;
}

#[tokio::test]
async fn the_rest_of_the_plugin_answers() {
    let t = TestServer::start().await;
    let agent = l3_agent(&t, "node1", "legacy").await;
    let plugins = ask(&agent, "get_service_plugin_list", "1.3", json!({})).await;
    assert!(plugins.as_array().expect("list").contains(&json!("L3_ROUTER_NAT")));
    let net = create(&t.client, "networks", json!({ "name": "n" })).await;
    let args = json!({ "filters": { "id": [net["id"]] }, "fields": ["id", "mtu"] });
    let found = ask(&agent, "get_networks", "1.12", args).await;
    assert_eq!((&found[0]["id"], &found[0]["mtu"]), (&net["id"], &net["mtu"]));

    report_l2(&agent, "node1").await;
    let (net, subnet) = network(&t.client, "blue", "10.0.0.0/24").await;
    let bound = json!({ "network_id": net["id"], "binding:host_id": "node1" });
    let bound = create(&t.client, "ports", bound).await;
    // Nobody reaches it yet, so nobody is its neighbour.
    create(&t.client, "ports", json!({ "network_id": net["id"] })).await;
    let args = json!({ "host": "node1", "subnet_id": subnet["id"] });
    let found = ask(&agent, "get_ports_by_subnet", "1.2", args).await;
    let ids: Vec<&Value> = found.as_array().expect("list").iter().map(|p| &p["id"]).collect();
    assert_eq!(ids, [&bound["id"]]);
    t.stop().await;
}

#[tokio::test]
async fn an_agent_hears_of_floating_ips_and_says_how_far_it_got() {
    let t = TestServer::start().await;
    let site = Site::new(&t).await;
    let port = site.port().await;
    // It comes late: nothing of the above was told it. The floating IP gives it the router.
    let agent = l3_agent(&t, "node1", "legacy").await;
    let made = site.floating_ip(json!({ "port_id": port["id"] })).await;
    let id = text(&made, "id").to_string();
    assert_eq!(made["status"], "DOWN");
    let router = text(&made, "router_id").to_string();
    let updated = json!({ "routers": [router] });
    assert_eq!(told_until(&agent, "routers_updated").await[0].1, updated);
    let found = sync(&agent, "node1", &[&site.router]).await;
    assert_eq!(found[0]["_floatingips"][0]["id"], made["id"]);

    let args = json!({ "router_id": router, "fip_statuses": { &id: "ACTIVE" } });
    let answer = ask(&agent, "update_floatingip_statuses", "1.1", args).await;
    assert_eq!(answer, Value::Null);
    let path = format!("/v2.0/floatingips/{id}");
    assert_eq!(t.client.get(&path).await.json()["floatingip"]["status"], "ACTIVE");
    assert_eq!(t.client.delete(&path).await.status, 204);
    let got = told(&agent.received(2).await);
    assert_eq!(
        got,
        [
            ("routers_updated".to_string(), updated.clone()),
            ("routers_updated".to_string(), updated)
        ]
    );
    t.stop().await;
}
