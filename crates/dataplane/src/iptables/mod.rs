//! Tables of iptables and ip6tables: what an agent wants in them, what is there, and the least
//! commands between the two.
//!
//! Owns Neutron's chain names ([`Wrap`]), the chains every agent starts from
//! ([`Tables::standard`]), the parser of `iptables-save` ([`save`]) and the difference
//! ([`Tables::restore`]). Knows nothing of security groups, routers or how the commands are run.

mod diff;
mod rule;
pub mod save;
mod tables;

pub(crate) use rule::protocol_number;
pub use rule::{Rule, canonical, protocol_name};
pub use save::{SaveError, Saved, SavedChain, SavedRule, SavedTable};
pub use tables::{Kind, Table, TableName, Tables};

/// Longest prefix of chain names: the longest chain name of iptables less `-POSTROUTING`.
const PREFIX_MAX_LEN: usize = 16;
/// Longest part of a chain name behind the prefix.
const WRAPPED_MAX_LEN: usize = 11;

/// The prefix that tells the chains of one agent from everybody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrap(String);

impl Wrap {
    /// The prefix of the chains of `binary`, e.g. `neutron-openvswi`.
    #[must_use]
    pub fn new(binary: &str) -> Self {
        Self(cut(binary, PREFIX_MAX_LEN).replace(' ', "_"))
    }

    /// The full name of the agent's chain `name`: `neutron-openvswi-sg-chain`.
    #[must_use]
    pub fn chain(&self, name: &str) -> String {
        format!("{}-{}", self.0, cut(name, WRAPPED_MAX_LEN))
    }

    /// Whether a chain of this full name is the agent's.
    #[must_use]
    pub fn owns(&self, chain: &str) -> bool {
        chain.strip_prefix(&self.0).is_some_and(|rest| rest.starts_with('-'))
    }
}

/// The first `length` characters of `text`.
fn cut(text: &str, length: usize) -> &str {
    text.char_indices().nth(length).map_or(text, |(end, _)| &text[..end])
}
