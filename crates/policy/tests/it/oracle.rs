//! Decisions of oslo.policy itself about random rules, recorded by `cases/oslo_policy/generate.py`.

use neutrino_policy::{Enforcer, Options, Target};
use neutrino_types::{Attrs, Context};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Recorded {
    rules: serde_json::Map<String, serde_json::Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    rule: String,
    creds: Creds,
    target: Attrs,
    holds: bool,
}

#[derive(Deserialize)]
struct Creds {
    user_id: String,
    is_admin: bool,
    roles: Vec<String>,
}

#[test]
fn decides_as_oslo_policy() {
    let text = include_str!("../cases/oslo_policy/cases.json");
    let recorded: Recorded = serde_json::from_str(text).expect("recorded cases");
    assert!(recorded.cases.len() >= 400);
    for case in recorded.cases {
        let mut rules = recorded.rules.clone();
        rules.insert("tested".into(), json!(case.rule));
        let file = serde_json::Value::Object(rules).to_string();
        let ctx = Context {
            user_id: Some(case.creds.user_id),
            is_admin: case.creds.is_admin,
            roles: case.creds.roles,
            ..Context::default()
        };
        // oslo.policy denies what it cannot read; here such a file is refused when loaded.
        let holds = Enforcer::new(&Options { policy_files: vec![file], ..Options::default() })
            .is_ok_and(|e| e.check("tested", &Target::new(&case.target), &ctx));
        assert_eq!(holds, case.holds, "{} for {ctx:?} on {:?}", case.rule, case.target);
    }
}
