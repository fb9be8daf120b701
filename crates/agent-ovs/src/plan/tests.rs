//! Tests of the planned rows.

use neutrino_conf::Conf;

use super::*;
use crate::observe::{Controller, Port};

fn config(text: &str) -> Config {
    Config::from_conf("h1", &Conf::parse_str(text).expect("valid INI")).expect("valid")
}

fn port() -> Port {
    Port {
        row: Uuid::from_u128(1),
        interface: Uuid::from_u128(2),
        interface_name: "tap".into(),
        ofport: Some(3),
        error: None,
        kind: String::new(),
        options: BTreeMap::new(),
        external_ids: BTreeMap::new(),
        tag: None,
        trunk: false,
        other_config: BTreeMap::new(),
    }
}

fn vif(port: Port) -> Vif {
    let mac = "fa:16:3e:00:00:01".parse().expect("valid");
    Vif { port_id: "p".into(), mac, name: "tap".into(), port }
}

fn vxlan() -> Segment {
    let network_type = NetworkType::Vxlan;
    Segment { network_type, physical_network: None, segmentation_id: Some(9) }
}

#[test]
fn bound_port_is_adoptable_by_a_later_run() {
    let Some(DbChange::BindPort { tag, pairs, clear_trunk, .. }) =
        bind(&vif(port()), "net", &vxlan(), 7)
    else {
        panic!("nothing to do")
    };
    assert_eq!((tag, clear_trunk), (7, false));
    let bound = vif(Port { tag: Some(7), other_config: pairs, ..port() });
    assert_eq!(bind(&bound, "net", &vxlan(), 7), None, "a bound port is left alone");
    let (key, vlan, segment) = bound.adoptable().expect("adoptable");
    assert_eq!((key.network_id.as_str(), vlan, segment), ("net", 7, vxlan()));
}

#[test]
fn plugged_as_trunk_is_cleared_and_foreign_keys_are_kept() {
    let other_config = BTreeMap::from([("pps_x".to_string(), "1".to_string())]);
    let isolated = vif(Port { tag: Some(4095), trunk: true, other_config, ..port() });
    assert!(isolated.adoptable().is_none());
    let Some(DbChange::BindPort { pairs, clear_trunk, .. }) = bind(&isolated, "net", &vxlan(), 7)
    else {
        panic!("nothing to do")
    };
    assert!(clear_trunk && !pairs.contains_key("pps_x"));
    assert_eq!(kill(&isolated), None);
}

#[test]
fn tunnels_are_removed_only_when_removal_is_allowed() {
    let config = config(
        "[ovs]\nlocal_ip = 10.0.0.1\n[agent]\ntunnel_types = vxlan,gre\nvxlan_udp_port = 8472\n\
         dscp = 10\ntunnel_csum = true\n",
    );
    let remote: IpAddr = "10.0.0.2".parse().expect("valid");
    let old = Tunnel {
        name: names::tunnel_port(NetworkType::Gre, remote),
        network_type: NetworkType::Gre,
        remote_ip: remote,
        port: port(),
    };
    let six: IpAddr = "2001:db8::2".parse().expect("valid");
    let wanted = BTreeSet::from([(NetworkType::Vxlan, remote), (NetworkType::Vxlan, six)]);
    let held = tunnels(&config, std::slice::from_ref(&old), &wanted, Removal::Hold);
    let [DbChange::AddTunnel { name, kind, options }] = held.as_slice() else { panic!("{held:?}") };
    assert_eq!((name.as_str(), *kind), ("vxlan-0a000002", "vxlan"));
    assert_eq!(options["dst_port"], "8472");
    assert_eq!(options["tos"], "40");
    assert_eq!(options["csum"], "true");
    let stale = tunnels(&config, std::slice::from_ref(&old), &wanted, Removal::Stale);
    assert!(stale.contains(&DbChange::DelPort { name: old.name }));
}

#[test]
fn tunnels_follow_a_changed_local_address() {
    let old = config("[ovs]\nlocal_ip = 10.0.0.1\n[agent]\ntunnel_types = vxlan\n");
    let new = config("[ovs]\nlocal_ip = 10.0.0.7\n[agent]\ntunnel_types = vxlan\n");
    let remote: IpAddr = "10.0.0.2".parse().expect("valid");
    let wanted = BTreeSet::from([(NetworkType::Vxlan, remote)]);
    let mut options = tunnel_options(&old, NetworkType::Vxlan, old.local_ip.expect("set"), remote);
    options.insert("psk".into(), "foreign".into());
    let tunnel = Tunnel {
        name: names::tunnel_port(NetworkType::Vxlan, remote),
        network_type: NetworkType::Vxlan,
        remote_ip: remote,
        port: Port { options, ..port() },
    };
    let seen = [tunnel];
    assert_eq!(tunnels(&old, &seen, &wanted, Removal::Stale), []);
    let changes = tunnels(&new, &seen, &wanted, Removal::Hold);
    let [DbChange::SetTunnelOptions { options, .. }] = changes.as_slice() else {
        panic!("{changes:?}")
    };
    assert_eq!((&*options["local_ip"], &*options["psk"]), ("10.0.0.7", "foreign"));
}

#[test]
fn finished_bridge_needs_nothing() {
    let config = config("");
    let bridge = Bridge {
        datapath_type: String::new(),
        fail_mode: "secure".into(),
        protocols: PROTOCOLS.iter().map(|p| (*p).to_string()).collect(),
        other_config: bridge_config(&config, "br-int"),
        controllers: vec![Controller {
            row: Uuid::nil(),
            target: "tcp:127.0.0.1:6633".into(),
            inactivity_probe: Some(10_000),
            max_backoff: Some(MAX_BACKOFF_MS),
        }],
        ..Bridge::default()
    };
    assert_eq!(bridges(&config, &BTreeMap::from([("br-int".into(), bridge)])), []);
    assert_eq!(bridges(&config, &BTreeMap::new()).len(), 4);
}

#[test]
fn physical_bridges_with_one_datapath_id_get_two() {
    let config = config("[ovs]\nbridge_mappings = a:br-a,b:br-b\n");
    let bridge = Bridge { datapath_id: Some(0xab), ..Bridge::default() };
    let seen = BTreeMap::from([("br-a".into(), bridge.clone()), ("br-b".into(), bridge)]);
    let mut changes = Vec::new();
    distinct_datapath_ids(&config, &seen, &mut changes);
    let [DbChange::SetBridgeConfig { bridge, pairs }] = changes.as_slice() else {
        panic!("{changes:?}")
    };
    assert_eq!((bridge.as_str(), pairs["datapath-id"].as_str()), ("br-b", "00010000000000ab"));
}

#[test]
fn physical_patch_ports_come_up_unconnected() {
    let config = config("[ovs]\nbridge_mappings = physnet1:br-phys\n");
    let seen = BTreeMap::from([
        ("br-int".to_string(), Bridge::default()),
        ("br-phys".to_string(), Bridge::default()),
    ]);
    let changes = patches(&config, &seen);
    assert!(
        changes.iter().all(
            |c| matches!(c, DbChange::AddPatch { peer, .. } if peer == names::NONEXISTENT_PEER)
        )
    );
    assert_eq!(changes.len(), 2);
    assert!(missing_physical(&config, &BTreeMap::new()).contains(&("physnet1", "br-phys")));
}
