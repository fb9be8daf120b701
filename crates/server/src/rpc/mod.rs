//! The server's side of RPC: the bus agents connect to, the endpoints they call, and the
//! notifications they get.
//!
//! - [`Bus`] comes first: the plugin needs its [`notifier`](Bus::notifier);
//! - [`start`] comes last, when the services behind the endpoints exist, and opens the bus.
//!
//! Owns no behaviour: what a call does is the plugin's and the services' business.

mod dhcp;
mod dvr;
mod endpoints;
mod l2;
mod l3;
mod metadata;
mod notifier;
mod security_groups;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use neutrino_conf::{Conf, opts};
use neutrino_rpc::{
    Dispatcher, Endpoint, RpcClient, Transport,
    client::Timeouts,
    topics,
    transport::embedded::{Broker, Limits, Listener, ServerConfig, ServerTls},
};
use neutrino_services::Agents;

use crate::ServerError;

pub use dhcp::DhcpEndpoint;
pub use dvr::{DvrEndpoint, DvrL3Endpoint};
pub use endpoints::{L2Endpoint, ReportsEndpoint};
pub use l2::L2Plugin;
pub use l3::L3Endpoint;
pub use metadata::MetadataEndpoint;
pub use notifier::RpcNotifier;
pub use security_groups::SecurityGroupsEndpoint;

/// What RPC takes from the configuration.
#[derive(Clone, Debug)]
pub struct RpcConfig {
    /// This server's name on the bus.
    pub host: String,
    /// How agents reach the bus; `None` keeps it inside the process.
    pub listen: Option<ServerConfig>,
    /// `rpc_response_timeout` and its maximum, for calls to agents.
    pub timeouts: Timeouts,
}

impl RpcConfig {
    /// Reads `[embedded_bus]`. Without a secret the bus is not opened: an agent that anybody can
    /// pretend to be would be worse than none.
    ///
    /// # Errors
    /// [`ServerError::Config`] when an option cannot be used.
    pub fn from_conf(conf: &Conf) -> Result<Self, ServerError> {
        let fail = |text: String| ServerError::Config(text);
        let secret = conf
            .get_or_read(&opts::rpc::SECRET, &opts::rpc::SECRET_FILE)
            .map_err(|e| fail(e.to_string()))?
            .filter(|secret| !secret.is_empty());
        let listen = match secret {
            Some(secret) => Some(listen(conf, secret)?),
            None => None,
        };
        let seconds = |n: i64| Duration::from_secs(u64::try_from(n).unwrap_or(0));
        Ok(Self {
            host: conf.get(&opts::default::HOST).unwrap_or_else(|| "neutron-server".into()),
            listen,
            timeouts: Timeouts {
                initial: seconds(conf.get(&opts::default::RPC_RESPONSE_TIMEOUT)),
                max: seconds(conf.get(&opts::default::RPC_RESPONSE_MAX_TIMEOUT)),
            },
        })
    }
}

fn listen(conf: &Conf, secret: String) -> Result<ServerConfig, ServerError> {
    let host = conf.get(&opts::rpc::BIND_HOST);
    let ip = host.trim_matches(['[', ']']).parse().map_err(|_| {
        ServerError::Config(format!("[embedded_bus] bind_host: '{host}' is not an IP address"))
    })?;
    let port = u16::try_from(conf.get(&opts::rpc::BIND_PORT)).unwrap_or(0);
    let tls = if conf.get(&opts::rpc::USE_TLS) {
        let needed = |file: Option<String>, option: &str| {
            file.map(Into::into).ok_or_else(|| {
                ServerError::Config(format!("[embedded_bus] use_tls needs {option}"))
            })
        };
        Some(ServerTls {
            cert_file: needed(conf.get(&opts::rpc::CERT_FILE), "cert_file")?,
            key_file: needed(conf.get(&opts::rpc::KEY_FILE), "key_file")?,
        })
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

/// The bus inside the server. Cheap to clone.
#[derive(Clone)]
pub struct Bus {
    broker: Arc<Broker>,
    client: RpcClient,
}

impl Bus {
    /// A bus without agents yet; messages to them are dropped until [`start`].
    #[must_use]
    pub fn new(config: &RpcConfig) -> Self {
        let broker = Broker::new();
        let transport = Arc::clone(&broker) as Arc<dyn Transport>;
        Self { broker, client: RpcClient::new(transport, config.timeouts) }
    }

    /// What tells agents about changes, for the plugin.
    #[must_use]
    pub fn notifier(&self) -> Arc<RpcNotifier> {
        Arc::new(RpcNotifier::new(self.client.clone()))
    }

    /// Calls and casts to agents.
    #[must_use]
    pub fn client(&self) -> &RpcClient {
        &self.client
    }
}

/// What the endpoints serve.
#[derive(Clone)]
pub struct Services {
    /// The core plugin.
    pub l2: Arc<dyn L2Plugin>,
    /// Agents and their reports.
    pub agents: Agents,
    /// The database, asked whether it answers.
    pub db: neutrino_db::Db,
    /// What else is served on the plugin's topic.
    pub endpoints: Vec<Arc<dyn Endpoint>>,
    /// What is served on the topic of L3 agents' calls.
    pub l3_endpoints: Vec<Arc<dyn Endpoint>>,
}

/// The open bus. Dropped, it closes every agent's connection.
pub struct RpcHandle {
    bus: Bus,
    listener: Option<Listener>,
}

impl std::fmt::Debug for RpcHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RpcHandle").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl RpcHandle {
    /// Where agents connect; `None` when the bus is not open to them.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref().map(Listener::addr)
    }

    /// The bus.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Closes the bus to agents. They come back when the next server opens it.
    pub async fn stop(self) {
        if let Some(listener) = self.listener {
            listener.close().await;
        }
    }

    /// Names of the agents connected.
    #[must_use]
    pub fn agents(&self) -> Vec<String> {
        self.bus.broker.clients()
    }
}

/// Serves `services` on `bus` and opens it to agents.
///
/// # Errors
/// [`ServerError::Rpc`] when the bus cannot be opened.
pub async fn start(
    bus: Bus,
    config: &RpcConfig,
    services: Services,
) -> Result<RpcHandle, ServerError> {
    let reports =
        Arc::new(ReportsEndpoint::new(services.agents, Arc::clone(&services.l2), services.db));
    let groups = Arc::new(SecurityGroupsEndpoint::new(Arc::clone(&services.l2)));
    let l2 = Arc::new(L2Endpoint::new(services.l2));
    // As in Neutron, reports are also served on the plugin's topic.
    let mut endpoints: Vec<Arc<dyn Endpoint>> = vec![l2, groups, Arc::clone(&reports) as _];
    endpoints.extend(services.endpoints);
    let plugin = Dispatcher::new(endpoints);
    let listen = |topic, dispatcher| {
        let broker = Arc::clone(&bus.broker);
        async move { broker.listen(topic, &config.host, Arc::new(dispatcher)).await }
    };
    listen(topics::PLUGIN, plugin).await.map_err(ServerError::Rpc)?;
    listen(topics::L3_PLUGIN, Dispatcher::new(services.l3_endpoints))
        .await
        .map_err(ServerError::Rpc)?;
    listen(topics::REPORTS, Dispatcher::new(vec![reports])).await.map_err(ServerError::Rpc)?;
    let listener = match &config.listen {
        Some(listen) => Some(
            Listener::bind(Arc::clone(&bus.broker), listen.clone())
                .await
                .map_err(ServerError::Rpc)?,
        ),
        None => {
            tracing::warn!(
                "agents cannot connect: set [embedded_bus] secret or secret_file, here and in \
                 their configuration"
            );
            None
        }
    };
    Ok(RpcHandle { bus, listener })
}
