//! What an agent wants in the tables of one IP version.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::firewall::Ethertype;

use super::{Rule, Saved, Wrap, diff};

/// At the top of FORWARD and OUTPUT, shared by all agents of a namespace.
const FILTER_TOP: &str = "neutron-filter-top";
/// Behind the agents' chains in POSTROUTING, shared by all agents of a namespace.
const POSTROUTING_BOTTOM: &str = "neutron-postrouting-bottom";
/// The agent's own part of [`FILTER_TOP`].
const LOCAL: &str = "local";

/// A table of the kernel's packet filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableName {
    /// Whether packets pass.
    Filter,
    /// Marks.
    Mangle,
    /// Address translation.
    Nat,
    /// Before connection tracking.
    Raw,
}

impl TableName {
    const ALL: [Self; 4] = [Self::Filter, Self::Mangle, Self::Nat, Self::Raw];

    /// The name on command lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Mangle => "mangle",
            Self::Nat => "nat",
            Self::Raw => "raw",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.as_str() == name)
    }
}

/// Which chains an agent starts from ([`Tables::standard`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// filter, raw and the PREROUTING chain of nat: the L2 agent and metering.
    Stateless,
    /// And mangle.
    Mangle,
    /// And all of nat, with its chains for source translation: routers.
    Nat,
}

/// The rules of one chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Chain {
    top: Vec<String>,
    rest: Vec<String>,
}

/// What an agent wants in one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    wrap: Wrap,
    comments: bool,
    /// Chains whose whole content is the agent's: full name to rules.
    own: BTreeMap<String, Chain>,
    /// Chains of which only the rules named are the agent's: built-in ones, and those that all
    /// agents share.
    shared: BTreeMap<String, Chain>,
    /// Chains of `shared` that do not exist by themselves.
    created: BTreeSet<String>,
}

impl Table {
    fn new(wrap: &Wrap, comments: bool) -> Self {
        Self {
            wrap: wrap.clone(),
            comments,
            own: BTreeMap::new(),
            shared: BTreeMap::new(),
            created: BTreeSet::new(),
        }
    }

    /// The prefix of the agent's chains.
    #[must_use]
    pub const fn wrap(&self) -> &Wrap {
        &self.wrap
    }

    /// Makes the agent's chain `name` exist.
    pub fn add_chain(&mut self, name: &str) {
        self.own.entry(self.wrap.chain(name)).or_default();
    }

    /// Appends a rule to the agent's chain `name`.
    pub fn add(&mut self, name: &str, rule: &Rule) {
        let text = rule.text(self.comments);
        self.own.entry(self.wrap.chain(name)).or_default().rest.push(text);
    }

    /// Appends a rule to those at the top of the agent's chain `name`.
    pub fn add_top(&mut self, name: &str, rule: &Rule) {
        let text = rule.text(self.comments);
        self.own.entry(self.wrap.chain(name)).or_default().top.push(text);
    }

    /// Leaves no rule in the agent's chain `name`, which exists then.
    pub fn empty_chain(&mut self, name: &str) {
        self.own.insert(self.wrap.chain(name), Chain::default());
    }

    /// A rule to the agent's chain `target`, without other condition.
    fn jump(&self, target: &str) -> Rule {
        Rule::new("", self.wrap.chain(target))
    }

    /// Sends the packets of a built-in chain through the agent's chain of the same name.
    fn wrap_builtin(&mut self, chain: &str) {
        self.add_chain(chain);
        let rule = self.jump(chain).text(self.comments);
        self.shared.entry(chain.to_string()).or_default().rest.push(rule);
    }

    /// Makes the shared chain `name` exist.
    fn add_shared_chain(&mut self, name: &str) {
        self.shared.entry(name.to_string()).or_default();
        self.created.insert(name.to_string());
    }

    fn add_shared(&mut self, chain: &str, rule: &Rule) {
        let text = rule.text(self.comments);
        self.shared.entry(chain.to_string()).or_default().rest.push(text);
    }

    fn add_shared_top(&mut self, chain: &str, rule: &Rule) {
        let text = rule.text(self.comments);
        self.shared.entry(chain.to_string()).or_default().top.push(text);
    }

    /// The agent's chains and their rules in order.
    pub(super) fn own(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.own.iter().map(|(name, chain)| (name.as_str(), chain.rules()))
    }

    /// The chains others use too, and the agent's rules in them in order.
    pub(super) fn shared(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.shared.iter().map(|(name, chain)| (name.as_str(), chain.rules()))
    }

    /// Whether the agent wants this chain.
    pub(super) fn has_own(&self, chain: &str) -> bool {
        self.own.contains_key(chain)
    }

    /// Chains that must exist.
    pub(super) fn needed(&self) -> impl Iterator<Item = &str> {
        self.own.keys().chain(&self.created).map(String::as_str)
    }
}

impl Chain {
    fn rules(&self) -> Vec<&str> {
        self.top.iter().chain(&self.rest).map(String::as_str).collect()
    }
}

/// What an agent wants in all tables of one IP version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables(BTreeMap<TableName, Table>);

impl Tables {
    /// The chains every agent starts from. `comments` is `[AGENT] comment_iptables_rules`.
    #[must_use]
    pub fn standard(wrap: &Wrap, version: Ethertype, kind: Kind, comments: bool) -> Self {
        let mut tables = Self(BTreeMap::new());
        let table = || Table::new(wrap, comments);
        tables.0.insert(TableName::Filter, filter(table()));
        let mut raw = table();
        ["PREROUTING", "OUTPUT"].iter().for_each(|chain| raw.wrap_builtin(chain));
        tables.0.insert(TableName::Raw, raw);
        let mut nat = table();
        nat.wrap_builtin("PREROUTING");
        if kind == Kind::Nat && version == Ethertype::V4 {
            source_nat(&mut nat);
        }
        tables.0.insert(TableName::Nat, nat);
        if kind != Kind::Stateless {
            let mut mangle = table();
            ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]
                .iter()
                .for_each(|chain| mangle.wrap_builtin(chain));
            if version == Ethertype::V4 {
                mangle.add_chain("mark");
                mangle.add("PREROUTING", &mangle.jump("mark"));
            }
            tables.0.insert(TableName::Mangle, mangle);
        }
        tables
    }

    /// A table to add chains and rules to; none when the agent has no business there ([`Kind`]).
    pub fn table(&mut self, name: TableName) -> Option<&mut Table> {
        self.0.get_mut(&name)
    }

    /// The rules of the agent's chains in a table, behind `-A <chain> `.
    pub fn own_rules(&self, name: TableName) -> impl Iterator<Item = &str> {
        let table = self.0.get(&name).into_iter();
        table.flat_map(Table::own).flat_map(|(_, rules)| rules)
    }

    /// The input of `iptables-restore --noflush` that makes of `saved` what is wanted; none when
    /// it is that already. Rules that stay keep their counters; chains and rules of others, and
    /// their order, are not touched.
    #[must_use]
    pub fn restore(&self, saved: &Saved) -> Option<String> {
        self.restore_sparing(saved, &|_| false)
    }

    /// As [`Tables::restore`], but what the agent has there and does not want stays when `spared`
    /// answers true: asked with full names of chains, and with rules behind `-A <chain> `.
    #[must_use]
    pub fn restore_sparing(&self, saved: &Saved, spared: &dyn Fn(&str) -> bool) -> Option<String> {
        let mut out = String::new();
        for (name, table) in &self.0 {
            let commands = diff::commands(saved.tables.get(name), table, spared);
            if commands.is_empty() {
                continue;
            }
            // Writing to a string cannot fail.
            let _ = writeln!(out, "*{}", name.as_str());
            for command in commands {
                let _ = writeln!(out, "{command}");
            }
            let _ = writeln!(out, "COMMIT");
        }
        (!out.is_empty()).then_some(out)
    }
}

fn filter(mut table: Table) -> Table {
    table.add_shared_chain(FILTER_TOP);
    let top = Rule::new("", FILTER_TOP);
    table.add_shared_top("FORWARD", &top);
    table.add_shared_top("OUTPUT", &top);
    table.add_chain(LOCAL);
    table.add_shared(FILTER_TOP, &table.jump(LOCAL));
    ["INPUT", "OUTPUT", "FORWARD"].iter().for_each(|chain| table.wrap_builtin(chain));
    table
}

/// Chains for source translation: floating IPs before the router's own address.
fn source_nat(table: &mut Table) {
    table.wrap_builtin("OUTPUT");
    table.wrap_builtin("POSTROUTING");
    table.add_shared_chain(POSTROUTING_BOTTOM);
    table.add_shared("POSTROUTING", &Rule::new("", POSTROUTING_BOTTOM));
    table.add_chain("snat");
    let snat = table.jump("snat").comment("Perform source NAT on outgoing traffic.");
    table.add_shared(POSTROUTING_BOTTOM, &snat);
    table.add_chain("float-snat");
    table.add("snat", &table.jump("float-snat"));
}
