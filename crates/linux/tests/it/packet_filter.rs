//! iptables, ipset and connection tracking against the running kernel, with the tables that
//! `neutrino-dataplane` wants.

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ipnet::IpNet;
use neutrino_dataplane::firewall::iptables::{self as firewall, Desired, Options, sets, zones};
use neutrino_dataplane::firewall::{Ethertype, iptables::zones::Zones};
use neutrino_dataplane::iptables::{Saved, TableName, Wrap};
use neutrino_dataplane::view::HostView;
use neutrino_linux::conntrack::{Conntrack, Entry};
use neutrino_linux::{Family, NetNs, Netlink, ipset, iptables, process};

use crate::Holder;

const LOCK_WAIT: Duration = Duration::from_secs(10);
pub const BINARY: &str = "neutron-openvswitch-agent";

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dataplane/tests/iptables")
}

fn view(case: &str) -> HostView {
    let text = std::fs::read_to_string(cases().join(case).join("view.json")).expect("readable");
    serde_json::from_str(&text).expect("a view")
}

/// What an agent that starts now wants: zones are those that it finds.
pub fn desired(view: &HostView, ipset: bool) -> Desired {
    let wrap = Wrap::new(BINARY);
    let mut zones = Zones::adopt(&saved(Family::V4), &wrap);
    let filtered = view.ports.iter().filter(|port| port.protected() && !port.dead);
    assert!(zones.assign(filtered.map(|port| port.id.as_str())).is_empty());
    firewall::desired(view, &zones, &Options { wrap, ipset, comments: true })
}

pub fn saved(family: Family) -> Saved {
    Saved::parse(&iptables::save(family, true).expect("save")).expect("iptables-save prints it")
}

/// What a host is changed with: the plan of the sets and the input of both restores.
fn changes(desired: &Desired) -> [Option<String>; 3] {
    let wanted = desired.sets.iter().map(|(name, set)| {
        let family = match set.version {
            Ethertype::V4 => Family::V4,
            Ethertype::V6 => Family::V6,
        };
        (name.clone(), ipset::Wanted { family, members: &set.members })
    });
    [
        ipset::plan(&ipset::save().expect("sets"), &wanted.collect()),
        desired.v4.restore(&saved(Family::V4)),
        desired.v6.restore(&saved(Family::V6)),
    ]
}

pub fn apply(desired: &Desired) {
    let [sets, v4, v6] = changes(desired);
    sets.iter().for_each(|plan| ipset::restore(plan).expect("ipset restore"));
    for (family, input) in [(Family::V4, v4), (Family::V6, v6)] {
        let Some(input) = input else { continue };
        iptables::restore(family, &input, LOCK_WAIT).expect("iptables-restore");
    }
    for name in ipset::save().expect("sets").keys().filter(|name| sets::is_ours(name)) {
        if !desired.sets.contains_key(name) {
            assert!(ipset::destroy(name).expect("destroy"), "{name} is in use");
        }
    }
    assert_eq!(changes(desired), [None, None, None]);
}

pub fn inside(job: impl FnOnce() + Send) {
    if !neutrino_privilege::granted() {
        return;
    }
    let holder = Holder::start();
    let namespace = NetNs::of_process(holder.inner()).expect("namespace");
    let done = namespace.run(|| {
        job();
        Ok(())
    });
    done.expect("in the namespace");
}

pub fn shell(script: &str) -> String {
    process::run(Command::new("sh").args(["-e", "-c", script])).expect(script)
}

/// A line of `iptables -nvL` without counters, its protocol by name.
fn listed(line: &str) -> String {
    let mut words: Vec<&str> = line.split_ascii_whitespace().skip(2).collect();
    if let Some(protocol) = words.get_mut(1) {
        *protocol = match *protocol {
            "0" => "all",
            "6" => "tcp",
            "17" => "udp",
            other => other,
        };
    }
    words.join(" ")
}

#[test]
fn hybrid_port_lists_as_in_the_transcript() {
    inside(|| {
        apply(&desired(&view("seed"), true));
        let all = shell("iptables -nvL");
        let mut found: Vec<String> =
            all.lines().filter(|line| line.contains("18959ebe-cd")).map(listed).collect();
        let chain = shell("iptables -nvL neutron-openvswi-o18959ebe-c");
        let mut lines = chain.lines();
        found.extend(lines.next().map(str::to_string));
        found.extend(lines.skip(1).map(listed));
        let golden = std::fs::read_to_string(cases().join("seed/transcript.txt")).expect("golden");
        let golden: Vec<&str> = golden.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(found, golden);
    });
}

#[test]
fn every_case_follows_every_other_and_then_nothing_is_to_do() {
    inside(|| {
        let mut names: Vec<String> = std::fs::read_dir(cases())
            .expect("cases")
            .map(|case| case.expect("case").file_name().into_string().expect("name"))
            .collect();
        names.sort();
        for name in names.iter().chain(names.iter().rev()) {
            apply(&desired(&view(name), !name.ends_with("expanded")));
        }
        apply(&desired(&HostView::default(), true));
        let left = shell("iptables-save; ip6tables-save; ipset save");
        assert!(!left.contains("18959ebe"), "{left}");
    });
}

#[test]
fn rules_of_others_and_counters_survive() {
    inside(|| {
        shell(
            "iptables -N docker; iptables -A FORWARD -i eth9 -j docker; \
             iptables -A docker -s 10.9.9.9 -j ACCEPT; iptables -P FORWARD DROP; \
             iptables -t nat -A POSTROUTING -o eth9 -j MASQUERADE",
        );
        let view = view("observed");
        apply(&desired(&view, true));
        shell(
            "iptables -R neutron-openvswi-sg-fallback 1 -c 77 7777 -m comment --comment \
               'Default drop rule for unmatched traffic.' -j DROP",
        );
        let zone = "-j CT --zone 4098";
        assert!(shell("iptables-save -t raw").contains(zone));
        let mut fewer = view.clone();
        fewer.ports.retain(|port| !port.id.starts_with("45737eb9"));
        apply(&desired(&fewer, true));
        apply(&desired(&view, true));
        let after = shell("iptables-save -c");
        assert!(after.contains("[77:7777] -A neutron-openvswi-sg-fallback"), "{after}");
        assert!(after.contains("-A docker -s 10.9.9.9/32 -j ACCEPT"), "{after}");
        assert!(after.contains("-A POSTROUTING -o eth9 -j MASQUERADE"), "{after}");
        assert!(after.contains(":FORWARD DROP"), "{after}");
        assert!(after.contains(zone), "the port that stayed keeps its zone: {after}");
        let forward = saved(Family::V4).tables[&TableName::Filter].chains["FORWARD"].clone();
        let order: Vec<&str> = forward.rules.iter().map(|rule| rule.text.as_str()).collect();
        let expected =
            ["-j neutron-filter-top", "-j neutron-openvswi-FORWARD", "-i eth9 -j docker"];
        assert_eq!(order, expected);
    });
}

#[test]
fn refused_rule_changes_nothing_and_is_named() {
    inside(|| {
        let input = "*filter\n:x - [0:0]\n-A x -p nonsense -j ACCEPT\nCOMMIT\n";
        let error = iptables::restore(Family::V4, input, LOCK_WAIT).expect_err("no such protocol");
        assert!(error.to_string().contains("`-A x -p nonsense -j ACCEPT`"), "{error}");
        assert!(!iptables::save(Family::V4, false).expect("save").contains(":x "));
    });
}

#[test]
fn bridged_packets_are_shown_to_the_tables() {
    inside(|| {
        let key = "/proc/sys/net/bridge/bridge-nf-call-iptables";
        if !Path::new(key).exists() {
            assert!(!iptables::filter_bridged().expect("no module"));
            return;
        }
        std::fs::write(key, "0").expect("writable");
        assert!(iptables::filter_bridged().expect("set"));
        assert_eq!(std::fs::read_to_string(key).expect("readable").trim(), "1");
        assert!(iptables::available(Family::V6));
    });
}

#[test]
fn sets_change_in_place_or_by_swap() {
    inside(|| {
        let nets = |texts: &[&str]| -> BTreeSet<IpNet> {
            texts.iter().map(|text| text.parse().expect("network")).collect()
        };
        let reach = |name: &str, members: &BTreeSet<IpNet>| {
            let family = members.first().map_or(Family::V4, Family::of);
            let wanted = BTreeMap::from([(name.to_string(), ipset::Wanted { family, members })]);
            let plan = ipset::plan(&ipset::save().expect("save"), &wanted);
            plan.iter().for_each(|plan| ipset::restore(plan).expect("restore"));
            assert_eq!(ipset::plan(&ipset::save().expect("save"), &wanted), None);
            assert_eq!(&ipset::save().expect("save")[name].members, members);
        };
        reach("NIPv4a", &nets(&["192.0.2.1/32", "0.0.0.0/1", "128.0.0.0/1"]));
        shell("iptables -A INPUT -m set --match-set NIPv4a src -j ACCEPT");
        reach("NIPv4a", &nets(&["192.0.2.1/32", "192.0.2.2/32"]));
        // What a run that was cut short left behind.
        shell("ipset create NIPv4a-n hash:net; ipset add NIPv4a-n 203.0.113.1");
        let many: BTreeSet<IpNet> = (0..2000u32)
            .map(|n| IpNet::from(std::net::IpAddr::from((n + 1).to_be_bytes())))
            .collect();
        reach("NIPv4a", &many);
        assert_eq!(ipset::save().expect("save").len(), 1);
        reach("NIPv6b", &nets(&["2001:db8::/32", "2001:db8:1::1/128"]));
        assert!(!ipset::destroy("NIPv4a").expect("answer"), "a rule still names it");
        assert!(ipset::destroy("NIPv6b").expect("destroy"));
        assert!(ipset::destroy("NIPv6b").expect("gone already"));
    });
}

#[test]
fn connections_are_listed_and_cut_by_zone() {
    inside(|| {
        let mut netlink = Netlink::open().expect("netlink");
        netlink.set_up("lo").expect("up");
        let zone = zones::FIRST;
        for tool in ["iptables", "ip6tables"] {
            shell(&format!(
                "for chain in PREROUTING OUTPUT; do {tool} -t raw -A $chain -p udp --dport 4000 \
                 -j CT --zone {zone}; done; {tool} -A INPUT -m state --state NEW -j ACCEPT"
            ));
        }
        let send = |from: &str, to: &str| {
            let socket = UdpSocket::bind((from, 0)).expect("bind");
            for port in [4000, 4001] {
                // Nobody listens; the packet was tracked all the same.
                let _ = socket.send_to(b"x", (to, port));
            }
        };
        send("127.0.0.1", "127.0.0.2");
        send("::1", "::1");
        let mut conntrack = Conntrack::open().expect("socket");
        for (family, destination) in [(Family::V4, "127.0.0.2"), (Family::V6, "::1")] {
            let entries = conntrack.list(family).expect("list");
            let udp = |entry: &&Entry| {
                entry.protocol == 17 && entry.destination.to_string() == destination
            };
            let mut zones: Vec<u16> = entries.iter().filter(udp).map(|entry| entry.zone).collect();
            zones.sort_unstable();
            assert_eq!(zones, [0, zone], "{entries:?}");
            let of_zone = entries.iter().find(|entry| entry.zone == zone).expect("listed");
            assert!(conntrack.delete(of_zone).expect("delete"));
            assert!(!conntrack.delete(of_zone).expect("gone already"));
        }
        let left =
            shell("conntrack -L -p udp 2>/dev/null; conntrack -L -f ipv6 -p udp 2>/dev/null");
        assert!(left.contains("dport=4001") && !left.contains("dport=4000"), "{left}");
    });
}

#[test]
fn answer_to_a_connection_that_was_cut_is_known_as_one() {
    inside(|| {
        Netlink::open().expect("netlink").set_up("lo").expect("up");
        shell("iptables -A INPUT -m state --state NEW -j ACCEPT");
        let [client, server] =
            ["127.0.0.1", "127.0.0.2"].map(|own| UdpSocket::bind((own, 0)).expect("bind"));
        let client_address = client.local_addr().expect("address");
        client.send_to(b"x", server.local_addr().expect("address")).expect("sent");
        let mut conntrack = Conntrack::open().expect("socket");
        let mut list = || conntrack.list(Family::V4).expect("list");
        let [cut] = &list()[..] else { panic!("one connection") };
        let cut = cut.clone();
        assert!(Conntrack::open().expect("socket").delete(&cut).expect("cut"));
        assert!(list().is_empty());
        server.send_to(b"y", client_address).expect("sent");
        let [answer] = &list()[..] else { panic!("one connection") };
        assert_eq!(answer.source, cut.destination);
        assert_eq!(answer.key(), cut.answer_key());
        assert_ne!(answer.key(), cut.key());
    });
}
