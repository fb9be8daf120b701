//! Instances that lie about who they are, under both firewall drivers, and ports that nobody may
//! reach yet.

use std::collections::BTreeSet;

use neutrino_lab::{ServiceAction, wait::wait_until};
use serde_json::{Value, json};

use crate::cloud::{AGENT, Cloud, HOSTS, Instance, SETTLE};
use crate::inside;
use crate::probe::{Capture, flood, send};
use crate::security_groups::deployed::{self, DualStack};

/// A MAC and addresses that no port has.
const NOBODY: &str = "fa:16:3e:99:99:99";
const NOBODY_V4: &str = "10.0.1.99";
const NOBODY_V6: &str = "fd00:1::99";
const BROADCAST: &str = "ff:ff:ff:ff:ff:ff";

/// A port with its instance.
struct Station {
    instance: Instance,
    mac: String,
    v4: String,
    v6: String,
}

impl Station {
    fn link_local(&self) -> String {
        let octets: Vec<&str> = self.mac.split(':').collect();
        let first = u8::from_str_radix(octets[0], 16).expect("hexadecimal") ^ 2;
        let [_, b, c, d, e, f] = octets[..] else { panic!("{} is not a MAC", self.mac) };
        format!("fe80::{first:02x}{b}:{c}ff:fe{d}:{e}{f}")
    }

    /// A frame from this station to another, as it should be; `changes` make it a lie.
    fn frame(&self, to: &Station, name: &str, kind: &str, changes: &Value) -> Value {
        let mut frame = json!({
            "name": format!("{name}-{}-{}", self.instance.name, to.instance.name), "kind": kind,
            "from_mac": self.mac, "own_mac": self.mac, "to_mac": to.mac, "client_mac": to.mac,
            "from": self.v4, "to": to.v4, "address": self.v4, "from_port": 4000, "to_port": 4000,
        });
        let more = changes.as_object().expect("object").clone();
        frame.as_object_mut().expect("object").extend(more);
        frame
    }

    /// What every station may say to another.
    fn truths(&self, to: &Station) -> Vec<Value> {
        let v6 = json!({"from": self.v6, "to": to.v6});
        let near = json!({"from": self.link_local(), "to": to.link_local()});
        let client = json!({"to_mac": BROADCAST, "from": "0.0.0.0", "to": "255.255.255.255",
            "from_port": 68, "to_port": 67});
        let own = json!({"from": self.v6, "to": to.v6, "address": self.v6});
        vec![
            self.frame(to, "own_v4", "udp", &json!({})),
            self.frame(to, "own_v6", "udp", &v6),
            self.frame(to, "own_link_local", "udp", &near),
            self.frame(to, "own_arp", "arp", &json!({})),
            self.frame(to, "own_neighbour", "neighbour", &own),
            self.frame(to, "dhcp_client", "udp", &client),
        ]
    }

    /// What no station may say to another; `third` is whom it speaks for.
    fn lies(&self, to: &Station, third: &Station) -> Vec<Value> {
        let v6 = |from: &str, mac: &str| json!({"from": from, "to": to.v6, "from_mac": mac});
        let neighbour = json!({"from": self.v6, "to": to.v6, "address": third.v6});
        let routers = json!({"from": self.link_local(), "to": "ff02::1",
            "to_mac": "33:33:00:00:00:01"});
        let offer = json!({"to_mac": BROADCAST, "to": "255.255.255.255", "address": "10.0.1.66",
            "from_port": 67, "to_port": 68});
        let server = json!({"from": self.link_local(), "to": to.link_local(),
            "from_port": 547, "to_port": 546});
        vec![
            self.frame(to, "wrong_mac_v4", "udp", &json!({"from_mac": NOBODY})),
            self.frame(to, "wrong_mac_v6", "udp", &v6(&self.v6, NOBODY)),
            self.frame(to, "wrong_v4", "udp", &json!({"from": NOBODY_V4})),
            self.frame(to, "wrong_v6", "udp", &v6(NOBODY_V6, &self.mac)),
            self.frame(to, "anothers_v4", "udp", &json!({"from": third.v4})),
            self.frame(to, "anothers_v6", "udp", &v6(&third.v6, &self.mac)),
            self.frame(to, "anothers_arp", "arp", &json!({"address": third.v4})),
            self.frame(to, "anothers_neighbour", "neighbour", &neighbour),
            self.frame(to, "router", "router", &routers),
            self.frame(to, "dhcp_server", "dhcp", &offer),
            self.frame(to, "dhcpv6_server", "dhcpv6", &server),
        ]
    }
}

fn names(frames: &[Value]) -> BTreeSet<String> {
    frames.iter().map(|frame| frame["name"].as_str().expect("name").to_owned()).collect()
}

/// A liar under each driver, and on every host one who is believed everything and hears all.
struct Village {
    cloud: Cloud,
    network: DualStack,
    open: String,
    liars: Vec<Station>,
    ears: Vec<Station>,
    captures: Vec<Capture>,
    before: [String; 3],
}

impl Village {
    fn up(name: &str) -> Self {
        let (cloud, before, network) = deployed::filtered(name);
        let open = deployed::empty_group(&cloud, "open");
        for (direction, ethertype) in
            [("egress", "IPv4"), ("egress", "IPv6"), ("ingress", "IPv4"), ("ingress", "IPv6")]
        {
            let rule = json!({"security_group_id": open, "direction": direction,
                "ethertype": ethertype});
            cloud.create("security_group_rule", rule);
        }
        let mut village = Self {
            cloud,
            network,
            open,
            liars: Vec::new(),
            ears: Vec::new(),
            captures: Vec::new(),
            before,
        };
        for (n, host) in (0_u8..).zip(HOSTS) {
            let trusted = json!({"port_security_enabled": false, "security_groups": []});
            let ear = village.station(&format!("ear{n}"), 20 + n, host, &trusted);
            village.ears.push(ear);
        }
        for (n, driver, host) in [(10, "ovs", HOSTS[0]), (11, "ipt", HOSTS[1])] {
            let groups = json!({"security_groups": [village.open]});
            let liar = village.station(&format!("liar_{driver}"), n, host, &groups);
            village.liars.push(liar);
        }
        for station in village.liars.iter().chain(&village.ears) {
            village.cloud.lab.wait_active(&station.instance.port_id).expect("ACTIVE");
        }
        for ear in &village.ears {
            village.captures.push(Capture::start(&village.cloud.lab, &ear.instance.name));
        }
        village
    }

    /// Creates a port and its addresses from a number.
    fn port(&self, name: &str, number: u8, more: &Value) -> Value {
        let (v4, v6) = (format!("10.0.1.{number}"), format!("fd00:1::{number:x}"));
        self.network.port(&self.cloud, name, [&v4, &v6], more.clone())
    }

    fn station(&self, name: &str, number: u8, host: &'static str, more: &Value) -> Station {
        self.plug(&self.port(name, number, more), host)
    }

    fn plug(&self, port: &Value, host: &'static str) -> Station {
        let instance = deployed::plug(&self.cloud, port, host);
        let address =
            |n: usize| port["fixed_ips"][n]["ip_address"].as_str().expect("address").to_owned();
        let mac = port["mac_address"].as_str().expect("MAC").to_owned();
        let (mut v4, mut v6) = (address(0), address(1));
        if v4.contains(':') {
            std::mem::swap(&mut v4, &mut v6);
        }
        Station { instance, mac, v4, v6 }
    }

    /// Names of the frames that came to any ear.
    fn heard(&self) -> BTreeSet<String> {
        self.captures.iter().flat_map(Capture::names).collect()
    }

    /// Sends frames and waits until the last of them, a truth for each ear, are heard: those before
    /// them were judged by then.
    fn say(&self, from: &Station, frames: &[Value]) {
        send(&self.cloud.lab, &from.instance.name, frames);
        self.await_heard(&names(&frames[frames.len() - HOSTS.len()..]));
    }

    fn await_heard(&self, wanted: &BTreeSet<String>) {
        wait_until("the true frames", SETTLE, || {
            let missing: Vec<_> = wanted.difference(&self.heard()).cloned().collect();
            if missing.is_empty() { Ok(()) } else { Err(format!("missing {missing:?}")) }
        })
        .expect("heard");
    }

    /// Every ear with somebody to speak for.
    fn targets(&self) -> impl Iterator<Item = (&Station, &Station)> {
        self.ears.iter().zip(self.ears.iter().cycle().skip(1))
    }

    fn finish(mut self, more: Vec<Station>) {
        self.captures.clear();
        let stations: Vec<Station> = self.liars.into_iter().chain(self.ears).chain(more).collect();
        let instances: Vec<&Instance> = stations.iter().map(|s| &s.instance).collect();
        deployed::remove(&self.cloud, &instances, &self.before);
        deployed::delete(&self.cloud, "security-groups", &self.open);
        self.cloud.finish(&[]);
    }
}

/// Every lie of every liar is dropped, every truth passes; without port security lies pass too.
fn assert_lies_are_dropped(village: &Village) {
    let (mut truths, mut lies) = (BTreeSet::new(), BTreeSet::new());
    for liar in &village.liars {
        let mut frames = Vec::new();
        for (ear, third) in village.targets() {
            frames.extend(liar.lies(ear, third));
        }
        lies.extend(names(&frames));
        for (ear, _) in village.targets() {
            let truth = liar.truths(ear);
            truths.extend(names(&truth));
            frames.extend(truth);
        }
        let last = village.ears.iter().map(|ear| liar.frame(ear, "last", "udp", &json!({})));
        frames.extend(last);
        village.say(liar, &frames);
    }
    village.await_heard(&truths);
    let through: Vec<String> = village.heard().intersection(&lies).cloned().collect();
    assert_eq!(through, [""; 0], "lies that were heard");

    let [one, two, trusted] = &village.ears[..] else { panic!("three ears") };
    let believed = [trusted.lies(one, two), trusted.lies(two, one)].concat();
    send(&village.cloud.lab, &trusted.instance.name, &believed);
    village.await_heard(&names(&believed));
    println!(
        "{} lies dropped, {} truths and {} believed lies heard",
        lies.len(),
        truths.len(),
        believed.len()
    );
}

/// Frames with addresses that a pair may name, and the same with their neighbours.
fn pair_frames(liar: &Station, to: &Station, round: usize) -> (Vec<Value>, Vec<Value>) {
    let frame = |name: &str, kind: &str, changes: Value| {
        liar.frame(to, &format!("{name}-{round}"), kind, &changes)
    };
    let named = vec![
        frame("pair_v4", "udp", json!({"from": "10.0.1.200"})),
        frame("pair_v6", "udp", json!({"from": "fd00:1::200", "to": to.v6})),
        frame("pair_arp", "arp", json!({"address": "10.0.1.200"})),
        frame("pair_mac", "udp", json!({"from_mac": NOBODY, "from": "10.0.1.201"})),
    ];
    let others = vec![
        frame("beside_v4", "udp", json!({"from": "10.0.1.202"})),
        frame("beside_v6", "udp", json!({"from": "fd00:1::202", "to": to.v6})),
        frame("beside_arp", "arp", json!({"address": "10.0.1.202"})),
        frame("beside_mac", "udp", json!({"from_mac": NOBODY, "from": "10.0.1.200"})),
        frame("beside_ip", "udp", json!({"from": "10.0.1.201"})),
    ];
    (named, others)
}

/// Allowed address pairs let what they name through and only that, as long as they are there.
fn assert_pairs_let_through(village: &Village) {
    let mut round = 0;
    let pairs = json!([{"ip_address": "10.0.1.200"}, {"ip_address": "fd00:1::200"},
        {"ip_address": "10.0.1.201", "mac_address": NOBODY}]);
    for (pairs, through) in [(json!([]), false), (pairs, true), (json!([]), false)] {
        for liar in &village.liars {
            let path = format!("/v2.0/ports/{}", liar.instance.port_id);
            let body = json!({"port": {"allowed_address_pairs": pairs}});
            village.cloud.client.put(&path, &body).expect("port");
        }
        for liar in &village.liars {
            wait_until("pairs as the port says", SETTLE, || {
                round += 1;
                let (mut named, mut others) = (BTreeSet::new(), BTreeSet::new());
                let mut frames = Vec::new();
                for ear in &village.ears {
                    let (yes, no) = pair_frames(liar, ear, round);
                    named.extend(names(&yes));
                    others.extend(names(&no));
                    frames.extend(yes.into_iter().chain(no));
                }
                let last = format!("own_v4-{round}");
                let truth = |ear| liar.frame(ear, &last, "udp", &json!({}));
                frames.extend(village.ears.iter().map(truth));
                village.say(liar, &frames);
                let heard = village.heard();
                let beside: Vec<_> = heard.intersection(&others).collect();
                assert!(beside.is_empty(), "not named by any pair: {beside:?}");
                let passed = heard.intersection(&named).count();
                let wanted = if through { named.len() } else { 0 };
                if passed == wanted { Ok(()) } else { Err(format!("{passed} heard, not {wanted}")) }
            })
            .expect(&liar.instance.name);
        }
    }
}

#[test]
fn lies_are_dropped_and_truths_pass() {
    if !neutrino_privilege::granted() {
        return;
    }
    let village = Village::up("spoof");
    assert_lies_are_dropped(&village);
    assert_pairs_let_through(&village);
    village.finish(Vec::new());
}

/// How many datagrams of either version of IP came to an instance's own addresses.
fn datagrams(village: &Village, station: &Station) -> [u64; 2] {
    let read = |line: &str| inside(&village.cloud.lab, &station.instance.name, line);
    let old = read("cat /proc/net/snmp");
    let mut lines = old.lines().filter(|line| line.starts_with("Udp: "));
    let (keys, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let count = |wanted: &str| {
        let at = keys.split(' ').position(|key| key == wanted).expect("a counter");
        values.split(' ').nth(at).and_then(|value| value.parse::<u64>().ok()).expect("a number")
    };
    let v4 = count("NoPorts") + count("InDatagrams");
    let v6 = read("cat /proc/net/snmp6");
    let v6 =
        v6.lines().filter(|l| l.starts_with("Udp6NoPorts") || l.starts_with("Udp6InDatagrams"));
    let v6 = v6.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum();
    [v4, v6]
}

/// Floods an address from two hosts, plugs its port, and asserts that nothing is heard there until
/// a rule allows it.
fn assert_closed_from_the_start(village: &Village, number: u8, agent_runs: bool) -> Vec<Station> {
    let cloud = &village.cloud;
    let closed = deployed::empty_group(cloud, &format!("closed{number}"));
    let mut floods = Vec::new();
    let mut stations = Vec::new();
    for (n, host) in (number..).zip(&HOSTS[..2]) {
        let groups = json!({"security_groups": [closed]});
        let port = village.port(&format!("new{n}"), n, &groups);
        let service = |action| cloud.lab.service(host, AGENT, action).expect(AGENT);
        if !agent_runs {
            service(ServiceAction::Signal(libc::SIGKILL));
        }
        let own = &village.ears[usize::from(n - number)];
        for from in [own, &village.ears[2]] {
            let to_mac = port["mac_address"].as_str().expect("MAC");
            let (v4, v6) = (format!("10.0.1.{n}"), format!("fd00:1::{n:x}"));
            let to = json!({"to_mac": to_mac, "to": v4});
            let to6 = json!({"to_mac": to_mac, "from": from.v6, "to": v6});
            let frames =
                [from.frame(own, "flood", "udp", &to), from.frame(own, "flood6", "udp", &to6)];
            floods.push(flood(&cloud.lab, &from.instance.name, &frames));
        }
        stations.push(village.plug(&port, host));
        if !agent_runs {
            service(ServiceAction::Start);
        }
    }
    for station in &stations {
        cloud.lab.wait_active(&station.instance.port_id).expect("ACTIVE");
    }
    let assert_silence = |when: &str| {
        for station in &stations {
            assert_eq!(datagrams(village, station), [0, 0], "{} {when}", station.instance.name);
        }
    };
    assert_silence("was open when new");
    cloud.restart_switches();
    assert_silence("was open while its switch came back");
    for ethertype in ["IPv4", "IPv6"] {
        let rule = json!({"security_group_id": closed, "direction": "ingress",
            "protocol": "udp", "ethertype": ethertype});
        cloud.create("security_group_rule", rule);
    }
    for station in &stations {
        wait_until("the flood", SETTLE, || match datagrams(village, station) {
            [v4, v6] if v4 > 0 && v6 > 0 => Ok(()),
            none => Err(format!("{none:?}")),
        })
        .expect(&station.instance.name);
    }
    stations
}

#[test]
fn new_port_is_closed_from_its_first_packet() {
    if !neutrino_privilege::granted() {
        return;
    }
    let village = Village::up("closed");
    let mut stations = assert_closed_from_the_start(&village, 30, true);
    stations.extend(assert_closed_from_the_start(&village, 40, false));
    village.finish(stations);
}
