//! Properties of the openvswitch firewall over views nobody thought of: ports that share MACs,
//! segments that have the numbers of local VLANs, rules that make no sense.

use std::collections::BTreeSet;

use ipnet::IpNet;
use neutrino_dataplane::{
    br_int,
    diff::{self, Installed},
    firewall::{Direction, Driver, Ethertype, Member, Remote, Rule, SecurityGroup, openflow},
    view::{HostView, LocalVlan, Port, Segment},
};
use neutrino_openflow::Flow;
use neutrino_types::{MacAddr, NetworkType};
use proptest::{collection, option, prelude::*, sample::select, test_runner::TestRunner};

use crate::{cases, firewall_trace::Switch};

fn a_mac() -> impl Strategy<Value = MacAddr> {
    (0u8..4).prop_map(|n| MacAddr([0xfa, 0x16, 0x3e, 0, 0, n]))
}

fn a_net() -> impl Strategy<Value = IpNet> {
    let nets = [
        "10.0.0.1/32",
        "10.0.0.1/24",
        "0.0.0.0/0",
        "0.0.0.0/32",
        "2001:db8::1/64",
        "::/0",
        "fe80::1/128",
    ];
    select(nets.map(|net| net.parse().expect("a network")).to_vec())
}

fn a_group() -> impl Strategy<Value = String> {
    select(["a", "b", "c"].map(String::from).to_vec())
}

fn a_rule() -> impl Strategy<Value = Rule> {
    let number = || option::of(select(vec![0u16, 1, 22, 23, 255, 256, 1000, 65535]));
    let remote = prop_oneof![
        Just(Remote::Any),
        a_net().prop_map(Remote::Prefix),
        a_group().prop_map(Remote::Group),
        a_group().prop_map(Remote::AddressGroup),
    ];
    (
        select(vec![Direction::Ingress, Direction::Egress]),
        select(vec![Ethertype::V4, Ethertype::V6]),
        option::of(select(vec![0u8, 1, 6, 17, 47, 58, 132, 136])),
        number(),
        number(),
        remote,
    )
        .prop_map(|(direction, ethertype, protocol, port_min, port_max, remote)| Rule {
            direction,
            ethertype,
            protocol,
            port_min,
            port_max,
            remote,
        })
}

fn a_port(n: u32) -> impl Strategy<Value = Port> {
    (
        a_mac(),
        (any::<bool>(), any::<bool>(), select(vec!["compute:nova", "network:dhcp"])),
        option::of(1u16..5),
        collection::btree_set(a_net().prop_map(|net| net.addr()), 0..3),
        collection::btree_set((a_mac(), a_net()), 0..4),
        collection::btree_set(a_group(), 0..3),
    )
        .prop_map(
            move |(mac, (dead, port_security, owner), vlan, fixed_ips, pairs, groups)| Port {
                id: format!("p{n}"),
                device: format!("tap{n}"),
                ofport: n,
                mac,
                dead: dead && n == 3,
                network_id: String::new(),
                vlan,
                port_security,
                device_owner: owner.into(),
                fixed_ips,
                allowed_pairs: pairs,
                security_groups: groups,
            },
        )
}

fn a_vlan(vlan: u16) -> impl Strategy<Value = LocalVlan> {
    let types = vec![NetworkType::Vlan, NetworkType::Flat, NetworkType::Vxlan, NetworkType::Local];
    (select(types), option::of(1u32..7)).prop_map(move |(network_type, segmentation_id)| {
        LocalVlan {
            network_id: vlan.to_string(),
            vlan,
            segment: Segment { network_type, physical_network: None, segmentation_id },
            fdb: Default::default(),
        }
    })
}

fn a_view() -> impl Strategy<Value = HostView> {
    let group = collection::btree_set(a_rule(), 0..6);
    let member = (a_net(), option::of(a_mac())).prop_map(|(address, mac)| Member { address, mac });
    let members = collection::btree_set(member, 0..5);
    (
        (any::<bool>(), any::<bool>(), collection::btree_set(select(vec![0x800u16, 0x4008]), 0..2)),
        (a_vlan(1), a_vlan(2), a_vlan(3)),
        (a_port(1), a_port(2), a_port(3), a_port(4)),
        collection::btree_map(a_group(), group, 0..4),
        collection::btree_map(a_group(), members, 0..4),
    )
        .prop_map(|((direct, userspace, permitted), vlans, ports, groups, members)| {
            let mut view = HostView { patch_tun: Some(90), ..HostView::default() };
            view.options.firewall = Driver::Openvswitch;
            view.options.explicitly_egress_direct = direct;
            view.options.userspace_datapath = userspace;
            view.options.permitted_ethertypes = permitted;
            view.vlans = vec![vlans.0, vlans.1, vlans.2];
            view.ports = vec![ports.0, ports.1, ports.2, ports.3];
            // Own MACs differ within a network.
            let mut seen = BTreeSet::new();
            view.ports.retain(|port| seen.insert((port.vlan, port.mac)));
            view.security_groups.groups = groups
                .into_iter()
                .map(|(id, rules)| (id, SecurityGroup { stateful: true, rules }))
                .collect();
            view.security_groups.members = members;
            view
        })
}

fn installed(flows: Vec<Flow>) -> Installed {
    flows.into_iter().map(|flow| (flow.key(), flow)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_view_has_contradictory_flows(view in a_view()) {
        let mut flows = br_int::desired(&view, 1);
        flows.extend(openflow::desired(&view, 1));
        prop_assert_eq!(diff::lint(&flows), Vec::<String>::new());
        for flow in flows {
            prop_assert_eq!(flow.to_string().parse::<Flow>(), Ok(flow));
        }
    }

    #[test]
    fn changes_lead_from_any_view_to_any_other(old in a_view(), new in a_view()) {
        let changes = openflow::changes(&old, &new, 1);
        let mut now = installed(openflow::desired(&old, 1));
        for flow in &changes.remove {
            prop_assert!(now.remove(&flow.key()).is_some());
        }
        now.extend(installed(changes.add));
        prop_assert_eq!(now, installed(openflow::desired(&new, 1)));
    }
}

#[test]
fn a_switch_takes_the_flows_of_any_view_and_keeps_them_so() {
    let switch = Switch::of(&HostView::default());
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) };
    let outcome = TestRunner::new(config).run(&a_view(), |view| {
        switch.load(&view);
        let mut desired = br_int::desired(&view, 1);
        desired.extend(openflow::desired(&view, 1));
        let kept = switch.ovs.dump_flows("br-int").expect("dumped");
        let kept = kept.iter().map(|line| line.parse::<Flow>().expect("a flow")).collect();
        prop_assert_eq!(cases::text(kept), cases::text(desired));
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
