//! Whole rows: what is carried, what is left, what is lost.

use neutrino_import::{
    convert::Cell,
    mapping::{self, Mapping},
    row::{Converted, LeftIds, by_key, convert, key_positions, name},
};

fn mapping_of(target: &str) -> &'static Mapping {
    mapping::all().find(|m| m.target == target).expect("a table of ours")
}

/// A row of `mapping`: what the named source columns hold; the others are NULL.
fn row(mapping: &Mapping, values: &[(&str, &str)]) -> Vec<Option<String>> {
    let of = |(table, column): &(&str, &str)| {
        let name = format!("{table}.{column}");
        values.iter().find(|(at, _)| *at == name).map(|(_, value)| (*value).to_string())
    };
    let columns = mapping.columns.iter().map(|c| c.from.iter().find_map(of));
    let seconds = mapping.columns.iter().filter_map(|c| c.and.as_ref());
    let refers = mapping.refers.iter().map(|(at, _)| at);
    columns.chain(seconds.chain(refers).chain(mapping.looks_at).map(of)).collect()
}

const ROUTER: &[(&str, &str)] = &[
    ("routers.id", "r1"),
    ("routers.name", "r"),
    ("routers.admin_state_up", "1"),
    ("routers.gw_port_id", "p1"),
    ("standardattributes.revision_number", "3"),
];

#[test]
fn what_a_router_cannot_keep_is_told() {
    let routers = mapping_of("routers");
    let plain = convert(routers, &row(routers, ROUTER), &LeftIds::new());
    assert!(matches!(plain, Converted::Row(_, None)), "{plain:?}");
    let more = [
        ("router_extra_attributes.ha", "1"),
        ("router_extra_attributes.enable_default_route_ecmp", "0"),
        ("routers.flavor_id", "f1"),
    ];
    let values = row(routers, &[ROUTER, &more].concat());
    let Converted::Row(cells, Some(lost)) = convert(routers, &values, &LeftIds::new()) else {
        panic!("not carried");
    };
    assert_eq!(lost, "ha, flavor_id");
    let ha = routers.columns.iter().position(|c| c.to == "ha").expect("column");
    assert_eq!(cells[ha], Cell::Flag(false));
}

#[test]
fn what_refers_to_what_is_left_is_left() {
    let routers = mapping_of("routers");
    let left = LeftIds::from([("ports", "p1".to_string())]);
    let Converted::Left(reason) = convert(routers, &row(routers, ROUTER), &left) else {
        panic!("carried");
    };
    assert_eq!(reason, "its gw_port_id, p1 of ports, is not carried");
}

#[test]
fn networks_of_ha_routers_are_left() {
    let networks = mapping_of("networks");
    let values = [
        ("networks.id", "n1"),
        ("networks.mtu", "1500"),
        ("standardattributes.revision_number", "1"),
    ];
    let carried = convert(networks, &row(networks, &values), &LeftIds::new());
    assert!(matches!(carried, Converted::Row(_, None)), "{carried:?}");
    let ha = [&values[..], &[("ha_router_networks.network_id", "n1")]].concat();
    let left = convert(networks, &row(networks, &ha), &LeftIds::new());
    assert!(matches!(left, Converted::Left(_)), "{left:?}");
}

#[test]
fn a_value_that_cannot_be_is_named_with_its_column() {
    let subnets = mapping_of("subnets");
    let values = row(
        subnets,
        &[
            ("subnets.id", "s1"),
            ("subnets.network_id", "n1"),
            ("subnets.ip_version", "4"),
            ("subnets.cidr", "10.0.0.0/240"),
            ("standardattributes.revision_number", "1"),
        ],
    );
    let Converted::Left(reason) = convert(subnets, &values, &LeftIds::new()) else {
        panic!("carried");
    };
    assert_eq!(reason, "first_ip: '10.0.0.0/240' is no address range");
    assert_eq!(name(subnets, &values), "s1");
}

#[test]
fn ids_in_use_are_those_of_segments() {
    let vlans = mapping_of("ml2_vlan_allocations");
    let values = [
        ("networksegments.id", "s1"),
        ("networksegments.network_id", "n1"),
        ("networksegments.physical_network", "physnet1"),
        ("networksegments.segmentation_id", "100"),
    ];
    let Converted::Row(cells, None) = convert(vlans, &row(vlans, &values), &LeftIds::new()) else {
        panic!("not carried");
    };
    assert_eq!(cells, [Cell::Text("physnet1".into()), Cell::Int(100), Cell::Flag(true)]);
    let left = LeftIds::from([("networks", "n1".to_string())]);
    let converted = convert(vlans, &row(vlans, &values), &left);
    assert!(matches!(converted, Converted::Left(_)), "{converted:?}");
}

#[test]
fn keys_are_in_the_order_of_the_databases() {
    let vlans = mapping_of("ml2_vlan_allocations");
    let key = key_positions(vlans);
    let row = |physnet: &str, vlan| [Cell::Text(physnet.into()), Cell::Int(vlan), Cell::Flag(true)];
    assert!(by_key(&key, &row("a", 9), &row("a", 10)).is_lt());
    assert!(by_key(&key, &row("B", 9), &row("a", 1)).is_lt());
    assert!(by_key(&key, &row("a", 9), &row("a", 9)).is_eq());
}
