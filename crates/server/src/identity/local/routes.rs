//! The routes of Identity API v3 that clients need: discovery, tokens, catalog and look-ups.
//!
//! Answers and errors have Keystone's shapes. Everything but discovery and `POST
//! /v3/auth/tokens` needs a valid `X-Auth-Token`; look-ups of other users and projects need the
//! admin role.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::{Claims, LocalIdentity, Project, Session, User};
use crate::identity::{X_AUTH_TOKEN, header as header_text};

mod tokens;
mod views;

/// State of every handler here.
type Identity = State<Arc<LocalIdentity>>;
/// Query of list requests: `?name=&domain_id=`.
type Params = Query<Vec<(String, String)>>;

/// An error in Keystone's form.
#[derive(Debug)]
struct Refusal(StatusCode, &'static str, String);

impl Refusal {
    fn unauthorized() -> Self {
        let text = "The request you have made requires authentication.";
        Self(StatusCode::UNAUTHORIZED, "Unauthorized", text.into())
    }

    fn forbidden(action: &str) -> Self {
        let text = format!("You are not authorized to perform the requested action: {action}.");
        Self(StatusCode::FORBIDDEN, "Forbidden", text)
    }

    fn not_found(kind: &str, id: &str) -> Self {
        Self(StatusCode::NOT_FOUND, "Not Found", format!("Could not find {kind}: {id}."))
    }

    fn bad_request(text: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, "Bad Request", text.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, title, message) = self;
        let body = json!({"error": {"code": status.as_u16(), "message": message, "title": title}});
        let mut answer = json_response(status, &body);
        if status == StatusCode::UNAUTHORIZED {
            let value = HeaderValue::from_static("Keystone uri=\"/v3\"");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        answer
    }
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (status, content_type, body.to_string()).into_response()
}

/// The router of the identity listener.
pub fn router(identity: Arc<LocalIdentity>) -> Router {
    let v3 = Router::new()
        .route("/", get(version))
        .route(
            "/auth/tokens",
            get(tokens::show).head(tokens::show).post(tokens::create).delete(tokens::revoke),
        )
        .route("/auth/catalog", get(catalog))
        .route("/auth/projects", get(auth_projects))
        .route("/auth/domains", get(auth_domains))
        .route("/projects", get(projects))
        .route("/projects/{id}", get(project))
        .route("/users", get(users))
        .route("/users/{id}", get(user))
        .route("/users/{id}/projects", get(user_projects))
        .route("/roles", get(roles))
        .route("/roles/{id}", get(role))
        .route("/role_assignments", get(role_assignments))
        .route("/domains", get(domains))
        .route("/domains/{id}", get(domain))
        .route("/services", get(services))
        .route("/services/{id}", get(service))
        .route("/endpoints", get(endpoints))
        .route("/endpoints/{id}", get(endpoint))
        .route("/regions", get(regions))
        .route("/regions/{id}", get(region));
    Router::new()
        .route("/", get(versions))
        .nest("/v3", v3)
        .fallback(async || Refusal(StatusCode::NOT_FOUND, "Not Found", missing_text()))
        .method_not_allowed_fallback(async || {
            let text = "The method is not allowed for the requested URL.".to_string();
            Refusal(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed", text)
        })
        .layer(middleware::from_fn(stamp))
        .with_state(identity)
}

fn missing_text() -> String {
    "The resource could not be found.".to_string()
}

/// Every answer carries a request id and, as its content depends on it, `Vary: X-Auth-Token`.
async fn stamp(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let id = neutrino_types::context::new_request_id();
    if let Ok(id) = HeaderValue::from_str(&id) {
        answer.headers_mut().insert("x-openstack-request-id", id);
    }
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("X-Auth-Token"));
    answer
}

/// `http://<host of the request>`, which is how the client reached us.
fn base_url(headers: &HeaderMap) -> String {
    format!("http://{}", header_text(headers, "host").unwrap_or("127.0.0.1:5000"))
}

/// The session behind `X-Auth-Token`.
fn caller(identity: &LocalIdentity, headers: &HeaderMap) -> Result<Arc<Session>, Refusal> {
    headers
        .get(X_AUTH_TOKEN)
        .and_then(|v| v.to_str().ok())
        .and_then(|token| identity.session(token))
        .ok_or_else(Refusal::unauthorized)
}

impl Session {
    fn is_admin(&self) -> bool {
        self.context.is_admin
    }

    fn may_validate(&self) -> bool {
        self.is_admin() || self.roles.iter().any(|r| r == "service")
    }
}

fn admin(
    identity: &LocalIdentity,
    headers: &HeaderMap,
    action: &str,
) -> Result<Arc<Session>, Refusal> {
    let session = caller(identity, headers)?;
    if session.is_admin() { Ok(session) } else { Err(Refusal::forbidden(action)) }
}

async fn versions(headers: HeaderMap) -> Response {
    let version = views::version(&base_url(&headers));
    json_response(StatusCode::MULTIPLE_CHOICES, &json!({"versions": {"values": [version]}}))
}

async fn version(headers: HeaderMap) -> Response {
    json_response(StatusCode::OK, &json!({"version": views::version(&base_url(&headers))}))
}

async fn catalog(State(identity): Identity, headers: HeaderMap) -> Result<Response, Refusal> {
    caller(&identity, &headers)?;
    let catalog = views::catalog(identity.settings(), &headers);
    let links = json!({"self": format!("{}/v3/auth/catalog", base_url(&headers))});
    Ok(json_response(StatusCode::OK, &json!({"catalog": catalog, "links": links})))
}

fn own_projects<'d>(identity: &'d LocalIdentity, user_id: &str) -> Vec<&'d Project> {
    let directory = identity.directory();
    let has_role = |p: &&Project| !directory.roles_of(user_id, &p.id).is_empty();
    directory.projects.iter().filter(has_role).collect()
}

/// A list answer with Keystone's `links`, reduced by the `name`, `domain_id`, ... of the query.
fn listing(
    headers: &HeaderMap,
    path: &str,
    key: &str,
    params: &[(String, String)],
    items: Vec<Value>,
) -> Response {
    let kept: Vec<Value> = items
        .into_iter()
        .filter(|item| {
            params.iter().all(|(k, wanted)| match item.get(k) {
                Some(Value::String(found)) => found == wanted,
                Some(Value::Bool(found)) => wanted.eq_ignore_ascii_case(&found.to_string()),
                _ => true,
            })
        })
        .collect();
    let links = json!({
        "self": format!("{}/v3/{path}", base_url(headers)), "previous": null, "next": null
    });
    json_response(StatusCode::OK, &json!({key: kept, "links": links}))
}

async fn auth_projects(
    State(identity): Identity,
    Query(params): Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let session = caller(&identity, &headers)?;
    let items = own_projects(&identity, &session.claims.user).into_iter().map(views::project);
    Ok(listing(&headers, "auth/projects", "projects", &params, items.collect()))
}

async fn auth_domains(
    State(identity): Identity,
    Query(params): Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    caller(&identity, &headers)?;
    Ok(listing(&headers, "auth/domains", "domains", &params, Vec::new()))
}

async fn projects(
    State(identity): Identity,
    Query(params): Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    admin(&identity, &headers, "identity:list_projects")?;
    let items = identity.directory().projects.iter().map(views::project).collect();
    Ok(listing(&headers, "projects", "projects", &params, items))
}

async fn project(
    State(identity): Identity,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let session = caller(&identity, &headers)?;
    let own = session.claims.project.as_deref() == Some(id.as_str());
    if !own && !session.is_admin() {
        return Err(Refusal::forbidden("identity:get_project"));
    }
    let found = identity.directory().project(&id);
    let found = found.ok_or_else(|| Refusal::not_found("project", &id))?;
    Ok(json_response(StatusCode::OK, &json!({"project": views::project(found)})))
}

async fn users(
    State(identity): Identity,
    Query(params): Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    admin(&identity, &headers, "identity:list_users")?;
    let items = identity.directory().users.iter().map(views::user).collect();
    Ok(listing(&headers, "users", "users", &params, items))
}

async fn user(
    State(identity): Identity,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let session = caller(&identity, &headers)?;
    if session.claims.user != id && !session.is_admin() {
        return Err(Refusal::forbidden("identity:get_user"));
    }
    let found = identity.directory().user(&id);
    let found = found.ok_or_else(|| Refusal::not_found("user", &id))?;
    Ok(json_response(StatusCode::OK, &json!({"user": views::user(found)})))
}

async fn user_projects(
    State(identity): Identity,
    Path(id): Path<String>,
    Query(params): Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let session = caller(&identity, &headers)?;
    if session.claims.user != id && !session.is_admin() {
        return Err(Refusal::forbidden("identity:list_user_projects"));
    }
    let items = own_projects(&identity, &id).into_iter().map(views::project).collect();
    Ok(listing(&headers, &format!("users/{id}/projects"), "projects", &params, items))
}

async fn roles(
    State(identity): Identity,
    Query(params): Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    admin(&identity, &headers, "identity:list_roles")?;
    let items = identity.directory().roles.iter().map(views::role).collect();
    Ok(listing(&headers, "roles", "roles", &params, items))
}

async fn role(
    State(identity): Identity,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    admin(&identity, &headers, "identity:get_role")?;
    let found = identity.directory().roles.iter().find(|r| r.id == id);
    let found = found.ok_or_else(|| Refusal::not_found("role", &id))?;
    Ok(json_response(StatusCode::OK, &json!({"role": views::role(found)})))
}

async fn role_assignments(
    State(identity): Identity,
    Query(params): Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    admin(&identity, &headers, "identity:list_role_assignments")?;
    // `?include_names` without a value means yes, as for Keystone.
    let names = params.iter().any(|(k, v)| k == "include_names" && v != "0" && v != "false");
    let filters = [
        ("user.id", "/user/id"),
        ("role.id", "/role/id"),
        ("scope.project.id", "/scope/project/id"),
    ];
    let wanted = |item: &Value| {
        filters.iter().all(|(key, path)| {
            let mut given = params.iter().filter(|(k, _)| k == key).peekable();
            given.peek().is_none()
                || given.any(|(_, v)| item.pointer(path).is_some_and(|found| found == v))
        })
    };
    let items = views::assignments(identity.directory(), names).into_iter().filter(wanted);
    Ok(listing(&headers, "role_assignments", "role_assignments", &[], items.collect()))
}

async fn domains(
    State(identity): Identity,
    Query(params): Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    admin(&identity, &headers, "identity:list_domains")?;
    let items = identity.directory().domains.iter().map(views::domain).collect();
    Ok(listing(&headers, "domains", "domains", &params, items))
}

async fn domain(
    State(identity): Identity,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    admin(&identity, &headers, "identity:get_domain")?;
    let found = identity.directory().domain(&id);
    let found = found.ok_or_else(|| Refusal::not_found("domain", &id))?;
    Ok(json_response(StatusCode::OK, &json!({"domain": views::domain(found)})))
}

async fn services(
    State(identity): Identity,
    Query(params): Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    admin(&identity, &headers, "identity:list_services")?;
    Ok(listing(&headers, "services", "services", &params, views::services()))
}

async fn service(
    State(identity): Identity,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    admin(&identity, &headers, "identity:get_service")?;
    one("service", &id, views::services())
}

/// The item of `items` whose id is `id`, under the key `kind`.
fn one(kind: &str, id: &str, items: Vec<Value>) -> Result<Response, Refusal> {
    let found = items.into_iter().find(|item| item["id"] == id);
    let found = found.ok_or_else(|| Refusal::not_found(kind, id))?;
    Ok(json_response(StatusCode::OK, &json!({kind: found})))
}

async fn endpoints(
    State(identity): Identity,
    Query(params): Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    admin(&identity, &headers, "identity:list_endpoints")?;
    let items = views::endpoints(identity.settings(), &headers);
    Ok(listing(&headers, "endpoints", "endpoints", &params, items))
}

async fn endpoint(
    State(identity): Identity,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    admin(&identity, &headers, "identity:get_endpoint")?;
    one("endpoint", &id, views::endpoints(identity.settings(), &headers))
}

async fn regions(
    State(identity): Identity,
    Query(params): Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    caller(&identity, &headers)?;
    Ok(listing(&headers, "regions", "regions", &params, views::regions(identity.settings())))
}

async fn region(
    State(identity): Identity,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    caller(&identity, &headers)?;
    one("region", &id, views::regions(identity.settings()))
}
