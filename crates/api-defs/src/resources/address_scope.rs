//! `address_scopes`.

use super::standard::{ID, NAME, PROJECT_ID, TENANT_ID};
use crate::{
    attribute::{Attribute, Convert, Initial, Shape, Validate},
    resource::{Operations, resource},
};

const ALIAS: &str = "address-scope";

resource! {
    /// Address scopes: addresses of the subnet pools in one do not overlap, so that routers need
    /// not translate between them.
    ADDRESS_SCOPES: [
        ID,
        NAME,
        TENANT_ID,
        Attribute::writable("shared", Shape::Bool, "Whether every project may use it.")
            .default(Initial::Bool(false)).convert(Convert::Boolean).listed()
            .required_by_policy().enforce_policy().extension(ALIAS),
        Attribute::create_only("ip_version", Shape::Int, "4 or 6.")
            .convert(Convert::Int).validate(Validate::OneOfInt(&[4, 6])).listed().extension(ALIAS),
        PROJECT_ID,
    ], {
        collection: "address_scopes",
        extension: ALIAS,
        member: "address_scope",
        path: "address-scopes",
        operations: Operations::ALL,
    }
}
