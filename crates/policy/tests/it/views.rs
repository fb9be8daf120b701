//! What callers see.

use neutrino_api_defs::{AGENTS, NETWORKS, PORTS, SUBNETS};
use neutrino_policy::Target;
use neutrino_types::Context;
use serde_json::json;

use crate::{attrs, caller, defaults, member, with_file};

#[test]
fn admins_see_all_without_being_asked_again() {
    let enforcer = defaults();
    let admin = Context::admin();
    for resource in [&NETWORKS, &PORTS, &AGENTS] {
        assert!(enforcer.view(resource, &admin).is_all(), "{}", resource.collection);
    }
    assert!(!enforcer.view(&NETWORKS, &member()).is_all());
    // Subnets carry `shared` for the rules only.
    let subnet = attrs(json!({"id": "s", "shared": false, "project_id": "p"}));
    let shown = enforcer.view(&SUBNETS, &admin).one(subnet, None).expect("seen");
    assert_eq!(serde_json::Value::Object(shown), json!({"id": "s", "project_id": "p"}));
}

#[test]
fn members_see_their_own_without_the_provider() {
    let enforcer = defaults();
    let ctx = member();
    let view = enforcer.view(&NETWORKS, &ctx);
    let networks = vec![
        attrs(json!({"id": "1", "project_id": "p", "provider:network_type": "vxlan", "tags": []})),
        attrs(json!({"id": "2", "project_id": "q", "provider:network_type": "vxlan", "tags": []})),
        attrs(json!({"id": "3", "project_id": "q", "router:external": true, "tags": []})),
    ];
    let shown = view.list(networks, |_| None);
    assert_eq!(
        json!(shown),
        json!([
            {"id": "1", "project_id": "p", "tags": []},
            {"id": "3", "project_id": "q", "router:external": true, "tags": []},
        ])
    );
}

#[test]
fn port_details_are_for_admins_and_services() {
    let enforcer = defaults();
    let port = attrs(json!({
        "id": "1", "project_id": "p", "binding:host_id": "h", "binding:vnic_type": "normal",
        "binding:vif_type": "ovs", "binding:vif_details": {}, "binding:profile": {}, "tags": [],
    }));
    let ctx = member();
    let shown = enforcer.view(&PORTS, &ctx).one(port.clone(), None).expect("own");
    let keys: Vec<&str> = shown.keys().map(String::as_str).collect();
    assert_eq!(keys, ["id", "project_id", "binding:vnic_type", "tags"]);
    let service = caller("s", &["service"]);
    let shown = enforcer.view(&PORTS, &service).one(port, None).expect("services see all");
    assert_eq!(shown["binding:host_id"], "h");
}

#[test]
fn network_owners_see_the_ports_on_it() {
    let enforcer = defaults();
    let ctx = member();
    let view = enforcer.view(&PORTS, &ctx);
    let port = attrs(json!({"id": "1", "project_id": "q", "tags": ["t"]}));
    let network = attrs(json!({"project_id": "p"}));
    assert!(view.shows(&Target::new(&port).with_network(&network)));
    let shown = view.one(port.clone(), Some(&network)).expect("seen");
    assert_eq!(shown["tags"], json!(["t"]));
    let e = view.one(port, None).expect_err("foreign");
    assert_eq!((e.status, e.kind), (404, "HTTPNotFound"));
}

#[test]
fn attribute_rules_that_look_at_the_resource_are_asked_for_each() {
    let enforcer = with_file("\"get_network:mtu\": \"field:networks:shared=True\"\n");
    let ctx = member();
    let view = enforcer.view(&NETWORKS, &ctx);
    let items = vec![
        attrs(json!({"id": "1", "project_id": "p", "shared": true, "mtu": 1})),
        attrs(json!({"id": "2", "project_id": "p", "shared": false, "mtu": 1})),
    ];
    let shown = view.list(items, |_| None);
    assert_eq!(shown[0].get("mtu"), Some(&json!(1)));
    assert_eq!(shown[1].get("mtu"), None);
    assert_eq!(
        enforcer.hidden_attributes(&NETWORKS, &Target::new(&shown[1]), &Context::admin()),
        ["mtu"]
    );
}
