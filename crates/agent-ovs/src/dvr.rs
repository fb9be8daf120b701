//! What distributed routing depends on besides the ports: the MACs of all hosts' routers, and the
//! subnets that routers of this host are on.
//!
//! Owns what was heard of either and what is to be asked again; the flows come from the data plane
//! crate. Neutron's agent also asks for the ports of a subnet when a router comes and for a port's
//! address pairs when it does: here all of that is known from the details of the ports.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use ipnet::IpNet;
use neutrino_agent::ServerApi;
use neutrino_dataplane::view;
use neutrino_rpc::{
    RpcError, methods,
    shapes::{
        FixedIp,
        dvr::{DvrMac, DvrSubnet, SubnetForDvr},
    },
};
use neutrino_types::{MacAddr, constants::device_owner};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    local_vlans::LocalVlans,
    ports::{Ports, Record, Verdict, Wiring},
    rpc::{CallError, RETRY},
};

/// How often the agent asks for the MAC it cannot do without before it gives up.
const MAC_ATTEMPTS: u32 = 5;
/// Subnets asked for in one round.
const SUBNETS_BATCH: usize = 20;

/// How far something is that the server is to be asked for.
#[derive(Clone, Copy, Debug, Default)]
struct Asking {
    /// An answer awaits.
    asked: bool,
    /// It was answered, and nothing happened since.
    current: bool,
    /// It was answered at least once.
    heard: bool,
}

impl Asking {
    /// Answers whether a question is due, which then counts as asked.
    fn ask(&mut self) -> bool {
        let due = !self.asked && !self.current;
        if due {
            // What happens from now on makes the answer outdated.
            (self.asked, self.current) = (true, true);
        }
        due
    }

    fn answered(&mut self) {
        (self.asked, self.heard) = (false, true);
    }

    fn failed(&mut self) {
        (self.asked, self.current) = (false, false);
    }

    fn settled(self) -> bool {
        self.current && !self.asked
    }
}

/// A subnet that routers of this host are on.
#[derive(Clone, Debug, Default)]
struct Subnet {
    asking: Asking,
    /// Address of a distributed router; none where only a centralised SNAT port is.
    router: Option<IpAddr>,
    failures: u32,
    known: Option<Known>,
}

/// What the server said of a subnet.
#[derive(Clone, Debug)]
struct Known {
    cidr: IpNet,
    gateway_ip: Option<IpAddr>,
    gateway_mac: MacAddr,
}

impl Known {
    fn of(subnet: DvrSubnet) -> Option<Self> {
        Some(Self {
            cidr: subnet.cidr?.parse().ok()?,
            gateway_ip: subnet.gateway_ip.and_then(|ip| ip.parse().ok()),
            gateway_mac: subnet.gateway_mac?,
        })
    }
}

/// What to ask the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The MACs of all hosts.
    pub macs: bool,
    /// Subnets, each with the address of a distributed router on it.
    pub subnets: Vec<(String, Option<IpAddr>)>,
}

/// What it said, as far as it did.
#[derive(Debug, Default)]
pub struct Heard {
    /// The MACs of all hosts.
    pub macs: Option<Vec<DvrMac>>,
    /// By subnet.
    pub subnets: BTreeMap<String, DvrSubnet>,
    /// The last call that failed.
    pub error: Option<CallError>,
}

/// The agent's memory of distributed routing.
#[derive(Clone, Debug)]
pub struct Dvr {
    mac: MacAddr,
    host_macs: BTreeSet<MacAddr>,
    macs: Asking,
    subnets: BTreeMap<String, Subnet>,
    /// No question before this.
    retry_at: Option<Instant>,
}

impl Dvr {
    /// Of a host whose routers send under `mac`.
    #[must_use]
    pub fn new(mac: MacAddr) -> Self {
        Self {
            mac,
            host_macs: BTreeSet::new(),
            macs: Asking::default(),
            subnets: BTreeMap::new(),
            retry_at: None,
        }
    }

    /// Takes over which subnets the routers of this host are on.
    pub fn observe(&mut self, ports: &Ports) {
        let mut wanted: BTreeMap<&String, Option<IpAddr>> = BTreeMap::new();
        for wiring in ports.iter().filter_map(routed) {
            let distributed = wiring.device_owner == device_owner::DVR_INTERFACE;
            for (subnet, ip) in &wiring.subnets {
                let router = wanted.entry(subnet).or_default();
                if distributed {
                    *router = Some(router.map_or(*ip, |other| other.min(*ip)));
                }
            }
        }
        self.subnets.retain(|id, _| wanted.contains_key(id));
        for (id, router) in wanted {
            let subnet = self.subnets.entry(id.clone()).or_default();
            if subnet.router != router {
                subnet.router = router;
                subnet.asking.current = false;
            }
        }
    }

    /// Notifications may have been missed: ask for everything.
    pub fn touch_all(&mut self) {
        self.macs.current = false;
        self.subnets.values_mut().for_each(|subnet| subnet.asking.current = false);
        self.retry_at = None;
    }

    /// The port changed: what it says of its subnets is to be asked again.
    pub fn touch(&mut self, port: &Record) {
        for id in routed(port).into_iter().flat_map(|wiring| wiring.subnets.keys()) {
            if let Some(subnet) = self.subnets.get_mut(id) {
                subnet.asking.current = false;
            }
        }
    }

    /// The server told the MACs of all hosts.
    pub fn macs_updated(&mut self, macs: &[DvrMac]) {
        self.host_macs = macs.iter().map(|host| host.mac_address).collect();
        // An answer under way may be older.
        self.macs.current = !self.macs.asked && self.macs.heard;
    }

    /// What to ask; it counts as asked from now on. Subnets the server failed on come last.
    pub fn ask(&mut self, now: Instant) -> Option<Question> {
        if self.retry_at.is_some_and(|at| at > now) {
            return None;
        }
        let mut due: Vec<(&String, &mut Subnet)> =
            self.subnets.iter_mut().filter(|(_, subnet)| !subnet.asking.settled()).collect();
        due.sort_by_key(|(_, subnet)| subnet.failures);
        let mut subnets = Vec::new();
        for (id, subnet) in due.into_iter().take(SUBNETS_BATCH) {
            if subnet.asking.ask() {
                subnets.push((id.clone(), subnet.router));
            }
        }
        let question = Question { macs: self.macs.ask(), subnets };
        (question.macs || !question.subnets.is_empty()).then_some(question)
    }

    /// Takes an answer over. What is not in it is asked again.
    pub fn answered(&mut self, question: &Question, heard: Heard, now: Instant) {
        let Heard { macs, subnets: mut answers, error } = heard;
        if let Some((method, error)) = error {
            tracing::warn!(method, %error, "call for distributed routing failed, will retry");
            self.retry_at = Some(now + RETRY);
        }
        match macs {
            Some(macs) if question.macs => {
                // A notification that came meanwhile is as good or better.
                if self.macs.current {
                    self.host_macs = macs.iter().map(|host| host.mac_address).collect();
                }
                self.macs.answered();
            }
            _ if question.macs => self.macs.failed(),
            _ => {}
        }
        for (id, _) in &question.subnets {
            let Some(subnet) = self.subnets.get_mut(id) else { continue };
            let Some(answer) = answers.remove(id) else {
                subnet.failures = subnet.failures.saturating_add(1);
                subnet.asking.failed();
                continue;
            };
            subnet.failures = 0;
            subnet.asking.answered();
            subnet.known = Known::of(answer);
            if subnet.known.is_none() {
                tracing::warn!(subnet_id = id, "server knows no router port there, not routing");
            }
        }
    }

    /// Whether the server has spoken of all subnets of a port, so that its flows are complete.
    #[must_use]
    pub fn knows(&self, port: &Record) -> bool {
        let mut subnets = routed(port).into_iter().flat_map(|wiring| wiring.subnets.keys());
        subnets.all(|id| self.subnets.get(id).is_some_and(|subnet| subnet.asking.heard))
    }

    /// Whether nothing is left to ask.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.macs.settled() && self.subnets.values().all(|subnet| subnet.asking.settled())
    }

    /// When something that failed may be asked again.
    #[must_use]
    pub fn next_retry(&self) -> Option<Instant> {
        self.retry_at.filter(|_| !self.settled())
    }

    /// As the data plane sees it. A subnet nobody told of yet is left out.
    #[must_use]
    pub fn view(&self, ports: &Ports, vlans: &LocalVlans) -> view::Dvr {
        let mut subnets = BTreeMap::new();
        for wiring in ports.iter().filter_map(routed) {
            let Some(mapping) = vlans.get(&wiring.network) else { continue };
            for id in wiring.subnets.keys() {
                let Some(known) = self.subnets.get(id).and_then(|s| s.known.as_ref()) else {
                    continue;
                };
                let subnet = view::DvrSubnet {
                    vlan: mapping.vlan,
                    cidr: known.cidr,
                    gateway_ip: known.gateway_ip,
                    gateway_mac: known.gateway_mac,
                };
                subnets.insert(id, subnet);
            }
        }
        let subnets = subnets.into_values().collect();
        view::Dvr { mac: self.mac, host_macs: self.host_macs.clone(), subnets }
    }
}

/// The wiring of a port that puts its subnets on a distributed router.
fn routed(port: &Record) -> Option<&Wiring> {
    let owners = [device_owner::DVR_INTERFACE, device_owner::ROUTER_SNAT];
    match &port.verdict {
        Verdict::Bound(wiring) if owners.contains(&wiring.device_owner.as_str()) => Some(wiring),
        _ => None,
    }
}

/// Asks the server; stops at the first sign that it cannot be reached.
pub async fn ask(api: &ServerApi, question: &Question) -> Heard {
    let mut heard = Heard::default();
    if question.macs {
        let method = methods::GET_DVR_MAC_ADDRESS_LIST;
        match api.call(method, json!({})).await {
            Ok(macs) => heard.macs = Some(macs),
            Err(error) => heard.error = Some((method.name, error)),
        }
    }
    for (subnet, router) in &question.subnets {
        if heard.error.as_ref().is_some_and(|(_, error)| error.retriable()) {
            break;
        }
        let method = methods::GET_SUBNET_FOR_DVR;
        let fixed_ips = router
            .map(|ip| vec![FixedIp { subnet_id: subnet.clone(), ip_address: ip.to_string() }]);
        let args = json!(SubnetForDvr { subnet: subnet.clone(), fixed_ips });
        match api.call(method, args).await {
            Ok(answer) => {
                heard.subnets.insert(subnet.clone(), answer);
            }
            Err(error) => heard.error = Some((method.name, error)),
        }
    }
    heard
}

/// The MAC of this host's routers, without which no flow of distributed routing can be made. Each
/// attempt waits no longer than `patience`.
///
/// # Errors
/// The server did not answer, or refused.
pub async fn own_mac(api: &ServerApi, patience: Duration) -> Result<MacAddr, RpcError> {
    let method = methods::GET_DVR_MAC_ADDRESS_BY_HOST;
    let mut attempt = 1;
    loop {
        let answer = tokio::time::timeout(patience, ask_own_mac(api)).await;
        let error = match answer {
            Ok(Ok(found)) => return Ok(found.mac_address),
            Ok(Err(error)) => error,
            Err(_) => RpcError::Timeout {
                topic: method.topic.into(),
                method: method.name.into(),
                timeout_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
            },
        };
        if attempt == MAC_ATTEMPTS || !error.retriable() {
            return Err(error);
        }
        tracing::warn!(attempt, %error, "no MAC for distributed routing yet, asking again");
        attempt += 1;
    }
}

/// One attempt: it lasts as long as the server cannot be reached.
async fn ask_own_mac(api: &ServerApi) -> Result<DvrMac, RpcError> {
    let mut connected = api.connected();
    loop {
        // An error means that the bus is closed, which the call then says.
        let _ = connected.wait_for(|connected| *connected).await;
        let args = json!({ "host": api.host() });
        match api.call(methods::GET_DVR_MAC_ADDRESS_BY_HOST, args).await {
            Err(error) if error.retriable() && !matches!(error, RpcError::Timeout { .. }) => {
                tokio::time::sleep(RETRY).await;
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests;
