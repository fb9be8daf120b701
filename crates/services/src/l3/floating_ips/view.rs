//! What the API, subscribers and agents see of a floating IP.

use neutrino_db::floating_ips::FloatingIp;
use neutrino_types::Attrs;
use serde_json::json;

use crate::l3::{Inner, port_forwardings::of_floating_ip};

/// What agents hear of a floating IP: all but its name, which they do not serve.
pub(in crate::l3) fn floating_ip(f: &FloatingIp) -> Attrs {
    let association = f.association.as_ref();
    let pairs = [
        ("id", json!(f.id)),
        ("tenant_id", json!(f.project_id)),
        ("floating_ip_address", json!(f.address)),
        ("floating_network_id", json!(f.network_id)),
        ("router_id", json!(f.router_id)),
        ("port_id", json!(association.map(|a| &a.port_id))),
        ("fixed_ip_address", json!(association.map(|a| a.fixed_ip_address))),
        ("status", json!(f.status)),
        ("description", json!(f.description)),
        ("port_details", json!(association.map(|a| &a.port))),
        ("port_forwardings", of_floating_ip(&f.forwardings)),
        ("tags", json!(f.tags)),
        ("created_at", json!(f.created_at)),
        ("updated_at", json!(f.updated_at)),
        ("revision_number", json!(f.revision)),
        ("project_id", json!(f.project_id)),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// All attributes of a floating IP, as the API and subscribers see them.
pub(super) fn for_users(inner: &Inner, f: &FloatingIp) -> Attrs {
    let mut out = floating_ip(f);
    if inner.ml2.dns().is_some() {
        out.insert("dns_name".into(), json!(f.dns_name));
        out.insert("dns_domain".into(), json!(f.dns_domain));
    }
    out
}
