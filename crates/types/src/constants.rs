//! Names and numbers that Neutron's API, database and agents agree on.

/// Values of a port's `device_owner` (neutron-lib `constants.DEVICE_OWNER_*`).
pub mod device_owner {
    /// A DHCP agent's port.
    pub const DHCP: &str = "network:dhcp";
    /// The port of a distributed service such as OVN metadata.
    pub const DISTRIBUTED: &str = "network:distributed";
    /// A router's port on a project network.
    pub const ROUTER_INTERFACE: &str = "network:router_interface";
    /// A DVR router's port on a project network.
    pub const DVR_INTERFACE: &str = "network:router_interface_distributed";
    /// The replicated port of an HA router on a project network.
    pub const HA_REPLICATED_INTERFACE: &str = "network:ha_router_replicated_interface";
    /// A DVR router's centralised SNAT port.
    pub const ROUTER_SNAT: &str = "network:router_centralized_snat";
    /// A router's gateway port.
    pub const ROUTER_GATEWAY: &str = "network:router_gateway";
    /// A router's port on its HA network.
    pub const ROUTER_HA_INTERFACE: &str = "network:router_ha_interface";
    /// A floating IP's placeholder port.
    pub const FLOATING_IP: &str = "network:floatingip";
    /// A FIP namespace's gateway on a compute host.
    pub const AGENT_GATEWAY: &str = "network:floatingip_agent_gateway";
    /// A port that carries one VLAN of a trunk.
    pub const TRUNK_SUBPORT: &str = "trunk:subport";
    /// Every service-owned port starts with this.
    pub const NETWORK_PREFIX: &str = "network:";
    /// Every Nova instance's port starts with this.
    pub const COMPUTE_PREFIX: &str = "compute:";
    /// Owners whose ports count as router interfaces.
    pub const ROUTER_INTERFACES: [&str; 3] =
        [ROUTER_INTERFACE, DVR_INTERFACE, HA_REPLICATED_INTERFACE];
    /// Owners whose ports do not keep a network from being deleted: Neutron deletes them itself.
    pub const AUTO_DELETE: [&str; 3] = [DHCP, DISTRIBUTED, AGENT_GATEWAY];
    /// Owners, besides every [`COMPUTE_PREFIX`], whose ports a distributed router serves on their
    /// own host (see [`is_dvr_serviced`]).
    pub const DVR_SERVICED: [&str; 2] = [TRUNK_SUBPORT, DHCP];

    /// Whether a port of this owner is reached through the distributed router of its own host.
    #[must_use]
    pub fn is_dvr_serviced(device_owner: &str) -> bool {
        device_owner.starts_with(COMPUTE_PREFIX) || DVR_SERVICED.contains(&device_owner)
    }
}

/// Values of a port's `device_id` with a meaning of their own.
pub mod device_id {
    /// A DHCP port set aside for whichever agent serves its network next.
    pub const RESERVED_DHCP_PORT: &str = "reserved_dhcp_port";
}

/// Values of `binding:vif_type`.
pub mod vif_type {
    /// Nothing bound the port yet.
    pub const UNBOUND: &str = "unbound";
    /// No mechanism driver could bind the port.
    pub const BINDING_FAILED: &str = "binding_failed";
    /// One binding per host (DVR).
    pub const DISTRIBUTED: &str = "distributed";
    /// Bound by Open vSwitch.
    pub const OVS: &str = "ovs";
}

/// Key of `binding:vif_details`: which driver bound the port at which level.
pub const BOUND_DRIVERS: &str = "bound_drivers";

/// `remote_group_id` of a default security group rule that means the group the rule will be in.
pub const PARENT_GROUP: &str = "PARENT";

/// Values of a resource's `status`.
pub mod status {
    /// Wired and in service.
    pub const ACTIVE: &str = "ACTIVE";
    /// Not wired.
    pub const DOWN: &str = "DOWN";
    /// An agent is wiring it.
    pub const BUILD: &str = "BUILD";
    /// Could not be built.
    pub const ERROR: &str = "ERROR";
    /// Nothing ever wires it: the port of a floating IP.
    pub const NOT_APPLICABLE: &str = "N/A";
}

/// Values of `agent_type` in `/v2.0/agents`.
pub mod agent_type {
    /// The OVS L2 agent.
    pub const OVS: &str = "Open vSwitch agent";
    /// The DHCP agent.
    pub const DHCP: &str = "DHCP agent";
    /// The L3 agent.
    pub const L3: &str = "L3 agent";
    /// The metadata agent.
    pub const METADATA: &str = "Metadata agent";
}

/// First local VLAN id an OVS agent hands out.
pub const LOCAL_VLAN_MIN: u16 = 1;
/// Last local VLAN id an OVS agent hands out.
pub const LOCAL_VLAN_MAX: u16 = 4094;
/// The VLAN of ports that must not talk (`DEAD_VLAN_TAG`).
pub const DEAD_VLAN: u16 = 4095;
/// MAC of the l2population flooding entry.
pub const FLOODING_MAC: &str = "00:00:00:00:00:00";
/// IP of the l2population flooding entry.
pub const FLOODING_IP: &str = "0.0.0.0";

/// Values of an L3 agent's `agent_mode`.
pub mod agent_mode {
    /// Routers are centralised.
    pub const LEGACY: &str = "legacy";
    /// Distributed routers for the instances of its host, floating IPs included.
    pub const DVR: &str = "dvr";
    /// As [`DVR`], and the centralised part of distributed routers, and centralised routers.
    pub const DVR_SNAT: &str = "dvr_snat";
    /// As [`DVR`], but without an external network: floating IPs are elsewhere.
    pub const DVR_NO_EXTERNAL: &str = "dvr_no_external";
}
