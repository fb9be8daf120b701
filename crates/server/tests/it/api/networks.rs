//! `/v2.0/networks`.

use serde_json::{Value, json};

use crate::support::server::{TestServer, assert_error, create, text};

fn names(list: &Value) -> Vec<&str> {
    list["networks"].as_array().expect("list").iter().map(|n| text(n, "name")).collect()
}

#[tokio::test]
async fn lifecycle_answers_codes_and_attributes_of_neutron() {
    let t = TestServer::start().await;
    let made = create(&t.client, "networks", json!({"name": "n"})).await;
    for (key, expected) in [
        ("status", json!("ACTIVE")),
        ("admin_state_up", json!(true)),
        ("shared", json!(false)),
        ("router:external", json!(false)),
        ("mtu", json!(1446)),
        ("provider:network_type", json!("vxlan")),
        ("port_security_enabled", json!(true)),
        ("subnets", json!([])),
        ("tags", json!([])),
        ("project_id", json!("fake_project_id")),
        ("tenant_id", json!("fake_project_id")),
    ] {
        assert_eq!(made[key], expected, "{key} of {made}");
    }
    let path = format!("/v2.0/networks/{}", text(&made, "id"));
    assert_eq!(t.client.get(&path).await.json()["network"], made);
    for spelling in [format!("{path}/"), format!("{path}.json")] {
        assert_eq!(t.client.get(&spelling).await.status, 200, "{spelling}");
    }
    let changed = t.client.put(&path, &json!({"network": {"name": "m"}})).await;
    assert_eq!((changed.status, changed.json()["network"]["name"].clone()), (200, json!("m")));
    let gone = t.client.delete(&path).await;
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    let id = text(&made, "id");
    let message = format!("Network {id} could not be found.");
    assert_error(&t.client.get(&path).await, 404, "NetworkNotFound", &message);
    assert_error(&t.client.delete(&path).await, 404, "NetworkNotFound", &message);
    let missing = t.client.put(&path, &json!({"network": {"name": "m"}})).await;
    assert_error(&missing, 404, "NetworkNotFound", &message);
    t.stop().await;
}

#[tokio::test]
async fn bulk_create_makes_all_or_none() {
    let t = TestServer::start().await;
    let body = json!({"networks": [{"name": "a"}, {"name": "b"}]});
    let answer = t.client.post("/v2.0/networks", &body).await;
    assert_eq!((answer.status, names(&answer.json())), (201, vec!["a", "b"]));
    let vlan = |id: u16| {
        json!({"name": format!("v{id}"), "provider:network_type": "vlan",
               "provider:physical_network": "physnet1", "provider:segmentation_id": id})
    };
    let answer =
        t.client.post("/v2.0/networks", &json!({"networks": [vlan(100), vlan(100)]})).await;
    assert_eq!(answer.status, 409, "{}", answer.json());
    let list = t.client.get("/v2.0/networks?sort_key=name&sort_dir=asc").await.json();
    assert_eq!(names(&list), ["a", "b"]);
    t.stop().await;
}

#[tokio::test]
async fn list_filters_sorts_projects_and_pages() {
    let t = TestServer::start().await;
    for name in ["c", "a", "b"] {
        create(&t.client, "networks", json!({"name": name, "description": "x"})).await;
    }
    let get = async |query: &str| t.client.get(&format!("/v2.0/networks?{query}")).await.json();
    assert_eq!(names(&get("sort_key=name&sort_dir=desc").await), ["c", "b", "a"]);
    assert_eq!(names(&get("name=a&name=c&sort_key=name&sort_dir=asc").await), ["a", "c"]);
    assert_eq!(names(&get("name=nothing").await), Vec::<&str>::new());
    let only = get("fields=name&name=a").await;
    assert_eq!(only["networks"], json!([{"name": "a"}]));

    let page = get("limit=2&sort_key=name&sort_dir=asc").await;
    assert_eq!(names(&page), ["a", "b"]);
    let rels: Vec<_> = page["networks_links"].as_array().expect("links").iter().collect();
    assert_eq!(
        (rels[0]["rel"].as_str(), rels[1]["rel"].as_str()),
        (Some("next"), Some("previous"))
    );
    let base =
        format!("http://{}/v2.0/networks?limit=2&sort_key=name&sort_dir=asc", t.client.address);
    let last = text(&page["networks"][1], "id");
    assert_eq!(text(rels[0], "href"), format!("{base}&marker={last}"));
    let next = t.client.get(text(rels[0], "href").split_once("9696").map_or_else(
        || text(rels[0], "href").split_at(base.find("/v2.0").expect("path")).1,
        |(_, path)| path,
    ));
    let next = next.await.json();
    assert_eq!(names(&next), ["c"]);
    let rels: Vec<_> =
        next["networks_links"].as_array().expect("links").iter().map(|l| &l["rel"]).collect();
    assert_eq!(rels, ["previous"]);
    assert!(get("sort_key=name&sort_dir=asc").await.get("networks_links").is_none());
    t.stop().await;
}

#[tokio::test]
async fn queries_that_mean_nothing_are_400() {
    let t = TestServer::start().await;
    for (query, kind, message) in [
        ("nonsense=1", "HTTPBadRequest", "['nonsense'] is invalid attribute for filtering"),
        ("sort_key=nonsense&sort_dir=asc", "HTTPBadRequest", "is invalid attribute for sort_keys"),
        ("sort_key=name", "HTTPBadRequest", "The number of sort_keys and sort_dirs must be same"),
        ("sort_key=name&sort_dir=up", "HTTPBadRequest", "is invalid value for sort_dirs"),
        ("limit=-1", "BadRequest", "Limit must be an integer 0 or greater and not '-1'"),
        ("limit=x", "BadRequest", "Limit must be an integer 0 or greater and not 'x'"),
    ] {
        let answer = t.client.get(&format!("/v2.0/networks?{query}")).await;
        assert_error(&answer, 400, kind, message);
    }
    t.stop().await;
}

#[tokio::test]
async fn if_match_guards_the_revision() {
    let t = TestServer::start().await;
    let made = create(&t.client, "networks", json!({"name": "n"})).await;
    let path = format!("/v2.0/networks/{}", text(&made, "id"));
    let revision = made["revision_number"].as_i64().expect("revision");
    let expecting = |n: i64| t.client.with("If-Match", &format!("revision_number={n}"));
    let body = json!({"network": {"name": "m"}});
    let refused = expecting(revision + 7).put(&path, &body).await;
    assert_error(&refused, 412, "RevisionNumberConstraintFailed", "Constrained to");
    let changed = expecting(revision).put(&path, &body).await;
    assert_eq!(changed.status, 200);
    assert!(changed.json()["network"]["revision_number"].as_i64() > Some(revision));
    let bad = t.client.with("If-Match", "revision_number=x").delete(&path).await;
    assert_error(&bad, 400, "BadRequest", "Revision number etag must be in the format");
    assert_eq!(expecting(revision).delete(&path).await.status, 412);
    assert_eq!(expecting(revision + 1).delete(&path).await.status, 204);
    t.stop().await;
}

#[tokio::test]
async fn pagination_max_limit_caps_every_list() {
    let t = TestServer::start_with("[DEFAULT]\npagination_max_limit = 1\n").await;
    for name in ["a", "b"] {
        create(&t.client, "networks", json!({"name": name})).await;
    }
    let list = t.client.get("/v2.0/networks").await.json();
    assert_eq!(list["networks"].as_array().map(Vec::len), Some(1));
    assert!(list["networks_links"].is_array());
    t.stop().await;
}

#[tokio::test]
async fn one_external_network_is_the_default() {
    let t = TestServer::start().await;
    let external = |name| json!({"name": name, "router:external": true, "is_default": true});
    let made = create(&t.client, "networks", external("a")).await;
    assert_eq!(made["is_default"], true);
    let inner = create(&t.client, "networks", json!({"name": "b", "is_default": true})).await;
    assert_eq!(inner.get("is_default"), None, "only external networks have it");

    let second = t.client.post("/v2.0/networks", &json!({"network": external("c")})).await;
    let message = format!("A default external network already exists: {}.", text(&made, "id"));
    assert_error(&second, 409, "DefaultExternalNetworkExists", &message);
    let both = json!({"networks": [external("c"), external("d")]});
    let path = format!("/v2.0/networks/{}", text(&made, "id"));
    let change = async |attrs| t.client.put(&path, &json!({"network": attrs})).await.json();
    assert_eq!(change(json!({"description": "x"})).await["network"]["is_default"], true);
    assert_eq!(change(json!({"is_default": false})).await["network"]["is_default"], false);
    let refused = t.client.post("/v2.0/networks", &both).await;
    assert_error(&refused, 409, "DefaultExternalNetworkExists", "A default external network");

    change(json!({"is_default": true})).await;
    let listed = t.client.get("/v2.0/networks?is_default=True").await.json();
    assert_eq!(names(&listed), ["a"]);
    change(json!({"router:external": false})).await;
    let listed = t.client.get("/v2.0/networks?is_default=True").await.json();
    assert_eq!(names(&listed), [""; 0]);
    t.stop().await;
}
