//! `rbac_policies`.

use super::standard::{DESCRIPTION_MAX, ID, PROJECT_ID, TENANT_ID};
use crate::{
    attribute::{Attribute, Convert, Initial, Shape, Validate},
    resource::{Operations, resource},
};

/// What may be shared, as `object_type` names it.
pub const OBJECT_TYPES: &[&str] =
    &["address_group", "address_scope", "network", "security_group", "subnetpool"];

const ALIAS: &str = "rbac-policies";

/// As others have it, but for sorting.
const fn unsorted(attribute: Attribute) -> Attribute {
    Attribute { sort: false, ..attribute }
}

resource! {
    /// Who besides its owner may use an object.
    RBAC_POLICIES: [
        unsorted(ID),
        Attribute::create_only("object_type", Shape::Text, "Kind of the object.")
            .default(Initial::Null)
            .convert(Convert::Word { what: "RBAC object type", words: OBJECT_TYPES })
            .filter().enforce_policy().extension(ALIAS),
        Attribute::create_only("object_id", Shape::Uuid, "The object.")
            .validate(Validate::Uuid).filter().enforce_policy().extension(ALIAS),
        Attribute::writable("target_tenant", Shape::Text, "Who gains access: a project or *.")
            .validate(Validate::TargetProject).filter().enforce_policy().extension(ALIAS),
        unsorted(TENANT_ID),
        Attribute::create_only("action", Shape::Text, "What it allows, e.g. access_as_shared.")
            .validate(Validate::Text(DESCRIPTION_MAX)).filter().enforce_policy().extension(ALIAS),
        unsorted(PROJECT_ID),
    ], {
        collection: "rbac_policies",
        extension: ALIAS,
        member: "rbac_policy",
        path: "rbac-policies",
        operations: Operations::ALL,
        pages: false,
    }
}
