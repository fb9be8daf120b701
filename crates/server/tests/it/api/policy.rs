//! Who may do and see what: 403, 404 and attributes left out, as Neutron's default rules say.

use serde_json::{Value, json};

use crate::support::server::{TestServer, assert_error, create, network, text};

#[tokio::test]
async fn strangers_see_nothing_of_private_networks() {
    let t = TestServer::start().await;
    let (owner, stranger) = (t.user("p1", "member,reader"), t.user("p2", "member,reader"));
    let (net, subnet) = network(&owner, "n", "10.0.0.0/24").await;
    let port = create(&owner, "ports", json!({"network_id": net["id"]})).await;
    for (collection, item) in [("networks", &net), ("subnets", &subnet), ("ports", &port)] {
        let path = format!("/v2.0/{collection}/{}", text(item, "id"));
        assert_eq!(owner.get(&path).await.status, 200, "{path}");
        assert_eq!(stranger.get(&path).await.status, 404, "{path}");
        assert_eq!(stranger.delete(&path).await.status, 404, "{path}");
        let member = &collection[..collection.len() - 1];
        let change = stranger.put(&path, &json!({member: {"name": "x"}})).await;
        assert_eq!(change.status, 404, "{path}");
        let list = stranger.get(&format!("/v2.0/{collection}")).await.json();
        assert_eq!(list[collection], json!([]), "{list}");
    }
    t.stop().await;
}

#[tokio::test]
async fn shared_network_is_seen_but_not_changed() {
    let t = TestServer::start().await;
    let net = create(&t.client, "networks", json!({"name": "n", "shared": true})).await;
    let body = json!({"network_id": net["id"], "ip_version": 4, "cidr": "10.0.0.0/24"});
    let subnet = create(&t.client, "subnets", body).await;
    let member = t.user("p2", "member,reader");
    let path = format!("/v2.0/networks/{}", text(&net, "id"));
    let seen = member.get(&path).await.json()["network"].clone();
    assert_eq!((seen["shared"].clone(), seen["name"].clone()), (json!(true), json!("n")));
    for key in ["provider:network_type", "provider:segmentation_id", "provider:physical_network"] {
        assert_eq!(seen.get(key), None, "{key}");
    }
    let subnets = member.get("/v2.0/subnets?fields=id").await.json();
    assert_eq!(subnets["subnets"], json!([{"id": subnet["id"]}]));
    let change = member.put(&path, &json!({"network": {"name": "x"}})).await;
    assert_error(&change, 403, "PolicyNotAuthorized", "rule:update_network");
    assert_error(&member.delete(&path).await, 403, "PolicyNotAuthorized", "rule:delete_network");
    let port = create(&member, "ports", json!({"network_id": net["id"]})).await;
    assert_eq!(port["project_id"], "p2");
    for key in ["binding:host_id", "binding:profile", "binding:vif_type", "binding:vif_details"] {
        assert_eq!(port.get(key), None, "{key}");
    }
    assert_eq!(port["binding:vnic_type"], "normal");
    t.stop().await;
}

#[tokio::test]
async fn administrative_attributes_need_the_role() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    for (attribute, value) in [
        ("shared", json!(true)),
        ("router:external", json!(true)),
        ("provider:network_type", json!("vlan")),
    ] {
        let body = json!({"network": {"name": "n", attribute: value}});
        let answer = member.post("/v2.0/networks", &body).await;
        assert_error(
            &answer,
            403,
            "PolicyNotAuthorized",
            &format!("rule:create_network:{attribute}"),
        );
    }
    let default = json!({"network": {"name": "n", "shared": false}});
    assert_eq!(member.post("/v2.0/networks", &default).await.status, 201, "the default is free");
    let reader = t.user("p1", "reader");
    let answer = reader.post("/v2.0/networks", &json!({"network": {"name": "n"}})).await;
    assert_error(
        &answer,
        403,
        "PolicyNotAuthorized",
        "rule:create_network is disallowed by policy",
    );
    let foreign = member.post("/v2.0/networks", &json!({"network": {"project_id": "p2"}})).await;
    assert_eq!(foreign.status, 400, "{}", foreign.json());
    let admin = t.client.post("/v2.0/networks", &json!({"network": {"project_id": "p2"}})).await;
    assert_eq!(admin.json()["network"]["tenant_id"], "p2");
    t.stop().await;
}

#[tokio::test]
async fn ports_on_foreign_private_networks_are_refused() {
    let t = TestServer::start().await;
    let net = create(&t.client, "networks", json!({"name": "n"})).await;
    let member = t.user("p2", "member,reader");
    let answer = member.post("/v2.0/ports", &json!({"port": {"network_id": net["id"]}})).await;
    assert_error(&answer, 404, "NetworkNotFound", "could not be found.");
    let answer = member
        .post(
            "/v2.0/subnets",
            &json!({"subnet": {"network_id": net["id"], "ip_version": 4, "cidr": "10.0.0.0/24"}}),
        )
        .await;
    assert_error(&answer, 403, "PolicyNotAuthorized", "rule:create_subnet");
    let list = t.client.get("/v2.0/ports").await.json();
    assert_eq!(list["ports"], json!([]));
    t.stop().await;
}

#[tokio::test]
async fn policy_file_overrides_defaults() {
    let t = TestServer::start_with("[oslo_policy]\npolicy_file = {dir}/policy.yaml\n").await;
    // Read at start: a server without the file and one with it answer differently.
    let member = t.user("p1", "member,reader");
    assert_eq!(member.post("/v2.0/networks", &json!({"network": {}})).await.status, 201);
    let dir = neutrino_db::testing::TempDir::new("policy").expect("directory");
    let file = dir.path().join("policy.yaml");
    std::fs::write(&file, "\"create_network\": \"role:boss\"\n").expect("write");
    let options = format!("[oslo_policy]\npolicy_file = {}\n", file.display());
    let strict = TestServer::start_with(&options).await;
    let member = strict.user("p1", "member,reader");
    let refused = member.post("/v2.0/networks", &json!({"network": {}})).await;
    assert_error(&refused, 403, "PolicyNotAuthorized", "rule:create_network");
    let boss = strict.user("p1", "boss");
    assert_eq!(boss.post("/v2.0/networks", &json!({"network": {}})).await.status, 201);
    strict.stop().await;
    t.stop().await;
}

#[tokio::test]
async fn policy_directories_are_read_after_the_file() {
    let dir = neutrino_db::testing::TempDir::new("policies").expect("directory");
    let write = |name: &str, rule: &str| {
        let text = format!("\"create_network\": \"{rule}\"\n");
        std::fs::write(dir.path().join(name), text).expect("write");
    };
    std::fs::create_dir(dir.path().join("d")).expect("directory");
    write("policy.yaml", "role:file");
    write("d/1.yaml", "role:first");
    write("d/2.yaml", "role:second");
    write("d/.hidden", "role:hidden");
    let path = dir.path().display();
    let options = format!(
        "[oslo_policy]\npolicy_file = {path}/policy.yaml\npolicy_dirs = {path}/none\n\
         policy_dirs = {path}/d\n"
    );
    let t = TestServer::start_with(&options).await;
    for (role, status) in [("file", 403), ("first", 403), ("hidden", 403), ("second", 201)] {
        let answer = t.user("p1", role).post("/v2.0/networks", &json!({"network": {}})).await;
        assert_eq!(answer.status, status, "{role}");
    }
    t.stop().await;
}

#[tokio::test]
async fn tags_follow_the_resource() {
    let t = TestServer::start().await;
    let (owner, stranger) = (t.user("p1", "member,reader"), t.user("p2", "member,reader"));
    let net: Value = create(&owner, "networks", json!({"name": "n"})).await;
    let path = format!("/v2.0/networks/{}/tags", text(&net, "id"));
    assert_eq!(owner.put(&path, &json!({"tags": ["a"]})).await.status, 200);
    let refused = stranger.put(&path, &json!({"tags": ["b"]})).await;
    assert_error(&refused, 403, "PolicyNotAuthorized", "rule:update_network:tags");
    assert_eq!(stranger.get(&path).await.status, 403);
    t.stop().await;
}

#[tokio::test]
async fn addresses_of_a_port_are_the_business_of_who_owns_its_network() {
    let t = TestServer::start().await;
    let net = create(&t.client, "networks", json!({"shared": true, "project_id": "p1"})).await;
    let (owner, user) = (t.user("p1", "member,reader"), t.user("p2", "member,reader"));
    let pair = json!([{"ip_address": "10.9.0.1", "mac_address": "fa:16:3e:00:00:01"}]);
    let settings = [("allowed_address_pairs", pair), ("port_security_enabled", json!(false))];
    let port = create(&user, "ports", json!({"network_id": net["id"]})).await;
    let path = format!("/v2.0/ports/{}", text(&port, "id"));
    for (name, value) in settings {
        let body = json!({"port": {"network_id": net["id"], name: value}});
        let refused = user.post("/v2.0/ports", &body).await;
        assert_error(&refused, 403, "PolicyNotAuthorized", &format!("rule:create_port:{name}"));
        let made = owner.post("/v2.0/ports", &body).await;
        assert_eq!(made.status, 201, "{}", made.json());
        let refused = user.put(&path, &json!({"port": {name: value}})).await;
        assert_error(&refused, 403, "PolicyNotAuthorized", &format!("rule:update_port:{name}"));
        // An empty list says something too.
        if value.is_array() {
            let refused = user.put(&path, &json!({"port": {name: []}})).await;
            assert_error(&refused, 403, "PolicyNotAuthorized", name);
        }
    }
    t.stop().await;
}
