//! Sets of networks in the kernel (`hash:net`), for rules that match many addresses.
//!
//! Of the caller's network namespace. One run of `ipset restore` makes of what there is what is
//! wanted; a set is at no moment without a member that stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;
use std::process::Command;

use ipnet::IpNet;

use crate::error::{Error, Result};
use crate::family::Family;
use crate::process;

/// Up to so many members are added or removed one by one; more, and the set is built anew beside
/// the old one, which it then replaces at once.
const SINGLE_CHANGES_MAX: usize = 4;
/// What a set holds unless told otherwise.
const DEFAULT_CAPACITY: usize = 65536;
/// What the name of a set ends in while it is built.
const SWAP_SUFFIX: &str = "-n";

/// A set as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpSet {
    /// Its members; none has prefix length 0.
    pub members: BTreeSet<IpNet>,
    /// How many it can hold.
    capacity: usize,
}

/// A set as it shall be.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// IP version of the members.
    pub family: Family,
    /// The members; prefix length 0 is refused by the kernel.
    pub members: &'a BTreeSet<IpNet>,
}

/// Name of a set to the set: all sets of type `hash:net` of the namespace.
///
/// # Errors
/// [`Error::Kernel`] when `ipset` cannot be started, [`Error::Child`] when it fails.
pub fn save() -> Result<BTreeMap<String, IpSet>> {
    Ok(parse(&process::run(Command::new("ipset").arg("save"))?))
}

/// Reads what `ipset save` prints; sets of other types and what is not understood are left out.
fn parse(text: &str) -> BTreeMap<String, IpSet> {
    let mut sets = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words[..] {
            ["create", name, "hash:net", ref options @ ..] => {
                let behind = options.iter().skip_while(|word| **word != "maxelem").nth(1);
                let capacity = behind.and_then(|text| text.parse().ok());
                let capacity = capacity.unwrap_or(DEFAULT_CAPACITY);
                sets.insert(name.to_string(), IpSet { members: BTreeSet::new(), capacity });
            }
            ["add", name, member, ..] => {
                let member = network(member);
                if let (Some(set), Some(member)) = (sets.get_mut(name), member) {
                    set.members.insert(member);
                }
            }
            _ => {}
        }
    }
    sets
}

/// A network, or an address alone.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// The input of `ipset restore` that makes of the sets there are those wanted; none when they are.
/// Sets that are not wanted are left alone: rules may still name them.
#[must_use]
pub fn plan(
    current: &BTreeMap<String, IpSet>,
    wanted: &BTreeMap<String, Wanted<'_>>,
) -> Option<String> {
    let mut out = String::new();
    for (name, set) in wanted {
        match current.get(name) {
            Some(present) => change(name, present, *set, &mut out),
            None => {
                create(name, *set, &mut out);
                add(name, set.members, &mut out);
            }
        }
    }
    (!out.is_empty()).then_some(out)
}

fn change(name: &str, present: &IpSet, wanted: Wanted<'_>, out: &mut String) {
    let gone: Vec<&IpNet> = present.members.difference(wanted.members).collect();
    let new: Vec<&IpNet> = wanted.members.difference(&present.members).collect();
    // Writing to a string cannot fail.
    if gone.len() + new.len() <= SINGLE_CHANGES_MAX && wanted.members.len() <= present.capacity {
        for member in gone {
            let _ = writeln!(out, "del {name} {member}");
        }
        add(name, new, out);
        return;
    }
    let beside = format!("{name}{SWAP_SUFFIX}");
    create(&beside, wanted, out);
    // One left by a run that was cut short is not empty.
    let _ = writeln!(out, "flush {beside}");
    add(&beside, wanted.members, out);
    let _ = writeln!(out, "swap {beside} {name}\ndestroy {beside}");
}

fn create(name: &str, wanted: Wanted<'_>, out: &mut String) {
    let family = match wanted.family {
        Family::V4 => "inet",
        Family::V6 => "inet6",
    };
    let _ = write!(out, "create {name} hash:net family {family}");
    if wanted.members.len() > DEFAULT_CAPACITY {
        let _ = write!(out, " maxelem {}", wanted.members.len().next_power_of_two());
    }
    out.push('\n');
}

fn add<'a>(name: &str, members: impl IntoIterator<Item = &'a IpNet>, out: &mut String) {
    for member in members {
        let _ = writeln!(out, "add {name} {member}");
    }
}

/// Runs a [`plan`].
///
/// # Errors
/// [`Error::Kernel`] when `ipset` cannot be started, [`Error::Child`] when it fails: the commands
/// before the one it did not like were done.
pub fn restore(plan: &str) -> Result<()> {
    process::run_with_input(Command::new("ipset").args(["restore", "-exist"]), plan).map(drop)
}

/// Removes a set; whether it is gone (or was not there), and not still in use by a rule.
///
/// # Errors
/// [`Error::Kernel`] when `ipset` cannot be started, [`Error::Child`] when it fails otherwise.
pub fn destroy(name: &str) -> Result<bool> {
    match process::run(Command::new("ipset").args(["destroy", name])) {
        Ok(_) => Ok(true),
        Err(Error::Child { stderr, .. }) if stderr.contains("does not exist") => Ok(true),
        Err(Error::Child { stderr, .. }) if stderr.contains("in use") => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(texts: &[&str]) -> BTreeSet<IpNet> {
        texts.iter().map(|text| network(text).expect("network")).collect()
    }

    #[test]
    fn saved_sets_are_read_and_others_skipped() {
        let sets = parse(
            "create a hash:net family inet hashsize 1024 maxelem 70000 bucketsize 12\n\
             add a 10.0.0.0/24\nadd a 10.0.0.1\ncreate b hash:ip family inet\nadd b 10.0.0.9\n\
             create c hash:net family inet6\nnonsense\nadd c what\n",
        );
        assert_eq!(sets.keys().collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(sets["a"].members, nets(&["10.0.0.0/24", "10.0.0.1"]));
        assert_eq!(sets["a"].capacity, 70000);
        assert!(sets["c"].members.is_empty());
    }

    #[test]
    fn few_changes_are_single_and_many_are_a_swap() {
        let current = parse("create a hash:net family inet\nadd a 10.0.0.1\nadd a 10.0.0.2\n");
        let plan_for = |members: &BTreeSet<IpNet>| {
            plan(
                &current,
                &BTreeMap::from([("a".to_string(), Wanted { family: Family::V4, members })]),
            )
        };
        assert_eq!(plan_for(&nets(&["10.0.0.1", "10.0.0.2"])), None);
        assert_eq!(
            plan_for(&nets(&["10.0.0.2", "10.0.0.3"])).as_deref(),
            Some("del a 10.0.0.1/32\nadd a 10.0.0.3/32\n")
        );
        let many = plan_for(&nets(&["10.1.0.1", "10.1.0.2", "10.1.0.3"])).expect("changes");
        assert!(many.starts_with("create a-n hash:net family inet\nflush a-n\n"), "{many}");
        assert!(many.ends_with("swap a-n a\ndestroy a-n\n"), "{many}");
    }

    #[test]
    fn large_sets_are_made_large() {
        let members: BTreeSet<IpNet> =
            (0..65537u32).map(|n| IpNet::from(IpAddr::from(n.to_be_bytes()))).collect();
        let wanted =
            BTreeMap::from([("a".to_string(), Wanted { family: Family::V4, members: &members })]);
        let plan = plan(&BTreeMap::new(), &wanted).expect("changes");
        assert!(plan.starts_with("create a hash:net family inet maxelem 131072\n"));
    }
}
