//! What Nova is told of each change: `tests/cases/nova/<case>/change.json` in, `events.json` out
//! (`NEUTRINO_UPDATE_GOLDENS=1` rewrites it). Of floating IPs: the ports whose instances are told.

use std::path::Path;

use neutrino_callbacks::Action;
use neutrino_services::nova::events::{
    Change, Wanted, of_port, of_port_wired_elsewhere, ports_of_floating_ip,
};
use neutrino_types::Attrs;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Case {
    wanted: Wanted,
    resource: String,
    action: String,
    by_user: bool,
    original: Option<Attrs>,
    current: Option<Attrs>,
}

fn told(case: &Case) -> Value {
    let action = match case.action.as_str() {
        "create" => Action::Create,
        "update" => Action::Update,
        _ => Action::Delete,
    };
    let (original, current) = (case.original.as_ref(), case.current.as_ref());
    let change = Change { action, original, current, by_user: case.by_user };
    match case.resource.as_str() {
        "port" => json!(of_port(case.wanted, &change)),
        "floatingip" => json!({"changed_ports": ports_of_floating_ip(case.wanted, &change)}),
        _ => json!(current.and_then(|port| of_port_wired_elsewhere(case.wanted, port))),
    }
}

#[test]
fn events_of_every_change() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/nova");
    let update = std::env::var_os("NEUTRINO_UPDATE_GOLDENS").is_some_and(|v| v == "1");
    let mut count = 0;
    for entry in std::fs::read_dir(&cases).expect("cases") {
        let dir = entry.expect("case").path();
        let text = std::fs::read_to_string(dir.join("change.json")).expect("change.json");
        let case = serde_json::from_str(&text).expect("a change");
        let told = format!("{:#}\n", told(&case));
        let expected = dir.join("events.json");
        if update {
            std::fs::write(&expected, told).expect("write");
        } else {
            let expected = std::fs::read_to_string(expected).expect("events.json");
            assert_eq!(told, expected, "{}", dir.display());
        }
        count += 1;
    }
    assert!(count >= 30, "{count} cases");
}
