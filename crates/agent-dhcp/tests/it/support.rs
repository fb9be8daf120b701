//! A host with Open vSwitch, instances that ask for addresses, and bounded waits.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use neutrino_agent::AgentConfig;
use neutrino_agent_dhcp::{Running, config::Config};
use neutrino_conf::Conf;
use neutrino_linux::process;
use neutrino_ovs_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::server::{SECRET, Server};

/// Longer than anything here takes on a busy machine.
pub const WAIT: Duration = Duration::from_secs(60);
pub const HOST: &str = "host1";

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
        tokio::time::sleep(Duration::from_millis(10)).await;
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

/// A network as the server has it.
pub fn network(id: &str, subnets: Value) -> Value {
    json!({"id": id, "project_id": "p", "admin_state_up": true, "mtu": 1400,
           "subnets": subnets, "non_local_subnets": [], "ports": []})
}

pub fn v4_subnet(id: &str, cidr: &str, gateway: Value) -> Value {
    json!({"id": id, "cidr": cidr, "ip_version": 4, "gateway_ip": gateway, "enable_dhcp": true,
           "dns_nameservers": ["192.0.2.53"], "host_routes":
           [{"destination": "198.51.100.0/24", "nexthop": cidr.replace(".0/24", ".9")}]})
}

pub fn port(id: &str, n: u8, ips: &[(&str, &str)]) -> Value {
    let ips: Vec<Value> =
        ips.iter().map(|(subnet, ip)| json!({"subnet_id": subnet, "ip_address": ip})).collect();
    json!({"id": id, "mac_address": mac(n), "device_owner": "compute:nova", "device_id": "i",
           "fixed_ips": ips, "extra_dhcp_opts": []})
}

pub fn mac(n: u8) -> String {
    format!("fa:16:3e:00:00:{n:02x}")
}

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
        // dnsmasq gives up root and must get there.
        let state = PathBuf::from("/run/neutron");
        fs::create_dir_all(&state).expect("made");
        let ini = format!(
            "[DEFAULT]\nstate_path = {}\n{default}\n[ovs]\novsdb_connection = {}\n\
             datapath_type = netdev\n[agent]\ncheck_child_processes_interval = 1\n",
            state.display(),
            ovs.db_remote(),
        );
        Self { ovs, state, ini, url: server.url() }
    }

    pub async fn start_agent(&self) -> Running {
        self.start_agent_of(HOST).await
    }

    pub async fn start_agent_of(&self, host: &str) -> Running {
        let conf = Conf::parse_str(&self.ini).expect("valid INI");
        let config = Config::from_conf(host, &conf).expect("valid configuration");
        let mut rpc =
            AgentConfig::new(host, &self.url, SECRET, "neutron-dhcp-agent").expect("valid");
        rpc.topics = vec!["dhcp_agent".into()];
        rpc.report_interval = Duration::from_millis(200);
        rpc.bus = rpc.bus.with_backoff(Duration::from_millis(5), Duration::from_millis(50));
        neutrino_agent_dhcp::start(config, &rpc).await.expect("starts")
    }

    pub fn dir(&self, network: &str) -> PathBuf {
        self.state.join("dhcp").join(network)
    }

    pub fn file(&self, network: &str, name: &str) -> String {
        fs::read_to_string(self.dir(network).join(name)).unwrap_or_default()
    }

    /// What tells one state of a network's service from another: process, device, files.
    pub fn fingerprint(&self, network: &str) -> String {
        let namespace = namespace(network);
        let files: Vec<String> = ["host", "addn_hosts", "opts", "leases", "interface", "pid"]
            .iter()
            .map(|name| {
                let path = self.dir(network).join(name);
                let changed = fs::metadata(&path).and_then(|data| data.modified());
                format!("{name} {changed:?} {}", self.file(network, name))
            })
            .collect();
        let device = in_namespace(&namespace, &["ip", "-o", "addr"]);
        let routes = in_namespace(&namespace, &["ip", "route"]);
        format!("{files:?}\n{device}\n{routes}")
    }

    /// Lets the device of the agent talk, as the L2 agent does when it binds it.
    pub fn bind(&self, network: &str, vlan: u16) {
        let device = self.file(network, "interface");
        let tag = format!("tag={vlan}");
        let clear = ["clear", "Port", &device, "vlan_mode", "trunks"];
        self.ovs
            .vsctl(&[&clear[..], &["--", "set", "Port", &device, &tag]].concat())
            .expect("bound");
    }

    /// An instance's device in a namespace of its own.
    pub fn plug_instance(&self, name: &str, n: u8, vlan: u16) {
        let device = format!("tap{name}");
        let port = ["add-port", "br-int", &device, &format!("tag={vlan}"), "--"];
        let kind = ["set", "Interface", &device, "type=internal"];
        self.ovs.vsctl(&[&port[..], &kind].concat()).expect("plugged");
        tool(&["ip", "netns", "add", name]);
        tool(&["ip", "link", "set", &device, "address", &mac(n)]);
        tool(&["ip", "link", "set", &device, "netns", name]);
        in_namespace(name, &["ip", "link", "set", "lo", "up"]);
        in_namespace(name, &["ip", "link", "set", &device, "up"]);
    }
}

pub fn namespace(network: &str) -> String {
    format!("qdhcp-{network}")
}

/// Classless static routes are not among the options the client knows by name.
const CLIENT: &str = "timeout 5;\ninitial-interval 1;\n\
    option rfc3442-classless-static-routes code 121 = array of unsigned integer 8;\n\
    also request rfc3442-classless-static-routes, interface-mtu;\n";

/// Asks for an address once, as an instance does; what the server said, by name. Nothing on the
/// host is changed by it.
pub fn ask(name: &str, version: &str) -> Option<BTreeMap<String, String>> {
    let dir = PathBuf::from("/tmp").join(format!("client-{name}"));
    fs::create_dir_all(&dir).expect("made");
    let path = |file: &str| dir.join(file).display().to_string();
    fs::write(path("conf"), CLIENT).expect("written");
    let script = format!(
        "#!/bin/sh\ncase $reason in BOUND|REBOOT|RENEW|BOUND6|RENEW6|REBIND6) env > {0}.new; mv {0}.new {0};; esac\n",
        path("env")
    );
    fs::write(path("script"), script).expect("written");
    tool(&["chmod", "755", &path("script")]);
    for old in ["env", "leases"] {
        let _ = fs::remove_file(path(old));
    }
    let device = format!("tap{name}");
    let options = [
        "dhclient",
        version,
        "-1",
        "-cf",
        &path("conf"),
        "-sf",
        &path("script"),
        "-lf",
        &path("leases"),
        "-pf",
        &path("pid"),
        &device,
    ];
    let mut command = Command::new("ip");
    command.args(["netns", "exec", name]).args(options);
    let answered = process::run(&mut command).is_ok();
    if let Ok(pid) = fs::read_to_string(path("pid"))
        && let Ok(pid) = pid.trim().parse()
    {
        process::signal(pid, process::Signal::SIGKILL);
    }
    let text = fs::read_to_string(path("env")).ok().filter(|_| answered)?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Some(pairs.map(|(k, v)| (k.to_string(), v.to_string())).collect())
}

/// [`ask`]s until there is an answer.
pub async fn lease(name: &str, version: &str) -> BTreeMap<String, String> {
    wait_for("a lease", || ask(name, version).ok_or_else(|| "no answer".to_string())).await
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

pub fn pid(host: &Host, network: &str) -> i32 {
    host.file(network, "pid").trim().parse().unwrap_or(0)
}
