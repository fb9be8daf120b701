//! `routes` of `/v2.0/routers`, `add_extraroutes` and `remove_extraroutes`.

use serde_json::{Value, json};

use crate::support::{
    client::{Answer, Client},
    server::{TestServer, assert_error, create, network, text},
};

fn path(router: &Value) -> String {
    format!("/v2.0/routers/{}", text(router, "id"))
}

async fn set(client: &Client, router: &Value, routes: Value) -> Answer {
    client.put(&path(router), &json!({"router": {"routes": routes}})).await
}

async fn act(client: &Client, router: &Value, action: &str, routes: Value) -> Answer {
    let path = format!("{}/{action}_extraroutes", path(router));
    client.put(&path, &json!({"router": {"routes": routes}})).await
}

fn route(destination: &str, nexthop: &str) -> Value {
    json!({"destination": destination, "nexthop": nexthop})
}

/// A router of p1 with an interface on 10.0.0.0/24: (router, subnet).
async fn connected(client: &Client) -> (Value, Value) {
    let (_, subnet) = network(client, "blue", "10.0.0.0/24").await;
    let router = create(client, "routers", json!({})).await;
    let interface = format!("{}/add_router_interface", path(&router));
    let answer = client.put(&interface, &json!({"subnet_id": subnet["id"]})).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    (router, subnet)
}

#[tokio::test]
async fn routes_are_set_added_and_removed() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let (router, subnet) = connected(&member).await;
    let (a, b) = (route("192.0.2.0/24", "10.0.0.9"), route("198.51.100.0/24", "10.0.0.9"));
    let now = set(&member, &router, json!([b, a])).await.json()["router"].clone();
    assert_eq!((&now["routes"], &now["revision_number"]), (&json!([a, b]), &json!(3)));
    let other = route("192.0.2.0/24", "10.0.0.8");
    let now = act(&member, &router, "add", json!([other, a, a])).await.json()["router"].clone();
    assert_eq!((&now["routes"], &now["revision_number"]), (&json!([other, a, b]), &json!(4)));
    assert_eq!(member.get(&path(&router)).await.json()["router"], now);
    let absent = route("203.0.113.0/24", "10.0.0.9");
    let now = act(&member, &router, "remove", json!([a, other, absent])).await.json();
    assert_eq!(now["router"]["routes"], json!([b]));

    let remove = format!("{}/remove_router_interface", path(&router));
    let answer = member.put(&remove, &json!({"subnet_id": subnet["id"]})).await;
    let why = "cannot be deleted, as it is required by one or more routes.";
    assert_error(&answer, 409, "RouterInterfaceInUseByRoute", why);
    assert_eq!(set(&member, &router, json!(null)).await.json()["router"]["routes"], json!([]));
    let answer = member.put(&remove, &json!({"subnet_id": subnet["id"]})).await;
    assert_eq!(answer.status, 200);
    t.stop().await;
}

#[tokio::test]
async fn routes_that_cannot_be() {
    let t = TestServer::start_with("[DEFAULT]\nmax_routes = 1\n").await;
    let member = t.user("p1", "member,reader");
    let (router, _) = connected(&member).await;
    let away = set(&member, &router, json!([route("192.0.2.0/24", "10.1.0.9")])).await;
    let why = "Invalid format for routes: [{'destination': '192.0.2.0/24', 'nexthop': \
               '10.1.0.9'}], the nexthop is not connected with router";
    assert_error(&away, 400, "InvalidRoutes", why);
    let own = set(&member, &router, json!([route("192.0.2.0/24", "10.0.0.1")])).await;
    assert_error(&own, 400, "InvalidRoutes", "the nexthop is used by router");
    let two = json!([route("192.0.2.0/24", "10.0.0.9"), route("192.0.2.0/25", "10.0.0.9")]);
    let why = "Quota exceeded for resources: ['router_route'].";
    assert_error(&set(&member, &router, two.clone()).await, 409, "OverQuota", why);
    assert_error(&act(&member, &router, "add", two).await, 409, "OverQuota", why);
    let why = "Attribute 'routes' not allowed in POST";
    let body = json!({"router": {"routes": []}});
    assert_error(&member.post("/v2.0/routers", &body).await, 400, "HTTPBadRequest", why);
    for routes in [json!("x"), json!([{}]), json!([route("192.0.2.1/24", "10.0.0.9")])] {
        let answer = act(&member, &router, "add", routes).await;
        assert_error(&answer, 400, "HTTPBadRequest", "Invalid input for routes. Reason: ");
    }
    let empty = member.put(&format!("{}/add_extraroutes", path(&router)), &json!({})).await;
    assert_error(&empty, 400, "HTTPBadRequest", "Unable to find 'router' in request body");
    let shown = member.get(&path(&router)).await.json()["router"].clone();
    assert_eq!((&shown["routes"], &shown["revision_number"]), (&json!([]), &json!(2)));
    let stranger = t.user("p2", "member,reader");
    assert_eq!(act(&stranger, &router, "add", json!([])).await.status, 404);
    t.stop().await;
}

#[tokio::test]
async fn a_gateway_stays_while_routes_lead_through_it() {
    let t = TestServer::start().await;
    let admin = t.user("p1", "admin");
    let net = create(&admin, "networks", json!({"router:external": true})).await;
    let body = json!({"network_id": net["id"], "ip_version": 4, "cidr": "192.0.2.0/24"});
    create(&admin, "subnets", body).await;
    let info = json!({"network_id": net["id"]});
    let (router, _) = connected(&admin).await;
    let change = json!({"router": {"external_gateway_info": info}});
    assert_eq!(admin.put(&path(&router), &change).await.status, 200);
    let through = json!([route("198.51.100.0/24", "192.0.2.1")]);
    assert_eq!(set(&admin, &router, through).await.status, 200);
    let change = json!({"router": {"external_gateway_info": null}});
    let answer = admin.put(&path(&router), &change).await;
    assert_error(&answer, 400, "InvalidRoutes", "the nexthop is not connected with router");
    let change = json!({"router": {"external_gateway_info": null, "routes": []}});
    let now = admin.put(&path(&router), &change).await.json()["router"].clone();
    assert_eq!((&now["routes"], &now["external_gateway_info"]), (&json!([]), &Value::Null));
    t.stop().await;
}
