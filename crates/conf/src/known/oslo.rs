//! Groups of the libraries Neutron uses.

use super::{
    Accept::{Blank, MultiWords, Off, Words},
    EVERY, Row, SERVER, ignored, ignored_group, only,
};

const NO_PROFILER: &str = "of OSprofiler, which is off";

pub(super) const ROWS: &[Row] = &[
    only(
        SERVER,
        "cors",
        &["allowed_origin"],
        Blank,
        "browsers of other origins are not answered; take it out and let a proxy in front do it",
    ),
    ignored_group("cors", "of allowed_origin, which is refused"),
    only(
        SERVER,
        "healthcheck",
        &[
            "backends",
            "allowed_source_ranges",
            "disable_by_file_path",
            "disable_by_file_paths",
            "enable_by_file_paths",
        ],
        Blank,
        "/healthcheck answers everybody while the server runs; take it out",
    ),
    only(
        SERVER,
        "healthcheck",
        &["ignore_proxied_requests"],
        Off,
        "/healthcheck answers everybody while the server runs; set it to false",
    ),
    ignored("healthcheck", "/healthcheck says OK and no more", &["detailed", "path"]),
    only(
        SERVER,
        "oslo_messaging_notifications",
        &["driver"],
        MultiWords(&["noop"]),
        "changes are not published for Ceilometer or Designate in this release; set it to noop",
    ),
    ignored_group("oslo_messaging_notifications", "of notifications, which driver turns off"),
    ignored_group("oslo_messaging_kafka", "transport_url cannot name Kafka"),
    ignored_group("audit_middleware_notifications", "of the audit filter, which is not there"),
    only(
        SERVER,
        "oslo_policy",
        &["policy_default_rule"],
        Words(&["default"]),
        "the rule of what has none is called default; set it to default",
    ),
    ignored(
        "oslo_policy",
        "of rules that ask another server, which are refused",
        &[
            "remote_content_type",
            "remote_ssl_verify_server_crt",
            "remote_ssl_ca_crt_file",
            "remote_ssl_client_crt_file",
            "remote_ssl_client_key_file",
            "remote_timeout",
        ],
    ),
    ignored_group("oslo_concurrency", "no lock files are used"),
    ignored_group("oslo_reports", "no Guru Meditation Reports are written"),
    ignored_group("oslo_versionedobjects", "of the Python objects' own messages"),
    ignored_group("database", "of SQLAlchemy's way to use a database"),
    ignored_group("keystone_authtoken", "of keystonemiddleware's own caches and connections"),
    ignored_group("nova", "of keystoneauth's own connections"),
    only(
        EVERY,
        "oslo_messaging_rabbit",
        &["kombu_compression"],
        Blank,
        "messages are not compressed in this release; unset it, also for those on the same broker",
    ),
    ignored(
        "oslo_messaging_rabbit",
        "of kombu's pools of connections and its way to send heartbeats",
        &[
            "rpc_conn_pool_size",
            "conn_pool_min_size",
            "conn_pool_ttl",
            "heartbeat_rate",
            "heartbeat_in_pthread",
        ],
    ),
    ignored("oslo_messaging_rabbit", "TLS 1.2 and 1.3 are spoken", &["ssl_version"]),
    only(
        EVERY,
        "oslo_messaging_rabbit",
        &["ssl_enforce_fips_mode"],
        Off,
        "there is no FIPS mode; set it to false",
    ),
    ignored_group("privsep", "the process does itself what it may do, and runs no helper"),
    ignored_group("cache", "what is remembered is remembered in the process"),
    ignored_group("ssl", "of use_ssl, which is refused"),
    only(
        EVERY,
        "profiler",
        &["enabled"],
        Off,
        "requests are not traced by OSprofiler; set it to false",
    ),
    ignored_group("profiler", NO_PROFILER),
    ignored_group("profiler_jaeger", NO_PROFILER),
    ignored_group("profiler_otlp", NO_PROFILER),
];
