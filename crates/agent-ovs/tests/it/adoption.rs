//! Restarts: what is right is not touched.

use std::{collections::BTreeMap, time::Duration};

use neutrino_agent_ovs::Running;
use serde_json::json;

use crate::support::{
    Host, Network, Server, VLAN, VXLAN, check, mac, port_id, tap, wait_for, wait_synced, wait_up,
};

const OTHER: Network = Network {
    id: "44444444-4444-4444-4444-444444444444",
    network_type: "vxlan",
    segmentation_id: Some(1002),
    physical_network: None,
};

const BRIDGES: [&str; 3] = ["br-int", "br-tun", "br-phys"];

async fn wired_host(server: &Server) -> (Host, Running) {
    let host = Host::new(server);
    let (vxlan, vlan) = (port_id(1), port_id(2));
    server.add_port(&vxlan, &VXLAN);
    server.add_port(&vlan, &VLAN);
    server.world().fdb = json!({VXLAN.id: {"segment_id": 1001, "network_type": "vxlan", "ports": {
        "10.9.9.8": [["00:00:00:00:00:00", "0.0.0.0"], ["fa:16:3e:99:99:98", "10.0.0.98"]],
        "10.9.9.9": [["00:00:00:00:00:00", "0.0.0.0"], ["fa:16:3e:99:99:99", "10.0.0.99"]]}}});
    let agent = host.start_agent().await;
    host.wait_flow("br-int", &["table=23"]).await;
    host.plug_all(&[(vxlan.clone(), mac(1)), (vlan.clone(), mac(2))]);
    wait_up(server, &[&vxlan, &vlan]).await;
    wait_synced(&agent).await;
    host.wait_flow("br-tun", &["table=20, priority=2", "dl_dst=fa:16:3e:99:99:99"]).await;
    host.wait_flow("br-tun", &["table=22, priority=1", ",output:2,output:3"]).await;
    (host, agent)
}

fn all_flows(host: &Host) -> BTreeMap<&'static str, BTreeMap<String, u64>> {
    BRIDGES.iter().map(|b| (*b, host.aged_flows(b))).collect()
}

/// The same flows with the same cookies, none of them younger than before.
fn assert_untouched(
    before: &BTreeMap<&'static str, BTreeMap<String, u64>>,
    after: &BTreeMap<&'static str, BTreeMap<String, u64>>,
) {
    for bridge in BRIDGES {
        let (before, after) = (&before[bridge], &after[bridge]);
        assert!(before.keys().eq(after.keys()), "{bridge}:\n{before:#?}\n{after:#?}");
        for (flow, age) in before {
            assert!(after[flow] >= *age, "{bridge}: {flow} was installed anew");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn restarted_agent_touches_no_flow() {
    let server = Server::start().await;
    let (host, agent) = wired_host(&server).await;
    let before = all_flows(&host);
    agent.stop().await;
    let asked = server.world().details_asked;
    let agent = host.start_agent().await;
    wait_for("the new agent's questions", || {
        let now = server.world().details_asked;
        check(now > asked, now)
    })
    .await;
    wait_synced(&agent).await;
    assert_untouched(&before, &all_flows(&host));
    // Also not when what was left of the former run may be removed.
    let progress = agent.progress();
    let passes = progress.borrow().passes;
    wait_for("the removal of stale flows", || {
        let seen = *progress.borrow();
        check(seen.swept && seen.passes > passes && seen.flows_in_sync, seen)
    })
    .await;
    assert_untouched(&before, &all_flows(&host));
    assert_eq!(progress.borrow().flow_mods, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_network_gets_no_vlan_of_flows_that_stay_for_now() {
    let server = Server::start().await;
    let (host, agent) = wired_host(&server).await;
    agent.stop().await;
    // While the agent is away, the only port of VLAN 1 leaves and another network's comes.
    host.unplug(&port_id(1));
    server.add_port(&port_id(3), &OTHER);
    host.plug(&port_id(3), &mac(3));
    let _agent = host.start_agent().await;
    wait_up(&server, &[&port_id(3)]).await;
    assert_eq!(host.port_column(&port_id(3), "tag"), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn address_taken_away_during_a_restart_is_not_kept_until_the_sweep() {
    let server = Server::start().await;
    let (mut host, agent) = wired_host(&server).await;
    let number = host.ovs.ofport(&tap(&port_id(1))).expect("number");
    let allowed = format!("in_port={number},arp_spa=10.0.0.3");
    host.wait_flow("br-int", &["table=24", &allowed]).await;
    agent.stop().await;
    host.confirmation = Duration::from_secs(3600);
    server.world().ports.get_mut(&port_id(1)).expect("there").fixed_ips.clear();
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    assert!(!agent.progress().borrow().swept);
    let flows = host.flows("br-int");
    assert!(!flows.iter().any(|f| f.contains(&allowed)), "{flows:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_server_changes_nothing_not_even_across_a_restart() {
    let mut server = Server::start().await;
    let (host, agent) = wired_host(&server).await;
    let before = all_flows(&host);
    server.kill();
    agent.stop().await;
    let agent = host.start_agent().await;
    let progress = agent.progress();
    wait_for("a few passes", || {
        let seen = *progress.borrow();
        check(seen.passes > 10 && seen.flows_in_sync, seen)
    })
    .await;
    assert_untouched(&before, &all_flows(&host));
    assert_eq!(host.port_column(&port_id(1), "tag"), "1");
    server.up().await;
    wait_synced(&agent).await;
    assert_untouched(&before, &all_flows(&host));
}

#[tokio::test(flavor = "multi_thread")]
async fn server_restart_is_followed_by_a_resync_that_drops_what_is_gone() {
    let mut server = Server::start().await;
    let (host, agent) = wired_host(&server).await;
    server.kill();
    // While nobody listened, one remote host left the network and one port was disabled.
    server.world().fdb = json!({VXLAN.id: {"segment_id": 1001, "network_type": "vxlan", "ports": {
        "10.9.9.9": [["00:00:00:00:00:00", "0.0.0.0"], ["fa:16:3e:99:99:99", "10.0.0.99"]]}}});
    server.world().ports.get_mut(&port_id(2)).expect("there").admin_state_up = false;
    server.up().await;
    wait_for("the disabled port", || {
        let tag = host.port_column(&port_id(2), "tag");
        check(tag == "4095", tag)
    })
    .await;
    wait_for("the remote host's flows to go", || {
        let flows = host.flows("br-tun");
        check(!flows.iter().any(|f| f.contains("fa:16:3e:99:99:98")), flows)
    })
    .await;
    wait_for("its tunnel to go", || {
        let ports = host.ovs.vsctl(&["list-ports", "br-tun"]).expect("read");
        check(!ports.contains("vxlan-0a090908") && ports.contains("vxlan-0a090909"), ports)
    })
    .await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_while_the_agent_was_away_is_put_right() {
    let server = Server::start().await;
    let (host, agent) = wired_host(&server).await;
    agent.stop().await;
    host.unplug(&port_id(2));
    let stray = "table=20,priority=2,dl_vlan=77,dl_dst=fa:16:3e:77:77:77,actions=drop";
    host.ovs.ofctl(&["add-flow", &host.ovs.bridge("br-tun"), stray]).expect("added");
    let _agent = host.start_agent().await;
    wait_for("the stale flows to go", || {
        let (tun, phys) = (host.flows("br-tun"), host.flows("br-phys"));
        let stale = tun.iter().any(|f| f.contains("dl_vlan=77"))
            || phys.iter().any(|f| f.contains("dl_vlan="));
        check(!stale, (tun, phys))
    })
    .await;
    host.wait_flow("br-tun", &["table=20, priority=2", "dl_dst=fa:16:3e:99:99:99"]).await;
}
