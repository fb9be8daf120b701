//! `tests/firewall/openflow/<case>/view.json` in, the firewall's flows out (`flows.txt`), also
//! against those of a running Neutron, and the difference between two views.
//! `NEUTRINO_UPDATE_GOLDENS=1` rewrites the expected files.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use neutrino_dataplane::{
    br_int,
    diff::{self, Installed},
    firewall::{Direction, Ethertype, Member, SecurityGroups, openflow},
    tables::int,
    view::HostView,
};
use neutrino_openflow::{Action, Field, Flow};
use proptest::prelude::*;

use crate::cases;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/firewall/openflow")
}

fn case(name: &str) -> HostView {
    cases::load(&root().join(name))
}

#[test]
fn every_case_renders_its_golden_flows() {
    let mut failures = Vec::new();
    for entry in fs::read_dir(root()).expect("cases are readable") {
        let path = entry.expect("case is readable").path();
        let view = cases::load(&path);
        let flows = openflow::desired(&view, 1);
        let all: Vec<Flow> = br_int::desired(&view, 1).into_iter().chain(flows.clone()).collect();
        failures.extend(diff::lint(&all).into_iter().map(|p| format!("{path:?}: {p}")));
        cases::check(&path.join("flows.txt"), &cases::text(flows), &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The flow with its conjunction ids replaced: blocks are numbered in the order of `blocks`.
fn renumbered(mut flow: Flow, blocks: &mut BTreeMap<u32, u32>) -> Flow {
    let mut number = |id: u32| {
        let next = u32::try_from(blocks.len()).expect("few blocks");
        *blocks.entry(id / 8).or_insert(next) * 8 + id % 8
    };
    if let Some(id) = flow.fields.exact(Field::ConjId) {
        let id = number(u32::try_from(id).expect("32 bits"));
        flow.fields = flow.fields.conj_id(id);
    }
    for action in &mut flow.actions {
        match action {
            Action::Conjunction { id, .. } => *id = number(*id),
            Action::SetField { field: Field::Reg7, value, .. } => {
                *value = number(u32::try_from(*value).expect("32 bits")).into();
            }
            _ => {}
        }
    }
    flow
}

fn firewall_only(flow: &Flow) -> bool {
    int::FIREWALL.contains(&flow.table) || flow.table == int::TRANSIENT_TABLE && flow.priority > 1
}

#[test]
fn flows_are_those_of_a_running_neutron() {
    let dump = fs::read_to_string(root().join("observed/neutron.txt")).expect("dump is readable");
    let theirs: Vec<Flow> = dump
        .lines()
        .filter(|line| line.contains("actions="))
        .map(|line| line.trim().parse::<Flow>().expect("dump line is a flow"))
        .filter(firewall_only)
        .collect();
    let renumber = |flows: Vec<Flow>| {
        let mut blocks = BTreeMap::new();
        cases::text(flows.into_iter().map(|f| renumbered(f, &mut blocks)).collect())
    };
    let ours = openflow::desired(&case("observed"), 1);
    assert_eq!(renumber(ours), renumber(theirs));
}

#[test]
fn another_driver_means_no_flows() {
    let mut view = case("observed");
    view.options.firewall = neutrino_dataplane::firewall::Driver::IptablesHybrid;
    assert_eq!(openflow::desired(&view, 1), []);
    let view = case("observed");
    let gone = openflow::changes(&view, &HostView::default(), 1);
    assert_eq!(gone.remove.len(), openflow::desired(&view, 1).len());
}

#[test]
fn what_was_heard_of_is_judged_and_nothing_else() {
    let view = case("observed");
    let flows = openflow::desired(&view, 1);
    assert!(flows.iter().all(openflow::owns));
    assert!(!br_int::desired(&view, 1).iter().any(openflow::owns));
    // Nor those of distributed routing, whose subnets may be heard of last.
    let routed = cases::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/dvr_tunnel"));
    assert!(!br_int::desired(&routed, 1).iter().any(openflow::owns));
    // Just started: everything that is there stays.
    let mut started = view.clone();
    started.ports.clear();
    started.security_groups = SecurityGroups::default();
    let unheard = openflow::Heard::of(&started, false);
    assert!(!flows.iter().any(|flow| unheard.judges(flow)));
    // A rule and a member that went meanwhile are found out when port and group are heard of.
    let mut now = view.clone();
    for group in now.security_groups.groups.values_mut() {
        group.rules.retain(|rule| rule.protocol != Some(6));
    }
    for group in now.security_groups.members.values_mut() {
        group.pop_first();
    }
    let heard = openflow::Heard::of(&now, true);
    let stale = openflow::changes(&view, &now, 1).remove;
    assert!(stale.len() > 10);
    for flow in stale {
        assert!(heard.judges(&flow), "{flow}");
    }
    // The port of somebody not heard of yet keeps its flows.
    now.ports.retain(|port| port.ofport != 9);
    let heard = openflow::Heard::of(&now, false);
    let of_port = |flow: &&Flow| flow.fields.exact(Field::Reg5) == Some(9);
    assert!(flows.iter().filter(of_port).all(|flow| !heard.judges(flow)));
}

#[test]
fn addresses_stay_in_conjunctions_of_ports_not_heard_of() {
    let view = case("observed");
    let before = openflow::desired(&view, 1);
    let installed: Installed = before.iter().map(|flow| (flow.key(), flow.clone())).collect();
    let is_address = |flow: &&Flow| {
        flow.fields.exact(Field::Reg5).is_none()
            && matches!(flow.actions[..], [Action::Conjunction { .. }, ..])
    };
    let address = before.iter().find(is_address).expect("a remote group");
    // Of two conjunctions the address was in, the port that is heard of knows one.
    let mut both = address.clone();
    both.actions.insert(0, Action::Conjunction { id: 8, clause: 1, n_clauses: 2 });
    let mut found = installed.clone();
    found.insert(both.key(), both.clone());
    let kept = |all: bool| {
        let mut desired = before.clone();
        openflow::Heard::of(&view, all).keep_conjunctions(&found, &mut desired);
        desired.into_iter().find(|flow| flow.key() == both.key()).expect("there").actions
    };
    assert_eq!(kept(false), both.actions);
    assert_eq!(kept(true), address.actions);
}

#[test]
fn ids_do_not_depend_on_other_groups_and_never_meet() {
    let names: Vec<String> = (0..5000).map(|n| format!("group-{n}")).collect();
    let key = |remote| openflow::ConjunctionKey {
        remote,
        direction: Direction::Ingress,
        ethertype: Ethertype::V4,
    };
    let all = openflow::ConjunctionIds::assign(names.iter().map(|n| key(n)));
    let alone = openflow::ConjunctionIds::assign([key("group-17")]);
    assert_eq!(all.get(key("group-17")), alone.get(key("group-17")));
    let ids: std::collections::BTreeSet<u32> =
        names.iter().filter_map(|n| all.get(key(n))).collect();
    assert_eq!(ids.len(), names.len());
    assert!(ids.iter().all(|id| id % 8 == 0 && *id >= 16 && *id < u32::MAX - 7));
}

/// A host with `ports` ports in one group with `rules` rules that name the group itself, which has
/// `members` members.
fn crowd(ports: u32, rules: u16, members: u32) -> HostView {
    let mut view = case("remote_groups");
    let template = view.ports[2].clone();
    let mac = |n: u32| format!("fa:16:3e:00:{:02x}:{:02x}", n / 256, n % 256).parse().expect("MAC");
    let ip = |n: u32| std::net::IpAddr::from(std::net::Ipv4Addr::from(0x0a02_0000 + n));
    view.ports = (0..ports)
        .map(|n| {
            let mut port = template.clone();
            (port.id, port.ofport, port.mac) = (format!("p{n}"), 100 + n, mac(n));
            port.fixed_ips = [ip(n)].into();
            port
        })
        .collect();
    let groups = &mut view.security_groups;
    let web = groups.groups.get_mut("web").expect("group");
    let rule = web.rules.first().expect("rule").clone();
    web.rules = (0..rules)
        .map(|n| {
            let mut rule = rule.clone();
            let port = Some(1000 + 10 * n);
            (rule.protocol, rule.port_min, rule.port_max) = (Some(6), port, port);
            rule.remote = neutrino_dataplane::firewall::Remote::Group("web".into());
            rule
        })
        .collect();
    let members = (0..members).map(|n| Member { address: ip(n).into(), mac: Some(mac(n)) });
    groups.members = [("web".to_string(), members.collect())].into();
    view
}

#[test]
fn a_member_costs_its_own_flows() {
    let before = crowd(200, 20, 2000);
    let mut after = before.clone();
    let members = after.security_groups.members.get_mut("web").expect("group");
    let last = members.pop_last().expect("members");
    let removed = openflow::changes(&before, &after, 1);
    assert_eq!((removed.add.len(), removed.remove.len()), (0, 2), "{removed:?}");
    let added = openflow::changes(&after, &before, 1);
    assert_eq!((added.add.len(), added.remove.len()), (2, 0), "{added:?} {last:?}");
    // The group as a whole: its addresses go, the ports' own flows stay.
    after.security_groups.members.clear();
    let emptied = openflow::changes(&before, &after, 1);
    assert_eq!((emptied.add.len(), emptied.remove.len()), (0, 4000));
    // A port costs its own flows.
    let mut after = before.clone();
    after.ports.pop();
    let unplugged = openflow::changes(&before, &after, 1);
    assert_eq!(unplugged.add.len(), 0);
    assert!(unplugged.remove.len() < 100, "{}", unplugged.remove.len());
}

fn installed(flows: Vec<Flow>) -> Installed {
    flows.into_iter().map(|flow| (flow.key(), flow)).collect()
}

const CASES: [&str; 7] =
    ["observed", "rules", "remote_groups", "pairs", "networks", "nothing_known", "fragments"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// From any part of a case to any part of a case, the changes lead to what is desired.
    #[test]
    fn changes_lead_to_the_desired_flows(
        from in 0usize..7, to in 0usize..7, ports in any::<u8>(), rules in any::<u16>(), members in any::<u8>(),
    ) {
        let old = case(CASES[from]);
        let mut new = case(CASES[to]);
        let keep = |mask: u32| {
            let mut n = 0u32;
            move || { n += 1; mask >> (n % 8) & 1 == 1 }
        };
        let mut kept = keep(ports.into());
        new.ports.retain(|_| kept());
        let mut kept = keep(rules.into());
        for group in new.security_groups.groups.values_mut() {
            group.rules.retain(|_| kept());
        }
        let mut kept = keep(members.into());
        for group in new.security_groups.members.values_mut() {
            group.retain(|_| kept());
        }
        let changes = openflow::changes(&old, &new, 1);
        let mut now = installed(openflow::desired(&old, 1));
        for flow in &changes.remove {
            prop_assert!(now.remove(&flow.key()).is_some());
        }
        now.extend(installed(changes.add));
        prop_assert_eq!(now, installed(openflow::desired(&new, 1)));
    }
}
