//! Ports (`ports` and what hangs on them).

use std::{collections::HashMap, net::IpAddr};

use neutrino_db::{
    Conn, DbResult, Prepared, RowRef, ip,
    schema::{
        AllowedAddressPairs as A, ExtraDhcpOpts as E, IpAllocations as I, Networks,
        PortBindings as B, Ports as P, ProvisioningBlocks as V, SecurityGroupPortBindings as G,
        Tags,
    },
    sea_query::{
        Cond, Condition, Expr, ExprTrait, InsertStatement, IntoColumnRef, JoinType, Query,
        SelectStatement, UpdateStatement,
    },
    security_groups, time,
};
use neutrino_types::{Context, MacAddr, new_id};

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

const COLUMNS: [P; 16] = [
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
];
/// First of the binding's columns.
const BINDING: usize = COLUMNS.len();
/// First of the columns that tell which child tables hold rows.
const FLAGS: usize = BINDING + 6;

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

/// Statements that store new ports with all that hangs on them.
#[must_use]
pub fn insert(ports: &[Port]) -> Vec<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(P::Table).columns(COLUMNS);
    for p in ports {
        statement.values_panic([
            p.id.as_str().into(),
            p.project_id.as_str().into(),
            p.network_id.as_str().into(),
            p.name.as_str().into(),
            p.description.as_str().into(),
            p.mac_address.to_string().into(),
            p.admin_state_up.into(),
            p.status.as_str().into(),
            p.device_id.as_str().into(),
            p.device_owner.as_str().into(),
            p.ip_allocation.clone().into(),
            p.port_security_enabled.into(),
            p.propagate_uplink_status.into(),
            p.revision.into(),
            p.created_at.as_str().into(),
            p.updated_at.as_str().into(),
        ]);
    }
    let mut out = vec![Prepared::new(&statement)];
    let bindings = ports.iter().map(|p| (p.id.as_str(), &p.binding));
    out.push(Prepared::new(&binding::insert(bindings)));
    out.extend(insert_ips(
        ports.iter().map(|p| (p.id.as_str(), p.network_id.as_str(), p.fixed_ips.as_slice())),
    ));
    out.extend(insert_pairs(ports.iter().map(|p| (&*p.id, p.address_pairs.as_slice()))));
    out.extend(insert_opts(ports.iter().map(|p| (&*p.id, p.dhcp_opts.as_slice()))));
    out.extend(security_groups::bind(
        ports.iter().map(|p| (p.id.as_str(), p.security_groups.as_slice())),
    ));
    let tags = ports.iter().flat_map(|p| p.tags.iter().map(|t| (p.id.as_str(), t.as_str())));
    out.extend(insert_tags("ports", tags));
    out
}

fn unless_empty(statement: &InsertStatement, rows: usize) -> Option<Prepared> {
    (rows > 0).then(|| Prepared::new(statement))
}

/// Stores addresses of ports: port, network, addresses.
pub fn insert_ips<'a>(
    of: impl Iterator<Item = (&'a str, &'a str, &'a [FixedIp])>,
) -> Option<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(I::Table).columns([
        I::PortId,
        I::IpAddress,
        I::IpKey,
        I::SubnetId,
        I::NetworkId,
    ]);
    let mut rows = 0;
    for (port, network, ips) in of {
        for fixed in ips {
            rows += 1;
            statement.values_panic([
                port.into(),
                fixed.ip_address.to_string().into(),
                ip::to_key(fixed.ip_address).into(),
                fixed.subnet_id.as_str().into(),
                network.into(),
            ]);
        }
    }
    unless_empty(&statement, rows)
}

/// Stores address pairs.
pub fn insert_pairs<'a>(
    of: impl Iterator<Item = (&'a str, &'a [AddressPair])>,
) -> Option<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(A::Table).columns([A::PortId, A::MacAddress, A::IpAddress]);
    let mut rows = 0;
    for (port, pairs) in of {
        for pair in pairs {
            rows += 1;
            statement.values_panic([
                port.into(),
                pair.mac_address.as_str().into(),
                pair.ip_address.as_str().into(),
            ]);
        }
    }
    unless_empty(&statement, rows)
}

/// Stores DHCP options.
pub fn insert_opts<'a>(of: impl Iterator<Item = (&'a str, &'a [DhcpOpt])>) -> Option<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(E::Table).columns([
        E::Id,
        E::PortId,
        E::OptName,
        E::OptValue,
        E::IpVersion,
    ]);
    let mut rows = 0;
    for (port, opts) in of {
        for opt in opts {
            rows += 1;
            statement.values_panic([
                new_id().into(),
                port.into(),
                opt.name.as_str().into(),
                opt.value.as_str().into(),
                i32::from(opt.ip_version).into(),
            ]);
        }
    }
    unless_empty(&statement, rows)
}

/// Stores tags given with a create.
pub fn insert_tags<'a>(
    collection: &str,
    tags: impl Iterator<Item = (&'a str, &'a str)>,
) -> Option<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(Tags::Table).columns([Tags::ResourceId, Tags::Tag, Tags::ResourceType]);
    let mut rows = 0;
    for (id, tag) in tags {
        rows += 1;
        statement.values_panic([id.into(), tag.into(), collection.into()]);
    }
    unless_empty(&statement, rows)
}

/// Removes every row of `table` that belongs to `port`.
#[must_use]
pub fn delete_rows<T>(table: T, key: T, port: &str) -> Prepared
where
    T: neutrino_db::sea_query::Iden + Copy + 'static,
{
    let statement = Query::delete().from_table(table).and_where(Expr::col(key).eq(port)).to_owned();
    Prepared::new(&statement)
}

/// Removes all address pairs of `port`.
#[must_use]
pub fn delete_pairs(port: &str) -> Prepared {
    delete_rows(A::Table, A::PortId, port)
}

/// Removes all DHCP options of `port`.
#[must_use]
pub fn delete_opts(port: &str) -> Prepared {
    delete_rows(E::Table, E::PortId, port)
}

/// Removes some addresses of `port`.
#[must_use]
pub fn delete_ips(port: &str, ips: &[FixedIp]) -> Prepared {
    let keys: Vec<String> = ips.iter().map(|f| f.ip_address.to_string()).collect();
    let statement = Query::delete()
        .from_table(I::Table)
        .and_where(Expr::col(I::PortId).eq(port))
        .and_where(is_in(I::IpAddress, keys.iter().map(String::as_str)))
        .to_owned();
    Prepared::new(&statement)
}

/// Overwrites a port's own columns.
#[must_use]
pub fn update(p: &Port) -> Prepared {
    let statement = Query::update()
        .table(P::Table)
        .values([
            (P::Name, p.name.as_str().into()),
            (P::Description, p.description.as_str().into()),
            (P::MacAddress, p.mac_address.to_string().into()),
            (P::AdminStateUp, p.admin_state_up.into()),
            (P::Status, p.status.as_str().into()),
            (P::DeviceId, p.device_id.as_str().into()),
            (P::DeviceOwner, p.device_owner.as_str().into()),
            (P::IpAllocation, p.ip_allocation.clone().into()),
            (P::PortSecurityEnabled, p.port_security_enabled.into()),
            (P::PropagateUplinkStatus, p.propagate_uplink_status.into()),
            (P::RevisionNumber, p.revision.into()),
            (P::UpdatedAt, p.updated_at.as_str().into()),
        ])
        .and_where(Expr::col(P::Id).eq(p.id.as_str()))
        .to_owned();
    Prepared::new(&statement)
}

/// Sets the status of several ports, counting their revisions up.
#[must_use]
pub fn set_status(ports: &[&str], status: &str) -> UpdateStatement {
    Query::update()
        .table(P::Table)
        .value(P::Status, status)
        .value(P::RevisionNumber, Expr::col(P::RevisionNumber).add(1))
        .value(P::UpdatedAt, time::now())
        .and_where(is_in(P::Id, ports.iter().copied()))
        .to_owned()
}

/// Deletes ports; what hangs on them goes with them.
#[must_use]
pub fn delete(ports: &[&str]) -> Prepared {
    let statement = Query::delete()
        .from_table(P::Table)
        .and_where(is_in(P::Id, ports.iter().copied()))
        .to_owned();
    Prepared::new(&statement)
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

/// Stores provisioning blocks: port and entity.
pub fn insert_blocks<'a>(blocks: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(V::Table).columns([V::PortId, V::Entity]);
    let mut rows = 0;
    for (port, entity) in blocks {
        rows += 1;
        statement.values_panic([port.into(), entity.into()]);
    }
    statement.on_conflict(
        neutrino_db::sea_query::OnConflict::columns([V::PortId, V::Entity])
            .do_nothing_on([V::PortId])
            .to_owned(),
    );
    unless_empty(&statement, rows)
}
