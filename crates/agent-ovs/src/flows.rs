//! One bridge's flows: read what is installed, send the difference, remember the result.
//!
//! Owns the record of installed flows per bridge and connection; what should be installed comes
//! from the data plane crate. A new connection, the canary's absence or the regular audit throw
//! the record away, and everything is read again.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use neutrino_dataplane::{
    br_int, br_phys, br_tun,
    diff::{self, Installed, LearnedFlows, Removal},
    firewall::{
        Driver,
        openflow::{self, Changes, Heard},
    },
    tables,
    view::HostView,
};
use neutrino_ofconn::{OfError, Switch};
use neutrino_openflow::{Command, Flow, FlowMod, Match};

use crate::observe::Bridge;

/// What a bridge is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// br-int.
    Integration,
    /// br-tun.
    Tunnel,
    /// The bridge of this physical network.
    Physical(String),
}

impl Role {
    fn desired(&self, view: &HostView, cookie: u64) -> Vec<Flow> {
        match self {
            Self::Integration => {
                let mut flows = br_int::desired(view, cookie);
                flows.extend(openflow::desired(view, cookie));
                flows
            }
            Self::Tunnel => br_tun::desired(view, cookie),
            Self::Physical(network) => br_phys::desired(view, network, cookie),
        }
    }

    /// The tables whose flows are the agent's.
    fn tables(&self, view: &HostView) -> Vec<u8> {
        match self {
            Self::Integration if view.options.firewall == Driver::Openvswitch => {
                [tables::int::ALL, tables::int::FIREWALL].concat()
            }
            Self::Integration => tables::int::ALL.to_vec(),
            Self::Tunnel => tables::tun::ALL.to_vec(),
            Self::Physical(_) => tables::phys::ALL.to_vec(),
        }
    }

    fn adopted_cookie(&self, installed: &[Flow]) -> Option<u64> {
        match self {
            Self::Integration => br_int::adopted_cookie(installed),
            Self::Tunnel => br_tun::adopted_cookie(installed),
            Self::Physical(_) => br_phys::adopted_cookie(installed),
        }
    }
}

/// Why a bridge's flows are not as desired.
#[derive(Debug, thiserror::Error)]
pub enum FlowsError {
    /// ovs-vswitchd numbers ports otherwise than the database says; one of them is about to
    /// catch up.
    #[error("port {port} of {bridge} is not {expected} on the switch yet")]
    PortsNotReady {
        /// Bridge.
        bridge: String,
        /// Port.
        port: String,
        /// Number in the database.
        expected: u32,
    },
    /// The switch could not be read or changed.
    #[error("changing the flows of {bridge}")]
    Switch {
        /// Bridge.
        bridge: String,
        /// Why.
        #[source]
        source: OfError,
    },
}

/// What may be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removals {
    /// Of everything the agent owns.
    pub all: Removal,
    /// Of the firewall's flows: [`Removal::Stale`] once the server has spoken of every port, for
    /// a rule taken away while the agent was away must not stay in force.
    pub firewall: Removal,
}

/// The flows of one bridge.
#[derive(Debug)]
pub struct BridgeFlows {
    /// The bridge's name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    installed: Option<Installed>,
    cookie: Option<u64>,
    /// What the installed flows were last made of.
    last: Option<(Arc<HostView>, Removals)>,
    connection: Option<u64>,
    drop_on_start: bool,
}

impl BridgeFlows {
    /// Nothing known yet. With `drop_on_start` the first sync replaces all flows at once.
    #[must_use]
    pub fn new(name: &str, role: Role, drop_on_start: bool) -> Self {
        Self {
            name: name.to_string(),
            role,
            installed: None,
            cookie: None,
            last: None,
            connection: None,
            drop_on_start,
        }
    }

    /// Read everything again at the next sync.
    pub fn forget(&mut self) {
        self.installed = None;
        self.last = None;
    }

    /// Local VLANs that installed flows mention.
    #[must_use]
    pub fn vlans(&self) -> BTreeSet<u16> {
        self.installed.as_ref().map(diff::vlans).unwrap_or_default()
    }

    /// Brings the bridge to what `view` asks for, all at once and confirmed by the switch. Answers
    /// how many changes that took.
    ///
    /// # Errors
    /// The switch failed or is not ready; the record is thrown away and the next sync reads anew.
    pub async fn sync(
        &mut self,
        switch: &Switch,
        seen: &Bridge,
        view: &Arc<HostView>,
        removals: Removals,
    ) -> Result<usize, FlowsError> {
        let connection = switch.connection_id();
        if self.connection != Some(connection) {
            self.forget();
            self.connection = Some(connection);
        }
        if self.installed.is_some()
            && self.last.as_ref().is_some_and(|(v, r)| v == view && *r == removals)
        {
            return Ok(0);
        }
        let result = self.change(switch, seen, view, removals).await;
        if result.is_err() {
            self.forget();
        }
        result
    }

    async fn change(
        &mut self,
        switch: &Switch,
        seen: &Bridge,
        view: &Arc<HostView>,
        removals: Removals,
    ) -> Result<usize, FlowsError> {
        let mut mods = Vec::new();
        let mut installed = match self.installed.take() {
            Some(installed) => installed,
            None => {
                if self.role == Role::Integration && view.options.firewall == Driver::Openvswitch {
                    let set = switch.set_fragments(openflow::FRAGMENTS).await;
                    set.map_err(|source| self.failed(source))?;
                }
                self.read(switch, seen).await?
            }
        };
        if std::mem::take(&mut self.drop_on_start) {
            mods.push(FlowMod::delete(FlowMod::ALL_TABLES, Match::new()));
            installed.clear();
        }
        let cookie = *self.cookie.get_or_insert_with(random_cookie);
        let changes = match &self.last {
            // Nothing else is there to be removed once everything stale is gone.
            Some((last, before))
                if self.role == Role::Integration
                    && *before == removals
                    && removals.all == Removal::Stale =>
            {
                step(&installed, last, view, cookie)
            }
            _ => self.whole(&installed, view, removals, cookie),
        };
        diff::record(&mut installed, &changes);
        mods.extend(changes);
        let count = mods.len();
        if count > 0 {
            self.send(switch, mods).await?;
            tracing::info!(bridge = self.name, changes = count, "flows changed");
        }
        self.installed = Some(installed);
        self.last = Some((Arc::clone(view), removals));
        Ok(count)
    }

    /// From whatever is installed to what `view` asks for. Costs as much as there are flows.
    fn whole(
        &self,
        installed: &Installed,
        view: &HostView,
        removals: Removals,
        cookie: u64,
    ) -> Vec<FlowMod> {
        let mut desired = self.role.desired(view, cookie);
        for problem in diff::lint(&desired) {
            tracing::error!(bridge = self.name, problem, "contradictory flows");
        }
        if removals.all == Removal::Hold && self.role == Role::Tunnel {
            diff::keep_flooding(installed, &mut desired);
        }
        // What the server has spoken of is no exception: an address pair taken away must not stay.
        let heard = Heard::of(view, removals.firewall == Removal::Stale);
        if self.role == Role::Integration {
            heard.keep_conjunctions(installed, &mut desired);
        }
        let learned = LearnedFlows::of(view);
        let spare = |flow: &Flow| match self.role {
            Role::Integration => removals.all == Removal::Hold && !heard.judges(flow),
            Role::Tunnel => learned.spares(flow) || removals.all == Removal::Hold,
            Role::Physical(_) => removals.all == Removal::Hold,
        };
        diff::diff(installed, &desired, &self.role.tables(view), Removal::Stale, spare)
    }

    /// Sends changes, all at once. If the switch refuses one of them, they are sent one by one,
    /// so that one flow it cannot take does not cost all others.
    async fn send(&self, switch: &Switch, mods: Vec<FlowMod>) -> Result<(), FlowsError> {
        match switch.bundle(mods.clone()).await {
            Err(error @ OfError::Refused { .. }) => {
                tracing::error!(bridge = self.name, %error, "bundle refused, sending one by one");
                switch.flow_mods(mods).await.map_err(|source| self.failed(source))
            }
            result => result.map_err(|source| self.failed(source)),
        }
    }

    /// What is installed, once the switch knows the ports by the numbers the database gives.
    async fn read(&mut self, switch: &Switch, seen: &Bridge) -> Result<Installed, FlowsError> {
        let ports = switch.port_desc().await.map_err(|source| self.failed(source))?;
        let numbers: HashMap<&str, u32> =
            ports.iter().map(|p| (p.name.as_str(), p.number)).collect();
        for port in seen.ports.values().filter(|p| p.in_flows()) {
            let Some(expected) = port.ofport else { continue };
            if numbers.get(port.interface_name.as_str()) != Some(&expected) {
                return Err(FlowsError::PortsNotReady {
                    bridge: self.name.clone(),
                    port: port.interface_name.clone(),
                    expected,
                });
            }
        }
        let stats = switch.dump_flows().await.map_err(|source| self.failed(source))?;
        let flows: Vec<Flow> = stats.into_iter().map(|s| s.flow).collect();
        if let Some(cookie) = self.role.adopted_cookie(&flows)
            && self.cookie != Some(cookie)
        {
            tracing::info!(bridge = self.name, flows = flows.len(), "flows adopted");
            self.cookie = Some(cookie);
        }
        Ok(flows.into_iter().map(|f| (f.key(), f)).collect())
    }

    fn failed(&self, source: OfError) -> FlowsError {
        FlowsError::Switch { bridge: self.name.clone(), source }
    }

    /// Whether the canary is there; without it Open vSwitch lost its flows.
    ///
    /// # Errors
    /// The switch could not be read.
    pub async fn canary_alive(&self, switch: &Switch) -> Result<bool, FlowsError> {
        let canary = br_int::canary();
        let table = switch
            .dump_table(tables::int::CANARY_TABLE)
            .await
            .map_err(|source| self.failed(source))?;
        Ok(table.iter().any(|s| s.flow.same(&canary)))
    }
}

/// From br-int's flows for `last` to those for `view`. Costs as much as what differs, so that a
/// member of a remote group costs neither ports nor rules.
fn step(installed: &Installed, last: &HostView, view: &HostView, cookie: u64) -> Vec<FlowMod> {
    let (before, after) = (br_int::desired(last, cookie), br_int::desired(view, cookie));
    let was: Installed = before.into_iter().map(|flow| (flow.key(), flow)).collect();
    let mut mods = diff::diff(&was, &after, tables::int::ALL, Removal::Stale, |_| false);
    let Changes { add, remove } = openflow::changes(last, view, cookie);
    mods.extend(add.into_iter().map(FlowMod::add));
    mods.extend(remove.iter().map(FlowMod::delete_strict));
    // Found there as it should be, under whatever cookie.
    let there = |flow: &Flow| installed.get(&flow.key()).is_some_and(|found| found.same(flow));
    mods.retain(|change| change.command != Command::Add || !there(&change.flow));
    mods
}

/// A cookie as Neutron draws one: any 64-bit number but the two largest.
fn random_cookie() -> u64 {
    use rand::RngExt;
    rand::rng().random_range(0..u64::MAX - 1)
}
