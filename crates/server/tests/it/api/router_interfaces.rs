//! `PUT /v2.0/routers/{id}/add_router_interface` and `remove_router_interface`.

use serde_json::{Value, json};

use crate::support::{
    client::{Answer, Client},
    server::{TestServer, assert_error, create, network, text},
};

async fn act(client: &Client, router: &Value, action: &str, body: Value) -> Answer {
    client
        .put(&format!("/v2.0/routers/{}/{action}_router_interface", text(router, "id")), &body)
        .await
}

async fn added(client: &Client, router: &Value, body: Value) -> Value {
    let answer = act(client, router, "add", body).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()
}

async fn get(client: &Client, collection: &str, id: &Value) -> Value {
    let id = id.as_str().expect("id");
    let answer = client.get(&format!("/v2.0/{collection}/{id}")).await.json();
    answer[&collection[..collection.len() - 1]].clone()
}

#[tokio::test]
async fn an_interface_by_subnet() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let (net, subnet) = network(&member, "blue", "10.0.0.0/24").await;
    let router = create(&member, "routers", json!({})).await;
    let done = added(&member, &router, json!({"subnet_id": subnet["id"]})).await;
    let port = get(&t.client, "ports", &done["port_id"]).await;
    assert_eq!(
        done,
        json!({
            "id": router["id"], "tenant_id": "p1", "project_id": "p1", "port_id": port["id"],
            "network_id": net["id"], "subnet_id": subnet["id"], "subnet_ids": [subnet["id"]],
        })
    );
    assert_eq!(port["device_owner"], "network:router_interface");
    assert_eq!((&port["device_id"], &port["project_id"]), (&router["id"], &json!("p1")));
    assert_eq!(port["fixed_ips"], json!([{"subnet_id": subnet["id"], "ip_address": "10.0.0.1"}]));
    assert_eq!(get(&member, "routers", &router["id"]).await["revision_number"], 2);

    let again = act(&member, &router, "add", json!({"subnet_id": subnet["id"]})).await;
    let why =
        format!("Bad router request: Router already has a port on subnet {}.", text(&subnet, "id"));
    assert_error(&again, 400, "BadRequest", &why);
    let delete = member.delete(&format!("/v2.0/ports/{}", text(&port, "id"))).await;
    let why = "cannot be deleted directly via the port API: has device owner \
               network:router_interface.";
    assert_error(&delete, 409, "ServicePortInUse", why);
    let delete = member.delete(&format!("/v2.0/subnets/{}", text(&subnet, "id"))).await;
    assert_error(&delete, 409, "SubnetInUse", "");
    let delete = member.delete(&format!("/v2.0/routers/{}", text(&router, "id"))).await;
    let why = format!("has ports still attached: {}", text(&port, "id"));
    assert_error(&delete, 409, "RouterInUse", &why);

    let removed = act(&member, &router, "remove", json!({"subnet_id": subnet["id"]})).await;
    assert_eq!((removed.status, removed.json()), (200, done));
    assert_eq!(t.client.get("/v2.0/ports").await.json()["ports"], json!([]));
    assert_eq!(get(&member, "routers", &router["id"]).await["revision_number"], 3);
    let removed = act(&member, &router, "remove", json!({"subnet_id": subnet["id"]})).await;
    assert_error(&removed, 404, "RouterInterfaceNotFoundForSubnet", "has no interface on subnet");
    t.stop().await;
}

#[tokio::test]
async fn an_interface_by_port() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let (net, subnet) = network(&member, "blue", "10.0.0.0/24").await;
    let router = create(&member, "routers", json!({})).await;
    let port = create(&member, "ports", json!({"network_id": net["id"]})).await;
    let done = added(&member, &router, json!({"port_id": port["id"]})).await;
    assert_eq!((&done["port_id"], &done["subnet_id"]), (&port["id"], &subnet["id"]));
    let now = get(&t.client, "ports", &port["id"]).await;
    assert_eq!(now["device_owner"], "network:router_interface");
    assert_eq!(now["device_id"], router["id"]);
    let again = act(&member, &router, "add", json!({"port_id": port["id"]})).await;
    assert_error(&again, 409, "PortInUse", "Port already has an attached device");
    let other = t.user("p2", "member,reader");
    let foreign = create(&other, "routers", json!({})).await;
    let hidden = act(&other, &foreign, "add", json!({"port_id": port["id"]})).await;
    assert_error(&hidden, 404, "PortNotFound", "");
    let body = json!({"port_id": port["id"], "subnet_id": foreign["id"]});
    let mismatch = act(&member, &router, "remove", body).await;
    assert_error(&mismatch, 400, "SubnetMismatchForPort", "does not match the requested subnet");
    let removed = act(&member, &router, "remove", json!({"port_id": port["id"]})).await;
    assert_eq!((removed.status, removed.json()), (200, done));
    let removed = act(&member, &router, "remove", json!({"port_id": port["id"]})).await;
    assert_error(&removed, 404, "RouterInterfaceNotFound", "does not have an interface with id");
    t.stop().await;
}

#[tokio::test]
async fn interfaces_that_cannot_be() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let router = create(&member, "routers", json!({})).await;
    let (_, first) = network(&member, "blue", "10.0.0.0/24").await;
    added(&member, &router, json!({"subnet_id": first["id"]})).await;
    let ports = t.client.get("/v2.0/ports").await.json();
    let (_, wide) = network(&member, "red", "10.0.0.0/16").await;
    let overlap = act(&member, &router, "add", json!({"subnet_id": wide["id"]})).await;
    let why = format!(
        "Bad router request: Cidr 10.0.0.0/16 of subnet {} overlaps with cidr 10.0.0.0/24 of \
         subnet {}.",
        text(&wide, "id"),
        text(&first, "id")
    );
    assert_error(&overlap, 400, "BadRequest", &why);
    let net = create(&member, "networks", json!({})).await;
    let bare = json!({"network_id": net["id"], "ip_version": 4, "cidr": "10.9.0.0/24",
                      "gateway_ip": null});
    let bare = create(&member, "subnets", bare).await;
    let answer = act(&member, &router, "add", json!({"subnet_id": bare["id"]})).await;
    assert_error(&answer, 400, "BadRequest", "Subnet for router interface must have a gateway IP");
    let shared = create(&t.client, "networks", json!({"shared": true, "project_id": "p9"})).await;
    let body = json!({"network_id": shared["id"], "ip_version": 4, "cidr": "10.8.0.0/24",
                      "project_id": "p9"});
    let shared = create(&t.client, "subnets", body).await;
    let answer = act(&member, &router, "add", json!({"subnet_id": shared["id"]})).await;
    assert_error(&answer, 400, "BadRequest", "is not owned by project making the request");
    for (body, why) in [
        (json!({}), "Either subnet_id or port_id must be specified"),
        (json!({"subnet_id": "x"}), "'x' is not a valid UUID"),
        (json!({"port_id": null}), "'None' is not a valid UUID"),
        (
            json!({"port_id": first["id"], "subnet_id": first["id"]}),
            "Cannot specify both subnet-id and port-id",
        ),
    ] {
        let answer = act(&member, &router, "add", body).await;
        assert_error(&answer, 400, "BadRequest", &format!("Bad router request: {why}."));
    }
    assert_eq!(t.client.get("/v2.0/ports").await.json(), ports);
    let unknown = json!({"id": "11111111-1111-1111-1111-111111111111"});
    let answer = act(&member, &router, "add", json!({"subnet_id": unknown["id"]})).await;
    assert_error(&answer, 404, "SubnetNotFound", "");
    let answer = act(&t.client, &unknown, "add", json!({"subnet_id": first["id"]})).await;
    assert_error(&answer, 404, "RouterNotFound", "");
    t.stop().await;
}

#[tokio::test]
async fn prefixes_of_one_network_share_a_port() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let router = create(&member, "routers", json!({})).await;
    let net = create(&member, "networks", json!({})).await;
    let mut subnets = Vec::new();
    for cidr in ["fd00:1::/64", "fd00:2::/64"] {
        let body = json!({"network_id": net["id"], "ip_version": 6, "cidr": cidr,
                          "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"});
        subnets.push(create(&member, "subnets", body).await);
    }
    let first = added(&member, &router, json!({"subnet_id": subnets[0]["id"]})).await;
    let second = added(&member, &router, json!({"subnet_id": subnets[1]["id"]})).await;
    assert_eq!(first["port_id"], second["port_id"]);
    assert_eq!(second["subnet_ids"], json!([subnets[1]["id"]]));
    let port = get(&t.client, "ports", &first["port_id"]).await;
    let mut ips: Vec<&str> = port["fixed_ips"]
        .as_array()
        .expect("addresses")
        .iter()
        .map(|ip| text(ip, "ip_address"))
        .collect();
    ips.sort_unstable();
    assert_eq!(ips, ["fd00:1::1", "fd00:2::1"]);
    let third = create(&member, "ports", json!({"network_id": net["id"]})).await;
    let answer = act(&member, &router, "add", json!({"port_id": third["id"]})).await;
    assert_error(&answer, 400, "BadRequest", "Router already contains IPv6 port");
    assert_eq!(get(&member, "ports", &third["id"]).await["device_id"], "");
    let removed = act(&member, &router, "remove", json!({"subnet_id": subnets[0]["id"]})).await;
    assert_eq!(removed.status, 200);
    let port = get(&t.client, "ports", &first["port_id"]).await;
    assert_eq!(port["fixed_ips"].as_array().map(Vec::len), Some(1));
    let removed = act(&member, &router, "remove", json!({"port_id": port["id"]})).await;
    assert_eq!(removed.json()["subnet_ids"], json!([subnets[1]["id"]]));
    t.stop().await;
}

#[tokio::test]
async fn distributed_routers_have_distributed_interfaces() {
    let t = TestServer::start().await;
    let admin = t.user("p1", "admin");
    let (_, subnet) = network(&admin, "blue", "10.0.0.0/24").await;
    let router = create(&admin, "routers", json!({"distributed": true})).await;
    let done = added(&admin, &router, json!({"subnet_id": subnet["id"]})).await;
    let owner = async || get(&admin, "ports", &done["port_id"]).await["device_owner"].clone();
    assert_eq!(owner().await, "network:router_interface_distributed");
    let path = format!("/v2.0/routers/{}", text(&router, "id"));
    let change = json!({"router": {"distributed": false, "admin_state_up": false}});
    assert_eq!(admin.put(&path, &change).await.status, 200);
    assert_eq!(owner().await, "network:router_interface");
    let removed = act(&admin, &router, "remove", json!({"subnet_id": subnet["id"]})).await;
    assert_eq!(removed.status, 200);
    t.stop().await;
}

#[tokio::test]
async fn projects_make_interfaces_of_their_own_routers_only() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let (net, _) = network(&member, "blue", "10.0.0.0/24").await;
    let foreign = create(&t.user("p2", "member"), "routers", json!({})).await;
    let body = json!({"network_id": net["id"], "device_id": foreign["id"],
                      "device_owner": "network:router_interface"});
    let answer = member.post("/v2.0/ports", &json!({"port": body})).await;
    let why = format!(
        "The following device_id {} is not owned by your project or matches another project \
         router.",
        text(&foreign, "id")
    );
    assert_error(&answer, 409, "DeviceIDNotOwnedByTenant", &why);
    let port = create(&member, "ports", json!({"network_id": net["id"]})).await;
    let change = json!({"port": {"device_id": foreign["id"],
                                 "device_owner": "network:router_interface"}});
    let path = format!("/v2.0/ports/{}", text(&port, "id"));
    let answer = member.put(&path, &change).await;
    assert_error(&answer, 409, "DeviceIDNotOwnedByTenant", &why);
    t.stop().await;
}
