//! The registry with real transactions: order, veto, and what happens to errors.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Registry, Resource, Subscriber, veto};
use neutrino_db::Tx;
use neutrino_types::{ApiResult, Attrs, Context};

/// Writes down when it is called, and refuses if told to.
struct Recorder {
    name: &'static str,
    refuses: bool,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    fn call(&self, phase: Phase, resource: Resource, action: Action) -> ApiResult<()> {
        let call = format!("{} {} {resource} {}", self.name, phase.as_str(), action.as_str());
        self.calls.lock().expect("not poisoned").push(call);
        if self.refuses { Err(veto(format!("{} says no", self.name))) } else { Ok(()) }
    }
}

#[async_trait]
impl Subscriber for Recorder {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn before(&self, r: Resource, a: Action, _: &Payload<'_>) -> ApiResult<()> {
        self.call(Phase::Before, r, a)
    }

    async fn precommit(
        &self,
        _: &mut Tx,
        r: Resource,
        a: Action,
        _: &Payload<'_>,
    ) -> ApiResult<()> {
        self.call(Phase::Precommit, r, a)
    }

    async fn after(&self, r: Resource, a: Action, _: &Payload<'_>) -> ApiResult<()> {
        self.call(Phase::After, r, a)
    }
}

#[derive(Default)]
struct Stage {
    registry: Registry,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Stage {
    fn add(&self, name: &'static str, refuses: bool, priority: i64) {
        let subscriber = Arc::new(Recorder { name, refuses, calls: Arc::clone(&self.calls) });
        for phase in [Phase::Before, Phase::Precommit, Phase::After] {
            self.registry.subscribe_at(
                Resource::Port,
                phase,
                Action::Create,
                priority,
                subscriber.clone(),
            );
        }
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().expect("not poisoned"))
    }
}

#[tokio::test]
async fn priority_orders_first_and_subscription_second() {
    let stage = Stage::default();
    for (name, priority) in [("c", 2), ("a", 1), ("d", 2), ("b", 1)] {
        stage.add(name, false, priority);
    }
    let ctx = Context::admin();
    let payload = Payload::new(&ctx, "id");
    stage.registry.before(Resource::Port, Action::Create, &payload).await.expect("no veto");
    let order: Vec<String> = stage.calls().iter().map(|c| c[..1].to_string()).collect();
    assert_eq!(order.concat(), "abcd");
}

#[tokio::test]
async fn every_subscriber_is_asked_and_all_refusals_reach_the_user() {
    let stage = Stage::default();
    stage.add("x", true, 0);
    stage.add("y", false, 0);
    stage.add("z", true, 0);
    let ctx = Context::admin();
    let payload = Payload::new(&ctx, "id");
    let db = neutrino_db::testing::db().await.expect("database");
    let mut tx = db.begin().await.expect("transaction");
    for phase in [Phase::Before, Phase::Precommit] {
        let result = match phase {
            Phase::Before => stage.registry.before(Resource::Port, Action::Create, &payload).await,
            _ => stage.registry.precommit(&mut tx, Resource::Port, Action::Create, &payload).await,
        };
        let error = result.expect_err("vetoed");
        assert_eq!((error.status, error.message.as_str()), (409, "x says no\nz says no"));
        assert_eq!(stage.calls().len(), 3);
    }
    stage.registry.after(Resource::Port, Action::Create, &payload).await;
    assert_eq!(stage.calls().len(), 3, "an error after the commit stops nobody");
}

#[tokio::test]
async fn other_events_pass_by() {
    let stage = Stage::default();
    stage.add("x", true, 0);
    let ctx = Context::admin();
    let payload = Payload::new(&ctx, "id");
    for (resource, action) in
        [(Resource::Port, Action::Delete), (Resource::Network, Action::Create)]
    {
        assert!(!stage.registry.any(resource, Phase::Before, action));
        stage.registry.before(resource, action, &payload).await.expect("nobody listens");
    }
    assert!(stage.registry.any(Resource::Port, Phase::After, Action::Create));
    assert!(stage.calls().is_empty());
}

#[test]
fn a_payload_knows_its_newest_state() {
    let ctx = Context::admin();
    let (asked, before, now) =
        (Attrs::new(), Attrs::from_iter([("a".into(), 1.into())]), Attrs::new());
    let payload = Payload::new(&ctx, "id").request(&asked);
    assert!(std::ptr::eq(payload.latest().expect("state"), &asked));
    let payload = payload.original(&before);
    assert!(std::ptr::eq(payload.latest().expect("state"), &before));
    assert!(std::ptr::eq(payload.current(&now).latest().expect("state"), &now));
}
