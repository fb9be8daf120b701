//! Policy files.

use neutrino_api_defs::NETWORKS;
use neutrino_policy::{Enforcer, Options, PolicyError, Target};
use neutrino_types::Context;
use serde_json::json;

use crate::{attrs, caller, member, with_file};

#[test]
fn a_file_replaces_defaults_and_adds_rules() {
    let enforcer = with_file(
        "# operators of the network\n\
         \"netops\": \"role:netops\"\n\
         \"create_network:shared\": \"rule:admin_only or rule:netops\"\n",
    );
    let body = attrs(json!({"project_id": "p", "shared": true}));
    let create =
        |ctx: &Context| enforcer.authorize_create(&NETWORKS, &body, &Target::new(&body), ctx);
    assert!(create(&member()).is_err());
    assert!(create(&caller("p", &["member", "netops"])).is_ok());
}

#[test]
fn an_override_under_the_old_name_counts() {
    let enforcer = with_file("get_networks_tags: \"!\"\n");
    let target = attrs(json!({"project_id": "p"}));
    assert!(!enforcer.check("get_network:tags", &Target::new(&target), &Context::admin()));
}

#[test]
fn rules_that_are_not_defined_are_the_default_rule() {
    let enforcer = with_file("\"default\": \"role:special\"\n");
    assert!(enforcer.check("no_such_rule", &Target::default(), &caller("p", &["special"])));
    assert!(!enforcer.check("no_such_rule", &Target::default(), &Context::admin()));
}

#[test]
fn circles_are_refused() {
    let load = |text: &str| {
        Enforcer::new(&Options { policy_files: vec![text.into()], ..Options::default() })
    };
    assert!(matches!(load("\"a\": \"rule:a\"\n"), Err(PolicyError::Circle(_))));
    assert!(matches!(
        load("\"a\": \"rule:b\"\n\"b\": \"not rule:a\"\n"),
        Err(PolicyError::Circle(_))
    ));
    assert!(load("\"a\": \"rule:b\"\n\"b\": \"@\"\n").is_ok());
    let chain: String = (0..2000).map(|i| format!("\"r{i}\": \"rule:r{}\"\n", i + 1)).collect();
    let result = load(&chain);
    assert!(matches!(result, Ok(_) | Err(PolicyError::Deep(_))));
}
