//! Rows of the database as typed values, and the statements that read and write them.
//!
//! One module per resource. They know tables and columns; they know no rules.

pub mod agent;
pub mod binding;
pub mod network;
pub mod port;
pub mod segment;
pub mod subnet;

use neutrino_db::sea_query::{Expr, ExprTrait, IntoColumnRef, Value};

/// How many ids one `IN (...)` takes: below every backend's limit of parameters.
pub(crate) const CHUNK: usize = 10_000;

/// `column IN (values)`.
pub(crate) fn is_in<C, V, I>(column: C, values: I) -> Expr
where
    C: IntoColumnRef,
    V: Into<Value>,
    I: IntoIterator<Item = V>,
{
    Expr::col(column).is_in(values.into_iter().map(|v| Expr::val(v)))
}

/// The distinct values of `ids`, in order of first appearance.
pub(crate) fn distinct<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = std::collections::HashSet::new();
    ids.into_iter().filter(|id| seen.insert(*id)).collect()
}
