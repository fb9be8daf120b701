//! `/v2.0/address-scopes`, and the pools and networks in one.

use serde_json::{Value, json};

use crate::support::{
    client::Client,
    server::{TestServer, assert_error, text},
};

async fn make(client: &Client, collection: &str, member: &str, body: Value) -> Value {
    let answer = client.post(&format!("/v2.0/{collection}"), &json!({member: body})).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    answer.json()[member].clone()
}

async fn scope(client: &Client, body: Value) -> Value {
    make(client, "address-scopes", "address_scope", body).await
}

async fn pool(client: &Client, body: Value) -> Value {
    make(client, "subnetpools", "subnetpool", body).await
}

fn path(scope: &Value) -> String {
    format!("/v2.0/address-scopes/{}", text(scope, "id"))
}

#[tokio::test]
async fn scopes_live() {
    let t = TestServer::start().await;
    let (admin, member) = (t.client.clone(), t.user("p1", "member,reader"));
    let made = scope(&member, json!({"name": "a", "ip_version": "4"})).await;
    assert_eq!((&made["ip_version"], &made["shared"]), (&json!(4), &json!(false)));
    let change = json!({"address_scope": {"name": "b"}});
    assert_eq!(member.put(&path(&made), &change).await.json()["address_scope"]["name"], "b");
    let list = member.get("/v2.0/address-scopes?ip_version=4&fields=name").await.json();
    assert_eq!(list["address_scopes"], json!([{"name": "b"}]));
    let share = json!({"address_scope": {"shared": true}});
    assert_eq!(member.put(&path(&made), &share).await.status, 403);
    assert_eq!(admin.put(&path(&made), &share).await.json()["address_scope"]["shared"], true);
    let other = t.user("p2", "member,reader");
    assert_eq!(other.get(&path(&made)).await.json()["address_scope"]["shared"], true);
    let unshare = json!({"address_scope": {"shared": false}});
    assert_error(
        &admin.put(&path(&made), &unshare).await,
        400,
        "AddressScopeUpdateError",
        "Unable to update address scope",
    );
    assert_eq!(member.delete(&path(&made)).await.status, 204);
    assert_error(&member.get(&path(&made)).await, 404, "AddressScopeNotFound", "Address scope ");
    let bad =
        member.post("/v2.0/address-scopes", &json!({"address_scope": {"ip_version": 5}})).await;
    assert_error(&bad, 400, "HTTPBadRequest", "Invalid input for ip_version.");
    t.stop().await;
}

#[tokio::test]
async fn pools_of_a_scope_do_not_overlap() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let made = scope(&member, json!({"name": "a", "ip_version": 4})).await;
    let of =
        |prefix: &str| json!({"name": "p", "prefixes": [prefix], "address_scope_id": made["id"]});
    pool(&member, of("10.0.0.0/16")).await;
    pool(&member, of("10.1.0.0/16")).await;
    let refused = [
        ("10.0.4.0/24", 409, "AddressScopePrefixConflict"),
        ("fd00::/48", 400, "IllegalSubnetPoolIpVersionAssociationToAddressScope"),
    ];
    for (prefix, status, kind) in refused {
        let answer = member.post("/v2.0/subnetpools", &json!({"subnetpool": of(prefix)})).await;
        assert_eq!((answer.status, &answer.json()["NeutronError"]["type"]), (status, &json!(kind)));
    }
    assert_error(
        &member.delete(&path(&made)).await,
        409,
        "AddressScopeInUse",
        "Unable to complete operation",
    );
    t.stop().await;
}

#[tokio::test]
async fn networks_show_their_scopes() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let made = scope(&member, json!({"name": "a", "ip_version": 4})).await;
    let mut pools = Vec::new();
    for prefix in ["10.0.0.0/16", "10.1.0.0/16"] {
        let body = json!({"name": "p", "prefixes": [prefix], "address_scope_id": made["id"], "default_prefixlen": 24});
        pools.push(pool(&member, body).await);
    }
    let outside = pool(&member, json!({"name": "o", "prefixes": ["10.0.0.0/16"]})).await;
    let net = make(&member, "networks", "network", json!({})).await;
    let nothing = (&net["ipv4_address_scope"], &net["ipv6_address_scope"]);
    assert_eq!(nothing, (&Value::Null, &Value::Null));
    // Two pools of one scope may share a network.
    for pool in &pools {
        let body = json!({"network_id": net["id"], "subnetpool_id": pool["id"], "ip_version": 4});
        make(&member, "subnets", "subnet", body).await;
    }
    let shown = member.get(&format!("/v2.0/networks/{}", text(&net, "id"))).await.json();
    assert_eq!(shown["network"]["ipv4_address_scope"], made["id"]);
    let list = member.get("/v2.0/networks?fields=ipv4_address_scope").await.json();
    assert_eq!(list["networks"], json!([{"ipv4_address_scope": made["id"]}]));
    let body = json!({"subnet": {"network_id": net["id"], "subnetpool_id": outside["id"], "ip_version": 4}});
    let refused = member.post("/v2.0/subnets", &body).await;
    assert_error(
        &refused,
        400,
        "NetworkAddressScopeAffinityError",
        "Subnets of the same address family",
    );
    let leave = json!({"subnetpool": {"address_scope_id": null}});
    let path = format!("/v2.0/subnetpools/{}", text(&pools[1], "id"));
    assert_eq!(
        member.put(&path, &leave).await.json()["subnetpool"]["address_scope_id"],
        Value::Null
    );
    t.stop().await;
}
