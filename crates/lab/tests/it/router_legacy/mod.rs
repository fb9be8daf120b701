//! A centralised router on controller0: every hop of the second seed's walk, floating IPs, what
//! else a router carries, restarts that change nothing, and that nothing is left.

mod services;
mod walk;

use neutrino_lab::{Addressing, LabOptions};
use serde_json::json;

use crate::cloud::{Cloud, HOSTS, Instance, SMALL};
use crate::inside;
use crate::routing::{self, FAR, FloatingIp, GATEWAY, L3_AGENT, Net, Router, RouterPort, echo};

/// Where the router is.
const NETWORK_HOST: &str = "controller0";

/// A network of the project behind the router, with an instance on each compute host: the first
/// behind iptables, the other behind flows.
struct Leg {
    kind: &'static str,
    net: Net,
    port: RouterPort,
    instances: [Instance; 2],
}

/// The second seed's deployment.
struct Site {
    cloud: Cloud,
    external: Net,
    router: Router,
    gateway: RouterPort,
    legs: Vec<Leg>,
}

impl Site {
    fn up() -> Self {
        let cloud = Cloud::up_with(LabOptions {
            name: format!("legacy-{}", std::process::id()),
            firewall: vec!["mixed".parse().expect("choice")],
            ..LabOptions::default()
        });
        cloud.open_default_group();
        let external = cloud.external_network();
        let router = cloud.router("finance-router1", &external, json!({}));
        let gateway = cloud.gateway_port(&router, &external);
        let mut site = Self { cloud, external, router, gateway, legs: Vec::new() };
        for (kind, number) in [("vlan", 3), ("gre", 4), ("vxlan", 5)] {
            let leg = site.leg(kind, number);
            site.legs.push(leg);
        }
        site
    }

    fn leg(&self, kind: &'static str, number: u8) -> Leg {
        let cidr = format!("192.168.{number}.0/24");
        let name = format!("finance-{kind}-network1");
        let net = self.cloud.project_network(&name, kind, &cidr, json!({}));
        let port = self.cloud.attach(&self.router, &net.subnet);
        let instances = ["compute0", "compute1"].map(|host| {
            let name = format!("{kind}-{host}");
            self.cloud.boot_on(&net, &name, host, json!({}), Addressing::Dhcp)
        });
        Leg { kind, net, port, instances }
    }
}

#[test]
fn centralised_router_carries_every_walk() {
    if !neutrino_privilege::granted() {
        return;
    }
    let site = Site::up();
    for leg in &site.legs {
        leg.instances.iter().for_each(|instance| walk::to_upstream(&site, leg, instance));
    }
    east_west(&site);
    let floating = floating_ips(&site);
    services::port_forwarding(&site);
    services::extra_route(&site);
    let unserved = services::metadata_through_the_router(&site);
    let advertised = services::ipv6(&site);
    restarts_change_nothing(&site, &floating);
    let Site { cloud, legs, .. } = site;
    let mut all: Vec<&Instance> = legs.iter().flat_map(|leg| &leg.instances).collect();
    all.extend([&unserved, &advertised]);
    cloud.finish(&all);
}

/// Instances of different subnets reach each other, on the same host and on others, through the
/// router: its hop shows in the time to live.
fn east_west(site: &Site) {
    let [vlan, gre, vxlan] = site.legs.as_slice() else { panic!("three legs") };
    for (from, to) in [
        (&vlan.instances[0], &gre.instances[0]),
        (&vlan.instances[0], &vxlan.instances[1]),
        (&gre.instances[1], &vxlan.instances[1]),
        (&vxlan.instances[0], &gre.instances[1]),
    ] {
        site.cloud.await_answer(from, to);
        let text = inside(&site.cloud.lab, &from.name, &format!("ping -c 1 -W 2 {}", to.ip));
        assert!(text.contains(" ttl=63 "), "{} to {}: {text}", from.name, to.name);
    }
}

/// A floating IP reaches its instance from outside, and is what outside sees of it; without it the
/// instance goes by the router's address again.
fn floating_ips(site: &Site) -> FloatingIp {
    let Site { cloud, external, router, .. } = site;
    let [vlan, gre, _] = site.legs.as_slice() else { panic!("three legs") };
    let instance = &vlan.instances[0];
    let floating = cloud.floating_ip(external, instance);
    cloud.await_reachable_from("internet", &floating.address);
    cloud.await_status("floatingip", &floating.id, "ACTIVE");
    echo::await_seen_outside_as(&cloud.lab, instance, &floating.address);
    walk::floating_ip(site, vlan, instance, &floating.address);
    // Both ends have one: out and in through the same router.
    let other = cloud.floating_ip(external, &gre.instances[1]);
    cloud.await_reachable(instance, &other.address);
    cloud.client.delete(&format!("/v2.0/floatingips/{}", other.id)).expect("deleted");
    echo::await_seen_outside_as(&cloud.lab, &gre.instances[1], &router.external_ip);
    // It moves within the router; who had it goes by the router's address.
    let moved = json!({"port_id": gre.instances[0].port_id});
    cloud.update("floatingip", &floating.id, moved);
    echo::await_seen_outside_as(&cloud.lab, &gre.instances[0], &floating.address);
    echo::await_seen_outside_as(&cloud.lab, instance, &router.external_ip);
    cloud.update("floatingip", &floating.id, json!({"port_id": instance.port_id}));
    echo::await_seen_outside_as(&cloud.lab, instance, &floating.address);
    floating
}

/// Agents that are killed and come back find everything as it is to be, and nobody notices.
fn restarts_change_nothing(site: &Site, floating: &FloatingIp) {
    let cloud = &site.cloud;
    let state = || HOSTS.map(|host| (cloud.flows(host), cloud.kept(host)));
    let before = state();
    let out = cloud.start_ping_to(&site.legs[1].instances[1], FAR, 150, SMALL);
    let within =
        cloud.start_ping_to(&site.legs[0].instances[0], &site.legs[2].instances[1].ip, 150, SMALL);
    let back = cloud.start_ping_from("upstream", &floating.address, 150);
    cloud.kill_and_await(NETWORK_HOST, L3_AGENT, routing::IN_SYNC);
    cloud.kill_and_start(&HOSTS.map(|host| (host, crate::cloud::AGENT)));
    cloud.kill_and_await(NETWORK_HOST, crate::cloud::DHCP_AGENT, routing::IN_SYNC);
    for ping in [out, within, back] {
        ping.assert_none_lost();
    }
    for (host, (before, now)) in HOSTS.iter().zip(before.iter().zip(&state())) {
        assert_eq!(before.0, now.0, "flows of {host}");
        assert_eq!(before.1, now.1, "what agents keep on {host}");
    }
    routing::restart_switch(cloud, NETWORK_HOST);
    cloud.await_reachable_from("internet", &floating.address);
    cloud.await_reachable(&site.legs[0].instances[1], GATEWAY);
}
