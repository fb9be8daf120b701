//! The work on one network: from what the server says of it to dnsmasq answering in its namespace,
//! or to nothing left of it. What is right already is not touched.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use neutrino_agent::{
    external_process::Daemon,
    interface::{self, InterfaceError, Interfaces, Vif, blocking},
    with_causes,
};
use neutrino_agent_metadata::proxy::{Bind, Listening, MetadataProxy, ProxyError, Served};
use neutrino_dataplane::dhcp::{
    command,
    device::{self, PortPlan},
    metadata::{self, METADATA_PORT, METADATA_V4, METADATA_V6},
    view::{Network, Port, Subnet},
};
use neutrino_linux::{NetNs, Netlink};
use tokio::sync::mpsc;

use crate::{
    apply::{self, ApplyError, Site},
    config::Config,
    observe,
    plan::{self, Process},
    rpc::{ApiError, DhcpApi},
    state::{Goal, Job, Outcome, Source},
    status::Counters,
};

/// How long a dnsmasq is watched after it was told to read its files again. dnsmasq 2.90 crashes
/// then when it has served a port with options of its own.
const RELOAD_WATCH: Duration = Duration::from_secs(2);

/// Why a network is not served right.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The server.
    #[error("asking the server")]
    Api(#[from] ApiError),
    /// The device.
    #[error("setting up the device")]
    Interface(#[from] InterfaceError),
    /// dnsmasq or its files.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The metadata proxy.
    #[error(transparent)]
    Metadata(#[from] ProxyError),
    /// The port lacks a subnet that the server was asked to give it.
    #[error("the DHCP port {port_id} has no address of subnet {subnet_id}")]
    MissingSubnet {
        /// The port.
        port_id: String,
        /// The subnet.
        subnet_id: String,
    },
}

/// What a metadata proxy listens for; another value needs another proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ProxySite {
    served: Served,
    binds: Vec<Bind>,
    /// Index of the device: one that was replaced is another.
    device: u32,
}

/// What works on networks. Cheap to clone.
#[derive(Clone)]
pub struct Worker {
    /// Configuration.
    pub config: Arc<Config>,
    /// The server.
    pub api: DhcpApi,
    /// Open vSwitch.
    pub interfaces: Interfaces,
    /// Metadata.
    pub proxy: MetadataProxy,
    /// What was done, to be watched.
    pub counters: Arc<Counters>,
    /// Running proxies by network.
    pub proxies: Proxies,
    /// Takes the networks whose dnsmasq did not survive reading its files again.
    pub deaths: mpsc::UnboundedSender<String>,
}

/// The metadata proxies that listen, by network.
#[derive(Clone, Default)]
pub struct Proxies(Arc<Mutex<HashMap<String, (ProxySite, Listening)>>>);

impl Proxies {
    fn is_right(&self, network_id: &str, site: &ProxySite) -> bool {
        let proxies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        proxies.get(network_id).is_some_and(|(found, _)| found == site)
    }

    fn take(&self, network_id: &str) -> Option<Listening> {
        let mut proxies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        proxies.remove(network_id).map(|(_, listening)| listening)
    }

    fn put(&self, network_id: &str, site: ProxySite, listening: Listening) {
        let mut proxies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        proxies.insert(network_id.to_string(), (site, listening));
    }
}

impl Worker {
    /// Does a job.
    pub async fn run(&self, job: Job) -> Outcome {
        match self.attempt(job).await {
            Ok(outcome) => outcome,
            Err(NetworkError::Api(error)) if error.is_out_of_addresses() => {
                tracing::warn!(%error, "no address is left for the agent's port");
                Outcome::Waiting
            }
            Err(error) => Outcome::Failed(with_causes(&error)),
        }
    }

    async fn attempt(&self, job: Job) -> Result<Outcome, NetworkError> {
        let id = &job.network_id;
        let network = match (job.goal, job.source) {
            (Goal::Remove, _) => None,
            (Goal::Serve, Source::Given(network) | Source::Known(network)) => Some(network),
            (Goal::Serve, Source::Ask) => self.api.network(id).await?.map(Arc::new),
        };
        match network.filter(|network| network.wants_dhcp()) {
            Some(network) => self.serve(Network::clone(&network)).await,
            None => {
                self.remove(id).await?;
                Ok(Outcome::Removed)
            }
        }
    }

    /// The device of this agent's port on a network it serves.
    #[must_use]
    pub fn vif(&self, network: &Network) -> Option<Vif> {
        let own = network.port_of_device(&device::device_id(&self.config.host, &network.id))?;
        Some(Vif {
            port_id: own.id.clone(),
            mac: own.mac_address,
            device: self.interfaces.device(&own.id),
            namespace: device::namespace(&network.id),
            mtu: network.mtu,
        })
    }

    /// dnsmasq of a network.
    #[must_use]
    pub fn daemon(&self, network_id: &str) -> Daemon {
        observe::daemon(&observe::directory(&self.config.confs, network_id), network_id)
    }

    async fn serve(&self, mut network: Network) -> Result<Outcome, NetworkError> {
        let own = self.own_port(&network).await?;
        match network.ports.iter_mut().find(|port| port.id == own.id) {
            Some(port) => *port = own.clone(),
            None => network.ports.push(own.clone()),
        }
        // The port was found or made with this device id.
        let Some(vif) = self.vif(&network) else {
            return Err(ApiError::NoPort(network.id.clone()).into());
        };
        let index = self.set_up_device(&network, &own, &vif).await?;
        self.set_up_dnsmasq(&network, &own, &vif).await?;
        self.set_up_metadata(&network, &vif, index).await?;
        Ok(Outcome::Served(Arc::new(network)))
    }

    /// The agent's port, made or changed if need be.
    async fn own_port(&self, network: &Network) -> Result<Port, NetworkError> {
        let device_id = device::device_id(&self.config.host, &network.id);
        let port = match device::port_plan(network, &device_id) {
            PortPlan::Keep(port) => return Ok(port),
            PortPlan::Update { port_id, fixed_ips } => {
                self.api.update_port(network, &port_id, &fixed_ips).await?
            }
            PortPlan::TakeOver { port_id } => {
                self.api.take_port(network, &port_id, &device_id).await?
            }
            PortPlan::Create { fixed_ips } => {
                self.api.create_port(network, &device_id, &fixed_ips).await?
            }
        };
        let has = |subnet: &&Subnet| port.fixed_ips.iter().any(|ip| ip.subnet_id == subnet.id);
        match network.subnets.iter().filter(|s| s.enable_dhcp).find(|subnet| !has(subnet)) {
            // The port set aside had others; the next look gives it these.
            Some(subnet) => Err(NetworkError::MissingSubnet {
                port_id: port.id.clone(),
                subnet_id: subnet.id.clone(),
            }),
            None => Ok(port),
        }
    }

    /// Namespace, device, addresses, routes. Answers the device's index.
    async fn set_up_device(
        &self,
        network: &Network,
        own: &Port,
        vif: &Vif,
    ) -> Result<u32, InterfaceError> {
        let wanted = vif.clone();
        blocking(move || prepare_namespace(&wanted)).await?;
        self.interfaces.plug(vif).await?;
        let ipv6 = interface::ipv6_enabled();
        let addresses = device::addresses(&self.config.settings, network, own, ipv6);
        let gateways = [false, true].map(|v6| (v6, device::gateway(network, v6)));
        let wanted = vif.clone();
        let (index, stale) = blocking(move || {
            let namespace = NetNs::named(&wanted.namespace)?
                .ok_or_else(|| InterfaceError::NoNamespace(wanted.namespace.clone()))?;
            let mut netlink = Netlink::open_in(&namespace)?;
            let addresses: Vec<_> =
                addresses.into_iter().filter(|net| ipv6 || net.addr().is_ipv4()).collect();
            interface::init_l3(&mut netlink, &wanted.device, &addresses)?;
            for (v6, gateway) in gateways {
                let gateway = gateway.map(|gateway| (gateway.ip, gateway.on_link));
                if ipv6 || !v6 {
                    interface::set_gateway(&mut netlink, &wanted.device, v6, gateway)?;
                }
            }
            let mut stale = observe::devices(&wanted.namespace)?;
            stale.retain(|name| *name != wanted.device);
            Ok((netlink.link(&wanted.device)?.index, stale))
        })
        .await?;
        for name in stale {
            tracing::warn!(network_id = network.id, device = name, "removing a stale device");
            self.interfaces.unplug(&name, &vif.namespace).await?;
        }
        Ok(index)
    }

    async fn set_up_dnsmasq(
        &self,
        network: &Network,
        own: &Port,
        vif: &Vif,
    ) -> Result<(), ApplyError> {
        let config = &self.config;
        let dir = observe::directory(&config.confs, &network.id);
        apply::ensure_dir(&dir)?;
        if let Some(logs) = command::log_dir(&config.settings, &network.id) {
            apply::ensure_dir(&logs)?;
        }
        let seen = observe::files(&dir, &network.id);
        let plan = plan::plan(&config.settings, &config.confs, network, own, &vif.device, &seen);
        if plan.is_empty() {
            return Ok(());
        }
        match plan.process {
            Process::Keep => {}
            Process::Reload => self.counters.reloaded(),
            Process::Start | Process::Restart => self.counters.started(),
        }
        let site = Site {
            network_id: &network.id,
            dir,
            namespace: vif.namespace.clone(),
            device: vif.device.clone(),
        };
        let reloads = plan.process == Process::Reload;
        apply::dnsmasq(&site, plan).await?;
        if reloads {
            self.watch_reload(&network.id);
        }
        Ok(())
    }

    fn watch_reload(&self, network_id: &str) {
        let (daemon, deaths) = (self.daemon(network_id), self.deaths.clone());
        tokio::spawn(async move {
            if !daemon.survives(RELOAD_WATCH).await {
                // An error means that the agent stops.
                let _ = deaths.send(daemon.id);
            }
        });
    }

    /// Starts, changes or stops the network's metadata proxy.
    async fn set_up_metadata(
        &self,
        network: &Network,
        vif: &Vif,
        device: u32,
    ) -> Result<(), ProxyError> {
        let settings = &self.config.settings;
        if !metadata::is_needed(settings, network) {
            self.stop_metadata(&network.id).await;
            return Ok(());
        }
        let served = metadata::router_of(settings, network)
            .map_or_else(|| Served::Network(network.id.clone()), Served::Router);
        let v4 = SocketAddr::new(IpAddr::V4(METADATA_V4), METADATA_PORT);
        let mut binds = vec![Bind { address: v4, device: None }];
        if interface::ipv6_enabled() && network.subnets.iter().any(Subnet::is_v6) {
            let v6 = SocketAddrV6::new(METADATA_V6, METADATA_PORT, 0, device);
            binds.push(Bind { address: v6.into(), device: Some(vif.device.clone()) });
        }
        let site = ProxySite { served, binds, device };
        if self.proxies.is_right(&network.id, &site) {
            return Ok(());
        }
        self.stop_metadata(&network.id).await;
        let path = NetNs::named_path(&vif.namespace);
        let listening = self.proxy.listen(&path, &site.binds, site.served.clone()).await?;
        self.proxies.put(&network.id, site, listening);
        Ok(())
    }

    async fn stop_metadata(&self, network_id: &str) {
        if let Some(listening) = self.proxies.take(network_id) {
            listening.stop().await;
        }
    }

    /// Removes all that the host and the server have of this agent on a network.
    async fn remove(&self, network_id: &str) -> Result<(), NetworkError> {
        let namespace = device::namespace(network_id);
        let dir = observe::directory(&self.config.confs, network_id);
        if !self.daemon(network_id).stop().await {
            return Err(ApplyError::DoesNotEnd.into());
        }
        self.stop_metadata(network_id).await;
        let name = namespace.clone();
        let mut devices = blocking(move || observe::devices(&name)).await?;
        // After ovs-vswitchd ended, the device is not in the namespace but its port is there.
        let recorded = observe::files(&dir, network_id).interface;
        if !recorded.is_empty() && !devices.contains(&recorded) {
            devices.push(recorded);
        }
        for device in devices {
            self.interfaces.unplug(&device, &namespace).await?;
        }
        let device_id = device::device_id(&self.config.host, network_id);
        self.api.release_port(network_id, &device_id).await?;
        blocking(move || Ok(NetNs::delete_named(&namespace)?)).await?;
        apply::remove_dir(&dir)?;
        tracing::info!(network_id, "network is not served any more");
        Ok(())
    }
}

/// Makes the namespace. Its packet filter is looked at only while it has no device: that costs more
/// than all else that an agent does at a network that is right.
fn prepare_namespace(vif: &Vif) -> Result<(), InterfaceError> {
    let namespace = interface::ensure_namespace(&vif.namespace)?;
    if Netlink::open_in(&namespace)?.find_link(&vif.device)?.is_some() {
        return Ok(());
    }
    if let Err(error) = apply::fill_checksums(&namespace) {
        // Most clients do without.
        tracing::warn!(
            namespace = vif.namespace,
            error = with_causes(&error),
            "DHCP answers go without UDP checksums"
        );
    }
    Ok(())
}
