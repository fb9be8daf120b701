use neutrino_dataplane::l3::view::{AgentMode, Port};

use super::*;

const NETWORK: &str = "external";
const MAC: &str = "fa:16:3e:00:00:09";

fn state(mode: AgentMode, local: &[Site]) -> State {
    State::new(Settings { agent_mode: mode, ..Settings::default() }, local.iter().cloned())
}

fn site(id: &str) -> Site {
    Site::Router(id.into())
}

fn router(id: &str) -> Arc<Router> {
    let mut router = Router::default();
    router.view.id = id.into();
    Arc::new(router)
}

/// A distributed router with a gateway.
fn distributed(id: &str) -> Arc<Router> {
    let port = serde_json::json!({"id": "g", "network_id": NETWORK,
                                  "mac_address": "fa:16:3e:00:00:01"});
    let port: Port = serde_json::from_value(port).expect("a port");
    let mut router = Router::clone(&router(id));
    router.view.distributed = true;
    router.view.gw_port = Some(port);
    Arc::new(router)
}

fn served(router: Arc<Router>) -> Outcome {
    Outcome::Served { router, neighbours: None, related: Vec::new() }
}

/// Who comes to, or goes from, the subnet of router "a".
fn neighbour(present: bool) -> L3Event {
    L3Event::Neighbour {
        router_id: "a".into(),
        subnet_id: "s".into(),
        ip_address: "10.0.0.9".into(),
        mac_address: MAC.into(),
        present,
    }
}

fn served_with(router: Arc<Router>, neighbours: Neighbours) -> Outcome {
    Outcome::Served { router, neighbours: Some(Arc::new(neighbours)), related: Vec::new() }
}

fn nobody() -> Neighbours {
    Neighbours::from([("s".to_string(), Vec::new())])
}

fn sites(jobs: &[Job]) -> Vec<Site> {
    jobs.iter().map(|job| job.site.clone()).collect()
}

fn updated(ids: &[&str]) -> L3Event {
    L3Event::Routers { router_ids: ids.iter().map(ToString::to_string).collect() }
}

/// Lets the server name these routers, and no others.
fn hear(state: &mut State, routers: &[Arc<Router>], now: Instant) {
    state.resync(now);
    assert!(state.start_sync(now + SYNC_PAUSE));
    state.told(routers.iter().map(|r| (r.view.id.clone(), Some(Arc::clone(r)))).collect());
    state.synced(&routers.iter().map(|r| r.view.id.clone()).collect());
}

fn heard(mode: AgentMode, routers: &[Arc<Router>], local: &[Site], now: Instant) -> State {
    let mut state = state(mode, local);
    hear(&mut state, routers, now);
    state
}

#[tokio::test]
async fn what_the_server_does_not_name_goes_but_not_before_it_has_spoken() {
    let now = Instant::now();
    let mut state = state(AgentMode::Legacy, &[site("old")]);
    assert!(state.take(now).is_empty());
    state.resync(now);
    assert!(state.take(now).is_empty() && state.start_sync(now));
    state.told(vec![("new".into(), Some(router("new")))]);
    assert_eq!(sites(&state.take(now)), [site("new")], "work begins with the first part");
    state.synced(&["new".to_string()].into());
    let jobs = state.take(now);
    assert_eq!(jobs, [Job { site: site("old"), goal: Goal::Remove }]);
    state.done(&site("old"), Outcome::Removed, now);
    assert!(!state.in_sync());
    state.done(&site("new"), served(router("new")), now);
    assert!(state.in_sync());
}

#[tokio::test]
async fn an_event_is_not_undone_by_an_older_answer() {
    let now = Instant::now();
    let mut state = state(AgentMode::Legacy, &[]);
    state.resync(now);
    assert!(state.start_sync(now));
    state.event(updated(&["new"]));
    assert_eq!(sites(&state.take(now)), [site("new")]);
    state.done(&site("new"), served(router("new")), now);
    state.synced(&BTreeSet::new());
    assert!(state.take(now).is_empty(), "it was made after the server had been asked");
}

#[tokio::test]
async fn a_router_that_goes_while_all_are_asked_for_stays_away() {
    let now = Instant::now();
    let mut state = state(AgentMode::Legacy, &[]);
    state.resync(now);
    assert!(state.start_sync(now));
    state.event(L3Event::RouterGone { router_id: "gone".into() });
    assert_eq!(sites(&state.take(now)), [site("gone")]);
    state.done(&site("gone"), Outcome::Removed, now);
    state.told(vec![("gone".into(), Some(router("gone")))]);
    let Goal::Serve { source: Source::Ask, .. } = &state.take(now)[0].goal else {
        panic!("what was answered is older than what was heard")
    };
    state.done(&site("gone"), Outcome::Removed, now);
    state.synced(&["gone".to_string()].into());
    assert!(state.sites.is_empty() && state.in_sync());
    state.event(L3Event::RouterGone { router_id: "elsewhere".into() });
    assert!(state.take(now).is_empty(), "a router of other hosts is not asked for");
}

#[tokio::test]
async fn a_centralised_router_that_is_gone_is_not_asked_for() {
    let now = Instant::now();
    let mut state = heard(AgentMode::DvrSnat, &[router("a")], &[], now);
    state.take(now);
    state.done(&site("a"), served(router("a")), now);
    state.event(L3Event::RouterGone { router_id: "a".into() });
    let jobs = state.take(now);
    assert_eq!(jobs, [Job { site: site("a"), goal: Goal::Remove }]);
    // It comes back while it is removed.
    state.event(updated(&["a"]));
    state.done(&site("a"), Outcome::Removed, now);
    let Goal::Serve { source: Source::Ask, .. } = &state.take(now)[0].goal else {
        panic!("what came back is read")
    };
}

#[tokio::test]
async fn a_failing_router_waits_alone() {
    let now = Instant::now();
    let mut state = heard(AgentMode::Legacy, &[router("a"), router("b")], &[], now);
    assert_eq!(state.take(now).len(), 2);
    state.done(&site("a"), Outcome::Failed("no".into()), now);
    state.done(&site("b"), served(router("b")), now);
    assert!(state.take(now).is_empty() && state.in_sync() && state.has_failures());
    let later = state.next_deadline(now).expect("tried again");
    assert_eq!(later, now + FIRST_PAUSE);
    let Some(Job { goal: Goal::Serve { source: Source::Ask, .. }, .. }) = state.take(later).pop()
    else {
        panic!("what failed is read again")
    };
}

#[tokio::test]
async fn without_a_server_only_the_host_is_looked_after() {
    let now = Instant::now();
    let mut state = heard(AgentMode::Legacy, &[router("a"), router("b")], &[], now);
    state.take(now);
    state.done(&site("a"), served(router("a")), now);
    state.done(&site("b"), served(router("b")), now);
    state.connected = false;
    state.check(&site("a"));
    state.event(updated(&["b"]));
    let jobs = state.take(now);
    assert_eq!(sites(&jobs), [site("a")]);
    let Goal::Serve { source: Source::Known(_), last: Some(_), .. } = &jobs[0].goal else {
        panic!("{jobs:?}")
    };
}

#[tokio::test]
async fn routers_named_with_another_are_looked_at_once() {
    let now = Instant::now();
    let mut state = heard(AgentMode::Legacy, &[router("a")], &[], now);
    let related = |id: &str, with: &str| Outcome::Served {
        router: router(id),
        neighbours: None,
        related: vec![with.into()],
    };
    state.take(now);
    state.done(&site("a"), related("a", "b"), now);
    assert_eq!(sites(&state.take(now)), [site("b")]);
    state.done(&site("b"), related("b", "a"), now);
    assert!(state.take(now).is_empty(), "they would go on for ever");
}

#[tokio::test]
async fn an_external_network_follows_from_its_routers() {
    let now = Instant::now();
    let external = Site::External(NETWORK.into());
    let local = [external.clone()];
    let (a, b) = (distributed("a"), distributed("b"));
    let mut state = heard(AgentMode::Dvr, &[Arc::clone(&a), Arc::clone(&b)], &local, now);
    assert_eq!(sites(&state.take(now)), [site("a"), site("b")], "nothing is known of it yet");
    state.done(&site("a"), served(Arc::clone(&a)), now);
    let jobs = state.take(now);
    let join = |routers: &[&Arc<Router>], unsure: &[&str]| Goal::Join {
        routers: routers.iter().map(|router| Arc::clone(router)).collect(),
        unsure: unsure.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(jobs[0].goal, join(&[&a], &["b"]));
    state.done(&site("b"), served(Arc::clone(&b)), now);
    assert!(state.take(now).is_empty(), "one job at a time");
    state.done(&external, Outcome::Joined { anew: Vec::new() }, now);
    assert_eq!(state.take(now)[0].goal, join(&[&a, &b], &[]));
    assert!(!state.in_sync());
    state.done(&external, Outcome::Joined { anew: Vec::new() }, now);
    assert!(state.in_sync());
    // Whoever lost an end gets it back, and is looked at then.
    state.event(L3Event::ExternalNetworkGone { network_id: NETWORK.into() });
    assert_eq!(state.take(now).len(), 1);
    state.done(&external, Outcome::Joined { anew: vec!["a".into()] }, now);
    assert_eq!(sites(&state.take(now)), [site("a")]);
    state.done(&site("a"), served(distributed("a")), now);
    state.take(now);
    state.done(&external, Outcome::Joined { anew: Vec::new() }, now);

    for id in ["a", "b"] {
        state.event(L3Event::RouterGone { router_id: id.into() });
        let Goal::Serve { source: Source::Ask, .. } = &state.take(now)[0].goal else {
            panic!("the server is asked whether {id} is gone")
        };
        state.done(&site(id), Outcome::Removed, now);
        let jobs = state.take(now);
        assert_eq!(sites(&jobs), std::slice::from_ref(&external));
        assert_eq!(jobs[0].goal == Goal::Remove, id == "b", "{jobs:?}");
        state.done(&external, Outcome::Removed, now);
    }
    assert_eq!(state.sites.len(), 0);
}

#[tokio::test]
async fn a_network_wakes_its_routers() {
    let now = Instant::now();
    let (a, b) = (distributed("a"), router("b"));
    let mut state = heard(AgentMode::Legacy, &[Arc::clone(&a), Arc::clone(&b)], &[], now);
    state.take(now);
    state.done(&site("a"), served(a), now);
    state.done(&site("b"), served(b), now);
    state.network_changed(NETWORK);
    assert_eq!(sites(&state.take(now)), [site("a")]);
}

#[tokio::test]
async fn a_neighbour_that_comes_during_a_job_is_not_missed() {
    let now = Instant::now();
    let a = distributed("a");
    let mut state = heard(AgentMode::DvrNoExternal, &[Arc::clone(&a)], &[], now);
    state.take(now);
    state.event(neighbour(true));
    assert!(state.take(now).is_empty());
    state.done(&site("a"), served_with(a, nobody()), now);
    let jobs = state.take(now);
    let Goal::Serve { source: Source::Known(_), neighbours: Some(known), .. } = &jobs[0].goal
    else {
        panic!("{jobs:?}")
    };
    assert_eq!(known.by_subnet()["s"][0].mac_address.to_string(), MAC);
}

#[tokio::test]
async fn who_went_since_a_failed_job_does_not_come_back() {
    let now = Instant::now();
    let a = distributed("a");
    let mut state = heard(AgentMode::DvrNoExternal, &[Arc::clone(&a)], &[], now);
    state.take(now);
    state.event(neighbour(true));
    state.done(&site("a"), Outcome::Failed("no".into()), now);
    state.event(neighbour(false));
    let later = now + FIRST_PAUSE;
    assert_eq!(state.take(later).len(), 1);
    state.done(&site("a"), served_with(a, nobody()), later);
    assert!(state.take(later).is_empty(), "nobody is there");
}

#[tokio::test]
async fn neighbours_are_asked_for_again_when_some_were_missed_during_a_job() {
    let now = Instant::now();
    let a = distributed("a");
    let mut state = heard(AgentMode::DvrNoExternal, &[Arc::clone(&a)], &[], now);
    state.take(now);
    state.resync(now);
    state.done(&site("a"), served_with(a, Neighbours::default()), now);
    state.check(&site("a"));
    let Goal::Serve { neighbours: None, .. } = &state.take(now)[0].goal else {
        panic!("they may be out of date")
    };
}

#[tokio::test]
async fn forwardings_concern_routers_of_this_host() {
    let now = Instant::now();
    let mut state = heard(AgentMode::Legacy, &[router("a")], &[], now);
    assert_eq!(sites(&state.take(now)), [site("a")]);
    state.done(&site("a"), served(router("a")), now);
    let router_ids = ["a", "elsewhere"].map(str::to_string).to_vec();
    state.event(L3Event::Forwardings { router_ids });
    let jobs = state.take(now);
    assert_eq!(sites(&jobs), [site("a")]);
    let Goal::Serve { source: Source::Ask, .. } = &jobs[0].goal else {
        panic!("the objects are to be pulled again")
    };
}
