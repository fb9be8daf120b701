//! What the agent tells of itself: `report_state` to the server, progress to whoever watches.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use neutrino_dataplane::dhcp::view::Network;
use neutrino_rpc::{shapes::AgentState, topics};
use neutrino_types::constants::agent_type;
use serde_json::json;

use crate::config::Config;

/// What was done since the start.
#[derive(Debug, Default)]
pub struct Counters {
    started: AtomicU64,
    reloaded: AtomicU64,
}

impl Counters {
    /// A dnsmasq is started.
    pub fn started(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    /// A dnsmasq is told to read its files.
    pub fn reloaded(&self) {
        self.reloaded.fetch_add(1, Ordering::Relaxed);
    }
}

/// Progress of the agent, for tests and measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Networks served.
    pub networks: usize,
    /// Subnets of them.
    pub subnets: usize,
    /// Ports of them.
    pub ports: usize,
    /// Whether the server was heard completely and all networks were worked on since.
    pub synced: bool,
    /// Whether that has happened at least once since start.
    pub started: bool,
    /// dnsmasq processes started so far.
    pub spawned: u64,
    /// dnsmasq processes told to read their files so far.
    pub reloads: u64,
}

impl Progress {
    /// Takes the counters and the served networks in.
    pub fn refresh<'n>(
        &mut self,
        counters: &Counters,
        served: impl Iterator<Item = &'n Arc<Network>>,
    ) {
        (self.networks, self.subnets, self.ports) = (0, 0, 0);
        for network in served {
            self.networks += 1;
            self.subnets += network.subnets.len();
            self.ports += network.ports.len();
        }
        self.spawned = counters.started.load(Ordering::Relaxed);
        self.reloads = counters.reloaded.load(Ordering::Relaxed);
    }
}

/// The agent's state before its first report.
#[must_use]
pub fn agent_state(config: &Config) -> AgentState {
    let mut state = AgentState {
        binary: "neutron-dhcp-agent".into(),
        host: config.host.clone(),
        topic: topics::DHCP_AGENT.into(),
        agent_type: agent_type::DHCP.into(),
        start_flag: true,
        availability_zone: Some(config.availability_zone.clone()),
        ..AgentState::default()
    };
    let lease = config.settings.dhcp_lease_duration.map_or(-1, i64::from);
    state.configurations.insert("dhcp_driver".into(), json!(config.dhcp_driver));
    state.configurations.insert("dhcp_lease_duration".into(), json!(lease));
    state.configurations.insert("log_agent_heartbeats".into(), json!(config.log_heartbeats));
    refresh(&mut state, &Progress::default());
    state
}

/// What changes while the agent runs.
pub fn refresh(state: &mut AgentState, progress: &Progress) {
    state.start_flag = !progress.started;
    let counts =
        [("networks", progress.networks), ("subnets", progress.subnets), ("ports", progress.ports)];
    for (name, count) in counts {
        state.configurations.insert(name.into(), json!(count));
    }
}
