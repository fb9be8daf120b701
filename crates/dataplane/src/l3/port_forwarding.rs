//! Rules of port forwardings.

use crate::{
    firewall::Ethertype,
    iptables::{TableName, protocol_name, protocol_number},
};

use super::{filter::Filter, view::PortForwarding};

/// Chain of all port forwardings of a router.
const CHAIN: &str = "fip-pf";
/// What the chain of each begins with.
const CHAIN_PREFIX: &str = "pf-";

/// Adds the rules; they come before those of floating IPs.
pub(super) fn add(filter: &mut Filter<'_>, forwardings: &[PortForwarding]) {
    let (v4, nat) = (Ethertype::V4, TableName::Nat);
    if forwardings.is_empty() {
        return;
    }
    let all = filter.chain(CHAIN);
    filter.add_chain(v4, nat, CHAIN);
    filter.add(v4, nat, "PREROUTING", "", all);
    for forwarding in forwardings {
        let Some((reached, target)) = rule(forwarding) else { continue };
        let own = format!("{CHAIN_PREFIX}{}", forwarding.id);
        let chain = filter.chain(&own);
        filter.add(v4, nat, CHAIN, "", chain);
        filter.add(v4, nat, &own, reached, target);
    }
}

/// What a port forwarding matches, and where it leads; none for a protocol nobody knows.
fn rule(forwarding: &PortForwarding) -> Option<(String, String)> {
    let PortForwarding { floating_ip_address, internal_ip_address, .. } = forwarding;
    let protocol = protocol_name(protocol_number(&forwarding.protocol)?);
    let (first, last) = forwarding.external_ports;
    let (to_first, to_last) = forwarding.internal_ports;
    let external = if first == last { first.to_string() } else { format!("{first}:{last}") };
    let internal = match (to_first == to_last, first == last) {
        (true, _) => to_first.to_string(),
        (false, true) => format!("{to_first}-{to_last}"),
        // The n-th port outside leads to the n-th inside.
        (false, false) => format!("{to_first}-{to_last}/{first}"),
    };
    Some((
        format!("-d {floating_ip_address}/32 -p {protocol} -m {protocol} --dport {external}"),
        format!("DNAT --to-destination {internal_ip_address}:{internal}"),
    ))
}
