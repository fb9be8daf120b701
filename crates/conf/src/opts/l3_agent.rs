//! Options of `l3_agent.ini`.

use super::{
    agent, group, interface, metadata_haproxy, metadata_proxy, metadata_rate_limiting, ovs,
};
use crate::AnyOpt;

/// The options that no other file has.
pub(super) fn all() -> Vec<&'static dyn AnyOpt> {
    [l3::ALL, ra::ALL, external_process::ALL].concat()
}

/// The options of `l3_agent.ini`.
#[must_use]
pub fn l3_agent_ini() -> Vec<&'static dyn AnyOpt> {
    [
        interface::ALL,
        l3::ALL,
        ra::ALL,
        external_process::ALL,
        metadata_proxy::ALL,
        ovs::ALL,
        agent::ALL,
        metadata_rate_limiting::ALL,
        metadata_haproxy::ALL,
    ]
    .concat()
}

group! {
    /// `[DEFAULT]` of the L3 agent.
    l3 = "DEFAULT" {
        AGENT_MODE: String = "agent_mode", "Parts of routers this host carries: legacy for centralised routers only, dvr for a compute host, dvr_snat for a network host that also carries the centralised part of distributed routers, dvr_no_external for a compute host without a path to external networks.", default("legacy"), choices(&["legacy", "dvr", "dvr_snat", "dvr_no_external"]);
        METADATA_PORT: i64 = "metadata_port", "TCP port of the metadata proxy inside a router's namespace.", default("9697"), range(1, 65535);
        HANDLE_INTERNAL_ONLY_ROUTERS: bool = "handle_internal_only_routers", "Also carry routers without an external gateway.", default("true");
        IPV6_GATEWAY: String = "ipv6_gateway", "Link-local address of the default router on external networks without an IPv6 subnet; empty: learnt from its router advertisements.", default("");
        ENABLE_METADATA_PROXY: bool = "enable_metadata_proxy", "Offer the metadata service through routers.", default("true");
        METADATA_ACCESS_MARK: String = "metadata_access_mark", "Mark of requests to the metadata service; the lower 16 bits count.", default("0x1");
        EXTERNAL_INGRESS_MARK: String = "external_ingress_mark", "Mark of packets from an external network; the lower 16 bits count.", default("0x2");
        RADVD_USER: String = "radvd_user", "User that radvd changes to; empty: as the agent; root: none.", default("");
        CLEANUP_ON_SHUTDOWN: bool = "cleanup_on_shutdown", "Take all routers off the host when the agent is told to stop.", default("false");
    }
}

group! {
    /// `[DEFAULT]` of router advertisements.
    ra = "DEFAULT" {
        RA_CONFS: String = "ra_confs", "Directory of radvd's files.", default("$state_path/ra");
        MIN_RTR_ADV_INTERVAL: i64 = "min_rtr_adv_interval", "Shortest time in seconds between two router advertisements.", default("30"), range(3, 1_350);
        MAX_RTR_ADV_INTERVAL: i64 = "max_rtr_adv_interval", "Longest time in seconds between two router advertisements.", default("100"), range(4, 1_800);
    }
}

group! {
    /// `[DEFAULT]` of daemons that agents run.
    external_process = "DEFAULT" {
        EXTERNAL_PIDS: String = "external_pids", "Directory of the daemons' process ids.", default("$state_path/external/pids");
    }
}
