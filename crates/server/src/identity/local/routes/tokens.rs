//! `/v3/auth/tokens`: issue, show, check and revoke tokens.

use serde_json::Value;

use super::{
    Bytes, HeaderMap, HeaderValue, Identity, IntoResponse, LocalIdentity, Params, Project, Query,
    Refusal, Response, Session, State, StatusCode, User, X_AUTH_TOKEN, caller, json_response,
    views,
};

/// What an authentication request proved.
struct Proof<'d> {
    user: &'d User,
    methods: Vec<String>,
    /// Expiry of the token the new one is made of.
    expires_us: Option<i64>,
    /// Scope of that token.
    scope: Option<String>,
}

fn text<'v>(value: &'v Value, path: &str) -> Option<&'v str> {
    value.pointer(path).and_then(Value::as_str)
}

/// `POST`: password or token in, token out.
pub(super) async fn create(
    State(identity): Identity,
    Query(params): Params,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let body: Value = serde_json::from_slice(&body)
        .map_err(|_| Refusal::bad_request("The request body is not valid JSON."))?;
    let auth = body
        .get("auth")
        .ok_or_else(|| Refusal::bad_request("Expecting to find auth in request body."))?;
    let methods: Vec<String> = auth
        .pointer("/identity/methods")
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).map(str::to_string).collect())
        .unwrap_or_default();
    if methods.is_empty() {
        return Err(Refusal::bad_request("Expecting to find methods in identity."));
    }
    let proof = prove(&identity, auth, methods).await?;
    let project = scope(&identity, auth, &proof)?;
    let (token, _) = identity.issue(proof.user, project, proof.methods, proof.expires_us);
    let session = identity.session(&token).ok_or_else(Refusal::unauthorized)?;
    tracing::info!(user = %proof.user.name, project = project.map(|p| p.name.as_str()), "token issued");
    token_response(StatusCode::CREATED, &identity, &session, &token, &headers, &params)
}

async fn prove<'d>(
    identity: &'d LocalIdentity,
    auth: &Value,
    methods: Vec<String>,
) -> Result<Proof<'d>, Refusal> {
    let mut proof: Option<Proof<'d>> = None;
    for method in methods {
        let next = match method.as_str() {
            "password" => by_password(identity, auth).await?,
            "token" => by_token(identity, auth)?,
            _ => return Err(Refusal::unauthorized()),
        };
        proof = Some(match proof {
            None => next,
            Some(first) if first.user.id == next.user.id => Proof {
                methods: first.methods.into_iter().chain(next.methods).collect(),
                expires_us: first.expires_us.or(next.expires_us),
                ..first
            },
            Some(_) => return Err(Refusal::unauthorized()),
        });
    }
    proof.ok_or_else(Refusal::unauthorized)
}

async fn by_password<'d>(identity: &'d LocalIdentity, auth: &Value) -> Result<Proof<'d>, Refusal> {
    let given = auth
        .pointer("/identity/password/user")
        .ok_or_else(|| Refusal::bad_request("Expecting to find user in password."))?;
    let directory = identity.directory();
    let user = match (text(given, "/id"), text(given, "/name")) {
        (Some(id), _) => directory.user(id),
        (None, Some(name)) => {
            domain_id(identity, given).and_then(|domain| directory.user_named(name, &domain))
        }
        (None, None) => return Err(Refusal::bad_request("Expecting to find id or name in user.")),
    };
    let password = text(given, "/password").unwrap_or_default();
    if !identity.check_password(user, password).await {
        let name = text(given, "/name").or(text(given, "/id")).unwrap_or_default();
        tracing::info!(user = name, "password refused");
        return Err(Refusal::unauthorized());
    }
    let user = user.ok_or_else(Refusal::unauthorized)?;
    Ok(Proof { user, methods: vec!["password".into()], expires_us: None, scope: None })
}

fn by_token<'d>(identity: &'d LocalIdentity, auth: &Value) -> Result<Proof<'d>, Refusal> {
    let session = text(auth, "/identity/token/id")
        .and_then(|token| identity.session(token))
        .ok_or_else(Refusal::unauthorized)?;
    let user = identity.directory().user(&session.claims.user).ok_or_else(Refusal::unauthorized)?;
    Ok(Proof {
        user,
        methods: vec!["token".into()],
        expires_us: Some(session.claims.expires_us),
        scope: session.claims.project.clone(),
    })
}

/// The id of `/domain` in `value`: given by id or by name.
fn domain_id(identity: &LocalIdentity, value: &Value) -> Option<String> {
    if let Some(id) = text(value, "/domain/id") {
        return Some(id.to_string());
    }
    let name = text(value, "/domain/name")?;
    identity.directory().domain_named(name).map(|d| d.id.clone())
}

/// The project the new token is for: what was asked for, else the scope of the token given,
/// else the user's default project.
fn scope<'d>(
    identity: &'d LocalIdentity,
    auth: &Value,
    proof: &Proof<'_>,
) -> Result<Option<&'d Project>, Refusal> {
    let directory = identity.directory();
    let asked = match auth.get("scope") {
        None | Some(Value::Null) => {
            let id = proof.scope.as_ref().or(proof.user.default_project.as_ref());
            let found = id.and_then(|id| directory.project(id));
            // As in Keystone, a default project without a role yields an unscoped token.
            return Ok(found.filter(|p| !directory.roles_of(&proof.user.id, &p.id).is_empty()));
        }
        Some(Value::String(s)) if s == "unscoped" => return Ok(None),
        Some(asked) if asked.get("unscoped").is_some() => return Ok(None),
        Some(asked) => asked,
    };
    // Domain and system scopes need assignments that the identity file cannot express.
    let given = asked.get("project").ok_or_else(Refusal::unauthorized)?;
    let project = match (text(given, "/id"), text(given, "/name")) {
        (Some(id), _) => directory.project(id),
        (None, Some(name)) => {
            domain_id(identity, given).and_then(|domain| directory.project_named(name, &domain))
        }
        (None, None) => None,
    };
    project
        .filter(|p| !directory.roles_of(&proof.user.id, &p.id).is_empty())
        .map(Some)
        .ok_or_else(Refusal::unauthorized)
}

fn token_response(
    status: StatusCode,
    identity: &LocalIdentity,
    session: &Session,
    token: &str,
    headers: &HeaderMap,
    params: &[(String, String)],
) -> Result<Response, Refusal> {
    let with_catalog = !params.iter().any(|(k, _)| k == "nocatalog");
    let catalog = with_catalog.then(|| views::catalog(identity.settings(), headers));
    let body =
        views::token(identity.directory(), session, catalog).ok_or_else(Refusal::unauthorized)?;
    let mut answer = json_response(status, &body);
    let value = HeaderValue::from_str(token).map_err(|_| Refusal::unauthorized())?;
    answer.headers_mut().insert("x-subject-token", value);
    Ok(answer)
}

/// The token in `X-Subject-Token`, if the caller may know about it.
fn subject<'h>(
    identity: &LocalIdentity,
    headers: &'h HeaderMap,
) -> Result<(&'h str, std::sync::Arc<Session>), Refusal> {
    let caller = caller(identity, headers)?;
    let token = headers
        .get("x-subject-token")
        .and_then(|v| v.to_str().ok())
        .ok_or_else(|| Refusal::bad_request("Expecting to find X-Subject-Token in the headers."))?;
    let own = headers.get(X_AUTH_TOKEN).is_some_and(|v| v.as_bytes() == token.as_bytes());
    let session = identity.session(token).ok_or_else(|| Refusal::not_found("token", "***"))?;
    if own || caller.may_validate() || caller.claims.user == session.claims.user {
        Ok((token, session))
    } else {
        Err(Refusal::forbidden("identity:validate_token"))
    }
}

/// `GET` and `HEAD`: what a token stands for.
pub(super) async fn show(
    State(identity): Identity,
    Query(params): Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (token, session) = subject(&identity, &headers)?;
    token_response(StatusCode::OK, &identity, &session, token, &headers, &params)
}

/// `DELETE`: the token stops being valid.
pub(super) async fn revoke(
    State(identity): Identity,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (token, _) = subject(&identity, &headers)?;
    identity.revoke(token);
    Ok(StatusCode::NO_CONTENT.into_response())
}
