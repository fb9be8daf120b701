//! What a running Neutron made of a router, against ours for the same router.

use std::{fs, path::Path};

use neutrino_dataplane::{
    iptables::{Saved, Tables},
    l3::{diff, observed::Observed, step::Step},
};

use super::{agent::carry_out, case, text};

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/observed").join(name);
    fs::read_to_string(path).expect("readable")
}

/// Nothing is to be changed, and nothing of the agent's is there that is not wanted.
fn is_right(tables: &Tables, saved: &Saved) {
    assert_eq!(tables.restore(saved), None);
    let own = |saved: &Saved| -> Vec<String> {
        let chains = saved.tables.iter().flat_map(|(table, chains)| {
            chains.chains.iter().map(move |(name, chain)| (table, name, chain))
        });
        let rules = chains.flat_map(|(table, name, chain)| {
            chain.rules.iter().map(move |rule| format!("{} {name} {}", table.as_str(), rule.text))
        });
        rules.collect()
    };
    assert_eq!(own(&text::saved(tables)), own(saved));
}

#[test]
fn packet_filter_is_that_of_a_running_neutron() {
    let namespace = &case("observed").namespaces()[0];
    let v4 = Saved::parse(&read("qrouter-iptables-save.txt")).expect("valid");
    let v6 = Saved::parse(&read("qrouter-ip6tables-save.txt")).expect("valid");
    is_right(&namespace.iptables_v4, &v4);
    is_right(namespace.iptables_v6.as_ref().expect("IPv6"), &v6);
}

#[test]
fn devices_routes_and_advertisements_are_those_of_a_running_neutron() {
    let namespace = &case("observed").namespaces()[0];
    let shown = read("qrouter-ip.txt");
    let address = |line: &&str| line.trim_start().starts_with("inet") && line.contains("global");
    let mut seen: Vec<&str> = shown
        .lines()
        .filter(address)
        .map(|line| line.split_whitespace().nth(1).expect("an address"))
        .collect();
    // That agent had failed to add the address of the port forwarding.
    seen.push("203.0.113.31/32");
    seen.sort_unstable();
    let ours = namespace.devices.iter().flat_map(|device| &device.addresses);
    let mut ours: Vec<String> = ours.map(ToString::to_string).collect();
    ours.sort_unstable();
    assert_eq!(ours, seen);
    for device in &namespace.devices {
        let at = shown.find(&format!(" {}: <", device.name)).expect("the device");
        assert!(shown[at..].contains(&device.mac.to_string()), "{}", device.name);
    }
    let routes =
        namespace.routes.iter().map(|route| format!("{} proto static", text::route(route)));
    let seen = shown.lines().filter(|line| line.contains("proto static")).map(str::trim_end);
    assert_eq!(routes.collect::<Vec<_>>(), seen.collect::<Vec<_>>());
    for sysctl in &namespace.sysctls {
        let name = sysctl.path.replace('/', ".");
        let ours_only = name.ends_with("promote_secondaries");
        assert!(ours_only || shown.contains(&format!("{name} = {}\n", sysctl.value)), "{name}");
    }
    assert_eq!(namespace.radvd.as_deref(), Some(read("radvd-conf.txt").trim_end_matches('\n')));
}

#[test]
fn namespace_of_a_running_neutron_is_adopted_without_a_packet_lost() {
    let namespace = &case("observed").namespaces()[0];
    let mut seen = carry_out(Observed::default(), &diff(namespace, &Observed::default()));
    seen.iptables_v4 = Saved::parse(&read("qrouter-iptables-save.txt")).expect("valid");
    seen.iptables_v6 = Saved::parse(&read("qrouter-ip6tables-save.txt")).expect("valid");
    seen.sysctls.remove("net/ipv4/conf/all/promote_secondaries");
    let steps = diff(namespace, &seen);
    assert!(matches!(&steps[..], [Step::SetSysctl(_)]), "{steps:?}");
}
