//! Conversion of user input before validation (neutron-lib `api.converters`).

use std::net::IpAddr;

use neutrino_types::{ApiError, ApiResult, MacAddr};
use serde_json::Value;

use crate::{
    attribute::Convert,
    pytext,
    validators::{address, forwarding, security_group},
};

impl Convert {
    /// `value` converted, or `InvalidInput` with Neutron's text.
    ///
    /// # Errors
    /// The value has no meaning in the target type.
    pub fn apply(self, value: Value) -> ApiResult<Value> {
        match self {
            Self::None => Ok(value),
            Self::Boolean => boolean(&value).map(Value::Bool),
            Self::BooleanOrNone if value.is_null() => Ok(value),
            Self::BooleanOrNone => boolean(&value).map(Value::Bool),
            Self::Int => integer(&value).map(Value::from),
            Self::NoneToEmptyList => Ok(none_to_empty_list(value)),
            Self::Ip => Ok(canonical_ip(value)),
            Self::Cidr => cidr(&value),
            Self::AllocationPools => allocation_pools(value),
            Self::Mac => Ok(mac(value)),
            Self::Word { what, words } => word(&value, what, words),
            Self::Protocol => security_group::protocol(&value),
            Self::Ethertype => security_group::ethertype(&value),
            Self::PortNumber => security_group::port_number(&value),
            Self::IpPrefix => security_group::ip_prefix(value),
            Self::LowerCase => lower_case(&value),
            Self::ForwardedProtocol => forwarding::protocol(value),
        }
    }
}

/// A boolean from a boolean, 0/1 or one of the words oslo accepts.
///
/// # Errors
/// `InvalidInput` for anything else, `null` included.
pub fn boolean(value: &Value) -> ApiResult<bool> {
    let word = match value {
        Value::Bool(b) => return Ok(*b),
        other => pytext::str(other),
    };
    match word.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Ok(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Ok(false),
        _ => Err(ApiError::invalid_input(format_args!("'{word}' cannot be converted to boolean"))),
    }
}

/// A whole number from a number (cut towards zero), a boolean or a decimal string.
///
/// # Errors
/// `InvalidInput` for anything else, and for numbers beyond 64 bits.
pub fn integer(value: &Value) -> ApiResult<i64> {
    let found = match value {
        Value::Bool(b) => Some(i64::from(*b)),
        Value::Number(n) => n.as_i64().or_else(|| n.as_f64().and_then(truncate)),
        Value::String(s) => parse_int(s),
        _ => None,
    };
    found.ok_or_else(|| {
        ApiError::invalid_input(format_args!("'{}' is not an integer", pytext::str(value)))
    })
}

/// Python's `int(s)` as far as 64 bits reach: outer white space, a sign, single underscores.
#[must_use]
pub fn parse_int(s: &str) -> Option<i64> {
    let s = s.trim();
    if !s.contains('_') {
        return s.parse().ok();
    }
    if s.starts_with('_') || s.ends_with('_') || s.contains("__") {
        return None;
    }
    s.replace('_', "").parse().ok()
}

/// `f` cut towards zero, when a 64-bit number can hold it.
fn truncate(f: f64) -> Option<i64> {
    const LIMIT: f64 = 9.2e18;
    #[expect(clippy::cast_possible_truncation, reason = "range checked just before")]
    (f.is_finite() && f.abs() < LIMIT).then_some(f.trunc() as i64)
}

/// `[]` for `null`.
#[must_use]
pub fn none_to_empty_list(value: Value) -> Value {
    if value.is_null() { Value::Array(Vec::new()) } else { value }
}

/// An IPv6 address in canonical form; anything else as it is.
#[must_use]
pub fn canonical_ip(value: Value) -> Value {
    if let Value::String(s) = &value
        && let Ok(IpAddr::V6(ip)) = s.parse::<IpAddr>()
    {
        return Value::String(ip.to_string());
    }
    value
}

/// A CIDR with canonical address and a decimal prefix length; host bits stay.
fn cidr(value: &Value) -> ApiResult<Value> {
    let parsed = value.as_str().and_then(address::parse_network);
    match parsed {
        Some((ip, length)) => Ok(Value::String(format!("{ip}/{length}"))),
        None => Err(ApiError::invalid_input(format_args!(
            "{} is not in a CIDR format",
            pytext::str(value)
        ))),
    }
}

fn allocation_pools(value: Value) -> ApiResult<Value> {
    let bad = || ApiError::invalid_input("Invalid data format for allocation pools");
    match value {
        Value::Null => Ok(Value::Array(Vec::new())),
        // Neutron iterates over whatever it gets, and nothing is in these.
        Value::String(s) if s.is_empty() => Ok(Value::Array(Vec::new())),
        Value::Object(map) if map.is_empty() => Ok(Value::Array(Vec::new())),
        Value::Array(pools) => pools
            .into_iter()
            .map(|pool| match pool {
                Value::Object(map) => {
                    Ok(Value::Object(map.into_iter().map(|(k, v)| (k, canonical_ip(v))).collect()))
                }
                _ => Err(bad()),
            })
            .collect::<ApiResult<Vec<_>>>()
            .map(Value::Array),
        _ => Err(bad()),
    }
}

/// A MAC address in Neutron's form; what is none stays for validation to refuse.
#[must_use]
pub fn mac(value: Value) -> Value {
    match value.as_str().and_then(|s| s.parse::<MacAddr>().ok()) {
        Some(mac) => Value::String(mac.to_string()),
        None => value,
    }
}

fn lower_case(value: &Value) -> ApiResult<Value> {
    match value {
        Value::String(s) => Ok(Value::String(s.to_lowercase())),
        other => Err(ApiError::invalid_input(format_args!(
            "Input value {} must be string type",
            pytext::str(other)
        ))),
    }
}

/// The one of `words` that `value` is, whatever its case and the white space around it.
fn word(value: &Value, what: &str, words: &[&str]) -> ApiResult<Value> {
    let given = pytext::str(value);
    let normal = given.trim().to_lowercase();
    if words.contains(&normal.as_str()) {
        return Ok(Value::String(normal));
    }
    Err(ApiError::invalid_input(format_args!("'{given}' is not a valid {what}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn booleans() {
        for yes in [json!(true), json!("Yes"), json!(1), json!(" on ")] {
            assert!(boolean(&yes).expect("boolean"), "{yes}");
        }
        for no in [json!(false), json!("F"), json!(0)] {
            assert!(!boolean(&no).expect("boolean"), "{no}");
        }
        let e = boolean(&Value::Null).expect_err("null is no boolean");
        assert_eq!(e.kind, "InvalidInput");
        assert_eq!(
            e.message,
            "Invalid input for operation: 'None' cannot be converted to boolean."
        );
    }

    #[test]
    fn integers() {
        assert_eq!(integer(&json!("+1_000 ")).expect("int"), 1000);
        assert_eq!(integer(&json!(1.9)).expect("int"), 1);
        assert_eq!(integer(&json!(true)).expect("int"), 1);
        for bad in [json!("_1"), json!("1__0"), json!(null), json!([1]), json!("1.0"), json!(1e30)]
        {
            assert!(integer(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cidrs_as_netaddr_reads_them() {
        let good = [
            ("10.0.0.1/24", "10.0.0.1/24"),
            ("10.0.0.0", "10.0.0.0/32"),
            ("10.0.0.0/255.255.255.0", "10.0.0.0/24"),
            ("10.0.0.0/0.0.0.255", "10.0.0.0/24"),
            ("FE80::0/64", "fe80::/64"),
        ];
        for (given, wanted) in good {
            assert_eq!(Convert::Cidr.apply(json!(given)).expect(given), json!(wanted));
        }
        for bad in
            [json!("10/8"), json!("10.0.0.0/33"), json!("010.0.0.0/24"), json!(5), json!(null)]
        {
            let e = Convert::Cidr.apply(bad.clone()).expect_err("not a CIDR");
            assert_eq!(
                e.message,
                format!(
                    "Invalid input for operation: {} is not in a CIDR format.",
                    pytext::str(&bad)
                )
            );
        }
    }
}
