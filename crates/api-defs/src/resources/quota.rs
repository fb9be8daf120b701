//! `quotas`: one attribute per counted resource.
//!
//! PUT bodies may also hold `force` and `check_limit`, which are no attributes: the quota
//! controller takes them out before validation.

use crate::{
    attribute::{Attribute, Convert, Shape, Validate},
    resource::{Operations, resource},
};

/// A limit on how many resources of one kind a project may have.
const fn limit(name: &'static str, doc: &'static str) -> Attribute {
    Attribute::update_only(name, Shape::Int, doc)
        .convert(Convert::Int)
        .validate(Validate::Range(-1, i32::MAX as i64))
}

resource! {
    /// Limits of projects; -1 means none.
    QUOTAS: [
        limit("network", "Most networks."),
        limit("subnet", "Most subnets."),
        limit("subnetpool", "Most subnet pools."),
        limit("port", "Most ports."),
        limit("router", "Most routers."),
        limit("router_route", "Most extra routes of a router."),
        limit("floatingip", "Most floating IPs."),
        limit("security_group", "Most security groups."),
        limit("security_group_rule", "Most security group rules."),
        limit("rbac_policy", "Most RBAC policies."),
    ], {
        collection: "quotas",
        extension: "quotas",
        member: "quota",
        path: "quotas",
        parent: None,
        operations: Operations {
            list: true, show: true, create: false, bulk: false, update: true, delete: true,
        },
        validates_filters: false,
        standard_attributes: false,
    }
}
