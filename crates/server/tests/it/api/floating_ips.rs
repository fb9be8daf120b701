//! `/v2.0/floatingips`.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};

use crate::support::{
    client::{Answer, Client},
    l3::{Site, address, external_network, router},
    server::{TestServer, assert_error, create, network, text},
};

pub fn path(floating: &Value) -> String {
    format!("/v2.0/floatingips/{}", text(floating, "id"))
}

pub async fn show(client: &Client, floating: &Value) -> Value {
    let answer = client.get(&path(floating)).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()["floatingip"].clone()
}

pub async fn put(client: &Client, floating: &Value, body: Value) -> Answer {
    client.put(&path(floating), &json!({"floatingip": body})).await
}

async fn post(client: &Client, body: Value) -> Answer {
    client.post("/v2.0/floatingips", &json!({"floatingip": body})).await
}

async fn list(client: &Client, query: &str) -> Vec<Value> {
    let answer = client.get(&format!("/v2.0/floatingips{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()["floatingips"].as_array().expect("list").clone()
}

#[tokio::test]
async fn floating_ips_live() {
    let t = TestServer::start().await;
    let site = Site::new(&t).await;
    let made = site.floating_ip(json!({"description": "d"})).await;
    let keys: Vec<&String> = made.as_object().expect("object").keys().collect();
    assert_eq!(
        keys,
        [
            "id",
            "tenant_id",
            "floating_ip_address",
            "floating_network_id",
            "router_id",
            "port_id",
            "fixed_ip_address",
            "status",
            "description",
            "port_details",
            "port_forwardings",
            "tags",
            "created_at",
            "updated_at",
            "revision_number",
            "project_id"
        ]
    );
    assert!(text(&made, "floating_ip_address").starts_with("203.0.113."), "{made}");
    for (key, value) in [
        ("status", json!("DOWN")),
        ("project_id", json!("p1")),
        ("revision_number", json!(0)),
        ("port_id", Value::Null),
        ("router_id", Value::Null),
        ("port_details", Value::Null),
    ] {
        assert_eq!(made[key], value, "{key}");
    }
    assert_eq!(show(&site.member, &made).await, made);

    // Its port is the operator's business alone.
    let device = format!("/v2.0/ports?device_id={}", text(&made, "id"));
    let ports = t.client.get(&device).await.json();
    let port = &ports["ports"][0];
    assert_eq!(
        (&port["device_owner"], &port["project_id"], &port["status"]),
        (&json!("network:floatingip"), &json!(""), &json!("N/A"))
    );
    assert_eq!(address(port), text(&made, "floating_ip_address"));
    assert_eq!(site.member.get(&device).await.json()["ports"], json!([]));

    let changed = put(&site.member, &made, json!({"description": "other"})).await.json();
    assert_eq!(changed["floatingip"]["description"], "other");
    assert_eq!(changed["floatingip"]["revision_number"], 1);
    let tag = format!("{}/tags/blue", path(&made));
    assert_eq!(site.member.put(&tag, &json!({})).await.status, 201);
    for (query, count) in [
        ("?tags=blue", 1),
        ("?tags=red", 0),
        ("?status=DOWN&description=other", 1),
        ("?sort_key=floating_ip_address&sort_dir=desc&limit=1", 1),
        ("?fields=id&not-tags=blue", 0),
    ] {
        assert_eq!(list(&site.member, query).await.len(), count, "{query}");
    }
    assert_eq!(site.member.delete(&path(&made)).await.status, 204);
    assert_error(&site.member.get(&path(&made)).await, 404, "FloatingIPNotFound", "could not");
    assert_eq!(t.client.get(&device).await.json()["ports"], json!([]), "the port went with it");
    t.stop().await;
}

#[tokio::test]
async fn addresses_are_chosen_by_those_who_may() {
    let t = TestServer::start().await;
    let site = Site::new(&t).await;
    let network = &site.external["id"];
    let wanted = json!({"floating_network_id": network, "floating_ip_address": "203.0.113.77"});
    let refused = post(&site.member, wanted.clone()).await;
    let rule = "rule:create_floatingip:floating_ip_address";
    assert_error(&refused, 403, "PolicyNotAuthorized", rule);
    let manager = t.user("p1", "manager,member,reader");
    let made = create(&manager, "floatingips", wanted.clone()).await;
    assert_eq!(made["floating_ip_address"], "203.0.113.77");
    let again = post(&manager, wanted).await;
    assert_error(&again, 409, "IpAddressAlreadyAllocated", "203.0.113.77");
    let outside = json!({"floating_network_id": network, "floating_ip_address": "198.51.100.1"});
    let refused = post(&manager, outside).await;
    assert_error(&refused, 400, "InvalidIpForNetwork", "198.51.100.1 is not a valid IP");

    let body = json!({"network_id": network, "ip_version": 4, "cidr": "198.51.100.0/24"});
    let second = create(&t.client, "subnets", body).await;
    let made = site.floating_ip(json!({"subnet_id": second["id"]})).await;
    assert!(text(&made, "floating_ip_address").starts_with("198.51.100."), "{made}");
    assert_eq!(made.get("subnet_id"), None);
    t.stop().await;
}

#[tokio::test]
async fn a_floating_ip_leads_to_a_port_moves_and_comes_free() {
    let t = TestServer::start().await;
    let site = Site::new(&t).await;
    let (a, b) = (site.port().await, site.port().await);
    let made = site.floating_ip(json!({"port_id": a["id"]})).await;
    assert_eq!(
        (&made["port_id"], &made["router_id"], &made["status"]),
        (&a["id"], &site.router["id"], &json!("DOWN"))
    );
    assert_eq!(made["fixed_ip_address"], address(&a));
    assert_eq!(
        made["port_details"],
        json!({
            "name": "vm", "network_id": site.network["id"], "mac_address": a["mac_address"],
            "admin_state_up": true, "status": "DOWN", "device_id": "vm",
            "device_owner": "compute:nova",
        })
    );
    let by_port = format!("?port_id={}", text(&a, "id"));
    assert_eq!(list(&site.member, &by_port).await, std::slice::from_ref(&made));

    let again =
        post(&site.member, json!({"floating_network_id": site.external["id"], "port_id": a["id"]}))
            .await;
    let message = "as that fixed IP already has a floating IP on external network";
    assert_error(&again, 409, "FloatingIPPortAlreadyAssociated", message);

    let moved = put(&site.member, &made, json!({"port_id": b["id"]})).await.json();
    let moved = &moved["floatingip"];
    assert_eq!((&moved["port_id"], &moved["fixed_ip_address"]), (&b["id"], &json!(address(&b))));
    // What says nothing of the port leaves it.
    let named = put(&site.member, &made, json!({"description": "x"})).await.json();
    assert_eq!(named["floatingip"]["port_id"], b["id"]);
    let free = put(&site.member, &made, json!({"port_id": null})).await.json();
    assert_eq!(free["floatingip"]["port_id"], Value::Null);
    put(&site.member, &made, json!({"port_id": b["id"]})).await;
    // An update that says nothing is the oldest way to disassociate.
    let free = put(&site.member, &made, json!({})).await.json();
    let free = &free["floatingip"];
    for key in ["port_id", "router_id", "fixed_ip_address", "port_details"] {
        assert_eq!(free[key], Value::Null, "{key}");
    }
    assert_eq!(free["floating_ip_address"], made["floating_ip_address"]);
    assert_eq!(free["revision_number"], 5);
    let headers = site.member.with("If-Match", "revision_number=1");
    let late = put(&headers, &made, json!({"port_id": a["id"]})).await;
    assert_error(&late, 412, "RevisionNumberConstraintFailed", "current revision is 5");
    t.stop().await;
}

#[tokio::test]
async fn ports_that_cannot_be_led_to_are_refused() {
    let t = TestServer::start().await;
    let site = Site::new(&t).await;
    let floating = site.floating_ip(json!({})).await;
    let port = site.port().await;
    let (apart, _) = network(&site.member, "apart", "10.9.0.0/24").await;
    let lonely = create(&site.member, "ports", json!({"network_id": apart["id"]})).await;
    let bare = json!({"network_id": site.network["id"], "fixed_ips": []});
    let bare = create(&site.member, "ports", bare).await;
    let ips = vec![json!({"subnet_id": site.subnet["id"]}); 2];
    let double = json!({"network_id": site.network["id"], "fixed_ips": ips});
    let double = create(&site.member, "ports", double).await;
    let dhcp = json!({"network_id": site.network["id"], "device_owner": "network:dhcp",
                      "project_id": "p1"});
    let dhcp = create(&t.client, "ports", dhcp).await;
    let stranger = t.user("p2", "member,reader");
    let (theirs, _) = network(&stranger, "theirs", "10.8.0.0/24").await;
    let hidden = create(&stranger, "ports", json!({"network_id": theirs["id"]})).await;
    let guest = json!({"network_id": site.network["id"], "project_id": "p3"});
    let guest = create(&t.client, "ports", guest).await;
    let v6 = "fd00::1";
    for (body, status, kind, message) in [
        (
            json!({"port_id": lonely["id"]}),
            404,
            "ExternalGatewayForFloatingIPNotFound",
            "reachable",
        ),
        (json!({"port_id": hidden["id"]}), 404, "PortNotFound", "could not be found"),
        (json!({"port_id": bare["id"]}), 400, "BadRequest", "has no fixed IPv4 addresses"),
        (json!({"port_id": double["id"]}), 400, "BadRequest", "multiple fixed IPv4 addresses"),
        (json!({"port_id": dhcp["id"]}), 400, "BadRequest", "unable to be assigned"),
        (json!({"port_id": guest["id"]}), 400, "BadRequest", "owned by a different project"),
        (
            json!({"port_id": port["id"], "fixed_ip_address": "10.0.0.250"}),
            400,
            "BadRequest",
            "does not have fixed ip 10.0.0.250",
        ),
        (
            json!({"port_id": port["id"], "fixed_ip_address": v6}),
            400,
            "BadRequest",
            "not an IPv4 address",
        ),
        (
            json!({"fixed_ip_address": address(&port)}),
            400,
            "BadRequest",
            "fixed_ip_address cannot be specified without a port_id",
        ),
        (json!({"port_id": "x"}), 400, "HTTPBadRequest", "'x' is not a valid UUID"),
        (json!({"fixed_ip_address": "x"}), 400, "HTTPBadRequest", "'x' is not a valid IP address"),
    ] {
        assert_error(&put(&site.member, &floating, body).await, status, kind, message);
    }
    // An address named is an address found.
    let second = text(&double["fixed_ips"][1], "ip_address");
    let body = json!({"port_id": double["id"], "fixed_ip_address": second});
    let led = put(&site.member, &floating, body).await.json();
    assert_eq!(led["floatingip"]["fixed_ip_address"], second);
    // Nothing is left of creates that failed.
    let before = t.client.get("/v2.0/ports?fields=id").await.json();
    let failed = json!({"floating_network_id": site.external["id"], "port_id": lonely["id"]});
    assert_eq!(post(&site.member, failed).await.status, 404);
    assert_eq!(t.client.get("/v2.0/ports?fields=id").await.json(), before);
    t.stop().await;
}

#[tokio::test]
async fn networks_must_be_external_visible_and_have_addresses() {
    let t = TestServer::start().await;
    let site = Site::new(&t).await;
    let internal = post(&site.member, json!({"floating_network_id": site.network["id"]})).await;
    assert_error(&internal, 400, "BadRequest", "is not a valid external network.");
    let body = json!({"name": "empty", "router:external": true});
    let empty = create(&t.client, "networks", body).await;
    let refused = post(&site.member, json!({"floating_network_id": empty["id"]})).await;
    assert_error(&refused, 400, "BadRequest", "does not contain any IPv4 subnet.");
    let unknown =
        post(&site.member, json!({"floating_network_id": "00000000-0000-0000-0000-000000000000"}))
            .await;
    assert_error(&unknown, 404, "NetworkNotFound", "could not be found");

    // An external network for one project only.
    let (narrow, _) = external_network(&t, "198.51.100.0/30").await;
    let policies = format!("/v2.0/rbac-policies?object_id={}", text(&narrow, "id"));
    let policies = t.client.get(&policies).await.json();
    let policy = text(&policies["rbac_policies"][0], "id").to_string();
    let project = "11111111111111111111111111111111";
    let body = json!({"rbac_policy": {"target_tenant": project}});
    let retargeted = t.client.put(&format!("/v2.0/rbac-policies/{policy}"), &body).await;
    assert_eq!(retargeted.status, 200, "{}", retargeted.json());
    let body = json!({"floating_network_id": narrow["id"]});
    let stranger = t.user("p2", "member,reader");
    assert_error(&post(&stranger, body.clone()).await, 404, "NetworkNotFound", "could not");
    let admitted = t.user(project, "member,reader");
    assert_eq!(post(&admitted, body.clone()).await.status, 201);
    let full = post(&admitted, body).await;
    assert_error(&full, 409, "IpAddressGenerationFailure", "No more IP addresses");
    t.stop().await;
}

#[tokio::test]
async fn strangers_see_no_floating_ips_and_quotas_hold() {
    let t = TestServer::start().await;
    let site = Site::new(&t).await;
    let made = site.floating_ip(json!({})).await;
    let stranger = t.user("p2", "member,reader");
    assert_eq!(stranger.get(&path(&made)).await.status, 404);
    assert_eq!(stranger.delete(&path(&made)).await.status, 404);
    assert_eq!(put(&stranger, &made, json!({"description": "x"})).await.status, 404);
    assert_eq!(list(&stranger, "").await, Vec::<Value>::new());
    let reader = t.user("p1", "reader");
    assert_eq!(show(&reader, &made).await["id"], made["id"]);
    let refused = reader.delete(&path(&made)).await;
    assert_error(&refused, 403, "PolicyNotAuthorized", "rule:delete_floatingip");
    let body = json!({"floating_network_id": site.external["id"]});
    let refused = post(&reader, body.clone()).await;
    assert_error(&refused, 403, "PolicyNotAuthorized", "rule:create_floatingip");

    let limit = json!({"quota": {"floatingip": 1}});
    assert_eq!(t.client.put("/v2.0/quotas/p1", &limit).await.status, 200);
    let over = post(&site.member, body.clone()).await;
    assert_error(&over, 409, "OverQuota", "Quota exceeded for resources: ['floatingip'].");
    let bulk = json!({"floatingips": [body]});
    let refused = site.member.post("/v2.0/floatingips", &bulk).await;
    assert_error(&refused, 400, "HTTPBadRequest", "Bulk operation not supported");
    let unknown = json!({"floating_network_id": site.external["id"],
                         "qos_policy_id": site.external["id"]});
    let refused = post(&site.member, unknown).await;
    assert_error(&refused, 400, "HTTPBadRequest", "Unrecognized attribute(s) 'qos_policy_id'");
    t.stop().await;
}

/// The router whose address is the subnet's gateway is taken, whichever was there first.
#[tokio::test]
async fn the_router_that_is_the_gateway_translates() {
    let t = TestServer::start().await;
    let site = Site::new(&t).await;
    let mut second_subnet = site.subnet.clone();
    for n in 0..3 {
        second_subnet["gateway_ip"] = json!(format!("10.0.0.{}", 240 + n));
        router(&t, &site.member, &second_subnet, &site.external).await;
    }
    let port = site.port().await;
    let made = site.floating_ip(json!({"port_id": port["id"]})).await;
    assert_eq!(made["router_id"], site.router["id"]);
    t.stop().await;
}

/// How many floating IPs are asked for at once.
const MANY: usize = 1000;
/// How many requests are under way at a time: each has a connection of its own.
const AT_ONCE: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_creates_at_once_get_a_thousand_addresses() {
    let t = TestServer::start_with("[quotas]\nquota_floatingip = -1\n").await;
    let (external, _) = external_network(&t, "198.18.0.0/20").await;
    let places = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let tasks: Vec<_> = (0..MANY)
        .map(|_| {
            let (client, places) = (t.user("p1", "member,reader"), places.clone());
            let body = json!({"floating_network_id": external["id"]});
            tokio::spawn(async move {
                let _place = places.acquire().await.expect("open");
                let answer = post(&client, body).await;
                assert_eq!(answer.status, 201, "{}", answer.json());
                text(&answer.json()["floatingip"], "floating_ip_address").to_string()
            })
        })
        .collect();
    let mut addresses = BTreeSet::new();
    for task in tasks {
        addresses.insert(task.await.expect("created"));
    }
    assert_eq!(addresses.len(), MANY, "no address twice");
    assert_eq!(list(&t.client, "?fields=id").await.len(), MANY);
    t.stop().await;
}

#[tokio::test]
async fn floating_ips_that_lead_nowhere_go_with_their_network() {
    let t = TestServer::start().await;
    let site = Site::new(&t).await;
    let (network, _) = external_network(&t, "198.51.100.0/29").await;
    let id = text(&network, "id");
    let made = post(&site.member, json!({"floating_network_id": id})).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(t.client.delete(&format!("/v2.0/networks/{id}")).await.status, 204);
    assert_eq!(list(&site.member, "").await, Vec::<Value>::new());
    t.stop().await;
}
