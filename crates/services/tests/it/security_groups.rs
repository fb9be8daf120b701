//! Security groups: who is asked and told, and that a veto leaves nothing behind.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Registry, Resource, Subscriber, veto};
use neutrino_db::{Db, Tx, quotas::QuotaDefaults};
use neutrino_ml2::{notifier::Silent, security_groups::DefaultGroups};
use neutrino_services::SecurityGroups;
use neutrino_types::{ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin};
use serde_json::{Value, json};

use crate::database;

const ACTIONS: [Action; 3] = [Action::Create, Action::Update, Action::Delete];
const PHASES: [Phase; 3] = [Phase::Before, Phase::Precommit, Phase::After];

/// Notes what it hears, and refuses one phase of one action on one kind of resource.
#[derive(Default)]
struct Listener {
    heard: Mutex<Vec<String>>,
    refuses: Mutex<Option<(Resource, Phase, Action)>>,
}

impl Listener {
    fn hear(
        &self,
        resource: Resource,
        phase: Phase,
        action: Action,
        payload: &Payload<'_>,
    ) -> ApiResult<()> {
        let what = format!("{} {} {resource}", phase.as_str(), action.as_str());
        self.heard.lock().expect("not poisoned").push(what);
        if phase != Phase::Before {
            assert_eq!(payload.current.expect("there")["id"], json!(payload.id));
        }
        match *self.refuses.lock().expect("not poisoned") {
            Some(refused) if refused == (resource, phase, action) => Err(veto("in use by a test")),
            _ => Ok(()),
        }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().expect("not poisoned"))
    }

    fn refuse(&self, what: Option<(Resource, Phase, Action)>) {
        *self.refuses.lock().expect("not poisoned") = what;
    }
}

#[async_trait]
impl Subscriber for Listener {
    fn name(&self) -> &'static str {
        "listener"
    }

    async fn before(&self, r: Resource, a: Action, payload: &Payload<'_>) -> ApiResult<()> {
        self.hear(r, Phase::Before, a, payload)
    }

    async fn precommit(
        &self,
        _: &mut Tx,
        r: Resource,
        a: Action,
        payload: &Payload<'_>,
    ) -> ApiResult<()> {
        self.hear(r, Phase::Precommit, a, payload)
    }

    async fn after(&self, r: Resource, a: Action, payload: &Payload<'_>) -> ApiResult<()> {
        self.hear(r, Phase::After, a, payload)
    }
}

struct Fixture {
    groups: Arc<dyn ResourcePlugin>,
    rules: Arc<dyn ResourcePlugin>,
    listener: Arc<Listener>,
    ctx: Context,
}

impl Fixture {
    async fn start() -> Self {
        let db: Db = database().await;
        let registry = Arc::new(Registry::new());
        let listener = Arc::new(Listener::default());
        for resource in [Resource::SecurityGroup, Resource::SecurityGroupRule] {
            for phase in PHASES {
                for action in ACTIONS {
                    registry.subscribe(resource, phase, action, listener.clone());
                }
            }
        }
        let quotas = QuotaDefaults::default();
        let defaults = DefaultGroups::new(db.clone(), registry.clone(), quotas.clone());
        let service = SecurityGroups::new(db, registry, Arc::new(Silent), defaults, quotas);
        let ctx = Context { project_id: Some("p1".into()), ..Context::admin() };
        Self { groups: service.groups(), rules: service.rules(), listener, ctx }
    }

    async fn group(&self) -> Result<String, ApiError> {
        let item = attrs(json!({"name": "g", "project_id": "p1"}));
        let made = self.groups.create(&self.ctx, vec![item]).await?;
        Ok(made[0]["id"].as_str().expect("text").to_string())
    }

    async fn rule(&self, group: &str) -> Result<String, ApiError> {
        let item = attrs(json!({"security_group_id": group, "direction": "ingress",
                                "ethertype": "IPv4", "protocol": "tcp", "project_id": "p1"}));
        let made = self.rules.create(&self.ctx, vec![item]).await?;
        Ok(made[0]["id"].as_str().expect("text").to_string())
    }

    async fn counts(&self) -> (usize, usize) {
        let all = ListQuery::default();
        let groups = self.groups.list(&self.ctx, &all).await.expect("list").len();
        (groups, self.rules.list(&self.ctx, &all).await.expect("list").len())
    }
}

fn attrs(value: Value) -> Attrs {
    value.as_object().expect("object").clone()
}

#[tokio::test]
async fn subscribers_hear_of_groups_and_rules_in_order() {
    let f = Fixture::start().await;
    let group = f.group().await.expect("group");
    let of = |action: &str, resource: &str| {
        ["before", "precommit", "after"].map(|phase| format!("{phase} {action} {resource}"))
    };
    let heard = f.listener.take();
    // The project's default group comes between.
    let mut wanted = vec!["before create security_group".to_string()];
    wanted.extend(of("create", "security_group"));
    wanted.extend(of("create", "security_group").into_iter().skip(1));
    assert_eq!(heard, wanted);

    let rule = f.rule(&group).await.expect("rule");
    assert_eq!(f.listener.take(), of("create", "security_group_rule"));
    f.rules.delete(&f.ctx, &rule, None).await.expect("deleted");
    assert_eq!(f.listener.take(), of("delete", "security_group_rule"));
    let changes = attrs(json!({"name": "other"}));
    f.groups.update(&f.ctx, &group, changes, None).await.expect("updated");
    assert_eq!(f.listener.take(), of("update", "security_group"));
    f.groups.delete(&f.ctx, &group, None).await.expect("deleted");
    assert_eq!(f.listener.take(), of("delete", "security_group"));
}

#[tokio::test]
async fn a_veto_leaves_everything_as_it_was() {
    let f = Fixture::start().await;
    let group = f.group().await.expect("group");
    let rule = f.rule(&group).await.expect("rule");
    let before = f.counts().await;
    assert_eq!(before, (2, 7));
    for phase in [Phase::Before, Phase::Precommit] {
        for (resource, action, kind) in [
            (Resource::SecurityGroup, Action::Create, "SecurityGroupConflict"),
            (Resource::SecurityGroup, Action::Update, "SecurityGroupConflict"),
            (Resource::SecurityGroup, Action::Delete, "SecurityGroupInUse"),
            (Resource::SecurityGroupRule, Action::Create, "SecurityGroupConflict"),
            (Resource::SecurityGroupRule, Action::Delete, "SecurityGroupRuleInUse"),
        ] {
            f.listener.refuse(Some((resource, phase, action)));
            let refused = match (resource, action) {
                (Resource::SecurityGroup, Action::Create) => f.group().await.map(|_| ()),
                (Resource::SecurityGroup, Action::Update) => {
                    let changes = attrs(json!({"name": "other"}));
                    f.groups.update(&f.ctx, &group, changes, None).await.map(|_| ())
                }
                (Resource::SecurityGroup, _) => f.groups.delete(&f.ctx, &group, None).await,
                (_, Action::Create) => {
                    let other = attrs(json!({"security_group_id": group, "direction": "egress",
                        "ethertype": "IPv4", "protocol": "udp", "project_id": "p1"}));
                    f.rules.create(&f.ctx, vec![other]).await.map(|_| ())
                }
                (_, _) => f.rules.delete(&f.ctx, &rule, None).await,
            };
            let error = refused.expect_err("vetoed");
            // As in Neutron, what is said before a change of a rule reaches the user as it is.
            let plain = resource == Resource::SecurityGroupRule && phase == Phase::Before;
            let kind = if plain { "CallbackFailure" } else { kind };
            assert_eq!((error.kind, error.status), (kind, 409), "{phase:?} {action:?}");
            assert!(error.message.contains("in use by a test"), "{}", error.message);
            f.listener.refuse(None);
            assert_eq!(f.counts().await, before, "{phase:?} {action:?} {resource}");
        }
    }
    let kept = f.groups.get(&f.ctx, &group).await.expect("group");
    assert_eq!((&kept["name"], &kept["revision_number"]), (&json!("g"), &json!(2)));
}

#[tokio::test]
async fn a_revision_insisted_on_must_be_there() {
    let f = Fixture::start().await;
    let group = f.group().await.expect("group");
    let rename = || attrs(json!({"name": "other"}));
    let error = f.groups.update(&f.ctx, &group, rename(), Some(7)).await.expect_err("refused");
    assert_eq!(error.status, 412);
    f.groups.update(&f.ctx, &group, rename(), Some(1)).await.expect("updated");
    let error = f.groups.delete(&f.ctx, &group, Some(1)).await.expect_err("refused");
    assert_eq!(error.status, 412);
    f.groups.delete(&f.ctx, &group, Some(2)).await.expect("deleted");
}
