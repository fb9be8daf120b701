//! Where distributed routers are needed: on hosts of the ports they serve.
//!
//! A host needs a distributed router when a port that is served (see [`is_serviced`](super::is_serviced))
//! with an address on one of the router's subnets is bound there, or about to migrate there. It
//! needs the routers that share a network with those, too: what one forwards, the next must take.

use neutrino_types::constants::device_owner::DVR_INTERFACE;
use sea_query::{
    Alias, CaseStatement, Cond, Expr, ExprTrait, Iden, JoinType, LikeExpr, Order, Query,
    SelectStatement,
};

use super::serviced;
use crate::{
    Conn, DbResult,
    list::any_of,
    schema::{
        IpAllocations as I, PortBindings as B, Ports as P, RouterPorts as O, Routers as R,
        Subnets as S,
    },
};

/// `status` of the binding in force.
const ACTIVE: &str = "ACTIVE";
/// The key of a binding's profile that names the host its port migrates to.
pub const MIGRATING_TO: &str = "migrating_to";

/// One address of a router's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The router.
    pub router_id: String,
    /// Its port.
    pub port_id: String,
    /// The port's network.
    pub network_id: String,
    /// The subnet of the address.
    pub subnet_id: String,
    /// The address.
    pub ip_address: String,
    /// The subnet's block.
    pub cidr: String,
}

fn among(
    column: (impl Iden + Copy + 'static, impl Iden + Copy + 'static),
    values: &[&str],
) -> Expr {
    any_of(Expr::col(column), values.iter().map(ToString::to_string).collect())
}

/// Router ports of one kind with their addresses.
fn attached(port_type: &str) -> SelectStatement {
    Query::select()
        .from(O::Table)
        .join(
            JoinType::InnerJoin,
            I::Table,
            Expr::col((I::Table, I::PortId)).equals((O::Table, O::PortId)),
        )
        .and_where(Expr::col((O::Table, O::PortType)).eq(port_type))
        .to_owned()
}

async fn fetch_interfaces(conn: &Conn, mut query: SelectStatement) -> DbResult<Vec<Interface>> {
    query
        .columns([O::RouterId, O::PortId].map(|c| (O::Table, c)))
        .columns([I::NetworkId, I::SubnetId, I::IpAddress].map(|c| (I::Table, c)))
        .column((S::Table, S::Cidr))
        .join(
            JoinType::InnerJoin,
            S::Table,
            Expr::col((S::Table, S::Id)).equals((I::Table, I::SubnetId)),
        )
        .order_by((O::Table, O::RouterId), Order::Asc)
        .order_by((O::Table, O::PortId), Order::Asc)
        .order_by((I::Table, I::IpKey), Order::Asc);
    conn.fetch_map(&query, |r| Interface {
        router_id: r.text(0),
        port_id: r.text(1),
        network_id: r.text(2),
        subnet_id: r.text(3),
        ip_address: r.text(4),
        cidr: r.text(5),
    })
    .await
}

/// The addresses of the ports of `routers` of one kind (`device_owner`), by router and port.
///
/// # Errors
/// What the database refused.
pub async fn interfaces(
    conn: &Conn,
    routers: &[&str],
    port_type: &str,
) -> DbResult<Vec<Interface>> {
    let mut query = attached(port_type);
    query.and_where(among((O::Table, O::RouterId), routers));
    fetch_interfaces(conn, query).await
}

/// The addresses distributed routers have on `networks`, by router and port.
///
/// # Errors
/// What the database refused.
pub async fn interfaces_on(conn: &Conn, networks: &[&str]) -> DbResult<Vec<Interface>> {
    let mut query = attached(DVR_INTERFACE);
    query.and_where(among((I::Table, I::NetworkId), networks));
    fetch_interfaces(conn, query).await
}

/// (router, other): the distributed routers that have an interface on a network that one of
/// `routers` (those that are distributed) is on, too.
///
/// # Errors
/// What the database refused.
pub async fn connected(conn: &Conn, routers: &[&str]) -> DbResult<Vec<(String, String)>> {
    let [mine, port, other] = ["mine", "mine_port", "other"].map(Alias::new);
    let query = Query::select()
        .distinct()
        .column((mine.clone(), O::RouterId))
        .column((other.clone(), O::RouterId))
        .from_as(O::Table, mine.clone())
        .join_as(
            JoinType::InnerJoin,
            P::Table,
            port.clone(),
            Expr::col((port.clone(), P::Id)).equals((mine.clone(), O::PortId)),
        )
        .join(
            JoinType::InnerJoin,
            P::Table,
            Expr::col((P::Table, P::NetworkId)).equals((port, P::NetworkId)),
        )
        .join_as(
            JoinType::InnerJoin,
            O::Table,
            other.clone(),
            Cond::all()
                .add(Expr::col((other.clone(), O::PortId)).equals((P::Table, P::Id)))
                .add(Expr::col((other.clone(), O::PortType)).eq(DVR_INTERFACE))
                .add(Expr::col((other, O::RouterId)).not_equals((mine.clone(), O::RouterId))),
        )
        .join(
            JoinType::InnerJoin,
            R::Table,
            Expr::col((R::Table, R::Id)).equals((mine, O::RouterId)),
        )
        .and_where(among((R::Table, R::Id), routers))
        .and_where(Expr::col((R::Table, R::Distributed)).eq(true))
        .to_owned();
    conn.fetch_map(&query, |r| (r.text(0), r.text(1))).await
}

/// Distributed interfaces beside the bindings of the ports they serve.
fn served(dhcp: bool) -> SelectStatement {
    let theirs = Alias::new("theirs");
    attached(DVR_INTERFACE)
        .distinct()
        .column((O::Table, O::RouterId))
        .join_as(
            JoinType::InnerJoin,
            I::Table,
            theirs.clone(),
            Expr::col((theirs.clone(), I::SubnetId)).equals((I::Table, I::SubnetId)),
        )
        .join(
            JoinType::InnerJoin,
            P::Table,
            Expr::col((P::Table, P::Id)).equals((theirs, I::PortId)),
        )
        .join(
            JoinType::InnerJoin,
            B::Table,
            Cond::all()
                .add(Expr::col((B::Table, B::PortId)).equals((P::Table, P::Id)))
                .add(Expr::col((B::Table, B::Status)).eq(ACTIVE)),
        )
        .cond_where(serviced((P::Table, P::DeviceOwner), dhcp))
        .to_owned()
}

fn profile() -> Expr {
    Expr::col((B::Table, B::Profile))
}

/// (router, host): the hosts that need `routers` for ports on the routers' own subnets.
///
/// # Errors
/// What the database refused.
pub async fn needing(conn: &Conn, routers: &[&str], dhcp: bool) -> DbResult<Vec<(String, String)>> {
    let migrating = profile().like(format!("%\"{MIGRATING_TO}\"%"));
    let query = served(dhcp)
        .column((B::Table, B::Host))
        // Only a migration's profile matters: others would make rows differ for nothing.
        .expr(CaseStatement::new().case(migrating, profile()).finally(""))
        .and_where(among((O::Table, O::RouterId), routers))
        .to_owned();
    let rows = conn.fetch_map(&query, |r| (r.text(0), r.text(1), r.text(2))).await?;
    let mut out = Vec::with_capacity(rows.len());
    for (router, host, profile) in rows {
        if let Some(target) = migration_target(&profile) {
            out.push((router.clone(), target));
        }
        if !host.is_empty() {
            out.push((router, host));
        }
    }
    Ok(out)
}

/// The hosts of ports on `subnets` that distributed routers serve, each once.
///
/// # Errors
/// What the database refused.
pub async fn hosts_on_subnets(conn: &Conn, subnets: &[&str], dhcp: bool) -> DbResult<Vec<String>> {
    let on_subnets = Query::select()
        .column(I::PortId)
        .from(I::Table)
        .and_where(any_of(
            Expr::col(I::SubnetId),
            subnets.iter().map(ToString::to_string).collect(),
        ))
        .to_owned();
    let query = Query::select()
        .distinct()
        .column((B::Table, B::Host))
        .from(P::Table)
        .join(
            JoinType::InnerJoin,
            B::Table,
            Expr::col((B::Table, B::PortId)).equals((P::Table, P::Id)),
        )
        .and_where(Expr::col((P::Table, P::Id)).in_subquery(on_subnets))
        .and_where(Expr::col((B::Table, B::Host)).ne(""))
        .cond_where(serviced((P::Table, P::DeviceOwner), dhcp))
        .to_owned();
    conn.fetch_map(&query, |r| r.text(0)).await
}

/// The host a binding's profile says its port migrates to.
#[must_use]
pub fn migration_target(profile: &str) -> Option<String> {
    if profile.is_empty() {
        return None;
    }
    let profile: serde_json::Value = serde_json::from_str(profile).ok()?;
    profile.get(MIGRATING_TO)?.as_str().filter(|host| !host.is_empty()).map(str::to_string)
}

/// The distributed routers `host` needs for ports on the routers' own subnets, each once.
///
/// # Errors
/// What the database refused.
pub async fn needed_on(conn: &Conn, host: &str, dhcp: bool) -> DbResult<Vec<String>> {
    // Profiles are stored without spaces.
    let entry = format!("\"{MIGRATING_TO}\":{}", serde_json::Value::from(host));
    let escaped = entry.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let migrating = profile().like(LikeExpr::new(format!("%{escaped}%")).escape('\\'));
    let query = served(dhcp)
        .cond_where(
            Cond::any()
                .add(Expr::col((B::Table, B::Host)).eq(host))
                .add(Cond::all().add(profile().ne("")).add(migrating)),
        )
        .to_owned();
    conn.fetch_map(&query, |r| r.text(0)).await
}
