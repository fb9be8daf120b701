//! Who is called, in which order, and what their errors do.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use neutrino_db::Tx;
use neutrino_types::{ApiError, ApiResult};

use crate::{
    event::{Action, Payload, Phase, Resource},
    veto::merge,
};

/// Neutron's default priority; lower numbers are called first, equal ones in subscription order.
pub const DEFAULT_PRIORITY: i64 = 55_550_000;

/// One who wants to know. A subscriber implements the phases it subscribed to.
#[async_trait]
pub trait Subscriber: Send + Sync {
    /// Name for the log.
    fn name(&self) -> &'static str;

    /// Before the transaction. An error vetoes the operation.
    async fn before(
        &self,
        _resource: Resource,
        _action: Action,
        _payload: &Payload<'_>,
    ) -> ApiResult<()> {
        Ok(())
    }

    /// Inside the transaction. An error vetoes the operation and rolls the transaction back.
    async fn precommit(
        &self,
        _tx: &mut Tx,
        _resource: Resource,
        _action: Action,
        _payload: &Payload<'_>,
    ) -> ApiResult<()> {
        Ok(())
    }

    /// After the commit. An error is logged by the registry.
    async fn after(
        &self,
        _resource: Resource,
        _action: Action,
        _payload: &Payload<'_>,
    ) -> ApiResult<()> {
        Ok(())
    }

    /// After the commit of one operation on several resources (a bulk create). Who can handle them
    /// together more cheaply than one by one does so here. An error is logged by the registry.
    async fn after_all(
        &self,
        resource: Resource,
        action: Action,
        payloads: &[Payload<'_>],
    ) -> ApiResult<()> {
        let mut errors = Vec::new();
        for payload in payloads {
            if let Err(error) = self.after(resource, action, payload).await {
                errors.push(error);
            }
        }
        merge(errors).map_or(Ok(()), Err)
    }
}

#[derive(Clone)]
struct Entry {
    priority: i64,
    subscriber: Arc<dyn Subscriber>,
}

/// The subscribers of one event. `any` lets a publisher pass by without a lock.
#[derive(Default)]
struct Slot {
    any: AtomicBool,
    entries: RwLock<Arc<Vec<Entry>>>,
}

const SLOTS: usize = Resource::COUNT * Phase::COUNT * Action::COUNT;

/// The subscriptions of one server.
pub struct Registry {
    slots: Vec<Slot>,
}

impl Default for Registry {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| Slot::default()).collect() }
    }
}

impl Registry {
    /// A registry without subscribers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn slot(&self, resource: Resource, phase: Phase, action: Action) -> &Slot {
        let at = (resource as usize * Phase::COUNT + phase as usize) * Action::COUNT;
        &self.slots[at + action as usize]
    }

    /// Subscribes at [`DEFAULT_PRIORITY`].
    pub fn subscribe(
        &self,
        resource: Resource,
        phase: Phase,
        action: Action,
        subscriber: Arc<dyn Subscriber>,
    ) {
        self.subscribe_at(resource, phase, action, DEFAULT_PRIORITY, subscriber);
    }

    /// Subscribes with `priority`: lower is earlier.
    pub fn subscribe_at(
        &self,
        resource: Resource,
        phase: Phase,
        action: Action,
        priority: i64,
        subscriber: Arc<dyn Subscriber>,
    ) {
        let slot = self.slot(resource, phase, action);
        // A poisoned lock means a panic elsewhere while the list was replaced as a whole: the
        // list itself is still consistent.
        let mut entries = slot.entries.write().unwrap_or_else(PoisonError::into_inner);
        let mut list = entries.as_ref().clone();
        let at = list.partition_point(|e| e.priority <= priority);
        list.insert(at, Entry { priority, subscriber });
        *entries = Arc::new(list);
        slot.any.store(true, Ordering::Release);
    }

    /// Whether anyone listens: lets a publisher skip building a payload.
    #[must_use]
    pub fn any(&self, resource: Resource, phase: Phase, action: Action) -> bool {
        self.slot(resource, phase, action).any.load(Ordering::Acquire)
    }

    fn entries(&self, resource: Resource, phase: Phase, action: Action) -> Option<Arc<Vec<Entry>>> {
        let slot = self.slot(resource, phase, action);
        slot.any
            .load(Ordering::Acquire)
            .then(|| Arc::clone(&slot.entries.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Publishes a BEFORE event.
    ///
    /// # Errors
    /// The merged refusals of all subscribers; every one is asked.
    pub async fn before(
        &self,
        resource: Resource,
        action: Action,
        payload: &Payload<'_>,
    ) -> ApiResult<()> {
        let Some(entries) = self.entries(resource, Phase::Before, action) else { return Ok(()) };
        let mut errors = Vec::new();
        for entry in entries.iter() {
            if let Err(e) = entry.subscriber.before(resource, action, payload).await {
                refused(resource, Phase::Before, action, &entry.subscriber, &e);
                errors.push(e);
            }
        }
        merge(errors).map_or(Ok(()), Err)
    }

    /// Publishes a PRECOMMIT event inside `tx`.
    ///
    /// # Errors
    /// The merged refusals of all subscribers; the caller rolls the transaction back.
    pub async fn precommit(
        &self,
        tx: &mut Tx,
        resource: Resource,
        action: Action,
        payload: &Payload<'_>,
    ) -> ApiResult<()> {
        let Some(entries) = self.entries(resource, Phase::Precommit, action) else {
            return Ok(());
        };
        let mut errors = Vec::new();
        for entry in entries.iter() {
            if let Err(e) = entry.subscriber.precommit(tx, resource, action, payload).await {
                refused(resource, Phase::Precommit, action, &entry.subscriber, &e);
                errors.push(e);
            }
        }
        merge(errors).map_or(Ok(()), Err)
    }

    /// Publishes an AFTER event; what fails is logged here.
    pub async fn after(&self, resource: Resource, action: Action, payload: &Payload<'_>) {
        self.after_all(resource, action, std::slice::from_ref(payload)).await;
    }

    /// Publishes the AFTER events of one operation on several resources.
    pub async fn after_all(&self, resource: Resource, action: Action, payloads: &[Payload<'_>]) {
        let Some(entries) = self.entries(resource, Phase::After, action) else { return };
        for entry in entries.iter() {
            if let Err(e) = entry.subscriber.after_all(resource, action, payloads).await {
                tracing::error!(
                    %resource,
                    action = action.as_str(),
                    id = payloads.first().map(|payload| payload.id),
                    resources = payloads.len(),
                    subscriber = entry.subscriber.name(),
                    error = %e,
                    cause = e.cause.as_deref().map(tracing::field::display),
                    "a subscriber failed after the change was committed"
                );
            }
        }
    }
}

fn refused(
    resource: Resource,
    phase: Phase,
    action: Action,
    subscriber: &Arc<dyn Subscriber>,
    error: &ApiError,
) {
    tracing::debug!(
        %resource,
        phase = phase.as_str(),
        action = action.as_str(),
        subscriber = subscriber.name(),
        %error,
        "a subscriber refused"
    );
}
