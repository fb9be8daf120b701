//! The OpenAPI 3.1 document of this API, generated from the definitions.
//!
//! Served by the server and kept as the golden file `tests/openapi.json`. It describes the
//! collections whose extension is advertised.

use serde_json::{Map, Value, json};

use crate::{
    Offer,
    attribute::{Attribute, Convert, Shape, Validate},
    resource::{MemberAction, Resource},
};

/// The document of what a server offers.
#[must_use]
pub fn document(offer: &Offer) -> Value {
    let mut paths = fixed_paths();
    let mut schemas = Map::new();
    schemas.insert("Error".into(), error_schema());
    for resource in offer.resources().iter().filter(|r| r.is_offered()) {
        add_schemas(&mut schemas, resource);
        add_paths(&mut paths, resource);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "OpenStack Networking API",
            "version": "2.0",
            "description": "Networks, subnets, ports and what belongs to them.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": list_parameters(),
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
            },
        },
    })
}

fn fixed_paths() -> Map<String, Value> {
    let get = |summary: &str, id: &str, parameters: Value| {
        json!({"get": {
            "operationId": id,
            "summary": summary,
            "parameters": parameters,
            "responses": responses(&[("200", "The answer.", None)]),
        }})
    };
    let alias = json!([path_parameter("alias", "Alias of the extension.")]);
    [
        ("/", get("Versions of the API.", "list_versions", json!([]))),
        ("/v2.0/", get("Collections of this version.", "list_collections", json!([]))),
        ("/v2.0/extensions", get("Extensions offered.", "list_extensions", json!([]))),
        ("/v2.0/extensions/{alias}", get("One extension.", "get_extension", alias)),
    ]
    .into_iter()
    .map(|(path, value)| (path.to_string(), value))
    .collect()
}

fn error_schema() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "properties": {"NeutronError": {
            "type": "object",
            "required": ["type", "message", "detail"],
            "properties": {"type": text, "message": text, "detail": text},
        }},
    })
}

/// `NetworkCreate` for `network` and `Create`.
fn schema_name(resource: &Resource, suffix: &str) -> String {
    let mut out = String::new();
    for word in resource.policy_name().split('_') {
        let mut chars = word.chars();
        out.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        out.push_str(chars.as_str());
    }
    out.push_str(suffix);
    out
}

fn add_schemas(schemas: &mut Map<String, Value>, resource: &Resource) {
    let object = |attributes: &mut dyn Iterator<Item = &Attribute>, with_default: bool| {
        let properties: Map<String, Value> =
            attributes.map(|a| (a.name.to_string(), attribute_schema(a, with_default))).collect();
        json!({"type": "object", "properties": properties})
    };
    let all = resource.attributes;
    let answer = object(&mut all.iter().filter(|a| a.visible), false);
    schemas.insert(schema_name(resource, ""), answer);
    if resource.operations.create {
        let mut create = object(&mut all.iter().filter(|a| a.post), true);
        create["additionalProperties"] = Value::Bool(false);
        // The owner is filled in from the caller's token.
        let required: Vec<&str> = all
            .iter()
            .filter(|a| a.post && a.default.is_none())
            .map(|a| a.name)
            .filter(|name| !["project_id", "tenant_id"].contains(name))
            .collect();
        if !required.is_empty() {
            create["required"] = json!(required);
        }
        schemas.insert(schema_name(resource, "Create"), create);
    }
    if resource.operations.update {
        let mut update = object(&mut all.iter().filter(|a| a.put), false);
        update["additionalProperties"] = Value::Bool(false);
        schemas.insert(schema_name(resource, "Update"), update);
    }
}

fn attribute_schema(attribute: &Attribute, with_default: bool) -> Value {
    let mut out = Map::new();
    let kind = match attribute.shape {
        Shape::Text | Shape::Uuid | Shape::Time => "string",
        Shape::Bool => "boolean",
        Shape::Int => "integer",
        Shape::TextList | Shape::ObjectList => "array",
        Shape::Object => "object",
    };
    let kind = if nullable(attribute) { json!([kind, "null"]) } else { json!(kind) };
    out.insert("type".into(), kind);
    let detail = match attribute.shape {
        Shape::Uuid => Some(("format", json!("uuid"))),
        Shape::Time => Some(("format", json!("date-time"))),
        Shape::TextList => Some(("items", json!({"type": "string"}))),
        Shape::ObjectList => Some(("items", json!({"type": "object"}))),
        _ => None,
    };
    out.extend(detail.map(|(key, value)| (key.to_string(), value)));
    for (key, value) in constraints(attribute.validate) {
        out.insert(key.into(), value);
    }
    out.insert("description".into(), json!(attribute.doc));
    if with_default && let Some(value) = attribute.default.and_then(crate::Initial::to_json) {
        out.insert("default".into(), value);
    }
    if !attribute.extension.is_empty() {
        out.insert("x-extension".into(), json!(attribute.extension));
    }
    if attribute.enforce_policy {
        out.insert("x-policy".into(), Value::Bool(true));
    }
    Value::Object(out)
}

fn nullable(attribute: &Attribute) -> bool {
    matches!(
        attribute.validate,
        Validate::TextOrNone(_)
            | Validate::MacOrNone
            | Validate::IpOrNone
            | Validate::UuidOrNone
            | Validate::RangeOrNone(..)
            | Validate::PortRangeOrNone(..)
            | Validate::CidrOrNone
            | Validate::SubnetPoolIdOrNone
            | Validate::ObjectOrNone
            | Validate::ExtraDhcpOpts
    ) || matches!(attribute.convert, Convert::NoneToEmptyList | Convert::AllocationPools)
        || matches!(attribute.default, Some(crate::Initial::Null))
        || attribute.name == "provider:physical_network"
        || attribute.name == "provider:segmentation_id"
}

fn constraints(validate: Validate) -> Vec<(&'static str, Value)> {
    match validate {
        Validate::Name(max)
        | Validate::Text(max)
        | Validate::TextOrNone(max)
        | Validate::NameNotDefault(max)
        | Validate::DnsName(max)
        | Validate::RelativeDnsName(max)
        | Validate::DnsDomain(max) => vec![("maxLength", json!(max))],
        Validate::NonNegative => vec![("minimum", json!(0))],
        Validate::Range(min, max) | Validate::RangeOrNone(min, max) => {
            vec![("minimum", json!(min)), ("maximum", json!(max))]
        }
        Validate::OneOf(values) => vec![("enum", json!(values))],
        Validate::OneOfInt(values) => vec![("enum", json!(values))],
        Validate::UniqueTexts(_)
        | Validate::Cidrs
        | Validate::Uuids
        | Validate::Nameservers
        | Validate::AvailabilityZoneHints => {
            vec![("uniqueItems", json!(true))]
        }
        _ => Vec::new(),
    }
}

fn add_paths(paths: &mut Map<String, Value>, resource: &Resource) {
    let mut base = String::from("/v2.0");
    let mut outer = Vec::new();
    if let Some(parent) = resource.parent {
        let id = format!("{}_id", parent.member);
        base.push_str(&format!("/{}/{{{id}}}", parent.collection));
        outer.push(path_parameter(&id, "Identifier of the parent."));
    }
    base.push_str(&format!("/{}", resource.path));
    let collection = collection_path(resource, &outer);
    if !collection.is_empty() {
        paths.insert(base.clone(), Value::Object(collection));
    }
    let key = resource.primary_key();
    let mut inner = outer.clone();
    inner.push(path_parameter(key, "Identifier of the resource."));
    let member = member_path(resource, &inner);
    if !member.is_empty() {
        paths.insert(format!("{base}/{{{key}}}"), Value::Object(member));
    }
    for action in resource.actions {
        let path = format!("{base}/{{{key}}}/{}", action.name);
        paths.insert(path, json!({ "put": action_operation(resource, action, &inner) }));
    }
    if resource.attribute("tags").is_some() {
        add_tag_paths(paths, resource, &base, &inner);
    }
}

fn action_operation(resource: &Resource, action: &MemberAction, parameters: &[Value]) -> Value {
    let attributes = action.body.iter().filter_map(|name| resource.attribute(name));
    let properties: Map<String, Value> =
        attributes.map(|a| (a.name.to_string(), attribute_schema(a, false))).collect();
    let body = json!({
        "type": "object", "required": action.body, "properties": properties,
    });
    json!({
        "operationId": format!("{}_{}", action.name, resource.policy_name()),
        "summary": action.doc,
        "parameters": parameters,
        "requestBody": request(body),
        "responses": responses(&[("200", "Done.", Some(json!({"type": "object"})))]),
    })
}

fn collection_path(resource: &Resource, outer: &[Value]) -> Map<String, Value> {
    let mut out = Map::new();
    let name = resource.policy_name();
    if resource.operations.list {
        let mut parameters = outer.to_vec();
        parameters.extend(
            ["fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse"]
                .map(|p| json!({"$ref": format!("#/components/parameters/{p}")})),
        );
        parameters.extend(resource.attributes.iter().filter(|a| a.filter).map(filter_parameter));
        let items = json!({"type": "array", "items": reference(resource, "")});
        let body = json!({"type": "object", "properties": {
            resource.collection: items,
            format!("{}_links", resource.collection): {"type": "array", "items": {"type": "object"}},
        }});
        out.insert(
            "get".into(),
            json!({
                "operationId": format!("list_{name}s"),
                "summary": format!("List {}.", resource.collection),
                "parameters": parameters,
                "responses": responses(&[("200", "The list.", Some(body))]),
            }),
        );
    }
    if resource.operations.create {
        let one = reference(resource, "Create");
        let mut bodies = vec![wrapped(resource.member, one.clone())];
        let mut answers = vec![wrapped(resource.member, reference(resource, ""))];
        if resource.operations.bulk {
            bodies.push(wrapped(resource.collection, json!({"type": "array", "items": one})));
            let items = json!({"type": "array", "items": reference(resource, "")});
            answers.push(wrapped(resource.collection, items));
        }
        out.insert("post".into(), json!({
            "operationId": format!("create_{name}"),
            "summary": format!("Create {}.", resource.collection),
            "parameters": outer,
            "requestBody": request(json!({"oneOf": bodies})),
            "responses": responses(&[("201", "What was created.", Some(json!({"oneOf": answers})))]),
        }));
    }
    out
}

fn member_path(resource: &Resource, parameters: &[Value]) -> Map<String, Value> {
    let mut out = Map::new();
    let name = resource.policy_name();
    let answer = wrapped(resource.member, reference(resource, ""));
    let mut conditional = parameters.to_vec();
    if resource.attribute("tags").is_some() {
        conditional.push(json!({
            "name": "If-Match", "in": "header", "schema": {"type": "string"},
            "description": "revision_number=<n>: fail with 412 at another revision.",
        }));
    }
    if resource.operations.show {
        out.insert(
            "get".into(),
            json!({
                "operationId": format!("get_{name}"),
                "summary": format!("Show one of {}.", resource.collection),
                "parameters": parameters,
                "responses": responses(&[("200", "The resource.", Some(answer.clone()))]),
            }),
        );
    }
    if resource.operations.update {
        out.insert(
            "put".into(),
            json!({
                "operationId": format!("update_{name}"),
                "summary": format!("Change one of {}.", resource.collection),
                "parameters": conditional,
                "requestBody": request(wrapped(resource.member, reference(resource, "Update"))),
                "responses": responses(&[("200", "The changed resource.", Some(answer))]),
            }),
        );
    }
    if resource.operations.delete {
        out.insert(
            "delete".into(),
            json!({
                "operationId": format!("delete_{name}"),
                "summary": format!("Delete one of {}.", resource.collection),
                "parameters": conditional,
                "responses": responses(&[("204", "Deleted.", None)]),
            }),
        );
    }
    out
}

fn add_tag_paths(
    paths: &mut Map<String, Value>,
    resource: &Resource,
    base: &str,
    parameters: &[Value],
) {
    let name = resource.policy_name();
    let tags = json!({"type": "object", "required": ["tags"], "properties": {
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 255}, "uniqueItems": true},
    }});
    let operation = |id: &str, summary: &str, code: &str, parameters: &[Value], body: bool| {
        let answer = matches!(code, "200" | "201").then(|| tags.clone());
        let mut out = json!({
            "operationId": format!("{id}_{name}"),
            "summary": summary,
            "parameters": parameters,
            "responses": responses(&[(code, "Done.", answer)]),
        });
        if body {
            out["requestBody"] = request(tags.clone());
        }
        out
    };
    paths.insert(
        format!("{base}/{{id}}/tags"),
        json!({
            "get": operation("list_tags_of", "List tags.", "200", parameters, false),
            "post": operation("add_tags_to", "Add tags.", "201", parameters, true),
            "put": operation("replace_tags_of", "Replace all tags.", "200", parameters, true),
            "delete": operation("delete_tags_of", "Remove all tags.", "204", parameters, false),
        }),
    );
    let mut one = parameters.to_vec();
    one.push(path_parameter("tag", "The tag."));
    paths.insert(
        format!("{base}/{{id}}/tags/{{tag}}"),
        json!({
            "get": operation("check_tag_of", "Whether the tag is set.", "204", &one, false),
            "put": operation("add_tag_to", "Add the tag.", "201", &one, false),
            "delete": operation("delete_tag_of", "Remove the tag.", "204", &one, false),
        }),
    );
}

fn reference(resource: &Resource, suffix: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{}", schema_name(resource, suffix))})
}

fn wrapped(key: &str, schema: Value) -> Value {
    json!({"type": "object", "required": [key], "properties": {key: schema}})
}

fn request(schema: Value) -> Value {
    json!({"required": true, "content": {"application/json": {"schema": schema}}})
}

fn responses(good: &[(&str, &str, Option<Value>)]) -> Value {
    let mut out = Map::new();
    for (code, description, schema) in good {
        let mut response = json!({"description": description});
        if let Some(schema) = schema {
            response["content"] = json!({"application/json": {"schema": schema}});
        }
        out.insert((*code).to_string(), response);
    }
    out.insert(
        "default".into(),
        json!({
            "description": "An error.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }),
    );
    Value::Object(out)
}

fn path_parameter(name: &str, description: &str) -> Value {
    json!({
        "name": name, "in": "path", "required": true,
        "schema": {"type": "string"}, "description": description,
    })
}

fn filter_parameter(attribute: &Attribute) -> Value {
    let kind = match attribute.shape {
        Shape::Bool => "boolean",
        Shape::Int => "integer",
        _ => "string",
    };
    json!({
        "name": attribute.name, "in": "query", "explode": true,
        "schema": {"type": "array", "items": {"type": kind}},
        "description": format!("Filter: {}", attribute.doc),
    })
}

fn list_parameters() -> Value {
    let query = |name: &str, schema: Value, description: &str| json!({"name": name, "in": "query", "schema": schema, "description": description});
    let texts = json!({"type": "array", "items": {"type": "string"}});
    let dirs = json!({"type": "array", "items": {"type": "string", "enum": ["asc", "desc"]}});
    json!({
        "fields": query("fields", texts.clone(), "Attributes to answer; all when left out."),
        "sort_key": query("sort_key", texts, "Attributes to sort by."),
        "sort_dir": query("sort_dir", dirs, "Direction for each sort_key."),
        "limit": query("limit", json!({"type": "integer", "minimum": 0}), "Length of a page."),
        "marker": query("marker", json!({"type": "string"}), "Last item of the page before."),
        "page_reverse": query("page_reverse", json!({"type": "boolean"}), "Walk backwards."),
    })
}
