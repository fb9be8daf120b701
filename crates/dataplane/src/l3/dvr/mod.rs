//! A router that is on every host with an instance of its networks.
//!
//! [`distributed`] is what each host has, [`snat`] the centralised part on the host of the gateway,
//! and [`fip`] where a host's floating IPs meet the external network; the first and the last are
//! joined by a [`Link`].

mod fip;
mod index;
mod router;
mod snat;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use neutrino_types::MacAddr;
use sha1::{Digest, Sha1};

pub use fip::{Served, fip};
pub use router::distributed;
pub use snat::snat;

use super::{
    allocations::Pair,
    desired::{Device, DeviceKind, Neighbour},
    names::{self, FIP_TO_ROUTER_PREFIX, ROUTER_TO_FIP_PREFIX},
    view::{AgentMode, FloatingIp, Port, Router, Settings, SubnetPort},
};

/// Priority of the rules of subnets that need no translation to the external network.
const FAST_PATH_PRIORITY: u32 = 80_000;

/// What joins a router to the external network's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Addresses.
    pub pair: Pair,
    /// MAC of the router's end.
    pub router_mac: MacAddr,
    /// MAC of the other end.
    pub fip_mac: MacAddr,
}

impl Link {
    /// A new one. MACs are the router's for ever, so that neither end need be looked at to plan
    /// the other; one that another agent made has MACs of its own.
    #[must_use]
    pub fn new(router_id: &str, pair: Pair) -> Self {
        let mac = |prefix: &str| {
            let digest = Sha1::new().chain_update(prefix).chain_update(router_id).finalize();
            let mut mac: [u8; 6] = std::array::from_fn(|i| digest[i]);
            // Administered locally, and of one device.
            mac[0] = (mac[0] & 0xfc) | 0x02;
            MacAddr(mac)
        };
        Self { pair, router_mac: mac(ROUTER_TO_FIP_PREFIX), fip_mac: mac(FIP_TO_ROUTER_PREFIX) }
    }

    fn router_device(&self, router: &Router) -> Device {
        Device {
            name: names::device(ROUTER_TO_FIP_PREFIX, &router.id),
            kind: DeviceKind::Veth {
                peer: names::device(FIP_TO_ROUTER_PREFIX, &router.id),
                peer_namespace: external_network_of(router)
                    .map_or_else(String::new, names::fip_namespace),
            },
            mac: self.router_mac,
            mtu: mtu(router),
            addresses: vec![self.pair.router().into()],
            sysctls: Vec::new(),
        }
    }

    fn fip_device(&self, router: &Router) -> Device {
        Device {
            name: names::device(FIP_TO_ROUTER_PREFIX, &router.id),
            kind: DeviceKind::Veth {
                peer: names::device(ROUTER_TO_FIP_PREFIX, &router.id),
                peer_namespace: names::router_namespace(&router.id),
            },
            mac: self.fip_mac,
            mtu: mtu(router),
            addresses: vec![self.pair.fip().into()],
            sysctls: Vec::new(),
        }
    }

    /// The other end, as the router knows it.
    fn fip_neighbour(&self, device: &str) -> Neighbour {
        let ip = self.pair.fip().addr().into();
        Neighbour { device: device.into(), ip, mac: self.fip_mac }
    }

    /// The router's end, as the other end knows it.
    fn router_neighbour(&self, device: &str) -> Neighbour {
        let ip = self.pair.router().addr().into();
        Neighbour { device: device.into(), ip, mac: self.router_mac }
    }
}

/// MTU of the external network.
fn mtu(router: &Router) -> Option<u32> {
    router.gw_port.as_ref().map(|port| port.mtu).filter(|mtu| *mtu > 0)
}

/// What a host knows of a distributed router besides the router.
#[derive(Clone, Debug, Default)]
pub struct OnHost<'a> {
    /// The link of routers for which [`external_network`] answers one.
    pub link: Option<&'a Link>,
    /// Priority by floating IP, of those [`floating_ips`] answers.
    pub priorities: BTreeMap<Ipv4Addr, u32>,
    /// Who is on each subnet, by its id.
    pub ports: BTreeMap<String, Vec<SubnetPort>>,
}

/// The external network that a distributed router is joined to on this host.
#[must_use]
pub fn external_network<'r>(settings: &Settings, router: &'r Router) -> Option<&'r str> {
    let reached = matches!(settings.agent_mode, AgentMode::Dvr | AgentMode::DvrSnat);
    external_network_of(router).filter(|_| reached && router.distributed)
}

fn external_network_of(router: &Router) -> Option<&str> {
    router.gw_port.as_ref().map(|port| port.network_id.as_str())
}

/// This host's port on [`external_network`]; without one the server must be asked for it.
#[must_use]
pub fn agent_gateway<'r>(settings: &Settings, router: &'r Router) -> Option<&'r Port> {
    let network = external_network(settings, router)?;
    router.agent_gateways.iter().find(|port| port.network_id == network)
}

/// Whether this host has the centralised part of a router.
#[must_use]
pub fn is_snat_host(settings: &Settings, router: &Router) -> bool {
    settings.agent_mode == AgentMode::DvrSnat
        && router.distributed
        && router.gw_port_host.as_deref() == Some(&settings.host)
}

/// The floating IPs whose instances are on this host and that it serves itself.
pub fn floating_ips<'r>(
    settings: &'r Settings,
    router: &'r Router,
) -> impl Iterator<Item = &'r FloatingIp> {
    let here = |host: &Option<String>| host.as_deref() == Some(settings.host.as_str());
    router.floating_ips.iter().filter(move |fip| {
        agent_gateway(settings, router).is_some()
            && !fip.dvr_snat_bound
            && (here(&fip.host) || here(&fip.dest_host))
    })
}

/// Whether packets of an internal port need no translation on the way to the external network, and
/// go there from this host.
fn has_fast_path(settings: &Settings, router: &Router, port: &Port) -> bool {
    let Some(external) = agent_gateway(settings, router).and(router.gw_port.as_ref()) else {
        return false;
    };
    // The namespace of floating IPs speaks no IPv6.
    let v4_only = port.fixed_ips.iter().all(|ip| matches!(ip.ip_address, IpAddr::V4(_)));
    let scopes = [&external.address_scopes.v4, &external.address_scopes.v6];
    v4_only && port.address_scopes.v4.is_some() && scopes.contains(&&port.address_scopes.v4)
}
