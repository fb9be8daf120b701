//! Flows dumped on hosts run by Neutron: each must parse and read back letter by letter.

use std::fs;

use neutrino_openflow::Flow;

/// The line as `--no-stats` would have printed it.
fn without_stats(line: &str) -> String {
    let mut out = line.trim().to_owned();
    for name in ["duration=", "n_packets=", "n_bytes=", "idle_age=", "hard_age="] {
        if let Some(start) = out.find(name) {
            let end = out[start..].find(", ").map_or(out.len(), |at| start + at + 2);
            out.replace_range(start..end, "");
        }
    }
    out.replace("table=0, ", "")
}

fn check(case: &str) {
    let dir = crate::case(case);
    let mut flows = 0;
    for bridge in ["br-int", "br-tun", "br-phys"] {
        let text = fs::read_to_string(dir.join(format!("flows-{bridge}.txt"))).unwrap();
        for line in text.lines().filter(|line| line.contains("actions=")) {
            let flow: Flow = line.parse().unwrap_or_else(|e| panic!("{e} in {line}"));
            assert_eq!(flow.to_string(), without_stats(line));
            assert_eq!(flow.to_string().parse::<Flow>().unwrap(), flow);
            flows += 1;
        }
    }
    assert!(flows > 40, "only {flows} flows found");
}

#[test]
fn flows_of_a_host_with_the_iptables_hybrid_driver() {
    check("iptables-hybrid");
}

#[test]
fn flows_of_a_host_with_the_openvswitch_firewall() {
    check("openvswitch-firewall");
}
