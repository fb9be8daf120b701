//! Floating IPs: rows, and the statements that read and write them.

use std::net::Ipv4Addr;

use neutrino_types::{Context, constants::status, new_id};
use sea_query::{
    Cond, Condition, Expr, ExprTrait, IntoColumnRef, JoinType, Query, SelectStatement,
    UpdateStatement,
};

use crate::{
    Conn, DbResult, Prepared, RowRef, ip,
    list::{any_of, scope},
    port_forwardings::{self, PortForwarding},
    schema::{FloatingIps as F, PortForwardings as W, Ports as P, Tags},
    tags, time,
};

/// The port a floating IP leads to (`port_details`).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PortDetails {
    /// Name.
    pub name: String,
    /// Its network.
    pub network_id: String,
    /// MAC.
    pub mac_address: String,
    /// Administrative state.
    pub admin_state_up: bool,
    /// `ACTIVE`, `DOWN` ...
    pub status: String,
    /// What uses the port.
    pub device_id: String,
    /// Kind of the device.
    pub device_owner: String,
}

/// Where a floating IP leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    /// The port (`port_id` in the API).
    pub port_id: String,
    /// The port's address that is reached.
    pub fixed_ip_address: Ipv4Addr,
    /// What the API shows of the port.
    pub port: PortDetails,
}

/// A floating IP with all that its view shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FloatingIp {
    /// Its id.
    pub id: String,
    /// Owner.
    pub project_id: String,
    /// Description.
    pub description: String,
    /// The address itself.
    pub address: Ipv4Addr,
    /// The external network.
    pub network_id: String,
    /// The port that holds the address on the external network.
    pub floating_port_id: String,
    /// Where it leads; nowhere while it is free or has port forwardings.
    pub association: Option<Association>,
    /// The router that translates it.
    pub router_id: Option<String>,
    /// The router that had it before the last change.
    pub last_known_router_id: Option<String>,
    /// `ACTIVE`, `DOWN` or `ERROR`.
    pub status: String,
    /// `dns_name`; empty is none.
    pub dns_name: String,
    /// `dns_domain`; empty is none.
    pub dns_domain: String,
    /// Revision.
    pub revision: i64,
    /// Creation time.
    pub created_at: String,
    /// Time of the last change.
    pub updated_at: String,
    /// Which child tables hold rows: tags, port forwardings.
    children: [bool; 2],
    /// Its tags, when loaded.
    pub tags: Vec<String>,
    /// Its port forwardings, when loaded.
    pub forwardings: Vec<PortForwarding>,
}

impl FloatingIp {
    /// A free floating IP of `project` that is not stored yet, of revision 0 and created now; its
    /// address and port are not known yet.
    #[must_use]
    pub fn new(project: &str, network: &str) -> Self {
        let now = time::now();
        Self {
            id: new_id(),
            project_id: project.into(),
            description: String::new(),
            address: Ipv4Addr::UNSPECIFIED,
            network_id: network.into(),
            floating_port_id: String::new(),
            association: None,
            router_id: None,
            last_known_router_id: None,
            status: status::DOWN.into(),
            dns_name: String::new(),
            dns_domain: String::new(),
            revision: 0,
            created_at: now.clone(),
            updated_at: now,
            children: [false; 2],
            tags: Vec::new(),
            forwardings: Vec::new(),
        }
    }

    /// Whether it has port forwardings.
    #[must_use]
    pub fn is_forwarding(&self) -> bool {
        self.children[1]
    }

    /// Takes note that it now has port forwardings, or none.
    pub fn set_forwardings(&mut self, forwardings: Vec<PortForwarding>) {
        self.children[1] = !forwardings.is_empty();
        self.forwardings = forwardings;
    }
}

/// The condition that `ctx` may see a floating IP; `None` for those who see all.
#[must_use]
pub fn visible(ctx: &Context) -> Option<Condition> {
    (!ctx.sees_all_projects())
        .then(|| Condition::all().add(scope::owned((F::Table, F::ProjectId), ctx)))
}

/// FROM clause of floating IP queries: floating IPs with the port they lead to.
#[must_use]
pub fn from() -> SelectStatement {
    Query::select()
        .from(F::Table)
        .join(
            JoinType::LeftJoin,
            P::Table,
            Expr::col((P::Table, P::Id)).equals((F::Table, F::FixedPortId)),
        )
        .to_owned()
}

const COLUMNS: [F; 16] = [
    F::Id,
    F::ProjectId,
    F::Description,
    F::FloatingIpAddress,
    F::FloatingNetworkId,
    F::FloatingPortId,
    F::FixedPortId,
    F::FixedIpAddress,
    F::RouterId,
    F::LastKnownRouterId,
    F::Status,
    F::RevisionNumber,
    F::CreatedAt,
    F::UpdatedAt,
    F::DnsName,
    F::DnsDomain,
];
/// First of the columns of the port it leads to.
const PORT: usize = COLUMNS.len();
/// The columns [`port_details`] reads.
pub const PORT_COLUMNS: [P; 7] =
    [P::Name, P::NetworkId, P::MacAddress, P::AdminStateUp, P::Status, P::DeviceId, P::DeviceOwner];
/// First of the columns that tell which child tables hold rows.
const FLAGS: usize = PORT + PORT_COLUMNS.len();

/// The columns [`decode`] reads.
#[must_use]
pub fn exprs() -> Vec<Expr> {
    let mut out: Vec<Expr> = COLUMNS.into_iter().map(|c| Expr::col((F::Table, c))).collect();
    out.extend(PORT_COLUMNS.into_iter().map(|c| Expr::col((P::Table, c))));
    let of_this = |column| Expr::col(column).equals((F::Table, F::Id));
    let mut tag = Query::select();
    tag.from(Tags::Table)
        .and_where(Expr::col((Tags::Table, Tags::ResourceId)).equals((F::Table, F::Id)));
    let mut forwarding = Query::select();
    forwarding.from(W::Table).and_where(of_this((W::Table, W::FloatingIpId)));
    out.extend([tag, forwarding].map(|mut rows| Expr::exists(rows.expr(Expr::val(1)).take())));
    out
}

/// The columns [`PORT_COLUMNS`] from `at` on.
#[must_use]
pub fn port_details(row: &RowRef<'_>, at: usize) -> PortDetails {
    PortDetails {
        name: row.text(at),
        network_id: row.text(at + 1),
        mac_address: row.text(at + 2),
        admin_state_up: row.bool(at + 3),
        status: row.text(at + 4),
        device_id: row.text(at + 5),
        device_owner: row.text(at + 6),
    }
}

/// An address as stored; what is none, which is never stored, reads as `0.0.0.0`.
pub(crate) fn address(text: &str) -> Ipv4Addr {
    text.parse().unwrap_or(Ipv4Addr::UNSPECIFIED)
}

/// A row of [`exprs`], without what [`load_children`] loads.
#[must_use]
pub fn decode(row: &RowRef<'_>) -> FloatingIp {
    let association = |port_id: String| Association {
        port_id,
        fixed_ip_address: address(row.str(7)),
        port: port_details(row, PORT),
    };
    FloatingIp {
        id: row.text(0),
        project_id: row.text(1),
        description: row.text(2),
        address: address(row.str(3)),
        network_id: row.text(4),
        floating_port_id: row.text(5),
        association: row.opt_text(6).map(association),
        router_id: row.opt_text(8),
        last_known_router_id: row.opt_text(9),
        status: row.text(10),
        revision: row.int(11),
        created_at: row.text(12),
        updated_at: row.text(13),
        dns_name: row.text(14),
        dns_domain: row.text(15),
        children: std::array::from_fn(|n| row.bool(FLAGS + n)),
        tags: Vec::new(),
        forwardings: Vec::new(),
    }
}

/// Loads tags and port forwardings of those of `floating` that have any; no statement for a kind
/// that none has.
///
/// # Errors
/// What the database refused.
pub async fn load_children(conn: &Conn, floating: &mut [FloatingIp]) -> DbResult<()> {
    let with = |child: usize| -> Vec<&str> {
        floating.iter().filter(|f| f.children[child]).map(|f| f.id.as_str()).collect()
    };
    let mut tags = tags::of_many(conn, &with(0)).await?;
    let mut forwardings = port_forwardings::of_floating_ips(conn, &with(1)).await?;
    for one in floating {
        one.tags = tags.remove(&one.id).unwrap_or_default();
        one.forwardings = forwardings.remove(&one.id).unwrap_or_default();
    }
    Ok(())
}

fn is_one_of<'a>(column: impl IntoColumnRef, values: impl IntoIterator<Item = &'a str>) -> Expr {
    any_of(Expr::col(column), values.into_iter().map(str::to_string).collect())
}

/// The floating IP `id` with all that hangs on it, if `ctx` may see it.
///
/// # Errors
/// What the database refused.
pub async fn by_id(conn: &Conn, ctx: &Context, id: &str) -> DbResult<Option<FloatingIp>> {
    let mut query = from();
    query
        .exprs(exprs())
        .and_where(Expr::col((F::Table, F::Id)).eq(id))
        .cond_where(Condition::all().add_option(visible(ctx)));
    let mut found = conn.fetch_map(&query, decode).await?;
    load_children(conn, &mut found).await?;
    Ok(found.pop())
}

/// The floating IPs of `routers`, those with port forwardings included: without tags, with port
/// forwardings. At most two statements, whatever their number; none without routers.
///
/// # Errors
/// What the database refused.
pub async fn of_routers(conn: &Conn, routers: &[&str]) -> DbResult<Vec<FloatingIp>> {
    where_one_of(conn, F::RouterId, routers).await
}

/// The floating IPs that lead to `ports`, as [`of_routers`].
///
/// # Errors
/// What the database refused.
pub async fn on_ports(conn: &Conn, ports: &[&str]) -> DbResult<Vec<FloatingIp>> {
    where_one_of(conn, F::FixedPortId, ports).await
}

/// The floating IPs that lead to `port`, themselves or by port forwardings, as [`of_routers`].
///
/// # Errors
/// What the database refused.
pub async fn concerned_by(conn: &Conn, port: &str) -> DbResult<Vec<FloatingIp>> {
    let forwarding = Query::select()
        .column(W::FloatingIpId)
        .from(W::Table)
        .and_where(Expr::col(W::InternalNeutronPortId).eq(port))
        .to_owned();
    let concerned = Expr::col((F::Table, F::FixedPortId))
        .eq(port)
        .or(Expr::col((F::Table, F::Id)).in_subquery(forwarding));
    fetch(conn, concerned).await
}

async fn where_one_of(conn: &Conn, column: F, ids: &[&str]) -> DbResult<Vec<FloatingIp>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    fetch(conn, is_one_of((F::Table, column), ids.iter().copied())).await
}

async fn fetch(conn: &Conn, condition: Expr) -> DbResult<Vec<FloatingIp>> {
    let mut query = from();
    query.exprs(exprs()).and_where(condition);
    let mut found = conn.fetch_map(&query, decode).await?;
    if found.iter().any(FloatingIp::is_forwarding) {
        let ids: Vec<&str> =
            found.iter().filter(|f| f.is_forwarding()).map(|f| f.id.as_str()).collect();
        let mut forwardings = port_forwardings::of_floating_ips(conn, &ids).await?;
        for one in &mut found {
            one.forwardings = forwardings.remove(&one.id).unwrap_or_default();
        }
    }
    Ok(found)
}

async fn is_any(conn: &Conn, query: &mut SelectStatement) -> DbResult<bool> {
    Ok(conn.fetch_opt(query.expr(Expr::val(1)).limit(1)).await?.is_some())
}

/// Whether a floating IP of the external `network` other than `except` leads to `port` and its
/// address `fixed`.
///
/// # Errors
/// What the database refused.
pub async fn is_taken(
    conn: &Conn,
    network: &str,
    port: &str,
    fixed: Ipv4Addr,
    except: &str,
) -> DbResult<bool> {
    let mut query = Query::select();
    query
        .from(F::Table)
        .and_where(Expr::col(F::FloatingNetworkId).eq(network))
        .and_where(Expr::col(F::FixedPortId).eq(port))
        .and_where(Expr::col(F::FixedIpAddress).eq(fixed.to_string()))
        .and_where(Expr::col(F::Id).ne(except));
    is_any(conn, &mut query).await
}

/// The ids of floating IPs on `network` that lead nowhere.
///
/// # Errors
/// What the database refused.
pub async fn unused_on(conn: &Conn, network: &str) -> DbResult<Vec<String>> {
    let query = Query::select()
        .column(F::Id)
        .from(F::Table)
        .and_where(Expr::col(F::FloatingNetworkId).eq(network))
        .and_where(Expr::col(F::RouterId).is_null())
        .and_where(Expr::col(F::FixedPortId).is_null())
        .to_owned();
    conn.fetch_map(&query, |row| row.text(0)).await
}

/// The status of each of `ids` that is there, and of those that left `router` and are not DOWN
/// yet: `(id, status, whether it has left)`.
///
/// # Errors
/// What the database refused.
pub async fn statuses(
    conn: &Conn,
    router: &str,
    ids: &[&str],
) -> DbResult<Vec<(String, String, bool)>> {
    let left = || {
        Cond::all()
            .add(Expr::col(F::LastKnownRouterId).eq(router))
            .add(Expr::col(F::RouterId).is_null())
    };
    let query = Query::select()
        .columns([F::Id, F::Status])
        .expr(Expr::case(left(), 1).finally(0))
        .from(F::Table)
        .cond_where(
            Cond::any()
                .add(is_one_of(F::Id, ids.iter().copied()))
                .add(left().add(Expr::col(F::Status).ne(status::DOWN))),
        )
        .to_owned();
    conn.fetch_map(&query, |row| (row.text(0), row.text(1), row.bool(2))).await
}

/// Sets the status of floating IPs, counting their revisions up.
#[must_use]
pub fn set_status(ids: &[&str], status: &str) -> Prepared {
    Prepared::new(changed(ids).value(F::Status, status))
}

/// Notes which router has the floating IP: of its first port forwarding, or none after the last.
#[must_use]
pub fn set_router(id: &str, router: Option<&str>) -> Prepared {
    let mut statement = changed(&[id]);
    statement
        .value(F::LastKnownRouterId, Expr::col(F::RouterId))
        .value(F::RouterId, router.map(str::to_string));
    Prepared::new(&statement)
}

/// Counts a change of the floating IP's children in its revision.
#[must_use]
pub fn bump(ids: &[&str]) -> Prepared {
    Prepared::new(&changed(ids))
}

fn changed(ids: &[&str]) -> UpdateStatement {
    Query::update()
        .table(F::Table)
        .value(F::RevisionNumber, Expr::col(F::RevisionNumber).add(1))
        .value(F::UpdatedAt, time::now())
        .and_where(is_one_of(F::Id, ids.iter().copied()))
        .to_owned()
}

/// Stores a new floating IP without what hangs on it.
#[must_use]
pub fn insert(f: &FloatingIp) -> Prepared {
    let mut statement = Query::insert();
    statement.into_table(F::Table).columns(COLUMNS.into_iter().chain([F::FloatingIpKey]));
    statement.values_panic([
        f.id.as_str().into(),
        f.project_id.as_str().into(),
        f.description.as_str().into(),
        f.address.to_string().into(),
        f.network_id.as_str().into(),
        f.floating_port_id.as_str().into(),
        f.association.as_ref().map(|a| a.port_id.clone()).into(),
        f.association.as_ref().map(|a| a.fixed_ip_address.to_string()).into(),
        f.router_id.clone().into(),
        f.last_known_router_id.clone().into(),
        f.status.as_str().into(),
        f.revision.into(),
        f.created_at.as_str().into(),
        f.updated_at.as_str().into(),
        f.dns_name.as_str().into(),
        f.dns_domain.as_str().into(),
        ip::to_key(f.address.into()).into(),
    ]);
    Prepared::new(&statement)
}

/// Overwrites what may change of a floating IP.
#[must_use]
pub fn update(f: &FloatingIp) -> Prepared {
    let association = f.association.as_ref();
    let statement = Query::update()
        .table(F::Table)
        .values([
            (F::Description, f.description.as_str().into()),
            (F::FixedPortId, association.map(|a| a.port_id.clone()).into()),
            (F::FixedIpAddress, association.map(|a| a.fixed_ip_address.to_string()).into()),
            (F::RouterId, f.router_id.clone().into()),
            (F::LastKnownRouterId, f.last_known_router_id.clone().into()),
            (F::Status, f.status.as_str().into()),
            (F::RevisionNumber, f.revision.into()),
            (F::UpdatedAt, f.updated_at.as_str().into()),
        ])
        .and_where(Expr::col(F::Id).eq(f.id.as_str()))
        .to_owned();
    Prepared::new(&statement)
}
