//! What a rule may say: Neutron's checks in Neutron's order, and when two rules are the same.

use neutrino_api_defs::validators::security_group::invalid_port;
use neutrino_db::security_groups::Traffic;
use neutrino_types::{ApiError, ApiResult, Attrs, ip_protocol, request};

/// Protocols that have ports, as a user reads them.
const WITH_PORTS: [(&str, u8); 5] =
    [("DCCP", 33), ("SCTP", 132), ("TCP", 6), ("UDP", 17), ("UDPLITE", 136)];
/// Names and numbers of protocols that only IPv6 has.
const IPV6_ONLY: [&str; 13] = [
    "ipv6-encap",
    "ipv6-frag",
    "ipv6-icmp",
    "icmpv6",
    "ipv6-nonxt",
    "ipv6-opts",
    "ipv6-route",
    "41",
    "44",
    "58",
    "59",
    "60",
    "43",
];
const ICMP: u8 = 1;
const IPV6_ICMP: u8 = 58;
/// The whole range of ports, which is the same as none.
const ALL_PORTS: (Option<i64>, Option<i64>) = (Some(1), Some(65535));

/// The traffic a request is about, in canonical form and checked.
///
/// # Errors
/// 400 with Neutron's class and text.
pub(super) fn traffic(item: &Attrs) -> ApiResult<Traffic> {
    let text = |name: &str| request::text(item, name).map(str::to_string);
    let mut traffic = Traffic {
        direction: text("direction").unwrap_or_default(),
        ethertype: text("ethertype").unwrap_or_default(),
        protocol: text("protocol"),
        port_range_min: request::int(item, "port_range_min"),
        port_range_max: request::int(item, "port_range_max"),
        remote_ip_prefix: text("remote_ip_prefix"),
        remote_group_id: text("remote_group_id").filter(|id| !id.is_empty()),
        remote_address_group_id: text("remote_address_group_id").filter(|id| !id.is_empty()),
    };
    canonical_icmp(&mut traffic);
    if (traffic.port_range_min, traffic.port_range_max) == ALL_PORTS {
        (traffic.port_range_min, traffic.port_range_max) = (None, None);
    }
    ports(&traffic)?;
    prefix(&traffic)?;
    protocol(&traffic)?;
    remotes(&traffic)?;
    Ok(traffic)
}

/// ICMP means ICMPv6 under IPv6, whatever it was called.
fn canonical_icmp(traffic: &mut Traffic) {
    if traffic.ethertype != "IPv6" {
        return;
    }
    let canonical = match traffic.protocol.as_deref() {
        Some("icmp" | "icmpv6") => "ipv6-icmp",
        Some("1") => "58",
        _ => return,
    };
    traffic.protocol = Some(canonical.to_string());
}

fn ports(traffic: &Traffic) -> ApiResult<()> {
    let (min, max) = (traffic.port_range_min, traffic.port_range_max);
    if min.is_none() && max.is_none() {
        return Ok(());
    }
    let Some(protocol) = traffic.protocol.as_deref() else {
        return Err(ApiError::bad_request(
            "SecurityGroupProtocolRequiredWithPorts",
            "Must also specify protocol if port range is given.",
        ));
    };
    let number = ip_protocol::number(protocol);
    if WITH_PORTS.iter().any(|(_, known)| Some(*known) == number) {
        if min == Some(0) || max == Some(0) {
            return Err(invalid_port("0"));
        }
        return match (min, max) {
            (Some(min), Some(max)) if min <= max => Ok(()),
            _ => Err(ApiError::bad_request(
                "SecurityGroupInvalidPortRange",
                "For TCP/UDP protocols, port_range_min must be <= port_range_max",
            )),
        };
    }
    if number == Some(ICMP) || number == Some(IPV6_ICMP) {
        return icmp(min, max);
    }
    let names: Vec<&str> = WITH_PORTS.iter().map(|(name, _)| *name).collect();
    Err(ApiError::bad_request(
        "SecurityGroupInvalidProtocolForPort",
        format!(
            "Ports cannot be specified for protocol {}. Ports are only supported for {}.",
            number.map_or_else(|| protocol.to_string(), |n| n.to_string()),
            names.join(", ")
        ),
    ))
}

fn icmp(kind: Option<i64>, code: Option<i64>) -> ApiResult<()> {
    for (value, field, attribute) in
        [(kind, "type", "port_range_min"), (code, "code", "port_range_max")]
    {
        if let Some(value) = value.filter(|v| !(0..=255).contains(v)) {
            return Err(ApiError::bad_request(
                "SecurityGroupInvalidIcmpValue",
                format!(
                    "Invalid value for ICMP {field} ({attribute}) {value}. It must be 0 to 255."
                ),
            ));
        }
    }
    match (kind, code) {
        (None, Some(code)) => Err(ApiError::bad_request(
            "SecurityGroupMissingIcmpType",
            format!(
                "ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is \
                 missing."
            ),
        )),
        _ => Ok(()),
    }
}

fn prefix(traffic: &Traffic) -> ApiResult<()> {
    let Some(cidr) = traffic.remote_ip_prefix.as_deref() else { return Ok(()) };
    let version = if cidr.contains(':') { "IPv6" } else { "IPv4" };
    if traffic.ethertype == version {
        return Ok(());
    }
    Err(ApiError::bad_request(
        "SecurityGroupRuleParameterConflict",
        format!("Conflicting value ethertype {} for CIDR {cidr}", traffic.ethertype),
    ))
}

fn protocol(traffic: &Traffic) -> ApiResult<()> {
    match traffic.protocol.as_deref() {
        Some(protocol) if traffic.ethertype == "IPv4" && IPV6_ONLY.contains(&protocol) => {
            Err(ApiError::bad_request(
                "SecurityGroupEthertypeConflictWithProtocol",
                format!("Invalid ethertype {} for protocol {protocol}.", traffic.ethertype),
            ))
        }
        _ => Ok(()),
    }
}

fn remotes(traffic: &Traffic) -> ApiResult<()> {
    let remotes =
        [&traffic.remote_ip_prefix, &traffic.remote_group_id, &traffic.remote_address_group_id];
    if remotes.into_iter().flatten().count() > 1 {
        return Err(ApiError::bad_request(
            "SecurityGroupMultipleRemoteEntites",
            "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be \
             provided.",
        ));
    }
    Ok(())
}

/// What two rules of one group have in common that say the same.
pub(super) fn key(traffic: &Traffic) -> Traffic {
    let mut key = traffic.clone();
    canonical_icmp(&mut key);
    key.protocol = key.protocol.map(|protocol| match ip_protocol::number(&protocol) {
        Some(number) => number.to_string(),
        None => protocol,
    });
    // Any address is no restriction.
    key.remote_ip_prefix = key.remote_ip_prefix.filter(|p| p != "0.0.0.0/0" && p != "::/0");
    key
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn checked(value: Value) -> Result<Traffic, (&'static str, String)> {
        let mut item = json!({"direction": "ingress", "ethertype": "IPv4"});
        for (name, value) in value.as_object().expect("object") {
            item[name] = value.clone();
        }
        traffic(item.as_object().expect("object")).map_err(|e| (e.kind, e.message))
    }

    #[test]
    fn canonical_forms() {
        let icmp = checked(json!({"ethertype": "IPv6", "protocol": "icmp"})).expect("good");
        assert_eq!(icmp.protocol.as_deref(), Some("ipv6-icmp"));
        let icmp = checked(json!({"ethertype": "IPv6", "protocol": "1"})).expect("good");
        assert_eq!(icmp.protocol.as_deref(), Some("58"));
        let all = json!({"protocol": "tcp", "port_range_min": 1, "port_range_max": 65535});
        assert_eq!(checked(all).expect("good").port_range_min, None);
    }

    #[test]
    fn refusals() {
        for (value, kind) in [
            (json!({"port_range_min": 1}), "SecurityGroupProtocolRequiredWithPorts"),
            (
                json!({"protocol": "tcp", "port_range_min": 5, "port_range_max": 4}),
                "SecurityGroupInvalidPortRange",
            ),
            (json!({"protocol": "6", "port_range_min": 5}), "SecurityGroupInvalidPortRange"),
            (
                json!({"protocol": "udp", "port_range_min": 0, "port_range_max": 4}),
                "SecurityGroupInvalidPortValue",
            ),
            (json!({"protocol": "icmp", "port_range_min": 256}), "SecurityGroupInvalidIcmpValue"),
            (json!({"protocol": "icmp", "port_range_max": 2}), "SecurityGroupMissingIcmpType"),
            (
                json!({"protocol": "vrrp", "port_range_min": 1, "port_range_max": 2}),
                "SecurityGroupInvalidProtocolForPort",
            ),
            (json!({"remote_ip_prefix": "fd00::/64"}), "SecurityGroupRuleParameterConflict"),
            (json!({"protocol": "ipv6-icmp"}), "SecurityGroupEthertypeConflictWithProtocol"),
            (json!({"protocol": "58"}), "SecurityGroupEthertypeConflictWithProtocol"),
            (
                json!({"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": "g"}),
                "SecurityGroupMultipleRemoteEntites",
            ),
        ] {
            let (found, message) = checked(value.clone()).expect_err("refused");
            assert_eq!(found, kind, "{value}: {message}");
        }
    }

    #[test]
    fn rules_that_say_the_same_have_one_key() {
        let same =
            |a: Value, b: Value| key(&checked(a).expect("good")) == key(&checked(b).expect("good"));
        assert!(same(json!({"protocol": "tcp"}), json!({"protocol": "6"})));
        assert!(same(json!({"remote_ip_prefix": "0.0.0.0/0"}), json!({})));
        assert!(same(
            json!({"ethertype": "IPv6", "protocol": "icmpv6"}),
            json!({"ethertype": "IPv6", "protocol": "58"})
        ));
        assert!(!same(json!({"protocol": "tcp"}), json!({"protocol": "udp"})));
        assert!(!same(json!({}), json!({"ethertype": "IPv6"})));
    }
}
