//! `floatingips`.

use super::standard::{
    CHANGED_SINCE, CREATED_AT, DESCRIPTION, FQDN_MAX, ID, NOT_TAGS, NOT_TAGS_ANY, PROJECT_ID,
    REVISION_NUMBER, TAGS, TAGS_ANY, TENANT_ID, UPDATED_AT,
};
use crate::{
    attribute::{Attribute, Convert, Initial, Shape, Validate},
    resource::{Operations, resource},
};

resource! {
    /// Addresses of external networks that lead to addresses of ports behind routers.
    FLOATINGIPS: [
        ID,
        Attribute::create_only("floating_ip_address", Shape::Text, "The address; chosen when left out.")
            .default(Initial::Null).validate(Validate::IpOrNone).listed().enforce_policy(),
        Attribute::create_only("subnet_id", Shape::Uuid, "External subnet of the address.")
            .default(Initial::Null).validate(Validate::UuidOrNone).hidden(),
        Attribute::create_only("floating_network_id", Shape::Uuid, "External network of the address.")
            .validate(Validate::Uuid).listed(),
        Attribute::read_only("router_id", Shape::Uuid, "Router that translates the address.").listed(),
        Attribute::writable("port_id", Shape::Uuid, "Port that the address leads to.")
            .default(Initial::Null).validate(Validate::UuidOrNone).filter().required_by_policy(),
        Attribute::writable("fixed_ip_address", Shape::Text, "Which of the port's addresses is meant.")
            .default(Initial::Null).validate(Validate::IpOrNone).listed(),
        TENANT_ID,
        Attribute::read_only("status", Shape::Text, "ACTIVE once an agent serves it.").listed(),
        Attribute::read_only("port_details", Shape::Object, "The port that the address leads to.")
            .extension("fip-port-details"),
        Attribute::read_only("port_forwardings", Shape::ObjectList, "Single ports that lead elsewhere.")
            .extension("expose-port-forwarding-in-fip"),
        Attribute::create_only("dns_name", Shape::Text, "Name of the address in DNS.")
            .default(Initial::Text("")).convert(Convert::LowerCase)
            .validate(Validate::RelativeDnsName(FQDN_MAX)).extension("dns-integration"),
        Attribute::create_only("dns_domain", Shape::Text, "Domain of the name.")
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
        collection: "floatingips",
        extension: "router",
        member: "floatingip",
        path: "floatingips",
        parent: None,
        operations: Operations { bulk: false, ..Operations::ALL },
        validates_filters: true,
        standard_attributes: true,
    }
}
