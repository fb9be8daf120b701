//! The bus a process is on, chosen by the scheme of `transport_url`: one function for agents, one
//! for servers.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use neutrino_conf::{Conf, ConfError, opts};
use tokio::sync::watch;

use super::{
    Subscription, Transport,
    amqp::{self, AmqpClient},
    embedded::{self, Broker, BusClient, ClientTls, Limits, ServerConfig, ServerTls},
};
use crate::error::RpcError;

/// The options of the bus cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BusConfigError {
    /// An option that has no default is not set.
    #[error("set {0}")]
    Missing(&'static str),
    /// An option has a value that cannot be used.
    #[error("{option}: {problem}")]
    Value {
        /// Group and name.
        option: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A file named by an option cannot be read.
    #[error(transparent)]
    Conf(#[from] ConfError),
    /// The options do not fit together.
    #[error("configuring the message bus: {}", crate::error::chain(.0))]
    Rpc(#[from] RpcError),
}

/// How an agent reaches its server.
#[derive(Clone, Debug)]
pub enum AgentBus {
    /// The bus inside the server.
    Embedded(embedded::ClientConfig),
    /// RabbitMQ.
    Rabbit(Box<amqp::Config>),
}

/// A bus that connects in the background.
pub struct Opened {
    /// The bus.
    pub transport: Arc<dyn Transport>,
    /// Whether it is connected and everything is subscribed.
    pub connected: watch::Receiver<bool>,
}

impl AgentBus {
    /// Reads the options for the agent called `program` (`neutron-openvswitch-agent`) on `host`.
    ///
    /// # Errors
    /// No `transport_url`, one of another scheme, or options that cannot be used.
    pub fn from_conf(conf: &Conf, program: &str, host: &str) -> Result<Self, BusConfigError> {
        let url = conf.get(&opts::default::TRANSPORT_URL).ok_or(BusConfigError::Missing(
            "[DEFAULT] transport_url, e.g. embedded://controller or rabbit://user:password@broker",
        ))?;
        if !url.starts_with(embedded::SCHEME) {
            return Ok(Self::Rabbit(Box::new(amqp::Config::from_conf(conf, &url, program)?)));
        }
        let secret = conf.get_or_read(&opts::rpc::SECRET, &opts::rpc::SECRET_FILE)?.ok_or(
            BusConfigError::Missing("[embedded_bus] secret or secret_file, as on the server"),
        )?;
        let client = format!("{program}@{host}");
        let mut config = embedded::ClientConfig::from_url(&url, &secret, &client)?;
        if conf.get(&opts::rpc::USE_TLS) {
            let ca_file = conf
                .get(&opts::rpc::CA_FILE)
                .ok_or(BusConfigError::Missing("[embedded_bus] ca_file, as use_tls is on"))?;
            config.tls = Some(ClientTls { ca_file: ca_file.into(), server_name: None });
        }
        Ok(Self::Embedded(config))
    }

    /// The same with other pauses between attempts to connect.
    #[must_use]
    pub fn with_backoff(mut self, min: Duration, max: Duration) -> Self {
        match &mut self {
            Self::Embedded(config) => (config.min_backoff, config.max_backoff) = (min, max),
            Self::Rabbit(config) => {
                config.retry.interval = min;
                config.retry.delay = min;
                config.retry.max = max;
            }
        }
        self
    }

    /// Starts connecting in the background, consuming `subscriptions` from the first connection
    /// on.
    ///
    /// # Errors
    /// A configuration that cannot be used.
    pub fn start(&self, subscriptions: Vec<Subscription>) -> Result<Opened, RpcError> {
        Ok(match self {
            Self::Embedded(config) => {
                let client = BusClient::start(config.clone(), subscriptions)?;
                Opened { connected: client.connected(), transport: client }
            }
            Self::Rabbit(config) => {
                let client = AmqpClient::start(config.as_ref().clone(), subscriptions);
                Opened { connected: client.connected(), transport: client }
            }
        })
    }
}

/// How a server meets its agents.
#[derive(Clone, Debug)]
pub enum ServerBus {
    /// The bus inside the server; open to agents when there is a configuration for it.
    Embedded(Option<ServerConfig>),
    /// RabbitMQ, together with other servers.
    Rabbit(Box<amqp::Config>),
}

impl ServerBus {
    /// Reads the options. Without a secret the embedded bus is not opened: an agent that anybody
    /// can pretend to be would be worse than none.
    ///
    /// # Errors
    /// Options that cannot be used.
    pub fn from_conf(conf: &Conf) -> Result<Self, BusConfigError> {
        if let Some(url) = conf.get(&opts::default::TRANSPORT_URL)
            && !url.starts_with(embedded::SCHEME)
        {
            let config = amqp::Config::from_conf(conf, &url, "neutron-server")?;
            return Ok(Self::Rabbit(Box::new(config)));
        }
        let secret = conf
            .get_or_read(&opts::rpc::SECRET, &opts::rpc::SECRET_FILE)?
            .filter(|secret| !secret.is_empty());
        Ok(Self::Embedded(secret.map(|secret| listen(conf, secret)).transpose()?))
    }

    /// Starts the bus of this process.
    #[must_use]
    pub fn start(&self) -> ServerSide {
        match self {
            Self::Embedded(_) => ServerSide::Embedded(Broker::new()),
            Self::Rabbit(config) => {
                ServerSide::Rabbit(AmqpClient::start(config.as_ref().clone(), Vec::new()))
            }
        }
    }
}

/// A server's end of its bus. Cheap to clone.
#[derive(Clone)]
pub enum ServerSide {
    /// The broker in this process.
    Embedded(Arc<Broker>),
    /// A client of RabbitMQ.
    Rabbit(Arc<AmqpClient>),
}

impl ServerSide {
    /// The bus.
    #[must_use]
    pub fn transport(&self) -> Arc<dyn Transport> {
        match self {
            Self::Embedded(broker) => Arc::clone(broker) as _,
            Self::Rabbit(client) => Arc::clone(client) as _,
        }
    }
}

fn listen(conf: &Conf, secret: String) -> Result<ServerConfig, BusConfigError> {
    let host = conf.get(&opts::rpc::BIND_HOST);
    let ip = host.trim_matches(['[', ']']).parse().map_err(|_| BusConfigError::Value {
        option: "[embedded_bus] bind_host",
        problem: format!("'{host}' is not an IP address"),
    })?;
    let port = u16::try_from(conf.get(&opts::rpc::BIND_PORT)).unwrap_or(0);
    let tls = if conf.get(&opts::rpc::USE_TLS) {
        let cert_file = conf.get(&opts::rpc::CERT_FILE);
        let key_file = conf.get(&opts::rpc::KEY_FILE);
        let (Some(cert_file), Some(key_file)) = (cert_file, key_file) else {
            let missing = "[embedded_bus] cert_file and key_file, as use_tls is on";
            return Err(BusConfigError::Missing(missing));
        };
        Some(ServerTls { cert_file: cert_file.into(), key_file: key_file.into() })
    } else {
        None
    };
    let limits = Limits {
        heartbeat: Duration::from_secs_f64(
            conf.get(&opts::rpc::HEARTBEAT_INTERVAL).clamp(0.05, 3600.0),
        ),
        queue_len: usize::try_from(conf.get(&opts::rpc::QUEUE_LIMIT)).unwrap_or(10_000),
        ..Limits::default()
    };
    Ok(ServerConfig { bind: SocketAddr::new(ip, port), secret, tls, limits })
}
