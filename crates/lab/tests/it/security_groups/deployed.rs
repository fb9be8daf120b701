//! A world of security groups made through the API, and its end.

use std::collections::BTreeMap;

use neutrino_lab::{Addressing, LabOptions, wait::wait_until};
use serde_json::{Value, json};

use super::model::{Member, Remote, Rule, World};
use crate::cloud::{Cloud, HOSTS, Instance, SETTLE};
use crate::probe::Protocol;

/// A cloud whose hosts filter by both drivers, without DHCP and routers; what filters each host had
/// before there was any port; and a network.
pub fn filtered(name: &str) -> (Cloud, [String; 3], DualStack) {
    let cloud = Cloud::up_with(LabOptions {
        name: format!("{name}-{}", std::process::id()),
        firewall: vec!["mixed".parse().expect("choice")],
        dhcp_hosts: Some(Vec::new()),
        l3: Some(Vec::new()),
        ..LabOptions::default()
    });
    let before = all_filters(&cloud);
    let network = DualStack::create(&cloud);
    (cloud, before, network)
}

/// A network with both versions of IP and without DHCP.
pub struct DualStack {
    pub id: String,
    subnets: [String; 2],
}

impl DualStack {
    /// Creates the network with 10.0.1.0/24 and fd00:1::/64.
    pub fn create(cloud: &Cloud) -> Self {
        let network = cloud.create("network", json!({"name": "matrix"}));
        let id = id(&network);
        let subnet = |version: u8, cidr: &str| {
            let body = json!({"network_id": id, "ip_version": version, "cidr": cidr,
                "gateway_ip": null, "enable_dhcp": false});
            self::id(&cloud.create("subnet", body))
        };
        let subnets = [subnet(4, "10.0.1.0/24"), subnet(6, "fd00:1::/64")];
        Self { id, subnets }
    }

    /// Creates a port with these addresses; `more` are further attributes of it.
    pub fn port(&self, cloud: &Cloud, name: &str, addresses: [&str; 2], more: Value) -> Value {
        let fixed = |n: usize| json!({"subnet_id": self.subnets[n], "ip_address": addresses[n]});
        let mut body =
            json!({"network_id": self.id, "name": name, "fixed_ips": [fixed(0), fixed(1)]});
        body.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        cloud.create("port", body)
    }
}

/// Starts an instance with a port; does not wait until it is ACTIVE.
pub fn plug(cloud: &Cloud, port: &Value, host: &'static str) -> Instance {
    let name = port["name"].as_str().expect("name").to_owned();
    let port_id = id(port);
    cloud.lab.create_instance(&name, host, &port_id, Addressing::Static).expect("instance");
    let ip = port["fixed_ips"][0]["ip_address"].as_str().expect("address").to_owned();
    Instance { name, host, port_id, ip }
}

/// Id of what the API created.
pub fn id(resource: &Value) -> String {
    resource["id"].as_str().expect("id").to_owned()
}

/// A security group without any rule.
pub fn empty_group(cloud: &Cloud, name: &str) -> String {
    let group = cloud.create("security_group", json!({"name": name}));
    for rule in group["security_group_rules"].as_array().expect("default rules") {
        delete(cloud, "security-group-rules", &id(rule));
    }
    id(&group)
}

pub fn delete(cloud: &Cloud, collection: &str, id: &str) {
    cloud.client.delete(&format!("/v2.0/{collection}/{id}")).expect(collection);
}

/// The ids of a world.
pub struct Deployed {
    groups: BTreeMap<&'static str, String>,
    address_groups: BTreeMap<&'static str, String>,
    rules: Vec<(&'static str, Rule, String)>,
}

impl Deployed {
    /// Creates all groups, empty ones first: rules name each other's.
    pub fn create(cloud: &Cloud, world: &World) -> Self {
        let groups = world.rules.keys().map(|name| (*name, empty_group(cloud, name))).collect();
        let address_group = |(name, nets): (&&'static str, &Vec<ipnet::IpNet>)| {
            let made = cloud.create("address_group", json!({"name": name, "addresses": nets}));
            (*name, id(&made))
        };
        let address_groups = world.address_groups.iter().map(address_group).collect();
        let mut deployed = Self { groups, address_groups, rules: Vec::new() };
        for (name, rules) in &world.rules {
            for rule in rules {
                let made = cloud.create("security_group_rule", deployed.body(name, rule));
                deployed.rules.push((name, rule.clone(), id(&made)));
            }
        }
        deployed
    }

    fn body(&self, group: &str, rule: &Rule) -> Value {
        let protocol = rule.protocol.map(|protocol| match (protocol, rule.ipv6) {
            (Protocol::Tcp, _) => "tcp",
            (Protocol::Udp, _) => "udp",
            (Protocol::Icmp, false) => "icmp",
            (Protocol::Icmp, true) => "ipv6-icmp",
        });
        let mut body = json!({
            "security_group_id": self.groups[group],
            "direction": if rule.egress { "egress" } else { "ingress" },
            "ethertype": if rule.ipv6 { "IPv6" } else { "IPv4" },
            "protocol": protocol,
            "port_range_min": rule.port,
            "port_range_max": rule.port,
        });
        match &rule.remote {
            Remote::Anyone => {}
            Remote::Prefix(prefix) => body["remote_ip_prefix"] = json!(prefix),
            Remote::Group(name) => body["remote_group_id"] = json!(self.groups[name]),
            Remote::AddressGroup(name) => {
                body["remote_address_group_id"] = json!(self.address_groups[name]);
            }
        }
        body
    }

    /// What a port's `security_groups` are to be.
    pub fn ids(&self, groups: &[&'static str]) -> Vec<&str> {
        groups.iter().map(|name| self.groups[name].as_str()).collect()
    }

    /// Deletes a rule, here and in the model.
    pub fn remove_rule(&mut self, cloud: &Cloud, world: &mut World, group: &str, rule: &Rule) {
        let at = self.rules.iter().position(|(name, known, _)| *name == group && known == rule);
        let (_, _, id) = self.rules.swap_remove(at.expect("a rule of the world"));
        delete(cloud, "security-group-rules", &id);
        world.rules.get_mut(group).expect("group").retain(|known| known != rule);
    }

    /// Takes a member out of a group, here and in the model.
    pub fn leave(&self, cloud: &Cloud, member: &mut Member, port_id: &str, group: &str) {
        member.groups.retain(|name| *name != group);
        let body = json!({"port": {"security_groups": self.ids(&member.groups)}});
        cloud.client.put(&format!("/v2.0/ports/{port_id}"), &body).expect("port");
    }

    /// Takes an instance's addresses out of an address group, here and in the model.
    pub fn remove_addresses(&self, cloud: &Cloud, world: &mut World, of: &Member, group: &str) {
        let nets = world.address_groups.get_mut(group).expect("address group");
        let own = |net: &ipnet::IpNet| [false, true].iter().any(|v6| net.addr() == of.address(*v6));
        let gone: Vec<ipnet::IpNet> = nets.iter().copied().filter(own).collect();
        nets.retain(|net| !own(net));
        let path = format!("/v2.0/address-groups/{}/remove_addresses", self.address_groups[group]);
        let body = json!({"addresses": gone});
        cloud.client.put(&path, &body).expect("address group");
    }

    /// Deletes all groups; no port uses them any more.
    pub fn delete(self, cloud: &Cloud) {
        for (_, _, rule) in &self.rules {
            delete(cloud, "security-group-rules", rule);
        }
        for id in self.groups.values() {
            delete(cloud, "security-groups", id);
        }
        for id in self.address_groups.values() {
            delete(cloud, "address-groups", id);
        }
    }
}

/// What iptables and ipset hold on a host, without what traffic changes.
pub fn filters(cloud: &Cloud, host: &str) -> String {
    let script = "iptables-save; ip6tables-save; ipset save";
    let output = cloud.lab.exec(host, &["sh", "-c", script]).expect("sh");
    let text = crate::stdout(output);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    // Counters come in brackets at the end of chains.
    let bare = lines.map(|line| line.split_once(" [").map_or(line, |(chain, _)| chain));
    bare.collect::<Vec<_>>().join("\n")
}

/// The filters of every host.
pub fn all_filters(cloud: &Cloud) -> [String; 3] {
    HOSTS.map(|host| filters(cloud, host))
}

/// Deletes instances with their ports; then the filters are as they were before.
pub fn remove(cloud: &Cloud, instances: &[&Instance], before: &[String; 3]) {
    for instance in instances {
        cloud.lab.delete_instance(&instance.name).expect("instance deleted");
        delete(cloud, "ports", &instance.port_id);
    }
    for (host, before) in HOSTS.iter().zip(before) {
        wait_until("the chains, zones and sets as before", SETTLE, || {
            let now = filters(cloud, host);
            if now == *before { Ok(()) } else { Err(crate::cloud::difference(before, &now)) }
        })
        .expect(host);
    }
}
