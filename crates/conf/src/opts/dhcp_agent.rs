//! Options of `dhcp_agent.ini`, and of the interfaces of agents' own ports.

use super::{agent, group, metadata_haproxy, metadata_proxy, metadata_rate_limiting, ovs};
use crate::AnyOpt;

/// The options that no other file has.
pub(super) fn all() -> Vec<&'static dyn AnyOpt> {
    [interface::ALL, dhcp::ALL].concat()
}

/// The options of `dhcp_agent.ini`.
#[must_use]
pub fn dhcp_agent_ini() -> Vec<&'static dyn AnyOpt> {
    [
        interface::ALL,
        dhcp::ALL,
        metadata_proxy::ALL,
        ovs::ALL,
        agent::ALL,
        metadata_rate_limiting::ALL,
        metadata_haproxy::ALL,
    ]
    .concat()
}

group! {
    /// `[DEFAULT]` of agents that plug ports of their own.
    interface = "DEFAULT" {
        INTERFACE_DRIVER: String = "interface_driver", "How ports of the agent are plugged; openvswitch is the only one.", default("openvswitch");
        OVS_USE_VETH: bool = "ovs_use_veth", "Plug a veth pair instead of an internal port of Open vSwitch.", default("false");
    }
}

group! {
    /// `[DEFAULT]` of the DHCP agent.
    dhcp = "DEFAULT" {
        RESYNC_INTERVAL: i64 = "resync_interval", "Longest pause in seconds before a network that failed is tried again.", default("5"), range(1, 86_400);
        RESYNC_THROTTLE: i64 = "resync_throttle", "Shortest time in seconds between two readings of all networks; at most resync_interval.", default("1"), range(0, 86_400);
        DHCP_DRIVER: String = "dhcp_driver", "The DHCP server; dnsmasq is the only one.", default("neutron.agent.linux.dhcp.Dnsmasq");
        ENABLE_ISOLATED_METADATA: bool = "enable_isolated_metadata", "Offer the metadata service on networks without a router: a route to it by DHCP, and a proxy.", default("false");
        FORCE_METADATA: bool = "force_metadata", "Offer the metadata service on every network.", default("false");
        ENABLE_METADATA_NETWORK: bool = "enable_metadata_network", "Offer it on networks with a subnet in 169.254.0.0/16 through their router; needs enable_isolated_metadata.", default("false");
        NUM_SYNC_THREADS: i64 = "num_sync_threads", "Networks worked on at a time after a start or reconnect.", default("4"), range(1, 1_000);
        BULK_RELOAD_INTERVAL: i64 = "bulk_reload_interval", "Seconds between two reloads of one network's dnsmasq; changes in between share one.", default("0"), range(0, 86_400);
        DHCP_CONFS: String = "dhcp_confs", "Directory of the DHCP server's files, one directory per network.", default("$state_path/dhcp");
        DNSMASQ_CONFIG_FILE: String = "dnsmasq_config_file", "File of further settings of dnsmasq.", default("");
        DNSMASQ_DNS_SERVERS: Vec<String> = "dnsmasq_dns_servers", "DNS servers that dnsmasq forwards to.";
        DNSMASQ_BASE_LOG_DIR: Option<String> = "dnsmasq_base_log_dir", "Directory of dnsmasq's logs, one directory per network; without it dnsmasq logs little.";
        DNSMASQ_LOCAL_RESOLV: bool = "dnsmasq_local_resolv", "Forward to the host's own resolvers when dnsmasq_dns_servers is empty.", default("false");
        DNSMASQ_LEASE_MAX: i64 = "dnsmasq_lease_max", "Most leases of one network.", default("16777216"), range(1, 4_294_967_295);
        DHCP_BROADCAST_REPLY: bool = "dhcp_broadcast_reply", "Answer clients by broadcast.", default("false");
        DNSMASQ_ENABLE_ADDR6_LIST: bool = "dnsmasq_enable_addr6_list", "Offer all of a port's addresses of one IPv6 subnet, not only the first.", default("false");
        DNSMASQ_TXT_RECORD: String = "dnsmasq_txt_record", "TXT record that dnsmasq serves: name[[,text],text].", default("");
        DHCP_RENEWAL_TIME: i64 = "dhcp_renewal_time", "Seconds until clients renew (T1); 0 leaves it to them.", default("0"), range(0, 4_294_967_295);
        DHCP_REBINDING_TIME: i64 = "dhcp_rebinding_time", "Seconds until clients rebind (T2); 0 leaves it to them.", default("0"), range(0, 4_294_967_295);
        DHCP_LEASE_DURATION: i64 = "dhcp_lease_duration", "Seconds of a lease; -1 for ever.", default("86400"), range(-1, 4_294_967_295), deprecated(&[("DEFAULT", "dhcp_lease_time")]);
    }
}
