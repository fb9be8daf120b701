//! `/v2.0/floatingips/<id>/port_forwardings`, and `/v2.0/floatingip-pools`.

use serde_json::{Value, json};

use super::floating_ips::{path, put, show};
use crate::support::{
    client::{Answer, Client},
    l3::{Site, address, external_network, router},
    server::{TestServer, assert_error, create, network, text},
};

fn forwardings(floating: &Value) -> String {
    format!("{}/port_forwardings", path(floating))
}

async fn post(client: &Client, floating: &Value, body: &Value) -> Answer {
    client.post(&forwardings(floating), &json!({ "port_forwarding": body })).await
}

async fn forward(client: &Client, floating: &Value, body: &Value) -> Value {
    let answer = post(client, floating, body).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    answer.json()["port_forwarding"].clone()
}

/// A request with all that is required.
fn wanted(port: &Value, internal: u16, external: u16) -> Value {
    json!({"internal_port_id": port["id"], "internal_ip_address": address(port),
           "protocol": "tcp", "internal_port": internal, "external_port": external})
}

#[tokio::test]
async fn port_forwardings_live() {
    let t = TestServer::start().await;
    let site = Site::new(&t).await;
    let port = site.port().await;
    let floating = site.floating_ip(json!({})).await;
    let mut body = wanted(&port, 80, 8080);
    body["description"] = json!("web");
    let made = forward(&site.member, &floating, &body).await;
    assert_eq!(
        made,
        json!({
            "id": made["id"], "external_port": 8080, "internal_port": 80,
            "internal_ip_address": address(&port), "protocol": "tcp",
            "internal_port_id": port["id"], "description": "web",
            "external_port_range": "8080:8080", "internal_port_range": "80:80",
        })
    );
    let one = format!("{}/{}", forwardings(&floating), text(&made, "id"));
    assert_eq!(site.member.get(&one).await.json()["port_forwarding"], made);
    // The floating IP is its router's now, leads nowhere itself, and shows what it forwards.
    let seen = show(&site.member, &floating).await;
    assert_eq!((&seen["router_id"], &seen["port_id"]), (&site.router["id"], &Value::Null));
    assert_eq!(seen["revision_number"], 1);
    assert_eq!(
        seen["port_forwardings"],
        json!([{
            "id": made["id"], "external_port": 8080, "internal_port": 80,
            "internal_ip_address": address(&port), "protocol": "tcp",
            "internal_port_id": port["id"],
        }])
    );

    let change = json!({"port_forwarding": {"external_port": 8081, "description": ""}});
    let changed = site.member.put(&one, &change).await.json();
    assert_eq!(changed["port_forwarding"]["external_port_range"], "8081:8081");
    let mut many = wanted(&port, 1000, 1);
    for (single, range, ports) in [
        ("internal_port", "internal_port_range", "1000:1009"),
        ("external_port", "external_port_range", "2000:2009"),
    ] {
        many[single] = Value::Null;
        many[range] = json!(ports);
    }
    let many = forward(&site.member, &floating, &many).await;
    assert_eq!(
        (&many["external_port"], &many["external_port_range"]),
        (&Value::Null, &json!("2000:2009"))
    );
    let list = async |query: &str| {
        let answer = site.member.get(&format!("{}{query}", forwardings(&floating))).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()["port_forwardings"].as_array().expect("list").len()
    };
    for (query, count) in [
        ("", 2),
        ("?protocol=udp", 0),
        ("?external_port=8081", 1),
        ("?external_port_range=2000:2009&fields=id", 1),
        ("?limit=1&sort_key=external_port&sort_dir=desc", 1),
    ] {
        assert_eq!(list(query).await, count, "{query}");
    }
    for gone in [&made, &many] {
        let one = format!("{}/{}", forwardings(&floating), text(gone, "id"));
        assert_eq!(site.member.delete(&one).await.status, 204);
        assert_error(&site.member.get(&one).await, 404, "PortForwardingNotFound", "could not");
    }
    assert_eq!(show(&site.member, &floating).await["router_id"], Value::Null);
    t.stop().await;
}

#[tokio::test]
async fn what_collides_or_cannot_be_reached_is_refused() {
    let t = TestServer::start().await;
    let site = Site::new(&t).await;
    let (a, b) = (site.port().await, site.port().await);
    let floating = site.floating_ip(json!({})).await;
    let made = forward(&site.member, &floating, &wanted(&a, 80, 8080)).await;
    let (apart, _) = network(&site.member, "apart", "10.9.0.0/24").await;
    let lonely = create(&site.member, "ports", json!({"network_id": apart["id"]})).await;
    let (net, subnet) = network(&site.member, "second", "10.5.0.0/24").await;
    router(&t, &site.member, &subnet, &site.external).await;
    let elsewhere = create(&site.member, "ports", json!({"network_id": net["id"]})).await;
    let led = site.port().await;
    site.floating_ip(json!({"port_id": led["id"]})).await;
    let with = |port: &Value, key: &str, value: Value| {
        let mut body = wanted(port, 81, 8181);
        body[key] = value;
        body
    };
    let bad = "BadRequest";
    for (body, status, kind, message) in [
        (wanted(&a, 80, 8181), 400, bad, "port collision with the internal_port_range"),
        (wanted(&b, 80, 8080), 400, bad, "port collision with the external_port_range"),
        (wanted(&lonely, 80, 8181), 400, bad, "is not reachable from subnet"),
        (wanted(&elsewhere, 80, 8181), 400, bad, "had been set on router"),
        (wanted(&led, 80, 8181), 409, "PortHasBindingFloatingIP", "already has a binding"),
        (with(&b, "internal_ip_address", json!("10.0.0.250")), 400, bad, "is not suitable"),
        (with(&b, "external_port", json!(null)), 400, bad, "external_port"),
        (with(&b, "external_port", json!(65536)), 400, "HTTPBadRequest", "is too large"),
        (with(&b, "external_port", json!("x")), 400, "HTTPBadRequest", "is not an integer"),
        (with(&b, "internal_port_range", json!("9:8")), 400, "HTTPBadRequest", "must be lower"),
        (with(&b, "protocol", json!("any")), 400, "InvalidInput", "IP protocol 'any'"),
        (with(&b, "protocol", json!("6")), 400, "HTTPBadRequest", "6 is not in valid_values"),
        (with(&b, "internal_port_id", json!("x")), 400, "HTTPBadRequest", "not a valid UUID"),
        (with(&b, "nonsense", json!(1)), 400, "HTTPBadRequest", "Unrecognized attribute(s)"),
        (json!({"protocol": "tcp"}), 400, "HTTPBadRequest", "Required attribute"),
    ] {
        assert_error(&post(&site.member, &floating, &body).await, status, kind, message);
    }
    forward(&site.member, &floating, &with(&a, "protocol", json!("udp"))).await;

    // A floating IP either leads somewhere or forwards, and does not go while it forwards.
    let refused = put(&site.member, &floating, json!({"port_id": b["id"]})).await;
    assert_error(&refused, 409, "FipInUseByPortForwarding", "in use by Port Forwarding");
    let refused = site.member.delete(&path(&floating)).await;
    assert_error(&refused, 409, "FipInUseByPortForwarding", "in use by Port Forwarding");
    let bound = site.floating_ip(json!({"port_id": b["id"]})).await;
    let refused = post(&site.member, &bound, &wanted(&a, 90, 90)).await;
    assert_error(&refused, 409, "FloatingIPPortAlreadyAssociated", "already has a floating IP");
    let interface = format!("/v2.0/routers/{}/remove_router_interface", text(&site.router, "id"));
    let refused = site.member.put(&interface, &json!({"subnet_id": site.subnet["id"]})).await;
    assert_error(&refused, 409, "RouterInterfaceInUseByFloatingIP", "required by one or more");

    // Others have no business with it.
    let stranger = t.user("p2", "member,reader");
    let one = format!("{}/{}", forwardings(&floating), text(&made, "id"));
    for answer in [
        stranger.get(&one).await,
        stranger.get(&forwardings(&floating)).await,
        stranger.delete(&one).await,
    ] {
        assert_error(&answer, 404, "FloatingIPNotFound", "could not be found");
    }
    let refused = post(&stranger, &floating, &wanted(&a, 90, 90)).await;
    let rule = "rule:create_floatingip_port_forwarding";
    assert_error(&refused, 403, "PolicyNotAuthorized", rule);
    let reader = t.user("p1", "reader");
    assert_eq!(reader.get(&one).await.status, 200);
    let rule = "rule:delete_floatingip_port_forwarding";
    assert_error(&reader.delete(&one).await, 403, "PolicyNotAuthorized", rule);
    t.stop().await;
}

#[tokio::test]
async fn port_forwardings_go_with_their_port_or_its_address() {
    let t = TestServer::start().await;
    let site = Site::new(&t).await;
    let (a, b) = (site.port().await, site.port().await);
    let floating = site.floating_ip(json!({})).await;
    forward(&site.member, &floating, &wanted(&a, 80, 8080)).await;
    forward(&site.member, &floating, &wanted(&b, 80, 8081)).await;
    let ips = json!([{"subnet_id": site.subnet["id"], "ip_address": "10.0.0.99"}]);
    let port = format!("/v2.0/ports/{}", text(&a, "id"));
    let moved = site.member.put(&port, &json!({"port": {"fixed_ips": ips}})).await;
    assert_eq!(moved.status, 200, "{}", moved.json());
    let seen = show(&site.member, &floating).await;
    assert_eq!(seen["port_forwardings"].as_array().map(Vec::len), Some(1));
    assert_eq!(seen["router_id"], site.router["id"]);
    let port = format!("/v2.0/ports/{}", text(&b, "id"));
    assert_eq!(site.member.delete(&port).await.status, 204);
    let seen = show(&site.member, &floating).await;
    assert_eq!((&seen["port_forwardings"], &seen["router_id"]), (&json!([]), &Value::Null));
    assert_eq!(site.member.delete(&path(&floating)).await.status, 204);
    t.stop().await;
}

#[tokio::test]
async fn pools_are_the_subnets_of_external_networks() {
    let t = TestServer::start().await;
    let (external, subnet) = external_network(&t, "203.0.113.0/24").await;
    let v6 = json!({"network_id": external["id"], "ip_version": 6, "cidr": "2001:db8::/64"});
    create(&t.client, "subnets", v6).await;
    network(&t.client, "inside", "10.0.0.0/24").await;
    let member = t.user("p1", "member,reader");
    assert_eq!(
        member.get("/v2.0/floatingip-pools").await.json(),
        json!({"floatingip_pools": [{
            "subnet_id": subnet["id"], "subnet_name": "public-v4", "project_id": "p1",
            "network_id": external["id"], "cidr": "203.0.113.0/24", "tenant_id": "p1",
        }]})
    );
    let refused = member.post("/v2.0/floatingip-pools", &json!({"floatingip_pool": {}})).await;
    assert_eq!(refused.status, 405, "{}", refused.json());
    t.stop().await;
}
