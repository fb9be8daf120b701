//! Values of security group rules: protocols, ethertypes, ports, prefixes.

use neutrino_types::{ApiError, ApiResult, ip_protocol};
use serde_json::Value;

use super::{Check, Refusal, address, text};
use crate::{convert, pytext, resources::security_group::ETHERTYPES};

/// The name that means every protocol.
const ANY: &str = "any";

/// A protocol: `null` for any, a name in lower case, or a number as text.
///
/// # Errors
/// `SecurityGroupRuleInvalidProtocol` (400).
pub fn protocol(value: &Value) -> ApiResult<Value> {
    let refused = || {
        let names: Vec<String> =
            ip_protocol::NAMES.iter().map(|(name, _)| format!("'{name}'")).collect();
        ApiError::bad_request(
            "SecurityGroupRuleInvalidProtocol",
            format!(
                "Security group rule protocol {} not supported. Only protocol values (None, \
                 '{ANY}', {}) and integer representations [0 to 255] are supported.",
                pytext::str(value),
                names.join(", ")
            ),
        )
    };
    if value.is_null() {
        return Ok(Value::Null);
    }
    if let Ok(number) = convert::integer(value) {
        let number = u8::try_from(number).map_err(|_| refused())?;
        return Ok(number.to_string().into());
    }
    let name = value.as_str().ok_or_else(refused)?.to_lowercase();
    if name == ANY {
        return Ok(Value::Null);
    }
    if ip_protocol::NAMES.iter().any(|(known, _)| *known == name) {
        Ok(name.into())
    } else {
        Err(refused())
    }
}

/// An ethertype in Neutron's spelling.
///
/// # Errors
/// `SecurityGroupRuleInvalidEtherType` (400).
pub fn ethertype(value: &Value) -> ApiResult<Value> {
    let given = value.as_str().unwrap_or_default();
    match ETHERTYPES.iter().find(|known| known.eq_ignore_ascii_case(given)) {
        Some(known) => Ok((*known).into()),
        None => Err(ApiError::bad_request(
            "SecurityGroupRuleInvalidEtherType",
            format!(
                "Security group rule for ethertype '{}' not supported. Allowed values are {}.",
                pytext::str(value),
                pytext::repr_list(ETHERTYPES.iter().copied())
            ),
        )),
    }
}

/// A port number, or `null`.
///
/// # Errors
/// `SecurityGroupInvalidPortValue` (400).
pub fn port_number(value: &Value) -> ApiResult<Value> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    let number = convert::integer(value).ok().and_then(|n| u16::try_from(n).ok());
    number.map(Value::from).ok_or_else(|| invalid_port(&pytext::str(value)))
}

/// `SecurityGroupInvalidPortValue` (400).
#[must_use]
pub fn invalid_port(port: &str) -> ApiError {
    ApiError::bad_request("SecurityGroupInvalidPortValue", format!("Invalid value for port {port}"))
}

/// A CIDR with its prefix length; host bits stay.
///
/// # Errors
/// `InvalidCIDR` (400).
pub fn ip_prefix(value: Value) -> ApiResult<Value> {
    let is_empty = match &value {
        Value::Null | Value::Bool(false) => true,
        Value::String(s) => s.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    if is_empty {
        return Ok(Value::Null);
    }
    match value.as_str().and_then(address::parse_network) {
        Some((ip, length)) => Ok(format!("{ip}/{length}").into()),
        None => Err(ApiError::bad_request(
            "InvalidCIDR",
            format!("Invalid CIDR {} given as IP prefix.", pytext::str(&value)),
        )),
    }
}

/// A string that is not the name of every project's own group.
///
/// # Errors
/// No string, or too long; `SecurityGroupDefaultAlreadyExists` (409).
pub fn name_not_default(value: &Value, max: usize) -> Check {
    text::string(value, max)?;
    if value.as_str().is_some_and(|name| name.to_lowercase() == "default") {
        return Err(Refusal::Error(ApiError::conflict(
            "SecurityGroupDefaultAlreadyExists",
            "Default security group already exists.",
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn protocols_by_name_and_number() {
        for (given, wanted) in [
            (json!("TCP"), json!("tcp")),
            (json!("6"), json!("6")),
            (json!(6), json!("6")),
            (json!(255), json!("255")),
            (json!(null), json!(null)),
            (json!("any"), json!(null)),
            (json!("icmpv6"), json!("icmpv6")),
        ] {
            assert_eq!(protocol(&given).expect("a protocol"), wanted, "{given}");
        }
        for bad in [json!("tcpp"), json!(256), json!(-1), json!([]), json!("")] {
            let e = protocol(&bad).expect_err("no protocol");
            assert_eq!((e.kind, e.status), ("SecurityGroupRuleInvalidProtocol", 400), "{bad}");
        }
        let e = protocol(&json!("x")).expect_err("no protocol");
        assert!(e.message.starts_with(
            "Security group rule protocol x not supported. Only protocol values (None, 'any', \
             'ah', 'dccp',"
        ));
    }

    #[test]
    fn ethertypes_ports_and_prefixes() {
        assert_eq!(ethertype(&json!("ipv6")).expect("known"), json!("IPv6"));
        let e = ethertype(&json!("arp")).expect_err("unknown");
        assert_eq!(
            e.message,
            "Security group rule for ethertype 'arp' not supported. Allowed values are ['IPv4', \
             'IPv6']."
        );
        assert_eq!(port_number(&json!("80")).expect("port"), json!(80));
        assert_eq!(
            port_number(&json!(65536)).expect_err("too large").message,
            "Invalid value for port 65536"
        );
        assert_eq!(ip_prefix(json!("10.0.0.1")).expect("prefix"), json!("10.0.0.1/32"));
        assert_eq!(ip_prefix(json!("10.0.0.1/24")).expect("prefix"), json!("10.0.0.1/24"));
        assert_eq!(ip_prefix(json!("")).expect("none"), json!(null));
        let e = ip_prefix(json!("bad")).expect_err("no prefix");
        assert_eq!((e.kind, &*e.message), ("InvalidCIDR", "Invalid CIDR bad given as IP prefix."));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(s in ".{0,20}", n: i64) {
            for value in [json!(s), json!(n)] {
                let _ = protocol(&value);
                let _ = ethertype(&value);
                let _ = port_number(&value);
                let _ = ip_prefix(value.clone());
                let _ = name_not_default(&value, 255);
            }
        }
    }
}
