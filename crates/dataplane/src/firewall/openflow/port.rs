//! The flows of one port, but for its rules.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use neutrino_openflow::{
    Action, Field, Flow, Match,
    matching::{ETH_RARP, ct_state},
};
use neutrino_types::MacAddr;

use super::{
    CT_MARK_INVALID, CT_MARK_NORMAL, commit, conjunctions, dropped,
    plan::{Direct, Outer, PortContext},
    rules, track,
};
use crate::{
    firewall::{
        Direction,
        services::{DHCP, DHCPV6, icmpv6},
    },
    tables::int::{self, priority, register},
};

/// ICMPv6 types an instance may send from its addresses whatever its rules.
const ICMPV6_EGRESS: [u8; 3] = [icmpv6::MLD_QUERY, icmpv6::RS, icmpv6::NS];
/// ICMPv6 types an instance is sent whatever its rules.
const ICMPV6_INGRESS: [u8; 4] = [icmpv6::MLD_QUERY, icmpv6::NS, icmpv6::NA, icmpv6::RA];

/// The flows of one port.
///
/// A port that is not protected (port security off, or owned by a service of Neutron) sends what
/// it likes to ports here, whose ingress rules apply, and elsewhere, and receives everything.
#[must_use]
pub fn port_flows(context: &PortContext<'_>) -> Vec<Flow> {
    let mut port = PortFlows { context, flows: Vec::new() };
    if context.port.protected() {
        port.classify();
        port.address_resolution();
        port.dhcp();
        port.tracked_egress();
        port.accept_or_ingress();
        port.base_ingress();
        port.connections(Direction::Egress);
        port.connections(Direction::Ingress);
        port.flows.extend(rule_flows(context));
    } else {
        port.enter(int::ACCEPT_OR_INGRESS_TABLE);
        port.leave();
    }
    if let Some(direct) = &context.direct {
        port.direct(*direct);
    }
    port.flows
}

/// Those of them that its rules make; none for a port that is not protected, which has none.
pub(super) fn rule_flows(context: &PortContext<'_>) -> Vec<Flow> {
    let mut flows = Vec::new();
    rules::port_flows(context, &mut flows);
    conjunctions::port_flows(context, &mut flows);
    flows
}

struct PortFlows<'a, 'b> {
    context: &'a PortContext<'b>,
    flows: Vec<Flow>,
}

impl PortFlows<'_, '_> {
    fn add(
        &mut self,
        table: u8,
        priority: u16,
        fields: Match,
        actions: impl IntoIterator<Item = Action>,
    ) {
        self.flows.push(Flow::new(table, priority, fields).then(actions));
    }

    fn ofport(&self) -> u32 {
        self.context.port.ofport
    }

    /// Packets being checked for this port.
    fn checked(&self) -> Match {
        Match::new().reg(register::PORT, self.ofport())
    }

    /// Packets this port sent.
    fn sent(&self) -> Match {
        self.checked().in_port(self.ofport())
    }

    fn registers(&self) -> [Action; 2] {
        [
            Action::set_reg(register::PORT, self.ofport()),
            Action::set_reg(register::NET, self.context.vlan.into()),
        ]
    }

    /// Table 60: frames of the port go to `table`.
    fn enter(&mut self, table: u8) {
        let fields = Match::new().in_port(self.ofport());
        let actions = self.registers().into_iter().chain([Action::resubmit(table)]);
        self.add(int::TRANSIENT_TABLE, priority::FROM_PORT, fields, actions);
    }

    /// Table 60: which frames are the port's.
    fn classify(&mut self) {
        self.enter(int::BASE_EGRESS_TABLE);
        for (tag, mac) in &self.context.receives {
            let to = Match::new().eth_dst(*mac);
            let (fields, untag) = match tag {
                Outer::Vlan(vid) => (to.dl_vlan(*vid), Some(Action::PopVlan)),
                Outer::Untagged => (to.untagged(), None),
            };
            let onwards = Action::resubmit(int::BASE_INGRESS_TABLE);
            let actions = self.registers().into_iter().chain(untag).chain([onwards]);
            self.flows
                .push(Flow::new(int::TRANSIENT_TABLE, priority::TO_PORT, fields).then(actions));
        }
    }

    fn pairs_v4(&self) -> BTreeSet<(MacAddr, Ipv4Net)> {
        let pairs = self.context.port.pairs().into_iter();
        pairs
            .filter_map(|(mac, net)| match net {
                IpNet::V4(net) => Some((mac, net)),
                IpNet::V6(_) => None,
            })
            .collect()
    }

    /// With the link-local address of the port's own MAC, which every IPv6 host has.
    fn pairs_v6(&self) -> BTreeSet<(MacAddr, Ipv6Net)> {
        let own = self.context.port.mac;
        let pairs = self.context.port.pairs().into_iter();
        pairs
            .filter_map(|(mac, net)| match net {
                IpNet::V6(net) => Some((mac, net)),
                IpNet::V4(_) => None,
            })
            .chain([(own, host_v6(own.link_local()))])
            .collect()
    }

    /// Table 71: ARP, RARP and neighbour discovery about own addresses, and what passes unseen.
    fn address_resolution(&mut self) {
        let out = [Action::resubmit(int::ACCEPTED_EGRESS_TRAFFIC_NORMAL_TABLE)];
        let mut allow = Vec::new();
        let mut macs = BTreeSet::new();
        for (mac, net) in self.pairs_v4() {
            let arp = self.sent().eth_src(mac).arp();
            allow.push(arp.arp_spa(net.network(), net.prefix_len()));
            macs.insert(mac);
        }
        allow.extend(macs.iter().map(|mac| self.sent().eth_src(*mac).eth_type(ETH_RARP)));
        let mut targets = BTreeSet::new();
        for (mac, net) in self.pairs_v6() {
            let (ip, len) = (net.network(), net.prefix_len());
            for kind in ICMPV6_EGRESS {
                allow.push(self.sent().eth_src(mac).ipv6_src(ip, len).icmpv6_type(kind));
            }
            targets.insert((ip, len));
        }
        for (ip, len) in targets {
            allow.push(self.sent().icmpv6_type(icmpv6::NA).nd_target(ip, len));
        }
        for ethertype in self.context.permitted_ethertypes {
            allow.push(self.checked().eth_type(*ethertype));
        }
        for fields in allow {
            self.add(int::BASE_EGRESS_TABLE, priority::BASE_ALLOW, fields, out.clone());
        }
        let advertisement = self.sent().icmpv6_type(icmpv6::RA);
        self.add(int::BASE_EGRESS_TABLE, priority::SERVER_DROP, advertisement, [dropped()]);
    }

    /// Table 71: the instance may ask for its addresses, and answer nobody else.
    fn dhcp(&mut self) {
        let nobody = (self.context.port.mac, host_v4(Ipv4Addr::UNSPECIFIED));
        let mut asked = BTreeSet::new();
        for (mac, net) in self.pairs_v4().into_iter().chain([nobody]) {
            let from = self.sent().eth_src(mac).ipv4();
            asked.insert(from.ipv4_src(net.network(), net.prefix_len()).udp(DHCP.0, DHCP.1));
        }
        for (mac, net) in self.pairs_v6() {
            let from = self.sent().eth_src(mac).ipv6();
            asked.insert(from.ipv6_src(net.network(), net.prefix_len()).udp(DHCPV6.0, DHCPV6.1));
        }
        for fields in asked {
            let onwards = [Action::resubmit(int::ACCEPT_OR_INGRESS_TABLE)];
            self.add(int::BASE_EGRESS_TABLE, priority::DHCP_CLIENT, fields, onwards);
        }
        for fields in
            [self.sent().ipv4().udp(DHCP.1, DHCP.0), self.sent().ipv6().udp(DHCPV6.1, DHCPV6.0)]
        {
            self.add(int::BASE_EGRESS_TABLE, priority::SERVER_DROP, fields, [dropped()]);
        }
    }

    /// Table 71: own addresses into the connection tracker, everything else nowhere.
    fn tracked_egress(&mut self) {
        let sent = |mac| self.sent().eth_src(mac);
        let v4 = self
            .pairs_v4()
            .into_iter()
            .map(|(mac, net)| sent(mac).ipv4().ipv4_src(net.network(), net.prefix_len()));
        let v6 = self
            .pairs_v6()
            .into_iter()
            .map(|(mac, net)| sent(mac).ipv6().ipv6_src(net.network(), net.prefix_len()));
        let own: Vec<Match> = v4.chain(v6).collect();
        for fields in own {
            let tracked = [track(int::RULES_EGRESS_TABLE)];
            self.add(int::BASE_EGRESS_TABLE, priority::TRACK_OWN, fields, tracked);
        }
        let rest = [Action::CtClear, dropped()];
        self.add(int::BASE_EGRESS_TABLE, priority::BASE_DROP, self.sent(), rest);
    }

    /// Table 73: to a port here, or away.
    fn accept_or_ingress(&mut self) {
        let ofport = self.ofport();
        let local = Outer::Vlan(self.context.vlan);
        for (_, mac) in self.context.receives.iter().filter(|(tag, _)| *tag == local) {
            let fields = Match::new().eth_dst(*mac).reg(register::NET, self.context.vlan.into());
            let actions = [
                Action::set_reg(register::PORT, ofport),
                Action::resubmit(int::BASE_INGRESS_TABLE),
            ];
            self.flows.push(
                Flow::new(int::ACCEPT_OR_INGRESS_TABLE, priority::LOCAL_INGRESS, fields)
                    .then(actions),
            );
        }
        for fields in [self.checked().ipv4(), self.checked().ipv6()] {
            let fields = rules::State::New.on(fields);
            let actions =
                [commit(Vec::new()), Action::resubmit(int::ACCEPTED_EGRESS_TRAFFIC_TABLE)];
            self.add(int::ACCEPT_OR_INGRESS_TABLE, priority::COMMIT, fields, actions);
        }
        self.leave();
    }

    fn leave(&mut self) {
        let away = [Action::resubmit(int::ACCEPTED_EGRESS_TRAFFIC_NORMAL_TABLE)];
        self.add(int::ACCEPT_OR_INGRESS_TABLE, priority::LEAVE, self.checked(), away);
    }

    /// Table 81: address resolution and DHCP answers, then the connection tracker.
    fn base_ingress(&mut self) {
        let deliver = [Action::Output(self.ofport())];
        let mut allow = vec![self.checked().arp()];
        allow.extend(self.context.permitted_ethertypes.iter().map(|e| self.checked().eth_type(*e)));
        allow.extend(ICMPV6_INGRESS.map(|kind| self.checked().icmpv6_type(kind)));
        for fields in allow {
            self.add(int::BASE_INGRESS_TABLE, priority::INGRESS_ALLOW, fields, deliver.clone());
        }
        for fields in [
            self.checked().ipv4().udp(DHCP.1, DHCP.0),
            self.checked().ipv6().udp(DHCPV6.1, DHCPV6.0),
        ] {
            self.add(int::BASE_INGRESS_TABLE, priority::DHCP_ANSWER, fields, deliver.clone());
        }
        for fields in [self.checked().ipv4(), self.checked().ipv6()] {
            let fields = fields.ct_state(0, ct_state::TRK);
            let tracked = [track(int::RULES_INGRESS_TABLE)];
            self.add(int::BASE_INGRESS_TABLE, priority::TRACK, fields, tracked);
        }
        let tracked = self.checked().ct_state(ct_state::TRK, 0);
        let onwards = [Action::resubmit(int::RULES_INGRESS_TABLE)];
        self.add(int::BASE_INGRESS_TABLE, priority::INGRESS_RULES, tracked, onwards);
    }

    /// Tables 72 and 82: answers and relatives of allowed connections pass; what was allowed and
    /// no longer is gets marked, and stays out in both directions.
    fn connections(&mut self, direction: Direction) {
        let table = rules::table(direction);
        let pass = match direction {
            Direction::Egress => Action::resubmit(int::ACCEPTED_EGRESS_TRAFFIC_NORMAL_TABLE),
            Direction::Ingress => Action::Output(self.ofport()),
        };
        let marked = self.checked().ct_mark(CT_MARK_INVALID);
        self.add(table, priority::TRACKED, marked, [dropped()]);
        let known = self.checked().ct_zone(self.context.vlan).ct_mark(CT_MARK_NORMAL);
        for fields in [
            known.clone().ct_state(ct_state::EST | ct_state::RPL, ct_state::REL),
            known.ct_state(ct_state::REL, ct_state::NEW | ct_state::EST | ct_state::INV),
        ] {
            self.add(table, priority::TRACKED, fields, [pass.clone()]);
        }
        let unknown = self.checked().ct_state(0, ct_state::EST);
        self.add(table, priority::UNRULED, unknown, [dropped()]);
        let mark = Action::set_field(Field::CtMark, CT_MARK_INVALID.into());
        for fields in [self.checked().ipv4(), self.checked().ipv6()] {
            let fields = fields.ct_state(ct_state::EST, 0);
            self.add(table, priority::UNRULED, fields, [commit(vec![mark.clone()])]);
        }
    }

    /// Table 94 with `explicitly_egress_direct`: no flooding of what has a known place.
    fn direct(&mut self, direct: Direct) {
        let table = int::ACCEPTED_EGRESS_TRAFFIC_NORMAL_TABLE;
        let (ofport, vlan, mac) = (self.ofport(), self.context.vlan, self.context.port.mac);
        let net = Match::new().reg(register::NET, vlan.into());
        let to = net.clone().eth_dst(mac);
        self.add(table, priority::DIRECT_LOCAL, to, [Action::Output(ofport)]);
        let tagged = Match::new().eth_dst(mac).dl_vlan(vlan);
        let untag = [Action::PopVlan, Action::Output(ofport)];
        self.add(table, priority::DIRECT_LOCAL, tagged, untag);
        if let Some(uplink) = direct.uplink {
            let away = net.eth_src(mac).unicast();
            let tag = [Action::PUSH_VLAN, Action::set_vlan_vid(vlan), Action::Output(uplink)];
            self.add(table, priority::DIRECT_REMOTE, away, tag);
        }
    }
}

fn host_v4(ip: Ipv4Addr) -> Ipv4Net {
    Ipv4Net::from(ip)
}

fn host_v6(ip: Ipv6Addr) -> Ipv6Net {
    Ipv6Net::from(ip)
}
