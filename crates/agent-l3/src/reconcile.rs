//! The agent's loop: woken by the server, Open vSwitch or a timer, it has routers worked on.
//!
//! ```text
//!  notifications --+                     +--> jobs, one per router or external network
//!  OVSDB         --+--> state: who wants +                                  |
//!  timers        --+    to be looked at  +--> all routers from the server   |
//!                          ^                          |                     |
//!                          +--------------------------+---------------------+
//! ```

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use neutrino_agent::{
    Notification,
    interface::{Vif, blocking},
};
use neutrino_dataplane::l3::names;
use neutrino_linux::Netlink;
use tokio::{
    sync::{mpsc, watch},
    task::{self, JoinSet},
    time::{Instant, sleep_until},
};

use crate::{
    config::{Config, OnDeath},
    rpc,
    state::{Outcome, Site, State},
    status::Progress,
    sync::{Part, Reader},
    work::Worker,
};

/// Shortest time between two looks for devices that Open vSwitch has lost or made anew.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Longest wait for anything.
const FOREVER: Duration = Duration::from_secs(3600);

/// What the agent works with.
pub struct Parts {
    /// What works on routers.
    pub worker: Worker,
    /// What the server says.
    pub notifications: mpsc::Receiver<Notification>,
}

/// The reconciler.
pub struct Agent {
    config: Arc<Config>,
    worker: Worker,
    notifications: mpsc::Receiver<Notification>,
    state: State,
    jobs: JoinSet<Outcome>,
    /// What the jobs work on.
    sites: HashMap<task::Id, Site>,
    reader: Reader,
    progress: watch::Sender<Progress>,
    /// When the host is to be looked at because Open vSwitch changed.
    look_at: Option<Instant>,
    check_at: Option<Instant>,
    /// Something of this host may be nobody's, to be looked for once all is right.
    litter: bool,
}

impl Agent {
    /// An agent that has done nothing yet.
    #[must_use]
    pub fn new(parts: Parts, state: State) -> Self {
        let Parts { worker, notifications } = parts;
        let config = Arc::clone(&worker.config);
        Self {
            check_at: config.check_interval.map(|interval| Instant::now() + interval),
            config,
            reader: Reader::new(worker.api.clone()),
            worker,
            notifications,
            state,
            jobs: JoinSet::new(),
            sites: HashMap::new(),
            progress: watch::channel(Progress::default()).0,
            look_at: None,
            litter: true,
        }
    }

    /// The agent's progress, to be watched.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Runs until the server's connection handle ends, or a radvd died and the agent is to end
    /// then. The host stays as it is.
    pub async fn run(mut self) {
        let mut changes = self.worker.interfaces.ovsdb.changes();
        loop {
            let now = Instant::now();
            let all = [self.state.next_deadline(now), self.look_at, self.check_at];
            let deadline = all.into_iter().flatten().min().unwrap_or(now + FOREVER);
            tokio::select! {
                // Cancel-safe: all arms only tell that something happened, or take one message.
                notification = self.notifications.recv() => match notification {
                    Some(notification) => self.notified(notification),
                    None => return,
                },
                Some(done) = self.jobs.join_next_with_id() => match done {
                    Ok((task, outcome)) => self.done(task, outcome),
                    Err(error) => self.done(error.id(), Outcome::Failed(error.to_string())),
                },
                part = self.reader.next() => self.read(part),
                alive = changes.changed() => {
                    if !alive {
                        return;
                    }
                    self.look_at.get_or_insert(Instant::now() + LOOK_INTERVAL);
                }
                () = sleep_until(deadline) => {}
            }
            if self.look().await {
                tracing::error!("a radvd has died, ending as check_child_processes_action says");
                return;
            }
            self.start();
            self.report().await;
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
            Notification::NetworkUpdate { network_id, .. } => {
                self.state.network_changed(&network_id);
            }
            Notification::L3(event) => self.state.event(event),
            // Of topics this agent does not listen on.
            _ => {}
        }
    }

    fn done(&mut self, task: task::Id, outcome: Outcome) {
        let Some(site) = self.sites.remove(&task) else { return };
        // A distributed router may have fewer floating IPs than before.
        self.litter |= match &outcome {
            Outcome::Removed => true,
            Outcome::Served { router, .. } => router.view.distributed,
            _ => false,
        };
        self.state.done(&site, outcome, Instant::now());
    }

    /// Takes a part of all routers in.
    fn read(&mut self, part: rpc::Result<Part>) {
        let router = |(id, router): (String, rpc::Result<rpc::Router>)| match router {
            Ok(router) => (id, Some(Arc::new(router))),
            // Asked for alone, it fails alone.
            Err(_) => (id, None),
        };
        match part {
            Ok(Part::Routers(routers)) => {
                self.state.told(routers.into_iter().map(router).collect());
            }
            Ok(Part::All(named)) => self.state.synced(&named),
            Err(error) => {
                tracing::warn!(%error, "asking for all routers failed, will retry");
                self.state.sync_failed(Instant::now());
            }
        }
    }

    /// Starts what is to be done.
    fn start(&mut self) {
        let now = Instant::now();
        if self.state.start_sync(now) {
            self.reader.start();
            self.litter = true;
        }
        for job in self.state.take(now) {
            let worker = self.worker.clone();
            let site = job.site.clone();
            let task = self.jobs.spawn(async move { worker.run(job).await });
            self.sites.insert(task.id(), site);
        }
    }

    /// Looks at the host when that is due, and wakes what may not be right. Answers whether the
    /// agent is to end.
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
            let dead = self.dead_daemons();
            dead.iter().for_each(|site| tracing::warn!(?site, "radvd has died"));
            if self.config.on_death == OnDeath::Exit && !dead.is_empty() {
                return true;
            }
            wrong.extend(dead);
        }
        if checks || looks {
            wrong.extend(self.lost_devices().await);
        }
        wrong.iter().for_each(|site| self.state.check(site));
        false
    }

    fn dead_daemons(&self) -> Vec<Site> {
        let made = self.worker.made();
        let dead = made.iter().filter(|(_, made)| made.radvd.as_ref().is_some_and(|r| !r.runs()));
        dead.map(|(site, _)| site.clone()).collect()
    }

    /// Sites with a port that is not on the bridge, or whose device is where ovs-vswitchd makes it.
    async fn lost_devices(&self) -> Vec<Site> {
        let links = match blocking(|| Ok(Netlink::open()?.links()?)).await {
            Ok(links) => links,
            Err(error) => {
                tracing::warn!(%error, "looking at the host's devices failed");
                return Vec::new();
            }
        };
        let outside: BTreeSet<String> = links.into_iter().map(|link| link.name).collect();
        let interfaces = &self.worker.interfaces;
        let lost = |vif: &Vif| outside.contains(&vif.device) || !interfaces.is_plugged(vif);
        let made = self.worker.made();
        let wrong = made.iter().filter(|(_, made)| made.vifs.iter().any(lost));
        wrong.map(|(site, _)| site.clone()).collect()
    }

    async fn report(&mut self) {
        let in_sync = self.state.in_sync();
        if in_sync && self.litter && self.jobs.is_empty() {
            self.litter = false;
            self.clean_up().await;
        }
        if in_sync && !self.state.started {
            self.state.started = true;
            tracing::info!("in sync with the server");
        }
        let counters = &self.worker.counters;
        self.progress.send_if_modified(|progress| {
            let before = *progress;
            progress.refresh(counters, self.state.served());
            progress.synced = in_sync;
            progress.started = self.state.started;
            *progress != before
        });
    }

    /// Takes away what is nobody's: what was chosen for routers that are gone, and ports that Open
    /// vSwitch kept over a reboot, in which their namespaces were lost.
    async fn clean_up(&self) {
        if let Err(error) = self.worker.forget(self.state.served()) {
            tracing::warn!(%error, "what routers had that are gone could not be given back");
        }
        let interfaces = &self.worker.interfaces;
        if self.state.has_failures() || interfaces.veth {
            // Whose ports they are is not known of all; ends of pairs are named as instances' are.
            return;
        }
        let ours: BTreeSet<String> = {
            let made = self.worker.made();
            made.values().flat_map(|made| &made.vifs).map(|vif| vif.device.clone()).collect()
        };
        let litter: Vec<String> = {
            let replica = interfaces.ovsdb.replica();
            let ports = replica.bridge(&interfaces.bridge).into_iter().flat_map(|b| b.ports());
            let names = ports.map(|port| port.name().to_string());
            names.filter(|name| names::is_ours(name) && !ours.contains(name)).collect()
        };
        if litter.is_empty() {
            return;
        }
        tracing::warn!(ports = ?litter, "removing ports of routers that are not here");
        if let Err(error) = interfaces.remove_ports(litter).await {
            tracing::warn!(%error, "ports of routers that are not here could not be removed");
        }
    }
}
