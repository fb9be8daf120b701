//! Desired flows of the tunnel bridge (Neutron's `OVSTunnelBridge`).
//!
//! Owns decapsulation to local VLANs, learning, l2population unicast and flooding, and the ARP
//! responder. Distributed routing adds its tables before those.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use neutrino_openflow::{
    Action, Field, Flow, Learn, LearnSource, LearnSpec, Match, Subfield, matching::proto,
};
use neutrino_types::MacAddr;

use crate::{
    dvr,
    tables::tun::{self, priority},
    view::{HostView, LocalVlan, OfPort},
};

/// ICMPv6 types that announce who has an address.
const ND_ROUTER_ADVERT: u8 = 134;
const ND_NEIGHBOR_ADVERT: u8 = 136;

/// Every flow br-tun should have, in the order of their installation, under `cookie` (which the
/// flows it learns carry too). Empty when the host does no tunnelling.
#[must_use]
pub fn desired(view: &HostView, cookie: u64) -> Vec<Flow> {
    let Some(patch_int) = view.patch_int else { return Vec::new() };
    let mut flows = base(view, patch_int, cookie);
    for tunnel in &view.tunnel_ports {
        if let Some(table) = tun::tun_to_lv(tunnel.network_type) {
            let fields = Match::new().in_port(tunnel.ofport);
            flows.push(Flow::new(tun::LOCAL_SWITCHING, priority::MATCH, fields).goto(table));
        }
    }
    for vlan in &view.vlans {
        local_vlan(view, vlan, &mut flows);
    }
    flows.extend(dvr::tun_flows(view, patch_int));
    for flow in &mut flows {
        flow.cookie = cookie;
    }
    flows
}

/// The flow that says which cookie a previous run used: the drop of table 0.
#[must_use]
pub fn adopted_cookie(installed: &[Flow]) -> Option<u64> {
    let anchor = Flow::new(tun::LOCAL_SWITCHING, priority::DEFAULT, Match::new());
    installed.iter().find(|f| f.same(&anchor)).map(|f| f.cookie)
}

fn base(view: &HostView, patch_int: OfPort, cookie: u64) -> Vec<Flow> {
    let arp_responder = view.options.arp_responder;
    let from_int = if view.dvr.is_some() { tun::DVR_PROCESS } else { tun::PATCH_LV_TO_TUN };
    let all = |table| Flow::new(table, priority::DEFAULT, Match::new());
    let split = |fields| Flow::new(tun::PATCH_LV_TO_TUN, priority::DEFAULT, fields);
    let mut flows = vec![
        Flow::new(tun::LOCAL_SWITCHING, priority::MATCH, Match::new().in_port(patch_int))
            .goto(from_int),
        all(tun::LOCAL_SWITCHING),
    ];
    if arp_responder {
        let broadcast = Match::new().arp().eth_dst(MacAddr::BROADCAST);
        flows.push(
            Flow::new(tun::PATCH_LV_TO_TUN, priority::MATCH, broadcast).goto(tun::ARP_RESPONDER),
        );
    }
    flows.push(split(Match::new().unicast()).goto(tun::UCAST_TO_TUN));
    flows.push(split(Match::new().multicast()).goto(tun::FLOOD_TO_TUN));
    flows.extend(tun::TUN_TABLES.iter().map(|(_, table)| all(*table)));
    flows.extend(learning(patch_int, cookie));
    flows.push(all(tun::UCAST_TO_TUN).goto(tun::FLOOD_TO_TUN));
    if arp_responder {
        flows.push(all(tun::ARP_RESPONDER).goto(tun::FLOOD_TO_TUN));
    }
    flows.push(all(tun::FLOOD_TO_TUN));
    flows
}

/// Table 10: remember the tunnel a remote MAC was seen on, then deliver.
fn learning(patch_int: OfPort, cookie: u64) -> Vec<Flow> {
    let learn = Action::Learn(Box::new(learn(cookie)));
    let icmpv6 = |kind| Match::new().ipv6().ip_proto(proto::ICMPV6).icmpv6_type(kind);
    let flow = |priority, fields| {
        Flow::new(tun::LEARN_FROM_TUN, priority, fields)
            .then([learn.clone(), Action::output(patch_int)])
    };
    vec![
        flow(priority::LEARN_ANNOUNCE, Match::new().arp().arp_tha(MacAddr::BROADCAST)),
        flow(priority::LEARN_ANNOUNCE, icmpv6(ND_ROUTER_ADVERT)),
        flow(priority::LEARN_ANNOUNCE, icmpv6(ND_NEIGHBOR_ADVERT)),
        flow(priority::MATCH, Match::new()),
    ]
}

fn learn(cookie: u64) -> Learn {
    let vlan_id = Subfield::bits(Field::VlanTci, 0, 11);
    let all = |field| LearnSource::Field(Subfield::all(field));
    Learn {
        table: tun::UCAST_TO_TUN,
        priority: priority::LEARNED,
        hard_timeout: tun::LEARNED_HARD_TIMEOUT_SECS,
        cookie,
        specs: vec![
            LearnSpec::Match { dst: vlan_id, src: LearnSource::Field(vlan_id) },
            LearnSpec::Match { dst: Subfield::all(Field::EthDst), src: all(Field::EthSrc) },
            LearnSpec::Load { dst: Subfield::all(Field::VlanTci), src: LearnSource::Value(0) },
            LearnSpec::Load { dst: Subfield::all(Field::TunId), src: all(Field::TunId) },
            LearnSpec::Output(Subfield::all(Field::InPort)),
        ],
        ..Learn::default()
    }
}

/// The flows of one tunnelled network.
fn local_vlan(view: &HostView, vlan: &LocalVlan, flows: &mut Vec<Flow>) {
    let network_type = vlan.segment.network_type;
    let (Some(table), Some(segment)) = (tun::tun_to_lv(network_type), vlan.segment.segmentation_id)
    else {
        return;
    };
    let segment = u64::from(segment);
    let learn = if view.dvr.is_some() { tun::DVR_NOT_LEARN } else { tun::LEARN_FROM_TUN };
    flows.push(Flow::new(table, priority::MATCH, Match::new().tun_id(segment)).then([
        Action::PUSH_VLAN,
        Action::set_vlan_vid(vlan.vlan),
        Action::GotoTable(learn),
    ]));
    if view.options.l2_population {
        unicast(view, vlan, segment, flows);
    }
    if view.options.arp_responder {
        arp_responder(vlan, flows);
    }
    let ports = flood_ports(view, vlan);
    if !ports.is_empty() {
        let fields = Match::new().dl_vlan(vlan.vlan);
        let send = ports.into_iter().map(Action::output);
        flows.push(
            Flow::new(tun::FLOOD_TO_TUN, priority::MATCH, fields)
                .then(encapsulate(segment).into_iter().chain(send)),
        );
    }
}

fn encapsulate(segment: u64) -> [Action; 2] {
    [Action::PopVlan, Action::set_tun_id(segment)]
}

/// Table 20: remote MACs the server told of. A MAC announced behind two hosts (a port that is
/// moving) is sent to the lower address until one of them is withdrawn.
fn unicast(view: &HostView, vlan: &LocalVlan, segment: u64, flows: &mut Vec<Flow>) {
    let mut macs: BTreeMap<MacAddr, OfPort> = BTreeMap::new();
    for (remote, host) in &vlan.fdb {
        let Some(ofport) = view.tunnel_ofport(vlan.segment.network_type, *remote) else { continue };
        for (mac, _) in &host.entries {
            macs.entry(*mac).or_insert(ofport);
        }
    }
    for (mac, ofport) in macs {
        let fields = Match::new().dl_vlan(vlan.vlan).eth_dst(mac);
        flows.push(
            Flow::new(tun::UCAST_TO_TUN, priority::FDB, fields)
                .then(encapsulate(segment).into_iter().chain([Action::output(ofport)])),
        );
    }
}

/// Table 21: answers to ARP for remote IPv4 addresses.
fn arp_responder(vlan: &LocalVlan, flows: &mut Vec<Flow>) {
    let mut owners = BTreeMap::new();
    for (mac, ip) in vlan.fdb.values().flat_map(|host| &host.entries) {
        if let IpAddr::V4(ip) = ip {
            owners.entry(*ip).or_insert(*mac);
        }
    }
    for (ip, mac) in owners {
        let fields = Match::new().dl_vlan(vlan.vlan).arp().arp_tpa(ip);
        flows.push(
            Flow::new(tun::ARP_RESPONDER, priority::MATCH, fields)
                .then(Action::arp_responder(mac, ip)),
        );
    }
}

/// Tunnel ports that get the network's broadcasts: with l2population those of hosts that have
/// the network, without it all of the type.
fn flood_ports(view: &HostView, vlan: &LocalVlan) -> BTreeSet<OfPort> {
    let network_type = vlan.segment.network_type;
    if view.options.l2_population {
        vlan.fdb
            .iter()
            .filter(|(_, host)| host.flood)
            .filter_map(|(remote, _)| view.tunnel_ofport(network_type, *remote))
            .collect()
    } else {
        view.tunnel_ports
            .iter()
            .filter(|t| t.network_type == network_type)
            .map(|t| t.ofport)
            .collect()
    }
}
