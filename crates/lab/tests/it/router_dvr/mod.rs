//! Distributed routers: both scenarios of the first seed compared with its transcripts and walked
//! hop by hop, what goes between subnets, where routers appear, restarts, and that nothing is left.

mod transcript;
mod walk;

use neutrino_lab::{Addressing, LabOptions, UPSTREAM, wait::wait_until};
use serde_json::json;

use crate::cloud::{AGENT, Cloud, DHCP_AGENT, HOSTS, Instance, SETTLE, SMALL};
use crate::probe::hops::Sniffer;
use crate::routing::{self, FAR, FloatingIp, L3_AGENT, Net, Router, RouterPort, echo};
use crate::{inside, on};

/// Where the router's centralised part is.
const NETWORK_HOST: &str = "controller0";
/// The host of the seed's instance, which iptables protect.
const NEAR: &str = "compute0";
/// The other compute host.
const OTHER: &str = "compute1";

/// A network of the project behind the router.
struct Leg {
    net: Net,
    /// Its port on every host.
    port: RouterPort,
}

/// The first seed's deployment.
struct Site {
    cloud: Cloud,
    external: Net,
    router: Router,
    /// 192.168.0.0/16 on VXLAN.
    blue: Leg,
    /// 11.0.102.0/24 on VLAN.
    green: Leg,
}

impl Site {
    fn up() -> Self {
        let cloud = Cloud::up_with(LabOptions {
            name: format!("dvr-{}", std::process::id()),
            firewall: vec!["mixed".parse().expect("choice")],
            dvr: true,
            ..LabOptions::default()
        });
        cloud.open_default_group();
        let external = cloud.external_network();
        let router = cloud.router("dvr", &external, json!({}));
        let leg = |name: &str, kind: &str, cidr: &str| {
            let net = cloud.project_network(name, kind, cidr, json!({}));
            let port = cloud.attach(&router, &net.subnet);
            Leg { net, port }
        };
        let blue = leg("blue", "vxlan", "192.168.0.0/16");
        let green = leg("green", "vlan", "11.0.102.0/24");
        Self { cloud, external, router, blue, green }
    }

    /// An instance of the network, at `address` when that is not "".
    fn boot(&self, leg: &Leg, name: &str, host: &'static str, address: &str) -> Instance {
        let fixed = json!({"fixed_ips": [{"ip_address": address}]});
        let more = if address.is_empty() { json!({}) } else { fixed };
        self.cloud.boot_on(&leg.net, name, host, more, Addressing::Dhcp)
    }

    /// The namespace of the external network on hosts with floating IPs.
    fn fip_namespace(&self) -> String {
        format!("fip-{}", self.external.id)
    }

    /// What the network's device is called in the centralised part.
    fn sg(&self, leg: &Leg) -> RouterPort {
        self.cloud.port_of("network:router_centralized_snat", &self.router.id, &leg.net)
    }

    /// Listens where everything passes that goes through the network host.
    fn watch_network_host(&self) -> [Sniffer; 2] {
        ["eth1", "eth2"]
            .map(|nic| Sniffer::start(&self.cloud.lab, NETWORK_HOST, "", nic, "not arp"))
    }
}

#[test]
fn distributed_router_carries_every_walk() {
    if !neutrino_privilege::granted() {
        return;
    }
    let site = Site::up();
    let cloud = &site.cloud;
    let namespace = site.router.namespace();
    cloud.await_namespace(NETWORK_HOST, &site.router.snat_namespace(), true);
    let ds = site.boot(&site.blue, "ds", NEAR, "192.168.0.16");
    cloud.await_namespace(NEAR, &namespace, true);
    without_floating_ip(&site, &ds);
    let floating = with_floating_ip(&site, &ds);
    // Nobody else had the router so far.
    assert!(!on(&cloud.lab, OTHER, "ip netns list").contains(&site.router.id));
    let mates = [
        site.boot(&site.green, "green-near", NEAR, ""),
        site.boot(&site.green, "green-far", OTHER, ""),
        site.boot(&site.blue, "blue-far", OTHER, ""),
    ];
    cloud.await_namespace(OTHER, &namespace, true);
    east_west(&site, &ds, &mates);
    transcript::provider_bridge(&site, NEAR);
    let gre = other_network_types(&site, &mates);
    floating_ip_of_a_shared_address(&site, &mates[2]);
    restarts_change_nothing(&site, &ds, &mates, &floating);
    routers_leave_with_their_last_instance(&site, &gre);
    let mut all = vec![ds];
    all.extend(mates);
    site.cloud.finish(&all.iter().collect::<Vec<_>>());
}

/// The seed's first scenario: out through the centralised part.
fn without_floating_ip(site: &Site, ds: &Instance) {
    echo::await_seen_outside_as(&site.cloud.lab, ds, &site.router.external_ip);
    transcript::rules_without_floating_ip(site);
    transcript::redirect(site);
    transcript::nat_of_the_centralised_part(site);
    walk::through_the_centralised_part(site, &site.blue, ds);
}

/// The seed's second scenario: out and in on the compute host itself.
fn with_floating_ip(site: &Site, ds: &Instance) -> FloatingIp {
    let cloud = &site.cloud;
    let floating = cloud.floating_ip(&site.external, ds);
    cloud.await_reachable_from(UPSTREAM, &floating.address);
    cloud.await_status("floatingip", &floating.id, "ACTIVE");
    echo::await_seen_outside_as(&cloud.lab, ds, &floating.address);
    transcript::rules_with_floating_ip(site, ds);
    transcript::nat_of_the_local_part(site, ds, &floating.address);
    transcript::floating_ip_namespace(site, &floating.address);
    walk::through_the_own_host(site, &site.blue, ds, &floating.address);
    proxy_arp(site, &floating.address);
    floating
}

/// The fg- device answers for the floating IP with its own MAC.
fn proxy_arp(site: &Site, address: &str) {
    let lab = &site.cloud.lab;
    let (fg, mac) = walk::gateway_device(site);
    let line =
        format!("ip netns exec {} sysctl -n net.ipv4.conf.{fg}.proxy_arp", site.fip_namespace());
    assert_eq!(on(lab, NEAR, &line), "1\n");
    on(lab, UPSTREAM, "ip neigh flush dev eth0");
    site.cloud.start_ping_from(UPSTREAM, address, 3).assert_none_lost();
    let neighbour = on(lab, UPSTREAM, &format!("ip neigh show {address}"));
    assert!(neighbour.contains(&format!(" lladdr {mac} ")), "{mac}: {neighbour}");
}

/// Between subnets every packet is routed on the host it comes from, and none passes the network
/// host: on the same host and on others, VXLAN and VLAN.
fn east_west(site: &Site, ds: &Instance, mates: &[Instance; 3]) {
    let cloud = &site.cloud;
    let [green_near, green_far, blue_far] = mates;
    for (from, to) in [(ds, green_near), (ds, green_far), (green_near, blue_far), (green_far, ds)] {
        cloud.await_answer(from, to);
        let network_host = site.watch_network_host();
        let text = inside(&cloud.lab, &from.name, &format!("ping -c 5 -i 0.1 -W 2 {}", to.ip));
        assert!(text.contains(" 0% packet loss") && text.contains(" ttl=63 "), "{text}");
        network_host.iter().for_each(|sniffer| sniffer.assert_none(&["ICMP echo"]));
    }
    walk::between_hosts(site, ds, green_far);
}

/// A network on GRE is as good, and so is one on VLAN: centralised and with a floating IP.
fn other_network_types(site: &Site, mates: &[Instance; 3]) -> (Leg, Instance) {
    let cloud = &site.cloud;
    let net = cloud.project_network("grey", "gre", "10.77.0.0/24", json!({}));
    let port = cloud.attach(&site.router, &net.subnet);
    let grey = Leg { net, port };
    let instance = site.boot(&grey, "grey-far", OTHER, "");
    cloud.await_answer(&instance, &mates[0]);
    for (leg, instance) in [(&grey, &instance), (&site.green, &mates[1])] {
        echo::await_seen_outside_as(&cloud.lab, instance, &site.router.external_ip);
        walk::through_the_centralised_part(site, leg, instance);
        let floating = cloud.floating_ip(&site.external, instance);
        cloud.await_reachable_from("internet", &floating.address);
        echo::await_seen_outside_as(&cloud.lab, instance, &floating.address);
        cloud.client.delete(&format!("/v2.0/floatingips/{}", floating.id)).expect("deleted");
        echo::await_seen_outside_as(&cloud.lab, instance, &site.router.external_ip);
    }
    // The last floating IP of the host is gone.
    let rules = || on(&cloud.lab, OTHER, &format!("ip -n {} rule", site.router.namespace()));
    wait_until("no rule of a floating IP", SETTLE, || match rules() {
        rules if rules.contains("lookup 16 ") => Err(rules),
        _ => Ok(()),
    })
    .expect("cleaned up");
    (grey, instance)
}

/// The port of an address that instances share is bound nowhere; its floating IP reaches whoever
/// has the address.
fn floating_ip_of_a_shared_address(site: &Site, holder: &Instance) {
    let cloud = &site.cloud;
    let address = "192.168.200.1";
    let pairs = json!({"allowed_address_pairs": [{"ip_address": address}]});
    cloud.update("port", &holder.port_id, pairs);
    inside(&cloud.lab, &holder.name, &format!("ip address add {address}/16 dev eth0"));
    let port = cloud.create(
        "port",
        json!({"network_id": site.blue.net.id, "name": "shared",
            "fixed_ips": [{"ip_address": address}]}),
    );
    let floating = cloud.create(
        "floatingip",
        json!({"floating_network_id": site.external.id, "port_id": port["id"]}),
    );
    let seen = floating["floating_ip_address"].as_str().expect("address");
    cloud.await_reachable_from("internet", seen);
    for (kind, made) in [("floatingip", &floating), ("port", &port)] {
        let id = made["id"].as_str().expect("id");
        cloud.client.delete(&format!("/v2.0/{kind}s/{id}")).expect("deleted");
    }
    inside(&cloud.lab, &holder.name, &format!("ip address del {address}/16 dev eth0"));
    cloud.update("port", &holder.port_id, json!({"allowed_address_pairs": []}));
}

/// Agents that are killed and come back find everything as it is to be, and nobody notices.
fn restarts_change_nothing(
    site: &Site,
    ds: &Instance,
    mates: &[Instance; 3],
    floating: &FloatingIp,
) {
    let cloud = &site.cloud;
    let state = || HOSTS.map(|host| (cloud.flows(host), cloud.kept(host)));
    let before = state();
    let pings = [
        cloud.start_ping_to(&mates[1], FAR, 250, SMALL),
        cloud.start_ping_to(ds, &mates[1].ip, 250, SMALL),
        cloud.start_ping_from(UPSTREAM, &floating.address, 250),
    ];
    for host in HOSTS {
        cloud.kill_and_await(host, L3_AGENT, routing::IN_SYNC);
    }
    cloud.kill_and_start(&HOSTS.map(|host| (host, AGENT)));
    cloud.kill_and_await(NETWORK_HOST, DHCP_AGENT, routing::IN_SYNC);
    pings.into_iter().for_each(crate::cloud::Ping::assert_none_lost);
    for (host, (before, now)) in HOSTS.iter().zip(before.iter().zip(&state())) {
        assert_eq!(before.0, now.0, "flows of {host}");
        assert_eq!(before.1, now.1, "what agents keep on {host}");
    }
    routing::restart_switch(cloud, NEAR);
    cloud.await_reachable_from("internet", &floating.address);
    cloud.await_answer(ds, &mates[1]);
    routing::restart_switch(cloud, NETWORK_HOST);
    echo::await_seen_outside_as(&cloud.lab, &mates[1], &site.router.external_ip);
}

/// A host has a router only as long as it has an instance for it.
fn routers_leave_with_their_last_instance(site: &Site, gre: &(Leg, Instance)) {
    let cloud = &site.cloud;
    cloud.remove(&gre.1);
    let path = format!("/v2.0/routers/{}/remove_router_interface", site.router.id);
    cloud.client.put(&path, &json!({"subnet_id": gre.0.net.subnet})).expect("detached");
    let lone = cloud.router("lone", &site.external, json!({}));
    let net = cloud.project_network("lone", "vxlan", "10.78.0.0/24", json!({"enable_dhcp": false}));
    cloud.attach(&lone, &net.subnet);
    let instance = cloud.boot_on(&net, "lone", OTHER, json!({}), Addressing::Static);
    cloud.await_namespace(OTHER, &lone.namespace(), true);
    echo::await_seen_outside_as(&cloud.lab, &instance, &lone.external_ip);
    assert!(!on(&cloud.lab, NEAR, "ip netns list").contains(&lone.id));
    cloud.remove(&instance);
    cloud.await_namespace(OTHER, &lone.namespace(), false);
    cloud.await_namespace(NETWORK_HOST, &lone.snat_namespace(), true);
}
