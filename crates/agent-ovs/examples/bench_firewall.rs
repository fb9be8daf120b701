//! What a changed remote group costs an agent whose driver is openvswitch, on a private Open
//! vSwitch in user space. Prints JSON lines; run by `scripts/bench-firewall.sh`.
//!
//! Times are from the server's notification until the switch has confirmed the flows, the question
//! to the server included. CPU is that of this process: the agent, and the small server behind it.

use std::{
    fs,
    time::{Duration, Instant},
};

use neutrino_agent_ovs::Running;
use serde_json::{Value, json};

#[expect(dead_code, reason = "the tests' support, of which this uses a part")]
#[path = "../tests/it/support.rs"]
mod support;

use support::{Host, PEERS, Server, VXLAN, WEB, mac, port_id, wait_swept, wait_up};

/// Ports of the host, all members of the group whose rules name it.
const PORTS: usize = 200;
/// Rules of that group.
const RULES: u16 = 20;
/// Members of the large remote group.
const MEMBERS: u32 = 2000;
/// How often each small change is measured.
const ROUNDS: u32 = 10;
/// Clock ticks per second of `/proc/self/stat` (`USER_HZ`, the same on all of Linux).
const TICKS_PER_SECOND: u64 = 100;

fn rule(port: u16, remote: &str) -> Value {
    support::tcp(port, Some(remote))
}

fn rules(remote: &str) -> Vec<Value> {
    (0..RULES).map(|n| rule(8000 + 2 * n, remote)).collect()
}

/// CPU time this process has used, in user space and in the kernel.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("procfs");
    let behind_name = stat.rsplit(')').next().expect("a state");
    let ticks: u64 =
        behind_name.split_ascii_whitespace().skip(11).take(2).flat_map(str::parse::<u64>).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// Waits until the flows have changed and the agent has nothing left to do.
async fn changed(agent: &Running, before: u64) {
    let mut progress = agent.progress();
    let done = progress.wait_for(|p| p.flow_mods > before && p.flows_in_sync && p.synced);
    tokio::time::timeout(support::WAIT, done).await.expect("in time").expect("agent runs");
}

/// Makes a change, `ROUNDS` or fewer times, and prints what one of them cost.
struct Measured<'a> {
    agent: &'a Running,
    what: &'a str,
    rounds: u32,
    wall: Duration,
    cpu: Duration,
    flow_mods: u64,
}

impl<'a> Measured<'a> {
    fn new(agent: &'a Running, what: &'a str) -> Self {
        let (wall, cpu) = (Duration::ZERO, Duration::ZERO);
        Self { agent, what, rounds: 0, wall, cpu, flow_mods: 0 }
    }

    async fn round(&mut self, server: &Server, what: &str, group: &str) {
        let before = self.agent.progress().borrow().flow_mods;
        let (begun, cpu_before) = (Instant::now(), cpu());
        server.groups_updated(what, group).await;
        changed(self.agent, before).await;
        self.wall += begun.elapsed();
        self.cpu += cpu().saturating_sub(cpu_before);
        self.flow_mods += self.agent.progress().borrow().flow_mods - before;
        self.rounds += 1;
    }

    fn print(self) {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0 / f64::from(self.rounds);
        let line = json!({
            "what": self.what,
            "ms": (ms(self.wall) * 10.0).round() / 10.0,
            "cpu_ms": ms(self.cpu),
            "flow_mods": self.flow_mods / u64::from(self.rounds),
        });
        println!("{line}");
    }
}

#[tokio::main]
async fn main() {
    let server = Server::start().await;
    for n in 1..=PORTS {
        server.add_port(&port_id(n), &VXLAN);
        server.join(&port_id(n), WEB);
    }
    {
        let mut world = server.world();
        world.groups.rules.insert(WEB.into(), rules(WEB));
        let own = (0..PORTS).map(|n| format!("10.0.{}.{}", n / 200, n % 200 + 2)).collect();
        world.groups.members.insert(WEB.into(), own);
        let many = (0..MEMBERS).map(|n| format!("10.8.{}.{}", n / 250, n % 250 + 1)).collect();
        world.groups.members.insert(PEERS.into(), many);
    }
    let host = Host::filtered(&server, "openvswitch");
    host.ovs.vsctl(&["--may-exist", "add-br", "br-int"]).expect("br-int");
    let ports: Vec<(String, String)> = (1..=PORTS).map(|n| (port_id(n), mac(n))).collect();
    host.plug_all(&ports);
    let begun = Instant::now();
    let agent = host.start_agent().await;
    let ids: Vec<&str> = ports.iter().map(|(id, _)| id.as_str()).collect();
    wait_up(&server, &ids).await;
    let line = json!({
        "what": format!("{PORTS} ports with {RULES} rules up"),
        "ms": begun.elapsed().as_millis() as u64,
        "flows": host.flows("br-int").len(),
    });
    println!("{line}");
    wait_swept(&agent).await;

    let mut add = Measured::new(&agent, "add one member to the group of 200 ports with 20 rules");
    let mut remove = Measured::new(&agent, "remove it");
    for _ in 0..ROUNDS {
        server.world().groups.members.get_mut(WEB).expect("there").insert("10.9.9.9".into());
        add.round(&server, "member", WEB).await;
        server.world().groups.members.get_mut(WEB).expect("there").remove("10.9.9.9");
        remove.round(&server, "member", WEB).await;
    }
    add.print();
    remove.print();

    let with_large = [rules(WEB), vec![rule(22, PEERS)]].concat();
    server.world().groups.rules.insert(WEB.into(), with_large);
    let mut add = Measured::new(&agent, "add a rule with a remote group of 2,000 members");
    add.round(&server, "rule", WEB).await;
    add.print();
    server.world().groups.members.insert(PEERS.into(), Default::default());
    let mut remove = Measured::new(&agent, "remove the 2,000 members");
    remove.round(&server, "member", PEERS).await;
    remove.print();
    let many = (0..MEMBERS).map(|n| format!("10.8.{}.{}", n / 250, n % 250 + 1)).collect();
    server.world().groups.members.insert(PEERS.into(), many);
    let mut back = Measured::new(&agent, "add them again");
    back.round(&server, "member", PEERS).await;
    back.print();
    server.world().groups.rules.insert(WEB.into(), rules(WEB));
    let mut remove = Measured::new(&agent, "remove the remote group of 2,000 members");
    remove.round(&server, "rule", WEB).await;
    remove.print();
    agent.stop().await;
}
