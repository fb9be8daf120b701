//! Many ports on one host. How long they take is measured by `scripts/bench-wiring.sh`.

use crate::support::{Host, Server, VXLAN, check, mac, port_id, wait_for, wait_synced};

#[tokio::test(flavor = "multi_thread")]
async fn ports_plugged_one_after_the_other_all_come_up() {
    let server = Server::start().await;
    let host = Host::new(&server);
    let count = 20;
    for n in 0..count {
        server.add_port(&port_id(n), &VXLAN);
    }
    let agent = host.start_agent().await;
    host.wait_flow("br-int", &["table=23"]).await;
    for n in 0..count {
        host.plug(&port_id(n), &mac(n + 1));
        wait_for("the port up", || {
            let world = server.world();
            check(world.up.contains(&port_id(n)), world.up.len())
        })
        .await;
    }
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_many_wired_ports_changes_no_flow() {
    let server = Server::start().await;
    let host = Host::new(&server);
    let count = 200;
    let ports: Vec<(String, String)> = (0..count).map(|n| (port_id(n), mac(n + 1))).collect();
    for (id, _) in &ports {
        server.add_port(id, &VXLAN);
    }
    host.ovs.vsctl(&["--may-exist", "add-br", "br-int"]).expect("br-int");
    host.plug_all(&ports);
    let agent = host.start_agent().await;
    wait_for("all ports up", || {
        let up = server.world().up.len();
        check(up == count, up)
    })
    .await;
    agent.stop().await;
    server.world().up.clear();
    let agent = host.start_agent().await;
    wait_for("all ports up again", || {
        let up = server.world().up.len();
        check(up == count, up)
    })
    .await;
    wait_synced(&agent).await;
    assert_eq!(agent.progress().borrow().flow_mods, 0);
    // One device of the network asks for the forwarding entries, not each of them.
    assert!(server.world().refreshes <= 2, "{}", server.world().refreshes);
}
