//! What L2 agents ask about distributed routing, over the bus.

use serde_json::{Value, json};

use super::{Agent, connect};
use crate::support::server::{TestServer, create, network, text};

const DVR: &str = "q-agent-notifier-dvr-update";

/// An L2 agent on `host` that has reported.
async fn l2_agent(t: &TestServer, host: &str, ip: &str) -> Agent {
    let agent = connect(&t.server.rpc, "test", host, &[DVR]).await;
    let state = json!({
        "binary": "neutron-openvswitch-agent", "host": host, "topic": "N/A",
        "agent_type": "Open vSwitch agent", "start_flag": true, "uuid": "u",
        "configurations": { "tunneling_ip": ip, "tunnel_types": ["vxlan"],
            "bridge_mappings": {}, "integration_bridge": "br-int",
            "enable_distributed_routing": true },
    });
    let args = json!({ "agent_state": { "agent_state": state },
                       "time": "2999-01-01T00:00:00.000000" });
    agent.call("q-reports-plugin", "report_state", "1.4", args).await.expect("answered");
    agent
}

async fn ask(agent: &Agent, method: &str, version: &str, args: Value) -> Value {
    agent.call("q-plugin", method, version, args).await.expect("answered")
}

#[tokio::test]
async fn hosts_get_macs_and_hear_of_each_others() {
    let t = TestServer::start().await;
    let one = l2_agent(&t, "c0", "192.0.2.1").await;
    let two = l2_agent(&t, "c1", "192.0.2.2").await;
    let by_host = "get_dvr_mac_address_by_host";
    let mine = ask(&one, by_host, "1.0", json!({ "host": "c0" })).await;
    assert_eq!(mine["host"], "c0");
    assert!(text(&mine, "mac_address").starts_with("fa:16:3f:"), "{mine}");
    assert_eq!(ask(&one, by_host, "1.0", json!({ "host": "c0" })).await, mine);
    assert_eq!(ask(&one, by_host, "1.0", json!({ "host": null })).await, Value::Null);
    let other = ask(&two, by_host, "1.0", json!({ "host": "c1" })).await;
    let list = ask(&two, "get_dvr_mac_address_list", "1.0", json!({})).await;
    assert_eq!(list, json!([mine, other]));
    let told = one.received(1).await;
    let last = told.last().expect("told");
    assert_eq!(last.method, "dvr_mac_address_update");
    one.received_until(|r| r.args["dvr_macs"] == list).await;
    // The last agent of a host takes its MAC along.
    let agents = t.client.get("/v2.0/agents?host=c1").await.json();
    let id = text(&agents["agents"][0], "id");
    assert_eq!(t.client.delete(&format!("/v2.0/agents/{id}")).await.status, 204);
    one.received_until(|r| r.args["dvr_macs"] == json!([mine])).await;
    t.stop().await;
}

#[tokio::test]
async fn ports_and_subnets_have_neutrons_shape() {
    let t = TestServer::start().await;
    let agent = l2_agent(&t, "c0", "192.0.2.1").await;
    let (net, subnet) = network(&t.client, "blue", "10.0.0.0/24").await;
    let body = json!({ "network_id": net["id"], "device_owner": "compute:nova",
                       "binding:host_id": "c0" });
    let vm = create(&t.client, "ports", body).await;
    let args = json!({ "host": "c0", "subnet": subnet["id"] });
    let ports = ask(&agent, "get_ports_on_host_by_subnet", "1.0", args).await;
    assert_eq!(ports, json!([vm]));
    let args = json!({ "host": "c9", "subnet": subnet["id"] });
    assert_eq!(ask(&agent, "get_ports_on_host_by_subnet", "1.0", args).await, json!([]));
    let body = json!({ "network_id": net["id"], "fixed_ips": [{ "ip_address": "10.0.0.1" }] });
    let gateway = create(&t.client, "ports", body).await;
    for fixed_ips in [Value::Null, gateway["fixed_ips"].clone()] {
        let args = json!({ "subnet": subnet["id"], "fixed_ips": fixed_ips });
        let mut found = ask(&agent, "get_subnet_for_dvr", "1.1", args).await;
        let mac = found.as_object_mut().expect("object").remove("gateway_mac");
        assert_eq!(mac, Some(gateway["mac_address"].clone()));
        let path = format!("/v2.0/subnets/{}", text(&subnet, "id"));
        assert_eq!(found, t.client.get(&path).await.json()["subnet"]);
    }
    let args = json!({ "subnet": neutrino_types::new_id(), "fixed_ips": null });
    assert_eq!(ask(&agent, "get_subnet_for_dvr", "1.0", args).await, json!({}));
    t.stop().await;
}
