//! `/v2.0/security-groups`, and the groups of ports.

use serde_json::{Value, json};

use crate::support::{
    client::Client,
    server::{TestServer, assert_error, create, network, text},
};

/// Creates a group and answers it.
async fn group(client: &Client, body: Value) -> Value {
    let answer = client.post("/v2.0/security-groups", &json!({"security_group": body})).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    answer.json()["security_group"].clone()
}

async fn groups(client: &Client, query: &str) -> Vec<Value> {
    let answer = client.get(&format!("/v2.0/security-groups{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()["security_groups"].as_array().expect("list").clone()
}

/// What rules let through, short and sorted.
fn gist(group: &Value) -> Vec<String> {
    let rules = group["security_group_rules"].as_array().expect("rules");
    let mut out: Vec<String> = rules
        .iter()
        .map(|r| {
            let remote = if r["remote_group_id"] == group["id"] { " self" } else { "" };
            format!("{} {}{remote}", text(r, "direction"), text(r, "ethertype"))
        })
        .collect();
    out.sort();
    out
}

#[tokio::test]
async fn a_project_has_a_default_group_from_the_first_list_network_or_port() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let found = groups(&member, "").await;
    assert_eq!(found.len(), 1);
    let default = &found[0];
    assert_eq!((text(default, "name"), text(default, "project_id")), ("default", "p1"));
    assert_eq!(default["description"], "Default security group");
    assert_eq!(default["stateful"], true);
    assert_eq!(
        gist(default),
        ["egress IPv4", "egress IPv6", "ingress IPv4 self", "ingress IPv6 self"]
    );
    let rule = &default["security_group_rules"][0];
    assert_eq!(
        (&rule["description"], &rule["belongs_to_default_sg"]),
        (&json!(null), &json!(true))
    );
    assert_eq!(groups(&member, "").await, found, "made once");

    // An administrator's network makes its project's group.
    create(&t.client, "networks", json!({"name": "n", "project_id": "p2"})).await;
    let (net, _) = network(&t.client, "n", "10.0.0.0/24").await;
    let port = json!({"network_id": net["id"], "project_id": "p3"});
    let port = create(&t.client, "ports", port).await;
    for project in ["p2", "p3"] {
        let found = groups(&t.client, &format!("?project_id={project}&name=default")).await;
        assert_eq!(found.len(), 1, "{project}");
        if project == "p3" {
            assert_eq!(port["security_groups"], json!([found[0]["id"]]));
        }
    }
    // Nobody makes one for somebody else.
    assert_eq!(groups(&member, "?project_id=p4").await, Vec::<Value>::new());
    let all = t.client.get("/v2.0/security-groups?fields=project_id").await.json();
    assert!(!all.to_string().contains("p4"), "{all}");
    t.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_first_requests_at_once_make_one_default_group() {
    let t = TestServer::start().await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let member = t.user("p1", "member,reader");
            tokio::spawn(async move { groups(&member, "").await.len() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.expect("task"), 1);
    }
    t.stop().await;
}

#[tokio::test]
async fn lifecycle() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let made = group(&member, json!({"name": "web", "description": "d"})).await;
    assert_eq!(gist(&made), ["egress IPv4", "egress IPv6"]);
    assert_eq!((&made["revision_number"], &made["shared"]), (&json!(1), &json!(false)));
    assert_eq!(made["tags"], json!([]));
    let path = format!("/v2.0/security-groups/{}", text(&made, "id"));
    assert_eq!(member.get(&path).await.json()["security_group"], made);
    let put = |body: Value| {
        let (member, path) = (member.clone(), path.clone());
        async move { member.put(&path, &json!({"security_group": body})).await }
    };
    let changed = put(json!({"name": "web2", "stateful": false})).await.json();
    let changed = &changed["security_group"];
    assert_eq!((&changed["name"], &changed["stateful"]), (&json!("web2"), &json!(false)));
    assert_eq!(changed["revision_number"], 2);
    assert_eq!(groups(&member, "?stateful=false&name=web2").await.len(), 1);
    assert_eq!(groups(&member, "?shared=true").await.len(), 0);
    assert_eq!(groups(&member, "?sort_key=name&sort_dir=desc&fields=name").await.len(), 2);
    assert_eq!(member.put(&format!("{path}/tags/blue"), &json!({})).await.status, 201);
    assert_eq!(groups(&member, "?tags=blue").await.len(), 1);

    let other = t.user("p2", "member,reader");
    assert_error(&other.get(&path).await, 404, "SecurityGroupNotFound", "does not exist");
    assert_eq!(member.delete(&path).await.status, 204);
    assert_error(&member.get(&path).await, 404, "SecurityGroupNotFound", "does not exist");
    t.stop().await;
}

#[tokio::test]
async fn the_default_group_keeps_its_name_and_stays() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    for name in ["default", "DEFAULT"] {
        let body = json!({"security_group": {"name": name}});
        let answer = member.post("/v2.0/security-groups", &body).await;
        assert_error(&answer, 409, "SecurityGroupDefaultAlreadyExists", "already exists.");
    }
    let default = groups(&member, "").await.remove(0);
    let path = format!("/v2.0/security-groups/{}", text(&default, "id"));
    for client in [&member, &t.client] {
        let answer = client.put(&path, &json!({"security_group": {"name": "other"}})).await;
        assert_error(&answer, 409, "SecurityGroupCannotUpdateDefault", "not allowed.");
    }
    let answer = member.put(&path, &json!({"security_group": {"description": "mine"}})).await;
    assert_eq!(answer.json()["security_group"]["description"], "mine");
    let refused = member.delete(&path).await;
    assert_error(&refused, 409, "SecurityGroupCannotRemoveDefault", "Insufficient rights");
    assert_eq!(t.client.delete(&path).await.status, 204);
    assert_ne!(groups(&member, "").await[0]["id"], default["id"], "a new one");
    t.stop().await;
}

#[tokio::test]
async fn ports_are_in_the_groups_asked_for() {
    let t = TestServer::start().await;
    let (net, _) = network(&t.client, "n", "10.0.0.0/24").await;
    let (a, b) = (group(&t.client, json!({"name": "a"})).await, group(&t.client, json!({})).await);
    let mut both = vec![a["id"].clone(), b["id"].clone()];
    both.sort_by_key(Value::to_string);
    let port = |groups: Value| json!({"network_id": net["id"], "security_groups": groups});
    let made = create(&t.client, "ports", port(json!([b["id"], a["id"]]))).await;
    assert_eq!(made["security_groups"], json!(both));
    let bare = create(&t.client, "ports", port(json!([]))).await;
    assert_eq!(bare["security_groups"], json!([]));
    let dhcp = json!({"network_id": net["id"], "device_owner": "network:dhcp"});
    assert_eq!(create(&t.client, "ports", dhcp).await["security_groups"], json!([]));

    let filter = format!("/v2.0/ports?security_groups={}&fields=id", text(&a, "id"));
    let list = t.client.get(&filter).await.json();
    assert_eq!(list, json!({"ports": [{"id": made["id"]}]}));

    let path = format!("/v2.0/ports/{}", text(&made, "id"));
    let changed = t.client.put(&path, &json!({"port": {"security_groups": [a["id"]]}})).await;
    let changed = changed.json()["port"].clone();
    assert_eq!(changed["security_groups"], json!([a["id"]]));
    assert_eq!(changed["revision_number"], json!(2));
    assert_eq!(t.client.get(&path).await.json()["port"], changed);
    let group_path = |g: &Value| format!("/v2.0/security-groups/{}", text(g, "id"));
    let in_use = t.client.delete(&group_path(&a)).await;
    assert_error(&in_use, 409, "SecurityGroupInUse", "in use.");
    let stateless = json!({"security_group": {"stateful": false}});
    assert_error(&t.client.put(&group_path(&a), &stateless).await, 409, "SecurityGroupInUse", "");
    assert_eq!(t.client.delete(&group_path(&b)).await.status, 204);

    for (body, status, kind, message) in [
        (json!(["nope"]), 400, "HTTPBadRequest", "'nope' is not a valid UUID"),
        (json!([a["id"], a["id"]]), 400, "HTTPBadRequest", "Duplicate items in the list"),
        (json!("x"), 400, "HTTPBadRequest", "'x' is not a list"),
        (json!([b["id"]]), 404, "SecurityGroupNotFound", "does not exist"),
    ] {
        let answer = t.client.post("/v2.0/ports", &json!({"port": port(body)})).await;
        assert_error(&answer, status, kind, message);
    }
    let foreign = groups(&t.user("p2", "member,reader"), "").await.remove(0);
    let body = json!({"port": {"security_groups": [foreign["id"]]}});
    let member = t.user("fake_project_id", "member,reader");
    assert_error(&member.put(&path, &body).await, 404, "SecurityGroupNotFound", "does not exist");
    let plain = group(&t.client, json!({"stateful": false})).await;
    let mixed =
        t.client.post("/v2.0/ports", &json!({"port": port(json!([a["id"], plain["id"]]))})).await;
    assert_error(&mixed, 409, "SecurityGroupConflict", "both stateful and stateless");
    t.stop().await;
}

#[tokio::test]
async fn groups_need_port_security() {
    let t = TestServer::start().await;
    let (net, _) = network(&t.client, "n", "10.0.0.0/24").await;
    let a = group(&t.client, json!({"name": "a"})).await;
    let open = json!({"network_id": net["id"], "port_security_enabled": false});
    let port = create(&t.client, "ports", open.clone()).await;
    assert_eq!(port["security_groups"], json!([]));
    let mut grouped = open;
    grouped["security_groups"] = json!([a["id"]]);
    let refused = t.client.post("/v2.0/ports", &json!({ "port": grouped })).await;
    let kind = "PortSecurityAndIPRequiredForSecurityGroups";
    assert_error(&refused, 400, kind, "Port security must be enabled");
    let put = |port: &Value, body: Value| {
        let (client, path) = (t.client.clone(), format!("/v2.0/ports/{}", text(port, "id")));
        async move { client.put(&path, &json!({ "port": body })).await }
    };
    assert_error(&put(&port, json!({"security_groups": [a["id"]]})).await, 400, kind, "");
    let closed = create(&t.client, "ports", json!({"network_id": net["id"]})).await;
    let refused = put(&closed, json!({"port_security_enabled": false})).await;
    assert_error(
        &refused,
        409,
        "PortSecurityPortHasSecurityGroup",
        "until security group is removed.",
    );
    let opened = put(&closed, json!({"port_security_enabled": false, "security_groups": []})).await;
    assert_eq!(opened.status, 200, "{}", opened.json());
    t.stop().await;
}

#[tokio::test]
async fn quotas_count_groups_and_the_rules_they_start_with() {
    let t = TestServer::start_with("[quotas]\nquota_security_group = 3\n").await;
    let member = t.user("p1", "member,reader");
    group(&member, json!({})).await;
    group(&member, json!({})).await;
    let full = member.post("/v2.0/security-groups", &json!({"security_group": {}})).await;
    assert_error(&full, 409, "OverQuota", "Quota exceeded for resources: ['security_group'].");
    let used = t.client.get("/v2.0/quotas/p1/details.json").await.json();
    assert_eq!(used["quota"]["security_group"]["used"], 3, "{used}");
    assert_eq!(used["quota"]["security_group_rule"]["used"], 8, "{used}");
    t.stop().await;
}
