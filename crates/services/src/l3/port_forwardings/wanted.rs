//! What a request makes of a port forwarding, and whether there is room for it.

use std::net::Ipv4Addr;

use neutrino_api_defs::validators::forwarding::parse_port_range;
use neutrino_db::port_forwardings::{PortForwarding, PortRange};
use neutrino_types::{ApiError, ApiResult, Attrs, request};
use serde_json::Value;

use super::bad_request;
use crate::l3::floating_ips::association::InternalPort;

/// The ports that `attrs` give under `single` or `range`; `None` when they say nothing of them. As
/// in Neutron a single port counts before a range.
fn ports(attrs: &Attrs, single: &str, range: &str) -> ApiResult<Option<PortRange>> {
    let text = match (attrs.get(single), attrs.get(range)) {
        (Some(Value::Number(n)), _) | (_, Some(Value::Number(n))) => n.to_string(),
        (Some(Value::String(text)), _) | (_, Some(Value::String(text))) => text.clone(),
        _ => return Ok(None),
    };
    let (first, last) =
        parse_port_range(&text).filter(|(first, _)| *first > 0).ok_or_else(|| {
            bad_request("Invalid port value, the port value must be a value between 1 and 65535")
        })?;
    Ok(Some(PortRange { first, last }))
}

/// Takes what `attrs` (of a create or an update) say over.
///
/// # Errors
/// `BadRequest`: ports that are not there or do not match, an address that is not IPv4.
pub(super) fn apply(forwarding: &mut PortForwarding, attrs: &Attrs) -> ApiResult<()> {
    request::set_text(attrs, "protocol", &mut forwarding.protocol);
    request::set_text(attrs, "description", &mut forwarding.description);
    request::set_text(attrs, "internal_port_id", &mut forwarding.internal_port_id);
    if let Some(ip) = request::text(attrs, "internal_ip_address") {
        forwarding.internal_ip_address =
            ip.parse().map_err(|_| bad_request(format_args!("{ip} is not an IPv4 address")))?;
    }
    if let Some(ports) = ports(attrs, "internal_port", "internal_port_range")? {
        forwarding.internal = ports;
    }
    if let Some(ports) = ports(attrs, "external_port", "external_port_range")? {
        forwarding.external = ports;
    }
    for (what, ports) in [("internal", forwarding.internal), ("external", forwarding.external)] {
        if ports.first == 0 {
            return Err(bad_request(format_args!(
                "One of {what}_port and {what}_port_range must be given"
            )));
        }
    }
    let span = forwarding.internal.span();
    if span > 0 && span != forwarding.external.span() {
        return Err(bad_request(
            "Invalid ranges of internal and/or external ports. The relation between internal and \
             external ports must be N-N or 1-N",
        ));
    }
    Ok(())
}

/// Refuses a port forwarding whose ports others of the same protocol have: `inside` those to the
/// same port, `outside` those of the same floating IP.
///
/// # Errors
/// `BadRequest`.
pub(super) fn ensure_no_collision(
    forwarding: &PortForwarding,
    inside: &[PortForwarding],
    outside: &[PortForwarding],
) -> ApiResult<()> {
    let other = |p: &&PortForwarding| p.id != forwarding.id && p.protocol == forwarding.protocol;
    let same_address =
        |p: &&PortForwarding| p.internal_ip_address == forwarding.internal_ip_address;
    let inside = inside.iter().filter(other).filter(same_address).map(|p| p.internal);
    let outside = outside.iter().filter(other).map(|p| p.external);
    let collide = |key: &str,
                   mut there: Box<dyn Iterator<Item = PortRange> + '_>,
                   ours: PortRange| {
        match there.find(|range| range.meets(ours)) {
            Some(theirs) => Err(bad_request(format_args!(
                "There is a port collision with the {key}. The following ranges collide: {theirs} \
                 and {ours}"
            ))),
            None => Ok(()),
        }
    };
    collide("internal_port_range", Box::new(inside), forwarding.internal)?;
    collide("external_port_range", Box::new(outside), forwarding.external)
}

/// `BadRequest` (400): the port has no IPv4 address.
pub(super) fn no_address(port: &str) -> ApiError {
    bad_request(format_args!(
        "Requested internal port {port} must allocate an IPv4 address at least"
    ))
}

/// The subnet of the port's address `ip`.
///
/// # Errors
/// `BadRequest` when the port does not have it.
pub(super) fn subnet_of(port: &InternalPort, ip: Ipv4Addr) -> ApiResult<&str> {
    let addresses: Vec<String> = port.v4().map(|(ip, _)| ip.to_string()).collect();
    if addresses.is_empty() {
        return Err(no_address(&port.id));
    }
    let found = port.v4().find(|(own, _)| *own == ip);
    found.map(|(_, subnet)| subnet).ok_or_else(|| {
        bad_request(format_args!(
            "Requested internal IP address {ip} is not suitable for internal neutron port {}, as \
             its fixed_ips are {}",
            port.id,
            addresses.join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn applied(value: Value) -> Result<PortForwarding, String> {
        let mut forwarding = PortForwarding::new("f");
        apply(&mut forwarding, value.as_object().expect("object"))
            .map(|()| forwarding)
            .map_err(|e| e.message)
    }

    #[test]
    fn single_ports_and_ranges() {
        let one = applied(json!({"internal_port": 80, "external_port": "8080"})).expect("good");
        assert_eq!((one.internal, one.external), (PortRange::one(80), PortRange::one(8080)));
        let many = json!({"internal_port_range": "80:89", "external_port_range": "8080:8089"});
        assert_eq!(applied(many).expect("good").external.to_string(), "8080:8089");
        let fan = json!({"internal_port": 80, "external_port_range": "8080:8089"});
        assert!(applied(fan).is_ok());
        for (bad, why) in [
            (json!({"internal_port": 80}), "external_port"),
            (json!({"external_port": 80}), "internal_port"),
            (
                json!({"internal_port_range": "80:89", "external_port_range": "1:3"}),
                "must be N-N or 1-N",
            ),
            (json!({"internal_port": 0, "external_port": 80}), "between 1 and 65535"),
            (json!({"internal_ip_address": "fd00::1"}), "not an IPv4 address"),
        ] {
            let message = applied(bad.clone()).expect_err("refused");
            assert!(message.contains(why), "{bad}: {message}");
        }
    }

    #[test]
    fn ports_are_forwarded_once() {
        let forwarding = |id: &str, protocol: &str, ip: &str, internal, external| PortForwarding {
            id: id.into(),
            protocol: protocol.into(),
            internal_ip_address: ip.parse().expect("address"),
            internal: PortRange { first: internal, last: internal + 5 },
            external: PortRange { first: external, last: external + 5 },
            ..PortForwarding::new("f")
        };
        let there = [forwarding("a", "tcp", "10.0.0.5", 80, 8080)];
        let check =
            |new: PortForwarding| ensure_no_collision(&new, &there, &there).map_err(|e| e.message);
        assert!(check(there[0].clone()).is_ok(), "itself");
        assert!(check(forwarding("b", "udp", "10.0.0.5", 80, 8080)).is_ok());
        assert!(check(forwarding("b", "tcp", "10.0.0.6", 80, 8086)).is_ok());
        let inside = check(forwarding("b", "tcp", "10.0.0.5", 85, 9000)).expect_err("refused");
        assert!(inside.contains("internal_port_range"), "{inside}");
        let outside = check(forwarding("b", "tcp", "10.0.0.6", 80, 8085)).expect_err("refused");
        assert!(outside.contains("8080:8085 and 8085:8090"), "{outside}");
    }
}
