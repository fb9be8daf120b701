//! `subnets`.

use super::standard::{
    CHANGED_SINCE, CREATED_AT, DESCRIPTION, ID, NAME, NOT_TAGS, NOT_TAGS_ANY, PROJECT_ID,
    REVISION_NUMBER, TAGS, TAGS_ANY, TENANT_ID, UPDATED_AT,
};
use crate::{
    attribute::{Attribute, Convert, Initial, Shape, Validate},
    resource::{Operations, resource},
};

/// Values of `ipv6_ra_mode` and `ipv6_address_mode`.
pub const IPV6_MODES: &[&str] = &["dhcpv6-stateful", "dhcpv6-stateless", "slaac"];

resource! {
    /// Address blocks of networks.
    SUBNETS: [
        ID,
        NAME,
        Attribute::create_only("ip_version", Shape::Int, "4 or 6.")
            .convert(Convert::Int).validate(Validate::OneOfInt(&[4, 6])).listed(),
        Attribute::create_only("network_id", Shape::Uuid, "Network of the subnet.")
            .validate(Validate::Uuid).required_by_policy().listed(),
        Attribute::create_only("subnetpool_id", Shape::Uuid, "Pool the block is taken from.")
            .unset().validate(Validate::SubnetPoolIdOrNone).listed(),
        Attribute::create_only("use_default_subnetpool", Shape::Bool, "Whether to take it from the default pool.")
            .default(Initial::Bool(false)).convert(Convert::Boolean).hidden()
            .extension("default-subnetpools"),
        Attribute::create_only("prefixlen", Shape::Int, "Length of the block to take from the pool.")
            .unset().convert(Convert::Int).validate(Validate::NonNegative).hidden(),
        Attribute::create_only("cidr", Shape::Text, "The block.")
            .unset().convert(Convert::Cidr).validate(Validate::CidrOrNone).listed(),
        Attribute::writable("gateway_ip", Shape::Text, "Default gateway; null for none.")
            .unset().convert(Convert::Ip).validate(Validate::IpOrNone).listed(),
        Attribute::writable("allocation_pools", Shape::ObjectList, "Ranges addresses are taken from.")
            .unset().convert(Convert::AllocationPools).validate(Validate::IpPools),
        Attribute::writable("dns_nameservers", Shape::TextList, "Name servers handed to instances.")
            .unset().convert(Convert::NoneToEmptyList).validate(Validate::Nameservers),
        Attribute::writable("host_routes", Shape::ObjectList, "Routes handed to instances.")
            .unset().convert(Convert::NoneToEmptyList).validate(Validate::HostRoutes),
        TENANT_ID,
        Attribute::writable("enable_dhcp", Shape::Bool, "Whether DHCP serves the subnet.")
            .default(Initial::Bool(true)).convert(Convert::Boolean).listed(),
        Attribute::create_only("ipv6_ra_mode", Shape::Text, "Who sends router advertisements, and how.")
            .unset().validate(Validate::OneOf(IPV6_MODES)).listed(),
        Attribute::create_only("ipv6_address_mode", Shape::Text, "How instances get their address.")
            .unset().validate(Validate::OneOf(IPV6_MODES)).listed(),
        Attribute::read_only("shared", Shape::Bool, "Whether its network is shared.")
            .default(Initial::Bool(false)).convert(Convert::Boolean).filter().hidden()
            .required_by_policy().enforce_policy(),
        Attribute::read_only("router:external", Shape::Bool, "Whether its network is external.")
            .default(Initial::Bool(false)).convert(Convert::Boolean).filter()
            .required_by_policy().enforce_policy().extension("subnet-external-network"),
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
        collection: "subnets",
        extension: "",
        member: "subnet",
        path: "subnets",
        parent: None,
        operations: Operations::ALL,
        validates_filters: true,
        standard_attributes: true,
    }
}
