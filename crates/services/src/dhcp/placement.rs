//! Which agents get which networks: pure decisions over [`Hosting`].

use std::collections::HashMap;

use chrono::TimeDelta;
use neutrino_db::{
    agent_bindings::{Binding, BoundAgent, Hosting},
    time,
};
use rand::{Rng, seq::SliceRandom};

use crate::scheduling::{Liveness, in_zone, vacant_index};

/// Seconds an agent that starts is given for each of its networks before it counts as dead.
const START_UP_SECONDS_PER_NETWORK: i64 = 2;

/// How agents are chosen (`network_scheduler_driver`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// The least loaded.
    Weight,
    /// The zone with the fewest agents of the network, in it the least loaded.
    AzAwareWeight,
    /// Any.
    Chance,
}

impl Driver {
    /// The driver an operator names, by class or by path.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name.rsplit('.').next()? {
            "WeightScheduler" => Some(Self::Weight),
            "AZAwareWeightScheduler" => Some(Self::AzAwareWeight),
            "ChanceScheduler" => Some(Self::Chance),
            _ => None,
        }
    }
}

/// What holds for all placements of one run.
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    /// `dhcp_agents_per_network`.
    pub per_network: usize,
    /// How agents are chosen.
    pub driver: Driver,
    /// `default_availability_zones`: hints of networks without.
    pub default_zones: &'a [String],
    /// Who is alive.
    pub liveness: Liveness,
}

impl Rules<'_> {
    /// Whether `agent` may get networks: up, and alive or still starting.
    #[must_use]
    pub fn is_eligible(&self, agent: &BoundAgent) -> bool {
        agent.admin_state_up && self.is_in_service(agent)
    }

    /// Whether `agent` is alive or still starting.
    #[must_use]
    pub fn is_in_service(&self, agent: &BoundAgent) -> bool {
        self.liveness.is_alive(agent) || self.is_starting(agent)
    }

    /// Whether a silent agent may just be busy with the networks it found at its start.
    #[must_use]
    pub fn is_starting(&self, agent: &BoundAgent) -> bool {
        let Some(started) = time::parse(&agent.started_at) else { return false };
        let work = i64::from(agent.bound).saturating_mul(START_UP_SECONDS_PER_NETWORK);
        let given = self.liveness.dead_limit() + TimeDelta::try_seconds(work).unwrap_or_default();
        started + given > self.liveness.now
    }

    /// Whether another agent could take `network`, whatever its hints.
    #[must_use]
    pub fn may_place(&self, hosting: &Hosting, network: &str) -> bool {
        let serving: Vec<&str> = hosting.of(network).map(|a| a.id.as_str()).collect();
        serving.len() < self.per_network
            && hosting
                .agents
                .iter()
                .any(|a| !serving.contains(&a.id.as_str()) && self.is_eligible(a))
    }
}

/// A network that wants agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The network.
    pub network_id: String,
    /// Its `availability_zone_hints`.
    pub zones: Vec<String>,
}

/// New bindings for `wishes`; with `only`, to that agent and no other.
pub fn place(
    hosting: &Hosting,
    wishes: &[Wish],
    rules: &Rules<'_>,
    only: Option<&str>,
    rng: &mut impl Rng,
) -> Vec<Binding> {
    let mut load: HashMap<&str, i64> =
        hosting.agents.iter().map(|a| (a.id.as_str(), a.load)).collect();
    let mut out = Vec::new();
    for wish in wishes {
        let serving: Vec<&BoundAgent> = hosting.of(&wish.network_id).collect();
        let needed = rules.per_network.saturating_sub(serving.len());
        let mut candidates: Vec<&BoundAgent> = hosting
            .agents
            .iter()
            .filter(|a| only.is_none_or(|id| a.id == id))
            .filter(|a| rules.is_eligible(a) && in_zone(a, &wish.zones, rules.default_zones))
            .filter(|a| serving.iter().all(|s| s.id != a.id))
            .collect();
        if rules.driver == Driver::Chance {
            candidates.shuffle(rng);
        } else {
            candidates.sort_by_key(|a| load.get(a.id.as_str()).copied().unwrap_or(0));
        }
        let chosen = match rules.driver {
            Driver::AzAwareWeight => spread(candidates, &serving, needed),
            Driver::Weight | Driver::Chance => candidates.into_iter().take(needed).collect(),
        };
        let mut taken: Vec<u32> = hosting
            .bindings
            .iter()
            .filter(|b| b.resource_id == wish.network_id)
            .map(|b| b.index)
            .collect();
        for agent in chosen {
            let index = vacant_index(&taken);
            taken.push(index);
            *load.entry(agent.id.as_str()).or_insert(0) += 1;
            out.push(Binding {
                resource_id: wish.network_id.clone(),
                agent_id: agent.id.clone(),
                index,
            });
        }
    }
    out
}

/// `needed` of `candidates` (least loaded first), over the zones with the fewest agents.
fn spread<'a>(
    candidates: Vec<&'a BoundAgent>,
    serving: &[&BoundAgent],
    needed: usize,
) -> Vec<&'a BoundAgent> {
    // Zones in the order of their least loaded agent, with how many of their agents serve.
    let mut zones: Vec<(Option<&str>, usize, Vec<&BoundAgent>)> = Vec::new();
    for agent in candidates {
        let zone = agent.availability_zone.as_deref();
        match zones.iter_mut().find(|(z, ..)| *z == zone) {
            Some((.., agents)) => agents.push(agent),
            None => {
                let there = |a: &&&BoundAgent| a.availability_zone.as_deref() == zone;
                zones.push((zone, serving.iter().filter(there).count(), vec![agent]));
            }
        }
    }
    let mut out = Vec::new();
    while out.len() < needed {
        let with_agents = zones.iter_mut().filter(|(.., agents)| !agents.is_empty());
        let Some((_, count, agents)) = with_agents.min_by_key(|(_, count, _)| *count) else {
            break;
        };
        out.push(agents.remove(0));
        *count += 1;
    }
    out
}
