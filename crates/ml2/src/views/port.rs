//! Ports and their bindings as the API shows them.

use neutrino_types::{
    Attrs,
    constants::{BOUND_DRIVERS, device_owner, vif_type},
};
use serde_json::Value;

use super::{JsonWriter, Sink, View, json_object};
use crate::{
    dns::Dns,
    models::{binding::Binding, port::Port},
};

/// All attributes of a port; those of `dns` only with it.
#[must_use]
pub fn port(p: Port, dns: Option<&Dns>) -> Attrs {
    let mut out = View::with_capacity(29);
    fill(&mut out, &p, dns);
    out.done()
}

/// Appends the attributes of a port named in `fields` (all, if it is empty) to `out` as JSON.
pub(crate) fn write_port(p: &Port, dns: Option<&Dns>, fields: &[String], out: &mut Vec<u8>) {
    let mut writer = JsonWriter::new(out, fields);
    fill(&mut writer, p, dns);
    writer.done();
}

fn fill(out: &mut impl Sink, p: &Port, dns: Option<&Dns>) {
    out.put("id", &p.id)
        .put("name", &p.name)
        .put("network_id", &p.network_id)
        .put("project_id", &p.project_id)
        .put("mac_address", p.mac_address)
        .put("admin_state_up", p.admin_state_up)
        .put("status", &p.status)
        .put("device_id", &p.device_id)
        .put("device_owner", &p.device_owner)
        .put("fixed_ips", &p.fixed_ips)
        .put("allowed_address_pairs", &p.address_pairs)
        .put("extra_dhcp_opts", &p.dhcp_opts)
        .put("security_groups", &p.security_groups)
        .put("description", &p.description);
    let b = &p.binding;
    out.put("binding:vnic_type", &b.vnic_type).put_object("binding:profile", &b.profile);
    if p.device_owner == device_owner::DVR_INTERFACE {
        out.put("binding:host_id", "")
            .put("binding:vif_type", vif_type::DISTRIBUTED)
            .put_object("binding:vif_details", "");
    } else {
        out.put("binding:host_id", &b.host)
            .put("binding:vif_type", &b.vif_type)
            .put_object("binding:vif_details", &b.vif_details);
    }
    out.put("port_security_enabled", p.port_security_enabled)
        .put("tags", &p.tags)
        .put("created_at", &p.created_at)
        .put("updated_at", &p.updated_at)
        .put("revision_number", p.revision)
        .put("tenant_id", &p.project_id);
    if let Some(dns) = dns {
        out.put("dns_name", &p.dns_name)
            .put("dns_assignment", dns.assignment(&p.dns_name, &p.fixed_ips));
    }
}

/// A binding as the `bindings` sub-collection shows it: `bound_drivers` are the port's.
#[must_use]
pub fn binding(b: Binding, project_id: &str) -> Attrs {
    let mut vif_details = json_object(&b.vif_details);
    if let Value::Object(details) = &mut vif_details {
        details.shift_remove(BOUND_DRIVERS);
    }
    let mut out = View::with_capacity(7);
    out.set("host", b.host)
        .set("vif_type", b.vif_type)
        .set("vnic_type", b.vnic_type)
        .set("status", b.status)
        .set("profile", json_object(&b.profile))
        .set("vif_details", vif_details)
        .set("project_id", project_id);
    out.done()
}
