//! Repository checks: `cargo xtask layers | licences | duplicates | banned | all`.
//!
//! Each check reads `cargo metadata` and prints one line per offence; the exit status is 1 when
//! there is any. The rules themselves are the tables in [`rules`].

mod graph;
mod rules;

use std::process::ExitCode;

use graph::Graph;

type Check = fn(&Graph) -> Vec<String>;

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_else(|| "all".into());
    let graph = match Graph::load() {
        Ok(graph) => graph,
        Err(error) => {
            eprintln!("xtask: {error}");
            return ExitCode::FAILURE;
        }
    };
    let checks: [(&str, Check); 4] = [
        ("layers", layers),
        ("licences", licences),
        ("duplicates", duplicates),
        ("banned", banned),
    ];
    if wanted != "all" && !checks.iter().any(|(name, _)| *name == wanted) {
        eprintln!("usage: cargo xtask [all|layers|licences|duplicates|banned]");
        return ExitCode::FAILURE;
    }
    let mut offences = 0;
    for (name, check) in checks {
        if wanted == "all" || wanted == name {
            let found = check(&graph);
            for line in &found {
                eprintln!("{name}: {line}");
            }
            println!("{name}: {} offences", found.len());
            offences += found.len();
        }
    }
    if offences == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Dependencies between our crates point downwards and stay on their side.
fn layers(graph: &Graph) -> Vec<String> {
    let mut out = Vec::new();
    for package in graph.workspace() {
        let Some(side) = rules::side(&package.name) else {
            out.push(format!("{} has no layer; give it one in xtask/src/rules.rs", package.name));
            continue;
        };
        for dependency in package.normal_dependencies() {
            if let Some(other) = rules::side(dependency) {
                if !side.may_use().contains(&other) {
                    out.push(format!("{} ({side:?}) uses {dependency} ({other:?})", package.name));
                }
            } else if side == rules::Side::Vocabulary && rules::DOES_IO.contains(&dependency) {
                out.push(format!("{} must do no I/O but uses {dependency}", package.name));
            }
        }
    }
    out
}

/// Every crate we ship may be shipped under our licence.
fn licences(graph: &Graph) -> Vec<String> {
    graph
        .shipped()
        .filter(|p| !rules::licence_accepted(&p.licence))
        .map(|p| format!("{} {} is under '{}'", p.name, p.version, p.licence))
        .collect()
}

/// No crate is shipped in two versions without a reason, and no reason outlives its need.
fn duplicates(graph: &Graph) -> Vec<String> {
    let mut out = Vec::new();
    let doubled = graph.doubled();
    for (name, versions) in &doubled {
        if !rules::DUPLICATES.iter().any(|(n, _)| n == name) {
            out.push(format!("{name} is shipped as {}", versions.join(" and ")));
        }
    }
    for (name, reason) in rules::DUPLICATES {
        if !doubled.contains_key(*name) {
            out.push(format!("{name} is no longer doubled; drop its exception ({reason})"));
        }
    }
    out
}

/// Crates we decided against are not there.
fn banned(graph: &Graph) -> Vec<String> {
    let mut out = Vec::new();
    for package in graph.shipped() {
        for (name, reason) in rules::BANNED {
            if package.name == *name {
                out.push(format!("{name}: {reason}"));
            }
        }
    }
    out
}
