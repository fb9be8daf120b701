//! `/v2.0/service-providers`.

use crate::support::server::TestServer;

#[tokio::test]
async fn providers_are_a_list() {
    let t = TestServer::start().await;
    let list = t.client.get("/v2.0/service-providers").await;
    assert_eq!(list.status, 200);
    assert!(list.json()["service_providers"].is_array());
    t.stop().await;
}
