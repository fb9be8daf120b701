//! What the server does by the clock: looking for agents that fell silent, and moving the networks
//! of dead DHCP agents and the routers of dead L3 agents; of several servers one does it. And what
//! each does behind requests: pushing what they changed.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use neutrino_db::agents::Agent;
use neutrino_ml2::Ml2Plugin;
use neutrino_services::{Agents, DhcpScheduler, l3::L3Scheduler};
use tokio::{
    task::JoinSet,
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    lease::{self, Holding, Keeper},
    parts::Parts,
};

/// The lease of the server that does all this.
const LEASE: &str = "periodic";

/// The running tasks; they end when this is dropped. Every server has them, and those of the one
/// that holds the lease do something.
#[derive(Debug)]
pub struct Periodic {
    tasks: JoinSet<()>,
    keeper: Keeper,
}

impl Periodic {
    /// Looks at agents twice per `agent_down_time`, as Neutron does.
    pub async fn start(parts: &Parts) -> Self {
        let agents = Agents::clone(&parts.agents);
        let down_time = agents.down_time();
        let period = down_time.to_std().unwrap_or_default() / 2;
        let period = period.max(Duration::from_secs(1));
        let lasts = lease::duration(down_time.to_std().unwrap_or_default());
        let keeper = Keeper::start(parts.db.clone(), LEASE, &lease::process_name(), lasts).await;
        let rounds = || Rounds::new(keeper.holding(), period, down_time);
        let (dhcp, ml2) = (parts.dhcp.clone(), parts.ml2.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(watch(agents, rounds()));
        tasks.spawn(serve_networks(dhcp, ml2, rounds()));
        tasks.spawn(serve_routers(parts.l3_scheduler.clone(), rounds()));
        tasks.spawn(parts.changes.clone().run(parts.db.clone(), parts.notifier.clone()));
        Self { tasks, keeper }
    }

    /// Ends the tasks and leaves them to another server.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
        self.keeper.stop().await;
    }
}

/// When it is time to do something.
struct Rounds {
    ticks: Interval,
    holding: Holding,
    patience: Patience,
}

impl Rounds {
    fn new(holding: Holding, period: Duration, down_time: TimeDelta) -> Self {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, holding, patience: Patience::new(down_time) }
    }

    /// Waits for the next time that it falls to this server to act; answers whether agents had the
    /// time to report.
    async fn next(&mut self) -> bool {
        loop {
            self.ticks.tick().await;
            // Asked in every round, also in those of others.
            let over = self.patience.is_over(Utc::now());
            if self.holding.is_ours() {
                return over;
            }
        }
    }
}

/// Gives networks of dead DHCP agents to others; ports that wait for dead agents wait no longer.
async fn serve_networks(dhcp: DhcpScheduler, ml2: Ml2Plugin, mut rounds: Rounds) {
    loop {
        if !rounds.next().await {
            continue;
        }
        if let Err(error) = dhcp.fail_over().await {
            tracing::error!(%error, "moving the networks of dead DHCP agents failed");
        }
        match ml2.give_up_on_dhcp().await {
            Ok(0) => {}
            Ok(ports) => tracing::warn!(
                ports,
                "ports wait for DHCP no longer: every DHCP agent of their networks is dead"
            ),
            Err(error) => tracing::error!(%error, "cannot look for ports that wait for DHCP"),
        }
    }
}

/// Gives routers of dead L3 agents to others.
async fn serve_routers(l3: L3Scheduler, mut rounds: Rounds) {
    loop {
        if rounds.next().await
            && let Err(error) = l3.fail_over().await
        {
            tracing::error!(%error, "moving the routers of dead L3 agents failed");
        }
    }
}

/// When silence means death: not before agents had the time to report, after the server started
/// and after a jump of the clock.
#[derive(Debug)]
struct Patience {
    down_time: TimeDelta,
    last: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

impl Patience {
    fn new(down_time: TimeDelta) -> Self {
        Self { down_time, last: None, until: None }
    }

    /// Whether agents silent `now` had the time to report. To be asked at least twice per
    /// `agent_down_time`.
    fn is_over(&mut self, now: DateTime<Utc>) -> bool {
        let jumped = self.last.is_none_or(|last| (now - last).abs() > self.down_time);
        if jumped {
            if self.last.is_some() {
                tracing::warn!("the clock jumped: waiting for agents to report");
            }
            self.until = Some(now + self.down_time);
        }
        self.last = Some(now);
        self.until.is_none_or(|until| now > until)
    }
}

async fn watch(agents: Agents, mut rounds: Rounds) {
    // Agents of a server that was down have yet to report.
    rounds.ticks.tick().await;
    let mut known = Silent::default();
    loop {
        rounds.next().await;
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
    fn agents_get_time_to_report_after_a_start_and_after_a_jump() {
        let start = DateTime::from_timestamp(1_795_226_769, 0).expect("time");
        let mut patience = Patience::new(TimeDelta::seconds(75));
        let mut at = |seconds: i64| patience.is_over(start + TimeDelta::seconds(seconds));
        assert_eq!([at(0), at(37), at(74), at(111)], [false, false, false, true]);
        // An hour later by the clock.
        assert_eq!([at(3700), at(3737), at(3774), at(3811)], [false, false, false, true]);
        // And back.
        assert_eq!([at(100), at(137), at(174), at(211)], [false, false, false, true]);
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
