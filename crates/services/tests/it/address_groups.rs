//! Address groups without HTTP: who sees what, what is counted, who hears of changes.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Registry, Resource, Subscriber};
use neutrino_db::{Db, address_groups};
use neutrino_ml2::notifier::Silent;
use neutrino_services::AddressGroups;
use neutrino_types::{ApiResult, Attrs, Context, ListQuery, ResourcePlugin};
use serde_json::{Value, json};

/// Notes what it hears: action, addresses before, addresses after.
#[derive(Default)]
struct Ears(Mutex<Vec<(Action, Value, Value)>>);

#[async_trait]
impl Subscriber for Ears {
    fn name(&self) -> &'static str {
        "ears"
    }

    async fn after(&self, _: Resource, action: Action, payload: &Payload<'_>) -> ApiResult<()> {
        let addresses = |attrs: Option<&Attrs>| {
            attrs.and_then(|a| a.get("addresses")).cloned().unwrap_or_default()
        };
        let heard = (action, addresses(payload.original), addresses(payload.current));
        self.0.lock().expect("lock").push(heard);
        Ok(())
    }
}

fn member(project: &str) -> Context {
    Context { project_id: Some(project.into()), roles: vec!["member".into()], ..Context::default() }
}

fn attrs(value: Value) -> Attrs {
    value.as_object().expect("object").clone()
}

async fn make(db: &Db, registry: Arc<Registry>, addresses: Value) -> (AddressGroups, String) {
    let groups = AddressGroups::new(db.clone(), registry, Arc::new(Silent));
    let item = attrs(json!({"name": "g", "description": "", "addresses": addresses}));
    let made = groups.create(&member("p1"), vec![item]).await.expect("create");
    let id = made[0]["id"].as_str().expect("id").to_string();
    (groups, id)
}

#[tokio::test]
async fn subscribers_hear_what_changed() {
    let db = super::database().await;
    let registry = Arc::new(Registry::new());
    let ears = Arc::new(Ears::default());
    for action in [Action::Create, Action::Update, Action::Delete] {
        registry.subscribe(Resource::AddressGroup, Phase::After, action, ears.clone());
    }
    let (groups, id) = make(&db, registry, json!(["10.0.0.0/8"])).await;
    let ctx = member("p1");
    for (action, address) in [("add_addresses", "11.0.0.0/8"), ("remove_addresses", "10.0.0.0/8")] {
        let body = attrs(json!({"addresses": [address]}));
        groups.act(&ctx, &id, action, body).await.expect(action);
    }
    let nothing = attrs(json!({"addresses": ["12.0.0.0/8"]}));
    let refused = groups.act(&ctx, &id, "remove_addresses", nothing).await.expect_err("missing");
    assert_eq!((refused.kind, refused.status), ("AddressesNotFound", 404));
    groups.delete(&ctx, &id, None).await.expect("delete");
    let (ten, both, eleven) =
        (json!(["10.0.0.0/8"]), json!(["10.0.0.0/8", "11.0.0.0/8"]), json!(["11.0.0.0/8"]));
    assert_eq!(
        *ears.0.lock().expect("lock"),
        [
            (Action::Create, Value::Null, ten.clone()),
            (Action::Update, ten, both.clone()),
            (Action::Update, both, eleven.clone()),
            (Action::Delete, eleven, Value::Null),
        ]
    );
}

#[tokio::test]
async fn members_are_answered_for_many_groups_at_once() {
    let db = super::database().await;
    let (_, a) = make(&db, Arc::default(), json!(["10.0.0.0/8", "fd00::/8"])).await;
    let (_, b) = make(&db, Arc::default(), json!([])).await;
    let conn = db.read().await.expect("read");
    let found = address_groups::members(&conn, &[&a, &b, "x"]).await.expect("members");
    assert_eq!(found.len(), 1, "groups without addresses are left out");
    assert_eq!(found[&a], ["10.0.0.0/8", "fd00::/8"]);
    let usable = async |project: Option<&str>| {
        address_groups::usable_by(&conn, &[&a, "x"], project).await.expect("usable")
    };
    assert_eq!(usable(None).await, std::slice::from_ref(&a));
    assert_eq!(usable(Some("p1")).await, std::slice::from_ref(&a));
    assert_eq!(usable(Some("p2")).await, Vec::<String>::new());
}

#[tokio::test]
async fn lists_are_the_callers() {
    let db = super::database().await;
    let (groups, id) = make(&db, Arc::default(), json!(["10.0.0.0/8"])).await;
    let list = async |ctx: Context| groups.list(&ctx, &ListQuery::default()).await.expect("list");
    assert_eq!(list(member("p1")).await[0]["id"], json!(id));
    assert_eq!(list(member("p2")).await, Vec::<Attrs>::new());
    assert_eq!(list(Context::admin()).await[0]["addresses"], json!(["10.0.0.0/8"]));
}
