//! What a host looks like: everything the desired flows are a function of.
//!
//! Owns plain values that the agent fills in from OVSDB, the server's answers and l2population.
//! Knows no transport; a view serialises to JSON so that a case can be replayed as a test.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use neutrino_types::{MacAddr, NetworkType, constants::device_owner};
use serde::{Deserialize, Serialize};

use crate::firewall::{Driver, SecurityGroups};

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
    /// br-int's port to br-tun, likewise.
    pub patch_tun: Option<OfPort>,
    /// Physical network name to its bridge.
    pub physical: BTreeMap<String, PhysicalBridge>,
    /// Tunnel ports on br-tun.
    pub tunnel_ports: Vec<TunnelPort>,
    /// Networks present on this host.
    pub vlans: Vec<LocalVlan>,
    /// VIF ports on br-int that have an OpenFlow port number.
    pub ports: Vec<Port>,
    /// Rules of the ports' groups and members of the remote groups those name.
    pub security_groups: SecurityGroups,
    /// Distributed routing; none when the host takes no part in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dvr: Option<Dvr>,
}

/// What distributed routing depends on besides the ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dvr {
    /// Under which this host's routers send to other hosts.
    pub mac: MacAddr,
    /// The same of the other hosts.
    #[serde(default)]
    pub host_macs: BTreeSet<MacAddr>,
    /// Subnets that routers of this host are on.
    #[serde(default)]
    pub subnets: Vec<DvrSubnet>,
}

/// A subnet that routers of this host are on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DvrSubnet {
    /// Local VLAN of its network.
    pub vlan: u16,
    /// Its addresses. Those of two subnets of a network never overlap, so a port is on the subnet
    /// if it has an address of it.
    pub cidr: IpNet,
    /// The gateway of the subnet's ports.
    #[serde(default)]
    pub gateway_ip: Option<IpAddr>,
    /// MAC of the port with that address, as the server says.
    pub gateway_mac: MacAddr,
}

/// Behaviour switches of the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// `[agent] l2_population`: remote MACs and flood lists come from the server.
    pub l2_population: bool,
    /// `[agent] arp_responder`, already combined with [`Options::l2_population`].
    pub arp_responder: bool,
    /// `[securitygroup] firewall_driver`: who filters the ports' traffic.
    pub firewall: Driver,
    /// `[agent] explicitly_egress_direct`: accepted egress is sent to its port or patch port, not
    /// to NORMAL.
    pub explicitly_egress_direct: bool,
    /// The datapath is in user space (`[ovs] datapath_type` is `netdev`): its connection tracker
    /// hands on fragments one by one, the kernel's the packet they were put together to.
    pub userspace_datapath: bool,
    /// `[securitygroup] permitted_ethertypes`: EtherTypes no firewall looks into.
    pub permitted_ethertypes: BTreeSet<u16>,
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
    /// Its device on br-int: `tap...`, or `qvo...` when plugged through a Linux bridge.
    #[serde(default)]
    pub device: String,
    /// Its number on br-int.
    pub ofport: OfPort,
    /// `attached-mac`.
    pub mac: MacAddr,
    /// Unknown to the server or administratively down: isolated on the dead VLAN.
    #[serde(default)]
    pub dead: bool,
    /// Its network.
    #[serde(default)]
    pub network_id: String,
    /// The network's local VLAN, 1..=4094; none while it has none here.
    #[serde(default)]
    pub vlan: Option<u16>,
    /// `port_security_enabled`.
    #[serde(default)]
    pub port_security: bool,
    /// `device_owner`.
    #[serde(default)]
    pub device_owner: String,
    /// Its own addresses.
    #[serde(default)]
    pub fixed_ips: BTreeSet<IpAddr>,
    /// `allowed_address_pairs`, masks kept.
    #[serde(default)]
    pub allowed_pairs: BTreeSet<(MacAddr, IpNet)>,
    /// Its security groups (keys of [`SecurityGroups::groups`]).
    #[serde(default)]
    pub security_groups: BTreeSet<String>,
}

impl Port {
    /// Whether the port may only send what is its own and receive what its groups allow: port
    /// security is on and no service of Neutron owns it.
    #[must_use]
    pub fn protected(&self) -> bool {
        self.port_security && !self.of_network_service()
    }

    /// Whether a service of Neutron owns the port.
    #[must_use]
    pub fn of_network_service(&self) -> bool {
        self.device_owner.starts_with(device_owner::NETWORK_PREFIX)
    }

    /// MACs it may send from: its own first, then those of its allowed pairs, each once.
    #[must_use]
    pub fn macs(&self) -> Vec<MacAddr> {
        let others: BTreeSet<MacAddr> = self.allowed_pairs.iter().map(|(mac, _)| *mac).collect();
        std::iter::once(self.mac).chain(others.into_iter().filter(|mac| *mac != self.mac)).collect()
    }

    /// Addresses it may send from with whichever of its MACs.
    #[must_use]
    pub fn addresses(&self) -> BTreeSet<IpNet> {
        self.pairs().into_iter().map(|(_, net)| net).collect()
    }

    /// Which address goes with which MAC: fixed IPs with the port's own, and the allowed pairs.
    #[must_use]
    pub fn pairs(&self) -> BTreeSet<(MacAddr, IpNet)> {
        let own = self.fixed_ips.iter().map(|ip| (self.mac, IpNet::from(*ip)));
        own.chain(self.allowed_pairs.iter().map(|(mac, net)| (*mac, net.trunc()))).collect()
    }
}

impl HostView {
    /// Whether all that a firewall outside the switch depends on, and connections do, is the same.
    #[must_use]
    pub fn filters_as(&self, other: &Self) -> bool {
        self.options == other.options
            && self.ports == other.ports
            && self.security_groups == other.security_groups
    }

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
