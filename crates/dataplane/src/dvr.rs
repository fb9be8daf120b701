//! What distributed routing adds to the flows of the bridges (Neutron's `OVSDVRNeutronAgent`).
//!
//! A distributed router is on every host, with the same MAC and address on each subnet. So that a
//! network sees that MAC in one place, what its router sends leaves a host under the host's own
//! MAC (table 1 of the outer bridges) and gets the router's MAC back where it arrives (tables 1, 2
//! and 60 of br-int); what is meant for the router, and what announces it, does not leave.
//!
//! Where Neutron lets the last one written win, the answer here does not depend on an order: of
//! several routers of a subnet the gateway comes first, then the least address; of several ports
//! that use a MAC the one whose own it is, then the least id.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
};

use ipnet::IpNet;
use neutrino_openflow::{Action, Flow, Match, matching::proto};
use neutrino_types::{MacAddr, NetworkType, constants::device_owner};

use crate::{
    firewall::openflow::Outer,
    tables::{
        dvr,
        int::{self, priority},
        phys, tun,
    },
    view::{Dvr, DvrSubnet, HostView, LocalVlan, OfPort, Port},
};

/// `arp_op` of an answer.
const ARP_REPLY: u16 = 2;
/// ICMPv6 type of a router advertisement.
const ND_ROUTER_ADVERT: u8 = 134;

/// A subnet of a distributed router on this host.
struct Routed<'a> {
    vlan: &'a LocalVlan,
    /// Ports of distributed routers with their address on the subnet, the gateway's first.
    interfaces: Vec<(&'a Port, IpAddr)>,
    /// Under which the subnet's ports know what comes from other subnets.
    gateway_mac: MacAddr,
    /// Who here receives what routers of other hosts send to which MAC.
    receivers: BTreeMap<MacAddr, OfPort>,
}

/// The subnets by network, IPv4 first.
fn routed(view: &HostView) -> Vec<Routed<'_>> {
    let Some(dvr) = &view.dvr else { return Vec::new() };
    let vlans: BTreeMap<u16, &LocalVlan> = view.vlans.iter().map(|v| (v.vlan, v)).collect();
    let mut ports: BTreeMap<u16, Vec<&Port>> = BTreeMap::new();
    for port in view.ports.iter().filter(|port| !port.dead) {
        if let Some(vlan) = port.vlan {
            ports.entry(vlan).or_default().push(port);
        }
    }
    let mut subnets: Vec<&DvrSubnet> = dvr.subnets.iter().collect();
    subnets.sort_unstable_by_key(|subnet| (subnet.vlan, subnet.cidr));
    let routed = subnets.into_iter().filter_map(|subnet| {
        let vlan = *vlans.get(&subnet.vlan)?;
        Some(Routed::of(subnet, vlan, ports.get(&subnet.vlan)?))
    });
    routed.collect()
}

impl<'a> Routed<'a> {
    fn of(subnet: &DvrSubnet, vlan: &'a LocalVlan, ports: &[&'a Port]) -> Self {
        let address = |port: &Port| port.fixed_ips.iter().copied().find(|ip| subnet.has(*ip));
        let mut interfaces: Vec<(&Port, IpAddr)> = ports
            .iter()
            .filter(|port| port.device_owner == device_owner::DVR_INTERFACE)
            .filter_map(|port| Some((*port, address(port)?)))
            .collect();
        interfaces.sort_unstable_by_key(|(_, ip)| (Some(*ip) != subnet.gateway_ip, *ip));
        let mut receivers = BTreeMap::new();
        let mut pairs: BTreeMap<MacAddr, (&str, OfPort)> = BTreeMap::new();
        for port in ports.iter().filter(|port| address(port).is_some()) {
            let serviced =
                !interfaces.is_empty() && device_owner::is_dvr_serviced(&port.device_owner);
            if serviced || port.device_owner == device_owner::ROUTER_SNAT {
                receivers.insert(port.mac, port.ofport);
            }
            if serviced {
                for (mac, _) in port.allowed_pairs.iter().filter(|(_, net)| subnet.has_host(net)) {
                    let offer = (port.id.as_str(), port.ofport);
                    let best = pairs.entry(*mac).or_insert(offer);
                    *best = offer.min(*best);
                }
            }
        }
        for (mac, (_, ofport)) in pairs {
            receivers.entry(mac).or_insert(ofport);
        }
        let gateway_mac = interfaces.first().map_or(subnet.gateway_mac, |(port, _)| port.mac);
        Self { vlan, interfaces, gateway_mac, receivers }
    }

    fn network_type(&self) -> NetworkType {
        self.vlan.segment.network_type
    }
}

impl DvrSubnet {
    fn has(&self, ip: IpAddr) -> bool {
        self.cidr.contains(&ip)
    }

    /// Whether `net` is one address of the subnet.
    fn has_host(&self, net: &IpNet) -> bool {
        net.prefix_len() == net.max_prefix_len() && self.has(net.addr())
    }
}

/// The first of flows that match the same.
fn first_of_each(flows: Vec<Flow>) -> Vec<Flow> {
    let mut seen = HashSet::new();
    flows.into_iter().filter(|flow| seen.insert(flow.key())).collect()
}

/// What distributed routing adds to br-int.
pub fn int_flows(view: &HostView) -> Vec<Flow> {
    let Some(dvr) = &view.dvr else { return Vec::new() };
    let mut flows = int_entry(view, dvr);
    let vlans = view.vlans.iter().map(|vlan| (vlan.vlan, vlan)).collect();
    for subnet in routed(view) {
        let Some(incoming) = Incoming::of(subnet.vlan, &vlans) else { continue };
        for (mac, ofport) in &subnet.receivers {
            flows.extend(incoming.to_port(subnet.gateway_mac, *mac, *ofport));
        }
        if let Some((router, _)) = subnet.interfaces.first() {
            flows.push(incoming.to_own_router(dvr.mac, router));
        }
        let routers = subnet.interfaces.iter().filter(|(_, ip)| ip.is_ipv4());
        flows.extend(routers.map(|(router, _)| arp_reply(dvr.mac, router.mac)));
    }
    first_of_each(flows)
}

/// Table 0: frames of other hosts' routers, and to this host's own; nothing else gets to tables 1
/// and 2.
fn int_entry(view: &HostView, dvr: &Dvr) -> Vec<Flow> {
    let entry = |port, fields: Match, priority, table| {
        Flow::new(int::LOCAL_SWITCHING, priority, fields.in_port(port)).goto(table)
    };
    let drop = |table| Flow::new(table, priority::DVR_DROP, Match::new());
    let mut flows = vec![drop(int::DVR_TO_SRC_MAC), drop(int::DVR_TO_SRC_MAC_PHYSICAL)];
    let to_own = || Match::new().eth_dst(dvr.mac);
    let others = || dvr.host_macs.iter().filter(|mac| **mac != dvr.mac);
    if let Some(port) = view.patch_tun {
        flows.extend(others().map(|mac| {
            let from = Match::new().eth_src(*mac);
            entry(port, from, priority::DVR_FROM_TUNNEL, int::DVR_TO_SRC_MAC)
        }));
        flows.push(entry(port, to_own(), priority::DVR_TO_OWN, int::ARP_DVR_MAC_TO_DST_MAC));
    }
    for bridge in view.physical.values() {
        let port = bridge.int_ofport;
        flows.extend(others().map(|mac| {
            let from = Match::new().eth_src(*mac);
            entry(port, from, priority::DVR_FROM_PHYSICAL, int::DVR_TO_SRC_MAC_PHYSICAL)
        }));
        let table = int::ARP_DVR_MAC_TO_DST_MAC_PHYSICAL;
        flows.push(entry(port, to_own(), priority::DVR_TO_OWN, table));
    }
    flows
}

/// The answer to an ARP request that a router of this host sent under the host's MAC.
fn arp_reply(host_mac: MacAddr, router_mac: MacAddr) -> Flow {
    let fields = Match::new().arp().arp_op(ARP_REPLY).arp_tha(router_mac).eth_dst(host_mac);
    Flow::new(int::LOCAL_SWITCHING, priority::DVR_ARP_REPLY, fields)
        .then([Action::set_eth_dst(router_mac), Action::GotoTable(int::PACKET_RATE_LIMIT)])
}

/// How frames of a network come to br-int from outside, and how they go on.
struct Incoming {
    physical: bool,
    /// Their tag when they come.
    tag: Outer,
    /// Their tag in table 60: the same as in Neutron, unless that says something else there. The
    /// number of a segment may be the local VLAN of another network, and what ports of any network
    /// send is untagged: such frames would be delivered across networks, so that this network's
    /// are given its local VLAN first.
    delivered: Outer,
    local: u16,
}

impl Incoming {
    fn of(vlan: &LocalVlan, vlans: &BTreeMap<u16, &LocalVlan>) -> Option<Self> {
        let local = Outer::Vlan(vlan.vlan);
        let (tag, delivered) = match (vlan.segment.network_type, vlan.segment.segmentation_id) {
            (NetworkType::Flat, _) => (Outer::Untagged, local),
            (NetworkType::Vlan, Some(id)) => {
                let tag = Outer::of(&vlan.segment, vlans).unwrap_or(local);
                (Outer::Vlan(u16::try_from(id).ok()?), tag)
            }
            (network_type, _) if network_type.is_tunnel() => (local, local),
            _ => return None,
        };
        let physical = vlan.segment.network_type.is_physical();
        Some(Self { physical, tag, delivered, local: vlan.vlan })
    }

    /// A frame a router of another host sent to `mac` gets the MAC its receiver knows.
    fn to_port(&self, gateway_mac: MacAddr, mac: MacAddr, ofport: OfPort) -> [Flow; 2] {
        let table = if self.physical { int::DVR_TO_SRC_MAC_PHYSICAL } else { int::DVR_TO_SRC_MAC };
        let mut actions = vec![Action::set_eth_src(gateway_mac)];
        if self.delivered != self.tag {
            actions.extend((self.tag == Outer::Untagged).then_some(Action::PUSH_VLAN));
            actions.push(Action::set_vlan_vid(self.local));
        }
        actions.push(Action::GotoTable(int::PACKET_RATE_LIMIT));
        [
            Flow::new(table, priority::DVR_TO_PORT, self.tag.of_frame().eth_dst(mac)).then(actions),
            Flow::new(
                int::TRANSIENT_TABLE,
                priority::DVR_TO_PORT,
                self.delivered.of_frame().eth_dst(mac),
            )
            .then([Action::PopVlan, Action::output(ofport)]),
        ]
    }

    /// A frame sent to this host's MAC is for its router.
    fn to_own_router(&self, host_mac: MacAddr, router: &Port) -> Flow {
        let table = if self.physical {
            int::ARP_DVR_MAC_TO_DST_MAC_PHYSICAL
        } else {
            int::ARP_DVR_MAC_TO_DST_MAC
        };
        let untag = (self.tag != Outer::Untagged).then_some(Action::PopVlan);
        let deliver = [Action::set_eth_dst(router.mac)]
            .into_iter()
            .chain(untag)
            .chain([Action::output(router.ofport)]);
        Flow::new(table, priority::DVR_DELIVER, self.tag.of_frame().eth_dst(host_mac)).then(deliver)
    }
}

impl Outer {
    fn of_frame(self) -> Match {
        match self {
            Self::Untagged => Match::new().untagged(),
            Self::Vlan(id) => Match::new().dl_vlan(id),
        }
    }
}

/// What distributed routing adds to br-tun.
pub fn tun_flows(view: &HostView, patch_int: OfPort) -> Vec<Flow> {
    let Some(dvr) = &view.dvr else { return Vec::new() };
    let all = |table| Flow::new(table, tun::priority::DEFAULT, Match::new());
    let mut flows = vec![
        all(tun::DVR_PROCESS).goto(tun::PATCH_LV_TO_TUN),
        all(tun::DVR_NOT_LEARN).goto(tun::LEARN_FROM_TUN),
    ];
    flows.extend(dvr.host_macs.iter().filter(|mac| **mac != dvr.mac).map(|mac| {
        let from = Match::new().eth_src(*mac);
        Flow::new(tun::DVR_NOT_LEARN, tun::priority::MATCH, from).then([Action::output(patch_int)])
    }));
    let here = |subnet: &Routed<'_>| subnet.network_type().is_tunnel();
    flows.extend(process(view, dvr.mac, (tun::DVR_PROCESS, tun::PATCH_LV_TO_TUN), here));
    flows
}

/// What distributed routing adds to the bridge of `physical_network`.
pub fn phys_flows(view: &HostView, physical_network: &str) -> Vec<Flow> {
    let (Some(dvr), Some(bridge)) = (&view.dvr, view.physical.get(physical_network)) else {
        return Vec::new();
    };
    use phys::priority;
    let from_int = Match::new().in_port(bridge.phys_ofport);
    let mut flows = vec![
        Flow::new(phys::LOCAL_SWITCHING, priority::FROM_INT, from_int).goto(phys::DVR_PROCESS),
        Flow::new(phys::LOCAL_SWITCHING, priority::FROM_OUTSIDE, Match::new())
            .goto(phys::DVR_NOT_LEARN),
        Flow::new(phys::DVR_PROCESS, priority::DEFAULT, Match::new())
            .goto(phys::LOCAL_VLAN_TRANSLATION),
        Flow::new(phys::DVR_NOT_LEARN, priority::FROM_OUTSIDE, Match::new()).then([Action::Normal]),
    ];
    flows.extend(dvr.host_macs.iter().filter(|mac| **mac != dvr.mac).map(|mac| {
        Flow::new(phys::DVR_NOT_LEARN, priority::FROM_ROUTER, Match::new().eth_src(*mac))
            .then([Action::output(bridge.phys_ofport)])
    }));
    let here = |subnet: &Routed<'_>| {
        subnet.vlan.segment.physical_network.as_deref() == Some(physical_network)
    };
    let tables = (phys::DVR_PROCESS, phys::LOCAL_VLAN_TRANSLATION);
    flows.extend(process(view, dvr.mac, tables, here));
    flows
}

/// Frames of this host's routers leave under its MAC; nothing is sent to a router elsewhere, and
/// no announcement of a gateway (see [`dvr::FLOOD_TO_TUN`]). For the subnets that are `here`;
/// `tables` are where the first is decided and the one after.
fn process(
    view: &HostView,
    host_mac: MacAddr,
    tables: (u8, u8),
    here: impl Fn(&Routed<'_>) -> bool,
) -> Vec<Flow> {
    use dvr::priority;
    let (table, next) = tables;
    let mut flows = Vec::new();
    for subnet in routed(view).iter().filter(|subnet| here(subnet)) {
        let net = || Match::new().dl_vlan(subnet.vlan.vlan);
        for (port, ip) in &subnet.interfaces {
            let announcement = match ip {
                IpAddr::V4(ip) => net().arp().arp_tpa(*ip),
                IpAddr::V6(_) => net()
                    .ipv6()
                    .ip_proto(proto::ICMPV6)
                    .icmpv6_type(ND_ROUTER_ADVERT)
                    .eth_src(port.mac),
            };
            flows.extend([
                Flow::new(dvr::FLOOD_TO_TUN, priority::GATEWAY_ANNOUNCE, announcement),
                Flow::new(table, priority::TO_ROUTER, net().eth_dst(port.mac)),
                Flow::new(table, priority::FROM_ROUTER, net().eth_src(port.mac))
                    .then([Action::set_eth_src(host_mac), Action::GotoTable(next)]),
            ]);
        }
    }
    first_of_each(flows)
}
