//! Reading attributes of requests. The API layer has validated their types and filled in defaults;
//! an attribute of another type reads as absent.

use std::collections::HashSet;

use serde_json::Value;

use crate::{ApiError, ApiResult, Attrs, Context};

/// A text attribute.
#[must_use]
pub fn text<'a>(attrs: &'a Attrs, name: &str) -> Option<&'a str> {
    attrs.get(name).and_then(Value::as_str)
}

/// A text attribute as stored: absent and null are empty.
#[must_use]
pub fn text_or_empty(attrs: &Attrs, name: &str) -> String {
    text(attrs, name).unwrap_or_default().to_string()
}

/// A boolean attribute.
#[must_use]
pub fn flag(attrs: &Attrs, name: &str) -> Option<bool> {
    attrs.get(name).and_then(Value::as_bool)
}

/// An integer attribute; numbers in text form count, as in Neutron's converters.
#[must_use]
pub fn int(attrs: &Attrs, name: &str) -> Option<i64> {
    match attrs.get(name)? {
        Value::Number(n) => n.as_i64(),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    }
}

/// A list attribute; `None` when absent or null.
#[must_use]
pub fn list<'a>(attrs: &'a Attrs, name: &str) -> Option<&'a [Value]> {
    attrs.get(name).and_then(Value::as_array).map(Vec::as_slice)
}

/// A list of texts; `None` when absent or null.
#[must_use]
pub fn texts(attrs: &Attrs, name: &str) -> Option<Vec<String>> {
    let items = list(attrs, name)?;
    Some(items.iter().filter_map(Value::as_str).map(str::to_string).collect())
}

/// A list of texts that is a set: each once, in the order given.
#[must_use]
pub fn distinct_texts(attrs: &Attrs, name: &str) -> Option<Vec<String>> {
    let mut seen = HashSet::new();
    let mut list = texts(attrs, name)?;
    list.retain(|text| seen.insert(text.clone()));
    Some(list)
}

/// The tags of a new resource, sorted as they are answered later.
#[must_use]
pub fn tags(attrs: &Attrs) -> Vec<String> {
    let mut list = distinct_texts(attrs, "tags").unwrap_or_default();
    list.sort_unstable();
    list
}

/// The owner of a new resource: the one asked for, else the caller's project.
#[must_use]
pub fn project(attrs: &Attrs, ctx: &Context) -> String {
    text(attrs, "project_id")
        .or_else(|| text(attrs, "tenant_id"))
        .unwrap_or_else(|| ctx.project())
        .to_string()
}

/// Sets `target` from a text attribute, if given; answers whether it changed.
pub fn set_text(attrs: &Attrs, name: &str, target: &mut String) -> bool {
    match attrs.get(name) {
        Some(Value::String(s)) => set(target, s.clone()),
        Some(Value::Null) => set(target, String::new()),
        _ => false,
    }
}

/// Sets `target` from a boolean attribute, if given; answers whether it changed.
pub fn set_flag(attrs: &Attrs, name: &str, target: &mut bool) -> bool {
    flag(attrs, name).is_some_and(|v| set(target, v))
}

/// Refuses when the user insists on another revision than the `current` one.
///
/// # Errors
/// `RevisionNumberConstraintFailed` (412).
pub fn check_revision(if_match: Option<i64>, current: i64) -> ApiResult<()> {
    match if_match {
        Some(expected) if expected != current => {
            Err(ApiError::revision_mismatch(expected, current))
        }
        _ => Ok(()),
    }
}

fn set<T: PartialEq>(target: &mut T, value: T) -> bool {
    let changed = *target != value;
    *target = value;
    changed
}
