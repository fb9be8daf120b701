//! Options of `metadata_agent.ini`, and those of the metadata proxies that DHCP and L3 agents run.

use super::{agent, group};
use crate::AnyOpt;

/// All options of the metadata groups.
pub(super) fn all() -> Vec<&'static dyn AnyOpt> {
    [metadata_proxy::ALL, metadata_agent::ALL, metadata_rate_limiting::ALL, metadata_haproxy::ALL]
        .concat()
}

/// The options of `metadata_agent.ini`.
#[must_use]
pub fn metadata_agent_ini() -> Vec<&'static dyn AnyOpt> {
    [metadata_proxy::ALL, metadata_agent::ALL, agent::ALL].concat()
}

group! {
    /// `[DEFAULT]` options shared by the metadata agent and the proxies.
    metadata_proxy = "DEFAULT" {
        METADATA_PROXY_SOCKET: String = "metadata_proxy_socket", "Unix socket of the metadata agent, which the proxies connect to.", default("$state_path/metadata_proxy");
        METADATA_PROXY_USER: String = "metadata_proxy_user", "User (name or uid) the proxies run as; empty: as the agent. Here the proxies are part of the agent, so this only decides the mode of the socket.";
        METADATA_PROXY_GROUP: String = "metadata_proxy_group", "Group (name or gid) the proxies run as; empty: as the agent. See metadata_proxy_user.";
    }
}

group! {
    /// `[DEFAULT]` options of the metadata agent.
    metadata_agent = "DEFAULT" {
        AUTH_CA_CERT: Option<String> = "auth_ca_cert", "PEM file of the authorities that Nova's certificate is checked with (nova_metadata_protocol https).";
        NOVA_METADATA_HOST: String = "nova_metadata_host", "Name or address of Nova's metadata service.", default("127.0.0.1");
        NOVA_METADATA_PORT: i64 = "nova_metadata_port", "TCP port of Nova's metadata service.", default("8775"), range(0, 65535);
        METADATA_PROXY_SHARED_SECRET: String = "metadata_proxy_shared_secret", "Secret that instance ids are signed with; the same as in Nova's [neutron] section.";
        NOVA_METADATA_PROTOCOL: String = "nova_metadata_protocol", "How Nova's metadata service is spoken to.", default("http"), choices(&["http", "https"]);
        NOVA_METADATA_INSECURE: bool = "nova_metadata_insecure", "Do not check Nova's certificate.", default("false");
        NOVA_CLIENT_CERT: String = "nova_client_cert", "PEM file of the certificate shown to Nova; needs nova_client_priv_key.";
        NOVA_CLIENT_PRIV_KEY: String = "nova_client_priv_key", "PEM file of the key of nova_client_cert.";
        METADATA_PROXY_SOCKET_MODE: String = "metadata_proxy_socket_mode", "Who may connect to the socket: user 0644, group 0664, all 0666; deduce decides from metadata_proxy_user and metadata_proxy_group.", default("deduce"), choices(&["deduce", "user", "group", "all"]);
        METADATA_BACKLOG: i64 = "metadata_backlog", "Connections that may wait on the socket.", default("4096"), range(1, 65535);
    }
}

group! {
    /// `[metadata_rate_limiting]`.
    metadata_rate_limiting = "metadata_rate_limiting" {
        RATE_LIMIT_ENABLED: bool = "rate_limit_enabled", "Limit how often an instance may ask for metadata.", default("false");
        IP_VERSIONS: Vec<String> = "ip_versions", "The IP version (4 or 6) that is limited; one only, as in Neutron.", default("4");
        BASE_WINDOW_DURATION: i64 = "base_window_duration", "Seconds of the base window.", default("10"), range(1, 86_400);
        BASE_QUERY_RATE_LIMIT: i64 = "base_query_rate_limit", "Queries of one address in the base window.", default("10"), range(1, 1_000_000);
        BURST_WINDOW_DURATION: i64 = "burst_window_duration", "Seconds of the burst window.", default("10"), range(1, 86_400);
        BURST_QUERY_RATE_LIMIT: i64 = "burst_query_rate_limit", "Queries of one address in the burst window.", default("10"), range(1, 1_000_000);
    }
}

group! {
    /// `[metadata_haproxy]`: time limits of the proxies, named after the program Neutron runs.
    metadata_haproxy = "metadata_haproxy" {
        TIMEOUT_CONNECT: i64 = "timeout_connect", "Seconds to wait for a connection to the metadata agent's socket.", default("30"), range(1, 86_400);
        TIMEOUT_CLIENT: i64 = "timeout_client", "Seconds an instance may take to send the body of a request or to take an answer.", default("32"), range(1, 86_400);
        TIMEOUT_SERVER: i64 = "timeout_server", "Seconds to wait for the metadata agent's answer.", default("32"), range(1, 86_400);
        TIMEOUT_HTTP_REQUEST: i64 = "timeout_http_request", "Seconds an instance may take to send the head of a request.", default("30"), range(1, 86_400);
        TIMEOUT_HTTP_KEEP_ALIVE: i64 = "timeout_http_keep_alive", "Seconds a connection may be idle between two requests.", default("30"), range(1, 86_400);
    }
}
