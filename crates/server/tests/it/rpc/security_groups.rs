//! Security groups as agents see them: what they are told, and what they are answered.

use serde_json::{Value, json};

use super::{Agent, connect};
use crate::support::{
    client::Client,
    server::{TestServer, network, text},
};

const TOPICS: [&str; 2] =
    ["q-agent-notifier-security_group-update", "q-agent-notifier-port-update"];

async fn make(client: &Client, path: &str, member: &str, body: Value) -> Value {
    let answer = client.post(&format!("/v2.0/{path}"), &json!({ member: body })).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    answer.json()[member].clone()
}

/// The next thing `agent` is told about groups: method and groups.
struct Told<'a> {
    agent: &'a Agent,
    seen: usize,
}

impl Told<'_> {
    async fn next(&mut self) -> (String, Value) {
        self.seen += 1;
        let wanted = self.seen;
        let about_groups = |method: &str| method.starts_with("security_groups_");
        let got = self
            .agent
            .wait(|got| got.iter().filter(|r| about_groups(&r.method)).count() >= wanted)
            .await;
        let mut got = got.into_iter().filter(|r| about_groups(&r.method));
        let request = got.nth(wanted - 1).expect("waited for");
        assert_eq!(request.version.as_deref(), Some("1.1"));
        (request.method, request.args["security_groups"].clone())
    }
}

const RULES: &str = "security_groups_rule_updated";
const MEMBERS: &str = "security_groups_member_updated";

#[tokio::test]
async fn agents_hear_of_rules_and_members() {
    let t = TestServer::start().await;
    let agent = connect(&t.server.rpc, "test", "compute0", &TOPICS).await;
    let mut told = Told { agent: &agent, seen: 0 };
    let client = &t.client;
    let (net, _) = network(client, "n", "10.0.0.0/24").await;
    let web = make(client, "security-groups", "security_group", json!({"name": "web"})).await;
    let db = make(client, "security-groups", "security_group", json!({"name": "db"})).await;
    let body = json!({"security_group_id": db["id"], "direction": "ingress",
                      "protocol": "tcp", "remote_group_id": web["id"]});
    let rule = make(client, "security-group-rules", "security_group_rule", body.clone()).await;
    assert_eq!(told.next().await, (RULES.into(), json!([db["id"]])));
    let path = format!("/v2.0/security-group-rules/{}", text(&rule, "id"));
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(told.next().await, (RULES.into(), json!([db["id"]])));
    make(client, "security-group-rules", "security_group_rule", body).await;
    assert_eq!(told.next().await, (RULES.into(), json!([db["id"]])));

    let port = json!({"network_id": net["id"], "security_groups": [web["id"]]});
    let port = make(client, "ports", "port", port).await;
    assert_eq!(told.next().await, (MEMBERS.into(), json!([web["id"]])));
    let path = format!("/v2.0/ports/{}", text(&port, "id"));
    let put = async |changes: Value| {
        let answer = client.put(&path, &json!({ "port": changes })).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
    };
    put(json!({"allowed_address_pairs": [{"ip_address": "10.9.0.1"}]})).await;
    assert_eq!(told.next().await, (MEMBERS.into(), json!([web["id"]])));
    put(json!({"security_groups": [db["id"]]})).await;
    let mut both = [web["id"].clone(), db["id"].clone()];
    both.sort_by_key(Value::to_string);
    assert_eq!(told.next().await, (MEMBERS.into(), json!(both)));
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(told.next().await, (MEMBERS.into(), json!([db["id"]])));

    // Rules that name a group go with it.
    let path = format!("/v2.0/security-groups/{}", text(&web, "id"));
    let stateless = json!({"security_group": {"stateful": false}});
    assert_eq!(client.put(&path, &stateless).await.status, 200);
    assert_eq!(told.next().await, (RULES.into(), json!([web["id"]])));
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(told.next().await, (RULES.into(), json!([db["id"]])));
    t.stop().await;
}

#[tokio::test]
async fn agents_are_answered_by_the_version_they_speak() {
    let t = TestServer::start().await;
    let agent = connect(&t.server.rpc, "test", "compute0", &TOPICS).await;
    let (net, _) = network(&t.client, "n", "10.0.0.0/24").await;
    let port = json!({"network_id": net["id"], "fixed_ips": [{"ip_address": "10.0.0.5"}],
                      "mac_address": "fa:16:3e:00:00:05",
                      "allowed_address_pairs": [{"ip_address": "10.0.0.5"}]});
    let port = make(&t.client, "ports", "port", port).await;
    let group = port["security_groups"][0].as_str().expect("a group").to_string();
    let ask = async |args: Value| {
        let method = "security_group_info_for_devices";
        agent.call("q-plugin", method, "1.3", args).await.expect("answer")
    };
    let new = ask(json!({"devices": [port["id"]], "call_version": "1.3"})).await;
    assert_eq!(
        new["sg_member_ips"][&group],
        json!({"IPv4": [["10.0.0.5", null], ["10.0.0.5", "fa:16:3e:00:00:05"]], "IPv6": []})
    );
    let old = ask(json!({"devices": [port["id"]]})).await;
    assert_eq!(old["sg_member_ips"][&group], json!({"IPv4": ["10.0.0.5"], "IPv6": []}));
    assert_eq!(old["devices"], new["devices"]);
    assert_eq!(old["security_groups"][&group].as_array().map(Vec::len), Some(4));

    let args = json!({"devices": [port["id"], "nonsense"]});
    let rules = agent.call("q-plugin", "security_group_rules_for_devices", "1.1", args).await;
    let rules = rules.expect("answer");
    assert_eq!(rules.as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(rules[text(&port, "id")]["security_group_source_groups"], json!([group]));
    for bad in [json!({"devices": "x"}), json!({"devices": [1]})] {
        let refused = agent.call("q-plugin", "security_group_info_for_devices", "1.3", bad).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    t.stop().await;
}
