//! The list engine: a parsed list request becomes one SELECT.
//!
//! A resource states once which attribute is which column ([`ListSpec`]); the engine turns
//! filters, visibility, sorts and pages into SQL that answers the same rows in the same order on
//! every backend. What rows mean, and attributes that are no column, stay with the plugin.
//!
//! - Filters are AND-ed, the values of one are OR-ed; no value at all matches nothing.
//! - Sorts are total: the id is appended. NULL sorts below every value.
//! - A page starts after the row its marker names, found by key and not by offset; walked in
//!   reverse, [`Page::arrange`] puts the rows back in order.

mod filter;
mod page;
pub mod scope;
#[cfg(test)]
mod tests;

use neutrino_types::{ApiResult, Context, ListQuery, SortDir};
use sea_query::{Condition, Expr, SelectStatement};
use serde_json::Value;

pub use filter::{any_of, tag_condition};
pub use page::Page;

use crate::Conn;

/// How an attribute is stored, hence how a filter value is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text; a filter of another JSON type is compared by its text.
    Text,
    /// Integer.
    Int,
    /// Boolean.
    Bool,
}

/// One attribute that is a column.
#[derive(Clone, Copy)]
pub struct Column {
    /// Attribute name in the API.
    pub attribute: &'static str,
    /// The column, qualified if the query joins.
    pub expr: fn() -> Expr,
    /// How it is stored.
    pub kind: Kind,
    /// Whether it may be NULL.
    pub nullable: bool,
}

impl Column {
    /// A text column that is never NULL.
    #[must_use]
    pub const fn text(attribute: &'static str, expr: fn() -> Expr) -> Self {
        Self { attribute, expr, kind: Kind::Text, nullable: false }
    }

    /// An integer column that is never NULL.
    #[must_use]
    pub const fn int(attribute: &'static str, expr: fn() -> Expr) -> Self {
        Self { attribute, expr, kind: Kind::Int, nullable: false }
    }

    /// A boolean column that is never NULL.
    #[must_use]
    pub const fn bool(attribute: &'static str, expr: fn() -> Expr) -> Self {
        Self { attribute, expr, kind: Kind::Bool, nullable: false }
    }

    /// The same column, which may be NULL.
    #[must_use]
    pub const fn or_null(mut self) -> Self {
        self.nullable = true;
        self
    }
}

/// Filters that are no column: answers the condition for an attribute and its values, or `None`
/// when it does not know the attribute.
pub type Computed = fn(&Context, &str, &[Value]) -> Option<ApiResult<Condition>>;

/// Which rows a caller sees; `None` means all.
pub type Visibility = fn(&Context) -> Option<Condition>;

/// How a resource is listed.
pub struct ListSpec {
    /// Member name, e.g. `port`: used in errors.
    pub resource: &'static str,
    /// The FROM clause with its joins, nothing selected.
    pub from: fn() -> SelectStatement,
    /// The id column. It must be unique among the rows of `from`.
    pub id: fn() -> Expr,
    /// Attributes that are columns.
    pub columns: &'static [Column],
    /// Filters that are not.
    pub computed: Computed,
    /// Which rows a caller sees.
    pub visibility: Visibility,
    /// `updated_at`, if the resource has one: serves `changed-since`.
    pub updated_at: Option<fn() -> Expr>,
    /// Whether the resource can be tagged: serves `tags`, `tags-any`, `not-tags`, `not-tags-any`.
    pub tagged: bool,
}

/// For [`ListSpec::computed`]: no computed filter.
#[must_use]
pub fn nothing_computed(_: &Context, _: &str, _: &[Value]) -> Option<ApiResult<Condition>> {
    None
}

impl ListSpec {
    fn column(&self, attribute: &str) -> Option<&Column> {
        // Both names of the owner are one column.
        let attribute = if attribute == "tenant_id" { "project_id" } else { attribute };
        self.columns.iter().find(|c| c.attribute == attribute)
    }

    /// Plans the page `query` asks for, as `ctx` sees it. Costs one statement when there is a
    /// marker, none otherwise.
    ///
    /// # Errors
    /// 400 for a filter or sort key the resource does not have or a value that cannot be
    /// converted; `<Resource>NotFound` for a marker that is absent or not visible.
    pub async fn page(&self, conn: &Conn, ctx: &Context, query: &ListQuery) -> ApiResult<Page> {
        page::plan(self, conn, ctx, query).await
    }

    /// The condition of `query`'s filters and `ctx`'s visibility, without sorts and pages: for
    /// counting, or for single resources.
    ///
    /// # Errors
    /// As [`ListSpec::page`].
    pub fn condition(&self, ctx: &Context, query: &ListQuery) -> ApiResult<Condition> {
        let mut all = Condition::all();
        for (attribute, values) in &query.filters {
            all = all.add(filter::condition(self, ctx, attribute, values)?);
        }
        Ok(all.add_option((self.visibility)(ctx)))
    }
}

/// `dir` walked backwards if `reverse`.
fn directed(dir: SortDir, reverse: bool) -> SortDir {
    match (dir, reverse) {
        (d, false) => d,
        (SortDir::Asc, true) => SortDir::Desc,
        (SortDir::Desc, true) => SortDir::Asc,
    }
}
