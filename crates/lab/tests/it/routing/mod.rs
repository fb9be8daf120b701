//! Routers, floating IPs and an external network through the API, for the tests of their walks.

pub mod echo;

use neutrino_lab::{Addressing, InstanceSpec, Lab, ServiceAction, wait::wait_until};
use serde_json::{Value, json};

use crate::cloud::{Cloud, Instance, SETTLE, difference};
use crate::on;

/// The gateway of the external network, as in the second seed.
pub const GATEWAY: &str = "172.25.250.254";
/// A host behind it.
pub const FAR: &str = "198.51.100.1";
/// The same host in IPv6.
pub const FAR_V6: &str = "2001:db8:100::1";
/// The L3 agent's service name.
pub const L3_AGENT: &str = "neutron-l3-agent";
/// What the L3 agent says when it has seen to every router.
pub const IN_SYNC: &str = "in sync with the server";

/// A network with an IPv4 subnet.
pub struct Net {
    pub id: String,
    pub subnet: String,
    /// VLAN or tunnel id.
    pub segment: u64,
    pub mtu: u64,
}

/// A router with a gateway.
pub struct Router {
    pub id: String,
    /// Its IPv4 address on the external network.
    pub external_ip: String,
}

/// A port of a router.
#[derive(Debug, Clone)]
pub struct RouterPort {
    pub id: String,
    pub mac: String,
    /// First address.
    pub ip: String,
}

/// A floating IP.
pub struct FloatingIp {
    pub id: String,
    pub address: String,
}

impl Router {
    /// Its namespace.
    pub fn namespace(&self) -> String {
        format!("qrouter-{}", self.id)
    }

    /// The namespace of its centralised SNAT when it is distributed.
    pub fn snat_namespace(&self) -> String {
        format!("snat-{}", self.id)
    }

    /// Name of one of its veth devices.
    pub fn device(&self, prefix: &str) -> String {
        format!("{prefix}{}", &self.id[..10])
    }
}

impl RouterPort {
    /// Its device's name.
    pub fn device(&self, prefix: &str) -> String {
        format!("{prefix}{}", &self.id[..11])
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a string instead of {value}")).to_owned()
}

/// The first of the `fixed_ips` that is of IPv4, or else the first.
fn first_ip(fixed: &Value) -> String {
    let all: Vec<_> =
        fixed.as_array().expect("list").iter().map(|ip| text(&ip["ip_address"])).collect();
    all.iter().find(|ip| ip.contains('.')).unwrap_or(&all[0]).clone()
}

impl Cloud {
    /// The external network of the lab's upstream router, in both versions of IP.
    pub fn external_network(&self) -> Net {
        let made = self.create(
            "network",
            json!({"name": "provider-datacentre", "router:external": true,
            "provider:network_type": "flat", "provider:physical_network": "provider"}),
        );
        let id = text(&made["id"]);
        let subnet = self.create(
            "subnet",
            json!({"network_id": id, "ip_version": 4, "cidr": "172.25.250.0/24",
                "gateway_ip": GATEWAY, "enable_dhcp": false,
                "allocation_pools": [{"start": "172.25.250.100", "end": "172.25.250.189"}]}),
        );
        self.create(
            "subnet",
            json!({"network_id": id, "ip_version": 6, "cidr": "2001:db8:250::/64",
                "gateway_ip": "2001:db8:250::254", "enable_dhcp": false,
                "allocation_pools":
                    [{"start": "2001:db8:250::1000", "end": "2001:db8:250::1fff"}]}),
        );
        let mtu = made["mtu"].as_u64().expect("mtu");
        Net { id, subnet: text(&subnet["id"]), segment: 0, mtu }
    }

    /// A network of a type with an IPv4 subnet; its gateway is the first address, `more` are
    /// attributes of the subnet.
    pub fn project_network(&self, name: &str, kind: &str, cidr: &str, more: Value) -> Net {
        let mut body = json!({"name": name, "provider:network_type": kind});
        if kind == "vlan" {
            body["provider:physical_network"] = json!("provider");
        }
        let made = self.create("network", body);
        let id = text(&made["id"]);
        let mut body = json!({"network_id": id, "ip_version": 4, "cidr": cidr});
        body.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        let subnet = self.create("subnet", body);
        Net {
            id,
            subnet: text(&subnet["id"]),
            segment: made["provider:segmentation_id"].as_u64().expect("segmentation id"),
            mtu: made["mtu"].as_u64().expect("mtu"),
        }
    }

    /// A router with its gateway on `external`.
    pub fn router(&self, name: &str, external: &Net, more: Value) -> Router {
        let mut body = json!({"name": name, "external_gateway_info": {"network_id": external.id}});
        body.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        let made = self.create("router", body);
        let fixed = &made["external_gateway_info"]["external_fixed_ips"];
        Router { id: text(&made["id"]), external_ip: first_ip(fixed) }
    }

    /// Changes a resource.
    pub fn update(&self, kind: &str, id: &str, change: Value) -> Value {
        let path = format!("/v2.0/{kind}s/{id}");
        self.client.put(&path, &json!({kind: change})).expect("updated")[kind].take()
    }

    /// Attaches a subnet to a router.
    pub fn attach(&self, router: &Router, subnet: &str) -> RouterPort {
        let path = format!("/v2.0/routers/{}/add_router_interface", router.id);
        let made = self.client.put(&path, &json!({"subnet_id": subnet})).expect("attached");
        self.router_port_by_id(&text(&made["port_id"]))
    }

    fn router_port_by_id(&self, id: &str) -> RouterPort {
        let port = self.client.get(&format!("/v2.0/ports/{id}")).expect("port");
        let port = &port["port"];
        RouterPort {
            id: text(&port["id"]),
            mac: text(&port["mac_address"]),
            ip: first_ip(&port["fixed_ips"]),
        }
    }

    /// The only port of an owner that belongs to `device` and is on `network`.
    pub fn port_of(&self, owner: &str, device: &str, network: &Net) -> RouterPort {
        let filter = format!("?device_owner={owner}&device_id={device}&network_id={}", network.id);
        let ids = self.ids("port", &filter);
        assert_eq!(ids.len(), 1, "ports with {filter}");
        self.router_port_by_id(&ids[0])
    }

    /// The router's port on the external network.
    pub fn gateway_port(&self, router: &Router, external: &Net) -> RouterPort {
        self.port_of("network:router_gateway", &router.id, external)
    }

    /// A port of a network with `more` attributes, and an instance with it; it is ACTIVE.
    pub fn boot_on(
        &self,
        network: &Net,
        name: &str,
        host: &'static str,
        more: Value,
        addressing: Addressing,
    ) -> Instance {
        let mut body = json!({"network_id": network.id, "name": name});
        body.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        let port = self.create("port", body);
        let port_id = text(&port["id"]);
        let spec = self.lab.create_instance(name, host, &port_id, addressing).expect(name);
        self.await_booted(&spec);
        let ip = first_ip(&port["fixed_ips"]);
        Instance { name: name.to_owned(), host, port_id, ip }
    }

    fn await_booted(&self, spec: &InstanceSpec) {
        self.lab.wait_active(&spec.port_id).expect("ACTIVE");
        self.lab.wait_leases(spec).expect("leases");
    }

    /// A floating IP for the address of an instance.
    pub fn floating_ip(&self, external: &Net, instance: &Instance) -> FloatingIp {
        let made = self.create(
            "floatingip",
            json!({"floating_network_id": external.id, "port_id": instance.port_id,
                "fixed_ip_address": instance.ip}),
        );
        FloatingIp { id: text(&made["id"]), address: text(&made["floating_ip_address"]) }
    }

    /// Lets everybody in to the instances of the administrator's project.
    pub fn open_default_group(&self) {
        // Of all default groups the administrator's own has the name of no other project.
        let mine = self.create("security_group", json!({"name": "mine"}));
        let project = text(&mine["project_id"]);
        let path = format!("/v2.0/security-groups/{}", text(&mine["id"]));
        self.client.delete(&path).expect("deleted");
        let group = self.ids("security_group", &format!("?name=default&project_id={project}"));
        for ethertype in ["IPv4", "IPv6"] {
            self.create(
                "security_group_rule",
                json!({"security_group_id": group[0], "direction": "ingress",
                    "ethertype": ethertype}),
            );
        }
    }

    /// Unplugs and deletes an instance and its port.
    pub fn remove(&self, instance: &Instance) {
        self.lab.delete_instance(&instance.name).expect("instance deleted");
        self.client.delete(&format!("/v2.0/ports/{}", instance.port_id)).expect("port deleted");
    }

    /// Waits until `address` answers a host, such as upstream.
    pub fn await_reachable_from(&self, host: &str, address: &str) {
        wait_until(&format!("{address} answering {host}"), SETTLE, || {
            let ping = ["ping", "-c", "1", "-W", "1", address];
            let output = self.lab.exec(host, &ping).expect("ping");
            let seen = String::from_utf8_lossy(&output.stdout).into_owned();
            if output.status.success() { Ok(()) } else { Err(seen) }
        })
        .expect("answer");
    }

    /// Waits until a status is what it should be.
    pub fn await_status(&self, kind: &str, id: &str, wanted: &str) {
        wait_until(&format!("{kind} {wanted}"), SETTLE, || {
            let seen = self.client.get(&format!("/v2.0/{kind}s/{id}")).expect(kind);
            match seen[kind]["status"].as_str() {
                Some(status) if status == wanted => Ok(()),
                _ => Err(seen.to_string()),
            }
        })
        .expect("status");
    }

    /// Waits until a host has a namespace, or no more.
    pub fn await_namespace(&self, host: &str, name: &str, present: bool) {
        wait_until(&format!("namespace {name} on {host}: {present}"), SETTLE, || {
            let names = on(&self.lab, host, "ip netns list");
            let found = names.lines().any(|line| line.split(' ').next() == Some(name));
            if found == present { Ok(()) } else { Err(names) }
        })
        .expect("namespaces");
    }
}

/// Restarts the switch of a host, which takes the devices of routers with it; the agents bring
/// back all that was there.
pub fn restart_switch(cloud: &Cloud, host: &str) {
    // New devices have other numbers and come in another order.
    let kept = || {
        let kept = cloud.kept(host);
        let unnumbered = |line: &'_ str| {
            let number = line.find(": ").filter(|end| line[..*end].parse::<u32>().is_ok());
            line[number.map_or(0, |end| end + 2)..].to_owned()
        };
        let mut lines: Vec<String> = kept.lines().map(unnumbered).collect();
        lines.sort_unstable();
        lines.join("\n")
    };
    let before = kept();
    cloud.lab.service(host, "ovs-vswitchd", ServiceAction::Restart).expect("ovs-vswitchd");
    wait_until("what agents keep as before", SETTLE, || {
        let now = kept();
        if now == before { Ok(()) } else { Err(difference(&before, &now)) }
    })
    .expect(host);
}

/// Tag of a port of br-int: the network's VLAN on that host.
pub fn local_vlan(lab: &Lab, host: &str, device: &str) -> String {
    on(lab, host, &format!("ovs-vsctl get Port {device} tag")).trim().to_owned()
}

/// Deletes floating IPs and routers through the API.
pub fn delete_all(cloud: &Cloud) {
    let client = &cloud.client;
    for id in cloud.ids("floatingip", "") {
        client.delete(&format!("/v2.0/floatingips/{id}")).expect("floating IP deleted");
    }
    for id in cloud.ids("router", "") {
        cloud.update("router", &id, json!({"routes": []}));
        for owner in ["network:router_interface", "network:router_interface_distributed"] {
            for port in cloud.ids("port", &format!("?device_id={id}&device_owner={owner}")) {
                let path = format!("/v2.0/routers/{id}/remove_router_interface");
                client.put(&path, &json!({"port_id": port})).expect("detached");
            }
        }
        client.delete(&format!("/v2.0/routers/{id}")).expect("router deleted");
    }
}
