//! What neutron-lib itself makes of attribute values, recorded by `cases/neutron_lib/generate.py`.

use neutrino_api_defs::{convert, resource, validate};
use serde_json::{Value, json};

/// Why a value is refused here although neutron-lib does something else with it.
fn refused_on_purpose(attribute: &str, value: &Value, wanted: &Value) -> Option<&'static str> {
    let number = convert::integer(value).is_ok();
    match attribute {
        _ if wanted["type"].is_null() && wanted.get("value").is_none() => {
            Some("neutron-lib fails with an internal error")
        }
        "mac_address" if number => Some("a number is no MAC address"),
        "gateway_ip" if number => Some("a number is no IP address"),
        _ if wanted["message"].as_str().is_some_and(|m| m.contains("Expected keys: {")) => {
            Some("neutron-lib prints sets in no order")
        }
        _ => None,
    }
}

#[test]
fn values_are_treated_as_neutron_lib_does() {
    let text = include_str!("../cases/neutron_lib/cases.json");
    let cases: Vec<(String, String, Value, Value)> = serde_json::from_str(text).expect("cases");
    assert!(cases.len() > 1000);
    let mut differences = Vec::new();
    for (collection, name, value, wanted) in cases {
        if name == "mac_address" && value.is_null() {
            // Accepted by the extension port-mac-address-regenerate, which neutron-lib's core
            // definition, recorded here, knows nothing of.
            continue;
        }
        if wanted["type"] == "AllowedAddressPairExhausted" {
            // How many there may be is configured, so the plugin counts them.
            continue;
        }
        let attribute = resource(&collection).and_then(|r| r.attribute(&name)).expect("attribute");
        let found = match validate::accept(attribute, value.clone()) {
            Ok(value) => json!({"value": value}),
            Err(e) => json!({"type": e.kind, "message": e.message}),
        };
        if refused_on_purpose(&name, &value, &wanted).is_some() {
            assert!(found.get("value").is_none(), "{collection} {name} {value}: accepted");
        } else if found != wanted {
            differences.push(format!(
                "{collection} {name} {value}\n  neutron-lib {wanted}\n  here {found}"
            ));
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        differences.join("\n")
    );
}
