//! `port_forwardings` of floating IPs, and `floatingip-pools`.

use super::standard::{ID, LONG_DESCRIPTION_MAX, PROJECT_ID_MAX};
use crate::{
    attribute::{Attribute, Convert, Initial, Shape, Validate},
    resource::{Operations, Parent, resource},
    validators::forwarding::FORWARDED_PROTOCOLS,
};

/// The first TCP or UDP port.
const PORT_MIN: u16 = 1;
/// The last TCP or UDP port.
const PORT_MAX: u16 = u16::MAX;

/// A port number of a forwarding, or `null` where its range says it.
const fn port(name: &'static str, doc: &'static str) -> Attribute {
    Attribute::writable(name, Shape::Int, doc)
        .default(Initial::Null)
        .validate(Validate::RangeOrNone(PORT_MIN as i64, PORT_MAX as i64))
        .extension("floating-ip-port-forwarding-port-ranges")
}

/// Ports of a forwarding, `first:last`.
const fn range(name: &'static str, doc: &'static str) -> Attribute {
    Attribute::writable(name, Shape::Text, doc)
        .default(Initial::Null)
        .validate(Validate::PortRangeOrNone(PORT_MIN, PORT_MAX))
        .extension("floating-ip-port-forwarding-port-ranges")
}

resource! {
    /// Ports of a floating IP, each leading to a port of its own: `/floatingips/{id}/port_forwardings`.
    PORT_FORWARDINGS: [
        ID,
        Attribute::create_only("project_id", Shape::Text, "Project that owns the floating IP.")
            .validate(Validate::Text(PROJECT_ID_MAX)).required_by_policy().hidden(),
        Attribute::create_only("tenant_id", Shape::Text, "Owner, under its old name.")
            .validate(Validate::Text(PROJECT_ID_MAX)).required_by_policy().hidden(),
        port("external_port", "Port of the floating IP.").listed(),
        port("internal_port", "Port of the address it leads to."),
        Attribute::writable("internal_ip_address", Shape::Text, "Address it leads to.")
            .validate(Validate::Ip),
        Attribute::writable("protocol", Shape::Text, "IP protocol.")
            .convert(Convert::ForwardedProtocol).validate(Validate::OneOf(FORWARDED_PROTOCOLS)).listed(),
        Attribute::writable("internal_port_id", Shape::Uuid, "Neutron port that has the address.")
            .validate(Validate::Uuid).listed(),
        Attribute::writable("description", Shape::Text, "Text for people.")
            .default(Initial::Text("")).validate(Validate::Text(LONG_DESCRIPTION_MAX)).filter()
            .extension("floating-ip-port-forwarding-description"),
        range("external_port_range", "Ports of the floating IP, first:last.").listed(),
        range("internal_port_range", "Ports of the address it leads to, first:last."),
    ], {
        collection: "port_forwardings",
        extension: "floating-ip-port-forwarding",
        member: "port_forwarding",
        path: "port_forwardings",
        parent: Some(Parent { collection: "floatingips", member: "floatingip" }),
        operations: Operations { bulk: false, ..Operations::ALL },
        validates_filters: true,
        standard_attributes: false,
    }
}

resource! {
    /// Subnets that floating IPs can be taken from.
    FLOATINGIP_POOLS: [
        Attribute::read_only("subnet_id", Shape::Uuid, "External subnet.")
            .validate(Validate::Uuid).primary_key(),
        Attribute::read_only("subnet_name", Shape::Text, "Its name."),
        Attribute::read_only("network_id", Shape::Uuid, "Its network.").validate(Validate::Uuid),
        Attribute::read_only("cidr", Shape::Text, "Its addresses."),
        Attribute::read_only("project_id", Shape::Text, "The caller's project.")
            .validate(Validate::Text(PROJECT_ID_MAX)),
        Attribute::read_only("tenant_id", Shape::Text, "The caller's project, under its old name.")
            .validate(Validate::Text(PROJECT_ID_MAX)),
    ], {
        collection: "floatingip_pools",
        extension: "floatingip-pools",
        member: "floatingip_pool",
        path: "floatingip-pools",
        parent: None,
        operations: Operations::LIST,
        validates_filters: true,
        standard_attributes: false,
    }
}
