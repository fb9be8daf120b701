//! Marks of address scopes: packets keep the scope they came from, and leave by devices of the same
//! scope only.
//!
//! A router numbers its scopes as they appear. Tracked connections carry the numbers, so a scope
//! keeps the number it has in the packet filter for as long as one of its devices is there.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    firewall::Ethertype,
    iptables::{Saved, TableName, Wrap},
};

use super::{filter::WRAP, observed::Observed, view::Port};

/// Bits of a mark that hold the scope.
pub const SCOPE_MASK: u32 = 0xffff_0000;
/// Bits of a mark that hold where a packet came from and that it asks for metadata.
pub const ROUTER_MASK: u32 = 0xffff;
/// Number of all addresses without a scope.
const NO_SCOPE: u16 = 1024;
/// Numbers of scopes end before this.
const END: u16 = 2048;
/// Chain of the rules that mark.
pub(super) const SCOPE_CHAIN: &str = "scope";

/// A device and the port whose address scopes it has.
#[derive(Clone, Debug)]
pub(super) struct Scoped<'a> {
    pub device: String,
    pub port: &'a Port,
}

impl Scoped<'_> {
    /// The scope of its addresses of an IP version.
    pub(super) fn scope(&self, family: Ethertype) -> Option<&str> {
        scope_of(self.port, family)
    }

    /// Whether it has addresses of an IP version.
    pub(super) fn speaks(&self, family: Ethertype) -> bool {
        let v6 = family == Ethertype::V6;
        self.port.fixed_ips.iter().any(|ip| ip.ip_address.is_ipv6() == v6)
    }
}

/// The scope of a port's addresses of an IP version.
pub(super) fn scope_of(port: &Port, family: Ethertype) -> Option<&str> {
    match family {
        Ethertype::V4 => port.address_scopes.v4.as_deref(),
        Ethertype::V6 => port.address_scopes.v6.as_deref(),
    }
}

/// The numbers that devices have in a namespace's packet filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known(BTreeMap<(Ethertype, String), u16>);

impl Known {
    /// Reads them.
    #[must_use]
    pub fn read(observed: &Observed) -> Self {
        let wrap = Wrap::new(WRAP);
        let chain = wrap.chain(SCOPE_CHAIN);
        let of = |family: Ethertype, saved: &Saved| {
            let chains = saved.tables.get(&TableName::Mangle).map(|table| &table.chains);
            let rules = chains.and_then(|chains| chains.get(&chain)).map(|chain| &chain.rules);
            let rules = rules.into_iter().flatten();
            rules
                .filter_map(|rule| marking(&rule.text))
                .map(|(device, number)| ((family, device.to_string()), number))
                .collect::<Vec<_>>()
        };
        let mut all = of(Ethertype::V4, &observed.iptables_v4);
        all.extend(of(Ethertype::V6, &observed.iptables_v6));
        Self(all.into_iter().collect())
    }
}

/// Device and number of `-i qr-1 -j MARK --set-xmark 0x4010000/0xffff0000`.
fn marking(rule: &str) -> Option<(&str, u16)> {
    let (device, mark) = rule.strip_prefix("-i ")?.split_once(" -j MARK --set-xmark 0x")?;
    let mark = u32::from_str_radix(mark.split('/').next()?, 16).ok()?;
    Some((device, u16::try_from(mark >> 16).ok()?))
}

/// The number of each scope of a router.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks(BTreeMap<String, u16>);

impl Marks {
    /// Numbers the scopes of `devices` and `further` ones, in their order behind `first`.
    pub(super) fn new<'a>(
        first: Option<&'a str>,
        devices: &'a [Scoped<'a>],
        further: impl Iterator<Item = &'a str>,
        known: &Known,
    ) -> Self {
        let mut ids = BTreeMap::new();
        let mut taken = BTreeSet::from([NO_SCOPE]);
        let both = [Ethertype::V4, Ethertype::V6];
        let of_devices =
            || devices.iter().flat_map(|device| both.map(|family| (device, family)).into_iter());
        for (device, family) in of_devices() {
            let number = known.0.get(&(family, device.device.clone()));
            if let (Some(scope), Some(number)) = (device.scope(family), number)
                && !ids.contains_key(scope)
                && taken.insert(*number)
            {
                ids.insert(scope.to_string(), *number);
            }
        }
        let scopes = of_devices().filter_map(|(device, family)| device.scope(family));
        for scope in first.into_iter().chain(scopes).chain(further) {
            if ids.contains_key(scope) {
                continue;
            }
            // More scopes than numbers share that of no scope: a router has some dozen networks.
            let number = (NO_SCOPE..END).find(|n| !taken.contains(n)).unwrap_or(NO_SCOPE);
            taken.insert(number);
            ids.insert(scope.to_string(), number);
        }
        Self(ids)
    }

    /// The mark of a scope as iptables takes it: `0x4000000/0xffff0000`.
    pub(super) fn of(&self, scope: Option<&str>) -> String {
        let number = scope.and_then(|scope| self.0.get(scope)).unwrap_or(&NO_SCOPE);
        format!("{:#x}/{SCOPE_MASK:#x}", u32::from(*number) << 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marking_rule_is_read() {
        let rule = "-i qr-133c8977-a3 -j MARK --set-xmark 0x4010000/0xffff0000";
        assert_eq!(marking(rule), Some(("qr-133c8977-a3", 1025)));
        assert_eq!(marking("-i qr-1 -j MARK --set-xmark 0xzz/0x1"), None);
        assert_eq!(marking("-j ACCEPT"), None);
    }
}
