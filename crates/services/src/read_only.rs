//! Lists that are computed in memory and cannot be changed through the API.

use neutrino_types::{ApiError, Attrs, ListQuery, SortDir};
use serde_json::Value;

/// The answer to an operation the collection does not offer.
pub(crate) fn not_offered() -> ApiError {
    ApiError::new("HTTPMethodNotAllowed", 405, "The method is not allowed for this resource.")
}

/// `rows` that pass `query`'s filters, in its order. Such lists are short and have no pages.
pub(crate) fn select(rows: Vec<Attrs>, query: &ListQuery) -> Vec<Attrs> {
    let passes = |row: &Attrs| {
        query.filters.iter().all(|(key, values)| match row.get(key) {
            Some(value) => values.iter().any(|wanted| text(wanted) == text(value)),
            None => true,
        })
    };
    let mut rows: Vec<Attrs> = rows.into_iter().filter(passes).collect();
    // The last key first: a stable sort by each earlier key keeps the later ones' order.
    for sort in query.sorts.iter().rev() {
        rows.sort_by(|a, b| {
            let order = a.get(&sort.key).map(text).cmp(&b.get(&sort.key).map(text));
            if sort.dir == SortDir::Desc { order.reverse() } else { order }
        });
    }
    rows
}

fn text(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}
