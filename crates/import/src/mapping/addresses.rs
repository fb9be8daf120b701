//! Address scopes, subnet pools, address groups.

use neutrino_db::schema::{
    AddressAssociations as AA, AddressGroupRbacs as GR, AddressGroups as G,
    AddressScopeRbacs as SR, AddressScopes as S, SubnetPoolPrefixes as PP, SubnetPoolRbacs as PR,
    SubnetPools as P,
};

use super::{Mapping, PLAIN, columns, rbacs, standard};

pub(super) const MAPPINGS: &[Mapping] =
    &[SCOPES, SCOPE_RBACS, POOLS, PREFIXES, POOL_RBACS, GROUPS, ASSOCIATIONS, GROUP_RBACS];

const SCOPES: Mapping = Mapping {
    target: S::Table.name(),
    key: &[S::Id.name()],
    from: "address_scopes",
    columns: columns!(S from "address_scopes": Id TEXT, ProjectId OR_EMPTY, Name TEXT, IpVersion INT;),
    ..PLAIN
};

const SCOPE_RBACS: Mapping = rbacs!(SR from "addressscoperbacs" about S::Table.name());

const POOLS: Mapping = Mapping {
    target: P::Table.name(),
    key: &[P::Id.name()],
    from: "subnetpools",
    joins: &[standard!("subnetpools")],
    columns: columns!(P with standard from "subnetpools":
        Id TEXT, ProjectId OR_EMPTY, Name OR_EMPTY, IpVersion INT, DefaultPrefixlen INT,
        MinPrefixlen INT, MaxPrefixlen INT, IsDefault FLAG, DefaultQuota OPTIONAL_INT, Hash TEXT,
        AddressScopeId OPTIONAL;),
    refers: &[(("subnetpools", "address_scope_id"), S::Table.name())],
    ..PLAIN
};

const PREFIXES: Mapping = Mapping {
    target: PP::Table.name(),
    key: &[PP::SubnetpoolId.name(), PP::Cidr.name()],
    from: "subnetpoolprefixes",
    columns: columns!(PP from "subnetpoolprefixes": SubnetpoolId TEXT, Cidr TEXT;),
    refers: &[(("subnetpoolprefixes", "subnetpool_id"), P::Table.name())],
    ..PLAIN
};

const POOL_RBACS: Mapping = rbacs!(PR from "subnetpoolrbacs" about P::Table.name());

const GROUPS: Mapping = Mapping {
    target: G::Table.name(),
    key: &[G::Id.name()],
    from: "address_groups",
    joins: &[standard!("address_groups")],
    columns: columns!(G with standard from "address_groups": Id TEXT, ProjectId OR_EMPTY, Name OR_EMPTY;),
    ..PLAIN
};

const ASSOCIATIONS: Mapping = Mapping {
    target: AA::Table.name(),
    key: &[AA::AddressGroupId.name(), AA::Address.name()],
    from: "address_associations",
    columns: columns!(AA from "address_associations": AddressGroupId TEXT, Address TEXT;),
    refers: &[(("address_associations", "address_group_id"), G::Table.name())],
    ..PLAIN
};

const GROUP_RBACS: Mapping = rbacs!(GR from "addressgrouprbacs" about G::Table.name());
