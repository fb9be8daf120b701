//! Attributes of ports that are lists of objects.

use std::collections::HashSet;

use neutrino_types::{ApiError, MacAddr};
use serde_json::Value;

use super::{Check, Refusal, address, bad_request, list, object, refuse, text, uuid};
use crate::{convert, pytext};

/// Longest `opt_name`.
const OPT_NAME_MAX: usize = 64;
/// Longest `opt_value`.
const OPT_VALUE_MAX: usize = 255;
/// Options whose value may be empty.
const BLANK_OPTS: [&str; 2] = ["router", "classless-static-route"];

/// A list of `{subnet_id and/or ip_address}` without an address given twice.
///
/// # Errors
/// Anything else.
pub fn fixed_ips(value: &Value) -> Check {
    let bad = |v: &Value| refuse(format!("Invalid data format for fixed IP: '{}'", pytext::str(v)));
    let Some(items) = value.as_array() else {
        return bad(value);
    };
    let mut seen = HashSet::new();
    for item in items {
        let Some(fixed_ip) = item.as_object() else {
            return bad(item);
        };
        if let Some(ip) = fixed_ip.get("ip_address") {
            if !seen.insert(pytext::repr(ip)) {
                return refuse(format!("Duplicate IP address '{}'", pytext::str(ip)));
            }
            address::ip(ip)?;
        }
        if let Some(id) = fixed_ip.get("subnet_id") {
            uuid(id)?;
        }
    }
    Ok(())
}

/// A list of distinct `{ip_address, mac_address}`, none multicast. How many there may be is
/// configured (`max_allowed_address_pair`): the plugin counts them.
///
/// # Errors
/// Anything else.
pub fn address_pairs(value: &Value) -> Check {
    let Some(pairs) = value.as_array() else {
        return Err(bad_request("Allowed address pairs must be a list."));
    };
    let mut seen = HashSet::new();
    pairs.iter().try_for_each(|pair| address_pair(pair, &mut seen))
}

fn address_pair(pair: &Value, seen: &mut HashSet<(String, String)>) -> Check {
    object(pair)?;
    let mac = pair.get("mac_address");
    if let Some(mac) = mac {
        address::mac(mac).map_err(outright)?;
    }
    let Some(ip) = pair.get("ip_address") else {
        return Err(ApiError::bad_request(
            "AllowedAddressPairsMissingIP",
            "AllowedAddressPair must contain ip_address",
        )
        .into());
    };
    let mac_text = mac.map_or_else(|| "None".to_string(), pytext::str);
    let ip_text = pytext::str(ip);
    if !seen.insert((mac_text.clone(), ip_text.clone())) {
        return Err(ApiError::bad_request(
            "DuplicateAddressPairInRequest",
            format!(
                "Request contains duplicate address pair: mac_address {mac_text} ip_address {ip_text}."
            ),
        )
        .into());
    }
    let unknown: Vec<&str> = pair
        .as_object()
        .into_iter()
        .flat_map(|map| map.keys().map(String::as_str))
        .filter(|k| !["mac_address", "ip_address"].contains(k))
        .collect();
    if !unknown.is_empty() {
        return Err(bad_request(format!("Unrecognized attribute(s) '{}'", unknown.join(", "))));
    }
    let multicast = if ip_text.contains('/') {
        address::subnet(ip).map_err(outright)?;
        address::multicast_subnet(&ip_text)
    } else {
        address::ip(ip).map_err(outright)?;
        address::multicast_ip(&ip_text)
    };
    let group_mac = mac
        .and_then(Value::as_str)
        .and_then(|s| s.parse().ok())
        .is_some_and(MacAddr::is_multicast)
        .then(|| format!("MAC address {mac_text} is a multicast address, which is not supported."));
    match multicast.or(group_mac) {
        Some(why) => Err(bad_request(why)),
        None => Ok(()),
    }
}

/// The reason as an error of its own, without the attribute's name.
fn outright(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Reason(reason) => bad_request(reason),
        error => error,
    }
}

/// A list of distinct `{opt_name, opt_value, ip_version}` or `null`; converts `ip_version`.
///
/// # Errors
/// Anything else.
pub fn extra_dhcp_opts(value: &mut Value) -> Check {
    if value.is_null() {
        return Ok(());
    }
    if let Err(Refusal::Reason(why)) = list::list_of_distinct(value) {
        return Err(ApiError::invalid_input(why).into());
    }
    for option in value.as_array_mut().into_iter().flatten() {
        if let Some(version) = option.get_mut("ip_version") {
            *version = Value::from(convert::integer(version)?);
        }
        if !is_dhcp_option(option) {
            return Err(ApiError::invalid_input(format_args!(
                "No valid key specs matched for: {}",
                pytext::str(option)
            ))
            .into());
        }
    }
    Ok(())
}

fn is_dhcp_option(option: &Value) -> bool {
    let Some(map) = option.as_object() else {
        return false;
    };
    let (Some(name), Some(value)) = (map.get("opt_name"), map.get("opt_value")) else {
        return false;
    };
    let known = |key: &String| ["opt_name", "opt_value", "ip_version"].contains(&key.as_str());
    let version = map.get("ip_version").is_none_or(|v| matches!(v.as_i64(), Some(4 | 6)));
    if !version || !map.keys().all(known) {
        return false;
    }
    let blank_allowed = name.as_str().is_some_and(|n| BLANK_OPTS.contains(&n));
    if blank_allowed && (value.is_null() || text::string(value, OPT_VALUE_MAX).is_ok()) {
        return true;
    }
    text::oneline_not_empty(name, OPT_NAME_MAX).is_ok()
        && (value.is_null() || text::oneline_not_empty(value, OPT_VALUE_MAX).is_ok())
}
