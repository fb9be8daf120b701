//! Subnets and what hangs on them.

use neutrino_db::schema::{
    DnsNameservers as D, IpAllocationPools as P, NetworkSegments, Networks, SubnetRoutes as R,
    SubnetServiceTypes as T, Subnets as S,
};

use super::{Mapping, PLAIN, Verdict, columns, one_of, standard};

pub(super) const MAPPINGS: &[Mapping] = &[SUBNETS, POOLS, NAMESERVERS, ROUTES, SERVICE_TYPES];

const SUBNETS: Mapping = Mapping {
    target: S::Table.name(),
    key: &[S::Id.name()],
    from: "subnets",
    joins: &[
        standard!("subnets"),
        one_of!("subnet_dns_publish_fixed_ips"."subnet_id" of "subnets"),
    ],
    columns: columns!(S with standard from "subnets":
        Id TEXT, ProjectId OR_EMPTY, NetworkId TEXT, SegmentId OPTIONAL, Name OR_EMPTY,
        IpVersion INT, Cidr TEXT, GatewayIp OPTIONAL, EnableDhcp FLAG, Ipv6RaMode OPTIONAL,
        Ipv6AddressMode OPTIONAL, SubnetpoolId OPTIONAL;
        FirstIp ("subnets"."cidr") FIRST_KEY,
        LastIp ("subnets"."cidr") LAST_KEY),
    refers: &[
        (("subnets", "network_id"), Networks::Table.name()),
        (("subnets", "segment_id"), NetworkSegments::Table.name()),
    ],
    looks_at: &[("subnet_dns_publish_fixed_ips", "dns_publish_fixed_ip")],
    judge: |seen| match seen {
        [Some(published)] if crate::convert::is_true(published) => {
            Verdict::CarryWithout("dns_publish_fixed_ip".into())
        }
        _ => Verdict::Carry,
    },
    ..PLAIN
};

const POOLS: Mapping = Mapping {
    target: P::Table.name(),
    key: &[P::Id.name()],
    from: "ipallocationpools",
    columns: columns!(P from "ipallocationpools": Id TEXT, SubnetId TEXT, FirstIp TEXT, LastIp TEXT;),
    refers: &[(("ipallocationpools", "subnet_id"), S::Table.name())],
    ..PLAIN
};

const NAMESERVERS: Mapping = Mapping {
    target: D::Table.name(),
    key: &[D::SubnetId.name(), D::Address.name()],
    from: "dnsnameservers",
    columns: columns!(D from "dnsnameservers": SubnetId TEXT, Address TEXT, Order INT;),
    refers: &[(("dnsnameservers", "subnet_id"), S::Table.name())],
    ..PLAIN
};

const ROUTES: Mapping = Mapping {
    target: R::Table.name(),
    key: &[R::SubnetId.name(), R::Destination.name(), R::Nexthop.name()],
    from: "subnetroutes",
    columns: columns!(R from "subnetroutes": SubnetId TEXT, Destination TEXT, Nexthop TEXT;),
    refers: &[(("subnetroutes", "subnet_id"), S::Table.name())],
    ..PLAIN
};

const SERVICE_TYPES: Mapping = Mapping {
    target: T::Table.name(),
    key: &[T::SubnetId.name(), T::ServiceType.name()],
    from: "subnet_service_types",
    columns: columns!(T from "subnet_service_types": SubnetId TEXT, ServiceType TEXT;),
    refers: &[(("subnet_service_types", "subnet_id"), S::Table.name())],
    ..PLAIN
};
