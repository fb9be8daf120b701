//! The driver `iptables_hybrid`: what iptables, ip6tables and ipset shall hold on a host whose
//! instances are plugged through Linux bridges.
//!
//! Owns Neutron's chains, their order and their comments, which operators search for, the sets of
//! remote groups ([`sets`]) and the connection tracking zones ([`zones`]). Applying is the agent's
//! business: sets first, then tables, then the removal of sets that nothing names any more.

mod chains;
mod heard;
mod rules;
pub mod sets;
pub mod zones;

use std::collections::BTreeMap;

use crate::{
    iptables::{Kind, Rule, Table, TableName, Tables, Wrap},
    names::{self, HYBRID_BRIDGE_SIDE_PREFIX, TAP_PREFIX},
    view::{HostView, Port},
};

use super::{Ethertype, SecurityGroups};
pub use heard::Heard;
use sets::Set;
use zones::Zones;

/// Where the packets of all filtered ports go.
const SG_CHAIN: &str = "sg-chain";
/// Where packets end that no rule allowed.
const SG_FALLBACK: &str = "sg-fallback";

/// Why a rule is there; part of the rule's text.
mod comment {
    pub const UNMATCH_DROP: &str = "Default drop rule for unmatched traffic.";
    pub const VM_INT_SG: &str = "Direct traffic from the VM interface to the security group chain.";
    pub const SG_TO_VM_SG: &str = "Jump to the VM specific chain.";
    pub const INPUT_TO_SG: &str = "Direct incoming traffic from VM to the security group chain.";
    pub const PAIR_ALLOW: &str = "Allow traffic from defined IP/MAC pairs.";
    pub const PAIR_DROP: &str = "Drop traffic without an IP/MAC allow rule.";
    pub const DHCP_CLIENT: &str = "Allow DHCP client traffic.";
    pub const DHCP_SPOOF: &str = "Prevent DHCP Spoofing by VM.";
    pub const UNMATCHED: &str = "Send unmatched traffic to the fallback chain.";
    pub const INVALID_DROP: &str = "Drop packets that appear related to an existing connection \
                                    (e.g. TCP ACK/FIN) but do not have an entry in conntrack.";
    pub const ALLOW_ASSOC: &str =
        "Direct packets associated with a known session to the RETURN chain.";
    pub const PORT_SEC_ACCEPT: &str = "Accept all packets when port security is disabled.";
    pub const TRUSTED_ACCEPT: &str = "Accept all packets when port is trusted.";
    pub const IPV6_RA_DROP: &str = "Drop IPv6 Router Advts from VM Instance.";
    pub const IPV6_ICMP_ALLOW: &str = "Allow IPv6 ICMP traffic.";
}

/// Behaviour switches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The agent's prefix of chain names.
    pub wrap: Wrap,
    /// `[securitygroup] enable_ipset`.
    pub ipset: bool,
    /// `[AGENT] comment_iptables_rules`.
    pub comments: bool,
}

/// What a host shall hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// For iptables.
    pub v4: Tables,
    /// For ip6tables.
    pub v6: Tables,
    /// Name of a set to the set, for ipset; every set the tables name and no other.
    pub sets: BTreeMap<String, Set>,
}

/// What a host shall hold for the ports of `view`.
///
/// `zones` has a zone for each port that [`Zones::assign`] saw; a port without one is tracked in
/// the host's own zone. A group the view does not know allows nothing, so a port is closed until
/// its groups are known. Ports on the dead VLAN have no rules: nothing reaches them.
#[must_use]
pub fn desired(view: &HostView, zones: &Zones, options: &Options) -> Desired {
    let mut ports: Vec<&Port> = view.ports.iter().filter(|port| !port.dead).collect();
    // Always the same order, so that a restarted agent finds nothing to change.
    ports.sort_by(|a, b| a.id.cmp(&b.id));
    let tables =
        |version| Builder::new(version, &view.security_groups, zones, options).build(&ports);
    Desired {
        v4: tables(Ethertype::V4),
        v6: tables(Ethertype::V6),
        sets: if options.ipset {
            sets::desired(&ports, &view.security_groups)
        } else {
            BTreeMap::new()
        },
    }
}

/// The devices on which a port's packets are seen.
struct Devices {
    /// The instance's.
    tap: String,
    /// The one towards Open vSwitch.
    bridge_side: String,
}

impl Devices {
    fn of(port: &Port) -> Self {
        Self {
            tap: names::vif_device(TAP_PREFIX, &port.id),
            bridge_side: names::vif_device(HYBRID_BRIDGE_SIDE_PREFIX, &port.id),
        }
    }

    /// Packets to the instance, then packets from it.
    fn both_ways(&self) -> [String; 2] {
        ["out", "in"].map(|way| format!("-m physdev --physdev-{way} {}", self.tap))
    }
}

/// `matches`, of packets that cross a bridge.
fn bridged(matches: &str) -> String {
    format!("{matches} --physdev-is-bridged")
}

/// What the tables of one IP version are made of.
struct Builder<'a> {
    version: Ethertype,
    groups: &'a SecurityGroups,
    zones: &'a Zones,
    options: &'a Options,
}

impl<'a> Builder<'a> {
    const fn new(
        version: Ethertype,
        groups: &'a SecurityGroups,
        zones: &'a Zones,
        options: &'a Options,
    ) -> Self {
        Self { version, groups, zones, options }
    }

    fn build(&self, ports: &[&Port]) -> Tables {
        let Options { wrap, comments, .. } = self.options;
        let mut tables = Tables::standard(wrap, self.version, Kind::Stateless, *comments);
        let (filtered, open): (Vec<&Port>, Vec<&Port>) =
            ports.iter().copied().partition(|port| port.protected());
        // Ports of Neutron's own services come before those without port security.
        let (trusted, unfiltered): (Vec<&Port>, Vec<&Port>) =
            open.into_iter().partition(|port| port.of_network_service());
        if let Some(filter) = tables.table(TableName::Filter) {
            filter.add(SG_FALLBACK, &Rule::new("", "DROP").comment(comment::UNMATCH_DROP));
            filter.add_chain(SG_CHAIN);
            for port in &filtered {
                self.port(filter, port);
            }
            filter.add(SG_CHAIN, &Rule::new("", "ACCEPT"));
            for port in trusted.iter().chain(&unfiltered) {
                accept(filter, port);
            }
        }
        if let Some(raw) = tables.table(TableName::Raw) {
            filtered.iter().for_each(|port| self.tracking(raw, port));
        }
        if let Some(nat) = tables.table(TableName::Nat) {
            for port in trusted.iter().chain(&filtered).chain(&unfiltered) {
                for matches in Devices::of(port).both_ways() {
                    let rule = Rule::new(matches, "ACCEPT").comment(comment::TRUSTED_ACCEPT);
                    nat.add("PREROUTING", &rule);
                }
            }
        }
        tables
    }

    /// Where the packets of a filtered port are tracked, or that they are not.
    fn tracking(&self, raw: &mut Table, port: &Port) {
        let (comment, target) = if !stateful(port, self.groups) {
            (format!("Make {} stateless", port.id), "CT --notrack".to_string())
        } else if let Some(zone) = self.zones.of(&port.id) {
            (format!("Set zone for {}", port.id), format!("CT --zone {zone}"))
        } else {
            return;
        };
        let Devices { tap, bridge_side } = Devices::of(port);
        for matches in [
            format!("-m physdev --physdev-in {bridge_side}"),
            format!("-i {bridge_side}"),
            format!("-m physdev --physdev-in {tap}"),
        ] {
            raw.add("PREROUTING", &Rule::new(matches, &target).noted(comment.clone()));
        }
    }
}

/// Whether the port's connections are tracked; its groups are all of one kind.
fn stateful(port: &Port, groups: &SecurityGroups) -> bool {
    let mut known = port.security_groups.iter().filter_map(|id| groups.groups.get(id));
    known.all(|group| group.stateful)
}

/// Lets everything of a port pass.
fn accept(filter: &mut Table, port: &Port) {
    let trusted = port.of_network_service();
    let comment = if trusted { comment::TRUSTED_ACCEPT } else { comment::PORT_SEC_ACCEPT };
    let [to, from] = Devices::of(port).both_ways().map(|matches| bridged(&matches));
    for matches in [&to, &from] {
        filter.add("FORWARD", &Rule::new(matches, "ACCEPT").comment(comment));
    }
    if !trusted {
        filter.add("INPUT", &Rule::new(&from, "ACCEPT").comment(comment));
    }
}
