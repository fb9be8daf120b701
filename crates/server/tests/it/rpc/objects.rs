//! `pull` and `bulk_pull`: all objects as the golden file `tests/cases/objects.json` shows them
//! (`NEUTRINO_UPDATE_GOLDENS=1` rewrites it), by what they can be asked for, and what it costs.

use std::collections::HashMap;

use neutrino_rpc::RpcError;
use serde_json::{Value, json};

use super::{Agent, connect, l2_agent};
use crate::support::{
    golden::{golden, masked},
    l3::Site,
    server::{TestServer, create, network, text},
};

async fn ask(agent: &Agent, method: &str, args: Value) -> Result<Value, RpcError> {
    agent.call("q-plugin", method, "1.1", args).await
}

/// The objects of a kind that match `filters`.
async fn bulk_pull(agent: &Agent, kind: &str, version: &str, filters: Value) -> Vec<Value> {
    let args = json!({ "resource_type": kind, "version": version, "filter_kwargs": filters });
    let answer = ask(agent, "bulk_pull", args).await.expect("answered");
    answer.as_array().cloned().expect("a list")
}

fn data(object: &Value) -> &Value {
    &object["versioned_object.data"]
}

fn ids(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|object| text(data(object), "id")).collect()
}

/// A group with a rule of every kind: (group, address group).
async fn groups(t: &TestServer) -> (Value, Value) {
    let body = json!({ "name": "offices", "addresses": ["203.0.113.0/24"] });
    let offices = create(&t.client, "address-groups", body).await;
    let group = create(&t.client, "security-groups", json!({ "name": "web" })).await;
    for more in [
        json!({ "protocol": "tcp", "port_range_min": 80, "port_range_max": 81,
            "remote_ip_prefix": "198.51.100.7/24", "description": "web" }),
        json!({ "remote_group_id": group["id"] }),
        json!({ "remote_address_group_id": offices["id"] }),
    ] {
        let mut body = more;
        body["security_group_id"] = group["id"].clone();
        body["direction"] = "ingress".into();
        create(&t.client, "security-group-rules", body).await;
    }
    (group, offices)
}

#[tokio::test]
async fn every_object_is_as_the_golden_file_shows_it() {
    let t = TestServer::start().await;
    let agent = l2_agent(&t, "compute1").await;
    let body = json!({
        "name": "blue", "description": "d", "provider:network_type": "vxlan",
        "provider:segmentation_id": 77,
    });
    let net = create(&t.client, "networks", body).await;
    let body = json!({
        "network_id": net["id"], "ip_version": 4, "cidr": "10.0.0.0/24", "name": "blue4",
        "dns_nameservers": ["9.9.9.9", "8.8.8.8"],
        "host_routes": [{ "destination": "10.9.0.0/16", "nexthop": "10.0.0.9" }],
    });
    let subnet = create(&t.client, "subnets", body).await;
    let (group, offices) = groups(&t).await;
    let body = json!({
        "network_id": net["id"], "name": "p1", "mac_address": "fa:16:3e:00:00:01",
        "fixed_ips": [{ "ip_address": "10.0.0.7" }], "binding:host_id": "compute1",
        "device_owner": "compute:nova", "device_id": "instance", "binding:profile": { "a": 1 },
        "security_groups": [group["id"]],
        "allowed_address_pairs": [{ "ip_address": "10.0.0.77" }],
        "extra_dhcp_opts": [{ "opt_name": "mtu", "opt_value": "1400" }],
    });
    // Only services may give a profile.
    let nova = t.user("service", "admin,member,service");
    let port = create(&nova, "ports", body).await;
    let mut found = serde_json::Map::new();
    for (kind, version, of) in [
        ("Network", "1.3", &net),
        ("Subnet", "1.2", &subnet),
        ("Port", "1.11", &port),
        ("AddressGroup", "1.2", &offices),
        ("SecurityGroup", "1.6", &group),
    ] {
        let mut objects = bulk_pull(&agent, kind, version, json!({ "id": [of["id"]] })).await;
        assert_eq!(objects.len(), 1, "{kind}");
        if let Some(Value::Array(rules)) = objects[0].pointer_mut("/versioned_object.data/rules") {
            // They come by id, which differs.
            rules.sort_by_key(|rule| {
                let rule = data(rule);
                format!(
                    "{}{}{}{}",
                    rule["remote_ip_prefix"],
                    rule["remote_group_id"],
                    rule["direction"],
                    rule["ethertype"]
                )
            });
        }
        let pulled = json!({ "resource_type": kind, "version": version, "resource_id": of["id"] });
        let pulled = ask(&agent, "pull", pulled).await.expect("answered");
        assert_eq!(data(&pulled)["name"], data(&objects[0])["name"]);
        found.insert(kind.into(), objects.remove(0));
    }
    let filters = json!({ "security_group_id": [group["id"]], "protocol": "tcp" });
    let rules = bulk_pull(&agent, "SecurityGroupRule", "1.3", filters).await;
    found.insert("SecurityGroupRule".into(), rules.into());
    let filters = json!({ "host": "compute1", "agent_type": "Open vSwitch agent" });
    let agents = bulk_pull(&agent, "Agent", "1.1", filters).await;
    assert_eq!(agents.len(), 1);
    golden("objects.json", &masked(&Value::Object(found), &mut HashMap::new()));
    t.stop().await;
}

#[tokio::test]
async fn filters_are_those_an_agents_cache_sends() {
    let t = TestServer::start().await;
    let agent = connect(&t.server.rpc, "test", "compute1", &[]).await;
    let (net, subnet) = network(&t.client, "red", "10.0.0.0/24").await;
    let (group, offices) = groups(&t).await;
    let body = json!({ "network_id": net["id"], "security_groups": [group["id"]] });
    let inside = create(&t.client, "ports", body).await;
    let body = json!({ "network_id": net["id"], "security_groups": [] });
    let outside = create(&t.client, "ports", body).await;
    let ports = async |filters| bulk_pull(&agent, "Port", "1.11", filters).await;
    let of_group = ports(json!({ "security_group_ids": [group["id"]] })).await;
    assert_eq!(ids(&of_group), [text(&inside, "id")]);
    let both = ports(json!({ "id": [inside["id"], outside["id"], "no-such-port"] })).await;
    assert_eq!(both.len(), 2);
    let both = ports(json!({ "network_id": [net["id"]] })).await;
    assert_eq!(both.len(), 2);
    // One value alone, as some extensions send it.
    let one = ports(json!({ "id": inside["id"] })).await;
    assert_eq!(ids(&one), [text(&inside, "id")]);
    assert!(ports(json!({ "id": [] })).await.is_empty());
    assert!(ports(json!({ "id": ["no-such-port"] })).await.is_empty());
    let filters = json!({ "remote_address_group_id": [offices["id"]] });
    let rules = bulk_pull(&agent, "SecurityGroupRule", "1.3", filters).await;
    assert_eq!(data(&rules[0])["security_group_id"], group["id"]);
    let filters = json!({ "network_id": [net["id"]] });
    let subnets = bulk_pull(&agent, "Subnet", "1.2", filters).await;
    assert_eq!(ids(&subnets), [text(&subnet, "id")]);
    // Kinds without a table.
    for (kind, version, filters) in [
        ("QosPolicy", "1.10", json!({})),
        ("Trunk", "1.1", json!({ "port_id": [inside["id"]] })),
        ("SubPort", "1.0", json!({})),
        ("ConntrackHelper", "1.0", json!({ "router_id": "r" })),
        ("LocalIPAssociation", "1.0", Value::Null),
        ("NDPProxy", "1.0", json!({ "router_id": ["r"] })),
        ("Log", "1.0", json!({})),
    ] {
        assert!(bulk_pull(&agent, kind, version, filters).await.is_empty(), "{kind}");
        let args = json!({ "resource_type": kind, "version": version, "resource_id": "x" });
        assert_eq!(ask(&agent, "pull", args).await.expect("answered"), Value::Null, "{kind}");
    }
    t.stop().await;
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_as_neutron_refuses_it() {
    let t = TestServer::start().await;
    let agent = connect(&t.server.rpc, "test", "compute1", &[]).await;
    for (kind, version, filters, class) in [
        ("Pot", "1.0", json!({}), "InvalidResourceTypeClass"),
        // A part of ports, not to be had alone.
        ("PortBinding", "1.0", json!({}), "InvalidResourceTypeClass"),
        ("Port", "1.12", json!({}), "InvalidTargetVersion"),
        ("Port", "2.0", json!({}), "InvalidTargetVersion"),
        ("Port", "one", json!({}), "TypeError"),
        ("Port", "1.11", json!({ "bindings": ["x"] }), "InvalidInput"),
        ("PortForwarding", "1.3", json!({ "router_id": ["x"] }), "InvalidInput"),
        ("QosPolicy", "1.10", json!({ "rules": ["x"] }), "InvalidInput"),
    ] {
        let (net, _) = network(&t.client, "red", "10.0.0.0/24").await;
        create(&t.client, "ports", json!({ "network_id": net["id"] })).await;
        let args = json!({ "resource_type": kind, "version": version, "filter_kwargs": filters });
        match ask(&agent, "bulk_pull", args).await {
            Err(RpcError::Remote(failure)) => assert_eq!(failure.class, class, "{kind} {version}"),
            other => panic!("{kind} {version} {filters}: {other:?}"),
        }
    }
    t.stop().await;
}

#[tokio::test]
async fn who_knows_an_older_version_is_answered_in_it() {
    let t = TestServer::start().await;
    let agent = connect(&t.server.rpc, "test", "compute1", &[]).await;
    let (net, _) = network(&t.client, "red", "10.0.0.0/24").await;
    groups(&t).await;
    create(&t.client, "ports", json!({ "network_id": net["id"] })).await;
    let port = bulk_pull(&agent, "Port", "1.7", json!({})).await.remove(0);
    assert_eq!(port["versioned_object.version"], "1.7");
    assert!(data(&port).get("hints").is_none() && data(&port).get("trusted").is_none());
    let group = bulk_pull(&agent, "SecurityGroup", "1.3", json!({})).await.remove(0);
    let rule = &data(&group)["rules"][0];
    assert_eq!(rule["versioned_object.version"], "1.1");
    assert!(data(rule).get("belongs_to_default_sg").is_none());
    t.stop().await;
}

/// Statements of a pull of everything: asked until two pulls in a row cost the same, as what was
/// changed before is read for pushes meanwhile.
async fn pull_cost(t: &TestServer, agent: &Agent, kind: &str, version: &str) -> u64 {
    let mut last = None;
    for _ in 0..200 {
        let before = t.server.parts.db.counts();
        bulk_pull(agent, kind, version, json!({})).await;
        let cost = Some((t.server.parts.db.counts() - before).total());
        if cost == last {
            break;
        }
        last = cost;
    }
    last.expect("a pull")
}

#[tokio::test]
async fn many_objects_cost_the_statements_of_one() {
    let t = TestServer::start_with("[quotas]\nquota_port = -1\n").await;
    let agent = l2_agent(&t, "compute1").await;
    let (net, _) = network(&t.client, "red", "10.0.0.0/16").await;
    let mut costs: Vec<Vec<u64>> = Vec::new();
    for count in [1, 99] {
        let body = json!({
            "network_id": net["id"], "binding:host_id": "compute1",
            "allowed_address_pairs": [{ "ip_address": "10.0.0.77" }],
            "extra_dhcp_opts": [{ "opt_name": "mtu", "opt_value": "1400" }],
        });
        let body = json!({ "ports": vec![body; count] });
        assert_eq!(t.client.post("/v2.0/ports", &body).await.status, 201);
        groups(&t).await;
        let mut of_kinds = Vec::new();
        for (kind, version) in [
            ("Port", "1.11"),
            ("Network", "1.3"),
            ("Subnet", "1.2"),
            ("SecurityGroup", "1.6"),
            ("SecurityGroupRule", "1.3"),
            ("AddressGroup", "1.2"),
            ("PortForwarding", "1.3"),
        ] {
            of_kinds.push(pull_cost(&t, &agent, kind, version).await);
        }
        costs.push(of_kinds);
    }
    assert_eq!(costs[0], costs[1]);
    assert_eq!(costs[0], [9, 2, 3, 2, 1, 2, 1]);
    t.stop().await;
}

#[tokio::test]
async fn port_forwardings_are_asked_for_by_their_floating_ips() {
    let t = TestServer::start().await;
    let agent = connect(&t.server.rpc, "test", "node1", &[]).await;
    let site = Site::new(&t).await;
    let (port, floating) = (site.port().await, site.floating_ip(json!({})).await);
    let path = format!("/v2.0/floatingips/{}/port_forwardings", text(&floating, "id"));
    let body = json!({ "port_forwarding": {
        "protocol": "tcp", "external_port": 8080, "internal_port": 80,
        "internal_port_id": port["id"], "internal_ip_address": port["fixed_ips"][0]["ip_address"],
    }});
    assert_eq!(t.client.post(&path, &body).await.status, 201);
    let filters = json!({ "floatingip_id": [floating["id"]] });
    let found = bulk_pull(&agent, "PortForwarding", "1.3", filters).await;
    let one = data(&found[0]);
    assert_eq!(one["floating_ip_address"], floating["floating_ip_address"]);
    assert_eq!(
        (&one["external_port"], &one["external_port_range"]),
        (&json!(8080), &json!("8080:8080"))
    );
    assert_eq!(one["internal_port_id"], port["id"]);
    assert!(one["router_id"].is_string());
    t.stop().await;
}
