//! Which routers and external networks there are, and which wants to be looked at: a plain value,
//! no I/O.
//!
//! Whatever happens only wakes a router; whoever works on it reads it again. A router is worked on
//! by one job at a time, and one that fails waits alone. An external network's namespace follows
//! from the routers of this host that have their gateway there, and is woken by them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use neutrino_agent::L3Event;
use neutrino_dataplane::l3::{
    dvr,
    view::{Settings, SubnetPort},
};
use tokio::time::Instant;

use crate::{neighbours::Neighbours, rpc::Router};

/// Jobs at a time for what happens, and as many for what was read again (Neutron's pool).
const JOBS: usize = 32;
/// First pause before what failed is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Shortest time between two readings of all routers.
const SYNC_PAUSE: Duration = Duration::from_secs(1);

/// What a job works on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// A router, by id.
    Router(String),
    /// What this host has of an external network, by id.
    External(String),
}

/// Why a site is looked at, least urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    /// Everything was read again.
    Sync,
    /// Something happened to it.
    Event,
    /// Something on the host may be wrong.
    Check,
}

/// Where a job has the router from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// It asks the server.
    Ask,
    /// The server has just said it.
    Given(Arc<Router>),
    /// The server said it before, and only the host is in doubt.
    Known(Arc<Router>),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal {
    /// This host has the router.
    Serve {
        /// Where the router is read from.
        source: Source,
        /// The router as it was here before.
        last: Option<Arc<Router>>,
        /// Who was on its subnets, when last asked.
        neighbours: Option<Arc<Neighbours>>,
    },
    /// This host has these routers with a gateway on the external network.
    Join {
        /// The routers.
        routers: Vec<Arc<Router>>,
        /// Routers, by id, that may be joined too: nothing is known of them yet, or they are being
        /// worked on.
        unsure: BTreeSet<String>,
    },
    /// This host must not have anything of it.
    Remove,
}

/// Work on one site.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// What it works on.
    pub site: Site,
    /// What is to be done.
    pub goal: Goal,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The router is on this host as it is here.
    Served {
        /// The router.
        router: Arc<Router>,
        /// Who is on its subnets.
        neighbours: Option<Arc<Neighbours>>,
        /// Routers the server named with it.
        related: Vec<String>,
    },
    /// The external network's namespace is right.
    Joined {
        /// Routers, by id, whose pair had to be made anew: their ends lack all else.
        anew: Vec<String>,
    },
    /// Nothing of it is left.
    Removed,
    /// Something failed; the text says what.
    Failed(String),
}

#[derive(Clone, Debug, Default)]
struct Entry {
    remove: bool,
    wake: Option<Wake>,
    given: Option<Arc<Router>>,
    known: Option<Arc<Router>>,
    neighbours: Option<Arc<Neighbours>>,
    /// Neighbours that came and went while a job was under way.
    missed: Vec<(String, SubnetPort, bool)>,
    job: Option<RunningJob>,
    /// Something was heard of it since all routers were last asked for.
    heard: bool,
    /// What is known of it may be out of date.
    stale: bool,
    /// It is looked at for another router's sake: routers the server names with it are not.
    related: bool,
    not_before: Option<Instant>,
    failures: u32,
    error: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct RunningJob {
    wake: Wake,
    related: bool,
    /// Notifications were missed since it began: who it knows on the subnets may be wrong.
    outdated: bool,
}

/// The agent's memory.
#[derive(Debug, Default)]
pub struct State {
    settings: Settings,
    sites: BTreeMap<Site, Entry>,
    /// Whether the server is connected.
    pub connected: bool,
    /// When everything is to be read again.
    sync_at: Option<Instant>,
    syncing: bool,
    last_sync: Option<Instant>,
    /// Whether the server was heard completely since the last connection.
    heard_all: bool,
    /// Whether it ever was and everything was worked on.
    pub started: bool,
}

impl State {
    /// A state that has heard nothing; `local` is what the host has something of.
    #[must_use]
    pub fn new(settings: Settings, local: impl IntoIterator<Item = Site>) -> Self {
        let sites = local.into_iter().map(|site| (site, Entry::default())).collect();
        Self { settings, sites, ..Self::default() }
    }

    /// Everything must be heard again.
    pub fn resync(&mut self, now: Instant) {
        self.connected = true;
        self.heard_all = false;
        let earliest = self.last_sync.map_or(now, |last| last + SYNC_PAUSE);
        self.sync_at = Some(earliest.max(now));
        for entry in self.sites.values_mut() {
            // Those that wait were refused by a server that may answer differently now.
            entry.not_before = None;
            // Some who came or went may have been missed.
            entry.neighbours = None;
            if let Some(job) = &mut entry.job {
                job.outdated = true;
            }
        }
    }

    /// Takes a notification in.
    pub fn event(&mut self, event: L3Event) {
        match event {
            L3Event::Routers { router_ids } => {
                for id in router_ids {
                    let entry = self.sites.entry(Site::Router(id)).or_default();
                    entry.remove = false;
                    entry.hear();
                }
            }
            // Every agent hears of those of every router.
            L3Event::Forwardings { router_ids } => {
                for id in router_ids {
                    let entry = self.sites.get_mut(&Site::Router(id)).filter(|e| !e.remove);
                    entry.into_iter().for_each(Entry::hear);
                }
            }
            // Whether a distributed one is, the server says: it may have come back by now. Of a
            // centralised one Neutron's server must not be asked: where an agent serves ports of
            // its subnets, it answers with the router and binds its ports to that host.
            L3Event::RouterGone { router_id } => {
                let site = Site::Router(router_id);
                // The answer about all routers that is under way may name it still.
                if self.syncing || self.sites.contains_key(&site) {
                    let entry = self.sites.entry(site).or_default();
                    let known = entry.known.as_ref();
                    entry.remove = known.is_some_and(|router| !router.view.distributed);
                    entry.hear();
                }
            }
            L3Event::Neighbour { router_id, subnet_id, ip_address, mac_address, present } => {
                let neighbour = Neighbours::entry(&subnet_id, &ip_address, &mac_address);
                let entry = self.sites.get_mut(&Site::Router(router_id)).filter(|e| !e.remove);
                // Of a router that is elsewhere, or not understood: then reading it all helps no
                // more than this did.
                if let (Some(entry), Some(neighbour)) = (entry, neighbour) {
                    entry.neighbour(&subnet_id, neighbour, present);
                }
            }
            L3Event::ExternalNetworkGone { network_id } => {
                self.wake_external(&network_id, Wake::Event);
            }
        }
    }

    /// A network changed: routers with ports on it are read again.
    pub fn network_changed(&mut self, network_id: &str) {
        for entry in self.sites.values_mut() {
            let on = |router: &Arc<Router>| router.networks().any(|id| id == network_id);
            let concerned = entry.known.as_ref().is_some_and(on);
            if concerned && !entry.remove {
                entry.hear();
            }
        }
    }

    /// Something of a site on the host may be wrong.
    pub fn check(&mut self, site: &Site) {
        if let Some(entry) = self.sites.get_mut(site) {
            entry.wake = entry.wake.max(Some(Wake::Check));
            entry.not_before = None;
        }
    }

    /// Whether all routers are to be asked for now; the answer is awaited then.
    pub fn start_sync(&mut self, now: Instant) -> bool {
        if !self.connected || self.syncing || self.sync_at.is_none_or(|at| at > now) {
            return false;
        }
        self.sync_at = None;
        self.syncing = true;
        self.last_sync = Some(now);
        self.sites.values_mut().for_each(|entry| entry.heard = false);
        true
    }

    /// The routers could not all be asked for.
    pub fn sync_failed(&mut self, now: Instant) {
        self.syncing = false;
        self.forget_gone();
        if self.connected {
            self.sync_at.get_or_insert(now + SYNC_PAUSE);
        }
    }

    /// Drops routers that went while all were asked for, of which nothing is left to be done.
    fn forget_gone(&mut self) {
        self.sites.retain(|site, entry| {
            let idle = entry.known.is_none() && entry.wake.is_none() && entry.job.is_none();
            !(matches!(site, Site::Router(_)) && entry.heard && idle)
        });
    }

    /// Some of this host's routers: those with a value as the server has them, the others are to
    /// be asked for one by one.
    pub fn told(&mut self, answer: Vec<(String, Option<Arc<Router>>)>) {
        for (id, given) in answer {
            let entry = self.sites.entry(Site::Router(id)).or_default();
            entry.wake = entry.wake.max(Some(Wake::Sync));
            // What was heard meanwhile may be newer than the answer.
            if !entry.heard {
                entry.remove = false;
                entry.given = given;
            }
        }
    }

    /// All of them were told; routers not named here go.
    pub fn synced(&mut self, named: &BTreeSet<String>) {
        self.syncing = false;
        self.forget_gone();
        self.heard_all = self.sync_at.is_none();
        for (site, entry) in &mut self.sites {
            match site {
                Site::Router(id) if !named.contains(id) && !entry.heard => {
                    entry.remove = true;
                    entry.given = None;
                    entry.wake = entry.wake.max(Some(Wake::Sync));
                }
                Site::External(_) => entry.wake = entry.wake.max(Some(Wake::Sync)),
                Site::Router(_) => {}
            }
        }
    }

    /// The jobs to start now.
    pub fn take(&mut self, now: Instant) -> Vec<Job> {
        let mut events = JOBS.saturating_sub(self.running(|wake| wake != Wake::Sync));
        let mut syncs = JOBS.saturating_sub(self.running(|wake| wake == Wake::Sync));
        let due: Vec<(Site, Wake)> = self
            .sites
            .iter()
            .filter(|(_, entry)| entry.is_due(now))
            .filter_map(|(site, entry)| Some((site.clone(), entry.wake?)))
            .collect();
        let mut out = Vec::new();
        for (site, wake) in due {
            let room = if wake == Wake::Sync { &mut syncs } else { &mut events };
            if *room == 0 {
                continue;
            }
            let goal = match &site {
                Site::Router(_) => self.router_goal(&site, wake),
                Site::External(network) => self.external_goal(network),
            };
            if let Some(goal) = goal {
                *room -= 1;
                if let Some(entry) = self.sites.get_mut(&site) {
                    entry.start(wake);
                }
                out.push(Job { site, goal });
            }
        }
        out
    }

    fn router_goal(&mut self, site: &Site, wake: Wake) -> Option<Goal> {
        let connected = self.connected;
        let entry = self.sites.get_mut(site)?;
        // Without a server, what it said last is all there is to go by.
        if !connected && (entry.stale || entry.remove || entry.known.is_none()) {
            return None;
        }
        if entry.remove {
            return Some(Goal::Remove);
        }
        let source = match (entry.given.take(), &entry.known) {
            (Some(given), _) => Source::Given(given),
            (None, Some(known)) if wake != Wake::Sync && !entry.stale => {
                Source::Known(Arc::clone(known))
            }
            (None, _) => Source::Ask,
        };
        let (last, neighbours) = (entry.known.clone(), entry.neighbours.clone());
        Some(Goal::Serve { source, last, neighbours })
    }

    /// An external network's namespace goes only once it is known of all routers that they do not
    /// need it.
    fn external_goal(&self, network_id: &str) -> Option<Goal> {
        let (mut routers, mut unsure) = (Vec::new(), BTreeSet::new());
        for (site, entry) in self.sites.iter().filter(|(_, entry)| !entry.remove) {
            let Site::Router(id) = site else { continue };
            if entry.known.is_none() || entry.job.is_some() {
                unsure.insert(id.clone());
            }
            if let Some(router) = &entry.known {
                let joins = dvr::external_network(&self.settings, &router.view);
                routers.extend((joins == Some(network_id)).then(|| Arc::clone(router)));
            }
        }
        if !routers.is_empty() {
            return Some(Goal::Join { routers, unsure });
        }
        (self.connected && self.heard_all && unsure.is_empty()).then_some(Goal::Remove)
    }

    fn running(&self, of: impl Fn(Wake) -> bool) -> usize {
        self.sites.values().filter(|e| e.job.as_ref().is_some_and(|job| of(job.wake))).count()
    }

    /// Takes the end of a job in.
    pub fn done(&mut self, site: &Site, outcome: Outcome, now: Instant) {
        let Some(entry) = self.sites.get_mut(site) else { return };
        let Some(job) = entry.job.take() else { return };
        let before = entry.known.clone();
        match outcome {
            Outcome::Served { router, neighbours, related } => {
                entry.succeeded(site);
                entry.neighbours = neighbours.filter(|_| !job.outdated);
                entry.catch_up();
                entry.known = Some(Arc::clone(&router));
                for joined in before.iter().chain([&router]) {
                    self.wake_external_of(joined, job.wake);
                }
                if !job.related {
                    related.iter().for_each(|id| self.wake_related(id));
                }
            }
            Outcome::Joined { anew } => {
                entry.succeeded(site);
                anew.into_iter().for_each(|id| self.check(&Site::Router(id)));
            }
            Outcome::Removed => {
                entry.known = None;
                entry.neighbours = None;
                entry.succeeded(site);
                // An answer about all routers may be older than what was heard of this one.
                if entry.wake.is_none() && !(self.syncing && entry.heard) {
                    self.sites.remove(site);
                }
                match before {
                    Some(gone) => self.wake_external_of(&gone, job.wake),
                    // Where it was joined is not known, but that it is not any more.
                    None => self.wake_externals(job.wake),
                }
            }
            Outcome::Failed(error) => {
                let pause = FIRST_PAUSE * 2_u32.saturating_pow(entry.failures.min(16));
                entry.failures += 1;
                entry.not_before = Some(now + pause.min(LONGEST_PAUSE));
                entry.wake = entry.wake.max(Some(job.wake));
                entry.stale |= job.wake != Wake::Check;
                entry.related = job.related;
                if entry.error.as_ref() != Some(&error) {
                    tracing::warn!(?site, error, "not right on this host, will try again");
                }
                entry.error = Some(error);
            }
        }
    }

    fn wake_external_of(&mut self, router: &Router, wake: Wake) {
        if let Some(network) = dvr::external_network(&self.settings, &router.view) {
            let site = Site::External(network.to_string());
            let entry = self.sites.entry(site).or_default();
            entry.wake = entry.wake.max(Some(wake));
        }
    }

    fn wake_externals(&mut self, wake: Wake) {
        let sites = self.sites.iter_mut();
        let externals = sites.filter(|(site, _)| matches!(site, Site::External(_)));
        externals.for_each(|(_, entry)| entry.wake = entry.wake.max(Some(wake)));
    }

    fn wake_external(&mut self, network_id: &str, wake: Wake) {
        let site = Site::External(network_id.to_string());
        if let Some(entry) = self.sites.get_mut(&site) {
            entry.wake = entry.wake.max(Some(wake));
        }
    }

    fn wake_related(&mut self, router_id: &str) {
        let entry = self.sites.entry(Site::Router(router_id.to_string())).or_default();
        if entry.wake.is_none() && !entry.remove {
            entry.related = true;
            entry.stale = true;
            entry.wake = Some(Wake::Event);
        }
    }

    /// Whether the server was heard completely and every router was worked on since.
    #[must_use]
    pub fn in_sync(&self) -> bool {
        let waits = |entry: &Entry| {
            let sync = Some(Wake::Sync);
            entry.wake == sync || entry.job.map(|job| job.wake) == sync
        };
        // What fails is not what a start waits for, nor who waits for it.
        let waits = |(site, entry): (&Site, &Entry)| match site {
            _ if !waits(entry) || entry.failures > 0 => false,
            Site::Router(_) => true,
            Site::External(network) => entry.job.is_some() || self.external_goal(network).is_some(),
        };
        self.connected && self.heard_all && !self.sites.iter().any(waits)
    }

    /// The routers on this host.
    pub fn served(&self) -> impl Iterator<Item = &Arc<Router>> {
        self.sites.values().filter_map(|entry| entry.known.as_ref())
    }

    /// Whether something could not be made right.
    #[must_use]
    pub fn has_failures(&self) -> bool {
        self.sites.values().any(|entry| entry.failures > 0)
    }

    /// The next moment at which the state wants to be looked at without anything happening.
    #[must_use]
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let entries = self.sites.values().filter(|e| e.wake.is_some() && e.job.is_none());
        let sync = self.sync_at.filter(|_| self.connected && !self.syncing);
        entries.filter_map(|e| e.not_before).chain(sync).filter(|at| *at > now).min()
    }
}

impl Entry {
    /// Something was said of the router: it is read again, and soon.
    fn hear(&mut self) {
        self.heard = true;
        self.stale = true;
        self.related = false;
        self.given = None;
        self.wake = self.wake.max(Some(Wake::Event));
        if self.failures > 0 {
            self.not_before = None;
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.wake.is_some() && self.job.is_none() && self.not_before.is_none_or(|at| at <= now)
    }

    fn start(&mut self, wake: Wake) {
        self.wake = None;
        self.stale = false;
        // What the job begins with has all that came and went until now.
        self.missed.clear();
        let related = std::mem::take(&mut self.related);
        self.job = Some(RunningJob { wake, related, outdated: false });
    }

    fn succeeded(&mut self, site: &Site) {
        self.failures = 0;
        self.not_before = None;
        if self.error.take().is_some() {
            tracing::info!(?site, "right on this host again");
        }
    }

    /// A neighbour came or went: the router is not read again for it.
    fn neighbour(&mut self, subnet_id: &str, neighbour: SubnetPort, present: bool) {
        if self.job.is_some() {
            self.missed.push((subnet_id.to_string(), neighbour.clone(), present));
        }
        if let Some(known) = &mut self.neighbours {
            Arc::make_mut(known).change(subnet_id, neighbour, present);
            self.wake = self.wake.max(Some(Wake::Event));
        }
    }

    /// Neighbours that changed while the router was worked on may be missing in what was read.
    fn catch_up(&mut self) {
        for (subnet_id, neighbour, present) in std::mem::take(&mut self.missed) {
            self.neighbour(&subnet_id, neighbour, present);
        }
    }
}

#[cfg(test)]
mod tests;
