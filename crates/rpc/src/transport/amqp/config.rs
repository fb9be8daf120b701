//! What the transport is told: `transport_url` and `[oslo_messaging_rabbit]`.

use std::{path::PathBuf, time::Duration};

use lapin::uri::SASLMechanism;
use neutrino_conf::{Conf, opts, opts::oslo_messaging_rabbit as rabbit};

use super::{
    hosts::Retry,
    tls::Tls,
    topology::{Naming, Shape},
    url::{Host, Url},
};
use crate::error::RpcError;

/// Messages the broker sends ahead to each consumer when the options leave it open: enough that
/// nobody waits for the network, and what bounds the memory of a process that is slow.
const PREFETCH: u16 = 64;

/// How a process reaches RabbitMQ.
#[derive(Clone, Debug)]
pub struct Config {
    /// Brokers of one cluster, at least one.
    pub hosts: Vec<Host>,
    /// Virtual host.
    pub vhost: String,
    /// `rabbit_login_method`.
    pub login: SASLMechanism,
    /// Encryption, when on.
    pub tls: Option<Tls>,
    /// Exchanges and queues.
    pub shape: Shape,
    /// Names of this process's own queues.
    pub naming: Naming,
    /// Messages sent ahead to each consumer.
    pub prefetch: u16,
    /// `enable_cancel_on_failover`.
    pub cancel_on_failover: bool,
    /// Silence after which the broker counts as gone; zero for no heartbeats.
    pub heartbeat: Duration,
    /// Clocks of reconnecting.
    pub retry: Retry,
    /// Whether `kombu_failover_strategy` is `shuffle`.
    pub shuffle: bool,
    /// `direct_mandatory_flag`.
    pub mandatory_replies: bool,
    /// `kombu_missing_consumer_retry_timeout`.
    pub missing_reply_queue: Duration,
    /// `executor_thread_pool_size`: requests of one handler worked on at a time.
    pub workers: usize,
    /// Names this process in the broker's list of connections.
    pub process: String,
    /// What waits to be published.
    pub limits: Limits,
}

/// What may wait in this process while the broker does not take messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages.
    pub messages: usize,
    /// Bytes of their bodies.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { messages: 10_000, bytes: 64 << 20 }
    }
}

impl Config {
    /// Reads the options for the program called `process`, e.g. `neutron-server`.
    ///
    /// # Errors
    /// A `url` or option that cannot be used; it is named, passwords are not.
    pub fn from_conf(conf: &Conf, url: &str, process: &str) -> Result<Self, RpcError> {
        let url = Url::parse(url).map_err(|e| RpcError::setup("reading transport_url", e))?;
        let conf = overridden(conf, &url.query)?;
        let shape = shape(&conf)?;
        let prefetch = u16::try_from(conf.get(&rabbit::RABBIT_QOS_PREFETCH_COUNT)).unwrap_or(0);
        refuse(
            shape.stream_fanout && prefetch == 0,
            "rabbit_stream_fanout needs rabbit_qos_prefetch_count",
        )?;
        Ok(Self {
            hosts: url.hosts,
            vhost: url.vhost,
            login: login(&conf.get(&rabbit::RABBIT_LOGIN_METHOD)),
            tls: tls(&conf)?,
            shape,
            naming: naming(&conf, process)?,
            prefetch: if prefetch == 0 { PREFETCH } else { prefetch },
            cancel_on_failover: conf.get(&rabbit::ENABLE_CANCEL_ON_FAILOVER),
            heartbeat: secs(conf.get(&rabbit::HEARTBEAT_TIMEOUT_THRESHOLD)),
            retry: Retry {
                interval: secs(conf.get(&rabbit::RABBIT_RETRY_INTERVAL)),
                backoff: secs(conf.get(&rabbit::RABBIT_RETRY_BACKOFF)),
                max: secs(conf.get(&rabbit::RABBIT_INTERVAL_MAX)),
                delay: fraction(conf.get(&rabbit::KOMBU_RECONNECT_DELAY)),
                splay: fraction(conf.get(&rabbit::KOMBU_RECONNECT_SPLAY)),
            },
            shuffle: conf.get(&rabbit::KOMBU_FAILOVER_STRATEGY) == "shuffle",
            mandatory_replies: conf.get(&rabbit::DIRECT_MANDATORY_FLAG),
            missing_reply_queue: secs(conf.get(&rabbit::KOMBU_MISSING_CONSUMER_RETRY_TIMEOUT)),
            workers: usize::try_from(conf.get(&opts::default::EXECUTOR_THREAD_POOL_SIZE))
                .unwrap_or(64),
            process: process.to_string(),
            limits: Limits::default(),
        })
    }
}

/// The options with those of the URL's query on top.
fn overridden(conf: &Conf, query: &[(String, String)]) -> Result<Conf, RpcError> {
    let mut conf = conf.clone();
    for (name, value) in query {
        let doing = || format!("reading {name} in the query of transport_url");
        let option = opts::find(rabbit::GROUP, name)
            .ok_or_else(|| RpcError::setup(doing(), "there is no such option"))?;
        conf = conf.with(option, value).map_err(|e| RpcError::setup(doing(), e))?;
    }
    Ok(conf)
}

fn shape(conf: &Conf) -> Result<Shape, RpcError> {
    let number = |n: i64| u32::try_from(n).unwrap_or(0);
    let shape = Shape {
        exchange: conf.get(&opts::default::CONTROL_EXCHANGE),
        durable: conf.get(&rabbit::AMQP_DURABLE_QUEUES),
        auto_delete: conf.get(&rabbit::AMQP_AUTO_DELETE),
        ha: conf.get(&rabbit::RABBIT_HA_QUEUES),
        quorum: conf.get(&rabbit::RABBIT_QUORUM_QUEUE),
        transient_quorum: conf.get(&rabbit::RABBIT_TRANSIENT_QUORUM_QUEUE),
        delivery_limit: number(conf.get(&rabbit::RABBIT_QUORUM_DELIVERY_LIMIT)),
        max_memory_length: number(conf.get(&rabbit::RABBIT_QUORUM_MAX_MEMORY_LENGTH)),
        max_memory_bytes: number(conf.get(&rabbit::RABBIT_QUORUM_MAX_MEMORY_BYTES)),
        transient_ttl: number(conf.get(&rabbit::RABBIT_TRANSIENT_QUEUES_TTL)),
        stream_fanout: conf.get(&rabbit::RABBIT_STREAM_FANOUT),
    };
    refuse(
        shape.ha && (shape.quorum || shape.transient_quorum),
        "rabbit_ha_queues and quorum queues exclude each other",
    )?;
    refuse(
        shape.stream_fanout && !shape.transient_quorum,
        "rabbit_stream_fanout needs rabbit_transient_quorum_queue",
    )?;
    Ok(shape)
}

fn tls(conf: &Conf) -> Result<Option<Tls>, RpcError> {
    if !conf.get(&rabbit::SSL) {
        return Ok(None);
    }
    // oslo's empty strings mean "not set".
    let file = |value: Option<String>| value.filter(|v| !v.is_empty()).map(PathBuf::from);
    let cert = file(conf.get(&rabbit::SSL_CERT_FILE));
    let identity = match (cert, file(conf.get(&rabbit::SSL_KEY_FILE))) {
        (Some(cert), Some(key)) => Some((cert, key)),
        // A key in the certificate's file, as OpenSSL finds it.
        (Some(cert), None) => Some((cert.clone(), cert)),
        (None, None) => None,
        (None, Some(_)) => {
            return Err(RpcError::setup(doing(), "ssl_key_file needs ssl_cert_file"));
        }
    };
    let tls = Tls {
        ca_file: file(conf.get(&rabbit::SSL_CA_FILE)),
        identity,
        check_name: conf.get(&rabbit::SSL_ENFORCE_HOSTNAME_VERIFICATION),
    };
    // Files that cannot be read are found now, not at each attempt to connect.
    tls.client_config()?;
    Ok(Some(tls))
}

fn naming(conf: &Conf, process: &str) -> Result<Naming, RpcError> {
    if !conf.get(&rabbit::USE_QUEUE_MANAGER) {
        return Ok(Naming::Random);
    }
    let host = match conf.get(&rabbit::HOSTNAME) {
        Some(host) => host,
        None => std::fs::read_to_string("/proc/sys/kernel/hostname")
            .map_err(|e| RpcError::setup("reading the system's host name", e))?
            .trim()
            .to_string(),
    };
    let process = conf.get(&rabbit::PROCESSNAME).unwrap_or_else(|| process.to_string());
    Ok(Naming::Managed { host, process })
}

fn login(method: &str) -> SASLMechanism {
    match method {
        "PLAIN" => SASLMechanism::Plain,
        "EXTERNAL" => SASLMechanism::External,
        "RABBIT-CR-DEMO" => SASLMechanism::RabbitCrDemo,
        _ => SASLMechanism::AMQPlain,
    }
}

fn refuse(when: bool, why: &'static str) -> Result<(), RpcError> {
    if when { Err(RpcError::setup(doing(), why)) } else { Ok(()) }
}

fn doing() -> String {
    format!("reading [{}]", rabbit::GROUP)
}

fn secs(value: i64) -> Duration {
    Duration::from_secs(u64::try_from(value).unwrap_or(0))
}

fn fraction(value: f64) -> Duration {
    Duration::from_secs_f64(value.clamp(0.0, 86_400.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str, url: &str) -> Result<Config, RpcError> {
        Config::from_conf(&Conf::parse_str(text).expect("valid"), url, "neutron-server")
    }

    #[test]
    fn defaults_and_what_the_url_overrides() {
        let config = config(
            "[oslo_messaging_rabbit]\namqp_durable_queues = true\nrabbit_qos_prefetch_count = 5\n",
            "rabbit://h/?rabbit_quorum_queue=true&kombu_reconnect_delay=0.5",
        )
        .expect("valid");
        assert!(config.shape.durable && config.shape.quorum && !config.shape.transient_quorum);
        assert_eq!((config.prefetch, config.workers), (5, 64));
        assert_eq!(config.retry.delay, Duration::from_millis(500));
        assert_eq!(config.shape.exchange, "neutron");
        assert_eq!(config.login, SASLMechanism::AMQPlain);
        assert!(config.tls.is_none());
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let group = "[oslo_messaging_rabbit]\n";
        for (text, url, named) in [
            ("rabbit_ha_queues = 1\nrabbit_quorum_queue = 1", "rabbit://h", "rabbit_ha_queues"),
            ("rabbit_stream_fanout = 1", "rabbit://h", "rabbit_stream_fanout"),
            ("ssl = 1\nssl_ca_file = /none.pem", "rabbit://h", "/none.pem"),
            ("", "rabbit://h/?nonsense=1", "nonsense"),
            ("", "rabbit://h/?ssl=perhaps", "ssl"),
            ("", "zmq://secret@h", "transport_url"),
        ] {
            let error = config(&format!("{group}{text}\n"), url).expect_err(named);
            let error = crate::error::chain(&error);
            assert!(error.contains(named) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn managed_names_are_of_host_and_process() {
        let text = "[oslo_messaging_rabbit]\nuse_queue_manager = 1\nhostname = n1\n";
        let naming = config(text, "rabbit://h").expect("valid").naming;
        assert_eq!(naming, Naming::Managed { host: "n1".into(), process: "neutron-server".into() });
    }
}
