//! What scheduling to DHCP agents and to L3 agents has in common: who is alive, zones, places.

use chrono::{DateTime, TimeDelta, Utc};
use neutrino_callbacks::Payload;
use neutrino_db::agent_bindings::{BoundAgent, Hosting};
use neutrino_types::{ApiError, ApiResult};
use serde_json::Value;

/// By what agents are judged alive or dead.
#[derive(Clone, Copy, Debug)]
pub struct Liveness {
    /// `agent_down_time`.
    pub down_time: TimeDelta,
    /// The current time.
    pub now: DateTime<Utc>,
}

impl Liveness {
    /// Whether `agent` reported within `agent_down_time`.
    #[must_use]
    pub fn is_alive(&self, agent: &BoundAgent) -> bool {
        agent.is_alive(self.now, self.down_time)
    }

    /// How long an agent is silent before what it serves is taken away.
    #[must_use]
    pub fn dead_limit(&self) -> TimeDelta {
        self.down_time * 2
    }

    /// Whether `agent` serves something, should be alive, and is silent past
    /// [`Liveness::dead_limit`].
    #[must_use]
    pub fn is_dead(&self, agent: &BoundAgent) -> bool {
        agent.bound > 0 && agent.admin_state_up && !agent.is_alive(self.now, self.dead_limit())
    }
}

/// Whether an agent is in one of the zones hinted at, or in a default one where there is no hint.
pub(crate) fn in_zone(agent: &BoundAgent, hints: &[String], defaults: &[String]) -> bool {
    let zones = if hints.is_empty() { defaults } else { hints };
    zones.is_empty() || agent.availability_zone.as_ref().is_some_and(|z| zones.contains(z))
}

/// The lowest binding index, from 1, that is not `taken`.
#[must_use]
pub fn vacant_index(taken: &[u32]) -> u32 {
    (1..=u32::MAX).find(|index| !taken.contains(index)).unwrap_or(u32::MAX)
}

/// The agents of a resource that are told of its changes: those administratively up, or `all`
/// (`enable_services_on_agents_with_admin_state_down`).
pub(crate) fn told<'a>(hosting: &'a Hosting, resource: &'a str, all: bool) -> Vec<&'a BoundAgent> {
    hosting.of(resource).filter(|a| all || a.admin_state_up).collect()
}

/// The host and new `admin_state_up` of an agent of type `kind` whose update changed it.
pub(crate) fn admin_state_change<'a>(
    payload: &Payload<'a>,
    kind: &str,
) -> Option<(&'a str, &'a Value)> {
    let (before, now) = (payload.original?, payload.current?);
    let text = |key: &str| now.get(key).and_then(Value::as_str);
    let up = now.get("admin_state_up")?;
    let concerns = text("agent_type") == Some(kind) && before.get("admin_state_up") != Some(up);
    text("host").filter(|_| concerns).map(|host| (host, up))
}

/// `AgentNotFound` for none.
pub(crate) fn ensure_agent<T>(found: Option<T>, id: &str) -> ApiResult<T> {
    found.ok_or_else(|| ApiError::resource_not_found("agent", id))
}
