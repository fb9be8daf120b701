//! Packets through a centralised router: between its networks, to the outside, and by floating IP.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use neutrino_linux::NetNs;
use neutrino_privilege::isolated;
use serde_json::{Value, json};

use crate::{
    server::Server,
    support::{
        EXTERNAL_VLAN, HOST, Host, OUTSIDE, ROUTER, addresses, check, device, floating_ip,
        in_namespace, ip, namespaces, pings, port_id, qrouter, reaches, router, run, wait_for,
        wait_synced, with_gateway,
    },
};

/// How long a connection that nobody accepts is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// A router between two networks and the outside, with a floating IP, and somebody on each.
async fn world(server: &Server) -> Host {
    let mut router = with_gateway(router(ROUTER, &[1, 2]), 20);
    router["_floatingips"] = json!([floating_ip(30, "10.0.1.5")]);
    router["routes"] = json!([{"destination": "198.51.100.0/24", "nexthop": "10.0.2.9"}]);
    server.put(router);
    let host = Host::new(server, "");
    host.plug("vm1", 0x51, 1, "10.0.1.5/24", Some("10.0.1.1"));
    host.plug("vm2", 0x52, 2, "10.0.2.5/24", Some("10.0.2.1"));
    host.plug("outside", 0x53, EXTERNAL_VLAN, &format!("{OUTSIDE}/24"), None);
    host
}

fn wire(host: &Host) {
    let vlans = [("qr-", 1, 1), ("qr-", 2, 2), ("qg-", 20, EXTERNAL_VLAN)];
    host.bind(&vlans.map(|(prefix, n, vlan)| (device(prefix, &port_id(n)), vlan)).into());
}

#[test]
fn packets_are_routed_and_translated() {
    isolated(|| run(forwards()));
}

async fn forwards() {
    let server = Server::start().await;
    let host = world(&server).await;
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    wire(&host);
    let (namespace, qg) = (qrouter(ROUTER), device("qg-", &port_id(20)));
    let mut shown = addresses(&namespace, &qg);
    shown.sort();
    assert_eq!(shown, ["172.25.250.20/24", "172.25.250.30/32"]);
    let routes = ip(&namespace, "route");
    let to = |destination: &str| routes.iter().find(|route| route["dst"] == destination).cloned();
    assert_eq!(to("default").map(|r| r["gateway"].clone()), Some(json!(OUTSIDE)), "{routes:?}");
    assert_eq!(to("198.51.100.0/24").map(|r| r["gateway"].clone()), Some(json!("10.0.2.9")));

    reaches("vm1", "10.0.2.5").await;
    // Who is outside knows no way to the networks inside: an answer means a translated source.
    reaches("vm2", OUTSIDE).await;
    reaches("vm1", OUTSIDE).await;
    reaches("outside", "172.25.250.30").await;
    let tracked = in_namespace(&namespace, &["conntrack", "-L"]);
    for (source, told) in [("10.0.2.5", "172.25.250.20"), ("10.0.1.5", "172.25.250.30")] {
        let line = tracked.lines().find(|l| l.contains(&format!("src={source} dst={OUTSIDE}")));
        assert!(line.is_some_and(|l| l.contains(&format!("dst={told}"))), "{tracked}");
    }
    wait_for("the floating IP's status", || {
        let statuses = server.world().statuses.clone();
        check(statuses.values().any(|status| status == "ACTIVE"), statuses)
    })
    .await;
    let report = wait_for("a report", || {
        let last = server.world().reports.last().cloned().unwrap_or_default();
        let done = last["configurations"]["routers"] == 1;
        if done { Ok(last) } else { Err(last.to_string()) }
    })
    .await;
    let counts =
        ["ex_gw_ports", "interfaces", "floating_ips"].map(|key| &report["configurations"][key]);
    assert_eq!(counts, [&json!(1), &json!(2), &json!(1)]);
    assert_eq!((&report["agent_type"], &report["topic"]), (&json!("L3 agent"), &json!("l3_agent")));

    // The proxy answers though no metadata agent does.
    let curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "9"];
    let code = in_namespace("vm1", &[&curl[..], &["http://169.254.169.254/"]].concat());
    assert!(code.starts_with('5'), "{code}");
    moves_and_deletes(&server, &host).await;
}

async fn moves_and_deletes(server: &Server, host: &Host) {
    let namespace = qrouter(ROUTER);
    server.world().routers.get_mut(ROUTER).expect("known")["_floatingips"] =
        json!([floating_ip(30, "10.0.2.5")]);
    server.updated(HOST, ROUTER).await;
    wait_for("the floating IP at the other instance", || {
        let rules = in_namespace(&namespace, &["iptables-save", "-t", "nat"]);
        let moved = "-d 172.25.250.30/32 -j DNAT --to-destination 10.0.2.5";
        check(rules.contains(moved) && !rules.contains("10.0.1.5"), rules)
    })
    .await;
    reaches("outside", "172.25.250.30").await;
    server.world().routers.get_mut(ROUTER).expect("known")["_floatingips"] = Value::Null;
    server.updated(HOST, ROUTER).await;
    wait_for("the floating IP gone", || {
        let statuses = server.world().statuses.clone();
        check(statuses.values().all(|status| status == "DOWN"), statuses)
    })
    .await;
    let tracked = in_namespace(&namespace, &["conntrack", "-L"]);
    assert!(!tracked.contains("172.25.250.30"), "{tracked}");
    assert!(!pings("outside", "172.25.250.30"));

    server.world().routers.clear();
    server.tell(HOST, "router_deleted", json!({"router_id": ROUTER})).await;
    wait_for("nothing left", || {
        let (namespaces, ports) = (namespaces(), host.ports());
        let left = namespaces.iter().chain(&ports).filter(|name| name.starts_with('q')).count();
        check(left == 0, (namespaces, ports))
    })
    .await;
}

#[test]
fn single_ports_are_forwarded() {
    isolated(|| run(forwards_ports()));
}

async fn forwards_ports() {
    let server = Server::start().await;
    let mut router = with_gateway(router(ROUTER, &[1]), 20);
    let mut floating = floating_ip(31, "10.0.1.5");
    floating["fixed_ip_address"] = Value::Null;
    router["_pf_floatingips"] = json!([floating]);
    router["fip_managed_by_port_forwardings"] = json!([floating["id"]]);
    router["port_forwardings_fip_set"] = json!(["172.25.250.31/32"]);
    let mut forwarding = json!({
        "id": "cccccccc-0000-4000-8000-000000000001", "floatingip_id": floating["id"],
        "floating_ip_address": "172.25.250.31", "router_id": ROUTER, "protocol": "tcp",
        "internal_ip_address": "10.0.1.5", "internal_port_range": "80:80",
        "external_port_range": "8080:8080",
    });
    server.world().forwardings.push(forwarding.clone());
    server.put(router);
    let host = Host::new(&server, "");
    host.plug("vm1", 0x51, 1, "10.0.1.5/24", Some("10.0.1.1"));
    host.plug("outside", 0x53, EXTERNAL_VLAN, &format!("{OUTSIDE}/24"), None);
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    host.bind(
        &[(device("qr-", &port_id(1)), 1), (device("qg-", &port_id(20)), EXTERNAL_VLAN)].into(),
    );
    let inside = |name: &str| NetNs::named(name).expect("readable").expect("there");
    let listener = inside("vm1").run(|| Ok(TcpListener::bind("10.0.1.5:80"))).expect("entered");
    let _listener = listener.expect("bound");
    let connect = |port| {
        let to = SocketAddr::from(([172, 25, 250, 31], port));
        inside("outside").run(|| Ok(TcpStream::connect_timeout(&to, PATIENCE))).expect("entered")
    };
    wait_for("a connection to the instance", || {
        connect(8080).map(drop).map_err(|error| error.to_string())
    })
    .await;
    assert!(connect(8081).is_err(), "another port leads nowhere");
    // Nobody but the object says so.
    forwarding["external_port_range"] = "8081:8081".into();
    server.world().forwardings = vec![forwarding.clone()];
    server.push(&[forwarding], "updated").await;
    wait_for("a connection by the other port", || {
        connect(8081).map(drop).map_err(|error| error.to_string())
    })
    .await;
    let statuses = server.world().statuses.clone();
    assert_eq!(statuses.values().collect::<Vec<_>>(), ["ACTIVE"]);
}

#[test]
fn pairs_may_stand_in_for_internal_ports() {
    isolated(|| run(uses_veth()));
}

async fn uses_veth() {
    let server = Server::start().await;
    server.put(router(ROUTER, &[1, 2]));
    let host = Host::new(&server, "ovs_use_veth = true");
    host.plug("vm1", 0x51, 1, "10.0.1.5/24", Some("10.0.1.1"));
    host.plug("vm2", 0x52, 2, "10.0.2.5/24", Some("10.0.2.1"));
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    host.bind(&[1, 2].map(|n| (device("tap", &port_id(n)), u16::from(n))).into());
    reaches("vm1", "10.0.2.5").await;
    agent.stop().await;
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    assert_eq!(agent.progress().borrow().steps, 0);
    server.world().routers.clear();
    server.tell(HOST, "router_deleted", json!({"router_id": ROUTER})).await;
    wait_for("nothing left", || {
        let (namespaces, ports) = (namespaces(), host.ports());
        let left = ports.len() > 2 || namespaces.contains(&qrouter(ROUTER));
        check(!left, (namespaces, ports))
    })
    .await;
}
