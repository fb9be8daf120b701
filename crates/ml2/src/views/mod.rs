//! What the API shows of rows: attributes in Neutron's order.

pub mod network;
pub mod port;
pub mod subnet;

use neutrino_types::Attrs;
use serde_json::Value;

/// Builds [`Attrs`] in order.
pub(crate) struct View(Attrs);

impl View {
    pub(crate) fn with_capacity(n: usize) -> Self {
        Self(Attrs::with_capacity(n))
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.0.insert(name.to_string(), value.into());
        self
    }

    pub(crate) fn done(self) -> Attrs {
        self.0
    }
}

/// A stored JSON object; empty text is an empty object, and so is what cannot be read.
pub(crate) fn json_object(text: &str) -> Value {
    if text.is_empty() {
        return Value::Object(Attrs::new());
    }
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => value,
        _ => Value::Object(Attrs::new()),
    }
}

/// A stored JSON list; empty text is an empty list.
pub(crate) fn json_list(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ Value::Array(_)) => value,
        _ => Value::Array(Vec::new()),
    }
}

/// A list of texts.
pub(crate) fn texts(list: Vec<String>) -> Value {
    Value::Array(list.into_iter().map(Value::String).collect())
}
