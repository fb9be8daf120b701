//! Several servers on one database, killed under load: what was acknowledged is there, what was
//! deleted is gone, nothing is half written, nothing is given out twice.

mod agent;
mod api;
mod consistency;
mod duties;
mod fleet;
mod galera;
mod workload;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use agent::Host;
use api::{Api, Tally};
use consistency::violations;
use fleet::{Fleet, Kills};
use workload::{Ledger, Worker};

use neutrino_service_sandbox::{Mariadb, Rabbitmq};
use serde_json::Value;

use crate::process::{Dir, await_some};

/// Clients at a time.
const CLIENTS: usize = 16;

/// Tells clients to stop when dropped.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends requests of [`CLIENTS`] clients to `fleet` for `time` while its servers are killed.
fn storm(fleet: &Fleet, time: Duration) -> (Tally, Vec<Ledger>, Kills) {
    let mut setup = Api::new(fleet.addresses(), 0);
    let common = workload::common_network(&mut setup);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let api = Api::new(fleet.addresses(), number);
                let (stop, common) = (&stop, common.clone());
                scope.spawn(move || Worker::new(number, api, common).run(stop))
            })
            .collect();
        let kills = {
            // Also when a server does not come back: the clients would go on.
            let _stop = Stop(&stop);
            fleet.kill_in_turn(Instant::now() + time)
        };
        let mut tally = setup.tally;
        let mut ledgers = Vec::new();
        for client in clients {
            let (more, ledger) = client.join().expect("a client failed");
            tally.add(&more);
            ledgers.push(ledger);
        }
        (tally, ledgers, kills)
    })
}

/// Compares what the API lists with what clients were told.
fn compare(fleet: &Fleet, ledgers: &[Ledger]) {
    let mut api = Api::new(fleet.addresses(), 0);
    let mut problems = Vec::new();
    for collection in workload::COLLECTIONS {
        let listed = api.list(collection);
        let named: BTreeMap<&str, &str> =
            listed.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect();
        let mut known = Vec::new();
        let mut retried = Vec::new();
        for ledger in ledgers {
            let (there, gone) = (ledger.there(collection), ledger.gone(collection));
            for id in there.iter().filter(|id| !named.contains_key(id.as_str())) {
                problems.push(format!("{collection}: {id} was acknowledged and is not there"));
            }
            for id in gone.iter().filter(|id| named.contains_key(id.as_str())) {
                problems.push(format!("{collection}: {id} was deleted and is there"));
            }
            known.extend(there);
            retried.extend(ledger.retried().iter().map(String::as_str));
        }
        for (id, name) in &named {
            // Of a create whose answer was lost there may be one more, as with Neutron.
            let of_lost_answer = retried.iter().any(|tried| tried == name);
            if !known.iter().any(|known| known == id)
                && !of_lost_answer
                && !workload::is_made_by_server(name)
            {
                problems.push(format!("{collection}: nobody was told of {id} '{name}'"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn report(what: &str, time: Duration, tally: &Tally, kills: &Kills) {
    // What the test is also there to tell.
    println!(
        "{what}: {} s, {CLIENTS} clients, {} servers killed; {tally}",
        time.as_secs(),
        kills.count
    );
}

#[test]
fn three_servers_on_one_file_are_killed_in_turn() {
    let dir = Dir::new("servers-sqlite");
    let url = format!("sqlite:///{}/neutron.sqlite", dir.path().display());
    let fleet = Fleet::start(dir, &format!("[database]\nconnection = {url}\n"));
    let time = Duration::from_secs(12);
    let (tally, ledgers, kills) = storm(&fleet, time);
    report("SQLite", time, &tally, &kills);
    fleet.await_all();
    compare(&fleet, &ledgers);
    assert_eq!(violations(&url), [""; 0]);
    assert!(tally.served > 100 && kills.count >= 2, "{tally}, {} killed", kills.count);
    fleet.stop();
}

#[test]
fn three_servers_on_mariadb_and_rabbitmq_are_killed_in_turn_and_agents_keep_working() {
    let database = Mariadb::start().expect("MariaDB");
    let broker = Rabbitmq::start().expect("RabbitMQ");
    let bus = broker.url();
    let dir = Dir::new("servers-mariadb");
    let options =
        format!("[DEFAULT]\ntransport_url = {bus}\n[database]\nconnection = {}\n", database.url());
    let fleet = Fleet::start(dir, &options);
    let hosts: Vec<Host> = (1..=2).map(|number| Host::start(fleet.dir(), number, &bus)).collect();
    await_agents(&fleet, &hosts);

    let time = Duration::from_secs(60);
    let stop = AtomicBool::new(false);
    let mut setup = Api::new(fleet.addresses(), 0);
    let network = workload::instances_network(&mut setup);
    let (tally, ledgers, kills, booted) = thread::scope(|scope| {
        let (stop, network, addresses) = (&stop, network.as_str(), fleet.addresses());
        let boots: Vec<_> = hosts
            .iter()
            .map(|host| {
                let api = Api::new(addresses.clone(), 1);
                scope.spawn(move || host.boot(api, network, stop))
            })
            .collect();
        let (tally, ledgers, kills) = storm(&fleet, time);
        stop.store(true, Ordering::Relaxed);
        let booted = boots.into_iter().map(|boot| boot.join().expect("an agent failed")).sum();
        (tally, ledgers, kills, booted)
    });
    report("MariaDB and RabbitMQ", time, &tally, &kills);
    let booted: usize = booted;
    println!("ports that agents made ACTIVE meanwhile: {booted}");
    fleet.await_all();
    compare(&fleet, &ledgers);
    assert_eq!(violations(&database.url()), [""; 0]);
    // Far less than a busy machine does: a storm that is none proves nothing.
    assert!(kills.count >= 4 && tally.served > 200 && booted >= 2, "{tally}, {booted}");
    // And afterwards, with everybody back.
    for host in &hosts {
        host.boot_one(&mut setup, &network);
    }
    await_agents(&fleet, &hosts);
    hosts.into_iter().for_each(Host::stop);
    fleet.stop();
}

/// Waits until the agents of all hosts are alive.
fn await_agents(fleet: &Fleet, hosts: &[Host]) {
    let mut api = Api::new(fleet.addresses(), 0);
    let mut seen = Value::Null;
    let alive = || {
        seen = api.send("GET", "/v2.0/agents?alive=true", &Value::Null).body;
        let agents = seen["agents"].as_array()?;
        let is_there = |host: &Host| agents.iter().any(|agent| agent["host"] == host.name.as_str());
        hosts.iter().all(is_there).then_some(())
    };
    await_some("all agents are alive", alive, || "see the logs".to_string());
}
