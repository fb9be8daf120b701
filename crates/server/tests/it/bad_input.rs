//! Input that must be refused: Neutron's code and body each time, and not a row changed.

use neutrino_db::testing;
use serde_json::{Value, json};

use crate::support::server::{TestServer, assert_error, create, network, text};

/// Every row of every table, as text.
async fn dump(t: &TestServer) -> String {
    testing::dump(&t.server.parts.db).await.expect("rows")
}

/// A server with one network, subnet and port, and the database as it was then.
struct Fixture {
    t: TestServer,
    network: Value,
    port: Value,
    before: String,
}

impl Fixture {
    async fn start() -> Self {
        let t = TestServer::start().await;
        let (network, _) = network(&t.client, "n", "10.0.0.0/24").await;
        let port = create(&t.client, "ports", json!({"network_id": network["id"]})).await;
        let before = dump(&t).await;
        assert!(before.contains(text(&port, "id")), "the dump sees the port");
        Self { t, network, port, before }
    }

    async fn post(&self, collection: &str, body: Value, status: u16, kind: &str, message: &str) {
        let member = &collection[..collection.len() - 1];
        let path = format!("/v2.0/{collection}");
        let answer = self.t.client.post(&path, &json!({member: body})).await;
        assert_error(&answer, status, kind, message);
        self.assert_unchanged().await;
    }

    async fn assert_unchanged(&self) {
        assert_eq!(dump(&self.t).await, self.before);
    }
}

#[tokio::test]
async fn malformed_values_are_400() {
    let f = Fixture::start().await;
    let id = f.network["id"].clone();
    let subnet = |cidr: &str| json!({"network_id": id, "ip_version": 4, "cidr": cidr});
    for (collection, body, kind, message) in [
        (
            "subnets",
            subnet("10.1.0.0/33"),
            "InvalidInput",
            "Invalid input for operation: 10.1.0.0/33 is not in a CIDR format.",
        ),
        ("subnets", subnet("fd00::/64"), "InvalidInput", "does not match the ip_version '4'"),
        ("subnets", subnet("10.0.0.0/25"), "InvalidInput", "overlaps with another subnet"),
        (
            "ports",
            json!({"network_id": id, "mac_address": "zz:zz"}),
            "HTTPBadRequest",
            "is not a valid MAC address.",
        ),
        (
            "ports",
            json!({"network_id": "not-a-uuid"}),
            "HTTPBadRequest",
            "Invalid input for network_id. Reason: 'not-a-uuid' is not a valid UUID.",
        ),
        (
            "networks",
            json!({"admin_state_up": "maybe"}),
            "InvalidInput",
            "'maybe' cannot be converted to boolean",
        ),
        (
            "networks",
            json!({"name": 5}),
            "HTTPBadRequest",
            "Invalid input for name. Reason: '5' is not a valid string.",
        ),
        (
            "networks",
            json!({"name": "n", "nonsense": 1}),
            "HTTPBadRequest",
            "Unrecognized attribute(s) 'nonsense'",
        ),
        (
            "networks",
            json!({"status": "ACTIVE"}),
            "HTTPBadRequest",
            "Attribute 'status' not allowed in POST",
        ),
        (
            "ports",
            json!({}),
            "HTTPBadRequest",
            "Failed to parse request. Required attribute 'network_id' not specified",
        ),
    ] {
        f.post(collection, body, 400, kind, message).await;
    }
    f.t.stop().await;
}

#[tokio::test]
async fn segments_out_of_range_or_exhausted_are_refused() {
    let f = Fixture::start().await;
    let vlan = |id: i64| {
        json!({"provider:network_type": "vlan", "provider:physical_network": "physnet1",
               "provider:segmentation_id": id})
    };
    for id in [0, 4095, 70_000] {
        f.post("networks", vlan(id), 400, "InvalidInput", "segmentation_id out of range").await;
    }
    let unknown = json!({"provider:network_type": "nonsense"});
    f.post("networks", unknown, 400, "InvalidInput", "network_type value 'nonsense' not supported")
        .await;
    // The range physnet1:100:101 holds two.
    for id in [100, 101] {
        create(&f.t.client, "networks", vlan(id)).await;
    }
    let before = dump(&f.t).await;
    let taken = f.t.client.post("/v2.0/networks", &json!({"network": vlan(100)})).await;
    assert_error(
        &taken,
        409,
        "VlanIdInUse",
        "The VLAN 100 on physical network physnet1 is in use.",
    );
    let mut any = vlan(0);
    any.as_object_mut().expect("object").remove("provider:segmentation_id");
    let none_left = f.t.client.post("/v2.0/networks", &json!({"network": any})).await;
    assert_error(&none_left, 503, "NoNetworkAvailable", "Unable to create the network.");
    assert_eq!(dump(&f.t).await, before);
    f.t.stop().await;
}

#[tokio::test]
async fn addresses_out_of_place_are_refused() {
    let f = Fixture::start().await;
    let id = f.network["id"].clone();
    let port = |ip: &str| json!({"network_id": id, "fixed_ips": [{"ip_address": ip}]});
    f.post("ports", port("10.0.1.9"), 400, "InvalidIpForNetwork", "10.0.1.9").await;
    f.post("ports", port("nonsense"), 400, "HTTPBadRequest", "is not a valid IP address").await;
    let taken = text(&f.port["fixed_ips"][0], "ip_address");
    f.post("ports", port(taken), 409, "IpAddressAlreadyAllocated", taken).await;
    let mac = json!({"network_id": id, "mac_address": f.port["mac_address"]});
    f.post("ports", mac, 409, "MacAddressInUse", text(&f.port, "mac_address")).await;
    let absent = json!({"network_id": "00000000-0000-0000-0000-000000000000"});
    f.post("ports", absent, 404, "NetworkNotFound", "could not be found.").await;
    f.t.stop().await;
}

#[tokio::test]
async fn routers_that_cannot_be_are_refused() {
    let mut f = Fixture::start().await;
    let client = &f.t.client;
    let router = create(client, "routers", json!({"project_id": "fake_project_id"})).await;
    let path = format!("/v2.0/routers/{}", text(&router, "id"));
    let (_, inside) = network(client, "inside", "10.7.0.0/24").await;
    let add = format!("{path}/add_router_interface");
    let remove = format!("{path}/remove_router_interface");
    let body = json!({"subnet_id": inside["id"]});
    assert_eq!(client.put(&add, &body).await.status, 200);
    let (_, overlapping) = network(client, "overlapping", "10.7.0.0/25").await;
    f.before = dump(&f.t).await;
    let update = |name: &str, value: Value| (path.clone(), json!({"router": {name: value}}));
    let route = json!({"destination": "192.0.2.0/24", "nexthop": "10.6.0.9"});
    let gateway = |info: Value| update("external_gateway_info", info);
    for ((path, body), status, kind, message) in [
        (update("ha", json!(true)), 400, "BadRequest", "HA routers are not supported yet"),
        (update("ha", json!("x")), 400, "InvalidInput", "'x' cannot be converted to boolean"),
        (update("distributed", json!(true)), 400, "BadRequest", "of active routers"),
        (update("routes", json!([route])), 400, "InvalidRoutes", "not connected with router"),
        (update("routes", json!(5)), 400, "HTTPBadRequest", "Invalid data format for hostroute"),
        (update("status", json!("x")), 400, "HTTPBadRequest", "Cannot update read-only attribute"),
        (gateway(json!({"enable_snat": true})), 400, "HTTPBadRequest", "Expected keys"),
        (
            gateway(json!({"network_id": f.network["id"]})),
            400,
            "BadRequest",
            "is not an external network.",
        ),
        (
            gateway(json!({"network_id": "11111111-1111-1111-1111-111111111111"})),
            404,
            "NetworkNotFound",
            "could not be found.",
        ),
        ((add.clone(), json!({})), 400, "BadRequest", "Either subnet_id or port_id must be"),
        ((add.clone(), json!({"subnet_id": 5})), 400, "BadRequest", "'5' is not a valid UUID."),
        ((add.clone(), body.clone()), 400, "BadRequest", "Router already has a port on subnet"),
        (
            (add.clone(), json!({"subnet_id": overlapping["id"]})),
            400,
            "BadRequest",
            "overlaps with cidr 10.7.0.0/24",
        ),
        ((add, json!({"port_id": body["subnet_id"]})), 404, "PortNotFound", "could not be found"),
        (
            (remove.clone(), json!({"port_id": f.port["id"]})),
            404,
            "RouterInterfaceNotFound",
            "does not have an interface with id",
        ),
        (
            (remove, json!({"subnet_id": overlapping["id"]})),
            404,
            "RouterInterfaceNotFoundForSubnet",
            "has no interface on subnet",
        ),
    ] {
        let answer = f.t.client.put(&path, &body).await;
        assert_error(&answer, status, kind, message);
        f.assert_unchanged().await;
    }
    let delete = f.t.client.delete(&path).await;
    assert_error(&delete, 409, "RouterInUse", "has ports still attached: ");
    f.assert_unchanged().await;
    f.t.stop().await;
}

#[tokio::test]
async fn bodies_that_are_no_request_are_400() {
    let f = Fixture::start().await;
    let invalid = "Body contains invalid data";
    let missing = "Unable to find 'network' in request body";
    for (body, message) in [
        ("{\"network\": ", invalid),
        ("nonsense", invalid),
        ("[]", invalid),
        ("7", invalid),
        ("\u{feff}{}", invalid),
        ("", missing),
        ("{}", missing),
        (r#"{"port": {}}"#, missing),
        (r#"{"network": null}"#, missing),
        (r#"{"network": []}"#, "Object 'network' contains invalid data"),
        (r#"{"network": "x"}"#, "Object 'network' contains invalid data"),
        (r#"{"networks": []}"#, "Resources required"),
        (r#"{"networks": {}}"#, "Resources required"),
    ] {
        let answer = f.t.client.raw("POST", "/v2.0/networks", body.as_bytes()).await;
        assert_error(&answer, 400, "HTTPBadRequest", message);
    }
    let path = format!("/v2.0/networks/{}", text(&f.network, "id"));
    for (body, message) in [
        ("{", invalid),
        ("{}", missing),
        (r#"{"networks": [{}]}"#, "Bulk operation not supported"),
        (r#"{"network": {"id": "x"}}"#, "Cannot update read-only attribute id"),
    ] {
        let answer = f.t.client.raw("PUT", &path, body.as_bytes()).await;
        assert_error(&answer, 400, "HTTPBadRequest", message);
    }
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let answer = f.t.client.raw("POST", "/v2.0/networks", nested.as_bytes()).await;
    assert_error(&answer, 400, "HTTPBadRequest", invalid);
    f.assert_unchanged().await;
    f.t.stop().await;
}

#[tokio::test]
async fn huge_bodies_are_refused() {
    let f = Fixture::start().await;
    let name = "x".repeat(10 * 1024 * 1024);
    let body = json!({"network": {"name": name}}).to_string();
    let answer = f.t.client.raw("POST", "/v2.0/networks", body.as_bytes()).await;
    assert_error(&answer, 400, "HTTPBadRequest", "exceeds maximum length of 255.");
    let body = "x".repeat(17 * 1024 * 1024);
    let answer = f.t.client.raw("POST", "/v2.0/networks", body.as_bytes()).await;
    assert_error(
        &answer,
        413,
        "HTTPRequestEntityTooLarge",
        "The body of your request was too large",
    );
    f.assert_unchanged().await;
    f.t.stop().await;
}

#[tokio::test]
async fn ids_of_any_kind_are_404() {
    let f = Fixture::start().await;
    for id in [
        "nonsense",
        "%00",
        "%F0%9F%98%80",
        "..%2F..",
        "a'b\"c",
        "00000000-0000-0000-0000-000000000000",
    ] {
        for collection in ["networks", "subnets", "ports", "agents"] {
            let path = format!("/v2.0/{collection}/{id}");
            assert_eq!(f.t.client.get(&path).await.status, 404, "{path}");
            assert_eq!(f.t.client.delete(&path).await.status, 404, "{path}");
        }
    }
    f.assert_unchanged().await;
    f.t.stop().await;
}
