//! Instances on networks of every type, and what restarts do to them.

use std::process::Command;
use std::time::Duration;

use neutrino_lab::{ServiceAction, wait::wait_until};

use crate::cloud::{AGENT, Cloud, HOSTS, SERVER, SETTLE};
use crate::probe::hops::{Counter, Sniffer};
use crate::{inside, on, stdout};

#[test]
fn instances_reach_each_other_over_every_network_type() {
    if !neutrino_privilege::granted() {
        return;
    }
    let cloud = Cloud::up("types", &["neutron.conf:DEFAULT.global_physnet_mtu=1496"]);
    let mut instances = Vec::new();
    // With a physical MTU of 1496, as in the newton deployment whose flows we compare with.
    for (number, kind, mtu) in
        [(1, "vxlan", 1446), (2, "gre", 1454), (3, "vlan", 1496), (4, "flat", 1496)]
    {
        let network = cloud.network(kind, number);
        assert_eq!(network.mtu, mtu, "{kind}");
        let left = cloud.boot(&network, &format!("{kind}-left"), "compute0");
        let right = cloud.boot(&network, &format!("{kind}-right"), "compute1");
        for (from, to) in [(&left, &right), (&right, &left)] {
            cloud.await_answer(from, to);
            cloud.start_ping(from, to, 10, mtu).assert_none_lost();
        }
        instances.extend([left, right]);
    }
    // Networks are apart: the same address on another network does not answer.
    let alone = ["ping", "-c", "1", "-W", "1", "10.0.2.1"];
    let crossing = cloud.lab.exec_instance("vxlan-left", &alone).expect("ping");
    assert!(!crossing.status.success(), "vxlan-left reaches the gre network");
    cloud.assert_restart_changes_nothing(&instances[0], &instances[1]);
    cloud.finish(&instances.iter().collect::<Vec<_>>());
}

#[test]
fn neighbours_are_answered_locally() {
    if !neutrino_privilege::granted() {
        return;
    }
    let cloud = Cloud::up("arp", &[]);
    let network = cloud.network("vxlan", 1);
    let left = cloud.boot(&network, "left", "compute0");
    let right = cloud.boot(&network, "right", "compute1");
    cloud.await_answer(&left, &right);

    let tunnel = Sniffer::start(&cloud.lab, "compute0", "", "eth1", "udp port 4789");
    inside(&cloud.lab, "left", "ip neigh flush dev eth0");
    cloud.start_ping(&left, &right, 3, 84).assert_none_lost();
    tunnel.await_packets(&["ICMP echo"], 6);
    tunnel.assert_none(&["ARP, Request"]);

    let answers = on(&cloud.lab, "compute0", "ovs-ofctl dump-flows br-tun table=21");
    assert!(answers.contains(&format!("arp_tpa={}", right.ip)), "{answers}");
    let unicast = ["table=20", "strip_vlan", "output:\"vxlan-"];
    let unicast = Counter::flows(&cloud.lab, "compute0", "br-tun", &unicast);
    cloud.start_ping(&left, &right, 3, 84).assert_none_lost();
    unicast.await_packets(3);
    cloud.finish(&[&left, &right]);
}

#[test]
fn killed_agents_and_server_lose_no_packet() {
    if !neutrino_privilege::granted() {
        return;
    }
    let cloud = Cloud::up("kills", &[]);
    let network = cloud.network("vxlan", 1);
    let left = cloud.boot(&network, "left", "compute0");
    let right = cloud.boot(&network, "right", "compute1");
    cloud.await_answer(&left, &right);
    let agents = HOSTS.map(|host| (host, AGENT));
    let server = ("controller0", SERVER);
    for services in [&agents[..], &[server], &[agents[0], agents[1], agents[2], server]] {
        let before = HOSTS.map(|host| cloud.flows(host));
        let ping = cloud.start_ping(&left, &right, 150, 84);
        cloud.kill_and_start(services);
        ping.assert_none_lost();
        assert_eq!(before, HOSTS.map(|host| cloud.flows(host)));
    }
    wait_until("the server's answer", SETTLE, || {
        cloud
            .lab
            .client("admin")
            .map_err(|error| error.to_string())?
            .get("/v2.0/agents")
            .map_or_else(
                |error| Err(error.to_string()),
                |answer| {
                    let alive = answer["agents"].as_array().map_or(0, |agents| {
                        agents.iter().filter(|agent| agent["alive"] == true).count()
                    });
                    if alive == HOSTS.len() { Ok(()) } else { Err(answer.to_string()) }
                },
            )
    })
    .expect("agents alive");
    assert_eq!(cloud.port_status(&left), "ACTIVE");
    // What is plugged after all that works as before.
    let third = cloud.boot(&network, "third", "controller0");
    cloud.await_answer(&third, &left);
    cloud.finish(&[&left, &right, &third]);
}

#[test]
fn switch_restart_brings_traffic_back() {
    if !neutrino_privilege::granted() {
        return;
    }
    let cloud = Cloud::up("switch", &[]);
    let mut pairs = Vec::new();
    for (number, kind) in [(1, "vxlan"), (2, "gre"), (3, "vlan")] {
        let network = cloud.network(kind, number);
        let left = cloud.boot(&network, &format!("{kind}-left"), "compute0");
        let right = cloud.boot(&network, &format!("{kind}-right"), "compute1");
        cloud.await_answer(&left, &right);
        pairs.push((left, right));
    }
    let flows = |host: &str| cloud.flows(host);
    let before = flows("compute0");
    for action in [ServiceAction::Restart, ServiceAction::Signal(libc::SIGKILL)] {
        cloud.lab.service("compute0", "ovs-vswitchd", action).expect("service");
        cloud.lab.service("compute0", "ovs-vswitchd", ServiceAction::Start).expect("service");
        for (left, right) in &pairs {
            cloud.await_answer(left, right);
            cloud.await_answer(right, left);
        }
    }
    wait_until("the flows as before", SETTLE, || {
        let now = flows("compute0");
        if now == before { Ok(()) } else { Err(now) }
    })
    .expect("same flows");
    let instances: Vec<_> = pairs.iter().flat_map(|(left, right)| [left, right]).collect();
    cloud.finish(&instances);
}

#[test]
fn port_goes_down_when_unplugged_and_up_again() {
    if !neutrino_privilege::granted() {
        return;
    }
    let cloud = Cloud::up("plugging", &[]);
    let network = cloud.network("vxlan", 1);
    let left = cloud.boot(&network, "left", "compute0");
    let right = cloud.boot(&network, "right", "compute1");
    cloud.await_answer(&left, &right);
    let (_, spec) = cloud.lab.find_instance("right").expect("instance");
    cloud.lab.unplug("right").expect("unplug");
    wait_until("port DOWN", SETTLE, || match cloud.port_status(&right).as_str() {
        "DOWN" => Ok(()),
        other => Err(other.to_owned()),
    })
    .expect("DOWN");
    wait_until("compute0 forgets the port", Duration::from_secs(10), || {
        let answers = on(&cloud.lab, "compute0", "ovs-ofctl dump-flows br-tun table=21");
        if answers.contains(&right.ip) { Err(answers) } else { Ok(()) }
    })
    .expect("no entry");
    // The server remembers the binding: the same port may be plugged again.
    cloud.lab.plug(right.host, spec).expect("plug");
    cloud.lab.wait_active(&right.port_id).expect("ACTIVE");
    cloud.await_answer(&left, &right);
    cloud.finish(&[&left, &right]);
}

#[test]
fn hybrid_plugged_ports_work_as_the_binding_says() {
    if !neutrino_privilege::granted() {
        return;
    }
    let hybrid = "openvswitch_agent.ini:securitygroup.firewall_driver=iptables_hybrid";
    let cloud = Cloud::up("hybrid", &[hybrid]);
    let network = cloud.network("vxlan", 1);
    let left = cloud.boot(&network, "left", "compute0");
    let right = cloud.boot(&network, "right", "compute1");
    let port = format!("qvo{}", &left.port_id[..11]);
    let ports = on(&cloud.lab, "compute0", "ovs-vsctl list-ports br-int");
    assert!(ports.lines().any(|line| line == port), "{ports}");
    cloud.await_answer(&left, &right);
    cloud.start_ping(&left, &right, 10, network.mtu).assert_none_lost();
    cloud.finish(&[&left, &right]);
}

#[test]
fn openstack_client_reaches_the_lab_from_outside_and_inside() {
    if !neutrino_privilege::granted() {
        return;
    }
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let client = format!("{root}/.venv/bin/openstack");
    let cloud = Cloud::up("client", &[]);
    let list = ["network", "agent", "list", "-f", "value"];
    let columns = ["-c", "Agent Type", "-c", "Host", "-c", "Alive", "-c", "State", "-c", "Binary"];
    let mut outside = Command::new(&client);
    outside.args(list).args(columns);
    outside.envs(cloud.lab.spec().client_environment("admin", "127.0.0.1"));
    let mut within = Command::new(&client);
    within.args(list).args(columns);
    cloud.lab.enter_host("compute1", &mut within).expect("enter");
    let texts = [outside, within].map(|mut command| {
        let text = stdout(command.output().expect("make deps installs the client"));
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    });
    let row = |host| format!("Open vSwitch agent {host} True True neutron-openvswitch-agent");
    let mut wanted = HOSTS.map(row).to_vec();
    wanted.sort();
    assert_eq!(texts, [wanted.clone(), wanted]);
    cloud.finish(&[]);
}
