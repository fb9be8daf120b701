//! A network behind a router, and an external network in front of it.

use serde_json::{Value, json};

use super::{
    client::Client,
    server::{TestServer, create, network, text},
};

/// What a project has that uses floating IPs.
pub struct Site {
    /// Speaks as a member of the project.
    pub member: Client,
    pub external: Value,
    pub network: Value,
    pub subnet: Value,
    pub router: Value,
}

/// An external network with a subnet: (network, subnet).
pub async fn external_network(t: &TestServer, cidr: &str) -> (Value, Value) {
    let body = json!({"name": "public", "router:external": true});
    let external = create(&t.client, "networks", body).await;
    let body = json!({"network_id": external["id"], "ip_version": 4, "cidr": cidr,
                      "name": "public-v4", "enable_dhcp": false});
    let subnet = create(&t.client, "subnets", body).await;
    (external, subnet)
}

/// A router of `client`'s project between `subnet` and `external`, at the subnet's `gateway_ip`.
pub async fn router(t: &TestServer, client: &Client, subnet: &Value, external: &Value) -> Value {
    let gateway = json!({"network_id": external["id"]});
    let router = json!({"name": "r", "external_gateway_info": gateway});
    let router = create(client, "routers", router).await;
    let ips = json!([{"subnet_id": subnet["id"], "ip_address": subnet["gateway_ip"]}]);
    let port = json!({"network_id": subnet["network_id"], "fixed_ips": ips,
                      "project_id": router["project_id"]});
    let port = create(&t.client, "ports", port).await;
    let path = format!("/v2.0/routers/{}/add_router_interface", text(&router, "id"));
    let added = client.put(&path, &json!({"port_id": port["id"]})).await;
    assert_eq!(added.status, 200, "{}", added.json());
    router
}

impl Site {
    /// A site of project `p1`.
    pub async fn new(t: &TestServer) -> Self {
        let member = t.user("p1", "member,reader");
        let (external, _) = external_network(t, "203.0.113.0/24").await;
        let (network, subnet) = network(&member, "n", "10.0.0.0/24").await;
        let router = router(t, &member, &subnet, &external).await;
        Self { member, external, network, subnet, router }
    }

    /// An instance's port.
    pub async fn port(&self) -> Value {
        let body = json!({"network_id": self.network["id"], "device_owner": "compute:nova",
                          "device_id": "vm", "name": "vm"});
        create(&self.member, "ports", body).await
    }

    /// A floating IP with more attributes than its network.
    pub async fn floating_ip(&self, more: Value) -> Value {
        let mut body = json!({"floating_network_id": self.external["id"]});
        for (name, value) in more.as_object().expect("object") {
            body[name] = value.clone();
        }
        create(&self.member, "floatingips", body).await
    }
}

/// The first address of a port.
pub fn address(port: &Value) -> &str {
    text(&port["fixed_ips"][0], "ip_address")
}
