//! `[DEFAULT]`.

use super::{
    Accept::{Blank, Off, On, Words},
    EVERY, Row, SERVER, ignored, only,
};
use crate::Role::{L3Agent, Server};

/// Service plugins by the names that deployments list: what they bring is always there, or, for
/// those that Neutron loads unasked, is there or not whether they are listed or not.
const SERVICE_PLUGINS: &[&str] = &[
    "router",
    "neutron.services.l3_router.l3_router_plugin.L3RouterPlugin",
    "port_forwarding",
    "tag",
    "timestamp",
    "revisions",
    "flavors",
    "auto_allocate",
    "network_ip_availability",
];

pub(super) const ROWS: &[Row] = &[
    only(
        SERVER,
        "DEFAULT",
        &["service_plugins"],
        Words(SERVICE_PLUGINS),
        "only router, port_forwarding, and those that Neutron always loads are in this release; \
         take the others out of the list",
    ),
    only(
        SERVER,
        "DEFAULT",
        &["api_extensions_path"],
        Blank,
        "API extensions of others cannot be loaded; take it out",
    ),
    only(
        &[Server, L3Agent],
        "DEFAULT",
        &["ipv6_pd_enabled"],
        Off,
        "IPv6 prefix delegation is not in this release; set it to false",
    ),
    only(
        SERVER,
        "DEFAULT",
        &["external_dns_driver"],
        Blank,
        "names are not published to a DNS service in this release; take it out",
    ),
    only(
        SERVER,
        "DEFAULT",
        &["network_link_prefix"],
        Blank,
        "links are made from the request; take it out and let the proxy in front send \
         X-Forwarded-Proto and X-Forwarded-Host, with [oslo_middleware] \
         enable_proxy_headers_parsing = true",
    ),
    only(
        SERVER,
        "DEFAULT",
        &["ipam_driver"],
        Words(&["internal"]),
        "addresses are only managed by the server itself; set it to internal",
    ),
    only(
        SERVER,
        "DEFAULT",
        &["vlan_transparent", "vlan_qinq"],
        Off,
        "VLAN-transparent networks are not in this release; set it to false",
    ),
    only(
        SERVER,
        "DEFAULT",
        &["filter_validation"],
        On,
        "unknown filters of lists are always refused; set it to true",
    ),
    only(
        SERVER,
        "DEFAULT",
        &["enable_traditional_dhcp"],
        On,
        "DHCP is served by DHCP agents only; set it to true",
    ),
    only(
        SERVER,
        "DEFAULT",
        &["l3_ha"],
        Off,
        "HA routers are not in this release; set it to false. \
         allow_automatic_l3agent_failover moves routers of dead agents to others",
    ),
    only(
        SERVER,
        "DEFAULT",
        &["enable_default_route_ecmp", "enable_default_route_bfd"],
        Off,
        "routers with several gateways are not in this release; set it to false",
    ),
    only(
        SERVER,
        "DEFAULT",
        &["use_ssl"],
        Off,
        "the API is served without TLS; set it to false and put a proxy with TLS in front",
    ),
    ignored(
        "DEFAULT",
        "of HA routers, which this release has not",
        &[
            "max_l3_agents_per_router",
            "min_l3_agents_per_router",
            "l3_ha_net_cidr",
            "l3_ha_network_type",
            "l3_ha_network_physical_name",
            "per_router_log_files",
            "router_log_files_in_ha_confs",
            "ha_confs_path",
            "ha_vrrp_auth_type",
            "ha_vrrp_auth_password",
            "ha_vrrp_advert_int",
            "ha_vrrp_health_check_interval",
            "ha_keepalived_state_change_server_threads",
            "ha_conntrackd_enabled",
            "ha_conntrackd_hashsize",
            "ha_conntrackd_hashlimit",
            "ha_conntrackd_unix_backlog",
            "ha_conntrackd_socketbuffersize",
            "ha_conntrackd_socketbuffersize_max_grown",
            "ha_conntrackd_ipv4_mcast_addr",
            "ha_conntrackd_group",
            "ha_conntrackd_sndsocketbuffer",
            "ha_conntrackd_rcvsocketbuffer",
        ],
    ),
    ignored(
        "DEFAULT",
        "of the service plugin conntrack_helper, which service_plugins cannot name",
        &["allowed_conntrack_helpers"],
    ),
    ignored(
        "DEFAULT",
        "one process serves agents and does what is done by the clock, with as many threads as it \
         takes; start several servers for more",
        &[
            "rpc_workers",
            "rpc_state_report_workers",
            "metadata_workers",
            "periodic_interval",
            "periodic_fuzzy_delay",
            "run_external_periodic_tasks",
            "setproctitle",
        ],
    ),
    ignored(
        "DEFAULT",
        "of the Python server's HTTP: the pipeline of the API is built in, connections cost little",
        &[
            "api_paste_config",
            "wsgi_log_format",
            "wsgi_default_pool_size",
            "wsgi_keep_alive",
            "wsgi_server_debug",
            "client_socket_timeout",
            "max_header_line",
            "tcp_keepidle",
            "backlog",
            "retry_until_window",
        ],
    ),
    ignored("DEFAULT", "only other options refer to it", &["my_ip", "my_ipv6"]),
    ignored(
        "DEFAULT",
        "of eventlet, which this program does not use",
        &["backdoor_port", "backdoor_socket"],
    ),
    // oslo.messaging
    only(
        EVERY,
        "DEFAULT",
        &["rpc_ping_enabled"],
        Off,
        "pings over RPC are not answered; set it to false",
    ),
    // oslo.log
    only(
        EVERY,
        "DEFAULT",
        &["log_config_append", "log_config"],
        Blank,
        "Python's logging configuration cannot be read; take it out and use debug, log_file, \
         log_dir, use_stderr",
    ),
    only(
        EVERY,
        "DEFAULT",
        &["use_syslog"],
        Off,
        "logs do not go to syslog; set it to false and let the journal pass them on, or read \
         log_file",
    ),
    only(EVERY, "DEFAULT", &["use_json"], Off, "logs are lines of text; set it to false"),
    only(
        EVERY,
        "DEFAULT",
        &["log_rotation_type"],
        Words(&["none"]),
        "log files are not rotated; set it to none and let logrotate do it",
    ),
    only(
        EVERY,
        "DEFAULT",
        &["publish_errors"],
        Off,
        "errors are not published as notifications; set it to false",
    ),
    ignored(
        "DEFAULT",
        "log lines have one format; RUST_LOG sets levels of single parts",
        &[
            "log_date_format",
            "log_format",
            "log_color",
            "logging_context_format_string",
            "logging_default_format_string",
            "logging_debug_format_suffix",
            "logging_exception_prefix",
            "logging_user_identity_format",
            "default_log_levels",
            "instance_format",
            "instance_uuid_format",
            "log_options",
            "fatal_deprecations",
            "verbose",
        ],
    ),
    ignored(
        "DEFAULT",
        "of ways of logging that are off",
        &[
            "syslog_log_facility",
            "log_rotate_interval",
            "log_rotate_interval_type",
            "max_logfile_count",
            "max_logfile_size_mb",
            "watch_log_file",
            "rate_limit_interval",
            "rate_limit_burst",
            "rate_limit_except_level",
        ],
    ),
];
