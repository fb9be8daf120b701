//! Hostile input is answered, never a panic, and never with an internal error.

use neutrino_api_defs::{query, resources, validate};
use neutrino_types::Context;
use proptest::prelude::*;
use serde_json::Value;

/// Any JSON, biased towards what validators look at.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[0-9a-f:./-]{0,24}".prop_map(Value::from),
        prop_oneof![
            Just("10.0.0.1"),
            Just("fd00::/64"),
            Just("10.0.0.0/8"),
            Just("fa:16:3e:00:00:01"),
            Just("46cdc4f2-d093-4a01-859e-80e3acc7822f"),
            Just("true"),
            Just("router"),
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key = prop_oneof![
            Just("ip_address".to_string()),
            Just("subnet_id".to_string()),
            Just("start".to_string()),
            Just("end".to_string()),
            Just("destination".to_string()),
            Just("nexthop".to_string()),
            Just("mac_address".to_string()),
            Just("opt_name".to_string()),
            Just("opt_value".to_string()),
            Just("ip_version".to_string()),
            ".{0,6}",
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((key, inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Any name, mostly of an attribute.
fn name() -> impl Strategy<Value = String> {
    let names: Vec<String> =
        resources().iter().flat_map(|r| r.attributes).map(|a| a.name.to_string()).collect();
    prop_oneof![8 => proptest::sample::select(names), 1 => ".{0,8}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn each_attribute_answers_any_value(value in json()) {
        for attribute in resources().iter().flat_map(|r| r.attributes) {
            if let Ok(accepted) = validate::accept(attribute, value.clone()) {
                // What was accepted is in the form that is stored: accepting it again changes nothing.
                let again = validate::accept(attribute, accepted.clone());
                prop_assert_eq!(again.expect("accepted before"), accepted, "{}", attribute.name);
            }
        }
    }

    #[test]
    fn bodies_are_answered(pairs in proptest::collection::vec((name(), json()), 0..6)) {
        let map: serde_json::Map<String, Value> = pairs.into_iter().collect();
        for resource in resources() {
            for ctx in [Context::admin(), Context::default()] {
                for result in [
                    validate::create(resource, map.clone(), &ctx),
                    validate::update(resource, map.clone(), &ctx),
                ] {
                    if let Err(e) = result {
                        prop_assert_eq!(e.status, 400);
                    }
                }
            }
        }
    }

    #[test]
    fn whole_bodies_are_answered(body in json()) {
        for resource in resources() {
            let wrapped = serde_json::json!({resource.member: body.clone()});
            let bulk = serde_json::json!({resource.collection: body.clone()});
            for body in [body.clone(), wrapped, bulk] {
                let _ = validate::create_body(resource, body.clone(), &Context::admin());
                let _ = validate::update_body(resource, body, &Context::admin());
            }
        }
    }

    #[test]
    fn queries_are_answered(pairs in proptest::collection::vec(
        (prop_oneof![name(), Just("limit".into()), Just("sort_key".into()), Just("sort_dir".into())],
         prop_oneof![".{0,12}", "[0-9a-z=:,.-]{0,12}"]), 0..6)
    ) {
        for resource in resources() {
            if let Err(e) = query::parse(resource, &pairs, Some(1000)) {
                prop_assert_eq!(e.status, 400);
            }
        }
    }
}
