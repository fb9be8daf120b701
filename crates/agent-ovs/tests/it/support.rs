//! A private Open vSwitch, a bus with a small server, and bounded waits.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use neutrino_agent::{AgentConfig, config::l2_topics};
use neutrino_agent_ovs::{AgentError, Running, config::Config};
use neutrino_conf::Conf;
use neutrino_ovs_sandbox::{Sandbox, free_port};
use neutrino_rpc::{
    Dispatcher, Endpoint, Failure, Request, Target, Transport, Version,
    shapes::{DeviceDetails, FixedIp},
    topics,
    transport::embedded::{Broker, Limits, Listener, ServerConfig},
};
use neutrino_types::Context;
use serde_json::{Map, Value, json};

/// Longer than anything here takes on a busy machine.
pub const WAIT: Duration = Duration::from_secs(60);
const SECRET: &str = "correct horse battery staple";
pub const LOCAL_IP: &str = "127.0.0.1";

/// Waits until `look` answers something, asking again and again; prints what it saw last.
pub async fn wait_for<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(begun.elapsed() < WAIT, "waited in vain for {what}: {seen}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn check(holds: bool, seen: impl std::fmt::Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{seen:?}")) }
}

/// What the server knows and was told.
#[derive(Default)]
pub struct World {
    pub ports: BTreeMap<String, DeviceDetails>,
    pub up: BTreeSet<String>,
    pub down: Vec<String>,
    pub tunnels: Vec<String>,
    /// Sent to the agent that asks for forwarding entries.
    pub fdb: Value,
    pub details_asked: usize,
    pub reports: Vec<Value>,
    pub refreshes: usize,
    pub groups: Groups,
    pub dvr: Routers,
}

/// What the server knows of distributed routing.
#[derive(Default)]
pub struct Routers {
    /// Host to the MAC of its routers.
    pub macs: BTreeMap<String, String>,
    /// Subnet to what agents are told of it.
    pub subnets: BTreeMap<String, Value>,
    /// Arguments of each question for a subnet.
    pub asked: Vec<Value>,
}

impl Routers {
    pub fn macs(&self) -> Value {
        self.macs.iter().map(|(host, mac)| json!({"host": host, "mac_address": mac})).collect()
    }
}

/// What the server knows of security groups.
#[derive(Default)]
pub struct Groups {
    /// Port to its groups.
    pub of_port: BTreeMap<String, Vec<String>>,
    /// Group to its rules as agents are told them.
    pub rules: BTreeMap<String, Vec<Value>>,
    /// Remote group to its members' addresses.
    pub members: BTreeMap<String, BTreeSet<String>>,
    /// Devices of each call.
    pub asked: Vec<Vec<String>>,
    /// Whether calls fail.
    pub failing: bool,
}

/// The server: a bus and what is behind it.
pub struct Server {
    pub broker: Arc<Broker>,
    world: Arc<Mutex<World>>,
    listener: Option<Listener>,
    config: ServerConfig,
}

struct Plugin {
    world: Arc<Mutex<World>>,
    broker: Arc<Broker>,
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().expect("not poisoned")
}

fn texts(args: &Map<String, Value>, key: &str) -> Vec<String> {
    let list = args.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_string).collect()
}

impl Server {
    pub async fn start() -> Self {
        let config = ServerConfig {
            bind: ([127, 0, 0, 1], 0).into(),
            secret: SECRET.into(),
            tls: None,
            limits: Limits::default(),
        };
        let mut server =
            Self { broker: Broker::new(), world: Arc::default(), listener: None, config };
        server.up().await;
        server.config.bind = server.listener.as_ref().expect("listens").addr();
        server
    }

    /// As a killed server.
    pub fn kill(&mut self) {
        self.listener = None;
        self.broker = Broker::new();
    }

    /// A new server process with the same database at the same address.
    pub async fn up(&mut self) {
        let broker = Arc::clone(&self.broker);
        let plugin: Arc<dyn Endpoint> =
            Arc::new(Plugin { world: Arc::clone(&self.world), broker: Arc::clone(&broker) });
        for topic in [topics::PLUGIN, topics::REPORTS] {
            let dispatcher = Arc::new(Dispatcher::new(vec![Arc::clone(&plugin)]));
            broker.listen(topic, "server", dispatcher).await.expect("listens");
        }
        let begun = Instant::now();
        // The killed server's socket is closed by a task of its own.
        self.listener = loop {
            match Listener::bind(Arc::clone(&broker), self.config.clone()).await {
                Ok(listener) => break Some(listener),
                Err(error) => assert!(begun.elapsed() < WAIT, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    pub async fn fanout(&self, topic: &str, method: &str, args: Value) {
        let args = args.as_object().expect("object").clone();
        let request = Request::new(&Context::admin(), method, "1.0", args);
        self.broker.cast(&Target::fanout(topic), request).await.expect("cast");
    }

    /// Tells agents that rules (`rule`) or members (`member`) of a group changed.
    pub async fn groups_updated(&self, what: &str, group: &str) {
        let method = format!("security_groups_{what}_updated");
        let args = json!({"security_groups": [group]});
        self.fanout(topics::SECURITY_GROUP_UPDATE, &method, args).await;
    }

    /// Puts a port into a group.
    pub fn join(&self, port_id: &str, group: &str) {
        let mut world = self.world();
        world.groups.of_port.entry(port_id.into()).or_default().push(group.into());
    }

    pub async fn port_update(&self, id: &str) {
        self.fanout(topics::PORT_UPDATE, "port_update", json!({"port": {"id": id}})).await;
    }

    /// A port the server has bound to the host.
    pub fn add_port(&self, id: &str, network: &Network) {
        let n = self.world().ports.len() + 1;
        let details = DeviceDetails {
            device: id.into(),
            port_id: Some(id.into()),
            network_id: Some(network.id.into()),
            mac_address: Some(mac(n)),
            admin_state_up: true,
            network_type: Some(network.network_type.into()),
            segmentation_id: network.segmentation_id,
            physical_network: network.physical_network.map(str::to_string),
            mtu: Some(1450),
            fixed_ips: vec![FixedIp {
                subnet_id: "subnet".into(),
                ip_address: format!("10.0.{}.{}", n / 200, n % 200 + 2),
            }],
            device_owner: "compute:nova".into(),
            port_security_enabled: true,
            ..DeviceDetails::default()
        };
        self.world().ports.insert(id.into(), details);
    }
}

pub struct Network {
    pub id: &'static str,
    pub network_type: &'static str,
    pub segmentation_id: Option<u32>,
    pub physical_network: Option<&'static str>,
}

pub const VXLAN: Network = Network {
    id: "11111111-1111-1111-1111-111111111111",
    network_type: "vxlan",
    segmentation_id: Some(1001),
    physical_network: None,
};
pub const VLAN: Network = Network {
    id: "22222222-2222-2222-2222-222222222222",
    network_type: "vlan",
    segmentation_id: Some(101),
    physical_network: Some("physnet1"),
};
pub const FLAT: Network = Network {
    id: "33333333-3333-3333-3333-333333333333",
    network_type: "flat",
    segmentation_id: None,
    physical_network: Some("physnet1"),
};

pub fn mac(n: usize) -> String {
    format!("fa:16:3e:00:{:02x}:{:02x}", n / 256, n % 256)
}

#[async_trait]
impl Endpoint for Plugin {
    fn version(&self) -> Version {
        Version { major: 1, minor: 9 }
    }

    fn methods(&self) -> &'static [&'static str] {
        &[
            "report_state",
            "get_devices_details_list_and_failed_devices",
            "update_device_list",
            "tunnel_sync",
            "security_group_info_for_devices",
            "get_dvr_mac_address_by_host",
            "get_dvr_mac_address_list",
            "get_subnet_for_dvr",
        ]
    }

    async fn call(
        &self,
        _: &Context,
        method: &str,
        args: Map<String, Value>,
    ) -> Result<Value, Failure> {
        match method {
            "report_state" => {
                lock(&self.world).reports.push(args["agent_state"]["agent_state"].clone());
                Ok(json!("alive"))
            }
            "tunnel_sync" => {
                let world = lock(&self.world);
                let tunnels: Vec<Value> =
                    world.tunnels.iter().map(|ip| json!({"ip_address": ip, "host": ip})).collect();
                Ok(json!({"tunnels": tunnels}))
            }
            "security_group_info_for_devices" => self.security_groups(&args),
            "get_dvr_mac_address_by_host" => {
                let host = args["host"].as_str().expect("host");
                let world = lock(&self.world);
                let mac = world
                    .dvr
                    .macs
                    .get(host)
                    .ok_or_else(|| Failure::bad_arguments(method, "host is not known"))?;
                Ok(json!({"host": host, "mac_address": mac}))
            }
            "get_dvr_mac_address_list" => Ok(lock(&self.world).dvr.macs()),
            "get_subnet_for_dvr" => {
                let mut world = lock(&self.world);
                let subnet = args["subnet"].as_str().expect("subnet");
                let found = world.dvr.subnets.get(subnet).cloned().unwrap_or_else(|| json!({}));
                world.dvr.asked.push(Value::Object(args));
                Ok(found)
            }
            "update_device_list" => Ok(self.update_device_list(&args).await),
            _ => Ok(self.details(&args)),
        }
    }
}

impl Plugin {
    fn details(&self, args: &Map<String, Value>) -> Value {
        let mut world = lock(&self.world);
        world.details_asked += 1;
        let devices: Vec<Value> = texts(args, "devices")
            .iter()
            .map(|id| match world.ports.get(id) {
                Some(details) => serde_json::to_value(details).expect("serialises"),
                None => json!({"device": id}),
            })
            .collect();
        json!({"devices": devices, "failed_devices": []})
    }

    fn security_groups(&self, args: &Map<String, Value>) -> Result<Value, Failure> {
        assert_eq!(args["call_version"], json!("1.3"));
        let mut world = lock(&self.world);
        let devices = texts(args, "devices");
        world.groups.asked.push(devices.clone());
        if world.groups.failing {
            return Err(Failure::bad_arguments("security_group_info_for_devices", "out of order"));
        }
        let groups = &world.groups;
        let (mut info, mut rules, mut members) = (Map::new(), Map::new(), Map::new());
        for id in devices.iter().filter(|id| world.ports.contains_key(*id)) {
            let of_port = groups.of_port.get(id).cloned().unwrap_or_default();
            for group in &of_port {
                let list = groups.rules.get(group).cloned().unwrap_or_default();
                let remote = |rule: &Value| {
                    let keys = ["remote_group_id", "remote_address_group_id"];
                    keys.iter().find_map(|key| rule[*key].as_str()).map(str::to_owned)
                };
                for remote in list.iter().filter_map(remote) {
                    let all = groups.members.get(&remote).into_iter().flatten();
                    let v4: Vec<Value> = all.map(|ip| json!([ip, null])).collect();
                    members.insert(remote, json!({"IPv4": v4, "IPv6": []}));
                }
                rules.insert(group.clone(), json!(list));
            }
            info.insert(id.clone(), json!({"device": id, "security_groups": of_port}));
        }
        Ok(json!({"devices": info, "security_groups": rules, "sg_member_ips": members}))
    }

    async fn update_device_list(&self, args: &Map<String, Value>) -> Value {
        let (up, down) = (texts(args, "devices_up"), texts(args, "devices_down"));
        let refresh = args["refresh_tunnels"] == json!(true);
        let fdb = {
            let mut world = lock(&self.world);
            for id in &up {
                world.up.insert(id.clone());
            }
            for id in &down {
                world.up.remove(id);
                world.down.push(id.clone());
            }
            if refresh {
                world.refreshes += 1;
            }
            world.fdb.clone()
        };
        if refresh && fdb.is_object() {
            let host = args["host"].as_str().expect("host");
            let args = json!({"fdb_entries": fdb}).as_object().expect("object").clone();
            let request = Request::new(&Context::admin(), "add_fdb_entries", "1.0", args);
            let target = Target::server(topics::L2POPULATION_UPDATE, host);
            self.broker.cast(&target, request).await.expect("cast");
        }
        let down: Vec<Value> =
            down.iter().map(|id| json!({"device": id, "exists": true})).collect();
        json!({"devices_up": up, "failed_devices_up": [],
               "devices_down": down, "failed_devices_down": []})
    }
}

/// A host: Open vSwitch and where its agent finds everything.
pub struct Host {
    pub ovs: Sandbox,
    name: String,
    ini: String,
    rpc: AgentConfig,
    /// Long enough for entries sent within this process to arrive.
    pub confirmation: Duration,
}

impl Host {
    /// A host with br-phys, VXLAN and l2population.
    pub fn new(server: &Server) -> Self {
        Self::with(server, "l2_population = true\narp_responder = true\n")
    }

    /// A host with br-phys, VXLAN and more lines for `[agent]`.
    pub fn with(server: &Server, agent: &str) -> Self {
        Self::named("host1", server, agent)
    }

    /// The host of that name with br-phys, VXLAN and more lines for `[agent]`.
    pub fn named(name: &str, server: &Server, agent: &str) -> Self {
        let ovs = Sandbox::start().expect("Open vSwitch starts");
        ovs.vsctl(&["add-br", "br-phys"]).expect("br-phys");
        let ini = format!(
            "[ovs]\nlocal_ip = {LOCAL_IP}\nbridge_mappings = physnet1:br-phys\n\
             ovsdb_connection = {}\nof_listen_port = {}\n\
             [agent]\ntunnel_types = vxlan\npolling_interval = 0.2\n{agent}",
            ovs.db_remote(),
            free_port().expect("a port is free"),
        );
        let url = format!("embedded://{}", server.config.bind);
        let mut rpc = AgentConfig::ovs(name, &url, SECRET).expect("valid");
        rpc.topics = l2_topics(agent.contains("l2_population = true"));
        rpc.bus = rpc.bus.with_backoff(Duration::from_millis(5), Duration::from_millis(50));
        Self { ovs, name: name.into(), ini, rpc, confirmation: Duration::from_secs(1) }
    }

    /// A host as [`Host::new`] whose ports are filtered by `driver`.
    pub fn filtered(server: &Server, driver: &str) -> Self {
        let agent = format!(
            "l2_population = true\narp_responder = true\n[securitygroup]\n\
             firewall_driver = {driver}\n"
        );
        Self::with(server, &agent)
    }

    /// How long the agent waits for an answer.
    pub fn set_patience(&mut self, patience: Duration) {
        self.rpc.timeouts.initial = patience;
    }

    /// What `local_ip` is at the agent's next start.
    pub fn set_local_ip(&mut self, ip: &str) {
        let old = format!("local_ip = {LOCAL_IP}\n");
        self.ini = self.ini.replace(&old, &format!("local_ip = {ip}\n"));
    }

    /// The firewall driver of the agent's next start.
    pub fn set_firewall(&mut self, old: &str, new: &str) {
        let line = |driver: &str| format!("firewall_driver = {driver}\n");
        self.ini = self.ini.replace(&line(old), &line(new));
    }

    pub fn config(&self) -> Config {
        let conf = Conf::parse_str(&self.ini).expect("valid INI");
        let config = Config::from_conf(&self.name, &conf).expect("valid configuration");
        Config { confirmation: self.confirmation, ..config }
    }

    pub async fn start_agent(&self) -> Running {
        match self.try_start_agent().await {
            Ok(agent) => agent,
            Err(error) => panic!("the agent does not start: {error}"),
        }
    }

    pub async fn try_start_agent(&self) -> Result<Running, AgentError> {
        let patience = Duration::from_secs(10);
        let begun = Instant::now();
        loop {
            match neutrino_agent_ovs::start(self.config(), &self.rpc, patience).await {
                // The former agent's socket is closed by a task of its own.
                Err(AgentError::Listen { .. }) if begun.elapsed() < WAIT => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                started => return started,
            }
        }
    }

    /// Plugs a VIF as os-vif does.
    pub fn plug(&self, port_id: &str, mac: &str) {
        self.plug_all(&[(port_id.to_string(), mac.to_string())]);
    }

    pub fn plug_all(&self, ports: &[(String, String)]) {
        let mut args: Vec<String> = Vec::new();
        for (id, mac) in ports {
            let name = tap(id);
            args.extend(["--", "add-port", "br-int"].map(str::to_string));
            args.push(name.clone());
            args.extend(["--", "set", "Interface"].map(str::to_string));
            args.push(name);
            args.push(format!("external_ids:iface-id={id}"));
            args.push(format!("external_ids:attached-mac=\"{mac}\""));
            args.push("external_ids:iface-status=active".into());
        }
        let args: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
        self.ovs.vsctl(&args).expect("plugged");
    }

    pub fn unplug(&self, port_id: &str) {
        self.ovs.vsctl(&["del-port", "br-int", &tap(port_id)]).expect("unplugged");
    }

    /// A column of the VIF's `Port` row.
    pub fn port_column(&self, port_id: &str, column: &str) -> String {
        let text = self.ovs.vsctl(&["get", "Port", &tap(port_id), column]).expect("read");
        text.trim().to_string()
    }

    pub fn flows(&self, bridge: &str) -> Vec<String> {
        self.ovs.dump_flows(bridge).unwrap_or_default()
    }

    /// Every flow with its cookie and age in milliseconds, by its text without counters.
    pub fn aged_flows(&self, bridge: &str) -> BTreeMap<String, u64> {
        let target = self.ovs.bridge(bridge);
        let text = self.ovs.ofctl(&["--no-names", "dump-flows", &target]).expect("dumped");
        text.lines()
            .filter(|l| l.contains("actions="))
            .map(|line| {
                let mut age = 0;
                let kept: Vec<&str> = line
                    .trim()
                    .split(", ")
                    .filter(|part| {
                        if let Some(text) = part.strip_prefix("duration=") {
                            let secs: f64 = text.trim_end_matches('s').parse().expect("a number");
                            age = (secs * 1000.0) as u64;
                        }
                        !["duration=", "n_packets=", "n_bytes=", "idle_age=", "hard_age="]
                            .iter()
                            .any(|p| part.starts_with(p))
                    })
                    .collect();
                (kept.join(", "), age)
            })
            .collect()
    }

    pub async fn wait_flow(&self, bridge: &str, parts: &[&str]) {
        wait_for(&format!("a flow of {bridge} with {parts:?}"), || {
            let flows = self.flows(bridge);
            let found = flows.iter().any(|f| parts.iter().all(|p| f.contains(p)));
            check(found, flows)
        })
        .await;
    }
}

pub fn tap(port_id: &str) -> String {
    format!("tap{}", &port_id[..11.min(port_id.len())])
}

/// A port id that differs from others in the part that names the device.
pub fn port_id(n: usize) -> String {
    format!("{n:08x}-{n:04x}-4000-8000-000000000000")
}

/// Waits until the server counts the ports as up.
pub async fn wait_up(server: &Server, ports: &[&str]) {
    wait_for(&format!("{ports:?} up"), || {
        let world = server.world();
        check(ports.iter().all(|p| world.up.contains(*p)), &world.up)
    })
    .await;
}

/// Waits until the agent finds the host in sync with the server and the flows settled.
pub async fn wait_synced(agent: &Running) {
    let progress = agent.progress();
    wait_for("the sync", || {
        let seen = *progress.borrow();
        check(seen.synced && seen.flows_in_sync, seen)
    })
    .await;
}

/// A security group.
pub const WEB: &str = "55555555-5555-5555-5555-555555555555";
/// A remote group.
pub const PEERS: &str = "66666666-6666-6666-6666-666666666666";

pub fn tcp(port: u16, remote: Option<&str>) -> Value {
    let mut rule = json!({"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
                          "port_range_min": port, "port_range_max": port, "stateful": true});
    if let Some(remote) = remote {
        rule["remote_group_id"] = json!(remote);
    }
    rule
}

/// A server whose ports 1 to `count` are in WEB, which allows TCP 80 from anybody and 22 from the
/// members of PEERS.
pub async fn secured_server(count: usize) -> Server {
    let server = Server::start().await;
    for n in 1..=count {
        server.add_port(&port_id(n), &VXLAN);
        server.join(&port_id(n), WEB);
    }
    let mut world = server.world();
    world.groups.rules.insert(WEB.into(), vec![tcp(80, None), tcp(22, Some(PEERS))]);
    world.groups.members.insert(PEERS.into(), ["10.1.0.1".into(), "10.1.0.2".into()].into());
    drop(world);
    server
}

/// Everything was heard and what nobody confirmed is gone: from now on changes are small.
pub async fn wait_swept(agent: &Running) {
    let progress = agent.progress();
    wait_for("the sweep", || {
        let seen = *progress.borrow();
        check(seen.synced && seen.swept && seen.flows_in_sync, seen)
    })
    .await;
}
