//! Ports (`ports` and what hangs on them).

mod write;

use std::{collections::HashMap, net::IpAddr};

use neutrino_db::{
    Conn, DbResult, RowRef,
    list::{Column, any_of},
    schema::{
        AllowedAddressPairs as A, ExtraDhcpOpts as E, IpAllocations as I, Networks,
        PortBindings as B, Ports as P, SecurityGroupPortBindings as G, Tags,
    },
    sea_query::{
        Cond, Condition, Expr, ExprTrait, IntoColumnRef, JoinType, Query, SelectStatement,
    },
    security_groups, time,
};
use neutrino_types::{Context, MacAddr, new_id};

pub use self::write::*;
use super::{
    binding::{self, Binding},
    is_in,
};

/// One address of a port.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FixedIp {
    /// Its subnet.
    pub subnet_id: String,
    /// The address.
    pub ip_address: IpAddr,
}

/// One entry of `allowed_address_pairs`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AddressPair {
    /// MAC.
    pub mac_address: String,
    /// Address or CIDR.
    pub ip_address: String,
}

/// One entry of `extra_dhcp_opts`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DhcpOpt {
    /// Name.
    #[serde(rename = "opt_name")]
    pub name: String,
    /// Value.
    #[serde(rename = "opt_value")]
    pub value: String,
    /// 4 or 6.
    pub ip_version: u8,
}

/// A port with all that its view shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Port {
    /// Port id.
    pub id: String,
    /// Owner.
    pub project_id: String,
    /// Its network.
    pub network_id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// MAC.
    pub mac_address: MacAddr,
    /// Administrative state.
    pub admin_state_up: bool,
    /// `ACTIVE`, `BUILD`, `DOWN` ...
    pub status: String,
    /// What uses the port.
    pub device_id: String,
    /// Kind of the device.
    pub device_owner: String,
    /// `immediate`, `deferred` or `none`.
    pub ip_allocation: Option<String>,
    /// Whether addresses are enforced.
    pub port_security_enabled: bool,
    /// Whether the uplink's status is passed on.
    pub propagate_uplink_status: bool,
    /// Revision.
    pub revision: i64,
    /// Creation time.
    pub created_at: String,
    /// Time of the last change.
    pub updated_at: String,
    /// `dns_name`; empty is none.
    pub dns_name: String,
    /// The active binding.
    pub binding: Binding,
    /// Which child tables hold rows of the port: pairs, options, tags, security groups.
    pub(crate) children: [bool; 4],
    /// `fixed_ips`.
    pub fixed_ips: Vec<FixedIp>,
    /// `allowed_address_pairs`.
    pub address_pairs: Vec<AddressPair>,
    /// `extra_dhcp_opts`.
    pub dhcp_opts: Vec<DhcpOpt>,
    /// `security_groups`, sorted.
    pub security_groups: Vec<String>,
    /// Its tags.
    pub tags: Vec<String>,
}

impl Port {
    /// A port that is not stored yet, of revision 1 and created now.
    #[must_use]
    pub fn new() -> Self {
        let now = time::now();
        Self {
            id: new_id(),
            ip_allocation: Some("immediate".into()),
            // Where no extension driver says otherwise.
            port_security_enabled: true,
            propagate_uplink_status: true,
            revision: 1,
            created_at: now.clone(),
            updated_at: now,
            ..Self::default()
        }
    }
}

/// The condition that `ctx` may see a port: its own, or on a network of its own.
#[must_use]
pub fn visible(ctx: &Context) -> Option<Condition> {
    (!ctx.sees_all_projects()).then(|| {
        let networks = Query::select()
            .column(Networks::Id)
            .from(Networks::Table)
            .and_where(Expr::col(Networks::ProjectId).eq(ctx.project()))
            .to_owned();
        Cond::any()
            .add(Expr::col((P::Table, P::ProjectId)).eq(ctx.project()))
            .add(Expr::col((P::Table, P::NetworkId)).in_subquery(networks))
    })
}

/// The condition that a port is in any of these security groups.
#[must_use]
pub fn in_groups(groups: Vec<String>) -> Condition {
    let ports = Query::select()
        .column(G::PortId)
        .from(G::Table)
        .and_where(any_of(Expr::col(G::SecurityGroupId), groups))
        .to_owned();
    Cond::all().add(Expr::col((P::Table, P::Id)).in_subquery(ports))
}

/// FROM clause of port queries: ports with their active binding.
#[must_use]
pub fn from() -> SelectStatement {
    Query::select()
        .from(P::Table)
        .join(
            JoinType::LeftJoin,
            B::Table,
            Cond::all()
                .add(Expr::col((B::Table, B::PortId)).equals((P::Table, P::Id)))
                .add(Expr::col((B::Table, B::Status)).eq(binding::ACTIVE)),
        )
        .to_owned()
}

const COLUMNS: [P; 17] = [
    P::Id,
    P::ProjectId,
    P::NetworkId,
    P::Name,
    P::Description,
    P::MacAddress,
    P::AdminStateUp,
    P::Status,
    P::DeviceId,
    P::DeviceOwner,
    P::IpAllocation,
    P::PortSecurityEnabled,
    P::PropagateUplinkStatus,
    P::RevisionNumber,
    P::CreatedAt,
    P::UpdatedAt,
    P::DnsName,
];
/// First of the binding's columns.
const BINDING: usize = COLUMNS.len();
/// First of the columns that tell which child tables hold rows.
const FLAGS: usize = BINDING + 6;

/// Their ids, in what [`from`] selects of.
#[must_use]
pub fn id() -> Expr {
    Expr::col((P::Table, P::Id))
}

/// By what ports are filtered and sorted, in what [`from`] selects of.
pub const LISTED: &[Column] = &[
    Column::text("id", id),
    Column::text("name", || Expr::col((P::Table, P::Name))),
    Column::text("project_id", || Expr::col((P::Table, P::ProjectId))),
    Column::text("network_id", || Expr::col((P::Table, P::NetworkId))),
    Column::text("description", || Expr::col((P::Table, P::Description))),
    Column::text("mac_address", || Expr::col((P::Table, P::MacAddress))),
    Column::bool("admin_state_up", || Expr::col((P::Table, P::AdminStateUp))),
    Column::text("status", || Expr::col((P::Table, P::Status))),
    Column::text("device_id", || Expr::col((P::Table, P::DeviceId))),
    Column::text("device_owner", || Expr::col((P::Table, P::DeviceOwner))),
    Column::bool("port_security_enabled", || Expr::col((P::Table, P::PortSecurityEnabled))),
    Column::text("binding:host_id", || Expr::col((B::Table, B::Host))).or_null(),
    Column::text("binding:vnic_type", || Expr::col((B::Table, B::VnicType))).or_null(),
    Column::text("binding:vif_type", || Expr::col((B::Table, B::VifType))).or_null(),
    Column::int("revision_number", || Expr::col((P::Table, P::RevisionNumber))),
    Column::text("created_at", || Expr::col((P::Table, P::CreatedAt))),
    Column::text("updated_at", || Expr::col((P::Table, P::UpdatedAt))),
];

/// The columns [`decode`] reads.
#[must_use]
pub fn exprs() -> Vec<Expr> {
    let mut out: Vec<Expr> = COLUMNS.into_iter().map(|c| Expr::col((P::Table, c))).collect();
    out.extend(binding::exprs());
    let children = [
        Query::select().from(A::Table).and_where(of_port((A::Table, A::PortId))).take(),
        Query::select().from(E::Table).and_where(of_port((E::Table, E::PortId))).take(),
        Query::select()
            .from(Tags::Table)
            .and_where(of_port((Tags::Table, Tags::ResourceId)))
            .take(),
        Query::select().from(G::Table).and_where(of_port((G::Table, G::PortId))).take(),
    ];
    out.extend(children.map(|mut rows| Expr::exists(rows.expr(Expr::val(1)).take())));
    out
}

fn of_port(column: impl IntoColumnRef) -> Expr {
    Expr::col(column).equals((P::Table, P::Id))
}

/// A row of [`exprs`].
#[must_use]
pub fn decode(row: &RowRef<'_>) -> Port {
    Port {
        id: row.text(0),
        project_id: row.text(1),
        network_id: row.text(2),
        name: row.text(3),
        description: row.text(4),
        mac_address: row.str(5).parse().unwrap_or_default(),
        admin_state_up: row.bool(6),
        status: row.text(7),
        device_id: row.text(8),
        device_owner: row.text(9),
        ip_allocation: row.opt_text(10),
        port_security_enabled: row.bool(11),
        propagate_uplink_status: row.bool(12),
        revision: row.int(13),
        created_at: row.text(14),
        updated_at: row.text(15),
        dns_name: row.text(16),
        binding: binding::decode_at(row, BINDING).unwrap_or_default(),
        children: std::array::from_fn(|n| row.bool(FLAGS + n)),
        ..Port::default()
    }
}

/// Loads what hangs on `ports`: addresses always, the rest only where there is any.
///
/// # Errors
/// What the database refused.
pub async fn load_children(conn: &Conn, ports: &mut [Port]) -> DbResult<()> {
    if ports.is_empty() {
        return Ok(());
    }
    let query = Query::select()
        .columns([I::PortId, I::SubnetId, I::IpAddress])
        .from(I::Table)
        .and_where(is_in(I::PortId, ports.iter().map(|p| p.id.as_str())))
        .to_owned();
    attach_fixed_ips(conn, ports, &query).await?;
    if ports.iter().any(|p| p.children[3]) {
        let groups = Query::select()
            .columns([G::PortId, G::SecurityGroupId])
            .from(G::Table)
            .and_where(is_in(G::PortId, ports.iter().map(|p| p.id.as_str())))
            .to_owned();
        attach_groups(conn, ports, &groups).await?;
    }
    load_optional_children(conn, ports).await
}

/// Gives `ports` the security groups `query` answers as port, group.
///
/// # Errors
/// What the database refused.
pub async fn attach_groups(
    conn: &Conn,
    ports: &mut [Port],
    query: &SelectStatement,
) -> DbResult<()> {
    let mut groups = security_groups::groups_of(conn, query).await?;
    for port in ports {
        port.security_groups = groups.remove(&port.id).unwrap_or_default();
    }
    Ok(())
}

/// Gives `ports` the addresses `query` answers as port, subnet, address.
///
/// # Errors
/// What the database refused.
pub async fn attach_fixed_ips(
    conn: &Conn,
    ports: &mut [Port],
    query: &SelectStatement,
) -> DbResult<()> {
    let out: HashMap<String, Vec<FixedIp>> = HashMap::with_capacity(ports.len());
    let mut found = conn
        .fetch_fold(query, out, |out, row| {
            let Ok(ip_address) = row.str(2).parse() else { return };
            let ip = FixedIp { subnet_id: row.text(1), ip_address };
            match out.get_mut(row.str(0)) {
                Some(list) => list.push(ip),
                None => {
                    out.insert(row.text(0), vec![ip]);
                }
            }
        })
        .await?;
    for port in ports {
        port.fixed_ips = found.remove(&port.id).unwrap_or_default();
    }
    Ok(())
}

/// Loads address pairs, options and tags of those of `ports` that have any; no statement for a
/// kind that none has.
///
/// # Errors
/// What the database refused.
pub async fn load_optional_children(conn: &Conn, ports: &mut [Port]) -> DbResult<()> {
    if ports.iter().all(|p| p.children[..3] == [false; 3]) {
        return Ok(());
    }
    let ids: Vec<String> = ports.iter().map(|p| p.id.clone()).collect();
    let having = |flag: usize| -> Vec<&str> {
        ports.iter().zip(&ids).filter(|(p, _)| p.children[flag]).map(|(_, id)| &**id).collect()
    };
    let mut pairs = address_pairs(conn, &having(0)).await?;
    let mut opts = dhcp_opts(conn, &having(1)).await?;
    let mut tags = super::tags(conn, &having(2)).await?;
    for port in ports {
        port.address_pairs = pairs.remove(&port.id).unwrap_or_default();
        port.dhcp_opts = opts.remove(&port.id).unwrap_or_default();
        port.tags = tags.remove(&port.id).unwrap_or_default();
    }
    Ok(())
}

async fn address_pairs(conn: &Conn, ports: &[&str]) -> DbResult<HashMap<String, Vec<AddressPair>>> {
    let mut out: HashMap<String, Vec<AddressPair>> = HashMap::new();
    if ports.is_empty() {
        return Ok(out);
    }
    let query = Query::select()
        .columns([A::PortId, A::MacAddress, A::IpAddress])
        .from(A::Table)
        .and_where(is_in(A::PortId, ports.iter().copied()))
        .to_owned();
    let decode =
        |r: &RowRef<'_>| (r.text(0), AddressPair { mac_address: r.text(1), ip_address: r.text(2) });
    for (port, pair) in conn.fetch_map(&query, decode).await? {
        out.entry(port).or_default().push(pair);
    }
    Ok(out)
}

async fn dhcp_opts(conn: &Conn, ports: &[&str]) -> DbResult<HashMap<String, Vec<DhcpOpt>>> {
    let mut out: HashMap<String, Vec<DhcpOpt>> = HashMap::new();
    if ports.is_empty() {
        return Ok(out);
    }
    let query = Query::select()
        .columns([E::PortId, E::OptName, E::OptValue, E::IpVersion])
        .from(E::Table)
        .and_where(is_in(E::PortId, ports.iter().copied()))
        .to_owned();
    let decode = |r: &RowRef<'_>| {
        let ip_version = if r.int(3) == 6 { 6 } else { 4 };
        (r.text(0), DhcpOpt { name: r.text(1), value: r.text(2), ip_version })
    };
    for (port, opt) in conn.fetch_map(&query, decode).await? {
        out.entry(port).or_default().push(opt);
    }
    Ok(out)
}

/// The ports with these ids that `ctx` may see, with all that hangs on them.
///
/// # Errors
/// What the database refused.
pub async fn by_ids(conn: &Conn, ctx: &Context, ids: &[&str]) -> DbResult<Vec<Port>> {
    let mut query = from();
    query.exprs(exprs()).and_where(is_in((P::Table, P::Id), ids.iter().copied()));
    if let Some(visible) = visible(ctx) {
        query.cond_where(visible);
    }
    let mut ports = conn.fetch_map(&query, decode).await?;
    load_children(conn, &mut ports).await?;
    Ok(ports)
}

/// The full ids of ports whose id begins with `prefix`, at most two: enough to tell one from many.
#[must_use]
pub fn ids_with_prefix(prefixes: &[&str]) -> SelectStatement {
    let mut any = Cond::any();
    for prefix in prefixes {
        // A range instead of LIKE: it uses the key on every backend.
        any = any.add(
            Cond::all()
                .add(Expr::col(P::Id).gte(*prefix))
                .add(Expr::col(P::Id).lt(format!("{prefix}g"))),
        );
    }
    Query::select().column(P::Id).from(P::Table).cond_where(any).to_owned()
}

/// Ids of ports with these MACs.
#[must_use]
pub fn ids_with_macs(macs: &[&str]) -> SelectStatement {
    Query::select()
        .columns([P::MacAddress, P::Id])
        .from(P::Table)
        .and_where(is_in(P::MacAddress, macs.iter().copied()))
        .to_owned()
}
