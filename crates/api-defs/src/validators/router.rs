//! Values of routers.

use serde_json::Value;

use super::{Check, Refusal, port, refuse, uuid};
use crate::{convert, pytext, validators::address::set};

/// The keys of `external_gateway_info`, in the order policy asks for them.
pub const GATEWAY_KEYS: &[&str] = &["network_id", "external_fixed_ips", "enable_snat"];

/// `external_gateway_info`: nothing, or a network with addresses and whether to translate there.
///
/// # Errors
/// Anything else, in Neutron's words.
pub fn gateway_info(value: &mut Value) -> Check {
    let text = pytext::str(value);
    let Some(info) = value.as_object_mut() else {
        return if is_false(value) {
            Ok(())
        } else {
            refuse(format!("'{text}' is not a dictionary"))
        };
    };
    if info.is_empty() {
        return Ok(());
    }
    if !info.contains_key("network_id") {
        let given = set(info.keys().map(String::as_str));
        return refuse(format!(
            "Validation of dictionary's keys failed. Expected keys: {{'network_id'}} Provided keys: \
             {given}"
        ));
    }
    let unexpected: Vec<&str> =
        info.keys().map(String::as_str).filter(|key| !GATEWAY_KEYS.contains(key)).collect();
    if !unexpected.is_empty() {
        return refuse(format!("Unexpected keys supplied: {}", unexpected.join(", ")));
    }
    uuid(&info["network_id"])?;
    if let Some(ips) = info.get("external_fixed_ips") {
        port::fixed_ips(ips)?;
    }
    if let Some(enable_snat) = info.get_mut("enable_snat") {
        *enable_snat = Value::Bool(convert::boolean(enable_snat).map_err(Refusal::from)?);
    }
    Ok(())
}

/// What Python takes for false, objects apart.
fn is_false(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(given) => !given,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(s) => s.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(_) => false,
    }
}
