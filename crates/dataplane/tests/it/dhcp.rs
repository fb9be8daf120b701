//! `tests/dhcp/<case>/case.json` in, dnsmasq's command line and files and what the device needs
//! out. The case `observed` is compared with what a Neutron DHCP agent wrote.

use std::{fs, path::Path};

use neutrino_dataplane::{
    dhcp::{
        checksums, command, device, hosts, leases, metadata, opts,
        view::{Network, Settings},
    },
    firewall::Ethertype,
    iptables::Saved,
};
use serde::Deserialize;

use crate::cases::check;

#[derive(Deserialize)]
struct Case {
    #[serde(default)]
    settings: Settings,
    network: Network,
    /// The lease file dnsmasq left.
    #[serde(default)]
    leases: String,
    /// The hosts file dnsmasq has.
    #[serde(default)]
    old_host: String,
}

/// What the case of this name makes, file by file.
fn render(path: &Path) -> Vec<(&'static str, String)> {
    let json = fs::read_to_string(path.join("case.json")).expect("case.json is readable");
    let Case { settings, network, leases, old_host } =
        serde_json::from_str(&json).expect("case.json is a case");
    let dir = Path::new("/state/dhcp").join(&network.id);
    let device_id = device::device_id("peer1", &network.id);
    let own = network.port_of_device(&device_id);
    let mut plan = format!("port: {:?}\n", device::port_plan(&network, &device_id));
    if let Some(own) = own {
        for address in device::addresses(&settings, &network, own, true) {
            plan += &format!("address: {address}\n");
        }
    }
    for v6 in [false, true] {
        plan += &format!("gateway: {:?}\n", device::gateway(&network, v6));
    }
    plan += &format!("metadata: {}\n", metadata::is_needed(&settings, &network));
    plan += &format!("metadata router: {:?}\n", metadata::router_of(&settings, &network));
    for release in leases::to_release(&network, &old_host, &leases) {
        plan += &format!("release: {}\n", release.command("tap0").join(" "));
    }
    vec![
        ("cmdline", command::dnsmasq(&settings, &network, &dir).join("\n")),
        ("host", hosts::host(&settings, &network)),
        ("addn_hosts", hosts::addn_hosts(&settings, &network)),
        ("opts", opts::opts(&settings, &network, own)),
        ("leases", hosts::initial_leases(&settings, &network, &leases)),
        ("plan", plan),
    ]
}

#[test]
fn every_case_renders_its_golden_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dhcp");
    let mut failures = Vec::new();
    for entry in fs::read_dir(&root).expect("cases are readable") {
        let case = entry.expect("case is readable").path();
        for (name, text) in render(&case) {
            check(&case.join(name), &text, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// `== name` and the text below it.
fn section<'t>(text: &'t str, name: &str) -> &'t str {
    let begin = text.find(&format!("== {name}\n")).expect("a section") + name.len() + 4;
    let rest = &text[begin..];
    rest.find("\n== ").map_or(rest, |end| &rest[..end]).trim_end_matches('\n')
}

#[test]
fn files_and_command_line_are_those_observed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let made = render(&root.join("dhcp/observed"));
    let of = |name: &str| &made.iter().find(|(n, _)| *n == name).expect("made").1;
    let seen = fs::read_to_string(root.join("observed/dhcp-files.txt")).expect("readable");
    for name in ["addn_hosts", "host", "opts"] {
        assert_eq!(of(name).trim_end_matches('\n'), section(&seen, name), "{name}");
    }
    let lines = fs::read_to_string(root.join("observed/dnsmasq-cmdline.txt")).expect("readable");
    let line = lines.lines().find(|line| line.contains("f384129b")).expect("the network");
    let here = of("cmdline").replace("/state/dhcp", "/PEER/state/dhcp").replace('\n', " ");
    assert_eq!(here, line.trim_end());
}

#[test]
fn packet_filter_is_that_observed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/observed");
    let files = [(Ethertype::V4, "qdhcp-iptables.txt"), (Ethertype::V6, "qdhcp-ip6tables.txt")];
    for (version, file) in files {
        let text = fs::read_to_string(root.join(file)).expect("readable");
        let saved = Saved::parse(&text).expect("valid");
        assert_eq!(checksums::tables(version).restore(&saved), None, "{file}");
        assert!(checksums::tables(version).restore(&Saved::default()).is_some());
    }
}
