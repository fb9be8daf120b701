//! Walks of packets through a centralised router, hop by hop.

use neutrino_lab::UPSTREAM;

use super::{Leg, NETWORK_HOST, Site};
use crate::cloud::Instance;
use crate::on;
use crate::probe::hops::{Counter, Sniffer};
use crate::routing::echo::{COUNT, Echo, devices_of};
use crate::routing::{GATEWAY, local_vlan};

/// The walk of the second seed: from an instance to the gateway of the external network.
///
/// ```text
/// compute     tap qbr qvb qvo - br-int - int-br-ex phy-br-ex - br-ex - eth2     (VLAN)
///                                      - patch-tun patch-int - br-tun - eth1     (GRE, VXLAN)
/// controller0 ... br-int - qr- - SNAT - qg- - br-int - int-br-ex phy-br-ex - br-ex - eth2
/// ```
pub fn to_upstream(site: &Site, leg: &Leg, instance: &Instance) {
    let cloud = &site.cloud;
    let lab = &cloud.lab;
    cloud.await_reachable(instance, GATEWAY);
    let namespace = site.router.namespace();
    let (qr, qg) = (leg.port.device("qr-"), site.gateway.device("qg-"));
    let inner = Echo::new(&instance.ip, GATEWAY);
    let outer = Echo::new(&site.router.external_ip, GATEWAY);

    let near: Vec<Sniffer> = devices_of(lab, instance)
        .iter()
        .map(|device| Sniffer::start(lab, instance.host, "", device, "icmp"))
        .collect();
    let underlay = if leg.kind == "vlan" { "eth2" } else { "eth1" };
    let between = [instance.host, NETWORK_HOST]
        .map(|host| Sniffer::start(lab, host, "", underlay, "not arp"));
    let routed = Sniffer::start(lab, NETWORK_HOST, &namespace, &qr, "icmp");
    let translated = Sniffer::start(lab, NETWORK_HOST, &namespace, &qg, "icmp");
    let provider = Sniffer::start(lab, NETWORK_HOST, "", "eth2", "icmp");
    let upstream = Sniffer::start(lab, UPSTREAM, "", "eth0", "icmp");
    let flows = flows(site, leg, instance, &qr, &qg);
    let snat = ["SNAT", &qg, &format!("to:{}", site.router.external_ip)];
    let snat = Counter::rules(lab, NETWORK_HOST, &namespace, "nat", &snat);

    // As large as the network carries.
    let size = leg.net.mtu.min(site.external.mtu);
    cloud.start_ping_to(instance, GATEWAY, COUNT, size).assert_none_lost();

    near.iter().for_each(|sniffer| inner.await_at(sniffer, ""));
    let mark = match leg.kind {
        "vlan" => format!("vlan {},", leg.net.segment),
        "gre" => format!("key=0x{:x},", leg.net.segment),
        _ => format!("vni {} ", leg.net.segment),
    };
    between.iter().for_each(|sniffer| inner.await_at(sniffer, &mark));
    inner.await_at(&routed, "");
    // One connection: the first packet takes the rule, the others follow it.
    snat.await_packets(1);
    for sniffer in [&translated, &provider, &upstream] {
        outer.await_at(sniffer, "ethertype IPv4");
    }
    provider.assert_none(&["vlan", &site.router.external_ip]);
    flows.iter().for_each(|flow| flow.await_packets(COUNT.into()));
    translated.assert_none(&[&instance.ip]);
    upstream.assert_none(&[&instance.ip]);
}

/// The flows that the seed reads: where networks get the VLAN or tunnel id that others know them
/// by, and the way back.
fn flows<'s>(
    site: &'s Site,
    leg: &Leg,
    instance: &Instance,
    qr: &str,
    qg: &str,
) -> Vec<Counter<'s>> {
    let lab = &site.cloud.lab;
    let devices = devices_of(lab, instance);
    let host = instance.host;
    let [near, far, external] =
        [(host, devices[devices.len() - 1].as_str()), (NETWORK_HOST, qr), (NETWORK_HOST, qg)]
            .map(|(host, device)| local_vlan(lab, host, device));
    let counter =
        |host: &str, bridge: &str, needles: &[&str]| Counter::flows(lab, host, bridge, needles);
    let leaves = |vlan: &str| format!("in_port=\"phy-br-ex\",dl_vlan={vlan} ");
    let enters = |id: &str| format!("in_port=\"int-br-ex\",{id} ");
    // Out of the router, to a network without VLAN.
    let mut flows = vec![
        counter(NETWORK_HOST, "br-ex", &[&leaves(&external), "actions=strip_vlan,NORMAL"]),
        counter(NETWORK_HOST, "br-int", &["int-br-ex", &format!("mod_vlan_vid:{external},")]),
    ];
    let id = leg.net.segment;
    if leg.kind == "vlan" {
        for (host, local) in [(host, &near), (NETWORK_HOST, &far)] {
            let rewritten = format!("actions=mod_vlan_vid:{id},NORMAL");
            flows.push(counter(host, "br-ex", &[&leaves(local), &rewritten]));
            let back = format!("mod_vlan_vid:{local},");
            flows.push(counter(host, "br-int", &[&enters(&format!("dl_vlan={id}")), &back]));
        }
        return flows;
    }
    let out = format!("output:\"{}-", leg.kind);
    let load = format!("load:0x{id:x}->NXM_NX_TUN_ID");
    let mac = instance_mac(site, instance);
    for (host, local, target) in
        [(host, &near, leg.port.mac.as_str()), (NETWORK_HOST, &far, mac.as_str())]
    {
        let vlan = format!("dl_vlan={local},");
        let target = format!("dl_dst={target}");
        flows.push(counter(
            host,
            "br-tun",
            &["table=20", &vlan, &target, "strip_vlan", &load, &out],
        ));
        let tunnel = format!("tun_id=0x{id:x} ");
        let local = format!("mod_vlan_vid:{local},");
        flows.push(counter(host, "br-tun", &[&tunnel, &local]));
    }
    flows
}

fn instance_mac(site: &Site, instance: &Instance) -> String {
    site.cloud.lab.find_instance(&instance.name).expect("instance").1.mac
}

/// From outside to a floating IP: translated in the router, for which the host of the instance
/// needs to know nothing.
pub fn floating_ip(site: &Site, leg: &Leg, instance: &Instance, address: &str) {
    let lab = &site.cloud.lab;
    let namespace = site.router.namespace();
    let (qr, qg) = (leg.port.device("qr-"), site.gateway.device("qg-"));
    let outside = Sniffer::start(lab, NETWORK_HOST, &namespace, &qg, "icmp");
    let routed = Sniffer::start(lab, NETWORK_HOST, &namespace, &qr, "icmp");
    let tap = &devices_of(lab, instance)[0];
    let arrived = Sniffer::start(lab, instance.host, "", tap, "icmp");
    let dnat = ["DNAT", address, &format!("to:{}", instance.ip)];
    let dnat = Counter::rules(lab, NETWORK_HOST, &namespace, "nat", &dnat);
    site.cloud.start_ping_from(UPSTREAM, address, COUNT).assert_none_lost();
    Echo::new(GATEWAY, address).await_at(&outside, "");
    dnat.await_packets(1);
    for sniffer in [&routed, &arrived] {
        Echo::new(GATEWAY, &instance.ip).await_at(sniffer, "");
    }
    // The floating IP is an address of the gateway's device.
    let line = format!("ip -n {namespace} -o address show dev {qg}");
    let held = on(lab, NETWORK_HOST, &line);
    assert!(held.contains(&format!(" {address}/32 ")), "{held}");
}
