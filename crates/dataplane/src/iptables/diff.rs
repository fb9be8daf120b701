//! The least commands from what a table holds to what an agent wants there.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    Wrap,
    rule::{canonical, target},
    save::{SavedChain, SavedTable},
    tables::Table,
};

/// Chains of all agents start with this, shared ones too.
const NEUTRON_PREFIX: &str = "neutron-";

/// The commands, in the language of `iptables-restore` without the table's first and last line.
/// Empty when nothing is to do. Chains and rules of the agent that `spared` answers true for (by
/// name and by text) stay though nobody wants them.
pub(super) fn commands(
    saved: Option<&SavedTable>,
    wanted: &Table,
    spared: &dyn Fn(&str) -> bool,
) -> Vec<String> {
    let nothing = BTreeMap::new();
    let empty = SavedChain::default();
    let chains = saved.map_or(&nothing, |table| &table.chains);
    let chain = |name: &str| chains.get(name).unwrap_or(&empty);
    let mut out: Vec<String> = wanted
        .needed()
        .filter(|name| !chains.contains_key(*name))
        .map(|name| format!(":{name} - [0:0]"))
        .collect();
    for (name, rules) in wanted.own() {
        own_chain(name, chain(name), &rules, spared, &mut out);
    }
    let shared: BTreeMap<&str, Vec<&str>> = wanted.shared().collect();
    for (name, rules) in &shared {
        shared_chain(wanted.wrap(), name, chain(name), rules, &mut out);
    }
    // Chains of others may still lead to what the agent had before.
    for (name, chain) in chains {
        if !wanted.wrap().owns(name) && !shared.contains_key(name.as_str()) {
            shared_chain(wanted.wrap(), name, chain, &[], &mut out);
        }
    }
    let gone = || {
        let ours = chains.keys().filter(|name| wanted.wrap().owns(name));
        ours.filter(|name| !wanted.has_own(name) && !spared(name))
    };
    // All are emptied before the first goes, for they may lead to each other.
    out.extend(gone().map(|name| format!("-F {name}")));
    out.extend(gone().map(|name| format!("-X {name}")));
    out
}

/// One place of a chain as it shall be.
enum Place<'a> {
    /// The next rule that stays.
    Kept,
    /// A rule to put in.
    New(&'a str),
}

/// A chain that is wholly the agent's.
fn own_chain(
    name: &str,
    chain: &SavedChain,
    wanted: &[&str],
    spared: &dyn Fn(&str) -> bool,
    out: &mut Vec<String>,
) {
    // Nearly every chain is as it shall be, to the letter.
    if chain.rules.iter().map(|rule| rule.text.as_str()).eq(wanted.iter().copied()) {
        return;
    }
    let mut seen = HashSet::new();
    let wanted: Vec<(&str, String)> = wanted
        .iter()
        .map(|text| (*text, canonical(text)))
        .filter(|(_, key)| seen.insert(key.clone()))
        .collect();
    let mut places: HashMap<&str, usize> =
        wanted.iter().enumerate().map(|(place, (_, key))| (key.as_str(), place)).collect();
    // Of a rule that is there twice, the first is it and the second is none of ours.
    let present: Vec<Option<usize>> =
        chain.rules.iter().map(|rule| places.remove(canonical(&rule.text).as_str())).collect();
    let mut kept = longest_rising(&present);
    let mut desired = Vec::with_capacity(wanted.len());
    let mut new = wanted.iter().map(|(text, _)| Place::New(text));
    let mut next = 0;
    for ((rule, place), kept) in chain.rules.iter().zip(&present).zip(&mut kept) {
        match place {
            Some(place) if *kept => {
                desired.extend(new.by_ref().take(place - next));
                new.next();
                next = place + 1;
                desired.push(Place::Kept);
            }
            None if spared(&rule.text) => {
                *kept = true;
                desired.push(Place::Kept);
            }
            _ => {}
        }
    }
    desired.extend(new);
    edit(name, &kept, desired.into_iter(), out);
}

/// A chain others use too: the agent's rules come first, in their order. Those of other agents of
/// Neutron may stand between, or two agents would displace each other forever.
fn shared_chain(
    wrap: &Wrap,
    name: &str,
    chain: &SavedChain,
    wanted: &[&str],
    out: &mut Vec<String>,
) {
    let keys: Vec<String> = wanted.iter().map(|text| canonical(text)).collect();
    let present: Vec<String> = chain.rules.iter().map(|rule| canonical(&rule.text)).collect();
    let ours = |key: &String| keys.contains(key) || target(key).is_some_and(|t| wrap.owns(t));
    let theirs = |key: &String| target(key).is_some_and(|t| t.starts_with(NEUTRON_PREFIX));
    let last = present.iter().rposition(ours).map_or(0, |last| last + 1);
    if present[..last].iter().filter(|key| ours(key)).eq(&keys)
        && present[..last].iter().all(|key| ours(key) || theirs(key))
    {
        return;
    }
    let mut in_place = 0;
    let kept: Vec<bool> = present
        .iter()
        .enumerate()
        .map(|(at, key)| {
            if !ours(key) {
                return true;
            }
            let right = at == in_place && keys.get(at) == Some(key);
            in_place += usize::from(right);
            right
        })
        .collect();
    let mine = wanted
        .iter()
        .enumerate()
        .map(|(at, text)| if at < in_place { Place::Kept } else { Place::New(text) });
    let others = present.iter().filter(|key| !ours(key)).map(|_| Place::Kept);
    edit(name, &kept, mine.chain(others), out);
}

/// Commands that take out of a chain what is not kept and put in what is new.
fn edit<'a>(
    chain: &str,
    kept: &[bool],
    desired: impl Iterator<Item = Place<'a>>,
    out: &mut Vec<String>,
) {
    // Counted from 1 in the chain as the commands so far leave it.
    let mut position = 1;
    let mut left = kept;
    for place in desired {
        left = drop_unkept(chain, position, left, out);
        match place {
            Place::Kept => left = left.get(1..).unwrap_or_default(),
            Place::New(text) if left.is_empty() => out.push(format!("-A {chain} {text}")),
            Place::New(text) => out.push(format!("-I {chain} {position} {text}")),
        }
        position += 1;
    }
    drop_unkept(chain, position, left, out);
}

/// Takes out the rules at `position` up to the next one that is kept; what is left then.
fn drop_unkept<'a>(
    chain: &str,
    position: usize,
    left: &'a [bool],
    out: &mut Vec<String>,
) -> &'a [bool] {
    let next = left.iter().position(|kept| *kept).unwrap_or(left.len());
    out.extend((0..next).map(|_| format!("-D {chain} {position}")));
    &left[next..]
}

/// Which elements belong to a longest strictly rising subsequence; `None` never does.
fn longest_rising(values: &[Option<usize>]) -> Vec<bool> {
    // `ends[n]` is where the rising run of length n + 1 with the least last value ends.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; values.len()];
    for (at, value) in values.iter().enumerate() {
        if value.is_none() {
            continue;
        }
        let length = ends.partition_point(|end| values[*end] < *value);
        before[at] = length.checked_sub(1).map(|shorter| ends[shorter]);
        if length == ends.len() {
            ends.push(at);
        } else {
            ends[length] = at;
        }
    }
    let mut chosen = vec![false; values.len()];
    let mut next = ends.last().copied();
    while let Some(at) = next {
        chosen[at] = true;
        next = before[at];
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_rising_run_is_found() {
        let values = [Some(3), Some(0), None, Some(1), Some(5), Some(2)];
        let chosen = longest_rising(&values);
        let run: Vec<_> = values.iter().zip(chosen).filter(|(_, c)| *c).map(|(v, _)| *v).collect();
        assert_eq!(run.len(), 3);
        assert!(run.is_sorted());
    }
}
