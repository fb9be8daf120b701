//! Decoders on good and hostile input, and the transactions built.

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::*;

fn schema() -> SchemaIndex {
    SchemaIndex::from_json(&json!({"tables": {
        "Open_vSwitch": {"columns": {"bridges": {"type": {"key": "uuid", "min": 0, "max": "unlimited"}}}},
        "Bridge": {"columns": {"name": {"type": "string"}, "ports": {"type": {"key": "uuid", "min": 0, "max": "unlimited"}}}},
        "Port": {"columns": {
            "name": {"type": "string"},
            "tag": {"type": {"key": "integer", "min": 0, "max": 1}},
            "trunks": {"type": {"key": "integer", "min": 0, "max": 4096}},
            "other_config": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
        }},
    }}))
}

fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn one_port() -> Replica {
    let mut replica = Replica::default();
    let initial = json!({
        "Open_vSwitch": {uuid(1).to_string(): {"initial": {"bridges": ["uuid", uuid(2).to_string()]}}},
        "Bridge": {uuid(2).to_string(): {"initial": {"name": "br-int", "ports": ["uuid", uuid(3).to_string()]}}},
        "Port": {uuid(3).to_string(): {"initial": {"name": "tap0", "tag": 7,
            "trunks": ["set", [3, 1]], "other_config": ["map", [["a", "1"], ["b", "2"]]]}}},
    });
    apply_updates2(&mut replica, &schema(), &initial).expect("valid");
    replica
}

#[test]
fn modify_difference_is_applied_by_kind_of_column() {
    let mut replica = one_port();
    let change = json!({"Port": {uuid(3).to_string(): {"modify": {
        "tag": 9, "trunks": ["set", [1, 5]],
        "other_config": ["map", [["a", "1"], ["b", "3"], ["c", "4"]]],
    }}}});
    apply_updates2(&mut replica, &schema(), &change).expect("valid");
    let port = replica.port("tap0").expect("still there");
    assert_eq!(port.tag(), Some(9));
    assert_eq!(port.column("trunks"), &Datum::set([3, 5]));
    let expected = [("b", "3"), ("c", "4")].map(|(k, v)| (k.to_string(), v.to_string()));
    assert_eq!(port.other_config(), expected.into());
    let cleared = json!({"Port": {uuid(3).to_string(): {"modify": {"tag": ["set", []]}}}});
    apply_updates2(&mut replica, &schema(), &cleared).expect("valid");
    assert_eq!(replica.port("tap0").and_then(|p| p.tag()), None);
}

#[test]
fn snapshot_taken_before_an_update_does_not_change() {
    let mut replica = one_port();
    let before = replica.clone();
    let gone = json!({"Port": {uuid(3).to_string(): {"delete": null}}});
    apply_updates2(&mut replica, &schema(), &gone).expect("valid");
    assert!(replica.port("tap0").is_none() && before.port("tap0").is_some());
}

#[test]
fn transaction_on_new_bridge_refers_to_rows_by_name() {
    let replica = one_port();
    let mut txn = Txn::new(&replica);
    txn.ensure_bridge("br-int", "system").expect("exists already");
    assert!(txn.is_empty());
    txn.ensure_bridge("br-tun", "netdev").expect("root is there");
    txn.add_port("br-tun", &PortSpec { name: "patch-int".into(), ..PortSpec::default() })
        .expect("bridge of this transaction");
    txn.add_port("br-int", &PortSpec { name: "patch-tun".into(), ..PortSpec::default() })
        .expect("bridge of the replica");
    txn.del_port("tap0");
    txn.del_port("not-there");
    let operations = txn.into_operations();
    let bridge = operations.iter().find(|o| o["table"] == "Bridge" && o["op"] == "insert");
    let ports = &bridge.expect("inserted")["row"]["ports"];
    assert_eq!(ports[0], "set");
    assert_eq!(ports[1].as_array().map(Vec::len), Some(2));
    let mutations: Vec<&Value> = operations.iter().filter(|o| o["op"] == "mutate").collect();
    assert_eq!(mutations.len(), 3, "root.bridges, br-int.ports twice");
    let mut txn = Txn::new(&replica);
    let error = txn.add_port("br-ex", &PortSpec::default()).expect_err("no such bridge");
    assert_eq!(error.to_string(), "there is no bridge named 'br-ex' in the Open vSwitch database");
}

#[test]
fn remote_forms() {
    assert!("tcp:127.0.0.1:6640".parse::<Remote>().is_ok());
    assert!("tcp:[::1]:6640".parse::<Remote>().is_ok());
    assert!("unix:/run/openvswitch/db.sock".parse::<Remote>().is_ok());
    for bad in ["", "tcp:", "tcp:host:6640", "ssl:127.0.0.1:6640", "unix:"] {
        assert!(bad.parse::<Remote>().is_err(), "{bad}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z\"\\\\{}\\[\\]]{0,8}".prop_map(Value::from),
        prop_oneof!["set", "map", "uuid", "named-uuid", "insert", "modify", "delete", "initial"]
            .prop_map(Value::from),
        Just(Value::from(uuid(3).to_string())),
    ];
    leaf.prop_recursive(4, 48, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(
                prop_oneof![
                    Just(uuid(3).to_string()),
                    "Port|Bridge|insert|modify|delete|tag|trunks|other_config|id|method|params"
                ],
                inner,
                0..4
            )
            .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        let mut splitter = JsonSplitter::default();
        splitter.push(&bytes);
        while let Ok(Some(message)) = splitter.next_message() {
            let _ = parse_incoming(&message);
        }
    }

    #[test]
    fn any_json_update_is_answered(value in any_json()) {
        let mut replica = one_port();
        let _ = apply_updates2(&mut replica, &schema(), &value);
        let _ = SchemaIndex::from_json(&value);
        let _ = parse_incoming(value.to_string().as_bytes());
        if let Some(datum) = Datum::from_json(&value) {
            prop_assert_eq!(Datum::from_json(&datum.to_json()), Some(datum));
        }
    }

    #[test]
    fn messages_are_found_however_the_stream_is_cut(
        values in prop::collection::vec(any_json(), 1..5),
        cut in 1usize..16,
    ) {
        let texts: Vec<String> = values.iter().map(|v| json!({"v": v}).to_string()).collect();
        let mut splitter = JsonSplitter::default();
        let mut found = Vec::new();
        for chunk in texts.join(" \n").as_bytes().chunks(cut) {
            splitter.push(chunk);
            while let Some(message) = splitter.next_message().expect("valid stream") {
                found.push(String::from_utf8(message).expect("text").trim().to_string());
            }
        }
        prop_assert_eq!(found, texts);
    }
}
