//! What the installed flows do with packets, asked of Open vSwitch itself (`ofproto/trace`).

use serde_json::json;

use crate::support::{Host, Server, VLAN, VXLAN, mac, port_id, tap, wait_synced, wait_up};

const REMOTE_MAC: &str = "fa:16:3e:99:99:99";

struct Traced {
    host: Host,
    vxlan_port: u32,
    vlan_port: u32,
    uplink: u32,
    tunnel: u32,
    _agent: neutrino_agent_ovs::Running,
}

impl Traced {
    async fn start() -> Self {
        let server = Server::start().await;
        let host = Host::new(&server);
        host.ovs.vsctl(&["add-port", "br-phys", "eth9"]).expect("uplink");
        let (vxlan, vlan) = (port_id(1), port_id(2));
        server.add_port(&vxlan, &VXLAN);
        server.add_port(&vlan, &VLAN);
        server.world().fdb = json!({VXLAN.id: {"segment_id": 1001, "network_type": "vxlan", "ports":
            {"10.9.9.9": [["00:00:00:00:00:00", "0.0.0.0"], [REMOTE_MAC, "10.0.0.99"]]}}});
        let agent = host.start_agent().await;
        host.wait_flow("br-int", &["table=23"]).await;
        host.plug(&vxlan, &mac(1));
        wait_up(&server, &[&vxlan]).await;
        host.plug(&vlan, &mac(2));
        wait_up(&server, &[&vlan]).await;
        wait_synced(&agent).await;
        host.wait_flow("br-tun", &["table=22, priority=1,dl_vlan=1", "output:"]).await;
        let number = |name: &str| host.ovs.ofport(name).expect("number");
        Self {
            vxlan_port: number(&tap(&vxlan)),
            vlan_port: number(&tap(&vlan)),
            uplink: number("eth9"),
            tunnel: number("vxlan-0a090909"),
            host,
            _agent: agent,
        }
    }

    fn trace(&self, bridge: &str, flow: &str) -> String {
        self.host.ovs.appctl("ovs-vswitchd", &["ofproto/trace", bridge, flow]).expect("traced")
    }
}

/// Whether a packet met a flow whose table and match begin so; how deep in the patch ports the
/// trace indents it does not matter.
fn met(trace: &str, flow: &str) -> bool {
    trace.lines().any(|line| line.trim_start().starts_with(flow))
}

fn last_line(trace: &str) -> &str {
    trace.lines().rfind(|l| l.starts_with("Datapath actions")).unwrap_or("")
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_go_where_they_should() {
    let t = Traced::start().await;
    let from = format!("in_port={},dl_src={}", t.vxlan_port, mac(1));
    let arp = |spa: &str, tpa: &str| {
        format!(
            "{from},dl_dst=ff:ff:ff:ff:ff:ff,arp,arp_op=1,arp_sha={},arp_spa={spa},arp_tpa={tpa}",
            mac(1)
        )
    };

    // ARP for a remote instance is answered here and does not reach the tunnel.
    let answered = t.trace("br-int", &arp("10.0.0.3", "10.0.0.99"));
    assert!(met(&answered, "21. arp,dl_vlan=1,arp_tpa=10.0.0.99"), "{answered}");
    assert!(!met(&answered, "22. "), "{answered}");
    assert!(!last_line(&answered).contains("drop"), "{answered}");

    // ARP for an address nobody told of is flooded to the hosts of the network.
    let flooded = t.trace("br-int", &arp("10.0.0.3", "10.0.0.50"));
    assert!(met(&flooded, "22. dl_vlan=1"), "{flooded}");
    assert!(flooded.contains(&format!("output:{}", t.tunnel)), "{flooded}");

    // Unicast goes to the host that has the MAC, with the network's VNI and without VLAN.
    let unicast = t.trace("br-int", &format!("{from},dl_dst={REMOTE_MAC},ip,nw_src=10.0.0.3"));
    assert!(met(&unicast, &format!("20. dl_vlan=1,dl_dst={REMOTE_MAC}")), "{unicast}");
    assert!(unicast.contains("set_field:0x3e9->tun_id"), "{unicast}");

    // Somebody else's address or MAC gets nowhere.
    let spoofed = t.trace("br-int", &arp("10.0.0.7", "10.0.0.50"));
    assert!(last_line(&spoofed).contains("drop"), "{spoofed}");
    let other = format!("in_port={},dl_src=fa:16:3e:66:66:66,dl_dst={REMOTE_MAC}", t.vxlan_port);
    let spoofed = t.trace("br-int", &other);
    assert!(last_line(&spoofed).contains("drop"), "{spoofed}");

    // From the tunnel to the instance.
    let tunnel = format!(
        "in_port={},tun_id=1001,tun_src=10.9.9.9,tun_dst=127.0.0.1,dl_src={REMOTE_MAC},dl_dst={},ip",
        t.tunnel,
        mac(1)
    );
    let delivered = t.trace("br-tun", &tunnel);
    assert!(met(&delivered, "4. tun_id=0x3e9") && met(&delivered, "10. "), "{delivered}");
    let unknown = t.trace("br-tun", &tunnel.replace("tun_id=1001", "tun_id=1002"));
    assert!(last_line(&unknown).contains("drop"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn vlan_frames_are_translated_and_foreign_ones_dropped() {
    let t = Traced::start().await;
    let wire = |vlan: u16| {
        format!(
            "in_port={},dl_vlan={vlan},dl_src=00:00:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff",
            t.uplink
        )
    };
    let inwards = t.trace("br-phys", &wire(101));
    assert!(inwards.contains("set_field:4098->vlan_vid"), "{inwards}");
    assert!(last_line(&inwards).contains("pop_vlan"), "{inwards}");
    let foreign = t.trace("br-phys", &wire(102));
    assert!(!last_line(&foreign).contains("pop_vlan"), "{foreign}");
    let from = format!("in_port={},dl_src={}", t.vlan_port, mac(2));
    let outwards = t.trace("br-int", &format!("{from},dl_dst=00:00:00:00:00:02,ip"));
    assert!(last_line(&outwards).contains("push_vlan(vid=101"), "{outwards}");
    // The VXLAN network's port is in another local VLAN: nothing of this reaches it.
    let arp = format!(
        "{from},dl_dst=ff:ff:ff:ff:ff:ff,arp,arp_op=1,arp_sha={},arp_spa=10.0.0.4,arp_tpa=10.0.0.3",
        mac(2)
    );
    let flooded = t.trace("br-int", &arp);
    assert!(!flooded.contains("dl_vlan=1,"), "{flooded}");
}
