//! Neutron 29's options that no component here reads, and what is done about each: data, defined
//! once. Those that are read are in [`crate::opts`].
//!
//! An option whose value changes what networks do, who may use them, or what others are told, is
//! refused when it is set to what this release does not do. Anything else is ignored, for a reason
//! that is written down. `tests/cases/neutron29.txt` lists every option with its decision.

mod agents;
mod default;
mod oslo;
mod server;

use crate::Role;

/// What is done about options.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// Nothing, whatever it says; the text is why.
    Ignored(&'static str),
    /// The processes `by` start only with accepted values.
    Only {
        /// What is accepted besides not setting it.
        accept: Accept,
        /// The processes for which it matters.
        by: &'static [Role],
        /// What to do about any other.
        advice: &'static str,
    },
}

/// Values of an option this release can live with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// False, or blank.
    Off,
    /// True, or blank.
    On,
    /// Blank.
    Blank,
    /// A list of these words, or blank.
    Words(&'static [&'static str]),
    /// These words, given as often as one likes, in whatever file, or blank.
    MultiWords(&'static [&'static str]),
}

impl Accept {
    /// Whether every value given counts, not only the last.
    pub(crate) fn takes_all(self) -> bool {
        matches!(self, Self::MultiWords(_))
    }

    /// Whether `value` is accepted.
    pub(crate) fn holds(self, value: &str) -> bool {
        let value = value.trim();
        let is_one_of = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
        value.is_empty()
            || match self {
                Self::Off => is_one_of(&["false", "0", "no", "off"]),
                Self::On => is_one_of(&["true", "1", "yes", "on"]),
                Self::Blank => value == "<None>",
                Self::Words(words) | Self::MultiWords(words) => {
                    let mut items = value.split(',').map(str::trim).filter(|i| !i.is_empty());
                    items.all(|item| words.contains(&item))
                }
            }
    }
}

/// A decision about some options of one group.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The group.
    pub group: &'static str,
    /// The options; none means all of the group that have no row of their own.
    pub names: &'static [&'static str],
    /// What is decided.
    pub verdict: Verdict,
}

const fn ignored(group: &'static str, why: &'static str, names: &'static [&'static str]) -> Row {
    Row { group, names, verdict: Verdict::Ignored(why) }
}

/// All options of the group that have no row of their own.
const fn ignored_group(group: &'static str, why: &'static str) -> Row {
    ignored(group, why, &[])
}

const fn only(
    by: &'static [Role],
    group: &'static str,
    names: &'static [&'static str],
    accept: Accept,
    advice: &'static str,
) -> Row {
    Row { group, names, verdict: Verdict::Only { accept, by, advice } }
}

/// Every process.
const EVERY: &[Role] =
    &[Role::Server, Role::OpenvswitchAgent, Role::DhcpAgent, Role::L3Agent, Role::MetadataAgent];
const SERVER: &[Role] = &[Role::Server];
/// The agents that speak to Open vSwitch.
const WITH_OVSDB: &[Role] = &[Role::OpenvswitchAgent, Role::DhcpAgent, Role::L3Agent];

const TABLES: [&[Row]; 4] = [default::ROWS, server::ROWS, agents::ROWS, oslo::ROWS];

/// The decisions about `name` in `group`: of the option itself, else of its whole group.
#[must_use]
pub fn rules(group: &str, name: &str) -> Vec<&'static Row> {
    let in_group = || TABLES.into_iter().flatten().filter(|row| row.group == group);
    let own: Vec<_> = in_group().filter(|row| row.names.contains(&name)).collect();
    if own.is_empty() { in_group().filter(|row| row.names.is_empty()).collect() } else { own }
}
