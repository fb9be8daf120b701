//! What the API and subscribers see of a router.

use neutrino_db::routers::Router;
use neutrino_types::Attrs;
use serde_json::{Value, json};

/// All attributes of a router, as the API shows them.
pub(super) fn router(r: &Router) -> Attrs {
    let pairs = [
        ("id", json!(r.id)),
        ("name", json!(r.name)),
        ("tenant_id", json!(r.project_id)),
        ("admin_state_up", json!(r.admin_state_up)),
        ("status", json!(r.status)),
        ("external_gateway_info", gateway(r)),
        ("description", json!(r.description)),
        ("availability_zones", json!(r.zones)),
        ("distributed", json!(r.distributed)),
        ("ha", json!(r.ha)),
        ("availability_zone_hints", zone_hints(r)),
        ("routes", json!(r.routes)),
        ("tags", json!(r.tags)),
        ("created_at", json!(r.created_at)),
        ("updated_at", json!(r.updated_at)),
        ("revision_number", json!(r.revision)),
        ("project_id", json!(r.project_id)),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// The same for subscribers, who also hear of the gateway port: `gw_port_id`.
pub(super) fn event(r: &Router) -> Attrs {
    let mut out = router(r);
    let port = r.gateway.as_ref().map(|gateway| gateway.port_id.as_str());
    out.insert("gw_port_id".into(), json!(port));
    out
}

fn gateway(r: &Router) -> Value {
    r.gateway.as_ref().map_or(Value::Null, |gateway| {
        json!({
            "network_id": gateway.network_id,
            "external_fixed_ips": gateway.fixed_ips,
            "enable_snat": r.enable_snat,
        })
    })
}

fn zone_hints(r: &Router) -> Value {
    match serde_json::from_str(&r.az_hints) {
        Ok(list @ Value::Array(_)) => list,
        // Empty text is no hint.
        _ => json!([]),
    }
}
