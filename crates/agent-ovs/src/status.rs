//! What the agent tells of itself: `report_state` to the server, progress to whoever watches.

use neutrino_dataplane::firewall::Driver;
use neutrino_rpc::shapes::AgentState;
use neutrino_types::constants::agent_type;
use serde_json::{Map, Value, json};

use crate::config::Config;

/// Progress of the agent, for tests and measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Passes of the reconciler so far.
    pub passes: u64,
    /// VIFs plugged.
    pub devices: usize,
    /// VIFs the server acknowledged as up.
    pub active: usize,
    /// Whether the server was heard completely since the last connection.
    pub synced: bool,
    /// Whether that has happened at least once since start.
    pub started: bool,
    /// Whether Open vSwitch has answered since start.
    pub ovs_seen: bool,
    /// Whether it did once but does not now.
    pub ovs_down: bool,
    /// Whether what the server did not confirm since the last connection was dropped.
    pub swept: bool,
    /// Whether every bridge has exactly the flows it should have.
    pub flows_in_sync: bool,
    /// Changes of flows sent so far.
    pub flow_mods: u64,
}

/// The agent's state before its first report; `hypervisor` is the system's host name.
#[must_use]
pub fn agent_state(config: &Config, hypervisor: &str) -> AgentState {
    AgentState {
        binary: "neutron-openvswitch-agent".into(),
        host: config.host.clone(),
        topic: "N/A".into(),
        agent_type: agent_type::OVS.into(),
        configurations: configurations(config, hypervisor),
        start_flag: true,
        availability_zone: None,
        resource_versions: None,
        uuid: String::new(),
    }
}

/// Placement's default name of the resource provider of tunnelled networks.
const TUNNELLED_PROVIDER: &str = "rp_tunnelled";

fn configurations(config: &Config, hypervisor: &str) -> Map<String, Value> {
    // Neutron names the hypervisor of every device that could have bandwidth to report.
    let hypervisors: Map<String, Value> = config
        .bridge_mappings
        .values()
        .map(String::as_str)
        .chain([TUNNELLED_PROVIDER])
        .map(|device| (device.to_string(), json!(hypervisor)))
        .collect();
    let tunnel_types: Vec<&str> = config.tunnel_types.iter().map(|t| t.as_str()).collect();
    let value = json!({
        "bridge_mappings": config.bridge_mappings,
        "resource_provider_bandwidths": {},
        "resource_provider_inventory_defaults":
            {"allocation_ratio": 1.0, "min_unit": 1, "step_size": 1, "reserved": 0},
        "resource_provider_packet_processing_without_direction": {},
        "resource_provider_packet_processing_with_direction": {},
        "resource_provider_packet_processing_inventory_defaults":
            {"allocation_ratio": 1.0, "min_unit": 1, "step_size": 1, "reserved": 0},
        "resource_provider_hypervisors": hypervisors,
        "integration_bridge": config.integration_bridge,
        "tunnel_types": tunnel_types,
        "tunneling_ip": config.local_ip,
        "l2_population": config.l2_population,
        "arp_responder_enabled": config.arp_responder,
        "enable_distributed_routing": config.distributed,
        "log_agent_heartbeats": config.log_heartbeats,
        "extensions": [],
        "datapath_type": config.datapath_type,
        "ovs_capabilities": {"datapath_types": [], "iface_types": []},
        "vhostuser_socket_dir": config.vhostuser_socket_dir,
        "ovs_hybrid_plug": config.firewall == Driver::IptablesHybrid,
        "baremetal_smartnic": false,
        "devices": 0,
        // Without its MAC the agent would not have started.
        "in_distributed_mode": config.distributed,
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// What changes while the agent runs: the number of VIFs, what this Open vSwitch can do, and
/// whether the agent is still starting.
pub fn refresh(
    state: &mut AgentState,
    progress: &Progress,
    datapath_types: &[String],
    iface_types: &[String],
) {
    state.start_flag = !progress.started;
    state.configurations.insert("devices".into(), json!(progress.devices));
    state.configurations.insert(
        "ovs_capabilities".into(),
        json!({"datapath_types": datapath_types, "iface_types": iface_types}),
    );
}
