//! Answers compared with golden files.

use std::{collections::HashMap, fs, path::Path};

use serde_json::Value;

/// `value` with what differs from run to run replaced by names in the order of appearance.
pub fn masked(value: &Value, names: &mut HashMap<String, String>) -> Value {
    let is_id = |t: &str| t.len() == 36 && t.matches('-').count() == 4;
    let is_mac = |t: &str| t.len() == 17 && t.matches(':').count() == 5;
    let is_time = |t: &str| t.len() == 20 && t.ends_with('Z');
    match value {
        Value::String(t) if is_id(t) || is_mac(t) => {
            let next = format!("{}-{}", if is_id(t) { "id" } else { "mac" }, names.len());
            Value::String(names.entry(t.clone()).or_insert(next).clone())
        }
        Value::String(t) if is_time(t) => "time".into(),
        Value::Array(items) => items.iter().map(|item| masked(item, names)).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, item)| (key.clone(), masked(item, names))).collect()
        }
        other => other.clone(),
    }
}

/// Compares with the golden file `tests/cases/{name}`, or writes it.
pub fn golden(name: &str, found: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name);
    let text = serde_json::to_string_pretty(found).expect("JSON") + "\n";
    if std::env::var_os("NEUTRINO_UPDATE_GOLDENS").is_some_and(|v| v == "1") {
        fs::write(&path, &text).expect("golden file written");
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert!(wanted == text, "{} differs; now:\n{text}", path.display());
}
