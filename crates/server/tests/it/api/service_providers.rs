//! `/v2.0/service-providers`.

use serde_json::json;

use crate::support::server::TestServer;

#[tokio::test]
async fn kinds_of_routers_are_listed() {
    let t = TestServer::start().await;
    let list = t.client.get("/v2.0/service-providers").await;
    assert_eq!(list.status, 200);
    let provider = |name| json!({"service_type": "L3_ROUTER_NAT", "name": name, "default": false});
    let all = json!([provider("dvr"), provider("single_node")]);
    assert_eq!(list.json()["service_providers"], all);
    t.stop().await;

    // Nothing is listed that would not work.
    let t = TestServer::start_with("[DEFAULT]\nenable_dvr = false\n").await;
    let list = t.client.get("/v2.0/service-providers").await;
    assert_eq!(list.json()["service_providers"], json!([provider("single_node")]));
    t.stop().await;
}
