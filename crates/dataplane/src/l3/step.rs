//! One change of a namespace.

use std::net::Ipv4Addr;

use ipnet::IpNet;
use neutrino_types::MacAddr;
use serde::{Deserialize, Serialize};

use crate::firewall::Ethertype;

use super::desired::{Announcement, Device, Neighbour, Route, Rule, Sysctl};

/// One change of a namespace. Steps are carried out in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Makes the namespace, with its loopback device up.
    CreateNamespace,
    /// Sets a kernel parameter. One the kernel does not know is no error.
    SetSysctl(Sysctl),
    /// Makes a device with its MAC and MTU and sets it up; addresses and parameters have steps of
    /// their own.
    AddDevice(Device),
    /// Changes a MAC.
    SetMac {
        /// Device.
        device: String,
        /// MAC.
        mac: MacAddr,
    },
    /// Changes an MTU.
    SetMtu {
        /// Device.
        device: String,
        /// Bytes.
        mtu: u32,
    },
    /// Sets a device up.
    SetUp {
        /// Device.
        device: String,
    },
    /// Adds an address.
    AddAddress {
        /// Device.
        device: String,
        /// Address and prefix.
        address: IpNet,
    },
    /// Adds a route, or changes the one to the same destination in the same table.
    ReplaceRoute(Route),
    /// Removes a route.
    DeleteRoute(Route),
    /// Adds a rule.
    AddRule(Rule),
    /// Removes a rule.
    DeleteRule(Rule),
    /// Adds or changes a permanent neighbour.
    SetNeighbour(Neighbour),
    /// Removes a permanent neighbour.
    DeleteNeighbour(Neighbour),
    /// Changes the packet filter: input of `iptables-restore --noflush`.
    Restore {
        /// IP version.
        family: Ethertype,
        /// Commands.
        commands: String,
    },
    /// Removes an address.
    DeleteAddress {
        /// Device.
        device: String,
        /// Address and prefix.
        address: IpNet,
    },
    /// Forgets tracked connections.
    DeleteConntrack(Connections),
    /// Removes a device, from Open vSwitch too.
    DeleteDevice {
        /// Device.
        device: String,
    },
    /// Starts radvd with this configuration, or makes a running one read it; none stops it.
    Radvd(Option<String>),
    /// Starts or stops the metadata proxy.
    Proxy(bool),
    /// Announces an address by gratuitous ARP.
    Announce(Announcement),
    /// Removes the namespace.
    DeleteNamespace,
}

/// Tracked connections whose translation is gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Connections {
    /// Translated address: connections to it, and connections whose answers come to it.
    pub address: Ipv4Addr,
    /// Only connections of this protocol to these ports (first, last) of it.
    pub port: Option<(u8, u16, u16)>,
}
