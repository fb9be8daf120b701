//! Security groups, their rules, and what new groups start with.

use neutrino_db::schema::{
    AddressGroups, DefaultSecurityGroups as D, SecurityGroupDefaultRules as T,
    SecurityGroupRbacs as B, SecurityGroupRules as R, SecurityGroups as G,
};

use super::{Mapping, PLAIN, columns, rbacs, standard};

pub(super) const MAPPINGS: &[Mapping] = &[GROUPS, DEFAULT_GROUPS, RBACS, RULES, DEFAULT_RULES];

const GROUPS: Mapping = Mapping {
    target: G::Table.name(),
    key: &[G::Id.name()],
    from: "securitygroups",
    joins: &[standard!("securitygroups")],
    columns: columns!(G with standard from "securitygroups":
        Id TEXT, ProjectId OR_EMPTY, Name OR_EMPTY, Stateful FLAG;),
    ..PLAIN
};

const DEFAULT_GROUPS: Mapping = Mapping {
    target: D::Table.name(),
    key: &[D::ProjectId.name()],
    from: "default_security_group",
    columns: columns!(D from "default_security_group": ProjectId TEXT, SecurityGroupId TEXT;),
    refers: &[(("default_security_group", "security_group_id"), G::Table.name())],
    ..PLAIN
};

const RBACS: Mapping = rbacs!(B from "securitygrouprbacs" about G::Table.name());

const RULES: Mapping = Mapping {
    target: R::Table.name(),
    key: &[R::Id.name()],
    from: "securitygrouprules",
    joins: &[standard!("securitygrouprules")],
    columns: columns!(R from "securitygrouprules":
        Id TEXT, ProjectId OR_EMPTY, SecurityGroupId TEXT, RemoteGroupId OPTIONAL,
        RemoteAddressGroupId OPTIONAL, Direction TEXT, Ethertype TEXT, Protocol OPTIONAL,
        PortRangeMin OPTIONAL_INT, PortRangeMax OPTIONAL_INT, RemoteIpPrefix OPTIONAL;
        NormalizedCidr ("securitygrouprules"."remote_ip_prefix") NETWORK,
        Description ("standardattributes"."description") OPTIONAL,
        RevisionNumber ("standardattributes"."revision_number") INT,
        CreatedAt ("standardattributes"."created_at") TIME,
        UpdatedAt ("standardattributes"."updated_at") TIME),
    refers: &[
        (("securitygrouprules", "security_group_id"), G::Table.name()),
        (("securitygrouprules", "remote_group_id"), G::Table.name()),
        (("securitygrouprules", "remote_address_group_id"), AddressGroups::Table.name()),
    ],
    ..PLAIN
};

const DEFAULT_RULES: Mapping = Mapping {
    target: T::Table.name(),
    key: &[T::Id.name()],
    from: "securitygroupdefaultrules",
    joins: &[standard!("securitygroupdefaultrules")],
    columns: columns!(T from "securitygroupdefaultrules":
        Id TEXT, RemoteGroupId OPTIONAL, RemoteAddressGroupId OPTIONAL, Direction TEXT,
        Ethertype TEXT, Protocol OPTIONAL, PortRangeMin OPTIONAL_INT, PortRangeMax OPTIONAL_INT,
        RemoteIpPrefix OPTIONAL, UsedInDefaultSg FLAG, UsedInNonDefaultSg FLAG;
        Description ("standardattributes"."description") OR_EMPTY),
    ..PLAIN
};
