//! `/`, `/v2.0/`, unknown paths and methods.

use serde_json::{Value, json};

use crate::support::server::{TestServer, assert_error};

#[tokio::test]
async fn documents_are_as_observed() {
    let t = TestServer::start().await;
    let base = format!("http://{}", t.client.address);
    let root = t.client.get("/").await.json();
    assert_eq!(
        root,
        json!({"versions": [{"id": "v2.0", "status": "CURRENT", "links": [
            {"rel": "self", "href": format!("{base}/v2.0/")}
        ]}]})
    );
    let v2 = t.client.get("/v2.0/").await.json();
    let resources = v2["resources"].as_array().expect("list");
    let names: Vec<_> = resources.iter().map(|r| r["name"].clone()).collect();
    assert_eq!(names, ["network", "subnet", "port"]);
    for resource in resources {
        let href = resource["links"][0]["href"].as_str().expect("href");
        let path = href.strip_prefix(&base).expect("on this server");
        assert_eq!(t.client.get(path).await.status, 200, "{href}");
    }
    t.stop().await;
}

#[tokio::test]
async fn unknown_paths_are_404_and_unknown_methods_405() {
    let t = TestServer::start().await;
    for path in ["/v2.0", "/v2.0/nothing", "/v2.0/networks/x/nothing", "/nothing"] {
        let text = "The resource could not be found.";
        assert_error(&t.client.get(path).await, 404, "HTTPNotFound", text);
    }
    let no_text = t.client.get("/v2.0/networks/%ff").await;
    assert_error(&no_text, 400, "HTTPBadRequest", "The URL is not UTF-8.");
    for (method, path) in [
        ("POST", "/"),
        ("DELETE", "/v2.0/"),
        ("PATCH", "/v2.0/networks"),
        ("DELETE", "/v2.0/networks"),
        ("POST", "/v2.0/networks/x"),
        ("POST", "/v2.0/agents"),
    ] {
        let answer = t.client.raw(method, path, b"").await;
        assert_error(&answer, 405, "HTTPMethodNotAllowed", "The server could not comply");
    }
    for path in ["/", "/v2.0/networks", "/v2.0/networks/x"] {
        assert_eq!(t.client.raw("HEAD", path, b"").await.status, 405);
    }
    t.stop().await;
}

#[tokio::test]
async fn openapi_document_is_served() {
    // All that drivers bring.
    let t = TestServer::start_with("[ml2]\nextension_drivers = dns\n").await;
    let document = t.client.get("/v2.0/openapi.json").await.json();
    let golden = include_str!("../../../../api-defs/tests/openapi.json");
    let golden: Value = serde_json::from_str(golden).expect("JSON");
    assert!(document == golden, "the document served is not the one under review");
    t.stop().await;
}
