//! Rows of the database as typed values, and the statements that read and write them.
//!
//! One module per resource. They know tables and columns; they know no rules. Lists of ids go into
//! statements as one parameter ([`neutrino_db::list::any_of`]), so a thousand resources cost as
//! many statements as one.

pub mod binding;
pub mod distributed;
pub mod network;
pub mod port;
pub mod segment;
pub mod subnet;

use neutrino_db::{
    list::any_of,
    sea_query::{Expr, IntoColumnRef},
};

pub(crate) use neutrino_db::tags::of_many as tags;

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
