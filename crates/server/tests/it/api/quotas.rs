//! `/v2.0/quotas`.

use serde_json::json;

use crate::support::server::{TestServer, assert_error, create};

#[tokio::test]
async fn limits_are_shown_set_and_reset() {
    let t = TestServer::start().await;
    let get = async |path: &str| t.client.get(&format!("/v2.0/quotas{path}")).await.json();
    assert_eq!(get("").await, json!({"quotas": []}));
    assert_eq!(get("/p1").await["quota"]["network"], 100);
    assert_eq!(get("/p1/default").await["quota"]["port"], 500);
    let put = t.client.put("/v2.0/quotas/p1", &json!({"quota": {"network": 7}})).await;
    assert_eq!((put.status, put.json()["quota"]["network"].clone()), (200, json!(7)));
    assert_eq!(get("").await["quotas"][0]["project_id"], "p1");
    assert_eq!(get("/p1/default").await["quota"]["network"], 100);
    let details = get("/p1/details.json").await;
    assert_eq!(details["quota"]["network"], json!({"limit": 7, "used": 0, "reserved": 0}));
    assert_eq!(t.client.delete("/v2.0/quotas/p1").await.status, 204);
    assert_eq!(get("/p1").await["quota"]["network"], 100);
    assert_eq!(get("/project").await, json!({"project": {"project_id": "fake_project_id"}}));
    t.stop().await;
}

#[tokio::test]
async fn bad_limits_are_refused() {
    let t = TestServer::start().await;
    let put =
        async |quota| t.client.put("/v2.0/quotas/fake_project_id", &json!({"quota": quota})).await;
    assert_error(&put(json!({"network": -2})).await, 400, "HTTPBadRequest", "network");
    assert_error(&put(json!({"network": "x"})).await, 400, "InvalidInput", "'x' is not an integer");
    let unknown = put(json!({"nonsense": 1})).await;
    assert_error(&unknown, 400, "HTTPBadRequest", "Unrecognized attribute(s) 'nonsense'");
    for name in ["a", "b"] {
        create(&t.client, "networks", json!({"name": name})).await;
    }
    let below = put(json!({"network": 1})).await;
    assert_error(&below, 400, "HTTPBadRequest", "must be greater than or equal to already used 2");
    assert_eq!(put(json!({"network": 1, "force": true})).await.status, 200);
    let over = t.client.post("/v2.0/networks", &json!({"network": {}})).await;
    assert_error(&over, 409, "OverQuota", "Quota exceeded for resources: ['network'].");
    let body = json!({"quota": {}});
    assert_error(&t.client.post("/v2.0/quotas", &body).await, 501, "HTTPNotImplemented", "POST");
    t.stop().await;
}

#[tokio::test]
async fn others_see_only_their_own_quota() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    assert_eq!(member.get("/v2.0/quotas/p1").await.status, 200);
    let other = member.get("/v2.0/quotas/p2").await;
    assert_error(&other, 403, "PolicyNotAuthorized", "rule:get_quota is disallowed by policy");
    let details = member.get("/v2.0/quotas/p2/details").await;
    assert_error(&details, 403, "AdminRequired", "User does not have admin privileges");
    let set = member.put("/v2.0/quotas/p1", &json!({"quota": {"network": 1}})).await;
    assert_error(&set, 403, "PolicyNotAuthorized", "rule:update_quota");
    t.stop().await;
}
