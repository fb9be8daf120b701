//! `agents` and `availability_zones`.

use super::standard::DESCRIPTION_MAX;
use crate::{
    attribute::{Attribute, Convert, Shape, Validate},
    resource::{Operations, resource},
};

resource! {
    /// Agents that reported to the server.
    AGENTS: [
        Attribute::read_only("id", Shape::Uuid, "Identifier.")
            .validate(Validate::Uuid).listed().primary_key(),
        Attribute::read_only("agent_type", Shape::Text, "Kind, e.g. Open vSwitch agent.").listed(),
        Attribute::read_only("binary", Shape::Text, "Name of the program.").listed(),
        Attribute::read_only("topic", Shape::Text, "Where it listens.").listed(),
        Attribute::read_only("host", Shape::Text, "Host it runs on.").listed(),
        Attribute::update_only("admin_state_up", Shape::Bool, "Whether it gets new work.")
            .convert(Convert::Boolean).listed(),
        Attribute::read_only("created_at", Shape::Time, "First report (UTC).").sort(),
        Attribute::read_only("started_at", Shape::Time, "Last start (UTC).").sort(),
        Attribute::read_only("heartbeat_timestamp", Shape::Time, "Last report (UTC).").sort(),
        Attribute::read_only("alive", Shape::Bool, "Whether it reported lately.")
            .convert(Convert::Boolean).listed(),
        Attribute::read_only("configurations", Shape::Object, "What it says of itself."),
        Attribute::update_only("description", Shape::Text, "Text for people.")
            .validate(Validate::TextOrNone(DESCRIPTION_MAX)).listed(),
        Attribute::read_only("availability_zone", Shape::Text, "Zone of the agent.")
            .filter().extension("availability_zone"),
        Attribute::read_only("resources_synced", Shape::Bool, "Whether Placement knows its resources.")
            .extension("agent-resources-synced"),
    ], {
        collection: "agents",
        extension: "agent",
        member: "agent",
        path: "agents",
        parent: None,
        operations: Operations {
            list: true, show: true, create: false, bulk: false, update: true, delete: true,
        },
        validates_filters: true,
        standard_attributes: false,
    }
}

resource! {
    /// Zones agents belong to.
    AVAILABILITY_ZONES: [
        Attribute::read_only("name", Shape::Text, "Name of the zone.").filter().primary_key(),
        Attribute::read_only("resource", Shape::Text, "network or router.").filter(),
        Attribute::read_only("state", Shape::Text, "available or unavailable.").filter(),
    ], {
        collection: "availability_zones",
        extension: "availability_zone",
        member: "availability_zone",
        path: "availability_zones",
        parent: None,
        operations: Operations::LIST,
        validates_filters: true,
        standard_attributes: false,
    }
}
