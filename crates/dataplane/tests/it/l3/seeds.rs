//! The transcripts of both seeds, against what is made for the same routers.
//!
//! `transcript.txt` of a case is the seed's text: blocks begin with the command that printed them.
//! The seeds' Neutron is Newton; where the Neutron of today makes another rule, the difference is
//! named here.

use std::{fs, net::IpAddr};

use neutrino_dataplane::{
    firewall::Ethertype,
    iptables::TableName,
    l3::desired::{MAIN_TABLE, Namespace},
};

use super::{case, directory, text};

/// The lines below `command` in a case's transcript.
fn shown(case: &str, command: &str) -> Vec<String> {
    let path = directory().join(case).join("transcript.txt");
    let transcript = fs::read_to_string(path).expect("transcript.txt is readable");
    let begin = format!("$ {command}\n");
    let at = transcript.find(&begin).unwrap_or_else(|| panic!("{case} shows {command}"));
    let rest = &transcript[at + begin.len()..];
    let block = rest.split("\n$ ").next().expect("a block");
    block.lines().filter(|line| !line.is_empty()).map(str::to_string).collect()
}

fn namespace(name: &str, prefix: &str) -> Namespace {
    let mut all = case(name).namespaces().into_iter();
    all.find(|namespace| namespace.name.starts_with(prefix)).expect("the namespace")
}

/// Device, MAC and address of each address but those the kernel makes.
fn devices(namespace: &Namespace) -> Vec<String> {
    let all = namespace.devices.iter().flat_map(|device| {
        device.addresses.iter().map(move |net| format!("{} {} {net}", device.name, device.mac))
    });
    let mut all: Vec<String> = all.collect();
    all.sort();
    all
}

/// The same of `ip address`.
fn shown_devices(case: &str, command: &str) -> Vec<String> {
    let (mut device, mut mac, mut all) = (String::new(), String::new(), Vec::new());
    for line in shown(case, command) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["link/ether", address, ..] => mac = address.to_string(),
            ["inet" | "inet6", net, ..] if line.contains("scope global") => {
                all.push(format!("{device} {mac} {net}"));
            }
            [number, name, ..] if number.ends_with(':') => {
                let name = name.trim_end_matches(':').split('@').next().unwrap_or_default();
                device = name.to_string();
            }
            _ => {}
        }
    }
    all.sort();
    all
}

/// `ip rule` without the kernel's own.
fn rules(namespace: &Namespace) -> Vec<String> {
    let mut rules: Vec<_> =
        namespace.rules.iter().filter(|rule| rule.family == Ethertype::V4).collect();
    rules.sort_by_key(|rule| rule.priority);
    rules.into_iter().map(text::rule).collect()
}

fn shown_rules(case: &str) -> Vec<String> {
    let lines = shown(case, "ip rule").into_iter();
    let kernels = ["local", "main", "default"].map(|table| format!("lookup {table}"));
    lines
        .filter(|line| !kernels.iter().any(|kernel| line.ends_with(kernel)))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

/// `ip route list table N`.
fn table(namespace: &Namespace, number: u32) -> Vec<String> {
    let routes = namespace.routes.iter().filter(|route| route.table == number);
    routes.map(|route| text::route(route).replace(&format!(" table {number}"), "")).collect()
}

/// `route -n`: destination, gateway, prefix length and device of main routes and those the kernel
/// makes for addresses.
fn main_table(namespace: &Namespace) -> Vec<String> {
    let connected = namespace.devices.iter().flat_map(|device| {
        let nets = device.addresses.iter().filter(|net| net.prefix_len() < 32);
        nets.map(move |net| {
            format!("{} 0.0.0.0 {} {}", net.network(), net.prefix_len(), device.name)
        })
    });
    let mine = namespace.routes.iter().filter(|route| route.table == MAIN_TABLE).map(|route| {
        let hop = &route.hops[0];
        let gateway = hop.gateway.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        let net = route.destination;
        format!("{} {gateway} {} {}", net.addr(), net.prefix_len(), hop.device)
    });
    let mut all: Vec<String> = connected.chain(mine).filter(|line| !line.contains(':')).collect();
    all.sort();
    all
}

fn shown_main_table(case: &str, command: &str) -> Vec<String> {
    let lines = shown(case, command).into_iter().filter(|line| line.starts_with(char::is_numeric));
    let mut all: Vec<String> = lines
        .map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let mask: u32 = columns[2].parse::<std::net::Ipv4Addr>().expect("a mask").into();
            format!("{} {} {} {}", columns[0], columns[1], mask.leading_ones(), columns[7])
        })
        .collect();
    all.sort();
    all
}

/// A rule as `iptables -nvL` prints it: target, protocol, in, out, source, destination, the rest.
fn listed(rule: &str) -> String {
    let (matches, target) = rule.split_once("-j ").expect("a target");
    let mut of =
        [("-p", "all"), ("-i", "*"), ("-o", "*"), ("-s", "0.0.0.0/0"), ("-d", "0.0.0.0/0")]
            .map(|(option, unset)| (option, unset.to_string()));
    let words: Vec<&str> = matches.split_whitespace().collect();
    let (mut at, mut not, mut rest) = (0, "", Vec::new());
    while at < words.len() {
        let known = of.iter_mut().find(|(option, _)| *option == words[at]);
        match (words[at], known) {
            ("!", _) if words.get(at + 1).is_some_and(|w| w.len() == 2) => not = "!",
            (_, Some((_, value))) => {
                *value = format!("{not}{}", words[at + 1].trim_end_matches("/32"));
                (at, not) = (at + 1, "");
            }
            ("-m", _) if words.get(at + 1) != Some(&"mark") => at += 1,
            ("-m", _) => {
                rest.push("mark match".to_string());
                at += 1;
            }
            ("--mark", _) => {}
            ("--ctstate", _) => rest.push("ctstate".into()),
            ("--dport", _) => {
                at += 1;
                rest.push(format!("tcp dpt:{}", words[at]));
            }
            (word, _) => rest.push(word.to_string()),
        }
        at += 1;
    }
    let (target, arguments) = target.split_once(' ').unwrap_or((target, ""));
    let arguments = arguments
        .replace("--to-destination ", "to:")
        .replace("--to-source ", "to:")
        .replace("--to-ports ", "redir ports ");
    rest.push(arguments);
    let columns = of.map(|(_, value)| value).join(" ");
    format!("{target} {columns} {}", rest.join(" ")).trim_end().to_string()
}

/// The rules of a chain in `iptables -t nat -nvL`, without counters.
fn shown_chain(case: &str, command: &str, chain: &str) -> Vec<String> {
    let lines = shown(case, command).into_iter();
    lines
        .skip_while(|line| !line.starts_with(&format!("Chain {chain} ")))
        .skip(2)
        .take_while(|line| !line.starts_with("Chain "))
        .map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            // pkts bytes target prot opt in out source destination ...
            let mut kept = [&columns[2..4], &columns[5..]].concat();
            // Newton's condition on the device packets come in by went when that of marks came.
            if kept[2].starts_with('!') && kept[2] == kept[3] {
                kept[2] = "*";
            }
            kept.join(" ")
        })
        .collect()
}

fn chain(namespace: &Namespace, name: &str) -> Vec<String> {
    let rules =
        text::chain(&namespace.iptables_v4, TableName::Nat, &format!("neutron-l3-agent-{name}"));
    rules.iter().map(|rule| listed(rule)).collect()
}

const NAT: &str = "iptables -t nat -nvL";

#[test]
fn distributed_router_without_floating_ip_is_the_first_seeds() {
    let name = "dvr_without_floating_ip";
    let router = namespace(name, "qrouter-");
    assert_eq!(devices(&router), shown_devices(name, "ip a"));
    assert_eq!(rules(&router), shown_rules(name));
    assert_eq!(table(&router, 3_232_235_521), shown(name, "ip route list table 3232235521"));
    assert_eq!(main_table(&router), shown_main_table(name, "route -n"));
}

#[test]
fn centralised_part_is_the_first_seeds() {
    let name = "dvr_snat_seed";
    let snat = namespace(name, "snat-");
    assert_eq!(devices(&snat), shown_devices(name, "ip a"));
    assert_eq!(main_table(&snat), shown_main_table(name, "route -n"));
    for part in ["OUTPUT", "POSTROUTING", "PREROUTING", "float-snat", "snat"] {
        let full = format!("neutron-l3-agent-{part}");
        assert_eq!(chain(&snat, part), shown_chain(name, NAT, &full), "{part}");
    }
}

#[test]
fn distributed_router_with_floating_ip_is_the_first_seeds() {
    let name = "dvr_with_floating_ip_seed";
    let router = namespace(name, "qrouter-");
    assert_eq!(rules(&router), shown_rules(name));
    assert_eq!(table(&router, 16), shown(name, "ip route list table 16"));
    for part in ["OUTPUT", "POSTROUTING", "PREROUTING", "float-snat"] {
        let full = format!("neutron-l3-agent-{part}");
        assert_eq!(chain(&router, part), shown_chain(name, NAT, &full), "{part}");
    }
    // The transcript breaks off before the rule of this chain, which its counters prove.
    assert_eq!(chain(&router, "snat"), ["neutron-l3-agent-float-snat all * * 0.0.0.0/0 0.0.0.0/0"]);
    let fip = namespace(name, "fip-");
    let lines = main_table(&fip);
    let shown = shown_main_table(name, "ip netns exec fip route -n");
    // Today's default route is in a table for each router.
    for line in shown.iter().filter(|line| !line.starts_with("0.0.0.0 ")) {
        assert!(lines.contains(line), "{line} in {lines:#?}");
    }
    let index = fip.rules[0].table;
    assert_eq!(table(&fip, index), ["default via 100.114.255.254 dev fg-4fcf49fe-ea"]);
    let proxy = "net/ipv4/conf/fg-4fcf49fe-ea/proxy_arp";
    assert!(fip.devices[0].sysctls.iter().any(|s| s.path == proxy && s.value == "1"));
}

#[test]
fn centralised_router_is_the_second_seeds() {
    let name = "seed_legacy";
    let router = namespace(name, "qrouter-");
    let command = "iptables -t nat -nvL neutron-l3-agent-PREROUTING";
    let shown_rules = shown_chain(name, command, "neutron-l3-agent-PREROUTING");
    assert_eq!(chain(&router, "PREROUTING"), shown_rules);
    assert_eq!(devices(&router), shown_devices(name, "ip a s"));
}
