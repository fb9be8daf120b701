//! Distributed routers on several hosts: who has them, what they are told, and when that ends.

use serde_json::{Value, json};

use super::{Agent, connect, report};
use crate::support::server::{TestServer, create, network, text};

/// A host with its L2 and its L3 agent.
pub(super) struct Host {
    pub(super) name: &'static str,
    pub(super) agent: Agent,
}

/// A controller that translates addresses, two compute hosts, and an external network.
pub(super) struct Cloud {
    pub(super) t: TestServer,
    pub(super) net: Host,
    pub(super) c0: Host,
    pub(super) c1: Host,
    pub(super) external: Value,
}

impl Host {
    pub(super) async fn start(t: &TestServer, name: &'static str, mode: &str) -> Self {
        let agent = connect(&t.server.rpc, "test", name, &["l3_agent"]).await;
        report(
            &agent,
            json!({
                "binary": "neutron-openvswitch-agent", "host": name, "topic": "N/A",
                "agent_type": "Open vSwitch agent", "start_flag": true, "uuid": "u",
                "configurations": { "tunneling_ip": "192.0.2.1", "tunnel_types": ["vxlan"],
                    "bridge_mappings": {}, "integration_bridge": "br-int" },
            }),
        )
        .await;
        report(
            &agent,
            json!({
                "binary": "neutron-l3-agent", "host": name, "topic": "l3_agent",
                "availability_zone": "nova", "agent_type": "L3 agent", "start_flag": true,
                "uuid": "u",
                "configurations": { "agent_mode": mode, "handle_internal_only_routers": true },
            }),
        )
        .await;
        Self { name, agent }
    }

    async fn ask(&self, topic: &str, method: &str, version: &str, mut args: Value) -> Value {
        args["host"] = self.name.into();
        self.agent.call(topic, method, version, args).await.expect("answered")
    }

    pub(super) async fn ids(&self) -> Value {
        self.ask("q-l3-plugin", "get_router_ids", "1.9", json!({})).await
    }

    pub(super) async fn sync(&self, routers: &[&Value]) -> Vec<Value> {
        let ids: Vec<&Value> = routers.iter().map(|r| &r["id"]).collect();
        let found =
            self.ask("q-l3-plugin", "sync_routers", "1.0", json!({ "router_ids": ids })).await;
        found.as_array().expect("list").clone()
    }

    async fn details(&self, port: &Value) -> Value {
        let args = json!({ "device": port["id"], "agent_id": "a" });
        self.ask("q-plugin", "get_device_details", "1.9", args).await
    }

    async fn gateway_port(&self, network: &Value) -> Value {
        let args = json!({ "network_id": network["id"] });
        self.ask("q-l3-plugin", "get_agent_gateway_port", "1.2", args).await
    }

    /// Waits until the agent is told so.
    pub(super) async fn told(&self, method: &str, args: Value) {
        let is_it =
            |r: &neutrino_rpc::Request| r.method == method && Value::Object(r.args.clone()) == args;
        self.agent.received_until(is_it).await;
    }

    /// How often the agent was told something so far.
    pub(super) fn times(&self, method: &str) -> usize {
        let got = self.agent.inbox.0.lock().expect("not poisoned");
        got.iter().filter(|r| r.method == method).count()
    }
}

fn updated(router: &Value) -> Value {
    json!({ "routers": [router["id"]] })
}

pub(super) fn removed(router: &Value) -> Value {
    json!({ "payload": { "router_id": router["id"] } })
}

impl Cloud {
    pub(super) async fn start() -> Self {
        let t = TestServer::start().await;
        let net = Host::start(&t, "net", "dvr_snat").await;
        let c0 = Host::start(&t, "c0", "dvr").await;
        let c1 = Host::start(&t, "c1", "dvr").await;
        let external = json!({ "name": "ext", "router:external": true });
        let external = create(&t.client, "networks", external).await;
        let body = json!({ "network_id": external["id"], "ip_version": 4,
                           "cidr": "172.25.250.0/24", "enable_dhcp": false });
        create(&t.client, "subnets", body).await;
        Self { t, net, c0, c1, external }
    }

    /// A distributed router, with a gateway if asked for.
    pub(super) async fn router(&self, gateway: bool) -> Value {
        let info = if gateway { json!({ "network_id": self.external["id"] }) } else { Value::Null };
        let body = json!({ "name": "r", "distributed": true, "external_gateway_info": info });
        create(&self.t.client, "routers", body).await
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> Value {
        let answer = self.t.client.put(path, &body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.json());
        answer.json()
    }

    pub(super) async fn interface(&self, router: &Value, action: &str, subnet: &Value) -> Value {
        let path = format!("/v2.0/routers/{}/{action}_router_interface", text(router, "id"));
        self.put(&path, json!({ "subnet_id": subnet["id"] })).await
    }

    pub(super) async fn instance(&self, network: &Value, host: &str) -> Value {
        let body = json!({ "network_id": network["id"], "device_owner": "compute:nova",
                           "device_id": neutrino_types::new_id(), "binding:host_id": host });
        create(&self.t.client, "ports", body).await
    }

    /// As Nova changes ports: profiles are its own.
    pub(super) async fn update_port(&self, port: &Value, changes: Value) {
        let path = format!("/v2.0/ports/{}", text(port, "id"));
        let nova = self.t.user("service", "service,admin");
        let answer = nova.put(&path, &json!({ "port": changes })).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
    }

    async fn update_router(&self, router: &Value, changes: Value) -> Value {
        let path = format!("/v2.0/routers/{}", text(router, "id"));
        self.put(&path, json!({ "router": changes })).await["router"].clone()
    }

    pub(super) async fn delete(&self, collection: &str, resource: &Value) {
        let path = format!("/v2.0/{collection}/{}", text(resource, "id"));
        let answer = self.t.client.delete(&path).await;
        assert_eq!(answer.status, 204, "{path}");
    }

    /// The ports of a kind, by subnet of their first address.
    pub(super) async fn ports(&self, owner: &str) -> Vec<Value> {
        let path = format!("/v2.0/ports?device_owner={owner}");
        self.t.client.get(&path).await.json()["ports"].as_array().expect("list").clone()
    }
}

const SNAT: &str = "network:router_centralized_snat";
pub(super) const AGENT_GATEWAY: &str = "network:floatingip_agent_gateway";
const DVR: &str = "network:router_interface_distributed";

#[tokio::test]
async fn a_router_comes_with_the_first_instance_and_goes_with_the_last() {
    let c = Cloud::start().await;
    let (blue, subnet) = network(&c.t.client, "blue", "10.0.0.0/24").await;
    let router = c.router(true).await;
    c.interface(&router, "add", &subnet).await;
    assert_eq!(c.c0.ids().await, json!([]));
    let first = c.instance(&blue, "c0").await;
    c.c0.told("routers_updated", updated(&router)).await;
    assert_eq!(c.c0.ids().await, json!([router["id"]]));
    assert_eq!(c.c1.ids().await, json!([]));
    assert_eq!(c.net.ids().await, json!([router["id"]]), "for its centralised part");

    let synced = c.c0.sync(&[&router]).await;
    let synced = synced.first().expect("its router");
    assert_eq!(synced["gw_port_host"], "net");
    assert_eq!(synced["_floatingip_agent_interfaces"], json!([]));
    let snat = &synced["_snat_router_interfaces"];
    assert_eq!(snat.as_array().map(Vec::len), Some(1), "{snat}");
    assert_eq!(snat[0]["device_owner"], SNAT);
    assert_eq!(snat[0]["subnets"][0]["cidr"], "10.0.0.0/24");
    assert_eq!(snat[0]["binding:host_id"], "net");
    let interface = synced["_interfaces"][0].clone();
    assert_eq!(interface["device_owner"], DVR);
    assert_eq!(c.c0.details(&interface).await["port_id"], interface["id"]);
    assert_eq!(c.c1.details(&interface).await, json!({ "device": interface["id"] }));
    assert_eq!(c.c1.sync(&[&router]).await, [json!(null); 0], "it is not c1's");

    let second = c.instance(&blue, "c0").await;
    c.delete("ports", &first).await;
    c.delete("ports", &second).await;
    c.c0.told("router_removed_from_agent", removed(&router)).await;
    assert_eq!(c.c0.times("router_removed_from_agent"), 1, "not before the last one");
    assert_eq!(c.c0.ids().await, json!([]));
    // The L2 agent takes it down, and the host is forgotten.
    let args = json!({ "device": interface["id"], "agent_id": "a" });
    c.c0.ask("q-plugin", "update_device_down", "1.9", args).await;
    assert_eq!(c.c0.details(&interface).await, json!({ "device": interface["id"] }));
    c.t.stop().await;
}

#[tokio::test]
async fn instances_that_move_take_the_router_along() {
    let c = Cloud::start().await;
    let (blue, subnet) = network(&c.t.client, "blue", "10.0.0.0/24").await;
    let router = c.router(false).await;
    c.interface(&router, "add", &subnet).await;
    let vm = c.instance(&blue, "c0").await;
    c.c0.told("routers_updated", updated(&router)).await;
    let entry = json!({ "payload": { "router_id": router["id"], "arp_table": {
        "ip_address": vm["fixed_ips"][0]["ip_address"], "mac_address": vm["mac_address"],
        "subnet_id": subnet["id"] } } });
    c.c1.told("add_arp_entry", entry.clone()).await;
    // Announced, it is on both.
    c.update_port(&vm, json!({ "binding:profile": { "migrating_to": "c1" } })).await;
    c.c1.told("routers_updated", updated(&router)).await;
    for host in [&c.c0, &c.c1] {
        assert_eq!(host.ids().await, json!([router["id"]]), "{}", host.name);
    }
    assert_eq!(c.c0.times("router_removed_from_agent"), 0);
    c.update_port(&vm, json!({ "binding:profile": {}, "binding:host_id": "c1" })).await;
    c.c0.told("router_removed_from_agent", removed(&router)).await;
    assert_eq!((c.c0.ids().await, c.c1.ids().await), (json!([]), json!([router["id"]])));
    assert_eq!(c.c1.times("router_removed_from_agent"), 0);
    assert_eq!(c.c1.times("del_arp_entry"), 0, "its address is where it was");
    c.delete("ports", &vm).await;
    c.c0.told("del_arp_entry", entry).await;
    c.t.stop().await;
}

#[tokio::test]
async fn allowed_addresses_are_neighbours_too() {
    let c = Cloud::start().await;
    let (blue, subnet) = network(&c.t.client, "blue", "10.0.0.0/24").await;
    let router = c.router(false).await;
    c.interface(&router, "add", &subnet).await;
    let vm = c.instance(&blue, "c0").await;
    let pair = json!({ "ip_address": "10.0.0.200", "mac_address": "fa:16:3e:00:00:09" });
    c.update_port(&vm, json!({ "allowed_address_pairs": [pair, { "ip_address": "10.9.0.1" }] }))
        .await;
    let entry = json!({ "payload": { "router_id": router["id"], "arp_table": {
        "ip_address": "10.0.0.200", "mac_address": "fa:16:3e:00:00:09",
        "subnet_id": subnet["id"] } } });
    c.c1.told("add_arp_entry", entry.clone()).await;
    assert_eq!(c.c1.times("add_arp_entry"), 2, "its own, and the one of the subnet");
    c.update_port(&vm, json!({ "admin_state_up": false })).await;
    c.c1.told("del_arp_entry", entry).await;
    c.t.stop().await;
}

#[tokio::test]
async fn the_centralised_part_has_a_port_on_every_subnet_while_there_is_a_gateway() {
    let c = Cloud::start().await;
    let (blue, first) = network(&c.t.client, "blue", "10.0.0.0/24").await;
    let (_, second) = network(&c.t.client, "red", "10.1.0.0/24").await;
    let router = c.router(false).await;
    c.interface(&router, "add", &first).await;
    assert_eq!(c.ports(SNAT).await, [json!(null); 0], "no gateway, nothing to translate");
    let gateway = json!({ "external_gateway_info": { "network_id": c.external["id"] } });
    c.update_router(&router, gateway.clone()).await;
    let ports = c.ports(SNAT).await;
    assert_eq!(ports.len(), 1);
    assert_eq!(
        (&ports[0]["device_id"], &ports[0]["project_id"], &ports[0]["network_id"]),
        (&router["id"], &json!(""), &blue["id"])
    );
    c.interface(&router, "add", &second).await;
    assert_eq!(c.ports(SNAT).await.len(), 2);
    c.interface(&router, "remove", &first).await;
    let ports = c.ports(SNAT).await;
    assert_eq!(ports.len(), 1);
    assert_eq!(ports[0]["fixed_ips"][0]["subnet_id"], second["id"]);
    c.update_router(&router, json!({ "external_gateway_info": null })).await;
    assert_eq!(c.ports(SNAT).await, [json!(null); 0]);
    c.update_router(&router, gateway).await;
    c.interface(&router, "remove", &second).await;
    c.delete("routers", &router).await;
    assert_eq!(c.ports(SNAT).await, [json!(null); 0]);
    c.t.stop().await;
}

/// No agent ever reads of an interface whose port of the centralised part is still to come.
#[tokio::test]
async fn an_interface_and_its_port_of_the_centralised_part_come_together_or_not_at_all() {
    let c = Cloud::start().await;
    let body = json!({ "name": "full" });
    let full = create(&c.t.client, "networks", body).await;
    let body = json!({ "network_id": full["id"], "ip_version": 4, "cidr": "10.0.0.0/30" });
    let subnet = create(&c.t.client, "subnets", body).await;
    let last = create(&c.t.client, "ports", json!({ "network_id": full["id"] })).await;
    let router = c.router(true).await;
    let path = format!("/v2.0/routers/{}/add_router_interface", text(&router, "id"));
    let body = json!({ "subnet_id": subnet["id"] });
    let refused = c.t.client.put(&path, &body).await;
    assert_eq!(refused.status, 409, "{}", refused.json());
    assert_eq!(refused.json()["NeutronError"]["type"], "RouterInterfaceAttachmentConflict");
    assert_eq!((c.ports(SNAT).await.len(), c.ports(DVR).await.len()), (0, 0));
    c.delete("ports", &last).await;
    c.put(&path, body).await;
    assert_eq!((c.ports(SNAT).await.len(), c.ports(DVR).await.len()), (1, 1));
    c.t.stop().await;
}

#[tokio::test]
async fn v6_subnets_of_a_network_share_a_port_of_the_centralised_part() {
    let c = Cloud::start().await;
    let (blue, v4) = network(&c.t.client, "blue", "10.0.0.0/24").await;
    let mut subnets = Vec::new();
    for cidr in ["fd00::/64", "fd01::/64"] {
        let body = json!({ "network_id": blue["id"], "ip_version": 6, "cidr": cidr });
        subnets.push(create(&c.t.client, "subnets", body).await);
    }
    let router = c.router(true).await;
    for subnet in [&v4, &subnets[0], &subnets[1]] {
        c.interface(&router, "add", subnet).await;
    }
    let mut addresses: Vec<usize> = c
        .ports(SNAT)
        .await
        .iter()
        .map(|port| port["fixed_ips"].as_array().expect("list").len())
        .collect();
    addresses.sort_unstable();
    assert_eq!(addresses, [1, 2]);
    c.interface(&router, "remove", &subnets[0]).await;
    assert_eq!(c.ports(SNAT).await.len(), 2);
    c.interface(&router, "remove", &subnets[1]).await;
    assert_eq!(c.ports(SNAT).await.len(), 1);
    c.t.stop().await;
}

#[tokio::test]
async fn hosts_get_one_port_on_an_external_network_until_its_last_gateway_goes() {
    let c = Cloud::start().await;
    let router = c.router(true).await;
    let (port, again) =
        tokio::join!(c.c0.gateway_port(&c.external), c.c0.gateway_port(&c.external));
    assert_eq!(port["id"], again["id"]);
    assert_eq!(port["device_owner"], AGENT_GATEWAY);
    assert_eq!((&port["binding:host_id"], &port["project_id"]), (&json!("c0"), &json!("")));
    assert_eq!(port["subnets"][0]["cidr"], "172.25.250.0/24");
    assert_eq!(port["fixed_ips"][0]["prefixlen"], 24);
    let other = c.c1.gateway_port(&c.external).await;
    assert_ne!(port["id"], other["id"]);
    let args = json!({ "network_id": c.external["id"] });
    c.c1.ask("q-l3-plugin", "delete_agent_gateway_port", "1.7", args).await;
    assert_eq!(c.ports(AGENT_GATEWAY).await.len(), 1);
    c.c1.gateway_port(&c.external).await;
    c.update_router(&router, json!({ "external_gateway_info": null })).await;
    let gone = json!({ "ext_net_id": c.external["id"] });
    c.c0.told("fipnamespace_delete_on_ext_net", gone.clone()).await;
    assert_eq!(c.ports(AGENT_GATEWAY).await, [json!(null); 0]);
    // A host without external network has none.
    let inner = Host::start(&c.t, "inner", "dvr_no_external").await;
    assert_eq!(inner.gateway_port(&c.external).await, Value::Null);
    c.c0.gateway_port(&c.external).await;
    c.delete("networks", &c.external).await;
    inner.told("fipnamespace_delete_on_ext_net", gone).await;
    assert_eq!(c.ports(AGENT_GATEWAY).await, [json!(null); 0]);
    c.t.stop().await;
}

#[tokio::test]
async fn routers_that_share_a_network_go_together() {
    let c = Cloud::start().await;
    let (blue, blue_subnet) = network(&c.t.client, "blue", "10.0.0.0/24").await;
    let (shared, shared_subnet) = network(&c.t.client, "shared", "10.1.0.0/24").await;
    let near = c.router(false).await;
    let far = c.router(false).await;
    c.interface(&near, "add", &blue_subnet).await;
    c.interface(&near, "add", &shared_subnet).await;
    let port = create(&c.t.client, "ports", json!({ "network_id": shared["id"] })).await;
    let path = format!("/v2.0/routers/{}/add_router_interface", text(&far, "id"));
    c.put(&path, json!({ "port_id": port["id"] })).await;
    let vm = c.instance(&blue, "c0").await;
    let mut both = [text(&near, "id"), text(&far, "id")];
    both.sort_unstable();
    c.c0.told("routers_updated", json!({ "routers": both })).await;
    let mut ids = c.c0.ids().await.as_array().expect("list").clone();
    ids.sort_by_key(ToString::to_string);
    assert_eq!(ids, both);
    // A change of the far one concerns the host as well.
    c.update_router(&far, json!({ "name": "changed" })).await;
    c.c0.told("routers_updated", updated(&far)).await;
    // They part.
    let path = format!("/v2.0/routers/{}/remove_router_interface", text(&far, "id"));
    c.put(&path, json!({ "port_id": port["id"] })).await;
    c.c0.told("router_removed_from_agent", removed(&far)).await;
    assert_eq!(c.c0.ids().await, json!([near["id"]]));
    c.delete("ports", &vm).await;
    c.c0.told("router_removed_from_agent", removed(&near)).await;
    assert_eq!(c.c0.ids().await, json!([]));
    c.t.stop().await;
}

#[tokio::test]
async fn a_router_becomes_distributed_and_centralised_again() {
    let c = Cloud::start().await;
    let (blue, subnet) = network(&c.t.client, "blue", "10.0.0.0/24").await;
    let gateway = json!({ "network_id": c.external["id"] });
    let body = json!({ "name": "r", "external_gateway_info": gateway });
    let router = create(&c.t.client, "routers", body).await;
    c.interface(&router, "add", &subnet).await;
    c.instance(&blue, "c0").await;
    assert_eq!(c.c0.ids().await, json!([]));
    assert_eq!(c.net.sync(&[&router]).await.len(), 1);
    let owned = |ports: Vec<Value>| ports.into_iter().next().expect("an interface");
    let interface = owned(c.ports("network:router_interface").await);
    assert_eq!(interface["binding:host_id"], "net");

    c.update_router(&router, json!({ "admin_state_up": false })).await;
    let change = json!({ "distributed": true, "admin_state_up": true });
    let refused =
        c.t.client
            .put(
                &format!("/v2.0/routers/{}", text(&router, "id")),
                &json!({ "router": { "distributed": true, "admin_state_up": true } }),
            )
            .await;
    assert_eq!(refused.status, 400, "{change}");
    c.update_router(&router, json!({ "distributed": true })).await;
    c.update_router(&router, json!({ "admin_state_up": true })).await;
    let now = owned(c.ports(DVR).await);
    assert_eq!(
        (&now["id"], &now["binding:host_id"], &now["binding:vif_type"], &now["status"]),
        (&interface["id"], &json!(""), &json!("distributed"), &json!("DOWN"))
    );
    assert_eq!(c.ports(SNAT).await.len(), 1);
    assert_eq!(c.c0.ids().await, json!([router["id"]]));
    assert_eq!(c.c0.sync(&[&router]).await.len(), 1);
    assert_eq!(c.c0.details(&interface).await["port_id"], interface["id"]);

    c.update_router(&router, json!({ "admin_state_up": false })).await;
    c.update_router(&router, json!({ "distributed": false })).await;
    c.update_router(&router, json!({ "admin_state_up": true })).await;
    assert_eq!(c.ports(SNAT).await, [json!(null); 0]);
    assert_eq!(c.c0.ids().await, json!([]));
    assert_eq!(c.net.ids().await, json!([router["id"]]));
    c.net.sync(&[&router]).await;
    let now = owned(c.ports("network:router_interface").await);
    assert_eq!((&now["id"], &now["binding:host_id"]), (&interface["id"], &json!("net")));
    assert_eq!(now["binding:vif_type"], "ovs");
    c.t.stop().await;
}

#[tokio::test]
async fn a_host_that_loses_the_centralised_part_keeps_what_its_instances_need() {
    let c = Cloud::start().await;
    let (blue, subnet) = network(&c.t.client, "blue", "10.0.0.0/24").await;
    let router = c.router(true).await;
    c.interface(&router, "add", &subnet).await;
    let vm = c.instance(&blue, "net").await;
    assert_eq!(c.net.ids().await, json!([router["id"]]));
    let agents = c.t.client.get("/v2.0/agents?host=net&agent_type=L3%20agent").await.json();
    let agent = text(&agents["agents"][0], "id");
    let path = format!("/v2.0/agents/{agent}/l3-routers");
    let told = c.net.times("routers_updated");
    let gone = c.t.client.delete(&format!("{path}/{}", text(&router, "id"))).await;
    assert_eq!(gone.status, 204);
    c.net
        .agent
        .wait(|got| got.iter().filter(|r| r.method == "routers_updated").count() > told)
        .await;
    assert_eq!(c.net.times("router_removed_from_agent"), 0);
    // With the last instance it would go, were it not scheduled there again.
    c.t.client.post(&path, &json!({ "router_id": router["id"] })).await;
    c.delete("ports", &vm).await;
    assert_eq!(c.net.ids().await, json!([router["id"]]));
    assert_eq!(c.net.times("router_removed_from_agent"), 0);
    c.t.stop().await;
}

#[tokio::test]
async fn synchronising_costs_the_same_for_1_and_for_9_routers() {
    let c = Cloud::start().await;
    let mut routers = Vec::new();
    for n in 0..9 {
        let (blue, subnet) = network(&c.t.client, "blue", &format!("10.{n}.0.0/24")).await;
        let router = c.router(true).await;
        c.interface(&router, "add", &subnet).await;
        c.instance(&blue, "c0").await;
        routers.push(router);
    }
    let all: Vec<&Value> = routers.iter().collect();
    c.net.ids().await;
    assert_eq!(c.net.sync(&[]).await.len(), 9);
    assert_eq!(c.c0.sync(&all).await.len(), 9);
    let db = &c.t.server.parts.db;
    let mut costs = Vec::new();
    for host in [&c.c0, &c.net] {
        for n in [1, 9] {
            let before = db.counts().total();
            assert_eq!(host.sync(&all[..n]).await.len(), n);
            costs.push(db.counts().total() - before);
        }
    }
    assert_eq!((costs[0], costs[2]), (costs[1], costs[3]), "{costs:?}");
    assert!(costs.iter().all(|cost| *cost <= 30), "{costs:?}");
    c.t.stop().await;
}
