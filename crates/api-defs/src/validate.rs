//! From a request body to attributes a plugin may trust: known, allowed, converted, validated,
//! defaults filled in.
//!
//! The errors, their order and their texts are those of Neutron's `prepare_request_body`.

use neutrino_types::{ApiError, ApiResult, Attrs, Context};
use serde_json::Value;

use crate::{
    attribute::{Attribute, Initial},
    resource::Resource,
};

/// The resources of one POST body.
#[derive(Debug)]
pub struct CreateBody {
    /// Attributes of each resource, as [`create`] answers them.
    pub items: Vec<Attrs>,
    /// Whether the body was a list, so that the answer must be one.
    pub bulk: bool,
}

/// Reads `{"<member>": {...}}` or `{"<collection>": [...]}` and validates each resource.
///
/// # Errors
/// 400 with Neutron's text.
pub fn create_body(resource: &Resource, body: Value, ctx: &Context) -> ApiResult<CreateBody> {
    let mut body = top(body)?;
    if let Some(list) = body.get_mut(resource.collection) {
        if !resource.operations.bulk {
            return Err(bad_request("Bulk operation not supported"));
        }
        let items = match list.take() {
            Value::Array(items) if !items.is_empty() => items,
            // What Python takes for empty.
            Value::Array(_) | Value::Null | Value::Bool(false) => {
                return Err(bad_request("Resources required"));
            }
            Value::Object(map) if map.is_empty() => return Err(bad_request("Resources required")),
            Value::String(text) if text.is_empty() => {
                return Err(bad_request("Resources required"));
            }
            _ => return Err(bad_request("Body contains invalid data")),
        };
        let items = items
            .into_iter()
            .map(|item| create(resource, unwrap_item(resource, item)?, ctx))
            .collect::<ApiResult<Vec<_>>>()?;
        return Ok(CreateBody { items, bulk: true });
    }
    let item = single(resource, &mut body)?;
    Ok(CreateBody { items: vec![create(resource, item, ctx)?], bulk: false })
}

/// Reads `{"<member>": {...}}` and validates it as the body of a PUT.
///
/// # Errors
/// 400 with Neutron's text.
pub fn update_body(resource: &Resource, body: Value, ctx: &Context) -> ApiResult<Attrs> {
    let mut body = top(body)?;
    if body.contains_key(resource.collection) {
        return Err(bad_request("Bulk operation not supported"));
    }
    let item = single(resource, &mut body)?;
    update(resource, item, ctx)
}

/// Validates the attributes of one resource to be created.
///
/// The answer holds both `project_id` and `tenant_id` when the resource has an owner, the default
/// of every attribute left out, and no attribute whose default is "unset".
///
/// # Errors
/// 400 with Neutron's text: unknown attribute, not allowed in POST, required one missing, value
/// refused, foreign `project_id`.
pub fn create(resource: &Resource, mut body: Attrs, ctx: &Context) -> ApiResult<Attrs> {
    own(resource, &mut body, ctx, true)?;
    refuse_unknown(resource, &body)?;
    for attribute in resource.attributes {
        let given = body.contains_key(attribute.name);
        if attribute.post && !given && attribute.default.is_none() {
            return Err(bad_request(format!(
                "Failed to parse request. Required attribute '{}' not specified",
                attribute.name
            )));
        }
        if given && !attribute.post {
            return Err(bad_request(format!("Attribute '{}' not allowed in POST", attribute.name)));
        }
    }
    let mut out = Attrs::with_capacity(resource.attributes.len());
    for attribute in resource.attributes.iter().filter(|a| a.post) {
        let value = match body.get_mut(attribute.name) {
            Some(given) => Some(accept(attribute, given.take())?),
            // Defaults are constants in converted form.
            None => attribute.default.and_then(Initial::to_json),
        };
        if let Some(value) = value {
            out.insert(attribute.name.to_string(), value);
        }
    }
    Ok(out)
}

/// Validates the changes of one resource.
///
/// # Errors
/// 400 with Neutron's text: unknown or read-only attribute, value refused.
pub fn update(resource: &Resource, mut body: Attrs, ctx: &Context) -> ApiResult<Attrs> {
    own(resource, &mut body, ctx, false)?;
    refuse_unknown(resource, &body)?;
    for attribute in resource.attributes {
        if !attribute.put && body.contains_key(attribute.name) {
            return Err(bad_request(format!(
                "Cannot update read-only attribute {}",
                attribute.name
            )));
        }
    }
    let mut out = Attrs::with_capacity(body.len());
    for attribute in resource.attributes.iter().filter(|a| a.put) {
        if let Some(given) = body.get_mut(attribute.name) {
            out.insert(attribute.name.to_string(), accept(attribute, given.take())?);
        }
    }
    Ok(out)
}

/// One value converted and validated.
///
/// # Errors
/// 400 with Neutron's text.
pub fn accept(attribute: &Attribute, value: Value) -> ApiResult<Value> {
    let mut value = attribute.convert.apply(value)?;
    attribute.validate.check(&mut value).map_err(|refusal| refusal.into_error(attribute.name))?;
    Ok(value)
}

/// Makes `project_id` and `tenant_id` agree, checks that the caller may name the project, and
/// fills in the caller's own on create.
fn own(resource: &Resource, body: &mut Attrs, ctx: &Context, is_create: bool) -> ApiResult<()> {
    match (body.get("project_id"), body.get("tenant_id")) {
        (Some(project), Some(tenant)) if project != tenant => {
            return Err(bad_request("'project_id' and 'tenant_id' do not match"));
        }
        (Some(project), None) => {
            let project = project.clone();
            body.insert("tenant_id".into(), project);
        }
        (None, Some(tenant)) => {
            let tenant = tenant.clone();
            body.insert("project_id".into(), tenant);
        }
        _ => {}
    }
    if let Some(project) = body.get("project_id") {
        let foreign = project.as_str() != ctx.project_id.as_deref();
        if foreign && !may_set_project(ctx) {
            return Err(bad_request(
                "Specifying 'project_id' other than the authenticated project in request is not \
                 allowed for the current user.",
            ));
        }
    } else if is_create && resource.has_owner() {
        let Some(project) = ctx.project_id.as_deref() else {
            return Err(bad_request(
                "Running without keystone AuthN requires that project_id is specified",
            ));
        };
        body.insert("project_id".into(), project.into());
        body.insert("tenant_id".into(), project.into());
    }
    Ok(())
}

/// Whether the caller may create resources for other projects.
fn may_set_project(ctx: &Context) -> bool {
    ctx.is_admin || ctx.has_role("service")
}

fn refuse_unknown(resource: &Resource, body: &Attrs) -> ApiResult<()> {
    let unknown: Vec<&str> = body
        .keys()
        .map(String::as_str)
        .filter(|name| resource.attribute_index(name).is_none())
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(bad_request(format!("Unrecognized attribute(s) '{}'", unknown.join(", "))))
}

fn top(body: Value) -> ApiResult<Attrs> {
    match body {
        Value::Object(map) if map.is_empty() => Err(bad_request("Resource body required")),
        Value::Object(map) => Ok(map),
        _ => Err(bad_request("Body contains invalid data")),
    }
}

fn single(resource: &Resource, body: &mut Attrs) -> ApiResult<Attrs> {
    match body.get_mut(resource.member).map(Value::take) {
        None | Some(Value::Null) => {
            Err(bad_request(format!("Unable to find '{}' in request body", resource.member)))
        }
        Some(Value::Object(map)) => Ok(map),
        Some(_) => Err(bad_request(format!("Object '{}' contains invalid data", resource.member))),
    }
}

/// Items of a bulk body may be wrapped again in `{"<member>": ...}`.
fn unwrap_item(resource: &Resource, item: Value) -> ApiResult<Attrs> {
    match item {
        Value::Object(mut map) if map.contains_key(resource.member) => single(resource, &mut map),
        Value::Object(map) => Ok(map),
        Value::String(_) | Value::Array(_) => {
            Err(bad_request(format!("Object '{}' contains invalid data", resource.member)))
        }
        _ => Err(bad_request("Body contains invalid data")),
    }
}

fn bad_request(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("HTTPBadRequest", message)
}
