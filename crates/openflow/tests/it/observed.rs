//! Flows dumped on hosts run by Neutron: each must parse and read back letter by letter.

use std::fs;

use neutrino_openflow::{Action, Flow, Match, Of10};

/// The line as `--no-stats` would have printed it.
fn without_stats(line: &str) -> String {
    let mut out = line.trim().to_owned();
    for name in ["duration=", "n_packets=", "n_bytes=", "idle_age=", "hard_age="] {
        if let Some(start) = out.find(name) {
            let end = out[start..].find(", ").map_or(out.len(), |at| start + at + 2);
            out.replace_range(start..end, "");
        }
    }
    out.replace("table=0, ", "")
}

fn check(case: &str) {
    let dir = crate::case(case);
    let mut flows = 0;
    for bridge in ["br-int", "br-tun", "br-phys"] {
        let text = fs::read_to_string(dir.join(format!("flows-{bridge}.txt"))).unwrap();
        for line in text.lines().filter(|line| line.contains("actions=")) {
            let flow: Flow = line.parse().unwrap_or_else(|e| panic!("{e} in {line}"));
            assert_eq!(flow.to_string(), without_stats(line));
            assert_eq!(flow.to_string().parse::<Flow>().unwrap(), flow);
            flows += 1;
        }
    }
    assert!(flows > 40, "only {flows} flows found");
}

#[test]
fn flows_of_a_host_with_the_iptables_hybrid_driver() {
    check("iptables-hybrid");
}

#[test]
fn flows_of_a_host_with_the_openvswitch_firewall() {
    check("openvswitch-firewall");
}

/// The l2population flows of a remote instance as an operator sees them with plain
/// `ovs-ofctl dump-flows br-tun`, made from what Neutron asks for.
#[test]
fn l2population_flows_in_the_old_style() {
    let mac = "fa:16:3e:07:17:a8".parse().unwrap();
    let ip = "192.168.1.99".parse().unwrap();
    let to_tunnel = [Action::PopVlan, Action::set_tun_id(0x18), Action::Output(2)];
    let flows = [
        Flow::new(20, 2, Match::new().dl_vlan(3).eth_dst(mac)).then(to_tunnel.clone()),
        Flow::new(21, 1, Match::new().dl_vlan(3).arp().arp_tpa(ip))
            .then(Action::arp_responder(mac, ip)),
        Flow::new(22, 1, Match::new().dl_vlan(3)).then(to_tunnel),
    ];
    let shown = flows.each_ref().map(|flow| Of10(flow).to_string());
    assert_eq!(
        shown,
        [
            "table=20, priority=2,dl_vlan=3,dl_dst=fa:16:3e:07:17:a8 \
             actions=strip_vlan,load:0x18->NXM_NX_TUN_ID[],output:2",
            "table=21, priority=1,arp,dl_vlan=3,arp_tpa=192.168.1.99 \
             actions=load:0x2->NXM_OF_ARP_OP[],move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],\
             move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],\
             load:0xfa163e0717a8->NXM_NX_ARP_SHA[],load:0xc0a80163->NXM_OF_ARP_SPA[],\
             move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],mod_dl_src:fa:16:3e:07:17:a8,IN_PORT",
            "table=22, priority=1,dl_vlan=3 \
             actions=strip_vlan,load:0x18->NXM_NX_TUN_ID[],output:2",
        ]
    );
}
