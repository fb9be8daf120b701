//! What a host looks like: everything the desired flows are a function of.
//!
//! Owns plain values that the agent fills in from OVSDB, the server's answers and l2population.
//! Knows no transport; a view serialises to JSON so that a case can be replayed as a test.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use neutrino_types::{MacAddr, NetworkType};
use serde::{Deserialize, Serialize};

/// An OpenFlow port number.
pub type OfPort = u32;

/// The whole host as seen at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostView {
    /// Behaviour switches.
    pub options: Options,
    /// br-tun's port to br-int; `None` when the host does no tunnelling.
    pub patch_int: Option<OfPort>,
    /// Physical network name to its bridge.
    pub physical: BTreeMap<String, PhysicalBridge>,
    /// Tunnel ports on br-tun.
    pub tunnel_ports: Vec<TunnelPort>,
    /// Networks present on this host.
    pub vlans: Vec<LocalVlan>,
    /// VIF ports on br-int that have an OpenFlow port number.
    pub ports: Vec<Port>,
}

/// Behaviour switches of the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// `[agent] l2_population`: remote MACs and flood lists come from the server.
    pub l2_population: bool,
    /// `[agent] arp_responder`, already combined with [`Options::l2_population`].
    pub arp_responder: bool,
    /// Whether tables 24 and 25 protect ports (the firewall driver does not do it itself).
    pub anti_spoof: bool,
}

/// A bridge of `bridge_mappings`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhysicalBridge {
    /// The bridge's name.
    pub bridge: String,
    /// `int-<bridge>` on br-int.
    pub int_ofport: OfPort,
    /// `phy-<bridge>` on the bridge.
    pub phys_ofport: OfPort,
}

/// A tunnel port on br-tun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TunnelPort {
    /// gre, vxlan or geneve.
    pub network_type: NetworkType,
    /// The other host.
    pub remote_ip: IpAddr,
    /// Its number on br-tun.
    pub ofport: OfPort,
}

/// The segment a port is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// `provider:network_type`.
    pub network_type: NetworkType,
    /// `provider:physical_network`, flat and vlan only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub physical_network: Option<String>,
    /// VLAN id, GRE key or VNI; none for flat and local.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segmentation_id: Option<u32>,
}

/// A network's place on this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalVlan {
    /// The network.
    pub network_id: String,
    /// VLAN id used inside br-int, 1..=4094.
    pub vlan: u16,
    /// Where the network's frames go outside br-int.
    pub segment: Segment,
    /// What l2population said about the segment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fdb: FdbTable,
}

/// What l2population said about one network: remote host to its entries.
pub type FdbTable = BTreeMap<IpAddr, FdbRemote>;

/// One remote host's part of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FdbRemote {
    /// Whether broadcasts are sent there (`FLOODING_ENTRY`).
    pub flood: bool,
    /// The ports behind it: MAC and address.
    pub entries: BTreeSet<(MacAddr, IpAddr)>,
}

/// A VIF port on br-int.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Neutron port id (`iface-id`).
    pub id: String,
    /// Its number on br-int.
    pub ofport: OfPort,
    /// `attached-mac`.
    pub mac: MacAddr,
    /// Unknown to the server or administratively down: isolated on the dead VLAN.
    #[serde(default)]
    pub dead: bool,
    /// `port_security_enabled`.
    #[serde(default)]
    pub port_security: bool,
    /// `device_owner`.
    #[serde(default)]
    pub device_owner: String,
    /// Fixed IPs and allowed pairs' addresses, masks kept.
    #[serde(default)]
    pub addresses: BTreeSet<IpNet>,
    /// MACs of the allowed pairs.
    #[serde(default)]
    pub extra_macs: BTreeSet<MacAddr>,
}

impl HostView {
    /// The local VLANs carried in tunnels of `network_type`.
    pub fn vlans_of(&self, network_type: NetworkType) -> impl Iterator<Item = &LocalVlan> {
        self.vlans.iter().filter(move |v| v.segment.network_type == network_type)
    }

    /// The br-tun port to `remote` for networks of `network_type`.
    #[must_use]
    pub fn tunnel_ofport(&self, network_type: NetworkType, remote: IpAddr) -> Option<OfPort> {
        self.tunnel_ports
            .iter()
            .find(|t| t.network_type == network_type && t.remote_ip == remote)
            .map(|t| t.ofport)
    }
}
