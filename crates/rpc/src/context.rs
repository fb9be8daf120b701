//! [`Context`] as `_context_` keys of an RPC message (oslo.context `to_dict`, neutron-lib's
//! additions), and back.

use neutrino_types::Context;
use serde_json::{Map, Value, json};

/// The keys of `ctx`, without the `_context_` prefix.
#[must_use]
pub fn to_keys(ctx: &Context) -> Map<String, Value> {
    let now = chrono::Utc::now().format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    let dash = |v: &Option<String>| v.clone().unwrap_or_else(|| "-".into());
    let identity = [
        &ctx.user_id,
        &ctx.project_id,
        &ctx.domain_id,
        &ctx.user_domain_id,
        &ctx.project_domain_id,
    ];
    let identity = identity.map(dash).join(" ");
    let keys = json!({
        "user": ctx.user_id,
        "project_id": ctx.project_id,
        "system_scope": ctx.system_scope,
        "project": ctx.project_id,
        "domain": ctx.domain_id,
        "user_domain": ctx.user_domain_id,
        "project_domain": ctx.project_domain_id,
        "is_admin": ctx.is_admin,
        "read_only": false,
        "show_deleted": false,
        "auth_token": null,
        "request_id": ctx.request_id,
        "global_request_id": ctx.global_request_id,
        "resource_uuid": null,
        "roles": ctx.roles,
        "user_identity": identity,
        "is_admin_project": true,
        "user_id": ctx.user_id,
        "timestamp": now,
        "project_name": ctx.project_name,
        "user_name": ctx.user_name,
        "has_global_access": ctx.is_admin,
        "can_set_project_id": ctx.is_admin,
    });
    match keys {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The context behind `keys`. Unknown keys are ignored, absent ones are empty; the names that
/// older senders use (`tenant_id`, `user`) are understood.
#[must_use]
pub fn from_keys(keys: &Map<String, Value>) -> Context {
    let text = |names: &[&str]| {
        names.iter().find_map(|name| keys.get(*name).and_then(Value::as_str)).map(str::to_string)
    };
    let roles = keys
        .get("roles")
        .and_then(Value::as_array)
        .map(|roles| roles.iter().filter_map(Value::as_str).map(str::to_string).collect())
        .unwrap_or_default();
    Context {
        user_id: text(&["user_id", "user"]),
        user_name: text(&["user_name"]),
        project_id: text(&["project_id", "tenant_id", "project", "tenant"]),
        project_name: text(&["project_name", "tenant_name"]),
        domain_id: text(&["domain"]),
        user_domain_id: text(&["user_domain"]),
        project_domain_id: text(&["project_domain"]),
        system_scope: text(&["system_scope"]),
        global_request_id: text(&["global_request_id"]),
        roles,
        is_admin: keys.get("is_admin").and_then(Value::as_bool).unwrap_or(false),
        request_id: text(&["request_id"]).unwrap_or_else(neutrino_types::context::new_request_id),
    }
}
