//! Which ports are a router's.

use std::net::IpAddr;

use ipnet::IpNet;
use sea_query::{Expr, ExprTrait, Func, JoinType, Order, Query, SelectStatement};

use crate::{
    Conn, DbResult, Prepared, RowRef,
    list::any_of,
    schema::{
        FloatingIps as F, IpAllocations as I, PortForwardings as W, Ports, RouterPorts as P,
        Routers as R, Subnets as S,
    },
    time,
};

/// One of a router's ports: an interface, the gateway, or one of those distributed routers have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The port.
    pub port_id: String,
    /// Its device owner.
    pub port_type: String,
    /// Its network.
    pub network_id: String,
    /// Its owner; empty where it is hidden from projects.
    pub project_id: String,
    /// Its addresses.
    pub ips: Vec<AttachedIp>,
}

/// An address of a router's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedIp {
    /// Its subnet.
    pub subnet_id: String,
    /// The subnet's block.
    pub cidr: IpNet,
    /// The address.
    pub ip_address: IpAddr,
}

impl Attached {
    /// Whether one of its addresses is of IPv6.
    #[must_use]
    pub fn has_ipv6(&self) -> bool {
        self.ips.iter().any(|ip| ip.ip_address.is_ipv6())
    }

    /// Whether it has an address of the subnet.
    #[must_use]
    pub fn is_on(&self, subnet: &str) -> bool {
        self.ips.iter().any(|ip| ip.subnet_id == subnet)
    }
}

/// The router's ports with their addresses; one statement.
///
/// # Errors
/// What the database refused.
pub async fn attached(conn: &Conn, router: &str) -> DbResult<Vec<Attached>> {
    let query = Query::select()
        .columns([(P::Table, P::PortId), (P::Table, P::PortType)])
        .columns([(Ports::Table, Ports::NetworkId), (Ports::Table, Ports::ProjectId)])
        .columns([(I::Table, I::SubnetId), (I::Table, I::IpAddress)])
        .column((S::Table, S::Cidr))
        .from(P::Table)
        .join(
            JoinType::InnerJoin,
            Ports::Table,
            Expr::col((Ports::Table, Ports::Id)).equals((P::Table, P::PortId)),
        )
        .join(
            JoinType::LeftJoin,
            I::Table,
            Expr::col((I::Table, I::PortId)).equals((P::Table, P::PortId)),
        )
        .join(
            JoinType::LeftJoin,
            S::Table,
            Expr::col((S::Table, S::Id)).equals((I::Table, I::SubnetId)),
        )
        .and_where(Expr::col((P::Table, P::RouterId)).eq(router))
        .order_by((P::Table, P::PortId), Order::Asc)
        .to_owned();
    conn.fetch_fold(&query, Vec::new(), collect).await
}

fn collect(found: &mut Vec<Attached>, row: &RowRef<'_>) {
    if found.last().is_none_or(|port| port.port_id != row.str(0)) {
        found.push(Attached {
            port_id: row.text(0),
            port_type: row.text(1),
            network_id: row.text(2),
            project_id: row.text(3),
            ips: Vec::new(),
        });
    }
    let (Some(port), Ok(ip_address), Ok(cidr)) =
        (found.last_mut(), row.str(5).parse(), row.str(6).parse())
    else {
        return;
    };
    port.ips.push(AttachedIp { subnet_id: row.text(4), cidr, ip_address });
}

/// The subnets of a network with their blocks; one statement.
///
/// # Errors
/// What the database refused.
pub async fn blocks_of(conn: &Conn, network: &str) -> DbResult<Vec<(String, IpNet)>> {
    let query = Query::select()
        .columns([S::Id, S::Cidr])
        .from(S::Table)
        .and_where(Expr::col(S::NetworkId).eq(network))
        .to_owned();
    let rows = conn.fetch_map(&query, |r| (r.text(0), r.str(1).parse().ok())).await?;
    Ok(rows.into_iter().filter_map(|(id, cidr)| Some((id, cidr?))).collect())
}

/// Notes that `port` is one of the router's; `port_type` is its device owner.
#[must_use]
pub fn insert(router: &str, port: &str, port_type: &str) -> Prepared {
    let statement = Query::insert()
        .into_table(P::Table)
        .columns([P::RouterId, P::PortId, P::PortType])
        .values_panic([router.into(), port.into(), port_type.into()])
        .to_owned();
    Prepared::new(&statement)
}

/// Takes leave of a port that is about to be deleted: its router counts a change, and has no
/// gateway any more if the port was that.
#[must_use]
pub fn release(port: &str) -> Prepared {
    let mine = Query::select()
        .column(P::RouterId)
        .from(P::Table)
        .and_where(Expr::col(P::PortId).eq(port))
        .to_owned();
    let gateway = Func::cust("NULLIF").args([Expr::col(R::GwPortId), Expr::val(port)]);
    let statement = Query::update()
        .table(R::Table)
        .value(R::GwPortId, gateway)
        .value(R::RevisionNumber, Expr::col(R::RevisionNumber).add(1))
        .value(R::UpdatedAt, time::now())
        .and_where(Expr::col(R::Id).in_subquery(mine).or(Expr::col(R::GwPortId).eq(port)))
        .to_owned();
    Prepared::new(&statement)
}

/// The interfaces of a router that changes its kind get another device owner.
#[must_use]
pub fn migrate(router: &str, old_owner: &str, new_owner: &str) -> Vec<Prepared> {
    let entries = Query::update()
        .table(P::Table)
        .value(P::PortType, new_owner)
        .and_where(Expr::col(P::RouterId).eq(router))
        .and_where(Expr::col(P::PortType).eq(old_owner))
        .to_owned();
    let mine = Query::select()
        .column(P::PortId)
        .from(P::Table)
        .and_where(Expr::col(P::RouterId).eq(router))
        .and_where(Expr::col(P::PortType).eq(new_owner))
        .to_owned();
    let ports = Query::update()
        .table(Ports::Table)
        .value(Ports::DeviceOwner, new_owner)
        .value(Ports::RevisionNumber, Expr::col(Ports::RevisionNumber).add(1))
        .value(Ports::UpdatedAt, time::now())
        .and_where(Expr::col(Ports::Id).in_subquery(mine))
        .to_owned();
    vec![Prepared::new(&entries), Prepared::new(&ports)]
}

/// The first of `subnets` with an address that a floating IP or a port forwarding leads to through
/// the router; one statement.
///
/// # Errors
/// What the database refused.
pub async fn with_floating_ip(
    conn: &Conn,
    router: &str,
    subnets: &[&str],
) -> DbResult<Option<String>> {
    let associated = behind(router, subnets)
        .and_where(Expr::col((F::Table, F::FixedPortId)).equals((I::Table, I::PortId)))
        .and_where(Expr::col((F::Table, F::FixedIpAddress)).equals((I::Table, I::IpAddress)))
        .to_owned();
    let forwarded = behind(router, subnets)
        .from(W::Table)
        .and_where(Expr::col((W::Table, W::FloatingIpId)).equals((F::Table, F::Id)))
        .and_where(Expr::col((W::Table, W::InternalNeutronPortId)).equals((I::Table, I::PortId)))
        .and_where(Expr::col((W::Table, W::InternalIpAddress)).equals((I::Table, I::IpAddress)))
        .to_owned();
    let mut query = associated;
    query.union(sea_query::UnionType::Distinct, forwarded);
    let found = conn.fetch_map(&query, |row| row.text(0)).await?;
    Ok(subnets.iter().find(|s| found.iter().any(|f| f == *s)).map(|s| (*s).to_string()))
}

/// The subnets of addresses, beside the router's floating IPs.
fn behind(router: &str, subnets: &[&str]) -> SelectStatement {
    let subnets = subnets.iter().map(|s| (*s).to_string()).collect();
    Query::select()
        .column((I::Table, I::SubnetId))
        .from(I::Table)
        .from(F::Table)
        .and_where(Expr::col((F::Table, F::RouterId)).eq(router))
        .and_where(any_of(Expr::col((I::Table, I::SubnetId)), subnets))
        .to_owned()
}

/// Whether any floating IP is the router's.
///
/// # Errors
/// What the database refused.
pub async fn has_floating_ips(conn: &Conn, router: &str) -> DbResult<bool> {
    let query = Query::select()
        .column(F::Id)
        .from(F::Table)
        .and_where(Expr::col(F::RouterId).eq(router))
        .limit(1)
        .to_owned();
    Ok(conn.fetch_opt(&query).await?.is_some())
}

/// The device owner of `port` when what its device id names is there: a router or a floating IP.
/// One statement.
///
/// # Errors
/// What the database refused.
pub async fn owner_in_use(conn: &Conn, port: &str) -> DbResult<Option<String>> {
    let device = (Ports::Table, Ports::DeviceId);
    let router = Query::select()
        .expr(Expr::val(1))
        .from(R::Table)
        .and_where(Expr::col((R::Table, R::Id)).equals(device))
        .to_owned();
    let floating_ip = Query::select()
        .expr(Expr::val(1))
        .from(F::Table)
        .and_where(Expr::col((F::Table, F::Id)).equals(device))
        .to_owned();
    let query = Query::select()
        .column((Ports::Table, Ports::DeviceOwner))
        .from(Ports::Table)
        .and_where(Expr::col((Ports::Table, Ports::Id)).eq(port))
        .and_where(Expr::exists(router).or(Expr::exists(floating_ip)))
        .to_owned();
    Ok(conn.fetch_map(&query, |row| row.text(0)).await?.pop())
}

/// The owner of the router `id`.
///
/// # Errors
/// What the database refused.
pub async fn project_of(conn: &Conn, id: &str) -> DbResult<Option<String>> {
    let query = Query::select()
        .column(R::ProjectId)
        .from(R::Table)
        .and_where(Expr::col(R::Id).eq(id))
        .to_owned();
    Ok(conn.fetch_map(&query, |row| row.text(0)).await?.pop())
}
