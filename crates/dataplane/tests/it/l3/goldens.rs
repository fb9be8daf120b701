//! `tests/l3/<case>/case.json` in, a text for each namespace and its steps out.

use std::fmt::Write;

use neutrino_dataplane::l3::{diff, observed::Observed, step::Step};

use crate::cases::check;

use super::{cases, load, text};

/// The steps that make a namespace, a line each; the packet filter is in the namespace's text.
fn steps(all: &[Step]) -> String {
    all.iter().fold(String::new(), |mut out, step| {
        let _ = match step {
            Step::Restore { family, commands } => {
                writeln!(
                    out,
                    "{}-restore of {} lines",
                    text::prefix(*family),
                    commands.lines().count()
                )
            }
            Step::Radvd(Some(_)) => writeln!(out, "radvd"),
            Step::AddDevice(device) => writeln!(out, "add device {}", device.name),
            other => writeln!(out, "{}", serde_json::to_string(other).expect("a step is JSON")),
        };
        out
    })
}

#[test]
fn every_case_renders_its_golden_namespaces() {
    let mut failures = Vec::new();
    for path in cases() {
        for namespace in load(&path).namespaces() {
            let kind = namespace.name.split('-').next().expect("a prefix");
            let rendered = format!(
                "{}steps:\n{}",
                text::namespace(&namespace),
                steps(&diff(&namespace, &Observed::default()))
            );
            check(&path.join(format!("{kind}.txt")), &rendered, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
