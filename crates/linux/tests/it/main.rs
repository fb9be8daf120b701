//! The crate against the running kernel. Needs root; everything lives in namespaces of its own.

mod hybrid_port;
mod packet_filter;
mod routing;

use std::net::IpAddr;
use std::process::{Child, Command, Stdio};

use neutrino_linux::{Namespaces, NetNs, Netlink, ethtool, process};

/// A process that only keeps namespaces alive, killed with the guard.
struct Holder(Child);

impl Holder {
    fn start() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc"]);
        command.args(["--kill-child", "sh", "-c", "echo ready; read never"]);
        process::die_with_parent(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let mut child = command.spawn().expect("util-linux is essential on Debian");
        let mut line = String::new();
        let out = child.stdout.take().expect("piped above");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).expect("ready");
        assert_eq!(line, "ready\n");
        Self(child)
    }

    /// The pid of the shell, the only child of `unshare`.
    fn inner(&self) -> u32 {
        let pid = self.0.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
            .expect("CONFIG_PROC_CHILDREN");
        children.trim().parse().expect("one child")
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn inside(namespaces: &Namespaces, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments);
    process::run(namespaces.enter(&mut command)).expect(program)
}

#[test]
fn links_made_from_outside_exist_inside() {
    if !neutrino_privilege::granted() {
        return;
    }
    let holder = Holder::start();
    let pid = holder.inner();
    let namespace = NetNs::of_process(pid).expect("namespace");
    let mut netlink = Netlink::open_in(&namespace).expect("netlink");

    netlink.add_bridge("underlay").expect("bridge");
    netlink.add_veth("left", "right").expect("veth");
    assert!(netlink.add_veth("left", "other").expect_err("twice").is_exists());
    netlink.set_master("left", "underlay").expect("master");
    netlink.set_mtu("right", 1400).expect("mtu");
    netlink.set_mac("right", [0xfa, 0x16, 0x3e, 1, 2, 3]).expect("mac");
    netlink.rename("right", "eth0").expect("rename");
    for name in ["underlay", "left", "eth0"] {
        netlink.set_up(name).expect("up");
    }
    netlink.add_address("eth0", "192.0.2.10/24".parse().expect("net")).expect("address");
    netlink.add_address("eth0", "192.0.2.10/24".parse().expect("net")).expect("address twice");
    netlink.add_address("eth0", "2001:db8::10/64".parse().expect("net")).expect("v6 address");
    let gateway: IpAddr = "192.0.2.1".parse().expect("ip");
    netlink.add_route("0.0.0.0/0".parse().expect("net"), gateway).expect("route");
    namespace.run(|| ethtool::disable_tx_offload("eth0")).expect("ethtool");

    let eth0 = netlink.link("eth0").expect("eth0");
    assert_eq!((eth0.mtu, eth0.up, eth0.mac), (1400, true, [0xfa, 0x16, 0x3e, 1, 2, 3]));
    let namespaces = Namespaces::open(format!("/proc/{pid}")).expect("namespaces");
    let shown = inside(&namespaces, "ip", &["-o", "addr", "show", "dev", "eth0"]);
    assert!(shown.contains("192.0.2.10/24 brd 192.0.2.255") && shown.contains("2001:db8::10/64"));
    let routes = inside(&namespaces, "ip", &["route"]);
    assert!(routes.contains("default via 192.0.2.1 dev eth0"), "{routes}");
    let features = inside(&namespaces, "ethtool", &["-k", "eth0"]);
    assert!(features.contains("tx-checksumming: off"), "{features}");
    assert!(features.contains("tx-tcp-segmentation: off"), "{features}");
    assert!(netlink.find_link("right").expect("list").is_none());
    netlink.delete_link("eth0").expect("delete");
    assert!(netlink.delete_link("eth0").expect_err("gone").is_missing());
}

#[test]
fn entered_command_sees_the_namespaces_and_reports_its_end() {
    if !neutrino_privilege::granted() {
        return;
    }
    let holder = Holder::start();
    let namespaces = Namespaces::open(format!("/proc/{}", holder.inner())).expect("namespaces");
    assert_eq!(inside(&namespaces, "cat", &["/proc/1/comm"]), "sh\n");
    let mut command = Command::new("sh");
    let status = namespaces.enter(command.args(["-c", "exit 7"])).status().expect("run");
    assert_eq!(status.code(), Some(7));
    let mut command = Command::new("sh");
    let status = namespaces.enter(command.args(["-c", "kill -9 $$"])).status().expect("run");
    assert_eq!(status.code(), Some(128 + 9));
    let mut command = Command::new("/no/such/program");
    assert!(namespaces.enter(&mut command).status().is_err());
}

#[test]
fn interface_has_address_knows_only_our_addresses() {
    let loopback: IpAddr = "127.0.0.1".parse().expect("ip");
    let nobody: IpAddr = "203.0.113.77".parse().expect("ip");
    assert!(neutrino_linux::interface_has_address(loopback).expect("netlink"));
    assert!(!neutrino_linux::interface_has_address(nobody).expect("netlink"));
}
