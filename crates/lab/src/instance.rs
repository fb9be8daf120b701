//! Instances: namespaces plugged into br-int exactly as Nova's os-vif plugs a virtual machine.
//!
//! A tap of a machine without hypervisor is one end of a veth pair; the other end is the
//! instance's `eth0`. Everything else is os-vif's: device names, external ids, the
//! tap-qbr-qvb-qvo chain when the binding asks for hybrid plugging.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;
use neutrino_linux::{NetNs, Netlink, ethtool, sysctl};
use serde::{Deserialize, Serialize};

use crate::control::InstanceStatus;
use crate::dhcp::{self, DhcpClient};
use crate::error::{Error, Result};
use crate::guest;
use crate::ovs::vsctl;

/// What to plug, all taken from the port and its network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSpec {
    /// Name, unique in the lab.
    pub name: String,
    /// UUID of the instance: the port's `device_id`.
    pub id: String,
    /// Port UUID.
    pub port_id: String,
    /// MAC of the port.
    pub mac: String,
    /// Fixed IPs with the prefix length of their subnets. Assigned statically unless a DHCP client
    /// serves their family or a router advertises them.
    pub addresses: Vec<IpNet>,
    /// Gateways of the subnets, likewise.
    pub gateways: Vec<IpAddr>,
    /// DHCP clients to run.
    pub clients: Vec<DhcpClient>,
    /// IPv6 addresses and gateways come from a router's advertisements.
    pub advertised: bool,
    /// MTU of the network in bytes.
    pub mtu: u32,
    /// Bridge to plug into: `vif_details.bridge_name`.
    pub bridge: String,
    /// `vif_details.datapath_type`.
    pub datapath_type: String,
    /// `vif_details.ovs_hybrid_plug`.
    pub hybrid: bool,
}

impl InstanceSpec {
    /// `prefix` and the first eleven characters of the port's id, as every Neutron device name.
    fn device(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.port_id.get(..11).unwrap_or(&self.port_id))
    }

    /// The device that is the port of the integration bridge.
    fn bridge_port(&self) -> String {
        self.device(if self.hybrid { "qvo" } else { "tap" })
    }

    /// Whether addresses of that family come by themselves.
    fn is_served(&self, ipv6: bool) -> bool {
        self.advertised && ipv6 || self.clients.iter().any(|client| client.serves(ipv6))
    }

    /// The port's MAC as bytes.
    fn mac_bytes(&self) -> Result<[u8; 6]> {
        let wrong = || Error::Usage(format!("{:?} is not a MAC address", self.mac));
        let bytes: Vec<u8> = self
            .mac
            .split(':')
            .map(|octet| u8::from_str_radix(octet, 16))
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| wrong())?;
        bytes.try_into().map_err(|_| wrong())
    }
}

/// The instances of this host.
#[derive(Default)]
pub(crate) struct Instances(BTreeMap<String, InstanceStatus>);

impl Instances {
    /// Every instance.
    pub(crate) fn status(&self) -> Vec<InstanceStatus> {
        self.0.values().cloned().collect()
    }

    /// Process ids of the instances.
    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.values().map(|instance| instance.pid)
    }

    /// Starts an instance and plugs it; what was made is undone when that fails.
    pub(crate) fn plug(&mut self, binary: &Path, spec: InstanceSpec) -> Result<()> {
        if self.0.contains_key(&spec.name) {
            return Err(Error::Usage(format!("instance {} exists already", spec.name)));
        }
        let mac = spec.mac_bytes()?;
        let pid = guest::start(binary, "instance-init", &spec.name)?;
        let name = spec.name.clone();
        self.0.insert(name.clone(), InstanceStatus { spec: spec.clone(), pid });
        let plugged = plug_devices(&spec, mac, pid)
            .and_then(|()| plug_bridge(&spec))
            .and_then(|()| spec.clients.iter().try_for_each(|client| dhcp::start(*client, pid)));
        if plugged.is_err()
            && let Err(error) = self.unplug(&name)
        {
            tracing::warn!(%error, instance = name, "clean-up after a failed plug failed too");
        }
        plugged
    }

    /// Stops an instance and removes every device of it.
    pub(crate) fn unplug(&mut self, name: &str) -> Result<()> {
        let instance = self
            .0
            .remove(name)
            .ok_or_else(|| Error::Usage(format!("no instance {name} on this host")))?;
        let spec = &instance.spec;
        let port = spec.bridge_port();
        let result = vsctl(["--if-exists", "del-port", &spec.bridge, &port]);
        let mut netlink = Netlink::open()?;
        // A veth goes with its peer, so each chain needs only one name per pair.
        for device in [spec.device("tap"), spec.device("qvo"), spec.device("qbr")] {
            match netlink.delete_link(&device) {
                Err(error) if !error.is_missing() => return Err(error.into()),
                _ => {}
            }
        }
        let pid = instance.pid.cast_signed();
        // SAFETY: the instance is our child and not reaped yet.
        unsafe {
            libc::kill(pid, libc::SIGKILL);
            libc::waitpid(pid, std::ptr::null_mut(), 0);
        }
        result
    }
}

/// Life of an instance: its own view of the system, then nothing but reaping.
pub(crate) fn init(name: &str) -> Result<()> {
    guest::init(name, dhcp::prepare)
}

/// Makes the devices between the instance and the bridge.
fn plug_devices(spec: &InstanceSpec, mac: [u8; 6], pid: u32) -> Result<()> {
    let namespace = NetNs::of_process(pid)?;
    let mut host = Netlink::open()?;
    let tap = spec.device("tap");
    let far = spec.device("vm-");
    host.add_veth(&tap, &far)?;
    sysctl::disable_ipv6(&tap)?;
    host.set_mtu(&tap, spec.mtu)?;
    // libvirt's choice: a tap has its instance's MAC with a first octet of fe.
    host.set_mac(&tap, [0xfe, mac[1], mac[2], mac[3], mac[4], mac[5]])?;
    host.move_to(&far, &namespace)?;
    host.set_up(&tap)?;
    if spec.hybrid {
        plug_hybrid(&mut host, spec, &tap)?;
    }

    let mut inner = Netlink::open_in(&namespace)?;
    inner.rename(&far, "eth0")?;
    inner.set_mac("eth0", mac)?;
    // With DHCP the MTU is the lease's business.
    if !spec.is_served(false) {
        inner.set_mtu("eth0", spec.mtu)?;
    }
    namespace.run(|| ethtool::disable_tx_offload("eth0"))?;
    inner.set_up("eth0")?;
    for address in spec.addresses.iter().filter(|a| !spec.is_served(a.addr().is_ipv6())) {
        inner.add_address("eth0", *address)?;
    }
    for gateway in spec.gateways.iter().filter(|gateway| !spec.is_served(gateway.is_ipv6())) {
        let default = match gateway {
            IpAddr::V4(_) => "0.0.0.0/0",
            IpAddr::V6(_) => "::/0",
        };
        if let Ok(default) = default.parse() {
            inner.add_route(default, *gateway)?;
        }
    }
    Ok(())
}

/// The bridge on which iptables filters, between the tap and Open vSwitch.
fn plug_hybrid(host: &mut Netlink, spec: &InstanceSpec, tap: &str) -> Result<()> {
    let [qbr, qvb, qvo] = ["qbr", "qvb", "qvo"].map(|prefix| spec.device(prefix));
    host.add_bridge(&qbr)?;
    sysctl::disable_ipv6(&qbr)?;
    for (parameter, value) in [("arp_ignore", "1"), ("arp_announce", "2")] {
        sysctl::set(&["net", "ipv4", "conf", &qbr, parameter], value)?;
    }
    let ageing = format!("/sys/class/net/{qbr}/bridge/ageing_time");
    std::fs::write(&ageing, "0").map_err(Error::io(format!("write {ageing}")))?;
    host.add_veth(&qvb, &qvo)?;
    for device in [&qvb, &qvo] {
        sysctl::disable_ipv6(device)?;
        host.set_mtu(device, spec.mtu)?;
        host.set_up(device)?;
    }
    host.set_master(&qvb, &qbr)?;
    host.set_master(tap, &qbr)?;
    host.set_up(&qbr)?;
    Ok(())
}

/// Makes the device a port of the integration bridge, with what the agent looks for.
fn plug_bridge(spec: &InstanceSpec) -> Result<()> {
    let port = spec.bridge_port();
    let datapath = format!("datapath_type={}", spec.datapath_type);
    let ids = [
        format!("external_ids:iface-id={}", spec.port_id),
        "external_ids:iface-status=active".to_owned(),
        format!("external_ids:attached-mac=\"{}\"", spec.mac),
        format!("external_ids:vm-uuid={}", spec.id),
    ];
    let bridge = spec.bridge.as_str();
    vsctl(["--may-exist", "add-br", bridge, "--", "set", "Bridge", bridge, &datapath])?;
    let add = ["--if-exists", "del-port", &port, "--", "add-port", bridge, &port, "--"];
    let set = ["set", "Interface", &port];
    vsctl(add.into_iter().chain(set).chain(ids.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_names_are_those_of_os_vif() {
        let mut spec = InstanceSpec {
            name: "vm".to_owned(),
            id: String::new(),
            port_id: "f8a0a272-2a3b-4c5d-8e9f-000000000001".to_owned(),
            mac: "fa:16:3e:00:00:01".to_owned(),
            addresses: Vec::new(),
            gateways: Vec::new(),
            clients: Vec::new(),
            advertised: false,
            mtu: 1450,
            bridge: "br-int".to_owned(),
            datapath_type: "netdev".to_owned(),
            hybrid: false,
        };
        assert_eq!(spec.bridge_port(), "tapf8a0a272-2a");
        spec.hybrid = true;
        assert_eq!(spec.bridge_port(), "qvof8a0a272-2a");
        assert_eq!(spec.mac_bytes().expect("mac"), [0xfa, 0x16, 0x3e, 0, 0, 1]);
        spec.mac = "fa:16".to_owned();
        assert!(spec.mac_bytes().is_err());
    }
}
