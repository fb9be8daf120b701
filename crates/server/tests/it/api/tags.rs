//! `/v2.0/<collection>/<id>/tags`.

use serde_json::{Value, json};

use crate::support::server::{TestServer, assert_error, create, text};

#[tokio::test]
async fn tags_are_added_replaced_and_removed() {
    let t = TestServer::start().await;
    let net = create(&t.client, "networks", json!({"name": "n"})).await;
    let path = format!("/v2.0/networks/{}/tags", text(&net, "id"));
    let tags = async || {
        let mut list: Vec<Value> =
            t.client.get(&path).await.json()["tags"].as_array().expect("tags").clone();
        list.sort_by_key(|v| v.as_str().map(str::to_string));
        list
    };
    let put = t.client.put(&path, &json!({"tags": ["b", "a"]})).await;
    assert_eq!(put.status, 200, "{}", put.json());
    assert_eq!(tags().await, ["a", "b"]);
    assert_eq!(t.client.post(&path, &json!({"tags": ["c"]})).await.status, 201);
    assert_eq!(tags().await, ["a", "b", "c"]);
    assert_eq!(t.client.raw("PUT", &format!("{path}/d"), b"").await.status, 201);
    assert_eq!(t.client.get(&format!("{path}/d")).await.status, 204);
    let missing = t.client.get(&format!("{path}/x")).await;
    assert_error(&missing, 404, "TagNotFound", "Tag x could not be found.");
    assert_eq!(t.client.delete(&format!("{path}/a")).await.status, 204);
    assert_eq!(t.client.delete(&format!("{path}/a")).await.status, 404);
    assert_eq!(tags().await, ["b", "c", "d"]);
    assert_eq!(t.client.delete(&path).await.status, 204);
    assert_eq!(tags().await, Vec::<Value>::new());
    t.stop().await;
}

#[tokio::test]
async fn bad_tags_are_refused() {
    let t = TestServer::start().await;
    let net = create(&t.client, "networks", json!({"name": "n"})).await;
    let path = format!("/v2.0/networks/{}/tags", text(&net, "id"));
    for body in [
        json!({}),
        json!({"tags": "a"}),
        json!({"tags": ["a", "a"]}),
        json!({"tags": ["x".repeat(256)]}),
    ] {
        assert_error(&t.client.put(&path, &body).await, 400, "InvalidInput", "Invalid input");
    }
    let many: Vec<String> = (0..51).map(|n| format!("t{n}")).collect();
    let answer = t.client.put(&path, &json!({"tags": many})).await;
    assert_error(
        &answer,
        400,
        "BadRequest",
        "The number of tags exceed the per-resource limit of 50",
    );
    let answer = t.client.get("/v2.0/networks/00000000-0000-0000-0000-000000000000/tags").await;
    assert_eq!(answer.status, 404);
    t.stop().await;
}
