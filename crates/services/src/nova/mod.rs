//! Tells Nova of instances' ports: that they are wired (instances wait for it), lost, changed, gone.
//!
//! [`events`] decides what to tell; subscribers of the callback registry queue it, and one task
//! sends what came meanwhile through [`NovaApi`], every `send_events_interval` at most.

pub mod events;
mod queue;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Registry, Resource, Subscriber};
use neutrino_conf::{Conf, opts};
use neutrino_types::{ApiResult, Attrs, Context, ListQuery, ResourcePlugin};
use serde_json::Value;
use tokio::{sync::Notify, task::JoinHandle};

use events::{Change, Event, Wanted};
use queue::{Pending, Queue};

/// How often a message is sent before its events are given up.
const ATTEMPTS: u32 = 3;

/// Longest time for telling the rest when the server stops.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What Nova said of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Nova's code: 404 when it does not know the instance, 422 when the instance is on no host.
    pub code: i64,
    /// The event as Nova repeats it.
    pub event: Value,
}

/// How a message ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// Nova took it, but for these.
    Taken(Vec<Refusal>),
    /// Nova knows none of the instances.
    Unknown,
    /// Nova cannot use it; the text says why.
    Refused(String),
    /// Nova could not be asked; the text says why.
    Unreached(String),
}

/// Nova's `os-server-external-events`.
#[async_trait]
pub trait NovaApi: Send + Sync {
    /// Posts `events`.
    async fn post(&self, events: &[Event]) -> Sent;
}

/// How Nova is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NovaConfig {
    /// Of what.
    pub wanted: Wanted,
    /// Least time between two messages.
    pub interval: Duration,
}

impl NovaConfig {
    /// What the configuration says.
    #[must_use]
    pub fn from_conf(conf: &Conf) -> Self {
        let seconds = conf.get(&opts::default::SEND_EVENTS_INTERVAL);
        Self {
            wanted: Wanted {
                status_changes: conf.get(&opts::default::NOTIFY_NOVA_ON_PORT_STATUS_CHANGES),
                data_changes: conf.get(&opts::default::NOTIFY_NOVA_ON_PORT_DATA_CHANGES),
            },
            interval: Duration::from_secs(u64::try_from(seconds).unwrap_or(1)),
        }
    }
}

/// The task that tells Nova; it ends when this is dropped.
#[derive(Debug)]
pub struct NovaNotifier {
    ending: Arc<Notify>,
    task: JoinHandle<()>,
}

impl NovaNotifier {
    /// Subscribes to what Nova wants to hear of, and starts telling it. `ports` answers ports by
    /// id.
    #[must_use]
    pub fn start(
        config: NovaConfig,
        registry: &Registry,
        ports: Arc<dyn ResourcePlugin>,
        nova: Arc<dyn NovaApi>,
    ) -> Self {
        let queue = Arc::new(Queue::default());
        let watch = Arc::new(Watch { wanted: config.wanted, queue: queue.clone() });
        for (resource, actions) in WATCHED {
            for action in *actions {
                registry.subscribe(*resource, Phase::After, *action, watch.clone());
            }
        }
        let ending = Arc::new(Notify::new());
        let sender = Sender { queue, ports, nova, interval: config.interval };
        let task = tokio::spawn(sender.run(ending.clone()));
        Self { ending, task }
    }

    /// Tells what there is still to tell, for a few seconds at most.
    pub async fn stop(mut self) {
        self.ending.notify_one();
        if tokio::time::timeout(LAST_WORDS, &mut self.task).await.is_err() {
            tracing::warn!("the server stops before Nova was told of all ports");
        }
    }
}

impl Drop for NovaNotifier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const WATCHED: &[(Resource, &[Action])] = &[
    (Resource::Port, &[Action::Update, Action::Delete]),
    (Resource::PortWiredElsewhere, &[Action::Update]),
    (Resource::FloatingIp, &[Action::Create, Action::Update, Action::Delete]),
];

/// Queues what is worth telling.
struct Watch {
    wanted: Wanted,
    queue: Arc<Queue>,
}

#[async_trait]
impl Subscriber for Watch {
    fn name(&self) -> &'static str {
        "nova"
    }

    async fn after(
        &self,
        resource: Resource,
        action: Action,
        payload: &Payload<'_>,
    ) -> ApiResult<()> {
        let change = Change {
            action,
            original: payload.original,
            current: payload.current,
            // A create or delete of a floating IP is always asked for.
            by_user: payload.request.is_some() || action != Action::Update,
        };
        match resource {
            Resource::Port => {
                for event in events::of_port(self.wanted, &change) {
                    self.queue.push(Pending::Event(event));
                }
            }
            Resource::PortWiredElsewhere => {
                let port =
                    payload.current.and_then(|p| events::of_port_wired_elsewhere(self.wanted, p));
                if let Some(event) = port {
                    self.queue.push(Pending::Event(event));
                }
            }
            _ => {
                for port in events::ports_of_floating_ip(self.wanted, &change) {
                    self.queue.push(Pending::ChangedPort(port.to_string()));
                }
            }
        }
        Ok(())
    }
}

/// Tells Nova what was queued.
struct Sender {
    queue: Arc<Queue>,
    ports: Arc<dyn ResourcePlugin>,
    nova: Arc<dyn NovaApi>,
    interval: Duration,
}

impl Sender {
    async fn run(self, ending: Arc<Notify>) {
        let mut ends = false;
        loop {
            if !ends {
                tokio::select! {
                    () = self.queue.filled() => {}
                    () = ending.notified() => ends = true,
                }
            }
            let (batch, dropped) = self.queue.take();
            if dropped > 0 {
                tracing::error!(dropped, "Nova was not told of ports: too much was waiting");
            }
            if batch.is_empty() {
                return;
            }
            let events = self.resolve(batch).await;
            if !events.is_empty() {
                self.tell(&events).await;
            }
            // What comes meanwhile goes together.
            if !ends {
                tokio::select! {
                    () = tokio::time::sleep(self.interval) => {}
                    () = ending.notified() => ends = true,
                }
            }
        }
    }

    /// The events, with those of ports that were only named.
    async fn resolve(&self, batch: Vec<Pending>) -> Vec<Event> {
        let named = batch.iter().filter_map(|pending| match pending {
            Pending::ChangedPort(id) => Some(id.as_str()),
            Pending::Event(_) => None,
        });
        let named: Vec<&str> = named.collect();
        let ports = if named.is_empty() { HashMap::new() } else { self.read(&named).await };
        batch
            .into_iter()
            .filter_map(|pending| match pending {
                Pending::Event(event) => Some(event),
                // One that is gone meanwhile has its own event.
                Pending::ChangedPort(id) => ports.get(&id).and_then(events::of_changed_port),
            })
            .collect()
    }

    async fn read(&self, ids: &[&str]) -> HashMap<String, Attrs> {
        let query = ListQuery::filter("id", ids.iter().copied());
        match self.ports.list(&Context::admin(), &query).await {
            Ok(found) => found
                .into_iter()
                .filter_map(|port| {
                    Some((port.get("id").and_then(Value::as_str)?.to_string(), port))
                })
                .collect(),
            Err(error) => {
                tracing::error!(%error, "Nova is not told of changed floating IPs: their ports cannot be read");
                HashMap::new()
            }
        }
    }

    async fn tell(&self, events: &[Event]) {
        let mut pause = self.interval;
        for left in (0..ATTEMPTS).rev() {
            match self.nova.post(events).await {
                Sent::Taken(refusals) => {
                    for Refusal { code, event } in refusals {
                        tracing::warn!(code, %event, "Nova did not take an event");
                    }
                    return;
                }
                Sent::Unknown => {
                    tracing::debug!(?events, "Nova knows none of the instances");
                    return;
                }
                Sent::Refused(reason) => {
                    tracing::error!(reason, ?events, "Nova refused events");
                    return;
                }
                Sent::Unreached(reason) if left > 0 => {
                    tracing::warn!(
                        reason,
                        events = events.len(),
                        left,
                        "Nova is not reached, trying again"
                    );
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Sent::Unreached(reason) => {
                    tracing::error!(
                        reason,
                        ?events,
                        "Nova is not reached: it was not told of ports"
                    );
                }
            }
        }
    }
}
