//! Scheduling of networks to DHCP agents: the decisions as values, failover over a database.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use neutrino_db::{
    Db,
    agent_bindings::{self, Binding, BoundAgent, Hosting},
    time,
};
use neutrino_rpc::{methods::Method, shapes::AgentState};
use neutrino_services::{
    AgentConfig, Agents, DhcpConfig, DhcpScheduler,
    dhcp::{
        DhcpNotifier, Seams,
        placement::{Driver, Rules, Wish, place},
    },
    scheduling::{Liveness, vacant_index},
};
use neutrino_types::{Context, ListQuery, ResourcePlugin};
use serde_json::{Value, json};

use crate::{Empty, agents::TestClock, database, make_network};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_226_769, 0).expect("time")
}

/// An agent that reported `silence` seconds ago and started long before.
fn agent(id: &str, zone: &str, load: i64, silence: i64) -> BoundAgent {
    BoundAgent {
        id: id.into(),
        host: format!("host-{id}"),
        availability_zone: Some(zone.into()),
        admin_state_up: true,
        started_at: time::to_text(now() - TimeDelta::days(1)),
        heartbeat_timestamp: time::to_text(now() - TimeDelta::seconds(silence)),
        load,
        bound: 0,
        ..BoundAgent::default()
    }
}

fn rules(per_network: usize, driver: Driver) -> Rules<'static> {
    let down_time = TimeDelta::seconds(75);
    Rules { per_network, driver, default_zones: &[], liveness: Liveness { down_time, now: now() } }
}

fn wish(network: &str, zones: &[&str]) -> Wish {
    let zones = zones.iter().map(ToString::to_string).collect();
    Wish { network_id: network.into(), zones }
}

fn bound(network: &str, agent: &str, index: u32) -> Binding {
    Binding { resource_id: network.into(), agent_id: agent.into(), index }
}

fn chosen(hosting: &Hosting, wishes: &[Wish], rules: &Rules<'_>) -> Vec<String> {
    let placed = place(hosting, wishes, rules, None, &mut rand::rng());
    placed.into_iter().map(|b| format!("{}:{}:{}", b.resource_id, b.agent_id, b.index)).collect()
}

#[test]
fn networks_are_shared_out_by_load() {
    let agents = ["a", "b", "c"].map(|id| agent(id, "nova", 0, 0)).to_vec();
    let hosting = Hosting { agents, bindings: Vec::new() };
    let wishes: Vec<Wish> = (0..30).map(|n| wish(&format!("net{n}"), &[])).collect();
    let mut of_agent: BTreeMap<String, usize> = BTreeMap::new();
    for b in place(&hosting, &wishes, &rules(2, Driver::Weight), None, &mut rand::rng()) {
        *of_agent.entry(b.agent_id).or_default() += 1;
    }
    assert_eq!(of_agent.into_values().collect::<Vec<_>>(), [20, 20, 20]);
}

#[test]
fn a_network_gets_only_what_it_lacks_and_from_agents_that_may() {
    let mut down = agent("down", "nova", 0, 0);
    down.admin_state_up = false;
    let mut starting = agent("starting", "nova", 9, 200);
    starting.started_at = time::to_text(now() - TimeDelta::seconds(200));
    starting.bound = 50;
    let agents = vec![
        agent("busy", "nova", 7, 0),
        agent("dead", "nova", 0, 76),
        down,
        agent("mine", "nova", 0, 0),
        starting,
    ];
    let hosting = Hosting { agents, bindings: vec![bound("net", "mine", 2)] };
    let weight = rules(3, Driver::Weight);
    assert_eq!(chosen(&hosting, &[wish("net", &[])], &weight), ["net:busy:1", "net:starting:3"]);
    assert!(weight.may_place(&hosting, "net"));
    let enough = rules(1, Driver::Weight);
    assert!(!enough.may_place(&hosting, "net"));
    assert!(chosen(&hosting, &[wish("net", &[])], &enough).is_empty());
}

#[test]
fn hints_name_the_zones_and_defaults_stand_in_for_them() {
    let agents = vec![agent("a", "north", 5, 0), agent("b", "south", 0, 0)];
    let hosting = Hosting { agents, bindings: Vec::new() };
    let weight = rules(2, Driver::Weight);
    assert_eq!(chosen(&hosting, &[wish("n", &["north"])], &weight), ["n:a:1"]);
    let default_zones = ["south".to_string()];
    let with_default = Rules { default_zones: &default_zones, ..weight };
    assert_eq!(chosen(&hosting, &[wish("n", &[])], &with_default), ["n:b:1"]);
    assert_eq!(chosen(&hosting, &[wish("n", &["north"])], &with_default), ["n:a:1"]);
}

#[test]
fn the_az_aware_scheduler_spreads_over_zones() {
    let agents = vec![
        agent("n1", "north", 0, 0),
        agent("n2", "north", 1, 0),
        agent("s1", "south", 5, 0),
        agent("s2", "south", 9, 0),
    ];
    let hosting = Hosting { agents: agents.clone(), bindings: Vec::new() };
    let aware = rules(3, Driver::AzAwareWeight);
    assert_eq!(chosen(&hosting, &[wish("n", &[])], &aware), ["n:n1:1", "n:s1:2", "n:n2:3"]);
    // One in the north already: the south is next, however loaded.
    let hosting = Hosting { agents, bindings: vec![bound("n", "n1", 1)] };
    let two = rules(2, Driver::AzAwareWeight);
    assert_eq!(chosen(&hosting, &[wish("n", &[])], &two), ["n:s1:2"]);
}

#[test]
fn chance_gives_each_network_different_agents() {
    let agents = ["a", "b", "c"].map(|id| agent(id, "nova", 0, 0)).to_vec();
    let hosting = Hosting { agents, bindings: Vec::new() };
    let placed =
        place(&hosting, &[wish("n", &[])], &rules(5, Driver::Chance), None, &mut rand::rng());
    let mut ids: Vec<String> = placed.into_iter().map(|b| b.agent_id).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["a", "b", "c"]);
}

#[test]
fn drivers_are_named_by_class_or_path() {
    let path = "neutron.scheduler.dhcp_agent_scheduler.AZAwareWeightScheduler";
    assert_eq!(Driver::named(path), Some(Driver::AzAwareWeight));
    assert_eq!(Driver::named("ChanceScheduler"), Some(Driver::Chance));
    assert_eq!(Driver::named("round_robin"), None);
    assert_eq!([vacant_index(&[]), vacant_index(&[1, 3]), vacant_index(&[2])], [1, 2, 1]);
}

/// Notes what agents are told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Told {
    fn take(&self) -> Vec<String> {
        let mut told = std::mem::take(&mut *self.0.lock().expect("not poisoned"));
        told.sort_unstable();
        told
    }
}

#[async_trait]
impl DhcpNotifier for Told {
    async fn cast(&self, host: &str, method: Method, payload: Value) {
        let network = payload["network"]["id"].as_str().unwrap_or("-");
        self.0.lock().expect("not poisoned").push(format!("{host} {} {network}", method.name));
    }

    async fn fanout(&self, method: Method, _: Value) {
        self.0.lock().expect("not poisoned").push(format!("* {}", method.name));
    }
}

struct World {
    db: Db,
    agents: Arc<Agents>,
    clock: TestClock,
    told: Arc<Told>,
    scheduler: DhcpScheduler,
}

impl World {
    async fn new(config: DhcpConfig) -> Self {
        let db = database().await;
        let clock = TestClock::new();
        let other = clock.clone();
        let now = Arc::new(move || other.now());
        let agents = Arc::new(Agents::with_clock(db.clone(), AgentConfig::default(), now));
        let told = Arc::new(Told::default());
        let seams = Seams {
            agents: agents.clone(),
            networks: Arc::new(Empty),
            ports: Arc::new(Empty),
            notifier: told.clone(),
        };
        let scheduler = DhcpScheduler::new(db.clone(), config, seams);
        Self { db, agents, clock, told, scheduler }
    }

    async fn report(&self, host: &str) {
        let state: AgentState = serde_json::from_value(json!({
            "agent_type": "DHCP agent", "binary": "neutron-dhcp-agent", "host": host,
            "topic": "dhcp_agent", "configurations": {}, "availability_zone": "nova",
        }))
        .expect("state");
        self.agents.report_state(&state, None).await.expect("report");
    }

    async fn id(&self, host: &str) -> String {
        let query = ListQuery::filter("host", [host]);
        let found = self.agents.list(&Context::admin(), &query).await.expect("list");
        found[0]["id"].as_str().expect("id").to_string()
    }

    async fn hosts(&self, network: &str) -> Vec<String> {
        let conn = self.db.read().await.expect("conn");
        let hosting = agent_bindings::DHCP.hosting(&conn, &[network]).await.expect("rows");
        hosting.of(network).map(|a| a.host.clone()).collect()
    }
}

#[tokio::test]
async fn networks_of_a_dead_agent_go_to_another_which_is_told() {
    let world = World::new(DhcpConfig::default()).await;
    for host in ["node1", "node2"] {
        world.report(host).await;
    }
    let dead = world.id("node1").await;
    for network in ["net-a", "net-b"] {
        make_network(&world.db, network, "p", 0).await;
        world.scheduler.add_network(&dead, network).await.expect("added");
    }
    world.told.take();
    // Silent for long enough to be dead, not for long enough to lose its networks: it may be busy
    // with what it found at its start.
    world.clock.advance(100);
    world.report("node2").await;
    assert_eq!(world.scheduler.fail_over().await.expect("done"), 0);
    world.clock.advance(60);
    world.report("node2").await;
    assert_eq!(world.scheduler.fail_over().await.expect("done"), 2);
    for network in ["net-a", "net-b"] {
        assert_eq!(world.hosts(network).await, ["node2"]);
    }
    let wanted = ["node2 network_create_end net-a", "node2 network_create_end net-b"];
    assert_eq!(world.told.take(), wanted, "the dead one is not told");
    assert_eq!(world.scheduler.fail_over().await.expect("done"), 0);
}

#[tokio::test]
async fn without_any_agent_in_service_networks_stay_where_they_are() {
    let world = World::new(DhcpConfig::default()).await;
    for host in ["node1", "node2"] {
        world.report(host).await;
    }
    make_network(&world.db, "net", "p", 0).await;
    world.scheduler.add_network(&world.id("node1").await, "net").await.expect("added");
    world.clock.advance(1000);
    assert_eq!(world.scheduler.fail_over().await.expect("done"), 0);
    assert_eq!(world.hosts("net").await, ["node1"]);
}

#[tokio::test]
async fn failover_can_be_turned_off() {
    let config = DhcpConfig { automatic_failover: false, ..DhcpConfig::default() };
    let world = World::new(config).await;
    for host in ["node1", "node2"] {
        world.report(host).await;
    }
    make_network(&world.db, "net", "p", 0).await;
    world.scheduler.add_network(&world.id("node1").await, "net").await.expect("added");
    world.clock.advance(1000);
    world.report("node2").await;
    assert_eq!(world.scheduler.fail_over().await.expect("done"), 0);
    assert_eq!(world.hosts("net").await, ["node1"]);
}
