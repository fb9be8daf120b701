//! Tests of the definitions through the public API of the crate.

mod goldens;
mod hostile;
mod oracle;
mod query;
mod validate;

use neutrino_types::{Attrs, Context};
use serde_json::Value;

/// A member of project `p`.
fn member() -> Context {
    Context {
        project_id: Some("p".into()),
        roles: vec!["member".into(), "reader".into()],
        ..Context::default()
    }
}

/// The attributes of `{...}`.
fn attrs(value: Value) -> Attrs {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}
