//! Tags of resources.

use std::collections::HashMap;

use sea_query::{Expr, ExprTrait, OnConflict, Query};

use crate::{
    Conn, DbResult,
    list::{Page, any_of},
    schema::Tags,
};

/// The tags of one resource, sorted.
///
/// # Errors
/// What the database refused.
pub async fn of(conn: &Conn, resource_id: &str) -> DbResult<Vec<String>> {
    let select = Query::select()
        .column(Tags::Tag)
        .from(Tags::Table)
        .and_where(Expr::col(Tags::ResourceId).eq(resource_id))
        .order_by(Tags::Tag, sea_query::Order::Asc)
        .to_owned();
    conn.fetch_map(&select, |row| row.text(0)).await
}

/// The tags of a page's resources, by id; one statement.
///
/// # Errors
/// What the database refused.
pub async fn of_page(conn: &Conn, page: &Page) -> DbResult<HashMap<String, Vec<String>>> {
    let columns = [(Tags::Table, Tags::ResourceId), (Tags::Table, Tags::Tag)];
    let select = page
        .children(Tags::Table, Tags::ResourceId, columns)
        .order_by((Tags::Table, Tags::ResourceId), sea_query::Order::Asc)
        .order_by((Tags::Table, Tags::Tag), sea_query::Order::Asc)
        .to_owned();
    conn.fetch_fold(&select, HashMap::new(), |tags: &mut HashMap<String, Vec<String>>, row| {
        match tags.get_mut(row.str(0)) {
            Some(list) => list.push(row.text(1)),
            None => {
                tags.insert(row.text(0), vec![row.text(1)]);
            }
        }
    })
    .await
}

/// The tags of the resources with these ids, by id; no statement when there are none.
///
/// # Errors
/// What the database refused.
pub async fn of_many(conn: &Conn, ids: &[&str]) -> DbResult<HashMap<String, Vec<String>>> {
    let mut out: HashMap<String, Vec<String>> = HashMap::new();
    if ids.is_empty() {
        return Ok(out);
    }
    let ids = ids.iter().map(|id| (*id).to_string()).collect();
    let select = Query::select()
        .columns([Tags::ResourceId, Tags::Tag])
        .from(Tags::Table)
        .and_where(any_of(Expr::col(Tags::ResourceId), ids))
        .order_by(Tags::Tag, sea_query::Order::Asc)
        .to_owned();
    for (id, tag) in conn.fetch_map(&select, |r| (r.text(0), r.text(1))).await? {
        out.entry(id).or_default().push(tag);
    }
    Ok(out)
}

/// Adds `tags` to the resource; those it has stay. `resource_type` is the collection.
///
/// # Errors
/// What the database refused.
pub async fn add(
    conn: &Conn,
    resource_type: &str,
    resource_id: &str,
    tags: &[String],
) -> DbResult<()> {
    if tags.is_empty() {
        return Ok(());
    }
    let mut insert = Query::insert();
    insert.into_table(Tags::Table).columns([Tags::ResourceId, Tags::Tag, Tags::ResourceType]);
    for tag in tags {
        insert.values_panic([resource_id.into(), tag.as_str().into(), resource_type.into()]);
    }
    insert.on_conflict(
        OnConflict::columns([Tags::ResourceId, Tags::Tag]).do_nothing_on([Tags::Tag]).to_owned(),
    );
    conn.execute(&insert).await.map(|_| ())
}

/// Takes `tags` from the resource; answers how many it had of them.
///
/// # Errors
/// What the database refused.
pub async fn remove(conn: &Conn, resource_id: &str, tags: &[String]) -> DbResult<u64> {
    let delete = Query::delete()
        .from_table(Tags::Table)
        .and_where(Expr::col(Tags::ResourceId).eq(resource_id))
        .and_where(any_of(Expr::col(Tags::Tag), tags.to_vec()))
        .to_owned();
    conn.execute(&delete).await
}

/// Takes every tag from the resources, e.g. because they are being deleted.
///
/// # Errors
/// What the database refused.
pub async fn remove_all(conn: &Conn, resource_ids: &[String]) -> DbResult<u64> {
    let delete = Query::delete()
        .from_table(Tags::Table)
        .and_where(any_of(Expr::col(Tags::ResourceId), resource_ids.to_vec()))
        .to_owned();
    conn.execute(&delete).await
}
