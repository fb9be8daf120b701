//! Rows of address scopes.

use std::collections::HashMap;

use neutrino_types::Context;
use sea_query::{Condition, Expr, ExprTrait, JoinType, Query};

use crate::{
    Conn, DbResult, RowRef,
    list::{any_of, scope},
    rbac::{self, ObjectType},
    schema::{AddressScopes as A, SubnetPools as P, Subnets as S},
};

/// An address scope as the asker sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressScope {
    /// UUID.
    pub id: String,
    /// Owner.
    pub project_id: String,
    /// Name.
    pub name: String,
    /// 4 or 6.
    pub ip_version: u8,
    /// Whether the asker (or everyone) may use it.
    pub shared: bool,
}

/// The condition that `ctx` may see an address scope; `None` for those who see all.
#[must_use]
pub fn visible(ctx: &Context) -> Option<Condition> {
    (!ctx.sees_all_projects()).then(|| {
        Condition::any()
            .add(Expr::col((A::Table, A::ProjectId)).eq(ctx.project()))
            .add(shared_with(ctx))
    })
}

fn shared_with(ctx: &Context) -> Expr {
    let id = (A::Table, A::Id);
    rbac::granted(ObjectType::AddressScope, id, ctx.project(), &[scope::SHARED])
}

/// The columns [`decode`] reads.
#[must_use]
pub fn exprs(ctx: &Context) -> Vec<Expr> {
    let columns = [A::Id, A::ProjectId, A::Name, A::IpVersion];
    let mut out: Vec<Expr> = columns.into_iter().map(|c| Expr::col((A::Table, c))).collect();
    out.push(shared_with(ctx));
    out
}

/// A row of [`exprs`].
#[must_use]
pub fn decode(row: &RowRef<'_>) -> AddressScope {
    AddressScope {
        id: row.text(0),
        project_id: row.text(1),
        name: row.text(2),
        ip_version: if row.int(3) == 6 { 6 } else { 4 },
        shared: row.bool(4),
    }
}

/// The scope `id` if `ctx` may see it.
///
/// # Errors
/// What the database refused.
pub async fn by_id(conn: &Conn, ctx: &Context, id: &str) -> DbResult<Option<AddressScope>> {
    let mut select = Query::select();
    select.exprs(exprs(ctx)).from(A::Table).and_where(Expr::col((A::Table, A::Id)).eq(id));
    if let Some(visible) = visible(ctx) {
        select.cond_where(visible);
    }
    Ok(conn.fetch_map(&select, decode).await?.pop())
}

/// Stores a new scope, shared with everyone if it says so.
///
/// # Errors
/// What the database refused.
pub async fn insert(conn: &Conn, scope: &AddressScope) -> DbResult<()> {
    let insert = Query::insert()
        .into_table(A::Table)
        .columns([A::Id, A::ProjectId, A::Name, A::IpVersion])
        .values_panic([
            scope.id.as_str().into(),
            scope.project_id.as_str().into(),
            scope.name.as_str().into(),
            i32::from(scope.ip_version).into(),
        ])
        .to_owned();
    conn.execute(&insert).await?;
    if scope.shared {
        rbac::share(conn, ObjectType::AddressScope, &scope.id, &scope.project_id).await?;
    }
    Ok(())
}

/// Stores the scope's name.
///
/// # Errors
/// What the database refused.
pub async fn rename(conn: &Conn, scope: &AddressScope) -> DbResult<()> {
    let update = Query::update()
        .table(A::Table)
        .value(A::Name, scope.name.as_str())
        .and_where(Expr::col(A::Id).eq(scope.id.as_str()))
        .to_owned();
    conn.execute(&update).await.map(|_| ())
}

/// Whether subnet pools belong to the scope.
///
/// # Errors
/// What the database refused.
pub async fn is_used(conn: &Conn, id: &str) -> DbResult<bool> {
    let select = Query::select()
        .column(P::Id)
        .from(P::Table)
        .and_where(Expr::col(P::AddressScopeId).eq(id))
        .limit(1)
        .to_owned();
    Ok(conn.fetch_opt(&select).await?.is_some())
}

/// Removes the scope with the policies about it.
///
/// # Errors
/// What the database refused.
pub async fn delete(conn: &Conn, id: &str) -> DbResult<()> {
    let delete = Query::delete().from_table(A::Table).and_where(Expr::col(A::Id).eq(id)).to_owned();
    conn.execute(&delete).await.map(|_| ())
}

/// The address scopes of networks' subnets, by network and IP version; those without are missing.
/// Subnets of a network and a version are all of the same scope.
///
/// # Errors
/// What the database refused.
pub async fn of_networks(
    conn: &Conn,
    networks: &[&str],
) -> DbResult<HashMap<(String, i64), String>> {
    if networks.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = networks.iter().map(ToString::to_string).collect();
    let select = Query::select()
        .distinct()
        .columns([S::NetworkId, S::IpVersion].map(|c| (S::Table, c)))
        .column((P::Table, P::AddressScopeId))
        .from(S::Table)
        .join(
            JoinType::InnerJoin,
            P::Table,
            Expr::col((P::Table, P::Id)).equals((S::Table, S::SubnetpoolId)),
        )
        .and_where(any_of(Expr::col((S::Table, S::NetworkId)), ids))
        .and_where(Expr::col((P::Table, P::AddressScopeId)).is_not_null())
        .to_owned();
    let rows = conn.fetch_map(&select, |r| ((r.text(0), r.int(1)), r.text(2))).await?;
    Ok(rows.into_iter().collect())
}
