//! Which L3 agents get which routers: pure decisions over [`Hosting`].

use std::collections::HashMap;

use neutrino_db::{
    agent_bindings::{Binding, BoundAgent, Hosting},
    l3_bindings::RouterWish,
};
use neutrino_types::constants::agent_mode;
use rand::{Rng, seq::IndexedRandom as _};
use serde::Deserialize;

use crate::scheduling::{Liveness, in_zone, vacant_index};

/// How an agent is chosen (`router_scheduler_driver`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// The one with the fewest routers.
    LeastRouters,
    /// The one with the fewest routers in the zones the router hints at.
    AzLeastRouters,
    /// Any.
    Chance,
}

impl Driver {
    /// The driver an operator names, by class or by path.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name.rsplit('.').next()? {
            "LeastRoutersScheduler" => Some(Self::LeastRouters),
            "AZLeastRoutersScheduler" => Some(Self::AzLeastRouters),
            "ChanceScheduler" => Some(Self::Chance),
            _ => None,
        }
    }
}

/// What holds for all placements of one run.
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    /// How agents are chosen.
    pub driver: Driver,
    /// `default_availability_zones`: hints of routers without.
    pub default_zones: &'a [String],
    /// Who is alive.
    pub liveness: Liveness,
}

/// What an L3 agent reported of its configuration, as far as scheduling goes by it.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct AgentTraits {
    /// How it treats distributed routers.
    pub agent_mode: String,
    /// The only router it has.
    pub router_id: Option<String>,
    /// Whether it has routers without a gateway too.
    pub handle_internal_only_routers: bool,
}

impl Default for AgentTraits {
    fn default() -> Self {
        let agent_mode = agent_mode::LEGACY.to_string();
        Self { agent_mode, router_id: None, handle_internal_only_routers: true }
    }
}

impl AgentTraits {
    /// As `agent` reported them; what it left out is Neutron's default.
    #[must_use]
    pub fn of(agent: &BoundAgent) -> Self {
        serde_json::from_str(&agent.configurations).unwrap_or_default()
    }

    /// Whether the agent runs distributed routers for instances of its own host only: nothing is
    /// scheduled to it.
    #[must_use]
    pub fn is_compute(&self) -> bool {
        [agent_mode::DVR, agent_mode::DVR_NO_EXTERNAL].contains(&self.agent_mode.as_str())
    }

    /// Whether the agent can have distributed routers.
    #[must_use]
    pub fn is_distributed(&self) -> bool {
        self.agent_mode != agent_mode::LEGACY
    }

    /// Whether the agent can have a router that wishes `wish`.
    #[must_use]
    pub fn suits(&self, wish: &RouterWish) -> bool {
        let only = self.router_id.as_ref().filter(|id| !id.is_empty());
        !self.is_compute()
            && (self.is_distributed() || !wish.distributed)
            && only.is_none_or(|id| *id == wish.router_id)
            && (wish.external || self.handle_internal_only_routers)
    }
}

impl Rules<'_> {
    /// Whether the zone of `agent` is one that `wish` hints at, where the driver goes by that.
    fn is_near(&self, agent: &BoundAgent, wish: &RouterWish) -> bool {
        self.driver != Driver::AzLeastRouters || in_zone(agent, &wish.zones, self.default_zones)
    }
}

/// New bindings for those of `wishes` that no agent has; with `only`, to that agent and no other,
/// which asks and so need not be alive. A router is bound even while its agent is dead or down:
/// giving it to another is failover.
pub fn place(
    hosting: &Hosting,
    wishes: &[RouterWish],
    rules: &Rules<'_>,
    only: Option<&str>,
    rng: &mut impl Rng,
) -> Vec<Binding> {
    let may = |a: &&BoundAgent| match only {
        Some(id) => a.id == id && a.admin_state_up,
        None => a.admin_state_up && rules.liveness.is_alive(a),
    };
    let agents: Vec<(&BoundAgent, AgentTraits)> =
        hosting.agents.iter().filter(may).map(|a| (a, AgentTraits::of(a))).collect();
    let mut routers: HashMap<&str, u32> =
        agents.iter().map(|(a, _)| (a.id.as_str(), a.bound)).collect();
    let mut out = Vec::new();
    for wish in wishes {
        if hosting.bindings.iter().any(|b| b.resource_id == wish.router_id) {
            continue;
        }
        let fits = |(a, traits): &&(&BoundAgent, AgentTraits)| {
            traits.suits(wish) && rules.is_near(a, wish)
        };
        let candidates: Vec<&BoundAgent> = agents.iter().filter(fits).map(|(a, _)| *a).collect();
        let count = |a: &&&BoundAgent| routers.get(a.id.as_str()).copied().unwrap_or(0);
        let chosen = match rules.driver {
            Driver::Chance => candidates.choose(rng),
            Driver::LeastRouters | Driver::AzLeastRouters => candidates.iter().min_by_key(count),
        };
        if let Some(agent) = chosen {
            *routers.entry(agent.id.as_str()).or_insert(0) += 1;
            out.push(Binding {
                resource_id: wish.router_id.clone(),
                agent_id: agent.id.clone(),
                index: vacant_index(&[]),
            });
        }
    }
    out
}
