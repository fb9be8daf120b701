//! A lab with server and agents, and what every test of one checks at its end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use neutrino_lab::api::Client;
use neutrino_lab::{
    Addressing, Firewall, FirewallChoice, Implementation, Lab, LabOptions, PEERS, ServiceAction,
    wait::wait_until,
};
use serde_json::{Value, json};

use crate::{evidence::Watched, on, routing, stdout};

/// The L2 agent's service name.
pub const AGENT: &str = "neutron-openvswitch-agent";
/// The server's service name.
pub const SERVER: &str = "neutron-server";
/// The DHCP agent's service name.
pub const DHCP_AGENT: &str = "neutron-dhcp-agent";
/// The first host runs the server, the others only an agent.
pub const HOSTS: [&str; 3] = ["controller0", "compute0", "compute1"];
/// How long anything may take to converge, also when it takes programs in Python.
pub const SETTLE: Duration = Duration::from_secs(90);

/// What names of devices start with that belong to instances, tunnels and routers.
const DEVICES: [&str; 12] =
    ["tap", "qvo", "qvb", "qbr", "vxlan-", "gre-", "qr-", "qg-", "sg-", "rfp-", "fpr-", "fg-"];

/// The whole `neutrino` program: `NEUTRINO_BIN`, or the one of this build.
fn neutrino() -> PathBuf {
    if let Some(path) = std::env::var_os("NEUTRINO_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a running program has a path");
    let target = test.parent().and_then(|deps| deps.parent()).expect("target/debug/deps");
    let binary = target.join("neutrino");
    assert!(binary.exists(), "{} is missing: cargo build -p neutrino", binary.display());
    binary
}

/// A network with its subnet.
pub struct Network {
    pub id: String,
    pub mtu: u64,
}

/// An instance and its port.
#[derive(Debug, Clone)]
pub struct Instance {
    pub name: String,
    pub host: &'static str,
    pub port_id: String,
    pub ip: String,
}

/// A lab with server and agents.
pub struct Cloud {
    pub lab: Watched,
    pub client: Client,
    /// Flows of each host before there was any network.
    baseline: BTreeMap<&'static str, String>,
}

impl Cloud {
    /// Starts a lab of [`HOSTS`] with changes to its configuration; agents are alive. Without
    /// firewall and DHCP, for what concerns the L2 agents alone.
    pub fn up(name: &str, overrides: &[&str]) -> Self {
        Self::up_with(LabOptions {
            name: format!("{name}-{}", std::process::id()),
            overrides: overrides.iter().map(|text| text.parse().expect("override")).collect(),
            firewall: vec![FirewallChoice::All(Firewall::Noop)],
            dhcp_hosts: Some(Vec::new()),
            l3: Some(Vec::new()),
            ..LabOptions::default()
        })
    }

    /// Starts the lab that `options` describe with the whole program; agents are alive.
    pub fn up_with(options: LabOptions) -> Self {
        let peers = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(PEERS);
        let options = LabOptions { binary: Some(neutrino()), peers, ..options };
        let lab = Watched::new(Lab::up(&options).expect("lab up"));
        lab.wait_agents().expect("agents");
        let client = lab.client("admin").expect("token");
        let mut cloud = Self { lab, client, baseline: BTreeMap::new() };
        for host in HOSTS {
            wait_until("the first sync", SETTLE, || cloud.swept(host, 1)).expect(host);
        }
        cloud.baseline = cloud.flows_of_all();
        cloud
    }

    /// Whether the agent of `host` has removed what the server does not know for the nth time.
    fn swept(&self, host: &str, times: usize) -> Result<(), String> {
        let count = self.count_swept(host);
        if count >= times { Ok(()) } else { Err(format!("{count} syncs, awaiting {times}")) }
    }

    fn count_swept(&self, host: &str) -> usize {
        let log = on(&self.lab, host, &format!("cat /var/log/neutron/{AGENT}.log"));
        log.matches(match self.is_ours(host) {
            true => "dropped what the server no longer knows",
            false => "rpc_loop - iteration:0 completed",
        })
        .count()
    }

    /// Creates a network of a type with a subnet 10.0.`number`.0/24.
    pub fn network(&self, kind: &str, number: u8) -> Network {
        let mut body = json!({"name": kind, "provider:network_type": kind});
        if ["vlan", "flat"].contains(&kind) {
            body["provider:physical_network"] = json!("provider");
        }
        let network = self.create("network", body);
        let id = network["id"].as_str().expect("id").to_owned();
        let cidr = format!("10.0.{number}.0/24");
        self.create(
            "subnet",
            json!({
            "network_id": id, "ip_version": 4, "cidr": cidr, "gateway_ip": null}),
        );
        Network { id, mtu: network["mtu"].as_u64().expect("mtu") }
    }

    /// Creates one resource through the API.
    pub fn create(&self, kind: &str, body: Value) -> Value {
        let path = format!("/v2.0/{}s", kind.replace('_', "-"));
        let answer = self.client.post(&path, &json!({kind: body}));
        answer.expect(kind)[kind].take()
    }

    /// Ids of the resources of a kind that `filter` (`?name=x`) chooses.
    pub fn ids(&self, kind: &str, filter: &str) -> Vec<String> {
        let key = format!("{kind}s");
        let path = format!("/v2.0/{}{filter}", key.replace('_', "-"));
        let list = self.client.get(&path).expect(kind);
        let list = list[&key].as_array().expect("list");
        list.iter().map(|item| item["id"].as_str().expect("id").to_owned()).collect()
    }

    /// Creates a port and an instance with it; the port is ACTIVE.
    pub fn boot(&self, network: &Network, name: &str, host: &'static str) -> Instance {
        let port = self.create("port", json!({"network_id": network.id, "name": name}));
        let port_id = port["id"].as_str().expect("id").to_owned();
        let ip = port["fixed_ips"][0]["ip_address"].as_str().expect("address").to_owned();
        self.lab.create_instance(name, host, &port_id, Addressing::Dhcp).expect("instance");
        self.lab.wait_active(&port_id).expect("ACTIVE");
        Instance { name: name.to_owned(), host, port_id, ip }
    }

    /// Whether the agents of a host are ours, not Neutron's.
    pub fn is_ours(&self, host: &str) -> bool {
        self.lab.spec().host(host).expect("host").agents_by == Implementation::Neutrino
    }

    /// MAC address of a port.
    pub fn mac(&self, instance: &Instance) -> String {
        let port = self.client.get(&format!("/v2.0/ports/{}", instance.port_id)).expect("port");
        port["port"]["mac_address"].as_str().expect("MAC").to_owned()
    }

    /// Status of a port.
    pub fn port_status(&self, instance: &Instance) -> String {
        let port = self.client.get(&format!("/v2.0/ports/{}", instance.port_id)).expect("port");
        port["port"]["status"].as_str().expect("status").to_owned()
    }

    /// Waits until one packet comes back.
    pub fn await_answer(&self, from: &Instance, to: &Instance) {
        self.await_reachable(from, &to.ip);
    }

    /// Waits until one packet comes back from an address.
    pub fn await_reachable(&self, from: &Instance, address: &str) {
        wait_until(&format!("{address} answering {}", from.name), SETTLE, || {
            let ping = ["ping", "-c", "1", "-W", "1", address];
            let output = self.lab.exec_instance(&from.name, &ping).expect("ping");
            let seen = String::from_utf8_lossy(&output.stdout).into_owned();
            if output.status.success() { Ok(()) } else { Err(seen) }
        })
        .expect("answer");
    }

    /// Starts a ping of 10 packets a second; size is that of the IP packet.
    pub fn start_ping(&self, from: &Instance, to: &Instance, count: u32, size: u64) -> Ping {
        self.start_ping_to(from, &to.ip, count, size)
    }

    /// Likewise to any address.
    pub fn start_ping_to(&self, from: &Instance, address: &str, count: u32, size: u64) -> Ping {
        let mut command = ping(address, count, size);
        self.lab.enter_instance(&from.name, &mut command).expect("instance");
        Ping::start(command)
    }

    /// Starts a ping of small packets from a host, such as upstream.
    pub fn start_ping_from(&self, host: &str, address: &str, count: u32) -> Ping {
        let mut command = ping(address, count, SMALL);
        self.lab.enter_host(host, &mut command).expect("host");
        Ping::start(command)
    }

    /// The flows of a host's bridges without what differs between two dumps of the same.
    pub fn flows(&self, host: &str) -> String {
        let mut text = String::new();
        for bridge in ["br-int", "br-tun", "br-ex"] {
            let dump = on(&self.lab, host, &format!("ovs-ofctl --no-stats dump-flows {bridge}"));
            let mut lines: Vec<String> = dump.lines().filter_map(canonical).collect();
            lines.sort_unstable();
            text.push_str(&format!("{bridge}\n{}\n", lines.join("\n")));
        }
        text
    }

    fn flows_of_all(&self) -> BTreeMap<&'static str, String> {
        HOSTS.map(|host| (host, self.flows(host))).into()
    }

    /// Routes, iptables and ports of a host.
    fn plumbing(&self, host: &str) -> String {
        [
            "ip route show table all",
            "iptables-save -t filter",
            "ovs-vsctl list-ports br-int",
            "ovs-vsctl list-ports br-tun",
        ]
        .map(|command| {
            let text = on(&self.lab, host, command);
            // iptables-save dates its output.
            text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
        })
        .join("\n")
    }

    /// What the agents keep on a host beside flows: packet filters and sets, programs, and all of
    /// each namespace.
    pub fn kept(&self, host: &str) -> String {
        let script = "save() { for f in iptables-save ip6tables-save; do \
                $* $f | grep -v '^#' | sed 's/\\[[0-9]*:[0-9]*\\]//'; done; }; \
            save; ipset list | grep -v References; pgrep -a dnsmasq; pgrep -a radvd; \
            for n in $(ip netns list | cut -d' ' -f1 | sort); do echo $n; \
            ip -n $n -o link | cut -d: -f2-; ip -n $n -o address | sed 's/valid_lft.*//'; \
            ip -n $n route show table all; \
            ip -n $n -6 route show table all | sed 's/ expires [0-9]*sec//' | sort; \
            ip -n $n rule; ip -n $n -6 rule; ip -n $n neigh show nud permanent | sort; \
            save ip netns exec $n; done";
        let output = self.lab.exec(host, &["sh", "-c", script]).expect("sh");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Kills a service and starts it again; waits until its log has `line` once more.
    pub fn kill_and_await(&self, host: &str, service: &str, line: &str) {
        let log = format!("cat /var/log/neutron/{service}.log");
        let count = || on(&self.lab, host, &log).matches(line).count();
        let before = count();
        self.kill_and_start_unwatched(host, service);
        wait_until(line, SETTLE, || match count() {
            now if now > before => Ok(()),
            now => Err(format!("said {now} times")),
        })
        .expect(service);
    }

    /// Kills a service and starts it again.
    pub fn kill_and_start_unwatched(&self, host: &str, service: &str) {
        for action in [ServiceAction::Signal(libc::SIGKILL), ServiceAction::Start] {
            self.lab.service(host, service, action).expect(service);
        }
    }

    /// Kills services and starts them again; waits until the agents are in sync again: those
    /// among them, or all when the server is.
    pub fn kill_and_start(&self, services: &[(&str, &str)]) {
        let all = services.iter().any(|(_, service)| *service == SERVER);
        let hosts = HOSTS.iter().filter(|host| all || services.contains(&(**host, AGENT)));
        let syncs: Vec<(&str, usize)> = hosts.map(|host| (*host, self.count_swept(host))).collect();
        for action in [ServiceAction::Signal(libc::SIGKILL), ServiceAction::Start] {
            for (host, service) in services {
                self.lab.service(host, service, action).expect(service);
            }
        }
        for (host, before) in syncs {
            wait_until("a sync", SETTLE, || self.swept(host, before + 1)).expect(host);
        }
    }

    /// Restarts every agent: no flow, route, rule or port changes and `from` loses no packet.
    pub fn assert_restart_changes_nothing(&self, from: &Instance, to: &Instance) {
        let before = self.flows_of_all();
        let plumbing = HOSTS.map(|host| self.plumbing(host));
        let ping = self.start_ping(from, to, 100, 84);
        self.kill_and_start(&HOSTS.map(|host| (host, AGENT)));
        for host in HOSTS {
            assert_eq!(before[host], self.flows(host), "flows of {host} after a restart");
        }
        assert_eq!(plumbing, HOSTS.map(|host| self.plumbing(host)));
        ping.assert_none_lost();
    }

    /// Restarts the switch of every host; they come back with the same flows.
    pub fn restart_switches(&self) {
        let before = self.flows_of_all();
        for host in HOSTS {
            self.lab.service(host, "ovs-vswitchd", ServiceAction::Restart).expect("ovs-vswitchd");
        }
        for host in HOSTS {
            wait_until("the bridges", SETTLE, || {
                let show = "for b in br-int br-tun br-ex; do ovs-ofctl show $b || exit 1; done";
                let shown = self.lab.exec(host, &["sh", "-c", show]).expect("sh");
                if shown.status.success() { Ok(()) } else { Err(format!("{shown:?}")) }
            })
            .expect(host);
            wait_until("the flows as before", SETTLE, || {
                let (before, now) = (&before[host], self.flows(host));
                if now == *before { Ok(()) } else { Err(difference(before, &now)) }
            })
            .expect(host);
        }
    }

    /// Deletes everything, then nothing of it is left on any host.
    pub fn finish(self, instances: &[&Instance]) {
        for instance in instances {
            self.remove(instance);
        }
        routing::delete_all(&self);
        for id in self.ids("network", "") {
            self.client.delete(&format!("/v2.0/networks/{id}")).expect("network deleted");
        }
        for host in HOSTS {
            let ours = self.is_ours(host);
            wait_until("no namespace, program or packet filter left", SETTLE, || {
                let all = "ip netns list; pgrep -a 'dnsmasq|radvd|haproxy'; ipset list -n; \
                           ip rule | grep -vE '^(0|32766|32767):'; \
                           iptables-save | grep -E 'physdev|:neutron-openvswi-[ios][0-9a-f]{8}'";
                let output = self.lab.exec(host, &["sh", "-c", all]).expect("list");
                let left = String::from_utf8_lossy(&output.stdout);
                // Neutron's agent deletes it beside an update of a router, which makes it again.
                let excused = |line: &&str| !ours && line.starts_with("fip-");
                let left: Vec<&str> = left.lines().filter(|line| !excused(line)).collect();
                if left.is_empty() { Ok(()) } else { Err(left.join("\n")) }
            })
            .expect(host);
            // Neutron's agent keeps static rows that it adds with the first port, and rows of
            // distributed routing for ports that are gone.
            if ours {
                wait_until("the flows as before any network", SETTLE, || {
                    let now = self.flows(host);
                    let before = &self.baseline[host];
                    if now == *before { Ok(()) } else { Err(difference(before, &now)) }
                })
                .expect(host);
            }
            wait_until("no port or device left", SETTLE, || {
                let all = "ovs-vsctl list-ports br-int; ovs-vsctl list-ports br-tun; \
                           ls /sys/class/net";
                let output = self.lab.exec(host, &["sh", "-c", all]).expect("list");
                let left: Vec<String> = stdout(output)
                    .lines()
                    .filter(|name| DEVICES.iter().any(|prefix| name.starts_with(prefix)))
                    .map(str::to_owned)
                    .collect();
                if left.is_empty() { Ok(()) } else { Err(left.join(" ")) }
            })
            .expect(host);
        }
        self.lab.down().expect("down");
    }
}

/// A flow without its cookies; `None` for a learned flow, which comes and goes with traffic.
fn canonical(line: &str) -> Option<String> {
    let (flow, actions) = line.split_once("actions=")?;
    if flow.contains("table=20") && flow.contains("hard_timeout") {
        return None;
    }
    let parts = flow.split(',').chain(["actions="]).chain(actions.split(','));
    let kept = parts.filter(|part| !part.trim_start().starts_with("cookie="));
    Some(kept.collect::<Vec<_>>().join(","))
}

/// Lines that only one of two texts has.
pub fn difference(before: &str, now: &str) -> String {
    let gone = before.lines().filter(|line| !now.contains(line)).map(|line| format!("- {line}"));
    let new = now.lines().filter(|line| !before.contains(line)).map(|line| format!("+ {line}"));
    gone.chain(new).collect::<Vec<_>>().join("\n")
}

/// A ping that runs.
pub struct Ping(Child);

/// Bytes of a small IP packet.
pub const SMALL: u64 = 84;

/// 10 packets a second; size is that of the IP packet.
fn ping(address: &str, count: u32, size: u64) -> Command {
    let mut command = Command::new("ping");
    command.args(["-q", "-i", "0.1", "-W", "2", "-M", "do", "-c", &count.to_string()]);
    command.args(["-s", &(size - 28).to_string(), address]);
    command
}

impl Ping {
    fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ping"))
    }

    /// Waits for its end; every packet must have come back.
    pub fn assert_none_lost(self) {
        let text = stdout(self.0.wait_with_output().expect("ping ends"));
        assert!(text.contains(" 0% packet loss"), "{text}");
    }
}
