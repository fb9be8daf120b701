//! Conversions of single values.

use neutrino_import::convert::{self as c, Cell, Convert, Kind};
use proptest::prelude::*;

use crate::golden;

/// Every conversion by its name.
const ALL: &[(&str, Convert)] = &[
    ("TEXT", c::TEXT),
    ("OR_EMPTY", c::OR_EMPTY),
    ("OPTIONAL", c::OPTIONAL),
    ("INT", c::INT),
    ("OPTIONAL_INT", c::OPTIONAL_INT),
    ("FLAG", c::FLAG),
    ("FLAG_OR_TRUE", c::FLAG_OR_TRUE),
    ("OPTIONAL_FLAG", c::OPTIONAL_FLAG),
    ("IS_THERE", c::IS_THERE),
    ("ALWAYS_FALSE", c::ALWAYS_FALSE),
    ("TIME", c::TIME),
    ("ADDRESS_KEY", c::ADDRESS_KEY),
    ("FIRST_KEY", c::FIRST_KEY),
    ("LAST_KEY", c::LAST_KEY),
    ("NETWORK", c::NETWORK),
    ("DEVICE_OWNER", c::DEVICE_OWNER),
    ("COLLECTION", c::COLLECTION),
    ("VIF_DETAILS", c::VIF_DETAILS),
];

/// Values as sources hold them.
const VALUES: &[Option<&str>] = &[
    None,
    Some(""),
    Some("1"),
    Some("0"),
    Some("true"),
    Some("false"),
    Some("-3"),
    Some("blue"),
    Some("2026-11-21 02:06:59"),
    Some("2026-11-21 02:06:59.123"),
    Some("10.0.0.7"),
    Some("10.0.0.7/24"),
    Some("2001:db8::/64"),
    Some("2001:DB8:0:0::1"),
    Some(c::HA_INTERFACE),
    Some("securitygroups"),
];

#[test]
fn every_conversion_of_every_value() {
    let mut out = String::new();
    for (name, convert) in ALL {
        out.push_str(&format!("{name} ({:?})\n", convert.kind));
        for value in VALUES {
            out.push_str(&format!("  {value:?} -> {:?}\n", convert.apply(*value, None)));
        }
    }
    golden::check("values.txt", &out);
}

#[test]
fn vif_details_name_the_driver() {
    let of = |details, driver| match c::VIF_DETAILS.apply(details, driver) {
        Ok(Cell::Text(text)) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        of(Some(r#"{"port_filter": true}"#), Some("openvswitch")),
        r#"{"port_filter":true,"bound_drivers":{"0":"openvswitch"}}"#
    );
    assert_eq!(of(Some(""), Some("l2")), r#"{"bound_drivers":{"0":"l2"}}"#);
    assert_eq!(of(Some("not JSON"), Some("l2")), r#"{"bound_drivers":{"0":"l2"}}"#);
    assert_eq!(of(None, None), "");
}

proptest! {
    #[test]
    fn any_text_is_answered_with_a_value_of_the_kind(s in ".{0,40}") {
        for (_, convert) in ALL {
            let kind = match convert.apply(Some(&s), Some(&s)) {
                Ok(Cell::Text(_)) => Kind::Text,
                Ok(Cell::Int(_)) => Kind::Int,
                Ok(Cell::Flag(_)) => Kind::Flag,
                Ok(Cell::Null) | Err(_) => continue,
            };
            prop_assert_eq!(kind, convert.kind);
        }
    }
}
