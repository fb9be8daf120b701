//! Port bindings and their levels (`ml2_port_bindings`, `ml2_port_binding_levels`).

use std::collections::HashMap;

use neutrino_db::{
    Conn, DbResult, Prepared, RowRef,
    schema::{PortBindingLevels as L, PortBindings as B},
    sea_query::{Expr, ExprTrait, InsertStatement, Order, Query, SelectStatement},
};
use neutrino_types::constants::vif_type;

use super::is_in;

/// `status` of the binding in force.
pub const ACTIVE: &str = "ACTIVE";
/// `status` of a binding prepared for a migration.
pub const INACTIVE: &str = "INACTIVE";
/// Most characters of a stored `profile` or `vif_details`.
pub const JSON_MAX: usize = 4095;

/// How a port is bound on one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The host; empty while the port is on none.
    pub host: String,
    /// Kind of virtual NIC.
    pub vnic_type: String,
    /// JSON object, or empty.
    pub profile: String,
    /// How the host plugs the port.
    pub vif_type: String,
    /// JSON object, or empty.
    pub vif_details: String,
    /// [`ACTIVE`] or [`INACTIVE`].
    pub status: String,
}

impl Default for Binding {
    fn default() -> Self {
        Self {
            host: String::new(),
            vnic_type: "normal".into(),
            profile: String::new(),
            vif_type: vif_type::UNBOUND.into(),
            vif_details: String::new(),
            status: ACTIVE.into(),
        }
    }
}

impl Binding {
    /// Whether a host is chosen but nothing bound the port there.
    #[must_use]
    pub fn needs_binding(&self) -> bool {
        !self.host.is_empty() && !self.is_bound()
    }

    /// Whether a driver bound it.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        !matches!(self.vif_type.as_str(), vif_type::UNBOUND | vif_type::BINDING_FAILED)
    }

    /// Back to unbound.
    pub fn clear(&mut self) {
        self.vif_type = vif_type::UNBOUND.into();
        self.vif_details.clear();
    }

    /// Whether both ask for the same: what must hold for a binding attempt to be kept.
    #[must_use]
    pub fn same_inputs(&self, other: &Self) -> bool {
        self.host == other.host
            && self.vnic_type == other.vnic_type
            && self.profile == other.profile
    }
}

/// One level of a binding: which driver bound to which segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// The driver.
    pub driver: String,
    /// The segment; `None` when it was deleted.
    pub segment_id: Option<String>,
}

const COLUMNS: [B; 7] =
    [B::PortId, B::Host, B::VnicType, B::Profile, B::VifType, B::VifDetails, B::Status];

fn decode(row: &RowRef<'_>, first: usize) -> Binding {
    Binding {
        host: row.text(first),
        vnic_type: row.text(first + 1),
        profile: row.text(first + 2),
        vif_type: row.text(first + 3),
        vif_details: row.text(first + 4),
        status: row.text(first + 5),
    }
}

/// The columns [`decode_at`] reads.
#[must_use]
pub fn exprs() -> Vec<Expr> {
    COLUMNS.into_iter().skip(1).map(|c| Expr::col((B::Table, c))).collect()
}

/// The columns of [`exprs`] from column `first` on; `None` when the join found no binding.
#[must_use]
pub fn decode_at(row: &RowRef<'_>, first: usize) -> Option<Binding> {
    row.opt_str(first).map(|_| decode(row, first))
}

/// All bindings of a port, the active one first.
///
/// # Errors
/// What the database refused.
pub async fn of_port(conn: &Conn, port: &str) -> DbResult<Vec<Binding>> {
    let query = Query::select()
        .exprs(exprs())
        .from(B::Table)
        .and_where(Expr::col(B::PortId).eq(port))
        .order_by(B::Status, Order::Asc)
        .order_by(B::Host, Order::Asc)
        .to_owned();
    conn.fetch_map(&query, |r| decode(r, 0)).await
}

/// All bindings of several ports by port, the active ones first.
///
/// # Errors
/// What the database refused.
pub async fn of_ports(conn: &Conn, ports: &[&str]) -> DbResult<HashMap<String, Vec<Binding>>> {
    let mut out: HashMap<String, Vec<Binding>> = HashMap::new();
    let query = Query::select()
        .columns(COLUMNS)
        .from(B::Table)
        .and_where(is_in(B::PortId, ports.iter().copied()))
        .order_by(B::PortId, Order::Asc)
        .order_by(B::Status, Order::Asc)
        .order_by(B::Host, Order::Asc)
        .to_owned();
    for (port, binding) in conn.fetch_map(&query, |r| (r.text(0), decode(r, 1))).await? {
        out.entry(port).or_default().push(binding);
    }
    Ok(out)
}

/// Stores bindings of new ports.
#[must_use]
pub fn insert<'a>(bindings: impl IntoIterator<Item = (&'a str, &'a Binding)>) -> InsertStatement {
    let mut statement = Query::insert();
    statement.into_table(B::Table).columns(COLUMNS);
    for (port, b) in bindings {
        statement.values_panic([
            port.into(),
            b.host.as_str().into(),
            b.vnic_type.as_str().into(),
            b.profile.as_str().into(),
            b.vif_type.as_str().into(),
            b.vif_details.as_str().into(),
            b.status.as_str().into(),
        ]);
    }
    statement
}

/// Overwrites the binding of `port` on `old_host`.
#[must_use]
pub fn update(port: &str, old_host: &str, b: &Binding) -> Prepared {
    let statement = Query::update()
        .table(B::Table)
        .values([
            (B::Host, b.host.as_str().into()),
            (B::VnicType, b.vnic_type.as_str().into()),
            (B::Profile, b.profile.as_str().into()),
            (B::VifType, b.vif_type.as_str().into()),
            (B::VifDetails, b.vif_details.as_str().into()),
            (B::Status, b.status.as_str().into()),
        ])
        .and_where(Expr::col(B::PortId).eq(port))
        .and_where(Expr::col(B::Host).eq(old_host))
        .to_owned();
    Prepared::new(&statement)
}

/// Removes the binding of `port` on `host`.
///
/// # Errors
/// What the database refused.
pub async fn delete(conn: &Conn, port: &str, host: &str) -> DbResult<u64> {
    Ok(conn.execute_batch(vec![delete_statement(port, host)]).await?.into_iter().sum())
}

/// The statement of [`delete`].
#[must_use]
pub fn delete_statement(port: &str, host: &str) -> Prepared {
    let statement = Query::delete()
        .from_table(B::Table)
        .and_where(Expr::col(B::PortId).eq(port))
        .and_where(Expr::col(B::Host).eq(host))
        .to_owned();
    Prepared::new(&statement)
}

/// Removes the levels of `port` on `host`.
#[must_use]
pub fn clear_levels(port: &str, host: &str) -> Prepared {
    let statement = Query::delete()
        .from_table(L::Table)
        .and_where(Expr::col(L::PortId).eq(port))
        .and_where(Expr::col(L::Host).eq(host))
        .to_owned();
    Prepared::new(&statement)
}

/// Stores the levels of `port` on `host`, top first.
#[must_use]
pub fn insert_levels(port: &str, host: &str, levels: &[Level]) -> Option<Prepared> {
    insert_levels_of(host, &[(port, levels)])
}

/// Stores the levels of several ports on `host` instead of those they have there.
#[must_use]
pub fn replace_levels(host: &str, of: &[(&str, &[Level])]) -> Vec<Prepared> {
    let old = Query::delete()
        .from_table(L::Table)
        .and_where(is_in(L::PortId, of.iter().map(|(port, _)| *port)))
        .and_where(Expr::col(L::Host).eq(host))
        .to_owned();
    let mut out = vec![Prepared::new(&old)];
    out.extend(insert_levels_of(host, of));
    out
}

fn insert_levels_of(host: &str, of: &[(&str, &[Level])]) -> Option<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(L::Table).columns([L::PortId, L::Host, L::Level, L::Driver, L::SegmentId]);
    for (port, levels) in of {
        for (at, level) in (0i32..).zip(*levels) {
            statement.values_panic([
                (*port).into(),
                host.into(),
                at.into(),
                level.driver.as_str().into(),
                level.segment_id.clone().into(),
            ]);
        }
    }
    of.iter().any(|(_, levels)| !levels.is_empty()).then(|| Prepared::new(&statement))
}

fn select_levels() -> SelectStatement {
    Query::select()
        .columns([L::PortId, L::Host, L::Driver, L::SegmentId])
        .from(L::Table)
        .order_by(L::PortId, Order::Asc)
        .order_by(L::Level, Order::Asc)
        .to_owned()
}

/// Levels of several ports by port and host, top first.
///
/// # Errors
/// What the database refused.
pub async fn levels(
    conn: &Conn,
    ports: &[&str],
) -> DbResult<HashMap<(String, String), Vec<Level>>> {
    let mut out: HashMap<(String, String), Vec<Level>> = HashMap::new();
    if ports.is_empty() {
        return Ok(out);
    }
    let mut query = select_levels();
    query.and_where(is_in(L::PortId, ports.iter().copied()));
    let decode = |r: &RowRef<'_>| {
        ((r.text(0), r.text(1)), Level { driver: r.text(2), segment_id: r.opt_text(3) })
    };
    for (key, level) in conn.fetch_map(&query, decode).await? {
        out.entry(key).or_default().push(level);
    }
    Ok(out)
}
