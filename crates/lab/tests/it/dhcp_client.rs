//! An instance's DHCP client against a dnsmasq started by hand, as Neutron would start it.

use std::process::{Child, Command, Stdio};

use neutrino_lab::{DhcpClient, InstanceSpec, Lab};
use uuid::Uuid;

use crate::{bare_options, inside, on};

const MAC: &str = "fa:16:3e:00:00:05";

/// Ended with the guard; the lab's end would end it too.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn dnsmasq(lab: &Lab) -> Server {
    let mut command = Command::new("dnsmasq");
    command.args(["--keep-in-foreground", "--no-hosts", "--no-resolv", "--port=0"]);
    command.args(["--conf-file=/dev/null", "--interface=dhcp0", "--bind-dynamic", "--no-ping"]);
    command.args(["--pid-file=", "--dhcp-leasefile=/run/leases", "--domain=openstacklocal"]);
    command.arg("--dhcp-range=set:s4,10.0.0.0,static,255.255.255.0,86400s");
    command.arg("--dhcp-range=set:s6,fd00::,static,64,86400s");
    command.arg(format!("--dhcp-host={MAC},vm,10.0.0.5"));
    command.arg(format!("--dhcp-host={MAC},vm,[fd00::5]"));
    command.arg("--dhcp-option-force=option:mtu,1442");
    let routes = "10.9.0.0/16,0.0.0.0,169.254.169.254/32,10.0.0.2,0.0.0.0/0,10.0.0.1";
    command.arg(format!("--dhcp-option=tag:s4,option:classless-static-route,{routes}"));
    command.arg("--dhcp-option=tag:s4,option:router,10.0.0.99");
    command.arg("--dhcp-option=tag:s4,option:dns-server,10.0.0.2,10.0.0.3");
    command.arg("--dhcp-option=tag:s6,option6:dns-server,[fd00::2]");
    lab.enter_host("left", &mut command).expect("host");
    Server(command.stdin(Stdio::null()).spawn().expect("dnsmasq"))
}

#[test]
fn lease_becomes_addresses_routes_mtu_and_resolver() {
    if !neutrino_privilege::granted() {
        return;
    }
    let lab = Lab::up(&bare_options("dhcpc", &["left"])).expect("lab up");
    let datapath = lab.spec().datapath.as_str();
    let bridge = format!("ovs-vsctl add-br br-x -- set Bridge br-x datapath_type={datapath}");
    on(&lab, "left", &bridge);
    on(&lab, "left", "ovs-vsctl add-port br-x dhcp0 -- set Interface dhcp0 type=internal");
    on(&lab, "left", "ip link set dhcp0 up");
    on(&lab, "left", "ip address add 10.0.0.2/24 dev dhcp0");
    on(&lab, "left", "ip address add fd00::2/64 dev dhcp0 nodad");
    let _server = dnsmasq(&lab);
    let spec = InstanceSpec {
        name: "vm".to_owned(),
        id: Uuid::new_v4().to_string(),
        port_id: Uuid::new_v4().to_string(),
        mac: MAC.to_owned(),
        addresses: ["10.0.0.5/24", "fd00::5/64"].map(|a| a.parse().expect("address")).to_vec(),
        gateways: Vec::new(),
        clients: vec![DhcpClient::V4, DhcpClient::V6Stateful { prefix: 64 }],
        advertised: false,
        mtu: 1442,
        bridge: "br-x".to_owned(),
        datapath_type: datapath.to_owned(),
        hybrid: false,
    };
    lab.plug("left", spec.clone()).expect("plug");
    lab.wait_leases(&spec).expect("leases");
    assert_eq!(
        inside(&lab, "vm", "cat /run/dhcp/lease4"),
        "address 10.0.0.5/255.255.255.0\nmtu 1442\nroute 10.9.0.0/16 0.0.0.0\n\
         route 169.254.169.254/32 10.0.0.2\nroute 0.0.0.0/0 10.0.0.1\ndns 10.0.0.2 10.0.0.3\n\
         domain openstacklocal\nserver 10.0.0.2\n"
    );
    let addresses = inside(&lab, "vm", "ip -o address show dev eth0 scope global");
    assert!(addresses.contains("10.0.0.5/24") && addresses.contains("fd00::5/64"), "{addresses}");
    let routes = inside(&lab, "vm", "ip -4 route show");
    for route in [
        "default via 10.0.0.1 dev eth0",
        "10.9.0.0/16 dev eth0",
        "169.254.169.254 via 10.0.0.2 dev eth0",
    ] {
        assert!(routes.contains(route), "{route} in {routes}");
    }
    assert!(!routes.contains("10.0.0.99"), "classless routes replace the router: {routes}");
    assert!(inside(&lab, "vm", "ip link show dev eth0").contains("mtu 1442"));
    let resolver = inside(&lab, "vm", "cat /etc/resolv.conf");
    for line in ["search openstacklocal", "nameserver 10.0.0.2", "nameserver fd00::2"] {
        assert!(resolver.lines().any(|seen| seen == line), "{line} in {resolver}");
    }
    assert_eq!(on(&lab, "left", "cat /etc/resolv.conf"), "", "the host's own is another");
    inside(&lab, "vm", "ping -c 1 -W 2 fd00::2");
    lab.unplug("vm").expect("unplug");
    lab.down().expect("down");
}
