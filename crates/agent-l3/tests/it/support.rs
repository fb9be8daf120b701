//! A host with Open vSwitch, instances and a host outside, routers, and bounded waits.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use neutrino_agent::AgentConfig;
use neutrino_agent_l3::{Running, config::Config};
use neutrino_conf::Conf;
use neutrino_linux::process;
use neutrino_ovs_sandbox::Sandbox;
use neutrino_rpc::{client::Timeouts, objects::catalog::PORT_FORWARDING};
use serde_json::{Value, json};

use crate::server::{SECRET, Server};

/// Longer than anything here takes on a busy machine.
pub const WAIT: Duration = Duration::from_secs(60);
/// Longer than the server here takes to answer, if it does.
const RPC_PATIENCE: Duration = Duration::from_secs(2);
pub const HOST: &str = "host1";
pub const ROUTER: &str = "aaaaaaaa-0001-4000-8000-000000000001";
pub const EXTERNAL: &str = "eeeeeeee-0000-4000-8000-000000000001";
/// A host outside, and the gateway of the external network.
pub const OUTSIDE: &str = "172.25.250.254";

/// Runs a test in namespaces of its own with a runtime.
pub fn run(test: impl Future<Output = ()>) {
    let _ = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).try_init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(test);
}

/// Waits until `look` answers something, asking again and again; prints what it saw last.
pub async fn wait_for<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(begun.elapsed() < WAIT, "waited in vain for {what}: {seen}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn check(holds: bool, seen: impl std::fmt::Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{seen:?}")) }
}

/// Runs a tool and answers what it printed.
pub fn tool(line: &[&str]) -> String {
    process::run(Command::new(line[0]).args(&line[1..])).unwrap_or_else(|error| panic!("{error}"))
}

pub fn in_namespace(namespace: &str, line: &[&str]) -> String {
    tool(&[&["ip", "netns", "exec", namespace], line].concat())
}

/// What `ip -j` says in a namespace.
pub fn ip(namespace: &str, words: &str) -> Vec<Value> {
    let line: Vec<&str> = ["ip", "-j"].into_iter().chain(words.split(' ')).collect();
    let text = in_namespace(namespace, &line);
    if text.trim().is_empty() { Vec::new() } else { serde_json::from_str(&text).expect("JSON") }
}

/// Addresses of a device, as `ip -j` shows them.
pub fn addresses(namespace: &str, device: &str) -> Vec<String> {
    let shown = ip(namespace, &format!("addr show dev {device}"));
    let infos = shown.iter().flat_map(|link| link["addr_info"].as_array().cloned());
    let text = |info: Value| {
        format!("{}/{}", info["local"].as_str().unwrap_or_default(), info["prefixlen"])
    };
    infos.flatten().filter(|info| info["scope"] != "link").map(text).collect()
}

pub fn namespaces() -> Vec<String> {
    neutrino_linux::NetNs::names().expect("readable")
}

pub fn qrouter(router: &str) -> String {
    format!("qrouter-{router}")
}

/// Name of a port's device.
pub fn device(prefix: &str, port: &str) -> String {
    format!("{prefix}{}", &port[..11])
}

/// One of a router's ports; the last part of its MAC is `n`, as of its id.
pub fn port(n: u8, network: &str, ip: &str, cidr: &str, gateway: Value) -> Value {
    let subnet = format!("5b5b5b5b-{n:04x}-4000-8000-000000000000");
    let prefix: u8 = cidr.split_once('/').expect("a CIDR").1.parse().expect("a number");
    json!({
        "id": port_id(n), "network_id": network, "mac_address": mac(n), "admin_state_up": true,
        "status": "ACTIVE", "mtu": 1400, "binding:host_id": HOST, "binding:vif_type": "ovs",
        "device_owner": "network:router_interface",
        "fixed_ips": [{"subnet_id": subnet, "ip_address": ip, "prefixlen": prefix}],
        "subnets": [{"id": subnet, "cidr": cidr, "gateway_ip": gateway, "dns_nameservers": [],
                     "ipv6_ra_mode": null, "subnetpool_id": null}],
        "extra_subnets": [], "address_scopes": {"4": null, "6": null},
    })
}

pub fn port_id(n: u8) -> String {
    format!("{n:02x}{n:02x}{n:02x}{n:02x}-0000-4000-8000-000000000000")
}

pub fn mac(n: u8) -> String {
    format!("fa:16:3e:00:00:{n:02x}")
}

/// A router with a port on `10.0.<n>.0/24` for each of `nets`, numbered alike.
pub fn router(id: &str, nets: &[u8]) -> Value {
    let interface = |n: &u8| {
        let (ip, cidr) = (format!("10.0.{n}.1"), format!("10.0.{n}.0/24"));
        port(*n, &format!("network-{n}"), &ip, &cidr, json!(ip))
    };
    json!({
        "id": id, "name": "r", "project_id": "p", "tenant_id": "p", "admin_state_up": true,
        "status": "ACTIVE", "description": "", "external_gateway_info": null, "gw_port_id": null,
        "gw_port_host": null, "distributed": false, "ha": false, "ha_vr_id": 0, "routes": [],
        "availability_zone_hints": [], "availability_zones": ["nova"], "flavor_id": null,
        "_interfaces": nets.iter().map(interface).collect::<Vec<_>>(),
    })
}

/// Gives a router a gateway, `172.25.250.<n>`.
pub fn with_gateway(mut router: Value, n: u8) -> Value {
    let ip = format!("172.25.250.{n}");
    let gw_port = port(n, EXTERNAL, &ip, "172.25.250.0/24", json!(OUTSIDE));
    let fixed_ips = json!([{"subnet_id": gw_port["fixed_ips"][0]["subnet_id"], "ip_address": ip}]);
    router["gw_port_id"] = gw_port["id"].clone();
    router["gw_port_host"] = json!(HOST);
    router["enable_snat"] = json!(true);
    router["external_gateway_info"] =
        json!({"network_id": EXTERNAL, "external_fixed_ips": fixed_ips, "enable_snat": true});
    router["gw_port"] = gw_port;
    router
}

pub fn floating_ip(n: u8, fixed: &str) -> Value {
    json!({
        "id": format!("f{n:07x}-0000-4000-8000-000000000000"),
        "floating_ip_address": format!("172.25.250.{n}"), "fixed_ip_address": fixed,
        "floating_network_id": EXTERNAL, "router_id": ROUTER, "port_id": "x", "status": "DOWN",
        "fixed_ip_address_scope": null, "project_id": "p",
    })
}

/// VLANs of the networks that [`router`] and [`with_gateway`] make.
pub const EXTERNAL_VLAN: u16 = 99;

/// A host: Open vSwitch and where its agent finds everything.
pub struct Host {
    pub ovs: Sandbox,
    pub state: PathBuf,
    ini: String,
    url: String,
}

impl Host {
    /// A host with br-int and more lines for `[DEFAULT]`.
    pub fn new(server: &Server, default: &str) -> Self {
        let ovs = Sandbox::start_with_devices().expect("Open vSwitch starts");
        let bridge = ["add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev"];
        ovs.vsctl(&bridge).expect("br-int");
        let state = PathBuf::from("/run/neutron");
        fs::create_dir_all(&state).expect("made");
        let ini = format!(
            "[DEFAULT]\nstate_path = {}\n{default}\n[ovs]\novsdb_connection = {}\n\
             datapath_type = netdev\n[agent]\ncheck_child_processes_interval = 1\n\
             report_interval = 0.2\n",
            state.display(),
            ovs.db_remote(),
        );
        Self { ovs, state, ini, url: server.url() }
    }

    pub async fn start_agent(&self) -> Running {
        let conf = Conf::parse_str(&self.ini).expect("valid INI");
        let config = Config::from_conf(HOST, &conf).expect("valid configuration");
        let mut rpc = AgentConfig::new(HOST, &self.url, SECRET, "neutron-l3-agent").expect("valid");
        rpc.topics = vec!["l3_agent".into(), PORT_FORWARDING.topic(PORT_FORWARDING.version)];
        rpc.timeouts = Timeouts { initial: RPC_PATIENCE, max: RPC_PATIENCE };
        rpc.bus = rpc.bus.with_backoff(Duration::from_millis(5), Duration::from_millis(50));
        neutrino_agent_l3::start(config, &rpc).await.expect("starts")
    }

    /// What tells one state of a namespace from another, packet counters left out, once the kernel
    /// has made sure that nobody else has its link-local addresses.
    pub async fn fingerprint(&self, namespace: &str) -> String {
        wait_for("link-local addresses", || {
            let shown = in_namespace(namespace, &["ip", "-o", "addr"]);
            check(!shown.contains("tentative"), shown)
        })
        .await;
        let looks: [&[&str]; 7] = [
            &["ip", "-o", "link"],
            &["ip", "-o", "addr"],
            &["ip", "route", "show", "table", "all"],
            &["ip", "-6", "route", "show", "table", "all"],
            &["ip", "rule"],
            &["iptables-save"],
            &["ip6tables-save"],
        ];
        let shown = looks.map(|line| in_namespace(namespace, line));
        let sysctls = in_namespace(namespace, &["sysctl", "-a", "-r", "forward|arp_|redirects"]);
        let lines = shown.iter().chain([&sysctls]).flat_map(|text| text.lines());
        lines
            .filter(|line| !line.starts_with('#'))
            // Chains end in their counters.
            .map(|line| line.split(" [").next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Ports on the bridge by name.
    pub fn ports(&self) -> Vec<String> {
        let shown = self.ovs.vsctl(&["list-ports", "br-int"]).expect("listed");
        shown.lines().map(str::to_string).collect()
    }

    /// Lets devices of the agent talk, as the L2 agent does when it binds them.
    pub fn bind(&self, vlans: &BTreeMap<String, u16>) {
        for (name, vlan) in vlans {
            let tag = format!("tag={vlan}");
            let clear = ["clear", "Port", name, "vlan_mode", "trunks"];
            let set = ["--", "set", "Port", name, &tag];
            self.ovs.vsctl(&[&clear[..], &set].concat()).expect("bound");
        }
    }

    /// A device with an address in a namespace of its own, and who it sends to what is far.
    pub fn plug(&self, name: &str, n: u8, vlan: u16, address: &str, gateway: Option<&str>) {
        let device = format!("tap{name}");
        let port = ["add-port", "br-int", &device, &format!("tag={vlan}"), "--"];
        let kind = ["set", "Interface", &device, "type=internal"];
        self.ovs.vsctl(&[&port[..], &kind].concat()).expect("plugged");
        tool(&["ip", "netns", "add", name]);
        tool(&["ip", "link", "set", &device, "address", &mac(n)]);
        tool(&["ip", "link", "set", &device, "netns", name]);
        in_namespace(name, &["ip", "link", "set", "lo", "up"]);
        in_namespace(name, &["ip", "link", "set", &device, "mtu", "1400", "up"]);
        in_namespace(name, &["ip", "addr", "add", address, "dev", &device, "nodad"]);
        if let Some(gateway) = gateway {
            in_namespace(name, &["ip", "route", "add", "default", "via", gateway]);
        }
    }
}

/// Whether a ping from a namespace is answered.
pub fn pings(from: &str, to: &str) -> bool {
    let line = ["netns", "exec", from, "ping", "-c", "1", "-W", "1", to];
    process::run(Command::new("ip").args(line)).is_ok()
}

/// [`pings`] until it is.
pub async fn reaches(from: &str, to: &str) {
    wait_for(&format!("an answer from {to} to {from}"), || check(pings(from, to), "none")).await;
}

/// Waits until the agent has worked on everything.
pub async fn wait_synced(agent: &Running) {
    let progress = agent.progress();
    wait_for("the sync", || {
        let seen = *progress.borrow();
        check(seen.synced, seen)
    })
    .await;
}
