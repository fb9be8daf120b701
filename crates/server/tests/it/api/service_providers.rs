//! `/v2.0/service-providers`.

use crate::support::server::TestServer;

#[tokio::test]
async fn no_provider_is_listed() {
    let t = TestServer::start().await;
    let list = t.client.get("/v2.0/service-providers").await;
    assert_eq!(list.status, 200);
    // Nothing is listed that would not work: there is no advanced service yet.
    assert_eq!(list.json()["service_providers"], serde_json::json!([]));
    t.stop().await;
}
