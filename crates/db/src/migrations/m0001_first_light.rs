//! 0001: networks, subnets, ports, ML2, agents, quotas, tags.

use sea_query::{ForeignKeyAction, TableCreateStatement};

use super::{
    Step,
    ddl::{
        ADDRESS, ID, KEY, NAME, TIME, belongs_to, big, flag, index, int, opt_flag, opt_text,
        refers_to, standard, table, text, text_or_empty, unique,
    },
};
use crate::schema::{
    Agents, AllowedAddressPairs, DnsNameservers, ExtraDhcpOpts, FlatAllocations, GeneveAllocations,
    GeneveEndpoints, GreAllocations, GreEndpoints, IpAllocationPools, IpAllocations, NetworkRbacs,
    NetworkSegments, Networks, PortBindingLevels, PortBindings, Ports, ProvisioningBlocks, Quotas,
    SubnetRoutes, SubnetServiceTypes, Subnets, Tags, VlanAllocations, VxlanAllocations,
    VxlanEndpoints,
};

pub(super) fn steps() -> Vec<Step> {
    let mut out = Vec::new();
    networks(&mut out);
    subnets(&mut out);
    ports(&mut out);
    bindings(&mut out);
    allocations(&mut out);
    services(&mut out);
    out
}

fn add(out: &mut Vec<Step>, table: TableCreateStatement) {
    out.push(Step::Table(Box::new(table)));
}

fn add_index(out: &mut Vec<Step>, index: sea_query::IndexCreateStatement) {
    out.push(Step::Index(Box::new(index)));
}

fn networks(out: &mut Vec<Step>) {
    use Networks as N;
    let columns = [
        text(N::Id, ID),
        text_or_empty(N::ProjectId, NAME),
        text_or_empty(N::Name, NAME),
        text(N::Status, 16),
        flag(N::AdminStateUp),
        int(N::Mtu),
        opt_flag(N::VlanTransparent),
        opt_flag(N::Qinq),
        flag(N::PortSecurityEnabled).default(true).to_owned(),
        flag(N::External).default(false).to_owned(),
        flag(N::IsDefault).default(false).to_owned(),
        text_or_empty(N::DnsDomain, NAME),
        text_or_empty(N::AvailabilityZoneHints, NAME),
    ];
    let standard = standard(N::Description, N::RevisionNumber, N::CreatedAt, N::UpdatedAt);
    add(out, table(N::Table, columns.into_iter().chain(standard), [N::Id]));
    add_index(out, index(N::Table, [N::ProjectId]));
    add_index(out, index(N::Table, [N::Name]));

    use NetworkRbacs as R;
    let mut rbacs = table(
        R::Table,
        [
            text(R::Id, ID),
            text_or_empty(R::ProjectId, NAME),
            text(R::ObjectId, ID),
            text(R::TargetProject, NAME),
            text(R::Action, NAME),
        ],
        [R::Id],
    );
    belongs_to(&mut rbacs, (R::Table, R::ObjectId), (N::Table, N::Id));
    add(out, rbacs);
    add_index(out, unique(R::Table, [R::ObjectId, R::Action, R::TargetProject]));
    add_index(out, index(R::Table, [R::TargetProject, R::Action]));

    use NetworkSegments as S;
    let columns = [
        text(S::Id, ID),
        text(S::NetworkId, ID),
        text(S::NetworkType, 32),
        opt_text(S::PhysicalNetwork, 64),
        big(S::SegmentationId).null().to_owned(),
        flag(S::IsDynamic).default(false).to_owned(),
        int(S::SegmentIndex).default(0).to_owned(),
        opt_text(S::Name, NAME),
    ];
    let standard =
        super::ddl::standard(S::Description, S::RevisionNumber, S::CreatedAt, S::UpdatedAt);
    let mut segments = table(S::Table, columns.into_iter().chain(standard), [S::Id]);
    belongs_to(&mut segments, (S::Table, S::NetworkId), (N::Table, N::Id));
    add(out, segments);
    add_index(out, index(S::Table, [S::NetworkId, S::SegmentIndex]));
    let mut by_segment = index(S::Table, [S::NetworkType, S::PhysicalNetwork, S::SegmentationId]);
    // Its own name would be longer than PostgreSQL's 63 characters.
    add_index(out, by_segment.name("ix_networksegments_segment").to_owned());
}

fn subnets(out: &mut Vec<Step>) {
    use Subnets as S;
    let columns = [
        text(S::Id, ID),
        text_or_empty(S::ProjectId, NAME),
        text(S::NetworkId, ID),
        opt_text(S::SegmentId, ID),
        text_or_empty(S::Name, NAME),
        int(S::IpVersion),
        text(S::Cidr, ADDRESS),
        text(S::FirstIp, KEY),
        text(S::LastIp, KEY),
        opt_text(S::GatewayIp, ADDRESS),
        flag(S::EnableDhcp),
        opt_text(S::Ipv6RaMode, 16),
        opt_text(S::Ipv6AddressMode, 16),
        opt_text(S::SubnetpoolId, ID),
    ];
    let standard = standard(S::Description, S::RevisionNumber, S::CreatedAt, S::UpdatedAt);
    let mut subnets = table(S::Table, columns.into_iter().chain(standard), [S::Id]);
    // A network in use is not deleted by accident: its subnets must go first.
    refers_to(
        &mut subnets,
        (S::Table, S::NetworkId),
        (Networks::Table, Networks::Id),
        ForeignKeyAction::Restrict,
    );
    refers_to(
        &mut subnets,
        (S::Table, S::SegmentId),
        (NetworkSegments::Table, NetworkSegments::Id),
        ForeignKeyAction::Restrict,
    );
    add(out, subnets);
    add_index(out, index(S::Table, [S::NetworkId]));
    add_index(out, index(S::Table, [S::SegmentId]));
    add_index(out, index(S::Table, [S::ProjectId]));
    add_index(out, index(S::Table, [S::Name]));
    add_index(out, index(S::Table, [S::SubnetpoolId]));

    use IpAllocationPools as P;
    child_of_subnet(
        out,
        table(
            P::Table,
            [
                text(P::Id, ID),
                text(P::SubnetId, ID),
                text(P::FirstIp, ADDRESS),
                text(P::LastIp, ADDRESS),
            ],
            [P::Id],
        ),
        (P::Table, P::SubnetId),
    );
    add_index(out, index(P::Table, [P::SubnetId]));

    use DnsNameservers as D;
    child_of_subnet(
        out,
        table(
            D::Table,
            [text(D::SubnetId, ID), text(D::Address, 128), int(D::Order).default(0).to_owned()],
            [D::SubnetId, D::Address],
        ),
        (D::Table, D::SubnetId),
    );

    use SubnetRoutes as R;
    child_of_subnet(
        out,
        table(
            R::Table,
            [text(R::SubnetId, ID), text(R::Destination, ADDRESS), text(R::Nexthop, ADDRESS)],
            [R::SubnetId, R::Destination, R::Nexthop],
        ),
        (R::Table, R::SubnetId),
    );

    use SubnetServiceTypes as T;
    child_of_subnet(
        out,
        table(
            T::Table,
            [text(T::SubnetId, ID), text(T::ServiceType, NAME)],
            [T::SubnetId, T::ServiceType],
        ),
        (T::Table, T::SubnetId),
    );
}

fn child_of_subnet<T: sea_query::Iden + Copy + 'static>(
    out: &mut Vec<Step>,
    mut table: TableCreateStatement,
    column: (T, T),
) {
    belongs_to(&mut table, column, (Subnets::Table, Subnets::Id));
    add(out, table);
}

fn child_of_port<T: sea_query::Iden + Copy + 'static>(
    out: &mut Vec<Step>,
    mut table: TableCreateStatement,
    column: (T, T),
) {
    belongs_to(&mut table, column, (Ports::Table, Ports::Id));
    add(out, table);
}

fn ports(out: &mut Vec<Step>) {
    use Ports as P;
    let columns = [
        text(P::Id, ID),
        text_or_empty(P::ProjectId, NAME),
        text(P::NetworkId, ID),
        text_or_empty(P::Name, NAME),
        text(P::MacAddress, 32),
        flag(P::AdminStateUp),
        text(P::Status, 16),
        text_or_empty(P::DeviceId, NAME),
        text_or_empty(P::DeviceOwner, NAME),
        opt_text(P::IpAllocation, 16),
        flag(P::PortSecurityEnabled).default(true).to_owned(),
        flag(P::PropagateUplinkStatus).default(true).to_owned(),
    ];
    let standard = standard(P::Description, P::RevisionNumber, P::CreatedAt, P::UpdatedAt);
    let mut ports = table(P::Table, columns.into_iter().chain(standard), [P::Id]);
    refers_to(
        &mut ports,
        (P::Table, P::NetworkId),
        (Networks::Table, Networks::Id),
        ForeignKeyAction::Restrict,
    );
    add(out, ports);
    add_index(out, unique(P::Table, [P::NetworkId, P::MacAddress]));
    add_index(out, index(P::Table, [P::NetworkId, P::DeviceOwner]));
    add_index(out, index(P::Table, [P::DeviceId]));
    add_index(out, index(P::Table, [P::ProjectId]));
    add_index(out, index(P::Table, [P::Name]));
    add_index(out, index(P::Table, [P::MacAddress]));

    use IpAllocations as I;
    let mut allocations = table(
        I::Table,
        [
            text(I::PortId, ID),
            text(I::IpAddress, ADDRESS),
            text(I::IpKey, KEY),
            text(I::SubnetId, ID),
            text(I::NetworkId, ID),
        ],
        [I::SubnetId, I::IpKey],
    );
    refers_to(
        &mut allocations,
        (I::Table, I::SubnetId),
        (Subnets::Table, Subnets::Id),
        ForeignKeyAction::Restrict,
    );
    child_of_port(out, allocations, (I::Table, I::PortId));
    add_index(out, index(I::Table, [I::PortId]));
    add_index(out, index(I::Table, [I::NetworkId, I::IpAddress]));
    add_index(out, index(I::Table, [I::IpAddress]));

    use AllowedAddressPairs as A;
    child_of_port(
        out,
        table(
            A::Table,
            [text(A::PortId, ID), text(A::MacAddress, 32), text(A::IpAddress, ADDRESS)],
            [A::PortId, A::MacAddress, A::IpAddress],
        ),
        (A::Table, A::PortId),
    );

    use ExtraDhcpOpts as E;
    child_of_port(
        out,
        table(
            E::Table,
            [
                text(E::Id, ID),
                text(E::PortId, ID),
                text(E::OptName, 64),
                text(E::OptValue, NAME),
                int(E::IpVersion).default(4).to_owned(),
            ],
            [E::Id],
        ),
        (E::Table, E::PortId),
    );
    add_index(out, unique(E::Table, [E::PortId, E::OptName, E::IpVersion]));

    use ProvisioningBlocks as B;
    child_of_port(
        out,
        table(B::Table, [text(B::PortId, ID), text(B::Entity, NAME)], [B::PortId, B::Entity]),
        (B::Table, B::PortId),
    );
}

fn bindings(out: &mut Vec<Step>) {
    use PortBindings as B;
    child_of_port(
        out,
        table(
            B::Table,
            [
                text(B::PortId, ID),
                text_or_empty(B::Host, NAME),
                text(B::VnicType, 64).default("normal").to_owned(),
                text_or_empty(B::Profile, 4095),
                text(B::VifType, 64),
                text_or_empty(B::VifDetails, 4095),
                text(B::Status, 16).default("ACTIVE").to_owned(),
            ],
            [B::PortId, B::Host],
        ),
        (B::Table, B::PortId),
    );
    add_index(out, index(B::Table, [B::Host]));

    use PortBindingLevels as L;
    let mut levels = table(
        L::Table,
        [
            text(L::PortId, ID),
            text(L::Host, NAME),
            int(L::Level),
            opt_text(L::Driver, 64),
            opt_text(L::SegmentId, ID),
        ],
        [L::PortId, L::Host, L::Level],
    );
    refers_to(
        &mut levels,
        (L::Table, L::SegmentId),
        (NetworkSegments::Table, NetworkSegments::Id),
        ForeignKeyAction::SetNull,
    );
    child_of_port(out, levels, (L::Table, L::PortId));
    add_index(out, index(L::Table, [L::SegmentId]));
}

fn allocations(out: &mut Vec<Step>) {
    use FlatAllocations as F;
    add(out, table(F::Table, [text(F::PhysicalNetwork, 64)], [F::PhysicalNetwork]));

    use VlanAllocations as V;
    add(
        out,
        table(
            V::Table,
            [text(V::PhysicalNetwork, 64), int(V::VlanId), flag(V::Allocated)],
            [V::PhysicalNetwork, V::VlanId],
        ),
    );

    tunnel_ids(out, GreAllocations::Table, GreAllocations::GreId, GreAllocations::Allocated);
    tunnel_ids(
        out,
        VxlanAllocations::Table,
        VxlanAllocations::VxlanVni,
        VxlanAllocations::Allocated,
    );
    tunnel_ids(
        out,
        GeneveAllocations::Table,
        GeneveAllocations::GeneveVni,
        GeneveAllocations::Allocated,
    );

    use GreEndpoints as G;
    add(out, table(G::Table, [text(G::IpAddress, 64), opt_text(G::Host, NAME)], [G::IpAddress]));
    add_index(out, unique(G::Table, [G::Host]));
    use VxlanEndpoints as X;
    add(
        out,
        table(
            X::Table,
            [text(X::IpAddress, 64), int(X::UdpPort), opt_text(X::Host, NAME)],
            [X::IpAddress],
        ),
    );
    add_index(out, unique(X::Table, [X::Host]));
    use GeneveEndpoints as E;
    add(out, table(E::Table, [text(E::IpAddress, 64), opt_text(E::Host, NAME)], [E::IpAddress]));
    add_index(out, unique(E::Table, [E::Host]));
}

fn tunnel_ids<T: sea_query::Iden + Copy + 'static>(
    out: &mut Vec<Step>,
    name: T,
    id: T,
    allocated: T,
) {
    add(out, table(name, [big(id), flag(allocated).default(false).to_owned()], [id]));
}

fn services(out: &mut Vec<Step>) {
    use Agents as A;
    add(
        out,
        table(
            A::Table,
            [
                text(A::Id, ID),
                text(A::AgentType, NAME),
                text(A::Binary, NAME),
                text(A::Topic, NAME),
                text(A::Host, NAME),
                opt_text(A::AvailabilityZone, NAME),
                flag(A::AdminStateUp),
                text(A::CreatedAt, TIME),
                text(A::StartedAt, TIME),
                text(A::HeartbeatTimestamp, TIME),
                opt_text(A::Description, NAME),
                text(A::Configurations, 4095),
                opt_text(A::ResourceVersions, 8191),
                int(A::Load).default(0).to_owned(),
                opt_flag(A::ResourcesSynced),
            ],
            [A::Id],
        ),
    );
    add_index(out, unique(A::Table, [A::AgentType, A::Host]));
    add_index(out, index(A::Table, [A::Host]));

    use Quotas as Q;
    add(
        out,
        table(
            Q::Table,
            [text(Q::ProjectId, NAME), text(Q::Resource, NAME), int(Q::Limit)],
            [Q::ProjectId, Q::Resource],
        ),
    );

    use Tags as T;
    add(
        out,
        table(
            T::Table,
            [text(T::ResourceId, ID), text(T::Tag, NAME), text(T::ResourceType, 64)],
            [T::ResourceId, T::Tag],
        ),
    );
    add_index(out, index(T::Table, [T::Tag, T::ResourceId]));
}
