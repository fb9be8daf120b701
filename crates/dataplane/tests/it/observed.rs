//! The flows a running Neutron installed on a host, against ours for the same host.

use std::{fs, path::Path};

use neutrino_dataplane::{br_int, br_phys, br_tun};
use neutrino_openflow::{Action, Flow};

use crate::cases;

/// The observed flows of a bridge that are the L2 agent's: not the QoS extension's (table 0
/// priority 200) nor a remnant of another firewall driver (table 94).
fn observed(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/observed").join(name);
    let dump = fs::read_to_string(path).expect("dump is readable");
    let flows = dump
        .lines()
        .filter(|line| line.contains("actions="))
        .map(|line| line.trim().parse::<Flow>().expect("dump line is a flow"))
        .filter(|f| f.table != 94 && f.priority != 200)
        .collect();
    cases::text(flows)
}

#[test]
fn flows_are_those_of_a_running_neutron() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/observed");
    let view = cases::load(&case);
    assert_eq!(cases::text(br_int::desired(&view, 1)), observed("flows-br-int.txt"));
    assert_eq!(cases::text(br_tun::desired(&view, 1)), observed("flows-br-tun.txt"));
    let phys = cases::text(br_phys::desired(&view, "physnet1", 1));
    assert_eq!(phys, observed("flows-br-phys.txt"));
}

/// The flows of the first seed's dump of a provider bridge with distributed routing, as this
/// project writes them: the way a port is named, a table is gone to and a VLAN is set are OpenFlow
/// 1.0's there.
fn seed() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/dvr_seed/transcript.txt");
    let dump = fs::read_to_string(path).expect("transcript is readable");
    let flow = |line: &str| {
        let line = line.replace("\"phy-br-floating\"", "2");
        let mut flow: Flow = line.parse().expect("dump line is a flow");
        for action in &mut flow.actions {
            if let Action::Resubmit { table: Some(table), .. } = action {
                *action = Action::GotoTable(*table);
            }
        }
        flow
    };
    cases::text(dump.lines().map(flow).collect())
}

#[test]
fn provider_bridge_with_distributed_routing_is_that_of_the_seed() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/dvr_seed");
    let view = cases::load(&case);
    assert_eq!(cases::text(br_phys::desired(&view, "floating", 1)), seed());
}
