//! Values as Python prints them: Neutron's error messages quote user input with `str()`.

use std::fmt::Write as _;

use serde_json::Value;

/// `str(value)`: strings bare, `null` as `None`, containers with quoted strings inside.
#[must_use]
pub fn str(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        other => repr(other),
    }
}

/// `repr(value)`.
#[must_use]
pub fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(&mut out, value);
    out
}

/// `repr()` of a list of strings, e.g. `['a', 'b']`.
#[must_use]
pub fn repr_list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::from("[");
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        write_text(&mut out, item);
    }
    out.push(']');
    out
}

/// `repr()` of a tuple of strings, e.g. `('a', 'b')` or `('a',)`.
#[must_use]
pub fn repr_tuple<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let items: Vec<&str> = items.into_iter().collect();
    let list = repr_list(items.iter().copied());
    let comma = if items.len() == 1 { "," } else { "" };
    format!("({}{comma})", &list[1..list.len() - 1])
}

fn write_repr(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Number(n) => {
            // Writing to a String cannot fail.
            let _ = write!(out, "{n}");
        }
        Value::String(s) => write_text(out, s),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_repr(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (i, (key, item)) in map.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_text(out, key);
                out.push_str(": ");
                write_repr(out, item);
            }
            out.push('}');
        }
    }
}

fn write_text(out: &mut String, s: &str) {
    let quote = if s.contains('\'') && !s.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in s.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn prints_as_python_does() {
        assert_eq!(super::str(&json!("a'b")), "a'b");
        assert_eq!(
            super::str(&json!({"a": [1, null, true, "x'y"], "b": "\n"})),
            r#"{'a': [1, None, True, "x'y"], 'b': '\n'}"#
        );
        assert_eq!(super::repr_list(["a", "b"]), "['a', 'b']");
    }
}
