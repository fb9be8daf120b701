//! An agent that comes back finds what is there and leaves it alone.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use neutrino_linux::process;
use neutrino_privilege::isolated;
use serde_json::json;

use crate::{
    server::Server,
    support::{
        EXTERNAL_VLAN, HOST, Host, OUTSIDE, ROUTER, addresses, check, device, floating_ip,
        in_namespace, namespaces, port_id, qrouter, reaches, router, run, wait_for, wait_synced,
        with_gateway,
    },
};

const GONE: &str = "bbbbbbbb-0001-4000-8000-000000000001";

/// Pings that go on until they are stopped.
struct Pings(Child);

impl Pings {
    fn start(from: &str, to: &str) -> Self {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", from, "ping", "-i", "0.05", "-W", "1", to]);
        process::die_with_parent(command.stdout(Stdio::piped()));
        let mut child = command.spawn().expect("ping");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.as_mut().expect("piped"));
        while !line.contains("icmp_seq") {
            line.clear();
            assert!(out.read_line(&mut line).expect("readable") > 0, "no answer");
        }
        Self(child)
    }

    /// Stops, and answers what was sent and what was answered.
    fn stop(self) -> String {
        let pid = i32::try_from(self.0.id()).expect("a pid");
        process::signal(pid, process::Signal::SIGINT);
        let output = self.0.wait_with_output().expect("ended");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().find(|line| line.contains("packets")).unwrap_or_default().to_string()
    }
}

#[test]
fn a_restarted_agent_touches_nothing_that_is_right() {
    isolated(|| run(adopts()));
}

async fn adopts() {
    let server = Server::start().await;
    let mut wanted = with_gateway(router(ROUTER, &[1, 2]), 20);
    wanted["_floatingips"] = json!([floating_ip(30, "10.0.1.5")]);
    wanted["_interfaces"][1]["address_scopes"]["4"] = json!("scope");
    server.put(wanted);
    server.put(router(GONE, &[3]));
    let host = Host::new(&server, "");
    host.plug("vm1", 0x51, 1, "10.0.1.5/24", Some("10.0.1.1"));
    host.plug("outside", 0x53, EXTERNAL_VLAN, &format!("{OUTSIDE}/24"), None);
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    let vlans = [("qr-", 1, 1), ("qg-", 20, EXTERNAL_VLAN)];
    host.bind(&vlans.map(|(prefix, n, vlan)| (device(prefix, &port_id(n)), vlan)).into());
    reaches("outside", "172.25.250.30").await;
    agent.stop().await;
    let before = host.fingerprint(&qrouter(ROUTER)).await;

    let pings = Pings::start("outside", "172.25.250.30");
    // An agent that cannot ask changes nothing, whatever is there.
    server.world().silent = true;
    server.world().routers.remove(GONE);
    server.world().reports.clear();
    let agent = host.start_agent().await;
    wait_for("a report", || {
        let reports = server.world().reports.len();
        check(reports > 2, reports)
    })
    .await;
    assert!(namespaces().contains(&qrouter(GONE)), "removed without having heard all");
    assert_eq!(agent.progress().borrow().steps, 0);
    agent.stop().await;

    server.world().routers.insert(GONE.into(), router(GONE, &[3]));
    server.world().silent = false;
    // The server believes what it was told.
    let told = server.world().told;
    server.world().routers.get_mut(ROUTER).expect("known")["_floatingips"][0]["status"] =
        json!("ACTIVE");
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    let progress = *agent.progress().borrow();
    assert_eq!((progress.routers, progress.steps), (2, 0));
    assert_eq!(host.fingerprint(&qrouter(ROUTER)).await, before);
    assert_eq!(server.world().told, told);
    let summary = pings.stop();
    assert!(summary.contains(" 0% packet loss"), "{summary}");

    // What changed while no agent ran is made right, and nothing else.
    agent.stop().await;
    server.world().routers.remove(GONE);
    server.put(with_gateway(router(ROUTER, &[1, 2]), 20));
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    wait_for("the other router gone", || {
        let namespaces = namespaces();
        check(!namespaces.contains(&qrouter(GONE)), namespaces)
    })
    .await;
    let qg = device("qg-", &port_id(20));
    assert_eq!(addresses(&qrouter(ROUTER), &qg), ["172.25.250.20/24"]);
    assert!(!host.ports().contains(&device("qr-", &port_id(3))));
    drop(agent);
}

#[test]
fn a_restarted_open_vswitch_gets_its_devices_back() {
    isolated(|| run(survives_vswitchd()));
}

async fn survives_vswitchd() {
    let server = Server::start().await;
    server.put(with_gateway(router(ROUTER, &[1]), 20));
    let mut host = Host::new(&server, "");
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    let (namespace, qg) = (qrouter(ROUTER), device("qg-", &port_id(20)));
    host.bind(&[(qg.clone(), EXTERNAL_VLAN)].into());
    host.ovs.kill_vswitchd().expect("killed");
    host.ovs.start_vswitchd().expect("started");
    wait_for("the device back in its namespace", || {
        let shown = in_namespace(&namespace, &["ip", "-o", "addr"]);
        let routes = in_namespace(&namespace, &["ip", "route"]);
        let back = shown.contains(&qg) && shown.contains("10.0.1.1/24");
        // What is of the ovs-vswitchd that was killed is there, but nobody is at its other end.
        let alive = routes.contains("default") && !routes.contains("linkdown");
        check(back && alive, (shown, routes))
    })
    .await;
    let tag = host.ovs.vsctl(&["get", "Port", &qg, "tag"]).expect("read");
    assert_eq!(tag.trim(), EXTERNAL_VLAN.to_string(), "the binding stays");
    host.plug("outside", 0x53, EXTERNAL_VLAN, &format!("{OUTSIDE}/24"), None);
    reaches("outside", "172.25.250.20").await;
    // A port that somebody took away comes back too.
    host.ovs.vsctl(&["del-port", &qg]).expect("deleted");
    wait_for("the port back", || {
        let ports = host.ports();
        check(ports.contains(&qg), ports)
    })
    .await;
    server.world().routers.clear();
    server.tell(HOST, "router_removed_from_agent", json!({"payload": {"router_id": ROUTER}})).await;
    wait_for("nothing left", || {
        let (namespaces, ports) = (namespaces(), host.ports());
        check(!namespaces.contains(&namespace) && !ports.contains(&qg), (namespaces, ports))
    })
    .await;
}

#[test]
fn ports_of_routers_that_went_with_a_reboot_are_removed() {
    isolated(|| run(cleans_up()));
}

async fn cleans_up() {
    let server = Server::start().await;
    server.put(router(ROUTER, &[1]));
    let host = Host::new(&server, "");
    let old = device("qr-", &port_id(9));
    let kind = ["set", "Interface", &old, "type=internal"];
    host.ovs.vsctl(&[&["add-port", "br-int", &old, "--"][..], &kind].concat()).expect("made");
    host.plug("vm1", 0x51, 1, "10.0.1.5/24", None);
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    wait_for("the old port gone", || {
        let ports = host.ports();
        check(!ports.contains(&old), ports)
    })
    .await;
    let ports = host.ports();
    let stays = |name: &String| ports.contains(name);
    assert!(stays(&device("qr-", &port_id(1))) && stays(&"tapvm1".to_string()), "{ports:?}");
}
