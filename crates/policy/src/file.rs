//! Policy files: overrides of default rules.
//!
//! Read are JSON objects, and the part of YAML that policy files use: one `"name": "expression"`
//! per line, quoted either way or plain, `#` comments, blank lines, `---`, and the old list syntax
//! as a flow list on one line (`"name": [["role:a"], ["role:b"]]`). Values over several lines,
//! anchors and nested mappings are refused with their line number.

use serde_json::Value;

use crate::{
    error::PolicyError,
    expr::{self, Expr},
};

/// The rules of the policy file `text`, in its order.
///
/// # Errors
/// A line is not understood, or a rule is malformed.
pub fn parse(text: &str) -> Result<Vec<(String, Expr)>, PolicyError> {
    let entries = if text.trim_start().starts_with('{') { json(text)? } else { yaml(text)? };
    entries
        .into_iter()
        .map(|(name, value)| match compile(&value) {
            Ok(expr) => Ok((name, expr)),
            Err(reason) => Err(PolicyError::Rule { rule: name, reason }),
        })
        .collect()
}

fn compile(value: &Value) -> Result<Expr, String> {
    match value {
        Value::String(text) => expr::parse(text),
        Value::Array(alternatives) => expr::parse_lists(alternatives),
        Value::Null => Ok(Expr::Always),
        _ => Err("neither text nor a list".into()),
    }
}

fn json(text: &str) -> Result<Vec<(String, Value)>, PolicyError> {
    let map: serde_json::Map<String, Value> = serde_json::from_str(text)
        .map_err(|e| PolicyError::File { line: e.line(), reason: e.to_string() })?;
    Ok(map.into_iter().collect())
}

fn yaml(text: &str) -> Result<Vec<(String, Value)>, PolicyError> {
    let mut out = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') || matches!(trimmed, "---" | "...") {
            continue;
        }
        let fail = |reason: &str| PolicyError::File { line: i + 1, reason: reason.to_string() };
        if line.starts_with([' ', '\t']) {
            return Err(fail("indented lines are not supported"));
        }
        out.push(entry(trimmed).map_err(|reason| fail(&reason))?);
    }
    Ok(out)
}

/// One line `name: value`.
fn entry(line: &str) -> Result<(String, Value), String> {
    let (name, rest) = if line.starts_with(['"', '\'']) {
        let (name, rest) = quoted(line)?;
        let rest = rest.trim_start().strip_prefix(':').ok_or("no ':' behind the name")?;
        (name, rest)
    } else {
        // A plain name may hold colons, but none before a space.
        let (name, rest) = line.split_once(": ").ok_or("no ': ' behind the name")?;
        (name.trim_end().to_string(), rest)
    };
    if name.is_empty() {
        return Err("the name is empty".into());
    }
    Ok((name, scalar(rest.trim())?))
}

fn scalar(text: &str) -> Result<Value, String> {
    if text.starts_with(['"', '\'']) {
        let (value, rest) = quoted(text)?;
        let rest = rest.trim_start();
        if !rest.is_empty() && !rest.starts_with('#') {
            return Err("text behind the closing quote".into());
        }
        return Ok(Value::String(value));
    }
    let text = text.split(" #").next().unwrap_or_default().trim_end();
    if text.starts_with('[') {
        return serde_json::from_str(text).map_err(|e| format!("not a list: {e}"));
    }
    if text.starts_with(['{', '&', '*', '|', '>', '%', '@', '`']) && text != "@" {
        return Err(format!("'{text}' must be quoted"));
    }
    Ok(Value::String(text.to_string()))
}

/// A quoted text at the start of `text`, and what follows it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut chars = text.char_indices();
    let Some((_, quote)) = chars.next() else {
        return Err("no quote".into());
    };
    let mut out = String::new();
    while let Some((i, c)) = chars.next() {
        if c == '\\' && quote == '"' {
            match chars.next() {
                Some((_, c @ ('"' | '\\' | '/'))) => out.push(c),
                Some((_, 'n')) => out.push('\n'),
                Some((_, 't')) => out.push('\t'),
                _ => return Err("unknown escape".into()),
            }
        } else if c == quote {
            let rest = &text[i + 1..];
            if quote == '\'' && rest.starts_with('\'') {
                out.push('\'');
                chars.next();
            } else {
                return Ok((out, rest));
            }
        } else {
            out.push(c);
        }
    }
    Err("a quote is not closed".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_yaml_of_policy_files() {
        let text = "---\n# comment\n\"create_network:shared\": \"role:admin or role:netops\"\n\
                    'get_agent': 'role:reader'  # why not\n\
                    create_network:router:external: rule:admin_only\n\
                    \"x\": [[\"role:a\"], [\"role:b\"]]\n\"open\": \"\"\n\"shut\": \"!\"\n";
        let rules = parse(text).expect("valid");
        let names: Vec<&str> = rules.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(
            names,
            [
                "create_network:shared",
                "get_agent",
                "create_network:router:external",
                "x",
                "open",
                "shut"
            ]
        );
        assert_eq!(rules[4].1, Expr::Always);
        assert_eq!(rules[5].1, Expr::Never);
    }

    #[test]
    fn json_too() {
        assert_eq!(parse("{\"a\": \"@\"}"), Ok(vec![("a".into(), Expr::Always)]));
    }

    #[test]
    fn errors_name_the_place() {
        assert_eq!(
            parse("\"a\": \"@\"\nnonsense\n"),
            Err(PolicyError::File { line: 2, reason: "no ': ' behind the name".into() })
        );
        assert!(
            matches!(parse("a: role:x and"), Err(PolicyError::Rule { rule, .. }) if rule == "a")
        );
        assert!(parse("a: \"x\n").is_err());
        assert!(parse("a: |\n  role:x\n").is_err());
    }
}
