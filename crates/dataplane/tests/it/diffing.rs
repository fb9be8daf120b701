//! What the diff changes and, above all, what it leaves alone.

use neutrino_dataplane::{
    br_int, br_tun,
    diff::{self, Installed, LearnedFlows, Removal},
    tables::{int, tun},
    view::HostView,
};
use neutrino_openflow::{Command, Flow};
use proptest::prelude::*;

fn view(case: &str) -> HostView {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    crate::cases::load(&root.join(case))
}

fn installed(flows: &[Flow]) -> Installed {
    flows.iter().map(|f| (f.key(), f.clone())).collect()
}

fn flow(text: &str) -> Flow {
    text.parse().expect("flow")
}

#[test]
fn right_flows_under_another_cookie_are_left_alone() {
    let desired = br_int::desired(&view("observed"), 7);
    let theirs = installed(&br_int::desired(&view("observed"), 99));
    assert_eq!(diff::diff(&theirs, &desired, int::ALL, Removal::Stale, |_| false), []);
    assert_eq!(br_int::adopted_cookie(&br_int::desired(&view("observed"), 99)), Some(99));
}

#[test]
fn nothing_is_removed_on_hold() {
    let now = br_int::desired(&view("no_tunnels"), 1);
    let before = installed(&br_int::desired(&view("observed"), 1));
    let held = diff::diff(&before, &now, int::ALL, Removal::Hold, |_| false);
    assert!(held.iter().all(|m| m.command == Command::Add), "{held:?}");
    let stale = diff::diff(&before, &now, int::ALL, Removal::Stale, |_| false);
    assert!(stale.iter().any(|m| m.command == Command::DeleteStrict));
}

#[test]
fn flows_in_tables_of_others_are_kept() {
    let mut before = installed(&br_int::desired(&view("no_tunnels"), 1));
    let foreign = flow("table=94, priority=1 actions=NORMAL");
    before.insert(foreign.key(), foreign);
    let now = br_int::desired(&view("no_tunnels"), 1);
    assert_eq!(diff::diff(&before, &now, int::ALL, Removal::Stale, |_| false), []);
}

#[test]
fn learned_flows_stay_while_their_vlan_and_tunnel_do() {
    let view = view("learning");
    let learned = LearnedFlows::of(&view);
    let text = |vlan: u16, port: u32| {
        flow(&format!(
            "table=20, hard_timeout=300, priority=1,vlan_tci=0x{vlan:04x}/0x0fff,\
             dl_dst=fa:16:3e:00:00:01 \
             actions=load:0->NXM_OF_VLAN_TCI[],load:0x3e9->NXM_NX_TUN_ID[],output:{port}"
        ))
    };
    assert!(learned.spares(&text(1, 2)));
    assert!(!learned.spares(&text(99, 2)), "no such local VLAN");
    assert!(!learned.spares(&text(1, 66)), "no such tunnel");
}

#[test]
fn flood_list_only_grows_on_hold() {
    let mut view = view("l2pop_arp_responder");
    let before = installed(&br_tun::desired(&view, 1));
    // A restarted agent has heard of one of the two hosts so far.
    view.vlans[0].fdb.retain(|ip, _| ip.to_string() == "30.0.1.6");
    let mut desired = br_tun::desired(&view, 1);
    diff::keep_flooding(&before, &mut desired);
    assert_eq!(diff::diff(&before, &desired, tun::ALL, Removal::Hold, |_| false), []);
    let after = br_tun::desired(&view, 1);
    let shrunk = diff::diff(&before, &after, tun::ALL, Removal::Stale, |_| false);
    assert!(shrunk.iter().any(|m| m.command == Command::Add && m.flow.table == 22));
}

#[test]
fn lint_finds_contradictions() {
    let flows = [
        flow("table=0, priority=1,in_port=1 actions=drop"),
        flow("table=0, priority=1,in_port=1 actions=NORMAL"),
        flow("table=5, priority=1 actions=goto_table:5"),
    ];
    assert_eq!(diff::lint(&flows).len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is installed, applying the diff gives exactly what is desired.
    #[test]
    fn applied_diff_reaches_the_desired_flows(keep in proptest::collection::vec(any::<bool>(), 80), garbage in 0u8..20) {
        let desired = br_tun::desired(&view("l2pop_arp_responder"), 5);
        let mut now: Installed = desired
            .iter()
            .zip(&keep)
            .filter(|(_, keep)| **keep)
            .map(|(f, _)| (f.key(), f.clone()))
            .collect();
        for n in 0..garbage {
            let stale = flow(&format!("table=22, priority=1,dl_vlan={} actions=drop", 100 + u16::from(n)));
            now.insert(stale.key(), stale);
        }
        let mods = diff::diff(&now, &desired, tun::ALL, Removal::Stale, |_| false);
        diff::record(&mut now, &mods);
        prop_assert_eq!(now.len(), desired.len());
        prop_assert_eq!(diff::diff(&now, &desired, tun::ALL, Removal::Stale, |_| false), vec![]);
    }
}
