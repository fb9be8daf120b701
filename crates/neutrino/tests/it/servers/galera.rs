//! Servers on different nodes of a Galera cluster, which learn of each other's writes only when
//! they commit: no client is told of it, and nothing is given out twice.

use std::{thread, time::Duration};

use neutrino_service_sandbox::Galera;
use serde_json::{Value, json};

use super::{
    CLIENTS, api::Api, compare, consistency::violations, fleet::Fleet, report, storm, workload,
};
use crate::process::Dir;

/// Ports that the project of the quota may have.
const QUOTA: usize = 10;

#[test]
fn three_servers_on_two_galera_nodes_are_killed_in_turn() {
    let galera = Galera::start().expect("Galera");
    let nodes = galera.nodes();
    let fleet = Fleet::start_each(Dir::new("servers-galera"), |number| {
        let url = nodes[number % nodes.len()].url();
        // Clients go on at another server, and find there what they were told before.
        format!("[database]\nconnection = {url}\nmysql_wsrep_sync_wait = 1\n")
    });
    a_quota_holds(&fleet);
    let time = Duration::from_secs(20);
    let (tally, ledgers, kills) = storm(&fleet, time);
    report("Galera", time, &tally, &kills);
    fleet.await_all();
    compare(&fleet, &ledgers);
    for node in nodes {
        assert_eq!(violations(&node.url()), [""; 0]);
    }
    let lost = node_counter(&galera, "wsrep_local_cert_failures")
        + node_counter(&galera, "wsrep_local_bf_aborts");
    println!("transactions that lost against another node's: {lost}");
    assert!(tally.served > 100 && kills.count >= 2 && lost > 0, "{tally}, {lost} lost");
    fleet.stop();
}

fn node_counter(galera: &Galera, name: &str) -> u64 {
    let count = |node: &neutrino_service_sandbox::galera::Node| {
        let rows = node.sql(&format!("SHOW STATUS LIKE '{name}'")).expect("status");
        rows.split_whitespace().last().and_then(|value| value.parse::<u64>().ok()).expect(name)
    };
    galera.nodes().iter().map(count).sum()
}

/// All clients make ports of one project until it may have no more.
fn a_quota_holds(fleet: &Fleet) {
    let mut setup = Api::new(fleet.addresses(), 0);
    let network = workload::instances_network(&mut setup);
    let limits = json!({"quota": {"port": QUOTA}});
    assert_eq!(setup.send("PUT", "/v2.0/quotas/limited", &limits).status, 200);
    let port = json!({"port": {"network_id": network, "tenant_id": "limited"}});
    let made: usize = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (mut api, port) = (Api::new(fleet.addresses(), number), &port);
                scope.spawn(move || {
                    let answers = (0..2).map(|_| api.send("POST", "/v2.0/ports", port).status);
                    let answers: Vec<u16> = answers.collect();
                    assert!(
                        answers.iter().all(|status| [201, 409].contains(status)),
                        "{answers:?}"
                    );
                    answers.iter().filter(|status| **status == 201).count()
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("a client failed")).sum()
    });
    assert_eq!(made, QUOTA);
    let there = setup.send("GET", "/v2.0/ports?tenant_id=limited&fields=id", &Value::Null).body;
    assert_eq!(there["ports"].as_array().map(Vec::len), Some(QUOTA));
}
