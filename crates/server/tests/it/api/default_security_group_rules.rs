//! `/v2.0/default-security-group-rules`.

use serde_json::json;

use crate::support::server::{TestServer, assert_error, create, text};

const PATH: &str = "/v2.0/default-security-group-rules";

#[tokio::test]
async fn new_groups_start_with_them() {
    let t = TestServer::start().await;
    let list = t.client.get(PATH).await.json();
    let list = list["default_security_group_rules"].as_array().expect("list").clone();
    assert_eq!(list.len(), 4);
    assert_eq!(list.iter().filter(|r| r["remote_group_id"] == "PARENT").count(), 2);

    let ssh = json!({"default_security_group_rule": {
        "direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22,
        "used_in_default_sg": false, "used_in_non_default_sg": true, "description": "ssh"}});
    let made = t.client.post(PATH, &ssh).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let made = made.json()["default_security_group_rule"].clone();
    let keys: Vec<&str> = made.as_object().expect("object").keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "id",
            "ethertype",
            "direction",
            "protocol",
            "port_range_min",
            "port_range_max",
            "remote_ip_prefix",
            "remote_address_group_id",
            "remote_group_id",
            "description",
            "used_in_default_sg",
            "used_in_non_default_sg"
        ]
    );
    let again = t.client.post(PATH, &ssh).await;
    assert_error(&again, 409, "DefaultSecurityGroupRuleExists", text(&made, "id"));

    let group = t.client.post("/v2.0/security-groups", &json!({"security_group": {}})).await.json();
    let rules = group["security_group"]["security_group_rules"].as_array().expect("rules").clone();
    assert_eq!(rules.len(), 3);
    let ssh = rules.iter().find(|r| r["port_range_min"] == 22).expect("the rule");
    assert_eq!(ssh["description"], json!(null));
    let default = t.client.get("/v2.0/security-groups?name=default").await.json();
    let rules = default["security_groups"][0]["security_group_rules"].as_array().map(Vec::len);
    assert_eq!(rules, Some(4));

    let path = format!("{PATH}/{}", text(&made, "id"));
    assert_eq!(t.client.get(&path).await.json()["default_security_group_rule"], made);
    let found = t.client.get(&format!("{PATH}?used_in_default_sg=false&description=ssh")).await;
    assert_eq!(found.json()["default_security_group_rules"], json!([made]));
    assert_eq!(t.client.delete(&path).await.status, 204);
    let gone = t.client.get(&path).await;
    assert_error(&gone, 404, "DefaultSecurityGroupRuleNotFound", "does not exist");
    t.stop().await;
}

#[tokio::test]
async fn only_administrators_change_them() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let list = member.get(PATH).await.json();
    let id = text(&list["default_security_group_rules"][0], "id").to_string();
    let body = json!({"default_security_group_rule": {
        "direction": "ingress", "used_in_default_sg": true, "used_in_non_default_sg": true}});
    assert_error(&member.post(PATH, &body).await, 403, "PolicyNotAuthorized", "disallowed");
    let refused = member.delete(&format!("{PATH}/{id}")).await;
    assert_error(&refused, 403, "PolicyNotAuthorized", "disallowed");
    let partial = json!({"default_security_group_rule": {"direction": "ingress"}});
    let refused = t.client.post(PATH, &partial).await;
    assert_error(&refused, 400, "HTTPBadRequest", "Required attribute 'used_in_default_sg'");
    t.stop().await;
}

#[tokio::test]
async fn a_rule_about_something_gone_keeps_nobody_from_a_group() {
    let t = TestServer::start().await;
    let name = json!({ "name": "short-lived" });
    let group = create(&t.client, "security-groups", name.clone()).await;
    let addresses = create(&t.client, "address-groups", name).await;
    for (key, remote) in [("remote_group_id", &group), ("remote_address_group_id", &addresses)] {
        let rule = json!({"default_security_group_rule": {
            "direction": "ingress", key: remote["id"], "used_in_default_sg": true,
            "used_in_non_default_sg": true}});
        assert_eq!(t.client.post(PATH, &rule).await.status, 201);
    }
    let remotes = |project: &'static str| {
        let member = t.user(project, "member,reader");
        async move {
            let body = json!({"security_group": {"name": "g"}});
            let made = member.post("/v2.0/security-groups", &body).await;
            assert_eq!(made.status, 201, "{}", made.json());
            let list = member.get("/v2.0/security-group-rules?direction=ingress").await.json();
            list["security_group_rules"].as_array().map(Vec::len)
        }
    };
    // Its default group lets its members in, and both groups have both rules.
    assert_eq!(remotes("p1").await, Some(6));
    let path = format!("/v2.0/security-groups/{}", text(&group, "id"));
    assert_eq!(t.client.delete(&path).await.status, 204);
    assert_eq!(remotes("p2").await, Some(4));
    t.stop().await;
}
