//! Everything the agent remembers between two passes: a plain value, no I/O.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use neutrino_dataplane::{
    diff::Removal,
    names,
    view::{HostView, LocalVlan, Options, PhysicalBridge, Port, Segment, TunnelPort},
};
use neutrino_rpc::RpcError;
use neutrino_types::NetworkType;
use tokio::time::Instant;

use crate::{
    config::Config,
    dvr::Dvr,
    fdb::Fdb,
    flows::Removals,
    local_vlans::{LocalVlans, NetworkKey},
    observe::{Bridge, Vif},
    ports::{Ports, Record, Verdict},
    rpc,
    security_groups::SecurityGroups,
};

/// `datapath_type` of a datapath in user space.
const USERSPACE_DATAPATH: &str = "netdev";

/// Longest time after a complete sync that a stream of forwarding entries defers the sweep.
const MAX_CONFIRMATION: Duration = Duration::from_secs(120);

/// Which calls are under way; at most one of each kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Calls {
    /// Asking for details or for security groups; one after the other, so that an older answer
    /// never comes after a newer one.
    pub details: bool,
    /// Reporting devices.
    pub report: bool,
    /// Announcing tunnels.
    pub tunnels: bool,
    /// Asking for what distributed routing needs.
    pub dvr: bool,
}

/// What to ask the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// How to wire these devices, with what they may send and receive.
    Devices(Vec<String>),
    /// Only the latter, of devices that stand for all that use the same groups.
    Groups(Vec<String>),
}

/// The agent's memory.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// VIFs.
    pub ports: Ports,
    /// Local VLANs.
    pub vlans: LocalVlans,
    /// l2population entries.
    pub fdb: Fdb,
    /// Security groups of the VIFs.
    pub security_groups: SecurityGroups,
    /// Distributed routing; none when this host takes no part in it.
    pub dvr: Option<Dvr>,
    /// Tunnel endpoints of other hosts, with whether confirmed since the last connection.
    pub endpoints: BTreeMap<(NetworkType, IpAddr), bool>,
    /// Physical networks whose bridges are wired.
    pub physical: BTreeSet<String>,
    /// Tunnel types whose endpoints are to be asked for.
    pub tunnels_pending: BTreeSet<NetworkType>,
    /// Whether the server is connected.
    pub connected: bool,
    /// Calls under way.
    pub calls: Calls,
    /// Whether the question asked last was for groups alone.
    groups_asked_last: bool,
    /// Whether the server was heard completely since the last connection.
    pub complete: bool,
    /// Whether it ever was.
    pub first_sync_done: bool,
    /// Whether the flows found at start were read.
    pub flows_known: bool,
    /// Whether what nobody desires may be removed; false until the first sync is confirmed.
    removing: bool,
    /// When what was not confirmed goes.
    sweep_at: Option<Instant>,
    /// When it goes at the latest.
    sweep_by: Option<Instant>,
    /// Networks whose forwarding entries were asked for since the last connection.
    refreshed: BTreeSet<NetworkKey>,
    /// No call before this.
    calls_retry_at: Option<Instant>,
}

impl State {
    /// Nothing remembered yet; `dvr` when this host takes part in distributed routing.
    #[must_use]
    pub fn new(dvr: Option<Dvr>) -> Self {
        Self { dvr, ..Self::default() }
    }

    /// A new connection, or notifications lost: everything must be heard again, and nothing
    /// changes on the host until it was.
    pub fn resync(&mut self, config: &Config) {
        self.connected = true;
        self.complete = false;
        self.sweep_at = None;
        self.calls_retry_at = None;
        self.ports.touch_all();
        if let Some(dvr) = &mut self.dvr {
            dvr.touch_all();
        }
        self.fdb.unconfirm();
        self.refreshed.clear();
        self.endpoints.values_mut().for_each(|confirmed| *confirmed = false);
        self.tunnels_pending = config.tunnel_types.iter().copied().collect();
    }

    /// A call failed; all calls pause.
    pub fn call_failed(&mut self, method: &'static str, error: &RpcError, now: Instant) {
        tracing::warn!(method, error = %error, "call to the server failed, will retry");
        self.calls_retry_at = Some(now + rpc::RETRY);
    }

    /// Whether calls may be made now.
    #[must_use]
    pub fn may_call(&self, now: Instant) -> bool {
        self.connected && self.calls_retry_at.is_none_or(|at| at <= now)
    }

    /// Whether removals are on hold.
    #[must_use]
    pub fn removal(&self) -> Removal {
        if self.removing { Removal::Stale } else { Removal::Hold }
    }

    /// Takes over what is plugged now.
    pub fn observe_vifs(&mut self, vifs: BTreeMap<String, Vif>) {
        self.ports.observe(vifs);
        let ports = &self.ports;
        self.security_groups.retain(|port_id| ports.get(port_id).is_some());
    }

    /// A port changed: ask again, also for what it says of subnets.
    pub fn touch(&mut self, port_id: &str) {
        self.ports.touch(port_id);
        if let (Some(dvr), Some(port)) = (&mut self.dvr, self.ports.get(port_id)) {
            dvr.touch(port);
        }
    }

    /// What may be removed of the bridges' flows.
    #[must_use]
    pub fn flow_removals(&self) -> Removals {
        let all = self.removal();
        Removals { all, firewall: if self.ports.all_heard() { Removal::Stale } else { all } }
    }

    /// Keeps the local VLAN map in step with the VIFs. Networks that found no free id are left
    /// out, so their ports stay unwired.
    pub fn assign_vlans(&mut self) {
        // Adoption comes first, so that networks keep the ids their ports carry.
        for (key, vlan, segment) in self.ports.iter().filter_map(|r| r.vif.adoptable()) {
            self.vlans.adopt(key, vlan, segment);
        }
        let mut present = BTreeSet::new();
        for record in self.ports.iter() {
            let (key, segment) = match (&record.verdict, record.vif.adoptable()) {
                (Verdict::Bound(wiring), _) => (wiring.network.clone(), wiring.segment.clone()),
                // Until the server is heard, what a previous run wired stays wired.
                (Verdict::Unheard, Some((key, _, segment))) => (key, segment),
                _ => continue,
            };
            // Before the flows of a former run were read nobody knows which ids they mention.
            if !self.flows_known && self.vlans.get(&key).is_none() {
                continue;
            }
            match self.vlans.ensure(&key, &segment) {
                Ok(_) => {
                    present.insert(key);
                }
                Err(error) => {
                    tracing::error!(port_id = record.vif.port_id, %error, "port cannot be wired");
                }
            }
        }
        for (key, vlan) in self.vlans.retain(&present) {
            if !self.removing {
                // Its flows stay for now.
                self.vlans.hold([vlan]);
            }
            tracing::info!(network_id = key.network_id, vlan, "local VLAN reclaimed");
        }
        self.fdb.retain(&present);
        self.refreshed.retain(|key| present.contains(key));
    }

    /// The flows found at start mention these local VLANs; while such flows may not be removed,
    /// no other network gets the ids. Answers true the first time.
    pub fn flows_read(&mut self, vlans: impl IntoIterator<Item = u16>) -> bool {
        if !self.removing {
            self.vlans.hold(vlans);
        }
        !std::mem::replace(&mut self.flows_known, true)
    }

    /// The tunnels this host should have.
    #[must_use]
    pub fn wanted_tunnels(&self, config: &Config) -> BTreeSet<(NetworkType, IpAddr)> {
        if !config.l2_population {
            return self.endpoints.keys().copied().collect();
        }
        let networks = self.vlans.iter().filter(|(_, m)| m.segment.network_type.is_tunnel());
        networks
            .flat_map(|(key, mapping)| {
                let network_type = mapping.segment.network_type;
                self.fdb.table(key).into_keys().map(move |remote| (network_type, remote))
            })
            .collect()
    }

    /// The host as the data plane sees it; none while a patch port has no number yet.
    #[must_use]
    pub fn view(&self, config: &Config, seen: &BTreeMap<String, Bridge>) -> Option<HostView> {
        let int = seen.get(&config.integration_bridge)?;
        let mut view = HostView {
            options: Options {
                l2_population: config.l2_population,
                arp_responder: config.arp_responder,
                firewall: config.firewall,
                userspace_datapath: int.datapath_type == USERSPACE_DATAPATH,
                explicitly_egress_direct: config.explicitly_egress_direct,
                permitted_ethertypes: config.permitted_ethertypes.clone(),
            },
            ..HostView::default()
        };
        if config.tunnelling() {
            let tun = seen.get(&config.tunnel_bridge)?;
            view.patch_int = Some(tun.ofport(&config.tun_peer_patch_port)?);
            view.patch_tun = Some(int.ofport(&config.int_peer_patch_port)?);
            view.tunnel_ports = tun
                .tunnels()
                .into_iter()
                .filter(|t| config.tunnel_types.contains(&t.network_type))
                .filter_map(|t| {
                    let (network_type, remote_ip) = (t.network_type, t.remote_ip);
                    Some(TunnelPort { network_type, remote_ip, ofport: t.port.ofport? })
                })
                .collect();
        }
        for (network, bridge) in &config.bridge_mappings {
            // A physical bridge that is gone takes its own networks with it, not the others.
            let Some(phys) = seen.get(bridge) else { continue };
            let (Some(int_ofport), Some(phys_ofport)) =
                (int.ofport(&names::int_patch(bridge)), phys.ofport(&names::phys_patch(bridge)))
            else {
                continue;
            };
            let bridge = PhysicalBridge { bridge: bridge.clone(), int_ofport, phys_ofport };
            view.physical.insert(network.clone(), bridge);
        }
        view.vlans = self
            .vlans
            .iter()
            .map(|(key, mapping)| LocalVlan {
                network_id: key.network_id.clone(),
                vlan: mapping.vlan,
                segment: mapping.segment.clone(),
                fdb: self.fdb.table(key),
            })
            .collect();
        view.ports = self.ports.iter().filter_map(|record| self.port_view(record)).collect();
        view.security_groups = self.security_groups.known().clone();
        view.dvr = self.dvr.as_ref().map(|dvr| dvr.view(&self.ports, &self.vlans));
        Some(view)
    }

    /// The port in its network's VLAN and with its groups.
    fn port_view(&self, record: &Record) -> Option<Port> {
        let network = record.network();
        let vlan = network.and_then(|key| Some(self.vlans.get(&key)?.vlan));
        let mut port = record.view(vlan)?;
        let groups = self.security_groups.of_port(&port.id);
        port.security_groups = groups.cloned().unwrap_or_default();
        Some(port)
    }

    /// The next question; what it is about counts as asked. Devices and groups come in turn: neither
    /// a stream of notifications nor one of new ports keeps the other waiting.
    ///
    /// Not to be called while an answer is awaited (see [`Calls::details`]).
    pub fn next_question(&mut self, now: Instant) -> Option<Question> {
        let devices_first = std::mem::take(&mut self.groups_asked_last);
        for devices_turn in [devices_first, !devices_first] {
            if devices_turn {
                let devices = self.ports.ask(rpc::DETAILS_BATCH, now);
                if !devices.is_empty() {
                    return Some(Question::Devices(devices));
                }
            } else {
                let devices = self.security_groups.ask();
                if !devices.is_empty() {
                    self.groups_asked_last = true;
                    return Some(Question::Groups(devices));
                }
            }
        }
        None
    }

    /// Devices to report up next, and whether to ask for their networks' forwarding entries.
    ///
    /// One device per network asks: the server answers with the whole network, so asking for
    /// every device would cost the square of their number.
    pub fn next_up(&mut self, config: &Config, limit: usize, now: Instant) -> (Vec<String>, bool) {
        let mut asking = Vec::new();
        let mut plain = Vec::new();
        for record in self.ports.to_report_up(now) {
            let id = record.vif.port_id.clone();
            let Some(network) = record.network() else { continue };
            // Its flows are not complete.
            if self.dvr.as_ref().is_some_and(|dvr| !dvr.knows(record)) {
                continue;
            }
            let Some(Segment { network_type, physical_network, .. }) =
                self.vlans.get(&network).map(|m| &m.segment)
            else {
                continue;
            };
            if physical_network.as_ref().is_some_and(|name| !self.physical.contains(name)) {
                continue;
            }
            let tunnelled = network_type.is_tunnel() && config.l2_population;
            if tunnelled && !self.refreshed.contains(&network) {
                if asking.len() < limit {
                    self.refreshed.insert(network);
                    asking.push(id);
                }
            } else if plain.len() < limit {
                plain.push(id);
            }
        }
        if asking.is_empty() { (plain, false) } else { (asking, true) }
    }

    /// A report that asked for forwarding entries failed: the next one must ask again.
    pub fn refresh_failed(&mut self, devices: &[String]) {
        for record in self.ports.iter().filter(|r| devices.contains(&r.vif.port_id)) {
            if let Some(network) = record.network() {
                self.refreshed.remove(&network);
            }
        }
    }

    /// Notes progress of the sync; answers true once, when the first one is complete.
    pub fn note_progress(&mut self, config: &Config, now: Instant) -> bool {
        let Calls { details, report, tunnels, dvr } = self.calls;
        let calling = details || report || tunnels || dvr;
        let routed = self.dvr.as_ref().is_none_or(Dvr::settled);
        let heard = self.ports.settled() && self.security_groups.settled() && routed;
        let settled = heard && self.tunnels_pending.is_empty() && !calling;
        if self.connected && settled && !self.complete {
            self.complete = true;
            let pause = if config.l2_population { config.confirmation } else { Duration::ZERO };
            self.sweep_at = Some(now + pause);
            self.sweep_by = Some(now + MAX_CONFIRMATION);
            tracing::info!(devices = self.ports.len(), "in sync with the server");
            return !std::mem::replace(&mut self.first_sync_done, true);
        }
        false
    }

    /// Forwarding entries arrived, so more may follow: other hosts may be starting, too, and their
    /// ports are not in the tables the server sends before they have reported them.
    pub fn confirmations_flow(&mut self, config: &Config, now: Instant) {
        if let (Some(at), Some(by)) = (self.sweep_at, self.sweep_by) {
            self.sweep_at = Some(at.max(now + config.confirmation).min(by));
        }
    }

    /// Whether the server was heard completely and what it did not confirm is gone.
    #[must_use]
    pub fn swept(&self) -> bool {
        self.complete && self.sweep_at.is_none()
    }

    /// Drops what the server did not confirm, once that is due. Answers whether it was.
    pub fn sweep(&mut self, now: Instant) -> bool {
        if !self.connected || self.sweep_at.is_none_or(|at| at > now) {
            return false;
        }
        self.sweep_at = None;
        self.removing = true;
        self.vlans.release();
        let entries = self.fdb.sweep();
        let before = self.endpoints.len();
        self.endpoints.retain(|_, confirmed| *confirmed);
        let endpoints = before - self.endpoints.len();
        tracing::info!(entries, endpoints, "dropped what the server no longer knows");
        true
    }

    /// The first moment after `now` at which the state wants to be looked at again without
    /// anything happening. `now` is when it was last looked at, so that none is missed.
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        if !self.connected {
            return None;
        }
        let dvr = self.dvr.as_ref().and_then(Dvr::next_retry);
        let all = [self.sweep_at, self.calls_retry_at, self.ports.next_retry(now), dvr];
        all.into_iter().flatten().filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests {
    use neutrino_conf::Conf;
    use neutrino_rpc::shapes::DeviceDetails;
    use uuid::Uuid;

    use super::*;
    use crate::observe::Port;

    fn config() -> Config {
        let text =
            "[ovs]\nlocal_ip = 10.0.0.1\n[agent]\ntunnel_types = vxlan\nl2_population = true\n";
        Config::from_conf("h1", &Conf::parse_str(text).expect("valid INI")).expect("valid")
    }

    fn vif(n: u32, tag: Option<u16>, network: Option<&str>) -> Vif {
        let other_config = network.map_or_else(BTreeMap::new, |id| {
            [("net_uuid", id), ("network_type", "vxlan"), ("segmentation_id", "7")]
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .into()
        });
        let port = Port {
            row: Uuid::from_u128(n.into()),
            interface: Uuid::from_u128(n.into()),
            interface_name: format!("tap{n}"),
            ofport: Some(n),
            error: None,
            kind: String::new(),
            options: BTreeMap::new(),
            external_ids: BTreeMap::new(),
            tag,
            trunk: false,
            other_config,
        };
        let mac = "fa:16:3e:00:00:01".parse().expect("valid");
        Vif { port_id: format!("p{n}"), mac, name: format!("tap{n}"), port }
    }

    fn observe(state: &mut State, vifs: Vec<Vif>) {
        state.ports.observe(vifs.into_iter().map(|v| (v.port_id.clone(), v)).collect());
        state.assign_vlans();
    }

    fn answer_all(state: &mut State, config: &Config, now: Instant) {
        let devices = state.ports.ask(100, now);
        let details = devices
            .iter()
            .map(|id| DeviceDetails {
                device: id.clone(),
                port_id: Some(id.clone()),
                network_id: Some("net".into()),
                admin_state_up: true,
                network_type: Some("vxlan".into()),
                segmentation_id: Some(7),
                ..DeviceDetails::default()
            })
            .collect();
        state.ports.answered(config, &devices, details, now);
        state.assign_vlans();
    }

    #[tokio::test]
    async fn networks_of_a_former_run_keep_their_vlan_until_the_last_port_leaves() {
        let mut state = State { flows_known: true, ..State::default() };
        observe(&mut state, vec![vif(1, Some(9), Some("net")), vif(2, Some(4095), Some("net"))]);
        let vlans: Vec<u16> = state.vlans.iter().map(|(_, m)| m.vlan).collect();
        assert_eq!(vlans, [9]);
        answer_all(&mut state, &config(), Instant::now());
        assert_eq!(state.vlans.iter().map(|(_, m)| m.vlan).collect::<Vec<_>>(), [9]);
        observe(&mut state, vec![]);
        assert_eq!(state.vlans.iter().count(), 0);
    }

    #[tokio::test]
    async fn no_network_gets_the_vlan_of_flows_that_stay_for_now() {
        let (config, now) = (config(), Instant::now());
        let mut state = State::default();
        observe(&mut state, vec![vif(1, None, None)]);
        answer_all(&mut state, &config, now);
        assert_eq!(state.vlans.iter().count(), 0, "the flows are not known yet");
        assert!(state.flows_read([1]));
        state.assign_vlans();
        assert_eq!(state.vlans.iter().map(|(_, m)| m.vlan).collect::<Vec<_>>(), [2]);
        // Reclaimed while removals are on hold.
        observe(&mut state, vec![]);
        observe(&mut state, vec![vif(1, None, None)]);
        answer_all(&mut state, &config, now);
        assert_eq!(state.vlans.iter().map(|(_, m)| m.vlan).collect::<Vec<_>>(), [3]);
        observe(&mut state, vec![]);
        state.connected = true;
        state.sweep_at = Some(now);
        assert!(state.sweep(now));
        observe(&mut state, vec![vif(1, None, None)]);
        answer_all(&mut state, &config, now);
        assert_eq!(state.vlans.iter().map(|(_, m)| m.vlan).collect::<Vec<_>>(), [1]);
    }

    #[tokio::test]
    async fn changed_groups_and_new_devices_are_asked_for_in_turn() {
        let now = Instant::now();
        let mut state = State { flows_known: true, ..State::default() };
        let info = r#"{"devices": {"p0": {"security_groups": ["web"]}},
                       "security_groups": {"web": []}, "sg_member_ips": {}}"#;
        state.security_groups.learn(serde_json::from_str(info).expect("of the shape"));
        let count = u32::try_from(2 * rpc::DETAILS_BATCH).expect("small");
        observe(&mut state, (1..=count).map(|n| vif(n, None, None)).collect());
        let mut asked = Vec::new();
        // Groups change faster than the server answers.
        for _ in 0..4 {
            state.security_groups.rules_updated(vec!["web".into()]);
            asked.push(match state.next_question(now).expect("a question") {
                Question::Groups(devices) => {
                    assert_eq!(devices, ["p0"]);
                    "groups"
                }
                Question::Devices(devices) => {
                    assert_eq!(devices.len(), rpc::DETAILS_BATCH);
                    "devices"
                }
            });
        }
        assert_eq!(asked, ["groups", "devices", "groups", "devices"]);
        assert!(matches!(state.next_question(now), Some(Question::Groups(_))));
        assert_eq!(state.next_question(now), None);
    }

    #[tokio::test]
    async fn one_device_per_network_asks_for_the_forwarding_entries() {
        let (config, now) = (config(), Instant::now());
        let mut state = State { flows_known: true, ..State::default() };
        state.resync(&config);
        observe(&mut state, (1..=5).map(|n| vif(n, None, None)).collect());
        answer_all(&mut state, &config, now);
        let (asking, refresh) = state.next_up(&config, 20, now);
        assert!(refresh);
        assert_eq!(asking, ["p1"]);
        state.ports.acknowledged(&asking, true);
        let (plain, refresh) = state.next_up(&config, 20, now);
        assert!(!refresh);
        assert_eq!(plain.len(), 4);
        // A failed report must ask again.
        state.refresh_failed(&asking);
        assert!(state.next_up(&config, 20, now).1);
    }

    #[tokio::test]
    async fn nothing_is_removed_before_the_first_complete_sync() {
        let (config, now) = (config(), Instant::now());
        let mut state = State::default();
        assert!(!state.note_progress(&config, now), "not connected");
        state.resync(&config);
        assert!(!state.note_progress(&config, now), "tunnels not announced");
        state.tunnels_pending.clear();
        assert!(state.note_progress(&config, now));
        assert!(!state.sweep(now), "forwarding entries have time to arrive");
        assert_eq!(state.removal(), Removal::Hold);
        let later = now + config.confirmation;
        state.confirmations_flow(&config, later);
        assert!(!state.sweep(later), "entries keep coming");
        let later = state.next_deadline(later).expect("a deadline");
        assert!(state.sweep(later));
        assert_eq!(state.removal(), Removal::Stale);
        // A reconnect holds back the sweep, but removals stay allowed: memory is complete.
        state.resync(&config);
        assert!(!state.sweep(later));
        assert_eq!(state.removal(), Removal::Stale);
    }
}
