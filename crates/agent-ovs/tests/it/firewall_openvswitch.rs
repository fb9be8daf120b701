//! The openvswitch firewall driver on a real switch.

use std::collections::BTreeMap;

use neutrino_agent_ovs::Running;
use serde_json::json;

use crate::support::{
    Host, PEERS, Server, WEB, check, mac, port_id, secured_server as server, tap, tcp, wait_for,
    wait_swept, wait_synced, wait_up,
};

async fn wired(server: &Server, count: usize) -> (Host, Running) {
    let host = Host::filtered(server, "openvswitch");
    let agent = host.start_agent().await;
    host.wait_flow("br-int", &["table=23"]).await;
    let ports: Vec<(String, String)> = (1..=count).map(|n| (port_id(n), mac(n))).collect();
    host.plug_all(&ports);
    let ids: Vec<&str> = ports.iter().map(|(id, _)| id.as_str()).collect();
    wait_up(server, &ids).await;
    wait_swept(&agent).await;
    (host, agent)
}

fn flow_mods(agent: &Running) -> u64 {
    agent.progress().borrow().flow_mods
}

fn aged(host: &Host) -> BTreeMap<String, u64> {
    host.aged_flows("br-int")
}

fn rule_flows(host: &Host) -> Vec<String> {
    let flows = host.flows("br-int");
    flows.into_iter().filter(|f| f.contains("table=82") && f.contains("tp_dst=")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn port_stays_closed_until_its_groups_are_known() {
    let server = server(1).await;
    server.world().groups.failing = true;
    let host = Host::filtered(&server, "openvswitch");
    let agent = host.start_agent().await;
    host.wait_flow("br-int", &["table=23"]).await;
    let port = port_id(1);
    host.plug(&port, &mac(1));
    wait_for("two failed calls", || {
        let asked = server.world().groups.asked.len();
        check(asked >= 2, asked)
    })
    .await;
    assert!(!server.world().up.contains(&port));
    // Without VLAN it would see the frames of all networks.
    assert_eq!(host.port_column(&port, "tag"), "4095");
    server.world().groups.failing = false;
    let number = host.ovs.ofport(&tap(&port)).expect("number");
    let entry = format!("table=60, priority=100,in_port={number}");
    wait_for("the port's VLAN", || {
        let tag = host.port_column(&port, "tag");
        let flows = host.flows("br-int");
        if tag == "1" {
            // Whoever sees the VLAN sees the flows.
            assert!(flows.iter().any(|f| f.contains(&entry)), "{flows:#?}");
            assert!(flows.iter().any(|f| f.contains("tp_dst=80")), "{flows:#?}");
        }
        check(tag == "1", tag)
    })
    .await;
    wait_up(&server, &[&port]).await;
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn member_costs_its_own_flows_and_one_question() {
    let server = server(8).await;
    let (host, agent) = wired(&server, 8).await;
    let asked = server.world().groups.asked.len();
    let before = (flow_mods(&agent), aged(&host));
    server.world().groups.members.get_mut(PEERS).expect("there").insert("10.1.0.3".into());
    server.groups_updated("member", PEERS).await;
    host.wait_flow("br-int", &["table=82", "nw_src=10.1.0.3", "conjunction"]).await;
    assert_eq!(flow_mods(&agent) - before.0, 2, "new and established connections");
    server.world().groups.members.get_mut(PEERS).expect("there").remove("10.1.0.3");
    server.groups_updated("member", PEERS).await;
    wait_for("the member's flows to go", || {
        let flows = host.flows("br-int");
        check(!flows.iter().any(|f| f.contains("10.1.0.3")), flows)
    })
    .await;
    assert_eq!(flow_mods(&agent) - before.0, 4);
    let asked: Vec<Vec<String>> = server.world().groups.asked.split_off(asked);
    assert_eq!(asked, [[port_id(1)], [port_id(1)]]);
    // Nobody else's flow was touched.
    let after = aged(&host);
    assert!(before.1.iter().all(|(flow, age)| after.get(flow).is_some_and(|now| now >= age)));
    assert_eq!(before.1.len(), after.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_addresses_of_an_address_group_reach_the_switch_as_changed_rules() {
    let server = server(2).await;
    let mut rule = tcp(443, None);
    rule["remote_address_group_id"] = json!(PEERS);
    server.world().groups.rules.insert(WEB.into(), vec![tcp(80, None), rule]);
    let (host, agent) = wired(&server, 2).await;
    host.wait_flow("br-int", &["table=82", "nw_src=10.1.0.1", "conjunction"]).await;
    let before = flow_mods(&agent);
    // Its addresses may be networks, and agents are told of the groups whose rules name it.
    let addresses = ["10.1.0.1".into(), "10.7.0.0/16".into()].into();
    server.world().groups.members.insert(PEERS.into(), addresses);
    server.groups_updated("rule", WEB).await;
    host.wait_flow("br-int", &["table=82", "nw_src=10.7.0.0/16", "conjunction"]).await;
    let flows = host.flows("br-int");
    assert!(!flows.iter().any(|f| f.contains("10.1.0.2")), "{flows:#?}");
    assert_eq!(flow_mods(&agent) - before, 4, "one address came, another went");
    // Neutron's server says it of the address group, as an object.
    server.world().groups.members.insert(PEERS.into(), ["10.8.0.0/16".into()].into());
    let asked = server.world().groups.asked.len();
    let object = json!({"versioned_object.name": "AddressGroup", "versioned_object.version": "1.2",
        "versioned_object.namespace": "versionedobjects", "versioned_object.data": {"id": PEERS}});
    let push = json!({"resource_list": [object], "event_type": "updated"});
    server.fanout("neutron-vo-AddressGroup-1.2", "push", push).await;
    host.wait_flow("br-int", &["table=82", "nw_src=10.8.0.0/16", "conjunction"]).await;
    let flows = host.flows("br-int");
    assert!(!flows.iter().any(|f| f.contains("10.7.0.0")), "{flows:#?}");
    assert_eq!(server.world().groups.asked.len() - asked, 1, "of one port");
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_rules_and_groups_reach_the_switch() {
    let server = server(2).await;
    let (host, _agent) = wired(&server, 2).await;
    // A rule that makes no sense allows nothing, and keeps no other out.
    let senseless = json!({"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
                           "port_range_min": 9, "port_range_max": 7});
    let rules = vec![tcp(443, None), senseless];
    server.world().groups.rules.insert(WEB.into(), rules);
    server.groups_updated("rule", WEB).await;
    wait_for("the rules", || {
        let flows = rule_flows(&host);
        let right = flows.len() == 4 && flows.iter().all(|f| f.contains("tp_dst=443"));
        check(right, flows)
    })
    .await;
    // The remote group nobody names any more is gone.
    wait_for("no conjunction", || {
        let flows = host.flows("br-int");
        check(!flows.iter().any(|f| f.contains("conj")), flows)
    })
    .await;
    // One port leaves the group.
    server.world().groups.of_port.insert(port_id(2), Vec::new());
    server.port_update(&port_id(2)).await;
    wait_for("the rules of one port", || {
        let flows = rule_flows(&host);
        check(flows.len() == 2, flows)
    })
    .await;
    // Port security off: everything passes.
    server.world().ports.get_mut(&port_id(1)).expect("there").port_security_enabled = false;
    server.port_update(&port_id(1)).await;
    let number = host.ovs.ofport(&tap(&port_id(1))).expect("number");
    let entry = format!("table=60, priority=100,in_port={number}");
    host.wait_flow("br-int", &[&entry, "resubmit(,73)"]).await;
    wait_for("no rules", || {
        let flows = rule_flows(&host);
        check(flows.is_empty(), flows)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restarted_agent_touches_no_flow_of_the_firewall() {
    let server = server(3).await;
    let (host, agent) = wired(&server, 3).await;
    let before = aged(&host);
    agent.stop().await;
    server.world().up.clear();
    let agent = host.start_agent().await;
    wait_up(&server, &[&port_id(1), &port_id(2), &port_id(3)]).await;
    wait_swept(&agent).await;
    assert_eq!(flow_mods(&agent), 0);
    let after = aged(&host);
    assert!(before.keys().eq(after.keys()));
    assert!(before.iter().all(|(flow, age)| after[flow] >= *age));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_while_the_agent_was_away_is_out_before_the_port_is_up() {
    let server = server(1).await;
    let (host, agent) = wired(&server, 1).await;
    agent.stop().await;
    server.world().up.clear();
    server.world().groups.rules.insert(WEB.into(), vec![tcp(22, Some(PEERS))]);
    server.world().groups.members.insert(PEERS.into(), ["10.1.0.2".into()].into());
    let _agent = host.start_agent().await;
    wait_up(&server, &[&port_id(1)]).await;
    let flows = host.flows("br-int");
    assert!(!flows.iter().any(|f| f.contains("tp_dst=80")), "{flows:#?}");
    assert!(!flows.iter().any(|f| f.contains("10.1.0.1")), "{flows:#?}");
    assert!(flows.iter().any(|f| f.contains("10.1.0.2")), "{flows:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_server_and_restarted_switch_leave_the_firewall_as_it_was() {
    let mut server = server(2).await;
    let (mut host, agent) = wired(&server, 2).await;
    let before = aged(&host);
    server.kill();
    let progress = agent.progress();
    host.ovs.kill_vswitchd().expect("killed");
    host.ovs.start_vswitchd().expect("started");
    wait_for("all flows again", || {
        let now = aged(&host);
        let same = now.len() == before.len();
        check(same, (now.len(), before.len(), *progress.borrow()))
    })
    .await;
    server.up().await;
    wait_synced(&agent).await;
    wait_for("the same number of flows", || {
        let now = aged(&host);
        check(now.len() == before.len(), now)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disabled_port_is_isolated_before_its_flows_go() {
    let server = server(1).await;
    let (host, _agent) = wired(&server, 1).await;
    let port = port_id(1);
    server.world().ports.get_mut(&port).expect("there").admin_state_up = false;
    server.port_update(&port).await;
    wait_for("no flows of the port in the firewall", || {
        let flows = host.flows("br-int");
        let gone = !flows.iter().any(|f| f.contains("table=60, priority=90"));
        if gone {
            assert_eq!(host.port_column(&port, "tag"), "4095");
        }
        check(gone, flows)
    })
    .await;
}
