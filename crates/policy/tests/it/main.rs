//! Tests of policy decisions through the public API of the crate.

mod decisions;
mod hostile;
mod oracle;
mod overrides;
mod views;

use neutrino_policy::{Enforcer, Options};
use neutrino_types::{Attrs, Context};
use serde_json::Value;

/// Neutron's defaults.
fn defaults() -> Enforcer {
    Enforcer::new(&Options::default()).expect("the defaults are well-formed")
}

/// The defaults with a policy file.
fn with_file(text: &str) -> Enforcer {
    Enforcer::new(&Options { policy_files: vec![text.into()], ..Options::default() })
        .expect("well-formed")
}

/// A caller of `project` with `roles`.
fn caller(project: &str, roles: &[&str]) -> Context {
    Context {
        user_id: Some("u".into()),
        project_id: Some(project.into()),
        roles: roles.iter().map(ToString::to_string).collect(),
        ..Context::default()
    }
}

/// A member of project `p`.
fn member() -> Context {
    caller("p", &["member", "reader"])
}

/// The attributes of `{...}`.
fn attrs(value: Value) -> Attrs {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}
