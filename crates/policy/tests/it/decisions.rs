//! Who may do what, with Neutron's defaults.

use neutrino_api_defs::{
    ADDRESS_GROUPS, AGENTS, NETWORKS, PORTS, RBAC_POLICIES, SUBNETS, validate,
};
use neutrino_policy::{Enforcer, Options, Target};
use neutrino_types::{ApiError, Context};
use serde_json::{Value, json};

use crate::{attrs, caller, defaults, member};

const NET: &str = "46cdc4f2-d093-4a01-859e-80e3acc7822f";

fn create_network(body: Value, ctx: &Context) -> Result<(), ApiError> {
    let body = validate::create(&NETWORKS, attrs(body), ctx)?;
    defaults().authorize_create(&NETWORKS, &body, &Target::new(&body), ctx)
}

fn create_port(body: Value, network: Value, ctx: &Context) -> Result<(), ApiError> {
    let mut body = attrs(body);
    body.insert("network_id".into(), NET.into());
    let body = validate::create(&PORTS, body, ctx)?;
    let network = attrs(network);
    let target = Target::new(&body).with_network(&network);
    defaults().authorize_create(&PORTS, &body, &target, ctx)
}

fn denied(result: Result<(), ApiError>) -> String {
    let e = result.expect_err("denied");
    assert_eq!((e.kind, e.status), ("PolicyNotAuthorized", 403));
    e.message
}

#[test]
fn members_create_plain_networks_only() {
    assert!(create_network(json!({"name": "n"}), &member()).is_ok());
    // A value equal to the default asks no rule.
    assert!(create_network(json!({"shared": false}), &member()).is_ok());
    assert_eq!(
        denied(create_network(json!({"shared": true}), &member())),
        "(rule:create_network and rule:create_network:shared) is disallowed by policy"
    );
    assert_eq!(
        denied(create_network(json!({"shared": true, "provider:network_type": "vlan"}), &member())),
        "((rule:create_network and rule:create_network:shared) and \
         rule:create_network:provider:network_type) is disallowed by policy"
    );
    assert_eq!(
        denied(create_network(json!({}), &caller("p", &["reader"]))),
        "rule:create_network is disallowed by policy"
    );
    // Without a rule of its own an attribute falls back to the default rule: the owner may.
    assert!(create_network(json!({"mtu": 1400}), &member()).is_ok());
}

#[test]
fn ports_follow_the_network() {
    let own = json!({"project_id": "p", "shared": false});
    let foreign = json!({"project_id": "q", "shared": false});
    let shared = json!({"project_id": "q", "shared": true});
    assert!(create_port(json!({}), own.clone(), &member()).is_ok());
    assert_eq!(
        denied(create_port(json!({}), foreign, &member())),
        "rule:create_port is disallowed by policy"
    );
    assert!(create_port(json!({}), shared.clone(), &member()).is_ok());
    let fixed = json!({"fixed_ips": [{"subnet_id": NET, "ip_address": "10.0.0.3"}]});
    assert!(create_port(fixed.clone(), own.clone(), &member()).is_ok());
    assert_eq!(
        denied(create_port(fixed, shared.clone(), &member())),
        "(rule:create_port and (rule:create_port:fixed_ips and (rule:create_port:fixed_ips:subnet_id \
         and rule:create_port:fixed_ips:ip_address))) is disallowed by policy"
    );
    let subnet = json!({"fixed_ips": [{"subnet_id": NET}]});
    assert!(create_port(subnet, shared.clone(), &member()).is_ok());
    assert!(create_port(json!({"device_owner": "compute:x"}), shared.clone(), &member()).is_ok());
    assert!(create_port(json!({"device_owner": "network:dhcp"}), shared, &member()).is_err());
    assert!(create_port(json!({"device_owner": "network:dhcp"}), own.clone(), &member()).is_ok());
    assert!(create_port(json!({"binding:host_id": "h"}), own.clone(), &member()).is_err());
    let admin = caller("p", &["admin", "member", "reader"]);
    let admin = Context { is_admin: true, ..admin };
    assert!(create_port(json!({"binding:host_id": "h"}), own.clone(), &admin).is_ok());
    // Neutron leaves the profile to services.
    assert!(create_port(json!({"binding:profile": {"a": 1}}), own.clone(), &admin).is_err());
    let service = caller("s", &["service"]);
    assert!(create_port(json!({"binding:profile": {"a": 1}}), own, &service).is_ok());
}

#[test]
fn tokens_of_the_system_and_of_domains_fulfil_no_rule_of_a_request() {
    let project = Context { is_admin: true, ..caller("p", &["admin", "member", "reader"]) };
    let system = Context { system_scope: Some("all".into()), ..project.clone() };
    let domain = Context { domain_id: Some("default".into()), ..project.clone() };
    let network = attrs(json!({"project_id": "p"}));
    let target = Target::new(&network);
    let enforcer = defaults();
    assert!(enforcer.check("get_network", &target, &project));
    for ctx in [&system, &domain] {
        assert!(!enforcer.may_show(&NETWORKS, &target, ctx));
        assert!(enforcer.authorize_create(&NETWORKS, &network, &target, ctx).is_err());
        assert!(enforcer.check("context_is_admin", &target, ctx), "rules others are made of hold");
    }
    // Unless an operator leaves it to admins, as before default roles.
    let old = Options { enforce_new_defaults: false, ..Options::default() };
    let old = Enforcer::new(&old).expect("the defaults are well-formed");
    assert!(old.check("get_network", &target, &system));
}

#[test]
fn an_update_is_hidden_from_those_who_cannot_see() {
    let enforcer = defaults();
    let changes = attrs(json!({"name": "x"}));
    let update = |stored: Value, ctx: &Context| {
        let stored = attrs(stored);
        let target = Target::new(&stored).with_changes(&changes);
        enforcer
            .authorize_update(&NETWORKS, &changes, &target, ctx)
            .map_err(|e| (e.status, e.message))
    };
    assert_eq!(update(json!({"project_id": "p"}), &member()), Ok(()));
    assert_eq!(
        update(json!({"project_id": "q"}), &member()),
        Err((404, "The resource could not be found.".into()))
    );
    assert_eq!(
        update(json!({"project_id": "q", "shared": true}), &member()),
        Err((403, "rule:update_network is disallowed by policy".into()))
    );
    assert_eq!(
        update(json!({"project_id": "p"}), &caller("p", &["reader"])),
        Err((403, "rule:update_network is disallowed by policy".into()))
    );
}

#[test]
fn attributes_of_an_update() {
    let enforcer = defaults();
    let stored = attrs(json!({"project_id": "p"}));
    // Unlike in a create, the default counts as given.
    let changes = attrs(json!({"shared": false}));
    let target = Target::new(&stored).with_changes(&changes);
    let e = enforcer
        .authorize_update(&NETWORKS, &changes, &target, &member())
        .expect_err("admins only");
    assert_eq!(
        e.message,
        "(rule:update_network and rule:update_network:shared) is disallowed by policy"
    );
    let network = attrs(json!({"project_id": "p"}));
    let changes = attrs(json!({"mac_address": "fa:16:3e:00:00:01"}));
    let target = Target::new(&stored).with_changes(&changes).with_network(&network);
    assert!(enforcer.authorize_update(&PORTS, &changes, &target, &member()).is_err());
    let manager = caller("p", &["manager", "member", "reader"]);
    assert!(enforcer.authorize_update(&PORTS, &changes, &target, &manager).is_ok());
}

#[test]
fn deletes() {
    let enforcer = defaults();
    let port = attrs(json!({"project_id": "q"}));
    let own = attrs(json!({"project_id": "p"}));
    let other = attrs(json!({"project_id": "x"}));
    let delete = |network| {
        enforcer
            .authorize_delete(&PORTS, &Target::new(&port).with_network(network), &member())
            .map_err(|e| e.status)
    };
    assert_eq!(delete(&own), Ok(()));
    assert_eq!(delete(&other), Err(404));
    let subnet = attrs(json!({"project_id": "q", "shared": true}));
    let e = enforcer
        .authorize_delete(&SUBNETS, &Target::new(&subnet), &member())
        .expect_err("not the owner");
    assert_eq!(e.status, 403);
}

#[test]
fn agents_are_for_admins() {
    let enforcer = defaults();
    let agent = attrs(json!({"id": "a"}));
    assert!(enforcer.may_show(&AGENTS, &Target::new(&agent), &Context::admin()));
    let e = enforcer
        .authorize_delete(&AGENTS, &Target::new(&agent), &member())
        .expect_err("admins only");
    assert_eq!(e.status, 404);
    assert!(enforcer.authorize("get_quota", &Target::new(&agent), &member()).is_err());
}

#[test]
fn the_rules_of_before_can_count_too() {
    let enforcer = Enforcer::new(&Options { enforce_new_defaults: false, ..Options::default() })
        .expect("valid");
    let body = attrs(json!({"project_id": "p", "name": "n"}));
    let nobody = caller("p", &[]);
    assert!(enforcer.authorize_create(&NETWORKS, &body, &Target::new(&body), &nobody).is_ok());
    assert!(defaults().authorize_create(&NETWORKS, &body, &Target::new(&body), &nobody).is_err());
    assert!(enforcer.check("create_port:binding:profile", &Target::default(), &Context::admin()));
    assert!(!defaults().check(
        "create_port:binding:profile",
        &Target::default(),
        &Context::admin()
    ));
}

#[test]
fn only_admins_share_with_everyone() {
    let enforcer = defaults();
    let policy = |target: &str| {
        attrs(json!({"object_type": "network", "object_id": NET, "target_tenant": target,
                     "action": "access_as_shared", "project_id": "p", "tenant_id": "p"}))
    };
    let create = |target: &str, ctx: &Context| {
        let policy = policy(target);
        enforcer.authorize_create(&RBAC_POLICIES, &policy, &Target::new(&policy), ctx)
    };
    assert!(create("q", &member()).is_ok());
    assert!(
        denied(create("*", &member())).contains("rule:create_rbac_policy:target_tenant"),
        "the answer names the rule"
    );
    let admin = caller("p", &["admin", "member", "reader"]);
    assert!(create("*", &Context { is_admin: true, ..admin }).is_ok());
    let stored = policy("q");
    let changes = attrs(json!({"target_tenant": "*"}));
    let target = Target::new(&stored).with_changes(&changes);
    assert!(enforcer.authorize_update(&RBAC_POLICIES, &changes, &target, &member()).is_err());
    // Whom it favours does not see it.
    assert!(!enforcer.may_show(&RBAC_POLICIES, &Target::new(&stored), &caller("q", &["reader"])));
}

#[test]
fn shared_address_groups_are_seen_and_left_alone() {
    let enforcer = defaults();
    let other = caller("q", &["member", "reader"]);
    let group = |shared: bool| attrs(json!({"project_id": "p", "shared": shared}));
    assert!(enforcer.may_show(&ADDRESS_GROUPS, &Target::new(&group(true)), &other));
    assert!(!enforcer.may_show(&ADDRESS_GROUPS, &Target::new(&group(false)), &other));
    let shared = group(true);
    let target = Target::new(&shared);
    for rule in ["update_address_group", "delete_address_group", "add_addresses"] {
        assert!(enforcer.authorize(rule, &target, &other).is_err(), "{rule}");
        assert!(enforcer.authorize(rule, &target, &member()).is_ok(), "{rule}");
    }
}
