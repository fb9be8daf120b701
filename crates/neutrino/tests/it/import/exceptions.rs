//! What may differ between Neutron's answers and ours on an imported database, and why.

use serde_json::Value;

/// How an attribute may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// We do not have it.
    Lacking,
    /// Its value is each server's own.
    Any,
}

/// Kind of resource (`*` for every), attribute, what may be, why.
pub const ALL: &[(&str, &str, Exception, &str)] = &[];

/// What may be with an attribute.
pub fn of(kind: &str, attribute: &str) -> Option<Exception> {
    let of_kind = |wanted: &str| wanted == "*" || wanted == kind;
    ALL.iter()
        .find(|(k, a, ..)| of_kind(k) && *a == attribute)
        .map(|(_, _, exception, _)| *exception)
}

/// Whether a resource is of a kind that is not carried.
pub fn is_left(_path: &str, _resource: Option<&Value>) -> bool {
    false
}
