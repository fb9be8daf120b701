//! Where ports are: ML2's bindings.

use neutrino_db::schema::{
    DistributedPortBindings as D, NetworkSegments, PortBindingLevels as L, PortBindings as B, Ports,
};

use super::{Column, Equal, Join, Mapping, PLAIN, column, columns};
use crate::convert;

pub(super) const MAPPINGS: &[Mapping] = &[BINDINGS, LEVELS, DISTRIBUTED];

/// The topmost of the levels, which is the only one there is without drivers for switches.
const TOP: Join = Join {
    table: "ml2_port_binding_levels",
    on: &[
        ("port_id", Equal::To(("ml2_port_bindings", "port_id"))),
        ("host", Equal::To(("ml2_port_bindings", "host"))),
        ("level", Equal::Number(0)),
    ],
};

const BINDINGS: Mapping = Mapping {
    target: B::Table.name(),
    key: &[B::PortId.name(), B::Host.name()],
    from: "ml2_port_bindings",
    joins: &[TOP],
    columns: &[
        column(B::PortId.name(), &[("ml2_port_bindings", "port_id")], convert::TEXT),
        column(B::Host.name(), &[("ml2_port_bindings", "host")], convert::OR_EMPTY),
        column(B::VnicType.name(), &[("ml2_port_bindings", "vnic_type")], convert::TEXT),
        column(B::Profile.name(), &[("ml2_port_bindings", "profile")], convert::OR_EMPTY),
        column(B::VifType.name(), &[("ml2_port_bindings", "vif_type")], convert::TEXT),
        Column {
            and: Some(("ml2_port_binding_levels", "driver")),
            ..column(
                B::VifDetails.name(),
                &[("ml2_port_bindings", "vif_details")],
                convert::VIF_DETAILS,
            )
        },
        column(B::Status.name(), &[("ml2_port_bindings", "status")], convert::TEXT),
    ],
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
