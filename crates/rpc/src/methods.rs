//! RPC methods between server and L2 agents: name, version and topic, stated once and read by the
//! calling and by the serving side.

use serde_json::{Map, Value};

use crate::topics;

/// One method as its caller addresses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// Name on the wire.
    pub name: &'static str,
    /// Lowest interface version that has it with these arguments.
    pub version: &'static str,
    /// Topic it is sent to.
    pub topic: &'static str,
}

const fn method(topic: &'static str, name: &'static str, version: &'static str) -> Method {
    Method { name, version, topic }
}

/// Version of the L2 plugin interface served on [`topics::PLUGIN`] (ML2 `RpcCallbacks`).
pub const PLUGIN_VERSION: &str = "1.9";
/// Version of the agent report interface (`AgentExtRpcCallback`).
pub const REPORTS_VERSION: &str = "1.4";
/// Version of the notification interface an L2 agent serves.
pub const AGENT_VERSION: &str = "1.5";

/// Agent liveness and configuration.
pub const REPORT_STATE: Method = method(topics::REPORTS, "report_state", "1.4");
/// Whether a server answers and its database is reachable.
pub const HAS_ALIVE_NEUTRON_SERVER: Method =
    method(topics::REPORTS, "has_alive_neutron_server", "1.4");
/// Agents matching filters.
pub const GET_AGENTS: Method = method(topics::REPORTS, "get_agents", "1.4");
/// Removes an agent's row.
pub const DELETE_AGENT: Method = method(topics::REPORTS, "delete_agent", "1.4");

/// Details of one device.
pub const GET_DEVICE_DETAILS: Method = method(topics::PLUGIN, "get_device_details", "1.9");
/// Details of several devices.
pub const GET_DEVICES_DETAILS_LIST: Method =
    method(topics::PLUGIN, "get_devices_details_list", "1.9");
/// Details of several devices, and the devices that failed.
pub const GET_DEVICES_DETAILS_LIST_AND_FAILED: Method =
    method(topics::PLUGIN, "get_devices_details_list_and_failed_devices", "1.5");
/// A network as the API shows it.
pub const GET_NETWORK_DETAILS: Method = method(topics::PLUGIN, "get_network_details", "1.6");
/// A device is wired.
pub const UPDATE_DEVICE_UP: Method = method(topics::PLUGIN, "update_device_up", "1.9");
/// A device is gone.
pub const UPDATE_DEVICE_DOWN: Method = method(topics::PLUGIN, "update_device_down", "1.9");
/// Several devices are wired or gone.
pub const UPDATE_DEVICE_LIST: Method = method(topics::PLUGIN, "update_device_list", "1.9");
/// Announces this host's tunnel endpoint, answers all of them.
pub const TUNNEL_SYNC: Method = method(topics::PLUGIN, "tunnel_sync", "1.4");
/// Ports of one VNIC type bound to a host.
pub const GET_PORTS_BY_VNIC_TYPE_AND_HOST: Method =
    method(topics::PLUGIN, "get_ports_by_vnic_type_and_host", "1.7");

/// A port changed.
pub const PORT_UPDATE: Method = method(topics::PORT_UPDATE, "port_update", "1.0");
/// A port was deleted.
pub const PORT_DELETE: Method = method(topics::PORT_DELETE, "port_delete", "1.0");
/// A network changed.
pub const NETWORK_UPDATE: Method = method(topics::NETWORK_UPDATE, "network_update", "1.4");
/// A network was deleted.
pub const NETWORK_DELETE: Method = method(topics::NETWORK_DELETE, "network_delete", "1.0");
/// A tunnel endpoint appeared.
pub const TUNNEL_UPDATE: Method = method(topics::TUNNEL_UPDATE, "tunnel_update", "1.0");
/// A tunnel endpoint went away.
pub const TUNNEL_DELETE: Method = method(topics::TUNNEL_DELETE, "tunnel_delete", "1.0");
/// Forwarding entries to add.
pub const ADD_FDB_ENTRIES: Method = method(topics::L2POPULATION_UPDATE, "add_fdb_entries", "1.0");
/// Forwarding entries to remove.
pub const REMOVE_FDB_ENTRIES: Method =
    method(topics::L2POPULATION_UPDATE, "remove_fdb_entries", "1.0");
/// Forwarding entries whose address changed.
pub const UPDATE_FDB_ENTRIES: Method =
    method(topics::L2POPULATION_UPDATE, "update_fdb_entries", "1.0");

/// The binding of a port on a host is no longer in force.
pub const BINDING_DEACTIVATE: Method =
    method(topics::PORT_BINDING_DEACTIVATE, "binding_deactivate", "1.5");
/// The binding of a port on a host is in force now.
pub const BINDING_ACTIVATE: Method =
    method(topics::PORT_BINDING_ACTIVATE, "binding_activate", "1.5");

/// Version of the security group interface served on [`topics::PLUGIN`].
pub const SECURITY_GROUPS_VERSION: &str = "1.3";
/// Version of the DHCP interface served on [`topics::PLUGIN`].
pub const DHCP_VERSION: &str = "1.10";
/// Version of the metadata interface served on [`topics::PLUGIN`].
pub const METADATA_VERSION: &str = "1.0";
/// Version of the interface a DHCP agent serves on [`topics::DHCP_AGENT`].
pub const DHCP_AGENT_VERSION: &str = "1.0";

/// Rules of the groups of devices, and the addresses of the remote groups they name.
pub const SECURITY_GROUP_INFO_FOR_DEVICES: Method =
    method(topics::PLUGIN, "security_group_info_for_devices", "1.3");
/// Rules of devices, remote groups already expanded (older agents).
pub const SECURITY_GROUP_RULES_FOR_DEVICES: Method =
    method(topics::PLUGIN, "security_group_rules_for_devices", "1.1");
/// Rules of these groups changed.
pub const SECURITY_GROUPS_RULE_UPDATED: Method =
    method(topics::SECURITY_GROUP_UPDATE, "security_groups_rule_updated", "1.1");
/// Addresses of the members of these groups changed.
pub const SECURITY_GROUPS_MEMBER_UPDATED: Method =
    method(topics::SECURITY_GROUP_UPDATE, "security_groups_member_updated", "1.1");

/// Every network a DHCP agent serves.
pub const GET_ACTIVE_NETWORKS_INFO: Method =
    method(topics::PLUGIN, "get_active_networks_info", "1.1");
/// One network as a DHCP agent needs it; null when it is gone.
pub const GET_NETWORK_INFO: Method = method(topics::PLUGIN, "get_network_info", "1.0");
/// Makes a DHCP agent's own port.
pub const CREATE_DHCP_PORT: Method = method(topics::PLUGIN, "create_dhcp_port", "1.1");
/// Changes a DHCP agent's own port.
pub const UPDATE_DHCP_PORT: Method = method(topics::PLUGIN, "update_dhcp_port", "1.1");
/// Deletes a DHCP agent's own port.
pub const RELEASE_DHCP_PORT: Method = method(topics::PLUGIN, "release_dhcp_port", "1.0");
/// One port by id.
pub const GET_DHCP_PORT: Method = method(topics::PLUGIN, "get_dhcp_port", "1.8");
/// The addresses of these ports are served.
pub const DHCP_READY_ON_PORTS: Method = method(topics::PLUGIN, "dhcp_ready_on_ports", "1.5");
/// Ports that match filters (metadata agent, DVR).
pub const GET_PORTS: Method = method(topics::PLUGIN, "get_ports", "1.0");

/// Notifications of a DHCP agent; each has one argument, `payload`.
pub const NETWORK_CREATE_END: Method = method(topics::DHCP_AGENT, "network_create_end", "1.0");
/// See [`NETWORK_CREATE_END`].
pub const NETWORK_UPDATE_END: Method = method(topics::DHCP_AGENT, "network_update_end", "1.0");
/// See [`NETWORK_CREATE_END`].
pub const NETWORK_DELETE_END: Method = method(topics::DHCP_AGENT, "network_delete_end", "1.0");
/// See [`NETWORK_CREATE_END`].
pub const SUBNET_CREATE_END: Method = method(topics::DHCP_AGENT, "subnet_create_end", "1.0");
/// See [`NETWORK_CREATE_END`].
pub const SUBNET_UPDATE_END: Method = method(topics::DHCP_AGENT, "subnet_update_end", "1.0");
/// See [`NETWORK_CREATE_END`].
pub const SUBNET_DELETE_END: Method = method(topics::DHCP_AGENT, "subnet_delete_end", "1.0");
/// See [`NETWORK_CREATE_END`].
pub const PORT_CREATE_END: Method = method(topics::DHCP_AGENT, "port_create_end", "1.0");
/// See [`NETWORK_CREATE_END`].
pub const PORT_UPDATE_END: Method = method(topics::DHCP_AGENT, "port_update_end", "1.0");
/// See [`NETWORK_CREATE_END`].
pub const PORT_DELETE_END: Method = method(topics::DHCP_AGENT, "port_delete_end", "1.0");
/// The administrative state of the DHCP (or L3) agent changed.
pub const DHCP_AGENT_UPDATED: Method = method(topics::DHCP_AGENT, "agent_updated", "1.0");

/// Version of the L3 interface served on [`topics::L3_PLUGIN`] (`L3RpcCallback`).
pub const L3_VERSION: &str = "1.13";
/// Version of the DVR interface served on [`topics::PLUGIN`] (`DVRServerRpcCallback`).
pub const DVR_VERSION: &str = "1.1";
/// Version of the interface an L3 agent serves on [`topics::L3_AGENT`].
pub const L3_AGENT_VERSION: &str = "1.4";

/// Ids of the routers a host is to have; schedules those nobody has.
pub const GET_ROUTER_IDS: Method = method(topics::L3_PLUGIN, "get_router_ids", "1.9");
/// Routers as an L3 agent needs them.
pub const SYNC_ROUTERS: Method = method(topics::L3_PLUGIN, "sync_routers", "1.0");
/// How far an agent got with a router's floating IPs.
pub const UPDATE_FLOATINGIP_STATUSES: Method =
    method(topics::L3_PLUGIN, "update_floatingip_statuses", "1.1");
/// Ports with an address of a subnet (DVR: permanent neighbours).
pub const GET_PORTS_BY_SUBNET: Method = method(topics::L3_PLUGIN, "get_ports_by_subnet", "1.2");
/// The port through which a host reaches floating IPs of an external network; made if missing.
pub const GET_AGENT_GATEWAY_PORT: Method =
    method(topics::L3_PLUGIN, "get_agent_gateway_port", "1.2");
/// Gives the port of [`GET_AGENT_GATEWAY_PORT`] up.
pub const DELETE_AGENT_GATEWAY_PORT: Method =
    method(topics::L3_PLUGIN, "delete_agent_gateway_port", "1.7");
/// Aliases of the server's service plugins.
pub const GET_SERVICE_PLUGIN_LIST: Method =
    method(topics::L3_PLUGIN, "get_service_plugin_list", "1.3");
/// How many highly available routers a host is to have.
pub const GET_HOST_HA_ROUTER_COUNT: Method =
    method(topics::L3_PLUGIN, "get_host_ha_router_count", "1.11");
/// Networks by filters (L3 agent).
pub const GET_NETWORKS: Method = method(topics::L3_PLUGIN, "get_networks", "1.12");

/// These routers changed, come and look.
pub const ROUTERS_UPDATED: Method = method(topics::L3_AGENT, "routers_updated", "1.1");
/// A router is gone.
pub const ROUTER_DELETED: Method = method(topics::L3_AGENT, "router_deleted", "1.0");
/// A router is no longer this agent's.
pub const ROUTER_REMOVED_FROM_AGENT: Method =
    method(topics::L3_AGENT, "router_removed_from_agent", "1.0");
/// These routers are this agent's now.
pub const ROUTER_ADDED_TO_AGENT: Method = method(topics::L3_AGENT, "router_added_to_agent", "1.0");
/// A permanent neighbour of a distributed router.
pub const ADD_ARP_ENTRY: Method = method(topics::L3_AGENT, "add_arp_entry", "1.2");
/// A permanent neighbour of a distributed router that is gone.
pub const DEL_ARP_ENTRY: Method = method(topics::L3_AGENT, "del_arp_entry", "1.2");
/// Nobody needs the `fip-` namespace of an external network any more.
pub const FIPNAMESPACE_DELETE_ON_EXT_NET: Method =
    method(topics::L3_AGENT, "fipnamespace_delete_on_ext_net", "1.3");
/// The administrative state of the L3 agent changed.
pub const L3_AGENT_UPDATED: Method = method(topics::L3_AGENT, "agent_updated", "1.0");

/// The MAC of a host's routers, made if missing.
pub const GET_DVR_MAC_ADDRESS_BY_HOST: Method =
    method(topics::PLUGIN, "get_dvr_mac_address_by_host", "1.0");
/// The MACs of all hosts' routers.
pub const GET_DVR_MAC_ADDRESS_LIST: Method =
    method(topics::PLUGIN, "get_dvr_mac_address_list", "1.0");
/// Ports of a host with an address of a subnet, those a distributed router serves.
pub const GET_PORTS_ON_HOST_BY_SUBNET: Method =
    method(topics::PLUGIN, "get_ports_on_host_by_subnet", "1.0");
/// A subnet with the MAC of its gateway.
pub const GET_SUBNET_FOR_DVR: Method = method(topics::PLUGIN, "get_subnet_for_dvr", "1.0");
/// The MACs of all hosts' routers changed.
pub const DVR_MAC_ADDRESS_UPDATE: Method =
    method(topics::DVR_UPDATE, "dvr_mac_address_update", "1.0");

/// Version of the interface of versioned objects (`ResourcesPullRpcCallback`).
pub const RESOURCES_VERSION: &str = "1.1";
/// One versioned object; null when there is none.
pub const PULL: Method = method(topics::PLUGIN, "pull", "1.1");
/// The versioned objects that match filters.
pub const BULK_PULL: Method = method(topics::PLUGIN, "bulk_pull", "1.1");

/// Objects came, changed or went; sent to [`topics::VERSIONED_OBJECTS`] with name and version.
pub const PUSH: Method = method(topics::VERSIONED_OBJECTS, "push", "1.1");
/// An agent told another server which versions of objects it knows.
pub const REPORT_AGENT_RESOURCE_VERSIONS: Method =
    method(topics::SERVER_RESOURCE_VERSIONS, "report_agent_resource_versions", "1.0");

/// What a queued notification is about, if a later one about the same makes it superfluous.
///
/// A slow agent's queue keeps only the newest notification of each key. Only notifications that
/// carry the whole new state (or say "look again") have one: forwarding entries are changes that
/// build on each other and must all arrive.
#[must_use]
pub fn coalesce_key(name: &str, args: &Map<String, Value>) -> Option<String> {
    if let Some(key) = dhcp_key(name, args) {
        return Some(key);
    }
    let text = |key: &str| args.get(key).and_then(Value::as_str);
    let id_of = |key: &str| args.get(key)?.get("id").and_then(Value::as_str);
    let key = if name == PORT_UPDATE.name {
        format!("port {}", id_of("port")?)
    } else if name == PORT_DELETE.name {
        format!("port {}", text("port_id")?)
    } else if name == NETWORK_UPDATE.name {
        format!("network {}", id_of("network")?)
    } else if name == NETWORK_DELETE.name {
        format!("network {}", text("network_id")?)
    } else if name == TUNNEL_UPDATE.name || name == TUNNEL_DELETE.name {
        format!("tunnel {} {}", text("tunnel_type").unwrap_or(""), text("tunnel_ip")?)
    } else if name == DVR_MAC_ADDRESS_UPDATE.name {
        name.to_string()
    } else if name == ROUTERS_UPDATED.name {
        format!("{name} {}", args.get("routers")?)
    } else if name == SECURITY_GROUPS_RULE_UPDATED.name
        || name == SECURITY_GROUPS_MEMBER_UPDATED.name
    {
        format!("{name} {}", args.get("security_groups")?)
    } else {
        return None;
    };
    Some(key)
}

/// Notifications of DHCP agents that the next of the same kind about the same resource makes
/// superfluous: those that carry its whole state or only say that it changed. Of different kinds
/// none replaces another: a deletion must not hide that a port was new, nor the reverse.
fn dhcp_key(name: &str, args: &Map<String, Value>) -> Option<String> {
    let payload = args.get("payload")?;
    let resource = match name {
        _ if name == PORT_UPDATE_END.name => "port",
        _ if name == SUBNET_UPDATE_END.name => "subnet",
        _ if name == NETWORK_UPDATE_END.name => "network",
        _ => return None,
    };
    let id = payload.get(resource)?.get("id").and_then(Value::as_str)?;
    Some(format!("{name} {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(name: &str, args: Value) -> Option<String> {
        coalesce_key(name, args.as_object().expect("object"))
    }

    #[test]
    fn update_and_delete_of_one_port_share_a_key() {
        let update = key("port_update", json!({"port": {"id": "p"}}));
        assert!(update.is_some());
        assert_eq!(update, key("port_delete", json!({"port_id": "p"})));
        assert_ne!(update, key("network_delete", json!({"network_id": "p"})));
    }

    #[test]
    fn updates_of_a_dhcp_agent_replace_their_own_kind_only() {
        let of = |name: &str| key(name, json!({"payload": {"port": {"id": "p"}, "priority": 6}}));
        assert!(of("port_update_end").is_some());
        assert_eq!(of("port_create_end"), None);
        assert_eq!(key("port_delete_end", json!({"payload": {"port_id": "p"}})), None);
        let subnet = json!({"payload": {"subnet": {"id": "p"}}});
        assert_ne!(of("port_update_end"), key("subnet_update_end", subnet));
        assert_eq!(key("port_update_end", json!({"payload": {"port": 5}})), None);
    }

    #[test]
    fn updates_of_the_same_routers_replace_each_other_and_nothing_else() {
        let updated = |ids: &[&str]| key("routers_updated", json!({ "routers": ids }));
        assert!(updated(&["r"]).is_some());
        assert_ne!(updated(&["r"]), updated(&["s"]));
        assert_eq!(key("router_deleted", json!({"router_id": "r"})), None);
        // Agents of a host share a queue, and this does not say which of them it is for.
        assert_eq!(key("agent_updated", json!({"payload": {"admin_state_up": true}})), None);
    }

    #[test]
    fn forwarding_entries_and_malformed_arguments_have_no_key() {
        assert_eq!(key("add_fdb_entries", json!({"fdb_entries": {}})), None);
        assert_eq!(key("port_update", json!({"port": 5})), None);
    }
}
