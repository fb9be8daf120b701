//! Security groups and address groups that other projects use.

use serde_json::{Value, json};

use crate::support::{
    client::Client,
    server::{TestServer, assert_error, network, text},
};

const P1: &str = "11111111111111111111111111111111";
const P2: &str = "22222222222222222222222222222222";

struct Projects {
    owner: Client,
    friend: Client,
}

fn projects(t: &TestServer) -> Projects {
    let member = |project| t.user(project, "member,reader");
    Projects { owner: member(P1), friend: member(P2) }
}

/// Creates `member` of the collection at `path`.
async fn make(client: &Client, path: &str, member: &str, body: Value) -> Value {
    let answer = client.post(&format!("/v2.0/{path}"), &json!({ member: body })).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    answer.json()[member].clone()
}

async fn group(client: &Client) -> Value {
    make(client, "security-groups", "security_group", json!({"name": "g"})).await
}

async fn share(client: &Client, kind: &str, object: &Value, target: &str) -> String {
    let body = json!({
        "object_type": kind, "object_id": object["id"], "target_tenant": target,
        "action": "access_as_shared",
    });
    let policy = make(client, "rbac-policies", "rbac_policy", body).await;
    format!("/v2.0/rbac-policies/{}", text(&policy, "id"))
}

#[tokio::test]
async fn a_shared_security_group_is_seen_and_used() {
    let t = TestServer::start().await;
    let Projects { owner, friend } = projects(&t);
    let sg = group(&owner).await;
    let url = format!("/v2.0/security-groups/{}", text(&sg, "id"));
    assert_eq!(sg["shared"], false);
    assert_eq!(friend.get(&url).await.status, 404);
    let policy = share(&owner, "security_group", &sg, P2).await;

    let seen = friend.get(&url).await.json()["security_group"].clone();
    assert_eq!((&seen["shared"], &seen["project_id"]), (&json!(true), &json!(P1)));
    assert_eq!(seen["security_group_rules"].as_array().map(Vec::len), Some(2));
    assert_eq!(owner.get(&url).await.json()["security_group"]["shared"], false);
    let names = async |client: &Client, query: &str| {
        let list = client.get(&format!("/v2.0/security-groups?{query}")).await.json();
        let groups = list["security_groups"].as_array().expect("list").clone();
        groups.iter().map(|g| text(g, "name").to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&friend, "shared=true").await, ["g"]);
    assert_eq!(names(&friend, "shared=false").await, ["default"]);
    assert_eq!(names(&owner, "shared=true").await, Vec::<String>::new());
    let change = json!({"security_group": {"name": "x"}});
    let refused = friend.put(&url, &change).await;
    assert_error(&refused, 403, "PolicyNotAuthorized", "rule:update_security_group");

    let (net, _) = network(&friend, "n", "10.0.0.0/24").await;
    let body = json!({"network_id": net["id"], "security_groups": [sg["id"]]});
    let port = make(&friend, "ports", "port", body).await;
    assert_eq!(port["security_groups"], json!([sg["id"]]));
    let body = json!({"name": "h"});
    let own = make(&friend, "security-groups", "security_group", body).await;
    let body = json!({"security_group_id": own["id"], "direction": "ingress",
                      "remote_group_id": sg["id"]});
    make(&friend, "security-group-rules", "security_group_rule", body).await;

    let used = owner.delete(&policy).await;
    assert_error(&used, 409, "RbacPolicyInUse", &format!("project_id={P2}"));
    let port = format!("/v2.0/ports/{}", text(&port, "id"));
    let body = json!({"port": {"security_groups": [own["id"]]}});
    assert_eq!(friend.put(&port, &body).await.status, 200);
    assert_eq!(owner.delete(&policy).await.status, 204);
    let body = json!({"port": {"security_groups": [sg["id"]]}});
    let refused = friend.put(&port, &body).await;
    assert_error(&refused, 404, "SecurityGroupNotFound", "does not exist");
    t.stop().await;
}

#[tokio::test]
async fn a_security_group_is_shared_with_everyone_by_admins() {
    let t = TestServer::start().await;
    let Projects { owner, friend } = projects(&t);
    let sg = group(&owner).await;
    let policy = share(&t.client, "security_group", &sg, "*").await;
    let url = format!("/v2.0/security-groups/{}", text(&sg, "id"));
    for client in [&owner, &friend, &t.client] {
        assert_eq!(client.get(&url).await.json()["security_group"]["shared"], true);
    }
    let (net, _) = network(&owner, "n", "10.0.0.0/24").await;
    let body = json!({"network_id": net["id"], "security_groups": [sg["id"]]});
    let port = make(&owner, "ports", "port", body).await;
    // Neutron counts the owner's ports here.
    assert_error(&t.client.delete(&policy).await, 409, "RbacPolicyInUse", "project_id=*");
    assert_eq!(owner.delete(&format!("/v2.0/ports/{}", text(&port, "id"))).await.status, 204);
    assert_eq!(t.client.delete(&policy).await.status, 204);
    t.stop().await;
}

#[tokio::test]
async fn rules_refer_to_address_groups_their_project_may_use() {
    let t = TestServer::start().await;
    let Projects { owner, friend } = projects(&t);
    let body = json!({"addresses": ["10.0.0.0/8"]});
    let addresses = make(&owner, "address-groups", "address_group", body).await;
    let sg = group(&friend).await;
    let rule = json!({"security_group_id": sg["id"], "direction": "ingress",
                      "remote_address_group_id": addresses["id"]});
    let body = json!({"security_group_rule": rule});
    let refused = friend.post("/v2.0/security-group-rules", &body).await;
    assert_error(&refused, 404, "AddressGroupNotFound", "could not be found");
    let policy = share(&owner, "address_group", &addresses, P2).await;
    let made = make(&friend, "security-group-rules", "security_group_rule", rule).await;
    assert_eq!(made["remote_address_group_id"], addresses["id"]);

    let url = format!("/v2.0/address-groups/{}", text(&addresses, "id"));
    let used = owner.delete(&url).await;
    let why = "is in use on one or more security group rules.";
    assert_error(&used, 409, "AddressGroupInUse", why);
    assert_error(&owner.delete(&policy).await, 409, "RbacPolicyInUse", "depend on it");
    let made = format!("/v2.0/security-group-rules/{}", text(&made, "id"));
    assert_eq!(friend.delete(&made).await.status, 204);
    assert_eq!(owner.delete(&policy).await.status, 204);
    assert_eq!(owner.delete(&url).await.status, 204);
    t.stop().await;
}
