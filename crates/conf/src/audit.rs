//! What a process makes of the options it finds: those it honours, those of Neutron's that mean
//! nothing here, those it must not start with, and those nobody knows.

use std::{collections::BTreeSet, fmt, path::PathBuf};

use crate::{Conf, known, opts};

/// What a process is; each honours and refuses options of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// neutron-server.
    Server,
    /// neutron-openvswitch-agent.
    OpenvswitchAgent,
    /// neutron-dhcp-agent.
    DhcpAgent,
    /// neutron-l3-agent.
    L3Agent,
    /// neutron-metadata-agent.
    MetadataAgent,
}

/// An option that asks for what this release does not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Group.
    pub group: String,
    /// Name.
    pub name: String,
    /// The value found.
    pub value: String,
    /// The file it stands in.
    pub path: PathBuf,
    /// What to do about it.
    pub advice: &'static str,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, name, value, path, advice } = self;
        write!(f, "{}: [{group}] {name} = {value}: {advice}", path.display())
    }
}

/// All of them at once, so that an operator mends a file in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals(pub Vec<Refusal>);

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration asks for what this release does not do")?;
        self.0.iter().try_for_each(|refusal| write!(f, "\n  {refusal}"))
    }
}

impl std::error::Error for Refusals {}

/// Group and name of an option, as configured but for case and dashes.
pub type Name = (String, String);

/// What was found besides the options that are honoured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Why the process must not start; empty if it may.
    pub refused: Vec<Refusal>,
    /// Neutron's options that make no difference here; [[`known`]] says why.
    pub ignored: Vec<Name>,
    /// Options neither Neutron nor this release knows.
    pub unknown: Vec<Name>,
}

impl Conf {
    /// Judges every option for a process that is `role`.
    #[must_use]
    pub fn audit(&self, role: Role) -> Audit {
        let keys: BTreeSet<_> = self.sources.iter().flat_map(|s| s.values.keys()).collect();
        let mut audit = Audit::default();
        for (group, name) in keys {
            let rules = known::rules(group, name);
            let honoured = opts::find(group, name).is_some();
            let place = (group.clone(), name.clone());
            if rules.is_empty() && !honoured {
                audit.unknown.push(place);
                continue;
            }
            let ignored = |row: &&known::Row| matches!(row.verdict, known::Verdict::Ignored(_));
            if !honoured && rules.iter().any(ignored) {
                audit.ignored.push(place);
            }
            let refused = rules.iter().filter_map(|row| self.refusal(role, row, group, name));
            audit.refused.extend(refused);
        }
        audit
    }

    fn refusal(&self, role: Role, row: &known::Row, group: &str, name: &str) -> Option<Refusal> {
        let known::Verdict::Only { accept, by, advice } = row.verdict else { return None };
        if !by.contains(&role) {
            return None;
        }
        let names = [(group, name)];
        let values = if accept.takes_all() {
            self.all_values(&names)
        } else {
            self.last_values(&names)?.last().cloned().into_iter().collect()
        };
        let value = values.into_iter().find(|value| !accept.holds(value))?;
        let at = crate::key(group, name);
        let source = self.sources.iter().rev().find(|s| s.values.contains_key(&at))?;
        let (group, name) = at.clone();
        Some(Refusal { group, name, value, path: source.path.clone(), advice })
    }
}
