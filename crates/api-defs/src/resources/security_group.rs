//! `security_groups`, `security_group_rules`, `default_security_group_rules`.

use super::standard::{
    CHANGED_SINCE, CREATED_AT, DESCRIPTION, ID, NAME_MAX, NOT_TAGS, NOT_TAGS_ANY, PROJECT_ID,
    PROJECT_ID_MAX, REVISION_NUMBER, TAGS, TAGS_ANY, TENANT_ID, UPDATED_AT,
};
use crate::{
    attribute::{Attribute, Convert, Initial, Shape, Validate},
    resource::{Operations, resource},
};

/// Values of `direction`.
pub const DIRECTIONS: &[&str] = &["ingress", "egress"];
/// Values of `ethertype`.
pub const ETHERTYPES: &[&str] = &["IPv4", "IPv6"];

/// Longest id of another resource in a rule, in characters.
const ID_MAX: usize = 36;
/// Longest `description` of a default rule, in characters.
const LONG_DESCRIPTION_MAX: usize = 1024;

// What rules and default rules have in common.

const DIRECTION: Attribute = Attribute::create_only(
    "direction",
    Shape::Text,
    "Whether it is about traffic to or from a port.",
)
.validate(Validate::OneOf(DIRECTIONS))
.listed();
const ETHERTYPE: Attribute = Attribute::create_only("ethertype", Shape::Text, "IPv4 or IPv6.")
    .default(Initial::Text("IPv4"))
    .convert(Convert::Ethertype)
    .validate(Validate::OneOf(ETHERTYPES))
    .listed();
const PROTOCOL: Attribute =
    Attribute::create_only("protocol", Shape::Text, "Name or number; null is any.")
        .default(Initial::Null)
        .convert(Convert::Protocol)
        .listed();
const PORT_RANGE_MIN: Attribute =
    Attribute::create_only("port_range_min", Shape::Int, "First port, or the ICMP type.")
        .default(Initial::Null)
        .convert(Convert::PortNumber)
        .listed();
const PORT_RANGE_MAX: Attribute =
    Attribute::create_only("port_range_max", Shape::Int, "Last port, or the ICMP code.")
        .default(Initial::Null)
        .convert(Convert::PortNumber)
        .listed();
const REMOTE_IP_PREFIX: Attribute =
    Attribute::create_only("remote_ip_prefix", Shape::Text, "Addresses of the other side.")
        .default(Initial::Null)
        .convert(Convert::IpPrefix)
        .listed();
const REMOTE_GROUP_ID: Attribute =
    Attribute::create_only("remote_group_id", Shape::Text, "Group the other side is in.")
        .default(Initial::Null)
        .validate(Validate::TextOrNone(NAME_MAX))
        .listed();
const REMOTE_ADDRESS_GROUP_ID: Attribute = Attribute::create_only(
    "remote_address_group_id",
    Shape::Text,
    "Address group the other side is in.",
)
.default(Initial::Null)
.validate(Validate::TextOrNone(NAME_MAX))
.listed()
.extension("security-groups-remote-address-group");

resource! {
    /// Sets of rules that ports are protected by.
    SECURITY_GROUPS: [
        ID,
        Attribute::writable("name", Shape::Text, "Name, need not be unique.")
            .default(Initial::Text("")).validate(Validate::NameNotDefault(NAME_MAX)).listed(),
        TENANT_ID,
        Attribute::read_only("security_group_rules", Shape::ObjectList, "Its rules."),
        Attribute::writable("stateful", Shape::Bool, "Whether answers of allowed connections pass.")
            .default(Initial::Bool(true)).convert(Convert::Boolean).filter()
            .extension("stateful-security-group"),
        Attribute::read_only("shared", Shape::Bool, "Whether other projects may use it.")
            .convert(Convert::Boolean).filter().required_by_policy().enforce_policy()
            .extension("security-groups-shared-filtering"),
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
        collection: "security_groups",
        extension: "security-group",
        member: "security_group",
        path: "security-groups",
        parent: None,
        operations: Operations::ALL,
        validates_filters: true,
        standard_attributes: true,
    }
}

resource! {
    /// What a security group lets through. A rule is never changed.
    SECURITY_GROUP_RULES: [
        ID,
        Attribute::create_only("security_group_id", Shape::Uuid, "Group of the rule.")
            .validate(Validate::Text(ID_MAX)).required_by_policy().listed(),
        REMOTE_GROUP_ID,
        DIRECTION,
        PROTOCOL,
        PORT_RANGE_MIN,
        PORT_RANGE_MAX,
        ETHERTYPE,
        REMOTE_IP_PREFIX,
        TENANT_ID,
        REMOTE_ADDRESS_GROUP_ID,
        Attribute::read_only("normalized_cidr", Shape::Text, "The network of remote_ip_prefix.")
            .listed().extension("security-groups-normalized-cidr"),
        Attribute::read_only("belongs_to_default_sg", Shape::Bool, "Whether its group is a project's default one.")
            .convert(Convert::Boolean).filter()
            .extension("security-groups-rules-belongs-to-default-sg"),
        DESCRIPTION,
        REVISION_NUMBER,
        CREATED_AT,
        UPDATED_AT,
        CHANGED_SINCE,
        PROJECT_ID,
    ], {
        collection: "security_group_rules",
        extension: "security-group",
        member: "security_group_rule",
        path: "security-group-rules",
        parent: None,
        operations: Operations { update: false, ..Operations::ALL },
        validates_filters: true,
        standard_attributes: true,
    }
}

resource! {
    /// Rules that new security groups start with.
    DEFAULT_SECURITY_GROUP_RULES: [
        ID,
        Attribute::create_only("tenant_id", Shape::Text, "Accepted, but such rules have no owner.")
            .validate(Validate::Text(PROJECT_ID_MAX)).required_by_policy().hidden(),
        Attribute::create_only("description", Shape::Text, "Text for people.")
            .default(Initial::Text("")).validate(Validate::Text(LONG_DESCRIPTION_MAX)).filter(),
        REMOTE_GROUP_ID,
        REMOTE_ADDRESS_GROUP_ID,
        DIRECTION,
        PROTOCOL,
        PORT_RANGE_MIN,
        PORT_RANGE_MAX,
        ETHERTYPE,
        REMOTE_IP_PREFIX,
        Attribute::create_only("used_in_default_sg", Shape::Bool, "Whether projects' default groups start with it.")
            .convert(Convert::Boolean).filter(),
        Attribute::create_only("used_in_non_default_sg", Shape::Bool, "Whether other groups start with it.")
            .convert(Convert::Boolean).filter(),
        Attribute::create_only("project_id", Shape::Text, "Accepted, but such rules have no owner.")
            .validate(Validate::Text(PROJECT_ID_MAX)).required_by_policy().hidden(),
    ], {
        collection: "default_security_group_rules",
        extension: "security-groups-default-rules",
        member: "default_security_group_rule",
        path: "default-security-group-rules",
        parent: None,
        operations: Operations { update: false, bulk: false, ..Operations::ALL },
        validates_filters: true,
        standard_attributes: false,
    }
}
