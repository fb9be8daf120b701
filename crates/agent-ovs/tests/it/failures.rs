//! Open vSwitch restarts, lost flows, ports that cannot come up.

use crate::support::{
    Host, Server, VLAN, VXLAN, check, mac, port_id, wait_for, wait_synced, wait_up,
};

const BRIDGES: [&str; 3] = ["br-int", "br-tun", "br-phys"];

#[tokio::test(flavor = "multi_thread")]
async fn restarted_vswitchd_gets_every_flow_back() {
    let server = Server::start().await;
    let mut host = Host::new(&server);
    let (vxlan, vlan) = (port_id(1), port_id(2));
    server.add_port(&vxlan, &VXLAN);
    server.add_port(&vlan, &VLAN);
    let agent = host.start_agent().await;
    host.wait_flow("br-int", &["table=23"]).await;
    host.plug_all(&[(vxlan.clone(), mac(1)), (vlan.clone(), mac(2))]);
    wait_up(&server, &[&vxlan, &vlan]).await;
    wait_synced(&agent).await;
    let before = BRIDGES.map(|b| host.flows(b).len());
    host.ovs.kill_vswitchd().expect("killed");
    host.ovs.start_vswitchd().expect("started");
    wait_for("the flows", || {
        let now = BRIDGES.map(|b| host.flows(b).len());
        check(now == before, (now, before))
    })
    .await;
    let number = host.ovs.ofport(&crate::support::tap(&vxlan)).expect("number");
    host.wait_flow("br-int", &["table=25", &format!("in_port={number},")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_flows_come_back_by_the_canary() {
    let server = Server::start().await;
    let host = Host::new(&server);
    let port = port_id(1);
    server.add_port(&port, &VXLAN);
    let agent = host.start_agent().await;
    host.wait_flow("br-int", &["table=23"]).await;
    host.plug(&port, &mac(1));
    wait_up(&server, &[&port]).await;
    wait_synced(&agent).await;
    let before = BRIDGES.map(|b| host.flows(b));
    // br-int, which has the canary, comes last: the agent reads all bridges when it is gone.
    for bridge in BRIDGES.iter().rev() {
        host.ovs.ofctl(&["del-flows", &host.ovs.bridge(bridge)]).expect("deleted");
    }
    wait_for("the flows", || {
        let now = BRIDGES.map(|b| host.flows(b));
        check(now == before, &now)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restarted_ovsdb_is_followed() {
    let server = Server::start().await;
    let mut host = Host::new(&server);
    let port = port_id(1);
    server.add_port(&port, &VXLAN);
    let _agent = host.start_agent().await;
    host.wait_flow("br-int", &["table=23"]).await;
    host.ovs.kill_ovsdb().expect("killed");
    host.ovs.start_ovsdb().expect("started");
    host.plug(&port, &mac(1));
    wait_up(&server, &[&port]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn port_that_cannot_come_up_does_not_delay_the_others() {
    let server = Server::start().await;
    let host = Host::new(&server);
    let (bad, good) = (port_id(1), port_id(2));
    server.add_port(&bad, &VXLAN);
    server.add_port(&good, &VXLAN);
    let agent = host.start_agent().await;
    host.wait_flow("br-int", &["table=23"]).await;
    let tap = crate::support::tap(&bad);
    // ovs-vswitchd does not know the type and answers ofport -1.
    let plugged = host.ovs.vsctl(&[
        "--no-wait",
        "add-port",
        "br-int",
        &tap,
        "--",
        "set",
        "Interface",
        &tap,
        "type=nonsense",
        &format!("external_ids:iface-id={bad}"),
        &format!("external_ids:attached-mac=\"{}\"", mac(1)),
    ]);
    plugged.expect("plugged");
    host.plug(&good, &mac(2));
    wait_up(&server, &[&good]).await;
    wait_synced(&agent).await;
    assert!(!server.world().up.contains(&bad));
    // Once it can, it is wired like any other.
    host.ovs.vsctl(&["set", "Interface", &tap, "type=internal"]).expect("set");
    wait_up(&server, &[&bad]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_physical_bridge_concerns_only_its_own_networks() {
    let server = Server::start().await;
    let host = Host::new(&server);
    let (vxlan, vlan) = (port_id(1), port_id(2));
    server.add_port(&vxlan, &VXLAN);
    server.add_port(&vlan, &VLAN);
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    host.ovs.vsctl(&["del-br", "br-phys"]).expect("deleted");
    host.plug_all(&[(vxlan.clone(), mac(1)), (vlan.clone(), mac(2))]);
    wait_up(&server, &[&vxlan]).await;
    assert!(!server.world().up.contains(&vlan));
    host.ovs.vsctl(&["add-br", "br-phys"]).expect("back");
    wait_up(&server, &[&vlan]).await;
    host.wait_flow("br-phys", &["priority=4", "set_field:4197->vlan_vid"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_without_switch_stops_reporting_until_it_is_back() {
    let server = Server::start().await;
    let mut host = Host::new(&server);
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    wait_for("the report after the start", || {
        let world = server.world();
        let last = world.reports.last();
        check(last.is_some_and(|r| r.get("start_flag").is_none()), last)
    })
    .await;
    let progress = agent.progress();
    wait_for("the canary to be seen", || {
        let seen = *progress.borrow();
        check(seen.ovs_seen, seen)
    })
    .await;
    host.ovs.kill_vswitchd().expect("killed");
    wait_for("the agent to notice", || {
        let seen = *progress.borrow();
        check(seen.ovs_down, seen)
    })
    .await;
    let reports = server.world().reports.len();
    host.ovs.start_vswitchd().expect("started");
    // The first report after the silence comes at once, not with the next interval.
    wait_for("the next report", || {
        let now = server.world().reports.len();
        check(now > reports, now)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_physical_bridge_is_a_clear_error() {
    let server = Server::start().await;
    let host = Host::new(&server);
    host.ovs.vsctl(&["del-br", "br-phys"]).expect("deleted");
    let error = host.try_start_agent().await.err().expect("refused").to_string();
    assert!(error.contains("br-phys") && error.contains("physnet1"), "{error}");
}
