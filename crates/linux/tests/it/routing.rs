//! Rules, routes, neighbours, veth pairs between namespaces and announcements, as `ip -j` and
//! `tcpdump` see them.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};

use ipnet::IpNet;
use neutrino_linux::arp::Announcer;
use neutrino_linux::conntrack::Conntrack;
use neutrino_linux::{
    Family, Hop, MAIN_TABLE, Namespaces, Neighbour, NetNs, Netlink, ProxyNeighbour, Route, Rule,
    process, sysctl,
};
use serde_json::{Value, json};

use crate::{Holder, inside};

const MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 1, 2, 3];
const OTHER_MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 9, 9, 9];

/// Two namespaces with a veth pair `near` - `far` between them.
struct Pair {
    near: NetNs,
    far: NetNs,
    shells: [Namespaces; 2],
    _holders: [Holder; 2],
}

impl Pair {
    fn new() -> Self {
        let holders = [Holder::start(), Holder::start()];
        let pids = [&holders[0], &holders[1]].map(Holder::inner);
        let [near, far] = pids.map(|pid| NetNs::of_process(pid).expect("namespace"));
        let shells = pids.map(|pid| Namespaces::open(format!("/proc/{pid}")).expect("namespaces"));
        let pair = Self { near, far, shells, _holders: holders };
        pair.netlink().add_veth_into("near", "far", &pair.far).expect("veth");
        let mut far = Netlink::open_in(&pair.far).expect("netlink");
        pair.netlink().set_mac("near", MAC).expect("mac");
        pair.netlink().set_up("near").expect("up");
        far.set_up("far").expect("up");
        far.add_address("far", net("192.0.2.2/24")).expect("address");
        pair
    }

    fn netlink(&self) -> Netlink {
        Netlink::open_in(&self.near).expect("netlink")
    }

    /// What `ip -j` says in the near namespace.
    fn ip(&self, words: &str) -> Vec<Value> {
        let arguments: Vec<&str> = ["-j"].into_iter().chain(words.split(' ')).collect();
        serde_json::from_str(&inside(&self.shells[0], "ip", &arguments)).expect("JSON")
    }

    fn index(&self) -> u32 {
        self.netlink().link("near").expect("near").index
    }
}

fn net(text: &str) -> IpNet {
    text.parse().expect("a network")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// The entry of `list` whose `key` is `value`.
fn find<'a>(list: &'a [Value], key: &str, value: &Value) -> &'a Value {
    list.iter().find(|entry| entry[key] == *value).unwrap_or_else(|| panic!("{key}: {list:?}"))
}

#[test]
fn rules_of_both_versions_come_and_go() {
    if !neutrino_privilege::granted() {
        return;
    }
    let pair = Pair::new();
    let mut netlink = pair.netlink();
    let before = netlink.rules().expect("rules");
    let index = 3_232_235_521;
    let wanted = [
        Rule {
            family: Family::V4,
            priority: index,
            source: Some(net("192.168.0.1/16")),
            input: None,
            table: index,
        },
        Rule {
            family: Family::V4,
            priority: 46135,
            source: Some(net("192.168.0.16/32")),
            input: None,
            table: 16,
        },
        Rule {
            family: Family::V4,
            priority: 7,
            source: None,
            input: Some("fpr-0".into()),
            table: 2_852_022_899,
        },
        Rule {
            family: Family::V6,
            priority: 40_000,
            source: Some(net("2001:db8::/64")),
            input: None,
            table: 300,
        },
    ];
    for rule in &wanted {
        netlink.add_rule(rule).expect("added");
        netlink.add_rule(rule).expect("added again");
    }
    let shown = [pair.ip("-N rule list"), pair.ip("-6 -N rule list")].concat();
    let first = find(&shown, "priority", &json!(index));
    assert_eq!((&first["src"], &first["srclen"]), (&json!("192.168.0.1"), &json!(16)), "{first}");
    assert_eq!(first["table"], json!(index.to_string()));
    assert_eq!(find(&shown, "priority", &json!(46135))["table"], json!("16"));
    assert_eq!(find(&shown, "priority", &json!(7))["iif"], json!("fpr-0"));
    assert_eq!(find(&shown, "priority", &json!(40_000))["table"], json!("300"));

    let mut listed = netlink.rules().expect("rules");
    listed.retain(|rule| !before.contains(rule));
    let mut expected = wanted.to_vec();
    expected.sort();
    listed.sort();
    assert_eq!(listed, expected);

    inside(&pair.shells[0], "ip", &["rule", "add", "fwmark", "3", "table", "9"]);
    for rule in &expected {
        netlink.delete_rule(rule).expect("deleted");
    }
    assert!(netlink.delete_rule(&expected[0]).expect_err("twice").is_missing());
    assert_eq!(netlink.rules().expect("rules"), before, "others' rules are not ours to see");
}

#[test]
fn routes_of_all_tables_come_and_go() {
    if !neutrino_privilege::granted() {
        return;
    }
    let pair = Pair::new();
    let (mut netlink, device) = (pair.netlink(), Some(pair.index()));
    netlink.add_address("near", net("192.0.2.1/24")).expect("address");
    netlink.add_address("near", net("2001:db8::1/64")).expect("address");
    let via = |gateway: &str| Hop { gateway: Some(ip(gateway)), device, on_link: false };
    let index = 3_232_235_521;
    let two = |destination: &str, a: &str, b: &str| Route {
        hops: vec![via(a), via(b)],
        ..Route::new(net(destination), Hop::default())
    };
    let routes = [
        Route::new(net("198.51.100.9/32"), Hop { device, ..Hop::default() }),
        Route { table: index, ..Route::new(net("0.0.0.0/0"), via("192.0.2.2")) },
        Route { table: 16, ..Route::new(net("203.0.113.0/24"), via("192.0.2.3")) },
        Route::new(
            net("198.18.0.0/15"),
            Hop { gateway: Some(ip("10.9.9.9")), device, on_link: true },
        ),
        two("100.64.0.0/10", "192.0.2.4", "192.0.2.5"),
        Route { table: 16, ..Route::new(net("::/0"), via("2001:db8::2")) },
        two("2001:db8:9::/48", "2001:db8::4", "2001:db8::5"),
    ];
    let before = netlink.routes_of_all_tables().expect("routes");
    for route in &routes {
        netlink.replace_route(route).expect("added");
        netlink.replace_route(route).expect("added again");
    }
    let shown = pair.ip("-N route list table all");
    let all = pair.ip("-N -6 route list table all");
    let link = find(&shown, "dst", &json!("198.51.100.9"));
    assert_eq!((&link["scope"], &link["dev"]), (&json!("253"), &json!("near")), "{link}");
    assert_eq!(find(&shown, "table", &json!(index.to_string()))["gateway"], json!("192.0.2.2"));
    assert_eq!(find(&shown, "dst", &json!("198.18.0.0/15"))["flags"], json!(["onlink"]));
    let hops = &find(&shown, "dst", &json!("100.64.0.0/10"))["nexthops"];
    assert_eq!(hops.as_array().map(Vec::len), Some(2), "{hops}");
    assert_eq!(find(&all, "table", &json!("16"))["gateway"], json!("2001:db8::2"));

    let mut listed = netlink.routes_of_all_tables().expect("routes");
    listed.retain(|route| !before.contains(route));
    for route in &routes {
        let same = |found: &&Route| {
            let key = |route: &Route| (route.destination, route.table, route.is_static);
            key(found) == key(route) && found.hops == route.hops
        };
        let found = listed.iter().find(same).unwrap_or_else(|| panic!("{route:?}: {listed:?}"));
        netlink.delete_route(found).expect("deleted");
    }
    assert_eq!(listed.len(), routes.len(), "{listed:?}");
    assert_eq!(netlink.routes_of_all_tables().expect("routes"), before);
    assert!(netlink.delete_route(&routes[0]).expect_err("twice").is_missing());
    assert!(before.iter().all(|route| !route.is_static && route.table == MAIN_TABLE));
}

#[test]
fn neighbours_come_and_go() {
    if !neutrino_privilege::granted() {
        return;
    }
    let pair = Pair::new();
    let (mut netlink, device) = (pair.netlink(), pair.index());
    let mut wanted = ["192.0.2.5", "192.0.2.6", "2001:db8::5"]
        .map(|address| Neighbour { device, ip: ip(address), mac: OTHER_MAC })
        .to_vec();
    for neighbour in &wanted {
        netlink.set_neighbour(neighbour).expect("set");
    }
    inside(
        &pair.shells[0],
        "ip",
        &["neigh", "add", "192.0.2.9", "lladdr", "fa:16:3e:09:09:09", "dev", "near"],
    );
    // Neutron's neighbours may have been reachable before they were permanent.
    wanted[1].mac = MAC;
    netlink.set_neighbour(&wanted[1]).expect("replaced");
    let shown = pair.ip("neigh list");
    let first = find(&shown, "dst", &json!("192.0.2.5"));
    assert_eq!(
        (&first["lladdr"], &first["state"]),
        (&json!("fa:16:3e:09:09:09"), &json!(["PERMANENT"]))
    );
    let proxied = ProxyNeighbour { device, ip: ip("2001:db8::7") };
    netlink.add_proxy_neighbour(&proxied).expect("proxied");
    netlink.add_proxy_neighbour(&proxied).expect("proxied again");
    assert_eq!(netlink.proxy_neighbours().expect("listed"), std::slice::from_ref(&proxied));
    assert!(inside(&pair.shells[0], "ip", &["neigh", "show", "proxy"]).contains("2001:db8::7"));

    let mut listed = netlink.neighbours().expect("listed");
    listed.retain(|neighbour| neighbour.ip != ip("192.0.2.9"));
    listed.sort();
    wanted.sort();
    assert_eq!(listed, wanted);
    for neighbour in &wanted {
        netlink.delete_neighbour(device, neighbour.ip).expect("deleted");
    }
    netlink.delete_proxy_neighbour(&proxied).expect("deleted");
    assert!(netlink.delete_proxy_neighbour(&proxied).expect_err("twice").is_missing());
    assert!(netlink.delete_neighbour(device, wanted[0].ip).expect_err("twice").is_missing());
    assert!(netlink.proxy_neighbours().expect("listed").is_empty());
}

#[test]
fn parameters_are_those_of_the_namespace() {
    if !neutrino_privilege::granted() {
        return;
    }
    let pair = Pair::new();
    let path = ["net", "ipv4", "conf", "near", "proxy_arp"];
    pair.near.run(|| sysctl::set(&path, "1")).expect("set");
    assert_eq!(pair.near.run(|| sysctl::get(&path)).expect("read"), "1");
    assert!(sysctl::get(&path).expect_err("not here").is_missing());
    assert_eq!(inside(&pair.shells[0], "sysctl", &["-n", "net.ipv4.conf.near.proxy_arp"]), "1\n");
}

#[test]
fn an_announced_address_is_heard_by_all() {
    if !neutrino_privilege::granted() {
        return;
    }
    let pair = Pair::new();
    let mut command = Command::new("tcpdump");
    command.args(["-l", "-n", "-e", "-c", "2", "-i", "far", "arp"]);
    process::die_with_parent(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut capture = pair.far.enter(&mut command).expect("entered").spawn().expect("tcpdump");
    let mut words = BufReader::new(capture.stderr.take().expect("piped"));
    let mut line = String::new();
    while !line.contains("listening on") {
        line.clear();
        assert!(words.read_line(&mut line).expect("readable") > 0, "tcpdump ended");
    }
    let announcer = Announcer::open_in(&pair.near).expect("socket");
    announcer.announce(pair.index(), MAC, Ipv4Addr::new(192, 0, 2, 7)).expect("announced");
    let output = capture.wait_with_output().expect("ended");
    let heard = String::from_utf8_lossy(&output.stdout).into_owned();
    let all = "fa:16:3e:01:02:03 > ff:ff:ff:ff:ff:ff";
    assert_eq!(heard.matches(all).count(), 2, "{heard}");
    assert!(heard.contains("Request who-has 192.0.2.7 (ff:ff:ff:ff:ff:ff) tell 192.0.2.7"));
    assert!(heard.contains("Reply 192.0.2.7 is-at fa:16:3e:01:02:03"), "{heard}");
    assert!(announcer.announce(9_999, MAC, Ipv4Addr::LOCALHOST).is_err());
}

#[test]
fn translated_connections_tell_both_their_addresses() {
    if !neutrino_privilege::granted() {
        return;
    }
    let pair = Pair::new();
    pair.netlink().add_address("near", net("192.0.2.1/24")).expect("address");
    pair.netlink().add_address("near", net("198.51.100.1/32")).expect("address");
    let nat = "-t nat -A POSTROUTING -d 192.0.2.2 -j SNAT --to-source 198.51.100.1";
    inside(&pair.shells[0], "iptables", &nat.split(' ').collect::<Vec<_>>());
    let socket = pair
        .near
        .run(|| Ok(std::net::UdpSocket::bind("192.0.2.1:4000").expect("bound")))
        .expect("entered");
    socket.send_to(b"hello", "192.0.2.2:5000").expect("sent");
    let listed = Conntrack::open_in(&pair.near).expect("open").list(Family::V4).expect("listed");
    let ours = |entry: &&neutrino_linux::conntrack::Entry| entry.destination_port == Some(5000);
    let entry = listed.iter().find(ours).expect("tracked");
    assert_eq!((entry.source, entry.answered_to), (ip("192.0.2.1"), Some(ip("198.51.100.1"))));
}

#[test]
fn whoever_makes_a_namespace_at_the_same_time_gets_the_same() {
    neutrino_privilege::isolated(|| {
        for n in 0..10 {
            let name = format!("made-{n}");
            let made = std::thread::scope(|scope| {
                let make = || {
                    let namespace = NetNs::add_named(&name)?;
                    Netlink::open_in(&namespace)?.add_address("lo", net("192.0.2.1/32"))
                };
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
                threads.into_iter().map(|t| t.join().expect("no panic")).collect::<Vec<_>>()
            });
            assert!(made.iter().all(Result::is_ok), "{made:?}");
            let namespace = NetNs::named(&name).expect("readable").expect("there");
            let addresses = Netlink::open_in(&namespace).and_then(|mut n| n.addresses());
            let addresses = addresses.expect("listed");
            assert!(addresses.iter().any(|a| a.net == net("192.0.2.1/32")), "{addresses:?}");
            let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("readable");
            assert_eq!(mounts.matches(&name).count(), 1, "{mounts}");
        }
    });
}
