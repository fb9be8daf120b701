use neutrino_conf::Conf;
use neutrino_db::quotas;
use neutrino_services::{QuotaConfig, Quotas};
use neutrino_types::{Attrs, Context};
use serde_json::{Value, json};

use crate::{database, make_network};

fn attrs(value: Value) -> Attrs {
    value.as_object().expect("object").clone()
}

async fn service() -> Quotas {
    let conf = Conf::parse_str("[quotas]\nquota_port = 7\ndefault_quota = -5\n").expect("conf");
    Quotas::new(database().await, QuotaConfig::from_conf(&conf))
}

#[tokio::test]
async fn shows_defaults_until_a_project_has_its_own() {
    let service = service().await;
    let defaults = json!({
        "network": 100, "subnet": 100, "subnetpool": -1, "port": 7, "router": 10,
        "router_route": 30, "floatingip": 50, "security_group": 10, "security_group_rule": 100, "rbac_policy": 10,
    });
    assert_eq!(Value::from(service.get("p").await.expect("get")), defaults);
    assert_eq!(Value::from(service.default_limits()), defaults);
    assert_eq!(service.list().await.expect("list"), Vec::<Attrs>::new());

    let changed = service.update("p", &attrs(json!({"port": 50, "network": -1})), false).await;
    let changed = changed.expect("update");
    assert_eq!((&changed["port"], &changed["network"]), (&json!(50), &json!(-1)));
    assert_eq!(Value::from(service.default_limits()), defaults);
    let listed = service.list().await.expect("list");
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0]["tenant_id"], &listed[0]["port"]), (&json!("p"), &json!(50)));

    service.delete("p").await.expect("delete");
    assert_eq!(Value::from(service.get("p").await.expect("get")), defaults);
    let error = service.delete("p").await.expect_err("nothing left");
    assert_eq!((error.kind, error.status), ("TenantQuotaNotFound", 404));
    assert_eq!(error.message, "Quota for project p could not be found.");
}

#[tokio::test]
async fn a_limit_below_the_use_needs_force() {
    let db = database().await;
    make_network(&db, "n", "p", 5).await;
    let service = Quotas::new(db, QuotaConfig::default());
    let details = service.details("p").await.expect("details");
    assert_eq!(details["port"], json!({"limit": 500, "used": 5, "reserved": 0}));
    assert_eq!(details["network"]["used"], json!(1));
    assert_eq!(details["router"]["used"], json!(0));
    let low = attrs(json!({"port": 4}));
    let error = service.update("p", &low, false).await.expect_err("below use");
    assert_eq!(error.status, 400);
    assert_eq!(
        error.message,
        "Quota limit 4 for port must be greater than or equal to already used 5"
    );
    assert_eq!(service.get("p").await.expect("get")["port"], json!(500));
    service.update("p", &low, true).await.expect("forced");
    assert_eq!(service.get("p").await.expect("get")["port"], json!(4));
}

#[tokio::test]
async fn enforcement() {
    let db = database().await;
    make_network(&db, "n", "p", 5).await;
    let service = Quotas::new(db.clone(), QuotaConfig::default());
    let ensure = async |delta: u64| {
        let tx = db.begin().await.expect("begin");
        let result = quotas::ensure(&tx, "p", "port", delta, service.defaults()).await;
        (result, tx.counts().total())
    };
    let (allowed, statements) = ensure(495).await;
    allowed.expect("500 fit");
    assert_eq!(statements, 2);
    let (refused, _) = ensure(496).await;
    let error = refused.expect_err("501 do not");
    assert_eq!((error.kind, error.status), ("OverQuota", 409));
    assert_eq!(error.message, "Quota exceeded for resources: ['port'].");
    service.update("p", &attrs(json!({"port": -1})), false).await.expect("update");
    let (allowed, statements) = ensure(1_000_000).await;
    allowed.expect("unlimited");
    assert_eq!(statements, 1);
}

#[test]
fn own_project() {
    let ctx = Context { project_id: Some("p".into()), ..Context::default() };
    let answer = Quotas::own_project(&ctx, "tenant").expect("project");
    assert_eq!(Value::from(answer), json!({"tenant_id": "p"}));
    let error = Quotas::own_project(&Context::default(), "project").expect_err("none");
    assert_eq!((error.kind, error.status), ("QuotaMissingTenant", 400));
}
