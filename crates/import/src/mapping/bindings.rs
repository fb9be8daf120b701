//! Where ports are: ML2's bindings.

use neutrino_db::schema::{
    DistributedPortBindings as D, NetworkSegments, PortBindingLevels as L, PortBindings as B, Ports,
};

use super::{Mapping, PLAIN, columns};

pub(super) const MAPPINGS: &[Mapping] = &[BINDINGS, LEVELS, DISTRIBUTED];

const BINDINGS: Mapping = Mapping {
    target: B::Table.name(),
    key: &[B::PortId.name(), B::Host.name()],
    from: "ml2_port_bindings",
    columns: columns!(B from "ml2_port_bindings":
        PortId TEXT, Host OR_EMPTY, VnicType TEXT, Profile OR_EMPTY, VifType TEXT,
        VifDetails OR_EMPTY, Status TEXT;),
    refers: &[(("ml2_port_bindings", "port_id"), Ports::Table.name())],
    ..PLAIN
};

const LEVELS: Mapping = Mapping {
    target: L::Table.name(),
    key: &[L::PortId.name(), L::Host.name(), L::Level.name()],
    from: "ml2_port_binding_levels",
    columns: columns!(L from "ml2_port_binding_levels":
        PortId TEXT, Host TEXT, Level INT, Driver OPTIONAL, SegmentId OPTIONAL;),
    refers: &[
        (("ml2_port_binding_levels", "port_id"), Ports::Table.name()),
        (("ml2_port_binding_levels", "segment_id"), NetworkSegments::Table.name()),
    ],
    ..PLAIN
};

const DISTRIBUTED: Mapping = Mapping {
    target: D::Table.name(),
    key: &[D::PortId.name(), D::Host.name()],
    from: "ml2_distributed_port_bindings",
    columns: columns!(D from "ml2_distributed_port_bindings":
        PortId TEXT, Host TEXT, RouterId OPTIONAL, VifType TEXT, VifDetails OR_EMPTY,
        VnicType TEXT, Profile OR_EMPTY, Status TEXT;),
    refers: &[(("ml2_distributed_port_bindings", "port_id"), Ports::Table.name())],
    ..PLAIN
};
