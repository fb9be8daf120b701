//! Rows of the database as typed values, and the statements that read and write them.
//!
//! One module per resource. They know tables and columns; they know no rules. Lists of ids go into
//! statements as one parameter ([`neutrino_db::list::any_of`]), so a thousand resources cost as
//! many statements as one.

pub mod binding;
pub mod network;
pub mod port;
pub mod segment;
pub mod subnet;

use std::collections::HashMap;

use neutrino_db::{
    Conn, DbResult,
    list::any_of,
    schema::Tags,
    sea_query::{Expr, IntoColumnRef, Order, Query},
};

/// `column IN (values)`.
pub(crate) fn is_in<'a, C: IntoColumnRef>(
    column: C,
    values: impl IntoIterator<Item = &'a str>,
) -> Expr {
    any_of(Expr::col(column), values.into_iter().map(str::to_string).collect())
}

/// The distinct values of `ids`, in order of first appearance.
pub(crate) fn distinct<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = std::collections::HashSet::new();
    ids.into_iter().filter(|id| seen.insert(*id)).collect()
}

/// Tags of the resources with these ids; no statement when there are none.
pub(crate) async fn tags(conn: &Conn, ids: &[&str]) -> DbResult<HashMap<String, Vec<String>>> {
    let mut out: HashMap<String, Vec<String>> = HashMap::new();
    if ids.is_empty() {
        return Ok(out);
    }
    let query = Query::select()
        .columns([Tags::ResourceId, Tags::Tag])
        .from(Tags::Table)
        .and_where(is_in(Tags::ResourceId, ids.iter().copied()))
        .order_by(Tags::Tag, Order::Asc)
        .to_owned();
    for (id, tag) in conn.fetch_map(&query, |r| (r.text(0), r.text(1))).await? {
        out.entry(id).or_default().push(tag);
    }
    Ok(out)
}
