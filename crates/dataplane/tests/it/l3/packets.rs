//! Packets through what is planned: the steps are carried out with iproute2 and iptables in
//! namespaces of the test, with a Linux bridge for each network.

use std::{collections::BTreeMap, io::Write, net::IpAddr, process::Stdio};

use std::process::Command;

use neutrino_dataplane::{
    firewall::Ethertype,
    l3::{
        Known,
        desired::{Device, DeviceKind, MAIN_TABLE, Namespace, Route},
        diff, legacy,
        observed::Observed,
        step::Step,
        view::{Port, Router, Settings},
    },
};
use neutrino_privilege::isolated;

use super::{Case, agent::carry_out, case, text};

/// Somebody beyond the external network's gateway.
const FAR: &str = "203.0.113.9";
/// How often a ping is tried until it must be answered: a bridge port takes a moment.
const PATIENCE: u32 = 10;

fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).map_err(|error| error.to_string())?;
    drop(stdin);
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(said(&output.stdout));
    }
    Err(format!("{program} {}: {}{input}", arguments.join(" "), said(&output.stderr)))
}

/// `ip` with these words.
fn ip(words: &str) {
    let arguments: Vec<&str> = words.split_whitespace().collect();
    run("ip", &arguments, "").expect("ip does it");
}

/// A program in a namespace.
fn inside(namespace: &str, words: &[&str], input: &str) -> Result<String, String> {
    run("ip", &[&["netns", "exec", namespace], words].concat(), input)
}

/// The host: a bridge for each network, and namespaces.
struct Host {
    /// Network of each port.
    networks: BTreeMap<String, String>,
    /// What each namespace holds, by what was carried out.
    seen: BTreeMap<String, Observed>,
    plugged: usize,
}

impl Host {
    fn new(router: &Router) -> Self {
        let external = router.gw_port.iter().chain(&router.agent_gateways);
        let ports = external.chain(&router.interfaces).chain(&router.snat_interfaces);
        let networks: BTreeMap<String, String> =
            ports.map(|port: &Port| (port.id.clone(), bridge(&port.network_id))).collect();
        let mut bridges: Vec<&String> = networks.values().collect();
        bridges.sort();
        bridges.dedup();
        for bridge in bridges {
            ip(&format!("link add {bridge} type bridge"));
            ip(&format!("link set {bridge} up"));
        }
        Self { networks, seen: BTreeMap::new(), plugged: 0 }
    }

    /// A device in a namespace whose other end is on a bridge.
    fn plug(&mut self, namespace: &str, device: &str, bridge: &str) {
        self.plugged += 1;
        let end = format!("plug{}", self.plugged);
        ip(&format!("link add {end} type veth peer name {device} netns {namespace}"));
        ip(&format!("link set {end} master {bridge} up"));
    }

    /// Somebody with an address on a network, whose packets go through `gateway`.
    fn machine(&mut self, name: &str, network: &str, address: &str, gateway: Option<&str>) {
        ip(&format!("netns add {name}"));
        self.plug(name, "eth0", &bridge(network));
        ip(&format!("-n {name} link set eth0 up"));
        ip(&format!("-n {name} addr add {address} dev eth0 nodad"));
        if let Some(gateway) = gateway {
            ip(&format!("-n {name} route add default via {gateway}"));
        }
    }

    /// Makes a namespace what is wanted.
    fn make(&mut self, wanted: &Namespace) {
        let seen = self.seen.remove(&wanted.name).unwrap_or_default();
        let steps = diff(wanted, &seen);
        steps.iter().for_each(|step| self.carry_out(&wanted.name, step));
        self.seen.insert(wanted.name.clone(), carry_out(seen, &steps));
    }

    fn carry_out(&mut self, name: &str, step: &Step) {
        match step {
            Step::CreateNamespace => {
                ip(&format!("netns add {name}"));
                ip(&format!("-n {name} link set lo up"));
            }
            Step::SetSysctl(sysctl) => {
                let write = format!("cat > /proc/sys/{}", sysctl.path);
                inside(name, &["sh", "-c", &write], &sysctl.value).expect("a parameter");
            }
            Step::AddDevice(device) => self.add(name, device),
            Step::AddAddress { device, address } => {
                let nodad = if address.addr().is_ipv6() { " nodad" } else { "" };
                ip(&format!("-n {name} addr add {address} dev {device}{nodad}"));
            }
            Step::DeleteAddress { device, address } => {
                ip(&format!("-n {name} addr del {address} dev {device}"));
            }
            Step::ReplaceRoute(route) => ip(&format!("-n {name} {}", replace(route))),
            Step::DeleteRoute(route) => {
                let table = route.table;
                ip(&format!("-n {name} route del {} table {table}", route.destination));
            }
            Step::AddRule(rule) => {
                let version = if rule.family == Ethertype::V6 { "-6" } else { "-4" };
                let words = text::rule(rule);
                let (priority, words) = words.split_once(": ").expect("a rule");
                ip(&format!("-n {name} {version} rule add {words} priority {priority}"));
            }
            Step::SetNeighbour(neighbour) => {
                let (address, mac, device) = (neighbour.ip, neighbour.mac, &neighbour.device);
                ip(&format!("-n {name} neigh replace {address} lladdr {mac} dev {device}"));
            }
            Step::Restore { family, commands } => {
                let program = format!("{}-restore", text::prefix(*family));
                inside(name, &[&program, "-n"], commands).expect("rules");
            }
            Step::DeleteDevice { device } => ip(&format!("-n {name} link del {device}")),
            // Nothing is to hear of it, and nothing was tracked for long.
            Step::Announce(_) | Step::DeleteConntrack(_) | Step::Proxy(_) | Step::Radvd(_) => {}
            other => panic!("{other:?} is not expected"),
        }
    }

    fn add(&mut self, name: &str, device: &Device) {
        match &device.kind {
            DeviceKind::Port { port_id } => {
                let bridge = self.networks[port_id].clone();
                self.plug(name, &device.name, &bridge);
            }
            DeviceKind::Veth { peer, peer_namespace } => {
                if inside(name, &["ip", "link", "show", "dev", &device.name], "").is_err() {
                    let (end, mac) = (&device.name, device.mac);
                    ip(&format!(
                        "-n {name} link add {end} address {mac} type veth peer name {peer} netns {peer_namespace}"
                    ));
                }
            }
        }
        let mtu = device.mtu.unwrap_or(1500);
        let (end, mac) = (&device.name, device.mac);
        ip(&format!("-n {name} link set {end} address {mac} mtu {mtu} up"));
    }
}

/// The bridge of a network.
fn bridge(network: &str) -> String {
    format!("b-{}", network.chars().take(10).collect::<String>())
}

fn replace(route: &Route) -> String {
    let (destination, table) = (route.destination, route.table);
    let hops = route.hops.iter().map(|hop| {
        let via = hop.gateway.map_or_else(String::new, |gateway: IpAddr| format!("via {gateway} "));
        format!("{via}dev {}", hop.device)
    });
    let hops: Vec<String> = hops.collect();
    let scope = if route.hops[0].gateway.is_none() { " scope link" } else { "" };
    let hops = match &hops[..] {
        [one] => format!("{one}{scope}"),
        several => format!("nexthop {}", several.join(" nexthop ")),
    };
    let table = if table == MAIN_TABLE { String::new() } else { format!("table {table} ") };
    format!("route replace {destination} {table}{hops}")
}

/// Whether somebody is answered; tried until `wanted` is so.
fn answered(from: &str, to: &str, wanted: bool) {
    let mut last = String::new();
    for _ in 0..PATIENCE {
        let ping = inside(from, &["ping", "-c", "1", "-W", "1", to], "");
        if ping.is_ok() == wanted {
            return;
        }
        last = format!("{ping:?}");
    }
    panic!("{from} to {to} must be answered: {wanted}; last {last}");
}

/// Packets that a rule of nat matched.
fn counted(namespace: &str, rule: &str) -> u64 {
    let listed = inside(namespace, &["iptables-save", "-c", "-t", "nat"], "").expect("rules");
    let line = listed.lines().find(|line| line.ends_with(rule));
    let line = line.unwrap_or_else(|| panic!("no {rule} in {listed}"));
    let packets = line.trim_start_matches('[').split(':').next().expect("a counter");
    packets.parse().expect("a number")
}

/// A centralised router with machines on its networks.
struct Centralised {
    wanted: Router,
    host: Host,
}

impl Centralised {
    fn new() -> Self {
        let Case { router: wanted, .. } = case("legacy_gateway");
        let mut host = Host::new(&wanted);
        host.make(&legacy(&Settings::default(), &wanted, &Known::default()));
        host.machine("inside", "net-1", "10.0.0.5/24", Some("10.0.0.1"));
        host.machine("plain", "net-1", "10.0.0.6/24", Some("10.0.0.1"));
        host.machine("beside", "net-2", "10.0.1.5/24", Some("10.0.1.1"));
        host.machine("outside", "net-ext", "172.24.4.1/24", None);
        ip(&format!("-n outside addr add {FAR}/32 dev lo"));
        Self { wanted, host }
    }

    fn namespace(&self) -> String {
        format!("qrouter-{}", self.wanted.id)
    }

    /// Makes it another router.
    fn change(&mut self, change: impl FnOnce(&mut Router)) {
        change(&mut self.wanted);
        let known = Known::read(&self.host.seen[&self.namespace()]);
        self.host.make(&legacy(&Settings::default(), &self.wanted, &known));
    }

    /// How often what leaves by the gateway got the source `address`.
    fn translated(&self, address: &str) -> u64 {
        let rule = format!("-o qg-eeeeeeee-a3 -j SNAT --to-source {address} --random-fully");
        counted(&self.namespace(), &rule)
    }
}

#[test]
fn centralised_router_routes_and_translates() {
    isolated(|| {
        let router = Centralised::new();
        answered("inside", "10.0.1.5", true);
        answered("beside", "10.0.0.6", true);
        // Nobody outside knows the way to 10.0.0.0/24: an answer proves the translation.
        answered("plain", "172.24.4.1", true);
        answered("plain", FAR, true);
        assert!(router.translated("172.24.4.10") > 0);
        answered("outside", "172.24.4.50", true);
        answered("outside", "172.24.4.51", true);
        answered("inside", "172.24.4.1", true);
        let own = "-s 10.0.0.5/32 -j SNAT --to-source 172.24.4.50 --random-fully";
        assert!(counted(&router.namespace(), own) > 0);
        // From inside to the floating IP of a neighbour on the same subnet, and back through us.
        answered("plain", "172.24.4.50", true);
        answered("plain", "172.24.4.51", true);
    });
}

#[test]
fn changed_router_stops_what_is_taken_away_only() {
    isolated(|| {
        let mut router = Centralised::new();
        answered("inside", "10.0.1.5", true);
        // Networks of other scopes do not see each other, but keep their floating IPs.
        router.change(|router| {
            router.interfaces[1].address_scopes.v4 = Some("other".into());
            router.floating_ips[1].fixed_ip_address_scope = Some("other".into());
        });
        answered("inside", "10.0.1.5", false);
        answered("outside", "172.24.4.51", true);
        answered("outside", "172.24.4.50", true);
        answered("beside", "172.24.4.1", true);
        router.change(|router| {
            router.floating_ips.remove(0);
        });
        answered("outside", "172.24.4.50", false);
        answered("outside", "172.24.4.51", true);
        // Another address outside, and another device inside, leave the routes that stay.
        let id = "99999999-a361-4a30-aad6-c23b4b358100";
        router.host.networks.insert(id.into(), bridge("net-1"));
        router.change(|router| {
            let external = router.gw_port.as_mut().expect("a gateway");
            external.fixed_ips[0].ip_address = IpAddr::from([172, 24, 4, 20]);
            router.interfaces[0].id = id.into();
        });
        answered("plain", FAR, true);
        assert!(router.translated("172.24.4.20") > 0);
        let shown = inside(&router.namespace(), &["ip", "route", "show", "192.168.50.0/24"], "");
        assert!(shown.as_ref().is_ok_and(|line| line.contains("qr-99999999-a3")), "{shown:?}");
        router.change(|router| router.gw_port = None);
        answered("plain", "172.24.4.1", false);
        answered("inside", "10.0.0.1", true);
    });
}

#[test]
fn centralised_router_routes_ipv6() {
    isolated(|| {
        let Case { router, settings, .. } = case("ipv6_modes");
        let mut host = Host::new(&router);
        host.make(&legacy(&settings, &router, &Known::default()));
        host.machine("six", "net-6", "2001:db8:1::20/64", Some("2001:db8:1::1"));
        host.machine("stateful", "net-6", "2001:db8:3::20/64", Some("2001:db8:3::1"));
        host.machine("outside", "net-ext", "2001:db8:ff::1/64", None);
        ip("-n outside route add 2001:db8:1::/64 via 2001:db8:ff::10");
        answered("six", "2001:db8:3::20", true);
        answered("six", "2001:db8:ff::1", true);
        answered("outside", "2001:db8:1::20", true);
    });
}

/// The namespaces of a distributed router on one host, which is also that of its gateway.
fn distributed(case: &Case) -> (Host, String) {
    let namespaces = case.namespaces();
    let of = |prefix: &str| {
        let found = namespaces.iter().find(|namespace| namespace.name.starts_with(prefix));
        found.expect("the namespace")
    };
    let mut host = Host::new(&case.router);
    // An end of the pair goes to a namespace that must be there.
    let fip = &of("fip-").name;
    ip(&format!("netns add {fip}"));
    host.seen.insert(fip.clone(), Observed { exists: true, ..Observed::default() });
    // Some distributions ask for the way back to where a packet came from: it is in the routers'
    // tables only.
    for part in ["all", "default"] {
        let write = format!("echo 1 > /proc/sys/net/ipv4/conf/{part}/rp_filter");
        inside(fip, &["sh", "-c", &write], "").expect("a parameter");
    }
    host.make(of("qrouter-"));
    host.make(of("fip-"));
    host.make(of("snat-"));
    let external = &case.router.gw_port.as_ref().expect("a gateway").network_id;
    host.machine("outside", external, "100.114.255.254/16", None);
    ip(&format!("-n outside addr add {FAR}/32 dev lo"));
    (host, of("snat-").name.clone())
}

/// What has the router's own address at the centralised part.
const CENTRAL: &str = "-o qg-2994b178-97 -j SNAT --to-source 100.114.0.143 --random-fully";

#[test]
fn distributed_router_takes_the_short_way_with_a_floating_ip_only() {
    isolated(|| {
        let (mut host, snat) = distributed(&case("dvr_packets"));
        host.machine("plain", "big", "192.168.0.20/16", Some("192.168.0.1"));
        host.machine("floating", "big", "192.168.0.16/16", Some("192.168.0.1"));
        host.machine("beside", "small", "11.0.102.20/24", Some("11.0.102.1"));

        answered("plain", "11.0.102.20", true);
        answered("beside", "192.168.0.16", true);
        let before = counted(&snat, CENTRAL);
        answered("plain", "100.114.255.254", true);
        answered("beside", FAR, true);
        let after = counted(&snat, CENTRAL);
        assert!(after > before, "the centralised part translates what has no floating IP");
        answered("floating", "100.114.255.254", true);
        answered("floating", FAR, true);
        answered("outside", "100.114.0.54", true);
        // The host's port answers for the floating IP.
        let known = inside("outside", &["ip", "neigh", "show", "100.114.0.54"], "").expect("shown");
        assert!(known.contains("fa:16:3e:9f:d9:57"), "{known}");
        assert_eq!(counted(&snat, CENTRAL), after, "nothing of a floating IP passes there");
        // One that is served in the centralised part.
        host.machine("bound", "big", "192.168.0.99/16", Some("192.168.0.1"));
        answered("outside", "100.114.0.60", true);
        answered("plain", "100.114.0.54", true);
    });
}

#[test]
fn distributed_router_routes_ipv6_centrally_and_one_scope_at_once() {
    isolated(|| {
        let (mut host, snat) = distributed(&case("dvr_packets_scopes_and_ipv6"));
        host.machine("same", "big", "192.168.0.20/16", Some("192.168.0.1"));
        host.machine("other", "small", "11.0.102.20/24", Some("11.0.102.1"));
        host.machine("six", "six", "2001:db8:5::20/64", Some("2001:db8:5::1"));
        ip("-n outside addr add 2001:db8:ff::1/64 dev eth0 nodad");
        // As somebody tells it who knows the routers: through the host's port, and the gateway.
        ip("-n outside route add 192.168.0.0/16 via 100.114.0.9");
        ip("-n outside route add 2001:db8:5::/64 via 2001:db8:ff::10");

        answered("six", "2001:db8:ff::1", true);
        answered("outside", "2001:db8:5::20", true);
        answered("same", "100.114.255.254", true);
        answered("same", FAR, true);
        answered("outside", "192.168.0.20", true);
        assert_eq!(counted(&snat, CENTRAL), 0, "the same scope needs no translation");
        answered("other", "100.114.255.254", true);
        assert!(counted(&snat, CENTRAL) > 0);
        answered("other", "192.168.0.20", false);
    });
}
