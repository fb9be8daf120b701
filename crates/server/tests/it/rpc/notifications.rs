//! What agents are told.

use std::{collections::BTreeMap, sync::Arc};

use neutrino_ml2::notifier::AgentNotifier;
use neutrino_rpc::shapes::{FdbNetwork, FdbPort, FdbUpdate};
use neutrino_services::Changes;
use neutrino_types::{Attrs, NetworkType};
use serde_json::json;

use super::{Server, devices::Scripted, versions};

const TOPICS: [&str; 7] = [
    "q-agent-notifier-port-update",
    "q-agent-notifier-port-delete",
    "q-agent-notifier-network-update",
    "q-agent-notifier-network-delete",
    "q-agent-notifier-tunnel-update",
    "q-agent-notifier-tunnel-delete",
    "q-agent-notifier-l2population-update",
];

#[tokio::test]
async fn notifications_carry_neutrons_names_versions_and_arguments() {
    let server = Server::start(Arc::new(Scripted::default())).await;
    let agent = server.agent("compute0", &TOPICS).await;
    let notifier = server.handle.bus().notifier(Changes::new(versions()));
    let resource = |id: &str| -> Attrs { json!({ "id": id }).as_object().expect("object").clone() };
    notifier.port_update(&resource("p"), NetworkType::Vlan, Some(5), Some("physnet1")).await;
    notifier.port_delete("p2").await;
    notifier.network_update(&resource("n")).await;
    notifier.network_delete("n2").await;
    notifier.tunnel_update("10.0.0.1", NetworkType::Vxlan).await;
    notifier.tunnel_delete("10.0.0.2", NetworkType::Gre).await;
    let got = agent.received(6).await;
    let seen: Vec<_> =
        got.into_iter().map(|r| (r.method, r.version.unwrap_or_default(), json!(r.args))).collect();
    let wanted = [
        (
            "port_update",
            "1.0",
            json!({ "port": { "id": "p" }, "network_type": "vlan", "segmentation_id": 5,
                    "physical_network": "physnet1" }),
        ),
        ("port_delete", "1.0", json!({ "port_id": "p2" })),
        ("network_update", "1.4", json!({ "network": { "id": "n" } })),
        ("network_delete", "1.0", json!({ "network_id": "n2" })),
        ("tunnel_update", "1.0", json!({ "tunnel_ip": "10.0.0.1", "tunnel_type": "vxlan" })),
        ("tunnel_delete", "1.0", json!({ "tunnel_ip": "10.0.0.2", "tunnel_type": "gre" })),
    ];
    assert_eq!(seen, wanted.map(|(m, v, a)| (m.to_string(), v.to_string(), a)));
}

#[tokio::test]
async fn forwarding_entries_go_to_all_or_to_one_host() {
    let server = Server::start(Arc::new(Scripted::default())).await;
    let one = server.agent("compute0", &TOPICS).await;
    let other = server.agent("compute1", &TOPICS).await;
    let notifier = server.handle.bus().notifier(Changes::new(versions()));
    let ports = BTreeMap::from([("10.0.0.1".to_string(), vec![FdbPort::flooding()])]);
    let network = FdbNetwork { segment_id: 5, network_type: "vxlan".into(), ports };
    let entries = BTreeMap::from([("n".to_string(), network)]);
    notifier.add_fdb_entries(&entries, Some("compute1")).await;
    notifier.remove_fdb_entries(&entries, None).await;
    notifier.update_fdb_entries(&FdbUpdate::default(), None).await;
    let got = other.received(3).await;
    assert_eq!(got[0].method, "add_fdb_entries");
    let wanted = json!({ "n": { "segment_id": 5, "network_type": "vxlan",
        "ports": { "10.0.0.1": [["00:00:00:00:00:00", "0.0.0.0"]] } } });
    assert_eq!(got[0].args["fdb_entries"], wanted);
    let methods: Vec<_> = one.received(2).await.into_iter().map(|r| r.method).collect();
    assert_eq!(methods, ["remove_fdb_entries", "update_fdb_entries"]);
}
