//! Choosing free addresses without reading every allocation.
//!
//! Neutron draws an address at random among the first thousand free ones, for which it reads all
//! allocations of the subnet. Here random candidates are drawn from windows at the start of the
//! pools that grow by the factor four; one statement tells which are taken, and the first free
//! candidate wins. So addresses stay low while a subnet is empty, and a subnet of any fill costs
//! the same. Only when every candidate is taken (a subnet all but full) the allocations are read
//! and the choice is made exactly ([`pick_exact`]).

use std::{collections::HashSet, net::IpAddr};

use rand::{Rng, RngExt};

use super::{
    addr::{from_number, to_number},
    pools::Pool,
};

/// Size of the first window, and of the exact choice's one: Neutron's.
const WINDOW: u128 = 1000;
/// Window per address when many are wanted at once.
const BULK_WINDOW: u128 = 100;
/// Candidates per window for one address.
const PER_WINDOW: usize = 8;
/// How many windows are tried, the whole of the pools being the last.
const WINDOWS: usize = 5;

/// How the address is to be chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Preference {
    /// At random near the start of the pools.
    Random,
    /// The first free one (ports of DHCP agents and distributed services).
    First,
}

/// The pools of one subnet as one sequence of addresses.
#[derive(Clone, Copy, Debug)]
pub struct Space<'a>(&'a [Pool]);

impl<'a> Space<'a> {
    /// The addresses of `pools`, in their order.
    #[must_use]
    pub fn new(pools: &'a [Pool]) -> Self {
        Self(pools)
    }

    fn size(self) -> u128 {
        self.0.iter().fold(0u128, |sum, p| sum.saturating_add(p.size()))
    }

    fn nth(self, mut index: u128) -> Option<IpAddr> {
        for pool in self.0 {
            if index < pool.size() {
                return Some(from_number(pool.version, pool.first + index));
            }
            index -= pool.size();
        }
        None
    }

    fn iter(self) -> impl Iterator<Item = IpAddr> {
        self.0.iter().flat_map(|p| (p.first..=p.last).map(|n| from_number(p.version, n)))
    }

    /// Candidates for `count` addresses, best first, without repetition.
    pub fn candidates(
        self,
        preference: Preference,
        count: usize,
        rng: &mut impl Rng,
    ) -> Vec<IpAddr> {
        let size = self.size();
        let per_window = if count > 1 { count * 2 + PER_WINDOW } else { PER_WINDOW };
        if preference == Preference::First || size <= (per_window * WINDOWS) as u128 {
            let mut all: Vec<IpAddr> = self.iter().take(per_window * WINDOWS).collect();
            if preference == Preference::Random {
                shuffle(&mut all, rng);
            }
            return all;
        }
        let mut out = Vec::with_capacity(per_window * WINDOWS);
        let mut seen = HashSet::with_capacity(per_window * WINDOWS);
        let mut window = WINDOW.max(count as u128 * BULK_WINDOW);
        for round in 1..=WINDOWS {
            let last = round == WINDOWS || window >= size;
            let limit = if last { size } else { window };
            // The last window carries the share of those not tried, so that a fuller subnet is
            // still answered by one statement.
            let draws = if last { per_window * (WINDOWS + 1 - round) } else { per_window };
            for _ in 0..draws {
                let index = rng.random_range(0..limit);
                if seen.insert(index) {
                    out.extend(self.nth(index));
                }
            }
            if last {
                break;
            }
            window = window.saturating_mul(4);
        }
        out
    }
}

/// The exact choice: `count` free addresses given all `taken` ones, at random among the first
/// thousand free; fewer when there are not as many.
pub fn pick_exact(
    pools: &[Pool],
    taken: &HashSet<IpAddr>,
    preference: Preference,
    count: usize,
    rng: &mut impl Rng,
) -> Vec<IpAddr> {
    let window = match preference {
        Preference::First => count,
        Preference::Random => {
            usize::try_from(WINDOW.max(count as u128 * BULK_WINDOW)).unwrap_or(usize::MAX)
        }
    };
    let mut free = free_in_order(pools, taken, window);
    if preference == Preference::Random {
        shuffle(&mut free, rng);
    }
    free.truncate(count);
    free
}

fn free_in_order(pools: &[Pool], taken: &HashSet<IpAddr>, limit: usize) -> Vec<IpAddr> {
    let mut numbers: Vec<u128> = taken.iter().map(|ip| to_number(*ip)).collect();
    numbers.sort_unstable();
    let mut out = Vec::new();
    for pool in pools {
        let mut next = pool.first;
        let from = numbers.partition_point(|n| *n < pool.first);
        for used in numbers[from..].iter().copied().take_while(|n| *n <= pool.last) {
            while next < used && out.len() < limit {
                out.push(from_number(pool.version, next));
                next += 1;
            }
            next = used.saturating_add(1);
        }
        while next <= pool.last && out.len() < limit {
            out.push(from_number(pool.version, next));
            next = match next.checked_add(1) {
                Some(n) => n,
                None => break,
            };
        }
        if out.len() >= limit {
            break;
        }
    }
    out
}

fn shuffle(list: &mut [IpAddr], rng: &mut impl Rng) {
    for i in (1..list.len()).rev() {
        list.swap(i, rng.random_range(0..=i));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ipam::{addr::parse_net, pools::default_pools};

    fn pools(cidr: &str) -> Vec<Pool> {
        let net = parse_net(cidr).expect("valid");
        default_pools(&net, None)
    }

    #[test]
    fn an_empty_subnet_gives_low_addresses_first() {
        for cidr in ["10.0.0.0/16", "fd00::/64"] {
            let pools = pools(cidr);
            let list = Space::new(&pools).candidates(Preference::Random, 1, &mut rand::rng());
            let first = to_number(list[0]) - pools[0].first;
            assert!(first < WINDOW, "{cidr}: {first}");
            assert!(list.len() <= PER_WINDOW * WINDOWS);
        }
    }

    #[test]
    fn first_walks_from_the_start() {
        let pools = pools("10.0.0.0/24");
        let list = Space::new(&pools).candidates(Preference::First, 1, &mut rand::rng());
        assert_eq!(
            list[..2],
            ["10.0.0.1".parse::<IpAddr>(), "10.0.0.2".parse()].map(|ip| ip.expect("valid"))
        );
    }

    #[test]
    fn exact_choice_finds_the_last_free_address() {
        let pools = pools("10.0.0.0/29");
        let mut taken: HashSet<IpAddr> = Space::new(&pools).iter().collect();
        let free: IpAddr = "10.0.0.4".parse().expect("valid");
        taken.remove(&free);
        let mut rng = rand::rng();
        assert_eq!(pick_exact(&pools, &taken, Preference::Random, 1, &mut rng), [free]);
        taken.insert(free);
        assert!(pick_exact(&pools, &taken, Preference::First, 1, &mut rng).is_empty());
    }

    #[test]
    fn the_end_of_the_address_space_does_not_overflow() {
        let last = pools("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127");
        let picked = pick_exact(&last, &HashSet::new(), Preference::First, 5, &mut rand::rng());
        assert_eq!(picked.len(), 1);
        let all = Pool { version: 6, first: 0, last: u128::MAX };
        assert!(
            !Space::new(&[all]).candidates(Preference::Random, 100, &mut rand::rng()).is_empty()
        );
    }

    proptest! {
        #[test]
        fn picks_are_free_distinct_and_in_the_pools(
            used in proptest::collection::hash_set(1u32..255, 0..255),
            count in 1usize..40,
        ) {
            let pools = pools("10.0.0.0/24");
            let base = 0x0a00_0000u32;
            let taken: HashSet<IpAddr> =
                used.iter().map(|n| from_number(4, u128::from(base + n))).collect();
            let picked =
                pick_exact(&pools, &taken, Preference::Random, count, &mut rand::rng());
            let free = 254 - taken.iter().filter(|ip| pools[0].contains(**ip)).count();
            prop_assert_eq!(picked.len(), count.min(free));
            let distinct: HashSet<&IpAddr> = picked.iter().collect();
            prop_assert_eq!(distinct.len(), picked.len());
            for ip in &picked {
                prop_assert!(!taken.contains(ip) && pools[0].contains(*ip));
            }
        }
    }
}
