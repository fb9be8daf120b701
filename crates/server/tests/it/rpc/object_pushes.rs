//! What agents are pushed as versioned objects, in which versions, and what it costs when nobody
//! wants any.

use neutrino_rpc::Request;
use serde_json::{Value, json};

use super::{Agent, connect, report};
use crate::support::{
    l3::Site,
    server::{TestServer, create, network, text},
};

const TOPICS: [&str; 8] = [
    "neutron-vo-Port-1.11",
    "neutron-vo-Port-1.9",
    "neutron-vo-Network-1.3",
    "neutron-vo-Subnet-1.2",
    "neutron-vo-SecurityGroup-1.6",
    "neutron-vo-SecurityGroupRule-1.3",
    "neutron-vo-AddressGroup-1.2",
    "neutron-vo-PortForwarding-1.3",
];

/// An L2 agent that listens and has reported the `versions` it knows.
async fn knowing(t: &TestServer, host: &str, versions: Value) -> Agent {
    let agent = connect(&t.server.rpc, "test", host, &TOPICS).await;
    let state = json!({
        "binary": "neutron-openvswitch-agent", "host": host, "topic": "N/A",
        "agent_type": "Open vSwitch agent", "start_flag": true, "resource_versions": versions,
        "configurations": { "tunneling_ip": "192.0.2.1", "tunnel_types": ["vxlan"],
            "bridge_mappings": {}, "integration_bridge": "br-int" },
    });
    report(&agent, state).await;
    agent
}

fn all_versions() -> Value {
    json!({ "Port": "1.11", "Network": "1.3", "Subnet": "1.2", "SecurityGroup": "1.6",
        "SecurityGroupRule": "1.3", "AddressGroup": "1.2" })
}

/// Whether a push says that the object `id` of a kind had `event`, in `version`.
fn says(request: &Request, event: &str, kind: &str, version: &str, id: &Value) -> bool {
    let objects = request.args.get("resource_list").and_then(Value::as_array);
    request.method == "push"
        && request.args.get("event_type").is_some_and(|e| e == event)
        && objects.into_iter().flatten().any(|object| {
            object["versioned_object.name"] == kind
                && object["versioned_object.version"] == version
                && object["versioned_object.data"]["id"] == *id
        })
}

async fn pushed(agent: &Agent, event: &str, kind: &str, version: &str, resource: &Value) {
    agent.received_until(|r| says(r, event, kind, version, &resource["id"])).await;
}

#[tokio::test]
async fn every_change_is_pushed_to_an_agent_that_knows_the_object() {
    let t = TestServer::start().await;
    let agent = knowing(&t, "compute1", all_versions()).await;
    let (net, subnet) = network(&t.client, "red", "10.0.0.0/24").await;
    pushed(&agent, "updated", "Network", "1.3", &net).await;
    pushed(&agent, "updated", "Subnet", "1.2", &subnet).await;
    let group = create(&t.client, "security-groups", json!({ "name": "web" })).await;
    pushed(&agent, "updated", "SecurityGroup", "1.6", &group).await;
    let rule = json!({ "security_group_id": group["id"], "direction": "ingress" });
    let rule = create(&t.client, "security-group-rules", rule).await;
    pushed(&agent, "updated", "SecurityGroupRule", "1.3", &rule).await;
    let offices = create(&t.client, "address-groups", json!({ "name": "offices" })).await;
    pushed(&agent, "updated", "AddressGroup", "1.2", &offices).await;
    let body = json!({ "network_id": net["id"], "binding:host_id": "compute1" });
    let port = create(&t.client, "ports", body).await;
    let id = port["id"].clone();
    let is_in = move |status: &'static str| {
        let id = id.clone();
        move |request: &Request| {
            let objects = request.args.get("resource_list").and_then(Value::as_array);
            objects.into_iter().flatten().map(|o| &o["versioned_object.data"]).any(|port| {
                port["id"] == id
                    && port["status"] == status
                    && port["binding_levels"].as_array().is_some_and(|levels| levels.len() == 1)
            })
        }
    };
    agent.received_until(is_in("DOWN")).await;
    // The agent wires it.
    let args = json!({ "devices_up": [port["id"]], "devices_down": [], "agent_id": "a",
        "host": "compute1", "refresh_tunnels": false });
    agent.call("q-plugin", "update_device_list", "1.9", args).await.expect("answered");
    agent.received_until(is_in("ACTIVE")).await;
    for (collection, kind, version, resource) in [
        ("ports", "Port", "1.11", &port),
        ("subnets", "Subnet", "1.2", &subnet),
        ("networks", "Network", "1.3", &net),
        ("security-group-rules", "SecurityGroupRule", "1.3", &rule),
        ("security-groups", "SecurityGroup", "1.6", &group),
        ("address-groups", "AddressGroup", "1.2", &offices),
    ] {
        let path = format!("/v2.0/{collection}/{}", text(resource, "id"));
        assert_eq!(t.client.delete(&path).await.status, 204, "{path}");
        pushed(&agent, "deleted", kind, version, resource).await;
    }
    t.stop().await;
}

#[tokio::test]
async fn ports_made_together_come_in_one_message_of_each_version() {
    let t = TestServer::start().await;
    let (net, _) = network(&t.client, "red", "10.0.0.0/24").await;
    let new = knowing(&t, "new", json!({ "Port": "1.11" })).await;
    let old = knowing(&t, "old", json!({ "Port": "1.9" })).await;
    let body = json!({ "ports": vec![json!({ "network_id": net["id"] }); 20] });
    let made = t.client.post("/v2.0/ports", &body).await.json();
    let last = &made["ports"][19];
    for version in ["1.11", "1.9"] {
        pushed(&new, "updated", "Port", version, last).await;
    }
    let got =
        old.wait(|got| got.iter().any(|r| says(r, "updated", "Port", "1.9", &last["id"]))).await;
    let in_old = |r: &&Request| says(r, "updated", "Port", "1.9", &last["id"]);
    let list = &got.iter().find(in_old).expect("pushed").args["resource_list"];
    assert_eq!(list.as_array().map(Vec::len), Some(20));
    assert!(list[0]["versioned_object.data"].get("trusted").is_none());
    t.stop().await;
}

#[tokio::test]
async fn who_pulled_hears_of_changes_before_it_reports() {
    let t = TestServer::start().await;
    let agent = connect(&t.server.rpc, "test", "compute1", &TOPICS).await;
    let args = json!({ "resource_type": "Network", "version": "1.3", "filter_kwargs": {} });
    agent.call("q-plugin", "bulk_pull", "1.1", args).await.expect("answered");
    let net = create(&t.client, "networks", json!({})).await;
    pushed(&agent, "updated", "Network", "1.3", &net).await;
    t.stop().await;
}

#[tokio::test]
async fn objects_nobody_wants_cost_nothing() {
    let t = TestServer::start().await;
    let agent = knowing(&t, "compute1", Value::Null).await;
    let listener = connect(&t.server.rpc, "test", "listener", &TOPICS).await;
    let cost = async || {
        let before = t.server.parts.db.counts();
        let net = create(&t.client, "networks", json!({})).await;
        create(&t.client, "ports", json!({ "network_id": net["id"] })).await;
        (t.server.parts.db.counts() - before).total()
    };
    cost().await;
    let without = cost().await;
    let states = json!({ "QosPolicy": "1.10", "Trunk": "1.1" });
    drop(agent);
    let _qos = knowing(&t, "compute1", states).await;
    assert_eq!(cost().await, without);
    assert!(listener.received(0).await.is_empty());
    t.stop().await;
}

#[tokio::test]
async fn other_servers_hear_what_an_agent_knows_and_are_heard() {
    let t = TestServer::start().await;
    let other = connect(&t.server.rpc, "test", "server2", &["q-server-resource-versions"]).await;
    let _agent = knowing(&t, "compute1", all_versions()).await;
    let got = other.received(1).await;
    assert_eq!(got[0].method, "report_agent_resource_versions");
    assert_eq!(
        Value::Object(got[0].args.clone()),
        json!({ "agent_type": "Open vSwitch agent", "agent_host": "compute1",
                "version_map": all_versions() })
    );
    let told = json!({ "agent_type": "Open vSwitch agent", "agent_host": "compute2",
        "version_map": { "Network": "1.1" } });
    let topic = "q-server-resource-versions";
    other.call(topic, "report_agent_resource_versions", "1.0", told).await.expect("answered");
    let listener = connect(&t.server.rpc, "test", "l", &["neutron-vo-Network-1.1"]).await;
    let net = create(&t.client, "networks", json!({})).await;
    pushed(&listener, "updated", "Network", "1.1", &net).await;
    t.stop().await;
}

#[tokio::test]
async fn port_forwardings_are_pushed_as_what_became_of_them() {
    let t = TestServer::start().await;
    // As an L3 agent: it reports no versions.
    let agent = connect(&t.server.rpc, "test", "node1", &TOPICS).await;
    let site = Site::new(&t).await;
    let (port, floating) = (site.port().await, site.floating_ip(json!({})).await);
    let path = format!("/v2.0/floatingips/{}/port_forwardings", text(&floating, "id"));
    let add = async |external: u16| {
        let body = json!({ "port_forwarding": {
            "protocol": "tcp", "external_port": external,
            "internal_port": external - 8000,
            "internal_port_id": port["id"],
            "internal_ip_address": port["fixed_ips"][0]["ip_address"],
        }});
        let answer = t.client.post(&path, &body).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        answer.json()["port_forwarding"].clone()
    };
    let (one, two) = (add(8080).await, add(8081).await);
    pushed(&agent, "created", "PortForwarding", "1.3", &one).await;
    pushed(&agent, "created", "PortForwarding", "1.3", &two).await;
    let of_one = format!("{path}/{}", text(&one, "id"));
    let change = json!({ "port_forwarding": { "external_port": 9090 } });
    assert_eq!(t.client.put(&of_one, &change).await.status, 200);
    pushed(&agent, "updated", "PortForwarding", "1.3", &one).await;
    assert_eq!(t.client.delete(&of_one).await.status, 204);
    pushed(&agent, "deleted", "PortForwarding", "1.3", &one).await;
    // The port goes, and the other one with it; agents are told what it was.
    assert_eq!(t.client.delete(&format!("/v2.0/ports/{}", text(&port, "id"))).await.status, 204);
    let gone = |r: &Request| {
        says(r, "deleted", "PortForwarding", "1.3", &two["id"])
            && r.args["resource_list"][0]["versioned_object.data"]["external_port"] == 8081
    };
    agent.received_until(gone).await;
    t.stop().await;
}
