//! `/v2.0/rbac-policies`: who besides its owner may use what.

use serde_json::{Value, json};

use crate::support::{
    client::{Answer, Client},
    server::{TestServer, assert_error, create, network, text},
};

const P1: &str = "11111111111111111111111111111111";
const P2: &str = "22222222222222222222222222222222";
const P3: &str = "33333333333333333333333333333333";
const NOTHING: &str = "00000000-0000-0000-0000-000000000000";

async fn ask(client: &Client, kind: &str, object: &Value, target: &str, action: &str) -> Answer {
    let body = json!({"rbac_policy": {
        "object_type": kind, "object_id": object, "target_tenant": target, "action": action,
    }});
    client.post("/v2.0/rbac-policies", &body).await
}

async fn share(client: &Client, kind: &str, object: &Value, target: &str) -> Value {
    let answer = ask(client, kind, object, target, "access_as_shared").await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    answer.json()["rbac_policy"].clone()
}

fn path(policy: &Value) -> String {
    format!("/v2.0/rbac-policies/{}", text(policy, "id"))
}

fn member(t: &TestServer, project: &str) -> Client {
    t.user(project, "member,reader")
}

#[tokio::test]
async fn a_network_shared_with_one_project_is_its_to_use() {
    let t = TestServer::start().await;
    let (owner, friend, stranger) = (member(&t, P1), member(&t, P2), member(&t, P3));
    let (net, _) = network(&owner, "n", "10.0.0.0/24").await;
    let url = format!("/v2.0/networks/{}", text(&net, "id"));
    assert_eq!(friend.get(&url).await.status, 404);
    let policy = share(&owner, "network", &net["id"], P2).await;
    assert_eq!(
        policy,
        json!({"id": policy["id"], "object_type": "network", "object_id": net["id"],
               "target_tenant": P2, "project_id": P1, "tenant_id": P1,
               "action": "access_as_shared"})
    );

    let seen = friend.get(&url).await.json()["network"].clone();
    assert_eq!((&seen["shared"], &seen["project_id"]), (&json!(true), &json!(P1)));
    // It is shared with the friend, not with everyone.
    for client in [&owner, &t.client] {
        assert_eq!(client.get(&url).await.json()["network"]["shared"], false);
    }
    let shared = friend.get("/v2.0/networks?shared=true&fields=id").await.json();
    assert_eq!(shared["networks"], json!([{"id": net["id"]}]));
    let shared = owner.get("/v2.0/networks?shared=true").await.json();
    assert_eq!(shared["networks"], json!([]));
    assert_eq!(stranger.get(&url).await.status, 404);

    let body = json!({"port": {"network_id": net["id"]}});
    let port = create(&friend, "ports", body["port"].clone()).await;
    assert_eq!(port["project_id"], P2);
    let refused = stranger.post("/v2.0/ports", &body).await;
    assert_error(&refused, 404, "NetworkNotFound", "could not be found");
    let fixed =
        json!({"port": {"network_id": net["id"], "fixed_ips": [{"ip_address": "10.0.0.9"}]}});
    assert_error(
        &friend.post("/v2.0/ports", &fixed).await,
        403,
        "PolicyNotAuthorized",
        "ip_address",
    );

    let used = owner.delete(&path(&policy)).await;
    assert_error(&used, 409, "RbacPolicyInUse", "cannot be removed because other objects depend");
    let used = owner.put(&path(&policy), &json!({"rbac_policy": {"target_tenant": P3}})).await;
    assert_error(&used, 409, "RbacPolicyInUse", "Multiple projects are using it");
    let port = format!("/v2.0/ports/{}", text(&port, "id"));
    assert_eq!(friend.delete(&port).await.status, 204);
    let moved = owner.put(&path(&policy), &json!({"rbac_policy": {"target_tenant": P3}})).await;
    assert_eq!(moved.json()["rbac_policy"]["target_tenant"], P3);
    assert_eq!((friend.get(&url).await.status, stranger.get(&url).await.status), (404, 200));
    assert_eq!(owner.delete(&path(&policy)).await.status, 204);
    assert_eq!(stranger.get(&url).await.status, 404);
    let gone = owner.get(&path(&policy)).await;
    assert_error(&gone, 404, "RbacPolicyNotFound", "RBAC policy of type unknown with ID");
    t.stop().await;
}

#[tokio::test]
async fn the_attribute_shared_is_the_policy_for_everyone() {
    let t = TestServer::start().await;
    let net = create(&t.client, "networks", json!({"project_id": P1, "shared": true})).await;
    let url = format!("/v2.0/networks/{}", text(&net, "id"));
    let list = async || t.client.get("/v2.0/rbac-policies").await.json()["rbac_policies"].clone();
    let policies = list().await;
    assert_eq!(policies[0]["target_tenant"], "*", "{policies}");
    let again = ask(&t.client, "network", &net["id"], "*", "access_as_shared").await;
    assert_error(&again, 409, "DuplicateRbacPolicy", "already exists with those values");

    // Deleting the policy unshares the network and the other way round.
    let revision = async || t.client.get(&url).await.json()["network"]["revision_number"].clone();
    let before = revision().await;
    assert_eq!(t.client.delete(&path(&policies[0])).await.status, 204);
    assert_eq!(t.client.get(&url).await.json()["network"]["shared"], false);
    assert_ne!(revision().await, before);
    share(&t.client, "network", &net["id"], "*").await;
    assert_eq!(t.client.get(&url).await.json()["network"]["shared"], true);
    let off = json!({"network": {"shared": false}});
    assert_eq!(t.client.put(&url, &off).await.json()["network"]["shared"], false);
    assert_eq!(list().await, json!([]));

    // Shared with its own project, a network is not yet shared with everyone.
    let admin = t.user(P2, "admin,member,reader");
    share(&t.client, "network", &net["id"], P2).await;
    assert_eq!(admin.get(&url).await.json()["network"]["shared"], true);
    let on = json!({"network": {"shared": true}});
    assert_eq!(admin.put(&url, &on).await.json()["network"]["shared"], true);
    assert_eq!(list().await.as_array().map(Vec::len), Some(2));
    assert_eq!(admin.put(&url, &off).await.json()["network"]["shared"], true, "by its own policy");
    assert_eq!(list().await.as_array().map(Vec::len), Some(1));
    t.stop().await;
}

#[tokio::test]
async fn a_policy_for_everyone_goes_when_others_cover_its_users() {
    let t = TestServer::start().await;
    let net = create(&t.client, "networks", json!({"project_id": P1})).await;
    let wildcard = share(&t.client, "network", &net["id"], "*").await;
    for project in [P1, P2] {
        create(&member(&t, project), "ports", json!({"network_id": net["id"]})).await;
    }
    let used = t.client.delete(&path(&wildcard)).await;
    assert_error(&used, 409, "RbacPolicyInUse", "Multiple projects are using it");
    let named = share(&t.client, "network", &net["id"], P2).await;
    // While everyone may use it, nobody needs a policy of its own.
    assert_eq!(t.client.delete(&path(&named)).await.status, 204);
    share(&t.client, "network", &net["id"], P2).await;
    assert_eq!(t.client.delete(&path(&wildcard)).await.status, 204);
    t.stop().await;
}

#[tokio::test]
async fn external_access_makes_a_network_external() {
    let t = TestServer::start().await;
    let (owner, friend) = (member(&t, P1), member(&t, P2));
    let net = create(&owner, "networks", json!({})).await;
    let url = format!("/v2.0/networks/{}", text(&net, "id"));
    let answer = ask(&owner, "network", &net["id"], P2, "access_as_external").await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    let seen = friend.get(&url).await.json()["network"].clone();
    assert_eq!((&seen["router:external"], &seen["shared"]), (&json!(true), &json!(false)));
    assert_eq!(member(&t, P3).get(&url).await.status, 404);
    let policy = answer.json()["rbac_policy"].clone();
    assert_eq!(owner.delete(&path(&policy)).await.status, 204);
    assert_eq!(owner.get(&url).await.json()["network"]["router:external"], false);

    let both = json!({"router:external": true});
    let net = create(&t.client, "networks", both).await;
    let url = format!("/v2.0/networks/{}", text(&net, "id"));
    ask(&t.client, "network", &net["id"], P2, "access_as_external").await;
    let off = json!({"network": {"router:external": false}});
    assert_eq!(t.client.put(&url, &off).await.json()["network"]["router:external"], false);
    let left = t.client.get("/v2.0/rbac-policies").await.json();
    assert_eq!(left["rbac_policies"], json!([]), "none outlives the attribute");
    t.stop().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let t = TestServer::start().await;
    let (owner, other) = (member(&t, P1), member(&t, P2));
    let (net, _) = network(&owner, "n", "10.0.0.0/24").await;
    let id = &net["id"];
    let shared = "access_as_shared";
    let refused = ask(&owner, "bgpvpn", id, P2, shared).await;
    assert_error(&refused, 400, "InvalidInput", "'bgpvpn' is not a valid RBAC object type");
    let refused = ask(&owner, "network", id, P2, "access_as_owner").await;
    let why = "Invalid action 'access_as_owner' for object type 'network'. Valid actions: \
               ('access_as_shared', 'access_as_external')";
    assert_error(&refused, 400, "InvalidActionForType", why);
    let refused = ask(&owner, "network", id, "everyone", shared).await;
    assert_error(&refused, 400, "InvalidInput", "expected a UUID or '*'");
    let refused = ask(&owner, "network", &json!("x"), P2, shared).await;
    assert_error(&refused, 400, "HTTPBadRequest", "'x' is not a valid UUID");
    let refused = ask(&owner, "network", &json!(NOTHING), P2, shared).await;
    assert_error(&refused, 400, "InvalidInput", &format!("Network {NOTHING} could not be found."));
    let refused = ask(&t.client, "address_group", &json!(NOTHING), P2, shared).await;
    assert_error(&refused, 400, "InvalidInput", "Address group");
    let refused = owner.post("/v2.0/rbac-policies", &json!({"rbac_policy": {}})).await;
    assert_error(&refused, 400, "HTTPBadRequest", "Required attribute 'object_id' not specified");

    // The stars are the administrators'.
    let refused = ask(&owner, "network", id, "*", shared).await;
    assert_error(&refused, 403, "PolicyNotAuthorized", "rule:create_rbac_policy:target_tenant");
    let policy = share(&owner, "network", id, P2).await;
    let star = json!({"rbac_policy": {"target_tenant": "*"}});
    let refused = owner.put(&path(&policy), &star).await;
    assert_error(&refused, 403, "PolicyNotAuthorized", "rule:update_rbac_policy:target_tenant");
    // Whom a network is shared with may not share it further, nor see the policy.
    let refused = ask(&other, "network", id, P3, shared).await;
    assert_error(&refused, 400, "InvalidInput", "Only admins can manipulate policies on networks");
    assert_eq!(other.get(&path(&policy)).await.status, 404);
    let none = other.get("/v2.0/rbac-policies").await.json();
    assert_eq!(none["rbac_policies"], json!([]));
    let change = json!({"rbac_policy": {"action": "access_as_external"}});
    let refused = owner.put(&path(&policy), &change).await;
    assert_error(&refused, 400, "HTTPBadRequest", "Cannot update read-only attribute action");
    let refused = owner.get("/v2.0/rbac-policies?sort_key=id&sort_dir=asc").await;
    assert_error(&refused, 400, "HTTPBadRequest", "is invalid attribute for sort_keys");
    t.stop().await;
}

#[tokio::test]
async fn lists_are_filtered_and_have_no_pages() {
    let t = TestServer::start().await;
    let owner = member(&t, P1);
    let mut made = Vec::new();
    for target in [P2, P3] {
        let (net, _) = network(&owner, "n", "10.0.0.0/24").await;
        made.push(share(&owner, "network", &net["id"], target).await);
    }
    let group = json!({"address_group": {}});
    let group = owner.post("/v2.0/address-groups", &group).await.json()["address_group"].clone();
    made.push(share(&owner, "address_group", &group["id"], P2).await);
    let found = async |query: &str| {
        let answer = owner.get(&format!("/v2.0/rbac-policies?{query}")).await.json();
        assert_eq!(answer.get("rbac_policies_links"), None);
        answer["rbac_policies"].as_array().map(Vec::len)
    };
    assert_eq!(found("limit=1").await, Some(3));
    assert_eq!(found("object_type=network").await, Some(2));
    assert_eq!(found(&format!("target_tenant={P2}")).await, Some(2));
    assert_eq!(found(&format!("object_type=network&target_tenant={P2}")).await, Some(1));
    assert_eq!(found(&format!("object_id={}", text(&group, "id"))).await, Some(1));
    assert_eq!(found("action=access_as_external").await, Some(0));
    assert_eq!(owner.get(&path(&made[2])).await.json()["rbac_policy"], made[2]);
    t.stop().await;
}

#[tokio::test]
async fn address_groups_are_shared() {
    let t = TestServer::start().await;
    let (owner, friend) = (member(&t, P1), member(&t, P2));
    let body = json!({"address_group": {"addresses": ["10.0.0.0/8"]}});
    let group = owner.post("/v2.0/address-groups", &body).await.json()["address_group"].clone();
    let url = format!("/v2.0/address-groups/{}", text(&group, "id"));
    assert_eq!(friend.get(&url).await.status, 404);
    let refused = ask(&friend, "address_group", &group["id"], P3, "access_as_shared").await;
    assert_error(&refused, 400, "InvalidInput", "Only admins can manipulate policies on objects");
    let policy = share(&owner, "address_group", &group["id"], P2).await;
    assert_eq!(friend.get(&url).await.json()["address_group"], group);
    let listed = friend.get("/v2.0/address-groups").await.json();
    assert_eq!(listed["address_groups"], json!([group]));
    let refused = friend.delete(&url).await;
    assert_error(&refused, 403, "PolicyNotAuthorized", "rule:delete_address_group");
    let addresses = json!({"addresses": ["11.0.0.0/8"]});
    let refused = friend.put(&format!("{url}/add_addresses"), &addresses).await;
    assert_error(&refused, 403, "PolicyNotAuthorized", "rule:add_addresses");
    let refused = ask(&owner, "address_group", &group["id"], P2, "access_as_external").await;
    assert_error(&refused, 400, "InvalidActionForType", "('access_as_shared',)");
    // Policies go with their object.
    assert_eq!(owner.delete(&url).await.status, 204);
    assert_eq!(owner.get(&path(&policy)).await.status, 404);
    t.stop().await;
}

#[tokio::test]
async fn policies_count_against_the_quota_of_who_makes_them() {
    let t = TestServer::start_with("[quotas]\nquota_rbac_policy = 2\n").await;
    let owner = member(&t, P1);
    let (net, _) = network(&owner, "n", "10.0.0.0/24").await;
    share(&owner, "network", &net["id"], P2).await;
    let group = json!({"address_group": {}});
    let group = owner.post("/v2.0/address-groups", &group).await.json()["address_group"].clone();
    share(&owner, "address_group", &group["id"], P2).await;
    let refused = ask(&owner, "network", &net["id"], P3, "access_as_shared").await;
    assert_error(&refused, 409, "OverQuota", "Quota exceeded for resources: ['rbac_policy'].");
    let details = t.client.get(&format!("/v2.0/quotas/{P1}/details")).await.json();
    assert_eq!(details["quota"]["rbac_policy"]["used"], 2);
    t.stop().await;
}
