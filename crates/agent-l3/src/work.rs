//! The work on one router or external network: from what the server says of it to packets being
//! forwarded, or to nothing left of it. What is right already is not touched.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use neutrino_agent::{
    interface::{Interfaces, Vif},
    with_causes,
};
use neutrino_dataplane::l3::{
    desired::Namespace,
    dvr::{self, Link},
    names,
    observed::Observed,
    step::Step,
};
use tokio::{task, time::Instant};

use crate::{
    apply::{self, ApplyError, Place},
    config::Config,
    floating_ips::{self, Statuses},
    hosted::{Hosted, HostedError},
    metadata::Proxies,
    neighbours::Neighbours,
    observe::{self, ObserveError},
    plan::{Part, Plan},
    radvd::Radvd,
    rpc::{ApiError, L3Api, Router},
    state::{Goal, Job, Outcome, Site, Source},
    status::Counters,
};

/// Why a router or external network is not right on this host.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The server.
    #[error("asking the server")]
    Api(#[from] ApiError),
    /// Looking at a namespace.
    #[error("looking at the host")]
    Observe(#[from] ObserveError),
    /// Changing a namespace.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// What the host chooses for itself.
    #[error(transparent)]
    Hosted(#[from] HostedError),
    /// The router asks for more than this agent can.
    #[error("highly available routers are not in this release")]
    HighlyAvailable,
    /// The runtime stops.
    #[error("the agent stops")]
    Stopping,
}

/// Result of this module's functions.
pub type Result<T> = std::result::Result<T, WorkError>;

/// What was made for a site, to be looked after.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// Ports on the integration bridge.
    pub vifs: Vec<Vif>,
    /// radvd that is to run.
    pub radvd: Option<Radvd>,
    /// Ends of pairs that were not there.
    pairs: Vec<String>,
}

/// What works on routers and external networks. Cheap to clone.
#[derive(Clone)]
pub struct Worker {
    /// Configuration.
    pub config: Arc<Config>,
    /// The server.
    pub api: L3Api,
    /// Open vSwitch.
    pub interfaces: Interfaces,
    /// Metadata.
    pub proxies: Proxies,
    /// What the host chose.
    pub hosted: Hosted,
    /// What was done, to be watched.
    pub counters: Arc<Counters>,
    /// What was made.
    pub made: Arc<Mutex<HashMap<Site, Made>>>,
}

impl Worker {
    /// Does a job.
    pub async fn run(&self, job: Job) -> Outcome {
        let done = match (&job.site, job.goal) {
            (Site::Router(id), Goal::Serve { source, last, neighbours }) => {
                self.router(id, source, last, neighbours).await
            }
            (Site::External(network), Goal::Join { routers, unsure }) => {
                self.join(network, &routers, unsure).await
            }
            (site, _) => self.remove(site).await,
        };
        done.unwrap_or_else(|error| Outcome::Failed(with_causes(&error)))
    }

    /// What was made for the sites.
    pub fn made(&self) -> MutexGuard<'_, HashMap<Site, Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn router(
        &self,
        id: &str,
        source: Source,
        last: Option<Arc<Router>>,
        neighbours: Option<Arc<Neighbours>>,
    ) -> Result<Outcome> {
        let mut related = Vec::new();
        let router = match source {
            Source::Given(router) | Source::Known(router) => Some(router),
            Source::Ask => {
                let mut found = None;
                for (named, router) in self.api.routers(&[id.to_string()]).await? {
                    if named == id {
                        found = Some(Arc::new(router?));
                    } else {
                        related.push(named);
                    }
                }
                found
            }
        };
        let internal_only = self.config.internal_only_routers;
        let compatible = |r: &Arc<Router>| internal_only || r.external_network.is_some();
        match router.filter(compatible) {
            Some(router) => self.serve(router, last, neighbours, related).await,
            None => self.remove(&Site::Router(id.to_string())).await,
        }
    }

    async fn serve(
        &self,
        mut router: Arc<Router>,
        last: Option<Arc<Router>>,
        neighbours: Option<Arc<Neighbours>>,
        related: Vec<String>,
    ) -> Result<Outcome> {
        if router.ha {
            return Err(WorkError::HighlyAvailable);
        }
        let settings = &self.config.settings;
        // Without it all but the floating IPs works.
        let gateway = self.complete(&mut router).await;
        let (parts, neighbours) = self.parts(&router, neighbours).await?;
        let mut made = Made::default();
        let mut done = gateway;
        for part in parts {
            let right = self.make(&part, &router.view.id, &mut made).await;
            done = done.and(right);
        }
        self.made().insert(Site::Router(router.view.id.clone()), made);
        let told = match &done {
            Ok(()) => floating_ips::served(settings, &router, last.as_deref()),
            Err(_) => floating_ips::failed(settings, &router),
        };
        let told = self.tell(&mut router, told).await;
        done.and(told)?;
        Ok(Outcome::Served { router, neighbours, related })
    }

    /// Asks for the host's port on the external network where the server did not tell it.
    async fn complete(&self, router: &mut Arc<Router>) -> Result<()> {
        let settings = &self.config.settings;
        let network = dvr::external_network(settings, &router.view).map(str::to_string);
        if let Some(network) = network
            && dvr::agent_gateway(settings, &router.view).is_none()
        {
            let port = self.api.agent_gateway(&network).await?;
            Arc::make_mut(router).view.agent_gateways.push(port);
        }
        Ok(())
    }

    /// The namespaces of a router, and who is on its subnets if that matters.
    async fn parts(
        &self,
        router: &Arc<Router>,
        neighbours: Option<Arc<Neighbours>>,
    ) -> Result<(Vec<Part>, Option<Arc<Neighbours>>)> {
        // Nothing of the centralised part stays where it is not, or is not any more.
        let snat = Part::Snat(Arc::clone(router));
        if !router.view.distributed {
            return Ok((vec![Part::Legacy(Arc::clone(router)), snat], None));
        }
        let settings = &self.config.settings;
        let known = Neighbours::of(&self.api, router, neighbours.as_deref()).await?;
        let neighbours = Arc::new(known);
        let mut priorities = BTreeMap::new();
        for fip in dvr::floating_ips(settings, &router.view) {
            let priority = self.hosted.priority(&fip.floating_ip_address.to_string())?;
            priorities.insert(fip.floating_ip_address, priority);
        }
        let qrouter = Part::Distributed {
            link: self.link(router)?,
            router: Arc::clone(router),
            priorities,
            neighbours: Arc::clone(&neighbours),
        };
        Ok((vec![qrouter, snat], Some(neighbours)))
    }

    /// What joins a router to the external network on this host.
    fn link(&self, router: &Router) -> Result<Option<Link>> {
        if dvr::agent_gateway(&self.config.settings, &router.view).is_none() {
            return Ok(None);
        }
        let pair = self.hosted.pair(&router.view.id)?;
        Ok(Some(Link::new(&router.view.id, pair)))
    }

    /// Makes the namespace of an external network right.
    async fn join(
        &self,
        network_id: &str,
        routers: &[Arc<Router>],
        unsure: BTreeSet<String>,
    ) -> Result<Outcome> {
        let settings = &self.config.settings;
        let mut joined = Vec::new();
        let mut gateway = None;
        for router in routers {
            if let Some(link) = self.link(router)? {
                gateway = gateway.or_else(|| dvr::agent_gateway(settings, &router.view).cloned());
                joined.push((Arc::clone(router), link));
            }
        }
        let Some(gateway) = gateway else { return Ok(Outcome::Joined { anew: Vec::new() }) };
        let part = Part::Fip { gateway: Box::new(gateway), joined, unsure };
        let mut made = Made::default();
        let done = self.make(&part, network_id, &mut made).await;
        let has_new = |router: &&Arc<Router>| {
            made.pairs.contains(&names::device(names::FIP_TO_ROUTER_PREFIX, &router.view.id))
        };
        let anew = routers.iter().filter(has_new).map(|router| router.view.id.clone()).collect();
        self.made().insert(Site::External(network_id.to_string()), made);
        done.map(|()| Outcome::Joined { anew })
    }

    /// Makes one namespace right.
    async fn make(&self, part: &Part, id: &str, made: &mut Made) -> Result<()> {
        let radvd = match part {
            Part::Legacy(_) | Part::Distributed { .. } => {
                Some(Radvd::new(&self.config, id, part.namespace()))
            }
            Part::Snat(_) | Part::Fip { .. } => None,
        };
        let namespace = part.namespace();
        let seen = self.seen(id, &namespace, radvd.as_ref());
        let plan = {
            let (part, config) = (part.clone(), Arc::clone(&self.config));
            let interfaces = self.interfaces.clone();
            blocking(move || Ok(part.plan(&config.settings, &interfaces, seen)?)).await?
        };
        let Plan { steps, desired } = plan;
        made.pairs.extend(steps.iter().filter_map(|step| match step {
            Step::AddDevice(device) if apply::is_pair(&device.name) => Some(device.name.clone()),
            _ => None,
        }));
        if let Some(desired) = &desired {
            made.vifs.extend(vifs(desired));
            made.radvd = made.radvd.take().or(radvd.clone().filter(|_| desired.radvd.is_some()));
        }
        self.apply(id, &namespace, radvd.as_ref(), steps).await
    }

    /// What the agent itself knows of a namespace.
    fn seen(&self, id: &str, namespace: &str, radvd: Option<&Radvd>) -> Observed {
        Observed {
            radvd: radvd.and_then(Radvd::observed),
            proxied: radvd.is_some() && self.proxies.listens(id, namespace),
            ..Observed::default()
        }
    }

    async fn apply(
        &self,
        id: &str,
        namespace: &str,
        radvd: Option<&Radvd>,
        steps: Vec<Step>,
    ) -> Result<()> {
        if steps.is_empty() {
            return Ok(());
        }
        tracing::debug!(namespace, ?steps, "changing a namespace");
        let (begun, changes) = (Instant::now(), apply::changes(&steps));
        let place = Place {
            namespace,
            router_id: id,
            interfaces: &self.interfaces,
            radvd,
            proxies: &self.proxies,
            counters: &self.counters,
        };
        place.apply(steps).await?;
        if changes > 0 {
            let duration_ms = begun.elapsed().as_millis();
            tracing::info!(namespace, changes, duration_ms, "namespace changed");
        }
        Ok(())
    }

    /// Removes all that the host has of a site.
    async fn remove(&self, site: &Site) -> Result<Outcome> {
        let (id, namespaces) = match site {
            Site::Router(id) => (id, vec![names::router_namespace(id), names::snat_namespace(id)]),
            Site::External(id) => (id, vec![names::fip_namespace(id)]),
        };
        for namespace in namespaces {
            let is_router = namespace.starts_with(names::ROUTER_NAMESPACE_PREFIX);
            let radvd = is_router.then(|| Radvd::new(&self.config, id, namespace.clone()));
            let Observed { radvd: text, proxied, .. } = self.seen(id, &namespace, radvd.as_ref());
            let (name, ipv6) = (namespace.clone(), self.config.settings.ipv6);
            let steps = blocking(move || {
                let observed =
                    Observed { radvd: text, proxied, ..observe::namespace(&name, ipv6)? };
                Ok(neutrino_dataplane::l3::remove(&observed))
            })
            .await?;
            self.apply(id, &namespace, radvd.as_ref(), steps).await?;
        }
        if self.made().remove(site).is_some() {
            tracing::info!(?site, "not on this host any more");
        }
        Ok(Outcome::Removed)
    }

    /// Tells the server, and believes from then on that it knows.
    async fn tell(&self, router: &mut Arc<Router>, told: Statuses) -> Result<()> {
        if told.is_empty() {
            return Ok(());
        }
        self.api.update_statuses(&router.view.id, &told).await?;
        let known = &mut Arc::make_mut(router).statuses;
        for (id, status) in told {
            known.entry(id).and_modify(|known| *known = status.to_string());
        }
        Ok(())
    }

    /// Forgets what the host chose for routers and floating IPs that are not here.
    ///
    /// # Errors
    /// It cannot be written down.
    pub fn forget<'r>(&self, routers: impl Iterator<Item = &'r Arc<Router>>) -> Result<()> {
        let settings = &self.config.settings;
        let (mut ids, mut addresses) = (BTreeSet::new(), BTreeSet::new());
        for router in routers.filter(|router| router.view.distributed) {
            ids.insert(router.view.id.as_str());
            let here = dvr::floating_ips(settings, &router.view);
            addresses.extend(here.map(|fip| fip.floating_ip_address.to_string()));
        }
        Ok(self.hosted.retain(|id| ids.contains(id), |ip| addresses.contains(ip))?)
    }
}

fn vifs(namespace: &Namespace) -> impl Iterator<Item = Vif> {
    namespace.devices.iter().filter_map(|device| apply::vif(&namespace.name, device))
}

/// Looks at the host beside the runtime's own threads.
async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    task::spawn_blocking(job).await.unwrap_or(Err(WorkError::Stopping))
}
