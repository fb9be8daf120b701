//! Every API resource and extension as data: attributes, validation, filters, policy hooks, OpenAPI.
//!
//! One [`Attribute`] says everything about an attribute; [`validate`], [`query`], [`openapi`] and
//! the `policy` crate read it. Facts are Neutron's; where Neutron fails with an internal error on
//! a hostile value, this crate answers 400 instead. Owns no I/O, no state and no policy decision.

pub mod attribute;
pub mod convert;
pub mod extensions;
pub mod offer;
pub mod openapi;
pub mod pytext;
pub mod query;
pub mod resource;
pub mod resources;
pub mod validate;
pub mod validators;

pub use attribute::{Attribute, Convert, Initial, Shape, Validate};
pub use offer::Offer;
pub use resource::{MemberAction, Operations, Parent, Resource};
pub use resources::{
    address_group::ADDRESS_GROUPS,
    address_scope::ADDRESS_SCOPES,
    agent::{AGENTS, AVAILABILITY_ZONES},
    floating_ip::FLOATINGIPS,
    network::NETWORKS,
    port::{PORT_BINDINGS, PORTS},
    port_forwarding::{FLOATINGIP_POOLS, PORT_FORWARDINGS},
    quota::QUOTAS,
    rbac::RBAC_POLICIES,
    router::ROUTERS,
    security_group::{DEFAULT_SECURITY_GROUP_RULES, SECURITY_GROUP_RULES, SECURITY_GROUPS},
    service_provider::SERVICE_PROVIDERS,
    subnet::SUBNETS,
    subnetpool::SUBNETPOOLS,
};

/// Every resource, sub-resources included.
#[must_use]
pub fn resources() -> &'static [&'static Resource] {
    resources::all()
}

/// The top-level resource whose plural is `collection`, e.g. `networks`.
#[must_use]
pub fn resource(collection: &str) -> Option<&'static Resource> {
    resources().iter().copied().find(|r| r.parent.is_none() && r.collection == collection)
}
