//! What the first seed shows of a deployment, compared with ours: the same rules in the same
//! chains, tables and order; only names, addresses and counters differ.

use std::collections::{BTreeMap, BTreeSet};

use super::{NEAR, NETWORK_HOST, Site};
use crate::cloud::Instance;
use crate::on;

const RULES: &str = include_str!("seed/ip-rule.txt");
const RULES_FLOATING: &str = include_str!("seed/ip-rule-floating.txt");
const NAT_SNAT: &str = include_str!("seed/nat-snat.txt");
/// The transcript ends with the heading of a chain more, without its rules.
const NAT_QROUTER: &str = include_str!("seed/nat-qrouter.txt");
const BR_FLOATING: &str = include_str!("seed/br-floating.txt");

/// The seed's names and addresses.
const SEED_RFP: &str = "rfp-3d7f8fd5-a";
const SEED_QG: &str = "qg-2994b178-97";
const SEED_FLOATING_IP: &str = "100.114.0.54";
const SEED_EXTERNAL_IP: &str = "100.114.0.143";

/// `ip rule` as priority, selector and table; the priority of a floating IP is any of its range.
fn rules(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| {
            let (priority, rest) = line.split_once(':').expect("a rule");
            let words: Vec<&str> = rest.split_whitespace().collect();
            let priority: u32 = priority.trim().parse().expect("priority");
            match (priority, words.last()) {
                (32_768..=72_767, Some(&"16")) => format!("FLOATING: {}", words.join(" ")),
                _ => format!("{priority}: {}", words.join(" ")),
            }
        })
        .collect()
}

fn assert_rules(site: &Site, seed: &str) {
    let line = format!("ip -n {} rule", site.router.namespace());
    assert_eq!(rules(&on(&site.cloud.lab, NEAR, &line)), rules(seed));
}

/// Every subnet has a table of its own, numbered as its gateway.
pub fn rules_without_floating_ip(site: &Site) {
    assert_rules(site, RULES);
}

/// Before those, the floating IP's instance goes by table 16, to the other end of its pair.
pub fn rules_with_floating_ip(site: &Site, ds: &Instance) {
    assert_eq!(ds.ip, "192.168.0.16", "the seed's instance");
    assert_rules(site, RULES_FLOATING);
    let lab = &site.cloud.lab;
    let (namespace, rfp) = (site.router.namespace(), site.router.device("rfp-"));
    let addresses = on(lab, NEAR, &format!("ip -n {namespace} -4 -o address show dev {rfp}"));
    let near = addresses.split_whitespace().nth(3).expect("an address");
    let near: ipnet::Ipv4Net = near.parse().expect("an address");
    assert!(near.prefix_len() == 31 && near.addr() == near.network(), "{near}");
    assert!(near.to_string().starts_with("169.254."), "{near}");
    assert_route(site, "16", &format!("default via {} dev {rfp}", near.broadcast()));
}

/// `ip route list table N` is one route, whoever made it.
fn assert_route(site: &Site, table: &str, wanted: &str) {
    let line = format!("ip -n {} route list table {table}", site.router.namespace());
    let text = on(&site.cloud.lab, NEAR, &line);
    let words: Vec<&str> = text.split_whitespace().collect();
    let of_whom = words.iter().position(|word| *word == "proto").unwrap_or(words.len());
    assert_eq!(words[..of_whom].join(" "), wanted, "table {table}: {text}");
}

/// The tables of the subnets lead to the centralised part.
pub fn redirect(site: &Site) {
    for (table, leg) in [("3232235521", &site.blue), ("184575489", &site.green)] {
        let via = site.sg(leg).ip;
        assert_route(site, table, &format!("default via {via} dev {}", leg.port.device("qr-")));
    }
}

/// `iptables -nvL` as chains of rules without counters: target, protocol, devices, addresses, rest.
fn chains(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut chains = BTreeMap::new();
    let mut chain = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["Chain", name, ..] => {
                chain = (*name).to_owned();
                chains.insert(chain.clone(), Vec::new());
            }
            [_, _, target, protocol, _, rest @ ..] if words[0] != "pkts" => {
                // As names in older iptables, as numbers in newer.
                let protocol = match *protocol {
                    "0" => "all",
                    "6" => "tcp",
                    other => other,
                };
                let rest = rest.join(" ");
                let rule = format!("{target} {protocol} {rest}");
                chains.entry(chain.clone()).or_insert_with(Vec::new).push(rule);
            }
            _ => {}
        }
    }
    chains
}

/// Our `iptables -t nat -nvL` in a namespace with the seed's words.
fn nat(
    site: &Site,
    host: &str,
    namespace: &str,
    words: &[(&str, &str)],
) -> BTreeMap<String, Vec<String>> {
    let line = format!("ip netns exec {namespace} iptables -t nat -nvL");
    let mut text = on(&site.cloud.lab, host, &line);
    for (ours, theirs) in words {
        text = text.replace(ours, theirs);
    }
    // Of ports newer Neutron chooses one that cannot be guessed.
    chains(&text.replace(" random-fully", ""))
}

/// The seed's chains as newer Neutron has them: only where a packet leaves counts for what is not
/// translated, for where it came from cannot be asked after routing; the metadata proxy of a router
/// listens on a port of its own.
fn newer(seed: &str) -> BTreeMap<String, Vec<String>> {
    let mut seed = seed.replace("redir ports 8775", "redir ports 9697");
    for device in [SEED_RFP, SEED_QG] {
        seed = seed.replace(&format!("!{device} !{device}"), &format!("* !{device}"));
    }
    chains(&seed)
}

fn assert_chains(ours: &BTreeMap<String, Vec<String>>, seed: &str) {
    for (chain, rules) in newer(seed) {
        assert_eq!(ours.get(&chain), Some(&rules), "chain {chain} of {ours:#?}");
    }
}

/// `iptables -t nat` of the namespace of centralised SNAT.
pub fn nat_of_the_centralised_part(site: &Site) {
    let gateway = site.cloud.gateway_port(&site.router, &site.external);
    let words =
        [(gateway.device("qg-"), SEED_QG), (site.router.external_ip.clone(), SEED_EXTERNAL_IP)];
    let words = words.each_ref().map(|(ours, theirs)| (ours.as_str(), *theirs));
    let ours = nat(site, NETWORK_HOST, &site.router.snat_namespace(), &words);
    assert_chains(&ours, NAT_SNAT);
}

/// `iptables -t nat` of the router on the instance's own host.
pub fn nat_of_the_local_part(site: &Site, ds: &Instance, floating: &str) {
    let rfp = site.router.device("rfp-");
    let words = [(rfp.as_str(), SEED_RFP), (floating, SEED_FLOATING_IP)];
    let ours = nat(site, NEAR, &site.router.namespace(), &words);
    assert_chains(&ours, NAT_QROUTER);
    let snat = &ours["neutron-l3-agent-float-snat"];
    assert!(snat[0].contains(&ds.ip), "{snat:?}");
}

/// Routes of the namespace of floating IPs: the address through the router's pair, everything else
/// to the gateway of the external network.
pub fn floating_ip_namespace(site: &Site, floating: &str) {
    let lab = &site.cloud.lab;
    let fpr = site.router.device("fpr-");
    let namespace = site.fip_namespace();
    let routes = on(lab, NEAR, &format!("ip -n {namespace} -4 route show table all"));
    let has = |start: &str, rest: &str| {
        routes.lines().any(|line| line.starts_with(start) && line.contains(rest))
    };
    assert!(has(&format!("{floating} via 169.254."), &format!(" dev {fpr}")), "{routes}");
    assert!(has(&format!("default via {} dev fg-", crate::routing::GATEWAY), ""), "{routes}");
    assert!(has("172.25.250.0/24 dev fg-", ""), "{routes}");
    assert!(has("169.254.", &format!("/31 dev {fpr} ")), "{routes}");
}

/// A flow's table, priority, match and actions; VLANs and MACs by what they stand for.
fn shape(line: &str, bridge: &str, external: &str) -> String {
    let (flow, actions) = line.split_once(" actions=").expect("a flow");
    let fields = flow.split(',').map(str::trim).filter(|field| {
        !["cookie", "duration", "n_packets", "n_bytes", "idle_age", "hard_age"]
            .iter()
            .any(|other| field.starts_with(other))
    });
    let mut fields: Vec<String> = fields
        .filter(|field| *field != "table=0" && !field.is_empty())
        .map(|field| match field.split_once('=') {
            Some(("dl_vlan", vlan)) if vlan == external => "dl_vlan=EXTERNAL".to_owned(),
            Some(("dl_vlan", _)) => "dl_vlan=LOCAL".to_owned(),
            Some(("dl_src", _)) => "dl_src=HOST".to_owned(),
            _ => field.replace(bridge, "BRIDGE"),
        })
        .collect();
    fields.sort();
    let actions = actions.trim().replace(bridge, "BRIDGE");
    let rewritten = actions.strip_prefix("mod_vlan_vid:").and_then(|rest| rest.split_once(','));
    let actions = rewritten.map_or(actions.clone(), |(_, rest)| format!("mod_vlan_vid:ID,{rest}"));
    format!("{} actions={actions}", fields.join(","))
}

/// The flows of the provider bridge are the seed's: the same tables, priorities, matches and
/// actions; a row for each network and for each other host.
pub fn provider_bridge(site: &Site, host: &str) {
    let lab = &site.cloud.lab;
    let count = |shapes: &[String]| {
        let mut counts = BTreeMap::new();
        shapes.iter().for_each(|shape| *counts.entry(shape.clone()).or_insert(0) += 1);
        counts
    };
    let seed: Vec<String> =
        BR_FLOATING.lines().map(|line| shape(line, "br-floating", "")).collect();
    let fg = super::walk::gateway_device(site).0;
    let external = crate::routing::local_vlan(lab, host, &fg);
    let dump = on(lab, host, "ovs-ofctl --names dump-flows br-ex");
    let ours = dump.lines().filter(|line| line.contains(" actions="));
    let ours: Vec<String> = ours.map(|line| shape(line, "br-ex", &external)).collect();
    let (seed, mut ours) = (count(&seed), count(&ours));
    // The seed's external networks have VLANs, ours has none; its flow is like those otherwise.
    let flat = "dl_vlan=EXTERNAL,in_port=\"phy-BRIDGE\",priority=4,table=2 \
        actions=strip_vlan,NORMAL";
    assert_eq!(ours.remove(flat), Some(1), "{dump}");
    // For a subnet that is routed here there is a row more in newer Neutron, which asks nobody
    // else for its gateway; the seed's bridge has no such subnet.
    ours.retain(|shape, _| !shape.contains("table=22"));
    let kinds = |counts: &BTreeMap<String, usize>| counts.keys().cloned().collect::<BTreeSet<_>>();
    let routed = |shape: &String| shape.contains("table=1") && !shape.contains("priority=0");
    let ours_kinds: BTreeSet<_> = kinds(&ours).into_iter().filter(|s| !routed(s)).collect();
    assert_eq!(ours_kinds, kinds(&seed), "{dump}");
    let others = "dl_src=HOST,priority=2,table=3 actions=output:\"phy-BRIDGE\"";
    assert_eq!((seed[others], ours[others]), (9, 2), "the other hosts of each: {dump}");
}

#[test]
fn transcripts_are_read_whole() {
    assert_eq!((rules(RULES).len(), rules(RULES_FLOATING).len()), (5, 6));
    assert!(rules(RULES_FLOATING).contains(&"FLOATING: from 192.168.0.16 lookup 16".to_owned()));
    let rules_of = |seed| newer(seed).values().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(rules_of(NAT_SNAT), [0, 1, 2, 1, 0, 1, 0, 0, 3, 1]);
    assert_eq!(rules_of(NAT_QROUTER), [0, 1, 2, 1, 0, 1, 2, 1]);
    let snat = &newer(NAT_SNAT)["neutron-l3-agent-snat"][1];
    assert_eq!(snat, "SNAT all * qg-2994b178-97 0.0.0.0/0 0.0.0.0/0 to:100.114.0.143");
    let ours = " cookie=0x1, duration=1.5s, table=2, n_packets=0, n_bytes=0, idle_age=1, \
        priority=4,in_port=\"phy-br-ex\",dl_vlan=3 actions=mod_vlan_vid:101,NORMAL";
    let theirs = BR_FLOATING.lines().nth(4).expect("a flow of a network");
    assert_eq!(shape(ours, "br-ex", "9"), shape(theirs, "br-floating", ""));
}
