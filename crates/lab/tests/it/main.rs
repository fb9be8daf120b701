//! Labs on this machine: real namespaces, real Open vSwitch, real packets. Needs root.

mod bare;
mod boot;
mod cloud;
mod dhcp;
mod dhcp_client;
mod evidence;
mod footprint;
mod mixed;
mod networks;
mod outage;
mod probe;
mod router_dvr;
mod router_legacy;
mod routing;
mod security_groups;
mod spoof;

use std::path::PathBuf;
use std::process::Output;

use neutrino_lab::{Lab, LabOptions};

/// The subcommands of this crate alone, built next to this test.
fn lab_binary() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let target = test.parent().and_then(|deps| deps.parent()).expect("target/debug/deps");
    target.join("examples/lab")
}

/// A lab without server and agents, with a name that no other test uses.
fn bare_options(name: &str, hosts: &[&str]) -> LabOptions {
    LabOptions {
        name: format!("{name}-{}", std::process::id()),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        bare: true,
        binary: Some(lab_binary()),
        ..LabOptions::default()
    }
}

/// Standard output of a command that must succeed.
fn stdout(output: Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}{errors}", output.status);
    text
}

/// Runs a command line on a host; it must succeed.
fn on(lab: &Lab, host: &str, line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    stdout(lab.exec(host, &words).expect(line))
}

/// Runs a command line in an instance; it must succeed.
fn inside(lab: &Lab, instance: &str, line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    stdout(lab.exec_instance(instance, &words).expect(line))
}
