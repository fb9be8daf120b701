//! Distributed routing: two hosts with one router, whose namespaces are played by `ofproto/trace`.

use std::time::Duration;

use neutrino_agent_ovs::{AgentError, Running};
use neutrino_rpc::{shapes::FixedIp, topics};
use serde_json::{Value, json};

use crate::support::{
    Host, Network, Server, VLAN, VXLAN, WEB, check, mac, port_id, tap, tcp, wait_for, wait_swept,
    wait_synced, wait_up,
};

const ROUTER: &str = "network:router_interface_distributed";
const SNAT: &str = "network:router_centralized_snat";
const HOSTS: [(&str, &str, &str); 2] =
    [("host1", "127.0.0.1", "fa:16:3f:00:00:01"), ("host2", "127.0.0.2", "fa:16:3f:00:00:02")];
/// The firewall that shares tables with distributed routing.
const FILTERED: &str = "[securitygroup]\nfirewall_driver = openvswitch\n";
const BRIDGES: [&str; 3] = ["br-int", "br-tun", "br-phys"];

/// Ports by their number: the router's on both networks, and an instance of each on each host.
const ROUTER_VXLAN: usize = 1;
const ROUTER_VLAN: usize = 2;
const VM1_VXLAN: usize = 3;
const VM1_VLAN: usize = 4;
const VM2_VXLAN: usize = 5;
const VM2_VLAN: usize = 6;

fn agent_lines(more: &str) -> String {
    format!("l2_population = true\nenable_distributed_routing = true\n{more}")
}

/// Port `n` of `network`, whose subnet is `s-<type>`.
fn add_port(server: &Server, n: usize, network: &Network, owner: &str, ip: &str) {
    server.add_port(&port_id(n), network);
    let mut world = server.world();
    let details = world.ports.get_mut(&port_id(n)).expect("added");
    details.mac_address = Some(mac(n));
    details.device_owner = owner.into();
    let subnet_id = format!("s-{}", network.network_type);
    details.fixed_ips = vec![FixedIp { subnet_id, ip_address: ip.into() }];
    details.port_security_enabled = !owner.starts_with("network:");
}

async fn server() -> Server {
    let server = Server::start().await;
    add_port(&server, ROUTER_VXLAN, &VXLAN, ROUTER, "10.0.1.1");
    add_port(&server, ROUTER_VLAN, &VLAN, ROUTER, "10.0.2.1");
    add_port(&server, VM1_VXLAN, &VXLAN, "compute:nova", "10.0.1.11");
    add_port(&server, VM1_VLAN, &VLAN, "compute:nova", "10.0.2.11");
    add_port(&server, VM2_VXLAN, &VXLAN, "compute:nova", "10.0.1.12");
    add_port(&server, VM2_VLAN, &VLAN, "compute:nova", "10.0.2.12");
    let mut world = server.world();
    for (host, _, mac) in HOSTS {
        world.dvr.macs.insert(host.into(), mac.into());
    }
    for (id, net, n) in [("s-vxlan", "10.0.1", ROUTER_VXLAN), ("s-vlan", "10.0.2", ROUTER_VLAN)] {
        let subnet = json!({"id": id, "ip_version": 4, "cidr": format!("{net}.0/24"),
                            "gateway_ip": format!("{net}.1"), "gateway_mac": mac(n)});
        world.dvr.subnets.insert(id.into(), subnet);
    }
    let flood = json!(["00:00:00:00:00:00", "0.0.0.0"]);
    world.fdb = json!({VXLAN.id: {"segment_id": 1001, "network_type": "vxlan", "ports": {
        "127.0.0.1": [flood, [mac(VM1_VXLAN), "10.0.1.11"]],
        "127.0.0.2": [flood, [mac(VM2_VXLAN), "10.0.1.12"]]}}});
    drop(world);
    server
}

/// One of the hosts, in sync.
struct Routed {
    host: Host,
    agent: Running,
}

impl Routed {
    async fn start(server: &Server, which: usize, ports: &[usize], more: &str) -> Self {
        let (name, local_ip, _) = HOSTS[which];
        let mut host = Host::named(name, server, &agent_lines(more));
        host.set_local_ip(local_ip);
        host.ovs.vsctl(&["add-port", "br-phys", "eth9"]).expect("uplink");
        let agent = host.start_agent().await;
        host.wait_flow("br-int", &["table=23"]).await;
        let list: Vec<_> = ports.iter().map(|n| (port_id(*n), mac(*n))).collect();
        host.plug_all(&list);
        let ids: Vec<&str> = list.iter().map(|(id, _)| id.as_str()).collect();
        wait_up(server, &ids).await;
        wait_swept(&agent).await;
        Self { host, agent }
    }

    async fn both(server: &Server) -> [Self; 2] {
        let routers = [ROUTER_VXLAN, ROUTER_VLAN];
        let first = [&routers[..], &[VM1_VXLAN, VM1_VLAN]].concat();
        let second = [&routers[..], &[VM2_VXLAN, VM2_VLAN]].concat();
        [Self::start(server, 0, &first, "").await, Self::start(server, 1, &second, "").await]
    }

    fn number(&self, n: usize) -> u32 {
        self.host.ovs.ofport(&tap(&port_id(n))).expect("number")
    }

    fn trace(&self, bridge: &str, packet: &str) -> String {
        self.host.ovs.appctl("ovs-vswitchd", &["ofproto/trace", bridge, packet]).expect("traced")
    }

    async fn flow_gone(&self, bridge: &str, part: &str) {
        wait_for(&format!("no flow of {bridge} with {part}"), || {
            let flows = self.host.flows(bridge);
            check(!flows.iter().any(|flow| flow.contains(part)), flows)
        })
        .await;
    }
}

/// Whether a packet met a flow whose table and match begin so.
#[track_caller]
fn assert_met(trace: &str, flow: &str) {
    let met = trace.lines().any(|line| line.trim_start().starts_with(flow));
    assert!(met, "{flow} is not in\n{trace}");
}

#[track_caller]
fn assert_last(trace: &str, part: &str) {
    let last = trace.lines().rfind(|l| l.starts_with("Datapath actions")).unwrap_or("");
    assert!(last.contains(part), "{part} is not in {last} of\n{trace}");
}

#[tokio::test(flavor = "multi_thread")]
async fn routed_packets_cross_tunnels_under_the_mac_of_their_host() {
    let server = server().await;
    let [one, two] = Routed::both(&server).await;
    let ping = "icmp,nw_src=10.0.2.11,nw_dst=10.0.1.12,nw_ttl=63";
    let sent = format!(
        "in_port={},dl_src={},dl_dst={},{ping}",
        one.number(ROUTER_VXLAN),
        mac(ROUTER_VXLAN),
        mac(VM2_VXLAN)
    );
    let trace = one.trace("br-int", &sent);
    let from = format!(",dl_src={}", mac(ROUTER_VXLAN));
    assert_met(&trace, "0. in_port=1, priority 1");
    let vlan = one.host.port_column(&port_id(ROUTER_VXLAN), "tag");
    assert_met(&trace, &format!("1. dl_vlan={vlan}{from}"));
    assert_met(&trace, &format!("20. dl_vlan={vlan},dl_dst={}", mac(VM2_VXLAN)));
    assert!(trace.contains("set_field:fa:16:3f:00:00:01->eth_src"), "{trace}");
    assert!(trace.contains("set_field:0x3e9->tun_id"), "{trace}");

    let tunnel = two.host.ovs.ofport("vxlan-7f000001").expect("number");
    let come = format!(
        "in_port={tunnel},tun_id=1001,tun_src=127.0.0.1,tun_dst=127.0.0.2,\
         dl_src=fa:16:3f:00:00:01,dl_dst={},{ping}",
        mac(VM2_VXLAN)
    );
    let trace = two.trace("br-tun", &come);
    let vlan = two.host.port_column(&port_id(VM2_VXLAN), "tag");
    assert_met(&trace, "9. dl_src=fa:16:3f:00:00:01");
    assert_met(&trace, &format!("1. dl_vlan={vlan},dl_dst={}", mac(VM2_VXLAN)));
    assert_met(&trace, &format!("60. dl_vlan={vlan},dl_dst={}", mac(VM2_VXLAN)));
    assert!(trace.contains(&format!("output:{}", two.number(VM2_VXLAN))), "{trace}");
    assert_last(&trace, &format!("set(eth(src={}))", mac(ROUTER_VXLAN)));

    // Nobody else's: that MAC may not be learned, nor reach anything but ports that are served.
    let other = come.replace(&mac(VM2_VXLAN), "ff:ff:ff:ff:ff:ff");
    assert_last(&two.trace("br-tun", &other), "drop");
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_are_not_asked_for_nor_reached_through_tunnels() {
    let server = server().await;
    let one = Routed::start(&server, 0, &[ROUTER_VXLAN, VM1_VXLAN], "").await;
    let vlan = one.host.port_column(&port_id(ROUTER_VXLAN), "tag");
    let from = format!("in_port={},dl_src={}", one.number(VM1_VXLAN), mac(VM1_VXLAN));
    let arp = format!(
        "{from},dl_dst=ff:ff:ff:ff:ff:ff,arp,arp_op=1,arp_sha={},arp_spa=10.0.1.11,\
         arp_tpa=10.0.1.1",
        mac(VM1_VXLAN)
    );
    let trace = one.trace("br-int", &arp);
    assert_met(&trace, &format!("22. arp,dl_vlan={vlan},arp_tpa=10.0.1.1, priority 3"));
    assert!(!trace.contains("tun_id"), "{trace}");
    // Known or not on this host, the router's MAC is none of the tunnels' business.
    let tagged = format!("in_port=1,dl_vlan={vlan},dl_src={}", mac(VM1_VXLAN));
    let trace = one.trace("br-tun", &format!("{tagged},dl_dst={},ip", mac(ROUTER_VXLAN)));
    assert_met(&trace, &format!("1. dl_vlan={vlan},dl_dst={}, priority 2", mac(ROUTER_VXLAN)));
    assert_last(&trace, "drop");
    // The router asks for a remote instance: the answer is made here and finds back to it.
    let ask = format!(
        "in_port={},dl_src={router},dl_dst=ff:ff:ff:ff:ff:ff,arp,arp_op=1,arp_sha={router},\
         arp_spa=10.0.1.1,arp_tpa=10.0.1.12",
        one.number(ROUTER_VXLAN),
        router = mac(ROUTER_VXLAN)
    );
    let trace = one.trace("br-int", &ask);
    assert_met(&trace, &format!("21. arp,dl_vlan={vlan},arp_tpa=10.0.1.12"));
    let answer = "0. arp,dl_dst=fa:16:3f:00:00:01,arp_op=2,arp_tha=";
    assert_met(&trace, &format!("{answer}{}, priority 99", mac(ROUTER_VXLAN)));
}

#[tokio::test(flavor = "multi_thread")]
async fn routed_packets_cross_physical_networks() {
    let server = server().await;
    let [one, two] = Routed::both(&server).await;
    let uplink = |routed: &Routed| routed.host.ovs.ofport("eth9").expect("number");
    let ping = "icmp,nw_src=10.0.1.11,nw_dst=10.0.2.12,nw_ttl=63";
    let sent = format!(
        "in_port={},dl_src={},dl_dst={},{ping}",
        one.number(ROUTER_VLAN),
        mac(ROUTER_VLAN),
        mac(VM2_VLAN)
    );
    let trace = one.trace("br-int", &sent);
    let vlan = one.host.port_column(&port_id(ROUTER_VLAN), "tag");
    assert_met(&trace, &format!("1. dl_vlan={vlan},dl_src={}", mac(ROUTER_VLAN)));
    assert_last(&trace, "set(eth(src=fa:16:3f:00:00:01))");
    assert_last(&trace, "push_vlan(vid=101");

    let come = format!(
        "in_port={},dl_vlan=101,dl_src=fa:16:3f:00:00:01,dl_dst={},{ping}",
        uplink(&two),
        mac(VM2_VLAN)
    );
    let trace = two.trace("br-phys", &come);
    assert_met(&trace, "3. dl_src=fa:16:3f:00:00:01");
    assert_met(&trace, &format!("2. dl_vlan=101,dl_dst={}", mac(VM2_VLAN)));
    assert!(trace.contains(&format!("output:{}", two.number(VM2_VLAN))), "{trace}");
    assert_last(&trace, &format!("set(eth(src={}))", mac(ROUTER_VLAN)));

    // From the network's other machines as ever.
    let other = come.replace("fa:16:3f:00:00:01", "00:00:00:00:00:09");
    let trace = two.trace("br-phys", &other);
    assert!(trace.contains("goto_table:58") && trace.contains("pop_vlan"), "{trace}");
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_touch_no_flow_of_distributed_routing() {
    restarts_touch_no_flow("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_do_they_with_the_firewall_in_the_same_tables() {
    restarts_touch_no_flow(FILTERED).await;
}

async fn restarts_touch_no_flow(lines: &str) {
    let mut server = server().await;
    server.join(&port_id(VM1_VXLAN), WEB);
    let ports = [ROUTER_VXLAN, ROUTER_VLAN, VM1_VXLAN, VM1_VLAN];
    let Routed { mut host, agent } = Routed::start(&server, 0, &ports, lines).await;
    let before = BRIDGES.map(|bridge| host.aged_flows(bridge));
    let untouched = |host: &Host| {
        for (bridge, before) in BRIDGES.iter().zip(&before) {
            let after = host.aged_flows(bridge);
            assert!(before.keys().eq(after.keys()), "{bridge}:\n{before:#?}\n{after:#?}");
            assert!(before.iter().all(|(flow, age)| after[flow] >= *age), "{bridge}");
        }
    };
    agent.stop().await;
    let agent = host.start_agent().await;
    wait_swept(&agent).await;
    assert_eq!(agent.progress().borrow().flow_mods, 0);
    untouched(&host);
    // An agent that finds no server leaves the host as it is and says so.
    agent.stop().await;
    server.kill();
    host.set_patience(Duration::from_millis(20));
    let failed = host.try_start_agent().await;
    let failed = failed.map(|_| "an agent");
    assert!(
        matches!(failed, Err(AgentError::DvrMac(_))),
        "no server to get a MAC from: {failed:?}"
    );
    untouched(&host);
    host.set_patience(Duration::from_secs(60));
    server.up().await;
    let agent = host.start_agent().await;
    wait_swept(&agent).await;
    assert_eq!(agent.progress().borrow().flow_mods, 0);
    // And one whose server is lost later on, likewise.
    server.kill();
    server.up().await;
    let asked = server.world().dvr.asked.len();
    wait_for("the questions of the new connection", || {
        let now = server.world().dvr.asked.len();
        check(now > asked, now)
    })
    .await;
    wait_swept(&agent).await;
    untouched(&host);
}

#[tokio::test(flavor = "multi_thread")]
async fn restarted_vswitchd_gets_the_flows_of_distributed_routing_back() {
    let server = server().await;
    let ports = [ROUTER_VXLAN, ROUTER_VLAN, VM1_VXLAN, VM1_VLAN];
    let Routed { mut host, agent } = Routed::start(&server, 0, &ports, "").await;
    let before = BRIDGES.map(|b| host.flows(b).len());
    host.ovs.kill_vswitchd().expect("killed");
    host.ovs.start_vswitchd().expect("started");
    wait_for("the flows", || {
        let now = BRIDGES.map(|b| host.flows(b).len());
        check(now == before, (now, before))
    })
    .await;
    wait_synced(&agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_come_and_go_are_heard_of() {
    let server = server().await;
    let one = Routed::start(&server, 0, &[ROUTER_VXLAN], "").await;
    let report = server.world().reports.last().cloned().expect("reported");
    let said = &report["configurations"];
    assert_eq!(said["enable_distributed_routing"], json!(true));
    assert_eq!(said["in_distributed_mode"], json!(true));
    assert_eq!(said["arp_responder_enabled"], json!(true));
    let tell = async |macs: Value| {
        let args = json!({"dvr_macs": macs});
        server.fanout(topics::DVR_UPDATE, "dvr_mac_address_update", args).await;
    };
    server.world().dvr.macs.insert("host3".into(), "fa:16:3f:00:00:03".into());
    let macs = server.world().dvr.macs();
    tell(macs).await;
    let third = "dl_src=fa:16:3f:00:00:03";
    one.host.wait_flow("br-tun", &["table=9, priority=1", third]).await;
    one.host.wait_flow("br-phys", &["table=3, priority=2", third]).await;
    one.host.wait_flow("br-int", &["priority=2", third, "goto_table:1"]).await;
    one.host.wait_flow("br-int", &["priority=4", third, "goto_table:2"]).await;
    server.world().dvr.macs.remove("host2");
    let macs = server.world().dvr.macs();
    tell(macs).await;
    for bridge in BRIDGES {
        one.flow_gone(bridge, "fa:16:3f:00:00:02").await;
    }
    // The host's own is no other's.
    let own = "dl_src=fa:16:3f:00:00:01";
    assert!(!BRIDGES.iter().any(|b| one.host.flows(b).iter().any(|flow| flow.contains(own))));
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_and_routers_that_come_and_go_take_their_flows_along() {
    let server = server().await;
    add_port(&server, 7, &VXLAN, SNAT, "10.0.1.2");
    let one = Routed::start(&server, 0, &[VM1_VXLAN], "").await;
    let rewritten = |n: usize| format!("dl_dst={}", mac(n));
    assert!(!one.host.flows("br-int").iter().any(|f| f.contains("table=1, priority=20")));
    for n in [ROUTER_VXLAN, 7] {
        one.host.plug(&port_id(n), &mac(n));
        wait_up(&server, &[&port_id(n)]).await;
    }
    for n in [VM1_VXLAN, 7] {
        one.host.wait_flow("br-int", &["table=1, priority=20", &rewritten(n)]).await;
        one.host.wait_flow("br-int", &["table=60, priority=20", &rewritten(n)]).await;
    }
    // Neutron's arguments: the address is that of a port of the subnet.
    let asked = server.world().dvr.asked.first().cloned().expect("asked");
    let fixed_ips = json!([{"subnet_id": "s-vxlan", "ip_address": "10.0.1.1"}]);
    assert_eq!(asked, json!({"subnet": "s-vxlan", "fixed_ips": fixed_ips}));
    // An address pair is served like an address.
    let pair = json!({"mac_address": "00:00:5e:00:01:0a", "ip_address": "10.0.1.100"});
    {
        let mut world = server.world();
        let details = world.ports.get_mut(&port_id(VM1_VXLAN)).expect("there");
        details.allowed_address_pairs = vec![serde_json::from_value(pair).expect("a pair")];
    }
    server.port_update(&port_id(VM1_VXLAN)).await;
    one.host.wait_flow("br-int", &["table=1, priority=20", "dl_dst=00:00:5e:00:01:0a"]).await;
    // Without the router only the SNAT port is left, and nothing is kept from the tunnels.
    one.host.unplug(&port_id(ROUTER_VXLAN));
    one.flow_gone("br-tun", &mac(ROUTER_VXLAN)).await;
    one.flow_gone("br-tun", "arp_tpa=10.0.1.1 ").await;
    one.flow_gone("br-int", &format!("table=1, priority=20,dl_vlan=1,{}", rewritten(VM1_VXLAN)))
        .await;
    one.host.wait_flow("br-int", &["table=1, priority=20", &rewritten(7)]).await;
    one.host.unplug(&port_id(7));
    one.flow_gone("br-int", "table=1, priority=20").await;
    one.flow_gone("br-int", "table=60, priority=20").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_firewall_sees_what_routers_of_other_hosts_send() {
    let server = server().await;
    server.join(&port_id(VM1_VXLAN), WEB);
    server.join(&port_id(VM1_VLAN), WEB);
    server.world().groups.rules.insert(WEB.into(), vec![tcp(80, None)]);
    let ports = [ROUTER_VXLAN, ROUTER_VLAN, VM1_VXLAN, VM1_VLAN];
    let one = Routed::start(&server, 0, &ports, FILTERED).await;
    let patch_tun = one.host.ovs.ofport("patch-tun").expect("number");
    let patch_phys = one.host.ovs.ofport("int-br-phys").expect("number");
    let vlan = one.host.port_column(&port_id(VM1_VXLAN), "tag");
    for (n, port, tag) in [(VM1_VXLAN, patch_tun, vlan.as_str()), (VM1_VLAN, patch_phys, "101")] {
        let come = |tcp_port: u16| {
            let packet = format!(
                "in_port={port},dl_vlan={tag},dl_src=fa:16:3f:00:00:02,dl_dst={},\
                 tcp,nw_src=10.0.9.9,nw_dst=10.0.1.11,tp_dst={tcp_port}",
                mac(n)
            );
            let args = ["ofproto/trace", "br-int", &packet, "--ct-next", "trk,new"];
            one.host.ovs.appctl("ovs-vswitchd", &args).expect("traced")
        };
        let open = come(80);
        assert_met(&open, "82. ");
        assert!(open.contains(&format!("output:{}", one.number(n))), "{open}");
        let closed = come(22);
        assert!(!closed.contains(&format!("output:{}", one.number(n))), "{closed}");
    }
    // The router itself is trusted: it sends under any address, to instances here too.
    let sent = format!(
        "in_port={},dl_src={},dl_dst={},tcp,nw_src=10.0.2.12,nw_dst=10.0.1.11,tp_dst=80",
        one.number(ROUTER_VXLAN),
        mac(ROUTER_VXLAN),
        mac(VM1_VXLAN)
    );
    let args = ["ofproto/trace", "br-int", &sent, "--ct-next", "trk,new"];
    let trace = one.host.ovs.appctl("ovs-vswitchd", &args).expect("traced");
    assert_met(&trace, "82. ");
    assert!(trace.contains(&format!("output:{}", one.number(VM1_VXLAN))), "{trace}");
}
