//! What of the installed chains and rules is about ports that the server has not spoken of.

use std::collections::BTreeSet;

use crate::{iptables::Wrap, view::HostView};

use super::{Devices, chains::WAYS};

/// Ports the server has spoken of.
///
/// A restarted agent takes nothing from a port before it heard of it, but what it did hear of is
/// made right at once ([`crate::iptables::Tables::restore_sparing`]).
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Full names of the ports' chains.
    chains: BTreeSet<String>,
    devices: BTreeSet<String>,
    /// What the names of all ports' chains begin with.
    prefixes: Vec<String>,
}

impl Heard {
    /// What `view` is about; `wrap` is the agent's prefix of chain names.
    #[must_use]
    pub fn of(view: &HostView, wrap: &Wrap) -> Self {
        let ids = || view.ports.iter().map(|port| &port.id);
        let chains = ids().flat_map(|id| WAYS.map(|way| wrap.chain(&format!("{way}{id}"))));
        let devices = view.ports.iter().map(Devices::of).flat_map(|d| [d.tap, d.bridge_side]);
        Self {
            chains: chains.collect(),
            devices: devices.collect(),
            prefixes: WAYS.map(|way| wrap.chain(way)).to_vec(),
        }
    }

    /// Whether a chain (its full name) or a rule is about a port not heard of.
    #[must_use]
    pub fn spares(&self, text: &str) -> bool {
        let mut option = "";
        for word in text.split(' ') {
            if matches!(option, "--physdev-in" | "--physdev-out" | "-i") {
                return !self.devices.contains(word);
            }
            option = word;
        }
        self.is_of_port(text) && !self.chains.contains(text)
    }

    /// Whether a chain of this name is a port's: a letter and ten characters of the port's id,
    /// which no other chain has behind the ninth.
    fn is_of_port(&self, chain: &str) -> bool {
        self.prefixes.iter().any(|prefix| {
            chain
                .strip_prefix(prefix.as_str())
                .is_some_and(|id| id.len() == 10 && id.as_bytes().get(8) == Some(&b'-'))
        })
    }
}
