//! Networks: segments, MTU, sharing, updates, deletion.

use neutrino_types::ListQuery;
use serde_json::{Value, json};

use crate::common::{all, attrs, cloud, cloud_on, cloud_with, config, member, text};

#[tokio::test]
async fn a_project_network_gets_a_segment_and_its_mtu() {
    let cloud = cloud().await;
    let network = cloud.network(json!({"name": "n"})).await.expect("network");
    assert_eq!(network["provider:network_type"], "vxlan");
    assert!(network["provider:segmentation_id"].as_u64().is_some());
    assert_eq!(network["mtu"], 1450);
    assert_eq!(network["revision_number"], 1);
    let got = cloud.plugin.networks().get(&cloud.ctx, &text(&network, "id")).await;
    assert_eq!(got.expect("network"), network);
    let keys: Vec<&str> = network.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "id",
            "name",
            "tenant_id",
            "admin_state_up",
            "mtu",
            "status",
            "subnets",
            "shared",
            "project_id",
            "port_security_enabled",
            "availability_zone_hints",
            "availability_zones",
            "ipv4_address_scope",
            "ipv6_address_scope",
            "router:external",
            "description",
            "tags",
            "created_at",
            "updated_at",
            "revision_number",
            "provider:network_type",
            "provider:physical_network",
            "provider:segmentation_id",
        ]
    );
}

#[tokio::test]
async fn types_are_tried_in_order_until_none_is_left() {
    let mut config = config();
    config.project_network_types =
        vec![neutrino_types::NetworkType::Vlan, neutrino_types::NetworkType::Gre];
    config.gre_ranges = neutrino_ml2::ranges::IdRanges::parse(
        neutrino_ml2::ranges::GRE_SPACE,
        &["7:8".to_string()],
    )
    .expect("valid");
    let cloud = cloud_with(config).await;
    let mut got = Vec::new();
    for _ in 0..5 {
        let n = cloud.network(json!({"name": "n"})).await.expect("network");
        got.push((text(&n, "provider:network_type"), n["provider:segmentation_id"].clone()));
    }
    got.sort_by_key(|(t, id)| (t.clone(), id.as_u64()));
    let expected: Vec<(String, Value)> =
        [("gre", 7), ("gre", 8), ("vlan", 100), ("vlan", 101), ("vlan", 102)]
            .into_iter()
            .map(|(t, id)| (t.to_string(), json!(id)))
            .collect();
    assert_eq!(got, expected);
    let error = cloud.network(json!({"name": "n"})).await.expect_err("exhausted");
    assert_eq!((error.kind, error.status), ("NoNetworkAvailable", 503));
    // A deleted network's segment is free again.
    let list = cloud.plugin.networks().list(&cloud.ctx, &all()).await.expect("list");
    cloud.plugin.networks().delete(&cloud.ctx, &text(&list[0], "id"), None).await.expect("delete");
    let again = cloud.network(json!({"name": "n"})).await.expect("network");
    assert_eq!(again["provider:segmentation_id"], list[0]["provider:segmentation_id"]);
}

#[tokio::test]
async fn provider_attributes_are_checked_and_reserved() {
    let cloud = cloud().await;
    let make = |t: &str, physnet: Value, id: Value| {
        json!({"name": "n", "provider:network_type": t, "provider:physical_network": physnet,
               "provider:segmentation_id": id})
    };
    let ok = cloud.network(make("vlan", json!("physnet1"), json!(200))).await.expect("network");
    assert_eq!((&ok["provider:segmentation_id"], &ok["mtu"]), (&json!(200), &json!(1500)));
    let cases = [
        (make("vlan", json!("physnet1"), json!(200)), "VlanIdInUse", 409),
        (make("vlan", json!("physnet1"), json!(4095)), "InvalidInput", 400),
        (make("vlan", json!("nope"), json!(5)), "InvalidInput", 400),
        (make("vlan", Value::Null, json!(5)), "InvalidInput", 400),
        (make("vxlan", json!("physnet1"), Value::Null), "InvalidInput", 400),
        (make("vxlan", Value::Null, json!(16_777_216)), "InvalidInput", 400),
        (make("flat", Value::Null, Value::Null), "InvalidInput", 400),
        (make("flat", json!("physnet1"), json!(5)), "InvalidInput", 400),
        (make("token-ring", Value::Null, Value::Null), "InvalidInput", 400),
        (json!({"name": "n", "provider:segmentation_id": 5}), "InvalidInput", 400),
        (json!({"name": "n", "mtu": 9000}), "InvalidInput", 400),
    ];
    for (body, kind, status) in cases {
        let error = cloud.network(body.clone()).await.expect_err("refused");
        assert_eq!((error.kind, error.status), (kind, status), "{body}: {}", error.message);
    }
    cloud.network(make("flat", json!("physnet1"), Value::Null)).await.expect("network");
    let error =
        cloud.network(make("flat", json!("physnet1"), Value::Null)).await.expect_err("in use");
    assert_eq!(error.kind, "FlatNetworkInUse");
    cloud.network(make("gre", Value::Null, json!(77))).await.expect("network");
    let error = cloud.network(make("gre", Value::Null, json!(77))).await.expect_err("in use");
    assert_eq!(error.message, "Unable to create the network. The tunnel ID 77 is in use.");
    // Nothing of the refused ones is left.
    let list = cloud.plugin.networks().list(&cloud.ctx, &all()).await.expect("list");
    assert_eq!(list.len(), 3);
}

#[tokio::test]
async fn several_segments_make_a_multi_provider_network() {
    let cloud = cloud().await;
    let body = json!({"name": "n", "segments": [
        {"provider:network_type": "vlan", "provider:physical_network": "physnet1",
         "provider:segmentation_id": 300},
        {"provider:network_type": "vxlan"},
    ]});
    let network = cloud.network(body).await.expect("network");
    assert_eq!(network["segments"][0]["provider:segmentation_id"], 300);
    assert_eq!(network["segments"][1]["provider:network_type"], "vxlan");
    assert_eq!(network["mtu"], 1450);
    assert!(!network.contains_key("provider:network_type"));
}

#[tokio::test]
async fn a_restart_with_a_whole_vni_space_is_quick_and_changes_nothing() {
    let cloud = cloud().await;
    let network = cloud.network(json!({"name": "n"})).await.expect("network");
    let before = cloud.db.counts();
    let again = cloud_on(cloud.db.clone(), config()).await;
    assert!((cloud.db.counts() - before).total() < 10);
    let got = again.plugin.networks().get(&again.ctx, &text(&network, "id")).await;
    assert_eq!(got.expect("network"), network);
}

#[tokio::test]
async fn visibility_follows_ownership_sharing_and_external() {
    let cloud = cloud().await;
    let make = |body: Value| cloud.network(body);
    make(json!({"name": "own", "project_id": "a"})).await.expect("network");
    make(json!({"name": "other", "project_id": "b"})).await.expect("network");
    let shared =
        make(json!({"name": "shared", "project_id": "b", "shared": true})).await.expect("network");
    make(json!({"name": "ext", "project_id": "b", "router:external": true}))
        .await
        .expect("network");
    let names = async |query: ListQuery| {
        let list = cloud.plugin.networks().list(&member("a"), &query).await.expect("list");
        let mut names: Vec<String> = list.iter().map(|n| text(n, "name")).collect();
        names.sort();
        names
    };
    assert_eq!(names(all()).await, ["ext", "own", "shared"]);
    assert_eq!(names(ListQuery::filter("shared", [true])).await, ["shared"]);
    assert_eq!(names(ListQuery::filter("router:external", [true])).await, ["ext"]);
    assert_eq!(names(ListQuery::filter("name", ["own", "other"])).await, ["own"]);
    let id = text(&shared, "id");
    let got = cloud.plugin.networks().get(&member("a"), &id).await.expect("network");
    assert_eq!(got["shared"], true);
    let unshare = attrs(json!({"shared": false}));
    cloud.plugin.networks().update(&cloud.ctx, &id, unshare, None).await.expect("update");
    let error = cloud.plugin.networks().get(&member("a"), &id).await.expect_err("hidden");
    assert_eq!((error.kind, error.status), ("NetworkNotFound", 404));
    let vni = ListQuery::filter("provider:network_type", ["vlan"]);
    assert!(cloud.plugin.networks().list(&cloud.ctx, &vni).await.expect("list").is_empty());
}

#[tokio::test]
async fn updates_bump_the_revision_and_respect_if_match() {
    let cloud = cloud().await;
    let network = cloud.network(json!({"name": "n"})).await.expect("network");
    let id = text(&network, "id");
    let networks = cloud.plugin.networks();
    let rename = attrs(json!({"name": "m", "description": "d"}));
    let updated = networks.update(&cloud.ctx, &id, rename.clone(), Some(1)).await.expect("update");
    assert_eq!((&updated["name"], &updated["revision_number"]), (&json!("m"), &json!(2)));
    let same = networks.update(&cloud.ctx, &id, rename, None).await.expect("update");
    assert_eq!(same["revision_number"], 2);
    let error = networks
        .update(&cloud.ctx, &id, attrs(json!({"name": "x"})), Some(1))
        .await
        .expect_err("stale");
    assert_eq!(error.status, 412);
    assert_eq!(networks.delete(&cloud.ctx, &id, Some(1)).await.expect_err("stale").status, 412);
    let mtu = networks.update(&cloud.ctx, &id, attrs(json!({"mtu": 1400})), None).await;
    assert_eq!(mtu.expect("update")["mtu"], 1400);
    assert_eq!(cloud.told.kinds(), ["network_update"]);
}

#[tokio::test]
async fn a_network_in_use_stays_and_an_empty_one_goes_with_its_subnets() {
    let cloud = cloud().await;
    let (id, _) = cloud.net("n", "10.0.0.0/24").await;
    let port = cloud.port(json!({"network_id": id})).await.expect("port");
    let networks = cloud.plugin.networks();
    let error = networks.delete(&cloud.ctx, &id, None).await.expect_err("in use");
    assert_eq!((error.kind, error.status), ("NetworkInUse", 409));
    assert!(error.message.ends_with(&format!("id for these ports is: {}.", text(&port, "id"))));
    cloud.plugin.ports().delete(&cloud.ctx, &text(&port, "id"), None).await.expect("delete");
    let dhcp = json!({"network_id": id, "device_owner": "network:dhcp"});
    cloud.port(dhcp).await.expect("port");
    networks.delete(&cloud.ctx, &id, None).await.expect("delete");
    let kinds = cloud.told.kinds();
    assert_eq!(kinds, ["port_delete", "port_delete", "network_delete"]);
    for plugin in [networks, cloud.plugin.subnets(), cloud.plugin.ports()] {
        assert!(plugin.list(&cloud.ctx, &all()).await.expect("list").is_empty());
    }
    let error = cloud.plugin.networks().delete(&cloud.ctx, &id, None).await.expect_err("gone");
    assert_eq!(error.message, format!("Network {id} could not be found."));
}

#[tokio::test]
async fn quotas_hold_in_bulk_and_leave_nothing_behind() {
    let mut config = config();
    config.quotas.limits.insert("network".into(), 3);
    let cloud = cloud_with(config).await;
    let items = |n: usize| vec![attrs(json!({"name": "n"})); n];
    let networks = cloud.plugin.networks();
    assert_eq!(networks.create(&cloud.ctx, items(2)).await.expect("two").len(), 2);
    let error = networks.create(&cloud.ctx, items(2)).await.expect_err("too many");
    assert_eq!(error.message, "Quota exceeded for resources: ['network'].");
    assert_eq!(networks.list(&cloud.ctx, &all()).await.expect("list").len(), 2);
}
