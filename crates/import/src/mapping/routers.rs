//! Routers, floating IPs, port forwardings, and which agents have them.

use neutrino_db::schema::{
    Agents, DvrFipGatewayPorts as G, FloatingIps as F, Networks, PortForwardings as W, Ports,
    RouterL3AgentBindings as B, RouterPorts as P, RouterRoutes as O, Routers as R,
};

use super::{Equal, Join, Mapping, PLAIN, Verdict, columns, one_of, standard};
use crate::convert::{self, is_true};

pub(super) const MAPPINGS: &[Mapping] =
    &[ROUTERS, INTERFACES, ROUTES, FLOATING_IPS, FORWARDINGS, L3_BINDINGS, DVR_GATEWAYS];

const ROUTERS: Mapping = Mapping {
    target: R::Table.name(),
    key: &[R::Id.name()],
    from: "routers",
    joins: &[
        standard!("routers"),
        one_of!("router_extra_attributes"."router_id" of "routers"),
        one_of!("router_ndp_proxy_state"."router_id" of "routers"),
    ],
    columns: columns!(R with standard from "routers":
        Id TEXT, ProjectId OR_EMPTY, Name OR_EMPTY, Status OR_EMPTY, AdminStateUp FLAG,
        GwPortId OPTIONAL, EnableSnat FLAG;
        Distributed ("router_extra_attributes"."distributed") FLAG,
        Ha ("router_extra_attributes"."ha") ALWAYS_FALSE,
        AvailabilityZoneHints ("router_extra_attributes"."availability_zone_hints") OR_EMPTY),
    refers: &[(("routers", "gw_port_id"), Ports::Table.name())],
    looks_at: &[
        ("router_extra_attributes", "ha"),
        ("router_extra_attributes", "enable_default_route_ecmp"),
        ("router_extra_attributes", "enable_default_route_bfd"),
        ("router_ndp_proxy_state", "enable_ndp_proxy"),
        ("routers", "flavor_id"),
    ],
    judge: what_a_router_loses,
    ..PLAIN
};

fn what_a_router_loses(seen: &[Option<String>]) -> Verdict {
    const FLAGS: [&str; 4] =
        ["ha", "enable_default_route_ecmp", "enable_default_route_bfd", "enable_ndp_proxy"];
    let is_set = |value: &Option<String>| value.as_deref().is_some_and(is_true);
    let flags = FLAGS.iter().zip(seen).filter(|(_, value)| is_set(value)).map(|(name, _)| *name);
    let flavor = seen.get(FLAGS.len()).and_then(Option::as_ref).map(|_| "flavor_id");
    let lost: Vec<_> = flags.chain(flavor).collect();
    if lost.is_empty() { Verdict::Carry } else { Verdict::CarryWithout(lost.join(", ")) }
}

const INTERFACES: Mapping = Mapping {
    target: P::Table.name(),
    key: &[P::RouterId.name(), P::PortId.name()],
    from: "routerports",
    columns: columns!(P from "routerports": RouterId TEXT, PortId TEXT, PortType DEVICE_OWNER;),
    refers: &[
        (("routerports", "router_id"), R::Table.name()),
        (("routerports", "port_id"), Ports::Table.name()),
    ],
    looks_at: &[("routerports", "port_type")],
    judge: |seen| match seen {
        [Some(owner)] if owner == convert::HA_PORT => {
            Verdict::Leave("the port of an HA router towards its other instances".into())
        }
        _ => Verdict::Carry,
    },
    ..PLAIN
};

const ROUTES: Mapping = Mapping {
    target: O::Table.name(),
    key: &[O::RouterId.name(), O::Destination.name(), O::Nexthop.name()],
    from: "routerroutes",
    columns: columns!(O from "routerroutes": RouterId TEXT, Destination TEXT, Nexthop TEXT;),
    refers: &[(("routerroutes", "router_id"), R::Table.name())],
    ..PLAIN
};

const FLOATING_IPS: Mapping = Mapping {
    target: F::Table.name(),
    key: &[F::Id.name()],
    from: "floatingips",
    joins: &[standard!("floatingips"), one_of!("floatingipdnses"."floatingip_id" of "floatingips")],
    columns: columns!(F with standard from "floatingips":
        Id TEXT, ProjectId OR_EMPTY, FloatingIpAddress TEXT, FloatingNetworkId TEXT,
        FloatingPortId TEXT, FixedPortId OPTIONAL, FixedIpAddress OPTIONAL, RouterId OPTIONAL,
        LastKnownRouterId OPTIONAL, Status OR_EMPTY;
        FloatingIpKey ("floatingips"."floating_ip_address") ADDRESS_KEY,
        DnsName ("floatingipdnses"."dns_name") OR_EMPTY,
        DnsDomain ("floatingipdnses"."dns_domain") OR_EMPTY),
    refers: &[
        (("floatingips", "floating_port_id"), Ports::Table.name()),
        (("floatingips", "fixed_port_id"), Ports::Table.name()),
        (("floatingips", "router_id"), R::Table.name()),
    ],
    replace: true,
    ..PLAIN
};

const FORWARDINGS: Mapping = Mapping {
    target: W::Table.name(),
    key: &[W::Id.name()],
    from: "portforwardings",
    joins: &[standard!("portforwardings")],
    columns: columns!(W with standard from "portforwardings":
        Id TEXT, FloatingIpId TEXT, InternalNeutronPortId TEXT, Protocol TEXT,
        InternalIpAddress TEXT, InternalPortStart INT, InternalPortEnd INT, ExternalPortStart INT,
        ExternalPortEnd INT;),
    refers: &[
        (("portforwardings", "floatingip_id"), F::Table.name()),
        (("portforwardings", "internal_neutron_port_id"), Ports::Table.name()),
    ],
    ..PLAIN
};

const L3_BINDINGS: Mapping = Mapping {
    target: B::Table.name(),
    key: &[B::RouterId.name(), B::L3AgentId.name()],
    from: "routerl3agentbindings",
    joins: &[Join {
        table: "router_extra_attributes",
        on: &[("router_id", Equal::To(("routerl3agentbindings", "router_id")))],
    }],
    columns: columns!(B from "routerl3agentbindings":
        RouterId TEXT, L3AgentId TEXT, BindingIndex INT;),
    refers: &[
        (("routerl3agentbindings", "router_id"), R::Table.name()),
        (("routerl3agentbindings", "l3_agent_id"), Agents::Table.name()),
    ],
    looks_at: &[("router_extra_attributes", "ha"), ("routerl3agentbindings", "binding_index")],
    judge: |seen| match seen {
        [Some(ha), Some(index)] if is_true(ha) && index != "1" => {
            Verdict::Leave("a further agent of an HA router, which has one now".into())
        }
        _ => Verdict::Carry,
    },
    replace: true,
    ..PLAIN
};

const DVR_GATEWAYS: Mapping = Mapping {
    target: G::Table.name(),
    key: &[G::NetworkId.name(), G::AgentId.name()],
    from: "dvr_fip_gateway_port_network",
    columns: columns!(G from "dvr_fip_gateway_port_network": NetworkId TEXT, AgentId TEXT;),
    refers: &[
        (("dvr_fip_gateway_port_network", "network_id"), Networks::Table.name()),
        (("dvr_fip_gateway_port_network", "agent_id"), Agents::Table.name()),
    ],
    ..PLAIN
};
