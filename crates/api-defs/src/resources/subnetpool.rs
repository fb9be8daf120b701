//! `subnetpools`.

use super::standard::{
    CHANGED_SINCE, CREATED_AT, DESCRIPTION, ID, NAME, NAME_MAX, NOT_TAGS, NOT_TAGS_ANY, PROJECT_ID,
    REVISION_NUMBER, TAGS, TAGS_ANY, TENANT_ID, UPDATED_AT,
};
use crate::{
    attribute::{Attribute, Convert, Initial, Shape, Validate},
    resource::{MemberAction, Operations, resource},
};

const ALIAS: &str = "subnet_allocation";

/// A number that is not negative.
const fn number(name: &'static str, doc: &'static str) -> Attribute {
    Attribute::writable(name, Shape::Int, doc)
        .unset()
        .convert(Convert::Int)
        .validate(Validate::NonNegative)
        .listed()
}

resource! {
    /// Blocks of addresses that subnets are taken from.
    SUBNETPOOLS: [
        ID,
        Attribute { default: None, ..NAME }.validate(Validate::NameNotEmpty(NAME_MAX)),
        TENANT_ID,
        Attribute::writable("prefixes", Shape::TextList, "CIDRs of the pool.")
            .validate(Validate::Cidrs),
        number("default_quota", "Most addresses, or /64 networks, that a project may have of it."),
        Attribute::read_only("ip_version", Shape::Int, "4 or 6.").convert(Convert::Int).listed(),
        number("default_prefixlen", "Length of a block when the subnet says none."),
        number("min_prefixlen", "Length of the largest block."),
        number("max_prefixlen", "Length of the smallest block."),
        Attribute::writable("is_default", Shape::Bool, "Whether it is the pool of those who name none.")
            .default(Initial::Bool(false)).convert(Convert::Boolean).listed()
            .required_by_policy().enforce_policy(),
        Attribute::create_only("shared", Shape::Bool, "Whether every project may use it.")
            .default(Initial::Bool(false)).convert(Convert::Boolean).listed()
            .required_by_policy().enforce_policy(),
        Attribute::writable("address_scope_id", Shape::Uuid, "Address scope of its addresses.")
            .unset().validate(Validate::UuidOrNone).listed().extension("address-scope"),
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
        collection: "subnetpools",
        extension: ALIAS,
        member: "subnetpool",
        path: "subnetpools",
        operations: Operations::ALL,
        standard_attributes: true,
        actions: &[
            MemberAction {
                name: "add_prefixes",
                doc: "Add CIDRs to the pool.",
                body: &["prefixes"],
            },
            MemberAction {
                name: "remove_prefixes",
                doc: "Take CIDRs from the pool.",
                body: &["prefixes"],
            },
        ],
    }
}
