//! What the agent tells of itself: `report_state` to the server, progress to whoever watches.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use neutrino_dataplane::l3::view::AgentMode;
use neutrino_rpc::{shapes::AgentState, topics};
use neutrino_types::constants::agent_type;
use serde_json::json;

use crate::{config::Config, rpc::Router};

/// What was done since the start.
#[derive(Debug, Default)]
pub struct Counters(AtomicU64);

impl Counters {
    /// Something on the host is changed.
    pub fn steps(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// Progress of the agent, for tests and measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Routers on this host.
    pub routers: usize,
    /// Those with a gateway.
    pub ex_gw_ports: usize,
    /// Their ports on internal networks.
    pub interfaces: usize,
    /// Their floating IPs.
    pub floating_ips: usize,
    /// Whether the server was heard completely and all routers were worked on since.
    pub synced: bool,
    /// Whether that has happened at least once since start.
    pub started: bool,
    /// Changes of the host so far.
    pub steps: u64,
}

impl Progress {
    /// Takes the counters and the routers in.
    pub fn refresh<'n>(
        &mut self,
        counters: &Counters,
        served: impl Iterator<Item = &'n Arc<Router>>,
    ) {
        (self.routers, self.ex_gw_ports, self.interfaces, self.floating_ips) = (0, 0, 0, 0);
        for router in served {
            self.routers += 1;
            self.ex_gw_ports += usize::from(router.view.gw_port.is_some());
            self.interfaces += router.view.interfaces.len();
            self.floating_ips += router.view.floating_ips.len();
        }
        self.steps = counters.0.load(Ordering::Relaxed);
    }
}

/// The agent's state before its first report.
#[must_use]
pub fn agent_state(config: &Config) -> AgentState {
    let mut state = AgentState {
        binary: "neutron-l3-agent".into(),
        host: config.host.clone(),
        topic: topics::L3_AGENT.into(),
        agent_type: agent_type::L3.into(),
        start_flag: true,
        availability_zone: Some(config.availability_zone.clone()),
        ..AgentState::default()
    };
    let mode = match config.settings.agent_mode {
        AgentMode::Legacy => "legacy",
        AgentMode::Dvr => "dvr",
        AgentMode::DvrSnat => "dvr_snat",
        AgentMode::DvrNoExternal => "dvr_no_external",
    };
    for (name, value) in [
        ("agent_mode", json!(mode)),
        ("handle_internal_only_routers", json!(config.internal_only_routers)),
        ("interface_driver", json!(config.interface_driver)),
        ("log_agent_heartbeats", json!(config.log_heartbeats)),
        ("extensions", json!([])),
    ] {
        state.configurations.insert(name.into(), value);
    }
    refresh(&mut state, &Progress::default());
    state
}

/// What changes while the agent runs.
pub fn refresh(state: &mut AgentState, progress: &Progress) {
    state.start_flag = !progress.started;
    let counts = [
        ("routers", progress.routers),
        ("ex_gw_ports", progress.ex_gw_ports),
        ("interfaces", progress.interfaces),
        ("floating_ips", progress.floating_ips),
    ];
    for (name, count) in counts {
        state.configurations.insert(name.into(), json!(count));
    }
}
