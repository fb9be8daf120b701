//! The least changes from what a namespace holds to what it shall hold.
//!
//! What is right is never touched. What comes into being does so from below: devices, addresses,
//! routes, rules, packet filter. What goes does so from above, so that nothing is sent by a path
//! that has lost its translation.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    net::IpAddr,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use neutrino_types::MacAddr;

use crate::{
    firewall::Ethertype,
    iptables::{Saved, TableName, Wrap, canonical, protocol_number},
};

use super::{
    desired::{Device, Namespace, Neighbour, Route, Sysctl},
    filter::WRAP,
    names::{self, EXTERNAL_PREFIX},
    observed::{Observed, ObservedDevice},
    step::{Connections, Step},
};

/// The steps from what is to what shall be, in order.
#[must_use]
pub fn diff(desired: &Namespace, observed: &Observed) -> Vec<Step> {
    let mut plan = Plan::new(desired, observed);
    if !observed.exists {
        plan.steps.push(Step::CreateNamespace);
    }
    plan.sysctls(&desired.sysctls);
    plan.devices();
    plan.routes();
    plan.rules();
    plan.neighbours();
    plan.packet_filter();
    plan.leave();
    plan.services();
    plan.steps
}

/// The steps after which a namespace is gone.
#[must_use]
pub fn remove(observed: &Observed) -> Vec<Step> {
    let mut steps = Vec::new();
    if observed.proxied {
        steps.push(Step::Proxy(false));
    }
    if observed.radvd.is_some() {
        steps.push(Step::Radvd(None));
    }
    if observed.exists {
        let ours = observed.devices.iter().filter(|device| names::is_ours(&device.name));
        steps.extend(ours.map(|device| Step::DeleteDevice { device: device.name.clone() }));
        steps.push(Step::DeleteNamespace);
    }
    steps
}

struct Plan<'a> {
    desired: &'a Namespace,
    observed: &'a Observed,
    /// Devices as they are, by name.
    present: BTreeMap<&'a str, &'a ObservedDevice>,
    /// Devices as they shall be, by name.
    wanted: BTreeMap<&'a str, &'a Device>,
    /// Addresses that were not there.
    new_addresses: HashSet<(&'a str, IpAddr)>,
    /// Single addresses that nothing led to.
    new_hosts: HashSet<IpAddr>,
    steps: Vec<Step>,
}

impl<'a> Plan<'a> {
    fn new(desired: &'a Namespace, observed: &'a Observed) -> Self {
        Self {
            desired,
            observed,
            present: observed.devices.iter().map(|d| (d.name.as_str(), d)).collect(),
            wanted: desired.devices.iter().map(|d| (d.name.as_str(), d)).collect(),
            new_addresses: HashSet::new(),
            new_hosts: HashSet::new(),
            steps: Vec::new(),
        }
    }

    fn sysctls(&mut self, sysctls: &[Sysctl]) {
        let seen = &self.observed.sysctls;
        let wrong = sysctls.iter().filter(|sysctl| seen.get(&sysctl.path) != Some(&sysctl.value));
        self.steps.extend(wrong.cloned().map(Step::SetSysctl));
    }

    fn devices(&mut self) {
        for device in &self.desired.devices {
            match self.present.get(device.name.as_str()) {
                None => self.steps.push(Step::AddDevice(device.clone())),
                Some(seen) => self.correct(device, seen),
            }
            self.sysctls(&device.sysctls);
        }
        for device in &self.desired.devices {
            let seen = self.present.get(device.name.as_str());
            for address in &device.addresses {
                if !seen.is_some_and(|seen| seen.addresses.contains(address)) {
                    let name = device.name.clone();
                    self.steps.push(Step::AddAddress { device: name, address: *address });
                    self.new_addresses.insert((&device.name, address.addr()));
                }
            }
        }
    }

    fn correct(&mut self, device: &Device, seen: &ObservedDevice) {
        let name = || device.name.clone();
        if seen.mac != device.mac {
            self.steps.push(Step::SetMac { device: name(), mac: device.mac });
        }
        if let Some(mtu) = device.mtu.filter(|mtu| *mtu != seen.mtu) {
            self.steps.push(Step::SetMtu { device: name(), mtu });
        }
        if !seen.up {
            self.steps.push(Step::SetUp { device: name() });
        }
    }

    fn routes(&mut self) {
        let sorted = |route: &Route| {
            let mut route = route.clone();
            route.hops.sort();
            route
        };
        let seen: BTreeSet<Route> = self.observed.routes.iter().map(sorted).collect();
        let wanted: BTreeSet<Route> = self.desired.routes.iter().map(sorted).collect();
        // A gateway must be on the link before anything is sent through it.
        let by_gateway = |route: &&Route| route.hops.iter().any(|hop| hop.gateway.is_some());
        let mut missing: Vec<&Route> = wanted.difference(&seen).collect();
        missing.sort_by_key(by_gateway);
        let target = |route: &Route| (route.table, route.destination);
        let mut replaced: HashSet<_> = missing.iter().map(|route| target(route)).collect();
        let led_to: HashSet<IpNet> = seen.iter().map(|route| route.destination).collect();
        let hosts = missing
            .iter()
            .map(|route| route.destination)
            .filter(|net| net.prefix_len() == net.max_prefix_len() && !led_to.contains(net));
        self.new_hosts.extend(hosts.map(|net| net.addr()));
        self.steps.extend(missing.into_iter().cloned().map(Step::ReplaceRoute));
        // What else has routes here, such as a VPN's device, keeps them.
        let ours = |route: &&Route| route.hops.iter().any(|hop| names::is_ours(&hop.device));
        let mut gone: Vec<&Route> = seen
            .difference(&wanted)
            .filter(ours)
            .filter(|route| !replaced.remove(&target(route)))
            .collect();
        gone.sort_by_key(|route| !by_gateway(route));
        self.steps.extend(gone.into_iter().cloned().map(Step::DeleteRoute));
    }

    fn rules(&mut self) {
        let seen: BTreeSet<_> = self.observed.rules.iter().collect();
        let wanted: BTreeSet<_> = self.desired.rules.iter().collect();
        self.steps.extend(wanted.difference(&seen).map(|rule| Step::AddRule((*rule).clone())));
        let gone = seen.difference(&wanted).filter(|rule| rule.is_ours());
        self.steps.extend(gone.map(|rule| Step::DeleteRule((*rule).clone())));
    }

    fn neighbours(&mut self) {
        let seen: BTreeSet<&Neighbour> = self.observed.neighbours.iter().collect();
        let place = |neighbour: &&'a Neighbour| (neighbour.device.as_str(), neighbour.ip);
        let wanted: HashSet<_> = self.desired.neighbours.iter().map(|n| place(&n)).collect();
        let missing = self.desired.neighbours.iter().filter(|n| !seen.contains(n));
        self.steps.extend(missing.cloned().map(Step::SetNeighbour));
        let gone = self.observed.neighbours.iter().filter(|neighbour| {
            // With its device a neighbour goes by itself.
            self.wanted.contains_key(neighbour.device.as_str())
                && !wanted.contains(&place(neighbour))
        });
        self.steps.extend(gone.cloned().map(Step::DeleteNeighbour));
    }

    fn packet_filter(&mut self) {
        let Namespace { iptables_v4, iptables_v6, .. } = self.desired;
        let v4 = iptables_v4.restore(&self.observed.iptables_v4).map(|c| (Ethertype::V4, c));
        let v6 = iptables_v6.as_ref().and_then(|tables| tables.restore(&self.observed.iptables_v6));
        let v6 = v6.map(|commands| (Ethertype::V6, commands));
        let both = v4.into_iter().chain(v6);
        self.steps.extend(both.map(|(family, commands)| Step::Restore { family, commands }));
    }

    /// What nobody wants any more, now that nothing leads to it.
    fn leave(&mut self) {
        let mut forgotten = self.lost_translations();
        let mut devices = Vec::new();
        for seen in self.observed.devices.iter().filter(|seen| names::is_ours(&seen.name)) {
            let wanted = self.wanted.get(seen.name.as_str());
            let external = seen.name.starts_with(EXTERNAL_PREFIX);
            for address in &seen.addresses {
                let stays = wanted.is_some_and(|device| {
                    device.addresses.contains(address)
                        || [seen.mac, device.mac].iter().any(|mac| is_kernels(address, *mac))
                });
                if stays {
                    continue;
                }
                if let (true, IpAddr::V4(address)) = (external, address.addr()) {
                    forgotten.insert(Connections { address, port: None });
                }
                if wanted.is_some() {
                    let device = seen.name.clone();
                    self.steps.push(Step::DeleteAddress { device, address: *address });
                }
            }
            if wanted.is_none() {
                devices.push(Step::DeleteDevice { device: seen.name.clone() });
            }
        }
        self.steps.extend(forgotten.into_iter().map(Step::DeleteConntrack));
        self.steps.extend(devices);
    }

    /// Connections to floating IPs that lead elsewhere or nowhere from now on.
    fn lost_translations(&self) -> BTreeSet<Connections> {
        let wrap = Wrap::new(WRAP);
        let wanted: HashSet<(Connections, String)> =
            self.desired.iptables_v4.own_rules(TableName::Nat).filter_map(translation).collect();
        let seen = own_rules(&self.observed.iptables_v4, &wrap).filter_map(translation);
        seen.filter(|lost| !wanted.contains(lost)).map(|(connections, _)| connections).collect()
    }

    fn services(&mut self) {
        for announcement in &self.desired.announcements {
            let ip = IpAddr::from(announcement.ip);
            if self.new_addresses.contains(&(announcement.device.as_str(), ip))
                || self.new_hosts.contains(&ip)
            {
                self.steps.push(Step::Announce(announcement.clone()));
            }
        }
        if self.desired.radvd != self.observed.radvd {
            self.steps.push(Step::Radvd(self.desired.radvd.clone()));
        }
        if self.desired.proxied != self.observed.proxied {
            self.steps.push(Step::Proxy(self.desired.proxied));
        }
    }
}

/// Rules of the agent's chains of nat as they are.
fn own_rules<'s>(saved: &'s Saved, wrap: &'s Wrap) -> impl Iterator<Item = &'s str> {
    let chains = saved.tables.get(&TableName::Nat).into_iter().flat_map(|table| &table.chains);
    chains
        .filter(|(name, _)| wrap.owns(name))
        .flat_map(|(_, chain)| &chain.rules)
        .map(|rule| rule.text.as_str())
}

/// The connections that a `DNAT` rule translates, and the rule in one notation.
fn translation(rule: &str) -> Option<(Connections, String)> {
    const TARGET: &str = "-j DNAT --to-destination ";
    // Most rules are none: they are not worth another notation.
    let rule = rule.contains(TARGET).then(|| canonical(rule))?;
    let (matches, target) = rule.split_once(TARGET)?;
    let words: Vec<&str> = matches.split_whitespace().collect();
    let of = |option: &str| {
        words.iter().position(|word| *word == option).and_then(|at| words.get(at + 1).copied())
    };
    let address = of("-d")?.parse::<Ipv4Net>().ok()?.addr();
    let port = match (of("-p"), of("--dport")) {
        (Some(protocol), Some(ports)) => {
            let (first, last) = ports.split_once(':').unwrap_or((ports, ports));
            Some((protocol_number(protocol)?, first.parse().ok()?, last.parse().ok()?))
        }
        _ => None,
    };
    Some((Connections { address, port }, target.to_string()))
}

/// Whether the kernel gives this address to a device of this MAC by itself.
fn is_kernels(address: &IpNet, mac: MacAddr) -> bool {
    let own = Ipv6Net::new(mac.link_local(), LINK_LOCAL_PREFIX);
    own.is_ok_and(|own| *address == IpNet::V6(own))
}

/// Prefix length of link-local addresses.
const LINK_LOCAL_PREFIX: u8 = 64;
