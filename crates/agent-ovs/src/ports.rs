//! The ports plugged into br-int: what the server said of each, and what it was told.
//!
//! Owns one record per VIF and the transitions between its states; reads no socket. A record
//! lives from the moment the VIF shows up in Open vSwitch's database until it leaves it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use ipnet::IpNet;
use neutrino_dataplane::view::{self, Segment};
use neutrino_rpc::shapes::DeviceDetails;
use neutrino_types::{MacAddr, constants::device_owner};
use tokio::time::Instant;

use crate::{config::Config, local_vlans::NetworkKey, observe::Vif};

/// Shortest and longest pause before a device the server failed on is asked for again.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Pause before a device is asked for again that the server knows no bound port for; doubles.
const DOUBT: Duration = Duration::from_secs(1);
/// How often it is. Whoever plugs a device may be a little faster than the server, which binds it and
/// tells nobody (a distributed router's port); what stays unknown that long is nobody's.
const DOUBTS: u32 = 6;

/// How a bound port is to be wired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wiring {
    /// Network and segmentation id.
    pub network: NetworkKey,
    /// Bound segment.
    pub segment: Segment,
    /// `port_security_enabled`.
    pub port_security: bool,
    /// `device_owner`.
    pub device_owner: String,
    /// The port's own addresses.
    pub fixed_ips: BTreeSet<IpAddr>,
    /// Subnets of those, each with the first address there.
    pub subnets: BTreeMap<String, IpAddr>,
    /// `allowed_address_pairs`.
    pub allowed_pairs: BTreeSet<(MacAddr, IpNet)>,
}

/// What the server says of a VIF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet.
    Unheard,
    /// Wire it.
    Bound(Wiring),
    /// `admin_state_up` is false.
    Disabled,
    /// Unknown, bound elsewhere, deleted, or impossible to wire here.
    Refused,
}

/// One VIF.
#[derive(Clone, Debug)]
pub struct Record {
    /// As plugged.
    pub vif: Vif,
    /// What the server says.
    pub verdict: Verdict,
    /// Whether the server must be asked (again).
    pub dirty: bool,
    /// Whether an answer is awaited.
    pub asked: bool,
    /// Whether the binding on this host is no longer in force: the port leaves br-int.
    pub evict: bool,
    /// What the server acknowledged: up, down, or nothing since it was last asked.
    pub reported: Option<bool>,
    /// Do not ask or report before; set after a failure.
    retry_at: Option<Instant>,
    failures: u32,
    /// When to ask again though the server has answered.
    doubt_at: Option<Instant>,
    /// How often that was done.
    doubts: u32,
}

impl Record {
    fn new(vif: Vif) -> Self {
        Self {
            vif,
            verdict: Verdict::Unheard,
            dirty: true,
            asked: false,
            evict: false,
            reported: None,
            retry_at: None,
            failures: 0,
            doubt_at: None,
            doubts: 0,
        }
    }

    /// What the server should know of the port once the host is as planned.
    fn wanted_report(&self) -> Option<bool> {
        match self.verdict {
            Verdict::Bound(_) => Some(true),
            Verdict::Disabled => Some(false),
            Verdict::Unheard | Verdict::Refused => None,
        }
    }

    /// Whether nothing is left to ask or to tell.
    fn settled(&self) -> bool {
        // A VIF without port number is waited for, but holds up nobody.
        self.vif.port.ofport.is_none()
            || !self.dirty
                && !self.asked
                && self.wanted_report().is_none_or(|w| Some(w) == self.reported)
    }

    fn failed(&mut self, now: Instant) {
        let pause = RETRY.0.saturating_mul(1 << self.failures.min(10)).min(RETRY.1);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Some(now + pause);
    }

    fn may_try(&self, now: Instant) -> bool {
        self.retry_at.is_none_or(|at| at <= now)
    }

    /// Whether the server is to be asked now.
    fn to_ask(&self, now: Instant) -> bool {
        let doubted = self.doubt_at.is_some_and(|at| at <= now);
        !self.asked
            && self.vif.port.ofport.is_some()
            && self.may_try(now)
            && (self.dirty || doubted)
    }

    /// Takes over the server's answer.
    fn judge(&mut self, config: &Config, details: &DeviceDetails, now: Instant) {
        self.doubt_at = None;
        if details.port_id.is_some() || details.no_active_binding {
            self.doubts = 0;
            self.verdict = judge(config, details);
            return;
        }
        if self.doubts == 0 {
            tracing::warn!(device = details.device, "device has no port bound here, isolating it");
        }
        self.verdict = Verdict::Refused;
        if self.doubts < DOUBTS {
            self.doubt_at = Some(now + DOUBT.saturating_mul(1 << self.doubts));
            self.doubts += 1;
        }
    }

    /// The server said of itself that the port is not for this host.
    fn refuse(&mut self) {
        self.verdict = Verdict::Refused;
        self.doubt_at = None;
    }

    /// The network this VIF keeps present on the host.
    #[must_use]
    pub fn network(&self) -> Option<NetworkKey> {
        match &self.verdict {
            Verdict::Bound(wiring) => Some(wiring.network.clone()),
            // Until the server is heard, what a previous run wired stays wired.
            Verdict::Unheard => self.vif.adoptable().map(|(key, ..)| key),
            Verdict::Disabled | Verdict::Refused => None,
        }
    }

    /// The port as the data plane wants it, its network being `vlan` here; none while there is
    /// nothing to say.
    #[must_use]
    pub fn view(&self, vlan: Option<u16>) -> Option<view::Port> {
        let ofport = self.vif.port.ofport?;
        let mut port = view::Port {
            id: self.vif.port_id.clone(),
            device: self.vif.name.clone(),
            ofport,
            mac: self.vif.mac,
            dead: false,
            network_id: String::new(),
            vlan: None,
            port_security: false,
            device_owner: String::new(),
            fixed_ips: BTreeSet::new(),
            allowed_pairs: BTreeSet::new(),
            security_groups: BTreeSet::new(),
        };
        match &self.verdict {
            Verdict::Unheard => return None,
            Verdict::Disabled | Verdict::Refused => port.dead = true,
            Verdict::Bound(wiring) => {
                port.port_security = wiring.port_security;
                port.device_owner.clone_from(&wiring.device_owner);
                port.network_id.clone_from(&wiring.network.network_id);
                port.vlan = vlan;
                port.fixed_ips.clone_from(&wiring.fixed_ips);
                port.allowed_pairs.clone_from(&wiring.allowed_pairs);
            }
        }
        Some(port)
    }
}

/// All VIFs of the host.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    records: BTreeMap<String, Record>,
    /// Devices unplugged but not yet reported, with the time of the next attempt.
    gone: BTreeMap<String, Option<Instant>>,
}

impl Ports {
    /// Takes over what is plugged now.
    pub fn observe(&mut self, vifs: BTreeMap<String, Vif>) {
        let unplugged: Vec<String> =
            self.records.keys().filter(|id| !vifs.contains_key(*id)).cloned().collect();
        for id in unplugged {
            self.records.remove(&id);
            tracing::info!(port_id = id, "port unplugged");
            self.gone.insert(id, None);
        }
        for (id, vif) in vifs {
            match self.records.get_mut(&id) {
                // Another interface under the same id: unplugged and plugged between two looks.
                Some(record) if record.vif.port.interface != vif.port.interface => {
                    self.gone.insert(id, None);
                    *record = Record::new(vif);
                }
                Some(record) => record.vif = vif,
                None => {
                    tracing::info!(port_id = id, device = vif.name, "port plugged");
                    self.records.insert(id, Record::new(vif));
                }
            }
        }
    }

    /// Every record, by port id.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// The record of a port.
    #[must_use]
    pub fn get(&self, port_id: &str) -> Option<&Record> {
        self.records.get(port_id)
    }

    /// Whether the server has spoken of every VIF that a former run wired, so that what belongs
    /// to none it spoke of belongs to nobody.
    #[must_use]
    pub fn all_heard(&self) -> bool {
        let unheard = |record: &&Record| record.verdict == Verdict::Unheard;
        self.records.values().filter(unheard).all(|record| record.vif.adoptable().is_none())
    }

    /// How many VIFs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing is plugged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many VIFs the server knows to be up.
    #[must_use]
    pub fn active(&self) -> usize {
        self.records.values().filter(|r| r.reported == Some(true)).count()
    }

    /// A port changed: ask again.
    pub fn touch(&mut self, port_id: &str) {
        if let Some(record) = self.records.get_mut(port_id) {
            record.dirty = true;
            record.retry_at = None;
        }
    }

    /// A network changed: ask again for its ports.
    pub fn touch_network(&mut self, network_id: &str) {
        for record in self.records.values_mut() {
            if matches!(&record.verdict, Verdict::Bound(w) if w.network.network_id == network_id) {
                record.dirty = true;
                record.retry_at = None;
            }
        }
    }

    /// Notifications may have been missed: ask for everything, at once.
    pub fn touch_all(&mut self) {
        for record in self.records.values_mut() {
            record.dirty = true;
            record.retry_at = None;
        }
        self.gone.values_mut().for_each(|at| *at = None);
    }

    /// A port was deleted at the server; its VIF must not talk while it is still plugged.
    pub fn deleted(&mut self, port_id: &str) {
        if let Some(record) = self.records.get_mut(port_id) {
            record.refuse();
            // An answer under way may be older than the deletion.
            record.dirty = record.asked;
        }
    }

    /// The port's binding on this host went out of force (it was migrated away): its VIF is to be
    /// unplugged, and may not talk until it is.
    pub fn deactivated(&mut self, port_id: &str) {
        if let Some(record) = self.records.get_mut(port_id) {
            tracing::info!(port_id, "binding deactivated, unplugging the port");
            record.refuse();
            record.dirty = false;
            record.evict = true;
        }
    }

    /// The port's binding on this host came into force: what was said of it before is void.
    pub fn activated(&mut self, port_id: &str) {
        if let Some(record) = self.records.get_mut(port_id) {
            record.evict = false;
        }
        self.touch(port_id);
    }

    /// At most `limit` devices to ask the server for; they count as asked from now on.
    pub fn ask(&mut self, limit: usize, now: Instant) -> Vec<String> {
        let mut out = Vec::new();
        for (id, record) in &mut self.records {
            if out.len() < limit && record.to_ask(now) {
                record.dirty = false;
                record.doubt_at = None;
                record.asked = true;
                out.push(id.clone());
            }
        }
        out
    }

    /// The server's answer for the asked `devices`; those without details are asked again later.
    pub fn answered(
        &mut self,
        config: &Config,
        devices: &[String],
        details: Vec<DeviceDetails>,
        now: Instant,
    ) {
        for details in details {
            let Some(record) = self.records.get_mut(&details.device) else { continue };
            if !record.asked {
                continue;
            }
            record.asked = false;
            record.failures = 0;
            record.retry_at = None;
            record.reported = None;
            if record.evict {
                continue;
            }
            // A notification that came meanwhile left the record dirty: the next answer counts.
            record.judge(config, &details, now);
        }
        for id in devices {
            if let Some(record) = self.records.get_mut(id).filter(|r| r.asked) {
                record.asked = false;
                record.dirty = true;
                record.failed(now);
            }
        }
    }

    /// Devices to report up, given that the host is as planned for all of them.
    #[must_use]
    pub fn to_report_up(&self, now: Instant) -> Vec<&Record> {
        self.to_report(true, now).collect()
    }

    /// Devices to report down: disabled ones, and unplugged ones.
    #[must_use]
    pub fn to_report_down(&self, now: Instant) -> Vec<String> {
        let gone = self.gone.iter().filter(|(_, at)| at.is_none_or(|at| at <= now));
        let disabled = self.to_report(false, now).map(|r| r.vif.port_id.clone());
        gone.map(|(id, _)| id.clone()).chain(disabled).collect()
    }

    fn to_report(&self, up: bool, now: Instant) -> impl Iterator<Item = &Record> {
        self.records.values().filter(move |r| {
            r.vif.port.ofport.is_some()
                && !r.dirty
                && !r.asked
                && r.wanted_report() == Some(up)
                && r.reported != Some(up)
                && r.may_try(now)
                // Down must be heard before up when a port was plugged anew.
                && !self.gone.contains_key(&r.vif.port_id)
        })
    }

    /// The server acknowledged these devices as up or down.
    pub fn acknowledged(&mut self, devices: &[String], up: bool) {
        for id in devices {
            if !up {
                self.gone.remove(id);
            }
            if let Some(record) = self.records.get_mut(id)
                && record.wanted_report() == Some(up)
            {
                record.reported = Some(up);
                record.failures = 0;
            }
        }
    }

    /// The report of these devices failed; try again later.
    pub fn report_failed(&mut self, devices: &[String], now: Instant) {
        for id in devices {
            if let Some(at) = self.gone.get_mut(id) {
                *at = Some(now + RETRY.0);
            }
            if let Some(record) = self.records.get_mut(id) {
                record.failed(now);
            }
        }
    }

    /// The first moment after `now` at which something that failed may be tried again.
    #[must_use]
    pub fn next_retry(&self, now: Instant) -> Option<Instant> {
        let records = self.records.values().filter(|r| !r.settled()).filter_map(|r| r.retry_at);
        let doubts = self.records.values().filter_map(|r| r.doubt_at);
        let gone = self.gone.values().filter_map(|at| *at);
        records.chain(doubts).chain(gone).filter(|at| *at > now).min()
    }

    /// Whether the server has said everything and was told everything.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.gone.is_empty() && self.records.values().all(Record::settled)
    }
}

/// Whether the port's traffic is for the firewall to look at (see [`view::Port::protected`]).
#[must_use]
pub fn is_filtered(details: &DeviceDetails) -> bool {
    details.port_id.is_some()
        && details.admin_state_up
        && details.port_security_enabled
        && !details.device_owner.starts_with(device_owner::NETWORK_PREFIX)
}

/// What the answer means for a port the server knows.
fn judge(config: &Config, details: &DeviceDetails) -> Verdict {
    if details.no_active_binding {
        // The target of a live migration looks like this until it takes over.
        tracing::info!(device = details.device, "binding is not active here, port isolated");
        return Verdict::Refused;
    }
    if !details.admin_state_up {
        return Verdict::Disabled;
    }
    match wiring(config, details) {
        Ok(wiring) => Verdict::Bound(wiring),
        Err(problem) => {
            tracing::error!(device = details.device, problem, "port cannot be wired here");
            Verdict::Refused
        }
    }
}

fn wiring(config: &Config, details: &DeviceDetails) -> Result<Wiring, &'static str> {
    let network_id = details.network_id.as_deref().ok_or("the details name no network")?;
    let network_type = details
        .network_type
        .as_deref()
        .and_then(|t| t.parse().ok())
        .ok_or("the details name no known network type")?;
    let segment = Segment {
        network_type,
        physical_network: details.physical_network.clone(),
        segmentation_id: details.segmentation_id,
    };
    if network_type.is_tunnel() && !config.tunnel_types.contains(&network_type) {
        return Err("the network's type is not in [agent] tunnel_types");
    }
    if network_type.is_physical()
        && !segment
            .physical_network
            .as_ref()
            .is_some_and(|name| config.bridge_mappings.contains_key(name))
    {
        return Err("the network's physical network is not in [ovs] bridge_mappings");
    }
    let fixed_ips = details.fixed_ips.iter();
    let addresses = fixed_ips.filter_map(|f| Some((&f.subnet_id, f.ip_address.parse().ok()?)));
    let addresses: Vec<(&String, IpAddr)> = addresses.collect();
    let mut subnets = BTreeMap::new();
    for (subnet, ip) in &addresses {
        subnets.entry((*subnet).clone()).or_insert(*ip);
    }
    Ok(Wiring {
        network: NetworkKey::new(network_id, &segment),
        segment,
        port_security: details.port_security_enabled,
        device_owner: details.device_owner.clone(),
        fixed_ips: addresses.iter().map(|(_, ip)| *ip).collect(),
        subnets,
        allowed_pairs: details
            .allowed_address_pairs
            .iter()
            .filter_map(|p| Some((p.mac_address.parse().ok()?, parse_address(&p.ip_address)?)))
            .collect(),
    })
}

/// An address or CIDR.
pub(crate) fn parse_address(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests;
