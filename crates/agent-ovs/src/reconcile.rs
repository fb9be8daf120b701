//! The agent's loop: woken by OVSDB, OpenFlow, the server or a timer, it looks at everything and
//! makes the host right.
//!
//! ```text
//!  OVSDB replica --+                      +-- OVSDB transaction
//!  OpenFlow      --+--> pass: observe --> plan --> apply, confirmed --> report to the server
//!  notifications --+          ^                                              |
//!  answers       --+----------+----------------- calls beside the loop <-----+
//! ```
//!
//! A pass never waits for the server. What fails is tried again; what the server has not said
//! since start is left as it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use neutrino_agent::Notification;
use neutrino_dataplane::{firewall::Driver, view::HostView};
use neutrino_ofconn::{OfController, Switch};
use neutrino_ovsdb::{OvsdbClient, OvsdbError, Replica};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use crate::{
    apply,
    config::Config,
    connections::Tracker,
    dvr::Dvr,
    flows::{BridgeFlows, FlowsError, Role},
    iptables::{Iptables, IptablesError},
    observe::{self, Bridge},
    plan::{self, DbChange},
    ports::{Record, Verdict},
    rpc::{self, Answer, Caller},
    state::{Question, State},
    status::Progress,
};

/// Shortest time between the starts of two passes: a burst of events becomes few passes.
const MIN_PASS_INTERVAL: Duration = Duration::from_millis(5);
/// Pause after a failed pass; doubles up to [`MAX_BACKOFF`].
const MIN_BACKOFF: Duration = Duration::from_millis(50);
/// Longest pause after failed passes.
const MAX_BACKOFF: Duration = Duration::from_secs(5);
/// How long Open vSwitch may take to come up before that is worth a warning.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a pass waits for ovs-vswitchd to apply the database.
const APPLY_TIMEOUT: Duration = Duration::from_secs(2);
/// How often all flows are read again even if nothing seems to have happened.
const AUDIT_INTERVAL: Duration = Duration::from_secs(60);

/// Why a pass did not make the host right.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// Open vSwitch's database refused or could not be reached.
    #[error("writing to Open vSwitch's database")]
    Ovsdb(#[from] OvsdbError),
    /// Flows.
    #[error(transparent)]
    Flows(#[from] FlowsError),
    /// Packet filter.
    #[error(transparent)]
    Iptables(#[from] IptablesError),
    /// Bridges that have not connected to the agent.
    #[error("waiting for {0} to connect")]
    NotConnected(String),
    /// Patch ports without a number.
    #[error("waiting for the patch ports of {0}")]
    NoPatchPorts(String),
}

impl PassError {
    /// Whether this is what a start or restart of Open vSwitch looks like from here.
    fn expected_at_start(&self) -> bool {
        matches!(
            self,
            Self::NotConnected(_)
                | Self::NoPatchPorts(_)
                | Self::Flows(FlowsError::PortsNotReady { .. })
        )
    }
}

/// The agent's connections.
pub struct Parts {
    /// Open vSwitch's database.
    pub ovsdb: OvsdbClient,
    /// OpenFlow.
    pub controller: OfController,
    /// Calls to the server.
    pub caller: Caller,
    /// Their answers.
    pub answers: mpsc::UnboundedReceiver<Answer>,
    /// What the server says.
    pub notifications: mpsc::Receiver<Notification>,
}

/// The reconciler.
pub struct Agent {
    config: Arc<Config>,
    parts: Parts,
    state: State,
    bridges: Vec<BridgeFlows>,
    iptables: Iptables,
    tracker: Tracker,
    progress: watch::Sender<Progress>,
    audit_at: Instant,
    poll_at: Instant,
    backoff: Option<Duration>,
    retry_at: Option<Instant>,
    failing: Option<Failing>,
}

/// Passes fail.
struct Failing {
    since: Instant,
    /// What was warned of last.
    warned: Option<String>,
}

impl Agent {
    /// An agent that has not looked at anything; `dvr` when it does distributed routing.
    #[must_use]
    pub fn new(config: Config, dvr: Option<Dvr>, parts: Parts) -> Self {
        let drop = config.drop_flows_on_start;
        let mut bridges =
            vec![BridgeFlows::new(&config.integration_bridge, Role::Integration, drop)];
        if config.tunnelling() {
            bridges.push(BridgeFlows::new(&config.tunnel_bridge, Role::Tunnel, drop));
        }
        for (network, bridge) in &config.bridge_mappings {
            bridges.push(BridgeFlows::new(bridge, Role::Physical(network.clone()), drop));
        }
        let now = Instant::now();
        Self {
            poll_at: now + config.polling_interval,
            iptables: Iptables::new(&config),
            tracker: Tracker::new(&config.ovsdb_connection),
            config: Arc::new(config),
            parts,
            state: State::new(dvr),
            bridges,
            progress: watch::channel(Progress::default()).0,
            audit_at: now + AUDIT_INTERVAL,
            backoff: None,
            // The first pass needs no event.
            retry_at: Some(now),
            failing: None,
        }
    }

    /// The agent's progress, to be watched.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Runs until the server's connection handle ends or the database client does.
    pub async fn run(mut self) {
        let mut changes = self.parts.ovsdb.changes();
        let mut switches = self.parts.controller.changes();
        let mut looked_at = Instant::now();
        loop {
            let deadline = self.deadline(looked_at);
            tokio::select! {
                // Cancel-safe: all arms only tell that something happened, or take one message.
                alive = changes.changed() => if !alive { return },
                () = switches.changed() => {}
                notification = self.parts.notifications.recv() => match notification {
                    Some(notification) => self.notified(notification),
                    None => return,
                },
                Some(answer) = self.parts.answers.recv() => {
                    rpc::answered(&mut self.state, &self.config, answer);
                }
                () = tokio::time::sleep_until(deadline) => {}
            }
            // A pass takes about as long as this pause under load, so bursts share passes.
            let next = looked_at + MIN_PASS_INTERVAL;
            if next > Instant::now() {
                tokio::time::sleep_until(next).await;
            }
            self.drain();
            looked_at = Instant::now();
            self.activate(looked_at).await;
        }
    }

    fn deadline(&self, looked_at: Instant) -> Instant {
        let fixed = self.poll_at.min(self.audit_at);
        let all = [self.state.next_deadline(looked_at), self.retry_at, Some(fixed)];
        all.into_iter().flatten().min().unwrap_or(fixed)
    }

    fn notified(&mut self, notification: Notification) {
        rpc::notified(&mut self.state, &self.config, notification);
    }

    /// Takes all that is waiting, so that one pass serves it.
    fn drain(&mut self) {
        while let Ok(notification) = self.parts.notifications.try_recv() {
            self.notified(notification);
        }
        while let Ok(answer) = self.parts.answers.try_recv() {
            rpc::answered(&mut self.state, &self.config, answer);
        }
    }

    /// One pass and what follows from it.
    async fn activate(&mut self, now: Instant) {
        self.poll(now).await;
        self.state.sweep(now);
        let mut result = self.pass().await;
        if result.is_ok() && self.flows_read() {
            // Ports of networks that are new here waited for that.
            result = self.pass().await;
        }
        let in_sync = result.is_ok();
        // Only failures of retries count for the pause: passes woken by events come in bursts.
        let retried = self.retry_at.take().is_none_or(|at| at <= now);
        let error = result.unwrap_or_else(Some);
        let flows_in_sync = error.is_none();
        match error {
            None => {
                self.backoff = None;
                if self.failing.take().is_some_and(|f| f.warned.is_some()) {
                    tracing::info!("host in sync again");
                }
            }
            Some(error) => {
                let pause = match self.backoff {
                    None => MIN_BACKOFF,
                    Some(pause) if retried => (pause * 2).min(MAX_BACKOFF),
                    Some(pause) => pause,
                };
                self.failed(&error, now);
                self.backoff = Some(pause);
                self.retry_at = Some(Instant::now() + pause);
            }
        }
        self.call(in_sync, now);
        if in_sync {
            self.state.note_progress(&self.config, now);
        }
        self.progress.send_modify(|p| {
            p.passes += 1;
            p.devices = self.state.ports.len();
            p.active = self.state.ports.active();
            p.synced = self.state.complete;
            p.started = self.state.first_sync_done;
            p.swept = self.state.swept();
            p.flows_in_sync = flows_in_sync;
        });
    }

    /// A failure is news once, not at every attempt, and waiting for Open vSwitch to come up is
    /// none for the first seconds.
    fn failed(&mut self, error: &PassError, now: Instant) {
        let failing = self.failing.get_or_insert(Failing { since: now, warned: None });
        let text = with_cause(error);
        if error.expected_at_start() && now.duration_since(failing.since) < PATIENCE {
            tracing::debug!(error = text, "host not ready, will look again");
        } else if failing.warned.as_deref() != Some(text.as_str()) {
            tracing::warn!(error = text, "host not in sync, will try again");
            failing.warned = Some(text);
        }
    }

    /// Notes which VLANs the flows mention. Answers whether they were read for the first time.
    fn flows_read(&mut self) -> bool {
        if self.state.flows_known {
            return false;
        }
        let vlans: BTreeSet<u16> = self.bridges.iter().flat_map(BridgeFlows::vlans).collect();
        self.state.flows_read(vlans)
    }

    /// The regular look at the canary, and the audit.
    async fn poll(&mut self, now: Instant) {
        if now >= self.audit_at {
            self.audit_at = now + AUDIT_INTERVAL;
            self.bridges.iter_mut().for_each(BridgeFlows::forget);
            self.iptables.forget();
        }
        if now < self.poll_at {
            return;
        }
        self.poll_at = now + self.config.polling_interval;
        let alive = self.look_at_canary().await;
        self.progress.send_modify(|p| {
            // Before the first connection Open vSwitch is not down but on its way.
            p.ovs_seen |= alive;
            p.ovs_down = p.ovs_seen && !alive;
        });
    }

    /// Rebuilds everything when the canary is gone. Answers whether Open vSwitch answers.
    async fn look_at_canary(&mut self) -> bool {
        let replica = self.parts.ovsdb.replica();
        let switch = self.switch_of(&replica, &self.config.integration_bridge);
        // br-int is the first of the list, by construction.
        let (Some(switch), Some(int)) = (switch, self.bridges.first()) else { return false };
        match int.canary_alive(&switch).await {
            Ok(true) => true,
            Ok(false) => {
                tracing::warn!("Open vSwitch has not all its flows, reading them again");
                self.bridges.iter_mut().for_each(BridgeFlows::forget);
                true
            }
            Err(error) => {
                tracing::warn!(error = with_cause(&error), "Open vSwitch does not answer");
                false
            }
        }
    }

    fn switch_of(&self, replica: &Replica, bridge: &str) -> Option<Switch> {
        let datapath_id = replica.bridge(bridge)?.datapath_id()?;
        self.parts.controller.switch(datapath_id)
    }

    /// Observe, plan, apply: the host is as the state wants it when this is `Ok`, except for the
    /// physical networks whose bridges failed as the inner error says.
    async fn pass(&mut self) -> Result<Option<PassError>, PassError> {
        if !self.parts.ovsdb.is_connected() {
            return Err(OvsdbError::Disconnected.into());
        }
        let mut seen = self.observe();
        let mut changes = plan::bridges(&self.config, &seen);
        changes.extend(plan::patches(&self.config, &seen));
        changes.extend(self.tunnel_changes(&seen));
        if self.write(&changes).await? {
            seen = self.observe();
        }
        let view = self
            .state
            .view(&self.config, &seen)
            .ok_or_else(|| PassError::NoPatchPorts(self.config.integration_bridge.clone()))?;
        let view = Arc::new(view);
        // Before its flows go: without them a port would be open until it is isolated.
        self.write(&self.isolations()).await?;
        let failed = self.sync_flows(&seen, &view).await?;
        if self.config.firewall == Driver::Openvswitch {
            self.tracker.sync(&view).await;
        }
        self.sync_iptables(&seen, &view).await?;
        let mut changes = self.bindings();
        let mut wired = BTreeSet::new();
        for (network, bridge) in &view.physical {
            if !failed.contains_key(network) {
                changes.extend(plan::connect_physical(&self.config, &seen, &bridge.bridge));
                wired.insert(network.clone());
            }
        }
        self.write(&changes).await?;
        self.note_physical(wired);
        Ok(failed.into_values().next())
    }

    /// Notes which physical networks are wired. Without its bridge a physical network's ports
    /// stay down, but nobody else's.
    fn note_physical(&mut self, wired: BTreeSet<String>) {
        if wired == self.state.physical {
            return;
        }
        for (network, bridge) in &self.config.bridge_mappings {
            if !wired.contains(network) {
                tracing::error!(network, bridge, "physical network is not wired");
            }
        }
        self.state.physical = wired;
    }

    /// Looks at the database and takes the VIFs into the state.
    fn observe(&mut self) -> BTreeMap<String, Bridge> {
        let replica = self.parts.ovsdb.replica();
        let seen = observe::bridges(&replica, plan::bridge_names(&self.config));
        // Without br-int nothing is known of the VIFs; with it gone they are gone, too.
        let vifs = seen.get(&self.config.integration_bridge).map(Bridge::vifs).unwrap_or_default();
        self.state.observe_vifs(vifs);
        self.state.assign_vlans();
        if let Some(dvr) = &mut self.state.dvr {
            dvr.observe(&self.state.ports);
        }
        seen
    }

    fn tunnel_changes(&self, seen: &BTreeMap<String, Bridge>) -> Vec<DbChange> {
        if !self.config.tunnelling() {
            return Vec::new();
        }
        let tunnels = seen.get(&self.config.tunnel_bridge).map(Bridge::tunnels).unwrap_or_default();
        let wanted = self.state.wanted_tunnels(&self.config);
        plan::tunnels(&self.config, &tunnels, &wanted, self.state.removal())
    }

    /// VIFs that must not talk, or leave.
    fn isolations(&self) -> Vec<DbChange> {
        let filtered = self.config.security_groups();
        let change = |record: &Record| match &record.verdict {
            _ if record.evict => Some(DbChange::DelPort { name: record.vif.name.clone() }),
            Verdict::Disabled | Verdict::Refused => plan::kill(&record.vif),
            // Just plugged: a port without VLAN is in all of them. One that a former run wired
            // stays as it is.
            Verdict::Unheard if filtered && record.vif.port.tag.is_none() => {
                plan::kill(&record.vif)
            }
            Verdict::Unheard | Verdict::Bound(_) => None,
        };
        self.numbered().filter_map(change).collect()
    }

    /// VIFs that are not in their network's local VLAN yet, once their flows are there.
    fn bindings(&self) -> Vec<DbChange> {
        let change = |record: &Record| match &record.verdict {
            Verdict::Bound(wiring) if !record.evict => {
                let vlan = self.state.vlans.get(&wiring.network)?.vlan;
                let network_id = &wiring.network.network_id;
                plan::bind(&record.vif, network_id, &wiring.segment, vlan)
            }
            _ => None,
        };
        self.numbered().filter_map(change).collect()
    }

    /// The VIFs the switch has a number for.
    fn numbered(&self) -> impl Iterator<Item = &Record> {
        self.state.ports.iter().filter(|record| record.vif.port.ofport.is_some())
    }

    /// Makes the changes in one transaction. Answers whether there were any.
    async fn write(&self, changes: &[DbChange]) -> Result<bool, PassError> {
        if changes.is_empty() {
            return Ok(false);
        }
        let replica = self.parts.ovsdb.replica();
        let txn = apply::transaction(&self.config, &replica, changes)?;
        // A port is wired when ovs-vswitchd has applied its VLAN, not when the database has it.
        if changes.iter().any(DbChange::concerns_vif) {
            self.parts.ovsdb.transact_applied(txn, APPLY_TIMEOUT).await?;
        } else {
            self.parts.ovsdb.transact(txn).await?;
        }
        tracing::debug!(changes = changes.len(), "database written");
        Ok(true)
    }

    /// Brings every bridge's flows to what the view asks for. Answers the physical networks whose
    /// bridges failed; those do not concern the ports of other networks.
    async fn sync_flows(
        &mut self,
        seen: &BTreeMap<String, Bridge>,
        view: &Arc<HostView>,
    ) -> Result<BTreeMap<String, PassError>, PassError> {
        let mut failed = BTreeMap::new();
        let removals = self.state.flow_removals();
        for flows in &mut self.bridges {
            let network = match &flows.role {
                Role::Physical(network) if !view.physical.contains_key(network) => continue,
                Role::Physical(network) => Some(network.clone()),
                Role::Integration | Role::Tunnel => None,
            };
            let bridge = seen.get(&flows.name);
            let switch =
                bridge.and_then(|b| b.datapath_id).and_then(|id| self.parts.controller.switch(id));
            let result = match (bridge, switch) {
                (Some(bridge), Some(switch)) => {
                    flows.sync(&switch, bridge, view, removals).await.map_err(PassError::from)
                }
                _ => Err(PassError::NotConnected(flows.name.clone())),
            };
            match (result, network) {
                (Ok(count), _) => {
                    self.progress.send_if_modified(|p| {
                        p.flow_mods += count as u64;
                        false
                    });
                }
                (Err(error), Some(network)) => {
                    failed.insert(network, error);
                }
                (Err(error), None) => return Err(error),
            }
        }
        Ok(failed)
    }

    /// Brings the packet filter to what the view asks for.
    async fn sync_iptables(
        &mut self,
        seen: &BTreeMap<String, Bridge>,
        view: &Arc<HostView>,
    ) -> Result<(), PassError> {
        let all_heard = self.state.ports.all_heard();
        let int = seen.get(&self.config.integration_bridge);
        let cleaned = plan::iptables_cleaned(&self.config, int);
        match self.config.firewall {
            Driver::IptablesHybrid => {
                self.iptables.sync(view, all_heard).await?;
            }
            // Ports plugged for that driver are filtered by the switch now.
            Driver::Openvswitch if cleaned.is_some() && all_heard => {
                self.iptables.sync(&Arc::default(), true).await?;
            }
            Driver::Noop | Driver::Openvswitch => return Ok(()),
        }
        self.write(&cleaned.into_iter().collect::<Vec<_>>()).await?;
        Ok(())
    }

    /// Starts the calls that are due. Devices are reported as up only when the host is in sync.
    fn call(&mut self, in_sync: bool, now: Instant) {
        if !self.state.may_call(now) {
            return;
        }
        let state = &mut self.state;
        if !state.calls.tunnels
            && let (Some(network_type), Some(local_ip)) =
                (state.tunnels_pending.first().copied(), self.config.local_ip)
        {
            state.calls.tunnels = true;
            self.parts.caller.tunnel_sync(local_ip, network_type);
        }
        if !state.calls.details
            && let Some(question) = state.next_question(now)
        {
            state.calls.details = true;
            match question {
                Question::Devices(devices) => {
                    self.parts.caller.details(devices, self.config.security_groups());
                }
                Question::Groups(devices) => self.parts.caller.groups(devices),
            }
        }
        if !state.calls.dvr
            && let Some(question) = state.dvr.as_mut().and_then(|dvr| dvr.ask(now))
        {
            state.calls.dvr = true;
            self.parts.caller.dvr(question);
        }
        if !state.calls.report {
            let mut down = state.ports.to_report_down(now);
            down.truncate(rpc::REPORT_BATCH);
            let (up, refresh) = if in_sync {
                state.next_up(&self.config, rpc::REPORT_BATCH, now)
            } else {
                (Vec::new(), false)
            };
            if !up.is_empty() || !down.is_empty() {
                state.calls.report = true;
                self.parts.caller.report(up, down, refresh);
            }
        }
    }
}

/// An error with what caused it, on one line.
fn with_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}
