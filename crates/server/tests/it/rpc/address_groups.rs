//! Address groups as agents see them: members behind the rules that refer to them.

use serde_json::{Value, json};

use super::connect;
use crate::support::server::{TestServer, network, text};

#[tokio::test]
async fn agents_get_the_addresses_and_hear_when_they_change() {
    let t = TestServer::start().await;
    let client = t.user("p1", "member,reader");
    let make = async |path: &str, member: &str, body: Value| {
        let answer = client.post(&format!("/v2.0/{path}"), &json!({ member: body })).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        answer.json()[member].clone()
    };
    let body = json!({"addresses": ["10.1.0.0/16", "fd00::/64"]});
    let addresses = make("address-groups", "address_group", body).await;
    let sg = make("security-groups", "security_group", json!({"name": "g"})).await;
    let (net, _) = network(&client, "n", "10.0.0.0/24").await;
    let body = json!({"network_id": net["id"], "security_groups": [sg["id"]]});
    let port = make("ports", "port", body).await;
    let agent =
        connect(&t.server.rpc, "test", "compute0", &["q-agent-notifier-security_group-update"])
            .await;

    // Nobody refers to them yet: nobody is told.
    let action = format!("/v2.0/address-groups/{}/add_addresses", text(&addresses, "id"));
    let more = json!({"addresses": ["10.2.0.0/16"]});
    assert_eq!(client.put(&action, &more).await.status, 200);
    let body = json!({"security_group_id": sg["id"], "direction": "ingress",
                      "remote_address_group_id": addresses["id"]});
    make("security-group-rules", "security_group_rule", body).await;
    let count = agent.received(1).await.len();
    let more = json!({"addresses": ["10.3.0.0/16"]});
    assert_eq!(client.put(&action, &more).await.status, 200);
    let told = agent.received(count + 1).await;
    assert_eq!(told[count].method, "security_groups_rule_updated");
    assert_eq!(told[count].args["security_groups"], json!([sg["id"]]));

    let asked = json!({"devices": [port["id"]], "call_version": "1.3"});
    let info = agent
        .call("q-plugin", "security_group_info_for_devices", "1.3", asked)
        .await
        .expect("answer");
    let id = text(&addresses, "id");
    assert_eq!(
        info["sg_member_ips"][id],
        json!({"IPv4": [["10.1.0.0/16", null], ["10.2.0.0/16", null], ["10.3.0.0/16", null]]})
    );
    let device = &info["devices"][text(&port, "id")];
    assert_eq!(device["security_group_remote_address_groups"], json!([id]));
    t.stop().await;
}
