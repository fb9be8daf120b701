//! Writing resources to a response body, leaving out what `fields` or the policy hides.

use neutrino_types::{ApiError, ApiResult, Attrs};
use serde::Serializer;

/// Which attributes of a resource go to the client.
#[derive(Debug, Default)]
pub struct View<'v> {
    /// Attributes asked for; empty means all.
    pub fields: &'v [String],
    /// Attributes the caller may not see.
    pub hidden: Vec<&'static str>,
}

impl View<'_> {
    fn is_whole(&self) -> bool {
        self.fields.is_empty() && self.hidden.is_empty()
    }

    fn shows(&self, name: &str) -> bool {
        (self.fields.is_empty() || self.fields.iter().any(|f| f == name))
            && !self.hidden.contains(&name)
    }
}

/// `{"<key>": {...}}`.
///
/// # Errors
/// 500 when a value cannot be written as JSON, which no value of ours is.
pub fn single(key: &str, item: &Attrs, view: &View<'_>) -> ApiResult<Vec<u8>> {
    let mut out = Vec::with_capacity(1024);
    open(&mut out, key)?;
    write(&mut out, item, view)?;
    out.push(b'}');
    Ok(out)
}

/// The object itself, without a key around it.
///
/// # Errors
/// As [`single`].
pub fn object(item: &Attrs) -> ApiResult<Vec<u8>> {
    serde_json::to_vec(item).map_err(ApiError::internal)
}

/// `{"<key>": [...], "<key>_links": [...]}`, the links only when there are some.
///
/// # Errors
/// As [`single`].
pub fn list(
    key: &str,
    items: &[Attrs],
    view: &View<'_>,
    links: Option<&serde_json::Value>,
) -> ApiResult<Vec<u8>> {
    let mut out = open_list(key)?;
    let each = if view.fields.is_empty() { 900 } else { 64 * view.fields.len() };
    out.reserve(128 + each * items.len());
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write(&mut out, item, view)?;
    }
    close_list(&mut out, key, links)?;
    Ok(out)
}

/// `{"<key>": [`.
///
/// # Errors
/// As [`single`].
pub fn open_list(key: &str) -> ApiResult<Vec<u8>> {
    let mut out = Vec::new();
    open(&mut out, key)?;
    out.push(b'[');
    Ok(out)
}

/// `], "<key>_links": [...]}`, the links only when there are some.
///
/// # Errors
/// As [`single`].
pub fn close_list(
    out: &mut Vec<u8>,
    key: &str,
    links: Option<&serde_json::Value>,
) -> ApiResult<()> {
    out.push(b']');
    if let Some(links) = links {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"_links\":");
        serde_json::to_writer(&mut *out, links).map_err(ApiError::internal)?;
    }
    out.push(b'}');
    Ok(())
}

fn open(out: &mut Vec<u8>, key: &str) -> ApiResult<()> {
    out.push(b'{');
    serde_json::to_writer(&mut *out, key).map_err(ApiError::internal)?;
    out.push(b':');
    Ok(())
}

fn write(out: &mut Vec<u8>, item: &Attrs, view: &View<'_>) -> ApiResult<()> {
    if view.is_whole() {
        return serde_json::to_writer(out, item).map_err(ApiError::internal);
    }
    let shown = item.iter().filter(|(name, _)| view.shows(name));
    serde_json::Serializer::new(out).collect_map(shown).map_err(ApiError::internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn attrs(value: Value) -> Attrs {
        value.as_object().expect("object").clone()
    }

    #[test]
    fn fields_and_hidden_attributes_are_left_out() {
        let item = attrs(json!({"id": "1", "name": "a", "binding:host_id": "h"}));
        let fields = ["id".to_string(), "binding:host_id".to_string()];
        let view = View { fields: &fields, hidden: vec!["binding:host_id"] };
        assert_eq!(single("port", &item, &view).expect("json"), br#"{"port":{"id":"1"}}"#);
        let whole = single("port", &item, &View::default()).expect("json");
        let whole: Value = serde_json::from_slice(&whole).expect("json");
        assert_eq!(whole["port"], Value::Object(item));
    }

    #[test]
    fn list_carries_links_only_when_given() {
        let items = [attrs(json!({"id": "1"})), attrs(json!({"id": "2"}))];
        let view = View::default();
        let out = list("ports", &items, &view, None).expect("json");
        assert_eq!(out, br#"{"ports":[{"id":"1"},{"id":"2"}]}"#);
        let out = list("ports", &[], &view, Some(&json!([]))).expect("json");
        assert_eq!(out, br#"{"ports":[],"ports_links":[]}"#);
    }
}
