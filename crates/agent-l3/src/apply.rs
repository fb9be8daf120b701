//! Doing what was planned, step by step.
//!
//! A step that fails does not keep the later ones from being tried: a floating IP is not to wait
//! for a route that the kernel refuses. The first failure is told when all is done.

use std::{net::IpAddr, time::Duration};

use neutrino_agent::interface::{InterfaceError, Interfaces, Vif, blocking};
use neutrino_agent_metadata::proxy::ProxyError;
use neutrino_dataplane::{
    firewall::Ethertype,
    l3::{
        desired::{Device, DeviceKind, Neighbour, Route, Rule, Sysctl},
        names::{FIP_TO_ROUTER_PREFIX, ROUTER_TO_FIP_PREFIX},
        step::{Connections, Step},
    },
};
use neutrino_linux::{
    self as linux, Family, NetNs, Netlink, conntrack::Conntrack, iptables, sysctl,
};

use crate::{announce, metadata::Proxies, radvd::Radvd, radvd::RadvdError, status::Counters};

/// How long to wait for another user of iptables.
const IPTABLES_LOCK: Duration = Duration::from_secs(10);

/// Why a namespace is not as planned.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A device, or another part of the kernel.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// radvd.
    #[error(transparent)]
    Radvd(#[from] RadvdError),
    /// The metadata proxy.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
}

/// What the steps of one namespace are done with.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The router in it, if one is: whom its radvd and metadata proxy serve.
    pub router_id: &'a str,
    /// Open vSwitch.
    pub interfaces: &'a Interfaces,
    /// radvd.
    pub radvd: Option<&'a Radvd>,
    /// The metadata proxies.
    pub proxies: &'a Proxies,
    /// What was done, to be watched.
    pub counters: &'a Counters,
}

impl Place<'_> {
    /// Carries the steps out.
    ///
    /// # Errors
    /// The first thing that could not be done; all else was.
    pub async fn apply(&self, steps: Vec<Step>) -> Result<(), ApplyError> {
        self.counters.steps(changes(&steps));
        let mut first = None;
        let mut kernel = Vec::new();
        // Open vSwitch is asked once for all ports, and addresses are announced together.
        let mut ports = Some(self.ports(&steps));
        let mut unplugged = Some(unplugged(&steps));
        let mut announcements = Vec::new();
        for step in steps {
            let done = match step {
                Step::AddDevice(Device { kind: DeviceKind::Port { .. }, .. }) => {
                    match ports.take() {
                        Some(ports) => {
                            self.kernel(std::mem::take(&mut kernel), &mut first).await;
                            self.interfaces.plug_all(&ports).await.map_err(ApplyError::from)
                        }
                        None => Ok(()),
                    }
                }
                Step::DeleteDevice { device } if !is_pair(&device) => match unplugged.take() {
                    Some(devices) => {
                        self.kernel(std::mem::take(&mut kernel), &mut first).await;
                        let done = self.interfaces.unplug_all(devices, self.namespace).await;
                        done.map_err(ApplyError::from)
                    }
                    None => Ok(()),
                },
                Step::Radvd(_) | Step::Proxy(_) => {
                    self.kernel(std::mem::take(&mut kernel), &mut first).await;
                    self.service(step).await
                }
                Step::Announce(announcement) => {
                    announcements.push(announcement);
                    Ok(())
                }
                step => {
                    kernel.push(step);
                    Ok(())
                }
            };
            if let Err(error) = done {
                first.get_or_insert(error);
            }
        }
        self.kernel(kernel, &mut first).await;
        announce::start(self.namespace, announcements);
        first.map_or(Ok(()), Err)
    }

    fn ports(&self, steps: &[Step]) -> Vec<Vif> {
        steps
            .iter()
            .filter_map(|step| match step {
                Step::AddDevice(device) => vif(self.namespace, device),
                _ => None,
            })
            .collect()
    }

    async fn kernel(&self, steps: Vec<Step>, first: &mut Option<ApplyError>) {
        if steps.is_empty() {
            return;
        }
        let namespace = self.namespace.to_string();
        if let Err(error) = blocking(move || Ok(kernel(&namespace, &steps)?)).await {
            first.get_or_insert(error.into());
        }
    }

    async fn service(&self, step: Step) -> Result<(), ApplyError> {
        match step {
            Step::Radvd(text) => match (self.radvd, text) {
                (Some(radvd), Some(text)) => radvd.run(&text).await?,
                (Some(radvd), None) => radvd.stop().await?,
                (None, _) => {}
            },
            Step::Proxy(true) => self.proxies.listen(self.router_id, self.namespace).await?,
            Step::Proxy(false) => self.proxies.stop(self.router_id).await,
            _ => {}
        }
        Ok(())
    }
}

/// How many of the steps change the host: to listen again changes nothing, the proxy is part of the
/// agent.
#[must_use]
pub fn changes(steps: &[Step]) -> usize {
    steps.iter().filter(|step| !matches!(step, Step::Proxy(_))).count()
}

/// The port that a device is of, if one is.
#[must_use]
pub fn vif(namespace: &str, device: &Device) -> Option<Vif> {
    let DeviceKind::Port { port_id } = &device.kind else { return None };
    Some(Vif {
        port_id: port_id.clone(),
        mac: device.mac,
        device: device.name.clone(),
        namespace: namespace.to_string(),
        mtu: device.mtu.unwrap_or(0),
    })
}

/// Whether a device of this name is an end of a pair between a router and an external network.
#[must_use]
pub fn is_pair(device: &str) -> bool {
    [ROUTER_TO_FIP_PREFIX, FIP_TO_ROUTER_PREFIX].iter().any(|prefix| device.starts_with(prefix))
}

/// The ports among the devices that go.
fn unplugged(steps: &[Step]) -> Vec<String> {
    let gone = steps.iter().filter_map(|step| match step {
        Step::DeleteDevice { device } if !is_pair(device) => Some(device.clone()),
        _ => None,
    });
    gone.collect()
}

/// Steps that only the kernel is needed for, in a namespace that the first may make. Answers the
/// first failure.
fn kernel(name: &str, steps: &[Step]) -> linux::Result<()> {
    if let [Step::DeleteNamespace] = steps {
        return NetNs::delete_named(name);
    }
    let makes = steps.iter().any(|step| matches!(step, Step::CreateNamespace));
    let namespace = if makes { Some(NetNs::add_named(name)?) } else { NetNs::named(name)? };
    let Some(namespace) = namespace else {
        let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(linux::Error::kernel(format!("enter the network namespace {name}"))(gone));
    };
    let mut first = None;
    let done = namespace.run(|| {
        let mut inside = Inside { netlink: Netlink::open()?, conntrack: None };
        for step in steps {
            if let Err(error) = inside.step(step) {
                tracing::debug!(namespace = name, ?step, %error, "a step failed");
                first.get_or_insert(error);
            }
        }
        Ok(())
    });
    done?;
    if steps.iter().any(|step| matches!(step, Step::DeleteNamespace)) {
        NetNs::delete_named(name)?;
    }
    first.map_or(Ok(()), Err)
}

/// Someone inside the namespace.
struct Inside {
    netlink: Netlink,
    conntrack: Option<Conntrack>,
}

impl Inside {
    fn step(&mut self, step: &Step) -> linux::Result<()> {
        match step {
            Step::SetSysctl(sysctl) => set(sysctl),
            Step::AddDevice(device) => self.add_pair(device),
            Step::SetMac { device, mac } => self.netlink.set_mac(device, mac.0),
            Step::SetMtu { device, mtu } => self.netlink.set_mtu(device, *mtu),
            Step::SetUp { device } => self.netlink.set_up(device),
            Step::AddAddress { device, address } => self.netlink.add_address(device, *address),
            // The kernel may have taken it away with another.
            Step::DeleteAddress { device, address } => {
                absent(self.netlink.delete_address(device, *address))
            }
            Step::ReplaceRoute(route) => {
                let route = self.route(route)?;
                self.netlink.replace_route(&route)
            }
            Step::DeleteRoute(route) => {
                let route = self.route(route)?;
                absent(self.netlink.delete_route(&route))
            }
            Step::AddRule(wanted) => self.netlink.add_rule(&rule(wanted)),
            Step::DeleteRule(gone) => absent(self.netlink.delete_rule(&rule(gone))),
            Step::SetNeighbour(neighbour) => self.set_neighbour(neighbour),
            Step::DeleteNeighbour(neighbour) => {
                let index = self.netlink.link(&neighbour.device)?.index;
                absent(self.netlink.delete_neighbour(index, neighbour.ip))
            }
            Step::Restore { family, commands } => {
                let family = match family {
                    Ethertype::V4 => Family::V4,
                    Ethertype::V6 => Family::V6,
                };
                iptables::restore(family, commands, IPTABLES_LOCK)
            }
            Step::DeleteConntrack(connections) => self.forget(connections),
            Step::DeleteDevice { device } => absent(self.netlink.delete_link(device)),
            // Done by the caller, before and after.
            Step::CreateNamespace
            | Step::DeleteNamespace
            | Step::Radvd(_)
            | Step::Proxy(_)
            | Step::Announce(_) => Ok(()),
        }
    }

    /// Makes a pair, unless its other end's namespace was set up first; then only this end is.
    fn add_pair(&mut self, device: &Device) -> linux::Result<()> {
        let DeviceKind::Veth { peer, peer_namespace } = &device.kind else { return Ok(()) };
        if self.netlink.find_link(&device.name)?.is_none() {
            let far = NetNs::add_named(peer_namespace)?;
            match self.netlink.add_veth_into(&device.name, peer, &far) {
                Err(error)
                    if error.is_exists() && self.netlink.find_link(&device.name)?.is_some() => {}
                Err(error) if error.is_exists() => {
                    // An end whose other end is elsewhere is of no use to anybody.
                    absent(Netlink::open_in(&far)?.delete_link(peer))?;
                    self.netlink.add_veth_into(&device.name, peer, &far)?;
                }
                other => other?,
            }
        }
        self.netlink.set_mac(&device.name, device.mac.0)?;
        if let Some(mtu) = device.mtu {
            self.netlink.set_mtu(&device.name, mtu)?;
        }
        self.netlink.set_up(&device.name)
    }

    fn route(&mut self, route: &Route) -> linux::Result<linux::Route> {
        let hops = route.hops.iter().map(|hop| {
            let index = self.netlink.link(&hop.device)?.index;
            Ok(linux::Hop { gateway: hop.gateway, device: Some(index), on_link: false })
        });
        Ok(linux::Route {
            destination: route.destination,
            table: route.table,
            metric: 0,
            hops: hops.collect::<linux::Result<_>>()?,
            is_static: true,
        })
    }

    fn set_neighbour(&mut self, neighbour: &Neighbour) -> linux::Result<()> {
        let device = self.netlink.link(&neighbour.device)?.index;
        self.netlink.set_neighbour(&linux::Neighbour {
            device,
            ip: neighbour.ip,
            mac: neighbour.mac.0,
        })
    }

    /// Cuts the tracked connections to a translated address, and those whose answers come to it.
    fn forget(&mut self, connections: &Connections) -> linux::Result<()> {
        let conntrack = match &mut self.conntrack {
            Some(conntrack) => conntrack,
            none => none.insert(Conntrack::open()?),
        };
        let address = IpAddr::V4(connections.address);
        for entry in conntrack.list(Family::V4)? {
            let concerned = match connections.port {
                None => entry.destination == address || entry.answered_to == Some(address),
                Some((protocol, first, last)) => {
                    entry.destination == address
                        && entry.protocol == protocol
                        && entry.destination_port.is_some_and(|port| (first..=last).contains(&port))
                }
            };
            if concerned {
                conntrack.delete(&entry)?;
            }
        }
        Ok(())
    }
}

fn rule(rule: &Rule) -> linux::Rule {
    linux::Rule {
        family: match rule.family {
            Ethertype::V4 => Family::V4,
            Ethertype::V6 => Family::V6,
        },
        priority: rule.priority,
        source: rule.from,
        input: rule.iif.clone(),
        table: rule.table,
    }
}

/// Sets a parameter; the kernel may not have it, as those of modules that are not loaded.
fn set(sysctl: &Sysctl) -> linux::Result<()> {
    absent(sysctl::set(&sysctl.path.split('/').collect::<Vec<_>>(), &sysctl.value))
}

/// What is not there needs no removal.
fn absent(done: linux::Result<()>) -> linux::Result<()> {
    match done {
        Err(error) if error.is_missing() => Ok(()),
        other => other,
    }
}
