//! The rule sets of all cases before the real `iptables-restore`, in a namespace of this test.

use std::process::{Command, Stdio};

use neutrino_dataplane::{
    firewall::Ethertype,
    iptables::{Saved, Tables},
};

use super::{cases, load, text};

/// Runs a program with an input; what it printed.
fn run(mut command: Command, input: &str) -> String {
    use std::io::Write;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("takes input");
    drop(stdin);
    let output = child.wait_with_output().expect("ends");
    let failure = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {failure}\n{input}");
    String::from_utf8(output.stdout).expect("text")
}

/// Puts tables into a namespace that ends with the processes in it; what `-save` prints then.
fn restored(family: Ethertype, tables: &Tables) -> Saved {
    let program = text::prefix(family);
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", &format!("{program}-restore -n && {program}-save")]);
    let commands = tables.restore(&Saved::default()).expect("something");
    Saved::parse(&run(command, &commands)).expect("valid")
}

#[test]
fn every_rule_is_taken_and_printed_as_it_was_given() {
    if !neutrino_privilege::granted() {
        return;
    }
    for path in cases() {
        for namespace in load(&path).namespaces() {
            let v4 = Some((Ethertype::V4, &namespace.iptables_v4));
            let v6 = namespace.iptables_v6.as_ref().map(|tables| (Ethertype::V6, tables));
            for (family, tables) in v4.into_iter().chain(v6) {
                let saved = restored(family, tables);
                let name = &namespace.name;
                assert_eq!(tables.restore(&saved), None, "{} {name} {family:?}", path.display());
            }
        }
    }
}
