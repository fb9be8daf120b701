//! Turning requests into ports: identity, addresses asked for, pairs, options, binding inputs.

use std::collections::HashSet;

use neutrino_types::{ApiError, ApiResult, Attrs, MacAddr, constants::status};
use serde_json::Value;

use crate::{
    config::Ml2Config,
    distributed,
    ipam::requests::FixedIpRequest,
    mac,
    models::{
        binding::{Binding, JSON_MAX},
        network::Network,
        port::{AddressPair, DhcpOpt, Port},
    },
    request,
};

/// The MAC asked for: `None` when one is to be generated.
///
/// # Errors
/// `InvalidInput` for text that is no MAC.
pub(super) fn mac_address(attrs: &Attrs) -> ApiResult<Option<MacAddr>> {
    match request::text(attrs, "mac_address") {
        None | Some("") => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| ApiError::invalid_input(format!("'{text}' is not a valid MAC address"))),
    }
}

/// A new port without addresses.
///
/// # Errors
/// `InvalidInput`, `DuplicateAddressPairInRequest`, `AllowedAddressPairExhausted`.
pub(super) fn port(
    config: &Ml2Config,
    item: &Attrs,
    project_id: String,
    network: &Network,
) -> ApiResult<Port> {
    let mac_address = match mac_address(item)? {
        Some(mac) => mac,
        None => mac::generate(config.base_mac, &mut rand::rng()),
    };
    let fixed_ips = request::list(item, "fixed_ips");
    let unaddressed = fixed_ips.is_some_and(<[Value]>::is_empty);
    let mut port = Port {
        project_id,
        network_id: network.id.clone(),
        name: request::text_or_empty(item, "name"),
        description: request::text_or_empty(item, "description"),
        mac_address,
        admin_state_up: request::flag(item, "admin_state_up").unwrap_or(true),
        status: request::text(item, "status").unwrap_or(status::DOWN).to_string(),
        device_id: request::text_or_empty(item, "device_id"),
        device_owner: request::text_or_empty(item, "device_owner"),
        ip_allocation: Some(if unaddressed { "none" } else { "immediate" }.to_string()),
        propagate_uplink_status: request::flag(item, "propagate_uplink_status").unwrap_or(true),
        tags: request::tags(item),
        ..Port::new()
    };
    port.address_pairs = address_pairs(config, item, port.mac_address)?.unwrap_or_default();
    port.dhcp_opts = merge_opts(&[], item);
    set_binding(item, &mut port.binding)?;
    distributed::settle(&mut port);
    Ok(port)
}

/// `fixed_ips` as given; `None` when absent.
///
/// # Errors
/// `InvalidInput` for text that is no address.
pub(super) fn fixed_ips(attrs: &Attrs) -> ApiResult<Option<Vec<FixedIpRequest>>> {
    let Some(list) = request::list(attrs, "fixed_ips") else { return Ok(None) };
    let entry = |value: &Value| -> ApiResult<FixedIpRequest> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let ip_address = match text("ip_address") {
            None | Some("") => None,
            Some(ip) => Some(ip.parse().map_err(|_| {
                ApiError::invalid_input(format!("'{ip}' is not a valid IP address"))
            })?),
        };
        Ok(FixedIpRequest {
            subnet_id: text("subnet_id").map(str::to_string),
            ip_address,
            delete_subnet: value.get("delete_subnet").and_then(Value::as_bool).unwrap_or(false),
        })
    };
    list.iter().map(entry).collect::<ApiResult<Vec<_>>>().map(Some)
}

/// `allowed_address_pairs` as given, the port's MAC filled in; `None` when absent.
///
/// # Errors
/// `DuplicateAddressPairInRequest`, `AllowedAddressPairExhausted`.
pub(super) fn address_pairs(
    config: &Ml2Config,
    attrs: &Attrs,
    mac: MacAddr,
) -> ApiResult<Option<Vec<AddressPair>>> {
    let Some(list) = request::list(attrs, "allowed_address_pairs") else { return Ok(None) };
    if config.max_address_pairs.is_some_and(|max| list.len() > max) {
        return Err(ApiError::bad_request(
            "AllowedAddressPairExhausted",
            format!(
                "The number of allowed address pair exceeds the maximum {}.",
                config.max_address_pairs.unwrap_or(0)
            ),
        ));
    }
    let mut seen = HashSet::new();
    let mut out = Vec::with_capacity(list.len());
    for value in list {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let Some(ip_address) = text("ip_address") else {
            return Err(ApiError::bad_request(
                "AllowedAddressPairsMissingIP",
                "AllowedAddressPair must contain ip_address",
            ));
        };
        let given = text("mac_address").and_then(|m| m.parse::<MacAddr>().ok());
        let pair = AddressPair {
            mac_address: given.unwrap_or(mac).to_string(),
            ip_address: ip_address.to_string(),
        };
        if !seen.insert((pair.mac_address.clone(), pair.ip_address.clone())) {
            return Err(ApiError::bad_request(
                "DuplicateAddressPairInRequest",
                format!(
                    "Request contains duplicate address pair: mac_address {} ip_address {}.",
                    pair.mac_address, pair.ip_address
                ),
            ));
        }
        out.push(pair);
    }
    Ok(Some(out))
}

/// The options a port has after a request: a given option replaces one of the same name and
/// version, one with a null value removes it.
pub(super) fn merge_opts(current: &[DhcpOpt], attrs: &Attrs) -> Vec<DhcpOpt> {
    let mut out = current.to_vec();
    for value in request::list(attrs, "extra_dhcp_opts").unwrap_or_default() {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let Some(name) = text("opt_name") else { continue };
        let version = match value.get("ip_version") {
            Some(Value::Number(n)) if n.as_i64() == Some(6) => 6,
            Some(Value::String(s)) if s == "6" => 6,
            _ => 4,
        };
        out.retain(|o| o.name != name || o.ip_version != version);
        if let Some(value) = text("opt_value") {
            out.push(DhcpOpt {
                name: name.to_string(),
                value: value.to_string(),
                ip_version: version,
            });
        }
    }
    out
}

/// Takes `binding:host_id`, `binding:vnic_type` and `binding:profile` over; answers whether the
/// inputs of the binding changed.
///
/// # Errors
/// `InvalidInput` for a profile too large to keep.
pub(super) fn set_binding(attrs: &Attrs, binding: &mut Binding) -> ApiResult<bool> {
    let mut changed = request::set_text(attrs, "binding:host_id", &mut binding.host);
    if let Some(vnic_type) = request::text(attrs, "binding:vnic_type")
        && vnic_type != binding.vnic_type
    {
        binding.vnic_type = vnic_type.to_string();
        changed = true;
    }
    let profile = match attrs.get("binding:profile") {
        Some(Value::Object(map)) if !map.is_empty() => {
            serde_json::to_string(map).map_err(ApiError::internal)?
        }
        Some(Value::Object(_) | Value::Null) => String::new(),
        _ => return Ok(changed),
    };
    if profile.len() > JSON_MAX {
        return Err(ApiError::invalid_input("binding:profile value too large"));
    }
    if profile != binding.profile {
        binding.profile = profile;
        changed = true;
    }
    Ok(changed)
}
