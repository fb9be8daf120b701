//! The JSON forms of identity resources.

use axum::http::HeaderMap;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use super::{Claims, Project, Session, User, base_url};
use crate::identity::local::{Directory, LocalSettings, Named};

/// Ids of the two services in the catalog, the same in every installation.
const IDENTITY_SERVICE: &str = "00000000000000000000000000000001";
const NETWORK_SERVICE: &str = "00000000000000000000000000000002";

/// Interfaces an endpoint is listed under.
const INTERFACES: [&str; 3] = ["public", "internal", "admin"];

pub(super) fn version(base: &str) -> Value {
    json!({
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": format!("{base}/v3/")}],
        "media-types": [{
            "base": "application/json",
            "type": "application/vnd.openstack.identity-v3+json"
        }]
    })
}

pub(super) fn project(p: &Project) -> Value {
    json!({
        "id": p.id, "name": p.name, "domain_id": p.domain_id, "description": p.description,
        "enabled": true, "is_domain": false, "parent_id": p.domain_id, "tags": [], "options": {},
        "links": {}
    })
}

pub(super) fn user(u: &User) -> Value {
    json!({
        "id": u.id, "name": u.name, "domain_id": u.domain_id, "enabled": true,
        "default_project_id": u.default_project, "password_expires_at": null, "options": {},
        "links": {}
    })
}

pub(super) fn role(r: &Named) -> Value {
    json!({
        "id": r.id, "name": r.name, "domain_id": null, "description": null, "options": {},
        "links": {}
    })
}

pub(super) fn domain(d: &Named) -> Value {
    json!({
        "id": d.id, "name": d.name, "description": "", "enabled": true, "tags": [], "options": {},
        "links": {}
    })
}

/// Who has which role where; with the names of all three when `names` are asked for.
pub(super) fn assignments(directory: &Directory, names: bool) -> Vec<Value> {
    let domain = |id: &str| {
        let name = directory.domain(id).map_or(id, |d| d.name.as_str());
        json!({"id": id, "name": name})
    };
    let mut out = Vec::new();
    for (user_id, project_id, roles) in directory.assignments() {
        let mut user = json!({"id": user_id});
        let mut project = json!({"id": project_id});
        if names {
            if let Some(found) = directory.user(user_id) {
                user["name"] = json!(found.name);
                user["domain"] = domain(&found.domain_id);
            }
            if let Some(found) = directory.project(project_id) {
                project["name"] = json!(found.name);
                project["domain"] = domain(&found.domain_id);
            }
        }
        for role in directory.roles.iter().filter(|r| roles.contains(&r.name)) {
            let role = match names {
                true => json!({"id": role.id, "name": role.name}),
                false => json!({"id": role.id}),
            };
            out.push(json!({
                "user": user, "role": role, "scope": {"project": project}, "links": {}
            }));
        }
    }
    out
}

pub(super) fn regions(settings: &LocalSettings) -> Vec<Value> {
    vec![json!({"id": settings.region, "description": "", "parent_region_id": null, "links": {}})]
}

pub(super) fn services() -> Vec<Value> {
    [(IDENTITY_SERVICE, "keystone", "identity"), (NETWORK_SERVICE, "neutron", "network")]
        .map(|(id, name, kind)| {
            json!({
                "id": id, "name": name, "type": kind, "enabled": true, "description": "",
                "links": {}
            })
        })
        .to_vec()
}

fn urls(settings: &LocalSettings, headers: &HeaderMap) -> [(&'static str, String); 2] {
    let base = base_url(headers);
    let identity = settings.identity_endpoint.clone().unwrap_or_else(|| format!("{base}/v3"));
    let network = settings.network_endpoint.clone().unwrap_or_else(|| {
        // The same host name, the network API's port.
        let host = base.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        format!("{}:{}", host.map_or(base.as_str(), |(host, _)| host), settings.network_port)
    });
    [(IDENTITY_SERVICE, identity), (NETWORK_SERVICE, network)]
}

pub(super) fn endpoints(settings: &LocalSettings, headers: &HeaderMap) -> Vec<Value> {
    let mut out = Vec::new();
    for (service, url) in urls(settings, headers) {
        for (n, interface) in INTERFACES.iter().enumerate() {
            out.push(json!({
                "id": format!("{}{n}", &service[1..]), "interface": interface, "url": url,
                "region": settings.region, "region_id": settings.region, "service_id": service,
                "enabled": true, "links": {}
            }));
        }
    }
    out
}

pub(super) fn catalog(settings: &LocalSettings, headers: &HeaderMap) -> Value {
    let endpoints = endpoints(settings, headers);
    let entry = |service: &Value| {
        let of_service: Vec<Value> = endpoints
            .iter()
            .filter(|e| e["service_id"] == service["id"])
            .map(|e| {
                json!({
                    "id": e["id"], "interface": e["interface"], "url": e["url"],
                    "region": e["region"], "region_id": e["region_id"]
                })
            })
            .collect();
        json!({
            "id": service["id"], "name": service["name"], "type": service["type"],
            "endpoints": of_service
        })
    };
    services().iter().map(entry).collect()
}

/// `2026-11-21T03:12:45.000000Z`, with the microseconds that clients parse.
fn time(us: i64) -> String {
    DateTime::from_timestamp_micros(us)
        .map(|t| t.to_rfc3339_opts(SecondsFormat::Micros, true))
        .unwrap_or_default()
}

/// The body of a token: what `POST` and `GET /v3/auth/tokens` answer.
pub(super) fn token(
    directory: &Directory,
    session: &Session,
    catalog: Option<Value>,
) -> Option<Value> {
    let claims: &Claims = &session.claims;
    let user = directory.user(&claims.user)?;
    let domain_of = |id: &str| {
        let name = directory.domain(id).map_or(id, |d| d.name.as_str());
        json!({"id": id, "name": name})
    };
    let mut out = json!({
        "methods": claims.methods,
        "user": {
            "id": user.id, "name": user.name, "domain": domain_of(&user.domain_id),
            "password_expires_at": null
        },
        "audit_ids": [claims.audit],
        "issued_at": time(claims.issued_us),
        "expires_at": time(claims.expires_us),
    });
    if let Some(project) = claims.project.as_deref().and_then(|id| directory.project(id)) {
        out["project"] = json!({
            "id": project.id, "name": project.name, "domain": domain_of(&project.domain_id)
        });
        out["is_domain"] = json!(false);
        let roles = directory.roles.iter().filter(|r| session.roles.contains(&r.name));
        out["roles"] = roles.map(|r| json!({"id": r.id, "name": r.name})).collect();
        if let Some(catalog) = catalog {
            out["catalog"] = catalog;
        }
    }
    Some(json!({"token": out}))
}
