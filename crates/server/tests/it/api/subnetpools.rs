//! `/v2.0/subnetpools`, and subnets that take their block from one.

use serde_json::{Value, json};

use crate::support::{
    client::{Answer, Client},
    server::{TestServer, assert_error, text},
};

async fn pool(client: &Client, body: Value) -> Value {
    let answer = client.post("/v2.0/subnetpools", &json!({"subnetpool": body})).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    answer.json()["subnetpool"].clone()
}

async fn network(client: &Client) -> Value {
    let answer = client.post("/v2.0/networks", &json!({"network": {}})).await;
    answer.json()["network"].clone()
}

async fn subnet(client: &Client, network: &Value, mut body: Value) -> Answer {
    body["network_id"] = network["id"].clone();
    client.post("/v2.0/subnets", &json!({"subnet": body})).await
}

fn path(pool: &Value) -> String {
    format!("/v2.0/subnetpools/{}", text(pool, "id"))
}

#[tokio::test]
async fn pools_live() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let body =
        json!({"name": "a", "prefixes": ["10.1.0.0/16", "10.0.0.7/16"], "min_prefixlen": 20});
    let made = pool(&member, body).await;
    assert_eq!(made["prefixes"], json!(["10.0.0.0/15"]));
    assert_eq!((&made["ip_version"], &made["default_quota"]), (&json!(4), &Value::Null));
    // Neutron shows lengths as texts.
    let lengths = ["min_prefixlen", "default_prefixlen", "max_prefixlen"].map(|k| text(&made, k));
    assert_eq!(lengths, ["20", "20", "32"]);
    assert_eq!(member.get(&path(&made)).await.json()["subnetpool"], made);
    let change =
        json!({"subnetpool": {"name": "b", "default_prefixlen": "26", "default_quota": 512}});
    let changed = member.put(&path(&made), &change).await.json()["subnetpool"].clone();
    assert_eq!((&changed["name"], &changed["default_prefixlen"]), (&json!("b"), &json!("26")));
    assert_eq!((&changed["default_quota"], &changed["revision_number"]), (&json!(512), &json!(1)));
    let found = member.get("/v2.0/subnetpools?default_prefixlen=26&fields=id").await.json();
    assert_eq!(found["subnetpools"], json!([{"id": made["id"]}]));
    let tags = member.put(&format!("{}/tags", path(&made)), &json!({"tags": ["x"]})).await;
    assert_eq!(tags.status, 200);
    assert_eq!(
        member.get("/v2.0/subnetpools?tags=x").await.json()["subnetpools"][0]["id"],
        made["id"]
    );
    assert_eq!(member.delete(&path(&made)).await.status, 204);
    assert_error(&member.get(&path(&made)).await, 404, "SubnetPoolNotFound", "Subnet pool ");
    t.stop().await;
}

#[tokio::test]
async fn subnets_take_the_next_block() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let pool =
        pool(&member, json!({"name": "a", "prefixes": ["10.0.0.0/22"], "default_prefixlen": 24}))
            .await;
    let net = network(&member).await;
    let from = |extra: Value| {
        let mut body = json!({"subnetpool_id": pool["id"], "ip_version": 4});
        for (key, value) in extra.as_object().expect("object") {
            body[key] = value.clone();
        }
        body
    };
    let first = subnet(&member, &net, from(json!({}))).await.json()["subnet"].clone();
    assert_eq!((&first["cidr"], &first["gateway_ip"]), (&json!("10.0.0.0/24"), &json!("10.0.0.1")));
    assert_eq!(first["subnetpool_id"], pool["id"]);
    let small =
        subnet(&member, &net, from(json!({"prefixlen": 26, "gateway_ip": null}))).await.json();
    assert_eq!(
        (&small["subnet"]["cidr"], &small["subnet"]["gateway_ip"]),
        (&json!("10.0.1.0/26"), &Value::Null)
    );
    let named = subnet(&member, &net, from(json!({"cidr": "10.0.3.0/24"}))).await.json();
    assert_eq!(named["subnet"]["cidr"], "10.0.3.0/24");
    let around = subnet(&member, &net, from(json!({"gateway_ip": "10.0.2.254"}))).await.json();
    assert_eq!(around["subnet"]["cidr"], "10.0.2.0/24");
    // What is left of 10.0.1.0/24.
    let bulk = json!({"subnets": [{"network_id": net["id"], "subnetpool_id": pool["id"], "prefixlen": 26, "ip_version": 4},
                                  {"network_id": net["id"], "subnetpool_id": pool["id"], "prefixlen": 26, "ip_version": 4}]});
    let two = member.post("/v2.0/subnets", &bulk).await.json();
    let cidrs: Vec<&str> =
        two["subnets"].as_array().expect("list").iter().map(|s| text(s, "cidr")).collect();
    assert_eq!(cidrs, ["10.0.1.64/26", "10.0.1.128/26"]);
    let full = subnet(&member, &net, from(json!({}))).await;
    assert_error(
        &full,
        500,
        "SubnetAllocationError",
        "Failed to allocate subnet: Insufficient prefix space to allocate subnet size /24.",
    );
    let taken = subnet(&member, &net, from(json!({"cidr": "10.0.3.0/25"}))).await;
    assert_error(
        &taken,
        500,
        "SubnetAllocationError",
        "Failed to allocate subnet: Cannot allocate requested subnet",
    );
    assert_error(
        &member.delete(&path(&pool)).await,
        400,
        "SubnetPoolDeleteError",
        "Unable to delete subnet pool: ",
    );
    t.stop().await;
}

#[tokio::test]
async fn refused_blocks() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let limits = json!({"name": "a", "prefixes": ["10.0.0.0/16"], "min_prefixlen": 20,
                        "default_prefixlen": 24, "max_prefixlen": 28, "default_quota": 300});
    let pool = pool(&member, limits).await;
    let net = network(&member).await;
    let id = &pool["id"];
    let absent = "8b1d5de4-1d3f-4d3c-9c6c-cd0f4dd83a2b";
    let cases = [
        (
            json!({"subnetpool_id": id, "ip_version": 4, "prefixlen": 30}),
            400,
            "MaxPrefixSubnetAllocationError",
            "maximum allowed prefix is 28",
        ),
        (
            json!({"subnetpool_id": id, "ip_version": 4, "prefixlen": 8}),
            400,
            "MinPrefixSubnetAllocationError",
            "minimum allowed prefix is 20",
        ),
        (
            json!({"subnetpool_id": id, "ip_version": 4, "prefixlen": 23}),
            409,
            "SubnetPoolQuotaExceeded",
            "quota exceeded",
        ),
        (
            json!({"subnetpool_id": id, "ip_version": 6}),
            400,
            "BadRequest",
            "Cannot allocate IPv6 subnet from IPv4 subnet pool",
        ),
        (json!({"subnetpool_id": absent, "ip_version": 4}), 404, "SubnetPoolNotFound", absent),
        (
            json!({"subnetpool_id": id, "ip_version": 4, "cidr": "10.0.0.0/24", "prefixlen": 24}),
            400,
            "BadRequest",
            "cidr and prefixlen must not be supplied together",
        ),
        (
            json!({"subnetpool_id": id, "ip_version": 4, "use_default_subnetpool": true}),
            400,
            "BadRequest",
            "cannot both be specified",
        ),
        (
            json!({"ip_version": 4, "use_default_subnetpool": true}),
            400,
            "BadRequest",
            "No default subnetpool found for IPv4",
        ),
        (
            json!({"ip_version": 4}),
            400,
            "BadRequest",
            "a subnetpool must be specified in the absence of a cidr",
        ),
        (
            json!({"subnetpool_id": id, "ip_version": 4, "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.9"}]}),
            400,
            "BadRequest",
            "allocation_pools allowed only",
        ),
    ];
    for (body, status, kind, words) in cases {
        let answer = subnet(&member, &net, body.clone()).await;
        let error = answer.json()["NeutronError"].clone();
        assert_eq!((answer.status, &error["type"]), (status, &json!(kind)), "{body}: {error}");
        assert!(text(&error, "message").contains(words), "{error}");
    }
    // One network, one pool.
    assert_eq!(
        subnet(&member, &net, json!({"ip_version": 4, "cidr": "172.16.0.0/24"})).await.status,
        201
    );
    let mixed = subnet(&member, &net, json!({"subnetpool_id": id, "ip_version": 4})).await;
    assert_error(
        &mixed,
        400,
        "NetworkSubnetPoolAffinityError",
        "Subnets hosted on the same network",
    );
    t.stop().await;
}

#[tokio::test]
async fn refused_pools() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let cases = [
        (json!({"name": "a", "prefixes": []}), "EmptySubnetPoolPrefixList", "Empty subnet pool"),
        (
            json!({"name": "a", "prefixes": ["10.0.0.0/8", "fd00::/8"]}),
            "PrefixVersionMismatch",
            "Cannot mix",
        ),
        (
            json!({"name": "a", "prefixes": ["10.0.0.0/8"], "min_prefixlen": 25, "max_prefixlen": 24}),
            "IllegalSubnetPoolPrefixBounds",
            "min_prefixlen=25, max_prefixlen=24",
        ),
        (
            json!({"name": "a", "prefixes": ["10.0.0.0/8"], "max_prefixlen": 33}),
            "IllegalSubnetPoolPrefixBounds",
            "max_prefixlen=33, ip_version_max=32",
        ),
        (
            json!({"name": "a", "prefixes": ["10.0.0.0/8"], "default_prefixlen": 7}),
            "IllegalSubnetPoolPrefixBounds",
            "default_prefixlen=7, min_prefixlen=8",
        ),
        (
            json!({"name": " ", "prefixes": ["10.0.0.0/8"]}),
            "HTTPBadRequest",
            "Invalid input for name",
        ),
        (json!({"name": "a", "prefixes": ["ten"]}), "HTTPBadRequest", "Invalid input for prefixes"),
        (json!({"prefixes": ["10.0.0.0/8"]}), "HTTPBadRequest", "name"),
    ];
    for (body, kind, words) in cases {
        let answer = member.post("/v2.0/subnetpools", &json!({"subnetpool": body})).await;
        let error = answer.json()["NeutronError"].clone();
        assert_eq!((answer.status, &error["type"]), (400, &json!(kind)), "{body}: {error}");
        assert!(text(&error, "message").contains(words), "{error}");
    }
    for admins_only in [json!({"shared": true}), json!({"is_default": true})] {
        let mut body = json!({"name": "a", "prefixes": ["10.0.0.0/8"]});
        for (key, value) in admins_only.as_object().expect("object") {
            body[key] = value.clone();
        }
        let answer = member.post("/v2.0/subnetpools", &json!({"subnetpool": body})).await;
        assert_eq!(answer.status, 403, "{body}");
    }
    t.stop().await;
}

#[tokio::test]
async fn prefixes_come_and_go() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let pool =
        pool(&member, json!({"name": "a", "prefixes": ["10.0.0.0/24"], "default_prefixlen": 25}))
            .await;
    let act = |action: &'static str, prefixes: Value| {
        let (member, path) = (&member, path(&pool));
        async move { member.put(&format!("{path}/{action}"), &json!({"prefixes": prefixes})).await }
    };
    let more = act("add_prefixes", json!(["10.0.1.0/24", "192.168.0.0/24"])).await;
    assert_eq!(more.json()["prefixes"], json!(["10.0.0.0/23", "192.168.0.0/24"]));
    let net = network(&member).await;
    let taken = subnet(&member, &net, json!({"subnetpool_id": pool["id"], "ip_version": 4})).await;
    // The smallest block with room.
    assert_eq!(taken.json()["subnet"]["cidr"], "192.168.0.0/25");
    let used = act("remove_prefixes", json!(["192.168.0.0/24"])).await;
    assert_error(&used, 400, "IllegalSubnetPoolPrefixUpdate", "Illegal update to prefixes: ");
    let less = act("remove_prefixes", json!(["10.0.0.0/24", "192.168.0.128/25"])).await;
    assert_eq!(less.json()["prefixes"], json!(["10.0.1.0/24", "192.168.0.0/25"]));
    let lost = json!({"subnetpool": {"prefixes": ["10.0.1.0/24"]}});
    let refused = member.put(&path(&pool), &lost).await;
    assert_error(
        &refused,
        400,
        "IllegalSubnetPoolPrefixUpdate",
        "Illegal update to prefixes: Existing",
    );
    assert_eq!(act("add_prefixes", json!([])).await.status, 400);
    t.stop().await;
}

#[tokio::test]
async fn defaults_and_sharing() {
    let t = TestServer::start().await;
    let (admin, member) = (t.client.clone(), t.user("p1", "member,reader"));
    let shared = json!({"name": "d", "prefixes": ["10.0.0.0/16"], "default_prefixlen": 24, "is_default": true, "shared": true});
    let default = pool(&admin, shared).await;
    let again =
        json!({"subnetpool": {"name": "e", "prefixes": ["11.0.0.0/16"], "is_default": true}});
    assert_error(
        &admin.post("/v2.0/subnetpools", &again).await,
        400,
        "InvalidInput",
        "Invalid input for operation: A default subnetpool",
    );
    assert_eq!(member.get(&path(&default)).await.json()["subnetpool"]["shared"], true);
    let net = network(&member).await;
    let taken =
        subnet(&member, &net, json!({"use_default_subnetpool": true, "ip_version": 4})).await;
    assert_eq!(taken.json()["subnet"]["cidr"], "10.0.0.0/24");
    let private =
        pool(&admin, json!({"name": "p", "prefixes": ["10.9.0.0/16"], "default_prefixlen": 24}))
            .await;
    assert_eq!(member.get(&path(&private)).await.status, 404);
    // Shared with one project, as long as that one uses it.
    let project = "0f7b9ab7-9c5f-4f2e-8c53-6b4d6f2f1a11";
    let guest = t.user(project, "member,reader");
    let policy = json!({"rbac_policy": {"object_type": "subnetpool", "object_id": private["id"],
                                        "action": "access_as_shared", "target_tenant": project}});
    let policy = admin.post("/v2.0/rbac-policies", &policy).await.json()["rbac_policy"].clone();
    let net = network(&guest).await;
    let body = json!({"subnetpool_id": private["id"], "ip_version": 4});
    let taken = subnet(&guest, &net, body).await.json()["subnet"].clone();
    assert_eq!(taken["cidr"], "10.9.0.0/24");
    let policy = format!("/v2.0/rbac-policies/{}", text(&policy, "id"));
    assert_error(&admin.delete(&policy).await, 409, "RbacPolicyInUse", "RBAC policy on object");
    assert_eq!(guest.delete(&format!("/v2.0/subnets/{}", text(&taken, "id"))).await.status, 204);
    assert_eq!(admin.delete(&policy).await.status, 204);
    assert_eq!(guest.get(&path(&private)).await.status, 404);
    t.stop().await;
}
