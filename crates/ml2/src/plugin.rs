//! The plugin: what its parts share, how it starts, and its collections.

use std::sync::Arc;

use neutrino_callbacks::Registry;
use neutrino_db::{Conn, Db, DbError, quotas};
use neutrino_types::{ApiResult, Attrs, Context, ResourcePlugin};

pub(crate) use neutrino_types::request::check_revision;

use crate::{
    config::Ml2Config,
    devices::endpoints::ForgetDeleted,
    dns::Dns,
    drivers::{
        ExtensionDriver, UnknownDriver, ext, extension_drivers, mech::MechanismManager,
        mechanism_drivers, types::TypeManager,
    },
    dvr::ForgetMacs,
    models::{network::Network, port::Port},
    networks::Networks,
    notifier::AgentNotifier,
    ports::{PortBindings, Ports},
    security_groups::DefaultGroups,
    subnets::Subnets,
    views,
};

/// What all parts of the plugin share.
pub(crate) struct Core {
    pub(crate) db: Db,
    pub(crate) config: Ml2Config,
    pub(crate) registry: Arc<Registry>,
    pub(crate) notifier: Arc<dyn AgentNotifier>,
    pub(crate) types: TypeManager,
    pub(crate) mechanisms: MechanismManager,
    pub(crate) extensions: Vec<Arc<dyn ExtensionDriver>>,
    /// With the extension driver `dns`.
    pub(crate) dns: Option<Dns>,
    pub(crate) default_groups: DefaultGroups,
}

/// The ML2 core plugin. A cheap handle: clone it freely.
#[derive(Clone)]
pub struct Ml2Plugin {
    pub(crate) core: Arc<Core>,
}

/// Why the plugin cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A driver that does not exist.
    #[error(transparent)]
    Driver(#[from] UnknownDriver),
    /// The allocation tables cannot be brought in line with the configuration.
    #[error("synchronising segment allocations with the configuration")]
    Sync(#[source] DbError),
}

impl Ml2Plugin {
    /// The plugin on `db`, its drivers loaded and its allocation tables in line with `config`.
    ///
    /// # Errors
    /// A driver that does not exist; what the database refused.
    pub async fn new(
        db: Db,
        config: Ml2Config,
        registry: Arc<Registry>,
        notifier: Arc<dyn AgentNotifier>,
    ) -> Result<Self, StartError> {
        let mechanisms = MechanismManager::new(mechanism_drivers(&config, &notifier)?);
        let extensions = extension_drivers(&config)?;
        let named = extensions.iter().any(|e| e.name() == ext::dns::NAME);
        let dns = named.then(|| Dns::new(&config.dns_domain));
        let types = TypeManager::new(&config);
        let sync = async || {
            let tx = db.begin().await?;
            types.sync(&tx).await?;
            tx.commit().await
        };
        // Servers that run already write at the same time, on other nodes of a cluster perhaps.
        db.retries().run(sync).await.map_err(StartError::Sync)?;
        tracing::info!(
            type_drivers = ?config.type_drivers,
            mechanism_drivers = ?config.mechanism_drivers,
            "ML2 is ready"
        );
        let default_groups =
            DefaultGroups::new(db.clone(), Arc::clone(&registry), config.quotas.clone());
        let core = Arc::new(Core {
            db,
            config,
            registry,
            notifier,
            types,
            mechanisms,
            extensions,
            dns,
            default_groups,
        });
        ForgetDeleted::subscribe(&core);
        ForgetMacs::subscribe(&core);
        Ok(Self { core })
    }

    /// Aliases of the API extensions that the extension drivers bring.
    #[must_use]
    pub fn extension_aliases(&self) -> Vec<&'static str> {
        self.core.extensions.iter().map(|e| e.alias()).collect()
    }

    /// The names of ports; none without the extension driver `dns`.
    #[must_use]
    pub fn dns(&self) -> Option<&Dns> {
        self.core.dns.as_ref()
    }

    /// A port as the API shows it.
    #[must_use]
    pub fn show_port(&self, port: Port) -> Attrs {
        self.core.show_port(port)
    }

    /// `/v2.0/networks`.
    #[must_use]
    pub fn networks(&self) -> Arc<dyn ResourcePlugin> {
        Arc::new(Networks::new(Arc::clone(&self.core)))
    }

    /// `/v2.0/subnets`.
    #[must_use]
    pub fn subnets(&self) -> Arc<dyn ResourcePlugin> {
        Arc::new(Subnets::new(Arc::clone(&self.core)))
    }

    /// `/v2.0/ports`.
    #[must_use]
    pub fn ports(&self) -> Arc<dyn ResourcePlugin> {
        Arc::new(Ports::new(Arc::clone(&self.core)))
    }

    /// `/v2.0/ports` for the service's own ports and those of agents: no quota refuses them, and
    /// nobody is asked whether they may be deleted (Neutron's `l3_port_check=False`).
    #[must_use]
    pub fn service_ports(&self) -> Arc<dyn ResourcePlugin> {
        Arc::new(Ports::for_service(Arc::clone(&self.core)))
    }

    /// `/v2.0/ports/{port_id}/bindings`; a binding's id is its host.
    #[must_use]
    pub fn port_bindings(&self, port_id: &str) -> Arc<dyn ResourcePlugin> {
        Arc::new(PortBindings::new(Arc::clone(&self.core), port_id))
    }

    /// Every project's default security group.
    #[must_use]
    pub fn default_groups(&self) -> &DefaultGroups {
        &self.core.default_groups
    }

    /// `PUT /v2.0/ports/{port_id}/bindings/{host}/activate`.
    ///
    /// # Errors
    /// `PortBindingAlreadyActive`, `PortBindingNotFound`, `PortNotFound`.
    pub async fn activate_port_binding(
        &self,
        ctx: &Context,
        port_id: &str,
        host: &str,
    ) -> ApiResult<Attrs> {
        PortBindings::new(Arc::clone(&self.core), port_id).activate(ctx, host).await
    }
}

impl Core {
    /// A port as the API shows it.
    pub(crate) fn show_port(&self, port: Port) -> Attrs {
        views::port::port(port, self.dns.as_ref())
    }

    /// A network as the API shows it.
    pub(crate) fn show_network(&self, network: Network) -> Attrs {
        views::network::network(network, self.dns.as_ref())
    }

    /// Refuses more resources than the projects' quotas allow.
    pub(crate) async fn ensure_quota<'a>(
        &self,
        conn: &Conn,
        resource: &str,
        owners: impl Iterator<Item = &'a str>,
    ) -> ApiResult<()> {
        quotas::ensure_each(conn, resource, owners, 1, &self.config.quotas).await
    }
}
