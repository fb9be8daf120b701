//! The sandbox works, and leaves nothing behind however its owner ends.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use neutrino_ovs_sandbox::Sandbox;

fn gone(what: &str, is_gone: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_gone() {
        assert!(Instant::now() < deadline, "{what} is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn bridges_ports_and_flows_survive_what_they_should() {
    let mut ovs = Sandbox::start().unwrap();
    ovs.vsctl(&["add-br", "br-a", "--", "set", "Bridge", "br-a", "fail_mode=secure"]).unwrap();
    ovs.vsctl(&[
        "add-port",
        "br-a",
        "vx",
        "--",
        "set",
        "Interface",
        "vx",
        "type=vxlan",
        "options:remote_ip=10.0.0.1",
        "options:key=flow",
    ])
    .unwrap();
    assert!(ovs.ofport("vx").unwrap() > 0);
    assert_ne!(ovs.datapath_id("br-a").unwrap(), 0);
    ovs.ofctl(&["add-flow", &ovs.bridge("br-a"), "table=1,priority=3,actions=NORMAL"]).unwrap();
    assert_eq!(ovs.dump_flows("br-a").unwrap(), ["table=1, priority=3 actions=NORMAL"]);

    ovs.kill_vswitchd().unwrap();
    ovs.start_vswitchd().unwrap();
    assert!(ovs.ofport("vx").unwrap() > 0);
    assert!(ovs.dump_flows("br-a").unwrap().is_empty());

    let (dir, pids) = (ovs.dir().to_owned(), ovs.pids());
    assert_eq!(pids.len(), 2);
    drop(ovs);
    assert!(!dir.exists());
    assert!(!pids.iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists()));
}

/// Not a test of its own: the owner that the next test kills.
#[test]
#[ignore = "started by a_killed_owner_leaves_nothing"]
fn owner_to_be_killed() {
    let ovs = Sandbox::start().unwrap();
    println!("sandbox {} {:?}", ovs.dir().display(), ovs.pids());
    // Ends with the pipe of the parent, should the parent never kill us.
    let _ = std::io::stdin().lock().lines().count();
}

#[test]
fn a_killed_owner_leaves_nothing() {
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "owner_to_be_killed", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(owner.stdout.take().unwrap()).lines();
    let line = output
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("sandbox ").map(|(_, rest)| rest.to_owned()))
        .expect("the owner says where its sandbox is");
    let (dir, pids) = line.split_once(' ').unwrap();
    let pids: Vec<u32> =
        pids.trim_matches(['[', ']']).split(", ").map(|pid| pid.parse().unwrap()).collect();
    assert!(Path::new(dir).exists());
    owner.kill().unwrap();
    owner.wait().unwrap();
    gone(dir, || !Path::new(dir).exists());
    for pid in pids {
        gone("a daemon", || !Path::new(&format!("/proc/{pid}")).exists());
    }
}
