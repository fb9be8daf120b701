//! `routers`.

use super::standard::{
    CHANGED_SINCE, CREATED_AT, DESCRIPTION, ID, NAME, NOT_TAGS, NOT_TAGS_ANY, PROJECT_ID,
    REVISION_NUMBER, TAGS, TAGS_ANY, TENANT_ID, UPDATED_AT,
};
use crate::{
    attribute::{Attribute, Convert, Initial, Shape, Validate},
    resource::{MemberAction, Operations, resource},
};

resource! {
    /// Routers between networks, and from them to an external network.
    ROUTERS: [
        ID,
        NAME,
        Attribute::writable("admin_state_up", Shape::Bool, "Whether the router forwards.")
            .default(Initial::Bool(true)).convert(Convert::Boolean).listed(),
        Attribute::read_only("status", Shape::Text, "State.").sort(),
        TENANT_ID,
        Attribute::writable("external_gateway_info", Shape::Object, "The external network, the router's addresses on it, and whether addresses are translated there; null for none.")
            .default(Initial::Null).validate(Validate::GatewayInfo).enforce_policy(),
        Attribute::writable("distributed", Shape::Bool, "Whether every host routes for its own instances.")
            .unset().convert(Convert::BooleanOrNone).enforce_policy().extension("dvr"),
        // Known so that a client may say false. The extension l3-ha is not offered: true is
        // refused.
        Attribute::writable("ha", Shape::Bool, "Whether hosts stand in for each other; only false so far.")
            .unset().convert(Convert::BooleanOrNone).enforce_policy(),
        Attribute::read_only("availability_zones", Shape::TextList, "Zones that serve the router.")
            .extension("router_availability_zone"),
        Attribute::create_only("availability_zone_hints", Shape::TextList, "Zones wished for.")
            .default(Initial::EmptyList).validate(Validate::AvailabilityZoneHints)
            .extension("router_availability_zone"),
        Attribute::update_only("routes", Shape::ObjectList, "Routes besides those to its subnets and through its gateway.")
            .unset().convert(Convert::NoneToEmptyList).validate(Validate::HostRoutes)
            .extension("extraroute"),
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
        collection: "routers",
        extension: "router",
        member: "router",
        path: "routers",
        operations: Operations::ALL,
        standard_attributes: true,
        // Those about interfaces want one of the attributes.
        actions: &[
            MemberAction {
                name: "add_router_interface",
                doc: "Add a subnet_id's gateway address or a port_id as interface.",
                body: &[],
            },
            MemberAction {
                name: "remove_router_interface",
                doc: "Remove the interface on subnet_id or the one of port_id.",
                body: &[],
            },
            MemberAction {
                name: "add_extraroutes",
                doc: "Add routes to those the router has.",
                body: &["router"],
            },
            MemberAction {
                name: "remove_extraroutes",
                doc: "Take routes from those the router has.",
                body: &["router"],
            },
        ],
    }
}
