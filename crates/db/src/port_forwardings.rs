//! Port forwardings of floating IPs: rows, and the statements that read and write them.

use std::{collections::HashMap, net::Ipv4Addr};

use neutrino_types::new_id;
use sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};

use crate::{
    Conn, DbResult, Prepared, RowRef, floating_ips, list::any_of, schema::PortForwardings as W,
    time,
};

/// Ports from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl PortRange {
    /// One port.
    #[must_use]
    pub const fn one(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// How many ports follow the first.
    #[must_use]
    pub const fn span(self) -> u16 {
        self.last.saturating_sub(self.first)
    }

    /// The port, when it is one.
    #[must_use]
    pub fn single(self) -> Option<u16> {
        (self.first == self.last).then_some(self.first)
    }

    /// Whether both have a port.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.first, self.last)
    }
}

/// A port forwarding: what arrives at `external` of the floating IP goes to `internal` of the
/// address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortForwarding {
    /// Its id.
    pub id: String,
    /// The floating IP.
    pub floating_ip_id: String,
    /// The port it leads to.
    pub internal_port_id: String,
    /// The port's address.
    pub internal_ip_address: Ipv4Addr,
    /// `tcp`, `udp` ...
    pub protocol: String,
    /// Ports of the address.
    pub internal: PortRange,
    /// Ports of the floating IP.
    pub external: PortRange,
    /// Description.
    pub description: String,
    /// Revision.
    pub revision: i64,
    /// Creation time.
    pub created_at: String,
    /// Time of the last change.
    pub updated_at: String,
}

impl PortForwarding {
    /// A port forwarding of `floating_ip` that is not stored yet, leading nowhere.
    #[must_use]
    pub fn new(floating_ip: &str) -> Self {
        let now = time::now();
        Self {
            id: new_id(),
            floating_ip_id: floating_ip.into(),
            internal_port_id: String::new(),
            internal_ip_address: Ipv4Addr::UNSPECIFIED,
            protocol: String::new(),
            internal: PortRange::one(0),
            external: PortRange::one(0),
            description: String::new(),
            revision: 0,
            created_at: now.clone(),
            updated_at: now,
        }
    }
}

/// FROM clause of port forwarding queries.
#[must_use]
pub fn from() -> SelectStatement {
    Query::select().from(W::Table).to_owned()
}

/// The columns [`decode`] reads.
pub const COLUMNS: [W; 13] = [
    W::Id,
    W::FloatingIpId,
    W::InternalNeutronPortId,
    W::InternalIpAddress,
    W::Protocol,
    W::InternalPortStart,
    W::InternalPortEnd,
    W::ExternalPortStart,
    W::ExternalPortEnd,
    W::Description,
    W::RevisionNumber,
    W::CreatedAt,
    W::UpdatedAt,
];

/// A row of [`COLUMNS`].
#[must_use]
pub fn decode(row: &RowRef<'_>) -> PortForwarding {
    let port = |at: usize| u16::try_from(row.int(at)).unwrap_or(0);
    PortForwarding {
        id: row.text(0),
        floating_ip_id: row.text(1),
        internal_port_id: row.text(2),
        internal_ip_address: floating_ips::address(row.str(3)),
        protocol: row.text(4),
        internal: PortRange { first: port(5), last: port(6) },
        external: PortRange { first: port(7), last: port(8) },
        description: row.text(9),
        revision: row.int(10),
        created_at: row.text(11),
        updated_at: row.text(12),
    }
}

async fn where_one_of(conn: &Conn, column: W, ids: &[&str]) -> DbResult<Vec<PortForwarding>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids = ids.iter().map(|id| (*id).to_string()).collect();
    let query = from()
        .columns(COLUMNS)
        .and_where(any_of(Expr::col(column), ids))
        .order_by(W::ExternalPortStart, Order::Asc)
        .order_by(W::Id, Order::Asc)
        .to_owned();
    conn.fetch_map(&query, decode).await
}

/// The port forwardings of each of `floating_ips`, by floating IP, each list by external port; one
/// statement, none without floating IPs.
///
/// # Errors
/// What the database refused.
pub async fn of_floating_ips(
    conn: &Conn,
    floating_ips: &[&str],
) -> DbResult<HashMap<String, Vec<PortForwarding>>> {
    let mut out: HashMap<String, Vec<PortForwarding>> = HashMap::new();
    for one in where_one_of(conn, W::FloatingIpId, floating_ips).await? {
        out.entry(one.floating_ip_id.clone()).or_default().push(one);
    }
    Ok(out)
}

/// The port forwardings that lead to `ports`; one statement, none without ports.
///
/// # Errors
/// What the database refused.
pub async fn to_ports(conn: &Conn, ports: &[&str]) -> DbResult<Vec<PortForwarding>> {
    where_one_of(conn, W::InternalNeutronPortId, ports).await
}

/// Stores a new port forwarding.
#[must_use]
pub fn insert(p: &PortForwarding) -> Prepared {
    let mut statement = Query::insert();
    statement.into_table(W::Table).columns(COLUMNS).values_panic([
        p.id.as_str().into(),
        p.floating_ip_id.as_str().into(),
        p.internal_port_id.as_str().into(),
        p.internal_ip_address.to_string().into(),
        p.protocol.as_str().into(),
        p.internal.first.into(),
        p.internal.last.into(),
        p.external.first.into(),
        p.external.last.into(),
        p.description.as_str().into(),
        p.revision.into(),
        p.created_at.as_str().into(),
        p.updated_at.as_str().into(),
    ]);
    Prepared::new(&statement)
}

/// Overwrites what may change of a port forwarding.
#[must_use]
pub fn update(p: &PortForwarding) -> Prepared {
    let statement = Query::update()
        .table(W::Table)
        .values([
            (W::InternalNeutronPortId, p.internal_port_id.as_str().into()),
            (W::InternalIpAddress, p.internal_ip_address.to_string().into()),
            (W::Protocol, p.protocol.as_str().into()),
            (W::InternalPortStart, p.internal.first.into()),
            (W::InternalPortEnd, p.internal.last.into()),
            (W::ExternalPortStart, p.external.first.into()),
            (W::ExternalPortEnd, p.external.last.into()),
            (W::Description, p.description.as_str().into()),
            (W::RevisionNumber, p.revision.into()),
            (W::UpdatedAt, p.updated_at.as_str().into()),
        ])
        .and_where(Expr::col(W::Id).eq(p.id.as_str()))
        .to_owned();
    Prepared::new(&statement)
}

/// Deletes port forwardings.
#[must_use]
pub fn delete(ids: &[&str]) -> Prepared {
    let ids = ids.iter().map(|id| (*id).to_string()).collect();
    let statement =
        Query::delete().from_table(W::Table).and_where(any_of(Expr::col(W::Id), ids)).to_owned();
    Prepared::new(&statement)
}
