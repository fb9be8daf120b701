//! Subnets as the API shows them.

use neutrino_types::Attrs;
use serde_json::Value;

use super::{View, texts};
use crate::models::subnet::Subnet;

/// All attributes of a subnet.
#[must_use]
pub fn subnet(s: Subnet) -> Attrs {
    let pools = s.pools.iter().map(|pool| {
        let mut entry = View::with_capacity(2);
        entry.set("start", pool.start().to_string()).set("end", pool.end().to_string());
        Value::Object(entry.done())
    });
    let routes = s.host_routes.into_iter().map(|(destination, nexthop)| {
        let mut entry = View::with_capacity(2);
        entry.set("destination", destination).set("nexthop", nexthop);
        Value::Object(entry.done())
    });
    let version = addr_version(&s.cidr);
    let mut out = View::with_capacity(24);
    out.set("id", s.id)
        .set("name", s.name)
        .set("project_id", s.project_id.clone())
        .set("network_id", s.network_id)
        .set("ip_version", version)
        .set("subnetpool_id", s.subnetpool_id)
        .set("enable_dhcp", s.enable_dhcp)
        .set("ipv6_ra_mode", s.ipv6_ra_mode)
        .set("ipv6_address_mode", s.ipv6_address_mode)
        .set("gateway_ip", s.gateway_ip.map(|ip| ip.to_string()))
        .set("cidr", s.cidr.to_string())
        .set("allocation_pools", Value::Array(pools.collect()))
        .set("host_routes", Value::Array(routes.collect()))
        .set("dns_nameservers", texts(s.dns_nameservers))
        .set("description", s.description)
        .set("router:external", s.external)
        .set("tags", texts(s.tags))
        .set("created_at", s.created_at)
        .set("updated_at", s.updated_at)
        .set("revision_number", s.revision)
        .set("tenant_id", s.project_id);
    out.done()
}

fn addr_version(net: &ipnet::IpNet) -> u8 {
    crate::ipam::addr::net_version(net)
}
