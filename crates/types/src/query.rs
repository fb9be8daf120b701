//! What a list request asks for, after parsing and before SQL.

use serde_json::Value;

/// Direction of one sort key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SortDir {
    /// Smallest first.
    #[default]
    Asc,
    /// Largest first.
    Desc,
}

/// One `sort_key` with its `sort_dir`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sort {
    /// Attribute name.
    pub key: String,
    /// Direction.
    pub dir: SortDir,
}

/// A parsed list request: filters are AND-ed, the values of one filter OR-ed.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ListQuery {
    /// Attribute name (as in the API, e.g. `provider:network_type`, `fixed_ips`) and its
    /// converted values. `fixed_ips` values stay strings such as `ip_address=10.0.0.3`.
    pub filters: Vec<(String, Vec<Value>)>,
    /// Attributes to return; empty means all.
    pub fields: Vec<String>,
    /// Sort order; the server appends `id` to make it total.
    pub sorts: Vec<Sort>,
    /// Page size after the server's cap; `None` means unlimited.
    pub limit: Option<u64>,
    /// Id of the last item of the previous page.
    pub marker: Option<String>,
    /// Walk the pages backwards.
    pub page_reverse: bool,
}

impl ListQuery {
    /// A query for the resources whose `key` is one of `values`.
    #[must_use]
    pub fn filter<V: Into<Value>>(key: &str, values: impl IntoIterator<Item = V>) -> Self {
        Self {
            filters: vec![(key.to_string(), values.into_iter().map(Into::into).collect())],
            ..Self::default()
        }
    }

    /// The values asked for `key`, if it is filtered on.
    #[must_use]
    pub fn values(&self, key: &str) -> Option<&[Value]> {
        self.filters.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_slice())
    }
}
