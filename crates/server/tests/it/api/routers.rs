//! `/v2.0/routers`.

use serde_json::{Value, json};

use crate::support::server::{TestServer, assert_error, create, text};

fn path(router: &Value) -> String {
    format!("/v2.0/routers/{}", text(router, "id"))
}

#[tokio::test]
async fn routers_live() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let router = create(&member, "routers", json!({"name": "a", "description": "d"})).await;
    let keys: Vec<&String> = router.as_object().expect("object").keys().collect();
    assert_eq!(
        keys,
        [
            "id",
            "name",
            "tenant_id",
            "admin_state_up",
            "status",
            "external_gateway_info",
            "description",
            "availability_zones",
            "availability_zone_hints",
            "routes",
            "tags",
            "created_at",
            "updated_at",
            "revision_number",
            "project_id"
        ]
    );
    let of_admin = t.client.get(&path(&router)).await.json()["router"].clone();
    assert_eq!((&of_admin["distributed"], &of_admin["ha"]), (&json!(false), &json!(false)));
    assert_eq!((&router["status"], &router["admin_state_up"]), (&json!("ACTIVE"), &json!(true)));
    assert_eq!((&router["external_gateway_info"], &router["routes"]), (&Value::Null, &json!([])));
    assert_eq!((&router["project_id"], &router["revision_number"]), (&json!("p1"), &json!(1)));
    let change = json!({"router": {"name": "b", "admin_state_up": false}});
    let changed = member.put(&path(&router), &change).await.json()["router"].clone();
    assert_eq!((&changed["name"], &changed["revision_number"]), (&json!("b"), &json!(2)));
    create(&t.user("p2", "member"), "routers", json!({"name": "b"})).await;
    let list = member.get("/v2.0/routers?name=b&admin_state_up=False&fields=id").await.json();
    assert_eq!(list["routers"], json!([{"id": router["id"]}]));
    let list = t
        .client
        .get("/v2.0/routers?sort_key=status&sort_dir=asc&sort_key=name&sort_dir=desc&fields=name")
        .await
        .json();
    assert_eq!(list["routers"].as_array().map(Vec::len), Some(2));
    let stale = member.with("If-Match", "revision_number=1").delete(&path(&router)).await;
    assert_error(&stale, 412, "RevisionNumberConstraintFailed", "current revision is 2");
    assert_eq!(member.delete(&path(&router)).await.status, 204);
    let gone = member.get(&path(&router)).await;
    assert_error(&gone, 404, "RouterNotFound", "could not be found");
    t.stop().await;
}

#[tokio::test]
async fn tags_of_routers() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let router = create(&member, "routers", json!({})).await;
    let tags = format!("{}/tags", path(&router));
    assert_eq!(member.put(&tags, &json!({"tags": ["a", "b"]})).await.status, 200);
    let shown = member.get(&path(&router)).await.json()["router"].clone();
    assert_eq!((&shown["tags"], &shown["revision_number"]), (&json!(["a", "b"]), &json!(2)));
    let found = member.get("/v2.0/routers?tags=a,b").await.json();
    assert_eq!(found["routers"].as_array().map(Vec::len), Some(1));
    assert_eq!(member.delete(&path(&router)).await.status, 204);
    t.stop().await;
}

#[tokio::test]
async fn a_project_has_as_many_routers_as_its_quota_says() {
    let t = TestServer::start_with("[quotas]\nquota_router = 1\n").await;
    let member = t.user("p1", "member,reader");
    create(&member, "routers", json!({})).await;
    let second = member.post("/v2.0/routers", &json!({"router": {}})).await;
    assert_error(&second, 409, "OverQuota", "Quota exceeded for resources: ['router'].");
    t.stop().await;
}

#[tokio::test]
async fn kinds_of_routers() {
    let t = TestServer::start_with("[DEFAULT]\nrouter_distributed = true\n").await;
    let admin = t.user("p1", "admin");
    let member = t.user("p1", "member,reader");
    let router = create(&member, "routers", json!({})).await;
    let shown = admin.get(&path(&router)).await.json()["router"].clone();
    assert_eq!(shown["distributed"], true);
    let central = create(&admin, "routers", json!({"distributed": false, "ha": null})).await;
    assert_eq!((&central["distributed"], &central["ha"]), (&json!(false), &json!(false)));
    let denied = member.post("/v2.0/routers", &json!({"router": {"distributed": true}})).await;
    assert_error(&denied, 403, "PolicyNotAuthorized", "create_router:distributed");
    let ha = admin.post("/v2.0/routers", &json!({"router": {"ha": true}})).await;
    let why = "Bad router request: HA routers are not supported yet, 'ha' can only be False.";
    assert_error(&ha, 400, "BadRequest", why);
    let ha = admin.put(&path(&router), &json!({"router": {"ha": true}})).await;
    assert_error(&ha, 400, "BadRequest", why);
    let change = json!({"router": {"distributed": false}});
    let active = admin.put(&path(&router), &change).await;
    let why = "Cannot change the 'distributed' attribute of active routers.";
    assert_error(&active, 400, "BadRequest", why);
    let change = json!({"router": {"distributed": false, "admin_state_up": false}});
    let changed = admin.put(&path(&router), &change).await.json()["router"].clone();
    assert_eq!((&changed["distributed"], &changed["revision_number"]), (&json!(false), &json!(2)));
    let zone = json!({"router": {"availability_zone_hints": ["z"]}});
    let unknown = admin.post("/v2.0/routers", &zone).await;
    assert_error(&unknown, 404, "AvailabilityZoneNotFound", "AvailabilityZone z could not");
    t.stop().await;
}

#[tokio::test]
async fn no_distributed_routers_without_dvr() {
    let t =
        TestServer::start_with("[DEFAULT]\nenable_dvr = false\nrouter_distributed = true\n").await;
    let router = create(&t.client, "routers", json!({"project_id": "p1"})).await;
    assert_eq!(router["distributed"], false);
    let body = json!({"router": {"project_id": "p1", "distributed": false}});
    let answer = t.client.post("/v2.0/routers", &body).await;
    assert_error(&answer, 400, "HTTPBadRequest", "Unrecognized attribute(s) 'distributed'");
    t.stop().await;
}
