//! Rows of subnet pools and their prefixes.

use std::collections::HashMap;

use neutrino_types::{Context, new_id};
use sea_query::{Condition, Expr, ExprTrait, Query};

use crate::{
    Conn, DbResult, Prepared, RowRef,
    list::{any_of, scope},
    rbac::{self, ObjectType},
    schema::{SubnetPoolPrefixes as X, SubnetPools as P, Subnets as S},
    time,
};

/// A subnet pool as the asker sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubnetPool {
    /// UUID.
    pub id: String,
    /// Owner.
    pub project_id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// 4 or 6.
    pub ip_version: u8,
    /// Length of a block when the taker names none.
    pub default_prefixlen: u8,
    /// Length of the largest block.
    pub min_prefixlen: u8,
    /// Length of the smallest block.
    pub max_prefixlen: u8,
    /// Whether it is the pool of those who name none.
    pub is_default: bool,
    /// Most addresses (IPv6: /64 networks) a project may have of it.
    pub default_quota: Option<i64>,
    /// The address scope it belongs to.
    pub address_scope_id: Option<String>,
    /// Whether the asker (or everyone) may use it.
    pub shared: bool,
    /// Counts its changes.
    pub revision: i64,
    /// Creation time.
    pub created_at: String,
    /// Time of the last change.
    pub updated_at: String,
    /// CIDRs that neither overlap nor could be written as fewer, when loaded.
    pub prefixes: Vec<String>,
    /// Its tags, when loaded.
    pub tags: Vec<String>,
}

/// The condition that `ctx` may see a subnet pool; `None` for those who see all.
#[must_use]
pub fn visible(ctx: &Context) -> Option<Condition> {
    (!ctx.sees_all_projects()).then(|| {
        Condition::any()
            .add(Expr::col((P::Table, P::ProjectId)).eq(ctx.project()))
            .add(shared_with(ctx))
    })
}

fn shared_with(ctx: &Context) -> Expr {
    let id = (P::Table, P::Id);
    rbac::granted(ObjectType::SubnetPool, id, ctx.project(), &[scope::SHARED])
}

const COLUMNS: [P; 14] = [
    P::Id,
    P::ProjectId,
    P::Name,
    P::Description,
    P::IpVersion,
    P::DefaultPrefixlen,
    P::MinPrefixlen,
    P::MaxPrefixlen,
    P::IsDefault,
    P::DefaultQuota,
    P::AddressScopeId,
    P::RevisionNumber,
    P::CreatedAt,
    P::UpdatedAt,
];

/// The columns [`decode`] reads.
#[must_use]
pub fn exprs(ctx: &Context) -> Vec<Expr> {
    let mut out: Vec<Expr> = COLUMNS.into_iter().map(|c| Expr::col((P::Table, c))).collect();
    out.push(shared_with(ctx));
    out
}

/// A row of [`exprs`], without what hangs on the pool.
#[must_use]
pub fn decode(row: &RowRef<'_>) -> SubnetPool {
    let length = |at: usize| u8::try_from(row.int(at)).unwrap_or(0);
    SubnetPool {
        id: row.text(0),
        project_id: row.text(1),
        name: row.text(2),
        description: row.text(3),
        ip_version: length(4),
        default_prefixlen: length(5),
        min_prefixlen: length(6),
        max_prefixlen: length(7),
        is_default: row.bool(8),
        default_quota: row.opt_int(9),
        address_scope_id: row.opt_text(10),
        revision: row.int(11),
        created_at: row.text(12),
        updated_at: row.text(13),
        shared: row.bool(14),
        prefixes: Vec::new(),
        tags: Vec::new(),
    }
}

/// The pools that meet `condition` and that `ctx` may see, with their prefixes; two statements.
async fn find(conn: &Conn, ctx: &Context, condition: Expr) -> DbResult<Vec<SubnetPool>> {
    let mut select = Query::select();
    select.exprs(exprs(ctx)).from(P::Table).and_where(condition);
    if let Some(visible) = visible(ctx) {
        select.cond_where(visible);
    }
    let mut pools = conn.fetch_map(&select, decode).await?;
    load_prefixes(conn, &mut pools).await?;
    Ok(pools)
}

/// The pool `id` if `ctx` may see it.
///
/// # Errors
/// What the database refused.
pub async fn by_id(conn: &Conn, ctx: &Context, id: &str) -> DbResult<Option<SubnetPool>> {
    Ok(find(conn, ctx, Expr::col((P::Table, P::Id)).eq(id)).await?.pop())
}

/// The default pool of `ip_version`, if there is one that `ctx` may see.
///
/// # Errors
/// What the database refused.
pub async fn default_of(
    conn: &Conn,
    ctx: &Context,
    ip_version: u8,
) -> DbResult<Option<SubnetPool>> {
    let is_default = Expr::col((P::Table, P::IsDefault))
        .eq(true)
        .and(Expr::col((P::Table, P::IpVersion)).eq(i32::from(ip_version)));
    Ok(find(conn, ctx, is_default).await?.pop())
}

/// The pools of an address scope, with their prefixes.
///
/// # Errors
/// What the database refused.
pub async fn of_scope(conn: &Conn, scope: &str) -> DbResult<Vec<SubnetPool>> {
    let all = Context::admin();
    find(conn, &all, Expr::col((P::Table, P::AddressScopeId)).eq(scope)).await
}

/// Loads the prefixes of `pools`, in the order of their text.
///
/// # Errors
/// What the database refused.
pub async fn load_prefixes(conn: &Conn, pools: &mut [SubnetPool]) -> DbResult<()> {
    if pools.is_empty() {
        return Ok(());
    }
    let select = Query::select()
        .columns([X::SubnetpoolId, X::Cidr])
        .from(X::Table)
        .and_where(any_of(Expr::col(X::SubnetpoolId), pools.iter().map(|p| p.id.clone()).collect()))
        .order_by(X::Cidr, sea_query::Order::Asc)
        .to_owned();
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    for (pool, cidr) in conn.fetch_map(&select, |row| (row.text(0), row.text(1))).await? {
        found.entry(pool).or_default().push(cidr);
    }
    for pool in pools {
        pool.prefixes = found.remove(&pool.id).unwrap_or_default();
    }
    Ok(())
}

/// A block taken from a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// The subnet that has it.
    pub subnet_id: String,
    /// The subnet's network.
    pub network_id: String,
    /// The subnet's owner.
    pub project_id: String,
    /// The block.
    pub cidr: String,
}

/// The blocks taken from the pool.
///
/// # Errors
/// What the database refused.
pub async fn allocations(conn: &Conn, pool: &str) -> DbResult<Vec<Allocation>> {
    let select = Query::select()
        .columns([S::Id, S::NetworkId, S::ProjectId, S::Cidr])
        .from(S::Table)
        .and_where(Expr::col(S::SubnetpoolId).eq(pool))
        .to_owned();
    let decode = |row: &RowRef<'_>| Allocation {
        subnet_id: row.text(0),
        network_id: row.text(1),
        project_id: row.text(2),
        cidr: row.text(3),
    };
    conn.fetch_map(&select, decode).await
}

/// The address scopes of pools that belong to one, by pool.
///
/// # Errors
/// What the database refused.
pub async fn scopes(conn: &Conn, pools: Vec<String>) -> DbResult<HashMap<String, String>> {
    if pools.is_empty() {
        return Ok(HashMap::new());
    }
    let select = Query::select()
        .columns([P::Id, P::AddressScopeId])
        .from(P::Table)
        .and_where(any_of(Expr::col(P::Id), pools))
        .and_where(Expr::col(P::AddressScopeId).is_not_null())
        .to_owned();
    let rows = conn.fetch_map(&select, |row| (row.text(0), row.text(1))).await?;
    Ok(rows.into_iter().collect())
}

/// Makes this transaction the one that takes blocks from the pool: others wait for its end, or are
/// told to try again.
///
/// # Errors
/// What the database refused.
pub async fn lock(conn: &Conn, pool: &str) -> DbResult<()> {
    let update = Query::update()
        .table(P::Table)
        .value(P::Hash, new_id())
        .and_where(Expr::col(P::Id).eq(pool))
        .to_owned();
    conn.execute(&update).await.map(|_| ())
}

/// Stores a new pool, shared with everyone if it says so.
///
/// # Errors
/// What the database refused.
pub async fn insert(conn: &Conn, pool: &SubnetPool) -> DbResult<()> {
    let insert = Query::insert()
        .into_table(P::Table)
        .columns(COLUMNS.into_iter().chain([P::Hash]))
        .values_panic([
            pool.id.as_str().into(),
            pool.project_id.as_str().into(),
            pool.name.as_str().into(),
            pool.description.as_str().into(),
            i32::from(pool.ip_version).into(),
            i32::from(pool.default_prefixlen).into(),
            i32::from(pool.min_prefixlen).into(),
            i32::from(pool.max_prefixlen).into(),
            pool.is_default.into(),
            pool.default_quota.into(),
            pool.address_scope_id.clone().into(),
            pool.revision.into(),
            pool.created_at.as_str().into(),
            pool.updated_at.as_str().into(),
            new_id().into(),
        ])
        .to_owned();
    let mut statements = vec![Prepared::new(&insert)];
    statements.extend(insert_prefixes(pool));
    conn.execute_batch(statements).await?;
    if pool.shared {
        rbac::share(conn, ObjectType::SubnetPool, &pool.id, &pool.project_id).await?;
    }
    Ok(())
}

fn insert_prefixes(pool: &SubnetPool) -> Option<Prepared> {
    if pool.prefixes.is_empty() {
        return None;
    }
    let mut insert = Query::insert();
    insert.into_table(X::Table).columns([X::SubnetpoolId, X::Cidr]);
    for cidr in &pool.prefixes {
        insert.values_panic([pool.id.as_str().into(), cidr.as_str().into()]);
    }
    Some(Prepared::new(&insert))
}

/// Stores a changed pool with its prefixes, and counts the change.
///
/// # Errors
/// What the database refused.
pub async fn save(conn: &Conn, pool: &mut SubnetPool) -> DbResult<()> {
    pool.revision += 1;
    pool.updated_at = time::now();
    let update = Query::update()
        .table(P::Table)
        .values([
            (P::Name, pool.name.as_str().into()),
            (P::Description, pool.description.as_str().into()),
            (P::DefaultPrefixlen, i32::from(pool.default_prefixlen).into()),
            (P::MinPrefixlen, i32::from(pool.min_prefixlen).into()),
            (P::MaxPrefixlen, i32::from(pool.max_prefixlen).into()),
            (P::IsDefault, pool.is_default.into()),
            (P::DefaultQuota, pool.default_quota.into()),
            (P::AddressScopeId, pool.address_scope_id.clone().into()),
            (P::RevisionNumber, pool.revision.into()),
            (P::UpdatedAt, pool.updated_at.as_str().into()),
        ])
        .and_where(Expr::col(P::Id).eq(pool.id.as_str()))
        .to_owned();
    let prefixes = Query::delete()
        .from_table(X::Table)
        .and_where(Expr::col(X::SubnetpoolId).eq(pool.id.as_str()))
        .to_owned();
    let mut statements = vec![Prepared::new(&update), Prepared::new(&prefixes)];
    statements.extend(insert_prefixes(pool));
    conn.execute_batch(statements).await.map(|_| ())
}

/// Removes the pool with its prefixes and the policies about it.
///
/// # Errors
/// What the database refused.
pub async fn delete(conn: &Conn, id: &str) -> DbResult<()> {
    let delete = Query::delete().from_table(P::Table).and_where(Expr::col(P::Id).eq(id)).to_owned();
    conn.execute(&delete).await.map(|_| ())
}
