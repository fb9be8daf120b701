//! What a namespace shall hold.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use neutrino_types::MacAddr;
use serde::{Deserialize, Serialize};

use crate::{firewall::Ethertype, iptables::Tables};

/// The kernel's table of ordinary routes.
pub const MAIN_TABLE: u32 = 254;

/// Table of the routes of floating IPs in a router's namespace.
pub const FIP_TABLE: u32 = 16;

/// A namespace as it shall be. What is not named here and bears one of the agent's names is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Kernel parameters of the whole namespace, in the order they are to be set.
    pub sysctls: Vec<Sysctl>,
    /// Devices with their addresses.
    pub devices: Vec<Device>,
    /// Routes besides those the kernel makes for addresses.
    pub routes: Vec<Route>,
    /// Rules that choose routing tables, besides the kernel's own three.
    pub rules: Vec<Rule>,
    /// Permanent neighbours.
    pub neighbours: Vec<Neighbour>,
    /// Packet filter of IPv4.
    pub iptables_v4: Tables,
    /// Packet filter of IPv6; none when the host does not speak it.
    pub iptables_v6: Option<Tables>,
    /// radvd's configuration; none when nothing is advertised.
    pub radvd: Option<String>,
    /// Whether the metadata proxy listens in it.
    pub proxied: bool,
    /// Addresses that others must hear of when they are new here.
    pub announcements: Vec<Announcement>,
}

/// A kernel parameter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sysctl {
    /// Path below `/proc/sys`: `net/ipv4/ip_forward`.
    pub path: String,
    /// Value as the kernel prints it, without the end of the line.
    pub value: String,
}

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// How it is made.
    pub kind: DeviceKind,
    /// MAC.
    pub mac: MacAddr,
    /// MTU in bytes; none leaves it as it is.
    pub mtu: Option<u32>,
    /// Its addresses, in order. Link-local IPv6 addresses the kernel made stay besides them.
    pub addresses: Vec<IpNet>,
    /// Kernel parameters of the device, set once it is there.
    pub sysctls: Vec<Sysctl>,
}

/// How a device is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// Plugged into br-int for a port of Neutron.
    Port {
        /// The port.
        port_id: String,
    },
    /// An end of a veth pair. Both ends are named by the namespaces they are in; whichever
    /// namespace is set up first makes the pair, and the other one must exist by then.
    Veth {
        /// Name of the other end.
        peer: String,
        /// Namespace of the other end.
        peer_namespace: String,
    },
}

/// A route. Those of one destination in one table are one, with several hops, in IPv6 too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Route {
    /// Routing table, e.g. [`MAIN_TABLE`].
    pub table: u32,
    /// Where to, without host bits; prefix length 0 is the default route.
    pub destination: IpNet,
    /// Next hops, sorted; several share the traffic.
    pub hops: Vec<Hop>,
}

/// A next hop.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hop {
    /// Through whom; none when the destination is on the link (scope `link`).
    pub gateway: Option<IpAddr>,
    /// Device.
    pub device: String,
}

/// A rule that chooses a routing table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// IP version.
    pub family: Ethertype,
    /// Its place: lower numbers are asked first.
    pub priority: u32,
    /// Of packets from here; prefix length is significant, host bits are kept. None is anywhere.
    pub from: Option<IpNet>,
    /// Of packets that came in by this device.
    pub iif: Option<String>,
    /// The table.
    pub table: u32,
}

impl Rule {
    /// Whether it is one of those that routers have: into the table of floating IPs, or into a table
    /// that has the rule's own number. Others are somebody else's and stay.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.table == FIP_TABLE || self.table == self.priority
    }
}

/// A permanent neighbour.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Neighbour {
    /// Device.
    pub device: String,
    /// Address.
    pub ip: IpAddr,
    /// MAC.
    pub mac: MacAddr,
}

/// An address that is announced by gratuitous ARP.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Announcement {
    /// Device it is announced on.
    pub device: String,
    /// The address.
    pub ip: Ipv4Addr,
}
