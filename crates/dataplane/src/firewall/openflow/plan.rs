//! Who needs which flows: the units of the firewall and what each depends on.

use std::collections::{BTreeMap, BTreeSet};

use neutrino_types::{MacAddr, NetworkType};

use super::conjunctions::{AddressKey, ConjunctionIds, ConjunctionKey};
use crate::{
    firewall::{Driver, Rule, SecurityGroup},
    view::{HostView, LocalVlan, OfPort, Port, Segment},
};

/// Where accepted egress of a port goes with `explicitly_egress_direct`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direct {
    /// br-int's port towards the rest of the network; `None` leaves it to NORMAL.
    pub uplink: Option<OfPort>,
}

/// The tag of a frame in table 60.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outer {
    /// No tag: frames of a flat network as they are on its physical network.
    Untagged,
    /// A VLAN id: local, or that of the segment.
    Vlan(u16),
}

impl Outer {
    /// How frames of a segment look on its physical network. `None` where the tag means something
    /// else on br-int: it is the local VLAN of a network, whose frames are not to go astray.
    pub(crate) fn of(segment: &Segment, vlans: &BTreeMap<u16, &LocalVlan>) -> Option<Self> {
        match segment.network_type {
            NetworkType::Flat => Some(Self::Untagged),
            NetworkType::Vlan => {
                let id = u16::try_from(segment.segmentation_id?).ok()?;
                (!vlans.contains_key(&id)).then_some(Self::Vlan(id))
            }
            _ => None,
        }
    }
}

/// Everything the flows of one port depend on; equal contexts have equal flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortContext<'a> {
    /// The port.
    pub port: &'a Port,
    /// Its local VLAN.
    pub vlan: u16,
    /// Frames it is the receiver of, by tag and MAC: of several ports that may use a MAC on a
    /// network one receives.
    pub receives: BTreeSet<(Outer, MacAddr)>,
    /// Rules of its groups. A group nobody told of yet has none, so nothing is open for it.
    pub rules: BTreeSet<&'a Rule>,
    /// Conjunction ids of the remote groups its rules name.
    pub ids: BTreeMap<ConjunctionKey<'a>, u32>,
    /// EtherTypes that pass unseen.
    pub permitted_ethertypes: &'a BTreeSet<u16>,
    /// Fragments stay what they are behind the connection tracker.
    pub fragments: bool,
    /// With `explicitly_egress_direct`, where accepted egress goes.
    pub direct: Option<Direct>,
}

impl PortContext<'_> {
    /// Whether two contexts of a port have the same flows but for those of its rules.
    pub(super) fn differs_in_rules_only(&self, other: &PortContext<'_>) -> bool {
        // All fields, so that none that comes is forgotten.
        let Self {
            port,
            vlan,
            receives,
            rules: _,
            ids: _,
            permitted_ethertypes,
            fragments,
            direct,
        } = self;
        let port_but_groups =
            Port { security_groups: other.port.security_groups.clone(), ..(*port).clone() };
        port_but_groups == *other.port
            && *vlan == other.vlan
            && *receives == other.receives
            && *permitted_ethertypes == other.permitted_ethertypes
            && *fragments == other.fragments
            && *direct == other.direct
    }
}

/// The firewall of a host, before its flows are spelt out.
#[derive(Debug)]
pub struct Plan<'a> {
    view: &'a HostView,
    vlans: BTreeMap<u16, &'a LocalVlan>,
    ids: ConjunctionIds<'a>,
    receivers: BTreeMap<(Outer, MacAddr), &'a str>,
}

impl<'a> Plan<'a> {
    /// The plan of a host; `None` when another driver filters. Costs ports plus rules.
    #[must_use]
    pub fn of(view: &'a HostView) -> Option<Self> {
        if view.options.firewall != Driver::Openvswitch {
            return None;
        }
        let rules = view.security_groups.groups.values().flat_map(|g| &g.rules);
        let vlans = view.vlans.iter().map(|vlan| (vlan.vlan, vlan)).collect();
        Some(Self {
            view,
            ids: ConjunctionIds::assign(rules.filter_map(ConjunctionKey::of)),
            receivers: receivers(view, &vlans),
            vlans,
        })
    }

    /// What each port's flows depend on, ports without local VLAN left out: they are dead or not
    /// wired yet.
    pub fn ports(&self) -> impl Iterator<Item = PortContext<'_>> {
        self.wired().map(|(port, vlan)| self.context(port, vlan))
    }

    fn wired(&self) -> impl Iterator<Item = (&'a Port, u16)> {
        self.view.ports.iter().filter(|p| !p.dead).filter_map(|p| Some((p, p.vlan?)))
    }

    fn groups(&self, port: &Port) -> impl Iterator<Item = &'a SecurityGroup> {
        let groups = &self.view.security_groups.groups;
        port.security_groups.iter().filter_map(|id| groups.get(id))
    }

    fn context(&self, port: &'a Port, vlan: u16) -> PortContext<'a> {
        let segment = self.vlans.get(&vlan).map(|v| &v.segment);
        let options = &self.view.options;
        let mut context = PortContext {
            port,
            vlan,
            receives: BTreeSet::new(),
            rules: BTreeSet::new(),
            ids: BTreeMap::new(),
            permitted_ethertypes: &options.permitted_ethertypes,
            fragments: options.userspace_datapath,
            direct: options
                .explicitly_egress_direct
                .then(|| Direct { uplink: segment.and_then(|s| self.uplink(s)) }),
        };
        if port.protected() {
            let tags = [Some(Outer::Vlan(vlan)), segment.and_then(|s| Outer::of(s, &self.vlans))];
            context.receives = port
                .macs()
                .into_iter()
                .flat_map(|mac| tags.into_iter().flatten().map(move |tag| (tag, mac)))
                .filter(|frames| self.receivers.get(frames) == Some(&port.id.as_str()))
                .collect();
            context.rules = self.groups(port).flat_map(|group| &group.rules).collect();
            let keys = context.rules.iter().filter_map(|rule| ConjunctionKey::of(rule));
            context.ids = keys.filter_map(|key| Some((key, self.ids.get(key)?))).collect();
        }
        context
    }

    fn uplink(&self, segment: &Segment) -> Option<OfPort> {
        match segment.network_type {
            network_type if network_type.is_tunnel() => self.view.patch_tun,
            NetworkType::Vlan => {
                let bridge = self.view.physical.get(segment.physical_network.as_ref()?)?;
                Some(bridge.int_ofport)
            }
            _ => None,
        }
    }

    /// Every address behind the remote groups each network's ports use, with the conjunctions it
    /// is in. Costs members per network that uses their group.
    #[must_use]
    pub fn addresses(&self) -> BTreeMap<AddressKey, BTreeSet<u32>> {
        let mut groups: BTreeMap<u16, BTreeSet<&str>> = BTreeMap::new();
        for (port, vlan) in self.wired().filter(|(port, _)| port.protected()) {
            groups.entry(vlan).or_default().extend(port.security_groups.iter().map(String::as_str));
        }
        let mut out: BTreeMap<AddressKey, BTreeSet<u32>> = BTreeMap::new();
        for (vlan, groups) in groups {
            let known = groups.iter().filter_map(|id| self.view.security_groups.groups.get(*id));
            let wanted: BTreeSet<(ConjunctionKey<'_>, u32)> = known
                .flat_map(|group| &group.rules)
                .filter_map(|rule| {
                    let key = ConjunctionKey::of(rule)?;
                    Some((key, self.ids.of_rule(key, rule)?))
                })
                .collect();
            for (key, id) in wanted {
                let members = self.view.security_groups.members.get(key.remote);
                for member in members.into_iter().flatten() {
                    if let Some(address) = AddressKey::of(vlan, key, member) {
                        out.entry(address).or_default().insert(id);
                    }
                }
            }
        }
        out
    }
}

/// Which port receives frames to a MAC under a tag.
///
/// The port whose own MAC it is comes before those that may use it, then the least id. Neutron lets
/// the last one written win; here the answer does not depend on an order.
fn receivers<'a>(
    view: &'a HostView,
    vlans: &BTreeMap<u16, &LocalVlan>,
) -> BTreeMap<(Outer, MacAddr), &'a str> {
    let mut best: BTreeMap<(Outer, MacAddr), (bool, &str)> = BTreeMap::new();
    for port in view.ports.iter().filter(|p| !p.dead && p.protected()) {
        let Some(vlan) = port.vlan else { continue };
        let outer = vlans.get(&vlan).and_then(|v| Outer::of(&v.segment, vlans));
        let tags = [Some(Outer::Vlan(vlan)), outer];
        for mac in port.macs() {
            for tag in tags.into_iter().flatten() {
                let offer = (mac != port.mac, port.id.as_str());
                let winner = best.entry((tag, mac)).or_insert(offer);
                *winner = offer.min(*winner);
            }
        }
    }
    best.into_iter().map(|(key, (_, id))| (key, id)).collect()
}

/// The contexts of a plan by port.
pub(super) fn contexts<'a>(plan: Option<&'a Plan<'_>>) -> BTreeMap<&'a str, PortContext<'a>> {
    plan.iter().flat_map(|plan| plan.ports()).map(|c| (c.port.id.as_str(), c)).collect()
}
