//! Options of `neutron.conf` and `ml2_conf.ini`.

use super::group;
use crate::AnyOpt;

/// All options of the server's groups.
pub(super) fn all() -> Vec<&'static dyn AnyOpt> {
    [neutron_conf(), ml2_conf()].concat()
}

/// The options of `neutron.conf`.
#[must_use]
pub fn neutron_conf() -> Vec<&'static dyn AnyOpt> {
    let own = [
        default::ALL,
        database::ALL,
        rpc::ALL,
        super::oslo_messaging_rabbit::ALL,
        identity::ALL,
        oslo_policy::ALL,
        oslo_middleware::ALL,
        quotas::ALL,
    ];
    [own.concat(), super::keystone::all()].concat()
}

/// The options of `ml2_conf.ini`.
#[must_use]
pub fn ml2_conf() -> Vec<&'static dyn AnyOpt> {
    [
        ml2::ALL,
        ml2_type_flat::ALL,
        ml2_type_vlan::ALL,
        ml2_type_gre::ALL,
        ml2_type_vxlan::ALL,
        ml2_type_geneve::ALL,
    ]
    .concat()
}

group! {
    /// `[DEFAULT]`.
    default = "DEFAULT" {
        HOST: Option<String> = "host", "Name of this host, as agents report it. Defaults to the system's host name.";
        DEBUG: bool = "debug", "Log debug messages.", default("false");
        LOG_FILE: Option<String> = "log_file", "File to log to instead of standard error.", deprecated(&[("DEFAULT", "logfile")]);
        LOG_DIR: Option<String> = "log_dir", "Directory of log_file; without log_file the command's name is used.", deprecated(&[("DEFAULT", "logdir")]);
        USE_STDERR: bool = "use_stderr", "Log to standard error, also when there is a log file.", default("false");
        USE_JOURNAL: bool = "use_journal", "Log to the journal: to standard error, which systemd passes on to it, also when there is a log file.", default("false");
        STATE_PATH: String = "state_path", "Where agents keep files.", default("/var/lib/neutron");
        BIND_HOST: String = "bind_host", "Address the API listens on.", default("0.0.0.0");
        BIND_PORT: i64 = "bind_port", "Port the API listens on.", default("9696"), range(0, 65535);
        AUTH_STRATEGY: Option<String> = "auth_strategy", "How requests are authenticated: keystone validates tokens with the Identity service of [keystone_authtoken]; noauth trusts the X- headers and takes a request without them for admin; local is the identity service built in, see [local_identity]. By default keystone where [keystone_authtoken] auth_url is set, else local.", choices(&["keystone", "noauth", "local"]);
        CORE_PLUGIN: String = "core_plugin", "The core plugin; ml2 is the only one.", default("ml2"), choices(&["ml2", "neutron.plugins.ml2.plugin.Ml2Plugin"]);
        BASE_MAC: String = "base_mac", "Pattern of generated MAC addresses: the first three octets stay, the fourth too unless it is 00.", default("fa:16:3e:00:00:00");
        DVR_BASE_MAC: String = "dvr_base_mac", "Pattern of the MAC addresses of hosts' distributed routers, as base_mac; must differ from it.", default("fa:16:3f:00:00:00");
        HOST_DVR_FOR_DHCP: bool = "host_dvr_for_dhcp", "Distributed routers are also on hosts of DHCP agents of their networks.", default("true");
        GLOBAL_PHYSNET_MTU: i64 = "global_physnet_mtu", "MTU in bytes of the physical networks that carry all traffic, tunnels included.", default("1500"), deprecated(&[("ml2", "segment_mtu")]);
        PAGINATION_MAX_LIMIT: String = "pagination_max_limit", "Largest page of a list; infinite or -1 for none.", default("-1");
        DNS_DOMAIN: String = "dns_domain", "Domain of the names of hosts. Users name ports only under another one than the default.", default("openstacklocal");
        MAX_DNS_NAMESERVERS: i64 = "max_dns_nameservers", "DNS servers per subnet.", default("5");
        MAX_SUBNET_HOST_ROUTES: i64 = "max_subnet_host_routes", "Host routes per subnet.", default("20");
        MAX_ALLOWED_ADDRESS_PAIR: i64 = "max_allowed_address_pair", "Allowed address pairs per port; -1 for no limit.", default("10");
        ALLOW_BULK: bool = "allow_bulk", "Accept several resources in one create request.", default("true");
        AGENT_DOWN_TIME: i64 = "agent_down_time", "Seconds without a report after which an agent counts as dead; at least twice report_interval.", default("75"), range(1, 2_147_483);
        ENABLE_NEW_AGENTS: bool = "enable_new_agents", "admin_state_up of an agent that reports for the first time.", default("true");
        DHCP_LOAD_TYPE: String = "dhcp_load_type", "What counts as load of a DHCP agent.", default("networks"), choices(&["networks", "subnets", "ports"]);
        DHCP_AGENTS_PER_NETWORK: i64 = "dhcp_agents_per_network", "DHCP agents that serve each network.", default("1"), range(1, 1_000);
        NETWORK_AUTO_SCHEDULE: bool = "network_auto_schedule", "Give networks to DHCP agents without being told to.", default("true");
        NETWORK_SCHEDULER_DRIVER: String = "network_scheduler_driver", "How a network's DHCP agents are chosen: WeightScheduler, AZAwareWeightScheduler or ChanceScheduler, by name or by Neutron's path.", default("neutron.scheduler.dhcp_agent_scheduler.WeightScheduler");
        ALLOW_AUTOMATIC_DHCP_FAILOVER: bool = "allow_automatic_dhcp_failover", "Take networks from DHCP agents that are dead and give them to others.", default("true");
        ROUTER_SCHEDULER_DRIVER: String = "router_scheduler_driver", "How a router's L3 agent is chosen: LeastRoutersScheduler, AZLeastRoutersScheduler or ChanceScheduler, by name or by Neutron's path.", default("neutron.scheduler.l3_agent_scheduler.LeastRoutersScheduler");
        ROUTER_AUTO_SCHEDULE: bool = "router_auto_schedule", "Give routers that no L3 agent has to the L3 agent that asks for its routers.", default("true");
        ALLOW_AUTOMATIC_L3AGENT_FAILOVER: bool = "allow_automatic_l3agent_failover", "Take routers from L3 agents that are dead and give them to others.", default("false");
        DHCP_AGENT_NOTIFICATION: bool = "dhcp_agent_notification", "Tell DHCP agents of changes.", default("true");
        ENABLE_SERVICES_ON_AGENTS_WITH_ADMIN_STATE_DOWN: bool = "enable_services_on_agents_with_admin_state_down", "Agents with admin_state_up False keep serving what they have, and get what operators give them.", default("false");
        DEFAULT_AVAILABILITY_ZONES: Vec<String> = "default_availability_zones", "Availability zone hints of resources without.";
        ROUTER_DISTRIBUTED: bool = "router_distributed", "Routers are distributed unless their create request says otherwise.", default("false");
        ENABLE_DVR: bool = "enable_dvr", "Offer distributed routers.", default("true");
        ENABLE_SNAT_BY_DEFAULT: bool = "enable_snat_by_default", "Translate addresses at gateways whose request does not say whether to.", default("true");
        RPC_RESPONSE_TIMEOUT: i64 = "rpc_response_timeout", "Seconds to wait for the answer to an RPC call.", default("60"), range(1, 86_400);
        RPC_RESPONSE_MAX_TIMEOUT: i64 = "rpc_response_max_timeout", "Longest time in seconds to wait for an answer; the wait doubles with every timeout up to it.", default("600"), range(1, 86_400);
        RPC_RESOURCES_PROCESSING_STEP: i64 = "rpc_resources_processing_step", "Ports an agent asks for or reports in one RPC call.", default("20"), range(1, 10_000);
        TRANSPORT_URL: Option<String> = "transport_url", "Message bus. embedded://HOST:PORT is the bus inside the server (agents), embedded:// or nothing the same inside the server itself; rabbit://USER:PASSWORD@HOST:PORT,.../VHOST is RabbitMQ (both).";
        CONTROL_EXCHANGE: String = "control_exchange", "Exchange of all topics on RabbitMQ.", default("neutron");
        EXECUTOR_THREAD_POOL_SIZE: i64 = "executor_thread_pool_size", "Requests of one topic that are worked on at a time, on RabbitMQ.", default("64"), range(1, 65_536), deprecated(&[("DEFAULT", "rpc_thread_pool_size")]);
        GRACEFUL_SHUTDOWN_TIMEOUT: i64 = "graceful_shutdown_timeout", "Seconds that requests under way may take to finish once the server is told to stop; 0 for as long as they take.", default("60"), range(0, 86_400);
        NOTIFY_NOVA_ON_PORT_STATUS_CHANGES: bool = "notify_nova_on_port_status_changes", "Tell Nova when an instance's port becomes ACTIVE, DOWN or ERROR; see [nova].", default("true");
        NOTIFY_NOVA_ON_PORT_DATA_CHANGES: bool = "notify_nova_on_port_data_changes", "Tell Nova when an instance's port or its floating IP changes, so that Nova refreshes what it knows.", default("true");
        SEND_EVENTS_INTERVAL: i64 = "send_events_interval", "Seconds between two messages to Nova; events of the meantime go together.", default("2"), range(1, 3_600);
        HTTP_RETRIES: i64 = "http_retries", "How often a request to another service is tried again when no connection comes about.", default("3"), range(0, 100);
        API_WORKERS: Option<i64> = "api_workers", "Threads that serve the API; defaults to the number of processors.";
    }
}

group! {
    /// `[database]`.
    database = "database" {
        CONNECTION: String = "connection", "SQLAlchemy-style URL of the database: mysql+pymysql://user:password@host/name, postgresql://user:password@host/name or sqlite:////absolute/path.", default("sqlite:////var/lib/neutron/neutron.sqlite"), deprecated(&[("DEFAULT", "sql_connection"), ("DATABASE", "sql_connection")]);
        CONNECTION_PARAMETERS: String = "connection_parameters", "Parameters to add to the URL: name=value&name=value.", default("");
        READERS: i64 = "sqlite_readers", "Most requests that read SQLite at a time; more wait their turn.", default("8"), range(1, 64);
        MAX_POOL_SIZE: i64 = "max_pool_size", "Connections to the database server that are kept when nobody uses them; 0 for no limit.", default("5"), range(0, 10_000);
        MAX_OVERFLOW: i64 = "max_overflow", "Connections beyond those, closed after use; -1 for no limit.", default("50"), range(-1, 10_000);
        POOL_TIMEOUT: i64 = "pool_timeout", "Seconds to wait for a connection.", default("30"), range(1, 3600);
        CONNECTION_RECYCLE_TIME: i64 = "connection_recycle_time", "Age in seconds at which a connection is replaced; -1 for never.", default("3600"), range(-1, 31_536_000);
        MAX_RETRIES: i64 = "max_retries", "Tries to connect at start after the first one; -1 for no limit.", default("10"), range(-1, 1_000_000);
        RETRY_INTERVAL: i64 = "retry_interval", "Seconds between tries to connect at start.", default("10"), range(1, 3600);
        DB_MAX_RETRIES: i64 = "db_max_retries", "How often a request that lost a race or its connection is tried again; -1 for no limit.", default("20"), range(-1, 1_000_000);
        DB_RETRY_INTERVAL: f64 = "db_retry_interval", "Longest wait in seconds before the first of those tries. Far less than oslo.db's second: a write takes milliseconds here.", default("0.005"), range(0, 3600);
        DB_INC_RETRY_INTERVAL: bool = "db_inc_retry_interval", "Double that wait with every try.", default("true");
        DB_MAX_RETRY_INTERVAL: f64 = "db_max_retry_interval", "What that wait, in seconds, does not grow beyond.", default("2"), range(0, 3600);
        MYSQL_SQL_MODE: String = "mysql_sql_mode", "sql_mode of sessions of MariaDB and MySQL; blank for the server's.", default("TRADITIONAL");
        MYSQL_WSREP_SYNC_WAIT: Option<i64> = "mysql_wsrep_sync_wait", "wsrep_sync_wait of sessions of a Galera cluster: 1 makes reads see what other nodes have committed.", range(0, 15);
    }
}

group! {
    /// `[quotas]`: -1 is no limit.
    quotas = "quotas" {
        DEFAULT_QUOTA: i64 = "default_quota", "Limit of resources without a limit of their own.", default("-1");
        QUOTA_NETWORK: i64 = "quota_network", "Networks per project.", default("100");
        QUOTA_SUBNET: i64 = "quota_subnet", "Subnets per project.", default("100");
        QUOTA_PORT: i64 = "quota_port", "Ports per project.", default("500");
        QUOTA_ROUTER: i64 = "quota_router", "Routers per project.", default("10");
        QUOTA_ROUTER_ROUTE: i64 = "quota_router_route", "Extra routes per router.", default("30"), deprecated(&[("DEFAULT", "max_routes")]);
        QUOTA_FLOATINGIP: i64 = "quota_floatingip", "Floating IPs per project.", default("50");
        QUOTA_SECURITY_GROUP: i64 = "quota_security_group", "Security groups per project.", default("10");
        QUOTA_SECURITY_GROUP_RULE: i64 = "quota_security_group_rule", "Security group rules per project.", default("100");
        QUOTA_RBAC_POLICY: i64 = "quota_rbac_policy", "RBAC policies per project.", default("10"), deprecated(&[("quotas", "quota_rbac_entry")]);
    }
}

group! {
    /// `[oslo_policy]`.
    oslo_policy = "oslo_policy" {
        POLICY_FILE: String = "policy_file", "File of rules that override the defaults; read when it exists.", default("policy.yaml");
        POLICY_DIRS: Multi = "policy_dirs", "Directories whose files are read after policy_file, in name order; those that do not exist are passed over.", default("policy.d");
        ENFORCE_NEW_DEFAULTS: bool = "enforce_new_defaults", "Use only the role-based defaults, without the deprecated rules.", default("true");
    }
}

group! {
    /// `[oslo_middleware]`.
    oslo_middleware = "oslo_middleware" {
        ENABLE_PROXY_HEADERS_PARSING: bool = "enable_proxy_headers_parsing", "Believe what a proxy in front says about scheme, host and path of a request: X-Forwarded-Proto, X-Forwarded-Host, X-Forwarded-Prefix, Forwarded.", default("false");
    }
}

group! {
    /// `[local_identity]`: the identity service built into the server.
    identity = "local_identity" {
        CONFIG_FILE: String = "config_file", "TOML file of domains, projects, users and roles.", default("/etc/neutron/identity.toml");
        BIND_HOST: String = "bind_host", "Address the identity API listens on.", default("0.0.0.0");
        BIND_PORT: i64 = "bind_port", "Port the identity API listens on.", default("5000"), range(0, 65535);
        NETWORK_ENDPOINT: Option<String> = "network_endpoint", "URL of this server's network API in the catalog, without /v2.0; made from the request's host by default.";
        IDENTITY_ENDPOINT: Option<String> = "identity_endpoint", "URL of the identity API in the catalog, ending in /v3; made from the request's host by default.";
        REGION: String = "region", "Region of the catalog's endpoints.", default("RegionOne");
        TOKEN_EXPIRATION: i64 = "token_expiration", "Seconds a token is valid.", default("3600"), range(1, 31_536_000);
        SECRET: Option<String> = "secret", "Key that signs tokens. Without it a random one is kept in state_path.";
    }
}

group! {
    /// `[embedded_bus]`: the message bus inside the server.
    rpc = "embedded_bus" {
        BIND_HOST: String = "bind_host", "Address agents connect to.", default("0.0.0.0");
        BIND_PORT: i64 = "bind_port", "Port agents connect to.", default("9697"), range(0, 65535);
        SECRET: Option<String> = "secret", "Secret shared by server and agents; both prove that they know it.";
        SECRET_FILE: Option<String> = "secret_file", "File that holds the secret instead.";
        USE_TLS: bool = "use_tls", "Encrypt connections.", default("false");
        CERT_FILE: Option<String> = "cert_file", "PEM certificate chain of the server.";
        KEY_FILE: Option<String> = "key_file", "PEM private key of the server.";
        CA_FILE: Option<String> = "ca_file", "PEM certificates agents trust.";
        HEARTBEAT_INTERVAL: f64 = "heartbeat_interval", "Seconds of silence after which server and agents send a sign of life; after three times as long the other end counts as gone.", default("10");
        QUEUE_LIMIT: i64 = "queue_limit", "Notifications kept for an agent that does not read; past that they are dropped and the agent resynchronises.", default("10000"), range(16, 10_000_000);
    }
}

group! {
    /// `[ml2]`.
    ml2 = "ml2" {
        TYPE_DRIVERS: Vec<String> = "type_drivers", "Network types to offer.", default("local,flat,vlan,gre,vxlan,geneve");
        PROJECT_NETWORK_TYPES: Vec<String> = "project_network_types", "Types tried in order for a project's network.", default("local"), deprecated(&[("ml2", "tenant_network_types")]);
        MECHANISM_DRIVERS: Vec<String> = "mechanism_drivers", "Mechanism drivers in order.";
        EXTENSION_DRIVERS: Vec<String> = "extension_drivers", "Extension drivers in order.";
        PATH_MTU: i64 = "path_mtu", "Largest IP packet in bytes the tunnel network carries; 0 to go by global_physnet_mtu.", default("0");
        PHYSICAL_NETWORK_MTUS: BTreeMap<String, String> = "physical_network_mtus", "MTU of physical networks that differ from global_physnet_mtu.";
        EXTERNAL_NETWORK_TYPE: Option<String> = "external_network_type", "Type of external networks without provider attributes.";
        OVERLAY_IP_VERSION: i64 = "overlay_ip_version", "IP version of tunnel endpoints.", default("4"), range(4, 6);
    }
}

group! {
    /// `[ml2_type_flat]`.
    ml2_type_flat = "ml2_type_flat" {
        FLAT_NETWORKS: Vec<String> = "flat_networks", "Physical networks that may carry a flat network; * for any, empty for none.", default("*");
    }
}

group! {
    /// `[ml2_type_vlan]`.
    ml2_type_vlan = "ml2_type_vlan" {
        NETWORK_VLAN_RANGES: Vec<String> = "network_vlan_ranges", "physical_network[:vlan_min:vlan_max] entries; VLANs of the ranges go to projects.";
    }
}

group! {
    /// `[ml2_type_gre]`.
    ml2_type_gre = "ml2_type_gre" {
        TUNNEL_ID_RANGES: Vec<String> = "tunnel_id_ranges", "min:max entries of GRE tunnel ids for projects.";
    }
}

group! {
    /// `[ml2_type_vxlan]`.
    ml2_type_vxlan = "ml2_type_vxlan" {
        VNI_RANGES: Vec<String> = "vni_ranges", "min:max entries of VXLAN VNIs for projects.";
    }
}

group! {
    /// `[ml2_type_geneve]`.
    ml2_type_geneve = "ml2_type_geneve" {
        VNI_RANGES: Vec<String> = "vni_ranges", "min:max entries of Geneve VNIs for projects.";
        MAX_HEADER_SIZE: i64 = "max_header_size", "Bytes of Geneve encapsulation without the IP header.", default("30");
    }
}
