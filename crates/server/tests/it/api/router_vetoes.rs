//! What other parts of the server refuse to routers.

use std::sync::Arc;

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Resource, Subscriber, veto};
use neutrino_types::ApiResult;
use serde_json::{Value, json};

use crate::support::server::{TestServer, assert_error, create, network, text};

/// Refuses whatever it is asked.
struct Refuses;

#[async_trait]
impl Subscriber for Refuses {
    fn name(&self) -> &'static str {
        "test"
    }

    async fn before(&self, _: Resource, _: Action, payload: &Payload<'_>) -> ApiResult<()> {
        Err(veto(format!("{} is reserved", payload.id)))
    }

    async fn precommit(
        &self,
        _: &mut neutrino_db::Tx,
        _: Resource,
        _: Action,
        payload: &Payload<'_>,
    ) -> ApiResult<()> {
        Err(veto(format!("{} is reserved inside", payload.id)))
    }
}

#[tokio::test]
async fn a_subscriber_refuses() {
    use Action::{Create, Delete, Update};
    use Phase::{Before, Precommit};
    use Resource::{Router, RouterGateway, RouterInterface};
    let conflict = "RouterInterfaceAttachmentConflict";
    let callback = "CallbackFailure";
    for (resource, phase, action, kind) in [
        (RouterInterface, Before, Create, conflict),
        (RouterInterface, Precommit, Create, callback),
        (RouterInterface, Before, Delete, callback),
        (RouterGateway, Before, Create, callback),
        (RouterGateway, Precommit, Create, callback),
        (RouterGateway, Before, Delete, callback),
        (Router, Before, Update, callback),
        (Router, Precommit, Update, callback),
        (Router, Before, Delete, callback),
        (Router, Precommit, Delete, callback),
    ] {
        let t = TestServer::start().await;
        let admin = t.user("p1", "admin");
        let net = create(&admin, "networks", json!({"router:external": true})).await;
        let body = json!({"network_id": net["id"], "ip_version": 4, "cidr": "192.0.2.0/24"});
        create(&admin, "subnets", body).await;
        let (_, subnet) = network(&admin, "blue", "10.0.0.0/24").await;
        let router = create(&admin, "routers", json!({})).await;
        let path = format!("/v2.0/routers/{}", text(&router, "id"));
        let interface = json!({"subnet_id": subnet["id"]});
        let gateway = |info: Value| json!({"router": {"external_gateway_info": info}});
        let info = json!({"network_id": net["id"]});
        let requests = [
            ("PUT", format!("{path}/add_router_interface"), interface.clone()),
            ("PUT", path.clone(), gateway(info)),
            ("PUT", path.clone(), json!({"router": {"name": "other"}})),
            ("PUT", path.clone(), gateway(Value::Null)),
            ("PUT", format!("{path}/remove_router_interface"), interface),
            ("DELETE", path.clone(), Value::Null),
        ];
        let at = match (resource, action) {
            (RouterInterface, Create) => 0,
            (RouterGateway, Create) => 1,
            (Router, Update) => 2,
            (RouterGateway, _) => 3,
            (RouterInterface, _) => 4,
            _ => 5,
        };
        let send = async |(method, path, body): &(&str, String, Value)| {
            let body = if body.is_null() { String::new() } else { body.to_string() };
            admin.raw(method, path, body.as_bytes()).await
        };
        for request in &requests[..at] {
            let answer = send(request).await;
            assert_eq!(answer.status, 200, "{request:?}: {}", answer.json());
        }
        let state = async || {
            (
                admin.get(&path).await.json(),
                t.client.get("/v2.0/ports?sort_key=id&sort_dir=asc").await.json(),
            )
        };
        let before = state().await;
        t.server.parts.registry.subscribe(resource, phase, action, Arc::new(Refuses));
        let answer = send(&requests[at]).await;
        let why = if phase == Before { "is reserved" } else { "is reserved inside" };
        assert_error(&answer, 409, kind, &format!("{} {why}", text(&router, "id")));
        let now = state().await;
        if (resource, phase) != (Router, Precommit) {
            assert_eq!(now, before, "{resource:?} {phase:?} {action:?}");
        }
        t.stop().await;
    }
}

#[tokio::test]
async fn external_access_stays_while_routers_need_it() {
    let t = TestServer::start().await;
    let net = create(&t.client, "networks", json!({"project_id": "ops"})).await;
    let grant = async |target: &str| {
        let policy = json!({"object_type": "network", "object_id": net["id"], "project_id": "ops",
                            "action": "access_as_external", "target_tenant": target});
        let body = json!({"rbac_policy": policy});
        let answer = t.client.post("/v2.0/rbac-policies", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        format!("/v2.0/rbac-policies/{}", text(&answer.json()["rbac_policy"], "id"))
    };
    let guest = "00000000000000000000000000000001";
    let named = grant(guest).await;
    let body = json!({"network_id": net["id"], "ip_version": 4, "cidr": "192.0.2.0/24",
                      "project_id": "ops"});
    create(&t.client, "subnets", body).await;
    let info = json!({"external_gateway_info": {"network_id": net["id"]}});
    let router = create(&t.user(guest, "member,reader"), "routers", info).await;
    let why = "There are routers attached to this network that depend on this policy for access.";
    assert_error(&t.client.delete(&named).await, 409, "RbacPolicyInUse", why);
    let other = json!({"rbac_policy": {"target_tenant": "00000000000000000000000000000002"}});
    assert_error(&t.client.put(&named, &other).await, 409, "RbacPolicyInUse", why);
    let everyone = grant("*").await;
    assert_eq!(t.client.delete(&named).await.status, 204);
    assert_error(&t.client.delete(&everyone).await, 409, "RbacPolicyInUse", why);
    let named = grant(guest).await;
    assert_eq!(t.client.delete(&everyone).await.status, 204);
    let path = format!("/v2.0/routers/{}", text(&router, "id"));
    assert_eq!(t.client.delete(&path).await.status, 204);
    assert_eq!(t.client.delete(&named).await.status, 204);
    t.stop().await;
}
