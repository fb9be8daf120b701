//! Every topic Neutron's server and agents meet on (neutron-lib `agent.topics`), stated once.

/// Topic exchange all of Neutron publishes to (`control_exchange`).
pub const EXCHANGE: &str = "neutron";

/// Consumed by neutron-server: everything an L2 or DHCP agent calls.
pub const PLUGIN: &str = "q-plugin";
/// Consumed by neutron-server: `report_state`.
pub const REPORTS: &str = "q-reports-plugin";
/// Consumed by neutron-server: what an L3 agent calls.
pub const L3_PLUGIN: &str = "q-l3-plugin";
/// Consumed by neutron-server: what a metering agent calls.
pub const METERING_PLUGIN: &str = "q-metering-plugin";
/// Fanout between servers: versions of objects that agents understand.
pub const SERVER_RESOURCE_VERSIONS: &str = "q-server-resource-versions";
/// Consumed by DHCP agents.
pub const DHCP_AGENT: &str = "dhcp_agent";
/// Consumed by L3 agents.
pub const L3_AGENT: &str = "l3_agent";
/// Consumed by metering agents.
pub const METERING_AGENT: &str = "metering_agent";
/// Consumed by neutron-server: trunk status and subport bindings (namespace `trunk`).
pub const TRUNK: &str = "trunk";

/// Prefix of the topics on which the server notifies L2 agents.
pub const AGENT: &str = "q-agent-notifier";
/// `port_update`.
pub const PORT_UPDATE: &str = "q-agent-notifier-port-update";
/// `port_delete`.
pub const PORT_DELETE: &str = "q-agent-notifier-port-delete";
/// `network_update`.
pub const NETWORK_UPDATE: &str = "q-agent-notifier-network-update";
/// `network_delete`.
pub const NETWORK_DELETE: &str = "q-agent-notifier-network-delete";
/// `security_groups_rule_updated` and `security_groups_member_updated`.
pub const SECURITY_GROUP_UPDATE: &str = "q-agent-notifier-security_group-update";
/// `tunnel_update`.
pub const TUNNEL_UPDATE: &str = "q-agent-notifier-tunnel-update";
/// `tunnel_delete`.
pub const TUNNEL_DELETE: &str = "q-agent-notifier-tunnel-delete";
/// `dvr_mac_address_update`.
pub const DVR_UPDATE: &str = "q-agent-notifier-dvr-update";
/// `add_fdb_entries`, `remove_fdb_entries`, `update_fdb_entries`.
pub const L2POPULATION_UPDATE: &str = "q-agent-notifier-l2population-update";
/// `binding_deactivate`.
pub const PORT_BINDING_DEACTIVATE: &str = "q-agent-notifier-port_binding-deactivate";
/// `binding_activate`.
pub const PORT_BINDING_ACTIVATE: &str = "q-agent-notifier-port_binding-activate";

/// Prefix of the topics on which changes of versioned objects are pushed.
pub const VERSIONED_OBJECTS: &str = "neutron-vo-";

/// Routing key of `topic` on one server, e.g. `dhcp_agent.net1`.
#[must_use]
pub fn on_server(topic: &str, server: &str) -> String {
    format!("{topic}.{server}")
}

/// Exchange that copies a message to every consumer of `topic`.
#[must_use]
pub fn fanout(topic: &str) -> String {
    format!("{topic}_fanout")
}
