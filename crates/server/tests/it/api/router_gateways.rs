//! `external_gateway_info` of `/v2.0/routers`.

use serde_json::{Value, json};

use crate::support::{
    client::{Answer, Client},
    server::{TestServer, assert_error, create, network, text},
};

/// An external network with a subnet: (network, subnet).
async fn external(client: &Client, cidr: &str) -> (Value, Value) {
    let body = json!({"router:external": true, "project_id": "ops"});
    let net = create(client, "networks", body).await;
    let body = json!({"network_id": net["id"], "ip_version": 4, "cidr": cidr, "enable_dhcp": false,
                      "project_id": "ops"});
    let subnet = create(client, "subnets", body).await;
    (net, subnet)
}

async fn set(client: &Client, router: &Value, info: Value) -> Answer {
    let path = format!("/v2.0/routers/{}", text(router, "id"));
    client.put(&path, &json!({"router": {"external_gateway_info": info}})).await
}

async fn gateway_ports(client: &Client) -> Vec<Value> {
    let path = "/v2.0/ports?device_owner=network:router_gateway";
    client.get(path).await.json()["ports"].as_array().cloned().expect("ports")
}

#[tokio::test]
async fn a_gateway_comes_changes_and_goes() {
    let t = TestServer::start().await;
    let (net, subnet) = external(&t.client, "192.0.2.0/24").await;
    let member = t.user("p1", "member,reader");
    let router = create(&member, "routers", json!({})).await;
    let answer = set(&member, &router, json!({"network_id": net["id"]})).await;
    let now = answer.json()["router"].clone();
    let ports = gateway_ports(&t.client).await;
    assert_eq!(ports.len(), 1);
    assert_eq!((&ports[0]["project_id"], &ports[0]["device_id"]), (&json!(""), &router["id"]));
    assert_eq!(
        now["external_gateway_info"],
        json!({"network_id": net["id"], "enable_snat": true,
               "external_fixed_ips": ports[0]["fixed_ips"]})
    );
    assert_eq!(now["revision_number"], 2);
    let path = format!("/v2.0/ports/{}", text(&ports[0], "id"));
    let why = "has device owner network:router_gateway";
    assert_error(&t.client.delete(&path).await, 409, "ServicePortInUse", why);

    let admin = t.user("p1", "admin");
    let fixed = json!([{"subnet_id": subnet["id"], "ip_address": "192.0.2.77"}]);
    let info = json!({"network_id": net["id"], "external_fixed_ips": fixed, "enable_snat": false});
    let denied = set(&member, &router, info.clone()).await;
    let why = "update_router:external_gateway_info:enable_snat";
    assert_error(&denied, 403, "PolicyNotAuthorized", why);
    let now = set(&admin, &router, info.clone()).await.json()["router"].clone();
    assert_eq!(now["external_gateway_info"], info);
    assert_eq!(gateway_ports(&t.client).await[0]["id"], ports[0]["id"]);
    let now = set(&admin, &router, json!({"network_id": net["id"]})).await.json();
    assert_eq!(now["router"]["external_gateway_info"]["enable_snat"], true);
    assert_eq!(now["router"]["external_gateway_info"]["external_fixed_ips"], fixed);

    let (other, _) = external(&t.client, "198.51.100.0/24").await;
    let now = set(&member, &router, json!({"network_id": other["id"]})).await.json();
    assert_eq!(now["router"]["external_gateway_info"]["network_id"], other["id"]);
    let ports = gateway_ports(&t.client).await;
    assert_eq!((ports.len(), &ports[0]["network_id"]), (1, &other["id"]));

    let external = format!("/v2.0/networks/{}", text(&other, "id"));
    let inside = t.client.put(&external, &json!({"network": {"router:external": false}})).await;
    assert_error(&inside, 409, "ExternalNetworkInUse", "since it has existing gateway ports");
    let now = set(&member, &router, json!({})).await.json();
    assert_eq!(now["router"]["external_gateway_info"], Value::Null);
    assert!(gateway_ports(&t.client).await.is_empty());
    t.stop().await;
}

#[tokio::test]
async fn a_router_is_made_and_goes_with_its_gateway() {
    let t = TestServer::start().await;
    let (net, _) = external(&t.client, "192.0.2.0/24").await;
    let member = t.user("p1", "member,reader");
    let info = json!({"network_id": net["id"]});
    let router = create(&member, "routers", json!({"external_gateway_info": info})).await;
    assert_eq!(router["external_gateway_info"]["network_id"], net["id"]);
    assert_eq!(gateway_ports(&t.client).await.len(), 1);
    let path = format!("/v2.0/routers/{}", text(&router, "id"));
    assert_eq!(member.delete(&path).await.status, 204);
    assert!(gateway_ports(&t.client).await.is_empty());

    let inside = create(&member, "networks", json!({})).await;
    let info = json!({"network_id": inside["id"]});
    let body = json!({"router": {"external_gateway_info": info}});
    let answer = member.post("/v2.0/routers", &body).await;
    assert_error(&answer, 400, "BadRequest", "is not an external network.");
    assert_eq!(member.get("/v2.0/routers").await.json()["routers"], json!([]));
    t.stop().await;
}

#[tokio::test]
async fn gateways_that_cannot_be() {
    let t = TestServer::start().await;
    let admin = t.user("p1", "admin");
    let (net, subnet) = external(&t.client, "192.0.2.0/24").await;
    let router = create(&admin, "routers", json!({})).await;
    let (_, inside) = network(&admin, "blue", "192.0.2.128/25").await;
    let path = format!("/v2.0/routers/{}/add_router_interface", text(&router, "id"));
    let body = json!({"subnet_id": inside["id"]});
    assert_eq!(admin.put(&path, &body).await.status, 200);
    let answer = set(&admin, &router, json!({"network_id": net["id"]})).await;
    let why = "Cidr 192.0.2.0/24 of subnet";
    assert_error(&answer, 400, "BadRequest", why);
    let other = create(&admin, "routers", json!({})).await;
    let at_gateway = json!([{"ip_address": "192.0.2.1"}]);
    let info = json!({"network_id": net["id"], "external_fixed_ips": at_gateway});
    let answer = set(&admin, &other, info).await;
    let why = "External IP 192.0.2.1 is the same as the gateway IP";
    assert_error(&answer, 400, "BadRequest", why);
    for (info, why) in [
        (json!("x"), "Invalid input for external_gateway_info. Reason: 'x' is not a dictionary."),
        (
            json!({"enable_snat": true}),
            "Validation of dictionary's keys failed. Expected keys: {'network_id'} Provided keys: \
             {'enable_snat'}.",
        ),
        (json!({"network_id": net["id"], "a": 1}), "Unexpected keys supplied: a."),
        (json!({"network_id": "x"}), "'x' is not a valid UUID."),
        (
            json!({"network_id": net["id"], "external_fixed_ips": 5}),
            "Invalid data format for fixed IP: '5'.",
        ),
    ] {
        assert_error(&set(&admin, &other, info).await, 400, "HTTPBadRequest", why);
    }
    let info = json!({"network_id": net["id"], "enable_snat": "perhaps"});
    let why = "'perhaps' cannot be converted to boolean";
    assert_error(&set(&admin, &other, info).await, 400, "InvalidInput", why);
    let unknown = json!({"network_id": router["id"]});
    assert_error(&set(&admin, &other, unknown).await, 404, "NetworkNotFound", "");
    let taken = json!([{"subnet_id": subnet["id"], "ip_address": "192.0.2.5"}]);
    let info = json!({"network_id": net["id"], "external_fixed_ips": taken});
    assert_eq!(set(&admin, &other, info.clone()).await.status, 200);
    let third = create(&admin, "routers", json!({})).await;
    assert_error(&set(&admin, &third, info).await, 409, "IpAddressAlreadyAllocated", "");
    assert_eq!(gateway_ports(&t.client).await.len(), 1);
    t.stop().await;
}

#[tokio::test]
async fn only_projects_that_see_an_external_network_use_it() {
    let t = TestServer::start().await;
    let net = create(&t.client, "networks", json!({"project_id": "ops"})).await;
    let policy = json!({"object_type": "network", "object_id": net["id"], "project_id": "ops",
                        "action": "access_as_external",
                        "target_tenant": "00000000000000000000000000000001"});
    let answer = t.client.post("/v2.0/rbac-policies", &json!({"rbac_policy": policy})).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    let body = json!({"network_id": net["id"], "ip_version": 4, "cidr": "192.0.2.0/24",
                      "project_id": "ops"});
    create(&t.client, "subnets", body).await;
    let stranger = t.user("p1", "member,reader");
    let router = create(&stranger, "routers", json!({})).await;
    let info = json!({"network_id": net["id"]});
    assert_error(&set(&stranger, &router, info.clone()).await, 404, "NetworkNotFound", "");
    let guest = t.user("00000000000000000000000000000001", "member,reader");
    let router = create(&guest, "routers", json!({})).await;
    assert_eq!(set(&guest, &router, info).await.status, 200);
    t.stop().await;
}

#[tokio::test]
async fn a_gateway_gets_an_address_of_a_new_external_subnet_of_the_other_version() {
    let t = TestServer::start().await;
    let (net, _) = external(&t.client, "192.0.2.0/24").await;
    let router = create(&t.client, "routers", json!({})).await;
    assert_eq!(set(&t.client, &router, json!({"network_id": net["id"]})).await.status, 200);
    let addresses = async || {
        let ports = gateway_ports(&t.client).await;
        let ips = ports[0]["fixed_ips"].as_array().expect("addresses").clone();
        ips.iter().map(|ip| text(ip, "ip_address").to_string()).collect::<Vec<_>>()
    };
    let first = addresses().await;
    // It has one of IPv4 already.
    let more = json!({"network_id": net["id"], "ip_version": 4, "cidr": "198.51.100.0/24"});
    create(&t.client, "subnets", more).await;
    assert_eq!(addresses().await, first);
    let six = json!({"network_id": net["id"], "ip_version": 6, "cidr": "2001:db8::/64"});
    let six = create(&t.client, "subnets", six).await;
    let now = addresses().await;
    assert_eq!((now.len(), &now[0]), (2, &first[0]), "{now:?}");
    assert!(now[1].starts_with("2001:db8::"), "{now:?}");
    let path = format!("/v2.0/routers/{}", text(&router, "id"));
    let shown = t.client.get(&path).await.json();
    let ips = &shown["router"]["external_gateway_info"]["external_fixed_ips"];
    assert_eq!(ips[1]["subnet_id"], six["id"]);
    t.stop().await;
}
