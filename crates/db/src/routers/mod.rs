//! Routers: rows, and the statements that read and write them.

pub mod ports;

use std::{collections::HashMap, net::IpAddr};

use neutrino_types::{Context, constants::status, new_id};
use sea_query::{
    Condition, Expr, ExprTrait, IntoColumnRef, JoinType, Order, Query, SelectStatement,
};

use crate::{
    Conn, DbResult, Prepared, RowRef,
    list::{any_of, scope},
    schema::{
        Agents, IpAllocations as I, Ports, RouterL3AgentBindings as B, RouterRoutes as O,
        Routers as R, Tags,
    },
    tags, time,
};

/// One address of a gateway port.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct GatewayIp {
    /// Its subnet.
    pub subnet_id: String,
    /// The address.
    pub ip_address: IpAddr,
}

/// A router's port on its external network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// The port.
    pub port_id: String,
    /// The external network.
    pub network_id: String,
    /// The port's addresses.
    pub fixed_ips: Vec<GatewayIp>,
}

/// One extra route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Route {
    /// CIDR.
    pub destination: String,
    /// Address of the next hop.
    pub nexthop: String,
}

/// A router with all that its view shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Router {
    /// Router id.
    pub id: String,
    /// Owner.
    pub project_id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// `ACTIVE`, or `ERROR` where it could not be built.
    pub status: String,
    /// Administrative state.
    pub admin_state_up: bool,
    /// The gateway; its addresses when loaded.
    pub gateway: Option<Gateway>,
    /// Whether traffic through the gateway is translated to its address.
    pub enable_snat: bool,
    /// Whether every host routes for its own instances.
    pub distributed: bool,
    /// Whether several hosts stand in for each other.
    pub ha: bool,
    /// `availability_zone_hints` as stored: a JSON list or empty.
    pub az_hints: String,
    /// Counts its changes, those of its interfaces and of its routes.
    pub revision: i64,
    /// Creation time.
    pub created_at: String,
    /// Time of the last change.
    pub updated_at: String,
    /// Which child tables hold rows of the router: routes, agents, tags.
    children: [bool; 3],
    /// Extra routes, when loaded.
    pub routes: Vec<Route>,
    /// The availability zones of its L3 agents, when loaded.
    pub zones: Vec<String>,
    /// Its tags, when loaded.
    pub tags: Vec<String>,
}

impl Router {
    /// A router of `project` that is not stored yet, of revision 1 and created now.
    #[must_use]
    pub fn new(project: &str) -> Self {
        let now = time::now();
        Self {
            id: new_id(),
            project_id: project.into(),
            status: status::ACTIVE.into(),
            admin_state_up: true,
            enable_snat: true,
            revision: 1,
            created_at: now.clone(),
            updated_at: now,
            ..Self::default()
        }
    }

    /// The same router with another gateway, or none.
    #[must_use]
    pub fn with_gateway(&self, gateway: Option<Gateway>) -> Self {
        Self { gateway, ..self.clone() }
    }
}

/// The condition that `ctx` may see a router; `None` for those who see all.
#[must_use]
pub fn visible(ctx: &Context) -> Option<Condition> {
    (!ctx.sees_all_projects())
        .then(|| Condition::all().add(scope::owned((R::Table, R::ProjectId), ctx)))
}

/// FROM clause of router queries: routers with their gateway port.
#[must_use]
pub fn from() -> SelectStatement {
    Query::select()
        .from(R::Table)
        .join(
            JoinType::LeftJoin,
            Ports::Table,
            Expr::col((Ports::Table, Ports::Id)).equals((R::Table, R::GwPortId)),
        )
        .to_owned()
}

const COLUMNS: [R; 14] = [
    R::Id,
    R::ProjectId,
    R::Name,
    R::Description,
    R::Status,
    R::AdminStateUp,
    R::GwPortId,
    R::EnableSnat,
    R::Distributed,
    R::Ha,
    R::AvailabilityZoneHints,
    R::RevisionNumber,
    R::CreatedAt,
    R::UpdatedAt,
];
/// The network of the gateway.
const NETWORK: usize = COLUMNS.len();
/// First of the columns that tell which child tables hold rows.
const FLAGS: usize = NETWORK + 1;

/// The columns [`decode`] reads.
#[must_use]
pub fn exprs() -> Vec<Expr> {
    let mut out: Vec<Expr> = COLUMNS.into_iter().map(|c| Expr::col((R::Table, c))).collect();
    out.push(Expr::col((Ports::Table, Ports::NetworkId)));
    let children = [
        Query::select().from(O::Table).and_where(of_router((O::Table, O::RouterId))).take(),
        Query::select().from(B::Table).and_where(of_router((B::Table, B::RouterId))).take(),
        Query::select()
            .from(Tags::Table)
            .and_where(of_router((Tags::Table, Tags::ResourceId)))
            .take(),
    ];
    out.extend(children.map(|mut rows| Expr::exists(rows.expr(Expr::val(1)).take())));
    out
}

fn of_router(column: impl IntoColumnRef) -> Expr {
    Expr::col(column).equals((R::Table, R::Id))
}

/// A row of [`exprs`], without what [`load_children`] loads.
#[must_use]
pub fn decode(row: &RowRef<'_>) -> Router {
    let gateway = |port: String| Gateway {
        port_id: port,
        network_id: row.text(NETWORK),
        fixed_ips: Vec::new(),
    };
    Router {
        id: row.text(0),
        project_id: row.text(1),
        name: row.text(2),
        description: row.text(3),
        status: row.text(4),
        admin_state_up: row.bool(5),
        gateway: row.opt_text(6).map(gateway),
        enable_snat: row.bool(7),
        distributed: row.bool(8),
        ha: row.bool(9),
        az_hints: row.text(10),
        revision: row.int(11),
        created_at: row.text(12),
        updated_at: row.text(13),
        children: std::array::from_fn(|n| row.bool(FLAGS + n)),
        ..Router::default()
    }
}

/// The routers with these ids that `ctx` may see, without what [`load_children`] loads.
///
/// # Errors
/// What the database refused.
pub async fn by_ids(conn: &Conn, ctx: &Context, ids: &[&str]) -> DbResult<Vec<Router>> {
    let mut query = from();
    query.exprs(exprs()).and_where(is_one_of((R::Table, R::Id), ids.iter().copied()));
    if let Some(visible) = visible(ctx) {
        query.cond_where(visible);
    }
    conn.fetch_map(&query, decode).await
}

/// The router `id` with all that hangs on it, if `ctx` may see it.
///
/// # Errors
/// What the database refused.
pub async fn by_id(conn: &Conn, ctx: &Context, id: &str) -> DbResult<Option<Router>> {
    let mut found = by_ids(conn, ctx, &[id]).await?;
    load_children(conn, &mut found).await?;
    Ok(found.pop())
}

/// Loads gateway addresses, routes, zones and tags of those of `routers` that have any; no
/// statement for a kind that none has.
///
/// # Errors
/// What the database refused.
pub async fn load_children(conn: &Conn, routers: &mut [Router]) -> DbResult<()> {
    let with = |child: usize| -> Vec<&str> {
        routers.iter().filter(|r| r.children[child]).map(|r| r.id.as_str()).collect()
    };
    let ports: Vec<&str> = routers.iter().filter_map(gateway_port).collect();
    let mut ips = addresses(conn, &ports).await?;
    let mut routes = routes(conn, &with(0)).await?;
    let mut zones = zones(conn, &with(1)).await?;
    let mut tags = tags::of_many(conn, &with(2)).await?;
    for router in routers {
        if let Some(gateway) = &mut router.gateway {
            gateway.fixed_ips = ips.remove(&gateway.port_id).unwrap_or_default();
        }
        router.routes = routes.remove(&router.id).unwrap_or_default();
        router.zones = zones.remove(&router.id).unwrap_or_default();
        router.tags = tags.remove(&router.id).unwrap_or_default();
    }
    Ok(())
}

fn gateway_port(router: &Router) -> Option<&str> {
    router.gateway.as_ref().map(|gateway| gateway.port_id.as_str())
}

/// The addresses of gateway ports, by port.
async fn addresses(conn: &Conn, ports: &[&str]) -> DbResult<HashMap<String, Vec<GatewayIp>>> {
    let mut out: HashMap<String, Vec<GatewayIp>> = HashMap::new();
    if ports.is_empty() {
        return Ok(out);
    }
    let query = Query::select()
        .columns([I::PortId, I::SubnetId, I::IpAddress])
        .from(I::Table)
        .and_where(is_one_of(I::PortId, ports.iter().copied()))
        .to_owned();
    let rows = conn.fetch_map(&query, |r| (r.text(0), r.text(1), r.str(2).parse().ok())).await?;
    for (port, subnet_id, ip) in rows {
        let ip = ip.map(|ip_address| GatewayIp { subnet_id, ip_address });
        out.entry(port).or_default().extend(ip);
    }
    Ok(out)
}

/// The extra routes of `routers`, by router, sorted; no statement when there are none.
///
/// # Errors
/// What the database refused.
pub async fn routes(conn: &Conn, routers: &[&str]) -> DbResult<HashMap<String, Vec<Route>>> {
    let mut out: HashMap<String, Vec<Route>> = HashMap::new();
    if routers.is_empty() {
        return Ok(out);
    }
    let query = Query::select()
        .columns([O::RouterId, O::Destination, O::Nexthop])
        .from(O::Table)
        .and_where(is_one_of(O::RouterId, routers.iter().copied()))
        .order_by(O::Destination, Order::Asc)
        .order_by(O::Nexthop, Order::Asc)
        .to_owned();
    let route = |r: &RowRef<'_>| (r.text(0), Route { destination: r.text(1), nexthop: r.text(2) });
    for (router, route) in conn.fetch_map(&query, route).await? {
        out.entry(router).or_default().push(route);
    }
    Ok(out)
}

/// The zones of the L3 agents that have `routers`, by router.
async fn zones(conn: &Conn, routers: &[&str]) -> DbResult<HashMap<String, Vec<String>>> {
    let mut out: HashMap<String, Vec<String>> = HashMap::new();
    if routers.is_empty() {
        return Ok(out);
    }
    let query = Query::select()
        .distinct()
        .column((B::Table, B::RouterId))
        .column((Agents::Table, Agents::AvailabilityZone))
        .from(B::Table)
        .join(
            JoinType::InnerJoin,
            Agents::Table,
            Expr::col((Agents::Table, Agents::Id)).equals((B::Table, B::L3AgentId)),
        )
        .and_where(is_one_of((B::Table, B::RouterId), routers.iter().copied()))
        .order_by((Agents::Table, Agents::AvailabilityZone), Order::Asc)
        .to_owned();
    for (router, zone) in conn.fetch_map(&query, |r| (r.text(0), r.opt_text(1))).await? {
        out.entry(router).or_default().extend(zone);
    }
    Ok(out)
}

fn is_one_of<'a>(column: impl IntoColumnRef, values: impl Iterator<Item = &'a str>) -> Expr {
    any_of(Expr::col(column), values.map(str::to_string).collect())
}

/// The routers whose gateway is on the network, with all that hangs on them.
///
/// # Errors
/// What the database refused.
pub async fn with_gateway_on(conn: &Conn, network: &str) -> DbResult<Vec<Router>> {
    let query = from()
        .exprs(exprs())
        .and_where(Expr::col((Ports::Table, Ports::NetworkId)).eq(network))
        .to_owned();
    let mut found = conn.fetch_map(&query, decode).await?;
    load_children(conn, &mut found).await?;
    Ok(found)
}

/// The owners of the routers whose gateway is on the network, each once.
///
/// # Errors
/// What the database refused.
pub async fn owners_with_gateway_on(conn: &Conn, network: &str) -> DbResult<Vec<String>> {
    let query = from()
        .distinct()
        .column((R::Table, R::ProjectId))
        .and_where(Expr::col((Ports::Table, Ports::NetworkId)).eq(network))
        .to_owned();
    conn.fetch_map(&query, |row| row.text(0)).await
}

/// Stores new routers, without gateway, routes and tags.
#[must_use]
pub fn insert(routers: &[Router]) -> Prepared {
    let mut statement = Query::insert();
    statement.into_table(R::Table).columns(COLUMNS);
    for r in routers {
        statement.values_panic([
            r.id.as_str().into(),
            r.project_id.as_str().into(),
            r.name.as_str().into(),
            r.description.as_str().into(),
            r.status.as_str().into(),
            r.admin_state_up.into(),
            Option::<String>::None.into(),
            r.enable_snat.into(),
            r.distributed.into(),
            r.ha.into(),
            r.az_hints.as_str().into(),
            r.revision.into(),
            r.created_at.as_str().into(),
            r.updated_at.as_str().into(),
        ]);
    }
    Prepared::new(&statement)
}

/// Overwrites a router's own columns.
#[must_use]
pub fn update(r: &Router) -> Prepared {
    let statement = Query::update()
        .table(R::Table)
        .values([
            (R::Name, r.name.as_str().into()),
            (R::Description, r.description.as_str().into()),
            (R::Status, r.status.as_str().into()),
            (R::AdminStateUp, r.admin_state_up.into()),
            (R::GwPortId, gateway_port(r).map(str::to_string).into()),
            (R::EnableSnat, r.enable_snat.into()),
            (R::Distributed, r.distributed.into()),
            (R::RevisionNumber, r.revision.into()),
            (R::UpdatedAt, r.updated_at.as_str().into()),
        ])
        .and_where(Expr::col(R::Id).eq(r.id.as_str()))
        .to_owned();
    Prepared::new(&statement)
}

/// Counts a change of the router's interfaces in its revision.
#[must_use]
pub fn bump(id: &str) -> Prepared {
    let statement = Query::update()
        .table(R::Table)
        .value(R::RevisionNumber, Expr::col(R::RevisionNumber).add(1))
        .value(R::UpdatedAt, time::now())
        .and_where(Expr::col(R::Id).eq(id))
        .to_owned();
    Prepared::new(&statement)
}

/// Takes the router from its agents.
#[must_use]
pub fn unbind(id: &str) -> Prepared {
    let statement =
        Query::delete().from_table(B::Table).and_where(Expr::col(B::RouterId).eq(id)).to_owned();
    Prepared::new(&statement)
}

/// Deletes a router; its routes, ports' entries and bindings to agents go with it.
#[must_use]
pub fn delete(id: &str) -> Prepared {
    Prepared::new(
        &Query::delete().from_table(R::Table).and_where(Expr::col(R::Id).eq(id)).to_owned(),
    )
}

/// Makes `routes` the router's only ones.
#[must_use]
pub fn set_routes(router: &str, routes: &[Route]) -> Vec<Prepared> {
    let delete = Query::delete()
        .from_table(O::Table)
        .and_where(Expr::col(O::RouterId).eq(router))
        .to_owned();
    let mut out = vec![Prepared::new(&delete)];
    if routes.is_empty() {
        return out;
    }
    let mut insert = Query::insert();
    insert.into_table(O::Table).columns([O::RouterId, O::Destination, O::Nexthop]);
    for r in routes {
        let values = [router.into(), r.destination.as_str().into(), r.nexthop.as_str().into()];
        insert.values_panic(values);
    }
    out.push(Prepared::new(&insert));
    out
}
