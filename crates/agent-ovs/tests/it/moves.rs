//! Ports and tunnel endpoints that move: live migration, a changed tunnel address.

use neutrino_rpc::{shapes::DeviceDetails, topics};
use serde_json::json;

use crate::support::{Host, Server, VXLAN, check, mac, port_id, wait_for, wait_synced, wait_up};

#[tokio::test(flavor = "multi_thread")]
async fn migrated_port_is_wired_where_its_binding_is_activated_and_unplugged_where_not() {
    let server = Server::start().await;
    let host = Host::new(&server);
    let port = port_id(1);
    server.add_port(&port, &VXLAN);
    let bound = server.world().ports[&port].clone();
    let waiting =
        DeviceDetails { device: port.clone(), no_active_binding: true, ..DeviceDetails::default() };
    server.world().ports.insert(port.clone(), waiting.clone());
    let _agent = host.start_agent().await;
    host.wait_flow("br-int", &["table=23"]).await;
    host.plug(&port, &mac(1));
    wait_for("the dead VLAN", || {
        let tag = host.port_column(&port, "tag");
        check(tag == "4095", tag)
    })
    .await;
    server.world().ports.insert(port.clone(), bound);
    let args = |host: &str| json!({"port_id": port, "host": host, "network_id": VXLAN.id});
    server.fanout(topics::PORT_BINDING_ACTIVATE, "binding_activate", args("host1")).await;
    wait_up(&server, &[&port]).await;
    assert_eq!(host.port_column(&port, "tag"), "1");

    // Another host's binding is not this agent's business: the question asked after it is
    // answered with the port still plugged.
    let topic = topics::PORT_BINDING_DEACTIVATE;
    server.fanout(topic, "binding_deactivate", args("host2")).await;
    let asked = server.world().details_asked;
    server.port_update(&port).await;
    wait_for("the question", || {
        let now = server.world().details_asked;
        check(now > asked, now)
    })
    .await;
    assert_eq!(host.port_column(&port, "tag"), "1");
    server.world().ports.insert(port.clone(), waiting);
    server.fanout(topic, "binding_deactivate", args("host1")).await;
    wait_for("the port to leave br-int and be reported", || {
        let ports = host.ovs.vsctl(&["list-ports", "br-int"]).expect("read");
        let down = server.world().down.clone();
        check(!ports.contains("tap") && down.contains(&port), (ports, down))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tunnels_follow_the_local_address() {
    let server = Server::start().await;
    let mut host = Host::with(&server, "l2_population = false\n");
    server.world().tunnels = vec!["10.9.9.1".into()];
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    agent.stop().await;
    host.set_local_ip("127.0.0.2");
    let _agent = host.start_agent().await;
    wait_for("the new address", || {
        let got = host.ovs.vsctl(&["get", "Interface", "vxlan-0a090901", "options:local_ip"]);
        let got = got.unwrap_or_default();
        check(got.trim() == "\"127.0.0.2\"", got)
    })
    .await;
}
