//! Which headers pass from an instance to the metadata agent, and which are added.

use std::net::IpAddr;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// Header that names the network of a proxy in a `qdhcp-` namespace.
pub const NETWORK_ID: HeaderName = HeaderName::from_static("x-neutron-network-id");
/// Header that names the router of a proxy in a `qrouter-` namespace.
pub const ROUTER_ID: HeaderName = HeaderName::from_static("x-neutron-router-id");
/// Header that carries the instance's address.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Beginnings of headers by which an instance could pass for another one. The metadata agent and
/// Nova trust them, so none may come from outside.
const TRUSTED: [&str; 6] = [
    "x-neutron-",
    "x-forwarded-",
    "x-instance-id",
    "x-tenant-id",
    "x-metadata-provider",
    "forwarded",
];

/// Headers that concern one connection only (RFC 9110 §7.6.1), or that the next connection makes
/// anew. Bodies are passed on whole.
const CONNECTION: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether `name` concerns one connection only.
#[must_use]
pub fn is_of_connection(name: &str) -> bool {
    CONNECTION.contains(&name)
}

/// Whether only a proxy may set `name`. Underscores count as dashes: programs behind WSGI cannot
/// tell them apart.
#[must_use]
pub fn is_trusted(name: &str) -> bool {
    let name = name.replace('_', "-");
    TRUSTED.iter().any(|prefix| name.starts_with(prefix))
}

/// What the metadata agent is to see of an instance's `headers`: none that it trusts, but the id
/// of the network or router, `id`, and the address the request came from.
#[must_use]
pub fn forwarded(headers: &HeaderMap, id: (&HeaderName, &HeaderValue), peer: IpAddr) -> HeaderMap {
    let mut out: HeaderMap = headers
        .iter()
        .filter(|(name, _)| !is_of_connection(name.as_str()) && !is_trusted(name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    out.insert(id.0.clone(), id.1.clone());
    if let Ok(peer) = HeaderValue::from_str(&peer.to_canonical().to_string()) {
        out.insert(FORWARDED_FOR, peer);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_instance_forges_does_not_pass() {
        let mut headers = HeaderMap::new();
        for name in [
            "X-Neutron-Network-ID",
            "X-Neutron-Router-ID",
            "x_neutron_router_id",
            "X-Forwarded-For",
            "X-Forwarded_For",
            "X-Instance-ID",
            "X-Instance-ID-Signature",
            "X-Tenant-ID",
            "Forwarded",
            "Connection",
            "Transfer-Encoding",
        ] {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("name");
            headers.append(name, HeaderValue::from_static("forged"));
        }
        headers.append("accept", HeaderValue::from_static("*/*"));
        let id = HeaderValue::from_static("net");
        let peer = "::ffff:10.0.0.5".parse().expect("address");
        let out = forwarded(&headers, (&NETWORK_ID, &id), peer);
        assert_eq!(out.len(), 3, "{out:?}");
        assert_eq!(out[&NETWORK_ID], "net");
        assert_eq!(out[&FORWARDED_FOR], "10.0.0.5");
        assert_eq!(out["accept"], "*/*");
    }
}
