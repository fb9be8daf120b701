//! The running server: its parts, built from a configuration and taken down in order.

use std::{sync::Arc, time::Duration};

use axum::Router;
use neutrino_conf::Conf;
use neutrino_policy::{Enforcer, Options};
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
        let bus = Bus::new(&rpc_config);
        let parts = Parts::build(conf, &bus).await?;
        let services = Services {
            l2: Arc::new(parts.ml2.clone()),
            agents: Agents::clone(&parts.agents),
            versions: parts.changes.versions().clone(),
            db: parts.db.clone(),
            endpoints: vec![
                Arc::new(DhcpEndpoint::new(parts.dhcp.clone(), parts.ml2.clone())),
                Arc::new(MetadataEndpoint::new(parts.ml2.clone())),
                Arc::new(DvrEndpoint::new(parts.ml2.clone())),
                Arc::new(ResourcesEndpoint::new(
                    parts.objects.clone(),
                    parts.changes.versions().clone(),
                )),
            ],
            l3_endpoints: vec![
                Arc::new(L3Endpoint::new(
                    parts.l3_scheduler.clone(),
                    parts.l3.clone(),
                    parts.ml2.clone(),
                )),
                Arc::new(DvrL3Endpoint::new(parts.dvr.clone())),
            ],
        };
        let rpc = rpc::start(bus, &rpc_config, services).await?;

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
        self.rpc.stop().await;
        self.periodic.stop().await;
        if let Some(nova) = self.nova {
            nova.stop().await;
        }
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
