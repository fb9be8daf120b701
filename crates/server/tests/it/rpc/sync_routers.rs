//! `sync_routers`: all that an L3 agent is told of routers, as the golden file
//! `tests/cases/sync_routers.json` shows it (`NEUTRINO_UPDATE_GOLDENS=1` rewrites it), what it
//! costs, and where the ports of routers are bound.

use std::collections::HashMap;

use neutrino_db::{
    Prepared,
    port_forwardings::{self, PortForwarding, PortRange},
    routers::{self, Route},
    schema::FloatingIps,
    sea_query::{Expr, ExprTrait, Query},
};
use serde_json::{Value, json};

use super::{l2_agent, l3::l3_agent};
use crate::support::{
    client::Client,
    golden::{golden, masked},
    l3::external_network,
    server::{TestServer, create, network, text},
};

async fn put(client: &Client, path: &str, body: &Value) -> Value {
    let answer = client.put(path, body).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.json());
    answer.json()
}

async fn attach(client: &Client, router: &Value, subnet: &Value) -> Value {
    let path = format!("/v2.0/routers/{}/add_router_interface", text(router, "id"));
    put(client, &path, &json!({ "subnet_id": subnet["id"] })).await
}

/// Creates several resources by one request.
async fn bulk(client: &Client, collection: &str, items: Vec<Value>) -> Vec<Value> {
    let answer = client.post(&format!("/v2.0/{collection}"), &json!({ collection: items })).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    answer.json()[collection].as_array().cloned().expect("list")
}

/// Forwards port 8080 of a floating IP to port 80 of `port`, and 9000 to 9009 to 90 to 99.
async fn forward(t: &TestServer, floating_ip: &Value, router: &Value, port: &Value) {
    let forwarding = |internal: PortRange, external: PortRange| PortForwarding {
        internal_port_id: text(port, "id").into(),
        internal_ip_address: [192, 168, 1, 5].into(),
        protocol: "tcp".into(),
        internal,
        external,
        ..PortForwarding::new(text(floating_ip, "id"))
    };
    let ranges = |first, last| PortRange { first, last };
    let rows = [
        forwarding(PortRange::one(80), PortRange::one(8080)),
        forwarding(ranges(90, 99), ranges(9000, 9009)),
    ];
    let routed = Query::update()
        .table(FloatingIps::Table)
        .value(FloatingIps::RouterId, text(router, "id"))
        .and_where(Expr::col(FloatingIps::Id).eq(text(floating_ip, "id")))
        .to_owned();
    let mut statements = vec![Prepared::new(&routed)];
    statements.extend(rows.iter().map(port_forwardings::insert));
    let tx = t.server.parts.db.begin().await.expect("begin");
    tx.execute_batch(statements).await.expect("rows");
    tx.commit().await.expect("commit");
}

async fn sync(t: &TestServer, host: &str) -> Vec<Value> {
    let found = t.server.parts.l3_scheduler.sync_routers(host, &[]).await.expect("routers");
    found.into_iter().map(Value::Object).collect()
}

#[tokio::test]
async fn an_agent_is_told_everything_of_a_router() {
    let t = TestServer::start().await;
    let (_l2, _l3) = (l2_agent(&t, "node1").await, l3_agent(&t, "node1", "legacy").await);
    let (ext, _) = external_network(&t, "172.25.250.0/24").await;
    let more = json!({ "network_id": ext["id"], "ip_version": 4, "cidr": "172.25.251.0/24",
                       "enable_dhcp": false });
    create(&t.client, "subnets", more).await;
    let (red_net, red) = network(&t.client, "red", "192.168.1.0/24").await;
    let (blue_net, blue) = network(&t.client, "blue", "192.168.2.0/24").await;
    let v6 = json!({ "network_id": blue_net["id"], "ip_version": 6, "cidr": "2001:db8::/64",
                     "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac" });
    let v6 = create(&t.client, "subnets", v6).await;
    let dns = json!({ "subnet": { "dns_nameservers": ["192.168.2.9"] } });
    put(&t.client, &format!("/v2.0/subnets/{}", text(&blue, "id")), &dns).await;
    let router = create(&t.client, "routers", json!({ "name": "r" })).await;
    let path = format!("/v2.0/routers/{}", text(&router, "id"));
    let ip = json!([{ "ip_address": "172.25.250.20" }]);
    let gateway = json!({ "network_id": ext["id"], "external_fixed_ips": ip });
    put(&t.client, &path, &json!({ "router": { "external_gateway_info": gateway } })).await;
    for subnet in [&red, &blue, &v6] {
        attach(&t.client, &router, subnet).await;
    }
    let route = Route { destination: "10.99.0.0/16".into(), nexthop: "192.168.1.77".into() };
    let tx = t.server.parts.db.begin().await.expect("begin");
    let statements = routers::set_routes(text(&router, "id"), &[route]);
    tx.execute_batch(statements).await.expect("rows");
    tx.commit().await.expect("commit");
    let ip = json!([{ "ip_address": "192.168.1.5" }]);
    let inside = json!({ "network_id": red_net["id"], "name": "inside", "fixed_ips": ip });
    let inside = create(&t.client, "ports", inside).await;
    let leading = json!({ "floating_network_id": ext["id"], "port_id": inside["id"],
                          "floating_ip_address": "172.25.250.30" });
    create(&t.client, "floatingips", leading).await;
    let forwarding = json!({ "floating_network_id": ext["id"],
                             "floating_ip_address": "172.25.250.31" });
    let forwarding = create(&t.client, "floatingips", forwarding).await;
    forward(&t, &forwarding, &router, &inside).await;
    let mut found = sync(&t, "node1").await;
    // Rows come by id, which differs; the file shows them by network and address.
    for router in &mut found {
        let list = router["_interfaces"].as_array_mut().expect("interfaces");
        list.sort_by_key(|port| port["fixed_ips"][0]["ip_address"].to_string());
    }
    golden("sync_routers.json", &masked(&json!(found), &mut HashMap::new()));
    t.stop().await;
}

#[tokio::test]
async fn ports_of_a_router_are_bound_to_the_host_that_has_it() {
    let t = TestServer::start().await;
    let _agents = (l2_agent(&t, "node1").await, l3_agent(&t, "node1", "legacy").await);
    let (_, red) = network(&t.client, "red", "192.168.1.0/24").await;
    let router = create(&t.client, "routers", json!({ "name": "r" })).await;
    let port = attach(&t.client, &router, &red).await;
    let path = format!("/v2.0/ports/{}", text(&port, "port_id"));
    let host = async || t.client.get(&path).await.json()["port"]["binding:host_id"].clone();
    assert_eq!(host().await, "");
    let found = sync(&t, "node1").await;
    let shown = &found[0]["_interfaces"][0];
    assert_eq!(
        (&shown["binding:host_id"], &shown["binding:vif_type"]),
        (&json!("node1"), &json!("ovs"))
    );
    assert_eq!(host().await, "node1");
    // Another agent gets it.
    let _others = (l2_agent(&t, "node2").await, l3_agent(&t, "node2", "legacy").await);
    let agents = t.client.get("/v2.0/agents?agent_type=L3%20agent").await.json();
    let id = |host: &str| {
        let all = agents["agents"].as_array().expect("agents");
        let agent = all.iter().find(|a| a["host"] == host).expect("agent");
        text(agent, "id").to_string()
    };
    let router_id = text(&router, "id");
    let of = |host: &str| format!("/v2.0/agents/{}/l3-routers", id(host));
    assert_eq!(t.client.delete(&format!("{}/{router_id}", of("node1"))).await.status, 204);
    let given = t.client.post(&of("node2"), &json!({ "router_id": router_id })).await;
    assert_eq!(given.status, 201);
    assert_eq!(sync(&t, "node1").await, [json!(null); 0]);
    assert_eq!(sync(&t, "node2").await[0]["_interfaces"][0]["binding:host_id"], "node2");
    assert_eq!(host().await, "node2");
    t.stop().await;
}

#[tokio::test]
async fn a_hundred_routers_cost_the_statements_of_one() {
    let t = TestServer::start_with(
        "[quotas]\nquota_router = -1\nquota_network = -1\nquota_subnet = -1\n",
    )
    .await;
    let _agents = (l2_agent(&t, "node1").await, l3_agent(&t, "node1", "legacy").await);
    let (ext, _) = external_network(&t, "172.25.248.0/22").await;
    let mut costs = Vec::new();
    for wanted in [1, 100] {
        let have = t.client.get("/v2.0/routers?fields=id").await.json();
        let have = have["routers"].as_array().map_or(0, Vec::len);
        let gateway = json!({ "network_id": ext["id"] });
        let body = vec![json!({ "name": "r", "external_gateway_info": gateway }); wanted - have];
        let routers = bulk(&t.client, "routers", body).await;
        let networks = bulk(&t.client, "networks", vec![json!({}); routers.len()]).await;
        let subnet =
            |n: &Value| json!({ "network_id": n["id"], "ip_version": 4, "cidr": "10.0.0.0/24" });
        let subnets = bulk(&t.client, "subnets", networks.iter().map(subnet).collect()).await;
        for (router, subnet) in routers.iter().zip(&subnets) {
            attach(&t.client, router, subnet).await;
        }
        // The first time ports are bound.
        assert_eq!(sync(&t, "node1").await.len(), wanted);
        let before = t.server.parts.db.counts();
        let found = sync(&t, "node1").await;
        costs.push(t.server.parts.db.counts() - before);
        assert!(found.iter().all(|r| r["_interfaces"].as_array().map(Vec::len) == Some(1)));
        assert!(found.iter().all(|r| r["gw_port"]["binding:host_id"] == "node1"));
    }
    assert_eq!(costs[0], costs[1]);
    assert!(costs[0].total() <= 20, "{costs:?}");
    assert_eq!(costs[0].writes, 0, "{costs:?}");
    t.stop().await;
}
