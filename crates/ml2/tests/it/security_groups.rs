//! Default groups, who hears of members, and what agents are answered about groups.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Resource, Subscriber, veto};
use neutrino_db::security_groups::{self as rows, Group, Rule, Traffic};
use neutrino_types::{ApiResult, Attrs};
use serde_json::json;

use crate::common::{Cloud, cloud, text};

fn groups(port: &Attrs) -> Vec<String> {
    let list = port["security_groups"].as_array().expect("list");
    list.iter().map(|g| g.as_str().expect("text").to_string()).collect()
}

/// A group of the test's project with these rules.
async fn group(cloud: &Cloud, rules: Vec<Traffic>) -> String {
    let mut group = Group::new("p1", "g");
    group.rules = rules.into_iter().map(|t| Rule::new("p1", &group.id, t)).collect();
    let tx = cloud.db.begin().await.expect("transaction");
    tx.execute_batch(rows::insert(std::slice::from_ref(&group))).await.expect("stored");
    tx.commit().await.expect("committed");
    group.id
}

fn ingress(remote: &str) -> Traffic {
    Traffic {
        direction: "ingress".into(),
        ethertype: "IPv4".into(),
        remote_group_id: Some(remote.into()),
        ..Traffic::default()
    }
}

#[tokio::test]
async fn agents_hear_of_members_that_come_change_and_go() {
    let cloud = cloud().await;
    let (network, _) = cloud.net("n", "10.0.0.0/24").await;
    let other = group(&cloud, Vec::new()).await;
    let port = json!({"network_id": network, "fixed_ips": [{"ip_address": "10.0.0.5"}]});
    let port = cloud.port(port).await.expect("port");
    let default = groups(&port);
    assert_eq!(cloud.told.members(), std::slice::from_ref(&default));
    let id = text(&port, "id");
    let both: BTreeSet<String> = default.iter().cloned().chain([other.clone()]).collect();
    for (change, wanted) in [
        (json!({"name": "x"}), None),
        (json!({"security_groups": default}), None),
        (json!({"fixed_ips": [{"ip_address": "10.0.0.9"}]}), Some(default.clone())),
        (json!({"allowed_address_pairs": [{"ip_address": "10.9.0.1"}]}), Some(default.clone())),
        (json!({"mac_address": "fa:16:3e:00:00:01"}), Some(default.clone())),
        (json!({"security_groups": [other]}), Some(both.into_iter().collect())),
        (json!({"device_owner": "network:dhcp"}), None),
    ] {
        cloud.update_port(&id, change.clone()).await.expect("update");
        assert_eq!(cloud.told.members(), Vec::from_iter(wanted), "{change}");
    }
    cloud.update_port(&id, json!({"device_owner": ""})).await.expect("update");
    cloud.plugin.ports().delete(&cloud.ctx, &id, None).await.expect("delete");
    assert_eq!(cloud.told.members(), [[other]]);
    let items = vec![json!({"network_id": network}).as_object().expect("object").clone(); 10];
    cloud.plugin.ports().create(&cloud.ctx, items).await.expect("bulk");
    assert_eq!(cloud.told.members(), [default], "one message about all");
}

#[tokio::test]
async fn agents_are_answered_rules_and_members() {
    let cloud = cloud().await;
    let (network, _) = cloud.net("n", "10.0.0.0/24").await;
    let remote = group(&cloud, Vec::new()).await;
    let web = Traffic {
        protocol: Some("tcp".into()),
        port_range_min: Some(80),
        port_range_max: Some(80),
        remote_ip_prefix: Some("10.1.2.3/16".into()),
        remote_group_id: None,
        ..ingress("")
    };
    let egress = Traffic { direction: "egress".into(), ..web.clone() };
    let g = group(&cloud, vec![ingress(&remote), web, egress]).await;
    let port = cloud.port(json!({
        "network_id": network, "security_groups": [g], "fixed_ips": [{"ip_address": "10.0.0.5"}]}));
    let port = text(&port.await.expect("port"), "id");
    cloud
        .port(json!({"network_id": network, "security_groups": [remote],
                     "fixed_ips": [{"ip_address": "10.0.0.6"}], "mac_address": "fa:16:3e:00:00:06",
                     "allowed_address_pairs": [{"ip_address": "10.9.0.0/24"}]}))
        .await
        .expect("member");
    let mut devices = vec![port[..11].to_string(), "nothing".into()];
    for left_out in [
        json!({"network_id": network, "port_security_enabled": false}),
        json!({"network_id": network, "device_owner": "network:dhcp"}),
    ] {
        devices.push(text(&cloud.port(left_out).await.expect("port"), "id"));
    }
    let info = cloud.plugin.security_group_info(&cloud.ctx, &devices).await.expect("info");
    let info = serde_json::to_value(info).expect("JSON");
    assert_eq!(info["devices"].as_object().map(serde_json::Map::len), Some(1), "{info}");
    let device = &info["devices"][&port];
    assert_eq!(device["security_groups"], json!([g]));
    assert_eq!(device["security_group_source_groups"], json!([remote]));
    assert_eq!(device["fixed_ips"], json!(["10.0.0.5"]));
    let dhcp = |port: u16, server: u16, ethertype: &str, to: &str| {
        json!({"direction": "ingress", "ethertype": ethertype, "protocol": "udp",
               "port_range_min": port, "port_range_max": port, "source_port_range_min": server,
               "source_port_range_max": server, "dest_ip_prefix": to})
    };
    assert_eq!(
        device["security_group_rules"],
        json!([
            dhcp(68, 67, "IPv4", "10.0.0.5/32"),
            dhcp(68, 67, "IPv4", "255.255.255.255/32"),
            dhcp(546, 547, "IPv6", "fe80::/64"),
        ])
    );
    let rules = info["security_groups"][&g].as_array().expect("rules");
    assert_eq!(info["security_groups"].as_object().map(serde_json::Map::len), Some(1));
    for wanted in [
        json!({"direction": "ingress", "ethertype": "IPv4", "remote_group_id": remote,
               "stateful": true}),
        json!({"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
               "port_range_min": 80, "port_range_max": 80, "source_ip_prefix": "10.1.0.0/16",
               "stateful": true}),
        json!({"direction": "egress", "ethertype": "IPv4", "protocol": "tcp",
               "port_range_min": 80, "port_range_max": 80, "dest_ip_prefix": "10.1.0.0/16",
               "stateful": true}),
    ] {
        assert!(rules.contains(&wanted), "{wanted} of {rules:?}");
    }
    assert_eq!(
        info["sg_member_ips"],
        json!({remote: {"IPv4": [["10.0.0.6", null], ["10.9.0.0/24", "fa:16:3e:00:00:06"]]}})
    );

    let old = cloud.plugin.security_group_rules(&cloud.ctx, &devices).await.expect("rules");
    let rules = &old[&port].security_group_rules;
    let prefixes: Vec<&str> = rules
        .iter()
        .filter(|r| r.remote_group_id.is_some())
        .filter_map(|r| r.source_ip_prefix.as_deref())
        .collect();
    assert_eq!(prefixes, ["10.0.0.6/32", "10.9.0.0/24"]);
}

#[tokio::test]
async fn what_agents_ask_costs_the_same_for_1_and_for_200_devices() {
    let cloud = cloud().await;
    let (network, _) = cloud.net("n", "10.0.0.0/16").await;
    let mut costs = Vec::new();
    for count in [1, 199] {
        let item = json!({"network_id": network, "allowed_address_pairs": [
            {"ip_address": "10.9.0.0/24"}]});
        let items = vec![item.as_object().expect("object").clone(); count];
        cloud.plugin.ports().create(&cloud.ctx, items).await.expect("bulk");
        let list = cloud.plugin.ports().list(&cloud.ctx, &crate::common::all()).await;
        let devices: Vec<String> = list.expect("list").iter().map(|p| text(p, "id")).collect();
        let before = cloud.db.counts();
        let info = cloud.plugin.security_group_info(&cloud.ctx, &devices).await.expect("info");
        assert_eq!(info.devices.len(), devices.len());
        costs.push((cloud.db.counts() - before).total());
    }
    assert_eq!(costs, [8, 8]);
}

struct Refuses;

#[async_trait]
impl Subscriber for Refuses {
    fn name(&self) -> &'static str {
        "refuses"
    }

    async fn before(&self, _: Resource, _: Action, payload: &Payload<'_>) -> ApiResult<()> {
        assert_eq!(payload.request.expect("a request")["name"], "default");
        Err(veto("not today"))
    }
}

#[tokio::test]
async fn a_default_group_may_be_vetoed() {
    let cloud = cloud().await;
    let refuses = Arc::new(Refuses);
    cloud.registry.subscribe(Resource::SecurityGroup, Phase::Before, Action::Create, refuses);
    let error = cloud.network(json!({"name": "n"})).await.expect_err("vetoed");
    assert_eq!((error.kind, error.status), ("SecurityGroupConflict", 409));
    assert_eq!(
        error.message,
        "Error cannot perform before_create due to not today while attempting the operation."
    );
}
