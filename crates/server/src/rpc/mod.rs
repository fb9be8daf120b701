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
mod resources;
mod resync;
mod retried;
mod security_groups;
mod versions;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use neutrino_conf::{Conf, opts};
use neutrino_db::{Db, Retries};
use neutrino_rpc::{
    Endpoint, RpcClient,
    client::Timeouts,
    topics,
    transport::{
        bus::{ServerBus, ServerSide},
        embedded::Listener,
    },
};
use neutrino_services::{AgentVersions, Agents, Changes};

use crate::ServerError;

pub use dhcp::DhcpEndpoint;
pub use dvr::{DvrEndpoint, DvrL3Endpoint};
pub use endpoints::{L2Endpoint, ReportsEndpoint};
pub use l2::L2Plugin;
pub use l3::L3Endpoint;
pub use metadata::MetadataEndpoint;
pub use notifier::RpcNotifier;
pub use resources::ResourcesEndpoint;
use retried::dispatcher;
pub use security_groups::SecurityGroupsEndpoint;
use versions::Versions;

/// What RPC takes from the configuration.
#[derive(Clone, Debug)]
pub struct RpcConfig {
    /// This server's name on the bus.
    pub host: String,
    /// Where agents are met.
    pub bus: ServerBus,
    /// `rpc_response_timeout` and its maximum, for calls to agents.
    pub timeouts: Timeouts,
}

impl RpcConfig {
    /// Reads what `transport_url` and the options of that bus say.
    ///
    /// # Errors
    /// [`ServerError::Config`] when an option cannot be used.
    pub fn from_conf(conf: &Conf) -> Result<Self, ServerError> {
        let bus = ServerBus::from_conf(conf).map_err(|e| ServerError::Config(e.to_string()))?;
        let seconds = |n: i64| Duration::from_secs(u64::try_from(n).unwrap_or(0));
        Ok(Self {
            host: conf.get(&opts::default::HOST).unwrap_or_else(|| "neutron-server".into()),
            bus,
            timeouts: Timeouts {
                initial: seconds(conf.get(&opts::default::RPC_RESPONSE_TIMEOUT)),
                max: seconds(conf.get(&opts::default::RPC_RESPONSE_MAX_TIMEOUT)),
            },
        })
    }
}

/// The server's place on the bus. Cheap to clone.
#[derive(Clone)]
pub struct Bus {
    side: ServerSide,
    client: RpcClient,
}

impl Bus {
    /// Starts the bus. Nobody is served until [`start`].
    #[must_use]
    pub fn new(config: &RpcConfig) -> Self {
        let side = config.bus.start();
        let client = RpcClient::new(side.transport(), config.timeouts);
        Self { side, client }
    }

    /// What tells agents about changes, for the plugin; those wanted as objects go to `changes`.
    #[must_use]
    pub fn notifier(&self, changes: Changes) -> Arc<RpcNotifier> {
        Arc::new(RpcNotifier::new(self.client.clone(), changes))
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
    /// Which versions of objects they know.
    pub versions: AgentVersions,
    /// The database, asked whether it answers.
    pub db: Db,
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
    /// Where agents connect; `None` when the embedded bus is not open to them.
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
        if let ServerSide::Rabbit(client) = &self.bus.side {
            client.close().await;
        }
    }

    /// Names of the agents connected to the embedded bus.
    #[must_use]
    pub fn agents(&self) -> Vec<String> {
        match &self.bus.side {
            ServerSide::Embedded(broker) => broker.clients(),
            ServerSide::Rabbit(_) => Vec::new(),
        }
    }
}

/// Serves nobody, and hears on `bus` which `versions` of objects agents told other servers that they
/// know: what is pushed to them depends on it.
///
/// # Errors
/// [`ServerError::Rpc`] when the bus cannot be opened.
pub async fn attend(
    bus: Bus,
    config: &RpcConfig,
    versions: AgentVersions,
    db: Db,
) -> Result<RpcHandle, ServerError> {
    let retries = db.retries();
    let versions = Arc::new(Versions::new(versions, bus.client.clone(), db));
    hear(&bus, config, versions, retries).await?;
    Ok(RpcHandle { bus, listener: None })
}

async fn hear(
    bus: &Bus,
    config: &RpcConfig,
    versions: Arc<Versions>,
    retries: Retries,
) -> Result<(), ServerError> {
    let (topic, dispatcher) =
        (topics::SERVER_RESOURCE_VERSIONS, dispatcher(vec![versions], retries));
    let listening = bus.side.transport().listen(topic, &config.host, Arc::new(dispatcher)).await;
    listening.map_err(ServerError::Rpc)
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
    let retries = services.db.retries();
    let versions = Versions::new(services.versions, bus.client.clone(), services.db.clone());
    let reports = Arc::new(ReportsEndpoint::new(
        services.agents,
        Arc::clone(&services.l2),
        services.db,
        versions.clone(),
    ));
    let groups = Arc::new(SecurityGroupsEndpoint::new(Arc::clone(&services.l2)));
    let l2 = Arc::new(L2Endpoint::new(services.l2));
    // As in Neutron, reports are also served on the plugin's topic.
    let mut endpoints: Vec<Arc<dyn Endpoint>> = vec![l2, groups, Arc::clone(&reports) as _];
    endpoints.extend(services.endpoints);
    let plugin = dispatcher(endpoints, retries);
    let listen = |topic, dispatcher| {
        let transport = bus.side.transport();
        async move { transport.listen(topic, &config.host, Arc::new(dispatcher)).await }
    };
    listen(topics::PLUGIN, plugin).await.map_err(ServerError::Rpc)?;
    listen(topics::L3_PLUGIN, dispatcher(services.l3_endpoints, retries))
        .await
        .map_err(ServerError::Rpc)?;
    hear(&bus, config, Arc::new(versions), retries).await?;
    listen(topics::REPORTS, dispatcher(vec![reports], retries)).await.map_err(ServerError::Rpc)?;
    let listener = match (&bus.side, &config.bus) {
        (ServerSide::Embedded(broker), ServerBus::Embedded(Some(listen))) => Some(
            Listener::bind(Arc::clone(broker), listen.clone()).await.map_err(ServerError::Rpc)?,
        ),
        (ServerSide::Embedded(_), _) => {
            tracing::warn!(
                "agents cannot connect: set [embedded_bus] secret or secret_file, here and in \
                 their configuration"
            );
            None
        }
        (ServerSide::Rabbit(_), _) => None,
    };
    Ok(RpcHandle { bus, listener })
}
