//! Which versions of objects agents know (`version_manager`): what is to be pushed, and in which
//! versions.
//!
//! Known from the agents' table and kept in memory, so that asking costs nothing. Agents that report
//! no versions want nothing pushed.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use neutrino_db::{
    Db, DbResult,
    agents::{self, Agent},
};
use neutrino_rpc::{
    Version,
    objects::{ObjectType, by_name, compat},
};
use neutrino_types::Attrs;
use serde_json::Value;

use crate::agents::Clock;

/// How old what is known may become; agents that come meanwhile are heard of at once.
pub const TTL: Duration = Duration::from_secs(60);
/// An agent silent for so many times `agent_down_time` is asked for nothing more.
const PATIENCE: i32 = 2;

/// The versions of one agent, by object.
type Known = HashMap<&'static str, Version>;

/// The versions agents know. Cheap to clone; clones share what is known.
#[derive(Clone)]
pub struct AgentVersions {
    state: Arc<Mutex<State>>,
    down_time: TimeDelta,
    clock: Clock,
}

#[derive(Default)]
struct State {
    /// By type and host.
    agents: HashMap<(String, String), Known>,
    /// What was pulled, and when last: its asker may not have reported yet.
    pulled: HashMap<(&'static str, Version), DateTime<Utc>>,
    /// What is to be pushed, computed from both.
    wanted: HashMap<&'static str, BTreeSet<Version>>,
}

impl State {
    fn compute(&mut self) {
        let mut wanted: HashMap<&'static str, BTreeSet<Version>> = HashMap::new();
        let reported = self.agents.values().flatten().map(|(name, version)| (*name, *version));
        for (name, version) in reported.chain(self.pulled.keys().copied()) {
            wanted.entry(name).or_default().insert(version);
        }
        for (name, versions) in &mut wanted {
            // Agents that are upgraded while this server does not hear of it find it out in time.
            versions.extend(by_name(name).map(|object| object.version));
        }
        self.wanted = wanted;
    }
}

impl AgentVersions {
    /// Nothing known yet. Agents count until they were silent for twice `down_time`, by `clock`.
    #[must_use]
    pub fn new(down_time: TimeDelta, clock: Clock) -> Self {
        Self { state: Arc::default(), down_time, clock }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The versions in which changes of `object` are to be pushed; none when nobody wants any.
    #[must_use]
    pub fn wanted(&self, object: &ObjectType) -> Vec<Version> {
        self.state().wanted.get(object.name).into_iter().flatten().copied().collect()
    }

    /// Whether anybody wants changes of `object`.
    #[must_use]
    pub fn is_wanted(&self, object: &ObjectType) -> bool {
        self.state().wanted.contains_key(object.name)
    }

    /// An agent reported the versions it knows.
    pub fn report(&self, agent_type: &str, host: &str, versions: &Attrs) {
        let mut state = self.state();
        state.agents.insert((agent_type.to_string(), host.to_string()), known(versions));
        state.compute();
    }

    /// An object was pulled in a version: whoever did keeps it and wants to hear of changes.
    pub fn pulled(&self, object: &'static ObjectType, version: Version) {
        let mut state = self.state();
        if state.pulled.insert((object.name, version), (self.clock)()).is_none() {
            state.compute();
        }
    }

    /// Reads from `db` what agents reported, to this server or another. One statement.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn refresh(&self, db: &Db) -> DbResult<()> {
        let conn = db.read().await?;
        let all = conn.fetch_map(&agents::select(), agents::decode).await?;
        drop(conn);
        self.replace(&all);
        Ok(())
    }

    fn replace(&self, agents: &[Agent]) {
        let now = (self.clock)();
        let patience = self.down_time * PATIENCE;
        let counts = |a: &&Agent| a.admin_state_up && a.is_alive(now, patience);
        let key = |a: &Agent| (a.agent_type.clone(), a.host.clone());
        let mut state = self.state();
        state.agents = agents
            .iter()
            .filter(counts)
            .filter_map(|a| Some((key(a), known(a.resource_versions.as_ref()?))))
            .collect();
        state.pulled.retain(|_, at| now - *at <= patience);
        state.compute();
    }
}

/// What of a report can be pushed: objects known here, in versions that can still be said.
fn known(versions: &Attrs) -> Known {
    let known = |(name, version): (&String, &Value)| {
        let object = by_name(name)?;
        let version = version.as_str()?.parse().ok()?;
        compat::check(object, version).ok().map(|()| (object.name, version))
    };
    versions.iter().filter_map(known).collect()
}

#[cfg(test)]
mod tests {
    use neutrino_db::time;
    use neutrino_rpc::objects::catalog::{NETWORK, PORT, QOS_POLICY};
    use serde_json::json;

    use super::*;

    fn version(minor: u32) -> Version {
        Version { major: 1, minor }
    }

    fn versions(value: Value) -> Attrs {
        value.as_object().expect("object").clone()
    }

    fn agent(host: &str, seconds_silent: i64, now: DateTime<Utc>, reported: Value) -> Agent {
        let beat = time::to_text(now - TimeDelta::seconds(seconds_silent));
        Agent {
            id: host.into(),
            agent_type: "Open vSwitch agent".into(),
            binary: String::new(),
            topic: String::new(),
            host: host.into(),
            availability_zone: None,
            admin_state_up: true,
            created_at: beat.clone(),
            started_at: beat.clone(),
            heartbeat_timestamp: beat,
            description: None,
            configurations: Attrs::new(),
            resource_versions: reported.as_object().cloned(),
            load: 0,
            resources_synced: None,
        }
    }

    fn fixed() -> (AgentVersions, DateTime<Utc>) {
        let now = Utc::now();
        (AgentVersions::new(TimeDelta::seconds(75), Arc::new(move || now)), now)
    }

    #[test]
    fn nothing_is_wanted_until_somebody_says_so() {
        let (tracker, now) = fixed();
        assert!(!tracker.is_wanted(&PORT));
        tracker.replace(&[agent("ours", 0, now, Value::Null), agent("odd", 0, now, json!({}))]);
        assert!(!tracker.is_wanted(&PORT));
        tracker.report("t", "h", &versions(json!({ "Port": "1.11", "Pot": "1.0" })));
        assert!(!tracker.is_wanted(&NETWORK));
        assert_eq!(tracker.wanted(&PORT), [version(11)]);
    }

    #[test]
    fn every_version_reported_is_wanted_and_ours_beside_it() {
        let (tracker, _) = fixed();
        tracker.report("t", "old", &versions(json!({ "Port": "1.9" })));
        tracker.report("t", "new", &versions(json!({ "Port": "1.99", "Network": 3 })));
        tracker.report("t", "newton", &versions(json!({ "QosPolicy": "1.3" })));
        assert_eq!(tracker.wanted(&PORT), [version(9), version(11)]);
        assert!(!tracker.is_wanted(&NETWORK) && !tracker.is_wanted(&QOS_POLICY));
        // It was upgraded.
        tracker.report("t", "old", &versions(json!({ "Port": "1.11" })));
        assert_eq!(tracker.wanted(&PORT), [version(11)]);
    }

    #[test]
    fn agents_long_silent_or_switched_off_want_nothing() {
        let (tracker, now) = fixed();
        let port = |minor: u32| json!({ "Port": format!("1.{minor}") });
        let mut off = agent("off", 0, now, port(3));
        off.admin_state_up = false;
        let dead = agent("dead", 149, now, port(4));
        tracker.replace(&[off, agent("gone", 151, now, port(5)), dead]);
        assert_eq!(tracker.wanted(&PORT), [version(4), version(11)]);
        tracker.replace(&[]);
        assert!(!tracker.is_wanted(&PORT));
    }

    #[test]
    fn what_was_pulled_is_wanted_for_a_while() {
        let now = Arc::new(Mutex::new(Utc::now()));
        let clock = now.clone();
        let tracker =
            AgentVersions::new(TimeDelta::seconds(75), Arc::new(move || *clock.lock().unwrap()));
        tracker.pulled(&PORT, version(10));
        tracker.replace(&[]);
        assert_eq!(tracker.wanted(&PORT), [version(10), version(11)]);
        *now.lock().unwrap() += TimeDelta::seconds(151);
        tracker.replace(&[]);
        assert!(!tracker.is_wanted(&PORT));
    }
}
