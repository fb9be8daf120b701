//! Connections in the switch's own tracker are cut, and the switch survives it.

use neutrino_agent_ovs::{connections::cut_in_switch, unixctl::Unixctl};
use neutrino_dataplane::{firewall::conntrack::Deletions, view::HostView};
use neutrino_ovs_sandbox::Sandbox;

/// Frames of one connection each, from 10.0.0.1 (2001:db8::1) to 10.0.0.2 (2001:db8::2).
const FRAMES: [(&str, &str); 4] = [
    (
        "udp",
        "50540000000150540000000208004500002600000000401166c50a0000010a00000203e807d00012000000000000000000000000",
    ),
    (
        "icmp",
        "50540000000150540000000208004500001c00000000400166df0a0000010a0000020800f7b1004d0001",
    ),
    (
        "tcp",
        "50540000000150540000000208004500002800000000400666ce0a0000010a00000203e900500000000100000000500203e893be0000",
    ),
    (
        "icmpv6",
        "50540000000150540000000286dd6000000000083a4020010db800000000000000000000000120010db8000000000000000000000002800023f9004e0001",
    ),
];

fn view(ports: &str) -> HostView {
    serde_json::from_str(&format!(r#"{{"ports": [{ports}]}}"#)).expect("a view")
}

fn tracked(ovs: &Sandbox) -> Vec<String> {
    let dump = ovs.appctl("ovs-vswitchd", &["dpctl/dump-conntrack"]).expect("dump");
    let mut names: Vec<String> =
        dump.lines().filter_map(|line| line.split(',').next()).map(str::to_string).collect();
    names.sort();
    names
}

#[test]
fn connections_of_a_port_that_went_are_cut_in_the_switch() {
    let ovs = Sandbox::start().expect("Open vSwitch");
    ovs.vsctl(&["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev"])
        .expect("bridge");
    for (_, frame) in FRAMES {
        let packet = format!("in_port=local,packet={frame},actions=ct(commit,zone=5)");
        ovs.ofctl(&["packet-out", &ovs.bridge("br0"), &packet]).expect("packet");
    }
    assert_eq!(tracked(&ovs), ["icmp", "icmpv6", "tcp", "udp"]);

    let port = r#"{"id": "p", "ofport": 1, "mac": "fa:16:3e:00:00:01", "vlan": 5,
                   "port_security": true, "fixed_ips": ["10.0.0.2", "2001:db8::2"]}"#;
    let deletions = Deletions::between(&view(port), &view(""), |port| port.vlan);
    let mut switch = Unixctl::connect(&ovs.dir().join("ovs-vswitchd.ctl")).expect("connect");
    assert_eq!(cut_in_switch(&mut switch, &deletions).expect("cut"), 3);
    // Open vSwitch would not survive being told to forget it.
    assert_eq!(tracked(&ovs), ["icmpv6"]);
    assert_eq!(cut_in_switch(&mut switch, &deletions).expect("nothing left"), 0);
    let other = Deletions::between(&view(port), &view(""), |_| Some(6));
    assert_eq!(cut_in_switch(&mut switch, &other).expect("another zone"), 0);
    assert!(switch.run("no/such-command", &[]).is_err());
}
