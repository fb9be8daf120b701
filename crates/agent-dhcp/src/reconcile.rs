//! The agent's loop: woken by the server, Open vSwitch or a timer, it has networks worked on.
//!
//! ```text
//!  notifications --+                     +--> jobs, one per network --> ports served
//!  OVSDB         --+--> state: who wants +                                  |
//!  timers        --+    to be looked at  +--> all networks from the server  |
//!                          ^                          |                     |
//!                          +--------------------------+---------------------+
//! ```

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use neutrino_agent::{Notification, interface::blocking};
use neutrino_dataplane::dhcp::view::Network;
use neutrino_linux::Netlink;
use tokio::{
    sync::{mpsc, watch},
    task::{self, JoinSet},
    time::{Instant, sleep_until},
};

use crate::{
    config::{Config, OnDeath},
    network::Worker,
    ready::Ready,
    rpc,
    state::{Outcome, State},
    status::Progress,
};

/// Shortest time between two looks for devices that Open vSwitch has lost or made anew.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Longest wait for anything.
const FOREVER: Duration = Duration::from_secs(3600);

/// All networks, as the server answered.
type Networks = rpc::Result<Vec<(String, rpc::Result<Network>)>>;

/// What the agent works with.
pub struct Parts {
    /// What works on networks.
    pub worker: Worker,
    /// What the server says.
    pub notifications: mpsc::Receiver<Notification>,
    /// Takes the ports whose addresses are served.
    pub ready: mpsc::UnboundedSender<Ready>,
    /// Networks whose dnsmasq did not survive reading its files again.
    pub deaths: mpsc::UnboundedReceiver<String>,
}

/// The reconciler.
pub struct Agent {
    config: Arc<Config>,
    parts: Parts,
    state: State,
    jobs: JoinSet<Outcome>,
    /// What the jobs work on.
    networks: HashMap<task::Id, String>,
    syncs: JoinSet<Networks>,
    progress: watch::Sender<Progress>,
    /// When the host is to be looked at because Open vSwitch changed.
    look_at: Option<Instant>,
    check_at: Option<Instant>,
}

impl Agent {
    /// An agent that has done nothing yet.
    #[must_use]
    pub fn new(parts: Parts, state: State) -> Self {
        let config = Arc::clone(&parts.worker.config);
        Self {
            check_at: config.check_interval.map(|interval| Instant::now() + interval),
            config,
            parts,
            state,
            jobs: JoinSet::new(),
            networks: HashMap::new(),
            syncs: JoinSet::new(),
            progress: watch::channel(Progress::default()).0,
            look_at: None,
        }
    }

    /// The agent's progress, to be watched.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Runs until the server's connection handle ends, or a dnsmasq died and the agent is to end
    /// then. The host stays as it is.
    pub async fn run(mut self) {
        let mut changes = self.parts.worker.interfaces.ovsdb.changes();
        loop {
            let now = Instant::now();
            let all = [self.state.next_deadline(now), self.look_at, self.check_at];
            let deadline = all.into_iter().flatten().min().unwrap_or(now + FOREVER);
            tokio::select! {
                // Cancel-safe: all arms only tell that something happened, or take one message.
                notification = self.parts.notifications.recv() => match notification {
                    Some(notification) => self.notified(notification),
                    None => return,
                },
                Some(done) = self.jobs.join_next_with_id() => match done {
                    Ok((task, outcome)) => self.done(task, outcome),
                    Err(error) => self.done(error.id(), Outcome::Failed(error.to_string())),
                },
                Some(answer) = self.syncs.join_next() => match answer {
                    Ok(answer) => self.synced(answer),
                    Err(error) => {
                        tracing::error!(%error, "asking for all networks did not end");
                        self.state.sync_failed(Instant::now());
                    }
                },
                Some(network_id) = self.parts.deaths.recv() => {
                    tracing::warn!(network_id, "dnsmasq died of reading its files again");
                    self.state.check(&network_id);
                }
                alive = changes.changed() => {
                    if !alive {
                        return;
                    }
                    self.look_at.get_or_insert(Instant::now() + LOOK_INTERVAL);
                }
                () = sleep_until(deadline) => {}
            }
            if self.look().await {
                tracing::error!("a dnsmasq has died, ending as check_child_processes_action says");
                return;
            }
            self.start();
            self.report();
        }
    }

    fn notified(&mut self, notification: Notification) {
        let now = Instant::now();
        match notification {
            Notification::Connected => {
                tracing::info!("server connected, reading everything again");
                self.state.resync(now);
            }
            Notification::Resync(reason) => {
                tracing::info!(?reason, "notifications were missed, reading everything again");
                self.state.resync(now);
            }
            Notification::Disconnected => {
                tracing::warn!("server lost, the host stays as it is");
                self.state.connected = false;
            }
            Notification::AgentUpdated => self.state.resync(now),
            Notification::Dhcp(event) => self.state.event(&event),
            // Of topics this agent does not listen on.
            _ => {}
        }
    }

    fn done(&mut self, task: task::Id, outcome: Outcome) {
        let Some(network_id) = self.networks.remove(&task) else { return };
        let ready = self.state.done(&network_id, outcome, Instant::now());
        if !ready.is_empty() {
            // An error means that the agent stops.
            let _ = self.parts.ready.send(ready);
        }
    }

    fn synced(&mut self, answer: Networks) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, "asking for all networks failed, will retry");
                return self.state.sync_failed(Instant::now());
            }
        };
        let network = |(id, network): (String, rpc::Result<Network>)| match network {
            Ok(network) => (id, Some(Arc::new(network))),
            // Asked for alone, it fails alone.
            Err(_) => (id, None),
        };
        self.state.synced(answer.into_iter().map(network).collect());
    }

    /// Starts what is to be done.
    fn start(&mut self) {
        let now = Instant::now();
        if self.state.start_sync(now) {
            let api = self.parts.worker.api.clone();
            self.syncs.spawn(async move { api.active_networks().await });
        }
        for job in self.state.take(now) {
            let worker = self.parts.worker.clone();
            let id = job.network_id.clone();
            let task = self.jobs.spawn(async move { worker.run(job).await });
            self.networks.insert(task.id(), id);
        }
    }

    /// Looks at the host when that is due, and wakes the networks that may not be served right.
    /// Answers whether the agent is to end.
    async fn look(&mut self) -> bool {
        let now = Instant::now();
        let checks = self.check_at.is_some_and(|at| at <= now);
        let looks = self.look_at.is_some_and(|at| at <= now);
        if checks {
            self.check_at = self.config.check_interval.map(|interval| now + interval);
        }
        if looks {
            self.look_at = None;
        }
        let mut wrong = BTreeSet::new();
        if checks {
            let worker = &self.parts.worker;
            let dead = |network: &&Arc<Network>| worker.daemon(&network.id).running().is_none();
            wrong.extend(self.state.served().filter(dead).map(|network| network.id.clone()));
            wrong.iter().for_each(|id| tracing::warn!(network_id = id, "dnsmasq has died"));
            if self.config.on_death == OnDeath::Exit && !wrong.is_empty() {
                return true;
            }
        }
        if checks || looks {
            wrong.extend(self.lost_devices().await);
        }
        wrong.iter().for_each(|id| self.state.check(id));
        false
    }

    /// Networks whose port is not on the bridge, or whose device is where ovs-vswitchd makes it.
    async fn lost_devices(&self) -> Vec<String> {
        let links = match blocking(|| Ok(Netlink::open()?.links()?)).await {
            Ok(links) => links,
            Err(error) => {
                tracing::warn!(%error, "looking at the host's devices failed");
                return Vec::new();
            }
        };
        let outside: BTreeSet<String> = links.into_iter().map(|link| link.name).collect();
        let worker = &self.parts.worker;
        let lost = |network: &&Arc<Network>| {
            worker.vif(network).is_some_and(|vif| {
                outside.contains(&vif.device) || !worker.interfaces.is_plugged(&vif)
            })
        };
        self.state.served().filter(lost).map(|network| network.id.clone()).collect()
    }

    fn report(&mut self) {
        let in_sync = self.state.in_sync();
        if in_sync && !self.state.started {
            self.state.started = true;
            tracing::info!("in sync with the server");
        }
        let counters = &self.parts.worker.counters;
        self.progress.send_if_modified(|progress| {
            let before = *progress;
            progress.refresh(counters, self.state.served());
            progress.synced = in_sync;
            progress.started = self.state.started;
            *progress != before
        });
    }
}
