//! Ports of each network type: flows, database rows, reports.

use serde_json::json;

use crate::support::{
    FLAT, Host, Server, VLAN, VXLAN, check, mac, port_id, wait_for, wait_synced, wait_up,
};

#[tokio::test(flavor = "multi_thread")]
async fn vxlan_port_is_wired_and_reported_up() {
    let server = Server::start().await;
    let host = Host::new(&server);
    let port = port_id(1);
    server.add_port(&port, &VXLAN);
    server.world().fdb = json!({VXLAN.id: {"segment_id": 1001, "network_type": "vxlan", "ports": {
        "10.9.9.9": [["00:00:00:00:00:00", "0.0.0.0"], ["fa:16:3e:99:99:99", "10.0.0.99"]]}}});
    let agent = host.start_agent().await;
    host.wait_flow("br-int", &["table=23, priority=0 actions=drop"]).await;
    host.plug(&port, &mac(1));
    wait_up(&server, &[&port]).await;
    wait_synced(&agent).await;

    assert_eq!(host.port_column(&port, "tag"), "1");
    let config = host.port_column(&port, "other_config");
    for part in [
        "net_uuid=\"11111111-1111-1111-1111-111111111111\"",
        "network_type=vxlan",
        "physical_network=None",
        "segmentation_id=\"1001\"",
        "tag=\"1\"",
    ] {
        assert!(config.contains(part), "{part} not in {config}");
    }
    let in_port = host.ovs.ofport(&crate::support::tap(&port)).expect("number");
    host.wait_flow("br-int", &["table=24", &format!("in_port={in_port},arp_spa=10.0.0.3")]).await;
    host.wait_flow("br-int", &["table=25", &format!("in_port={in_port},dl_src={}", mac(1))]).await;
    host.wait_flow("br-tun", &["table=4, priority=1,tun_id=0x3e9 actions=push_vlan:0x8100,set_field:4097->vlan_vid,goto_table:10"]).await;
    // The tunnel and its flows follow from the forwarding entries.
    let tunnel = host.ovs.ofport("vxlan-0a090909").expect("tunnel");
    let send = format!("actions=pop_vlan,set_field:0x3e9->tun_id,output:{tunnel}");
    host.wait_flow("br-tun", &["table=20, priority=2,dl_vlan=1,dl_dst=fa:16:3e:99:99:99", &send])
        .await;
    host.wait_flow("br-tun", &["table=21, priority=1,arp,dl_vlan=1,arp_tpa=10.0.0.99"]).await;
    host.wait_flow("br-tun", &["table=22, priority=1,dl_vlan=1", &send]).await;
    host.wait_flow("br-tun", &[&format!("priority=1,in_port={tunnel} actions=goto_table:4")]).await;
    let options = host.ovs.vsctl(&["get", "Interface", "vxlan-0a090909", "options"]).expect("read");
    for part in [
        "df_default=\"true\"",
        "in_key=flow",
        "out_key=flow",
        "egress_pkt_mark=\"0\"",
        "local_ip=\"127.0.0.1\"",
        "remote_ip=\"10.9.9.9\"",
    ] {
        assert!(options.contains(part), "{part} not in {options}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vlan_and_flat_ports_are_translated_both_ways() {
    let server = Server::start().await;
    let host = Host::new(&server);
    let (vlan, flat) = (port_id(1), port_id(2));
    server.add_port(&vlan, &VLAN);
    server.add_port(&flat, &FLAT);
    let _agent = host.start_agent().await;
    host.wait_flow("br-int", &["table=23"]).await;
    host.plug(&vlan, &mac(1));
    wait_up(&server, &[&vlan]).await;
    host.plug(&flat, &mac(2));
    wait_up(&server, &[&flat]).await;
    let int = host.ovs.ofport("int-br-phys").expect("number");
    let phys = host.ovs.ofport("phy-br-phys").expect("number");
    host.wait_flow(
        "br-int",
        &[&format!(
            "priority=3,in_port={int},dl_vlan=101 actions=set_field:4097->vlan_vid,goto_table:58"
        )],
    )
    .await;
    host.wait_flow("br-int", &[&format!("priority=3,in_port={int},vlan_tci=0x0000/0x1fff actions=push_vlan:0x8100,set_field:4098->vlan_vid,goto_table:58")]).await;
    host.wait_flow(
        "br-phys",
        &[&format!("priority=4,in_port={phys},dl_vlan=1 actions=set_field:4197->vlan_vid,NORMAL")],
    )
    .await;
    host.wait_flow(
        "br-phys",
        &[&format!("priority=4,in_port={phys},dl_vlan=2 actions=pop_vlan,NORMAL")],
    )
    .await;
    let peer = host.ovs.vsctl(&["get", "Interface", "int-br-phys", "options:peer"]).expect("read");
    assert_eq!(peer.trim(), "phy-br-phys");
}

#[tokio::test(flavor = "multi_thread")]
async fn unplugged_port_is_reported_down_and_its_vlan_reclaimed() {
    let server = Server::start().await;
    let host = Host::new(&server);
    let port = port_id(1);
    server.add_port(&port, &VLAN);
    let agent = host.start_agent().await;
    host.wait_flow("br-int", &["table=23"]).await;
    host.plug(&port, &mac(1));
    wait_up(&server, &[&port]).await;
    host.unplug(&port);
    wait_for("the report", || {
        let world = server.world();
        check(world.down.contains(&port) && world.up.is_empty(), &world.down)
    })
    .await;
    wait_synced(&agent).await;
    wait_for("the VLAN's flows to go", || {
        let flows = host.flows("br-phys");
        check(!flows.iter().any(|f| f.contains("dl_vlan=1")), flows)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disabled_and_unknown_ports_are_isolated_until_the_server_says_otherwise() {
    let server = Server::start().await;
    let host = Host::new(&server);
    let (disabled, unknown) = (port_id(1), port_id(2));
    server.add_port(&disabled, &VXLAN);
    server.world().ports.get_mut(&disabled).expect("there").admin_state_up = false;
    let _agent = host.start_agent().await;
    host.wait_flow("br-int", &["table=23"]).await;
    host.plug(&disabled, &mac(1));
    host.plug(&unknown, &mac(2));
    for port in [&disabled, &unknown] {
        wait_for("the dead VLAN", || {
            let tag = host.port_column(port, "tag");
            check(tag == "4095", tag)
        })
        .await;
        let number = host.ovs.ofport(&crate::support::tap(port)).expect("number");
        host.wait_flow("br-int", &[&format!("priority=2,in_port={number} actions=drop")]).await;
    }
    wait_for("the report", || {
        let world = server.world();
        check(world.down.contains(&disabled) && !world.down.contains(&unknown), &world.down)
    })
    .await;
    server.world().ports.get_mut(&disabled).expect("there").admin_state_up = true;
    server.port_update(&disabled).await;
    server.add_port(&unknown, &VXLAN);
    server.port_update(&unknown).await;
    wait_up(&server, &[&disabled, &unknown]).await;
    assert_eq!(host.port_column(&disabled, "tag"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_l2population_every_tunnel_of_the_type_is_flooded() {
    let server = Server::start().await;
    let host = Host::with(&server, "l2_population = false\n");
    server.world().tunnels = vec!["10.9.9.1".into(), "127.0.0.1".into(), "10.9.9.2".into()];
    let port = port_id(1);
    server.add_port(&port, &VXLAN);
    let _agent = host.start_agent().await;
    host.wait_flow("br-int", &["table=23"]).await;
    host.plug(&port, &mac(1));
    wait_up(&server, &[&port]).await;
    let one = host.ovs.ofport("vxlan-0a090901").expect("tunnel");
    let two = host.ovs.ofport("vxlan-0a090902").expect("tunnel");
    host.wait_flow(
        "br-tun",
        &["table=22, priority=1,dl_vlan=1", &format!("output:{one}"), &format!("output:{two}")],
    )
    .await;
    let update = json!({"tunnel_ip": "10.9.9.3", "tunnel_type": "vxlan"});
    server.fanout("q-agent-notifier-tunnel-update", "tunnel_update", update).await;
    wait_for("the third tunnel", || {
        let ports = host.ovs.vsctl(&["list-ports", "br-tun"]).expect("read");
        check(ports.contains("vxlan-0a090903"), ports)
    })
    .await;
    let three = host.ovs.ofport("vxlan-0a090903").expect("tunnel");
    host.wait_flow("br-tun", &["table=22, priority=1,dl_vlan=1", &format!("output:{three}")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bridges_are_set_up_as_neutron_does() {
    let server = Server::start().await;
    let host = Host::new(&server);
    let agent = host.start_agent().await;
    wait_synced(&agent).await;
    let get = |bridge: &str, column: &str| {
        host.ovs.vsctl(&["get", "Bridge", bridge, column]).expect("read").trim().to_string()
    };
    for bridge in ["br-int", "br-tun", "br-phys"] {
        assert_eq!(get(bridge, "fail_mode"), "secure");
        assert_eq!(get(bridge, "protocols"), "[OpenFlow10, OpenFlow13, OpenFlow14]");
        assert!(get(bridge, "other_config").contains("disable-in-band=\"true\""));
        assert!(get(bridge, "other_config").contains("mac-table-size=\"50000\""));
    }
    let config = get("br-int", "other_config");
    assert!(config.contains("mcast-snooping-disable-flood-unregistered=\"true\""), "{config}");
    let report = server.world().reports.last().cloned().expect("reported");
    assert_eq!(report["agent_type"], "Open vSwitch agent");
    assert_eq!(report["configurations"]["ovs_hybrid_plug"], false);
    assert_eq!(report["configurations"]["tunneling_ip"], "127.0.0.1");
    let hypervisors = &report["configurations"]["resource_provider_hypervisors"];
    assert!(hypervisors["br-phys"].is_string() && hypervisors["rp_tunnelled"].is_string());
}
