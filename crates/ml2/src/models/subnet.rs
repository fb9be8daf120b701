//! Subnets (`subnets` and what hangs on them).

use std::{collections::HashMap, net::IpAddr};

use ipnet::IpNet;
use neutrino_db::{
    Conn, DbResult, Prepared, RowRef, ip,
    list::Column,
    schema::{
        DnsNameservers as D, IpAllocationPools as P, IpAllocations, Networks, Ports,
        SubnetRoutes as H, SubnetServiceTypes as T, Subnets as S, Tags,
    },
    sea_query::{
        Cond, Condition, Expr, ExprTrait, InsertStatement, JoinType, Order, Query, SelectStatement,
    },
};
use neutrino_types::{Context, new_id};

use super::{
    is_in,
    network::{ACCESS_EXTERNAL, ACCESS_SHARED, granted},
};
use crate::ipam::{addr, pools::Pool};

/// A subnet with all that its view shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Subnet id.
    pub id: String,
    /// Owner.
    pub project_id: String,
    /// Its network.
    pub network_id: String,
    /// Segment of a routed network.
    pub segment_id: Option<String>,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// The block.
    pub cidr: IpNet,
    /// Gateway.
    pub gateway_ip: Option<IpAddr>,
    /// Whether DHCP serves it.
    pub enable_dhcp: bool,
    /// `ipv6_ra_mode`.
    pub ipv6_ra_mode: Option<String>,
    /// `ipv6_address_mode`.
    pub ipv6_address_mode: Option<String>,
    /// Pool it was taken from.
    pub subnetpool_id: Option<String>,
    /// `router:external` of its network.
    pub external: bool,
    /// Revision.
    pub revision: i64,
    /// Creation time.
    pub created_at: String,
    /// Time of the last change.
    pub updated_at: String,
    /// Ranges addresses are taken from.
    pub pools: Vec<Pool>,
    /// `dns_nameservers`.
    pub dns_nameservers: Vec<String>,
    /// `host_routes`: destination and next hop.
    pub host_routes: Vec<(String, String)>,
    /// `service_types`.
    pub service_types: Vec<String>,
    /// Its tags.
    pub tags: Vec<String>,
}

impl Subnet {
    /// 4 or 6.
    #[must_use]
    pub fn ip_version(&self) -> u8 {
        addr::net_version(&self.cidr)
    }

    /// Whether ports make their address from their MAC (`is_auto_address_subnet`).
    #[must_use]
    pub fn is_auto_address(&self) -> bool {
        const AUTO: [&str; 2] = ["slaac", "dhcpv6-stateless"];
        let is_auto = |mode: &Option<String>| mode.as_deref().is_some_and(|m| AUTO.contains(&m));
        is_auto(&self.ipv6_address_mode) || is_auto(&self.ipv6_ra_mode)
    }
}

/// The condition that `ctx` may see a subnet; `None` for admins.
#[must_use]
pub fn visible(ctx: &Context) -> Option<Condition> {
    (!ctx.sees_all_projects()).then(|| {
        Cond::any().add(Expr::col((S::Table, S::ProjectId)).eq(ctx.project())).add(granted(
            (S::Table, S::NetworkId),
            ctx.project(),
            &[ACCESS_SHARED, ACCESS_EXTERNAL],
        ))
    })
}

/// Where the columns begin that tell which child tables hold rows of the subnet.
const FLAGS: usize = 16;

/// FROM clause of subnet queries: subnets with their network.
#[must_use]
pub fn from() -> SelectStatement {
    Query::select()
        .from(S::Table)
        .join(
            JoinType::InnerJoin,
            Networks::Table,
            Expr::col((Networks::Table, Networks::Id)).equals((S::Table, S::NetworkId)),
        )
        .to_owned()
}

/// Their ids, in what [`from`] selects of.
#[must_use]
pub fn id() -> Expr {
    Expr::col((S::Table, S::Id))
}

/// By what subnets are filtered and sorted, in what [`from`] selects of.
pub const LISTED: &[Column] = &[
    Column::text("id", id),
    Column::text("name", || Expr::col((S::Table, S::Name))),
    Column::text("project_id", || Expr::col((S::Table, S::ProjectId))),
    Column::text("network_id", || Expr::col((S::Table, S::NetworkId))),
    Column::text("segment_id", || Expr::col((S::Table, S::SegmentId))).or_null(),
    Column::text("description", || Expr::col((S::Table, S::Description))),
    Column::int("ip_version", || Expr::col((S::Table, S::IpVersion))),
    Column::text("cidr", || Expr::col((S::Table, S::Cidr))),
    Column::text("gateway_ip", || Expr::col((S::Table, S::GatewayIp))).or_null(),
    Column::bool("enable_dhcp", || Expr::col((S::Table, S::EnableDhcp))),
    Column::text("ipv6_ra_mode", || Expr::col((S::Table, S::Ipv6RaMode))).or_null(),
    Column::text("ipv6_address_mode", || Expr::col((S::Table, S::Ipv6AddressMode))).or_null(),
    Column::text("subnetpool_id", || Expr::col((S::Table, S::SubnetpoolId))).or_null(),
    Column::bool("router:external", || Expr::col((Networks::Table, Networks::External))),
    Column::int("revision_number", || Expr::col((S::Table, S::RevisionNumber))),
    Column::text("created_at", || Expr::col((S::Table, S::CreatedAt))),
    Column::text("updated_at", || Expr::col((S::Table, S::UpdatedAt))),
];

/// The columns [`decode`] reads.
#[must_use]
pub fn exprs() -> Vec<Expr> {
    let columns = [
        S::Id,
        S::ProjectId,
        S::NetworkId,
        S::SegmentId,
        S::Name,
        S::Description,
        S::Cidr,
        S::GatewayIp,
        S::EnableDhcp,
        S::Ipv6RaMode,
        S::Ipv6AddressMode,
        S::SubnetpoolId,
        S::RevisionNumber,
        S::CreatedAt,
        S::UpdatedAt,
    ];
    let mut out: Vec<Expr> = columns.into_iter().map(|c| Expr::col((S::Table, c))).collect();
    out.push(Expr::col((Networks::Table, Networks::External)));
    let children = [
        Query::select().from(D::Table).and_where(of_subnet((D::Table, D::SubnetId))).take(),
        Query::select().from(H::Table).and_where(of_subnet((H::Table, H::SubnetId))).take(),
        Query::select().from(T::Table).and_where(of_subnet((T::Table, T::SubnetId))).take(),
        Query::select()
            .from(Tags::Table)
            .and_where(of_subnet((Tags::Table, Tags::ResourceId)))
            .take(),
    ];
    out.extend(children.map(|mut rows| Expr::exists(rows.expr(Expr::val(1)).take())));
    out
}

fn of_subnet(column: impl neutrino_db::sea_query::IntoColumnRef) -> Expr {
    Expr::col(column).equals((S::Table, S::Id))
}

/// A subnet and which of its child tables must be read.
pub struct Found {
    subnet: Subnet,
    children: [bool; 4],
}

/// A row of [`exprs`]; `None` when its CIDR cannot be read, which the writers rule out.
#[must_use]
pub fn decode(row: &RowRef<'_>) -> Option<Found> {
    Some(Found {
        subnet: Subnet {
            id: row.text(0),
            project_id: row.text(1),
            network_id: row.text(2),
            segment_id: row.opt_text(3),
            name: row.text(4),
            description: row.text(5),
            cidr: addr::parse_net(row.str(6))?,
            gateway_ip: row.opt_str(7).and_then(|ip| ip.parse().ok()),
            enable_dhcp: row.bool(8),
            ipv6_ra_mode: row.opt_text(9),
            ipv6_address_mode: row.opt_text(10),
            subnetpool_id: row.opt_text(11),
            revision: row.int(12),
            created_at: row.text(13),
            updated_at: row.text(14),
            external: row.bool(15),
            pools: Vec::new(),
            dns_nameservers: Vec::new(),
            host_routes: Vec::new(),
            service_types: Vec::new(),
            tags: Vec::new(),
        },
        children: [row.bool(FLAGS), row.bool(FLAGS + 1), row.bool(FLAGS + 2), row.bool(FLAGS + 3)],
    })
}

/// Reads what hangs on the subnets found.
///
/// # Errors
/// What the database refused.
pub async fn load_children(
    conn: &Conn,
    found: impl IntoIterator<Item = Option<Found>>,
) -> DbResult<Vec<Subnet>> {
    let found: Vec<Found> = found.into_iter().flatten().collect();
    let ids: Vec<String> = found.iter().map(|f| f.subnet.id.clone()).collect();
    let having = |flag: usize| -> Vec<&str> {
        found.iter().zip(&ids).filter(|(f, _)| f.children[flag]).map(|(_, id)| &**id).collect()
    };
    let all: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut pools =
        children(conn, &all, P::SubnetId, select_pools(), |r| Pool::parse(r.str(1), r.str(2)))
            .await?;
    let dns_query = Query::select()
        .columns([D::SubnetId, D::Address])
        .from(D::Table)
        .order_by(D::Order, Order::Asc)
        .to_owned();
    let mut dns = children(conn, &having(0), D::SubnetId, dns_query, |r| Some(r.text(1))).await?;
    let routes_query = Query::select()
        .columns([H::SubnetId, H::Destination, H::Nexthop])
        .from(H::Table)
        .order_by(H::Destination, Order::Asc)
        .order_by(H::Nexthop, Order::Asc)
        .to_owned();
    let mut routes =
        children(conn, &having(1), H::SubnetId, routes_query, |r| Some((r.text(1), r.text(2))))
            .await?;
    let types_query = Query::select()
        .columns([T::SubnetId, T::ServiceType])
        .from(T::Table)
        .order_by(T::ServiceType, Order::Asc)
        .to_owned();
    let mut types =
        children(conn, &having(2), T::SubnetId, types_query, |r| Some(r.text(1))).await?;
    let mut tags = super::tags(conn, &having(3)).await?;
    Ok(found
        .into_iter()
        .map(|Found { mut subnet, .. }| {
            subnet.pools = pools.remove(&subnet.id).unwrap_or_default();
            // Their column holds text, which sorts otherwise.
            subnet.pools.sort_unstable_by_key(|pool| pool.first);
            subnet.dns_nameservers = dns.remove(&subnet.id).unwrap_or_default();
            subnet.host_routes = routes.remove(&subnet.id).unwrap_or_default();
            subnet.service_types = types.remove(&subnet.id).unwrap_or_default();
            subnet.tags = tags.remove(&subnet.id).unwrap_or_default();
            subnet
        })
        .collect())
}

fn select_pools() -> SelectStatement {
    Query::select().columns([P::SubnetId, P::FirstIp, P::LastIp]).from(P::Table).to_owned()
}

async fn children<C, T>(
    conn: &Conn,
    ids: &[&str],
    key: C,
    mut query: SelectStatement,
    decode: fn(&RowRef<'_>) -> Option<T>,
) -> DbResult<HashMap<String, Vec<T>>>
where
    C: neutrino_db::sea_query::Iden + Copy + 'static,
    T: Send + 'static,
{
    let mut out: HashMap<String, Vec<T>> = HashMap::new();
    if ids.is_empty() {
        return Ok(out);
    }
    query.and_where(is_in(key, ids.iter().copied()));
    let rows = conn.fetch_map(&query, move |r| (r.text(0), decode(r))).await?;
    for (id, child) in rows {
        out.entry(id).or_default().extend(child);
    }
    Ok(out)
}

/// The subnets of several networks, oldest first, visible or not: what ports draw addresses from.
///
/// # Errors
/// What the database refused.
pub async fn by_networks(conn: &Conn, networks: &[&str]) -> DbResult<Vec<Subnet>> {
    let mut query = from();
    query
        .exprs(exprs())
        .and_where(is_in((S::Table, S::NetworkId), networks.iter().copied()))
        .order_by((S::Table, S::CreatedAt), Order::Asc);
    load_children(conn, conn.fetch_map(&query, decode).await?).await
}

/// The subnets with these ids that `ctx` may see.
///
/// # Errors
/// What the database refused.
pub async fn by_ids(conn: &Conn, ctx: &Context, ids: &[&str]) -> DbResult<Vec<Subnet>> {
    let mut query = from();
    query.exprs(exprs()).and_where(is_in((S::Table, S::Id), ids.iter().copied()));
    if let Some(visible) = visible(ctx) {
        query.cond_where(visible);
    }
    load_children(conn, conn.fetch_map(&query, decode).await?).await
}

/// Statements that store new subnets with all that hangs on them.
#[must_use]
pub fn insert(subnets: &[Subnet]) -> Vec<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(S::Table).columns([
        S::Id,
        S::ProjectId,
        S::NetworkId,
        S::SegmentId,
        S::Name,
        S::Description,
        S::IpVersion,
        S::Cidr,
        S::FirstIp,
        S::LastIp,
        S::GatewayIp,
        S::EnableDhcp,
        S::Ipv6RaMode,
        S::Ipv6AddressMode,
        S::SubnetpoolId,
        S::RevisionNumber,
        S::CreatedAt,
        S::UpdatedAt,
    ]);
    for s in subnets {
        let (first, last) = addr::bounds(&s.cidr);
        let version = s.ip_version();
        statement.values_panic([
            s.id.as_str().into(),
            s.project_id.as_str().into(),
            s.network_id.as_str().into(),
            s.segment_id.clone().into(),
            s.name.as_str().into(),
            s.description.as_str().into(),
            i32::from(version).into(),
            s.cidr.to_string().into(),
            ip::number_to_key(first, version).into(),
            ip::number_to_key(last, version).into(),
            s.gateway_ip.map(|g| g.to_string()).into(),
            s.enable_dhcp.into(),
            s.ipv6_ra_mode.clone().into(),
            s.ipv6_address_mode.clone().into(),
            s.subnetpool_id.clone().into(),
            s.revision.into(),
            s.created_at.as_str().into(),
            s.updated_at.as_str().into(),
        ]);
    }
    let mut out = vec![Prepared::new(&statement)];
    out.extend(insert_pools(subnets.iter().map(|s| (s.id.as_str(), s.pools.as_slice()))));
    out.extend(insert_dns(subnets.iter().map(|s| (&*s.id, s.dns_nameservers.as_slice()))));
    out.extend(insert_routes(subnets.iter().map(|s| (&*s.id, s.host_routes.as_slice()))));
    out.extend(insert_types(subnets.iter().map(|s| (&*s.id, s.service_types.as_slice()))));
    out
}

fn unless_empty(statement: &InsertStatement, rows: usize) -> Option<Prepared> {
    (rows > 0).then(|| Prepared::new(statement))
}

/// Stores allocation pools.
pub fn insert_pools<'a>(of: impl Iterator<Item = (&'a str, &'a [Pool])>) -> Option<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(P::Table).columns([P::Id, P::SubnetId, P::FirstIp, P::LastIp]);
    let mut rows = 0;
    for (subnet, pools) in of {
        for pool in pools {
            rows += 1;
            statement.values_panic([
                new_id().into(),
                subnet.into(),
                pool.start().to_string().into(),
                pool.end().to_string().into(),
            ]);
        }
    }
    unless_empty(&statement, rows)
}

/// Stores name servers, keeping their order.
pub fn insert_dns<'a>(of: impl Iterator<Item = (&'a str, &'a [String])>) -> Option<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(D::Table).columns([D::SubnetId, D::Address, D::Order]);
    let mut rows = 0;
    for (subnet, list) in of {
        for (order, address) in (0i32..).zip(list) {
            rows += 1;
            statement.values_panic([subnet.into(), address.as_str().into(), order.into()]);
        }
    }
    unless_empty(&statement, rows)
}

/// Stores host routes.
pub fn insert_routes<'a>(
    of: impl Iterator<Item = (&'a str, &'a [(String, String)])>,
) -> Option<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(H::Table).columns([H::SubnetId, H::Destination, H::Nexthop]);
    let mut rows = 0;
    for (subnet, list) in of {
        for (destination, nexthop) in list {
            rows += 1;
            statement.values_panic([
                subnet.into(),
                destination.as_str().into(),
                nexthop.as_str().into(),
            ]);
        }
    }
    unless_empty(&statement, rows)
}

/// Stores service types.
pub fn insert_types<'a>(of: impl Iterator<Item = (&'a str, &'a [String])>) -> Option<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(T::Table).columns([T::SubnetId, T::ServiceType]);
    let mut rows = 0;
    for (subnet, list) in of {
        for service_type in list {
            rows += 1;
            statement.values_panic([subnet.into(), service_type.as_str().into()]);
        }
    }
    unless_empty(&statement, rows)
}

/// A port that has an address of the subnet, with its owner; those `network:dhcp` and the like
/// are left out when `but_owners` names them.
///
/// # Errors
/// What the database refused.
pub async fn a_port_with_address(
    conn: &Conn,
    subnet: &str,
    condition: Option<Expr>,
) -> DbResult<Option<String>> {
    let mut query = Query::select();
    query
        .column((Ports::Table, Ports::Id))
        .from(IpAllocations::Table)
        .join(
            JoinType::InnerJoin,
            Ports::Table,
            Expr::col((Ports::Table, Ports::Id))
                .equals((IpAllocations::Table, IpAllocations::PortId)),
        )
        .and_where(Expr::col((IpAllocations::Table, IpAllocations::SubnetId)).eq(subnet))
        .limit(1);
    if let Some(condition) = condition {
        query.and_where(condition);
    }
    Ok(conn.fetch_opt(&query).await?.map(|r| r.text(0)))
}
