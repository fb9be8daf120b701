//! Networks (`networks`, `networkrbacs`).

use std::collections::HashMap;

pub use neutrino_db::list::scope::{
    EVERYONE as EVERY_PROJECT, EXTERNAL as ACCESS_EXTERNAL, SHARED as ACCESS_SHARED,
};
use neutrino_db::{
    Conn, DbResult, RowRef,
    list::Column,
    rbac::{self, ObjectType},
    schema::{
        Agents, NetworkDhcpAgentBindings as B, NetworkRbacs as R, Networks as N, Subnets, Tags,
    },
    sea_query::{
        Cond, Condition, Expr, ExprTrait, InsertStatement, IntoColumnRef, JoinType, Order, Query,
        SelectStatement, UpdateStatement,
    },
    subnetpools, time,
};
use neutrino_types::{Context, new_id};

use super::{is_in, segment::Segment};

/// A network with all that its view shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Network id.
    pub id: String,
    /// Owner.
    pub project_id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// `ACTIVE` and so on.
    pub status: String,
    /// Administrative state.
    pub admin_state_up: bool,
    /// MTU in bytes.
    pub mtu: u32,
    /// What ports start with.
    pub port_security_enabled: bool,
    /// `router:external`.
    pub external: bool,
    /// Whether it is the default external network.
    pub is_default: bool,
    /// Whether the asker (or everyone) may use it.
    pub shared: bool,
    /// `availability_zone_hints` as stored: a JSON list or empty.
    pub az_hints: String,
    /// `dns_domain`; empty is none.
    pub dns_domain: String,
    /// Revision.
    pub revision: i64,
    /// Creation time.
    pub created_at: String,
    /// Time of the last change.
    pub updated_at: String,
    /// Whether it has tags.
    pub tagged: bool,
    /// Its segments, when loaded.
    pub segments: Vec<Segment>,
    /// Ids of its subnets, when loaded.
    pub subnets: Vec<String>,
    /// Its tags, when loaded.
    pub tags: Vec<String>,
    /// Whether DHCP agents serve it.
    pub hosted: bool,
    /// The availability zones of its DHCP agents, when loaded.
    pub zones: Vec<String>,
    /// The address scope of its IPv4 subnets, when loaded.
    pub ipv4_address_scope: Option<String>,
    /// The address scope of its IPv6 subnets, when loaded.
    pub ipv6_address_scope: Option<String>,
}

/// The condition that an RBAC row of `network` lets `project` do one of `actions`.
#[must_use]
pub fn granted(network: impl IntoColumnRef, project: &str, actions: &[&str]) -> Expr {
    rbac::granted(ObjectType::Network, network, project, actions)
}

/// The condition that `ctx` may see a network; `None` for admins, who see all.
#[must_use]
pub fn visible(ctx: &Context) -> Option<Condition> {
    (!ctx.sees_all_projects()).then(|| {
        Cond::any().add(Expr::col((N::Table, N::ProjectId)).eq(ctx.project())).add(granted(
            (N::Table, N::Id),
            ctx.project(),
            &[ACCESS_SHARED, ACCESS_EXTERNAL],
        ))
    })
}

/// FROM clause of network queries.
#[must_use]
pub fn from() -> SelectStatement {
    Query::select().from(N::Table).to_owned()
}

/// Their ids, in what [`from`] selects of.
#[must_use]
pub fn id() -> Expr {
    Expr::col((N::Table, N::Id))
}

/// By what networks are filtered and sorted, in what [`from`] selects of.
pub const LISTED: &[Column] = &[
    Column::text("id", id),
    Column::text("name", || Expr::col((N::Table, N::Name))),
    Column::text("project_id", || Expr::col((N::Table, N::ProjectId))),
    Column::text("description", || Expr::col((N::Table, N::Description))),
    Column::text("status", || Expr::col((N::Table, N::Status))),
    Column::bool("admin_state_up", || Expr::col((N::Table, N::AdminStateUp))),
    Column::int("mtu", || Expr::col((N::Table, N::Mtu))),
    Column::bool("port_security_enabled", || Expr::col((N::Table, N::PortSecurityEnabled))),
    Column::bool("router:external", || Expr::col((N::Table, N::External))),
    Column::bool("is_default", || Expr::col((N::Table, N::IsDefault))),
    Column::text("availability_zone_hints", || Expr::col((N::Table, N::AvailabilityZoneHints))),
    Column::int("revision_number", || Expr::col((N::Table, N::RevisionNumber))),
    Column::text("created_at", || Expr::col((N::Table, N::CreatedAt))),
    Column::text("updated_at", || Expr::col((N::Table, N::UpdatedAt))),
];

/// The columns [`decode`] reads.
#[must_use]
pub fn exprs(ctx: &Context) -> Vec<Expr> {
    let mut tag = Query::select();
    tag.expr(Expr::val(1))
        .from(Tags::Table)
        .and_where(Expr::col((Tags::Table, Tags::ResourceId)).equals((N::Table, N::Id)));
    let columns = [
        N::Id,
        N::ProjectId,
        N::Name,
        N::Description,
        N::Status,
        N::AdminStateUp,
        N::Mtu,
        N::PortSecurityEnabled,
        N::External,
        N::IsDefault,
        N::AvailabilityZoneHints,
        N::RevisionNumber,
        N::CreatedAt,
        N::UpdatedAt,
        N::DnsDomain,
    ];
    let mut out: Vec<Expr> = columns.into_iter().map(|c| Expr::col((N::Table, c))).collect();
    out.push(granted((N::Table, N::Id), ctx.project(), &[ACCESS_SHARED]));
    out.push(Expr::exists(tag));
    let mut agents = Query::select();
    agents
        .expr(Expr::val(1))
        .from(B::Table)
        .and_where(Expr::col((B::Table, B::NetworkId)).equals((N::Table, N::Id)));
    out.push(Expr::exists(agents));
    out
}

/// A row of [`exprs`].
#[must_use]
pub fn decode(row: &RowRef<'_>) -> Network {
    Network {
        id: row.text(0),
        project_id: row.text(1),
        name: row.text(2),
        description: row.text(3),
        status: row.text(4),
        admin_state_up: row.bool(5),
        mtu: u32::try_from(row.int(6)).unwrap_or(0),
        port_security_enabled: row.bool(7),
        external: row.bool(8),
        is_default: row.bool(9),
        az_hints: row.text(10),
        revision: row.int(11),
        created_at: row.text(12),
        updated_at: row.text(13),
        dns_domain: row.text(14),
        shared: row.bool(15),
        tagged: row.bool(16),
        hosted: row.bool(17),
        ..Network::default()
    }
}

/// The networks with these ids that `ctx` may see, without what hangs on them.
///
/// # Errors
/// What the database refused.
pub async fn by_ids(conn: &Conn, ctx: &Context, ids: &[&str]) -> DbResult<Vec<Network>> {
    let mut query = from();
    query.exprs(exprs(ctx)).and_where(is_in((N::Table, N::Id), ids.iter().copied()));
    if let Some(visible) = visible(ctx) {
        query.cond_where(visible);
    }
    conn.fetch_map(&query, decode).await
}

/// Loads subnets, address scopes, segments, tags and availability zones of `networks`.
///
/// # Errors
/// What the database refused.
pub async fn load_children(conn: &Conn, networks: &mut [Network]) -> DbResult<()> {
    if networks.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = networks.iter().map(|n| n.id.clone()).collect();
    let refs: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut segments = super::segment::by_networks(conn, &refs).await?;
    let mut subnets = subnets(conn, &refs).await?;
    let pools = subnets.values().flatten().filter_map(|s| s.pool.clone()).collect();
    let scopes = subnetpools::scopes(conn, pools).await?;
    let tagged: Vec<&str> =
        networks.iter().zip(&refs).filter(|(n, _)| n.tagged).map(|(_, id)| *id).collect();
    let mut tags = super::tags(conn, &tagged).await?;
    let hosted: Vec<&str> =
        networks.iter().zip(&refs).filter(|(n, _)| n.hosted).map(|(_, id)| *id).collect();
    let mut zones = zones(conn, &hosted).await?;
    for network in networks {
        network.segments = segments.remove(&network.id).unwrap_or_default();
        for subnet in subnets.remove(&network.id).unwrap_or_default() {
            if let Some(scope) = subnet.pool.and_then(|pool| scopes.get(&pool)) {
                let of_version = match subnet.ip_version {
                    6 => &mut network.ipv6_address_scope,
                    _ => &mut network.ipv4_address_scope,
                };
                *of_version = Some(scope.clone());
            }
            network.subnets.push(subnet.id);
        }
        network.tags = tags.remove(&network.id).unwrap_or_default();
        network.zones = zones.remove(&network.id).unwrap_or_default();
    }
    Ok(())
}

/// The zones of the DHCP agents that serve `networks`; no statement when there are none.
async fn zones(conn: &Conn, networks: &[&str]) -> DbResult<HashMap<String, Vec<String>>> {
    let mut out: HashMap<String, Vec<String>> = HashMap::new();
    if networks.is_empty() {
        return Ok(out);
    }
    let query = Query::select()
        .distinct()
        .column((B::Table, B::NetworkId))
        .column((Agents::Table, Agents::AvailabilityZone))
        .from(B::Table)
        .join(
            JoinType::InnerJoin,
            Agents::Table,
            Expr::col((Agents::Table, Agents::Id)).equals((B::Table, B::DhcpAgentId)),
        )
        .and_where(is_in((B::Table, B::NetworkId), networks.iter().copied()))
        .order_by((Agents::Table, Agents::AvailabilityZone), Order::Asc)
        .to_owned();
    for (network, zone) in conn.fetch_map(&query, |r| (r.text(0), r.opt_text(1))).await? {
        out.entry(network).or_default().extend(zone);
    }
    Ok(out)
}

/// What a network shows of a subnet.
struct SubnetOf {
    id: String,
    ip_version: i64,
    pool: Option<String>,
}

async fn subnets(conn: &Conn, networks: &[&str]) -> DbResult<HashMap<String, Vec<SubnetOf>>> {
    let mut out: HashMap<String, Vec<SubnetOf>> = HashMap::new();
    let query = Query::select()
        .columns([Subnets::NetworkId, Subnets::Id, Subnets::IpVersion, Subnets::SubnetpoolId])
        .from(Subnets::Table)
        .and_where(is_in(Subnets::NetworkId, networks.iter().copied()))
        .order_by(Subnets::CreatedAt, Order::Asc)
        .to_owned();
    let decode = |r: &RowRef<'_>| {
        let subnet = SubnetOf { id: r.text(1), ip_version: r.int(2), pool: r.opt_text(3) };
        (r.text(0), subnet)
    };
    for (network, subnet) in conn.fetch_map(&query, decode).await? {
        out.entry(network).or_default().push(subnet);
    }
    Ok(out)
}

/// The default external network, if it is another than `id`.
///
/// # Errors
/// What the database refused.
pub async fn other_default(conn: &Conn, id: &str) -> DbResult<Option<String>> {
    let query = Query::select()
        .column(N::Id)
        .from(N::Table)
        .and_where(Expr::col(N::IsDefault).eq(true))
        .and_where(Expr::col(N::Id).ne(id))
        .limit(1)
        .to_owned();
    Ok(conn.fetch_opt(&query).await?.map(|row| row.text(0)))
}

/// Stores new networks.
#[must_use]
pub fn insert(networks: &[Network]) -> InsertStatement {
    let mut statement = Query::insert();
    statement.into_table(N::Table).columns([
        N::Id,
        N::ProjectId,
        N::Name,
        N::Description,
        N::Status,
        N::AdminStateUp,
        N::Mtu,
        N::PortSecurityEnabled,
        N::External,
        N::IsDefault,
        N::AvailabilityZoneHints,
        N::RevisionNumber,
        N::CreatedAt,
        N::UpdatedAt,
        N::DnsDomain,
    ]);
    for n in networks {
        statement.values_panic([
            n.id.as_str().into(),
            n.project_id.as_str().into(),
            n.name.as_str().into(),
            n.description.as_str().into(),
            n.status.as_str().into(),
            n.admin_state_up.into(),
            n.mtu.into(),
            n.port_security_enabled.into(),
            n.external.into(),
            n.is_default.into(),
            n.az_hints.as_str().into(),
            n.revision.into(),
            n.created_at.as_str().into(),
            n.updated_at.as_str().into(),
            n.dns_domain.as_str().into(),
        ]);
    }
    statement
}

/// Stores grants of `action` to every project, one per `(network id, owner)`.
#[must_use]
pub fn insert_grants(grants: &[(&str, &str, &str)]) -> InsertStatement {
    let mut statement = Query::insert();
    statement.into_table(R::Table).columns([
        R::Id,
        R::ProjectId,
        R::ObjectId,
        R::TargetProject,
        R::Action,
    ]);
    for (network, project, action) in grants {
        statement.values_panic([
            new_id().into(),
            (*project).into(),
            (*network).into(),
            EVERY_PROJECT.into(),
            (*action).into(),
        ]);
    }
    statement
}

/// Withdraws `action` on `network` from `target` (a project or [`EVERY_PROJECT`]), or from all.
///
/// # Errors
/// What the database refused.
pub async fn revoke(
    conn: &Conn,
    network: &str,
    action: &str,
    target: Option<&str>,
) -> DbResult<()> {
    let mut statement = Query::delete();
    statement
        .from_table(R::Table)
        .and_where(Expr::col(R::ObjectId).eq(network))
        .and_where(Expr::col(R::Action).eq(action));
    if let Some(target) = target {
        statement.and_where(Expr::col(R::TargetProject).eq(target));
    }
    conn.execute(&statement).await.map(|_| ())
}

/// An update of networks that counts their revisions up.
#[must_use]
pub fn bump(ids: &[&str]) -> UpdateStatement {
    Query::update()
        .table(N::Table)
        .value(N::RevisionNumber, Expr::col(N::RevisionNumber).add(1))
        .value(N::UpdatedAt, time::now())
        .and_where(is_in(N::Id, ids.iter().copied()))
        .to_owned()
}
