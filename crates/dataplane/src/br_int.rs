//! Desired flows of the integration bridge (Neutron's `OVSIntegrationBridge`).
//!
//! Owns base flows, VLAN translation inwards, dead ports and anti-spoofing. What the firewall and
//! distributed routing add are other modules'.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use neutrino_openflow::{Action, Flow, Match, matching::proto};
use neutrino_types::{MacAddr, NetworkType, constants::DEAD_VLAN};

use crate::{
    dvr,
    tables::int::{self, priority},
    view::{HostView, LocalVlan, OfPort, Port},
};

/// ICMPv6 type of a neighbour advertisement.
const ND_NEIGHBOR_ADVERT: u8 = 136;

/// Every flow br-int should have, in the order of their installation, under `cookie`.
#[must_use]
pub fn desired(view: &HostView, cookie: u64) -> Vec<Flow> {
    let mut flows = base();
    for (name, bridge) in &view.physical {
        flows.push(drop_port(bridge.int_ofport));
        for vlan in view.vlans.iter().filter(|v| v.segment.physical_network.as_ref() == Some(name))
        {
            flows.extend(vlan_inwards(bridge.int_ofport, vlan));
        }
    }
    for port in &view.ports {
        if port.dead {
            flows.push(drop_port(port.ofport));
        } else if !view.options.firewall.prevents_spoofing() {
            anti_spoof(port, &mut flows);
        }
    }
    flows.extend(dvr::int_flows(view));
    for flow in &mut flows {
        flow.cookie = cookie;
    }
    flows
}

/// The flow whose absence says that Open vSwitch was restarted.
#[must_use]
pub fn canary() -> Flow {
    Flow::new(int::CANARY_TABLE, priority::DEFAULT, Match::new())
}

fn base() -> Vec<Flow> {
    let all = |table, priority| Flow::new(table, priority, Match::new());
    vec![
        canary(),
        all(int::LOCAL_SWITCHING, priority::DEFAULT).goto(int::PACKET_RATE_LIMIT),
        all(int::PACKET_RATE_LIMIT, priority::DEFAULT).goto(int::BANDWIDTH_RATE_LIMIT),
        all(int::BANDWIDTH_RATE_LIMIT, priority::DEFAULT).goto(int::TRANSIENT_TABLE),
        all(int::TRANSIENT_TABLE, priority::TRANSIENT).then([Action::Normal]),
        all(int::ARP_SPOOF_TABLE, priority::DEFAULT),
        Flow::new(int::LOCAL_SWITCHING, priority::DEAD_VLAN, Match::new().dl_vlan(DEAD_VLAN)),
        all(int::TRANSIENT_EGRESS_TABLE, priority::TRANSIENT_EGRESS).then([Action::Normal]),
        all(int::LOCAL_EGRESS_TABLE, priority::DEFAULT).goto(int::PACKET_RATE_LIMIT),
        all(int::LOCAL_IP_TABLE, priority::DEFAULT).goto(int::PACKET_RATE_LIMIT),
    ]
}

/// A dead port's frames, or frames of a physical network nobody here belongs to, go nowhere.
fn drop_port(ofport: OfPort) -> Flow {
    Flow::new(int::LOCAL_SWITCHING, priority::DROP_PORT, Match::new().in_port(ofport))
}

/// From a physical network's VLAN to the local one.
fn vlan_inwards(int_ofport: OfPort, vlan: &LocalVlan) -> Option<Flow> {
    let from = Match::new().in_port(int_ofport);
    let set_local = Action::set_vlan_vid(vlan.vlan);
    let onwards = Action::GotoTable(int::PACKET_RATE_LIMIT);
    let flow = |fields| Flow::new(int::LOCAL_SWITCHING, priority::LOCAL_VLAN, fields);
    match (vlan.segment.network_type, vlan.segment.segmentation_id) {
        (NetworkType::Flat, _) => {
            Some(flow(from.untagged()).then([Action::PUSH_VLAN, set_local, onwards]))
        }
        (NetworkType::Vlan, Some(id)) => {
            let id = u16::try_from(id).ok()?;
            Some(flow(from.dl_vlan(id)).then([set_local, onwards]))
        }
        _ => None,
    }
}

/// Which addresses and MACs the port may use (Neutron's `setup_arp_spoofing_protection`).
fn anti_spoof(port: &Port, flows: &mut Vec<Flow>) {
    if !port.protected() {
        return;
    }
    let macs = port.macs();
    for mac in &macs {
        flows.push(
            Flow::new(int::MAC_SPOOF_TABLE, priority::SPOOF_ALLOW, from(port).eth_src(*mac))
                .goto(int::LOCAL_EGRESS_TABLE),
        );
    }
    flows.push(to_spoof_table(from(port), priority::SPOOF_MAC, int::MAC_SPOOF_TABLE));
    neighbour_advertisements(port, &macs, flows);
    arp(port, flows);
}

fn from(port: &Port) -> Match {
    Match::new().in_port(port.ofport)
}

fn advertisement(port: &Port) -> Match {
    from(port).ipv6().ip_proto(proto::ICMPV6).icmpv6_type(ND_NEIGHBOR_ADVERT)
}

fn to_spoof_table(fields: Match, priority: u16, table: u8) -> Flow {
    Flow::new(int::LOCAL_SWITCHING, priority, fields).goto(table)
}

/// NA protection. An address of prefix length 0 allows any, so nothing is installed then.
fn neighbour_advertisements(port: &Port, macs: &[MacAddr], flows: &mut Vec<Flow>) {
    let mut targets: Vec<(Ipv6Addr, u8)> = macs.iter().map(|mac| (mac.link_local(), 128)).collect();
    for address in port.addresses() {
        if let IpNet::V6(net) = address {
            targets.push((net.network(), net.prefix_len()));
        }
    }
    if targets.iter().any(|(_, len)| *len == 0) {
        return;
    }
    targets.sort_unstable();
    targets.dedup();
    for (target, len) in targets {
        let fields = advertisement(port).nd_target(target, len);
        flows.push(
            Flow::new(int::ARP_SPOOF_TABLE, priority::SPOOF_ALLOW, fields)
                .goto(int::PACKET_RATE_LIMIT),
        );
    }
    flows.push(to_spoof_table(advertisement(port), priority::SPOOF_ARP, int::ARP_SPOOF_TABLE));
}

/// ARP protection; a port without IPv4 address may send no ARP at all, as in Neutron.
fn arp(port: &Port, flows: &mut Vec<Flow>) {
    let mut senders: Vec<(Ipv4Addr, u8)> = Vec::new();
    for address in port.addresses() {
        if let IpNet::V4(net) = address {
            senders.push((net.network(), net.prefix_len()));
        }
    }
    if senders.iter().any(|(_, len)| *len == 0) {
        return;
    }
    senders.sort_unstable();
    senders.dedup();
    for (sender, len) in senders {
        let fields = from(port).arp().arp_spa(sender, len);
        flows.push(
            Flow::new(int::ARP_SPOOF_TABLE, priority::SPOOF_ALLOW, fields)
                .goto(int::MAC_SPOOF_TABLE),
        );
    }
    flows.push(to_spoof_table(from(port).arp(), priority::SPOOF_ARP, int::ARP_SPOOF_TABLE));
}

/// The cookie of the flows a previous run left: that of the canary.
#[must_use]
pub fn adopted_cookie(installed: &[Flow]) -> Option<u64> {
    let canary = canary();
    installed.iter().find(|f| f.same(&canary)).map(|f| f.cookie)
}
