//! What a lab leaves behind: nothing, however it ends.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use neutrino_lab::{Lab, wait::wait_until};

use crate::bare_options;

/// What a lab could leave on the machine.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    interfaces: BTreeSet<String>,
    mounts: BTreeSet<String>,
    files: BTreeSet<String>,
    processes: usize,
    sockets: usize,
}

/// Looks for traces of the lab called `name`.
fn traces(name: &str) -> Traces {
    let list = |directory: &str| -> BTreeSet<String> {
        fs::read_dir(directory)
            .map(|entries| {
                entries.flatten().map(|e| e.path().to_string_lossy().into_owned()).collect()
            })
            .unwrap_or_default()
    };
    let read = |path: &str| fs::read_to_string(path).expect(path);
    let processes = list("/proc")
        .iter()
        .filter_map(|dir| fs::read_to_string(format!("{dir}/cmdline")).ok())
        .filter(|line| line.contains(name))
        .count();
    let files = ["/run", "/run/openvswitch", "/run/netns", "/etc/neutron", "/etc/openvswitch"];
    Traces {
        interfaces: list("/sys/class/net"),
        mounts: read("/proc/self/mounts").lines().map(str::to_owned).collect(),
        files: files.iter().flat_map(|dir| list(dir)).collect(),
        processes,
        sockets: read("/proc/net/unix").lines().filter(|line| line.contains(name)).count(),
    }
}

/// Waits until the machine looks as before.
fn assert_untouched(name: &str, before: &Traces) {
    wait_until("the machine as before", Duration::from_secs(10), || {
        let now = traces(name);
        if now == *before { Ok(()) } else { Err(format!("{now:#?}")) }
    })
    .expect("nothing left");
}

#[test]
fn lab_killed_leaves_nothing() {
    if !neutrino_privilege::granted() {
        return;
    }
    let options = bare_options("killed", &["solo", "other"]);
    let before = traces(&options.name);
    assert_eq!((before.processes, before.sockets), (0, 0));
    let lab = Lab::start(&options, None, |_| {}).expect("lab up");
    let during = traces(&options.name);
    assert!(during.processes > 0 && during.sockets > 0);
    assert_eq!((&during.mounts, &during.files), (&before.mounts, &before.files));
    assert_eq!(during.interfaces, before.interfaces);
    // SAFETY: the supervisor was started above.
    unsafe { libc::kill(lab.supervisor(), libc::SIGKILL) };
    assert_untouched(&options.name, &before);
    assert!(Lab::open(&options.name).is_err());
}

#[test]
fn labs_live_side_by_side_and_end_one_by_one() {
    if !neutrino_privilege::granted() {
        return;
    }
    let (one, two) = (bare_options("one", &["solo"]), bare_options("two", &["solo"]));
    let before = traces(&one.name);
    let first = Lab::start(&one, None, |_| {}).expect("first lab");
    let second = Lab::up(&two).expect("second lab");
    assert!(Lab::start(&one, None, |_| {}).is_err(), "the name is taken");
    first.down().expect("down");
    assert_untouched(&one.name, &before);
    let text = second.exec("solo", &["ovs-vsctl", "list-br"]).expect("exec");
    assert_eq!(String::from_utf8_lossy(&text.stdout), "br-ex\nbr-phy\n");
    // Dropping the handle is how a lab ends whose test has failed or was killed.
    drop(second);
    wait_until("the end of the second lab", Duration::from_secs(10), || {
        if Lab::open(&two.name).is_err() { Ok(()) } else { Err("it answers".to_owned()) }
    })
    .expect("ends with its handle");
}

#[test]
fn lab_ends_with_the_process_that_owns_it() {
    if !neutrino_privilege::granted() {
        return;
    }
    let options = bare_options("owned", &["solo"]);
    let before = traces(&options.name);
    let mut owner = Command::new("sleep").arg("60").spawn().expect("sleep");
    Lab::start(&options, Some(owner.id()), |_| {}).expect("lab up");
    owner.kill().expect("kill");
    owner.wait().expect("reap");
    assert_untouched(&options.name, &before);
}

#[test]
fn data_dir_keeps_the_logs() {
    if !neutrino_privilege::granted() {
        return;
    }
    let mut options = bare_options("data", &["solo"]);
    let dir = std::env::temp_dir().join(&options.name);
    options.data_dir = Some(dir.clone());
    Lab::up(&options).expect("lab up").down().expect("down");
    let log = fs::read_to_string(dir.join("solo/log/openvswitch/ovs-vswitchd.log"));
    fs::remove_dir_all(&dir).expect("clean up");
    assert!(log.expect("log").contains("ovs-vswitchd"));
}
