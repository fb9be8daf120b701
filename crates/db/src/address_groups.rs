//! Rows of address groups and their addresses.

use std::collections::HashMap;

use neutrino_types::Context;
use sea_query::{Condition, Expr, ExprTrait, Order, Query};

use crate::{
    Conn, DbResult, Prepared, RowRef,
    list::{Page, any_of, scope},
    rbac::{self, ObjectType},
    schema::{AddressAssociations as A, AddressGroups as G, SecurityGroupRules as R},
    time,
};

/// An address group as the asker sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressGroup {
    /// UUID.
    pub id: String,
    /// Owner.
    pub project_id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Whether the asker (or everyone) may use it.
    pub shared: bool,
    /// Counts its changes, and the addresses that came and went.
    pub revision: i64,
    /// Creation time.
    pub created_at: String,
    /// Time of the last change.
    pub updated_at: String,
    /// CIDRs in canonical form, sorted as texts.
    pub addresses: Vec<String>,
}

/// The condition that `ctx` may see an address group; `None` for those who see all.
#[must_use]
pub fn visible(ctx: &Context) -> Option<Condition> {
    (!ctx.sees_all_projects()).then(|| visible_to(ctx.project()))
}

/// The condition that an address group is `project`'s own or shared with it.
fn visible_to(project: &str) -> Condition {
    let shared =
        rbac::granted(ObjectType::AddressGroup, (G::Table, G::Id), project, &[scope::SHARED]);
    Condition::any().add(Expr::col((G::Table, G::ProjectId)).eq(project)).add(shared)
}

const COLUMNS: [G; 7] =
    [G::Id, G::ProjectId, G::Name, G::Description, G::RevisionNumber, G::CreatedAt, G::UpdatedAt];

/// The columns [`decode`] reads.
#[must_use]
pub fn exprs(ctx: &Context) -> Vec<Expr> {
    let mut out: Vec<Expr> = COLUMNS.into_iter().map(|c| Expr::col((G::Table, c))).collect();
    let id = (G::Table, G::Id);
    out.push(rbac::granted(ObjectType::AddressGroup, id, ctx.project(), &[scope::SHARED]));
    out
}

/// A row of [`exprs`], without addresses.
#[must_use]
pub fn decode(row: &RowRef<'_>) -> AddressGroup {
    AddressGroup {
        id: row.text(0),
        project_id: row.text(1),
        name: row.text(2),
        description: row.text(3),
        revision: row.int(4),
        created_at: row.text(5),
        updated_at: row.text(6),
        shared: row.bool(7),
        addresses: Vec::new(),
    }
}

/// The group `id` if `ctx` may see it; two statements.
///
/// # Errors
/// What the database refused.
pub async fn by_id(conn: &Conn, ctx: &Context, id: &str) -> DbResult<Option<AddressGroup>> {
    let mut select = Query::select();
    select.exprs(exprs(ctx)).from(G::Table).and_where(Expr::col((G::Table, G::Id)).eq(id));
    if let Some(visible) = visible(ctx) {
        select.cond_where(visible);
    }
    let Some(mut group) = conn.fetch_map(&select, decode).await?.pop() else { return Ok(None) };
    group.addresses = members(conn, &[id]).await?.remove(id).unwrap_or_default();
    Ok(Some(group))
}

/// Which of the groups `ids` are there and `project`'s own or shared with it; those that are there
/// at all when no project is given. One statement.
///
/// # Errors
/// What the database refused.
pub async fn usable_by(conn: &Conn, ids: &[&str], project: Option<&str>) -> DbResult<Vec<String>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids = ids.iter().map(|id| (*id).to_string()).collect();
    let mut select = Query::select();
    select
        .column(G::Id)
        .from(G::Table)
        .and_where(any_of(Expr::col((G::Table, G::Id)), ids))
        .cond_where(Condition::all().add_option(project.map(visible_to)));
    conn.fetch_map(&select, |row| row.text(0)).await
}

/// The security groups with rules about the group.
///
/// # Errors
/// What the database refused.
pub async fn used_by(conn: &Conn, id: &str) -> DbResult<Vec<String>> {
    let select = Query::select()
        .distinct()
        .column(R::SecurityGroupId)
        .from(R::Table)
        .and_where(Expr::col(R::RemoteAddressGroupId).eq(id))
        .to_owned();
    conn.fetch_map(&select, |row| row.text(0)).await
}

/// The addresses of groups, by group, sorted as texts; one statement.
///
/// # Errors
/// What the database refused.
pub async fn members(conn: &Conn, groups: &[&str]) -> DbResult<HashMap<String, Vec<String>>> {
    if groups.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = groups.iter().map(|id| (*id).to_string()).collect();
    let select = Query::select()
        .columns([A::AddressGroupId, A::Address])
        .from(A::Table)
        .and_where(any_of(Expr::col(A::AddressGroupId), ids))
        .order_by(A::AddressGroupId, Order::Asc)
        .order_by(A::Address, Order::Asc)
        .to_owned();
    conn.fetch_fold(&select, HashMap::new(), collect).await
}

/// The addresses of a page's groups, by group, sorted as texts; one statement.
///
/// # Errors
/// What the database refused.
pub async fn members_of_page(conn: &Conn, page: &Page) -> DbResult<HashMap<String, Vec<String>>> {
    let columns = [(A::Table, A::AddressGroupId), (A::Table, A::Address)];
    let select = page
        .children(A::Table, A::AddressGroupId, columns)
        .order_by((A::Table, A::AddressGroupId), Order::Asc)
        .order_by((A::Table, A::Address), Order::Asc)
        .to_owned();
    conn.fetch_fold(&select, HashMap::new(), collect).await
}

fn collect(found: &mut HashMap<String, Vec<String>>, row: &RowRef<'_>) {
    match found.get_mut(row.str(0)) {
        Some(list) => list.push(row.text(1)),
        None => {
            found.insert(row.text(0), vec![row.text(1)]);
        }
    }
}

/// Stores new groups with their addresses.
///
/// # Errors
/// What the database refused.
pub async fn insert(conn: &Conn, groups: &[AddressGroup]) -> DbResult<()> {
    let mut insert = Query::insert();
    insert.into_table(G::Table).columns(COLUMNS);
    for g in groups {
        insert.values_panic([
            g.id.as_str().into(),
            g.project_id.as_str().into(),
            g.name.as_str().into(),
            g.description.as_str().into(),
            g.revision.into(),
            g.created_at.as_str().into(),
            g.updated_at.as_str().into(),
        ]);
    }
    let mut statements = vec![Prepared::new(&insert)];
    statements.extend(groups.iter().filter_map(|g| insert_addresses(&g.id, &g.addresses)));
    conn.execute_batch(statements).await.map(|_| ())
}

fn insert_addresses(id: &str, addresses: &[String]) -> Option<Prepared> {
    if addresses.is_empty() {
        return None;
    }
    let mut insert = Query::insert();
    insert.into_table(A::Table).columns([A::AddressGroupId, A::Address]);
    for address in addresses {
        insert.values_panic([id.into(), address.as_str().into()]);
    }
    Some(Prepared::new(&insert))
}

fn update(group: &AddressGroup) -> Prepared {
    let update = Query::update()
        .table(G::Table)
        .values([
            (G::Name, group.name.as_str().into()),
            (G::Description, group.description.as_str().into()),
            (G::RevisionNumber, group.revision.into()),
            (G::UpdatedAt, group.updated_at.as_str().into()),
        ])
        .and_where(Expr::col(G::Id).eq(group.id.as_str()))
        .to_owned();
    Prepared::new(&update)
}

/// Stores the changed name or description of a group, and counts the change.
///
/// # Errors
/// What the database refused.
pub async fn save(conn: &Conn, group: &mut AddressGroup) -> DbResult<()> {
    group.revision += 1;
    group.updated_at = time::now();
    conn.execute_batch(vec![update(group)]).await.map(|_| ())
}

/// Adds addresses the group does not have; each counts as a change of its own, as in Neutron.
///
/// # Errors
/// What the database refused.
pub async fn add(conn: &Conn, group: &mut AddressGroup, addresses: &[String]) -> DbResult<()> {
    let Some(insert) = insert_addresses(&group.id, addresses) else { return Ok(()) };
    group.addresses.extend_from_slice(addresses);
    group.addresses.sort_unstable();
    count_change(group, addresses.len());
    conn.execute_batch(vec![insert, update(group)]).await.map(|_| ())
}

/// Removes addresses the group has; counted as by [`add`].
///
/// # Errors
/// What the database refused.
pub async fn remove(conn: &Conn, group: &mut AddressGroup, addresses: &[String]) -> DbResult<()> {
    if addresses.is_empty() {
        return Ok(());
    }
    let delete = Query::delete()
        .from_table(A::Table)
        .and_where(Expr::col(A::AddressGroupId).eq(group.id.as_str()))
        .and_where(any_of(Expr::col(A::Address), addresses.to_vec()))
        .to_owned();
    group.addresses.retain(|address| !addresses.contains(address));
    count_change(group, addresses.len());
    conn.execute_batch(vec![Prepared::new(&delete), update(group)]).await.map(|_| ())
}

fn count_change(group: &mut AddressGroup, addresses: usize) {
    group.revision += i64::try_from(addresses).unwrap_or(i64::MAX);
    group.updated_at = time::now();
}

/// Removes the group with its addresses and the policies about it.
///
/// # Errors
/// What the database refused.
pub async fn delete(conn: &Conn, id: &str) -> DbResult<()> {
    let delete = Query::delete().from_table(G::Table).and_where(Expr::col(G::Id).eq(id)).to_owned();
    conn.execute(&delete).await.map(|_| ())
}
