//! What fails, fails alone, and is tried again.

use neutrino_privilege::isolated;
use serde_json::json;

use crate::{
    server::Server,
    support::{
        HOST, Host, addresses, check, device, floating_ip, namespaces, port_id, qrouter, router,
        run, tool, wait_for, wait_synced, with_gateway,
    },
};

fn id(n: u8) -> String {
    format!("{n:08x}-aaaa-4000-8000-000000000000")
}

#[test]
fn one_routers_error_delays_no_other() {
    isolated(|| run(fails_alone()));
}

async fn fails_alone() {
    let server = Server::start().await;
    for n in 1..=6 {
        server.put(router(&id(n), &[n]));
    }
    // One makes no sense, one cannot be asked for alone, and one has a device that is taken.
    server.world().routers.get_mut(&id(2)).expect("known")["_interfaces"][0]["mac_address"] =
        json!("none");
    server.put(with_gateway(router(&id(3), &[3]), 20));
    server.world().routers.get_mut(&id(3)).expect("known")["_floatingips"] =
        json!([floating_ip(30, "10.0.3.5")]);
    let host = Host::new(&server, "");
    let taken = device("qr-", &port_id(3));
    tool(&["ip", "link", "add", &taken, "type", "bridge"]);
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    for n in [1, 4, 5, 6] {
        let shown = addresses(&qrouter(&id(n)), &device("qr-", &port_id(n)));
        assert_eq!(shown, [format!("10.0.{n}.1/24")]);
    }
    assert!(!namespaces().contains(&qrouter(&id(2))));
    let fip = floating_ip(30, "10.0.3.5")["id"].as_str().expect("text").to_string();
    wait_for("the floating IP in error", || {
        let statuses = server.world().statuses.clone();
        check(statuses.get(&fip).is_some_and(|status| status == "ERROR"), statuses)
    })
    .await;

    tool(&["ip", "link", "del", &taken]);
    wait_for("the device", || {
        let ports = host.ports();
        let statuses = server.world().statuses.clone();
        check(statuses.get(&fip).is_some_and(|status| status == "ACTIVE"), (ports, statuses))
    })
    .await;
    assert_eq!(addresses(&qrouter(&id(3)), &taken), ["10.0.3.1/24"]);
    server.put(router(&id(2), &[2]));
    server.updated(HOST, &id(2)).await;
    wait_for("the router that made no sense", || {
        let namespaces = namespaces();
        check(namespaces.contains(&qrouter(&id(2))), namespaces)
    })
    .await;
    let progress = agent.progress();
    wait_for("all of them", || {
        let seen = *progress.borrow();
        check(seen.routers == 6, seen)
    })
    .await;
}

#[test]
fn routers_without_a_gateway_may_be_left_to_others() {
    isolated(|| run(only_external()));
}

async fn only_external() {
    let server = Server::start().await;
    server.put(router(&id(1), &[1]));
    server.put(with_gateway(router(&id(2), &[2]), 20));
    let host = Host::new(&server, "handle_internal_only_routers = false");
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    assert_eq!(namespaces(), [qrouter(&id(2))]);
    server.put(router(&id(2), &[2]));
    server.updated(HOST, &id(2)).await;
    wait_for("the router gone", || check(namespaces().is_empty(), namespaces())).await;
}

#[test]
fn a_slow_server_is_asked_for_less_at_a_time() {
    isolated(|| run(asks_for_less()));
}

async fn asks_for_less() {
    let server = Server::start().await;
    for n in 1..=70 {
        server.put(router(&id(n), &[n]));
    }
    server.world().slow_above = Some(40);
    // Routers this agent is to leave to others cost it nothing.
    let host = Host::new(&server, "handle_internal_only_routers = false");
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    assert_eq!(server.world().asked, [70, 70, 64, 32, 32, 6]);
}
