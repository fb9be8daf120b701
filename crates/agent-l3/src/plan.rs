//! What a site's namespaces are to become; what is in them comes from the data plane crate.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use neutrino_agent::interface::Interfaces;
use neutrino_dataplane::l3::{
    self, Known,
    desired::{Namespace, Rule},
    dvr::{self, Link, OnHost, Served},
    names::{self, FIP_TO_ROUTER_PREFIX},
    observed::Observed,
    step::Step,
    view::{Port, Settings},
};
use neutrino_linux::Netlink;

use crate::{apply, neighbours::Neighbours, observe, rpc::Router};

/// One namespace of a site.
#[derive(Clone, Debug)]
pub enum Part {
    /// A router that is on one host.
    Legacy(Arc<Router>),
    /// A distributed router.
    Distributed {
        /// The router.
        router: Arc<Router>,
        /// What joins it to the external network.
        link: Option<Link>,
        /// Priority of the rule of each floating IP that is here.
        priorities: BTreeMap<Ipv4Addr, u32>,
        /// Who is on its subnets.
        neighbours: Arc<Neighbours>,
    },
    /// Its centralised part.
    Snat(Arc<Router>),
    /// Where the host's floating IPs meet an external network.
    Fip {
        /// The host's port there.
        gateway: Box<Port>,
        /// The routers joined to it.
        joined: Vec<(Arc<Router>, Link)>,
        /// Routers, by id, that may be joined too: what is there of them stays.
        unsure: BTreeSet<String>,
    },
}

impl Part {
    /// Name of the namespace.
    #[must_use]
    pub fn namespace(&self) -> String {
        match self {
            Self::Legacy(router) | Self::Distributed { router, .. } => {
                names::router_namespace(&router.view.id)
            }
            Self::Snat(router) => names::snat_namespace(&router.view.id),
            Self::Fip { gateway, .. } => names::fip_namespace(&gateway.network_id),
        }
    }

    /// What it is to hold; none when it is not to be on this host.
    fn desired(&self, settings: &Settings, known: &Known) -> Option<Namespace> {
        match self {
            Self::Legacy(router) => Some(l3::legacy(settings, &router.view, known)),
            Self::Distributed { router, link, priorities, neighbours } => {
                let host = OnHost {
                    link: link.as_ref(),
                    priorities: priorities.clone(),
                    ports: neighbours.by_subnet().clone(),
                };
                Some(dvr::distributed(settings, &router.view, &host, known))
            }
            Self::Snat(router) => dvr::snat(settings, &router.view, known),
            Self::Fip { gateway, joined, .. } => {
                let served: Vec<Served<'_>> = joined
                    .iter()
                    .map(|(router, link)| Served { router: &router.view, link })
                    .collect();
                Some(dvr::fip(settings, gateway, &served))
            }
        }
    }

    /// Compares what is with what is to be. `seen` is what the agent itself knows of the namespace:
    /// radvd and the metadata proxy.
    ///
    /// # Errors
    /// The host cannot be looked at.
    pub fn plan(
        &self,
        settings: &Settings,
        interfaces: &Interfaces,
        seen: Observed,
    ) -> observe::Result<Plan> {
        let name = self.namespace();
        let Observed { radvd, proxied, .. } = seen;
        let mut observed = Observed { radvd, proxied, ..observe::namespace(&name, settings.ipv6)? };
        let Some(desired) = self.desired(settings, &Known::read(&observed)) else {
            return Ok(Plan { steps: l3::remove(&observed), desired: None });
        };
        observed.sysctls = observe::sysctls(&desired)?;
        lose(&mut observed, &wrong_devices(&desired, interfaces)?);
        let mut steps = l3::diff(&desired, &observed);
        if let Self::Fip { unsure, .. } = self {
            spare(&mut steps, &observed, unsure);
        }
        Ok(Plan { steps, desired: Some(desired) })
    }
}

/// Devices that may be there and are of no use: those that Open vSwitch does not know as the port
/// they are to be, and those of an ovs-vswitchd that ended, when the next one has made them anew.
fn wrong_devices(
    desired: &Namespace,
    interfaces: &Interfaces,
) -> neutrino_linux::Result<BTreeSet<String>> {
    let mut outside = Netlink::open()?;
    let mut out = BTreeSet::new();
    for vif in desired.devices.iter().filter_map(|device| apply::vif(&desired.name, device)) {
        let anew = !interfaces.veth && outside.find_link(&vif.device)?.is_some();
        if anew || !interfaces.is_plugged(&vif) {
            out.insert(vif.device);
        }
    }
    Ok(out)
}

/// Takes devices that will be replaced away, with all that goes with them.
fn lose(observed: &mut Observed, devices: &BTreeSet<String>) {
    let lost = |name: &String| devices.contains(name);
    observed.devices.retain(|device| !lost(&device.name));
    observed.routes.retain(|route| !route.hops.iter().any(|hop| lost(&hop.device)));
    observed.neighbours.retain(|neighbour| !lost(&neighbour.device));
    observed.sysctls.retain(|path, _| !path.split('/').any(|part| devices.contains(part)));
}

/// Leaves what an external network's namespace has of routers of which nothing is known yet: after a
/// restart they are heard of one after the other.
fn spare(steps: &mut Vec<Step>, observed: &Observed, unsure: &BTreeSet<String>) {
    let devices: BTreeSet<String> =
        unsure.iter().map(|id| names::device(FIP_TO_ROUTER_PREFIX, id)).collect();
    let theirs = |rule: &Rule| rule.iif.as_ref().is_some_and(|iif| devices.contains(iif));
    let tables: BTreeSet<u32> =
        observed.rules.iter().filter(|rule| theirs(rule)).map(|rule| rule.table).collect();
    steps.retain(|step| match step {
        Step::DeleteDevice { device } | Step::DeleteAddress { device, .. } => {
            !devices.contains(device)
        }
        Step::DeleteNeighbour(neighbour) => !devices.contains(&neighbour.device),
        Step::DeleteRule(rule) => !theirs(rule),
        Step::DeleteRoute(route) => {
            !tables.contains(&route.table)
                && !route.hops.iter().any(|hop| devices.contains(&hop.device))
        }
        _ => true,
    });
}

/// What is to be done in a namespace.
#[derive(Clone, Debug)]
pub struct Plan {
    /// In order.
    pub steps: Vec<Step>,
    /// What it is to hold then; none when it is to go.
    pub desired: Option<Namespace>,
}
