//! Options of `openvswitch_agent.ini` and of the sections agents share.

use super::group;
use crate::AnyOpt;

/// The options of `openvswitch_agent.ini`.
#[must_use]
pub fn openvswitch_agent_ini() -> Vec<&'static dyn AnyOpt> {
    [ovs::ALL, agent::ALL, securitygroup::ALL].concat()
}

group! {
    /// `[ovs]`.
    ovs = "ovs" {
        INTEGRATION_BRIDGE: String = "integration_bridge", "Bridge instances are plugged into.", default("br-int");
        TUNNEL_BRIDGE: String = "tunnel_bridge", "Bridge of the tunnels.", default("br-tun");
        INT_PEER_PATCH_PORT: String = "int_peer_patch_port", "Patch port on the integration bridge.", default("patch-tun");
        TUN_PEER_PATCH_PORT: String = "tun_peer_patch_port", "Patch port on the tunnel bridge.", default("patch-int");
        LOCAL_IP: Option<String> = "local_ip", "Address of this host's tunnel endpoint; needed when tunnel_types is not empty.";
        BRIDGE_MAPPINGS: BTreeMap<String, String> = "bridge_mappings", "physical_network:bridge pairs; the bridges must exist.";
        DATAPATH_TYPE: String = "datapath_type", "system for the kernel's datapath, netdev for the one in user space.", default("system"), choices(&["system", "netdev"]);
        OVSDB_CONNECTION: String = "ovsdb_connection", "Where the OVSDB server listens: tcp:IP:PORT or unix:PATH.", default("tcp:127.0.0.1:6640");
        OVSDB_TIMEOUT: i64 = "ovsdb_timeout", "Seconds to wait for an OVSDB command.", default("10"), deprecated(&[("DEFAULT", "ovs_vsctl_timeout")]);
        OF_LISTEN_ADDRESS: String = "of_listen_address", "Address to listen on for OpenFlow connections.", default("127.0.0.1");
        OF_LISTEN_PORT: i64 = "of_listen_port", "Port to listen on for OpenFlow connections.", default("6633"), range(0, 65535);
        OF_REQUEST_TIMEOUT: i64 = "of_request_timeout", "Seconds to wait for the switch to answer.", default("300");
        OF_INACTIVITY_PROBE: i64 = "of_inactivity_probe", "Seconds of silence before the switch probes the controller.", default("10");
        BRIDGE_MAC_TABLE_SIZE: i64 = "bridge_mac_table_size", "Size of the MAC table of each bridge.", default("50000");
        IGMP_SNOOPING_ENABLE: bool = "igmp_snooping_enable", "Snoop IGMP on the integration bridge.", default("false");
        IGMP_FLOOD: bool = "igmp_flood", "Flood multicast on patch ports.", default("false");
        IGMP_FLOOD_REPORTS: bool = "igmp_flood_reports", "Flood IGMP reports on patch ports.", default("true");
        IGMP_FLOOD_UNREGISTERED: bool = "igmp_flood_unregistered", "Flood unregistered multicast.", default("false");
        VHOSTUSER_SOCKET_DIR: String = "vhostuser_socket_dir", "Directory of vhost-user sockets.", default("/var/run/openvswitch");
    }
}

group! {
    /// `[agent]`.
    agent = "agent" {
        REPORT_INTERVAL: f64 = "report_interval", "Seconds between reports of an agent's state; less than half of agent_down_time.", default("30");
        LOG_AGENT_HEARTBEATS: bool = "log_agent_heartbeats", "Log each report.", default("false");
        TUNNEL_TYPES: Vec<String> = "tunnel_types", "Tunnels this host takes part in: gre, vxlan, geneve.";
        VXLAN_UDP_PORT: i64 = "vxlan_udp_port", "UDP port of VXLAN tunnels.", default("4789"), range(1, 65535);
        L2_POPULATION: bool = "l2_population", "Let the server say where MACs are instead of learning.", default("false");
        ARP_RESPONDER: bool = "arp_responder", "Answer ARP locally; needs l2_population.", default("false");
        DONT_FRAGMENT: bool = "dont_fragment", "Set DF on tunnel packets.", default("true");
        TUNNEL_CSUM: bool = "tunnel_csum", "Checksum tunnel packets.", default("false");
        DSCP: Option<i64> = "dscp", "DSCP of tunnel packets.", range(0, 63);
        DSCP_INHERIT: bool = "dscp_inherit", "Copy DSCP from the inner packet.", default("false");
        ENABLE_DISTRIBUTED_ROUTING: bool = "enable_distributed_routing", "Route between subnets on this host (DVR); with tunnels it needs l2_population.", default("false");
        DROP_FLOWS_ON_START: bool = "drop_flows_on_start", "Delete all flows at start.", default("false");
        POLLING_INTERVAL: f64 = "polling_interval", "Seconds between looks at the switch when nothing happens; changes are acted on at once whatever this is.", default("2");
        EXTENSIONS: Vec<String> = "extensions", "Extensions of the L2 agent.";
        EXPLICITLY_EGRESS_DIRECT: bool = "explicitly_egress_direct", "Send accepted egress straight to its port instead of leaving it to NORMAL; firewall driver openvswitch only.", default("false");
        COMMENT_IPTABLES_RULES: bool = "comment_iptables_rules", "Say in each iptables rule what it is for.", default("true");
        USE_RANDOM_FULLY: bool = "use_random_fully", "Draw the ports of translated connections at random.", default("true");
        AVAILABILITY_ZONE: String = "availability_zone", "Availability zone of this DHCP or L3 agent.", default("nova");
        CHECK_CHILD_PROCESSES_INTERVAL: i64 = "check_child_processes_interval", "Seconds between looks whether daemons an agent started still run; 0 to not look.", default("60"), range(0, 86_400);
        CHECK_CHILD_PROCESSES_ACTION: String = "check_child_processes_action", "What to do when a daemon has died.", default("respawn"), choices(&["respawn", "exit"]);
    }
}

group! {
    /// `[securitygroup]`.
    securitygroup = "securitygroup" {
        FIREWALL_DRIVER: Option<String> = "firewall_driver", "Firewall of the L2 agent: noop, iptables_hybrid or openvswitch.";
        ENABLE_SECURITY_GROUP: bool = "enable_security_group", "Filter ports by their security groups.", default("true");
        ENABLE_IPSET: bool = "enable_ipset", "Hold members of remote groups in ipsets; firewall driver iptables_hybrid only.", default("true");
        PERMITTED_ETHERTYPES: Vec<String> = "permitted_ethertypes", "EtherTypes no firewall looks into, in hexadecimal with 0x; firewall driver openvswitch only.";
    }
}
