//! What a namespace holds.

use std::collections::BTreeMap;

use ipnet::IpNet;
use neutrino_types::MacAddr;

use crate::iptables::Saved;

use super::desired::{Neighbour, Route, Rule};

/// A namespace as it is. The default is one that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Whether there is one.
    pub exists: bool,
    /// Path below `/proc/sys` to value, of those that are asked for; what cannot be read is missing.
    pub sysctls: BTreeMap<String, String>,
    /// All devices.
    pub devices: Vec<ObservedDevice>,
    /// Routes that an agent or a person made, of all tables but `local`: neither the kernel's own
    /// nor those learnt from router advertisements. Every hop has its device.
    pub routes: Vec<Route>,
    /// Rules besides the kernel's own three, of both IP versions.
    pub rules: Vec<Rule>,
    /// Permanent neighbours.
    pub neighbours: Vec<Neighbour>,
    /// Packet filter of IPv4.
    pub iptables_v4: Saved,
    /// Packet filter of IPv6.
    pub iptables_v6: Saved,
    /// Configuration of the radvd that runs for it.
    pub radvd: Option<String>,
    /// Whether the metadata proxy listens in it.
    pub proxied: bool,
}

/// A device as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedDevice {
    /// Its name.
    pub name: String,
    /// MAC.
    pub mac: MacAddr,
    /// MTU in bytes.
    pub mtu: u32,
    /// Whether it is up.
    pub up: bool,
    /// Its permanent addresses: none learnt from router advertisements.
    pub addresses: Vec<IpNet>,
}
