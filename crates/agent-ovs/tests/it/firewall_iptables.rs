//! The firewall driver iptables_hybrid, in a network namespace of the test's own.

use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
};

use neutrino_agent_ovs::Running;
use neutrino_linux::process;

use crate::support::{
    Host, PEERS, Server, WEB, check, mac, port_id, secured_server, tap, tcp, wait_for, wait_swept,
    wait_up,
};

/// Says to a test that it runs in a namespace of its own.
const INSIDE: &str = "NEUTRINO_TEST_IN_NAMESPACE";

/// Whether this is the inside of a network namespace. Outside, the test runs itself in one.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if !neutrino_privilege::granted() {
        return false;
    }
    let name = format!("{}::{test}", module_path!().split_once("::").expect("a module").1);
    let mut command = Command::new("unshare");
    command
        .args(["--net", "sh", "-c", "ip link set lo up && exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().expect("own path"))
        .arg(name)
        .env(INSIDE, "1")
        .stdin(Stdio::null());
    let output = process::die_with_parent(&mut command).output().expect("unshare");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{errors}");
    false
}

fn shell(command: &str) -> String {
    process::run(Command::new("sh").args(["-c", command])).expect(command)
}

/// All rules and sets, without what the traffic of the test itself changes.
fn rules() -> Vec<String> {
    let text = shell("iptables-save; ip6tables-save; ipset save");
    let stable = text.lines().filter(|line| !line.starts_with(['#', ':']));
    stable.map(str::to_string).collect()
}

/// Compares line by line, for what is printed when it fails is long.
fn assert_same(before: &(Vec<String>, Vec<String>), host: &Host) {
    let now = (rules(), host.flows("br-int"));
    for (before, now) in [(&before.0, &now.0), (&before.1, &now.1)] {
        let gone: Vec<&String> = before.iter().filter(|line| !now.contains(line)).collect();
        let new: Vec<&String> = now.iter().filter(|line| !before.contains(line)).collect();
        assert_eq!((gone, new), (vec![], vec![]));
        assert!(before == now, "the order changed");
    }
}

async fn wired(server: &Server, count: usize) -> (Host, Running) {
    let host = Host::filtered(server, "iptables_hybrid");
    let agent = host.start_agent().await;
    host.wait_flow("br-int", &["table=23"]).await;
    let ports: Vec<(String, String)> = (1..=count).map(|n| (port_id(n), mac(n))).collect();
    host.plug_all(&ports);
    let ids: Vec<&str> = ports.iter().map(|(id, _)| id.as_str()).collect();
    wait_up(server, &ids).await;
    wait_swept(&agent).await;
    (host, agent)
}

/// Rules of the port's ingress chain.
fn ingress(port: &str) -> Vec<String> {
    let chain = format!("-A neutron-openvswi-i{} ", &port[..10]);
    let text = shell("iptables-save");
    text.lines().filter_map(|line| line.strip_prefix(&chain)).map(str::to_string).collect()
}

fn members() -> BTreeSet<String> {
    let text = shell("ipset save");
    let all = text.lines().filter(|line| line.starts_with("add NIPv4"));
    all.filter_map(|line| line.split(' ').nth(2)).map(str::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_in_before_the_port_has_its_vlan() {
    if !inside("rules_are_in_before_the_port_has_its_vlan") {
        return;
    }
    let server = secured_server(1).await;
    server.world().groups.failing = true;
    let host = Host::filtered(&server, "iptables_hybrid");
    let agent = host.start_agent().await;
    host.wait_flow("br-int", &["table=23"]).await;
    let port = port_id(1);
    host.plug(&port, &mac(1));
    wait_for("two failed calls", || {
        let asked = server.world().groups.asked.len();
        check(asked >= 2, asked)
    })
    .await;
    assert_eq!(host.port_column(&port, "tag"), "4095");
    server.world().groups.failing = false;
    wait_for("the port's VLAN", || {
        let tag = host.port_column(&port, "tag");
        if tag == "1" {
            // Whoever sees the VLAN sees the rules.
            let rules = ingress(&port);
            assert!(rules.iter().any(|rule| rule.contains("--dport 80")), "{rules:#?}");
        }
        check(tag == "1", tag)
    })
    .await;
    wait_up(&server, &[&port]).await;
    assert_eq!(members(), ["10.1.0.1".into(), "10.1.0.2".into()].into());
    // Tables 24 and 25 stay: this driver does not look at ARP.
    host.wait_flow("br-int", &["table=24", "arp_spa=10.0.0.3"]).await;
    let zones = shell("iptables-save -t raw");
    assert!(zones.contains(&format!("--physdev-in {} ", tap(&port))), "{zones}");
    assert_eq!(shell("cat /proc/sys/net/bridge/bridge-nf-call-iptables").trim(), "1");
    host.unplug(&port);
    wait_for("the rules to go", || {
        let rules = rules();
        let gone = rules.iter().all(|rule| !rule.contains(&port[..10]));
        check(gone && !rules.iter().any(|rule| rule.contains("NIPv4")), rules)
    })
    .await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_reach_the_rules_and_members_only_the_set() {
    if !inside("changes_reach_the_rules_and_members_only_the_set") {
        return;
    }
    let server = secured_server(2).await;
    let (_host, _agent) = wired(&server, 2).await;
    let before = shell("iptables -S; ip6tables -S");
    server.world().groups.members.insert(PEERS.into(), ["10.1.0.2".into()].into());
    server.groups_updated("member", PEERS).await;
    wait_for("the set", || check(members() == ["10.1.0.2".to_string()].into(), members())).await;
    assert_eq!(shell("iptables -S; ip6tables -S"), before);
    server.world().groups.rules.insert(WEB.into(), vec![tcp(443, None)]);
    server.groups_updated("rule", WEB).await;
    for port in [port_id(1), port_id(2)] {
        wait_for("the rules", || {
            let rules = ingress(&port);
            let open: Vec<&String> = rules.iter().filter(|r| r.starts_with("-p tcp")).collect();
            check(open.len() == 1 && open[0].contains("--dport 443"), rules)
        })
        .await;
    }
    wait_for("the set to go", || {
        let sets = shell("ipset list -n");
        check(sets.is_empty(), sets)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restarted_agent_changes_no_rule_with_or_without_server() {
    if !inside("restarted_agent_changes_no_rule_with_or_without_server") {
        return;
    }
    let mut server = secured_server(3).await;
    let (host, agent) = wired(&server, 3).await;
    let before = (rules(), host.flows("br-int"));
    agent.stop().await;
    server.kill();
    let agent = host.start_agent().await;
    let progress = agent.progress();
    wait_for("passes without server", || {
        let seen = *progress.borrow();
        check(seen.passes >= 5 && seen.devices == 3, seen)
    })
    .await;
    assert_same(&before, &host);
    server.world().up.clear();
    server.up().await;
    wait_up(&server, &[&port_id(1), &port_id(2), &port_id(3)]).await;
    wait_swept(&agent).await;
    assert_same(&before, &host);
    assert_eq!(agent.progress().borrow().flow_mods, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_go_when_the_switch_filters() {
    if !inside("rules_go_when_the_switch_filters") {
        return;
    }
    let server = secured_server(1).await;
    let (mut host, agent) = wired(&server, 1).await;
    agent.stop().await;
    // As os-vif names the device of a hybrid port.
    host.ovs.vsctl(&["add-port", "br-int", "qvo00000000-00"]).expect("plugged");
    host.set_firewall("iptables_hybrid", "openvswitch");
    let _agent = host.start_agent().await;
    wait_for("the note that no rules are left", || {
        let text = host.ovs.vsctl(&["get", "Bridge", "br-int", "other_config"]).expect("read");
        check(text.contains("iptables_cleaned=\"true\""), text)
    })
    .await;
    let rules = rules();
    assert!(!rules.iter().any(|rule| rule.contains(&port_id(1)[..10])), "{rules:#?}");
    assert!(!rules.iter().any(|rule| rule.contains("NIPv4")), "{rules:#?}");
    let flows = host.flows("br-int");
    assert!(flows.iter().any(|flow| flow.contains("tp_dst=80")), "{flows:#?}");
}
