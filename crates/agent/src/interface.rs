//! Devices of agents' own ports: plugged into the integration bridge, used inside a namespace
//! (Neutron's OVS interface driver).
//!
//! An internal port is a device that ovs-vswitchd makes in its own namespace; it is then moved.
//! With the datapath in user space it vanishes when ovs-vswitchd ends and comes back, in
//! ovs-vswitchd's namespace, when it starts again: [`Interfaces::plug`] puts it back.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use ipnet::IpNet;
use neutrino_dataplane::names::{NAMESPACE_END_PREFIX, TAP_PREFIX, vif_device};
use neutrino_linux::{NetNs, Netlink, Route, ethtool, sysctl};
use neutrino_ovsdb::{InterfaceSpec, OvsdbClient, OvsdbError, PortSpec, Txn};
use neutrino_types::{MacAddr, constants::DEAD_VLAN};
use tokio::{task, time::Instant};

/// How long ovs-vswitchd may take to make a device.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between looks for a device that ovs-vswitchd is making.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A device could not be made, set up or removed.
#[derive(Debug, thiserror::Error)]
pub enum InterfaceError {
    /// The kernel.
    #[error(transparent)]
    Linux(#[from] neutrino_linux::Error),
    /// Open vSwitch's database.
    #[error("writing to Open vSwitch's database")]
    Ovsdb(#[from] OvsdbError),
    /// ovs-vswitchd made no device.
    #[error("ovs-vswitchd has not made the device {0}")]
    NoDevice(String),
    /// The namespace is not there.
    #[error("there is no network namespace {0}")]
    NoNamespace(String),
    /// The runtime stops.
    #[error("the agent stops")]
    Stopping,
}

/// Result of this module's functions.
pub type Result<T> = std::result::Result<T, InterfaceError>;

/// Whether `interface_driver` names the driver of this module.
#[must_use]
pub fn knows_driver(name: &str) -> bool {
    // The second is the class that the name stands for in Neutron.
    ["openvswitch", "neutron.agent.linux.interface.OVSInterfaceDriver"].contains(&name)
}

/// Runs kernel calls beside the runtime's own threads.
///
/// # Errors
/// What `job` returns.
pub async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    task::spawn_blocking(job).await.unwrap_or(Err(InterfaceError::Stopping))
}

/// An agent's port to plug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vif {
    /// The port.
    pub port_id: String,
    /// Its MAC.
    pub mac: MacAddr,
    /// Name of the device in the namespace, see [`Interfaces::device`].
    pub device: String,
    /// The namespace, which must exist.
    pub namespace: String,
    /// Bytes; 0 leaves it as it is.
    pub mtu: u32,
}

/// How agents plug devices on this host.
#[derive(Clone, Debug)]
pub struct Interfaces {
    /// Open vSwitch's database.
    pub ovsdb: OvsdbClient,
    /// The integration bridge.
    pub bridge: String,
    /// `ovs_use_veth`: a veth pair instead of an internal port.
    pub veth: bool,
    /// The datapath is in user space and reads raw packets.
    pub netdev: bool,
}

impl Interfaces {
    /// Name of the device of a port inside its namespace.
    #[must_use]
    pub fn device(&self, port_id: &str) -> String {
        vif_device(if self.veth { NAMESPACE_END_PREFIX } else { TAP_PREFIX }, port_id)
    }

    /// The bridge's end of `device`: itself, or of a veth pair the one named as an instance's.
    #[must_use]
    pub fn bridge_end(&self, device: &str) -> String {
        match device.split_once('-') {
            Some((_, port)) if self.veth => format!("{TAP_PREFIX}{port}"),
            _ => device.to_string(),
        }
    }

    /// Whether the bridge has `vif`'s device as a port, and of this `vif`.
    #[must_use]
    pub fn is_plugged(&self, vif: &Vif) -> bool {
        let replica = self.ovsdb.replica();
        let name = self.bridge_end(&vif.device);
        let on_bridge = replica.bridge(&self.bridge).is_some_and(|bridge| {
            let port = replica.port(&name).map(|port| port.id);
            port.is_some_and(|id| bridge.column("ports").uuids().any(|found| found == id))
        });
        let ids = replica.interface(&name).map(|i| i.column("external_ids").pairs());
        let mac = vif.mac.to_string();
        on_bridge
            && ids.is_some_and(|ids| {
                ids.get("iface-id") == Some(&vif.port_id) && ids.get("attached-mac") == Some(&mac)
            })
    }

    /// Plugs `vif`: afterwards its device is up in its namespace and a port of the bridge, on the
    /// dead VLAN until the L2 agent binds it. What is right already stays.
    ///
    /// # Errors
    /// The bridge is missing, ovs-vswitchd makes no device, or the kernel refuses.
    pub async fn plug(&self, vif: &Vif) -> Result<()> {
        self.plug_all(std::slice::from_ref(vif)).await
    }

    /// As [`Interfaces::plug`] for several at a time, for which Open vSwitch is asked once.
    ///
    /// # Errors
    /// As [`Interfaces::plug`]; others may have been plugged then.
    pub async fn plug_all(&self, vifs: &[Vif]) -> Result<()> {
        if self.veth {
            let ends: Vec<(Vif, String)> =
                vifs.iter().map(|vif| (vif.clone(), self.bridge_end(&vif.device))).collect();
            let netdev = self.netdev;
            blocking(move || {
                ends.iter().try_for_each(|(vif, near)| ensure_veth(vif, near, netdev))
            })
            .await?;
        }
        let unplugged: Vec<Vif> =
            vifs.iter().filter(|vif| !self.is_plugged(vif)).cloned().collect();
        if !unplugged.is_empty() {
            self.replace_ports(&unplugged).await?;
        }
        if !self.veth {
            for vif in vifs {
                self.await_device(vif).await?;
            }
        }
        let vifs = vifs.to_vec();
        blocking(move || vifs.iter().try_for_each(settle)).await
    }

    /// Removes ports of those names and adds the wanted ones, in two transactions: in one the
    /// database would see no change of the interface.
    async fn replace_ports(&self, vifs: &[Vif]) -> Result<()> {
        let names: Vec<String> = vifs.iter().map(|vif| self.bridge_end(&vif.device)).collect();
        self.remove_ports(names.clone()).await?;
        let replica = self.ovsdb.replica();
        let mut txn = Txn::new(&replica);
        for (vif, name) in vifs.iter().zip(&names) {
            txn.add_port(&self.bridge, &self.port(vif, name))?;
        }
        self.ovsdb.transact_applied(txn, PATIENCE).await?;
        Ok(())
    }

    /// The port called `name` as it is before the L2 agent binds it.
    fn port(&self, vif: &Vif, name: &str) -> PortSpec {
        let mac = vif.mac.to_string();
        let ids = [("iface-id", vif.port_id.as_str()), ("iface-status", "active")];
        let ids = ids.into_iter().chain([("attached-mac", mac.as_str())]);
        let interface = InterfaceSpec {
            kind: if self.veth { String::new() } else { "internal".into() },
            external_ids: ids.map(|(k, v)| (k.to_string(), v.to_string())).collect(),
            ..InterfaceSpec::default()
        };
        PortSpec {
            name: name.to_string(),
            interface,
            tag: Some(DEAD_VLAN),
            vlan_mode: Some("trunk".into()),
            trunks: vec![DEAD_VLAN],
            ..PortSpec::default()
        }
    }

    /// Removes those of these ports that Open vSwitch has.
    ///
    /// # Errors
    /// Open vSwitch's database refuses.
    pub async fn remove_ports(&self, mut names: Vec<String>) -> Result<()> {
        let replica = self.ovsdb.replica();
        names.retain(|name| replica.port(name).is_some());
        if names.is_empty() {
            return Ok(());
        }
        let mut txn = Txn::new(&replica);
        names.iter().for_each(|name| txn.del_port(name));
        self.ovsdb.transact_applied(txn, PATIENCE).await?;
        Ok(())
    }

    /// Waits until ovs-vswitchd has made the device and moves it, unless it is there already.
    async fn await_device(&self, vif: &Vif) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let wanted = vif.clone();
            if blocking(move || move_in(&wanted)).await? {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(InterfaceError::NoDevice(vif.device.clone()));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Takes `device` off the bridge and out of the world; gone already is fine.
    ///
    /// # Errors
    /// Open vSwitch's database or the kernel refuses.
    pub async fn unplug(&self, device: &str, namespace: &str) -> Result<()> {
        self.unplug_all(vec![device.to_string()], namespace).await
    }

    /// As [`Interfaces::unplug`] for several at a time, for which Open vSwitch is asked once.
    ///
    /// # Errors
    /// As [`Interfaces::unplug`].
    pub async fn unplug_all(&self, devices: Vec<String>, namespace: &str) -> Result<()> {
        let names: Vec<String> = devices.iter().map(|device| self.bridge_end(device)).collect();
        self.remove_ports(names).await?;
        let namespace = namespace.to_string();
        blocking(move || {
            let Some(namespace) = NetNs::named(&namespace)? else { return Ok(()) };
            let mut netlink = Netlink::open_in(&namespace)?;
            for device in devices {
                // An internal port's device went with the port.
                match netlink.delete_link(&device) {
                    Err(error) if !error.is_missing() => return Err(error.into()),
                    _ => {}
                }
            }
            Ok(())
        })
        .await
    }
}

fn named(namespace: &str) -> Result<NetNs> {
    NetNs::named(namespace)?.ok_or_else(|| InterfaceError::NoNamespace(namespace.to_string()))
}

/// Moves an internal port's device into its namespace. Answers whether it is there.
fn move_in(vif: &Vif) -> Result<bool> {
    let namespace = named(&vif.namespace)?;
    let mut inside = Netlink::open_in(&namespace)?;
    let mut outside = Netlink::open()?;
    if outside.find_link(&vif.device)?.is_none() {
        return Ok(inside.find_link(&vif.device)?.is_some());
    }
    // What is inside is of an earlier ovs-vswitchd, if anything is.
    if inside.find_link(&vif.device)?.is_some() {
        inside.delete_link(&vif.device)?;
    }
    outside.set_mac(&vif.device, vif.mac.0)?;
    outside.move_to(&vif.device, &namespace)?;
    Ok(true)
}

/// Makes the veth pair, its far end in the namespace.
fn ensure_veth(vif: &Vif, near: &str, netdev: bool) -> Result<()> {
    let namespace = named(&vif.namespace)?;
    let mut inside = Netlink::open_in(&namespace)?;
    let mut outside = Netlink::open()?;
    let whole = outside.find_link(near)?.is_some() && inside.find_link(&vif.device)?.is_some();
    if !whole {
        if outside.find_link(near)?.is_some() {
            outside.delete_link(near)?;
        }
        outside.add_veth(near, &vif.device)?;
        outside.set_mac(&vif.device, vif.mac.0)?;
        outside.move_to(&vif.device, &namespace)?;
        sysctl::disable_ipv6(near)?;
        if netdev {
            namespace.run(|| ethtool::disable_tx_offload(&vif.device))?;
        }
    }
    if vif.mtu > 0 {
        outside.set_mtu(near, vif.mtu)?;
    }
    Ok(outside.set_up(near)?)
}

/// MAC, MTU and state of a device inside its namespace. The MTU comes after the move: Open vSwitch
/// would hold it down to the smallest of the bridge's other ports.
fn settle(vif: &Vif) -> Result<()> {
    let mut inside = Netlink::open_in(&named(&vif.namespace)?)?;
    let link = inside.link(&vif.device)?;
    if link.mac != vif.mac.0 {
        inside.set_mac(&vif.device, vif.mac.0)?;
    }
    if vif.mtu > 0 && link.mtu != vif.mtu {
        inside.set_mtu(&vif.device, vif.mtu)?;
    }
    if !link.up {
        inside.set_up(&vif.device)?;
    }
    Ok(())
}

/// Whether the host speaks IPv6.
#[must_use]
pub fn ipv6_enabled() -> bool {
    std::fs::read_to_string("/proc/sys/net/ipv6/conf/default/disable_ipv6")
        .is_ok_and(|text| text.trim() == "0")
}

/// Makes a namespace whose devices take no addresses from router advertisements and use those they
/// have without asking around, and whose processes may listen on addresses that are still to come.
///
/// # Errors
/// The kernel refuses the namespace.
pub fn ensure_namespace(name: &str) -> Result<NetNs> {
    let namespace = NetNs::add_named(name)?;
    let nonlocal = || sysctl::set(&["net", "ipv4", "ip_nonlocal_bind"], "1");
    if namespace.run(nonlocal).is_err() {
        // Kernels before 4.x have it for the whole host only.
        nonlocal()?;
    }
    if ipv6_enabled() {
        // Who has which address is the server's to say. The port of a host that is dead comes here
        // with its MAC: the kernel would not use a link-local address that the dead host has still.
        for name in ["accept_ra", "accept_dad"] {
            namespace.run(|| sysctl::set(&["net", "ipv6", "conf", "default", name], "0"))?;
        }
    }
    Ok(namespace)
}

/// What a device's layer 3 looks like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layer3 {
    /// Addresses, the automatic link-local one left out.
    pub addresses: Vec<IpNet>,
    /// Default routes through the device.
    pub gateways: Vec<IpAddr>,
}

/// Reads addresses and default routes of `device`.
///
/// # Errors
/// There is no such device, or the kernel refuses.
pub fn layer3(netlink: &mut Netlink, device: &str) -> Result<Layer3> {
    let link = netlink.link(device)?;
    let automatic = IpAddr::V6(MacAddr(link.mac).link_local());
    let addresses = netlink.addresses()?.into_iter().filter(|a| a.index == link.index);
    let addresses = addresses.map(|a| a.net).filter(|net| net.addr() != automatic).collect();
    let gateways = defaults(netlink, link.index)?.iter().filter_map(Route::gateway).collect();
    Ok(Layer3 { addresses, gateways })
}

fn defaults(netlink: &mut Netlink, device: u32) -> Result<Vec<Route>> {
    let routes = netlink.routes()?;
    Ok(routes
        .into_iter()
        .filter(|r| r.destination.prefix_len() == 0 && r.device() == Some(device) && r.is_static)
        .collect())
}

/// Gives `device` exactly `wanted` addresses, beside the automatic link-local one. What it has
/// already is not touched.
///
/// # Errors
/// There is no such device, or the kernel refuses.
pub fn init_l3(netlink: &mut Netlink, device: &str, wanted: &[IpNet]) -> Result<()> {
    let has = layer3(netlink, device)?.addresses;
    for net in has.iter().filter(|net| !wanted.contains(net)) {
        netlink.delete_address(device, *net)?;
    }
    for net in wanted.iter().filter(|net| !has.contains(net)) {
        netlink.add_address(device, *net)?;
    }
    Ok(())
}

/// Gives a namespace the default route of one family through `gateway` on `device`, or none.
/// `on_link` says that the gateway is outside the device's subnets.
///
/// # Errors
/// There is no such device, or the kernel refuses.
pub fn set_gateway(
    netlink: &mut Netlink,
    device: &str,
    v6: bool,
    gateway: Option<(IpAddr, bool)>,
) -> Result<()> {
    let index = netlink.link(device)?.index;
    let of_family = |route: &Route| route.destination.addr().is_ipv6() == v6;
    let has: Vec<Route> = defaults(netlink, index)?.into_iter().filter(of_family).collect();
    let wanted = gateway.map(|(ip, _)| ip);
    for route in has.iter().filter(|route| route.gateway() != wanted) {
        netlink.delete_route(route)?;
        // The way to a gateway outside the subnets goes with it.
        let old = route.gateway().map(IpNet::from);
        let routes = netlink.routes()?;
        let on_link = routes.iter().find(|r| Some(r.destination) == old && r.gateway().is_none());
        if let Some(on_link) = on_link.filter(|r| r.is_static) {
            netlink.delete_route(on_link)?;
        }
    }
    if let Some((ip, on_link)) = gateway
        && !has.iter().any(|route| route.gateway() == Some(ip))
    {
        if on_link {
            netlink.add_on_link_route(IpNet::from(ip), device)?;
        }
        let everything = if v6 {
            IpNet::from(IpAddr::V6(Ipv6Addr::UNSPECIFIED))
        } else {
            IpNet::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
        };
        let default = IpNet::new_assert(everything.addr(), 0);
        netlink.add_route(default, ip)?;
    }
    Ok(())
}
