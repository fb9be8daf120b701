//! `networks`.

use super::standard::{
    CHANGED_SINCE, CREATED_AT, DESCRIPTION, FQDN_MAX, ID, NAME, NOT_TAGS, NOT_TAGS_ANY, PROJECT_ID,
    REVISION_NUMBER, TAGS, TAGS_ANY, TENANT_ID, UPDATED_AT,
};
use crate::{
    attribute::{Attribute, Convert, Initial, Shape, Validate},
    resource::{Operations, resource},
};

resource! {
    /// Layer-2 networks.
    NETWORKS: [
        ID,
        NAME,
        Attribute::read_only("subnets", Shape::TextList, "Subnets of the network.")
            .default(Initial::EmptyList),
        Attribute::writable("admin_state_up", Shape::Bool, "Whether the network carries traffic.")
            .default(Initial::Bool(true)).convert(Convert::Boolean).listed(),
        Attribute::read_only("status", Shape::Text, "State.").listed(),
        TENANT_ID,
        Attribute::writable("shared", Shape::Bool, "Whether every project may use it.")
            .default(Initial::Bool(false)).convert(Convert::Boolean).filter()
            .required_by_policy().enforce_policy(),
        Attribute::writable("router:external", Shape::Bool, "Whether routers may use it as gateway.")
            .default(Initial::Bool(false)).convert(Convert::Boolean).filter()
            .required_by_policy().enforce_policy().extension("external-net"),
        Attribute::writable("is_default", Shape::Bool, "Whether it is the external network of those who name none.")
            .default(Initial::Bool(false)).convert(Convert::Boolean).filter()
            .required_by_policy().enforce_policy(),
        Attribute::writable("provider:network_type", Shape::Text, "How segments are told apart.")
            .unset().validate(Validate::Text(32)).filter().enforce_policy().extension("provider"),
        Attribute::writable("provider:physical_network", Shape::Text, "Physical network of the segment.")
            .unset().validate(Validate::Text(64)).filter().enforce_policy().extension("provider"),
        Attribute::writable("provider:segmentation_id", Shape::Int, "VLAN id, VNI or tunnel key.")
            .unset().convert(Convert::Int).filter().enforce_policy().extension("provider"),
        Attribute::writable("segments", Shape::ObjectList, "Segments of the network, when several.")
            .unset().validate(Validate::Segments).enforce_policy().extension("multi-provider"),
        Attribute::writable("port_security_enabled", Shape::Bool, "What ports of the network start with.")
            .default(Initial::Bool(true)).convert(Convert::Boolean).enforce_policy()
            .extension("port-security"),
        Attribute::writable("mtu", Shape::Int, "Largest frame payload; 0 in a request means computed.")
            .default(Initial::Int(0)).convert(Convert::Int).validate(Validate::NonNegative).listed()
            .enforce_policy().extension("net-mtu-writable"),
        Attribute::read_only("availability_zones", Shape::TextList, "Zones that serve the network.")
            .extension("network_availability_zone"),
        Attribute::create_only("availability_zone_hints", Shape::TextList, "Zones wished for.")
            .default(Initial::EmptyList).validate(Validate::AvailabilityZoneHints).sort()
            .extension("network_availability_zone"),
        Attribute::read_only("ipv4_address_scope", Shape::Uuid, "Address scope of its IPv4 subnets.")
            .extension("address-scope"),
        Attribute::read_only("ipv6_address_scope", Shape::Uuid, "Address scope of its IPv6 subnets.")
            .extension("address-scope"),
        Attribute::writable("dns_domain", Shape::Text, "Domain of its ports in DNS.")
            .default(Initial::Text("")).convert(Convert::LowerCase)
            .validate(Validate::DnsDomain(FQDN_MAX)).extension("dns-integration"),
        DESCRIPTION,
        REVISION_NUMBER,
        CREATED_AT,
        UPDATED_AT,
        CHANGED_SINCE,
        TAGS,
        TAGS_ANY,
        NOT_TAGS,
        NOT_TAGS_ANY,
        PROJECT_ID,
    ], {
        collection: "networks",
        extension: "",
        member: "network",
        path: "networks",
        parent: None,
        operations: Operations::ALL,
        validates_filters: true,
        standard_attributes: true,
    }
}
