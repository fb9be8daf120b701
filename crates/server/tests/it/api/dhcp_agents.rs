//! `/v2.0/agents/<id>/dhcp-networks`, `/v2.0/networks/<id>/dhcp-agents`, and the zones of networks.

use serde_json::{Value, json};

use crate::support::server::{self, TestServer, assert_error, create, network, text};

/// A DHCP agent that has reported; answers its id.
async fn dhcp_agent(t: &TestServer, host: &str, zone: &str) -> String {
    report(t, "DHCP agent", host, zone).await
}

async fn report(t: &TestServer, kind: &str, host: &str, zone: &str) -> String {
    let configurations = json!({ "networks": 0, "tunnel_types": ["vxlan"] });
    server::report(t, kind, host, zone, configurations).await
}

/// Hosts of the agents that serve the network.
async fn hosts(t: &TestServer, network: &Value) -> Vec<String> {
    let path = format!("/v2.0/networks/{}/dhcp-agents", text(network, "id"));
    let found = t.client.get(&path).await.json();
    let agents = found["agents"].as_array().expect("list");
    let mut hosts: Vec<String> = agents.iter().map(|a| text(a, "host").to_string()).collect();
    hosts.sort_unstable();
    hosts
}

#[tokio::test]
async fn networks_are_given_to_agents_and_taken_again() {
    let t = TestServer::start_with("[DEFAULT]\nnetwork_auto_schedule = false\n").await;
    let agent = dhcp_agent(&t, "node1", "nova").await;
    let (net, _) = network(&t.client, "blue", "10.0.0.0/24").await;
    assert_eq!(hosts(&t, &net).await, [""; 0]);
    let path = format!("/v2.0/agents/{agent}/dhcp-networks");
    let body = json!({ "network_id": net["id"] });
    let added = t.client.post(&path, &body).await;
    assert_eq!((added.status, added.json()), (201, Value::Null));
    assert_eq!(hosts(&t, &net).await, ["node1"]);
    let listed = t.client.get(&path).await.json();
    assert_eq!(listed["networks"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["networks"][0]["id"], net["id"]);
    let again = t.client.post(&path, &body).await;
    assert_error(&again, 409, "NetworkHostedByDHCPAgent", "has been already hosted by the DHCP");
    let one = format!("{path}/{}", text(&net, "id"));
    assert_eq!(t.client.delete(&one).await.status, 204);
    let gone = t.client.delete(&one).await;
    assert_error(&gone, 409, "NetworkNotHostedByDhcpAgent", "is not hosted by the DHCP Agent");
    assert_eq!(t.client.get(&path).await.json(), json!({ "networks": [] }));
    t.stop().await;
}

#[tokio::test]
async fn what_is_no_dhcp_agent_in_service_gets_no_networks() {
    let t = TestServer::start().await;
    let (net, _) = network(&t.client, "blue", "10.0.0.0/24").await;
    let l2 = report(&t, "Open vSwitch agent", "node1", "").await;
    let down = dhcp_agent(&t, "node1", "nova").await;
    let state = json!({ "agent": { "admin_state_up": false } });
    t.client.put(&format!("/v2.0/agents/{down}"), &state).await;
    for agent in [l2, down.clone()] {
        let path = format!("/v2.0/agents/{agent}/dhcp-networks");
        let refused = t.client.post(&path, &json!({ "network_id": net["id"] })).await;
        assert_error(&refused, 404, "InvalidDHCPAgent", "is not a valid DHCP Agent");
    }
    let nobody = neutrino_types::new_id();
    let path = format!("/v2.0/agents/{nobody}/dhcp-networks");
    assert_error(&t.client.get(&path).await, 404, "AgentNotFound", "could not be found");
    let body = json!({ "network_id": net["id"] });
    assert_error(&t.client.post(&path, &body).await, 404, "AgentNotFound", "could not be found");
    let path = format!("/v2.0/agents/{down}/dhcp-networks");
    let missing = t.client.post(&path, &json!({ "network_id": nobody })).await;
    assert_error(&missing, 404, "NetworkNotFound", "could not be found");
    let unnamed = t.client.post(&path, &json!({ "network": 5 })).await;
    assert_error(&unnamed, 400, "HTTPBadRequest", "network_id");
    t.stop().await;
}

#[tokio::test]
async fn scheduling_is_the_admins_business() {
    let t = TestServer::start().await;
    let agent = dhcp_agent(&t, "node1", "nova").await;
    let (net, _) = network(&t.user("p1", "member,reader"), "blue", "10.0.0.0/24").await;
    let member = t.user("p1", "member,reader");
    let path = format!("/v2.0/agents/{agent}/dhcp-networks");
    let one = format!("{path}/{}", text(&net, "id"));
    let agents = format!("/v2.0/networks/{}/dhcp-agents", text(&net, "id"));
    let answers = [
        member.get(&path).await,
        member.get(&agents).await,
        member.post(&path, &json!({ "network_id": net["id"] })).await,
        member.delete(&one).await,
    ];
    assert_eq!(answers.map(|a| a.status), [403; 4]);
    t.stop().await;
}

#[tokio::test]
async fn networks_get_as_many_agents_as_configured_and_show_their_zones() {
    let t = TestServer::start_with("[DEFAULT]\ndhcp_agents_per_network = 2\n").await;
    for (host, zone) in [("node1", "north"), ("node2", "south"), ("node3", "south")] {
        dhcp_agent(&t, host, zone).await;
    }
    let hinted = json!({ "name": "hinted", "availability_zone_hints": ["south"] });
    let net = create(&t.client, "networks", hinted).await;
    assert_eq!(net["availability_zones"], json!([]));
    let subnet = json!({ "network_id": net["id"], "ip_version": 4, "cidr": "10.0.0.0/24" });
    create(&t.client, "subnets", subnet).await;
    assert_eq!(hosts(&t, &net).await, ["node2", "node3"]);
    let path = format!("/v2.0/networks/{}", text(&net, "id"));
    let shown = t.client.get(&path).await.json()["network"].clone();
    assert_eq!(shown["availability_zone_hints"], json!(["south"]));
    assert_eq!(shown["availability_zones"], json!(["south"]));
    let listed = t.client.get("/v2.0/networks?fields=availability_zones").await.json();
    assert_eq!(listed["networks"], json!([{ "availability_zones": ["south"] }]));

    let nowhere = json!({ "network": { "availability_zone_hints": ["west"] } });
    let refused = t.client.post("/v2.0/networks", &nowhere).await;
    assert_error(&refused, 404, "AvailabilityZoneNotFound", "west");
    // The one without hints goes to the least loaded first.
    let (plain, _) = network(&t.client, "plain", "10.0.1.0/24").await;
    assert!(hosts(&t, &plain).await.contains(&"node1".to_string()));
    t.stop().await;
}

#[tokio::test]
async fn a_subnet_that_gets_dhcp_gets_an_agent() {
    let t = TestServer::start().await;
    let net = create(&t.client, "networks", json!({ "name": "late" })).await;
    let subnet = json!({ "network_id": net["id"], "ip_version": 4, "cidr": "10.0.0.0/24",
                         "enable_dhcp": false });
    let subnet = create(&t.client, "subnets", subnet).await;
    dhcp_agent(&t, "node1", "nova").await;
    assert_eq!(hosts(&t, &net).await, [""; 0]);
    let path = format!("/v2.0/subnets/{}", text(&subnet, "id"));
    t.client.put(&path, &json!({ "subnet": { "enable_dhcp": true } })).await;
    assert_eq!(hosts(&t, &net).await, ["node1"]);
    t.stop().await;
}

/// A DHCP port as an agent on `host` makes it.
async fn dhcp_port(t: &TestServer, net: &Value, host: &str) -> Value {
    let port = json!({ "network_id": net["id"], "device_owner": "network:dhcp",
                       "device_id": format!("dhcp-{host}"), "binding:host_id": host });
    create(&t.client, "ports", port).await
}

#[tokio::test]
async fn a_deleted_agents_networks_go_to_another_with_their_port() {
    let t = TestServer::start().await;
    let agent = dhcp_agent(&t, "node1", "nova").await;
    let (net, _) = network(&t.client, "blue", "10.0.0.0/24").await;
    let port = dhcp_port(&t, &net, "node1").await;
    let (untouched, _) = network(&t.client, "green", "10.0.1.0/24").await;
    dhcp_agent(&t, "node2", "nova").await;
    for net in [&net, &untouched] {
        assert_eq!(hosts(&t, net).await, ["node1"]);
    }
    assert_eq!(t.client.delete(&format!("/v2.0/agents/{agent}")).await.status, 204);
    for net in [&net, &untouched] {
        assert_eq!(hosts(&t, net).await, ["node2"]);
    }
    let shown = t.client.get(&format!("/v2.0/ports/{}", text(&port, "id"))).await.json();
    assert_eq!(shown["port"]["device_id"], "reserved_dhcp_port");
    assert_eq!(shown["port"]["fixed_ips"], port["fixed_ips"]);
    t.stop().await;
}

#[tokio::test]
async fn dhcp_ports_keep_neither_subnet_nor_network() {
    let t = TestServer::start().await;
    dhcp_agent(&t, "node1", "nova").await;
    let (net, subnet) = network(&t.client, "blue", "10.0.0.0/24").await;
    let port = dhcp_port(&t, &net, "node1").await;
    let subnet_path = format!("/v2.0/subnets/{}", text(&subnet, "id"));
    assert_eq!(t.client.delete(&subnet_path).await.status, 204);
    let port_path = format!("/v2.0/ports/{}", text(&port, "id"));
    assert_eq!(t.client.get(&port_path).await.json()["port"]["fixed_ips"], json!([]));
    let path = format!("/v2.0/networks/{}", text(&net, "id"));
    assert_eq!(t.client.delete(&path).await.status, 204);
    assert_eq!(t.client.get(&port_path).await.status, 404);
    t.stop().await;
}
