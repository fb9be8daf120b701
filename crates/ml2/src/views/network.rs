//! Networks as the API shows them.

use neutrino_types::Attrs;
use serde_json::Value;

use super::{View, json_list, texts};
use crate::{
    dns::Dns,
    models::{network::Network, segment::Segment},
};

/// All attributes of a network; that of `dns` only with it.
#[must_use]
pub fn network(n: Network, dns: Option<&Dns>) -> Attrs {
    let mut out = View::with_capacity(25);
    out.set("id", n.id)
        .set("name", n.name)
        .set("tenant_id", n.project_id.clone())
        .set("admin_state_up", n.admin_state_up)
        .set("mtu", n.mtu)
        .set("status", n.status)
        .set("subnets", texts(n.subnets))
        .set("shared", n.shared)
        .set("project_id", n.project_id)
        .set("port_security_enabled", n.port_security_enabled)
        .set("availability_zone_hints", json_list(&n.az_hints))
        .set("availability_zones", texts(n.zones))
        .set("ipv4_address_scope", n.ipv4_address_scope)
        .set("ipv6_address_scope", n.ipv6_address_scope)
        .set("router:external", n.external)
        .set("description", n.description)
        .set("tags", texts(n.tags))
        .set("created_at", n.created_at)
        .set("updated_at", n.updated_at)
        .set("revision_number", n.revision);
    if n.external {
        out.set("is_default", n.is_default);
    }
    if dns.is_some() {
        out.set("dns_domain", n.dns_domain);
    }
    let segments: Vec<&Segment> = n.segments.iter().filter(|s| !s.is_dynamic).collect();
    match segments.as_slice() {
        [] => {
            provider(&mut out, None);
        }
        [one] => {
            provider(&mut out, Some(one));
        }
        several => {
            let list = several.iter().map(|segment| {
                let mut entry = View::with_capacity(3);
                provider(&mut entry, Some(segment));
                Value::Object(entry.done())
            });
            out.set("segments", Value::Array(list.collect()));
        }
    }
    out.done()
}

fn provider(out: &mut View, segment: Option<&Segment>) {
    out.set("provider:network_type", segment.map(|s| s.network_type.as_str()))
        .set("provider:physical_network", segment.and_then(|s| s.physical_network.clone()))
        .set("provider:segmentation_id", segment.and_then(|s| s.segmentation_id));
}
