//! Options of oslo.messaging's RabbitMQ driver, named as there.

use super::group;

group! {
    /// `[oslo_messaging_rabbit]`. The query of a rabbit:// transport_url overrides them.
    oslo_messaging_rabbit = "oslo_messaging_rabbit" {
        AMQP_DURABLE_QUEUES: bool = "amqp_durable_queues", "Declare exchange and topic queues durable; quorum queues always are.", default("false"), deprecated(&[("DEFAULT", "amqp_durable_queues"), ("DEFAULT", "rabbit_durable_queues")]);
        AMQP_AUTO_DELETE: bool = "amqp_auto_delete", "Declare exchange and topic queues auto-delete.", default("false"), deprecated(&[("DEFAULT", "amqp_auto_delete")]);
        SSL: bool = "ssl", "Connect over TLS.", default("false"), deprecated(&[("oslo_messaging_rabbit", "rabbit_use_ssl")]);
        SSL_CA_FILE: Option<String> = "ssl_ca_file", "PEM certificates that may sign the broker's. Without it the broker's certificate is not checked.", deprecated(&[("oslo_messaging_rabbit", "kombu_ssl_ca_certs")]);
        SSL_CERT_FILE: Option<String> = "ssl_cert_file", "PEM certificate shown to the broker.", deprecated(&[("oslo_messaging_rabbit", "kombu_ssl_certfile")]);
        SSL_KEY_FILE: Option<String> = "ssl_key_file", "PEM private key of ssl_cert_file.", deprecated(&[("oslo_messaging_rabbit", "kombu_ssl_keyfile")]);
        SSL_ENFORCE_HOSTNAME_VERIFICATION: bool = "ssl_enforce_hostname_verification", "With ssl_ca_file, the broker's certificate must also carry the host name of transport_url.", default("true");
        RABBIT_LOGIN_METHOD: String = "rabbit_login_method", "How to authenticate.", default("AMQPLAIN"), choices(&["PLAIN", "AMQPLAIN", "EXTERNAL", "RABBIT-CR-DEMO"]), deprecated(&[("DEFAULT", "rabbit_login_method")]);
        RABBIT_HA_QUEUES: bool = "rabbit_ha_queues", "Declare queues with x-ha-policy: all, as brokers before 3.0 want it.", default("false"), deprecated(&[("DEFAULT", "rabbit_ha_queues")]);
        RABBIT_QUORUM_QUEUE: bool = "rabbit_quorum_queue", "Topic queues are quorum queues.", default("false");
        RABBIT_TRANSIENT_QUORUM_QUEUE: bool = "rabbit_transient_quorum_queue", "Fanout and reply queues are quorum queues.", default("false");
        RABBIT_QUORUM_DELIVERY_LIMIT: i64 = "rabbit_quorum_delivery_limit", "Deliveries of one message before a quorum queue drops it; 0 for no limit.", default("0"), range(0, 2_147_483_647);
        RABBIT_QUORUM_MAX_MEMORY_LENGTH: i64 = "rabbit_quorum_max_memory_length", "Messages a quorum queue keeps in memory; 0 for no limit.", default("0"), range(0, 2_147_483_647), deprecated(&[("oslo_messaging_rabbit", "rabbit_quroum_max_memory_length")]);
        RABBIT_QUORUM_MAX_MEMORY_BYTES: i64 = "rabbit_quorum_max_memory_bytes", "Bytes a quorum queue keeps in memory; 0 for no limit.", default("0"), range(0, 2_147_483_647), deprecated(&[("oslo_messaging_rabbit", "rabbit_quroum_max_memory_bytes")]);
        RABBIT_TRANSIENT_QUEUES_TTL: i64 = "rabbit_transient_queues_ttl", "Seconds after which the broker deletes an unused fanout or reply queue; 0 for never.", default("1800"), range(0, 2_147_483);
        RABBIT_QOS_PREFETCH_COUNT: i64 = "rabbit_qos_prefetch_count", "Messages the broker sends ahead to each consumer; 0 leaves the number to this process.", default("0"), range(0, 65_535);
        RABBIT_STREAM_FANOUT: bool = "rabbit_stream_fanout", "One stream per topic instead of a fanout queue per consumer; needs rabbit_transient_quorum_queue and rabbit_qos_prefetch_count.", default("false");
        ENABLE_CANCEL_ON_FAILOVER: bool = "enable_cancel_on_failover", "Ask the broker to cancel consumers when a mirrored queue fails over.", default("false");
        DIRECT_MANDATORY_FLAG: bool = "direct_mandatory_flag", "Learn from the broker when the queue of a reply is missing, and try again.", default("true");
        USE_QUEUE_MANAGER: bool = "use_queue_manager", "Name fanout and reply queues by hostname and processname instead of at random.", default("false");
        HOSTNAME: Option<String> = "hostname", "Host in the queue names of use_queue_manager. Defaults to the system's host name.";
        PROCESSNAME: Option<String> = "processname", "Process in the queue names of use_queue_manager. Defaults to the name of Neutron's program for this role.";
        HEARTBEAT_TIMEOUT_THRESHOLD: i64 = "heartbeat_timeout_threshold", "Seconds of silence after which the broker counts as gone; 0 for no heartbeats.", default("60"), range(0, 65_535);
        RABBIT_RETRY_INTERVAL: i64 = "rabbit_retry_interval", "Seconds between the first two rounds of connection attempts.", default("1"), range(1, 86_400);
        RABBIT_RETRY_BACKOFF: i64 = "rabbit_retry_backoff", "Seconds by which each further pause between rounds grows.", default("2"), range(0, 86_400), deprecated(&[("DEFAULT", "rabbit_retry_backoff")]);
        RABBIT_INTERVAL_MAX: i64 = "rabbit_interval_max", "Longest pause between rounds in seconds.", default("30"), range(1, 86_400);
        KOMBU_RECONNECT_DELAY: f64 = "kombu_reconnect_delay", "Seconds to wait after a connection was lost.", default("1.0"), deprecated(&[("DEFAULT", "kombu_reconnect_delay")]);
        KOMBU_RECONNECT_SPLAY: f64 = "kombu_reconnect_splay", "Longest random wait in seconds on top of kombu_reconnect_delay.", default("0.0");
        KOMBU_MISSING_CONSUMER_RETRY_TIMEOUT: i64 = "kombu_missing_consumer_retry_timeout", "Seconds to keep trying to send a reply whose queue is missing.", default("60"), range(0, 86_400), deprecated(&[("oslo_messaging_rabbit", "kombu_reconnect_timeout")]);
        KOMBU_FAILOVER_STRATEGY: String = "kombu_failover_strategy", "Order in which the hosts of transport_url are tried.", default("round-robin"), choices(&["round-robin", "shuffle"]);
    }
}
