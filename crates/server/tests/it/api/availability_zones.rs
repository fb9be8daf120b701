//! `/v2.0/availability_zones`.

use serde_json::json;

use crate::support::server::TestServer;

#[tokio::test]
async fn zones_come_from_agents() {
    let t = TestServer::start().await;
    let list = t.client.get("/v2.0/availability_zones").await;
    assert_eq!((list.status, list.json()), (200, json!({"availability_zones": []})));
    t.stop().await;
}
