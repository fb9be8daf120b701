//! Connections in the switch's own tracker are cut, and the switch survives it.

use neutrino_agent_ovs::{
    connections::{Cuts, cut_in_switch},
    unixctl::Unixctl,
};
use neutrino_dataplane::view::HostView;
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
    let cuts = Cuts::between(&view(port), &view(""));
    let mut switch = Unixctl::connect(&ovs.dir().join("ovs-vswitchd.ctl")).expect("connect");
    assert_eq!(cut_in_switch(&mut switch, &cuts).expect("cut"), 3);
    // Open vSwitch would not survive being told to forget it.
    assert_eq!(tracked(&ovs), ["icmpv6"]);
    assert_eq!(cut_in_switch(&mut switch, &cuts).expect("nothing left"), 0);
    let elsewhere = port.replace(r#""vlan": 5"#, r#""vlan": 6"#);
    let cuts = Cuts::between(&view(&elsewhere), &view(""));
    assert_eq!(cut_in_switch(&mut switch, &cuts).expect("another zone"), 0);
    assert!(switch.run("no/such-command", &[]).is_err());
}

#[test]
fn marks_go_with_their_reason_and_other_connections_stay() {
    let ovs = Sandbox::start().expect("Open vSwitch");
    ovs.vsctl(&["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev"])
        .expect("bridge");
    for (name, frame) in FRAMES {
        let mark = u8::from(name != "udp");
        let commit = format!("ct(commit,zone=5,exec(set_field:{mark}->ct_mark))");
        let packet = format!("in_port=local,packet={frame},actions={commit}");
        ovs.ofctl(&["packet-out", &ovs.bridge("br0"), &packet]).expect("packet");
    }
    let host = |rules: &str| -> HostView {
        serde_json::from_str(&format!(
            r#"{{"ports": [{{"id": "p", "ofport": 1, "mac": "fa:16:3e:00:00:01", "vlan": 5,
                  "port_security": true, "fixed_ips": ["10.0.0.2"], "security_groups": ["g"]}}],
                "security_groups": {{"groups": {{"g": {{"stateful": true, "rules": [{rules}]}}}}}}}}"#
        ))
        .expect("a view")
    };
    let rule = |protocol: u8| {
        format!(r#"{{"direction": "ingress", "ethertype": "IPv4", "protocol": {protocol}}}"#)
    };
    let mut switch = Unixctl::connect(&ovs.dir().join("ovs-vswitchd.ctl")).expect("connect");
    // A rule that went cuts nothing here: the flows mark what it allowed.
    let cuts = Cuts::between(&host(&rule(6)), &host(""));
    assert_eq!(cut_in_switch(&mut switch, &cuts).expect("nothing to cut"), 0);
    // UDP is allowed all along, ICMP stays forbidden.
    let cuts = Cuts::between(&host(""), &host(&[rule(6), rule(17)].join(",")));
    assert_eq!(cut_in_switch(&mut switch, &cuts).expect("cut"), 1);
    assert_eq!(tracked(&ovs), ["icmp", "icmpv6", "udp"]);
}
