//! What Nova is told of a change: events of `os-server-external-events`, decided without I/O.

use neutrino_callbacks::Action;
use neutrino_types::{
    Attrs,
    constants::{device_owner::COMPUTE_PREFIX, status},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const PLUGGED: &str = "network-vif-plugged";
const UNPLUGGED: &str = "network-vif-unplugged";
const DELETED: &str = "network-vif-deleted";
const CHANGED: &str = "network-changed";

/// One event in the shape of Nova's API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// What happened.
    pub name: &'static str,
    /// The instance it happened to.
    pub server_uuid: String,
    /// `completed` or `failed`, of plugging and unplugging.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    /// The port.
    pub tag: String,
}

/// What Nova wants to hear of (`notify_nova_on_port_*_changes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Wanted {
    /// Status changes of ports.
    pub status_changes: bool,
    /// Other changes of ports and their floating IPs.
    pub data_changes: bool,
}

/// A change of a port or floating IP, as the callback registry publishes it.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// What happens to it.
    pub action: Action,
    /// Before.
    pub original: Option<&'a Attrs>,
    /// After.
    pub current: Option<&'a Attrs>,
    /// Whether a user asked for it; else an agent's report led to it.
    pub by_user: bool,
}

/// What to tell of a changed port, in order.
#[must_use]
pub fn of_port(wanted: Wanted, change: &Change<'_>) -> Vec<Event> {
    let Change { action, original, current, by_user } = *change;
    let status = match (action, original, current) {
        (Action::Update, Some(original), Some(current)) if wanted.status_changes => {
            of_status(text(original, "status"), text(current, "status"))
                .and_then(|(name, outcome)| event(current, name, Some(outcome)))
        }
        _ => None,
    };
    let data = match (action, current) {
        _ if !wanted.data_changes => None,
        (Action::Delete, _) => current.or(original).and_then(|port| event(port, DELETED, None)),
        (Action::Update, Some(port)) if by_user => event(port, CHANGED, None),
        _ => None,
    };
    status.into_iter().chain(data).collect()
}

/// The event of a status change, and its outcome: only wiring and its loss are of interest.
fn of_status(before: &str, now: &str) -> Option<(&'static str, &'static str)> {
    match (before, now) {
        (status::ACTIVE, status::DOWN) => Some((UNPLUGGED, "completed")),
        (status::DOWN | status::BUILD, status::ACTIVE) => Some((PLUGGED, "completed")),
        (status::DOWN | status::BUILD, status::ERROR) => Some((PLUGGED, "failed")),
        _ => None,
    }
}

/// The ports whose floating IP changed: the former one first.
#[must_use]
pub fn ports_of_floating_ip<'a>(wanted: Wanted, change: &Change<'a>) -> Vec<&'a str> {
    if !wanted.data_changes || !change.by_user {
        return Vec::new();
    }
    let port = |floating: Option<&'a Attrs>| floating.map(|it| text(it, "port_id"));
    let mut ports = vec![port(change.original), port(change.current)];
    ports.dedup();
    ports.into_iter().flatten().filter(|id| !id.is_empty()).collect()
}

/// What to tell of a port whose floating IP changed.
#[must_use]
pub fn of_changed_port(port: &Attrs) -> Option<Event> {
    event(port, CHANGED, None)
}

/// What to tell of a port wired on another host than it is bound to: an instance is being moved
/// there, and Nova waits for that before it lets go of the first.
#[must_use]
pub fn of_port_wired_elsewhere(wanted: Wanted, port: &Attrs) -> Option<Event> {
    if wanted.status_changes { event(port, PLUGGED, Some("completed")) } else { None }
}

/// An event about `port`; `None` unless it is an instance's.
fn event(port: &Attrs, name: &'static str, status: Option<&'static str>) -> Option<Event> {
    let device = text(port, "device_id");
    let of_compute = text(port, "device_owner").starts_with(COMPUTE_PREFIX);
    (of_compute && uuid::Uuid::try_parse(device).is_ok()).then(|| Event {
        name,
        server_uuid: device.to_string(),
        status,
        tag: text(port, "id").to_string(),
    })
}

fn text<'a>(attrs: &'a Attrs, name: &str) -> &'a str {
    attrs.get(name).and_then(Value::as_str).unwrap_or("")
}
