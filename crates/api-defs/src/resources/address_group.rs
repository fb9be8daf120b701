//! `address_groups`.

use super::standard::{
    CHANGED_SINCE, CREATED_AT, DESCRIPTION, ID, LONG_DESCRIPTION_MAX, NAME, PROJECT_ID,
    REVISION_NUMBER, TENANT_ID, UPDATED_AT,
};
use crate::{
    attribute::{Attribute, Convert, Initial, Shape, Validate},
    resource::{MemberAction, Operations, resource},
};

const ALIAS: &str = "address-group";

resource! {
    /// Sets of addresses that rules of security groups refer to. Neutron tags none of them.
    ADDRESS_GROUPS: [
        ID,
        NAME,
        DESCRIPTION.validate(Validate::Text(LONG_DESCRIPTION_MAX)).sort(),
        TENANT_ID,
        Attribute::create_only("addresses", Shape::TextList, "CIDRs of the group.")
            .unset().convert(Convert::NoneToEmptyList).validate(Validate::Cidrs).extension(ALIAS),
        Attribute::read_only("shared", Shape::Bool, "Whether the caller's project may use it.")
            .default(Initial::Bool(false)).convert(Convert::Boolean)
            .required_by_policy().hidden().extension(ALIAS),
        REVISION_NUMBER,
        CREATED_AT,
        UPDATED_AT,
        CHANGED_SINCE,
        PROJECT_ID,
    ], {
        collection: "address_groups",
        extension: ALIAS,
        member: "address_group",
        path: "address-groups",
        operations: Operations::ALL,
        standard_attributes: true,
        actions: &[
            MemberAction {
                name: "add_addresses",
                doc: "Add addresses to the group.",
                body: &["addresses"],
            },
            MemberAction {
                name: "remove_addresses",
                doc: "Take addresses from the group.",
                body: &["addresses"],
            },
        ],
    }
}
