use neutrino_dataplane::firewall::{Remote, Rule};
use serde_json::{Value, json};

use super::*;

fn info(value: Value) -> SecurityGroupInfo {
    serde_json::from_value(value).expect("of the shape")
}

fn tcp(remote: &str) -> Value {
    json!({"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 22,
           "port_range_max": 22, "remote_group_id": remote, "stateful": true})
}

/// Ports a and b are in `web`, whose rules name `lb`; port c is in `db`, whose rules name `web`.
fn three_ports() -> SecurityGroups {
    let mut groups = SecurityGroups::default();
    groups.learn(info(json!({
        "devices": {"a": {"security_groups": ["web"]}, "b": {"security_groups": ["web"]},
                    "c": {"security_groups": ["db"]}},
        "security_groups": {"web": [tcp("lb")], "db": [tcp("web")]},
        "sg_member_ips": {"lb": {"IPv4": [["10.0.0.9", "fa:16:3e:00:00:09"]], "IPv6": []},
                          "web": {"IPv4": [["10.0.0.1", null], ["10.0.0.2", null]]}}
    })));
    groups
}

fn addresses(groups: &SecurityGroups, remote: &str) -> Vec<String> {
    let members = groups.known().members.get(remote).into_iter().flatten();
    members.map(|member| member.address.to_string()).collect()
}

#[test]
fn one_port_is_asked_for_a_changed_group_and_none_for_foreign_ones() {
    let mut groups = three_ports();
    groups.members_updated(vec!["web".into(), "nobody's".into()]);
    assert_eq!(groups.ask(), ["c"]);
    assert!(!groups.settled());
    groups.answered(
        &["c".into()],
        info(json!({"devices": {"c": {"security_groups": ["db"]}},
                    "security_groups": {"db": [tcp("web")]},
                    "sg_member_ips": {"web": {"IPv4": [["10.0.0.2", null]]}}})),
    );
    assert!(groups.settled());
    assert_eq!(addresses(&groups, "web"), ["10.0.0.2/32"]);
    groups.rules_updated(vec!["web".into()]);
    assert_eq!(groups.ask(), ["a"]);
}

#[test]
fn one_port_serves_several_groups() {
    let mut groups = three_ports();
    groups.rules_updated(vec!["web".into()]);
    groups.members_updated(vec!["lb".into()]);
    assert_eq!(groups.ask(), ["a"]);
}

#[test]
fn answers_have_the_ip_versions_of_the_asked_ports_own_rules() {
    let v6 = json!({"direction": "ingress", "ethertype": "IPv6", "remote_group_id": "r"});
    let mut groups = SecurityGroups::default();
    groups.learn(info(json!({
        "devices": {"a": {"security_groups": ["four"]}, "b": {"security_groups": ["six"]}},
        "security_groups": {"four": [tcp("r")], "six": [v6]},
        "sg_member_ips": {"r": {"IPv4": [["10.0.0.1", null]], "IPv6": [["2001:db8::1", null]]}}
    })));
    groups.members_updated(vec!["r".into()]);
    assert_eq!(groups.ask(), ["a", "b"]);
    // A port that is asked for alone says nothing of the other version.
    groups.learn(info(json!({"devices": {"b": {"security_groups": ["six"]}},
                             "security_groups": {"six": [v6]},
                             "sg_member_ips": {"r": {"IPv6": []}}})));
    assert_eq!(addresses(&groups, "r"), ["10.0.0.1/32"]);
}

#[test]
fn port_of_another_host_that_changed_is_compared_with_the_members_of_its_groups() {
    let port = |group: &str, mac: &str, pairs: Value| {
        let port = json!({"id": "z", "security_groups": [group], "mac_address": mac,
            "fixed_ips": [{"ip_address": "10.0.0.9"}, {"ip_address": "2001:db8::9"}],
            "allowed_address_pairs": pairs});
        port.as_object().expect("object").clone()
    };
    let told = |port: Attrs| {
        let mut groups = three_ports();
        groups.port_updated("z".into(), &port);
        let asked = groups.ask();
        assert_eq!(groups.settled(), asked.is_empty());
        asked
    };
    let same = "fa:16:3e:00:00:09";
    let none: [&str; 0] = [];
    // Rules that name the group are of IPv4 only.
    assert_eq!(told(port("lb", same, json!([]))), none);
    assert_eq!(told(port("nobody's", same, json!([]))), none);
    let pair = json!([{"ip_address": "10.9.0.0/24", "mac_address": "fa:16:3e:00:00:77"}]);
    assert_eq!(told(port("lb", same, pair)), ["a"]);
    assert_eq!(told(port("lb", "fa:16:3e:00:00:10", json!([]))), ["a"]);
    let mut without = port("lb", same, json!([]));
    without.insert("fixed_ips".into(), json!([]));
    assert_eq!(told(without), ["a"]);
}

#[test]
fn port_that_changed_while_an_answer_is_awaited_is_compared_with_it() {
    let mut groups = three_ports();
    groups.members_updated(vec!["lb".into()]);
    assert_eq!(groups.ask(), ["a"]);
    let mac = "fa:16:3e:00:00:10";
    let port = json!({"security_groups": ["lb"], "mac_address": mac,
        "fixed_ips": [{"ip_address": "10.0.0.10"}]});
    groups.port_updated("z".into(), port.as_object().expect("object"));
    let members = json!([["10.0.0.9", "fa:16:3e:00:00:09"], ["10.0.0.10", mac]]);
    groups.answered(
        &["a".into()],
        info(json!({"devices": {"a": {"security_groups": ["web"]}},
                    "security_groups": {"web": [tcp("lb")]},
                    "sg_member_ips": {"lb": {"IPv4": members}}})),
    );
    assert!(groups.ask().is_empty() && groups.settled());
}

#[test]
fn failed_call_is_made_again() {
    let mut groups = three_ports();
    groups.rules_updated(vec!["web".into()]);
    groups.ask();
    groups.ask_failed();
    assert_eq!(groups.ask(), ["a"]);
}

#[test]
fn port_the_server_does_not_know_is_replaced_by_another() {
    let mut groups = three_ports();
    groups.rules_updated(vec!["web".into()]);
    assert_eq!(groups.ask(), ["a"]);
    assert_eq!(groups.answered(&["a".into()], SecurityGroupInfo::default()), ["a"]);
    assert_eq!(groups.ask(), ["b"]);
    assert_eq!(groups.answered(&["b".into()], SecurityGroupInfo::default()), ["b"]);
    assert!(groups.ask().is_empty() && groups.settled());
}

#[test]
fn port_that_has_moved_to_another_group_is_asked_in_vain() {
    let mut groups = three_ports();
    groups.members_updated(vec!["lb".into()]);
    assert_eq!(groups.ask(), ["a"]);
    let moved = info(json!({"devices": {"a": {"security_groups": ["alone"]}},
                            "security_groups": {"alone": []}}));
    assert!(groups.answered(&["a".into()], moved).is_empty() && !groups.settled());
    assert_eq!(groups.ask(), ["b"]);
}

#[test]
fn what_no_port_uses_is_forgotten() {
    let mut groups = three_ports();
    groups.retain(|id| id != "c");
    let kept: Vec<&String> = groups.known().members.keys().collect();
    assert_eq!((groups.known().groups.len(), kept), (1, vec![&"lb".to_string()]));
}

#[test]
fn remote_group_without_members_is_empty_and_group_without_rules_allows_nothing() {
    let mut groups = three_ports();
    groups.learn(info(json!({"devices": {"c": {"security_groups": ["db", "gone"]}},
                             "security_groups": {"db": [tcp("web")]}})));
    assert!(addresses(&groups, "web").is_empty());
    assert!(groups.known().groups["gone"].rules.is_empty());
}

fn rules_of(shape: Value) -> Vec<Rule> {
    let mut groups = SecurityGroups::default();
    groups.learn(info(json!({"devices": {"p": {"security_groups": ["g"]}},
                             "security_groups": {"g": [shape]}})));
    groups.known().groups["g"].rules.iter().cloned().collect()
}

#[test]
fn rules_mean_what_they_say() {
    let rules = rules_of(json!({"direction": "egress", "ethertype": "IPv6", "protocol": "icmp",
                                "port_range_min": 128, "dest_ip_prefix": "2001:db8::/32"}));
    assert_eq!(rules[0].protocol, Some(58));
    assert_eq!(rules[0].ethertype, Ethertype::V6);
    assert_eq!((rules[0].port_min, rules[0].port_max), (Some(128), None));
    let net = "2001:db8::/32".parse().expect("valid");
    assert_eq!(rules[0].remote, Remote::Prefix(net));
    let any = rules_of(json!({"direction": "ingress", "ethertype": "IPv4", "protocol": "any"}));
    assert_eq!(any[0].protocol, None);
}

#[test]
fn malformed_rules_are_left_out_and_never_widened() {
    let good = json!({"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
                      "port_range_min": 80, "port_range_max": 81, "source_ip_prefix": "10.0.0.0/8"});
    assert_eq!(rules_of(good.clone()).len(), 1);
    for (key, value) in [
        ("direction", json!("sideways")),
        ("ethertype", json!("IPX")),
        ("ethertype", json!("IPv6")),
        ("protocol", json!("carrier-pigeon")),
        ("protocol", json!("300")),
        // Ports that would be ignored.
        ("protocol", json!("gre")),
        ("protocol", Value::Null),
        ("port_range_min", json!(70_000)),
        ("port_range_min", json!(82)),
        ("port_range_min", Value::Null),
        ("port_range_max", Value::Null),
        ("source_ip_prefix", json!("10.0.0.0/33")),
        ("source_ip_prefix", json!("2001:db8::/32")),
        ("dest_ip_prefix", json!("10.0.0.0/8")),
        ("remote_group_id", json!("both")),
        ("source_port_range_min", json!(53)),
    ] {
        let mut bad = good.clone();
        bad[key] = value.clone();
        assert_eq!(rules_of(bad), [], "{key} = {value}");
    }
    let icmp = json!({"direction": "ingress", "ethertype": "IPv4", "protocol": "icmp",
                      "port_range_min": 256});
    assert_eq!(rules_of(icmp), []);
}

#[test]
fn malformed_members_are_left_out() {
    let mut groups = SecurityGroups::default();
    groups.learn(info(json!({
        "devices": {"p": {"security_groups": ["g"]}},
        "security_groups": {"g": [tcp("r")]},
        "sg_member_ips": {"r": {
            "IPv4": [["10.0.0.1", "fa:16:3e:00:00:01"], ["10.0.0", null], ["::1", null],
                     ["0.0.0.0/0", "no mac"]],
            "IPX": [["10.0.0.2", null]]}}
    })));
    let mac = "fa:16:3e:00:00:01".parse().ok();
    let address = "10.0.0.1/32".parse().expect("valid");
    assert_eq!(groups.known().members["r"], [Address { address, mac }].into());
}
