use super::*;
use serde_json::json;

fn decode(method: &str, args: Value) -> Result<Notification, Failure> {
    Notification::decode(method, args.as_object().expect("object").clone())
}

#[test]
fn port_update_carries_the_segment() {
    let args = json!({"port": {"id": "p"}, "network_type": "vxlan", "segmentation_id": 7,
                      "physical_network": null});
    let Ok(Notification::PortUpdate { port_id, segmentation_id, .. }) = decode("port_update", args)
    else {
        panic!("not a port update")
    };
    assert_eq!((port_id.as_str(), segmentation_id), ("p", Some(7)));
}

#[test]
fn bindings_name_their_host() {
    let args = json!({"port_id": "p", "host": "h", "network_id": "n"});
    let (port_id, host) = ("p".to_string(), "h".to_string());
    assert_eq!(
        decode("binding_deactivate", args).ok(),
        Some(Notification::BindingDeactivate { port_id: port_id.clone(), host: host.clone() })
    );
    assert_eq!(
        decode("binding_activate", json!({"port_id": "p", "host": "h"})).ok(),
        Some(Notification::BindingActivate { port_id, host })
    );
}

#[test]
fn changed_groups_are_told_apart_by_what_changed() {
    let security_groups = vec!["g".to_string()];
    let args = || json!({"security_groups": ["g"]});
    assert_eq!(
        decode("security_groups_rule_updated", args()).ok(),
        Some(Notification::SecurityGroupsRuleUpdated { security_groups: security_groups.clone() })
    );
    assert_eq!(
        decode("security_groups_member_updated", args()).ok(),
        Some(Notification::SecurityGroupsMemberUpdated { security_groups })
    );
}

#[test]
fn fdb_entries_decode_from_neutrons_shape() {
    let args = json!({"fdb_entries": {"net": {"segment_id": 5, "network_type": "vxlan",
        "ports": {"10.0.0.1": [["00:00:00:00:00:00", "0.0.0.0"]]}}}});
    let Ok(Notification::AddFdb(entries)) = decode("add_fdb_entries", args) else {
        panic!("not fdb entries")
    };
    assert!(entries["net"].ports["10.0.0.1"][0].is_flooding());
}

#[test]
fn dhcp_events_name_their_network() {
    let event = |method: &str, payload: Value| match decode(method, json!({"payload": payload})) {
        Ok(Notification::Dhcp(event)) => event,
        other => panic!("{other:?}"),
    };
    let network_id = "n".to_string();
    assert_eq!(
        event("network_update_end", json!({"network": {"id": "n"}, "priority": 1})),
        DhcpEvent::Network { network_id: network_id.clone() }
    );
    assert_eq!(
        event("subnet_delete_end", json!({"subnet_id": "s", "network_id": "n"})),
        DhcpEvent::Network { network_id: network_id.clone() }
    );
    assert_eq!(
        event("port_create_end", json!({"port": {"id": "p", "network_id": "n"}})),
        DhcpEvent::Port { network_id, port_id: "p".into() }
    );
}

#[test]
fn events_of_an_l3_agent_name_their_router() {
    let event = |method: &str, args: Value| match decode(method, args) {
        Ok(Notification::L3(event)) => event,
        other => panic!("{other:?}"),
    };
    let routers = L3Event::Routers { router_ids: vec!["a".into(), "b".into()] };
    assert_eq!(event("routers_updated", json!({"routers": ["a", {"id": "b"}]})), routers);
    assert_eq!(event("router_added_to_agent", json!({"payload": ["a", "b"]})), routers);
    let gone = L3Event::RouterGone { router_id: "a".into() };
    assert_eq!(event("router_deleted", json!({"router_id": "a"})), gone);
    let removed = json!({"payload": {"router_id": "a"}});
    assert_eq!(event("router_removed_from_agent", removed), gone);
    let table = json!({"ip_address": "10.0.0.9", "mac_address": "m", "subnet_id": "s"});
    let arp = json!({"payload": {"router_id": "a", "arp_table": table}});
    let L3Event::Neighbour { ip_address, present: false, .. } = event("del_arp_entry", arp) else {
        panic!("not a neighbour that went")
    };
    assert_eq!(ip_address, "10.0.0.9");
    let network = L3Event::ExternalNetworkGone { network_id: "n".into() };
    assert_eq!(event("fipnamespace_delete_on_ext_net", json!({"ext_net_id": "n"})), network);
    let updated = decode("agent_updated", json!({"payload": {"admin_state_up": false}}));
    assert_eq!(updated.ok(), Some(Notification::AgentUpdated));
}

#[test]
fn malformed_arguments_are_a_type_error() {
    let failure = decode("port_delete", json!({"port": 1})).expect_err("refused");
    assert_eq!(failure.known_class(), Some("TypeError"));
    let failure = decode("frobnicate", json!({})).expect_err("refused");
    assert_eq!(failure.known_class(), Some("NoSuchMethod"));
}

/// Arguments of a push of objects of a kind.
fn pushed(kind: &str, version: &str, event: &str, objects: &[Value]) -> Value {
    let primitive = |data: &Value| {
        json!({"versioned_object.name": kind, "versioned_object.version": version,
               "versioned_object.namespace": "versionedobjects", "versioned_object.data": data})
    };
    let list: Vec<Value> = objects.iter().map(primitive).collect();
    json!({"resource_list": list, "event_type": event})
}

#[test]
fn port_forwardings_are_pushed_as_objects() {
    let object = |router: &str| json!({"id": "f", "router_id": router});
    let objects = [object("r"), object("q"), object("r")];
    let args = pushed("PortForwarding", "1.3", "deleted", &objects);
    let router_ids = vec!["q".to_string(), "r".to_string()];
    let told = Notification::L3(L3Event::Forwardings { router_ids });
    assert_eq!(decode("push", args).ok(), Some(told));
    let failure = decode("push", json!({"resource_list": [{}], "event_type": "deleted"}));
    assert_eq!(failure.expect_err("no object").class, "TypeError");
}

#[test]
fn address_groups_are_pushed_as_objects() {
    let address = json!({"versioned_object.name": "AddressAssociation",
        "versioned_object.version": "1.0", "versioned_object.namespace": "versionedobjects",
        "versioned_object.data": {"address": "10.1.0.0/16", "address_group_id": "a"}});
    let whole = json!({"id": "a", "name": "offices", "project_id": "p", "shared": false,
        "addresses": [address], "revision_number": 2});
    let told = Notification::AddressGroupsUpdated { address_groups: vec!["a".into()] };
    // Of a group that is gone Neutron says no more than its id.
    for (event, object) in [("updated", whole), ("deleted", json!({"id": "a"}))] {
        let args = pushed("AddressGroup", "1.2", event, &[object]);
        assert_eq!(decode("push", args).ok(), Some(told.clone()), "{event}");
    }
    let foreign = decode("push", pushed("Trunk", "1.1", "updated", &[json!({"id": "t"})]));
    assert_eq!(foreign.expect_err("not listened for").class, "TypeError");
}
