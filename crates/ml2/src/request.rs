//! Reading attributes of requests. The API layer has validated their types and filled in defaults;
//! an attribute of another type reads as absent.

use std::collections::HashSet;

use neutrino_types::{Attrs, Context};
use serde_json::Value;

/// A text attribute.
pub(crate) fn text<'a>(attrs: &'a Attrs, name: &str) -> Option<&'a str> {
    attrs.get(name).and_then(Value::as_str)
}

/// A text attribute as stored: absent and null are empty.
pub(crate) fn text_or_empty(attrs: &Attrs, name: &str) -> String {
    text(attrs, name).unwrap_or_default().to_string()
}

/// A boolean attribute.
pub(crate) fn flag(attrs: &Attrs, name: &str) -> Option<bool> {
    attrs.get(name).and_then(Value::as_bool)
}

/// An integer attribute; numbers in text form count, as in Neutron's converters.
pub(crate) fn int(attrs: &Attrs, name: &str) -> Option<i64> {
    match attrs.get(name)? {
        Value::Number(n) => n.as_i64(),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    }
}

/// A list attribute; `None` when absent or null.
pub(crate) fn list<'a>(attrs: &'a Attrs, name: &str) -> Option<&'a [Value]> {
    attrs.get(name).and_then(Value::as_array).map(Vec::as_slice)
}

/// A list of texts; `None` when absent or null.
pub(crate) fn texts(attrs: &Attrs, name: &str) -> Option<Vec<String>> {
    let items = list(attrs, name)?;
    Some(items.iter().filter_map(Value::as_str).map(str::to_string).collect())
}

/// A list of texts that is a set: each once, in the order given.
pub(crate) fn distinct_texts(attrs: &Attrs, name: &str) -> Option<Vec<String>> {
    let mut seen = HashSet::new();
    let mut list = texts(attrs, name)?;
    list.retain(|text| seen.insert(text.clone()));
    Some(list)
}

/// The tags of a new resource, sorted as they are answered later.
pub(crate) fn tags(attrs: &Attrs) -> Vec<String> {
    let mut list = distinct_texts(attrs, "tags").unwrap_or_default();
    list.sort_unstable();
    list
}

/// The owner of a new resource: the one asked for, else the caller's project.
pub(crate) fn project(attrs: &Attrs, ctx: &Context) -> String {
    text(attrs, "project_id")
        .or_else(|| text(attrs, "tenant_id"))
        .unwrap_or_else(|| ctx.project())
        .to_string()
}

/// Sets `target` from a text attribute, if given; answers whether it changed.
pub(crate) fn set_text(attrs: &Attrs, name: &str, target: &mut String) -> bool {
    match attrs.get(name) {
        Some(Value::String(s)) => set(target, s.clone()),
        Some(Value::Null) => set(target, String::new()),
        _ => false,
    }
}

/// Sets `target` from a boolean attribute, if given; answers whether it changed.
pub(crate) fn set_flag(attrs: &Attrs, name: &str, target: &mut bool) -> bool {
    flag(attrs, name).is_some_and(|v| set(target, v))
}

fn set<T: PartialEq>(target: &mut T, value: T) -> bool {
    let changed = *target != value;
    *target = value;
    changed
}
