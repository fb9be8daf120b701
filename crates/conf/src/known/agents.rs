//! The agents' groups.

use super::{
    Accept::{Blank, Off, Words},
    Row, WITH_OVSDB, ignored, ignored_group, only,
};
use crate::Role::{DhcpAgent, L3Agent, OpenvswitchAgent};

pub(super) const ROWS: &[Row] = &[
    // The Open vSwitch agent says itself what it thinks of its extensions.
    only(
        &[L3Agent],
        "agent",
        &["extensions"],
        Words(&["port_forwarding"]),
        "of the L3 agent's extensions only port_forwarding is in this release, and always on; take \
         the others out of the list",
    ),
    only(
        &[DhcpAgent],
        "agent",
        &["extensions"],
        Blank,
        "the DHCP agent has no extensions in this release; take it out of its files",
    ),
    only(
        &[OpenvswitchAgent],
        "agent",
        &["baremetal_smartnic"],
        Off,
        "ports of smart NICs are not in this release; set it to false",
    ),
    only(
        &[DhcpAgent, L3Agent],
        "agent",
        &["kill_scripts_path"],
        Words(&["/etc/neutron/kill_scripts/"]),
        "the agent starts and stops its daemons itself; take it out",
    ),
    ignored(
        "agent",
        "the agent does itself what it may do, and runs no helper",
        &["root_helper", "root_helper_daemon", "use_helper_for_ns_read"],
    ),
    ignored("agent", "of the Python agent's checks of itself", &["debug_iptables_rules"]),
    ignored(
        "agent",
        "the agent is always told of changes of the switch, and connects again by itself",
        &["minimize_polling", "ovsdb_monitor_respawn_interval"],
    ),
    only(
        WITH_OVSDB,
        "ovs",
        &["ssl_key_file", "ssl_cert_file", "ssl_ca_cert_file"],
        Blank,
        "OVSDB is spoken over tcp: and unix: only; take it out and let ovsdb-server listen there",
    ),
    only(
        &[OpenvswitchAgent],
        "ovs",
        &[
            "resource_provider_bandwidths",
            "resource_provider_packet_processing_without_direction",
            "resource_provider_packet_processing_with_direction",
        ],
        Blank,
        "bandwidths are not reported to Placement in this release; take it out",
    ),
    ignored(
        "ovs",
        "of reports to Placement, which are not in this release",
        &[
            "resource_provider_hypervisors",
            "resource_provider_default_hypervisor",
            "resource_provider_inventory_defaults",
            "resource_provider_packet_processing_inventory_defaults",
        ],
    ),
    ignored("ovs", "debug = true logs what is sent to OVSDB", &["ovsdb_debug"]),
    ignored(
        "ovs",
        "the agent waits for its switch as long as it takes, and sends flows in bundles",
        &["of_connect_timeout", "openflow_processed_per_port"],
    ),
    ignored(
        "ovs",
        "of QoS and trunks, which this release has not",
        &["qos_meter_bandwidth", "trunk_enabled"],
    ),
    ignored_group("dhcp", "of the agent extension dhcp, which [agent] extensions cannot name"),
    ignored_group(
        "metadata",
        "of the agent extension metadata_path, which [agent] extensions cannot name",
    ),
];
