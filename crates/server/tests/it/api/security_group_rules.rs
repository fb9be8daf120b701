//! `/v2.0/security-group-rules`.

use serde_json::{Value, json};

use crate::support::{
    client::{Answer, Client},
    server::{TestServer, assert_error, text},
};

async fn group(client: &Client, body: Value) -> Value {
    let answer = client.post("/v2.0/security-groups", &json!({"security_group": body})).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    answer.json()["security_group"].clone()
}

/// Asks for a rule of `group`, ingress unless `body` says otherwise.
async fn ask(client: &Client, group: &Value, body: Value) -> Answer {
    let mut rule = json!({"security_group_id": group["id"], "direction": "ingress"});
    for (name, value) in body.as_object().expect("object") {
        rule[name] = value.clone();
    }
    client.post("/v2.0/security-group-rules", &json!({"security_group_rule": rule})).await
}

async fn rule(client: &Client, group: &Value, body: Value) -> Value {
    let answer = ask(client, group, body).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    answer.json()["security_group_rule"].clone()
}

#[tokio::test]
async fn lifecycle() {
    let t = TestServer::start().await;
    let member = t.user("p1", "member,reader");
    let g = group(&member, json!({"name": "g"})).await;
    let made = rule(
        &member,
        &g,
        json!({"protocol": "TCP", "port_range_min": "80", "port_range_max": 443,
               "remote_ip_prefix": "10.0.0.1/24", "description": "web", "ethertype": "ipv4"}),
    )
    .await;
    for (name, wanted) in [
        ("protocol", json!("tcp")),
        ("port_range_min", json!(80)),
        ("port_range_max", json!(443)),
        ("ethertype", json!("IPv4")),
        ("remote_ip_prefix", json!("10.0.0.1/24")),
        ("normalized_cidr", json!("10.0.0.0/24")),
        ("remote_group_id", json!(null)),
        ("remote_address_group_id", json!(null)),
        ("belongs_to_default_sg", json!(false)),
        ("description", json!("web")),
        ("revision_number", json!(0)),
        ("project_id", json!("p1")),
    ] {
        assert_eq!(made[name], wanted, "{name} of {made}");
    }
    let path = format!("/v2.0/security-group-rules/{}", text(&made, "id"));
    assert_eq!(member.get(&path).await.json()["security_group_rule"], made);
    let group_path = format!("/v2.0/security-groups/{}", text(&g, "id"));
    let shown = member.get(&group_path).await.json()["security_group"].clone();
    assert_eq!(shown["revision_number"], 2, "a rule more");
    assert_eq!(shown["security_group_rules"].as_array().map(Vec::len), Some(3));

    let count = |query: String| {
        let member = member.clone();
        async move {
            let list = member.get(&format!("/v2.0/security-group-rules?{query}")).await.json();
            list["security_group_rules"].as_array().expect("list").len()
        }
    };
    assert_eq!(count(format!("security_group_id={}", text(&g, "id"))).await, 3);
    assert_eq!(count("protocol=tcp&port_range_min=80".into()).await, 1);
    assert_eq!(count("belongs_to_default_sg=true".into()).await, 4);
    assert_eq!(count("belongs_to_default_sg=false".into()).await, 3);
    assert_eq!(count("normalized_cidr=10.0.0.0/24&description=web".into()).await, 1);
    assert_eq!(count("direction=ingress".into()).await, 3);

    let other = t.user("p2", "member,reader");
    assert_error(&other.get(&path).await, 404, "SecurityGroupRuleNotFound", "does not exist");
    assert_eq!(member.put(&path, &json!({"security_group_rule": {}})).await.status, 405);
    assert_eq!(member.delete(&path).await.status, 204);
    assert_error(&member.delete(&path).await, 404, "SecurityGroupRuleNotFound", "does not exist");
    let shown = member.get(&group_path).await.json()["security_group"].clone();
    assert_eq!(shown["revision_number"], 3, "a rule less");
    t.stop().await;
}

#[tokio::test]
async fn rules_that_make_no_sense_are_refused() {
    let t = TestServer::start().await;
    let g = group(&t.client, json!({})).await;
    for (body, status, kind, message) in [
        (
            json!({"protocol": "x"}),
            400,
            "SecurityGroupRuleInvalidProtocol",
            "Only protocol values (None, 'any', 'ah'",
        ),
        (
            json!({"protocol": 256}),
            400,
            "SecurityGroupRuleInvalidProtocol",
            "protocol 256 not supported",
        ),
        (json!({"ethertype": "arp"}), 400, "SecurityGroupRuleInvalidEtherType", "['IPv4', 'IPv6']"),
        (json!({"direction": "up"}), 400, "HTTPBadRequest", "up is not in valid_values"),
        (json!({"port_range_min": 70000}), 400, "SecurityGroupInvalidPortValue", "70000"),
        (json!({"port_range_min": 1}), 400, "SecurityGroupProtocolRequiredWithPorts", "Must also"),
        (
            json!({"protocol": "tcp", "port_range_min": 2, "port_range_max": 1}),
            400,
            "SecurityGroupInvalidPortRange",
            "must be <=",
        ),
        (
            json!({"protocol": "icmp", "port_range_min": 256}),
            400,
            "SecurityGroupInvalidIcmpValue",
            "ICMP type (port_range_min) 256",
        ),
        (
            json!({"protocol": "icmp", "port_range_max": 1}),
            400,
            "SecurityGroupMissingIcmpType",
            "ICMP code (port-range-max) 1",
        ),
        (
            json!({"protocol": "gre", "port_range_min": 1, "port_range_max": 1}),
            400,
            "SecurityGroupInvalidProtocolForPort",
            "protocol 47. Ports are only supported for DCCP, SCTP, TCP, UDP, UDPLITE.",
        ),
        (
            json!({"remote_ip_prefix": "fd00::/64"}),
            400,
            "SecurityGroupRuleParameterConflict",
            "ethertype IPv4 for CIDR fd00::/64",
        ),
        (
            json!({"remote_ip_prefix": "x"}),
            400,
            "InvalidCIDR",
            "Invalid CIDR x given as IP prefix.",
        ),
        (
            json!({"protocol": "ipv6-icmp"}),
            400,
            "SecurityGroupEthertypeConflictWithProtocol",
            "Invalid ethertype IPv4",
        ),
        (
            json!({"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": g["id"]}),
            400,
            "SecurityGroupMultipleRemoteEntites",
            "Only one of",
        ),
        (
            json!({"remote_group_id": "11111111-1111-1111-1111-111111111111"}),
            404,
            "SecurityGroupNotFound",
            "does not exist",
        ),
        (
            json!({"security_group_id": "nope"}),
            404,
            "SecurityGroupNotFound",
            "Security group nope does not exist",
        ),
        (
            json!({"remote_address_group_id": "11111111-1111-1111-1111-111111111111"}),
            404,
            "AddressGroupNotFound",
            "could not be found",
        ),
        (json!({"nonsense": 1}), 400, "HTTPBadRequest", "Unrecognized attribute(s) 'nonsense'"),
    ] {
        let answer = ask(&t.client, &g, body).await;
        assert_error(&answer, status, kind, message);
    }
    let path = format!("/v2.0/security-groups/{}", text(&g, "id"));
    assert_eq!(t.client.get(&path).await.json()["security_group"], g, "nothing changed");
    t.stop().await;
}

#[tokio::test]
async fn a_rule_is_there_once() {
    let t = TestServer::start().await;
    let g = group(&t.client, json!({})).await;
    let first = rule(&t.client, &g, json!({"protocol": "tcp"})).await;
    for same in [
        json!({"protocol": "6"}),
        json!({"protocol": "TCP", "remote_ip_prefix": "0.0.0.0/0"}),
        json!({"protocol": "tcp", "port_range_min": 1, "port_range_max": 65535}),
    ] {
        let answer = ask(&t.client, &g, same).await;
        assert_error(&answer, 409, "SecurityGroupRuleExists", text(&first, "id"));
    }
    let other = group(&t.client, json!({})).await;
    rule(&t.client, &other, json!({"protocol": "tcp"})).await;
    let icmp = rule(&t.client, &g, json!({"protocol": "icmp", "ethertype": "IPv6"})).await;
    assert_eq!(icmp["protocol"], "ipv6-icmp");
    t.stop().await;
}

#[tokio::test]
async fn bulk_is_of_one_group_and_all_or_nothing() {
    let t = TestServer::start().await;
    let (a, b) = (group(&t.client, json!({})).await, group(&t.client, json!({})).await);
    let one = |g: &Value, port: u16| {
        json!({"security_group_id": g["id"], "direction": "ingress", "protocol": "udp",
               "port_range_min": port, "port_range_max": port})
    };
    let post = |rules: Value| {
        let client = t.client.clone();
        async move {
            client.post("/v2.0/security-group-rules", &json!({"security_group_rules": rules})).await
        }
    };
    let made = post(json!([one(&a, 1), one(&a, 2)])).await;
    assert_eq!(made.status, 201, "{}", made.json());
    assert_eq!(made.json()["security_group_rules"][1]["port_range_min"], 2);
    let refused = post(json!([one(&a, 3), one(&b, 3)])).await;
    assert_error(&refused, 400, "SecurityGroupNotSingleGroupRules", "one security profile");
    let mut foreign = one(&a, 4);
    foreign["project_id"] = json!("p2");
    let refused = post(json!([one(&a, 3), foreign])).await;
    assert_error(&refused, 400, "SecurityGroupRulesNotSingleProject", "Multiple project_ids");
    let refused = post(json!([one(&a, 3), one(&a, 3)])).await;
    assert_error(&refused, 409, "DuplicateSecurityGroupRuleInPost", "Duplicate");
    let refused = post(json!([one(&a, 3), one(&a, 1)])).await;
    assert_error(&refused, 409, "SecurityGroupRuleExists", "already exists");
    let path = format!("/v2.0/security-groups/{}", text(&a, "id"));
    let shown = t.client.get(&path).await.json()["security_group"].clone();
    assert_eq!(shown["security_group_rules"].as_array().map(Vec::len), Some(4));
    assert_eq!(shown["revision_number"], 3);
    t.stop().await;
}

#[tokio::test]
async fn only_the_owner_of_a_group_may_add_rules() {
    let t = TestServer::start().await;
    let (owner, other) = (t.user("p1", "member,reader"), t.user("p2", "member,reader"));
    let g = group(&owner, json!({})).await;
    let answer = ask(&other, &g, json!({"protocol": "tcp"})).await;
    assert!([403, 404].contains(&answer.status), "{}", answer.json());
    // What an administrator adds belongs to the administrator's project; the owner sees it.
    let made = rule(&t.client, &g, json!({"protocol": "tcp"})).await;
    assert_eq!(made["project_id"], "fake_project_id");
    let path = format!("/v2.0/security-group-rules/{}", text(&made, "id"));
    assert_eq!(owner.get(&path).await.status, 200);
    assert_eq!(owner.delete(&path).await.status, 204);
    t.stop().await;
}

#[tokio::test]
async fn quotas_count_rules() {
    let t = TestServer::start_with("[quotas]\nquota_security_group_rule = 7\n").await;
    let member = t.user("p1", "member,reader");
    let g = group(&member, json!({})).await;
    rule(&member, &g, json!({})).await;
    let full = ask(&member, &g, json!({"protocol": "tcp"})).await;
    assert_error(&full, 409, "OverQuota", "Quota exceeded for resources: ['security_group_rule'].");
    let full = member.post("/v2.0/security-groups", &json!({"security_group": {}})).await;
    assert_error(&full, 409, "OverQuota", "['security_group_rule']");
    t.stop().await;
}
