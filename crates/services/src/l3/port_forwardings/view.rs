//! What the API shows of port forwardings.

use neutrino_db::port_forwardings::PortForwarding;
use neutrino_types::Attrs;
use serde_json::{Value, json};

/// All attributes of a port forwarding; single ports are left out where there are several.
pub(super) fn port_forwarding(p: &PortForwarding) -> Attrs {
    let pairs = [
        ("id", json!(p.id)),
        ("external_port", json!(p.external.single())),
        ("internal_port", json!(p.internal.single())),
        ("internal_ip_address", json!(p.internal_ip_address)),
        ("protocol", json!(p.protocol)),
        ("internal_port_id", json!(p.internal_port_id)),
        ("description", json!(p.description)),
        ("external_port_range", json!(p.external.to_string())),
        ("internal_port_range", json!(p.internal.to_string())),
    ];
    let there = pairs.into_iter().filter(|(_, value)| !value.is_null());
    there.map(|(name, value)| (name.to_string(), value)).collect()
}

/// What a floating IP shows of its port forwardings.
pub(in crate::l3) fn of_floating_ip(forwardings: &[PortForwarding]) -> Value {
    let shown = [
        "id",
        "external_port",
        "internal_port",
        "internal_ip_address",
        "protocol",
        "internal_port_id",
    ];
    let one = |p: &PortForwarding| {
        let mut attrs = port_forwarding(p);
        attrs.retain(|name, _| shown.contains(&name.as_str()));
        Value::Object(attrs)
    };
    forwardings.iter().map(one).collect()
}
