//! An agent that comes back finds what runs and leaves it alone.

use neutrino_privilege::isolated;
use serde_json::json;

use crate::{
    server::{Server, remove_port},
    support::{
        Host, check, in_namespace, lease, namespace, network, pid, port, run, v4_subnet, wait_for,
        wait_synced,
    },
};

const NET: &str = "11111111-1111-4111-8111-111111111111";
const GONE: &str = "22222222-2222-4222-8222-222222222222";
const PORT: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const VLAN: u16 = 7;

/// A server with networks `NET`, which has an instance, and `GONE`.
async fn two_networks() -> Server {
    let server = Server::start().await;
    for (id, cidr) in [(NET, "10.0.0.0/24"), (GONE, "10.0.1.0/24")] {
        let subnets = json!([v4_subnet("s1", cidr, json!(cidr.replace(".0/24", ".1")))]);
        server.world().networks.insert(id.into(), network(id, subnets));
    }
    let port = port(PORT, 1, &[("s1", "10.0.0.77")]);
    crate::server::add_port(&mut server.world(), NET, port);
    server
}

#[test]
fn a_restarted_agent_touches_nothing_that_is_right() {
    isolated(|| run(adopts()));
}

async fn adopts() {
    let server = two_networks().await;
    let host = Host::new(&server, "");
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    host.bind(NET, VLAN);
    host.plug_instance("vm1", 1, VLAN);
    lease("vm1", "-4").await;
    wait_for("the lease in the file", || {
        let leases = host.file(NET, "leases");
        check(leases.contains("10.0.0.77 ") && !leases.starts_with('0'), leases)
    })
    .await;
    let before = host.fingerprint(NET);
    agent.stop().await;

    // Without an agent the network is served, and with one that cannot ask, too.
    server.world().silent = true;
    server.world().networks.remove(GONE);
    let agent = host.start_agent().await;
    wait_for("a report", || {
        let reports = server.world().reports.len();
        check(reports > 0, reports)
    })
    .await;
    lease("vm1", "-4").await;
    assert!(host.dir(GONE).exists() && pid(&host, GONE) > 0, "removed without having heard all");

    server.world().silent = false;
    wait_synced(&agent).await;
    let progress = *agent.progress().borrow();
    assert_eq!((progress.spawned, progress.reloads), (0, 0));
    assert_eq!(host.fingerprint(NET).lines().nth(1), before.lines().nth(1));
    let pids =
        |text: &str| text.lines().next().map(|line| line.split("pid ").nth(1).map(String::from));
    assert_eq!(pids(&host.fingerprint(NET)), pids(&before));
    wait_for("the other network gone", || check(!host.dir(GONE).exists(), "its directory")).await;

    // What changed while no agent ran is made right without a restart of dnsmasq.
    let running = pid(&host, NET);
    agent.stop().await;
    remove_port(&mut server.world(), NET, PORT);
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    assert_eq!(pid(&host, NET), running);
    assert_eq!(host.file(NET, "host"), "");
    wait_for("the lease released", || {
        let leases = host.file(NET, "leases");
        check(!leases.contains("10.0.0.77"), leases)
    })
    .await;
    let progress = *agent.progress().borrow();
    assert_eq!((progress.spawned, progress.reloads), (0, 1));
}

#[test]
fn a_killed_dnsmasq_comes_back() {
    isolated(|| run(respawns()));
}

async fn respawns() {
    let server = two_networks().await;
    let host = Host::new(&server, "");
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    let (first, other) = (pid(&host, NET), pid(&host, GONE));
    assert!(neutrino_linux::process::signal(first, neutrino_linux::process::Signal::SIGKILL));
    wait_for("another dnsmasq", || {
        let second = pid(&host, NET);
        let path = format!("/proc/{second}/cmdline");
        let line = std::fs::read_to_string(path).unwrap_or_default();
        check(second != first && line.contains(NET), (first, second, line))
    })
    .await;
    assert_eq!(pid(&host, GONE), other);
    host.bind(NET, VLAN);
    host.plug_instance("vm1", 1, VLAN);
    assert_eq!(lease("vm1", "-4").await["new_ip_address"], "10.0.0.77");
}

#[test]
fn a_restarted_open_vswitch_gets_its_device_back() {
    isolated(|| run(survives_vswitchd()));
}

async fn survives_vswitchd() {
    let server = two_networks().await;
    let mut host = Host::new(&server, "");
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    host.bind(NET, VLAN);
    let (running, device) = (pid(&host, NET), host.file(NET, "interface"));
    host.ovs.kill_vswitchd().expect("killed");
    host.ovs.start_vswitchd().expect("started");
    wait_for("the device back in its namespace", || {
        let shown = in_namespace(&namespace(NET), &["ip", "-o", "addr"]);
        check(shown.contains(&device) && shown.contains("10.0.0.2/24"), shown)
    })
    .await;
    assert_eq!(pid(&host, NET), running);
    let tag = host.ovs.vsctl(&["get", "Port", &device, "tag"]).expect("read");
    assert_eq!(tag.trim(), VLAN.to_string(), "the binding stays");
    host.plug_instance("vm1", 1, VLAN);
    assert_eq!(lease("vm1", "-4").await["new_ip_address"], "10.0.0.77");
}
