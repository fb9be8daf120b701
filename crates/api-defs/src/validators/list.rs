//! Lists of strings, and network segments.

use neutrino_types::ApiError;
use serde_json::Value;

use super::{Check, Refusal, bad_request, refuse, text};
use crate::{convert, pytext};

/// Room for the JSON of availability zone hints in the database.
const HINTS_MAX: usize = 255;

/// Keys of one item of a network's `segments`.
const SEGMENT_KEYS: [&str; 3] =
    ["provider:network_type", "provider:physical_network", "provider:segmentation_id"];

/// Refuses what is no list and lists with duplicates.
pub(super) fn list_of_distinct(value: &Value) -> Result<&Vec<Value>, Refusal> {
    let Some(items) = value.as_array() else {
        return Err(Refusal::Reason(format!("'{}' is not a list", pytext::str(value))));
    };
    let mut seen = std::collections::HashSet::with_capacity(items.len());
    let mut twice: Vec<String> = Vec::new();
    for item in items {
        let key = pytext::repr(item);
        if !seen.insert(key) {
            let text = pytext::str(item);
            if !twice.contains(&text) {
                twice.push(text);
            }
        }
    }
    if twice.is_empty() {
        Ok(items)
    } else {
        let twice = twice.join(", ");
        Err(Refusal::Reason(format!("Duplicate items in the list: '{twice}'")))
    }
}

/// A list of distinct strings, each of at most `max` characters.
///
/// # Errors
/// Anything else.
pub fn unique_strings(value: &Value, max: usize) -> Check {
    list_of_distinct(value)?.iter().try_for_each(|item| text::string(item, max))
}

/// A list of distinct strings whose JSON fits the database column.
///
/// # Errors
/// Anything else.
pub fn availability_zone_hints(value: &Value) -> Check {
    unique_strings(value, usize::MAX)?;
    // Neutron stores Python's JSON, which has a space behind each comma and escapes non-ASCII.
    let items = value.as_array().map_or(0, Vec::len);
    if value.to_string().len() + items.saturating_sub(1) > HINTS_MAX {
        return Err(ApiError::invalid_input("Too many availability_zone_hints specified").into());
    }
    Ok(())
}

/// A list of segments; converts `provider:segmentation_id` to a number.
///
/// # Errors
/// Anything else.
pub fn segments(value: &mut Value) -> Check {
    let text = pytext::str(value);
    let Some(items) = value.as_array_mut() else {
        return refuse(format!("'{text}' is not a list"));
    };
    for item in items {
        let text = pytext::str(item);
        let Some(segment) = item.as_object_mut() else {
            return refuse(format!("'{text}' is not a dictionary"));
        };
        let unknown: Vec<&str> =
            segment.keys().map(String::as_str).filter(|k| !SEGMENT_KEYS.contains(k)).collect();
        if !unknown.is_empty() {
            let unknown = unknown.join(", ");
            return Err(bad_request(format!("Unrecognized attribute(s) '{unknown}'")));
        }
        let id = match segment.get(SEGMENT_KEYS[2]) {
            None => continue,
            // Nothing, nought and the empty string all mean that one is to be chosen.
            Some(Value::Null | Value::Bool(false)) => None,
            Some(Value::String(s)) if s.is_empty() => None,
            Some(id) => Some(convert::integer(id)?).filter(|id| *id != 0),
        };
        match id {
            Some(id) => segment.insert(SEGMENT_KEYS[2].into(), id.into()),
            None => segment.shift_remove(SEGMENT_KEYS[2]),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn segments_without_an_id_leave_the_choice() {
        let mut value = json!([
            {"provider:network_type": "vlan", "provider:segmentation_id": "7"},
            {"provider:network_type": "vxlan", "provider:segmentation_id": null},
            {"provider:network_type": "gre", "provider:segmentation_id": 0},
        ]);
        assert!(segments(&mut value).is_ok());
        assert_eq!(
            value,
            json!([
                {"provider:network_type": "vlan", "provider:segmentation_id": 7},
                {"provider:network_type": "vxlan"},
                {"provider:network_type": "gre"},
            ])
        );
        let refused = segments(&mut json!([{"other": 1}])).expect_err("unknown key");
        assert_eq!(refused.into_error("segments").message, "Unrecognized attribute(s) 'other'");
        assert!(segments(&mut json!([{"provider:segmentation_id": "x"}])).is_err());
        assert!(segments(&mut json!({})).is_err());
    }
}
