//! Small pieces of HTTP that several controllers need: bodies, query strings, links.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Uri},
};
use bytes::BytesMut;
use http_body_util::BodyExt;
use neutrino_types::{ApiResult, Attrs, ListQuery};
use serde_json::Value;

use crate::middleware::{
    error::{bad_request, too_large, too_slow},
    proxy,
};

/// Largest request body read. Neutron itself has no limit (its front end may); 16 MiB is a bulk
/// create of some 20,000 ports, and bounds what one request can make the server hold.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// How much more of a body that is too large is read and thrown away, so that a client that sends
/// first and reads later gets its answer rather than a reset connection.
const DRAINED_BYTES: usize = 64 * 1024 * 1024;

/// How long a whole body may take to arrive: a client that trickles must not hold a request for
/// ever. Enough for the largest body over 300 kbit/s.
const BODY_TIMEOUT: Duration = Duration::from_secs(450);

/// Reads the whole body.
///
/// # Errors
/// 413 when it is larger than [`MAX_BODY_BYTES`], 400 when the client stops sending, 408 when it
/// takes minutes over it.
pub async fn read_body(body: Body) -> ApiResult<Bytes> {
    read_within(BODY_TIMEOUT, body).await
}

async fn read_within(limit: Duration, body: Body) -> ApiResult<Bytes> {
    tokio::time::timeout(limit, collect(body)).await.unwrap_or_else(|_| Err(too_slow()))
}

async fn collect(mut body: Body) -> ApiResult<Bytes> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|e| bad_request("The request body could not be read.").caused_by(e))?;
        let Ok(data) = frame.into_data() else { continue };
        total += data.len();
        if total > MAX_BODY_BYTES + DRAINED_BYTES {
            break;
        }
        if total > MAX_BODY_BYTES {
            whole = BytesMut::new();
        } else if whole.is_empty() && first.is_empty() {
            // Most bodies come in one piece, which then needs no copy.
            first = data;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    match total {
        n if n > MAX_BODY_BYTES => Err(too_large()),
        _ if whole.is_empty() => Ok(first),
        _ => Ok(whole.freeze()),
    }
}

/// The body as a JSON object; `None` when there is no body.
///
/// # Errors
/// 400 with Neutron's text when it is no JSON object.
pub fn json_object(body: &[u8]) -> ApiResult<Option<Attrs>> {
    if body.is_empty() {
        return Ok(None);
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(Some(map)),
        _ => Err(bad_request("Body contains invalid data")),
    }
}

/// Scheme, authority and prefix of the URL the client used: `http://host:port`. The headers have
/// been through [`proxy::layer`](crate::middleware::proxy::layer).
#[must_use]
pub fn base_url(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let scheme = text(proxy::PROTO).filter(|p| matches!(*p, "http" | "https"));
    let host = text("host").unwrap_or("localhost");
    format!("{}://{host}{}", scheme.unwrap_or("http"), text(proxy::PREFIX).unwrap_or_default())
}

/// The decoded parameters of the query string, in order.
#[must_use]
pub fn query_params(uri: &Uri) -> Vec<(String, String)> {
    uri.query().map(parse_query).unwrap_or_default()
}

fn parse_query(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
        .collect()
}

/// Decodes `%XX` and `+`; what is not a valid escape stays as it is.
fn decode(text: &str) -> String {
    if !text.contains(['%', '+']) {
        return text.to_string();
    }
    String::from_utf8_lossy(&unescape(&text.replace('+', " "))).into_owned()
}

/// Decodes `%XX`; what is not a valid escape stays as it is.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let code = hex
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match code {
            Some(code) => {
                out.push(code);
                at += 2;
            }
            None => out.push(bytes[at]),
        }
        at += 1;
    }
    out
}

/// Encodes as Python's `quote_plus`, which the links of Neutron are made with.
fn encode(out: &mut String, text: &str) {
    for b in text.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                out.push(char::from(b));
            }
            b' ' => out.push('+'),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(char::from(HEX[usize::from(b >> 4)]));
                out.push(char::from(HEX[usize::from(b & 15)]));
            }
        }
    }
}

/// Where a page was asked for: the ingredients of its links.
#[derive(Debug)]
pub struct PageRequest<'r> {
    /// URL of the collection as the client wrote it, without query.
    pub url: String,
    /// The client's parameters.
    pub params: &'r [(String, String)],
    /// How much was asked for.
    pub paging: Paging,
}

/// The size and direction of a page.
#[derive(Debug, Clone, Copy)]
pub struct Paging {
    /// Most items of the page.
    pub limit: Option<u64>,
    /// Whether the pages are walked backwards.
    pub page_reverse: bool,
}

impl Paging {
    /// What `query` asks for.
    #[must_use]
    pub fn of(query: &ListQuery) -> Self {
        Self { limit: query.limit, page_reverse: query.page_reverse }
    }
}

/// `<collection>_links` of a page of `count` items; `None` when no limit is effective.
///
/// As in Neutron, `next` is left out of a short page read forwards, `previous` of a short page
/// read backwards.
#[must_use]
pub fn page_links(
    request: &PageRequest<'_>,
    count: usize,
    first: Option<&str>,
    last: Option<&str>,
) -> Option<Value> {
    let limit = request.paging.limit?;
    let short = (count as u64) < limit;
    let mut links = Vec::new();
    if !short || request.paging.page_reverse {
        let href = link(request, last, &["marker", "page_reverse"], None);
        links.push(serde_json::json!({"rel": "next", "href": href}));
    }
    if !short || !request.paging.page_reverse {
        let href = link(request, first, &["marker", "page_reverse"], Some("True"));
        links.push(serde_json::json!({"rel": "previous", "href": href}));
    }
    (!links.is_empty()).then_some(Value::Array(links))
}

fn link(
    request: &PageRequest<'_>,
    marker: Option<&str>,
    without: &[&str],
    page_reverse: Option<&str>,
) -> String {
    let mut out = request.url.clone();
    let kept = request.params.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    let kept = kept.filter(|(k, _)| !without.contains(k));
    let added = [("marker", marker), ("page_reverse", page_reverse)];
    let added = added.into_iter().filter_map(|(k, v)| Some((k, v?)));
    for (n, (key, value)) in kept.chain(added).enumerate() {
        out.push(if n == 0 { '?' } else { '&' });
        encode(&mut out, key);
        out.push('=');
        encode(&mut out, value);
    }
    out
}

/// The revision a client insists on with `If-Match: revision_number=N`.
///
/// # Errors
/// 400 when the header names several revisions or something that is no number.
pub fn if_match(headers: &HeaderMap) -> ApiResult<Option<i64>> {
    let Some(text) = headers.get(axum::http::header::IF_MATCH).and_then(|v| v.to_str().ok()) else {
        return Ok(None);
    };
    let mut found = None;
    for etag in text.split(',') {
        let etag = etag.trim().trim_matches('"');
        let Some(number) = etag.strip_prefix("revision_number=") else { continue };
        if found.is_some() {
            return Err(if_match_error("Multiple revision_number etags are not supported."));
        }
        let text = "Revision number etag must be in the format of revision_number=<int>";
        found = Some(number.trim().parse().map_err(|_| if_match_error(text))?);
    }
    Ok(found)
}

fn if_match_error(text: &str) -> neutrino_types::ApiError {
    let message = format!("Bad if-match request: {text}.");
    neutrino_types::ApiError::bad_request("BadRequest", message)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use proptest::prelude::*;

    fn links(limit: u64, count: usize, page_reverse: bool) -> Vec<(String, String)> {
        let paging = Paging { limit: Some(limit), page_reverse };
        let params = parse_query("limit=2&name=a%20b&marker=old");
        let request = PageRequest { url: "http://h/v2.0/ports".into(), params: &params, paging };
        let links = page_links(&request, count, Some("first"), Some("last"));
        let Some(Value::Array(links)) = links else { return Vec::new() };
        let text = |v: &Value| v.as_str().unwrap_or_default().to_string();
        links.iter().map(|l| (text(&l["rel"]), text(&l["href"]))).collect()
    }

    #[test]
    fn full_page_links_both_ways() {
        let found = links(2, 2, false);
        assert_eq!(found[0].1, "http://h/v2.0/ports?limit=2&name=a+b&marker=last");
        assert_eq!(
            found[1].1,
            "http://h/v2.0/ports?limit=2&name=a+b&marker=first&page_reverse=True"
        );
    }

    #[test]
    fn short_page_lacks_the_link_onwards() {
        let rels = |v: Vec<(String, String)>| v.into_iter().map(|(r, _)| r).collect::<Vec<_>>();
        assert_eq!(rels(links(2, 1, false)), ["previous"]);
        assert_eq!(rels(links(2, 1, true)), ["next"]);
    }

    #[test]
    fn if_match_reads_one_revision() {
        let parse = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("if-match", text.parse().expect("value"));
            if_match(&headers)
        };
        assert_eq!(parse("revision_number=7").expect("ok"), Some(7));
        assert_eq!(parse("\"revision_number=7\"").expect("ok"), Some(7));
        assert_eq!(parse("\"other\"").expect("ok"), None);
        assert_eq!(parse("revision_number=x").expect_err("bad").status, 400);
        assert_eq!(parse("revision_number=1, revision_number=2").expect_err("bad").status, 400);
    }

    #[tokio::test]
    async fn body_that_never_ends_is_given_up() {
        let body = Body::from_stream(futures_util::stream::pending::<Result<Bytes, Infallible>>());
        let read = read_within(Duration::from_millis(1), body).await;
        assert_eq!(read.expect_err("slow").status, 408);
    }

    proptest! {
        #[test]
        fn encoded_text_decodes_back(text in ".{0,40}") {
            let mut out = String::new();
            encode(&mut out, &text);
            prop_assert_eq!(decode(&out), text);
        }

        #[test]
        fn any_query_is_answered(text in ".{0,80}") {
            let _ = parse_query(&text);
        }
    }
}
