//! Walks of packets through a distributed router, hop by hop.

use neutrino_lab::UPSTREAM;

use super::{Leg, NEAR, NETWORK_HOST, OTHER, Site};
use crate::cloud::{Instance, SMALL};
use crate::on;
use crate::probe::hops::{Counter, Sniffer};
use crate::routing::GATEWAY;
use crate::routing::echo::{COUNT, Echo, devices_of};

/// What the MACs of hosts start with.
const HOST_MAC: &str = "fa:16:3f:";

/// Name and MAC of the gateway device of floating IPs on the near host.
pub fn gateway_device(site: &Site) -> (String, String) {
    let line = format!("ip -n {} -o link", site.fip_namespace());
    let links = on(&site.cloud.lab, NEAR, &line);
    let link = links.lines().find(|line| line.contains(": fg-")).expect("a gateway device");
    let words: Vec<&str> = link.split_whitespace().collect();
    let mac = words.iter().position(|word| *word == "link/ether").expect("Ethernet") + 1;
    (words[1].trim_end_matches(':').to_owned(), words[mac].to_owned())
}

/// Without a floating IP: qr- on the instance's host, to the sg- address by the subnet's table,
/// over the network in the host's name, SNAT in snat-, qg-.
pub fn through_the_centralised_part(site: &Site, leg: &Leg, instance: &Instance) {
    let cloud = &site.cloud;
    let lab = &cloud.lab;
    let (local, central) = (site.router.namespace(), site.router.snat_namespace());
    let (qr, sg) = (leg.port.device("qr-"), site.sg(leg));
    let qg = cloud.gateway_port(&site.router, &site.external).device("qg-");
    cloud.await_reachable(instance, GATEWAY);

    let near: Vec<Sniffer> = devices_of(lab, instance)
        .iter()
        .map(|device| Sniffer::start(lab, instance.host, "", device, "icmp"))
        .collect();
    let routed = Sniffer::start(lab, instance.host, &local, &qr, "icmp");
    let between: Vec<Sniffer> = [instance.host, NETWORK_HOST]
        .iter()
        .flat_map(|host| ["eth1", "eth2"].map(|nic| Sniffer::start(lab, host, "", nic, "not arp")))
        .collect();
    let arrived = Sniffer::start(lab, NETWORK_HOST, &central, &sg.device("sg-"), "icmp");
    let translated = Sniffer::start(lab, NETWORK_HOST, &central, &qg, "icmp");
    let upstream = Sniffer::start(lab, UPSTREAM, "", "eth0", "icmp");
    let snat = ["SNAT", &qg, &format!("to:{}", site.router.external_ip)];
    let snat = Counter::rules(lab, NETWORK_HOST, &central, "nat", &snat);

    let size = leg.net.mtu.min(site.external.mtu);
    cloud.start_ping_to(instance, GATEWAY, COUNT, size).assert_none_lost();

    let inner = Echo::new(&instance.ip, GATEWAY);
    near.iter().for_each(|sniffer| inner.await_at(sniffer, ""));
    // In from the instance, out to the centralised part by the same device.
    for to in [&leg.port.mac, &sg.mac] {
        routed.await_packets(&[&format!(" > {to},"), &inner.request], COUNT as usize);
    }
    // Between hosts no packet has the MAC of the router's port, which is the same on all of them.
    let passed: usize = between.iter().map(|s| s.with(&[HOST_MAC, &inner.request]).len()).sum();
    assert!(passed >= 2 * COUNT as usize, "{passed} requests in the name of their host");
    between.iter().for_each(|s| s.assert_none(&[&format!("{} > ", leg.port.mac)]));
    arrived.await_packets(&[&format!(" > {},", sg.mac), &inner.request], COUNT as usize);
    inner.await_at(&arrived, "");
    snat.await_packets(1);
    let outer = Echo::new(&site.router.external_ip, GATEWAY);
    outer.await_at(&translated, "");
    outer.await_at(&upstream, "");
}

/// With a floating IP: rfp-, fpr- and fg- on the instance's own host in both directions, and
/// nothing through the network host.
pub fn through_the_own_host(site: &Site, leg: &Leg, instance: &Instance, floating: &str) {
    let cloud = &site.cloud;
    let lab = &cloud.lab;
    let host = instance.host;
    let (local, outside) = (site.router.namespace(), site.fip_namespace());
    let (rfp, fpr) = (site.router.device("rfp-"), site.router.device("fpr-"));
    let fg = gateway_device(site).0;
    let tap = &devices_of(lab, instance)[0];
    let network_host = site.watch_network_host();
    let inner: Vec<Sniffer> = [("", tap.as_str()), (&local, &leg.port.device("qr-"))]
        .into_iter()
        .map(|(namespace, device)| Sniffer::start(lab, host, namespace, device, "icmp"))
        .collect();
    let outer: Vec<Sniffer> =
        [(local.as_str(), rfp.as_str()), (&outside, &fpr), (&outside, &fg), ("", "eth2")]
            .into_iter()
            .map(|(namespace, device)| Sniffer::start(lab, host, namespace, device, "icmp"))
            .collect();
    let rule = |needles: &[&str]| Counter::rules(lab, host, &local, "nat", needles);
    let snat = rule(&["SNAT", &instance.ip, &format!("to:{floating}")]);
    let dnat = rule(&["DNAT", &rfp, floating, &format!("to:{}", instance.ip)]);

    cloud.start_ping_to(instance, GATEWAY, COUNT, SMALL).assert_none_lost();
    snat.await_packets(1);
    cloud.start_ping_from(UPSTREAM, floating, COUNT).assert_none_lost();
    dnat.await_packets(1);

    for (sniffers, address) in [(&inner, instance.ip.as_str()), (&outer, floating)] {
        for sniffer in sniffers {
            Echo::new(address, GATEWAY).await_at(sniffer, "");
            Echo::new(GATEWAY, address).await_at(sniffer, "");
        }
    }
    network_host.iter().for_each(|sniffer| sniffer.assert_none(&["ICMP echo"]));
}

/// Between subnets on different hosts: routed where it starts, delivered in the name of that host,
/// and there given the router's MAC again.
pub fn between_hosts(site: &Site, from: &Instance, to: &Instance) {
    assert_eq!((from.host, to.host), (NEAR, OTHER));
    let cloud = &site.cloud;
    let lab = &cloud.lab;
    let wire = Sniffer::start(lab, OTHER, "", "eth2", "not arp");
    let device = devices_of(lab, to).pop().expect("a device");
    let arrived = Sniffer::start(lab, OTHER, "", &device, "icmp");
    cloud.start_ping_to(from, &to.ip, COUNT, SMALL).assert_none_lost();
    let request = Echo::new(&from.ip, &to.ip).request;
    let vlan = format!("vlan {},", site.green.net.segment);
    wire.await_packets(&[HOST_MAC, &vlan, &request], COUNT as usize);
    let router = format!("{} > ", site.green.port.mac);
    arrived.await_packets(&[&router, &request], COUNT as usize);
}
