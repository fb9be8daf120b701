//! Scheduling of routers to L3 agents: the decisions as values, failover over a database.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use neutrino_db::{
    Db,
    agent_bindings::{self, Binding, BoundAgent, Hosting},
    l3_bindings::RouterWish,
    routers::{self, Router},
    time,
};
use neutrino_rpc::{methods::Method, shapes::AgentState};
use neutrino_services::{
    AgentConfig, Agents,
    l3::{
        L3Notifier, L3Scheduler, L3SchedulerConfig, Seams,
        placement::{Driver, Rules, place},
    },
    scheduling::Liveness,
};
use serde_json::{Value, json};

use crate::{Empty, agents::TestClock, database};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_226_769, 0).expect("time")
}

/// An agent that has reported just now.
fn agent(id: &str, configurations: Value) -> BoundAgent {
    BoundAgent {
        id: id.into(),
        host: format!("host-{id}"),
        availability_zone: Some("nova".into()),
        admin_state_up: true,
        heartbeat_timestamp: time::to_text(now()),
        configurations: configurations.to_string(),
        ..BoundAgent::default()
    }
}

fn legacy(id: &str) -> BoundAgent {
    agent(id, json!({ "agent_mode": "legacy", "handle_internal_only_routers": true }))
}

fn rules(driver: Driver) -> Rules<'static> {
    let liveness = Liveness { down_time: TimeDelta::seconds(75), now: now() };
    Rules { driver, default_zones: &[], liveness }
}

fn wish(router: &str) -> RouterWish {
    RouterWish { router_id: router.into(), ..RouterWish::default() }
}

/// Who gets what, as `router:agent:index`.
fn placed(agents: &[BoundAgent], wishes: &[RouterWish], rules: &Rules<'_>) -> Vec<String> {
    let hosting = Hosting { agents: agents.to_vec(), bindings: Vec::new() };
    let placed = place(&hosting, wishes, rules, None, &mut rand::rng());
    placed.into_iter().map(|b| format!("{}:{}:{}", b.resource_id, b.agent_id, b.index)).collect()
}

#[test]
fn the_agent_with_the_fewest_routers_gets_the_next() {
    let mut busy = legacy("busy");
    busy.bound = 4;
    let agents = [busy, legacy("idle")];
    let wishes: Vec<RouterWish> = (0..8).map(|n| wish(&format!("r{n}"))).collect();
    let mut of_agent: BTreeMap<String, usize> = BTreeMap::new();
    for line in placed(&agents, &wishes, &rules(Driver::LeastRouters)) {
        *of_agent.entry(line.split(':').nth(1).expect("agent").into()).or_default() += 1;
    }
    assert_eq!(of_agent, [("busy".to_string(), 2), ("idle".to_string(), 6)].into());
    assert_eq!(placed(&[], &wishes, &rules(Driver::Chance)), Vec::<String>::new());
    assert_eq!(placed(&[legacy("a")], &[wish("r")], &rules(Driver::Chance)), ["r:a:1"]);
}

#[test]
fn a_router_is_given_once_even_when_its_agent_is_down() {
    let mut down = legacy("down");
    down.admin_state_up = false;
    let bindings = vec![Binding { resource_id: "r".into(), agent_id: "down".into(), index: 1 }];
    let hosting = Hosting { agents: vec![down, legacy("up")], bindings };
    let least = rules(Driver::LeastRouters);
    assert_eq!(place(&hosting, &[wish("r")], &least, None, &mut rand::rng()), []);
}

#[test]
fn agents_that_are_dead_or_down_get_nothing_unless_they_ask() {
    let mut dead = legacy("dead");
    dead.heartbeat_timestamp = time::to_text(now() - TimeDelta::seconds(76));
    let mut down = legacy("down");
    down.admin_state_up = false;
    let hosting = Hosting { agents: vec![dead, down], bindings: Vec::new() };
    let least = rules(Driver::LeastRouters);
    let to = |only: Option<&str>| -> Vec<String> {
        let placed = place(&hosting, &[wish("r")], &least, only, &mut rand::rng());
        placed.into_iter().map(|b| b.agent_id).collect()
    };
    assert!(to(None).is_empty());
    assert_eq!(to(Some("dead")), ["dead"]);
    assert!(to(Some("down")).is_empty());
}

#[test]
fn modes_and_options_of_agents_say_what_they_can_have() {
    let agents = [
        agent("plain", json!({})),
        agent("compute", json!({ "agent_mode": "dvr" })),
        agent("inside", json!({ "agent_mode": "dvr_no_external" })),
        agent("network", json!({ "agent_mode": "dvr_snat" })),
        agent("edge", json!({ "handle_internal_only_routers": false })),
        agent("single", json!({ "router_id": "mine" })),
    ];
    let takes = |wish: &RouterWish| -> Vec<&str> {
        let least = rules(Driver::LeastRouters);
        let takes = |a: &&BoundAgent| {
            !placed(std::slice::from_ref(*a), std::slice::from_ref(wish), &least).is_empty()
        };
        agents.iter().filter(takes).map(|a| a.id.as_str()).collect()
    };
    assert_eq!(takes(&wish("r")), ["plain", "network"]);
    assert_eq!(takes(&wish("mine")), ["plain", "network", "single"]);
    let external = RouterWish { external: true, ..wish("r") };
    assert_eq!(takes(&external), ["plain", "network", "edge"]);
    let distributed = RouterWish { distributed: true, ..external };
    assert_eq!(takes(&distributed), ["network"]);
}

#[test]
fn only_the_zone_aware_scheduler_goes_by_hints() {
    let zoned = |id: &str, zone: &str, bound: u32| BoundAgent {
        availability_zone: Some(zone.into()),
        bound,
        ..legacy(id)
    };
    let agents = [zoned("n", "north", 5), zoned("s", "south", 0)];
    let north = RouterWish { zones: vec!["north".into()], ..wish("r") };
    assert_eq!(
        placed(&agents, std::slice::from_ref(&north), &rules(Driver::LeastRouters)),
        ["r:s:1"]
    );
    let aware = rules(Driver::AzLeastRouters);
    assert_eq!(placed(&agents, &[north], &aware), ["r:n:1"]);
    let default_zones = ["north".to_string()];
    let by_default = Rules { default_zones: &default_zones, ..aware };
    assert_eq!(placed(&agents, &[wish("r")], &by_default), ["r:n:1"]);
}

#[test]
fn drivers_are_named_by_class_or_path() {
    let path = "neutron.scheduler.l3_agent_scheduler.AZLeastRoutersScheduler";
    assert_eq!(Driver::named(path), Some(Driver::AzLeastRouters));
    assert_eq!(Driver::named("ChanceScheduler"), Some(Driver::Chance));
    assert_eq!(Driver::named("WeightScheduler"), None);
}

/// Notes what agents are told; answers calls to all hosts but one.
#[derive(Default)]
struct Told {
    lines: Mutex<Vec<String>>,
    deaf: Mutex<Option<String>>,
}

impl Told {
    fn note(&self, host: &str, method: Method, args: &Value) {
        let line = format!("{host} {} {args}", method.name);
        self.lines.lock().expect("not poisoned").push(line);
    }

    fn take(&self) -> Vec<String> {
        let mut told = std::mem::take(&mut *self.lines.lock().expect("not poisoned"));
        told.sort_unstable();
        told
    }
}

#[async_trait]
impl L3Notifier for Told {
    async fn cast(&self, host: &str, method: Method, args: Value) {
        self.note(host, method, &args);
    }

    async fn fanout(&self, method: Method, args: Value) {
        self.note("*", method, &args);
    }

    async fn call(&self, host: &str, method: Method, args: Value) -> bool {
        self.note(host, method, &args);
        self.deaf.lock().expect("not poisoned").as_deref() != Some(host)
    }
}

fn router(id: &str) -> Router {
    let mut router = Router::new("p");
    router.id = id.into();
    router
}

struct World {
    db: Db,
    agents: Arc<Agents>,
    clock: TestClock,
    told: Arc<Told>,
    scheduler: L3Scheduler,
}

impl World {
    async fn new(config: L3SchedulerConfig) -> Self {
        let db = database().await;
        let clock = TestClock::new();
        let other = clock.clone();
        let now = Arc::new(move || other.now());
        let agents = Arc::new(Agents::with_clock(db.clone(), AgentConfig::default(), now));
        let told = Arc::new(Told::default());
        let seams = Seams {
            agents: agents.clone(),
            routers: Arc::new(Empty),
            ports: Arc::new(Empty),
            notifier: told.clone(),
        };
        let scheduler = L3Scheduler::new(db.clone(), config, seams);
        Self { db, agents, clock, told, scheduler }
    }

    /// A world with routers `r0`, `r1` ... on the agent of `host`.
    async fn with_routers(config: L3SchedulerConfig, host: &str, count: usize) -> Self {
        let world = Self::new(config).await;
        world.report(host).await;
        let tx = world.db.begin().await.expect("begin");
        let rows: Vec<Router> = (0..count).map(|n| router(&format!("r{n}"))).collect();
        tx.execute_batch(vec![routers::insert(&rows)]).await.expect("rows");
        tx.commit().await.expect("commit");
        assert_eq!(world.scheduler.router_ids_on(host).await.expect("ids").len(), count);
        world
    }

    async fn report(&self, host: &str) {
        let state: AgentState = serde_json::from_value(json!({
            "agent_type": "L3 agent", "binary": "neutron-l3-agent", "host": host,
            "topic": "l3_agent", "configurations": {}, "availability_zone": "nova",
        }))
        .expect("state");
        self.agents.report_state(&state, None).await.expect("report");
    }

    async fn hosts(&self, router: &str) -> Vec<String> {
        let conn = self.db.read().await.expect("conn");
        let hosting = agent_bindings::L3.hosting(&conn, &[router]).await.expect("rows");
        hosting.of(router).map(|a| a.host.clone()).collect()
    }
}

fn with_failover() -> L3SchedulerConfig {
    L3SchedulerConfig { automatic_failover: true, ..L3SchedulerConfig::default() }
}

#[tokio::test]
async fn routers_of_a_dead_agent_go_to_another_and_both_are_told() {
    let world = World::with_routers(with_failover(), "node1", 2).await;
    world.clock.advance(100);
    world.report("node2").await;
    assert_eq!(world.scheduler.fail_over().await.expect("done"), 0, "not silent for long enough");
    world.clock.advance(60);
    world.report("node2").await;
    assert_eq!(world.scheduler.fail_over().await.expect("done"), 2);
    for router in ["r0", "r1"] {
        assert_eq!(world.hosts(router).await, ["node2"]);
    }
    let wanted = [
        r#"node1 router_removed_from_agent {"payload":{"router_id":"r0"}}"#,
        r#"node1 router_removed_from_agent {"payload":{"router_id":"r1"}}"#,
        r#"node2 router_added_to_agent {"payload":["r0"]}"#,
        r#"node2 router_added_to_agent {"payload":["r1"]}"#,
    ];
    assert_eq!(world.told.take(), wanted);
    assert_eq!(world.scheduler.fail_over().await.expect("done"), 0);
}

#[tokio::test]
async fn a_router_stays_where_nobody_else_can_have_it() {
    let world = World::with_routers(with_failover(), "node1", 1).await;
    world.clock.advance(1000);
    assert_eq!(world.scheduler.fail_over().await.expect("done"), 0);
    assert_eq!(world.hosts("r0").await, ["node1"]);
    assert_eq!(world.told.take(), [""; 0]);
}

#[tokio::test]
async fn a_new_agent_that_does_not_answer_does_not_keep_the_router() {
    let world = World::with_routers(with_failover(), "node1", 1).await;
    world.clock.advance(1000);
    world.report("node2").await;
    *world.told.deaf.lock().expect("not poisoned") = Some("node2".into());
    assert_eq!(world.scheduler.fail_over().await.expect("done"), 0);
    assert_eq!(world.hosts("r0").await, [""; 0]);
    // Who asks next gets it.
    assert_eq!(world.scheduler.router_ids_on("node2").await.expect("ids"), ["r0"]);
}

#[tokio::test]
async fn without_failover_routers_stay_with_the_dead() {
    let world = World::with_routers(L3SchedulerConfig::default(), "node1", 1).await;
    world.clock.advance(1000);
    world.report("node2").await;
    assert_eq!(world.scheduler.fail_over().await.expect("done"), 0);
    assert_eq!(world.hosts("r0").await, ["node1"]);
}

#[tokio::test]
async fn only_agents_that_are_alive_and_up_hear_of_changes() {
    let world = World::with_routers(L3SchedulerConfig::default(), "node1", 1).await;
    world.scheduler.routers_updated(&["r0"]).await.expect("told");
    assert_eq!(world.told.take(), [r#"node1 routers_updated {"routers":["r0"]}"#]);
    world.clock.advance(76);
    world.scheduler.routers_updated(&["r0"]).await.expect("told");
    assert_eq!(world.told.take(), [""; 0]);
}

#[tokio::test]
async fn routers_are_given_to_nobody_by_itself_when_that_is_turned_off() {
    let config = L3SchedulerConfig { auto_schedule: false, ..L3SchedulerConfig::default() };
    let world = World::new(L3SchedulerConfig::default()).await;
    world.report("node1").await;
    let tx = world.db.begin().await.expect("begin");
    tx.execute_batch(vec![routers::insert(&[router("r")])]).await.expect("rows");
    tx.commit().await.expect("commit");
    let seams = Seams {
        agents: world.agents.clone(),
        routers: Arc::new(Empty),
        ports: Arc::new(Empty),
        notifier: world.told.clone(),
    };
    let manual = L3Scheduler::new(world.db.clone(), config, seams);
    assert_eq!(manual.router_ids_on("node1").await.expect("ids"), [""; 0]);
    assert_eq!(world.scheduler.router_ids_on("node1").await.expect("ids"), ["r"]);
}
