//! Query strings of GET requests: filters, fields, sort order, page.
//!
//! Texts and rules are those of Neutron's `api_common` with the extensions `filter-validation`,
//! `empty-string-filtering` and `sorting`.

use neutrino_types::{ApiError, ApiResult, ListQuery, Sort, SortDir};
use serde_json::Value;

use crate::{
    attribute::{Attribute, Convert, Shape},
    convert, pytext,
    resource::Resource,
};

/// Parameters that are no filters.
const RESERVED: [&str; 6] = ["fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse"];

/// Filters whose values are comma-separated lists of tags.
const TAG_FILTERS: [&str; 4] = ["tags", "tags-any", "not-tags", "not-tags-any"];

/// Parses the decoded `pairs` of a query string, in their order.
///
/// Filter values are converted as the attribute's values are; `tenant_id` becomes `project_id`;
/// each tag of `tags`, `tags-any`, `not-tags` and `not-tags-any` is a value of its own;
/// `key=value` filters such as `fixed_ips` keep that form. `max_limit` is `pagination_max_limit`.
/// `marker` is dropped when no limit is in effect, as in Neutron.
///
/// # Errors
/// 400 with Neutron's text: unknown filter or sort key, value without meaning, bad limit.
pub fn parse(
    resource: &Resource,
    pairs: &[(String, String)],
    max_limit: Option<u64>,
) -> ApiResult<ListQuery> {
    let limit = limit(pairs, max_limit)?;
    let query = ListQuery {
        filters: filters(resource, pairs)?,
        fields: fields(pairs),
        sorts: sorts(resource, pairs)?,
        limit,
        marker: limit.and_then(|_| last(pairs, "marker")).map(str::to_string),
        page_reverse: last(pairs, "page_reverse").is_some_and(|v| v.eq_ignore_ascii_case("true")),
    };
    Ok(query)
}

fn last<'a>(pairs: &'a [(String, String)], key: &str) -> Option<&'a str> {
    pairs.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
}

fn all<'a>(pairs: &'a [(String, String)], key: &'a str) -> impl Iterator<Item = &'a str> {
    pairs.iter().filter(move |(k, v)| k == key && !v.is_empty()).map(|(_, v)| v.as_str())
}

fn fields(pairs: &[(String, String)]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for field in all(pairs, "fields") {
        if !out.iter().any(|f| f == field) {
            out.push(field.to_string());
        }
    }
    out
}

type Filters = Vec<(String, Vec<Value>)>;

fn filters(resource: &Resource, pairs: &[(String, String)]) -> ApiResult<Filters> {
    let mut out: Filters = Vec::new();
    let mut invalid: Vec<&str> = Vec::new();
    for (key, text) in pairs {
        if RESERVED.contains(&key.as_str()) {
            continue;
        }
        let name = match key.as_str() {
            "tenant_id" => "project_id",
            "changed-since" => "changed_since",
            other => other,
        };
        let attribute = resource.attribute(name);
        if resource.validates_filters && !attribute.is_some_and(|a| a.filter) {
            if !invalid.contains(&key.as_str()) {
                invalid.push(key);
            }
            continue;
        }
        if !invalid.is_empty() {
            continue;
        }
        let mut values = filter_values(attribute, name, text)?;
        match out.iter_mut().find(|(k, _)| k == name) {
            Some((_, known)) => known.append(&mut values),
            None => out.push((name.to_string(), values)),
        }
    }
    if invalid.is_empty() {
        return Ok(out);
    }
    let invalid = pytext::repr_list(invalid);
    Err(bad_request(format!("{invalid} is invalid attribute for filtering")))
}

fn filter_values(attribute: Option<&Attribute>, name: &str, text: &str) -> ApiResult<Vec<Value>> {
    let Some(attribute) = attribute else {
        return Ok(vec![text.into()]);
    };
    if TAG_FILTERS.contains(&name) {
        return Ok(text.split(',').map(Value::from).collect());
    }
    if attribute.filter_pairs {
        return Ok(vec![key_value(text)?.into()]);
    }
    let value = match attribute.convert {
        // Columns of numbers are compared with numbers; what is none matches nothing.
        Convert::None if attribute.shape == Shape::Int => {
            convert::parse_int(text).map_or_else(|| text.into(), Value::from)
        }
        convert => convert.apply(text.into())?,
    };
    Ok(vec![value])
}

/// `key=value` with white space around both removed.
fn key_value(text: &str) -> ApiResult<String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok(format!("{}={}", key.trim(), value.trim()))
        }
        _ => {
            Err(ApiError::invalid_input(format_args!("'{text}' is not of the form <key>=[value]")))
        }
    }
}

fn sorts(resource: &Resource, pairs: &[(String, String)]) -> ApiResult<Vec<Sort>> {
    let keys: Vec<&str> = all(pairs, "sort_key").collect();
    let dirs: Vec<&str> = all(pairs, "sort_dir").collect();
    if keys.len() != dirs.len() {
        return Err(bad_request("The number of sort_keys and sort_dirs must be same"));
    }
    let sortable = |key: &&str| resource.attribute(key).is_some_and(|a| a.sort);
    let absent: Vec<&str> = keys.iter().copied().filter(|k| !sortable(k)).collect();
    if !absent.is_empty() {
        let absent = pytext::repr_list(absent);
        return Err(bad_request(format!("{absent} is invalid attribute for sort_keys")));
    }
    let wrong: Vec<&str> = dirs.iter().copied().filter(|d| !["asc", "desc"].contains(d)).collect();
    if !wrong.is_empty() {
        let wrong = pytext::repr_list(wrong);
        return Err(bad_request(format!(
            "{wrong} is invalid value for sort_dirs, valid value is 'asc' and 'desc'"
        )));
    }
    let sort = |(key, dir): (&str, &str)| Sort {
        key: if key == "tenant_id" { "project_id".into() } else { key.to_string() },
        dir: if dir == "asc" { SortDir::Asc } else { SortDir::Desc },
    };
    Ok(keys.into_iter().zip(dirs).map(sort).collect())
}

fn limit(pairs: &[(String, String)], max_limit: Option<u64>) -> ApiResult<Option<u64>> {
    let asked = match last(pairs, "limit") {
        None => 0,
        Some(text) => {
            let number = convert::parse_int(text);
            number.and_then(|n| u64::try_from(n).ok()).ok_or_else(|| {
                let shown = number.map_or_else(|| text.to_string(), |n| n.to_string());
                ApiError::bad_request(
                    "BadRequest",
                    format!(
                        "Bad limit request: Limit must be an integer 0 or greater and not '{shown}'."
                    ),
                )
            })?
        }
    };
    Ok(match (asked, max_limit) {
        (0, max) => max,
        (asked, Some(max)) => Some(asked.min(max)),
        (asked, None) => Some(asked),
    })
}

fn bad_request(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("HTTPBadRequest", message)
}
