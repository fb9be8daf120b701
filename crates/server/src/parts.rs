//! The services behind the API and the RPC endpoints, built once from the configuration.

use std::sync::Arc;

use chrono::Utc;
use neutrino_api_defs::Offer;
use neutrino_callbacks::Registry;
use neutrino_conf::{Conf, opts};
use neutrino_db::{Db, imports};
use neutrino_ml2::{Ml2Plugin, config::Ml2Config};
use neutrino_services::{
    AddressGroups, AddressScopes, AgentConfig, AgentVersions, Agents, AvailabilityZones, Changes,
    DhcpConfig, DhcpScheduler, L3, L3Config, Objects, QuotaConfig, Quotas, RbacPolicies,
    SecurityGroups, ServiceProviders, SubnetPools, TagService,
    dhcp::Seams,
    l3::{self, L3Scheduler, L3SchedulerConfig, dvr::Dvr},
    objects::PortForwardingChanges,
};
use neutrino_types::ResourcePlugin;

use crate::{
    ServerError,
    config::DatabaseConfig,
    rpc::{Bus, RpcNotifier},
};

/// Everything a request or an agent's call may need.
#[derive(Clone)]
pub struct Parts {
    /// The database.
    pub db: Db,
    /// What services tell each other.
    pub registry: Arc<Registry>,
    /// The core plugin.
    pub ml2: Ml2Plugin,
    /// `/v2.0/networks`.
    pub networks: Arc<dyn ResourcePlugin>,
    /// `/v2.0/subnets`.
    pub subnets: Arc<dyn ResourcePlugin>,
    /// `/v2.0/ports`.
    pub ports: Arc<dyn ResourcePlugin>,
    /// `/v2.0/address-groups`.
    pub address_groups: Arc<AddressGroups>,
    /// `/v2.0/address-scopes`.
    pub address_scopes: Arc<AddressScopes>,
    /// `/v2.0/subnetpools`.
    pub subnetpools: Arc<SubnetPools>,
    /// `/v2.0/rbac-policies`.
    pub rbac_policies: Arc<RbacPolicies>,
    /// `/v2.0/security-groups`.
    pub security_groups: Arc<dyn ResourcePlugin>,
    /// `/v2.0/security-group-rules`.
    pub security_group_rules: Arc<dyn ResourcePlugin>,
    /// `/v2.0/default-security-group-rules`.
    pub default_security_group_rules: Arc<dyn ResourcePlugin>,
    /// `/v2.0/agents` and `report_state`.
    pub agents: Arc<Agents>,
    /// Networks and their DHCP agents.
    pub dhcp: DhcpScheduler,
    /// Routers and what hangs on them.
    pub l3: L3,
    /// Routers and their L3 agents.
    pub l3_scheduler: L3Scheduler,
    /// Distributed routing.
    pub dvr: Dvr,
    /// All of it as versioned objects.
    pub objects: Objects,
    /// What of it changed and is pushed to agents.
    pub changes: Changes,
    /// What tells agents.
    pub notifier: Arc<RpcNotifier>,
    /// `/v2.0/availability_zones`.
    pub availability_zones: Arc<AvailabilityZones>,
    /// `/v2.0/service-providers`.
    pub service_providers: Arc<ServiceProviders>,
    /// `/v2.0/quotas`.
    pub quotas: Quotas,
    /// Tags of everything.
    pub tags: TagService,
    /// The extensions and attributes the API offers.
    pub offer: Arc<Offer>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

impl Parts {
    /// Opens the database `conf` names, brings it to the newest revision, and builds the services.
    /// Agents are notified through `bus`.
    ///
    /// # Errors
    /// [`ServerError`] naming the part.
    pub async fn build(conf: &Conf, bus: &Bus) -> Result<Self, ServerError> {
        let database = DatabaseConfig::from_conf(conf);
        let db = Db::open_with(&database.url, database.options).await?;
        db.upgrade().await?;
        imports::mark_used(&db).await?;
        let registry = Arc::new(Registry::new());
        let config = Ml2Config::from_conf(conf).map_err(|e| ServerError::Ml2(e.into()))?;
        let agents = Agents::new(db.clone(), AgentConfig::from_conf(conf));
        let versions = AgentVersions::new(agents.down_time(), Arc::new(Utc::now));
        versions.refresh(&db).await?;
        let changes = Changes::new(versions.clone());
        let notifier = bus.notifier(changes.clone());
        let ml2 = Ml2Plugin::new(db.clone(), config, registry.clone(), notifier.clone())
            .await
            .map_err(|e| ServerError::Ml2(e.into()))?;
        let quotas = QuotaConfig::from_conf(conf);
        let groups = SecurityGroups::new(
            db.clone(),
            registry.clone(),
            notifier.clone(),
            ml2.default_groups().clone(),
            quotas.defaults.clone(),
        );
        changes.subscribe(&registry);
        PortForwardingChanges::new(versions, notifier.clone()).subscribe(&registry);
        let agents = Arc::new(agents.announced_to(registry.clone()));
        let dhcp_config =
            DhcpConfig::from_conf(conf).map_err(|e| ServerError::Config(e.to_string()))?;
        let seams = Seams {
            agents: agents.clone(),
            networks: ml2.networks(),
            ports: ml2.service_ports(),
            notifier: notifier.clone(),
        };
        let dhcp = DhcpScheduler::new(db.clone(), dhcp_config, seams);
        dhcp.subscribe(&registry);
        let l3 = L3::new(
            db.clone(),
            L3Config::from_conf(conf),
            ml2.clone(),
            registry.clone(),
            quotas.defaults.clone(),
        );
        l3.subscribe();
        let subnetpools = SubnetPools::new(db.clone(), registry.clone(), quotas.defaults.clone());
        let l3_config =
            L3SchedulerConfig::from_conf(conf).map_err(|e| ServerError::Config(e.to_string()))?;
        let seams = l3::Seams {
            agents: agents.clone(),
            routers: l3.routers(),
            ports: ml2.service_ports(),
            notifier: notifier.clone(),
        };
        let l3_scheduler = L3Scheduler::new(db.clone(), l3_config, seams);
        l3_scheduler.subscribe(&registry);
        let with_dhcp = conf.get(&opts::default::HOST_DVR_FOR_DHCP);
        let dvr = Dvr::new(db.clone(), ml2.clone(), notifier.clone(), with_dhcp);
        dvr.subscribe(&registry);
        let rbac_policies = RbacPolicies::new(db.clone(), quotas.defaults.clone());
        let address_groups = AddressGroups::new(db.clone(), registry.clone(), notifier.clone());
        Ok(Self {
            address_groups: Arc::new(address_groups),
            address_scopes: Arc::new(AddressScopes::new(db.clone())),
            subnetpools: Arc::new(subnetpools),
            rbac_policies: Arc::new(rbac_policies),
            offer: Arc::new(Offer::new(&ml2.extension_aliases())),
            networks: ml2.networks(),
            subnets: ml2.subnets(),
            ports: ml2.ports(),
            security_groups: groups.groups(),
            security_group_rules: groups.rules(),
            default_security_group_rules: groups.default_rules(),
            ml2,
            registry,
            agents,
            dhcp,
            service_providers: Arc::new(ServiceProviders::new(l3.providers())),
            l3,
            l3_scheduler,
            dvr,
            availability_zones: Arc::new(AvailabilityZones::new(db.clone())),
            objects: Objects::new(db.clone()),
            changes,
            notifier,
            quotas: Quotas::new(db.clone(), quotas),
            tags: TagService::new(db.clone()),
            db,
        })
    }
}
