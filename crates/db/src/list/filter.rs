//! Filters: attribute and values to a condition.

use neutrino_types::{ApiError, ApiResult, Context};
use sea_query::{Condition, Expr, ExprTrait, Query};
use serde_json::Value;

use super::{Column, Kind, ListSpec};
use crate::{schema::Tags, time};

/// Above this many values they become part of the statement's text: backends bound the number of
/// parameters.
const MOST_PARAMETERS: usize = 1 << 14;

/// `expr` is one of `values`, however many.
///
/// The list is padded with its last value to a power of two, so that few different statements
/// have to be prepared whatever the numbers asked for.
#[must_use]
pub fn any_of(expr: Expr, mut values: Vec<String>) -> Expr {
    match values.len() {
        0 => Expr::val(1).eq(0),
        1 => expr.eq(values.swap_remove(0)),
        n if n <= MOST_PARAMETERS => {
            let last = values[n - 1].clone();
            values.resize(n.next_power_of_two(), last);
            expr.is_in(values)
        }
        _ => expr.is_in(values.into_iter().map(|value| Expr::Constant(value.into()))),
    }
}

pub(super) fn condition(
    spec: &ListSpec,
    ctx: &Context,
    attribute: &str,
    values: &[Value],
) -> ApiResult<Condition> {
    if let Some(computed) = (spec.computed)(ctx, attribute, values) {
        return computed;
    }
    if let Some(column) = spec.column(attribute) {
        return by_column(column, values);
    }
    match (attribute, spec.updated_at) {
        ("tags" | "tags-any" | "not-tags" | "not-tags-any", _) if spec.tagged => {
            Ok(tag_condition((spec.id)(), attribute, values))
        }
        ("changed-since" | "changed_since", Some(updated_at)) => {
            changed_since(updated_at(), values)
        }
        _ => Err(ApiError::bad_request(
            "HTTPBadRequest",
            format!("['{attribute}'] is not an allowed attribute to filter by"),
        )),
    }
}

fn by_column(column: &Column, values: &[Value]) -> ApiResult<Condition> {
    let expr = || (column.expr)();
    let mut any = Condition::any();
    let known = values.iter().filter(|v| !v.is_null());
    if column.nullable && values.iter().any(Value::is_null) {
        any = any.add(expr().is_null());
    }
    any = match column.kind {
        Kind::Text => {
            let texts: Vec<String> = known.map(text_of).collect();
            if texts.is_empty() { any } else { any.add(any_of(expr(), texts)) }
        }
        Kind::Int => {
            let numbers = known.map(|v| int_of(column, v)).collect::<ApiResult<Vec<i64>>>()?;
            if numbers.is_empty() { any } else { any.add(expr().is_in(numbers)) }
        }
        Kind::Bool => {
            let flags = known.map(|v| bool_of(column, v)).collect::<ApiResult<Vec<bool>>>()?;
            if flags.is_empty() { any } else { any.add(expr().is_in(flags)) }
        }
    };
    Ok(if any.is_empty() { Condition::all().add(Expr::val(1).eq(0)) } else { any })
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

fn int_of(column: &Column, value: &Value) -> ApiResult<i64> {
    let number = match value {
        Value::Number(n) => n.as_i64(),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| {
        ApiError::invalid_input(format!(
            "'{}' is not an integer for {}",
            text_of(value),
            column.attribute
        ))
    })
}

fn bool_of(column: &Column, value: &Value) -> ApiResult<bool> {
    let flag = match value {
        Value::Bool(b) => Some(*b),
        Value::Number(n) => match n.as_i64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        Value::String(s) => match s.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    };
    flag.ok_or_else(|| {
        ApiError::invalid_input(format!(
            "'{}' cannot be converted to boolean for {}",
            text_of(value),
            column.attribute
        ))
    })
}

fn changed_since(updated_at: Expr, values: &[Value]) -> ApiResult<Condition> {
    let text = values.first().map(text_of).unwrap_or_default();
    let since = time::parse(&text).ok_or_else(|| {
        ApiError::invalid_input(format!(
            "The input {text} must be in the following format: YYYY-MM-DDTHH:MM:SS[Z]"
        ))
    })?;
    Ok(Condition::all().add(updated_at.gte(time::to_text(since))))
}

/// The condition of a tag filter on the resources with id `id`: `tags` (all of them), `tags-any`,
/// `not-tags` (not all of them), `not-tags-any`. Each value may hold several, comma separated.
#[must_use]
pub fn tag_condition(id: Expr, filter: &str, values: &[Value]) -> Condition {
    let mut tags: Vec<String> = values
        .iter()
        .flat_map(|v| text_of(v).split(',').map(str::to_string).collect::<Vec<_>>())
        .collect();
    tags.sort();
    tags.dedup();
    let having = |tags: Vec<String>| {
        Query::select()
            .column((Tags::Table, Tags::ResourceId))
            .from(Tags::Table)
            .and_where(any_of(Expr::col((Tags::Table, Tags::Tag)), tags))
            .to_owned()
    };
    // A resource has a tag once at most, so whoever has as many of them as there are has them all.
    // One condition per tag would be as deep as a user's list is long, and overflow the stack.
    let all_of = |tags: Vec<String>| {
        let number = i64::try_from(tags.len()).unwrap_or(i64::MAX);
        let resource = Expr::col((Tags::Table, Tags::ResourceId));
        let mut with_all = having(tags);
        with_all.add_group_by([resource.clone()]).and_having(resource.count().eq(number));
        Condition::all().add(id.clone().in_subquery(with_all))
    };
    match filter {
        "tags" => all_of(tags),
        "not-tags" => all_of(tags).not(),
        "not-tags-any" => Condition::all().add(id.not_in_subquery(having(tags))),
        _ => Condition::all().add(id.in_subquery(having(tags))),
    }
}
