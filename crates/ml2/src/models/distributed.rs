//! Bindings of distributed ports (`ml2_distributed_port_bindings`): one row per host that has the
//! port's router, with the status the port has there.

use std::collections::{HashMap, HashSet};

use neutrino_db::{
    Conn, DbResult, Prepared, RowRef,
    schema::{DistributedPortBindings as D, PortBindingLevels as L, PortBindings as B, Ports as P},
    sea_query::{Expr, ExprTrait, OnConflict, Order, Query, SelectStatement},
};
use neutrino_types::constants::{device_owner, status, vif_type};

use super::{
    binding::{ACTIVE, Binding},
    is_in,
};

/// A distributed port on one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostBinding {
    /// The port.
    pub port_id: String,
    /// The router whose instance on the host uses the port; `None` when it has left.
    pub router_id: Option<String>,
    /// The port's status on the host.
    pub status: String,
    /// How it is bound there.
    pub binding: Binding,
}

impl HostBinding {
    /// The binding of a port whose router comes to `host`: not bound yet.
    #[must_use]
    pub fn new(port_id: &str, host: &str, router_id: &str) -> Self {
        Self {
            port_id: port_id.to_string(),
            router_id: Some(router_id.to_string()),
            status: status::DOWN.to_string(),
            binding: Binding { host: host.to_string(), ..Binding::default() },
        }
    }
}

const COLUMNS: [D; 8] = [
    D::PortId,
    D::Host,
    D::RouterId,
    D::VifType,
    D::VifDetails,
    D::VnicType,
    D::Profile,
    D::Status,
];

fn select(ports: &[&str]) -> SelectStatement {
    Query::select()
        .columns(COLUMNS)
        .from(D::Table)
        .and_where(is_in(D::PortId, ports.iter().copied()))
        .order_by(D::PortId, Order::Asc)
        .order_by(D::Host, Order::Asc)
        .to_owned()
}

fn decode(row: &RowRef<'_>) -> HostBinding {
    HostBinding {
        port_id: row.text(0),
        router_id: row.opt_text(2),
        status: row.text(7),
        binding: Binding {
            host: row.text(1),
            vif_type: row.text(3),
            vif_details: row.text(4),
            vnic_type: row.text(5),
            profile: row.text(6),
            status: ACTIVE.to_string(),
        },
    }
}

/// The bindings of `ports` on all hosts, by port and host.
///
/// # Errors
/// What the database refused.
pub async fn of_ports(conn: &Conn, ports: &[&str]) -> DbResult<Vec<HostBinding>> {
    conn.fetch_map(&select(ports), decode).await
}

/// The bindings of `ports` on `host`, by port id.
///
/// # Errors
/// What the database refused.
pub async fn on_host(
    conn: &Conn,
    host: &str,
    ports: &[&str],
) -> DbResult<HashMap<String, HostBinding>> {
    let mut query = select(ports);
    query.and_where(Expr::col(D::Host).eq(host));
    let rows = conn.fetch_map(&query, decode).await?;
    Ok(rows.into_iter().map(|row| (row.port_id.clone(), row)).collect())
}

/// Those of `ports` that exist and are distributed.
///
/// # Errors
/// What the database refused.
pub async fn distributed(conn: &Conn, ports: &[&str]) -> DbResult<HashSet<String>> {
    let query = Query::select()
        .column(P::Id)
        .from(P::Table)
        .and_where(is_in(P::Id, ports.iter().copied()))
        .and_where(Expr::col(P::DeviceOwner).eq(device_owner::DVR_INTERFACE))
        .to_owned();
    conn.fetch_fold(&query, HashSet::new(), |out, r| {
        out.insert(r.text(0));
    })
    .await
}

/// Stores how ports are bound and for which router; a row that is there keeps its status.
#[must_use]
pub fn store(rows: &[&HostBinding]) -> Option<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(D::Table).columns(COLUMNS);
    for row in rows {
        let b = &row.binding;
        statement.values_panic([
            row.port_id.as_str().into(),
            b.host.as_str().into(),
            row.router_id.clone().into(),
            b.vif_type.as_str().into(),
            b.vif_details.as_str().into(),
            b.vnic_type.as_str().into(),
            b.profile.as_str().into(),
            row.status.as_str().into(),
        ]);
    }
    statement.on_conflict(
        OnConflict::columns([D::PortId, D::Host])
            .update_columns([D::RouterId, D::VifType, D::VifDetails])
            .to_owned(),
    );
    (!rows.is_empty()).then(|| Prepared::new(&statement))
}

/// Sets the status `ports` have on `host`.
#[must_use]
pub fn set_status(host: &str, ports: &[&str], status: &str) -> Prepared {
    let statement = Query::update()
        .table(D::Table)
        .value(D::Status, status)
        .and_where(Expr::col(D::Host).eq(host))
        .and_where(is_in(D::PortId, ports.iter().copied()))
        .to_owned();
    Prepared::new(&statement)
}

/// The routers of `ports` have left `host`: the rows stay until the host's agent lost the ports.
#[must_use]
pub fn leave(host: &str, ports: &[&str]) -> Prepared {
    let statement = Query::update()
        .table(D::Table)
        .value(D::RouterId, None::<String>)
        .and_where(Expr::col(D::Host).eq(host))
        .and_where(is_in(D::PortId, ports.iter().copied()))
        .to_owned();
    Prepared::new(&statement)
}

/// Removes rows of `ports` on `host` whose router has left and that are DOWN, with their levels.
#[must_use]
pub fn delete_stale(host: &str, ports: &[&str]) -> [Prepared; 2] {
    let rows = Query::delete()
        .from_table(D::Table)
        .and_where(Expr::col(D::Host).eq(host))
        .and_where(is_in(D::PortId, ports.iter().copied()))
        .and_where(Expr::col(D::RouterId).is_null())
        .and_where(Expr::col(D::Status).eq(status::DOWN))
        .to_owned();
    let still_there = Query::select()
        .expr(Expr::val(1))
        .from(D::Table)
        .and_where(Expr::col((D::Table, D::PortId)).equals((L::Table, L::PortId)))
        .and_where(Expr::col((D::Table, D::Host)).equals((L::Table, L::Host)))
        .to_owned();
    let levels = Query::delete()
        .from_table(L::Table)
        .and_where(Expr::col(L::Host).eq(host))
        .and_where(is_in(L::PortId, ports.iter().copied()))
        .and_where(Expr::not_exists(still_there))
        .to_owned();
    [Prepared::new(&rows), Prepared::new(&levels)]
}

/// Removes all rows of `ports`, with all their levels: they are distributed no more.
#[must_use]
pub fn delete(ports: &[&str]) -> [Prepared; 2] {
    let rows = Query::delete()
        .from_table(D::Table)
        .and_where(is_in(D::PortId, ports.iter().copied()))
        .to_owned();
    let levels = Query::delete()
        .from_table(L::Table)
        .and_where(is_in(L::PortId, ports.iter().copied()))
        .to_owned();
    [Prepared::new(&rows), Prepared::new(&levels)]
}

/// Ports became distributed: they are bound to no host of their own any more, and DOWN.
#[must_use]
pub fn made_distributed(ports: &[&str]) -> Vec<Prepared> {
    let binding = Query::update()
        .table(B::Table)
        .value(B::Host, "")
        .value(B::VifType, vif_type::DISTRIBUTED)
        .value(B::VifDetails, "")
        .and_where(is_in(B::PortId, ports.iter().copied()))
        .to_owned();
    let levels = Query::delete()
        .from_table(L::Table)
        .and_where(is_in(L::PortId, ports.iter().copied()))
        .to_owned();
    vec![Prepared::new(&binding), Prepared::new(&levels), down(ports)]
}

/// Ports are distributed no more: they are bound nowhere, and DOWN.
#[must_use]
pub fn made_plain(ports: &[&str]) -> Vec<Prepared> {
    let binding = Query::update()
        .table(B::Table)
        .value(B::VifType, vif_type::UNBOUND)
        .and_where(is_in(B::PortId, ports.iter().copied()))
        .to_owned();
    let mut out = vec![Prepared::new(&binding), down(ports)];
    out.extend(delete(ports));
    out
}

fn down(ports: &[&str]) -> Prepared {
    Prepared::new(&super::port::set_status(ports, status::DOWN))
}

/// (port, device owner): the ports of one device with one of `owners`.
///
/// # Errors
/// What the database refused.
pub async fn of_device(
    conn: &Conn,
    device: &str,
    owners: &[&str],
) -> DbResult<Vec<(String, String)>> {
    let query = Query::select()
        .columns([P::Id, P::DeviceOwner])
        .from(P::Table)
        .and_where(Expr::col(P::DeviceId).eq(device))
        .and_where(is_in(P::DeviceOwner, owners.iter().copied()))
        .to_owned();
    conn.fetch_map(&query, |r| (r.text(0), r.text(1))).await
}

/// A port's own status, and the one that follows from those it has on hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overall {
    /// The port.
    pub port_id: String,
    /// Its status as stored.
    pub stored: String,
    /// ACTIVE where any host's is, else DOWN where any host's is, else BUILD.
    pub due: &'static str,
}

/// What is stored and what is due as the status of `ports`.
///
/// # Errors
/// What the database refused.
pub async fn overall(conn: &Conn, ports: &[&str]) -> DbResult<Vec<Overall>> {
    let any = |status: &str| {
        let rows = Query::select()
            .expr(Expr::val(1))
            .from(D::Table)
            .and_where(Expr::col((D::Table, D::PortId)).equals((P::Table, P::Id)))
            .and_where(Expr::col((D::Table, D::Status)).eq(status))
            .to_owned();
        Expr::exists(rows)
    };
    let query = Query::select()
        .columns([(P::Table, P::Id), (P::Table, P::Status)])
        .expr(any(status::ACTIVE))
        .expr(any(status::DOWN))
        .from(P::Table)
        .and_where(is_in((P::Table, P::Id), ports.iter().copied()))
        .to_owned();
    conn.fetch_map(&query, |r| Overall {
        port_id: r.text(0),
        stored: r.text(1),
        due: match (r.bool(2), r.bool(3)) {
            (true, _) => status::ACTIVE,
            (_, true) => status::DOWN,
            _ => status::BUILD,
        },
    })
    .await
}
