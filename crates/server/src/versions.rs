//! The documents clients discover the API by: `/`, `/v2.0/`, `/healthcheck`.

use axum::{
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use neutrino_api_defs::{NETWORKS, PORTS, Resource, SUBNETS};
use serde_json::json;

use crate::{
    http::base_url,
    middleware::error::{HttpResult, json as json_answer, not_found},
};

/// Resources of Neutron's core; `/v2.0/` lists these only, whatever extensions are loaded. Subnet
/// pools, which Neutron lists third, are not there yet.
const CORE: [&Resource; 3] = [&NETWORKS, &SUBNETS, &PORTS];

/// `GET /`.
pub async fn root(headers: HeaderMap) -> Response {
    let href = format!("{}/v2.0/", base_url(&headers));
    let body = json!({"versions": [{
        "id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": href}]
    }]});
    json_answer(StatusCode::OK, body.to_string().into_bytes())
}

/// `GET /v2.0/`; without the trailing slash Neutron knows no such resource.
pub async fn v2(uri: Uri, headers: HeaderMap) -> HttpResult {
    if !uri.path().ends_with('/') {
        return Err(not_found().into());
    }
    let base = base_url(&headers);
    let resources: Vec<_> = CORE
        .iter()
        .map(|Resource { member: name, collection, .. }| {
            let href = format!("{base}/v2.0/{collection}");
            json!({"name": name, "collection": collection, "links": [{"rel": "self", "href": href}]})
        })
        .collect();
    Ok(json_answer(StatusCode::OK, json!({"resources": resources}).to_string().into_bytes()))
}

/// `GET /healthcheck`: the process serves requests.
pub async fn healthcheck() -> Response {
    "OK".into_response()
}
