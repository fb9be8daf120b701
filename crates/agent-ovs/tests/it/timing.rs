//! How long wiring takes. Bounds are generous; the figures are printed.

use std::time::{Duration, Instant};

use crate::support::{Host, Server, VXLAN, check, mac, port_id, wait_for, wait_synced};

#[tokio::test(flavor = "multi_thread")]
async fn ports_are_up_soon_after_they_are_plugged() {
    let server = Server::start().await;
    let host = Host::new(&server);
    let count = 20;
    for n in 0..count {
        server.add_port(&port_id(n), &VXLAN);
    }
    let agent = host.start_agent().await;
    host.wait_flow("br-int", &["table=23"]).await;
    let mut times = Vec::new();
    for n in 0..count {
        host.plug(&port_id(n), &mac(n + 1));
        // ovs-vsctl has returned when ovs-vswitchd has the port: what follows is the agent's.
        let begun = Instant::now();
        while !server.world().up.contains(&port_id(n)) {
            assert!(begun.elapsed() < Duration::from_secs(20), "port {n} does not come up");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.push(begun.elapsed());
    }
    times.sort();
    println!("plug to up: p50 {:?}, worst {:?}", times[count / 2], times[count - 1]);
    assert!(times[count / 2] < Duration::from_secs(1), "{times:?}");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_ports_are_synced_in_seconds() {
    let server = Server::start().await;
    let host = Host::new(&server);
    let count = 200;
    let ports: Vec<(String, String)> = (0..count).map(|n| (port_id(n), mac(n + 1))).collect();
    for (id, _) in &ports {
        server.add_port(id, &VXLAN);
    }
    host.ovs.vsctl(&["--may-exist", "add-br", "br-int"]).expect("br-int");
    host.plug_all(&ports);
    let begun = Instant::now();
    let agent = host.start_agent().await;
    wait_for("all ports up", || {
        let up = server.world().up.len();
        check(up == count, up)
    })
    .await;
    println!("first sync of {count} ports: {:?}", begun.elapsed());
    agent.stop().await;
    server.world().up.clear();
    let begun = Instant::now();
    let agent = host.start_agent().await;
    wait_for("all ports up again", || {
        let up = server.world().up.len();
        check(up == count, up)
    })
    .await;
    wait_synced(&agent).await;
    println!("sync of {count} wired ports after a restart: {:?}", begun.elapsed());
    assert_eq!(agent.progress().borrow().flow_mods, 0);
    // One device of the network asks for the forwarding entries, not each of them.
    assert!(server.world().refreshes <= 2, "{}", server.world().refreshes);
}
