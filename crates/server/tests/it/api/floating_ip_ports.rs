//! Floating IPs whose ports change or go, and what agents say of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Resource, Subscriber};
use neutrino_types::ApiResult;
use serde_json::{Value, json};

use super::floating_ips::{path, put, show};
use crate::support::{
    l3::{Site, address},
    server::{TestServer, assert_error, text},
};

/// Writes down which routers each event of a floating IP concerns: former, present.
#[derive(Default)]
struct Diary(Mutex<Vec<(Action, Value, Value)>>);

#[async_trait]
impl Subscriber for Diary {
    fn name(&self) -> &'static str {
        "diary"
    }

    async fn after(&self, _: Resource, action: Action, payload: &Payload<'_>) -> ApiResult<()> {
        let router = |state: Option<&neutrino_types::Attrs>| {
            state.map_or(Value::Null, |attrs| attrs["router_id"].clone())
        };
        let entry = (action, router(payload.original), router(payload.current));
        self.0.lock().expect("diary").push(entry);
        Ok(())
    }
}

impl Diary {
    fn read(&self) -> Vec<(Action, Value, Value)> {
        std::mem::take(&mut *self.0.lock().expect("diary"))
    }
}

#[tokio::test]
async fn subscribers_hear_of_former_and_present_routers() {
    let t = TestServer::start().await;
    let site = Site::new(&t).await;
    let diary = Arc::new(Diary::default());
    for action in [Action::Create, Action::Update, Action::Delete] {
        let registry = &t.server.parts.registry;
        registry.subscribe(Resource::FloatingIp, Phase::After, action, diary.clone());
    }
    let router = site.router["id"].clone();
    let (a, b) = (site.port().await, site.port().await);
    let floating = site.floating_ip(json!({"port_id": a["id"]})).await;
    assert_eq!(diary.read(), [(Action::Create, Value::Null, router.clone())]);
    put(&site.member, &floating, json!({"port_id": null})).await;
    put(&site.member, &floating, json!({"port_id": b["id"]})).await;
    let gone = site.member.delete(&format!("/v2.0/ports/{}", text(&b, "id"))).await;
    assert_eq!(gone.status, 204);
    assert_eq!(
        diary.read(),
        [
            (Action::Update, router.clone(), Value::Null),
            (Action::Update, Value::Null, router.clone()),
            (Action::Update, router.clone(), Value::Null),
        ]
    );
    let free = show(&site.member, &floating).await;
    assert_eq!((&free["port_id"], &free["revision_number"]), (&Value::Null, &json!(3)));
    put(&site.member, &floating, json!({"port_id": a["id"]})).await;
    diary.read();
    assert_eq!(site.member.delete(&path(&floating)).await.status, 204);
    assert_eq!(diary.read(), [(Action::Delete, router, Value::Null)]);
    t.stop().await;
}

#[tokio::test]
async fn a_port_keeps_the_address_a_floating_ip_leads_to() {
    let t = TestServer::start().await;
    let site = Site::new(&t).await;
    let port = site.port().await;
    let port_path = format!("/v2.0/ports/{}", text(&port, "id"));
    site.floating_ip(json!({"port_id": port["id"]})).await;
    let change =
        async |ips: Value| site.member.put(&port_path, &json!({"port": {"fixed_ips": ips}})).await;
    let own = json!({"ip_address": address(&port)});
    for ips in [json!([]), json!([{"subnet_id": site.subnet["id"], "ip_address": "10.0.0.99"}])] {
        let message = "because its original fixed_ip has been associated to a floating ip.";
        assert_error(&change(ips).await, 400, "BadRequest", message);
    }
    let more = change(json!([own, {"subnet_id": site.subnet["id"]}])).await;
    assert_eq!(more.status, 200, "{}", more.json());
    assert_eq!(change(json!([own])).await.status, 200);
    t.stop().await;
}

#[tokio::test]
async fn an_operators_floating_ip_keeps_a_users_port() {
    let t = TestServer::start().await;
    let site = Site::new(&t).await;
    let port = site.port().await;
    let body = json!({"floating_network_id": site.external["id"], "port_id": port["id"],
                      "project_id": "operators"});
    let made = t.client.post("/v2.0/floatingips", &json!({"floatingip": body})).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let port_path = format!("/v2.0/ports/{}", text(&port, "id"));
    let refused = site.member.delete(&port_path).await;
    assert_error(&refused, 409, "FipAssociated", "still has an associated floating IP.");
    assert_eq!(t.client.delete(&port_path).await.status, 204);
    let free = show(&t.client, &made.json()["floatingip"]).await;
    assert_eq!(free["port_id"], Value::Null);
    t.stop().await;
}

#[tokio::test]
async fn agents_say_how_far_they_got() {
    let t = TestServer::start().await;
    let site = Site::new(&t).await;
    let router = text(&site.router, "id");
    let (a, b) = (site.port().await, site.port().await);
    let one = site.floating_ip(json!({"port_id": a["id"]})).await;
    let two = site.floating_ip(json!({"port_id": b["id"]})).await;
    let l3 = &t.server.parts.l3;
    let say = async |floating: &[(&Value, &str)]| {
        let said: BTreeMap<String, String> = floating
            .iter()
            .map(|(f, status)| (text(f, "id").to_string(), (*status).to_string()))
            .collect();
        l3.update_floatingip_statuses(router, &said).await.expect("noted");
    };
    let status = async |floating: &Value| show(&site.member, floating).await["status"].clone();
    say(&[(&one, "ACTIVE"), (&two, "ERROR")]).await;
    assert_eq!((status(&one).await, status(&two).await), (json!("ACTIVE"), json!("ERROR")));
    // What left the router is ACTIVE until its agent has let go of it.
    put(&site.member, &one, json!({"port_id": null})).await;
    assert_eq!(status(&one).await, "ACTIVE");
    let before = t.server.parts.db.counts();
    say(&[(&two, "ACTIVE"), (&json!({"id": "gone"}), "ACTIVE")]).await;
    let cost = t.server.parts.db.counts() - before;
    assert_eq!((cost.selects, cost.writes), (2, 2));
    assert_eq!((status(&one).await, status(&two).await), (json!("DOWN"), json!("ACTIVE")));
    let before = t.server.parts.db.counts();
    say(&[(&two, "ACTIVE")]).await;
    assert_eq!((t.server.parts.db.counts() - before).total(), 1, "nothing is written twice");
    t.stop().await;
}
