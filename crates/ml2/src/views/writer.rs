//! Attributes straight to JSON, for lists: building a map of every resource first costs more than
//! the rest of the request.

use serde::{Serialize, de::IgnoredAny};

use super::Sink;

/// Writes one JSON object.
pub(crate) struct JsonWriter<'o> {
    out: &'o mut Vec<u8>,
    /// Names to write; empty means all.
    fields: &'o [String],
    started: bool,
}

impl<'o> JsonWriter<'o> {
    /// Appends to `out` an object of the attributes named in `fields` (all, if it is empty).
    pub(crate) fn new(out: &'o mut Vec<u8>, fields: &'o [String]) -> Self {
        out.push(b'{');
        Self { out, fields, started: false }
    }

    /// Closes the object.
    pub(crate) fn done(self) {
        self.out.push(b'}');
    }

    /// Writes the name, unless the attribute is not wanted.
    fn name(&mut self, name: &str) -> bool {
        if !self.fields.is_empty() && !self.fields.iter().any(|f| f == name) {
            return false;
        }
        if self.started {
            self.out.push(b',');
        }
        self.started = true;
        // Names of attributes are plain: letters, digits, `_` and `:`.
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        true
    }
}

impl Sink for JsonWriter<'_> {
    fn put(&mut self, name: &str, value: impl Serialize) -> &mut Self {
        if self.name(name) {
            let before = self.out.len();
            if serde_json::to_writer(&mut *self.out, &value).is_err() {
                self.out.truncate(before);
                self.out.extend_from_slice(b"null");
            }
        }
        self
    }

    fn put_object(&mut self, name: &str, text: &str) -> &mut Self {
        if self.name(name) {
            let is_object =
                text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok();
            self.out.extend_from_slice(if is_object { text.as_bytes() } else { b"{}" });
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use neutrino_types::Attrs;
    use serde_json::Value;

    use super::*;
    use crate::views::View;

    fn fill(out: &mut impl Sink) {
        out.put("name", "a\"b\n").put("mtu", 1500).put("none", None::<&str>);
        out.put("list", ["x"]).put_object("profile", r#"{"a": [1]}"#);
        out.put_object("empty", "").put_object("bad", "{").put_object("list_only", "[]");
    }

    fn written(fields: &[String]) -> Attrs {
        let mut out = Vec::new();
        let mut writer = JsonWriter::new(&mut out, fields);
        fill(&mut writer);
        writer.done();
        serde_json::from_slice(&out).expect("JSON")
    }

    #[test]
    fn written_and_built_are_the_same() {
        let mut view = View::with_capacity(8);
        fill(&mut view);
        assert_eq!(written(&[]), view.done());
    }

    #[test]
    fn only_fields_asked_for_are_written() {
        let only = written(&["mtu".into(), "empty".into()]);
        assert_eq!(Value::Object(only), serde_json::json!({"mtu": 1500, "empty": {}}));
    }
}
