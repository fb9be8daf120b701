//! `/v2.0/extensions`.

use crate::support::server::{TestServer, assert_error};

#[tokio::test]
async fn extensions_are_listed_and_shown() {
    let t = TestServer::start().await;
    let list = t.client.get("/v2.0/extensions").await.json();
    let aliases: Vec<_> = list["extensions"]
        .as_array()
        .expect("list")
        .iter()
        .map(|e| e["alias"].as_str().expect("alias"))
        .collect();
    for alias in [
        "provider",
        "binding",
        "binding-extended",
        "net-mtu",
        "agent",
        "quotas",
        "standard-attr-tag",
    ] {
        assert!(aliases.contains(&alias), "{alias}");
    }
    let one = t.client.get("/v2.0/extensions/provider").await.json();
    let keys: Vec<_> = one["extension"].as_object().expect("object").keys().cloned().collect();
    assert_eq!(keys, ["alias", "name", "description", "updated", "links"]);
    let missing = t.client.get("/v2.0/extensions/nothing").await;
    assert_error(&missing, 404, "HTTPNotFound", "Extension with alias nothing does not exist");
    assert_eq!(t.client.raw("POST", "/v2.0/extensions", b"").await.status, 404);
    t.stop().await;
}
