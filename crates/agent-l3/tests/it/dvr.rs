//! A distributed router: both its parts on one host, and where the host's floating IPs meet the
//! external network.

use std::fs;

use neutrino_agent_l3::Running;
use neutrino_privilege::isolated;
use serde_json::{Value, json};

use crate::{
    server::Server,
    support::{
        EXTERNAL, EXTERNAL_VLAN, HOST, Host, OUTSIDE, ROUTER, check, device, floating_ip,
        in_namespace, ip, mac, namespaces, pings, port, port_id, qrouter, reaches, router, run,
        wait_for, wait_synced, with_gateway,
    },
};

/// Numbers of the ports of the centralised part and of the host on the external network.
const CENTRALISED: u8 = 9;
const GATEWAY: u8 = 40;

fn snat() -> String {
    format!("snat-{ROUTER}")
}

fn fip() -> String {
    format!("fip-{EXTERNAL}")
}

/// A port of an instance as `get_ports_by_subnet` answers it.
fn neighbour(subnet: &Value, n: u8, ip: &str) -> Value {
    json!({"mac_address": mac(n), "device_owner": "compute:nova", "allowed_address_pairs": [],
           "fixed_ips": [{"subnet_id": subnet, "ip_address": ip}]})
}

fn dvr_router() -> Value {
    let mut router = with_gateway(router(ROUTER, &[1]), 20);
    router["distributed"] = json!(true);
    let mut centralised =
        port(CENTRALISED, "network-1", "10.0.1.9", "10.0.1.0/24", json!("10.0.1.1"));
    // It is on the subnet of the router's other port.
    let subnet = router["_interfaces"][0]["subnets"][0].clone();
    centralised["fixed_ips"][0]["subnet_id"] = subnet["id"].clone();
    centralised["subnets"] = json!([subnet]);
    router["_snat_router_interfaces"] = json!([centralised]);
    let mut floating = floating_ip(30, "10.0.1.5");
    floating["host"] = json!(HOST);
    router["_floatingips"] = json!([floating]);
    router
}

/// A router with an instance that has a floating IP, and one that has none.
async fn world(mode: &str) -> (Server, Host) {
    let server = Server::start().await;
    let router = dvr_router();
    let subnet = router["_interfaces"][0]["subnets"][0]["id"].clone();
    let ports = vec![neighbour(&subnet, 0x51, "10.0.1.5"), neighbour(&subnet, 0x52, "10.0.1.6")];
    server.world().subnet_ports.insert(subnet.as_str().expect("text").into(), ports);
    let gateway = port(GATEWAY, EXTERNAL, "172.25.250.40", "172.25.250.0/24", json!(OUTSIDE));
    server.world().gateways.insert(EXTERNAL.into(), gateway);
    server.put(router);
    let host = Host::new(&server, &format!("agent_mode = {mode}"));
    host.plug("vm1", 0x51, 1, "10.0.1.5/24", Some("10.0.1.1"));
    host.plug("vm2", 0x52, 1, "10.0.1.6/24", Some("10.0.1.1"));
    host.plug("outside", 0x53, EXTERNAL_VLAN, &format!("{OUTSIDE}/24"), None);
    (server, host)
}

fn wire(host: &Host, ports: &[(&str, u8, u16)]) {
    let named = ports.iter().map(|(prefix, n, vlan)| (device(prefix, &port_id(*n)), *vlan));
    host.bind(&named.collect());
}

fn permanent() -> Vec<String> {
    let shown = ip(&qrouter(ROUTER), "neigh show nud permanent");
    let of = |entry: &Value| format!("{} {}", entry["dst"], entry["lladdr"]).replace('"', "");
    shown.iter().filter(|e| e["dev"] == device("qr-", &port_id(1))).map(of).collect()
}

#[test]
fn packets_leave_by_the_centralised_part_or_by_the_host() {
    isolated(|| run(forwards()));
}

async fn forwards() {
    let (server, host) = world("dvr_snat").await;
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    wire(
        &host,
        &[
            ("qr-", 1, 1),
            ("sg-", CENTRALISED, 1),
            ("qg-", 20, EXTERNAL_VLAN),
            ("fg-", GATEWAY, EXTERNAL_VLAN),
        ],
    );
    assert_eq!(namespaces(), [&fip(), "outside", &qrouter(ROUTER), &snat(), "vm1", "vm2"]);
    let rules = ip(&qrouter(ROUTER), "-N rule");
    let find = |priority: u32| rules.iter().find(|rule| rule["priority"] == priority).cloned();
    // 10.0.1.1 as a number; its table leads to the centralised part.
    let index = u32::from_be_bytes([10, 0, 1, 1]);
    let redirect = find(index).unwrap_or_else(|| panic!("{rules:?}"));
    assert_eq!((&redirect["src"], &redirect["srclen"]), (&json!("10.0.1.1"), &json!(24)));
    assert_eq!(find(32_768).map(|rule| rule["src"].clone()), Some(json!("10.0.1.5")), "{rules:?}");
    let routes = ip(&qrouter(ROUTER), &format!("route show table {index}"));
    assert_eq!(routes[0]["gateway"], "10.0.1.9");
    let mut seen = permanent();
    seen.sort();
    let known = |n, ip: &str| format!("{ip} {}", mac(n));
    let all = [known(0x51, "10.0.1.5"), known(0x52, "10.0.1.6"), known(CENTRALISED, "10.0.1.9")];
    assert_eq!(seen, all);
    let file = |name: &str| fs::read_to_string(host.state.join(name)).unwrap_or_default();
    assert_eq!(file("fip-linklocal-networks"), format!("{ROUTER},169.254.64.0/31\n"));
    assert_eq!(file("fip-priorities"), "172.25.250.30,32768\n");

    reaches("vm1", OUTSIDE).await;
    reaches("vm2", OUTSIDE).await;
    reaches("outside", "172.25.250.30").await;
    let asked = in_namespace("outside", &["ip", "neigh"]);
    let answer = format!("172.25.250.30 dev tapoutside lladdr {}", mac(GATEWAY));
    assert!(asked.contains(&answer), "{asked}");
    let tracked = in_namespace(&snat(), &["conntrack", "-L"]);
    assert!(tracked.contains("src=10.0.1.6") && !tracked.contains("src=10.0.1.5"), "{tracked}");
    let statuses = server.world().statuses.clone();
    assert_eq!(statuses.values().collect::<Vec<_>>(), ["ACTIVE"]);

    neighbours(&server).await;
    let agent = restarts(&server, &host, agent).await;
    leaves(&server, &host).await;
    drop(agent);
}

async fn neighbours(server: &Server) {
    let subnet = server.world().routers[ROUTER]["_interfaces"][0]["subnets"][0]["id"].clone();
    let entry = json!({"ip_address": "10.0.1.77", "mac_address": mac(0x77), "subnet_id": subnet,
                       "nud_state": "permanent"});
    let payload = json!({"payload": {"router_id": ROUTER, "arp_table": entry}});
    let known = format!("10.0.1.77 {}", mac(0x77));
    for (method, there) in [("add_arp_entry", true), ("del_arp_entry", false)] {
        server.tell(HOST, method, payload.clone()).await;
        wait_for("the neighbour", || {
            let seen = permanent();
            check(seen.contains(&known) == there && seen.len() == 3 + usize::from(there), seen)
        })
        .await;
    }
}

async fn restarts(server: &Server, host: &Host, agent: Running) -> Running {
    agent.stop().await;
    server.world().routers.get_mut(ROUTER).expect("known")["_floatingips"][0]["status"] =
        json!("ACTIVE");
    let mut before = Vec::new();
    for namespace in [qrouter(ROUTER), snat(), fip()] {
        before.push((host.fingerprint(&namespace).await, namespace));
    }
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    assert_eq!(agent.progress().borrow().steps, 0);
    for (seen, namespace) in before {
        assert_eq!(host.fingerprint(&namespace).await, seen);
    }
    agent
}

async fn leaves(server: &Server, host: &Host) {
    server.world().routers.get_mut(ROUTER).expect("known")["_floatingips"] = json!([]);
    server.updated(HOST, ROUTER).await;
    wait_for("the floating IP gone", || {
        let routes = in_namespace(&fip(), &["ip", "route"]);
        let rules = in_namespace(&qrouter(ROUTER), &["ip", "rule"]);
        let statuses: Vec<String> = server.world().statuses.values().cloned().collect();
        let file = fs::read_to_string(host.state.join("fip-priorities")).unwrap_or_default();
        let gone = !routes.contains("172.25.250.30") && !rules.contains("32768:");
        check(gone && file.is_empty() && statuses == ["DOWN"], (routes, rules, file, statuses))
    })
    .await;
    reaches("vm1", OUTSIDE).await;
    assert!(!pings("outside", "172.25.250.30"));

    server.world().routers.clear();
    server.tell(HOST, "router_deleted", json!({"router_id": ROUTER})).await;
    wait_for("nothing left", || {
        let (namespaces, ports) = (namespaces(), host.ports());
        let files = ["fip-linklocal-networks", "fip-priorities"]
            .map(|name| fs::read_to_string(host.state.join(name)).unwrap_or_default());
        let left = ports.iter().filter(|name| name.contains('-') && *name != "br-int").count();
        let gone = namespaces == ["outside", "vm1", "vm2"] && left == 0;
        check(gone && files.iter().all(String::is_empty), (namespaces, ports, files))
    })
    .await;
    let links = crate::support::tool(&["ip", "-o", "link"]);
    assert!(!links.contains("rfp-") && !links.contains("fpr-"), "{links}");
}

#[test]
fn a_host_without_the_centralised_part_has_no_namespace_of_it() {
    isolated(|| run(compute_host()));
}

async fn compute_host() {
    let (server, host) = world("dvr").await;
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    wire(&host, &[("qr-", 1, 1), ("fg-", GATEWAY, EXTERNAL_VLAN)]);
    assert_eq!(namespaces(), [&fip(), "outside", &qrouter(ROUTER), "vm1", "vm2"]);
    reaches("outside", "172.25.250.30").await;
    reaches("vm1", OUTSIDE).await;

    // The gateway goes: so does the host's part of the external network, and comes back with it.
    let before = server.world().routers[ROUTER].clone();
    let mut without = before.clone();
    for key in ["gw_port", "external_gateway_info", "_floatingips", "_snat_router_interfaces"] {
        without[key] = Value::Null;
    }
    server.put(without);
    server.updated(HOST, ROUTER).await;
    wait_for("the external network gone", || {
        let (namespaces, ports) = (namespaces(), host.ports());
        let rules = in_namespace(&qrouter(ROUTER), &["ip", "rule"]);
        // The kernel's own are three.
        let gone = !namespaces.contains(&fip()) && rules.lines().count() == 3;
        check(gone && !ports.iter().any(|p| p.starts_with("fg-")), (namespaces, ports, rules))
    })
    .await;
    server.put(before);
    server.updated(HOST, ROUTER).await;
    wait_for("the port on the external network", || {
        let ports = host.ports();
        check(ports.contains(&device("fg-", &port_id(GATEWAY))), ports)
    })
    .await;
    wire(&host, &[("fg-", GATEWAY, EXTERNAL_VLAN)]);
    reaches("outside", "172.25.250.30").await;
}

#[test]
fn a_host_without_a_path_outside_leaves_floating_ips_to_others() {
    isolated(|| run(no_external()));
}

async fn no_external() {
    let (server, host) = world("dvr_no_external").await;
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    assert_eq!(namespaces(), ["outside", &qrouter(ROUTER), "vm1", "vm2"]);
    let rules = in_namespace(&qrouter(ROUTER), &["ip", "rule"]);
    assert!(rules.contains("10.0.1.1/24") && !rules.contains("10.0.1.5"), "{rules}");
    assert!(server.world().statuses.is_empty());
}
