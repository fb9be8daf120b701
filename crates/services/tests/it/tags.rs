use neutrino_db::{Db, schema::Networks, sea_query::Query};
use neutrino_services::TagService;
use serde_json::{Value, json};

use crate::{database, make_network};

async fn revision(db: &Db) -> i64 {
    let conn = db.read().await.expect("reader");
    let select = Query::select().column(Networks::RevisionNumber).from(Networks::Table).to_owned();
    conn.fetch_one(&select).await.expect("network").int(0)
}

async fn listed(service: &TagService) -> Value {
    service.list("networks", "n").await.expect("list")["tags"].clone()
}

#[tokio::test]
async fn every_operation_and_its_revision() {
    let db = database().await;
    make_network(&db, "n", "p", 0).await;
    let service = TagService::new(db.clone());
    let body = json!({"tags": ["red", "blue"]});
    let answer = service.add("networks", "n", &body).await.expect("add");
    assert_eq!(Value::from(answer), body);
    assert_eq!((listed(&service).await, revision(&db).await), (json!(["blue", "red"]), 1));
    service.add("networks", "n", &json!({"tags": ["red"]})).await.expect("add again");
    assert_eq!(revision(&db).await, 1, "nothing changed");
    service.add_one("networks", "n", "green").await.expect("add one");
    service.check("networks", "n", "green").await.expect("has it");
    service.replace("networks", "n", &json!({"tags": ["green", "white"]})).await.expect("replace");
    assert_eq!((listed(&service).await, revision(&db).await), (json!(["green", "white"]), 3));
    service.remove_one("networks", "n", "green").await.expect("remove one");
    let gone = service.remove_one("networks", "n", "green").await.expect_err("gone");
    assert_eq!((gone.kind, gone.status), ("TagNotFound", 404));
    assert_eq!(service.check("networks", "n", "green").await.expect_err("gone").status, 404);
    service.remove_all("networks", "n").await.expect("remove all");
    assert_eq!((listed(&service).await, revision(&db).await), (json!([]), 5));
}

#[tokio::test]
async fn what_is_refused() {
    let db = database().await;
    make_network(&db, "n", "p", 0).await;
    let service = TagService::new(db.clone());
    let missing = service.list("ports", "n").await.expect_err("no such port");
    assert_eq!((missing.kind, missing.status), ("TagResourceNotFound", 404));
    assert_eq!(missing.message, "Resource ports n could not be found.");
    assert_eq!(service.list("agents", "n").await.expect_err("not taggable").status, 404);
    let long = "x".repeat(256);
    for (body, message) in [
        (json!({}), "Invalid tags body"),
        (json!([]), "Invalid tags body"),
        (json!({"tags": "red"}), "'red' is not a list"),
        (json!({"tags": ["a", "a"]}), "Duplicate items in the list: 'a'"),
        (json!({"tags": [1]}), "'1' is not a valid string"),
        (json!({"tags": [long]}), "exceeds maximum length of 255"),
    ] {
        let error = service.add("networks", "n", &body).await.expect_err("refused");
        assert_eq!((error.kind, error.status), ("InvalidInput", 400), "{body}");
        assert!(error.message.contains(message), "{}", error.message);
    }
    let many: Vec<String> = (0..51).map(|n| format!("t{n}")).collect();
    let error = service.replace("networks", "n", &json!({"tags": many})).await.expect_err("many");
    assert_eq!((error.kind, error.status), ("BadRequest", 400));
    service.replace("networks", "n", &json!({"tags": many[..50]})).await.expect("fifty");
    assert_eq!(service.add_one("networks", "n", "one more").await.expect_err("51").status, 400);
    assert_eq!(revision(&db).await, 1);
}
