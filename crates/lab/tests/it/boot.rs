//! Instances that boot: address, route, MTU and DNS by a real DHCP client, metadata by curl, under
//! both firewall drivers.

use neutrino_lab::{DhcpClient, InstanceSpec, LabOptions};
use serde_json::{Value, json};

use crate::cloud::{AGENT, Cloud, DHCP_AGENT, HOSTS, Instance, Network};
use crate::inside;

const METADATA_AGENT: &str = "neutron-metadata-agent";
const CONTROLLER: &str = "controller0";
const INSTANCE_ID: &str = "http://169.254.169.254/latest/meta-data/instance-id";

/// An instance with what DHCP should have told it.
struct Booted {
    instance: Instance,
    spec: InstanceSpec,
    network: String,
}

fn subnet(cloud: &Cloud, network: &Value, more: Value) {
    let mut body = json!({"network_id": network["id"]});
    let map = body.as_object_mut().expect("object");
    map.extend(more.as_object().expect("object").clone());
    cloud.create("subnet", body);
}

/// `blue` has IPv4 only, with a name server and a route; `green` is dual-stack.
fn networks(cloud: &Cloud) -> [(Network, Value); 2] {
    let network = |name: &str| {
        let made = cloud.create("network", json!({"name": name}));
        let id = made["id"].as_str().expect("id").to_owned();
        (Network { id, mtu: made["mtu"].as_u64().expect("mtu") }, made)
    };
    let (blue, green) = (network("blue"), network("green"));
    let route = json!({"destination": "10.9.0.0/16", "nexthop": "10.0.1.9"});
    subnet(
        cloud,
        &blue.1,
        json!({"ip_version": 4, "cidr": "10.0.1.0/24", "dns_nameservers": ["192.0.2.53"],
            "host_routes": [route]}),
    );
    subnet(cloud, &green.1, json!({"ip_version": 4, "cidr": "10.0.2.0/24"}));
    subnet(
        cloud,
        &green.1,
        json!({"ip_version": 6, "cidr": "fd00:2::/64", "ipv6_address_mode": "dhcpv6-stateful",
            "ipv6_ra_mode": "dhcpv6-stateful"}),
    );
    [blue, green]
}

fn boot(cloud: &Cloud, network: &(Network, Value), host: &'static str) -> Booted {
    let network_name = network.1["name"].as_str().expect("name").to_owned();
    let name = format!("{network_name}-{host}");
    let instance = cloud.boot(&network.0, &name, host);
    let (_, spec) = cloud.lab.find_instance(&name).expect("instance");
    cloud.lab.wait_leases(&spec).unwrap_or_else(|error| {
        panic!("{error}\n{}", inside(&cloud.lab, &name, "ip address; cat /proc/net/dev"))
    });
    Booted { instance, spec, network: network_name }
}

/// Addresses of a network's DHCP ports.
fn dhcp_addresses(cloud: &Cloud, network: &str) -> Vec<String> {
    let ports = cloud
        .client
        .get(&format!("/v2.0/ports?device_owner=network:dhcp&network_id={network}"))
        .expect("ports");
    let ports = ports["ports"].as_array().expect("list");
    let fixed = ports.iter().flat_map(|port| port["fixed_ips"].as_array().expect("list"));
    fixed.map(|fixed| fixed["ip_address"].as_str().expect("address").to_owned()).collect()
}

fn assert_configured(cloud: &Cloud, booted: &Booted, network: &(Network, Value)) {
    let name = &booted.instance.name;
    let addresses = inside(&cloud.lab, name, "ip -o address show dev eth0 scope global");
    for wanted in &booted.spec.addresses {
        assert!(addresses.contains(&wanted.to_string()), "{wanted} in {addresses}");
    }
    assert_eq!(addresses.lines().count(), booted.spec.addresses.len(), "{addresses}");
    let link = inside(&cloud.lab, name, "ip link show dev eth0");
    assert!(link.contains(&format!(" mtu {} ", network.0.mtu)), "{link}");
    let routes = inside(&cloud.lab, name, "ip -4 route show");
    let served: Vec<String> = dhcp_addresses(cloud, &network.0.id);
    let server = served.iter().find(|a| a.starts_with("10.0.")).expect("a DHCP port");
    assert!(routes.contains(&format!("169.254.169.254 via {server} ")), "{routes}");
    let number = if booted.network == "blue" { 1 } else { 2 };
    assert!(routes.contains(&format!("default via 10.0.{number}.1 ")), "{routes}");
    let resolver = inside(&cloud.lab, name, "cat /etc/resolv.conf");
    let dns = if number == 1 { "192.0.2.53" } else { server.as_str() };
    assert!(resolver.contains(&format!("nameserver {dns}\n")), "{resolver}");
    assert!(resolver.contains("search openstacklocal\n"), "{resolver}");
    if number == 1 {
        assert!(routes.contains("10.9.0.0/16 via 10.0.1.9 "), "{routes}");
        assert_eq!(booted.spec.clients, [DhcpClient::V4]);
    } else {
        assert_eq!(booted.spec.clients.len(), 2, "DHCPv4 and DHCPv6");
    }
}

/// Standard output of curl in an instance, which may fail.
fn curl(cloud: &Cloud, name: &str, arguments: &[&str]) -> String {
    let command = [&["curl", "--silent", "--max-time", "10"], arguments].concat();
    let output = cloud.lab.exec_instance(name, &command).expect("curl");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn assert_own_metadata(cloud: &Cloud, booted: &Booted, other: &Booted) {
    let (name, id) = (&booted.instance.name, &booted.spec.id);
    assert_eq!(curl(cloud, name, &[INSTANCE_ID]), *id, "{name}");
    let address = "http://169.254.169.254/latest/meta-data/local-ipv4";
    assert_eq!(curl(cloud, name, &[address]), booted.instance.ip);
    let json = curl(cloud, name, &["http://169.254.169.254/openstack/latest/meta_data.json"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["uuid"], **id);
    let forged = [
        format!("X-Forwarded-For: {}", other.instance.ip),
        format!("X-Instance-ID: {}", other.spec.id),
        "X-Neutron-Router-ID: 1".to_owned(),
        "X_Forwarded_For: 10.0.0.1".to_owned(),
    ];
    let mut arguments = vec![INSTANCE_ID];
    forged.iter().for_each(|header| arguments.extend(["--header", header]));
    assert_eq!(curl(cloud, name, &arguments), *id, "forged headers of {name}");
}

/// Over IPv6 the proxy sees the instance's link-local address, and knows it by the MAC in it.
fn assert_own_metadata_over_ipv6(cloud: &Cloud, booted: &Booted) {
    let url = "http://[fe80::a9fe:a9fe%25eth0]/latest/meta-data/instance-id";
    let (name, id) = (&booted.instance.name, &booted.spec.id);
    assert_eq!(curl(cloud, name, &["--globoff", url]), *id, "{name}");
}

/// With the address of another instance of its network no packet of an instance gets through.
fn assert_no_foreign_address(cloud: &Cloud, booted: &Booted, other: &Booted) {
    let (name, ip) = (&booted.instance.name, &other.instance.ip);
    inside(&cloud.lab, name, &format!("ip address add {ip}/32 dev eth0"));
    let forged = ["--interface", ip, "--max-time", "2", "--write-out", "%{http_code}", INSTANCE_ID];
    assert_eq!(curl(cloud, name, &forged), "000", "{name} with the address of {}", other.spec.name);
    inside(&cloud.lab, name, &format!("ip address del {ip}/32 dev eth0"));
}

#[test]
fn instances_boot_and_cannot_pass_for_each_other() {
    if !neutrino_privilege::granted() {
        return;
    }
    let cloud = Cloud::up_with(LabOptions {
        name: format!("boot-{}", std::process::id()),
        firewall: vec!["mixed".parse().expect("choice")],
        l3: Some(Vec::new()),
        ..LabOptions::default()
    });
    let networks = networks(&cloud);
    let mut booted = Vec::new();
    for network in &networks {
        for host in HOSTS {
            booted.push(boot(&cloud, network, host));
            assert_configured(&cloud, &booted[booted.len() - 1], network);
        }
    }
    for (n, this) in booted.iter().enumerate() {
        // The next one on the same network.
        let other = &booted[n / 3 * 3 + (n + 1) % 3];
        assert_own_metadata(&cloud, this, other);
        if this.network == "green" {
            assert_own_metadata_over_ipv6(&cloud, this);
        }
        assert_no_foreign_address(&cloud, this, other);
        // Instances of a project's default group reach each other, in every version of IP.
        cloud.await_answer(&this.instance, &other.instance);
        for address in other.spec.addresses.iter().filter(|a| a.addr().is_ipv6()) {
            let line = format!("ping -c 1 -W 5 {}", address.addr());
            inside(&cloud.lab, &this.instance.name, &line);
        }
    }

    let before = HOSTS.map(|host| (cloud.flows(host), cloud.kept(host)));
    let ping = cloud.start_ping(&booted[0].instance, &booted[1].instance, 150, 84);
    cloud.kill_and_await(CONTROLLER, DHCP_AGENT, "in sync with the server");
    cloud.kill_and_await(CONTROLLER, METADATA_AGENT, "metadata agent listens");
    cloud.kill_and_start(&HOSTS.map(|host| (host, AGENT)));
    ping.assert_none_lost();
    let after = HOSTS.map(|host| (cloud.flows(host), cloud.kept(host)));
    for (host, (before, after)) in HOSTS.iter().zip(before.iter().zip(&after)) {
        assert_eq!(before.0, after.0, "flows of {host}");
        assert_eq!(before.1, after.1, "what agents keep on {host}");
    }
    assert_own_metadata(&cloud, &booted[4], &booted[3]);

    let instances: Vec<&Instance> = booted.iter().map(|b| &b.instance).collect();
    cloud.finish(&instances);
}
