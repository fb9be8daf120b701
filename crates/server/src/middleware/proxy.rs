//! What a proxy in front says about a request, as oslo.middleware's `HTTPProxyToWSGI` takes it.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
};

/// Scheme the client used.
pub const PROTO: &str = "x-forwarded-proto";
/// Path the proxy took off the client's.
pub const PREFIX: &str = "x-forwarded-prefix";
/// Authority the client used.
const HOST: &str = "x-forwarded-host";

/// Leaves in the request what is believed of it: scheme in [`PROTO`], authority in `Host`, path in
/// [`PREFIX`]. Without `behind_proxy` (`enable_proxy_headers_parsing`) that is what the client said
/// itself.
pub async fn layer(State(behind_proxy): State<bool>, mut request: Request) -> Request {
    vet(behind_proxy, request.headers_mut());
    request
}

fn vet(behind_proxy: bool, headers: &mut HeaderMap) {
    if behind_proxy {
        believe(headers);
    } else {
        headers.remove(PROTO);
        headers.remove(PREFIX);
    }
}

fn believe(headers: &mut HeaderMap) {
    let (proto, host) = match headers.get(header::FORWARDED) {
        Some(forwarded) => {
            let first = first_proxy(forwarded);
            (first("proto"), first("host"))
        }
        None => (headers.get(PROTO).cloned(), headers.get(HOST).cloned()),
    };
    let mut set = |name, value: Option<HeaderValue>| match value {
        Some(value) => {
            headers.insert(name, value);
        }
        None if name == PROTO => {
            headers.remove(name);
        }
        None => {}
    };
    set(PROTO, proto);
    set("host", host.filter(|host| !host.is_empty()));
}

/// The parameters of the first proxy of an RFC 7239 header: the one next to the client.
fn first_proxy(forwarded: &HeaderValue) -> impl Fn(&str) -> Option<HeaderValue> {
    let text = forwarded.to_str().unwrap_or_default().split(',').next().unwrap_or_default();
    let parameters: Vec<(String, String)> = text
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_string()))
        .collect();
    move |wanted| {
        let (_, value) = parameters.iter().find(|(name, _)| name == wanted)?;
        HeaderValue::from_str(value).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::base_url;

    fn seen(behind_proxy: bool, given: &[(&str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            let name: header::HeaderName = name.parse().expect("header");
            headers.insert(name, HeaderValue::from_str(value).expect("value"));
        }
        vet(behind_proxy, &mut headers);
        base_url(&headers)
    }

    #[test]
    fn proxies_are_believed_when_told_so() {
        let old = [
            ("host", "10.0.0.1:9696"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "cloud"),
            ("x-forwarded-prefix", "/networking"),
        ];
        assert_eq!(seen(false, &old), "http://10.0.0.1:9696");
        assert_eq!(seen(true, &old), "https://cloud/networking");
        let rfc = [
            ("host", "a"),
            ("x-forwarded-proto", "http"),
            ("forwarded", "for=1.2.3.4; Proto=https;host=b, proto=http;host=c"),
        ];
        assert_eq!(seen(true, &rfc), "https://b");
        assert_eq!(seen(false, &rfc), "http://a");
        assert_eq!(
            seen(true, &[("host", "a"), ("forwarded", "for=x"), ("x-forwarded-proto", "https")]),
            "http://a"
        );
    }
}
