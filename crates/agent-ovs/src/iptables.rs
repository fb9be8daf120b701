//! The firewall driver `iptables_hybrid` applied: sets, then tables, then what nothing names any
//! more, then connections that are no longer allowed.
//!
//! Owns what was applied last, so that a change reads and writes only what it is about; what
//! should be there comes from the data plane crate. The kernel is asked again at start, after a
//! failure and at the regular audit.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use neutrino_dataplane::{
    firewall::{
        Ethertype,
        conntrack::Deletions,
        iptables::{
            self, Desired, Heard, Options,
            sets::{self, Set},
            zones::Zones,
        },
    },
    iptables::{SaveError, Saved, Tables, Wrap},
    view::{HostView, Port},
};
use neutrino_linux::{
    Family,
    conntrack::Entry,
    ipset::{self, Wanted},
    iptables::available,
};
use tokio::task::JoinSet;

use crate::{
    config::Config,
    connections::{cut_in_kernel, keep_cut},
};

/// Whose chains these are.
const BINARY: &str = "neutron-openvswitch-agent";
/// How long to wait for somebody else's lock of the tables.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Why the kernel's tables are not as desired.
#[derive(Debug, thiserror::Error)]
pub enum IptablesError {
    /// A tool failed.
    #[error("changing the packet filter")]
    Kernel(#[from] neutrino_linux::Error),
    /// A tool printed something unknown.
    #[error("reading the packet filter")]
    Save(#[from] SaveError),
    /// The task that works beside the loop ended.
    #[error("changing the packet filter was cut short")]
    Cancelled(#[from] tokio::task::JoinError),
}

/// The packet filter of the host.
#[derive(Debug)]
pub struct Iptables {
    options: Options,
    /// Zones; unknown until those of a former run were read.
    zones: Option<Zones>,
    /// What the last tables and sets were made of.
    view: Option<Arc<HostView>>,
    /// What is in the kernel, as far as known.
    known: Option<Known>,
    /// What keeps cut connections from coming back; ends with this.
    cutting: JoinSet<()>,
    prepared: bool,
}

/// What was written last.
#[derive(Debug)]
struct Known {
    desired: Arc<Desired>,
    /// Whether no other rules of the agent are there.
    whole: bool,
    /// Whether sets are left that could not be removed yet.
    lingering: bool,
}

impl Iptables {
    /// Nothing known yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            options: Options {
                wrap: Wrap::new(BINARY),
                ipset: config.ipset,
                comments: config.comment_iptables_rules,
            },
            zones: None,
            view: None,
            known: None,
            cutting: JoinSet::new(),
            prepared: false,
        }
    }

    /// Read everything again at the next sync.
    pub fn forget(&mut self) {
        self.known = None;
    }

    /// Makes the host hold what `view` asks for. Rules of ports that are not in it go, unless the
    /// server has not spoken of all ports yet (`all_heard`). Answers whether anything was written.
    ///
    /// # Errors
    /// A tool failed; the next sync reads anew.
    pub async fn sync(
        &mut self,
        view: &Arc<HostView>,
        all_heard: bool,
    ) -> Result<bool, IptablesError> {
        let known = self.known.as_ref();
        if known.is_some_and(|known| known.whole == all_heard && !known.lingering)
            && self.view.as_ref().is_some_and(|old| old.filters_as(view))
        {
            return Ok(false);
        }
        if !std::mem::replace(&mut self.prepared, true) {
            tokio::task::spawn_blocking(send_bridges_through).await?;
        }
        let mut zones = match self.zones.take() {
            Some(zones) => zones,
            None => self.adopted_zones().await?,
        };
        let filtered = view.ports.iter().filter(|port| port.protected() && !port.dead);
        for port_id in zones.assign(filtered.map(|port| port.id.as_str())) {
            tracing::error!(port_id, "no connection tracking zone is free, using the host's own");
        }
        let desired = Arc::new(iptables::desired(view, &zones, &self.options));
        let zone = |port: &Port| zones.of(&port.id);
        let cuts = self.view.as_deref().map(|old| Deletions::between(old, view, zone));
        let work = Work {
            wanted: Arc::clone(&desired),
            lingering: known.is_some_and(|known| known.lingering),
            known: self.known.take().filter(|known| known.whole).map(|known| known.desired),
            heard: (!all_heard).then(|| Heard::of(view, &self.options.wrap)),
            cuts: cuts.unwrap_or_default(),
        };
        self.zones = Some(zones);
        // The connections of the former view are still to be cut when this fails.
        let done = tokio::task::spawn_blocking(move || work.run()).await??;
        let Done { written, lingering, cut } = done;
        while self.cutting.try_join_next().is_some() {}
        if !cut.is_empty() {
            self.cutting.spawn(keep_cut(cut));
        }
        self.view = Some(Arc::clone(view));
        self.known = Some(Known { desired, whole: all_heard, lingering });
        Ok(written)
    }

    /// The zones a former run gave, so that connections outlive a restart.
    async fn adopted_zones(&self) -> Result<Zones, IptablesError> {
        let saved = tokio::task::spawn_blocking(|| saved(Family::V4)).await??;
        Ok(Zones::adopt(&saved, &self.options.wrap))
    }
}

fn send_bridges_through() {
    match neutrino_linux::iptables::filter_bridged() {
        Ok(true) => {}
        Ok(false) => tracing::error!(
            "packets between bridge ports are not filtered; load the module br_netfilter"
        ),
        Err(error) => tracing::error!(%error, "packets between bridge ports may pass unfiltered"),
    }
}

fn saved(family: Family) -> Result<Saved, IptablesError> {
    Ok(Saved::parse(&neutrino_linux::iptables::save(family, false)?)?)
}

/// What is to be done, away from the agent's loop.
struct Work {
    wanted: Arc<Desired>,
    /// What the kernel holds already, if that is known.
    known: Option<Arc<Desired>>,
    /// Whether the sets are to be looked at again.
    lingering: bool,
    /// Whose rules may go, unless all may.
    heard: Option<Heard>,
    cuts: Deletions,
}

/// What came of it.
struct Done {
    /// Whether anything had to be written.
    written: bool,
    lingering: bool,
    /// Connections that were cut.
    cut: Vec<Entry>,
}

impl Work {
    fn run(self) -> Result<Done, IptablesError> {
        let (wanted, known) = (&self.wanted, self.known.as_deref());
        let mut written = false;
        let mut unused = Vec::new();
        if self.lingering || known.is_none_or(|known| known.sets != wanted.sets) {
            let present = ipset::save()?;
            if let Some(plan) = ipset::plan(&present, &all_wanted(&wanted.sets)) {
                ipset::restore(&plan)?;
                written = true;
            }
            let ours = present.into_keys().filter(|name| sets::is_ours(name));
            unused.extend(ours.filter(|name| !wanted.sets.contains_key(name)));
        }
        let families = [Family::V4, Family::V6].into_iter();
        for family in families.filter(|family| available(*family)) {
            let tables = tables_of(wanted, family);
            if known.is_none_or(|known| tables_of(known, family) != tables) {
                written |= self.restore(family, tables)?;
            }
        }
        let mut lingering = false;
        for name in unused {
            // One that a rule still names stays, and the kernel lets go of rules a moment later.
            let gone = ipset::destroy(&name)?;
            written |= gone;
            lingering |= !gone;
        }
        // Only now: a connection cut before the rules are out could come back.
        let cut = cut_in_kernel(&self.cuts)?;
        if !cut.is_empty() {
            tracing::info!(connections = cut.len(), "connections cut");
        }
        Ok(Done { written, lingering, cut })
    }

    fn restore(&self, family: Family, wanted: &Tables) -> Result<bool, IptablesError> {
        let spared = |text: &str| self.heard.as_ref().is_some_and(|heard| heard.spares(text));
        let input = wanted.restore_sparing(&saved(family)?, &spared);
        let Some(input) = input else { return Ok(false) };
        neutrino_linux::iptables::restore(family, &input, LOCK_WAIT)?;
        tracing::info!(?family, commands = input.lines().count(), "packet filter changed");
        Ok(true)
    }
}

const fn tables_of(desired: &Desired, family: Family) -> &Tables {
    match family {
        Family::V4 => &desired.v4,
        Family::V6 => &desired.v6,
    }
}

fn all_wanted(sets: &BTreeMap<String, Set>) -> BTreeMap<String, Wanted<'_>> {
    let mut out = BTreeMap::new();
    for (name, Set { version, members }) in sets {
        let family = match version {
            Ethertype::V4 => Family::V4,
            Ethertype::V6 => Family::V6,
        };
        out.insert(name.clone(), Wanted { family, members });
    }
    out
}
