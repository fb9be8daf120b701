//! Security groups whose rules and members change while instances run.

use neutrino_lab::wait::wait_until;
use serde_json::{Value, json};

use super::Fleet;
use crate::cloud::{Cloud, HOSTS, Instance, SETTLE};

/// On each host an instance behind a group of its own: closed, opened by a rule, closed again,
/// opened to the members of a group, also to one that joins later or is given another address, and
/// to an address group whose addresses change.
pub fn rules_and_members_take_effect(fleet: &Fleet) {
    let cloud = &fleet.cloud;
    let [first, second, _] = &fleet.instances;
    let port = cloud.client.get(&format!("/v2.0/ports/{}", first.port_id)).expect("port");
    let default = port["port"]["security_groups"][0].clone();
    let group = cloud.create("security_group", json!({"name": "guarded"}))["id"].clone();
    let behind = json!({"security_groups": [group]});
    let guarded: Vec<Instance> = HOSTS
        .iter()
        .map(|host| fleet.boot(&fleet.net, &format!("guarded-{host}"), host, behind.clone()))
        .collect();
    // From each side at least one that other agents wire.
    let await_all = |from: &Instance, reachable: bool| {
        guarded.iter().for_each(|to| await_reach(cloud, from, to, reachable));
    };
    await_all(first, false);
    let prefix = rule(cloud, &group, json!({"remote_ip_prefix": "10.20.0.0/24"}));
    await_all(first, true);
    await_all(second, true);
    cloud.client.delete(&prefix).expect("rule deleted");
    await_all(first, false);
    let members = rule(cloud, &group, json!({"remote_group_id": default}));
    await_all(first, true);
    leave(cloud, first);
    await_all(first, false);
    join(cloud, first, &default);
    await_all(first, true);
    cloud.client.delete(&members).expect("rule deleted");
    await_all(first, false);
    address_groups_take_effect(fleet, &group, await_all);
    guarded.iter().for_each(|instance| cloud.remove(instance));
    let path = format!("/v2.0/security-groups/{}", group.as_str().expect("id"));
    cloud.client.delete(&path).expect("group deleted");
}

/// Pings come in from what an address group has at the time.
fn address_groups_take_effect(fleet: &Fleet, group: &Value, await_all: impl Fn(&Instance, bool)) {
    let Fleet { cloud, instances: [first, second, _], .. } = fleet;
    let made = cloud.create("address_group", json!({"name": "offices", "addresses": []}));
    let path = format!("/v2.0/address-groups/{}", made["id"].as_str().expect("id"));
    let change = |what: &str, instance: &Instance| {
        let body = json!({"addresses": [format!("{}/32", instance.ip)]});
        cloud.client.put(&format!("{path}/{what}_addresses"), &body).expect(what);
    };
    change("add", first);
    let rule = rule(cloud, group, json!({"remote_address_group_id": made["id"]}));
    await_all(first, true);
    await_all(second, false);
    change("add", second);
    await_all(second, true);
    change("remove", first);
    await_all(first, false);
    await_all(second, true);
    cloud.client.delete(&rule).expect("rule deleted");
    await_all(second, false);
    cloud.client.delete(&path).expect("address group deleted");
}

/// A rule that lets pings in; answers its path.
fn rule(cloud: &Cloud, group: &Value, remote: Value) -> String {
    let mut body = json!({"security_group_id": group, "direction": "ingress",
        "ethertype": "IPv4", "protocol": "icmp"});
    body.as_object_mut().expect("object").extend(remote.as_object().expect("object").clone());
    let made = cloud.create("security_group_rule", body);
    format!("/v2.0/security-group-rules/{}", made["id"].as_str().expect("id"))
}

/// Takes an instance out of all groups but one without rules of its own.
fn leave(cloud: &Cloud, instance: &Instance) {
    let alone = cloud.create("security_group", json!({"name": "alone"}))["id"].clone();
    cloud.update("port", &instance.port_id, json!({"security_groups": [alone]}));
}

/// Puts it back, and removes that group.
fn join(cloud: &Cloud, instance: &Instance, group: &Value) {
    cloud.update("port", &instance.port_id, json!({"security_groups": [group]}));
    for id in cloud.ids("security_group", "?name=alone") {
        cloud.client.delete(&format!("/v2.0/security-groups/{id}")).expect("group deleted");
    }
}

fn await_reach(cloud: &Cloud, from: &Instance, to: &Instance, reachable: bool) {
    let what = format!("{} reaching {}: {reachable}", from.name, to.name);
    wait_until(&what, SETTLE, || {
        let ping = ["ping", "-c", "1", "-W", "1", &to.ip];
        let output = cloud.lab.exec_instance(&from.name, &ping).expect("ping");
        let seen = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() == reachable { Ok(()) } else { Err(seen) }
    })
    .expect("as the rules say");
}
