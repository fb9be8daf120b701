//! Pages: sorts that are total, and the place where a page begins.

use neutrino_types::{ApiError, ApiResult, Context, ListQuery, SortDir};
use sea_query::{
    Alias, Condition, Expr, ExprTrait, IntoColumnRef, IntoIden, IntoTableRef, Order,
    SelectStatement, Value,
};

use super::{Column, Kind, ListSpec, directed};
use crate::{Conn, Row};

/// Name of the derived table of ids in [`Page::children`].
const PAGE: &str = "page";
const PAGE_ID: &str = "page_id";

/// A page of a list, planned: FROM, WHERE, ORDER BY and LIMIT, nothing selected yet.
#[derive(Clone, Debug)]
pub struct Page {
    base: SelectStatement,
    id: Expr,
    /// Neither filter nor limit: the page is the whole table.
    whole: bool,
    limited: bool,
    reversed: bool,
}

struct Key {
    column: Column,
    dir: SortDir,
}

pub(super) async fn plan(
    spec: &ListSpec,
    conn: &Conn,
    ctx: &Context,
    query: &ListQuery,
) -> ApiResult<Page> {
    let keys = sort_keys(spec, query)?;
    let condition = spec.condition(ctx, query)?;
    // As in Neutron, a marker without a limit is no page.
    let marker = query.marker.as_deref().filter(|_| query.limit.is_some());
    let after = match marker {
        Some(marker) => Some(after_marker(spec, conn, ctx, &keys, marker).await?),
        None => None,
    };
    let mut base = (spec.from)();
    let whole = condition.is_empty() && query.limit.is_none();
    if !condition.is_empty() {
        base.cond_where(condition);
    }
    if let Some(after) = after {
        base.cond_where(after);
    }
    for key in &keys {
        let expr = || (key.column.expr)();
        let order = match key.dir {
            SortDir::Asc => Order::Asc,
            SortDir::Desc => Order::Desc,
        };
        if key.column.nullable {
            // NULL below every value, also where the backend sees that differently.
            let nulls = match key.dir {
                SortDir::Asc => Order::Desc,
                SortDir::Desc => Order::Asc,
            };
            base.order_by_expr(expr().is_null(), nulls);
        }
        base.order_by_expr(expr(), order);
    }
    if let Some(limit) = query.limit {
        base.limit(limit);
    }
    Ok(Page {
        base,
        id: (spec.id)(),
        whole,
        limited: query.limit.is_some(),
        reversed: query.page_reverse && query.limit.is_some(),
    })
}

/// The sort keys in the direction of the walk, ending with the id.
fn sort_keys(spec: &ListSpec, query: &ListQuery) -> ApiResult<Vec<Key>> {
    let mut keys: Vec<Key> = Vec::with_capacity(query.sorts.len() + 1);
    for sort in &query.sorts {
        if sort.key == "id" {
            keys.push(id_key(spec, directed(sort.dir, query.page_reverse)));
            return Ok(keys);
        }
        let column = spec.column(&sort.key).ok_or_else(|| {
            ApiError::bad_request(
                "HTTPBadRequest",
                format!("['{}'] is invalid attribute for sort_keys", sort.key),
            )
        })?;
        if keys.iter().all(|k| k.column.attribute != column.attribute) {
            keys.push(Key { column: *column, dir: directed(sort.dir, query.page_reverse) });
        }
    }
    keys.push(id_key(spec, directed(SortDir::Asc, query.page_reverse)));
    Ok(keys)
}

fn id_key(spec: &ListSpec, dir: SortDir) -> Key {
    Key { column: Column::text("id", spec.id), dir }
}

/// The rows that come after the one `marker` names.
async fn after_marker(
    spec: &ListSpec,
    conn: &Conn,
    ctx: &Context,
    keys: &[Key],
    marker: &str,
) -> ApiResult<Condition> {
    let mut select = (spec.from)();
    select
        .exprs(keys.iter().map(|k| (k.column.expr)()))
        .and_where((spec.id)().eq(marker))
        .cond_where(Condition::all().add_option((spec.visibility)(ctx)));
    let row = conn
        .fetch_opt(&select)
        .await?
        .ok_or_else(|| ApiError::resource_not_found(spec.resource, marker))?;
    Ok(beyond(keys, &row))
}

/// Rows beyond `at` in the order of `keys`: beyond in the first key, or equal in it and beyond in
/// the second, and so on.
fn beyond(keys: &[Key], at: &Row) -> Condition {
    let mut any = Condition::any();
    for (i, key) in keys.iter().enumerate() {
        let Some(further) = beyond_in(key, value_at(key, at, i)) else { continue };
        let equal = keys[..i].iter().enumerate().fold(Condition::all(), |all, (j, earlier)| {
            let expr = (earlier.column.expr)();
            all.add(match value_at(earlier, at, j) {
                Some(value) => expr.eq(Expr::val(value)),
                None => expr.is_null(),
            })
        });
        any = any.add(equal.add(further));
    }
    any
}

/// Rows beyond `at` in one key; `None` when there cannot be any.
fn beyond_in(key: &Key, at: Option<Value>) -> Option<Condition> {
    let expr = || (key.column.expr)();
    let any = Condition::any();
    Some(match (key.dir, at) {
        (SortDir::Asc, Some(at)) => any.add(expr().gt(Expr::val(at))),
        (SortDir::Asc, None) => any.add(expr().is_not_null()),
        (SortDir::Desc, Some(at)) => {
            let any = any.add(expr().lt(Expr::val(at)));
            if key.column.nullable { any.add(expr().is_null()) } else { any }
        }
        (SortDir::Desc, None) => return None,
    })
}

fn value_at(key: &Key, row: &Row, i: usize) -> Option<Value> {
    match key.column.kind {
        Kind::Text => row.opt_str(i).map(Value::from),
        Kind::Int => row.opt_int(i).map(Value::from),
        Kind::Bool => row.opt_bool(i).map(Value::from),
    }
}

impl Page {
    /// The page's rows, with `columns` selected.
    #[must_use]
    pub fn select<C: IntoColumnRef>(
        &self,
        columns: impl IntoIterator<Item = C>,
    ) -> SelectStatement {
        let mut out = self.base.clone();
        out.columns(columns);
        out
    }

    /// The page's rows, with `exprs` selected.
    #[must_use]
    pub fn select_exprs(&self, exprs: impl IntoIterator<Item = Expr>) -> SelectStatement {
        let mut out = self.base.clone();
        out.exprs(exprs);
        out
    }

    /// How many rows the list has in all, as a statement with one integer. For lists without limit.
    #[must_use]
    pub fn count(&self) -> SelectStatement {
        let mut out = self.base.clone();
        out.clear_order_by().expr(self.id.clone().count());
        out
    }

    /// The rows of `child` (with `columns` selected, which must name their table where they are
    /// ambiguous) whose `foreign_key` is the id of a row of this page: one statement whatever the
    /// page's length.
    #[must_use]
    pub fn children<T, C>(
        &self,
        child: T,
        foreign_key: T,
        columns: impl IntoIterator<Item = C>,
    ) -> SelectStatement
    where
        T: IntoIden + Copy + 'static,
        (T, T): IntoColumnRef,
        T: IntoTableRef,
        C: IntoColumnRef,
    {
        let mut out = sea_query::Query::select();
        out.columns(columns).from(child);
        if !self.whole {
            let on =
                Expr::col((child, foreign_key)).equals((Alias::new(PAGE), Alias::new(PAGE_ID)));
            out.join_subquery(sea_query::JoinType::InnerJoin, self.ids(), PAGE, on);
        }
        out
    }

    /// The ids of the page's rows, as column `page_id`.
    #[must_use]
    pub fn ids(&self) -> SelectStatement {
        let mut out = self.base.clone();
        if !self.limited {
            // Order only matters for what a limit cuts off.
            out.clear_order_by();
        }
        out.expr_as(self.id.clone(), PAGE_ID);
        out
    }

    /// `rows` as fetched, in the order asked for.
    #[must_use]
    pub fn arrange<T>(&self, mut rows: Vec<T>) -> Vec<T> {
        if self.reversed {
            rows.reverse();
        }
        rows
    }
}
