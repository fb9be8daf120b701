//! Address scopes as L3 agents hear of them.

use serde_json::{Value, json};

use super::l3::{l3_agent, sync, told_until};
use crate::support::server::{TestServer, create, text};

#[tokio::test]
async fn routers_are_told_the_scopes_of_their_ports_and_when_they_change() {
    let t = TestServer::start().await;
    let scope = create(&t.client, "address-scopes", json!({"name": "s", "ip_version": 4})).await;
    let pool = json!({"name": "p", "prefixes": ["10.0.0.0/16"], "default_prefixlen": 24,
                      "address_scope_id": scope["id"]});
    let pool = create(&t.client, "subnetpools", pool).await;
    let network = create(&t.client, "networks", json!({})).await;
    let subnet = json!({"network_id": network["id"], "ip_version": 4, "subnetpool_id": pool["id"]});
    let subnet = create(&t.client, "subnets", subnet).await;
    let router = create(&t.client, "routers", json!({"name": "r"})).await;
    let agent = l3_agent(&t, "node1", "legacy").await;
    let path = format!("/v2.0/routers/{}/add_router_interface", text(&router, "id"));
    let added = t.client.put(&path, &json!({"subnet_id": subnet["id"]})).await;
    assert_eq!(added.status, 200, "{}", added.json());
    told_until(&agent, "routers_updated").await;
    let scopes = |routers: &[Value]| routers[0]["_interfaces"][0]["address_scopes"].clone();
    let found = sync(&agent, "node1", &[&router]).await;
    assert_eq!(scopes(&found), json!({"4": scope["id"], "6": null}));

    let before = agent.wait(|_| true).await.len();
    let path = format!("/v2.0/subnetpools/{}", text(&pool, "id"));
    let change = json!({"subnetpool": {"address_scope_id": null}});
    assert_eq!(t.client.put(&path, &change).await.status, 200);
    let heard = agent.wait(|got| got.len() > before).await;
    assert_eq!(heard[before].method, "routers_updated");
    assert_eq!(heard[before].args["routers"], json!([router["id"]]));
    let found = sync(&agent, "node1", &[&router]).await;
    assert_eq!(scopes(&found), json!({"4": null, "6": null}));
    t.stop().await;
}
