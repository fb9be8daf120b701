//! What the difference of iptables tables changes and, above all, what it leaves alone.

use std::collections::BTreeMap;

use neutrino_dataplane::{
    firewall::Ethertype,
    iptables::{Kind, Rule, Saved, SavedChain, SavedRule, TableName, Tables, Wrap},
};
use proptest::prelude::*;

fn wrap() -> Wrap {
    Wrap::new("neutron-openvswitch-agent")
}

fn standard() -> Tables {
    Tables::standard(&wrap(), Ethertype::V4, Kind::Stateless, true)
}

/// What `iptables-restore --noflush` makes of `saved`.
pub fn restored(saved: &Saved, restore: &str) -> Saved {
    let mut saved = saved.clone();
    let mut table = None;
    for line in restore.lines() {
        if let Some(name) = line.strip_prefix('*') {
            let all = [TableName::Filter, TableName::Nat, TableName::Mangle, TableName::Raw];
            table = all.into_iter().find(|t| t.as_str() == name);
            continue;
        }
        let chains = &mut saved.tables.entry(table.expect("in a table")).or_default().chains;
        command(chains, line);
    }
    saved
}

fn command(chains: &mut BTreeMap<String, SavedChain>, line: &str) {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (chain, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let rule = |text: &str| SavedRule { text: text.to_string(), counters: Some((0, 0)) };
    let builtin = !chain.is_empty() && chain.chars().all(|c| c.is_ascii_uppercase());
    if builtin {
        chains.entry(chain.to_string()).or_default();
    }
    match verb {
        "COMMIT" => {}
        "-A" => chains.get_mut(chain).expect("chain").rules.push(rule(rest)),
        "-D" => {
            let position: usize = rest.parse().expect("position");
            chains.get_mut(chain).expect("chain").rules.remove(position - 1);
        }
        "-I" => {
            let (position, text) = rest.split_once(' ').expect("position and rule");
            let position: usize = position.parse().expect("position");
            chains.get_mut(chain).expect("chain").rules.insert(position - 1, rule(text));
        }
        "-F" => chains.get_mut(chain).expect("chain").rules.clear(),
        "-X" => {
            let gone = chains.remove(chain).expect("chain");
            assert!(gone.rules.is_empty(), "{chain} is not empty");
            let jump = format!("-j {chain}");
            let mut rules = chains.values().flat_map(|c| &c.rules);
            assert!(!rules.any(|r| r.text.ends_with(&jump)), "{chain} is in use");
        }
        _ => {
            let name = verb.strip_prefix(':').expect("a command");
            assert!(chains.insert(name.to_string(), SavedChain::default()).is_none(), "flushed");
        }
    }
}

fn texts(saved: &Saved, table: TableName, chain: &str) -> Vec<String> {
    saved.tables[&table].chains[chain].rules.iter().map(|r| r.text.clone()).collect()
}

#[test]
fn empty_host_gets_the_standard_chains_and_then_nothing() {
    let tables = standard();
    let restore = tables.restore(&Saved::default()).expect("changes");
    let saved = restored(&Saved::default(), &restore);
    assert_eq!(
        texts(&saved, TableName::Filter, "FORWARD"),
        ["-j neutron-filter-top", "-j neutron-openvswi-FORWARD"]
    );
    assert_eq!(
        texts(&saved, TableName::Filter, "neutron-filter-top"),
        ["-j neutron-openvswi-local"]
    );
    assert_eq!(tables.restore(&saved), None);
}

#[test]
fn router_chains_are_neutrons() {
    let wrap = Wrap::new("neutron-l3-agent");
    let tables = Tables::standard(&wrap, Ethertype::V4, Kind::Nat, true);
    let saved = restored(&Saved::default(), &tables.restore(&Saved::default()).expect("changes"));
    assert_eq!(
        texts(&saved, TableName::Nat, "POSTROUTING"),
        ["-j neutron-l3-agent-POSTROUTING", "-j neutron-postrouting-bottom"]
    );
    assert_eq!(
        texts(&saved, TableName::Nat, "neutron-postrouting-bottom"),
        [
            "-m comment --comment \"Perform source NAT on outgoing traffic.\" -j neutron-l3-agent-snat"
        ]
    );
    assert_eq!(
        texts(&saved, TableName::Mangle, "neutron-l3-agent-PREROUTING"),
        ["-j neutron-l3-agent-mark"]
    );
    let six = Tables::standard(&wrap, Ethertype::V6, Kind::Nat, true);
    let saved = restored(&Saved::default(), &six.restore(&Saved::default()).expect("changes"));
    assert!(!saved.tables[&TableName::Nat].chains.contains_key("POSTROUTING"));
}

#[test]
fn rules_of_others_keep_place_and_counters() {
    let before = Saved::parse(
        "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         :docker - [0:0]\n:neutron-openvswi-old - [0:0]\n:neutron-openvswi-older - [0:0]\n\
         [1:1] -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n\
         [9:9] -A INPUT -j neutron-openvswi-INPUT\n\
         [2:2] -A FORWARD -j docker\n\
         [3:3] -A docker -j neutron-openvswi-old\n[4:4] -A docker -j RETURN\n\
         -A neutron-openvswi-old -j neutron-openvswi-older\n\
         -A neutron-openvswi-older -j RETURN\nCOMMIT\n"
            .replace(":docker", ":neutron-openvswi-INPUT - [0:0]\n:docker")
            .as_str(),
    )
    .expect("valid");
    let tables = standard();
    let after = restored(&before, &tables.restore(&before).expect("changes"));
    let chains = &after.tables[&TableName::Filter].chains;
    let counted = |chain: &str| -> Vec<(String, Option<(u64, u64)>)> {
        chains[chain].rules.iter().map(|r| (r.text.clone(), r.counters)).collect()
    };
    assert_eq!(counted("docker"), [("-j RETURN".to_string(), Some((4, 4)))]);
    assert_eq!(counted("FORWARD")[2], ("-j docker".to_string(), Some((2, 2))));
    assert_eq!(counted("INPUT")[0].0, "-j neutron-openvswi-INPUT");
    assert_eq!(counted("INPUT")[1].1, Some((1, 1)));
    assert!(!chains.contains_key("neutron-openvswi-old"));
    assert_eq!(tables.restore(&after), None);
}

#[test]
fn two_agents_of_one_host_leave_each_other_alone() {
    let ours = standard();
    let theirs =
        Tables::standard(&Wrap::new("neutron-meter"), Ethertype::V4, Kind::Stateless, true);
    let mut saved = restored(&Saved::default(), &ours.restore(&Saved::default()).expect("ours"));
    saved = restored(&saved, &theirs.restore(&saved).expect("theirs"));
    assert_eq!((ours.restore(&saved), theirs.restore(&saved)), (None, None));
}

fn chain_text(chain: usize, rules: &[u8], prefix: &str) -> String {
    rules.iter().fold(String::new(), |text, rule| {
        format!("{text}[{rule}:{rule}] -A {prefix}{chain} -s 10.0.0.{rule}/32 -j RETURN\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is there, the commands lead to what is wanted, in order; what stays was not
    /// touched, and a second round has nothing to do.
    #[test]
    fn commands_reach_what_is_wanted(
        have in proptest::collection::vec(proptest::collection::vec(0u8..12, 0..10), 0..4),
        want in proptest::collection::vec(proptest::collection::vec(0u8..12, 0..10), 0..4),
        hooked in proptest::collection::vec(0u8..6, 0..6),
    ) {
        let prefix = "neutron-openvswi-c";
        let mut text = "*filter\n:FORWARD ACCEPT [0:0]\n".to_string();
        (0..have.len()).for_each(|chain| text += &format!(":{prefix}{chain} - [0:0]\n"));
        have.iter().enumerate().for_each(|(chain, rules)| text += &chain_text(chain, rules, prefix));
        for hook in &hooked {
            let rule = match hook {
                0 if !have.is_empty() => format!("-j {prefix}0"),
                1 => "-j neutron-filter-top".to_string(),
                2 => "-j neutron-openvswi-FORWARD".to_string(),
                3 => "-j neutron-other-FORWARD".to_string(),
                n => format!("-i eth{n} -j ACCEPT"),
            };
            text += &format!("[5:5] -A FORWARD {rule}\n");
        }
        let before = Saved::parse(&(text + "COMMIT\n")).expect("valid");
        let mut tables = standard();
        let filter = tables.table(TableName::Filter).expect("filter");
        for (chain, rules) in want.iter().enumerate() {
            filter.add_chain(&format!("c{chain}"));
            for rule in rules {
                filter.add(&format!("c{chain}"), &Rule::new(format!("-s 10.0.0.{rule}/32"), "RETURN"));
            }
        }
        let after = match tables.restore(&before) {
            Some(restore) => restored(&before, &restore),
            None => before.clone(),
        };
        for (chain, rules) in want.iter().enumerate() {
            let mut seen = std::collections::HashSet::new();
            let expected: Vec<_> = rules.iter().filter(|r| seen.insert(**r))
                .map(|r| format!("-s 10.0.0.{r}/32 -j RETURN")).collect();
            prop_assert_eq!(texts(&after, TableName::Filter, &format!("{prefix}{chain}")), expected);
        }
        let foreign = |saved: &Saved| -> Vec<SavedRule> {
            let rules = saved.tables[&TableName::Filter].chains["FORWARD"].rules.clone();
            rules.into_iter()
                .filter(|r| !r.text.contains("openvswi") && !r.text.ends_with("filter-top"))
                .collect()
        };
        prop_assert_eq!(foreign(&after), foreign(&before));
        prop_assert_eq!(tables.restore(&after), None);
    }

    #[test]
    fn parser_survives_anything(text in ".{0,200}", lines in proptest::collection::vec("[*:\\[-]?[-A-Za-z:0-9 \\]]{0,20}", 0..8)) {
        let _ = Saved::parse(&text);
        let _ = Saved::parse(&format!("*filter\n{}", lines.join("\n")));
    }
}
