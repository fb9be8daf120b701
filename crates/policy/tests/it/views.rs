//! What callers see.

use neutrino_api_defs::{AGENTS, NETWORKS, PORTS, SUBNETS};
use neutrino_policy::{Target, View};
use neutrino_types::{Attrs, Context};
use serde_json::json;

use crate::{attrs, caller, defaults, member, with_file};

/// `item` as the caller sees it, or nothing.
fn seen(view: &View<'_>, item: &Attrs, network: Option<&Attrs>) -> Option<Attrs> {
    let mut target = Target::new(item);
    if let Some(network) = network {
        target = target.with_network(network);
    }
    let mut out = item.clone();
    for name in view.hidden(&target) {
        out.shift_remove(name);
    }
    view.shows(&target).then_some(out)
}

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
    let view = enforcer.view(&SUBNETS, &admin);
    assert!(!view.is_all() && !view.depends_on_target());
    let shown = seen(&view, &subnet, None).expect("seen");
    assert_eq!(serde_json::Value::Object(shown), json!({"id": "s", "project_id": "p"}));
}

#[test]
fn members_see_their_own_without_the_provider() {
    let enforcer = defaults();
    let ctx = member();
    let view = enforcer.view(&NETWORKS, &ctx);
    let networks = [
        attrs(json!({"id": "1", "project_id": "p", "provider:network_type": "vxlan", "tags": []})),
        attrs(json!({"id": "2", "project_id": "q", "provider:network_type": "vxlan", "tags": []})),
        attrs(json!({"id": "3", "project_id": "q", "router:external": true, "tags": []})),
    ];
    let shown: Vec<Attrs> = networks.iter().filter_map(|n| seen(&view, n, None)).collect();
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
    let shown = seen(&enforcer.view(&PORTS, &ctx), &port, None).expect("own");
    let keys: Vec<&str> = shown.keys().map(String::as_str).collect();
    assert_eq!(keys, ["id", "project_id", "binding:vnic_type", "tags"]);
    let service = caller("s", &["service"]);
    let shown = seen(&enforcer.view(&PORTS, &service), &port, None).expect("services see all");
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
    let shown = seen(&view, &port, Some(&network)).expect("seen");
    assert_eq!(shown["tags"], json!(["t"]));
    assert_eq!(seen(&view, &port, None), None);
}

#[test]
fn attribute_rules_that_look_at_the_resource_are_asked_for_each() {
    let enforcer = with_file("\"get_network:mtu\": \"field:networks:shared=True\"\n");
    let ctx = member();
    let view = enforcer.view(&NETWORKS, &ctx);
    let items = [
        attrs(json!({"id": "1", "project_id": "p", "shared": true, "mtu": 1})),
        attrs(json!({"id": "2", "project_id": "p", "shared": false, "mtu": 1})),
    ];
    let shown: Vec<Attrs> = items.iter().filter_map(|n| seen(&view, n, None)).collect();
    assert_eq!(shown[0].get("mtu"), Some(&json!(1)));
    assert_eq!(shown[1].get("mtu"), None);
    let admin = Context::admin();
    assert_eq!(enforcer.view(&NETWORKS, &admin).hidden(&Target::new(&items[1])), ["mtu"]);
}
