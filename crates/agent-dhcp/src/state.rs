//! Which networks there are, and which wants to be looked at: a plain value, no I/O.
//!
//! Whatever happens only wakes a network; whoever works on it reads it again. A network is worked
//! on by one job at a time, and one that fails waits alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use neutrino_agent::DhcpEvent;
use neutrino_dataplane::dhcp::view::Network;
use tokio::time::Instant;

use crate::ready::Ready;

/// Networks worked on at a time because something happened to them (Neutron's pool).
const EVENT_JOBS: usize = 32;
/// First pause before a network that failed is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// What is to become of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// This agent serves it.
    Serve,
    /// This agent must not have anything of it.
    Remove,
}

/// Why a network is looked at, least urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    /// Everything was read again.
    Sync,
    /// Something happened to the network.
    Event,
    /// Something on the host may be wrong.
    Check,
}

/// Where a job has the network from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// It asks the server.
    Ask,
    /// The server has just said it.
    Given(Arc<Network>),
    /// The server said it before, and only the host is in doubt.
    Known(Arc<Network>),
}

/// Work on one network.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The network.
    pub network_id: String,
    /// What is to become of it.
    pub goal: Goal,
    /// Where it is read from.
    pub source: Source,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The network is served as it is here.
    Served(Arc<Network>),
    /// Nothing of the network is left.
    Removed,
    /// The network cannot be served until it changes.
    Waiting,
    /// Something failed; the text says what.
    Failed(String),
}

#[derive(Clone, Debug, Default)]
struct Entry {
    remove: bool,
    wake: Option<Wake>,
    given: Option<Arc<Network>>,
    known: Option<Arc<Network>>,
    /// Ports to tell the server of when the network is served, beside new ones.
    ports: BTreeSet<String>,
    all_ports: bool,
    /// The same, of the job under way.
    job: Option<RunningJob>,
    /// Something was heard of the network since all networks were last asked for.
    heard: bool,
    /// What is known of the network may be out of date.
    stale: bool,
    not_before: Option<Instant>,
    failures: u32,
    error: Option<String>,
}

#[derive(Clone, Debug)]
struct RunningJob {
    wake: Wake,
    remove: bool,
    ports: BTreeSet<String>,
    all_ports: bool,
}

/// Times that shape the schedule.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Networks worked on at a time because everything was read again.
    pub sync_jobs: usize,
    /// Longest pause before a network that failed is tried again.
    pub resync_interval: Duration,
    /// Shortest time between two readings of everything.
    pub resync_throttle: Duration,
    /// Shortest time between two jobs on one network.
    pub bulk_reload_interval: Duration,
}

/// The agent's memory.
#[derive(Debug)]
pub struct State {
    pace: Pace,
    networks: BTreeMap<String, Entry>,
    /// Whether the server is connected.
    pub connected: bool,
    /// When everything is to be read again.
    sync_at: Option<Instant>,
    syncing: bool,
    last_sync: Option<Instant>,
    /// Whether the server was heard completely since the last connection.
    heard_all: bool,
    /// Whether it ever was and everything was worked on.
    pub started: bool,
}

impl State {
    /// A state that has heard nothing; `local` are networks that the host has something of.
    #[must_use]
    pub fn new(pace: Pace, local: impl IntoIterator<Item = String>) -> Self {
        let networks = local.into_iter().map(|id| (id, Entry::default())).collect();
        Self {
            pace,
            networks,
            connected: false,
            sync_at: None,
            syncing: false,
            last_sync: None,
            heard_all: false,
            started: false,
        }
    }

    /// Everything must be heard again.
    pub fn resync(&mut self, now: Instant) {
        self.connected = true;
        self.heard_all = false;
        let earliest = self.last_sync.map_or(now, |last| last + self.pace.resync_throttle);
        self.sync_at = Some(earliest.max(now));
        // Those that wait were refused by a server that may answer differently now.
        self.networks.values_mut().for_each(|entry| entry.not_before = None);
    }

    /// Takes a notification in.
    pub fn event(&mut self, event: &DhcpEvent) {
        match event {
            DhcpEvent::Network { network_id } => {
                let entry = self.networks.entry(network_id.clone()).or_default();
                entry.remove = false;
                entry.all_ports = true;
                entry.hear();
            }
            DhcpEvent::NetworkGone { network_id } => {
                if let Some(entry) = self.networks.get_mut(network_id) {
                    entry.remove = true;
                    entry.hear();
                }
            }
            // A port of a network this agent does not serve is another agent's.
            DhcpEvent::Port { network_id, port_id } => {
                if let Some(entry) = self.networks.get_mut(network_id).filter(|e| !e.remove) {
                    entry.ports.insert(port_id.clone());
                    entry.hear();
                }
            }
            DhcpEvent::PortGone { network_id } => {
                if let Some(entry) = self.networks.get_mut(network_id).filter(|e| !e.remove) {
                    entry.hear();
                }
            }
        }
    }

    /// Something of a served network on the host may be wrong.
    pub fn check(&mut self, network_id: &str) {
        if let Some(entry) = self.networks.get_mut(network_id)
            && (entry.known.is_some() || entry.job.is_some())
        {
            entry.wake = entry.wake.max(Some(Wake::Check));
            entry.not_before = None;
        }
    }

    /// Whether all networks are to be asked for now; the answer is awaited then.
    pub fn start_sync(&mut self, now: Instant) -> bool {
        if !self.connected || self.syncing || self.sync_at.is_none_or(|at| at > now) {
            return false;
        }
        self.sync_at = None;
        self.syncing = true;
        self.last_sync = Some(now);
        self.networks.values_mut().for_each(|entry| entry.heard = false);
        true
    }

    /// All networks could not be asked for.
    pub fn sync_failed(&mut self, now: Instant) {
        self.syncing = false;
        if self.connected {
            self.sync_at.get_or_insert(now + self.pace.resync_throttle.max(FIRST_PAUSE));
        }
    }

    /// All networks of this agent: those with a value as the server has them, the others are to
    /// be asked for one by one. Networks not named here go.
    pub fn synced(&mut self, answer: Vec<(String, Option<Arc<Network>>)>) {
        self.syncing = false;
        self.heard_all = self.sync_at.is_none();
        let named: BTreeSet<String> = answer.iter().map(|(id, _)| id.clone()).collect();
        for (id, given) in answer {
            let entry = self.networks.entry(id).or_default();
            entry.all_ports = true;
            entry.wake = entry.wake.max(Some(Wake::Sync));
            // What was heard meanwhile may be newer than the answer.
            if !entry.heard {
                entry.remove = false;
                entry.given = given;
            }
        }
        for (_, entry) in
            self.networks.iter_mut().filter(|(id, e)| !named.contains(*id) && !e.heard)
        {
            entry.remove = true;
            entry.given = None;
            entry.wake = entry.wake.max(Some(Wake::Sync));
        }
    }

    /// The jobs to start now.
    pub fn take(&mut self, now: Instant) -> Vec<Job> {
        let mut events = EVENT_JOBS.saturating_sub(self.running(|wake| wake != Wake::Sync));
        let mut syncs = self.pace.sync_jobs.saturating_sub(self.running(|wake| wake == Wake::Sync));
        let mut out = Vec::new();
        for (id, entry) in &mut self.networks {
            let Some(wake) = entry.wake.filter(|_| entry.is_due(now)) else { continue };
            // Without a server, what it said last is all there is to go by.
            if !self.connected && (wake != Wake::Check || entry.remove) {
                continue;
            }
            let room = if wake == Wake::Sync { &mut syncs } else { &mut events };
            if *room == 0 {
                continue;
            }
            *room -= 1;
            out.push(entry.start(id, wake));
        }
        out
    }

    fn running(&self, of: impl Fn(Wake) -> bool) -> usize {
        self.networks.values().filter(|e| e.job.as_ref().is_some_and(|job| of(job.wake))).count()
    }

    /// Takes the end of a job in. Answers the ports whose addresses are served now.
    pub fn done(&mut self, network_id: &str, outcome: Outcome, now: Instant) -> Ready {
        let pace = self.pace;
        let mut ready = Ready::default();
        let Some(entry) = self.networks.get_mut(network_id) else { return ready };
        let Some(job) = entry.job.take() else { return ready };
        match outcome {
            Outcome::Served(network) => {
                ready = entry.served(&network, &job);
                entry.known = Some(network);
                entry.succeeded(network_id);
                if !pace.bulk_reload_interval.is_zero() {
                    entry.not_before = Some(now + pace.bulk_reload_interval);
                }
            }
            Outcome::Removed => {
                entry.known = None;
                entry.succeeded(network_id);
                if entry.wake.is_none() {
                    self.networks.remove(network_id);
                }
            }
            Outcome::Waiting => {
                entry.succeeded(network_id);
                entry.keep_ports(job);
            }
            Outcome::Failed(error) => {
                let pause = FIRST_PAUSE * 2_u32.saturating_pow(entry.failures.min(16));
                entry.failures += 1;
                entry.not_before = Some(now + pause.min(pace.resync_interval));
                entry.wake = entry.wake.max(Some(job.wake));
                entry.stale |= job.wake != Wake::Check;
                entry.keep_ports(job);
                if entry.error.as_ref() != Some(&error) {
                    tracing::warn!(
                        network_id,
                        error,
                        "network is not served right, will try again"
                    );
                }
                entry.error = Some(error);
            }
        }
        ready
    }

    /// Whether the server was heard completely and every network was worked on since.
    #[must_use]
    pub fn in_sync(&self) -> bool {
        let waits = |entry: &Entry| {
            let sync = Some(Wake::Sync);
            entry.wake == sync || entry.job.as_ref().map(|job| job.wake) == sync
        };
        // A network that fails is not what a start waits for.
        let waits = |entry: &Entry| waits(entry) && entry.failures == 0;
        self.connected && self.heard_all && !self.networks.values().any(waits)
    }

    /// The networks that are served.
    pub fn served(&self) -> impl Iterator<Item = &Arc<Network>> {
        self.networks.values().filter_map(|entry| entry.known.as_ref())
    }

    /// The next moment at which the state wants to be looked at without anything happening.
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let entries = self.networks.values().filter(|e| e.wake.is_some() && e.job.is_none());
        let sync = self.sync_at.filter(|_| self.connected && !self.syncing);
        entries.filter_map(|e| e.not_before).chain(sync).filter(|at| *at > now).min()
    }
}

impl Entry {
    /// Something was said of the network: it is read again, and soon.
    fn hear(&mut self) {
        self.heard = true;
        self.stale = true;
        self.given = None;
        self.wake = self.wake.max(Some(Wake::Event));
        if self.failures > 0 {
            self.not_before = None;
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.job.is_none() && self.not_before.is_none_or(|at| at <= now)
    }

    fn start(&mut self, id: &str, wake: Wake) -> Job {
        self.wake = None;
        self.job = Some(RunningJob {
            wake,
            remove: self.remove,
            ports: std::mem::take(&mut self.ports),
            all_ports: std::mem::take(&mut self.all_ports),
        });
        let source = match (self.given.take(), &self.known) {
            (Some(given), _) => Source::Given(given),
            (None, Some(known)) if wake == Wake::Check && !self.stale => {
                Source::Known(Arc::clone(known))
            }
            (None, _) => Source::Ask,
        };
        self.stale = false;
        let goal = if self.remove { Goal::Remove } else { Goal::Serve };
        Job { network_id: id.to_string(), goal, source }
    }

    /// The ports that a job should have told of are told of by a later one.
    fn keep_ports(&mut self, job: RunningJob) {
        self.ports.extend(job.ports);
        self.all_ports |= job.all_ports;
    }

    fn succeeded(&mut self, network_id: &str) {
        self.failures = 0;
        self.not_before = None;
        if self.error.take().is_some() {
            tracing::info!(network_id, "network is served right again");
        }
    }

    /// Ports to tell the server of: those asked for, and those it does not know the agent has.
    fn served(&self, network: &Network, job: &RunningJob) -> Ready {
        if job.remove {
            return Ready::default();
        }
        let before: BTreeSet<&str> =
            self.known.iter().flat_map(|known| &known.ports).map(|port| port.id.as_str()).collect();
        let (first, rest): (BTreeSet<&str>, BTreeSet<&str>) = network
            .ports
            .iter()
            .map(|port| port.id.as_str())
            .filter(|id| job.all_ports || job.ports.contains(*id) || !before.contains(id))
            .partition(|id| job.ports.contains(*id));
        let owned = |ids: BTreeSet<&str>| ids.into_iter().map(str::to_string).collect();
        Ready { first: owned(first), rest: owned(rest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        sync_jobs: 1,
        resync_interval: Duration::from_secs(5),
        resync_throttle: Duration::from_secs(1),
        bulk_reload_interval: Duration::ZERO,
    };

    fn network(id: &str) -> Arc<Network> {
        Arc::new(Network { id: id.into(), ..Network::default() })
    }

    fn ids(jobs: &[Job]) -> Vec<&str> {
        jobs.iter().map(|job| job.network_id.as_str()).collect()
    }

    fn heard(names: &[&str], local: &[&str], now: Instant) -> State {
        let mut state = State::new(PACE, local.iter().map(ToString::to_string));
        state.resync(now);
        assert!(state.start_sync(now));
        state.synced(names.iter().map(|id| ((*id).to_string(), Some(network(id)))).collect());
        state
    }

    #[tokio::test]
    async fn what_the_server_does_not_name_goes_but_not_before_it_has_spoken() {
        let now = Instant::now();
        let mut state = State::new(PACE, ["old".to_string()]);
        assert!(state.take(now).is_empty());
        state.resync(now);
        assert!(state.take(now).is_empty());
        let mut state = heard(&[], &["old"], now);
        assert_eq!(state.take(now)[0].goal, Goal::Remove);
        assert!(!state.in_sync());
        state.done("old", Outcome::Removed, now);
        assert!(state.in_sync());
    }

    #[tokio::test]
    async fn an_event_is_not_undone_by_an_older_answer() {
        let now = Instant::now();
        let mut state = State::new(PACE, []);
        state.resync(now);
        assert!(state.start_sync(now));
        state.event(&DhcpEvent::Network { network_id: "new".into() });
        assert_eq!(ids(&state.take(now)), ["new"]);
        state.done("new", Outcome::Served(network("new")), now);
        state.synced(Vec::new());
        assert!(state.take(now).is_empty(), "it was made after the server had been asked");
    }

    #[tokio::test]
    async fn a_failing_network_waits_alone_and_events_go_first() {
        let now = Instant::now();
        let mut state = heard(&["a", "b"], &[], now);
        assert_eq!(ids(&state.take(now)), ["a"], "one at a time");
        state.event(&DhcpEvent::Port { network_id: "b".into(), port_id: "p".into() });
        assert_eq!(ids(&state.take(now)), ["b"], "events have their own places");
        state.done("a", Outcome::Failed("no".into()), now);
        assert!(state.take(now).is_empty());
        let later = state.next_deadline(now).expect("tried again");
        assert_eq!(later, now + FIRST_PAUSE);
        assert_eq!(state.take(later)[0].source, Source::Ask);
    }

    #[tokio::test]
    async fn without_a_server_only_the_host_is_looked_after() {
        let now = Instant::now();
        let mut state = heard(&["a"], &[], now);
        state.take(now);
        state.done("a", Outcome::Served(network("a")), now);
        state.connected = false;
        state.check("a");
        assert_eq!(state.take(now)[0].source, Source::Known(network("a")));
    }

    fn with_ports(id: &str, ports: &[&str]) -> Arc<Network> {
        let ports = ports.iter().map(|id| {
            let port = serde_json::json!({"id": id, "mac_address": "fa:16:3e:00:00:01"});
            serde_json::from_value(port).expect("a port")
        });
        Arc::new(Network { id: id.into(), ports: ports.collect(), ..Network::default() })
    }

    fn port_event(network_id: &str, port_id: &str) -> DhcpEvent {
        DhcpEvent::Port { network_id: network_id.into(), port_id: port_id.into() }
    }

    #[tokio::test]
    async fn many_notifications_are_one_job_and_their_ports_go_first() {
        let now = Instant::now();
        let mut state = heard(&["a"], &[], now);
        state.take(now);
        state.done("a", Outcome::Served(with_ports("a", &["old"])), now);
        for port in ["p1", "p2", "p1"] {
            state.event(&port_event("a", port));
        }
        assert_eq!(ids(&state.take(now)), ["a"]);
        state.event(&port_event("a", "p3"));
        assert!(state.take(now).is_empty(), "one job at a time");
        let served = Outcome::Served(with_ports("a", &["old", "p1", "p2", "other"]));
        let ready = state.done("a", served, now);
        assert_eq!(ready.first, ["p1", "p2"].map(String::from).into());
        assert_eq!(ready.rest, ["other"].map(String::from).into());
        assert_eq!(ids(&state.take(now)), ["a"], "for what came meanwhile");
    }

    #[tokio::test]
    async fn bulk_reload_interval_gathers_what_happens_in_it() {
        let now = Instant::now();
        let interval = Duration::from_secs(3);
        let mut state = heard(&["a"], &[], now);
        state.pace.bulk_reload_interval = interval;
        state.take(now);
        state.done("a", Outcome::Served(network("a")), now);
        state.event(&port_event("a", "p"));
        assert!(state.take(now).is_empty());
        assert_eq!(state.next_deadline(now), Some(now + interval));
        // A dnsmasq that died does not wait.
        state.check("a");
        assert_eq!(ids(&state.take(now)), ["a"]);
        state.done("a", Outcome::Served(network("a")), now);
        state.event(&port_event("a", "q"));
        assert_eq!(ids(&state.take(now + interval)), ["a"]);
    }

    #[tokio::test]
    async fn a_network_without_addresses_waits_for_a_change_and_forgets_no_port() {
        let now = Instant::now();
        let mut state = heard(&["a"], &[], now);
        state.take(now);
        state.done("a", Outcome::Served(with_ports("a", &["old"])), now);
        state.event(&port_event("a", "old"));
        state.take(now);
        assert!(state.done("a", Outcome::Waiting, now).is_empty());
        assert!(state.take(now + Duration::from_secs(60)).is_empty(), "nothing has changed");
        state.event(&DhcpEvent::PortGone { network_id: "a".into() });
        assert_eq!(ids(&state.take(now)), ["a"], "an address is free");
        let ready = state.done("a", Outcome::Served(with_ports("a", &["old"])), now);
        assert_eq!(ready.first, ["old"].map(String::from).into());
    }
}
