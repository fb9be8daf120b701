//! Spellings of a path that Neutron takes for the same: a trailing slash, a `.json` suffix.

use axum::{
    extract::Request,
    http::{Uri, uri::PathAndQuery},
};

use crate::http::unescape;

/// Rewrites the request's path to the spelling the router knows.
///
/// `/v2.0/` stays as it is: Neutron answers it, and 404 without the slash.
#[must_use]
pub fn normalise(mut request: Request) -> Request {
    let path = request.uri().path();
    let kept = path.strip_suffix('/').unwrap_or(path);
    let kept = kept.strip_suffix(".json").unwrap_or(kept);
    if kept.len() != path.len() && !matches!(kept, "" | "/v2.0") {
        let text = match request.uri().query() {
            Some(query) => format!("{kept}?{query}"),
            None => kept.to_string(),
        };
        if let Ok(path) = text.parse::<PathAndQuery>() {
            *request.uri_mut() = Uri::from(path);
        }
    }
    request
}

/// Whether the path is text once its `%XX` are decoded.
#[must_use]
pub fn is_text(path: &str) -> bool {
    !path.contains('%') || std::str::from_utf8(&unescape(path)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_must_make_text() {
        for (path, text) in [("/a%20b", true), ("/%c3%a4", true), ("/%ff", false), ("/%zz", true)] {
            assert_eq!(is_text(path), text, "{path}");
        }
    }

    #[test]
    fn spellings_reduce_to_one() {
        for (given, expected) in [
            ("/", "/"),
            ("/v2.0/", "/v2.0/"),
            ("/v2.0", "/v2.0"),
            ("/v2.0/networks/", "/v2.0/networks"),
            ("/v2.0/networks.json?a=b", "/v2.0/networks?a=b"),
            ("/v2.0/quotas/p/details.json", "/v2.0/quotas/p/details"),
        ] {
            let request = Request::builder().uri(given).body(axum::body::Body::empty());
            let out = normalise(request.expect("request"));
            assert_eq!(out.uri().to_string(), expected);
        }
    }
}
