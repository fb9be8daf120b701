//! The running server, with API or without: its parts, built from a configuration and taken down in
//! order.

use std::{sync::Arc, time::Duration};

use axum::Router;
use neutrino_conf::Conf;
use neutrino_policy::{Enforcer, Options};
use neutrino_rpc::transport::bus::ServerBus;
use neutrino_services::{Agents, nova::NovaNotifier};

use crate::{
    ServerError,
    authorize::Authorizer,
    config::{AuthStrategy, IdentityConfig, ServerConfig},
    controllers::resource::Limits,
    identity::{
        Authenticator, Keystone, NoAuth,
        local::{Directory, LocalIdentity, load_or_create_secret, routes},
    },
    nova,
    parts::Parts,
    periodic::Periodic,
    router,
    rpc::{
        self, Bus, DhcpEndpoint, DvrEndpoint, DvrL3Endpoint, L3Endpoint, MetadataEndpoint,
        ResourcesEndpoint, RpcConfig, RpcHandle, Services,
    },
    serve::Listening,
};

/// What a server process without API does, beside those that have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// It serves agents, and may do the work by the clock (neutron-rpc-server).
    Agents,
    /// It may do the work by the clock (neutron-periodic-workers).
    Clock,
}

/// A server without API. Dropped without [`Worker::stop`] it goes on until the process ends.
pub struct Worker {
    rpc: RpcHandle,
    periodic: Periodic,
    nova: Option<NovaNotifier>,
}

impl Worker {
    /// Builds every part and begins.
    ///
    /// # Errors
    /// [`ServerError`] naming the part that could not be built; [`ServerError::Config`] with the
    /// embedded bus, of which this process would have one of its own that nobody else is on.
    pub async fn start(conf: &Conf, duty: Duty) -> Result<Self, ServerError> {
        let rpc_config = RpcConfig::from_conf(conf)?;
        if matches!(rpc_config.bus, ServerBus::Embedded(_)) {
            return Err(ServerError::Config(
                "a server without API needs a broker that it shares with those that have it: set \
                 [DEFAULT] transport_url = rabbit://user:password@broker, or start neutron-server \
                 alone"
                    .into(),
            ));
        }
        let (parts, rpc) = backend(conf, &rpc_config, duty).await?;
        let nova = nova::start(conf, &parts)?;
        let periodic = Periodic::start(&parts).await;
        Ok(Self { rpc, periodic, nova })
    }

    /// Leaves everything to other servers.
    pub async fn stop(self) {
        let Self { rpc, periodic, nova } = self;
        rpc.stop().await;
        periodic.stop().await;
        if let Some(nova) = nova {
            nova.stop().await;
        }
    }
}

/// Builds the parts and puts them on the bus.
async fn backend(
    conf: &Conf,
    config: &RpcConfig,
    duty: Duty,
) -> Result<(Parts, RpcHandle), ServerError> {
    let bus = Bus::new(config);
    let parts = Parts::build(conf, &bus).await?;
    let rpc = match duty {
        Duty::Agents => rpc::start(bus, config, services(&parts)).await?,
        Duty::Clock => {
            let versions = parts.changes.versions().clone();
            rpc::attend(bus, config, versions, parts.db.clone()).await?
        }
    };
    Ok((parts, rpc))
}

/// What agents call.
fn services(parts: &Parts) -> Services {
    let ml2 = || parts.ml2.clone();
    let versions = parts.changes.versions();
    let (scheduler, l3) = (parts.l3_scheduler.clone(), parts.l3.clone());
    Services {
        l2: Arc::new(ml2()),
        agents: Agents::clone(&parts.agents),
        versions: versions.clone(),
        db: parts.db.clone(),
        endpoints: vec![
            Arc::new(DhcpEndpoint::new(parts.dhcp.clone(), ml2())),
            Arc::new(MetadataEndpoint::new(ml2())),
            Arc::new(DvrEndpoint::new(ml2())),
            Arc::new(ResourcesEndpoint::new(parts.objects.clone(), versions.clone())),
        ],
        l3_endpoints: vec![
            Arc::new(L3Endpoint::new(scheduler, l3, ml2())),
            Arc::new(DvrL3Endpoint::new(parts.dvr.clone())),
        ],
    }
}

/// A server that listens. Dropped without [`Server::stop`] it goes on until the process ends.
pub struct Server {
    /// The network API.
    pub api: Listening,
    /// The identity API, with `auth_strategy = local`.
    pub identity: Option<Listening>,
    /// The bus agents connect to.
    pub rpc: RpcHandle,
    /// The services behind it all.
    pub parts: Parts,
    /// What is done by the clock.
    pub periodic: Periodic,
    nova: Option<NovaNotifier>,
    authenticator: Arc<dyn Authenticator>,
    grace: Option<Duration>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("api", &self.api).finish_non_exhaustive()
    }
}

impl Server {
    /// Builds every part and starts listening: for agents first, then for users.
    ///
    /// # Errors
    /// [`ServerError`] naming the part that could not be built.
    pub async fn start(conf: &Conf) -> Result<Self, ServerError> {
        let config = ServerConfig::from_conf(conf)?;
        let rpc_config = RpcConfig::from_conf(conf)?;
        // Before anything is opened.
        let policy = rules(&config)?;
        let (parts, rpc) = backend(conf, &rpc_config, Duty::Agents).await?;
        let nova = nova::start(conf, &parts)?;
        let (authenticator, identity) = authenticator(conf, &config).await?;
        let api_router = api_router(&config, policy, &parts, &authenticator);
        let api = Listening::start(config.bind, api_router).await?;
        let periodic = Periodic::start(&parts).await;
        let grace = config.grace;
        Ok(Self { api, identity, rpc, parts, periodic, nova, authenticator, grace })
    }

    /// Takes from `conf` what can change while the server runs: the policy and the limits of the
    /// API. Requests under way end by the old ones.
    ///
    /// # Errors
    /// [`ServerError`] when they cannot be used; the old ones hold on.
    pub fn reload(&self, conf: &Conf) -> Result<(), ServerError> {
        let config = ServerConfig::from_conf(conf)?;
        let policy = rules(&config)?;
        self.api.replace(api_router(&config, policy, &self.parts, &self.authenticator));
        Ok(())
    }

    /// Stops listening and lets requests under way finish.
    pub async fn stop(self) {
        self.api.stop(self.grace).await;
        if let Some(identity) = self.identity {
            identity.stop(self.grace).await;
        }
        let (rpc, periodic, nova) = (self.rpc, self.periodic, self.nova);
        Worker { rpc, periodic, nova }.stop().await;
    }
}

/// Who decides who asks, and the identity API where that is our own.
async fn authenticator(
    conf: &Conf,
    config: &ServerConfig,
) -> Result<(Arc<dyn Authenticator>, Option<Listening>), ServerError> {
    match (config.auth_strategy, &config.identity) {
        (AuthStrategy::Local, Some(options)) => {
            let local = Arc::new(local_identity(options)?);
            let api = Listening::start(options.bind, routes::router(local.clone())).await?;
            Ok((local, Some(api)))
        }
        (AuthStrategy::Keystone, _) => {
            let keystone =
                Keystone::from_conf(conf).map_err(|e| ServerError::Identity(e.into()))?;
            Ok((Arc::new(keystone), None))
        }
        _ => Ok((Arc::new(NoAuth), None)),
    }
}

fn api_router(
    config: &ServerConfig,
    policy: Enforcer,
    parts: &Parts,
    authenticator: &Arc<dyn Authenticator>,
) -> Router {
    let (networks, groups) = (parts.networks.clone(), parts.security_groups.clone());
    let authorizer = Arc::new(Authorizer::new(policy, networks, groups));
    let limits = Limits { page: config.pagination_max_limit, allow_bulk: config.allow_bulk };
    router::router(parts, &authorizer, authenticator.clone(), limits, config.behind_proxy)
}

/// The policy: defaults, and the operator's files where there are any.
fn rules(config: &ServerConfig) -> Result<Enforcer, ServerError> {
    let read = |path| std::fs::read_to_string(path).map_err(|e| ServerError::Policy(e.into()));
    let policy_files = config.policy_files.iter().map(read).collect::<Result<_, _>>()?;
    let enforce_new_defaults = config.enforce_new_defaults;
    Enforcer::new(&Options { policy_files, enforce_new_defaults })
        .map_err(|e| ServerError::Policy(e.into()))
}

fn local_identity(options: &IdentityConfig) -> Result<LocalIdentity, ServerError> {
    let fail = |e: Box<dyn std::error::Error + Send + Sync>| ServerError::Identity(e);
    let directory = Directory::load(&options.file).map_err(|e| fail(e.into()))?;
    let secret = match &options.secret {
        Some(secret) => secret.as_bytes().to_vec(),
        None => load_or_create_secret(&options.state_path).map_err(|e| fail(e.into()))?,
    };
    LocalIdentity::new(directory, &secret, options.settings.clone()).map_err(|e| fail(e.into()))
}
