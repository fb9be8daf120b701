//! Ports and their bindings as the API shows them.

use neutrino_types::{Attrs, constants::device_owner, constants::vif_type};
use serde_json::Value;

use super::{View, json_object, texts};
use crate::models::{
    binding::Binding,
    port::{AddressPair, DhcpOpt, FixedIp, Port},
};

/// All attributes of a port.
#[must_use]
pub fn port(p: Port) -> Attrs {
    let mut out = View::with_capacity(26);
    let distributed = p.device_owner == device_owner::DVR_INTERFACE;
    out.set("id", p.id)
        .set("name", p.name)
        .set("network_id", p.network_id)
        .set("project_id", p.project_id.clone())
        .set("mac_address", p.mac_address.to_string())
        .set("admin_state_up", p.admin_state_up)
        .set("status", p.status)
        .set("device_id", p.device_id)
        .set("device_owner", p.device_owner)
        .set("fixed_ips", list(p.fixed_ips, fixed_ip))
        .set("allowed_address_pairs", list(p.address_pairs, address_pair))
        .set("extra_dhcp_opts", list(p.dhcp_opts, dhcp_opt))
        .set("description", p.description);
    let b = p.binding;
    out.set("binding:vnic_type", b.vnic_type).set("binding:profile", json_object(&b.profile));
    if distributed {
        out.set("binding:host_id", "")
            .set("binding:vif_type", vif_type::DISTRIBUTED)
            .set("binding:vif_details", Value::Object(Attrs::new()));
    } else {
        out.set("binding:host_id", b.host)
            .set("binding:vif_type", b.vif_type)
            .set("binding:vif_details", json_object(&b.vif_details));
    }
    out.set("port_security_enabled", p.port_security_enabled)
        .set("tags", texts(p.tags))
        .set("created_at", p.created_at)
        .set("updated_at", p.updated_at)
        .set("revision_number", p.revision)
        .set("tenant_id", p.project_id);
    out.done()
}

/// A binding as the `bindings` sub-collection shows it.
#[must_use]
pub fn binding(b: Binding, project_id: &str) -> Attrs {
    let mut out = View::with_capacity(7);
    out.set("host", b.host)
        .set("vif_type", b.vif_type)
        .set("vnic_type", b.vnic_type)
        .set("status", b.status)
        .set("profile", json_object(&b.profile))
        .set("vif_details", json_object(&b.vif_details))
        .set("project_id", project_id);
    out.done()
}

fn list<T>(items: Vec<T>, view: fn(T) -> Attrs) -> Value {
    Value::Array(items.into_iter().map(|item| Value::Object(view(item))).collect())
}

fn fixed_ip(f: FixedIp) -> Attrs {
    let mut out = View::with_capacity(2);
    out.set("subnet_id", f.subnet_id).set("ip_address", f.ip_address.to_string());
    out.done()
}

fn address_pair(p: AddressPair) -> Attrs {
    let mut out = View::with_capacity(2);
    out.set("mac_address", p.mac_address).set("ip_address", p.ip_address);
    out.done()
}

fn dhcp_opt(o: DhcpOpt) -> Attrs {
    let mut out = View::with_capacity(3);
    out.set("opt_name", o.name).set("opt_value", o.value).set("ip_version", o.ip_version);
    out.done()
}
