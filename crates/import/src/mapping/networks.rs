//! Networks and their segments.

use neutrino_db::schema::{
    Agents, NetworkDhcpAgentBindings as B, NetworkRbacs as R, NetworkSegments as S, Networks as N,
};

use super::{Equal, Join, Mapping, PLAIN, Verdict, columns, one_of, rbacs, standard};

pub(super) const MAPPINGS: &[Mapping] = &[NETWORKS, RBACS, SEGMENTS, DHCP_BINDINGS];

/// Networks that only carry the traffic of HA routers among themselves.
const HA_NETWORKS: Join =
    Join { table: "ha_router_networks", on: &[("network_id", Equal::To(("networks", "id")))] };

const NETWORKS: Mapping = Mapping {
    target: N::Table.name(),
    key: &[N::Id.name()],
    from: "networks",
    joins: &[
        standard!("networks"),
        one_of!("externalnetworks"."network_id" of "networks"),
        one_of!("networkdnsdomains"."network_id" of "networks"),
        one_of!("networksecuritybindings"."network_id" of "networks"),
        HA_NETWORKS,
    ],
    columns: columns!(N with standard from "networks":
        Id TEXT, ProjectId OR_EMPTY, Name OR_EMPTY, Status OR_EMPTY, AdminStateUp FLAG, Mtu INT,
        VlanTransparent OPTIONAL_FLAG, Qinq OPTIONAL_FLAG, AvailabilityZoneHints OR_EMPTY;
        PortSecurityEnabled ("networksecuritybindings"."port_security_enabled") FLAG_OR_TRUE,
        External ("externalnetworks"."network_id") IS_THERE,
        IsDefault ("externalnetworks"."is_default") FLAG,
        DnsDomain ("networkdnsdomains"."dns_domain") OR_EMPTY),
    looks_at: &[("ha_router_networks", "network_id")],
    judge: |seen| match seen {
        [Some(_)] => Verdict::Leave("a network of HA routers among themselves".into()),
        _ => Verdict::Carry,
    },
    ..PLAIN
};

const RBACS: Mapping = rbacs!(R from "networkrbacs" about N::Table.name());

const SEGMENTS: Mapping = Mapping {
    target: S::Table.name(),
    key: &[S::Id.name()],
    from: "networksegments",
    joins: &[standard!("networksegments")],
    columns: columns!(S with standard from "networksegments":
        Id TEXT, NetworkId TEXT, NetworkType TEXT, PhysicalNetwork OPTIONAL,
        SegmentationId OPTIONAL_INT, IsDynamic FLAG, SegmentIndex INT, Name OPTIONAL;),
    refers: &[(("networksegments", "network_id"), N::Table.name())],
    ..PLAIN
};

const DHCP_BINDINGS: Mapping = Mapping {
    target: B::Table.name(),
    key: &[B::NetworkId.name(), B::DhcpAgentId.name()],
    from: "networkdhcpagentbindings",
    columns: columns!(B from "networkdhcpagentbindings":
        NetworkId TEXT, DhcpAgentId TEXT, BindingIndex INT;),
    refers: &[
        (("networkdhcpagentbindings", "network_id"), N::Table.name()),
        (("networkdhcpagentbindings", "dhcp_agent_id"), Agents::Table.name()),
    ],
    replace: true,
    ..PLAIN
};
