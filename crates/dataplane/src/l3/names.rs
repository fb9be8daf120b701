//! Names of namespaces and devices.

use crate::names::vif_device;

/// Prefix of a router's namespace.
pub const ROUTER_NAMESPACE_PREFIX: &str = "qrouter-";
/// Prefix of the namespace of a distributed router's centralised part.
pub const SNAT_NAMESPACE_PREFIX: &str = "snat-";
/// Prefix of the namespace in which a host's floating IPs meet an external network.
pub const FIP_NAMESPACE_PREFIX: &str = "fip-";
/// A router's device on an internal network.
pub const INTERNAL_PREFIX: &str = "qr-";
/// A router's device on the external network.
pub const EXTERNAL_PREFIX: &str = "qg-";
/// Device of a distributed router's centralised part on an internal network.
pub const SNAT_PREFIX: &str = "sg-";
/// A router's end of the pair to the external network's namespace.
pub const ROUTER_TO_FIP_PREFIX: &str = "rfp-";
/// The external network's end of that pair.
pub const FIP_TO_ROUTER_PREFIX: &str = "fpr-";
/// A host's device on the external network.
pub const AGENT_GATEWAY_PREFIX: &str = "fg-";

/// Namespaces of an L3 agent begin with one of these.
pub const NAMESPACE_PREFIXES: [&str; 3] =
    [ROUTER_NAMESPACE_PREFIX, SNAT_NAMESPACE_PREFIX, FIP_NAMESPACE_PREFIX];
/// Devices of an L3 agent begin with one of these.
pub const DEVICE_PREFIXES: [&str; 6] = [
    INTERNAL_PREFIX,
    EXTERNAL_PREFIX,
    SNAT_PREFIX,
    ROUTER_TO_FIP_PREFIX,
    FIP_TO_ROUTER_PREFIX,
    AGENT_GATEWAY_PREFIX,
];

/// The namespace of a router.
#[must_use]
pub fn router_namespace(router_id: &str) -> String {
    format!("{ROUTER_NAMESPACE_PREFIX}{router_id}")
}

/// The namespace of a distributed router's centralised part.
#[must_use]
pub fn snat_namespace(router_id: &str) -> String {
    format!("{SNAT_NAMESPACE_PREFIX}{router_id}")
}

/// The namespace of an external network on a host.
#[must_use]
pub fn fip_namespace(network_id: &str) -> String {
    format!("{FIP_NAMESPACE_PREFIX}{network_id}")
}

/// The device of a port (of a router for `rfp-` and `fpr-`).
#[must_use]
pub fn device(prefix: &str, id: &str) -> String {
    vif_device(prefix, id)
}

/// Whether a device of this name is an L3 agent's.
#[must_use]
pub fn is_ours(device: &str) -> bool {
    DEVICE_PREFIXES.iter().any(|prefix| device.starts_with(prefix))
}
