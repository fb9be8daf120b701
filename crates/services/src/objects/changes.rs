//! Changes of resources, pushed to agents as objects (`OVOServerRpcInterface`).
//!
//! What changed is only noted by its id; one task reads everything noted and pushes it as it is
//! then. So a request pays nothing, changes that come together are read and sent together, and what
//! agents get last is what is stored.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Registry, Resource, Subscriber};
use neutrino_db::Db;
use neutrino_rpc::{
    Version,
    objects::{Attributes, Event, ObjectType, by_name, catalog},
};
use neutrino_types::ApiResult;
use serde_json::Value;
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{Filters, Objects, attributes, versions, versions::AgentVersions};

/// Most objects in one message.
const MOST_OBJECTS: usize = 100;
/// How long to wait before what could not be read is read again.
const RETRY: Duration = Duration::from_secs(1);

/// Sends objects to agents.
#[async_trait]
pub trait ObjectSender: Send + Sync {
    /// Tells everybody who knows `version` of `object` what became of these primitives.
    async fn push(
        &self,
        object: &'static ObjectType,
        version: Version,
        primitives: Vec<Value>,
        event: Event,
    );
}

/// What changed and was not pushed yet. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Changes(Arc<Inner>);

struct Inner {
    versions: AgentVersions,
    pending: Mutex<Pending>,
    wake: Notify,
}

/// Ids by object.
type Pending = BTreeMap<&'static str, BTreeSet<String>>;

/// The objects behind resources, whose changes are told by id.
const BY_ID: [(Resource, &ObjectType); 6] = [
    (Resource::Port, &catalog::PORT),
    (Resource::Subnet, &catalog::SUBNET),
    (Resource::Network, &catalog::NETWORK),
    (Resource::SecurityGroup, &catalog::SECURITY_GROUP),
    (Resource::SecurityGroupRule, &catalog::SECURITY_GROUP_RULE),
    (Resource::AddressGroup, &catalog::ADDRESS_GROUP),
];

const ACTIONS: [Action; 3] = [Action::Create, Action::Update, Action::Delete];

impl Changes {
    /// No changes; those of objects that nobody wants by `versions` are not noted.
    #[must_use]
    pub fn new(versions: AgentVersions) -> Self {
        Self(Arc::new(Inner { versions, pending: Mutex::default(), wake: Notify::new() }))
    }

    /// The versions agents know.
    #[must_use]
    pub fn versions(&self) -> &AgentVersions {
        &self.0.versions
    }

    /// Hears of changes from `registry`.
    pub fn subscribe(&self, registry: &Registry) {
        for (resource, _) in BY_ID {
            for action in ACTIONS {
                registry.subscribe(resource, Phase::After, action, Arc::new(self.clone()));
            }
        }
    }

    /// Notes that these objects came, changed or went.
    pub fn note<'a>(&self, object: &'static ObjectType, ids: impl IntoIterator<Item = &'a str>) {
        if self.0.versions.is_wanted(object) {
            self.add(object.name, ids.into_iter().map(str::to_string));
        }
    }

    fn add(&self, object: &'static str, ids: impl IntoIterator<Item = String>) {
        let mut pending = self.0.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.entry(object).or_default().extend(ids);
        drop(pending);
        self.0.wake.notify_one();
    }

    /// Pushes what is noted, and keeps what is known of agents' versions fresh, for ever.
    pub async fn run(self, db: Db, sender: Arc<dyn ObjectSender>) {
        let objects = Objects::new(db.clone());
        let mut ticks = interval(versions::TTL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first comes at once.
        ticks.tick().await;
        loop {
            // Both are cancel-safe: a permit of `notified` that is not taken stays.
            tokio::select! {
                () = self.0.wake.notified() => self.push_noted(&objects, &*sender).await,
                _ = ticks.tick() => {
                    if let Err(error) = self.0.versions.refresh(&db).await {
                        tracing::error!(%error, "cannot read the versions of objects agents know");
                    }
                }
            }
        }
    }

    async fn push_noted(&self, objects: &Objects, sender: &dyn ObjectSender) {
        let noted = {
            let mut pending = self.0.pending.lock().unwrap_or_else(PoisonError::into_inner);
            mem::take(&mut *pending)
        };
        for (name, ids) in noted {
            let Some(object) = by_name(name) else { continue };
            if let Err(error) = self.push(objects, sender, object, &ids).await {
                tracing::error!(object = name, %error, "changed objects could not be read to push them");
                self.add(name, ids);
                sleep(RETRY).await;
            }
        }
    }

    async fn push(
        &self,
        objects: &Objects,
        sender: &dyn ObjectSender,
        object: &'static ObjectType,
        ids: &BTreeSet<String>,
    ) -> ApiResult<()> {
        let wanted = self.0.versions.wanted(object);
        if wanted.is_empty() {
            return Ok(());
        }
        let found = objects.find(object, &Filters::ids(ids)).await?;
        let there: BTreeSet<&str> =
            found.iter().filter_map(|o| o.get("id").and_then(Value::as_str)).collect();
        let gone = ids.iter().filter(|id| !there.contains(id.as_str()));
        let gone: Vec<Attributes> = gone.map(|id| attributes! { "id": id }).collect();
        // As in Neutron, agents cannot tell what is new from what changed.
        for (event, of_event) in [(Event::Updated, &found), (Event::Deleted, &gone)] {
            for version in &wanted {
                push_in_version(sender, object, *version, of_event, event).await;
            }
        }
        Ok(())
    }
}

/// Pushes objects to those who know one version of them.
async fn push_in_version(
    sender: &dyn ObjectSender,
    object: &'static ObjectType,
    version: Version,
    of_event: &[Attributes],
    event: Event,
) {
    for batch in of_event.chunks(MOST_OBJECTS) {
        let encoded: Result<Vec<Value>, _> =
            batch.iter().map(|attributes| object.encode_for(attributes, version)).collect();
        match encoded {
            Ok(primitives) => sender.push(object, version, primitives, event).await,
            Err(error) => tracing::error!(
                object = object.name,
                %version,
                %error,
                "changed objects cannot be said in a version that an agent knows"
            ),
        }
    }
}

#[async_trait]
impl Subscriber for Changes {
    fn name(&self) -> &'static str {
        "versioned objects"
    }

    async fn after_all(
        &self,
        resource: Resource,
        _: Action,
        payloads: &[Payload<'_>],
    ) -> ApiResult<()> {
        if let Some((_, object)) = BY_ID.iter().find(|(known, _)| *known == resource) {
            self.note(object, payloads.iter().map(|payload| payload.id));
        }
        Ok(())
    }
}

/// Changes of port forwardings, pushed as they are told: agents act on what is new, changed and
/// gone, and are told of what is gone how it was.
pub struct PortForwardingChanges {
    versions: AgentVersions,
    sender: Arc<dyn ObjectSender>,
}

impl PortForwardingChanges {
    /// Pushes through `sender` to everybody, and in the `versions` agents reported.
    #[must_use]
    pub fn new(versions: AgentVersions, sender: Arc<dyn ObjectSender>) -> Self {
        Self { versions, sender }
    }

    /// Hears of changes from `registry`.
    pub fn subscribe(self, registry: &Registry) {
        let this = Arc::new(self);
        for action in ACTIONS {
            registry.subscribe(Resource::PortForwarding, Phase::After, action, this.clone());
        }
    }
}

#[async_trait]
impl Subscriber for PortForwardingChanges {
    fn name(&self) -> &'static str {
        "port forwardings as objects"
    }

    async fn after_all(
        &self,
        _: Resource,
        action: Action,
        payloads: &[Payload<'_>],
    ) -> ApiResult<()> {
        let object = &catalog::PORT_FORWARDING;
        // L3 agents hear of port forwardings without having reported a version.
        let mut wanted = BTreeSet::from([object.version]);
        wanted.extend(self.versions.wanted(object));
        let event = match action {
            Action::Create => Event::Created,
            Action::Update => Event::Updated,
            Action::Delete => Event::Deleted,
        };
        let of_event: Vec<Attributes> =
            payloads.iter().filter_map(|payload| payload.latest().cloned()).collect();
        for version in wanted {
            push_in_version(&*self.sender, object, version, &of_event, event).await;
        }
        Ok(())
    }
}
