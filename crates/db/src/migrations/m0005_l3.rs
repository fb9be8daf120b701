//! 0005: routers, floating IPs, port forwardings, scheduling to L3 agents, distributed routing.

use sea_query::{ForeignKeyAction, TableCreateStatement};

use super::{
    Step,
    ddl::{
        ADDRESS, ID, KEY, NAME, belongs_to, flag, index, int, opt_text, refers_to, standard, table,
        text, text_or_empty, unique,
    },
};
use crate::schema::{
    Agents, DistributedPortBindings, DvrFipGatewayPorts, DvrHostMacs, FloatingIps, Networks,
    PortForwardings, Ports, RouterL3AgentBindings, RouterPorts, RouterRoutes, Routers,
};

/// Length of a status, a protocol and a MAC.
const WORD: u32 = 40;

pub(super) fn steps() -> Vec<Step> {
    let mut out = Vec::new();
    routers(&mut out);
    floating_ips(&mut out);
    port_forwardings(&mut out);
    scheduling(&mut out);
    distributed(&mut out);
    out
}

fn add(out: &mut Vec<Step>, table: TableCreateStatement) {
    out.push(Step::Table(Box::new(table)));
}

fn add_index(out: &mut Vec<Step>, index: sea_query::IndexCreateStatement) {
    out.push(Step::Index(Box::new(index)));
}

fn routers(out: &mut Vec<Step>) {
    use Routers as R;
    let columns = [
        text(R::Id, ID),
        text_or_empty(R::ProjectId, NAME),
        text_or_empty(R::Name, NAME),
        text(R::Status, WORD),
        flag(R::AdminStateUp),
        opt_text(R::GwPortId, ID),
        flag(R::EnableSnat),
        flag(R::Distributed),
        flag(R::Ha),
        text_or_empty(R::AvailabilityZoneHints, NAME),
    ];
    let standard = standard(R::Description, R::RevisionNumber, R::CreatedAt, R::UpdatedAt);
    let mut routers = table(R::Table, columns.into_iter().chain(standard), [R::Id]);
    let port = (Ports::Table, Ports::Id);
    // The gateway is given up before its port goes.
    refers_to(&mut routers, (R::Table, R::GwPortId), port, ForeignKeyAction::Restrict);
    add(out, routers);
    add_index(out, index(R::Table, [R::ProjectId]));
    add_index(out, index(R::Table, [R::GwPortId]));

    use RouterPorts as P;
    let mut ports = table(
        P::Table,
        [text(P::RouterId, ID), text(P::PortId, ID), text(P::PortType, NAME)],
        [P::RouterId, P::PortId],
    );
    belongs_to(&mut ports, (P::Table, P::RouterId), (R::Table, R::Id));
    belongs_to(&mut ports, (P::Table, P::PortId), port);
    add(out, ports);
    add_index(out, unique(P::Table, [P::PortId]));

    use RouterRoutes as O;
    let mut routes = table(
        O::Table,
        [text(O::RouterId, ID), text(O::Destination, ADDRESS), text(O::Nexthop, ADDRESS)],
        [O::RouterId, O::Destination, O::Nexthop],
    );
    belongs_to(&mut routes, (O::Table, O::RouterId), (R::Table, R::Id));
    add(out, routes);
}

fn floating_ips(out: &mut Vec<Step>) {
    use FloatingIps as F;
    let columns = [
        text(F::Id, ID),
        text_or_empty(F::ProjectId, NAME),
        text(F::FloatingIpAddress, ADDRESS),
        text(F::FloatingIpKey, KEY),
        text(F::FloatingNetworkId, ID),
        text(F::FloatingPortId, ID),
        opt_text(F::FixedPortId, ID),
        opt_text(F::FixedIpAddress, ADDRESS),
        opt_text(F::RouterId, ID),
        opt_text(F::LastKnownRouterId, ID),
        text(F::Status, WORD),
        text_or_empty(F::DnsName, NAME),
        text_or_empty(F::DnsDomain, NAME),
    ];
    let standard = standard(F::Description, F::RevisionNumber, F::CreatedAt, F::UpdatedAt);
    let mut floating = table(F::Table, columns.into_iter().chain(standard), [F::Id]);
    let port = (Ports::Table, Ports::Id);
    belongs_to(&mut floating, (F::Table, F::FloatingPortId), port);
    // Who deletes the port takes the floating IP from it first.
    refers_to(&mut floating, (F::Table, F::FixedPortId), port, ForeignKeyAction::Restrict);
    let router = (Routers::Table, Routers::Id);
    refers_to(&mut floating, (F::Table, F::RouterId), router, ForeignKeyAction::Restrict);
    add(out, floating);
    add_index(out, unique(F::Table, [F::FloatingPortId]));
    // A port's address has at most one floating IP of an external network.
    let pair = [F::FloatingNetworkId, F::FixedPortId, F::FixedIpAddress];
    // The name made of the columns would be too long.
    add_index(out, unique(F::Table, pair).name("ix_floatingips_fixed_address").to_owned());
    add_index(out, index(F::Table, [F::FixedPortId]));
    add_index(out, index(F::Table, [F::RouterId]));
    add_index(out, index(F::Table, [F::ProjectId]));
}

fn port_forwardings(out: &mut Vec<Step>) {
    use PortForwardings as P;
    let columns = [
        text(P::Id, ID),
        text(P::FloatingIpId, ID),
        text(P::InternalNeutronPortId, ID),
        text(P::Protocol, WORD),
        text(P::InternalIpAddress, ADDRESS),
        int(P::InternalPortStart),
        int(P::InternalPortEnd),
        int(P::ExternalPortStart),
        int(P::ExternalPortEnd),
    ];
    let standard = standard(P::Description, P::RevisionNumber, P::CreatedAt, P::UpdatedAt);
    let mut forwardings = table(P::Table, columns.into_iter().chain(standard), [P::Id]);
    let floating = (FloatingIps::Table, FloatingIps::Id);
    belongs_to(&mut forwardings, (P::Table, P::FloatingIpId), floating);
    let port = (Ports::Table, Ports::Id);
    belongs_to(&mut forwardings, (P::Table, P::InternalNeutronPortId), port);
    add(out, forwardings);
    add_index(out, index(P::Table, [P::FloatingIpId]));
    add_index(out, index(P::Table, [P::InternalNeutronPortId]));
}

fn scheduling(out: &mut Vec<Step>) {
    use RouterL3AgentBindings as B;
    let mut bindings = table(
        B::Table,
        [text(B::RouterId, ID), text(B::L3AgentId, ID), int(B::BindingIndex)],
        [B::RouterId, B::L3AgentId],
    );
    belongs_to(&mut bindings, (B::Table, B::RouterId), (Routers::Table, Routers::Id));
    belongs_to(&mut bindings, (B::Table, B::L3AgentId), (Agents::Table, Agents::Id));
    add(out, bindings);
    add_index(out, unique(B::Table, [B::RouterId, B::BindingIndex]));
    add_index(out, index(B::Table, [B::L3AgentId]));
}

fn distributed(out: &mut Vec<Step>) {
    use DvrHostMacs as M;
    add(out, table(M::Table, [text(M::Host, NAME), text(M::MacAddress, WORD)], [M::Host]));
    add_index(out, unique(M::Table, [M::MacAddress]));

    use DvrFipGatewayPorts as G;
    let mut gateways =
        table(G::Table, [text(G::NetworkId, ID), text(G::AgentId, ID)], [G::NetworkId, G::AgentId]);
    belongs_to(&mut gateways, (G::Table, G::NetworkId), (Networks::Table, Networks::Id));
    belongs_to(&mut gateways, (G::Table, G::AgentId), (Agents::Table, Agents::Id));
    add(out, gateways);

    use DistributedPortBindings as D;
    let mut bindings = table(
        D::Table,
        [
            text(D::PortId, ID),
            text(D::Host, NAME),
            opt_text(D::RouterId, ID),
            text(D::VifType, 64),
            text_or_empty(D::VifDetails, 4095),
            text(D::VnicType, 64).default("normal").to_owned(),
            text_or_empty(D::Profile, 4095),
            text(D::Status, 16),
        ],
        [D::PortId, D::Host],
    );
    belongs_to(&mut bindings, (D::Table, D::PortId), (Ports::Table, Ports::Id));
    add(out, bindings);
    add_index(out, index(D::Table, [D::Host]));
    add_index(out, index(D::Table, [D::RouterId]));
}
