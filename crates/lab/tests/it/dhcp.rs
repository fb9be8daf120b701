//! DHCP as its agents serve it: two of three for each network, through changes, deaths, restarts.

use neutrino_lab::{Addressing, InstanceSpec, LabOptions, ServiceAction, wait::wait_until};
use serde_json::{Value, json};

use crate::cloud::{Cloud, DHCP_AGENT, HOSTS, Instance, SERVER, SETTLE};
use crate::{inside, on};

const IN_SYNC: &str = "in sync with the server";
const LOG: &str = "/var/log/neutron/neutron-dhcp-agent.log";

/// A network with what the tests ask about it.
struct Net<'c> {
    cloud: &'c Cloud,
    id: String,
}

/// A lab with a DHCP agent on each host, of which two serve each network.
fn cloud() -> Cloud {
    let overrides = [
        "neutron.conf:DEFAULT.dhcp_agents_per_network=2",
        "neutron.conf:DEFAULT.agent_down_time=4",
        "neutron.conf:agent.report_interval=1",
    ];
    Cloud::up_with(LabOptions {
        name: format!("dhcp-{}", std::process::id()),
        dhcp_hosts: Some(HOSTS.map(str::to_owned).to_vec()),
        l3: Some(Vec::new()),
        overrides: overrides.iter().map(|text| text.parse().expect("override")).collect(),
        ..LabOptions::default()
    })
}

impl<'c> Net<'c> {
    fn new(cloud: &'c Cloud, name: &str) -> Self {
        let network = cloud.create("network", json!({"name": name}));
        Self { cloud, id: text(&network["id"]) }
    }

    /// Adds a subnet; an IPv6 one with `mode`.
    fn subnet(&self, cidr: &str, mode: Option<&str>) -> String {
        let version = if cidr.contains(':') { 6 } else { 4 };
        let mut body = json!({"network_id": self.id, "ip_version": version, "cidr": cidr});
        if let Some(mode) = mode {
            body["ipv6_address_mode"] = mode.into();
            body["ipv6_ra_mode"] = mode.into();
        }
        text(&self.cloud.create("subnet", body)["id"])
    }

    fn update_subnet(&self, id: &str, change: Value) {
        let path = format!("/v2.0/subnets/{id}");
        self.cloud.client.put(&path, &json!({"subnet": change})).expect("updated");
    }

    /// Boots an instance with a port of the network; it is ACTIVE and has its leases.
    fn boot(&self, name: &str, host: &'static str, more: Value) -> (Instance, InstanceSpec) {
        let mut body = json!({"network_id": self.id, "name": name});
        body.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        let port = self.cloud.create("port", body);
        let port_id = text(&port["id"]);
        let lab = &self.cloud.lab;
        let spec = lab.create_instance(name, host, &port_id, Addressing::Dhcp).expect(name);
        lab.wait_active(&port_id).expect("ACTIVE");
        lab.wait_leases(&spec).expect("leases");
        let ip = text(&port["fixed_ips"][0]["ip_address"]);
        (Instance { name: name.to_owned(), host, port_id, ip }, spec)
    }

    /// The network's DHCP ports: device id, addresses.
    fn ports(&self) -> Vec<(String, Vec<String>)> {
        let path = format!("/v2.0/ports?device_owner=network:dhcp&network_id={}", self.id);
        let ports = self.cloud.client.get(&path).expect("ports");
        let mut out: Vec<_> = ports["ports"]
            .as_array()
            .expect("list")
            .iter()
            .map(|port| {
                let fixed = port["fixed_ips"].as_array().expect("list");
                let mut ips: Vec<_> = fixed.iter().map(|ip| text(&ip["ip_address"])).collect();
                ips.sort();
                (text(&port["device_id"]), ips)
            })
            .collect();
        out.sort_by(|a, b| a.1.cmp(&b.1));
        out
    }

    fn addresses(&self) -> Vec<Vec<String>> {
        self.ports().into_iter().map(|(_, ips)| ips).collect()
    }

    /// Process ids of the network's dnsmasq by host.
    fn servers(&self) -> Vec<(&'static str, String)> {
        let pid = |host| {
            let line = ["pgrep", "-f", &format!("dnsmasq .*{}", self.id)];
            let output = self.cloud.lab.exec(host, &line).expect("pgrep");
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        HOSTS.map(|host| (host, pid(host))).into_iter().filter(|(_, pid)| !pid.is_empty()).collect()
    }

    /// Waits until as many hosts serve the network; answers process ids by host.
    fn await_servers(&self, count: usize) -> Vec<(&'static str, String)> {
        wait_until("DHCP servers", SETTLE, || match self.servers() {
            servers if servers.len() == count => Ok(servers),
            servers => Err(format!("{servers:?}, awaiting {count}")),
        })
        .expect("as many")
    }

    /// A file of the network on `host`.
    fn file(&self, host: &str, name: &str) -> String {
        on(&self.cloud.lab, host, &format!("cat /var/lib/neutron/dhcp/{}/{name}", self.id))
    }

    /// Waits until a file of the network on each of its hosts holds a text, or no more.
    fn await_file(&self, name: &str, wanted: &str, present: bool) {
        for (host, _) in self.servers() {
            wait_until(&format!("{wanted} in {name}: {present}"), SETTLE, || {
                let now = self.file(host, name);
                if now.contains(wanted) == present { Ok(()) } else { Err(now) }
            })
            .expect(host);
        }
    }

    fn delete_port(&self, instance: &Instance) {
        self.cloud.remove(instance);
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("string").to_owned()
}

/// The DHCP agent's id by host.
fn agent_id(cloud: &Cloud, host: &str) -> String {
    let path = format!("/v2.0/agents?binary={DHCP_AGENT}&host={host}");
    text(&cloud.client.get(&path).expect("agents")["agents"][0]["id"])
}

#[test]
fn networks_are_served_through_changes_deaths_and_restarts() {
    if !neutrino_privilege::granted() {
        return;
    }
    let cloud = cloud();
    let net = Net::new(&cloud, "blue");
    let v4 = net.subnet("10.0.1.0/24", None);
    net.subnet("fd00:1::/64", Some("dhcpv6-stateful"));
    net.await_servers(2);
    let first = net.boot("first", "compute0", json!({})).0;
    changes_reach_clients(&net, &v4);
    deleted_port_frees_its_leases(&net);
    let slaac = other_ways_of_ipv6(&cloud);
    port_has_options_of_its_own(&cloud);
    toggled_and_added_subnets(&net, &v4);
    operators_move_networks(&net);
    dead_agent_is_replaced(&net);
    restarts_change_nothing(&cloud, &net, &first);
    switch_restart_brings_service_back(&net);
    let mut all: Vec<&Instance> = vec![&first];
    all.extend(&slaac);
    cloud.finish(&all);
}

/// Name servers, routes and options reach the next client, and no dnsmasq is restarted for them.
fn changes_reach_clients(net: &Net<'_>, v4: &str) {
    let before = net.servers();
    let route = json!({"destination": "10.9.0.0/16", "nexthop": "10.0.1.9"});
    net.update_subnet(
        v4,
        json!({"dns_nameservers": ["192.0.2.1", "192.0.2.2"],
        "host_routes": [route]}),
    );
    net.await_file("opts", "192.0.2.1,192.0.2.2", true);
    let (second, _) = net.boot("second", "compute1", json!({}));
    let lease = inside(&net.cloud.lab, "second", "cat /run/dhcp/lease4");
    assert!(lease.contains("dns 192.0.2.1 192.0.2.2\n"), "{lease}");
    assert!(lease.contains("route 10.9.0.0/16 10.0.1.9\n"), "{lease}");
    assert_eq!(net.servers(), before, "reloaded, not restarted");
    net.delete_port(&second);
}

/// Both kinds of lease are forgotten, so that the next port with the address gets it.
fn deleted_port_frees_its_leases(net: &Net<'_>) {
    let fixed = json!({"fixed_ips": [{"ip_address": "10.0.1.77"}, {"ip_address": "fd00:1::77"}]});
    for name in ["freed", "again"] {
        let (instance, spec) = net.boot(name, "compute1", fixed.clone());
        assert_eq!(spec.clients.len(), 2, "DHCPv4 and DHCPv6");
        let held =
            |ip: &str| net.servers().iter().any(|(host, _)| net.file(host, "leases").contains(ip));
        assert!(held("10.0.1.77") && held("fd00:1::77"));
        net.delete_port(&instance);
        net.await_file("leases", "10.0.1.77 ", false);
        net.await_file("leases", "fd00:1::77 ", false);
    }
    for host in HOSTS {
        let log = on(&net.cloud.lab, host, &format!("cat {LOG}"));
        assert!(!log.contains("could not be released"), "{log}");
    }
}

/// Without a router nobody advertises a prefix; the ports are ACTIVE nonetheless, and options of a
/// stateless subnet are served.
fn other_ways_of_ipv6(cloud: &Cloud) -> Vec<Instance> {
    let slaac = Net::new(cloud, "slaac");
    slaac.subnet("fd00:2::/64", Some("slaac"));
    let stateless = Net::new(cloud, "stateless");
    stateless.subnet("10.0.3.0/24", None);
    let subnet = stateless.subnet("fd00:3::/64", Some("dhcpv6-stateless"));
    stateless.update_subnet(&subnet, json!({"dns_nameservers": ["fd00:3::53"]}));
    let booted = vec![
        slaac.boot("slaac", "compute0", json!({})).0,
        stateless.boot("stateless", "compute0", json!({})).0,
    ];
    wait_until("options without an address", SETTLE, || {
        let output = cloud.lab.exec_instance("stateless", &["cat", "/run/dhcp/lease6"]);
        let lease = String::from_utf8_lossy(&output.expect("cat").stdout).into_owned();
        if lease.contains("dns fd00:3::53\n") { Ok(()) } else { Err(lease) }
    })
    .expect("name server");
    booted
}

/// A port's own options reach its client, before and after they change. dnsmasq 2.90 crashes at
/// the change; nobody is to notice.
fn port_has_options_of_its_own(cloud: &Cloud) {
    let net = Net::new(cloud, "options");
    net.subnet("10.0.7.0/24", None);
    net.subnet("fd00:7::/64", Some("dhcpv6-stateful"));
    let options = json!({"extra_dhcp_opts": [
        {"opt_name": "domain-name", "opt_value": "example.org"},
        {"opt_name": "dns-server", "opt_value": "[fd00:7::53]", "ip_version": 6}]});
    let (instance, _) = net.boot("options", "compute0", options);
    let lease = || inside(&cloud.lab, "options", "cat /run/dhcp/lease4 /run/dhcp/lease6");
    let before = lease();
    assert!(before.contains("domain example.org\n"), "{before}");
    assert!(before.contains("dns fd00:7::53\n"), "{before}");
    for name in ["example.net", "example.com"] {
        let options = json!([{"opt_name": "domain-name", "opt_value": name}]);
        let path = format!("/v2.0/ports/{}", instance.port_id);
        let change = json!({"port": {"extra_dhcp_opts": options}});
        cloud.client.put(&path, &change).expect("updated");
        net.await_file("opts", name, true);
        net.await_servers(2);
        let again = "dhclient -4 -1 -cf /run/dhcp/dhclient.conf -sf /run/dhcp/dhclient-script \
            -lf /run/dhcp/again -pf /run/dhcp/again.pid eth0";
        wait_until(name, SETTLE, || {
            inside(&cloud.lab, "options", again);
            inside(&cloud.lab, "options", "pkill -F /run/dhcp/again.pid");
            let now = lease();
            if now.contains(&format!("domain {name}\n")) { Ok(()) } else { Err(now) }
        })
        .expect("the new name");
    }
    net.delete_port(&instance);
    cloud.client.delete(&format!("/v2.0/networks/{}", net.id)).expect("deleted");
    net.await_servers(0);
}

/// A subnet without DHCP is not served, one that gets it is, and so is a new one.
fn toggled_and_added_subnets(net: &Net<'_>, v4: &str) {
    let serving = |cidr: &str| {
        let has = |(host, _): &(&str, String)| {
            on(&net.cloud.lab, host, "pgrep -a dnsmasq")
                .lines()
                .any(|line| line.contains(&net.id) && line.contains(cidr))
        };
        net.servers().iter().filter(|server| has(server)).count()
    };
    let await_serving = |cidr: &str, count: usize| {
        wait_until(cidr, SETTLE, || match serving(cidr) {
            now if now == count => Ok(()),
            now => Err(format!("on {now} hosts, awaiting {count}")),
        })
        .expect("served");
    };
    net.update_subnet(v4, json!({"enable_dhcp": false}));
    await_serving(",10.0.1.0,", 0);
    net.update_subnet(v4, json!({"enable_dhcp": true}));
    await_serving(",10.0.1.0,", 2);
    net.subnet("10.0.5.0/24", None);
    await_serving(",10.0.5.0,", 2);
    let fixed = json!({"fixed_ips": [{"ip_address": "10.0.5.50"}]});
    let (instance, _) = net.boot("added", "compute0", fixed);
    net.delete_port(&instance);

    let gone = Net::new(net.cloud, "gone");
    let subnet = gone.subnet("10.0.6.0/24", None);
    gone.await_servers(2);
    gone.update_subnet(&subnet, json!({"enable_dhcp": false}));
    gone.await_servers(0);
    gone.update_subnet(&subnet, json!({"enable_dhcp": true}));
    gone.await_servers(2);
    net.cloud.client.delete(&format!("/v2.0/networks/{}", gone.id)).expect("deleted");
    gone.await_servers(0);
}

/// An operator takes a network from an agent and gives it to another, which goes on with the port.
fn operators_move_networks(net: &Net<'_>) {
    let client = &net.cloud.client;
    let servers = net.await_servers(2);
    let other = HOSTS.into_iter().find(|h| servers.iter().all(|(s, _)| s != h)).expect("a third");
    let before = net.addresses();
    let path = |host| format!("/v2.0/agents/{}/dhcp-networks", agent_id(net.cloud, host));
    client.delete(&format!("{}/{}", path(servers[0].0), net.id)).expect("removed");
    net.await_servers(1);
    client.post(&path(other), &json!({"network_id": net.id})).expect("added");
    net.await_servers(2);
    assert_eq!(net.addresses(), before, "the port was taken over");
    assert!(net.servers().iter().any(|(host, _)| *host == other));
}

/// A client gets its lease while one of two agents is dead with its dnsmasq; then a third agent
/// takes the place of the dead one, and that one lets go of all when it is back.
fn dead_agent_is_replaced(net: &Net<'_>) {
    let lab = &net.cloud.lab;
    let servers = net.await_servers(2);
    let (dead, pid) = &servers[0];
    let before = net.addresses();
    lab.service(dead, DHCP_AGENT, ServiceAction::Signal(libc::SIGKILL)).expect("killed");
    on(lab, dead, &format!("kill {pid}"));
    let host = if *dead == "compute0" { "compute1" } else { "compute0" };
    let (instance, _) = net.boot("orphan", host, json!({}));
    net.delete_port(&instance);
    let other = HOSTS.into_iter().find(|h| servers.iter().all(|(s, _)| s != h)).expect("a third");
    wait_until("another agent", SETTLE * 2, || match net.servers() {
        now if now.iter().any(|(host, _)| *host == other) => Ok(()),
        now => Err(format!("{now:?}")),
    })
    .expect("a third agent serves");
    assert_eq!(net.addresses(), before, "the port was taken over");
    lab.service(dead, DHCP_AGENT, ServiceAction::Start).expect("started");
    wait_until("nothing of the network", SETTLE, || {
        let names = on(lab, dead, "ip netns list");
        if names.contains(&net.id) { Err(names) } else { Ok(()) }
    })
    .expect("nothing left where it was served");
    let hosts: Vec<_> = net.await_servers(2).into_iter().map(|(host, _)| host).collect();
    assert!(!hosts.contains(dead), "{hosts:?}");
}

/// Neither agents nor the server change anything by starting again.
fn restarts_change_nothing(cloud: &Cloud, net: &Net<'_>, client: &Instance) {
    let state = || {
        let hosts = HOSTS.map(|host| (cloud.flows(host), cloud.kept(host)));
        (net.ports(), hosts)
    };
    let before = state();
    for host in HOSTS {
        cloud.kill_and_await(host, DHCP_AGENT, IN_SYNC);
    }
    assert_eq!(state(), before, "after the agents' restart");
    cloud.kill_and_start(&[("controller0", SERVER)]);
    assert_eq!(state(), before, "after the server's restart");
    assert_eq!(cloud.port_status(client), "ACTIVE");
}

/// ovs-vswitchd makes every device anew; the agent puts them back, and clients are served.
fn switch_restart_brings_service_back(net: &Net<'_>) {
    let before = net.servers();
    for (host, _) in &before {
        net.cloud.lab.service(host, "ovs-vswitchd", ServiceAction::Restart).expect("restarted");
    }
    let (instance, _) = net.boot("late", "compute1", json!({}));
    assert_eq!(net.servers(), before, "dnsmasq was not restarted");
    net.delete_port(&instance);
}
