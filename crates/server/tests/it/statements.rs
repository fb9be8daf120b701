//! What requests cost in SQL statements, policy included: the table in
//! `tests/cases/statements.txt`. `NEUTRINO_UPDATE_GOLDENS=1` rewrites it.

use std::{fmt::Write as _, fs, path::Path};

use neutrino_rpc::shapes::AgentState;
use serde_json::{Value, json};

use crate::support::{
    client::{Answer, Client},
    l3::{external_network, router},
    server::{TestServer, create, network, text},
};

/// Most statements the creation of one plain port may cost, whoever asks; Neutron's costs 115.
const PORT_CREATE_MOST: u64 = 15;

/// Notes the statements of requests of one caller.
struct Ledger<'t> {
    server: &'t TestServer,
    caller: &'static str,
    client: Client,
    rows: &'t mut Vec<(String, u64, u64)>,
}

impl Ledger<'_> {
    /// Sends a request and notes what it cost as `what`.
    async fn note(&mut self, what: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let db = &self.server.server.parts.db;
        let before = db.counts();
        let body = body.map(|b| b.to_string()).unwrap_or_default();
        let answer = self.client.raw(method, &format!("/v2.0/{path}"), body.as_bytes()).await;
        let cost = db.counts() - before;
        assert!(answer.status < 300, "{what}: {}", String::from_utf8_lossy(&answer.body));
        self.rows.push((format!("{} {what}", self.caller), cost.selects, cost.writes));
        answer
    }

    async fn create(&mut self, what: &str, collection: &str, body: Value) -> Value {
        let member = &collection[..collection.len() - 1];
        let answer = self.note(what, "POST", collection, Some(json!({ member: body }))).await;
        answer.json()[member].clone()
    }

    /// Get, update, list: what every collection offers.
    async fn usual(&mut self, collection: &str, resource: &Value) {
        let member = &collection[..collection.len() - 1];
        let path = format!("{collection}/{}", text(resource, "id"));
        self.note(&format!("{member} get"), "GET", &path, None).await;
        let change = json!({ member: { "name": "other" } });
        self.note(&format!("{member} rename"), "PUT", &path, Some(change)).await;
        self.note(&format!("{member} list"), "GET", collection, None).await;
        let page = format!("{collection}?limit=1&marker={}", text(resource, "id"));
        self.note(&format!("{member} list, page by marker"), "GET", &page, None).await;
    }

    async fn delete(&mut self, collection: &str, resource: &Value) {
        let member = &collection[..collection.len() - 1];
        let path = format!("{collection}/{}", text(resource, "id"));
        self.note(&format!("{member} delete"), "DELETE", &path, None).await;
    }

    /// One of everything, from creation to deletion.
    async fn run(&mut self) {
        let net = self.create("network create", "networks", json!({"name": "n"})).await;
        let v4 = json!({"network_id": net["id"], "ip_version": 4, "cidr": "10.0.0.0/16"});
        let subnet = self.create("subnet create", "subnets", v4).await;
        let port = self.create("port create", "ports", json!({"network_id": net["id"]})).await;
        self.usual("networks", &net).await;
        self.usual("subnets", &subnet).await;
        self.usual("ports", &port).await;
        self.delete("ports", &port).await;
        self.run_groups().await;

        let items = vec![json!({"network_id": net["id"]}); 100];
        let body = Some(json!({ "ports": items }));
        self.note("port bulk create of 100", "POST", "ports", body).await;
        self.note("port list of 100", "GET", "ports", None).await;
        for port in self.client.get("/v2.0/ports").await.json()["ports"].as_array().expect("list") {
            self.client.delete(&format!("/v2.0/ports/{}", text(port, "id"))).await;
        }
        self.delete("subnets", &subnet).await;
        self.delete("networks", &net).await;
        let items = vec![json!({"name": "bulk"}); 50];
        let body = Some(json!({ "networks": items }));
        let made = self.note("network bulk create of 50", "POST", "networks", body).await.json();
        let networks = made["networks"].as_array().expect("list");
        let subnet =
            |n: &Value| json!({"network_id": n["id"], "ip_version": 4, "cidr": "10.0.0.0/24"});
        let body = json!({ "subnets": networks.iter().map(subnet).collect::<Vec<_>>() });
        self.note("subnet bulk create of 50", "POST", "subnets", Some(body)).await;
        let port = |n: &Value| json!({"network_id": n["id"]});
        let body = json!({ "ports": networks.iter().map(port).collect::<Vec<_>>() });
        self.note("port bulk create of 50, a network each", "POST", "ports", Some(body)).await;
        self.note("subnet list of 50", "GET", "subnets", None).await;
        self.note("network list of 50", "GET", "networks", None).await;
    }

    /// Address groups and their sharing: the cost hangs neither on their addresses nor on how many
    /// policies there are.
    async fn run_sharing(&mut self) {
        let addresses: Vec<String> = (0..50).map(|n| format!("10.{n}.0.0/16")).collect();
        let body = json!({"address_group": {"name": "g", "addresses": addresses}});
        let path = "address-groups";
        let made = self.note("address group create with 50 addresses", "POST", path, Some(body));
        let group = made.await.json()["address_group"].clone();
        let one = format!("{path}/{}", text(&group, "id"));
        let body = json!({"address_group": {"name": "other"}});
        self.note("address group get", "GET", &one, None).await;
        self.note("address group rename", "PUT", &one, Some(body)).await;
        self.note("address group list", "GET", path, None).await;
        let more: Vec<String> = (0..50).map(|n| format!("11.{n}.0.0/16")).collect();
        let body = json!({ "addresses": more });
        let action = format!("{one}/add_addresses");
        self.note("address group add of 50 addresses", "PUT", &action, Some(body.clone())).await;
        let action = format!("{one}/remove_addresses");
        self.note("address group remove of 50 addresses", "PUT", &action, Some(body)).await;

        let net = self.client.post("/v2.0/networks", &json!({"network": {}})).await.json();
        let net = net["network"].clone();
        for (kind, object) in [("address_group", &group), ("network", &net)] {
            let body = json!({"rbac_policy": {
                "object_type": kind, "object_id": object["id"], "action": "access_as_shared",
                "target_tenant": "22222222222222222222222222222222",
            }});
            let what = format!("RBAC policy create, {kind}");
            let made = self.note(&what, "POST", "rbac-policies", Some(body)).await.json();
            let path = format!("rbac-policies/{}", text(&made["rbac_policy"], "id"));
            self.note(&format!("RBAC policy get, {kind}"), "GET", &path, None).await;
            let target = "33333333333333333333333333333333";
            let body = Some(json!({"rbac_policy": {"target_tenant": target}}));
            self.note(&format!("RBAC policy update, {kind}"), "PUT", &path, body).await;
            self.note(&format!("RBAC policy list, {kind}"), "GET", "rbac-policies", None).await;
            self.note(&format!("RBAC policy delete, {kind}"), "DELETE", &path, None).await;
        }
        self.note("address group delete", "DELETE", &one, None).await;
    }

    /// A router from creation to deletion, with a gateway and an interface. Neutron's interface
    /// costs 293 statements, its gateway 342.
    async fn run_routers(&mut self) {
        let admin = &self.server.client;
        let body = json!({"network": {"router:external": true, "project_id": "ops"}});
        let external = admin.post("/v2.0/networks", &body).await.json()["network"].clone();
        let body = json!({"subnet": {"network_id": external["id"], "ip_version": 4,
                                     "cidr": "192.0.2.0/24", "project_id": "ops"}});
        assert_eq!(admin.post("/v2.0/subnets", &body).await.status, 201);
        let net = self.client.post("/v2.0/networks", &json!({"network": {}})).await.json();
        let body = json!({"subnet": {"network_id": net["network"]["id"], "ip_version": 4,
                                     "cidr": "10.3.0.0/24"}});
        let subnet = self.client.post("/v2.0/subnets", &body).await.json()["subnet"].clone();
        let router = self.create("router create", "routers", json!({"name": "r"})).await;
        let path = format!("routers/{}", text(&router, "id"));
        let interface = Some(json!({"subnet_id": subnet["id"]}));
        let add = format!("{path}/add_router_interface");
        self.note("router interface add", "PUT", &add, interface.clone()).await;
        let gateway = |info: Value| Some(json!({"router": {"external_gateway_info": info}}));
        let info = json!({"network_id": external["id"]});
        self.note("router gateway set", "PUT", &path, gateway(info)).await;
        let routes = json!([{"destination": "10.4.0.0/24", "nexthop": "10.3.0.9"}]);
        let routes = Some(json!({"router": {"routes": routes}}));
        self.note("router routes add", "PUT", &format!("{path}/add_extraroutes"), routes.clone())
            .await;
        self.usual("routers", &router).await;
        self.note("router routes remove", "PUT", &format!("{path}/remove_extraroutes"), routes)
            .await;
        self.note("router gateway clear", "PUT", &path, gateway(Value::Null)).await;
        let remove = format!("{path}/remove_router_interface");
        self.note("router interface remove", "PUT", &remove, interface).await;
        self.delete("routers", &router).await;
        // Pages of networks are counted for others, too: there they must be alone.
        for network in [&external, &net["network"]] {
            let path = format!("/v2.0/networks/{}", text(network, "id"));
            assert_eq!(admin.delete(&path).await.status, 204);
        }
    }

    /// Security groups and their rules.
    async fn run_groups(&mut self) {
        let body = |name: &str| Some(json!({"security_group": {"name": name}}));
        let path = "security-groups";
        let made = self.note("security_group create", "POST", path, body("g")).await;
        let group = made.json()["security_group"].clone();
        let one = format!("{path}/{}", text(&group, "id"));
        self.note("security_group get", "GET", &one, None).await;
        self.note("security_group rename", "PUT", &one, body("other")).await;
        self.note("security_group list", "GET", path, None).await;
        let rule = |port: u16| {
            json!({"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp",
                   "remote_group_id": group["id"], "port_range_min": port, "port_range_max": port})
        };
        let path = "security-group-rules";
        let body = Some(json!({"security_group_rule": rule(1)}));
        let made = self.note("security_group_rule create", "POST", path, body).await.json();
        let rules = (2..52).map(rule).collect::<Vec<_>>();
        let body = Some(json!({"security_group_rules": rules}));
        self.note("security_group_rule bulk create of 50", "POST", path, body).await;
        self.note("security_group_rule list of 50", "GET", path, None).await;
        let rule = format!("{path}/{}", text(&made["security_group_rule"], "id"));
        self.note("security_group_rule get", "GET", &rule, None).await;
        self.note("security_group_rule delete", "DELETE", &rule, None).await;
        self.note("security_group delete", "DELETE", &one, None).await;
    }

    /// Floating IPs: their number on a router costs nothing.
    async fn run_floating_ips(&mut self) {
        let (external, _) = external_network(self.server, "203.0.113.0/24").await;
        let (net, subnet) = network(&self.client, "inside", "10.7.0.0/24").await;
        router(self.server, &self.client, &subnet, &external).await;
        let mut ports = Vec::new();
        for _ in 0..2 {
            let body = json!({"network_id": net["id"]});
            ports.push(create(&self.client, "ports", body).await);
        }
        let body = json!({"floating_network_id": external["id"]});
        self.create("floatingip create", "floatingips", body.clone()).await;
        let mut body = body;
        body["port_id"] = ports[0]["id"].clone();
        let floating = self.create("floatingip create, associated", "floatingips", body).await;
        let path = format!("floatingips/{}", text(&floating, "id"));
        let change = |port: &Value| Some(json!({"floatingip": {"port_id": port}}));
        self.note("floatingip get", "GET", &path, None).await;
        self.note("floatingip move", "PUT", &path, change(&ports[1]["id"])).await;
        self.note("floatingip disassociate", "PUT", &path, change(&Value::Null)).await;
        self.note("floatingip associate", "PUT", &path, change(&ports[1]["id"])).await;
        self.note("floatingip list", "GET", "floatingips", None).await;
        let port = format!("ports/{}", text(&ports[1], "id"));
        self.note("port delete with a floatingip", "DELETE", &port, None).await;
        let path = format!("{path}/port_forwardings");
        let mut made = Vec::new();
        for n in 1..4 {
            let body = json!({"port_forwarding": {
                "internal_port_id": ports[0]["id"], "protocol": "tcp", "internal_port": n,
                "internal_ip_address": ports[0]["fixed_ips"][0]["ip_address"], "external_port": n,
            }});
            let what = format!("port_forwarding create, number {n}");
            let answer = self.note(&what, "POST", &path, Some(body)).await;
            made.push(answer.json()["port_forwarding"].clone());
        }
        self.note("port_forwarding list", "GET", &path, None).await;
        self.note("floatingip list with port_forwardings", "GET", "floatingips", None).await;
        let one = format!("{path}/{}", text(&made[0], "id"));
        let body = json!({"port_forwarding": {"external_port": 99}});
        self.note("port_forwarding update", "PUT", &one, Some(body)).await;
        self.note("port_forwarding delete", "DELETE", &one, None).await;
        let port = format!("ports/{}", text(&ports[0], "id"));
        self.note("port delete with 2 port_forwardings", "DELETE", &port, None).await;
        self.note("floatingip_pool list", "GET", "floatingip-pools", None).await;
        self.delete("floatingips", &floating).await;
    }

    /// What only those who bind ports do.
    async fn run_bound(&mut self) {
        let net = self
            .create(
                "network create, VLAN by provider",
                "networks",
                json!({
                    "provider:network_type": "vlan", "provider:physical_network": "physnet1",
                    "provider:segmentation_id": 100
                }),
            )
            .await;
        for (what, cidr) in
            [("subnet create", "10.1.0.0/24"), ("subnet create, second", "10.2.0.0/24")]
        {
            let body = json!({"network_id": net["id"], "ip_version": 4, "cidr": cidr});
            self.create(what, "subnets", body).await;
        }
        let body = json!({"network_id": net["id"], "ip_version": 6, "cidr": "2001:db8::/64",
                          "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"});
        self.create("subnet create, SLAAC", "subnets", body).await;
        let body = json!({
            "network_id": net["id"], "binding:host_id": "compute0", "device_owner": "compute:nova",
            "device_id": "vm", "tags": ["a"],
            "allowed_address_pairs": [{"ip_address": "10.9.0.0/24"}],
            "extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "1400"}],
        });
        let port = self.create("port create with everything, bound", "ports", body).await;
        assert_eq!(port["binding:vif_type"], "ovs", "{port}");
        assert_eq!(port["fixed_ips"].as_array().map(Vec::len), Some(2), "{port}");
        self.delete("ports", &port).await;
        let port = json!({"network_id": net["id"], "binding:host_id": "compute0",
                          "device_owner": "compute:nova", "device_id": "vm"});
        let body = Some(json!({ "ports": vec![port; 50] }));
        self.note("port bulk create of 50, bound", "POST", "ports", body).await;
    }

    /// The same where a DHCP agent serves networks.
    async fn run_served(&mut self) {
        let net = self.create("network create", "networks", json!({"name": "served"})).await;
        let subnet = json!({"network_id": net["id"], "ip_version": 4, "cidr": "10.8.0.0/16"});
        let subnet = self.create("subnet create, scheduled", "subnets", subnet).await;
        let port = self.create("port create", "ports", json!({"network_id": net["id"]})).await;
        self.delete("ports", &port).await;
        let items = vec![json!({"network_id": net["id"]}); 100];
        let body = Some(json!({ "ports": items }));
        self.note("port bulk create of 100", "POST", "ports", body).await;
        self.note("network list", "GET", "networks", None).await;
        let path = format!("subnets/{}", text(&subnet, "id"));
        let change = json!({ "subnet": { "dns_nameservers": ["10.8.0.9"] } });
        self.note("subnet update", "PUT", &path, Some(change)).await;
    }
}

async fn dhcp_agent(t: &TestServer) {
    let state: AgentState = serde_json::from_value(json!({
        "agent_type": "DHCP agent", "binary": "neutron-dhcp-agent", "host": "node0",
        "topic": "dhcp_agent", "start_flag": true, "configurations": {},
    }))
    .expect("state");
    t.server.parts.agents.report_state(&state, None).await.expect("report");
}

async fn agent(t: &TestServer) {
    let state: AgentState = serde_json::from_value(json!({
        "agent_type": "Open vSwitch agent", "binary": "neutron-openvswitch-agent",
        "host": "compute0", "topic": "N/A", "start_flag": true,
        "configurations": {"bridge_mappings": {"physnet1": "br-phys"}, "tunnel_types": ["vxlan"],
                           "tunneling_ip": "192.0.2.1", "integration_bridge": "br-int"},
    }))
    .expect("state");
    t.server.parts.agents.report_state(&state, None).await.expect("report");
}

#[tokio::test]
async fn requests_cost_what_the_table_says() {
    let t = TestServer::start().await;
    agent(&t).await;
    let mut rows = Vec::new();
    for (caller, client) in [("admin", t.client.clone()), ("member", t.user("p1", "member,reader"))]
    {
        let mut ledger = Ledger { server: &t, caller, client, rows: &mut rows };
        ledger.run().await;
        ledger.run_sharing().await;
        ledger.run_routers().await;
        if caller == "admin" {
            ledger.run_bound().await;
        }
    }
    // Networks of one caller that the other sees would change what its pages cost.
    for (caller, client) in [("admin", t.client.clone()), ("member", t.user("p1", "member,reader"))]
    {
        let mut ledger = Ledger { server: &t, caller, client, rows: &mut rows };
        ledger.run_floating_ips().await;
    }
    dhcp_agent(&t).await;
    let client = t.client.clone();
    let mut served =
        Ledger { server: &t, caller: "admin with DHCP agent", client, rows: &mut rows };
    served.run_served().await;
    t.stop().await;

    let mut table = String::from("# selects, writes: request\n");
    for (what, selects, writes) in &rows {
        writeln!(table, "{selects:2} {writes:2}: {what}").expect("writing to a string");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/statements.txt");
    if std::env::var_os("NEUTRINO_UPDATE_GOLDENS").is_some_and(|v| v == "1") {
        fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        fs::write(&path, &table).expect("golden file written");
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert!(wanted == table, "{} differs; now:\n{table}", path.display());
    for (what, selects, writes) in rows.iter().filter(|r| r.0.ends_with(" port create")) {
        assert!(selects + writes <= PORT_CREATE_MOST, "{what}: {selects} + {writes}");
    }
}
