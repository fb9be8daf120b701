//! Agents and quotas.

use neutrino_db::schema::{Agents as A, DvrHostMacs as M, Quotas as Q};

use super::{Mapping, PLAIN, columns};

pub(super) const MAPPINGS: &[Mapping] = &[AGENTS, QUOTAS, DVR_HOST_MACS];

const AGENTS: Mapping = Mapping {
    target: A::Table.name(),
    key: &[A::Id.name()],
    from: "agents",
    columns: columns!(A from "agents":
        Id TEXT, AgentType TEXT, Binary TEXT, Topic TEXT, Host TEXT, AvailabilityZone OPTIONAL,
        AdminStateUp FLAG, CreatedAt TIME, StartedAt TIME, HeartbeatTimestamp TIME,
        Description OPTIONAL, Configurations TEXT, ResourceVersions OPTIONAL, Load INT,
        ResourcesSynced OPTIONAL_FLAG;),
    ..PLAIN
};

const QUOTAS: Mapping = Mapping {
    target: Q::Table.name(),
    key: &[Q::ProjectId.name(), Q::Resource.name()],
    from: "quotas",
    columns: columns!(Q from "quotas": ProjectId TEXT, Resource TEXT, Limit INT;),
    ..PLAIN
};

const DVR_HOST_MACS: Mapping = Mapping {
    target: M::Table.name(),
    key: &[M::Host.name()],
    from: "dvr_host_macs",
    columns: columns!(M from "dvr_host_macs": Host TEXT, MacAddress TEXT;),
    replace: true,
    ..PLAIN
};
