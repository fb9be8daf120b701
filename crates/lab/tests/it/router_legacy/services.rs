//! What a router does beside forwarding: ports of a floating IP, extra routes, metadata,
//! advertisements of IPv6 prefixes.

use std::net::IpAddr;

use neutrino_lab::{Addressing, UPSTREAM, wait::wait_until};
use serde_json::json;

use super::{NETWORK_HOST, Site};
use crate::cloud::{Instance, SETTLE};
use crate::probe::{self, Attempt, Protocol};
use crate::routing::{FAR_V6, Net};
use crate::{inside, on};

/// Ports of one floating IP lead to ports of two instances, and nothing else of it answers.
pub fn port_forwarding(site: &Site) {
    let cloud = &site.cloud;
    let targets = [&site.legs[0].instances[1], &site.legs[2].instances[0]];
    let floating = cloud.create("floatingip", json!({"floating_network_id": site.external.id}));
    let id = floating["id"].as_str().expect("id");
    let address = floating["floating_ip_address"].as_str().expect("address");
    let path = format!("/v2.0/floatingips/{id}/port_forwardings");
    let mut servers = Vec::new();
    for (target, (protocol, name, external)) in
        targets.iter().zip([(Protocol::Tcp, "tcp", 2222), (Protocol::Udp, "udp", 5353)])
    {
        let body = json!({"port_forwarding": {"protocol": name, "external_port": external,
            "internal_port": 8080, "internal_ip_address": target.ip,
            "internal_port_id": target.port_id}});
        cloud.client.post(&path, &body).expect("port forwarding");
        servers.push(probe::serve(&cloud.lab, &target.name, &[(protocol, 8080)]));
    }
    let attempt = |protocol, port| Attempt {
        id: format!("{protocol:?} {port}"),
        protocol,
        address: address.parse::<IpAddr>().expect("address"),
        port,
        size: 16,
    };
    let wanted = [
        (attempt(Protocol::Tcp, 2222), true),
        (attempt(Protocol::Udp, 5353), true),
        (attempt(Protocol::Tcp, 5353), false),
        (attempt(Protocol::Tcp, 8080), false),
    ];
    wait_until("the ports of a floating IP", SETTLE, || {
        let attempts: Vec<_> = wanted.iter().map(|(attempt, _)| attempt.clone()).collect();
        let seen = probe::probe_from(&cloud.lab, UPSTREAM, &attempts);
        let right = wanted.iter().all(|(attempt, open)| (seen[&attempt.id] == "yes") == *open);
        if right { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .expect("forwarded");
    for forwarding in
        cloud.client.get(&path).expect("list")["port_forwardings"].as_array().expect("list")
    {
        let forwarding = forwarding["id"].as_str().expect("id");
        cloud.client.delete(&format!("{path}/{forwarding}")).expect("deleted");
    }
    cloud.client.delete(&format!("/v2.0/floatingips/{id}")).expect("deleted");
    wait_until("no rule for the floating IP", SETTLE, || {
        let line = format!("ip netns exec {} iptables-save", site.router.namespace());
        let rules = on(&cloud.lab, NETWORK_HOST, &line);
        if rules.contains(address) { Err(rules) } else { Ok(()) }
    })
    .expect("gone");
}

/// The router sends what is for a network behind an instance to that instance.
pub fn extra_route(site: &Site) {
    let cloud = &site.cloud;
    let (hop, from) = (&site.legs[1].instances[0], &site.legs[0].instances[0]);
    let behind = "10.99.0.1";
    // An address that is not the port's would be taken for forged.
    let pairs = json!({"allowed_address_pairs": [{"ip_address": "10.99.0.0/24"}]});
    cloud.update("port", &hop.port_id, pairs);
    inside(&cloud.lab, &hop.name, &format!("ip address add {behind}/32 dev lo"));
    let route = json!({"destination": "10.99.0.0/24", "nexthop": hop.ip});
    cloud.update("router", &site.router.id, json!({"routes": [route]}));
    cloud.await_reachable(from, behind);
    cloud.update("router", &site.router.id, json!({"routes": []}));
    wait_until("no route", SETTLE, || {
        let line = format!("ip -n {} route", site.router.namespace());
        let routes = on(&cloud.lab, NETWORK_HOST, &line);
        if routes.contains("10.99.0.0/24") { Err(routes) } else { Ok(()) }
    })
    .expect("gone");
    inside(&cloud.lab, &hop.name, &format!("ip address del {behind}/32 dev lo"));
    cloud.update("port", &hop.port_id, json!({"allowed_address_pairs": []}));
}

/// An instance of a network that no DHCP agent serves asks its router for its metadata, and gets
/// its own.
pub fn metadata_through_the_router(site: &Site) -> Instance {
    let cloud = &site.cloud;
    let quiet = json!({"enable_dhcp": false});
    let net = cloud.project_network("quiet", "vxlan", "192.168.6.0/24", quiet);
    cloud.attach(&site.router, &net.subnet);
    let instance = cloud.boot_on(&net, "quiet", "compute0", json!({}), Addressing::Static);
    let id = cloud.lab.find_instance("quiet").expect("instance").1.id;
    let url = "http://169.254.169.254/latest/meta-data/instance-id";
    wait_until("metadata of its own", SETTLE, || {
        let curl = ["curl", "--silent", "--max-time", "5", url];
        let output = cloud.lab.exec_instance("quiet", &curl).expect("curl");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        if told == id { Ok(()) } else { Err(told) }
    })
    .expect("metadata");
    instance
}

/// An instance takes its address from the router's advertisements, and reaches outside by it; no
/// address is translated in IPv6, so outside gets a route.
pub fn ipv6(site: &Site) -> Instance {
    let cloud = &site.cloud;
    let modes = json!({"ip_version": 6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"});
    let net: Net = cloud.project_network("advertised", "gre", "2001:db8:a::/64", modes);
    cloud.attach(&site.router, &net.subnet);
    let instance = cloud.boot_on(&net, "advertised", "compute1", json!({}), Addressing::Dhcp);
    wait_until("an address by advertisement", SETTLE, || {
        let line = "ip -6 -o address show dev eth0 scope global";
        let seen = inside(&cloud.lab, "advertised", line);
        if seen.contains(&format!("{}/64 ", instance.ip)) { Ok(()) } else { Err(seen) }
    })
    .expect("SLAAC");
    let external = cloud.client.get(&format!("/v2.0/routers/{}", site.router.id)).expect("router");
    let fixed = &external["router"]["external_gateway_info"]["external_fixed_ips"];
    let ips = fixed.as_array().expect("list").iter().filter_map(|ip| ip["ip_address"].as_str());
    let gateway = ips.into_iter().find(|ip| ip.contains(':')).expect("an IPv6 address");
    let route = format!("ip -6 route replace 2001:db8:a::/64 via {gateway}");
    on(&cloud.lab, UPSTREAM, &route);
    cloud.await_reachable(&instance, FAR_V6);
    instance
}
