//! The oslo.policy rule language: text to syntax tree.
//!
//! ```text
//! expression = term { "or" term }
//! term       = factor { "and" factor }
//! factor     = "not" factor | "(" expression ")" | check
//! check      = "@" | "!" | kind ":" match
//! ```
//!
//! Keywords are case-insensitive. The empty expression is always true. `match` may hold
//! `%(field)s`, replaced by a field of the target. Kinds: `rule`, `role`, `field`, `project_id`,
//! `tenant_id`; any other kind is a field of the caller's credentials or a quoted literal.
//! `http:` and `https:` checks (asking another server) are refused.

use std::fmt;

/// Deepest nesting of parentheses and `not` that is accepted.
const MAX_DEPTH: usize = 64;

/// A parsed expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// `@` or the empty expression.
    Always,
    /// `!`.
    Never,
    /// All of them.
    And(Vec<Expr>),
    /// Any of them.
    Or(Vec<Expr>),
    /// The opposite.
    Not(Box<Expr>),
    /// `rule:name`.
    Rule(String),
    /// `role:name`.
    Role(Template),
    /// `project_id:%(field)s`: the caller's project owns the target, or what the field belongs to.
    Owner(String),
    /// `field:collection:name=value`.
    Field(FieldCheck),
    /// `kind:match` of anything else.
    Generic(Subject, Template),
}

/// What the left side of a generic check stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A quoted literal or a number or word such as `True`.
    Literal(String),
    /// A field of the caller's credentials, e.g. `user_id`.
    Credential(String),
}

/// `field:collection:name=value`; a value of the form `~^text` asks for a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldCheck {
    /// Collection whose definition says how to convert the value.
    pub collection: String,
    /// Field of the target.
    pub field: String,
    /// What it must be.
    pub value: String,
}

/// Text with places for fields of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(pub Vec<Part>);

/// A piece of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// As it is.
    Text(String),
    /// `%(name)s`.
    Field(String),
}

/// Parses one expression.
///
/// # Errors
/// What is wrong, for people.
pub fn parse(text: &str) -> Result<Expr, String> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(Expr::Always);
    }
    let mut parser = Parser { tokens, at: 0, depth: 0 };
    let expr = parser.expression()?;
    match parser.tokens.get(parser.at) {
        None => Ok(expr),
        Some(token) => Err(format!("unexpected {token}")),
    }
}

/// Parses the old list syntax: a list of alternatives, each a list of checks that must all hold.
///
/// # Errors
/// What is wrong, for people.
pub fn parse_lists(alternatives: &[serde_json::Value]) -> Result<Expr, String> {
    use serde_json::Value;
    if alternatives.is_empty() {
        return Ok(Expr::Always);
    }
    let mut any = Vec::new();
    for alternative in alternatives {
        let checks: Vec<&str> = match alternative {
            Value::String(s) => vec![s],
            Value::Array(items) => items
                .iter()
                .map(|i| i.as_str().ok_or("a list of checks holds something else than text"))
                .collect::<Result<_, _>>()?,
            _ => return Err("an alternative is neither text nor a list".into()),
        };
        let mut all = checks.into_iter().map(check).collect::<Result<Vec<_>, _>>()?;
        match all.len() {
            0 => {}
            1 => any.append(&mut all),
            _ => any.push(Expr::And(all)),
        }
    }
    Ok(match any.len() {
        0 => Expr::Never,
        1 => any.remove(0),
        _ => Expr::Or(any),
    })
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    Check(String),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("'('"),
            Self::Close => f.write_str("')'"),
            Self::And => f.write_str("'and'"),
            Self::Or => f.write_str("'or'"),
            Self::Not => f.write_str("'not'"),
            Self::Check(c) => write!(f, "'{c}'"),
        }
    }
}

/// As oslo.policy: words between white space, parentheses taken off their ends only, so that the
/// parentheses of `%(name)s` stay.
fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    for word in text.split_whitespace() {
        let inner = word.trim_start_matches('(');
        out.extend(std::iter::repeat_n(Token::Open, word.len() - inner.len()));
        let clean = inner.trim_end_matches(')');
        let closing = inner.len() - clean.len();
        match clean.to_ascii_lowercase().as_str() {
            "" => {}
            "and" => out.push(Token::And),
            "or" => out.push(Token::Or),
            "not" => out.push(Token::Not),
            // A match such as `%(a)` would lose its own parenthesis; no such match has a meaning.
            _ if clean.matches("%(").count() > clean.matches(")s").count() => {
                return Err(format!("'{word}' has an unfinished %(field)s"));
            }
            _ => out.push(Token::Check(clean.to_string())),
        }
        out.extend(std::iter::repeat_n(Token::Close, closing));
    }
    Ok(out)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn expression(&mut self) -> Result<Expr, String> {
        let mut any = vec![self.term()?];
        while self.take(&Token::Or) {
            any.push(self.term()?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Expr::Or(any) })
    }

    fn term(&mut self) -> Result<Expr, String> {
        let mut all = vec![self.factor()?];
        while self.take(&Token::And) {
            all.push(self.factor()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::And(all) })
    }

    fn factor(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH}"));
        }
        let token = self.tokens.get(self.at).cloned().ok_or("ends too early")?;
        self.at += 1;
        let expr = match token {
            Token::Not => Expr::Not(Box::new(self.factor()?)),
            Token::Open => {
                let inner = self.expression()?;
                if !self.take(&Token::Close) {
                    return Err("a parenthesis is not closed".into());
                }
                inner
            }
            Token::Check(text) => check(&text)?,
            other => return Err(format!("unexpected {other}")),
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn take(&mut self, token: &Token) -> bool {
        let found = self.tokens.get(self.at) == Some(token);
        self.at += usize::from(found);
        found
    }
}

/// Parses a single check.
fn check(text: &str) -> Result<Expr, String> {
    match text {
        "@" => return Ok(Expr::Always),
        "!" => return Ok(Expr::Never),
        _ => {}
    }
    let Some((kind, wanted)) = split_kind(text) else {
        return Err(format!("'{text}' is no check: it has no ':'"));
    };
    match kind {
        "rule" => Ok(Expr::Rule(wanted.to_string())),
        "role" => Ok(Expr::Role(template(wanted)?)),
        "project_id" | "tenant_id" => match template(wanted)?.0.as_slice() {
            [Part::Field(field)] => Ok(Expr::Owner(field.clone())),
            _ => Err(format!("'{text}' must compare with one %(field)s")),
        },
        "field" => field_check(wanted),
        "http" | "https" => Err(format!("'{text}': checks by another server are not supported")),
        _ => Ok(Expr::Generic(subject(kind), template(wanted)?)),
    }
}

/// Splits at the first colon that is not inside quotes.
fn split_kind(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let from = match quote {
        Some(q) => 1 + text[1..].find(q)? + 1,
        None => 0,
    };
    let colon = from + text[from..].find(':')?;
    Some((&text[..colon], &text[colon + 1..]))
}

fn subject(kind: &str) -> Subject {
    let quoted = ['\'', '"']
        .into_iter()
        .find_map(|q| kind.strip_prefix(q).and_then(|rest| rest.strip_suffix(q)));
    let literal = |s: &str| {
        matches!(s, "None" | "True" | "False")
            || (!s.is_empty() && s.bytes().all(|b| b.is_ascii_digit()))
    };
    match quoted {
        Some(inner) => Subject::Literal(inner.to_string()),
        None if literal(kind) => Subject::Literal(kind.to_string()),
        None => Subject::Credential(kind.to_string()),
    }
}

fn field_check(text: &str) -> Result<Expr, String> {
    let parts = text.split_once(':').and_then(|(collection, rest)| {
        rest.split_once('=').map(|(field, value)| (collection, field, value))
    });
    let Some((collection, field, value)) = parts else {
        return Err(format!("'field:{text}' is not of the form field:collection:name=value"));
    };
    if let Some(pattern) = value.strip_prefix('~') {
        let plain = pattern.strip_prefix('^').unwrap_or(pattern);
        if plain.contains(|c: char| r".^$*+?()[]{}|\".contains(c)) {
            return Err(format!("'field:{text}': only patterns of the form ~^text are supported"));
        }
    }
    Ok(Expr::Field(FieldCheck {
        collection: collection.to_string(),
        field: field.to_string(),
        value: value.to_string(),
    }))
}

fn template(text: &str) -> Result<Template, String> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            plain.push('%');
            rest = after;
        } else if let Some((name, after)) =
            rest.strip_prefix('(').and_then(|inner| inner.split_once(")s"))
        {
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Field(name.to_string()));
            rest = after;
        } else {
            return Err(format!("'{text}': '%' must start %(field)s"));
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(Template(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str) -> Expr {
        Expr::Role(Template(vec![Part::Text(name.into())]))
    }

    #[test]
    fn and_binds_tighter_than_or() {
        let wanted =
            Expr::Or(vec![role("a"), Expr::And(vec![role("b"), Expr::Not(Box::new(role("c")))])]);
        assert_eq!(parse("role:a or role:b and not role:c"), Ok(wanted.clone()));
        assert_eq!(parse("(role:a) OR ((role:b AND NOT role:c))"), Ok(wanted));
        assert_eq!(parse(""), Ok(Expr::Always));
    }

    #[test]
    fn parentheses_of_fields_stay() {
        let wanted = Expr::And(vec![role("member"), Expr::Owner("network:project_id".into())]);
        assert_eq!(parse("(role:member and tenant_id:%(network:project_id)s)"), Ok(wanted));
    }

    #[test]
    fn literals_and_credentials() {
        let field = Template(vec![Part::Field("device_owner".into())]);
        assert_eq!(
            parse("'compute:nova':%(device_owner)s"),
            Ok(Expr::Generic(Subject::Literal("compute:nova".into()), field))
        );
        assert_eq!(
            parse("is_admin:True"),
            Ok(Expr::Generic(
                Subject::Credential("is_admin".into()),
                Template(vec![Part::Text("True".into())])
            ))
        );
    }

    #[test]
    fn malformed_is_refused() {
        for bad in [
            "role:a role:b",
            "(role:a",
            "role:a)",
            "and",
            "role:a or",
            "nonsense",
            "not",
            "project_id:abc",
            "field:networks",
            "http://host/",
            "role:%(a",
            "field:p:n=~a|b",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&"(".repeat(10_000)).is_err());
        assert!(parse(&"not ".repeat(10_000)).is_err());
    }

    #[test]
    fn old_list_syntax() {
        let lists = serde_json::json!([["role:a", "role:b"], "role:c", []]);
        let wanted = Expr::Or(vec![Expr::And(vec![role("a"), role("b")]), role("c")]);
        assert_eq!(parse_lists(lists.as_array().expect("list")), Ok(wanted));
        assert_eq!(parse_lists(&[]), Ok(Expr::Always));
    }
}
