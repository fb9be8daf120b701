//! What the API shows of rows: attributes in Neutron's order.

pub mod network;
pub mod port;
pub mod security_group;
pub mod subnet;

mod writer;

use neutrino_types::Attrs;
use serde::Serialize;
use serde_json::Value;

pub(crate) use writer::JsonWriter;

/// Takes a resource's attributes in order: as [`Attrs`] ([`View`]) or as JSON ([`JsonWriter`]).
pub(crate) trait Sink {
    /// The next attribute.
    fn put(&mut self, name: &str, value: impl Serialize) -> &mut Self;

    /// The next attribute, a stored JSON object: see [`json_object`].
    fn put_object(&mut self, name: &str, text: &str) -> &mut Self;
}

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

impl Sink for View {
    fn put(&mut self, name: &str, value: impl Serialize) -> &mut Self {
        // Texts, numbers and lists of them always have a JSON form.
        self.set(name, serde_json::to_value(value).unwrap_or_default())
    }

    fn put_object(&mut self, name: &str, text: &str) -> &mut Self {
        self.set(name, json_object(text))
    }
}

/// A stored JSON object; empty text is an empty object, and so is what cannot be read.
#[must_use]
pub fn json_object(text: &str) -> Value {
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
