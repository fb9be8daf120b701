//! Filters as agents send them: a field and its values, or one value alone.

use neutrino_db::{
    list::ListSpec,
    sea_query::{Condition, Expr, ExprTrait},
};
use neutrino_rpc::objects::{Kind, ObjectType};
use neutrino_types::{ApiError, ApiResult, Attrs, Context, ListQuery};
use serde_json::Value;

/// What objects must match: every field, any of its values.
#[derive(Clone, Debug, Default)]
pub struct Filters(ListQuery);

impl Filters {
    /// The objects with these ids.
    pub fn ids(ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let ids: Vec<String> = ids.into_iter().map(Into::into).collect();
        Self(ListQuery::filter("id", ids))
    }

    /// `filter_kwargs` of `bulk_pull`.
    #[must_use]
    pub fn from_kwargs(kwargs: Attrs) -> Self {
        let mut query = ListQuery::default();
        for (field, value) in kwargs {
            let values = match value {
                Value::Array(values) => values,
                value => vec![value],
            };
            query.filters.push((field, values));
        }
        Self(query)
    }
}

/// The condition of `filters` for `object`, of which `spec` says where the fields are, beside what
/// the API lists by. `spec` knows no other visibility than everybody's.
pub(super) fn condition(
    object: &ObjectType,
    spec: &ListSpec,
    filters: &Filters,
) -> ApiResult<Condition> {
    let ctx = Context::admin();
    for (field, values) in &filters.0.filters {
        let is_column = spec.columns.iter().any(|column| column.attribute == field);
        if !(is_column && is_scalar(object, field))
            && (spec.computed)(&ctx, field, values).is_none()
        {
            return Err(unknown(field));
        }
    }
    let condition = spec.condition(&ctx, &filters.0)?;
    Ok(if condition.is_empty() { condition.add(Expr::val(1).eq(1)) } else { condition })
}

/// Refuses filters that `object`, of which there is no table, would not have either.
pub(super) fn check(object: &ObjectType, filters: &Filters) -> ApiResult<()> {
    match filters.0.filters.iter().find(|(field, _)| !is_scalar(object, field)) {
        Some((field, _)) => Err(unknown(field)),
        None => Ok(()),
    }
}

/// Whether `object` has a field of this name that is one value.
fn is_scalar(object: &ObjectType, name: &str) -> bool {
    let is_one = |kind| matches!(kind, Kind::Text | Kind::Integer | Kind::Boolean | Kind::Mac);
    object.fields().any(|field| field.name == name && is_one(field.kind))
}

fn unknown(field: &str) -> ApiError {
    ApiError::invalid_input(format_args!("'{field}' is not supported for filtering"))
}
