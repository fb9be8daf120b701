//! What an application credential is restricted to.

use serde::Deserialize;

/// One kind of request that is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AccessRule {
    /// Type of the service.
    pub service: String,
    /// HTTP method.
    pub method: String,
    /// Path: `*` and `{name}` stand for one part of it, `**` for anything.
    pub path: String,
}

impl AccessRule {
    /// Whether it allows `method` on `path` of `service`.
    #[must_use]
    pub fn allows(&self, service: &str, method: &str, path: &str) -> bool {
        self.service == service && self.method == method && matches(&self.path, path)
    }
}

/// One thing a path pattern asks for.
#[derive(Clone, Copy)]
enum Piece {
    /// This character.
    Char(char),
    /// One or more characters other than a slash.
    Part,
    /// Anything.
    Rest,
}

/// Whether `path` as a whole is of the form `pattern`.
fn matches(pattern: &str, path: &str) -> bool {
    // The places in the pattern that what was read so far can lead to: no input takes more than
    // the product of both lengths.
    let pieces = pieces(pattern);
    let mut reached = vec![false; pieces.len() + 1];
    reached[0] = true;
    skip_rests(&pieces, &mut reached);
    for c in path.chars() {
        let mut next = vec![false; pieces.len() + 1];
        for (at, piece) in pieces.iter().enumerate().filter(|(at, _)| reached[*at]) {
            match piece {
                Piece::Char(wanted) => next[at + 1] |= *wanted == c,
                Piece::Part if c != '/' => {
                    next[at] = true;
                    next[at + 1] = true;
                }
                Piece::Part => {}
                Piece::Rest => next[at] = true,
            }
        }
        skip_rests(&pieces, &mut next);
        reached = next;
    }
    reached[pieces.len()]
}

/// `**` may stand for nothing.
fn skip_rests(pieces: &[Piece], reached: &mut [bool]) {
    for (at, piece) in pieces.iter().enumerate() {
        if reached[at] && matches!(piece, Piece::Rest) {
            reached[at + 1] = true;
        }
    }
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let (piece, length) = match c {
            '*' if rest.starts_with("**") => (Piece::Rest, 2),
            '*' => (Piece::Part, 1),
            '{' => match rest.find('}') {
                Some(end) => (Piece::Part, end + 1),
                None => (Piece::Char(c), 1),
            },
            _ => (Piece::Char(c), c.len_utf8()),
        };
        out.push(piece);
        rest = &rest[length..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_as_in_keystonemiddleware() {
        for (pattern, path, expected) in [
            ("/v2.0/networks", "/v2.0/networks", true),
            ("/v2.0/networks", "/v2.0/networks/a", false),
            ("/v2.0/networks/*", "/v2.0/networks/a", true),
            ("/v2.0/networks/*", "/v2.0/networks/", false),
            ("/v2.0/networks/*", "/v2.0/networks/a/b", false),
            ("/v2.0/{kind}/{id}", "/v2.0/ports/p", true),
            ("/v2.0/{kind}/{id}", "/v2.0/ports", false),
            ("/v2.0/**", "/v2.0/ports/p/bindings", true),
            ("/v2.0/**", "/v2.0/", true),
            ("**", "", true),
            ("/v2.0/**/tags", "/v2.0/ports/p/tags", true),
            ("/v2.0/{kind", "/v2.0/ports", false),
            ("", "/", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn service_and_method_count() {
        let rule =
            AccessRule { service: "network".into(), method: "GET".into(), path: "/**".into() };
        assert!(rule.allows("network", "GET", "/v2.0/ports"));
        assert!(!rule.allows("network", "POST", "/v2.0/ports"));
        assert!(!rule.allows("compute", "GET", "/v2.0/ports"));
    }

    proptest::proptest! {
        #[test]
        fn any_pattern_is_answered(pattern in "[a*/{}ä]{0,12}", path in "\\PC{0,20}") {
            let _ = matches(&pattern, &path);
        }
    }
}
