//! What a host chooses by itself for distributed routers and must choose the same way again after a
//! restart: the link-local pair of each router and the priority of each floating IP's rule.
//!
//! Both are kept as lines `key,value` in files of `state_path`, which are Neutron's: either agent
//! reads what the other one wrote.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write},
    net::Ipv4Addr,
    ops::RangeInclusive,
    str::FromStr,
};

use ipnet::Ipv4Net;

/// Name of the file of pairs, by router.
pub const LINK_LOCAL_FILE: &str = "fip-linklocal-networks";
/// Name of the file of rule priorities, by floating IP.
pub const PRIORITIES_FILE: &str = "fip-priorities";
/// Addresses that pairs are taken from.
const LINK_LOCAL_POOL: (Ipv4Addr, u8) = (Ipv4Addr::new(169, 254, 64, 0), 18);
/// Prefix length of a pair.
const PAIR_PREFIX: u8 = 31;
/// Priorities of the rules of floating IPs.
const PRIORITIES: RangeInclusive<u32> = 32_768..=72_767;

/// Something a host has a limited number of.
pub trait Item: Copy + Ord + FromStr + fmt::Display {
    /// All there are.
    fn pool() -> impl Iterator<Item = Self>;
}

/// Two addresses that a router and an external network's namespace meet at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair(Ipv4Net);

impl Pair {
    /// The router's address, with prefix.
    #[must_use]
    pub fn router(self) -> Ipv4Net {
        Ipv4Net::new_assert(self.0.network(), PAIR_PREFIX)
    }

    /// The external network's address, with prefix.
    #[must_use]
    pub fn fip(self) -> Ipv4Net {
        Ipv4Net::new_assert(self.0.broadcast(), PAIR_PREFIX)
    }
}

/// The text is not a pair of addresses like `169.254.64.2/31`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a pair of addresses")]
pub struct NotAPair(String);

impl FromStr for Pair {
    type Err = NotAPair;

    fn from_str(text: &str) -> Result<Self, NotAPair> {
        let net: Option<Ipv4Net> = text.parse().ok();
        let net = net.filter(|net| net.prefix_len() == PAIR_PREFIX).map(|net| Self(net.trunc()));
        net.ok_or_else(|| NotAPair(text.to_string()))
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Item for Pair {
    fn pool() -> impl Iterator<Item = Self> {
        let pool = Ipv4Net::new_assert(LINK_LOCAL_POOL.0, LINK_LOCAL_POOL.1);
        pool.subnets(PAIR_PREFIX).into_iter().flatten().map(Self)
    }
}

/// Priority of the rule that sends a floating IP's packets to the external network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(pub u32);

impl FromStr for Priority {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Item for Priority {
    fn pool() -> impl Iterator<Item = Self> {
        PRIORITIES.map(Self)
    }
}

/// What each key has of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocations<T>(BTreeMap<String, T>);

impl<T> Default for Allocations<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Item> Allocations<T> {
    /// Reads a file's text. Lines that are not understood, and those that give away a second time
    /// what another key has, are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut taken = BTreeSet::new();
        let lines = text.lines().filter_map(|line| {
            let (key, value) = line.trim().split_once(',')?;
            Some((key.to_string(), value.parse::<T>().ok()?))
        });
        Self(lines.filter(|(_, item)| taken.insert(*item)).collect())
    }

    /// The text of the file.
    #[must_use]
    pub fn format(&self) -> String {
        self.0.iter().fold(String::new(), |mut out, (key, item)| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{key},{item}");
            out
        })
    }

    /// What a key has.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<T> {
        self.0.get(key).copied()
    }

    /// What a key has, or gets now; none when all is given away.
    pub fn allocate(&mut self, key: &str) -> Option<T> {
        if let Some(item) = self.get(key) {
            return Some(item);
        }
        let taken: BTreeSet<T> = self.0.values().copied().collect();
        let free = T::pool().find(|item| !taken.contains(item))?;
        self.0.insert(key.to_string(), free);
        Some(free)
    }

    /// Takes back what a key has; whether it had any.
    pub fn release(&mut self, key: &str) -> bool {
        self.0.remove(key).is_some()
    }

    /// Takes back what all keys have for which `stays` is false; whether that was any.
    pub fn retain(&mut self, stays: impl Fn(&str) -> bool) -> bool {
        let before = self.0.len();
        self.0.retain(|key, _| stays(key));
        self.0.len() != before
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn file_of_neutron_is_read_and_written() {
        let text = "3d7f8fd5-ae9b-43b9-9afa-f567da6f6899,169.254.108.36/31\n";
        let mut pairs = Allocations::<Pair>::parse(&format!("{text}junk\nx,10.0.0.0/8\n"));
        assert_eq!(pairs.format(), text);
        let pair = pairs.allocate("3d7f8fd5-ae9b-43b9-9afa-f567da6f6899").expect("there");
        assert_eq!(pair.router().to_string(), "169.254.108.36/31");
        assert_eq!(pair.fip().to_string(), "169.254.108.37/31");
        assert_eq!(pairs.allocate("other").expect("free").to_string(), "169.254.64.0/31");
    }

    #[test]
    fn nothing_is_given_away_twice_and_the_pool_has_an_end() {
        let mut priorities = Allocations::<Priority>::parse("a,32768\nb,32768\nc,40000\n");
        assert_eq!((priorities.get("b"), priorities.allocate("b")), (None, Some(Priority(32_769))));
        assert!(priorities.release("a") && !priorities.release("a"));
        assert_eq!(priorities.allocate("d"), Some(Priority(32_768)));
        assert!(priorities.retain(|key| key == "c"));
        assert_eq!(priorities.format(), "c,40000\n");
        let full = Pair::pool().enumerate().map(|(n, pair)| format!("{n},{pair}\n"));
        assert_eq!(Allocations::<Pair>::parse(&full.collect::<String>()).allocate("x"), None);
        assert_eq!(Priority::pool().count(), 40_000);
    }

    proptest! {
        #[test]
        fn files_of_anything_are_read(text in ".{0,200}", lines in "([a-z]{0,3},?[0-9./]{0,18}\n){0,6}") {
            let _ = Allocations::<Pair>::parse(&text);
            let read = Allocations::<Priority>::parse(&lines);
            prop_assert_eq!(Allocations::parse(&read.format()), read);
        }
    }
}
