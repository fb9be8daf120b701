//! Which ports are in which groups.

use std::collections::HashMap;

use sea_query::{Expr, ExprTrait, Query, SelectStatement};

use super::is_one_of;
use crate::{Conn, DbResult, Prepared, schema::SecurityGroupPortBindings as B};

/// Groups by port, sorted.
pub type Bindings = HashMap<String, Vec<String>>;

/// The groups of the ports `query` answers as port and group.
///
/// # Errors
/// What the database refused.
pub async fn groups_of(conn: &Conn, query: &SelectStatement) -> DbResult<Bindings> {
    let mut out = conn
        .fetch_fold(query, Bindings::new(), |out: &mut Bindings, row| {
            match out.get_mut(row.str(0)) {
                Some(list) => list.push(row.text(1)),
                None => {
                    out.insert(row.text(0), vec![row.text(1)]);
                }
            }
        })
        .await?;
    for groups in out.values_mut() {
        groups.sort_unstable();
    }
    Ok(out)
}

/// Puts ports into groups: port and its groups.
pub fn bind<'a>(of: impl Iterator<Item = (&'a str, &'a [String])>) -> Option<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(B::Table).columns([B::PortId, B::SecurityGroupId]);
    let mut rows = 0;
    for (port, groups) in of {
        for group in groups {
            rows += 1;
            statement.values_panic([port.into(), group.as_str().into()]);
        }
    }
    (rows > 0).then(|| Prepared::new(&statement))
}

/// Takes a port out of groups.
#[must_use]
pub fn unbind(port: &str, groups: &[&str]) -> Prepared {
    let statement = Query::delete()
        .from_table(B::Table)
        .and_where(Expr::col(B::PortId).eq(port))
        .and_where(is_one_of(B::SecurityGroupId, groups))
        .to_owned();
    Prepared::new(&statement)
}

/// Whether any port is in `group`.
///
/// # Errors
/// What the database refused.
pub async fn is_in_use(conn: &Conn, group: &str) -> DbResult<bool> {
    let query = Query::select()
        .column(B::PortId)
        .from(B::Table)
        .and_where(Expr::col(B::SecurityGroupId).eq(group))
        .limit(1)
        .to_owned();
    Ok(conn.fetch_opt(&query).await?.is_some())
}
