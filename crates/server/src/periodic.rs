//! What the server does by the clock: today, looking for agents that fell silent.

use std::{collections::HashSet, time::Duration};

use neutrino_db::agents::Agent;
use neutrino_services::Agents;
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

/// The running tasks; they end when this is dropped.
#[derive(Debug)]
pub struct Periodic {
    health: JoinHandle<()>,
}

impl Periodic {
    /// Looks at `agents` twice per `agent_down_time`, as Neutron does.
    #[must_use]
    pub fn start(agents: Agents) -> Self {
        let period = agents.down_time().to_std().unwrap_or_default() / 2;
        let health = tokio::spawn(watch(agents, period.max(Duration::from_secs(1))));
        Self { health }
    }
}

impl Drop for Periodic {
    fn drop(&mut self) {
        self.health.abort();
    }
}

async fn watch(agents: Agents, period: Duration) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is immediate; agents of a server that was down have yet to report.
    ticks.tick().await;
    let mut known = Silent::default();
    loop {
        ticks.tick().await;
        match agents.dead().await {
            Ok(dead) => {
                for agent in known.news(dead) {
                    tracing::warn!(
                        agent_type = agent.agent_type,
                        host = agent.host,
                        last_report = agent.heartbeat_timestamp,
                        "agent is dead: it has not reported for agent_down_time"
                    );
                }
            }
            Err(error) => tracing::error!(%error, "cannot look for dead agents"),
        }
    }
}

/// The agents whose silence has been told of.
#[derive(Debug, Default)]
struct Silent(HashSet<String>);

impl Silent {
    /// Those of `dead` that were not dead the last time.
    fn news(&mut self, dead: Vec<Agent>) -> Vec<Agent> {
        let before = std::mem::take(&mut self.0);
        self.0 = dead.iter().map(|agent| agent.id.clone()).collect();
        dead.into_iter().filter(|agent| !before.contains(&agent.id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(id: &str) -> Agent {
        Agent {
            id: id.into(),
            agent_type: "Open vSwitch agent".into(),
            binary: String::new(),
            topic: String::new(),
            host: id.into(),
            availability_zone: None,
            admin_state_up: true,
            created_at: String::new(),
            started_at: String::new(),
            heartbeat_timestamp: String::new(),
            description: None,
            configurations: serde_json::Map::new(),
            resource_versions: None,
            load: 0,
            resources_synced: None,
        }
    }

    #[test]
    fn a_death_is_news_once_and_again_after_a_revival() {
        let mut silent = Silent::default();
        let mut news = |ids: &[&str]| -> Vec<String> {
            let dead = ids.iter().map(|id| agent(id)).collect();
            silent.news(dead).into_iter().map(|a| a.id).collect()
        };
        assert_eq!(news(&["a"]), ["a"]);
        assert_eq!(news(&["a", "b"]), ["b"]);
        assert!(news(&["b"]).is_empty());
        assert_eq!(news(&["a", "b"]), ["a"]);
    }
}
