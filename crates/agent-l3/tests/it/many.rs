//! Many routers on one host: made in parallel, found again by a restart without a change.
//! `NEUTRINO_L3_ROUTERS=100` and `--nocapture` inside tell figures.

use std::{fs, time::Instant};

use neutrino_privilege::isolated;
use serde_json::{Value, json};

use crate::{
    server::Server,
    support::{EXTERNAL, HOST, Host, OUTSIDE, in_namespace, run, wait_synced},
};

fn id(kind: char, n: usize, port: usize) -> String {
    format!("{kind}{n:05x}{port:02x}-{n:04x}-4000-8000-000000000000")
}

/// A port with an address of a network of its own.
fn port(kind: char, n: usize, at: usize, network: &str, address: &str, gateway: &str) -> Value {
    let subnet = id('5', n, at);
    let cidr = format!("{}.0/24", address.rsplit_once('.').expect("an address").0);
    json!({
        "id": id(kind, n, at), "network_id": network, "admin_state_up": true, "mtu": 1450,
        "mac_address": format!("fa:16:3e:{at:02x}:{:02x}:{:02x}", n / 256, n % 256),
        "fixed_ips": [{"subnet_id": subnet, "ip_address": address, "prefixlen": 24}],
        "subnets": [{"id": subnet, "cidr": cidr, "gateway_ip": gateway}],
    })
}

/// A router with two networks, a gateway and a floating IP.
fn router(n: usize) -> Value {
    let inner = [1, 2].map(|at| {
        let ip = format!("10.{at}.{n}.1");
        port('a', n, at, &id('b', n, at), &ip, &ip)
    });
    let outer = port('e', n, 3, EXTERNAL, &format!("172.25.250.{n}"), OUTSIDE);
    let fip = json!({"id": id('f', n, 0), "floating_ip_address": format!("172.25.251.{n}"),
                     "fixed_ip_address": format!("10.1.{n}.5"), "status": "DOWN"});
    json!({"id": id('9', n, 0), "distributed": false, "ha": false, "routes": [],
           "external_gateway_info": {"network_id": EXTERNAL}, "enable_snat": true,
           "gw_port": outer, "_interfaces": inner, "_floatingips": [fip]})
}

#[test]
fn a_restart_changes_nothing_at_many_routers() {
    isolated(|| run(adopts_many()));
}

#[test]
fn many_distributed_routers_share_an_external_network() {
    isolated(|| run(shares()));
}

async fn shares() {
    let count = count();
    let server = Server::start().await;
    for n in 1..=count {
        let mut router = router(n);
        router["distributed"] = json!(true);
        router["_floatingips"][0]["host"] = json!(HOST);
        server.put(router);
    }
    let gateway = port('d', 0, 0, EXTERNAL, "172.25.250.200", OUTSIDE);
    server.world().gateways.insert(EXTERNAL.into(), gateway);
    let host = Host::new(&server, "agent_mode = dvr");
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    let fip = format!("fip-{EXTERNAL}");
    let links = in_namespace(&fip, &["ip", "-o", "link"]);
    assert_eq!(links.matches(": fpr-").count(), count, "{links}");
    let routes = in_namespace(&fip, &["ip", "route"]);
    assert_eq!(routes.matches("172.25.251.").count(), count, "{routes}");
    agent.stop().await;
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    assert_eq!(agent.progress().borrow().steps, 0);
}

fn count() -> usize {
    std::env::var("NEUTRINO_L3_ROUTERS").ok().and_then(|n| n.parse().ok()).unwrap_or(12)
}

/// A line of this process's status.
fn status(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("readable");
    let line = text.lines().find(|line| line.starts_with(name)).expect("a line");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

async fn adopts_many() {
    let count = count();
    let server = Server::start().await;
    for n in 1..=count {
        server.put(router(n));
    }
    let host = Host::new(&server, "");
    let (rss, begun) = (status("VmRSS"), Instant::now());
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    let made = begun.elapsed();
    let progress = *agent.progress().borrow();
    assert_eq!((progress.routers, progress.floating_ips), (count, count));
    assert_eq!(server.world().statuses.len(), count);
    agent.stop().await;

    let begun = Instant::now();
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    let adopted = begun.elapsed();
    assert_eq!(agent.progress().borrow().steps, 0);
    let grown = status("VmRSS").saturating_sub(rss);
    eprintln!("{count} routers: made in {made:?}, adopted in {adopted:?}, {grown} KiB");
}
