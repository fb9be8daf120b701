//! What the firewall's flows do with packets, asked of Open vSwitch itself (`ofproto/trace`).

use std::{collections::BTreeSet, fs};

use neutrino_dataplane::{br_int, firewall::openflow, view::HostView};
use neutrino_openflow::Flow;
use neutrino_ovs_sandbox::Sandbox;

use crate::{cases, firewall_openflow::root};

/// Number of a port that carries all networks, tagged.
pub const TRUNK: u32 = 50;

/// A switch with the flows of a view, and its ports under their numbers.
pub struct Switch {
    pub ovs: Sandbox,
}

impl Switch {
    pub fn of(view: &HostView) -> Self {
        let ovs = Sandbox::start().expect("Open vSwitch runs");
        ovs.vsctl(&["add-br", "br-int", "--", "set-fail-mode", "br-int", "secure"])
            .expect("a bridge");
        for port in view.ports.iter().filter(|p| p.vlan.is_some()) {
            let tag = format!("tag={}", port.vlan.unwrap_or_default());
            let (name, ofport) = (format!("p{}", port.ofport), port.ofport);
            let request = format!("ofport_request={ofport}");
            ovs.vsctl(&[
                "add-port",
                "br-int",
                &name,
                &tag,
                "--",
                "set",
                "Interface",
                &name,
                &request,
            ])
            .expect("a port");
        }
        let request = format!("ofport_request={TRUNK}");
        ovs.vsctl(&["add-port", "br-int", "trunk", "--", "set", "Interface", "trunk", &request])
            .expect("the way out");
        ovs.ofctl(&["set-frags", &ovs.bridge("br-int"), "nx-match"]).expect("supported");
        let switch = Self { ovs };
        switch.load(view);
        switch
    }

    /// Puts the flows of `view` in place of all others, in one bundle.
    pub fn load(&self, view: &HostView) {
        let text: String = flows(view).iter().map(|flow| format!("{flow}\n")).collect();
        let file = self.ovs.dir().join("flows.txt");
        fs::write(&file, text).expect("written");
        let target = self.ovs.bridge("br-int");
        let file = file.display().to_string();
        self.ovs.ofctl(&["--bundle", "replace-flows", &target, &file]).expect("accepted");
    }

    /// What becomes of `packet`, when the connection tracker finds `states`, one after the other.
    fn trace(&self, packet: &str, states: &[&str]) -> Fate {
        let mut args = vec!["ofproto/trace", "br-int", packet];
        for state in states {
            args.extend(["--ct-next", *state]);
        }
        Fate { trace: self.ovs.appctl("ovs-vswitchd", &args).expect("traced") }
    }
}

/// The outcome of a trace.
struct Fate {
    trace: String,
}

impl Fate {
    /// Ports it was sent to by number.
    fn outputs(&self) -> BTreeSet<u32> {
        let lines = self.trace.lines().map(str::trim);
        lines.filter_map(|l| l.strip_prefix("output:")?.parse().ok()).collect()
    }

    fn normal(&self) -> bool {
        self.trace.lines().any(|line| line.trim() == "NORMAL")
    }

    #[track_caller]
    fn delivered(&self, port: u32) {
        assert_eq!(self.outputs(), BTreeSet::from([port]), "{}", self.trace);
        assert!(!self.normal(), "{}", self.trace);
    }

    #[track_caller]
    fn leaves(&self) {
        assert!(self.normal() && self.outputs().is_empty(), "{}", self.trace);
    }

    #[track_caller]
    fn dropped(&self) {
        assert!(!self.normal() && self.outputs().is_empty(), "{}", self.trace);
    }
}

fn flows(view: &HostView) -> Vec<Flow> {
    let mut flows = br_int::desired(view, 1);
    flows.extend(openflow::desired(view, 1));
    flows
}

#[test]
fn every_golden_flow_is_accepted_and_kept() {
    let empty = HostView::default();
    let switch = Switch::of(&empty);
    for entry in fs::read_dir(root()).expect("cases are readable") {
        let path = entry.expect("case is readable").path();
        let view = cases::load(&path);
        switch.load(&view);
        let kept = switch.ovs.dump_flows("br-int").expect("dumped");
        let kept = kept.iter().map(|line| line.parse::<Flow>().expect("a flow")).collect();
        assert_eq!(cases::text(kept), cases::text(flows(&view)), "{}", path.display());
    }
}

const VM1: &str = "fa:16:3e:80:75:8c";
const VM2: &str = "fa:16:3e:d0:33:1a";
const ROUTER: &str = "fa:16:3e:64:cd:89";

/// A packet of the instance behind port 8, with its own MAC and first address.
fn from_vm1(rest: &str) -> String {
    format!("in_port=8,dl_src={VM1},{rest}")
}

/// A packet that comes to the instance behind port 9 from elsewhere, tagged on the way.
fn to_vm2(rest: &str) -> String {
    format!("in_port={TRUNK},dl_vlan=3,dl_src=fa:16:3e:99:99:99,dl_dst={VM2},{rest}")
}

const NEW: &[&str] = &["trk,new", "trk,new"];
const ESTABLISHED: &[&str] = &["trk,est", "trk,est"];
const REPLY: &[&str] = &["trk,est,rpl", "trk,est,rpl"];

pub fn observed() -> HostView {
    cases::load(&root().join("observed"))
}

#[test]
fn rules_decide_on_what_comes() {
    let switch = Switch::of(&observed());
    let (ssh, http) = ("tcp,nw_src=192.0.2.1,tp_dst=22", "tcp,nw_src=192.0.2.1,tp_dst=80");
    let come = |rest: &str, states| switch.trace(&to_vm2(rest), states);
    come(ssh, NEW).delivered(9);
    come(ssh, ESTABLISHED).delivered(9);
    come("tcp,nw_src=192.0.2.1,tp_dst=8009", NEW).delivered(9);
    come("tcp,nw_src=192.0.2.1,tp_dst=8011", NEW).dropped();
    come(http, NEW).dropped();
    // An answer to what the instance asked, whatever the rules.
    come(http, REPLY).delivered(9);
    // An error about it.
    come("icmp,nw_src=192.0.2.1", &["trk,rel"]).delivered(9);
    come(http, &["trk,inv"]).dropped();
    come("icmp,nw_src=192.0.2.1,icmp_type=8", NEW).delivered(9);
    // A connection that is no longer allowed is marked.
    let cut = come(http, ESTABLISHED);
    cut.dropped();
    assert!(cut.trace.contains("set_field:0x1->ct_mark"), "{}", cut.trace);
    // No rule is for IPv6, but address resolution is not to be asked for.
    come("ipv6,ipv6_src=fd00:1::9,nw_proto=6,tp_dst=22", NEW).dropped();
    for kind in [130, 134, 135, 136] {
        come(&format!("icmp6,ipv6_src=fe80::9,icmpv6_type={kind}"), NEW).delivered(9);
    }
    come("arp,arp_spa=10.0.0.9,arp_tpa=10.0.0.165", NEW).delivered(9);
    come("udp,nw_src=10.0.0.2,udp_src=67,udp_dst=68", NEW).delivered(9);
}

#[test]
fn members_of_the_remote_group_may_and_others_may_not() {
    let switch = Switch::of(&observed());
    let udp = |from: &str| {
        let packet = to_vm2(&format!("udp,nw_src={from},udp_dst=7777"));
        switch.trace(&packet, NEW)
    };
    udp("10.0.0.81").delivered(9);
    udp("10.0.0.200").delivered(9);
    udp("10.0.0.82").dropped();
    // The member went: the same packet, also of an open connection.
    let mut view = observed();
    for members in view.security_groups.members.values_mut() {
        members.retain(|m| m.address.to_string() != "10.0.0.81/32");
    }
    switch.load(&view);
    udp("10.0.0.81").dropped();
    udp("10.0.0.200").delivered(9);
    let packet = to_vm2("udp,nw_src=10.0.0.81,udp_dst=7777");
    switch.trace(&packet, ESTABLISHED).dropped();
}

#[test]
fn both_sides_have_a_say_between_instances_of_a_host() {
    let switch = Switch::of(&observed());
    let to = |rest: &str| from_vm1(&format!("dl_dst={VM2},{rest}"));
    switch.trace(&to("tcp,nw_src=10.0.0.81,nw_dst=10.0.0.165,tp_dst=22"), NEW).delivered(9);
    switch.trace(&to("tcp,nw_src=10.0.0.81,nw_dst=10.0.0.165,tp_dst=23"), NEW).dropped();
    // Conjunctions as well.
    switch.trace(&to("udp,nw_src=10.0.0.81,nw_dst=10.0.0.165,udp_dst=53"), NEW).delivered(9);
    // Away from the host only the sender has a say.
    let away = from_vm1(&format!("dl_dst={ROUTER},tcp,nw_src=10.0.0.81,tp_dst=23"));
    switch.trace(&away, NEW).leaves();
    // From a port without port security the receiver's rules count.
    let dhcp = format!("in_port=5,dl_src=fa:16:3e:00:00:05,dl_dst={VM2}");
    switch.trace(&format!("{dhcp},tcp,nw_src=10.0.0.2,tp_dst=23"), NEW).dropped();
    switch.trace(&format!("{dhcp},tcp,nw_src=10.0.0.2,tp_dst=22"), NEW).delivered(9);
    switch.trace(&format!("{dhcp},udp,nw_src=10.0.0.2,udp_src=67,udp_dst=68"), NEW).delivered(9);
}

#[test]
fn nobody_speaks_for_others() {
    let switch = Switch::of(&observed());
    let router = format!("dl_dst={ROUTER}");
    let sent = |packet: &str| switch.trace(packet, NEW);
    sent(&from_vm1(&format!("{router},tcp,nw_src=10.0.0.81,tp_dst=80"))).leaves();
    sent(&from_vm1(&format!("{router},tcp,nw_src=10.0.0.82,tp_dst=80"))).dropped();
    sent(&format!("in_port=8,dl_src={VM2},{router},tcp,nw_src=10.0.0.81,tp_dst=80")).dropped();
    sent(&from_vm1(&format!("{router},ipv6,ipv6_src=fd00:1::f816:3eff:fe80:758c"))).leaves();
    sent(&from_vm1(&format!("{router},ipv6,ipv6_src=fe80::f816:3eff:fe80:758c"))).leaves();
    sent(&from_vm1(&format!("{router},ipv6,ipv6_src=fd00:1::2"))).dropped();
    let arp = |spa: &str| from_vm1(&format!("dl_dst=ff:ff:ff:ff:ff:ff,arp,arp_op=2,arp_spa={spa}"));
    sent(&arp("10.0.0.81")).leaves();
    sent(&arp("10.0.0.165")).dropped();
    let advertised = |target: &str| {
        from_vm1(&format!(
            "dl_dst=33:33:00:00:00:01,icmp6,ipv6_src=fd00:1::f816:3eff:fe80:758c,icmpv6_type=136,\
             icmpv6_code=0,nd_target={target}"
        ))
    };
    sent(&advertised("fd00:1::f816:3eff:fe80:758c")).leaves();
    // The tracker knows no connections of neighbour discovery.
    let neighbour = advertised("fd00:1::f816:3eff:fed0:331a");
    switch.trace(&neighbour, &["trk,inv"]).dropped();
    let multicast = "dl_dst=33:33:00:00:00:02,icmp6,ipv6_src=fe80::f816:3eff:fe80:758c";
    sent(&from_vm1(&format!("{multicast},icmpv6_type=133"))).leaves();
    sent(&from_vm1(&format!("{multicast},icmpv6_type=134"))).dropped();
    // Neither IP nor ARP.
    sent(&from_vm1(&format!("{router},dl_type=0x88cc"))).dropped();
}

#[test]
fn instances_ask_for_dhcp_and_do_not_answer() {
    let switch = Switch::of(&observed());
    let broadcast = "dl_dst=ff:ff:ff:ff:ff:ff";
    let sent = |rest: &str| switch.trace(&from_vm1(rest), NEW);
    sent(&format!("{broadcast},udp,nw_src=0.0.0.0,udp_src=68,udp_dst=67")).leaves();
    sent(&format!("{broadcast},udp,nw_src=10.0.0.81,udp_src=67,udp_dst=68")).dropped();
    // Not in pieces either: the first one shows its ports.
    let piece = "udp,nw_src=10.0.0.81,nw_frag=first,udp_src=67,udp_dst=68";
    sent(&format!("{broadcast},{piece}")).dropped();
    let v6 = "dl_dst=33:33:00:01:00:02,udp6,ipv6_src=fe80::f816:3eff:fe80:758c";
    sent(&format!("{v6},udp_src=546,udp_dst=547")).leaves();
    sent(&format!("{v6},udp_src=547,udp_dst=546")).dropped();
}

#[test]
fn allowed_pairs_open_what_they_name() {
    let switch = Switch::of(&cases::load(&root().join("pairs")));
    let vrrp = "dl_src=00:00:5e:00:01:01,dl_dst=ff:ff:ff:ff:ff:ff,arp,arp_op=1";
    switch.trace(&format!("in_port=1,{vrrp},arp_spa=10.0.0.100"), NEW).leaves();
    switch.trace(&format!("in_port=2,{vrrp},arp_spa=10.0.0.100"), NEW).leaves();
    switch.trace(&format!("in_port=1,{vrrp},arp_spa=10.0.0.1"), NEW).dropped();
    switch.trace(&format!("in_port=3,{vrrp},arp_spa=10.0.0.100"), NEW).dropped();
    let any = "in_port=3,dl_src=fa:16:3e:00:00:03,dl_dst=ff:ff:ff:ff:ff:ff,arp,arp_op=1";
    switch.trace(&format!("{any},arp_spa=203.0.113.7"), NEW).leaves();
    let none = "in_port=4,dl_src=fa:16:3e:00:00:04,dl_dst=ff:ff:ff:ff:ff:ff,arp,arp_op=1";
    switch.trace(&format!("{none},arp_spa=10.0.0.4"), NEW).dropped();
}

#[test]
fn conjunctions_of_several_groups_do_not_get_in_each_others_way() {
    let switch = Switch::of(&cases::load(&root().join("remote_groups")));
    let come = |vlan: u16, to: u8, rest: &str| {
        let packet = format!("in_port={TRUNK},dl_vlan={vlan},dl_dst=fa:16:3e:00:00:0{to},{rest}");
        switch.trace(&packet, NEW)
    };
    // 10.0.0.1 is in `web` and `office`: everything to members of `web`.
    come(1, 1, "tcp,nw_src=10.0.0.1,tp_dst=1").delivered(11);
    // `db` lets `web` in at 85..=99 and all of tcp from `gone`, which is empty.
    come(1, 2, "tcp,nw_src=10.0.0.1,tp_dst=84").dropped();
    for port in [85, 90, 92, 95, 99] {
        come(1, 2, &format!("tcp,nw_src=10.2.0.3,tp_dst={port}")).delivered(12);
    }
    come(1, 2, "tcp,nw_src=10.2.0.3,tp_dst=100").dropped();
    // `office` is a prefix: 80..=89 to `web`, ping to `db`.
    come(1, 1, "tcp,nw_src=192.0.2.9,tp_dst=85").delivered(11);
    come(1, 1, "tcp,nw_src=192.0.2.9,tp_dst=90").dropped();
    come(2, 3, "tcp,nw_src=192.0.2.9,tp_dst=80").delivered(13);
    come(2, 3, "icmp,nw_src=192.0.2.9,icmp_type=8,icmp_code=0").dropped();
    come(1, 2, "icmp,nw_src=192.0.2.9,icmp_type=8,icmp_code=0").delivered(12);
    // A member that may use any address is known by its MAC.
    come(1, 1, "dl_src=fa:16:3e:00:00:04,udp,nw_src=203.0.113.1").delivered(11);
    come(1, 1, "dl_src=fa:16:3e:00:00:05,udp,nw_src=203.0.113.1").dropped();
}

#[test]
fn nothing_is_open_before_the_groups_are_heard() {
    let switch = Switch::of(&cases::load(&root().join("nothing_known")));
    let come = |rest: &str| {
        switch.trace(&format!("in_port={TRUNK},dl_vlan=1,dl_dst=fa:16:3e:00:00:02,{rest}"), NEW)
    };
    come("tcp,nw_src=192.0.2.1,tp_dst=22").dropped();
    come("icmp,nw_src=192.0.2.1").dropped();
    come("udp,nw_src=10.0.0.9,udp_src=67,udp_dst=68").delivered(2);
    let sent = |rest: &str| {
        switch.trace(&format!("in_port=2,dl_src=fa:16:3e:00:00:02,dl_dst={ROUTER},{rest}"), NEW)
    };
    sent("tcp,nw_src=10.0.0.2,tp_dst=80").dropped();
    sent("udp,nw_src=0.0.0.0,udp_src=68,udp_dst=67").leaves();
}
