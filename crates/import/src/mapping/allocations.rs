//! Segmentation ids in use, tunnel endpoints, tags.
//!
//! Neutron has a row for every id of the configured ranges; ours are those in use (ADR 5), which
//! are those of the segments.

use neutrino_db::schema::{
    FlatAllocations as F, GeneveAllocations as N, GeneveEndpoints as NE, GreAllocations as G,
    GreEndpoints as GE, Networks, Tags as T, VlanAllocations as V, VxlanAllocations as X,
    VxlanEndpoints as XE,
};

use super::{At, Column, Equal, Join, Mapping, PLAIN, STANDARD, Verdict, column, columns};
use crate::convert;

pub(super) const MAPPINGS: &[Mapping] =
    &[FLAT, VLAN, GRE, VXLAN, GENEVE, GRE_ENDPOINTS, VXLAN_ENDPOINTS, GENEVE_ENDPOINTS, TAGS];

/// Segments, which say which ids are in use.
const SEGMENTS: Mapping = Mapping {
    from: "networksegments",
    refers: &[(("networksegments", "network_id"), Networks::Table.name())],
    ..PLAIN
};

const FLAT: Mapping = Mapping {
    target: F::Table.name(),
    key: &[F::PhysicalNetwork.name()],
    only: Some(("network_type", "flat")),
    columns: columns!(F from "networksegments": PhysicalNetwork TEXT;),
    ..SEGMENTS
};

const VLAN: Mapping = Mapping {
    target: V::Table.name(),
    key: &[V::PhysicalNetwork.name(), V::VlanId.name()],
    only: Some(("network_type", "vlan")),
    columns: columns!(V from "networksegments": PhysicalNetwork TEXT;
        VlanId ("networksegments"."segmentation_id") INT,
        Allocated ("networksegments"."id") IS_THERE),
    ..SEGMENTS
};

/// The ids in use of one tunnel type.
macro_rules! tunnel {
    ($ours:ident . $id:ident, $type:literal) => {
        Mapping {
            target: $ours::Table.name(),
            key: &[$ours::$id.name()],
            only: Some(("network_type", $type)),
            columns: columns!($ours from "networksegments": ;
                $id ("networksegments"."segmentation_id") INT,
                Allocated ("networksegments"."id") IS_THERE),
            ..SEGMENTS
        }
    };
}

const GRE: Mapping = tunnel!(G.GreId, "gre");
const VXLAN: Mapping = tunnel!(X.VxlanVni, "vxlan");
const GENEVE: Mapping = tunnel!(N.GeneveVni, "geneve");

const GRE_ENDPOINTS: Mapping = Mapping {
    target: GE::Table.name(),
    key: &[GE::IpAddress.name()],
    from: "ml2_gre_endpoints",
    columns: columns!(GE from "ml2_gre_endpoints": IpAddress TEXT, Host OPTIONAL;),
    replace: true,
    ..PLAIN
};

const VXLAN_ENDPOINTS: Mapping = Mapping {
    target: XE::Table.name(),
    key: &[XE::IpAddress.name()],
    from: "ml2_vxlan_endpoints",
    columns: columns!(XE from "ml2_vxlan_endpoints": IpAddress TEXT, UdpPort INT, Host OPTIONAL;),
    replace: true,
    ..PLAIN
};

const GENEVE_ENDPOINTS: Mapping = Mapping {
    target: NE::Table.name(),
    key: &[NE::IpAddress.name()],
    from: "ml2_geneve_endpoints",
    columns: columns!(NE from "ml2_geneve_endpoints": IpAddress TEXT, Host OPTIONAL;),
    replace: true,
    ..PLAIN
};

/// The table of a kind of resource that has tags.
macro_rules! tagged {
    ($table:literal) => {
        Join { table: $table, on: &[("standard_attr_id", Equal::To(("tags", "standard_attr_id")))] }
    };
}

const TAGS: Mapping = Mapping {
    target: T::Table.name(),
    key: &[T::ResourceId.name(), T::Tag.name()],
    from: "tags",
    joins: &[
        Join { table: STANDARD, on: &[("id", Equal::To(("tags", "standard_attr_id")))] },
        tagged!("networks"),
        tagged!("subnets"),
        tagged!("ports"),
        tagged!("subnetpools"),
        tagged!("routers"),
        tagged!("floatingips"),
        tagged!("securitygroups"),
    ],
    columns: &[
        Column { to: T::ResourceId.name(), from: TAGGED, and: None, convert: convert::TEXT },
        column(T::Tag.name(), &[("tags", "tag")], convert::TEXT),
        column(T::ResourceType.name(), &[(STANDARD, "resource_type")], convert::COLLECTION),
    ],
    looks_at: &[(STANDARD, "resource_type")],
    judge: |seen| match seen {
        [Some(table)] if TAGGED.iter().any(|(tagged, _)| tagged == table) => Verdict::Carry,
        [table] => Verdict::Leave(format!(
            "a tag of something of table {}, which has none here",
            table.as_deref().unwrap_or("unknown"),
        )),
        _ => Verdict::Carry,
    },
    // An id belongs to one of them.
    refers: &[
        (("networks", "id"), Networks::Table.name()),
        (("ports", "id"), neutrino_db::schema::Ports::Table.name()),
        (("subnets", "id"), neutrino_db::schema::Subnets::Table.name()),
        (("routers", "id"), neutrino_db::schema::Routers::Table.name()),
        (("floatingips", "id"), neutrino_db::schema::FloatingIps::Table.name()),
    ],
    ..PLAIN
};

const TAGGED: &[At] = &[
    ("networks", "id"),
    ("subnets", "id"),
    ("ports", "id"),
    ("subnetpools", "id"),
    ("routers", "id"),
    ("floatingips", "id"),
    ("securitygroups", "id"),
];
