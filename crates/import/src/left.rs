//! Source tables that are not carried: what they hold that we lack, and what we make ourselves.

/// What a table that is not carried holds.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    /// The source table.
    pub table: &'static str,
    /// What its rows are, for people.
    pub what: &'static str,
    /// The columns by which a row is named in the report.
    pub name_by: &'static [&'static str],
}

const fn left(table: &'static str, name_by: &'static [&'static str], what: &'static str) -> Left {
    Left { table, what, name_by }
}

/// Tables of what we lack: each row is reported.
pub const LACKING: &[Left] = &[
    left("auto_allocated_topologies", &["project_id"], "automatically allocated topology"),
    left("bgp_peers", &["id"], "BGP peer"),
    left("bgp_speaker_dragent_bindings", &["bgp_speaker_id", "agent_id"], "agent of a BGP speaker"),
    left(
        "bgp_speaker_network_bindings",
        &["bgp_speaker_id", "network_id"],
        "network of a BGP speaker",
    ),
    left("bgp_speaker_peer_bindings", &["bgp_speaker_id", "bgp_peer_id"], "peer of a BGP speaker"),
    left("bgp_speakers", &["id"], "BGP speaker"),
    left("conntrack_helpers", &["id"], "connection tracking helper"),
    left("evpn_advertised_ports", &["port_id"], "port advertised by EVPN"),
    left("evpn_l3_instances", &["router_id"], "EVPN instance of a router"),
    left("evpn_networks", &["network_id"], "network advertised by EVPN"),
    left("flavors", &["id"], "flavor"),
    left(
        "flavorserviceprofilebindings",
        &["flavor_id", "service_profile_id"],
        "service profile of a flavor",
    ),
    left("ha_router_agent_port_bindings", &["port_id"], "agent of an HA router"),
    left("local_ip_associations", &["local_ip_id", "fixed_port_id"], "port of a local IP"),
    left("local_ips", &["id"], "local IP"),
    left("logs", &["id"], "network log"),
    left("meteringlabelrules", &["id"], "metering label rule"),
    left("meteringlabels", &["id"], "metering label"),
    left("ndp_proxies", &["id"], "NDP proxy"),
    left(
        "network_segment_ranges",
        &["id"],
        "network segment range (configured in ml2_conf.ini here)",
    ),
    left("networkpvlan", &["network_id"], "private VLAN of a network"),
    left("portdataplanestatuses", &["port_id"], "data_plane_status of a port"),
    left("portdeviceprofiles", &["port_id"], "device_profile of a port"),
    left("porthardwareoffloadtype", &["port_id"], "hardware_offload_type of a port"),
    left("porthints", &["port_id"], "hints of a port"),
    left("portnumaaffinitypolicies", &["port_id"], "numa_affinity_policy of a port"),
    left("portpvlan", &["port_id"], "private VLAN of a port"),
    left("porttrusted", &["port_id"], "trusted of a port"),
    left("qos_bandwidth_limit_rules", &["id"], "QoS bandwidth limit"),
    left("qos_dscp_marking_rules", &["id"], "QoS DSCP marking"),
    left("qos_fip_policy_bindings", &["fip_id"], "QoS policy of a floating IP"),
    left("qos_minimum_bandwidth_rules", &["id"], "QoS minimum bandwidth"),
    left("qos_minimum_packet_rate_rules", &["id"], "QoS minimum packet rate"),
    left("qos_network_policy_bindings", &["network_id"], "QoS policy of a network"),
    left("qos_packet_rate_limit_rules", &["id"], "QoS packet rate limit"),
    left("qos_policies", &["id"], "QoS policy"),
    left("qos_policies_default", &["project_id"], "default QoS policy of a project"),
    left("qos_port_policy_bindings", &["port_id"], "QoS policy of a port"),
    left("qos_router_gw_policy_bindings", &["router_id"], "QoS policy of a gateway"),
    left("qospolicyrbacs", &["id"], "RBAC policy of a QoS policy"),
    left("security_groups_default_statefulness", &["id"], "default of security groups' stateful"),
    left("serviceprofiles", &["id"], "service profile"),
    left("subnet_bgp_leak_routes", &["subnet_id"], "subnet whose routes BGP leaks"),
    left("subports", &["port_id"], "subport of a trunk"),
    left("trunks", &["id"], "trunk"),
    left("vlan_allocations", &["id"], "VLAN of EVPN"),
    left("vni_allocations", &["id"], "VNI of EVPN"),
    left("vni_vlan_mapping", &["id"], "VNI of EVPN"),
];

/// Tables whose content is worked out anew, held elsewhere, or of no use here; and why.
pub const DERIVED: &[(&str, &str)] = &[
    (crate::source::REVISIONS, "the source's own revision"),
    ("ha_router_vrid_allocations", "numbers of HA routers, which have no meaning without them"),
    ("ipamallocationpools", "repeats ipallocationpools"),
    ("ipamallocations", "repeats ipallocations"),
    ("ipamsubnets", "repeats subnets"),
    ("ml2_flat_allocations", "follow from the segments"),
    ("ml2_geneve_allocations", "follow from the segments"),
    ("ml2_gre_allocations", "follow from the segments"),
    ("ml2_vlan_allocations", "follow from the segments"),
    ("ml2_vxlan_allocations", "follow from the segments"),
    ("network_subnet_lock", "a lock of Neutron's servers"),
    ("ovn_hash_ring", "state of the OVN driver"),
    ("ovn_revision_numbers", "state of the OVN driver"),
    ("providerresourceassociations", "follow from what routers are"),
    ("quotausages", "counted from the resources"),
    ("reservations", "promises of requests under way"),
    ("resourcedeltas", "promises of requests under way"),
    ("segmenthostmappings", "follow from what agents report"),
];
