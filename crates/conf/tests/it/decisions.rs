//! Each option of Neutron 29 has exactly one decision. `tests/cases/neutron29-options.txt` is what
//! `scripts/neutron-options.py` printed; `tests/cases/neutron29.txt` has the decisions.

use std::fs;

use neutrino_conf::{
    known::{self, Accept, Row, Verdict},
    opts,
};

use crate::{assert_golden, case};

fn accepted(accept: Accept) -> String {
    match accept {
        Accept::Off => "false".into(),
        Accept::On => "true".into(),
        Accept::Blank => "unset".into(),
        Accept::Words(words) | Accept::MultiWords(words) => words.join(" "),
    }
}

fn decision(row: &Row) -> String {
    match row.verdict {
        Verdict::Ignored(why) => format!("ignored: {why}"),
        Verdict::Only { accept, by, advice } => {
            format!("only {} ({by:?}): {advice}", accepted(accept))
        }
    }
}

#[test]
fn every_option_of_neutron_has_one_decision() {
    let options = fs::read_to_string(case("neutron29-options.txt")).expect("list of options");
    let mut out = String::new();
    let mut wrong = Vec::new();
    for line in options.lines() {
        let (group, name) = line.split_once(' ').expect("group and name");
        let honoured = opts::find(group, name).is_some();
        let rows = known::rules(group, name);
        let own: Vec<_> = rows.iter().filter(|row| !row.names.is_empty()).collect();
        if !honoured && rows.is_empty() {
            wrong.push(format!("[{group}] {name} has no decision"));
        }
        let mut decisions: Vec<String> = Vec::new();
        decisions.extend(honoured.then(|| "honoured".to_string()));
        let said = if honoured { own.into_iter().copied().collect() } else { rows };
        decisions.extend(said.into_iter().map(decision));
        out.push_str(&format!("[{group}] {name}: {}\n", decisions.join("; ")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_golden("neutron29.txt", &out);
}

#[test]
fn no_row_is_written_twice() {
    for option in opts::all() {
        let rows = known::rules(option.group(), option.name());
        let ignored = |row: &&&Row| {
            matches!(row.verdict, Verdict::Ignored(_)) && row.names.contains(&option.name())
        };
        let ignored = rows.iter().filter(ignored).count();
        assert_eq!(ignored, 0, "[{}] {} is honoured and ignored", option.group(), option.name());
    }
}
