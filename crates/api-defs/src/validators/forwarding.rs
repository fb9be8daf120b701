//! Values of port forwardings: protocols and ranges of ports.

use neutrino_types::{ApiError, ApiResult};
use serde_json::Value;

use super::{Check, refuse};
use crate::{convert, pytext};

/// Protocols that can be forwarded: those iptables knows (neutron-lib `IPTABLES_PROTOCOL_MAP`).
pub const FORWARDED_PROTOCOLS: &[&str] = &["dccp", "icmp", "ipv6-icmp", "sctp", "tcp", "udp"];

/// A protocol as given: `null`, a name iptables knows whatever its case, or a number as text.
///
/// # Errors
/// `InvalidInput` for anything else.
pub fn protocol(value: Value) -> ApiResult<Value> {
    if value.is_null() {
        return Ok(value);
    }
    let Some(name) = value.as_str() else {
        let text = pytext::str(&value);
        return Err(ApiError::invalid_input(format_args!(
            "Input value {text} must be string type"
        )));
    };
    let is_known = FORWARDED_PROTOCOLS.contains(&name.to_lowercase().as_str());
    if is_known || convert::parse_int(name).is_some_and(|n| (0..=255).contains(&n)) {
        return Ok(value);
    }
    Err(ApiError::invalid_input(format_args!(
        "IP protocol '{name}' is not supported. Only protocol names and their integer \
         representation (0 to 255) are supported"
    )))
}

/// The first and last port of `80` or `80:90`; `None` for anything else.
#[must_use]
pub fn parse_port_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once(':').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some((first, last))
}

/// A port as Python's `int` reads it.
fn port(text: &str) -> Option<u16> {
    convert::parse_int(text).and_then(|n| u16::try_from(n).ok())
}

/// One port from `min` to `max`, or two of them in order with a colon between.
///
/// # Errors
/// Anything else.
pub fn port_range(value: &Value, min: u16, max: u16) -> Check {
    let text = pytext::str(value);
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() > 2 || parts.iter().any(|part| part.is_empty()) {
        return refuse("Port range must be two integers separated by a colon");
    }
    for part in &parts {
        match port(part) {
            None => return refuse(format!("Invalid port: {part}")),
            Some(n) if n < min || n > max => {
                return refuse(format!(
                    "Invalid port: {part}, the port must be in the range [{min}, {max}]"
                ));
            }
            Some(_) => {}
        }
    }
    match parse_port_range(&text) {
        Some(_) => Ok(()),
        None => refuse("First port in a port range must be lower than the second port"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn protocols() {
        for good in [json!(null), json!("tcp"), json!("TCP"), json!("17")] {
            assert_eq!(protocol(good.clone()).expect("good"), good);
        }
        for bad in [json!(6), json!("any"), json!("256"), json!("")] {
            assert_eq!(protocol(bad.clone()).expect_err("bad").kind, "InvalidInput", "{bad}");
        }
    }

    #[test]
    fn ranges() {
        for good in [json!("80"), json!(80), json!("80:80"), json!("1:65535")] {
            assert!(port_range(&good, 1, 65535).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", "must be two integers"),
            ("1:2:3", "must be two integers"),
            (":5", "must be two integers"),
            ("a", "Invalid port: a"),
            ("65536", "Invalid port: 65536"),
            ("0:5", "must be in the range [1, 65535]"),
            ("9:8", "must be lower than the second"),
        ] {
            let refused = port_range(&json!(bad), 1, 65535).expect_err("refused");
            let message = refused.into_error("x").message;
            assert!(message.contains(why), "{bad}: {message}");
        }
    }
}
