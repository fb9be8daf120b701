//! Scheduling of routers to L3 agents: the decisions as values.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use neutrino_db::{
    agent_bindings::{Binding, BoundAgent, Hosting},
    l3_bindings::RouterWish,
    time,
};
use neutrino_services::{
    l3::placement::{Driver, Rules, place},
    scheduling::Liveness,
};
use serde_json::{Value, json};

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
