//! A DHCP agent's view of the server: what it serves, its own ports, what it is told, and ports
//! that wait for it.

use neutrino_db::{
    schema::Agents,
    sea_query::{Expr, ExprTrait, Query},
};
use neutrino_rpc::{Request, RpcError, shapes::dhcp::DhcpNetwork};
use serde_json::{Value, json};

use super::{Agent, connect, l2_agent, report, report_l2};
use crate::support::server::{TestServer, create, network, text};

const DHCP: &str = "dhcp_agent";

/// A DHCP agent on `host` that has reported.
async fn dhcp_agent(t: &TestServer, host: &str) -> Agent {
    let agent = connect(&t.server.rpc, "test", host, &[DHCP]).await;
    let state = json!({
        "binary": "neutron-dhcp-agent", "host": host, "topic": DHCP, "availability_zone": "nova",
        "agent_type": "DHCP agent", "start_flag": true, "uuid": "u",
        "configurations": { "networks": 0, "subnets": 0, "ports": 0 },
    });
    report(&agent, state).await;
    agent
}

/// Calls the plugin.
async fn ask(agent: &Agent, method: &str, version: &str, args: Value) -> Value {
    agent.call("q-plugin", method, version, args).await.expect("answered")
}

async fn active(agent: &Agent, host: &str) -> Vec<Value> {
    let found = ask(agent, "get_active_networks_info", "1.1", json!({ "host": host })).await;
    found.as_array().expect("list").clone()
}

/// What an agent asks for to have its port on a network.
fn own_port(network: &Value, subnet: &Value, device: &str) -> Value {
    json!({ "port": { "name": "", "admin_state_up": true, "network_id": network["id"],
        "project_id": network["project_id"], "device_id": device,
        "fixed_ips": [{ "subnet_id": subnet["id"] }] } })
}

fn payloads(got: &[Request], method: &str) -> Vec<Value> {
    got.iter().filter(|r| r.method == method).map(|r| r.args["payload"].clone()).collect()
}

async fn told(agent: &Agent, method: &str) -> Value {
    let got = agent.wait(|got| got.iter().any(|r| r.method == method)).await;
    payloads(&got, method).remove(0)
}

async fn status(t: &TestServer, port: &Value) -> Value {
    let path = format!("/v2.0/ports/{}", text(port, "id"));
    t.client.get(&path).await.json()["port"]["status"].clone()
}

#[tokio::test]
async fn an_agent_gets_its_networks_and_makes_its_port() {
    let t = TestServer::start().await;
    let (net, subnet) = network(&t.client, "blue", "10.0.0.0/24").await;
    // Made before any agent was there: scheduled when the agent asks.
    let agent = dhcp_agent(&t, "node1").await;
    let found = active(&agent, "node1").await;
    assert_eq!(found.len(), 1, "{found:?}");
    let info = &found[0];
    let mut keys: Vec<&str> =
        info.as_object().expect("object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    let wanted =
        ["admin_state_up", "id", "mtu", "non_local_subnets", "ports", "project_id", "subnets"];
    assert_eq!(keys, wanted);
    assert_eq!((&info["id"], &info["mtu"]), (&net["id"], &net["mtu"]));
    assert_eq!(info["subnets"][0]["cidr"], "10.0.0.0/24");
    assert_eq!(info["ports"], json!([]));

    let args = json!({ "port": own_port(&net, &subnet, "dhcp-1"), "host": "node1" });
    let port = ask(&agent, "create_dhcp_port", "1.1", args).await;
    assert_eq!(port["device_owner"], "network:dhcp");
    assert_eq!(port["binding:host_id"], "node1");
    assert_eq!(port["fixed_ips"][0]["ip_address"], "10.0.0.2", "the first address of the pool");
    let args = json!({ "network_id": net["id"], "host": "node1" });
    let info = ask(&agent, "get_network_info", "1.0", args).await;
    assert_eq!(info["ports"][0]["id"], port["id"]);
    // Our own agent reads it all.
    let read: DhcpNetwork = serde_json::from_value(info).expect("the agreed shape");
    assert_eq!((read.subnets[0].ip_version, read.subnets[0].enable_dhcp), (4, true));
    assert_eq!(read.ports[0].fixed_ips[0].ip_address, "10.0.0.2");
    let got = ask(&agent, "get_dhcp_port", "1.8", json!({ "port_id": port["id"] })).await;
    assert_eq!(got["id"], port["id"]);

    let args = json!({ "network_id": net["id"], "device_id": "dhcp-1", "host": "node1" });
    ask(&agent, "release_dhcp_port", "1.0", args).await;
    let left = t.client.get("/v2.0/ports").await.json();
    assert_eq!(left["ports"], json!([]));
    t.stop().await;
}

#[tokio::test]
async fn agents_hear_the_names_of_ports() {
    let conf = "[DEFAULT]\ndns_domain = example.org\n[ml2]\nextension_drivers = dns\n";
    let t = TestServer::start_with(conf).await;
    let (net, _) = network(&t.client, "blue", "10.0.0.0/24").await;
    let agent = dhcp_agent(&t, "node1").await;
    active(&agent, "node1").await;
    let port = create(&t.client, "ports", json!({ "network_id": net["id"] })).await;
    let body = json!({ "port": { "dns_name": "web" } });
    let path = format!("/v2.0/ports/{}", text(&port, "id"));
    assert_eq!(t.client.put(&path, &body).await.status, 200);
    let update = told(&agent, "port_update_end").await;
    assert_eq!(update["port"]["dns_assignment"][0]["fqdn"], "web.example.org.");
    let args = json!({ "network_id": net["id"], "host": "node1" });
    let info = ask(&agent, "get_network_info", "1.0", args).await;
    let read: DhcpNetwork = serde_json::from_value(info).expect("the agreed shape");
    let names = read.ports[0].dns_assignment.as_ref().expect("names");
    assert_eq!((&*names[0].hostname, &*names[0].fqdn), ("web", "web.example.org."));
    t.stop().await;
}

#[tokio::test]
async fn what_a_deletion_took_away_is_null_and_no_error() {
    let t = TestServer::start().await;
    let agent = dhcp_agent(&t, "node1").await;
    let (net, subnet) = network(&t.client, "blue", "10.0.0.0/24").await;
    let gone = json!({ "id": neutrino_types::new_id(), "project_id": "" });
    for (net, subnet) in [(&gone, &subnet), (&net, &gone)] {
        let args = json!({ "port": own_port(net, subnet, "dhcp-1"), "host": "node1" });
        assert_eq!(ask(&agent, "create_dhcp_port", "1.1", args).await, Value::Null);
    }
    let args = json!({ "network_id": gone["id"], "host": "node1" });
    assert_eq!(ask(&agent, "get_network_info", "1.0", args).await, Value::Null);
    let args = json!({ "port_id": gone["id"], "host": "node1",
                       "port": own_port(&net, &subnet, "dhcp-1") });
    assert_eq!(ask(&agent, "update_dhcp_port", "1.1", args).await, Value::Null);
    t.stop().await;
}

#[tokio::test]
async fn another_agents_port_is_taken_over_only_when_set_aside() {
    let t = TestServer::start().await;
    let one = dhcp_agent(&t, "node1").await;
    let (net, subnet) = network(&t.client, "blue", "10.0.0.0/24").await;
    let args = json!({ "port": own_port(&net, &subnet, "dhcp-1"), "host": "node1" });
    let port = ask(&one, "create_dhcp_port", "1.1", args).await;

    let two = dhcp_agent(&t, "node2").await;
    let args = json!({ "port_id": port["id"], "host": "node2",
                       "port": own_port(&net, &subnet, "dhcp-2") });
    assert_eq!(ask(&two, "update_dhcp_port", "1.1", args.clone()).await, Value::Null);

    let reserve = json!({ "port": { "device_id": "reserved_dhcp_port" } });
    let path = format!("/v2.0/ports/{}", text(&port, "id"));
    assert_eq!(t.client.put(&path, &reserve).await.status, 200);
    // Set aside, but node2 does not host the network.
    let refused = two.call("q-plugin", "update_dhcp_port", "1.1", args.clone()).await;
    match refused {
        Err(RpcError::Remote(failure)) => assert_eq!(failure.class, "NetworkNotFound"),
        other => panic!("{other:?}"),
    }
    let agents = t.client.get("/v2.0/agents?host=node2").await.json();
    t.server
        .parts
        .dhcp
        .add_network(text(&agents["agents"][0], "id"), text(&net, "id"))
        .await
        .expect("added");
    let taken = ask(&two, "update_dhcp_port", "1.1", args).await;
    assert_eq!(taken["id"], port["id"]);
    assert_eq!(
        (&taken["device_id"], &taken["binding:host_id"]),
        (&json!("dhcp-2"), &json!("node2"))
    );
    assert_eq!(taken["fixed_ips"], port["fixed_ips"], "the address stays");
    t.stop().await;
}

#[tokio::test]
async fn an_agent_hears_of_its_networks() {
    let t = TestServer::start().await;
    let agent = dhcp_agent(&t, "node1").await;
    let (net, subnet) = network(&t.client, "blue", "10.0.0.0/24").await;
    let got = agent.received(2).await;
    assert_eq!(got[0].method, "network_create_end", "scheduled first");
    assert_eq!(got[0].args["payload"], json!({ "network": { "id": net["id"] }, "priority": 0 }));
    assert_eq!(got[1].method, "subnet_create_end");
    assert_eq!(got[1].args["payload"]["subnet"]["id"], subnet["id"]);
    assert_eq!(got[1].args["payload"]["priority"], 3);

    let port = create(&t.client, "ports", json!({ "network_id": net["id"] })).await;
    let payload = told(&agent, "port_create_end").await;
    assert_eq!((&payload["port"]["id"], &payload["priority"]), (&port["id"], &json!(5)));

    let path = format!("/v2.0/ports/{}", text(&port, "id"));
    t.client.put(&path, &json!({ "port": { "name": "renamed" } })).await;
    let opts = json!([{ "opt_name": "mtu", "opt_value": "1400" }]);
    t.client.put(&path, &json!({ "port": { "extra_dhcp_opts": opts } })).await;
    let payload = told(&agent, "port_update_end").await;
    assert_eq!(payload["port"]["extra_dhcp_opts"][0]["opt_value"], "1400", "no news of the name");

    let subnet_path = format!("/v2.0/subnets/{}", text(&subnet, "id"));
    t.client.put(&subnet_path, &json!({ "subnet": { "dns_nameservers": ["10.0.0.9"] } })).await;
    let payload = told(&agent, "subnet_update_end").await;
    assert_eq!(payload["subnet"]["dns_nameservers"], json!(["10.0.0.9"]));
    let net_path = format!("/v2.0/networks/{}", text(&net, "id"));
    t.client.put(&net_path, &json!({ "network": { "admin_state_up": false } })).await;
    assert_eq!(told(&agent, "network_update_end").await["priority"], 1);

    t.client.delete(&path).await;
    let payload = told(&agent, "port_delete_end").await;
    let wanted = json!({ "port_id": port["id"], "network_id": net["id"],
                         "fixed_ips": port["fixed_ips"], "priority": 6 });
    assert_eq!(payload, wanted);
    t.client.delete(&subnet_path).await;
    let wanted = json!({ "subnet_id": subnet["id"], "network_id": net["id"], "priority": 4 });
    assert_eq!(told(&agent, "subnet_delete_end").await, wanted);
    t.client.delete(&net_path).await;
    let wanted = json!({ "network_id": net["id"], "priority": 2 });
    assert_eq!(told(&agent, "network_delete_end").await, wanted);
    t.stop().await;
}

#[tokio::test]
async fn of_two_agents_one_takes_each_port_up_first() {
    let t = TestServer::start_with("[DEFAULT]\ndhcp_agents_per_network = 2\n").await;
    let agents = [dhcp_agent(&t, "node1").await, dhcp_agent(&t, "node2").await];
    let (net, _) = network(&t.client, "blue", "10.0.0.0/24").await;
    let items = vec![json!({ "network_id": net["id"] }); 20];
    assert_eq!(t.client.post("/v2.0/ports", &json!({ "ports": items })).await.status, 201);
    let mut first = Vec::new();
    for agent in &agents {
        let enough = |got: &[Request]| payloads(got, "port_create_end").len() == 20;
        let got = payloads(&agent.wait(enough).await, "port_create_end");
        let high = got.iter().filter(|p| p["priority"] == 5).count();
        assert!(got.iter().all(|p| p["priority"] == 5 || p["priority"] == 6));
        first.push(high);
    }
    assert_eq!(first.iter().sum::<usize>(), 20, "each port is first at one agent: {first:?}");
    t.stop().await;
}

#[tokio::test]
async fn a_port_is_active_when_wired_and_served() {
    let t = TestServer::start().await;
    let l2 = l2_agent(&t, "compute1").await;
    let dhcp = dhcp_agent(&t, "node1").await;
    let (net, subnet) = network(&t.client, "blue", "10.0.0.0/24").await;
    let vm = json!({ "network_id": net["id"], "device_owner": "compute:nova", "device_id": "vm",
                     "binding:host_id": "compute1" });
    let wire = |port: &Value| {
        json!({ "devices_up": [port["id"]], "devices_down": [], "agent_id": "a",
                "host": "compute1" })
    };
    // Wired first, then served.
    let port = create(&t.client, "ports", vm.clone()).await;
    ask(&l2, "update_device_list", "1.9", wire(&port)).await;
    assert_ne!(status(&t, &port).await, "ACTIVE", "waits for DHCP");
    ask(&dhcp, "dhcp_ready_on_ports", "1.5", json!({ "port_ids": [port["id"]] })).await;
    assert_eq!(status(&t, &port).await, "ACTIVE");
    // Served first, then wired.
    let port = create(&t.client, "ports", vm.clone()).await;
    ask(&dhcp, "dhcp_ready_on_ports", "1.5", json!({ "port_ids": [port["id"]] })).await;
    assert_ne!(status(&t, &port).await, "ACTIVE", "waits for its L2 agent");
    ask(&l2, "update_device_list", "1.9", wire(&port)).await;
    assert_eq!(status(&t, &port).await, "ACTIVE");
    // Wired, gone, then served: it has to come again.
    let port = create(&t.client, "ports", vm.clone()).await;
    ask(&l2, "update_device_list", "1.9", wire(&port)).await;
    let gone = json!({ "devices_up": [], "devices_down": [port["id"]], "agent_id": "a",
                       "host": "compute1" });
    ask(&l2, "update_device_list", "1.9", gone).await;
    ask(&dhcp, "dhcp_ready_on_ports", "1.5", json!({ "port_ids": [port["id"]] })).await;
    assert_eq!(status(&t, &port).await, "DOWN");
    ask(&l2, "update_device_list", "1.9", wire(&port)).await;
    assert_eq!(status(&t, &port).await, "ACTIVE");
    // Nobody serves a subnet without DHCP.
    let path = format!("/v2.0/subnets/{}", text(&subnet, "id"));
    t.client.put(&path, &json!({ "subnet": { "enable_dhcp": false } })).await;
    let port = create(&t.client, "ports", vm).await;
    ask(&l2, "update_device_list", "1.9", wire(&port)).await;
    assert_eq!(status(&t, &port).await, "ACTIVE");
    t.stop().await;
}

#[tokio::test]
async fn forwarding_entries_follow_when_dhcp_is_last() {
    let t = TestServer::start().await;
    let topics = ["q-agent-notifier-l2population-update"];
    let l2 = connect(&t.server.rpc, "test", "compute1", &topics).await;
    report_l2(&l2, "compute1").await;
    let dhcp = dhcp_agent(&t, "node1").await;
    let (net, _) = network(&t.client, "blue", "10.0.0.0/24").await;
    let vm = json!({ "network_id": net["id"], "device_owner": "compute:nova", "device_id": "vm",
                     "binding:host_id": "compute1" });
    let port = create(&t.client, "ports", vm).await;
    let wired = json!({ "devices_up": [port["id"]], "devices_down": [], "agent_id": "a",
                        "host": "compute1" });
    ask(&l2, "update_device_list", "1.9", wired).await;
    ask(&dhcp, "dhcp_ready_on_ports", "1.5", json!({ "port_ids": [port["id"]] })).await;
    let mac = text(&port, "mac_address");
    l2.received_until(|r| {
        let entries = r.args["fdb_entries"].to_string();
        r.method == "add_fdb_entries" && entries.contains(mac)
    })
    .await;
    t.stop().await;
}

#[tokio::test]
async fn the_agents_own_port_waits_for_no_dhcp() {
    let t = TestServer::start().await;
    let dhcp = dhcp_agent(&t, "node1").await;
    report_l2(&dhcp, "node1").await;
    let (net, subnet) = network(&t.client, "blue", "10.0.0.0/24").await;
    let args = json!({ "port": own_port(&net, &subnet, "dhcp-1"), "host": "node1" });
    let port = ask(&dhcp, "create_dhcp_port", "1.1", args).await;
    let shown = t.client.get(&format!("/v2.0/ports/{}", text(&port, "id"))).await.json();
    assert_eq!(shown["port"]["binding:vif_type"], "ovs");
    assert_eq!(shown["port"]["port_security_enabled"], false);
    let args = json!({ "devices_up": [port["id"]], "devices_down": [], "agent_id": "a",
                       "host": "node1" });
    ask(&dhcp, "update_device_list", "1.9", args).await;
    assert_eq!(status(&t, &port).await, "ACTIVE");
    t.stop().await;
}

#[tokio::test]
async fn metadata_agents_find_ports_by_address_and_network() {
    let t = TestServer::start().await;
    let agent = connect(&t.server.rpc, "test", "node1", &[]).await;
    let (blue, _) = network(&t.client, "blue", "10.0.0.0/24").await;
    let (red, _) = network(&t.client, "red", "10.0.0.0/24").await;
    let ips = json!([{ "ip_address": "10.0.0.7" }]);
    let port = json!({ "network_id": blue["id"], "fixed_ips": ips, "device_id": "vm-1" });
    let port = create(&t.client, "ports", port).await;
    create(&t.client, "ports", json!({ "network_id": red["id"], "fixed_ips": ips })).await;
    let filters =
        json!({ "network_id": [blue["id"]], "fixed_ips": { "ip_address": ["10.0.0.7"] } });
    let found = ask(&agent, "get_ports", "1.0", json!({ "filters": filters })).await;
    assert_eq!(found.as_array().map(Vec::len), Some(1));
    assert_eq!((&found[0]["id"], &found[0]["device_id"]), (&port["id"], &json!("vm-1")));
    let filters = json!({ "fixed_ips": { "ip_address": ["10.0.0.7"] } });
    let found = ask(&agent, "get_ports", "1.0", json!({ "filters": filters })).await;
    assert_eq!(found.as_array().map(Vec::len), Some(2));
    t.stop().await;
}

#[tokio::test]
async fn an_agent_hears_of_its_own_state_and_of_networks_given_and_taken() {
    let t = TestServer::start_with("[DEFAULT]\nnetwork_auto_schedule = false\n").await;
    let agent = dhcp_agent(&t, "node1").await;
    let (net, subnet) = network(&t.client, "blue", "10.0.0.0/24").await;
    let id = text(&t.client.get("/v2.0/agents").await.json()["agents"][0], "id").to_string();
    let networks = format!("/v2.0/agents/{id}/dhcp-networks");
    t.client.post(&networks, &json!({ "network_id": net["id"] })).await;
    let wanted = json!({ "network": { "id": net["id"] }, "priority": 0 });
    assert_eq!(told(&agent, "network_create_end").await, wanted);

    let args = json!({ "port": own_port(&net, &subnet, "dhcp-1"), "host": "node1" });
    let port = ask(&agent, "create_dhcp_port", "1.1", args).await;
    t.client.delete(&format!("{networks}/{}", text(&net, "id"))).await;
    let wanted = json!({ "network_id": net["id"], "priority": 2 });
    assert_eq!(told(&agent, "network_delete_end").await, wanted);
    let path = format!("/v2.0/ports/{}", text(&port, "id"));
    let shown = t.client.get(&path).await.json();
    assert_eq!(shown["port"]["device_id"], "reserved_dhcp_port", "its address is kept");

    let path = format!("/v2.0/agents/{id}");
    t.client.put(&path, &json!({ "agent": { "description": "in rack 5" } })).await;
    t.client.put(&path, &json!({ "agent": { "admin_state_up": false } })).await;
    assert_eq!(told(&agent, "agent_updated").await, json!({ "admin_state_up": false }));
    assert!(active(&agent, "node1").await.is_empty(), "an agent that is down serves nothing");
    t.stop().await;
}

#[tokio::test]
async fn ports_do_not_wait_for_the_dead() {
    let t = TestServer::start().await;
    let l2 = l2_agent(&t, "compute1").await;
    let _dhcp = dhcp_agent(&t, "node1").await;
    let (net, _) = network(&t.client, "blue", "10.0.0.0/24").await;
    let vm = json!({ "network_id": net["id"], "device_owner": "compute:nova", "device_id": "vm",
                     "binding:host_id": "compute1" });
    let up = |port: &Value| {
        json!({ "devices_up": [port["id"]], "devices_down": [], "agent_id": "a",
                "host": "compute1" })
    };
    let port = create(&t.client, "ports", vm.clone()).await;
    ask(&l2, "update_device_list", "1.9", up(&port)).await;
    let ml2 = &t.server.parts.ml2;
    assert_eq!(ml2.give_up_on_dhcp().await.expect("done"), 0, "its agent is alive");
    assert_ne!(status(&t, &port).await, "ACTIVE");

    let db = &t.server.parts.db;
    let tx = db.begin().await.expect("begin");
    let query = Query::update()
        .table(Agents::Table)
        .value(Agents::HeartbeatTimestamp, "2020-01-01T00:00:00Z")
        .and_where(Expr::col(Agents::Host).eq("node1"))
        .to_owned();
    tx.execute(&query).await.expect("update");
    tx.commit().await.expect("commit");
    assert_eq!(ml2.give_up_on_dhcp().await.expect("done"), 1);
    assert_eq!(status(&t, &port).await, "ACTIVE");
    // New ones do not even begin to wait.
    let port = create(&t.client, "ports", vm).await;
    ask(&l2, "update_device_list", "1.9", up(&port)).await;
    assert_eq!(status(&t, &port).await, "ACTIVE");
    t.stop().await;
}

#[tokio::test]
async fn an_agents_questions_cost_the_same_for_many_networks() {
    let t = TestServer::start().await;
    let agent = dhcp_agent(&t, "node1").await;
    let mut costs = Vec::new();
    for round in 0..2 {
        for n in 0..(1 + 20 * round) {
            let cidr = format!("10.{round}.{n}.0/24");
            let (net, _) = network(&t.client, "net", &cidr).await;
            let items = vec![json!({ "network_id": net["id"] }); 5];
            t.client.post("/v2.0/ports", &json!({ "ports": items })).await;
        }
        let found = t.client.get("/v2.0/ports?fields=id").await.json();
        let ids: Vec<&Value> =
            found["ports"].as_array().expect("list").iter().map(|p| &p["id"]).collect();
        let before = t.server.parts.db.counts();
        let networks = active(&agent, "node1").await;
        ask(&agent, "dhcp_ready_on_ports", "1.5", json!({ "port_ids": ids })).await;
        let cost = t.server.parts.db.counts() - before;
        assert_eq!(
            networks.iter().map(|n| n["ports"].as_array().map_or(0, Vec::len)).sum::<usize>(),
            ids.len()
        );
        costs.push((cost.selects, cost.writes));
    }
    assert_eq!(costs[0], costs[1]);
    t.stop().await;
}
