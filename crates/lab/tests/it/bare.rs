//! The underlays and the plugging, with flows made by hand instead of by agents.

use std::time::Duration;

use neutrino_lab::{Datapath, InstanceSpec, Lab, wait::wait_until};
use uuid::Uuid;

use crate::probe::hops::Sniffer;
use crate::{bare_options, inside, on};

/// An instance of network number `network` on host number `host`.
fn instance(
    lab: &Lab,
    network: u8,
    host: u8,
    bridge: &str,
    mtu: u32,
    hybrid: bool,
) -> InstanceSpec {
    InstanceSpec {
        name: format!("n{network}h{host}"),
        id: Uuid::new_v4().to_string(),
        port_id: Uuid::new_v4().to_string(),
        mac: format!("fa:16:3e:00:{network:02x}:{host:02x}"),
        addresses: vec![format!("10.0.{network}.{host}/24").parse().expect("address")],
        gateways: Vec::new(),
        clients: Vec::new(),
        advertised: false,
        mtu,
        bridge: bridge.to_owned(),
        datapath_type: lab.spec().datapath.as_str().to_owned(),
        hybrid,
    }
}

/// Plugs an instance of the network on both hosts; returns the ports on their bridges.
fn plug(lab: &Lab, network: u8, bridge: &str, mtu: u32, hybrid: bool) -> [String; 2] {
    [("left", 1), ("right", 2)].map(|(host, number)| {
        let spec = instance(lab, network, number, bridge, mtu, hybrid);
        let prefix = if hybrid { "qvo" } else { "tap" };
        let port = format!("{prefix}{}", &spec.port_id[..11]);
        lab.plug(host, spec).expect("plug");
        port
    })
}

/// Pings across the hosts with packets as large as the network allows; none may be lost.
fn ping(lab: &Lab, network: u8, mtu: u32) {
    let size = mtu - 28;
    let line = format!("ping -c 5 -i 0.05 -W 2 -M do -s {size} 10.0.{network}.2");
    let text = inside(lab, &format!("n{network}h1"), &line);
    assert!(text.contains(" 0% packet loss"), "{text}");
}

#[test]
fn packets_cross_hosts_over_every_underlay() {
    if !neutrino_privilege::granted() {
        return;
    }
    let lab = Lab::up(&bare_options("bare", &["left", "right"])).expect("lab up");
    let remote = |host: &str| if host == "left" { "192.168.101.11" } else { "192.168.101.10" };

    for (network, kind, mtu) in [(1, "vxlan", 1450), (2, "gre", 1458)] {
        let bridge = format!("br-{kind}");
        plug(&lab, network, &bridge, mtu, network == 2);
        for host in ["left", "right"] {
            on(
                &lab,
                host,
                &format!(
                    "ovs-vsctl add-port {bridge} {kind}0 -- set Interface {kind}0 type={kind} \
                 options:remote_ip={} options:key={network}",
                    remote(host)
                ),
            );
        }
        // Nobody has to ask for anybody, so that the first packet between the hosts is the ping's.
        for (host, other) in [(1, 2), (2, 1)] {
            let neighbour = format!(
                "ip neigh replace 10.0.{network}.{other} dev eth0 nud permanent \
                 lladdr fa:16:3e:00:{network:02x}:{other:02x}"
            );
            inside(&lab, &format!("n{network}h{host}"), &neighbour);
        }
        ping(&lab, network, mtu);
    }

    let ports = plug(&lab, 3, "br-ex", 1500, false);
    for (host, port) in ["left", "right"].iter().zip(&ports) {
        on(&lab, host, &format!("ovs-vsctl set Port {port} tag=101"));
    }
    let trunk = Sniffer::start(&lab, "right", "", "eth2", "vlan 101 and icmp");
    ping(&lab, 3, 1500);
    trunk.await_packets(&["vlan 101,", "10.0.3.1 > 10.0.3.2"], 1);

    plug(&lab, 4, "br-ex", 1500, false);
    ping(&lab, 4, 1500);
    lab.down().expect("down");
}

/// What has an address of the external network reaches the host behind its gateway.
#[test]
fn outside_is_reached_over_the_provider_underlay() {
    if !neutrino_privilege::granted() {
        return;
    }
    let lab = Lab::up(&bare_options("outside", &["solo"])).expect("lab up");
    let mut spec = instance(&lab, 1, 1, "br-ex", 1500, false);
    let net = |text: &str| text.parse().expect("network");
    spec.addresses = vec![net("172.25.250.10/24"), net("2001:db8:250::10/64")];
    spec.gateways =
        ["172.25.250.254", "2001:db8:250::254"].map(|ip| ip.parse().expect("ip")).into();
    lab.plug("solo", spec).expect("plug");
    for (near, far) in
        [("172.25.250.254", "198.51.100.1"), ("2001:db8:250::254", "2001:db8:100::1")]
    {
        wait_until(far, Duration::from_secs(10), || {
            let ping = ["ping", "-c", "1", "-W", "1", far];
            let output = lab.exec_instance("n1h1", &ping).expect("ping");
            let seen = String::from_utf8_lossy(&output.stdout).into_owned();
            if output.status.success() { Ok(()) } else { Err(seen) }
        })
        .expect(near);
    }
    // Nobody but the gateway's own network is known to it.
    let routes = on(&lab, "upstream", "ip route");
    assert_eq!(routes.lines().count(), 2, "{routes}");
    let refused = lab.exec("nowhere", &["true"]).expect_err("unknown").to_string();
    assert!(refused.contains("there are solo"), "{refused}");
    lab.down().expect("down");
}

#[test]
fn plugged_port_has_what_os_vif_writes_and_unplug_leaves_nothing() {
    if !neutrino_privilege::granted() {
        return;
    }
    let lab = Lab::up(&bare_options("plug", &["solo"])).expect("lab up");
    let links = |lab: &Lab| on(lab, "solo", "ls /sys/class/net");
    let before = links(&lab);
    for hybrid in [false, true] {
        let spec = instance(&lab, 1, 1, "br-int", 1400, hybrid);
        let id = &spec.port_id[..11];
        lab.plug("solo", spec.clone()).expect("plug");
        assert!(lab.plug("solo", spec.clone()).is_err(), "twice");
        let port = format!("{}{id}", if hybrid { "qvo" } else { "tap" });
        let ids = on(&lab, "solo", &format!("ovs-vsctl get Interface {port} external_ids"));
        let wanted = format!(
            "{{attached-mac=\"{}\", iface-id=\"{}\", iface-status=active, vm-uuid=\"{}\"}}\n",
            spec.mac, spec.port_id, spec.id
        );
        assert_eq!(ids, wanted);
        assert_eq!(on(&lab, "solo", &format!("cat /sys/class/net/{port}/mtu")), "1400\n");
        if hybrid {
            let slaves = on(&lab, "solo", &format!("ls /sys/class/net/qbr{id}/brif"));
            assert_eq!(slaves, format!("qvb{id}\ntap{id}\n"));
        }
        let address = inside(&lab, "n1h1", "ip -o -4 addr show dev eth0");
        assert!(address.contains("10.0.1.1/24"), "{address}");
        assert_eq!(inside(&lab, "n1h1", "cat /sys/class/net/eth0/mtu"), "1400\n");
        assert_eq!(
            inside(&lab, "n1h1", "cat /sys/class/net/eth0/address"),
            format!("{}\n", spec.mac)
        );
        assert_eq!(inside(&lab, "n1h1", "hostname"), "n1h1\n");
        lab.unplug("n1h1").expect("unplug");
        assert_eq!(on(&lab, "solo", "ovs-vsctl list-ports br-int"), "");
    }
    on(&lab, "solo", "ovs-vsctl del-br br-int");
    assert_eq!(links(&lab), before);
    assert!(lab.unplug("n1h1").is_err(), "gone");
    lab.down().expect("down");
}

#[test]
fn switch_restart_keeps_the_tunnel_endpoint() {
    if !neutrino_privilege::granted() {
        return;
    }
    use neutrino_lab::ServiceAction::{Restart, Signal, Start};
    let lab = Lab::up(&bare_options("restart", &["left", "right"])).expect("lab up");
    let knows_the_other = || {
        if lab.spec().datapath == Datapath::Netdev {
            let known = on(&lab, "left", "ovs-appctl tnl/neigh/show");
            let lines = known.lines().filter(|line| line.starts_with("192.168.101."));
            let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
            assert_eq!(words, ["192.168.101.11", "02:00:c0:a8:65:0b", "br-phy"]);
        }
    };
    knows_the_other();
    for action in [Restart, Signal(9)] {
        lab.service("left", "ovs-vswitchd", action).expect("service");
        lab.service("left", "ovs-vswitchd", Start).expect("service");
        knows_the_other();
        wait_until("an answer of the endpoint", Duration::from_secs(10), || {
            let ping = ["ping", "-c", "1", "-W", "1", "192.168.101.10"];
            let output = lab.exec("right", &ping).expect("ping");
            let seen = String::from_utf8_lossy(&output.stdout).into_owned();
            if output.status.success() { Ok(()) } else { Err(seen) }
        })
        .expect("back");
    }
    let ended = lab.service("left", "no-such", Start).expect_err("unknown").to_string();
    assert!(ended.contains("ovsdb-server, ovs-vswitchd"), "{ended}");
    lab.down().expect("down");
}
