//! A port's way to ACTIVE over the bus, with the real plugin behind it and two agents before it.

use std::sync::Arc;

use neutrino_callbacks::Registry;
use neutrino_conf::Conf;
use neutrino_db::testing;
use neutrino_ml2::{Ml2Config, Ml2Plugin};
use neutrino_server::rpc::{Bus, RpcConfig, Services, start};
use neutrino_services::{AgentConfig, Agents, Changes};
use neutrino_types::{Attrs, Context, ResourcePlugin};
use serde_json::{Value, json};

use super::{Agent, Server, versions};

const CONF: &str = "[embedded_bus]\nbind_host = 127.0.0.1\nbind_port = 0\nsecret = s\n\
    [ml2]\nproject_network_types = vxlan\nmechanism_drivers = openvswitch,l2population\n\
    [ml2_type_vxlan]\nvni_ranges = 1:1000\n";
const TOPICS: [&str; 4] = [
    "q-agent-notifier-port-update",
    "q-agent-notifier-port-delete",
    "q-agent-notifier-tunnel-update",
    "q-agent-notifier-l2population-update",
];

struct Cloud {
    server: Server,
    ml2: Ml2Plugin,
    ctx: Context,
}

impl Cloud {
    async fn start() -> Self {
        let conf = Conf::parse_str(CONF).expect("valid");
        let config = RpcConfig::from_conf(&conf).expect("valid");
        let bus = Bus::new(&config);
        let db = testing::db().await.expect("database");
        let registry = Arc::new(Registry::new());
        let ml2_config = Ml2Config::from_conf(&conf).expect("valid");
        let ml2 = Ml2Plugin::new(
            db.clone(),
            ml2_config,
            registry,
            bus.notifier(Changes::new(versions())),
        )
        .await
        .expect("starts");
        let agents = Agents::new(db.clone(), AgentConfig::default());
        let l2 = Arc::new(ml2.clone());
        let services = Services {
            l2,
            agents: agents.clone(),
            versions: versions(),
            db,
            endpoints: Vec::new(),
            l3_endpoints: Vec::new(),
        };
        let handle = start(bus, &config, services).await.expect("starts");
        let ctx = Context { project_id: Some("p".into()), ..Context::admin() };
        Self { server: Server { handle, agents }, ml2, ctx }
    }

    /// An agent that has reported and announced its tunnel endpoint.
    async fn agent(&self, host: &str, ip: &str) -> Agent {
        let agent = self.server.agent(host, &TOPICS).await;
        let state = json!({
            "binary": "neutron-openvswitch-agent", "host": host, "topic": "N/A",
            "agent_type": "Open vSwitch agent", "start_flag": true, "uuid": "u",
            "configurations": { "tunneling_ip": ip, "tunnel_types": ["vxlan"],
                "bridge_mappings": {}, "integration_bridge": "br-int", "datapath_type": "netdev",
                "ovs_hybrid_plug": false, "l2_population": true },
        });
        let args = json!({ "agent_state": { "agent_state": state },
                           "time": "2999-01-01T00:00:00.000000" });
        let status = agent.call("q-reports-plugin", "report_state", "1.4", args).await;
        assert_eq!(status.expect("answered"), "new");
        agent
    }

    async fn create(&self, plugin: Arc<dyn ResourcePlugin>, value: Value) -> Attrs {
        let attrs = value.as_object().expect("object").clone();
        plugin.create(&self.ctx, vec![attrs]).await.expect("created").remove(0)
    }

    async fn port(&self, network: &Value, host: &str) -> Attrs {
        let port = json!({ "network_id": network, "device_id": neutrino_types::new_id(),
            "device_owner": "compute:nova", "binding:host_id": host });
        self.create(self.ml2.ports(), port).await
    }

    async fn status(&self, port: &Attrs) -> Value {
        let id = port["id"].as_str().expect("text");
        self.ml2.ports().get(&self.ctx, id).await.expect("port")["status"].clone()
    }
}

async fn tunnel_sync(agent: &Agent, host: &str, ip: &str) -> Value {
    let args = json!({ "tunnel_ip": ip, "tunnel_type": "vxlan", "host": host });
    agent.call("q-plugin", "tunnel_sync", "1.4", args).await.expect("answered")
}

/// What an agent does with a port it sees on its switch.
async fn wire(agent: &Agent, host: &str, port: &Attrs) -> Value {
    let args = json!({ "devices": [port["id"]], "agent_id": "a", "host": host });
    let method = "get_devices_details_list_and_failed_devices";
    let details = agent.call("q-plugin", method, "1.5", args).await.expect("answered");
    let args = json!({ "devices_up": [port["id"]], "devices_down": [], "agent_id": "a",
                       "host": host, "refresh_tunnels": true });
    let done = agent.call("q-plugin", "update_device_list", "1.9", args).await.expect("answered");
    assert_eq!(done["devices_up"], json!([port["id"]]));
    details["devices"][0].clone()
}

#[tokio::test]
async fn ports_become_active_and_hosts_learn_of_each_other() {
    let cloud = Cloud::start().await;
    let first = cloud.agent("compute0", "192.0.2.10").await;
    let second = cloud.agent("compute1", "192.0.2.11").await;
    tunnel_sync(&first, "compute0", "192.0.2.10").await;
    let tunnels = tunnel_sync(&second, "compute1", "192.0.2.11").await;
    assert_eq!(tunnels["tunnels"].as_array().map(Vec::len), Some(2));
    assert_eq!(tunnels["tunnels"][0]["udp_port"], 4789);

    let network = cloud.create(cloud.ml2.networks(), json!({ "name": "n" })).await;
    let subnet = json!({ "network_id": network["id"], "ip_version": 4, "cidr": "10.1.0.0/24" });
    cloud.create(cloud.ml2.subnets(), subnet).await;
    let here = cloud.port(&network["id"], "compute0").await;
    let there = cloud.port(&network["id"], "compute1").await;
    assert_eq!(cloud.status(&here).await, "DOWN");

    let details = wire(&first, "compute0", &here).await;
    assert_eq!(details["network_type"], "vxlan");
    assert_eq!(details["segmentation_id"], network["provider:segmentation_id"]);
    assert_eq!(details["mac_address"], here["mac_address"]);
    assert_eq!(cloud.status(&here).await, "ACTIVE");
    wire(&second, "compute1", &there).await;
    assert_eq!(cloud.status(&there).await, "ACTIVE");

    // The second host was told about the first port alone, the first about the second port.
    let is_about = |request: &neutrino_rpc::Request, port: &Attrs| {
        request.method == "add_fdb_entries"
            && json!(request.args).to_string().contains(port["mac_address"].as_str().expect("mac"))
    };
    first.received_until(|request| is_about(request, &there)).await;
    second.received_until(|request| is_about(request, &here)).await;

    let id = here["id"].as_str().expect("text");
    cloud.ml2.ports().delete(&cloud.ctx, id, None).await.expect("deleted");
    second.received_until(|r| r.method == "port_delete" && r.args["port_id"] == id).await;
    second.received_until(|r| r.method == "remove_fdb_entries").await;
    let args = json!({ "device": id, "agent_id": "a", "host": "compute0" });
    let details = first.call("q-plugin", "get_device_details", "1.9", args).await;
    assert_eq!(details.expect("answered"), json!({ "device": id }));
}

#[tokio::test]
async fn plugin_answers_the_other_device_calls() {
    let cloud = Cloud::start().await;
    let agent = cloud.agent("compute0", "192.0.2.10").await;
    let network = cloud.create(cloud.ml2.networks(), json!({ "name": "n" })).await;
    let port = cloud.port(&network["id"], "compute0").await;
    let args = json!({ "network": network["id"], "agent_id": "a", "host": "compute0" });
    let found = agent.call("q-plugin", "get_network_details", "1.6", args).await;
    assert_eq!(found.expect("answered")["id"], network["id"]);
    let args = json!({ "vnic_type": "normal", "host": "compute0" });
    let ports = agent.call("q-plugin", "get_ports_by_vnic_type_and_host", "1.7", args).await;
    assert_eq!(ports.expect("answered")[0]["id"], port["id"]);
    wire(&agent, "compute0", &port).await;
    let args = json!({ "device": port["id"], "agent_id": "a", "host": "compute0" });
    let down = agent.call("q-plugin", "update_device_down", "1.9", args).await;
    assert_eq!(down.expect("answered"), json!({ "device": port["id"], "exists": true }));
    assert_eq!(cloud.status(&port).await, "DOWN");
}
