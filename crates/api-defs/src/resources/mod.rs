//! The resources, one file each. A new resource is a new file and one line in [`all`].

pub mod address_group;
pub mod address_scope;
pub mod agent;
pub mod floating_ip;
pub mod network;
pub mod port;
pub mod port_forwarding;
pub mod quota;
pub mod rbac;
pub mod router;
pub mod security_group;
pub mod service_provider;
pub mod standard;
pub mod subnet;
pub mod subnetpool;

use crate::resource::Resource;

static ALL: [&Resource; 19] = [
    &network::NETWORKS,
    &subnet::SUBNETS,
    &port::PORTS,
    &port::PORT_BINDINGS,
    &agent::AGENTS,
    &agent::AVAILABILITY_ZONES,
    &router::ROUTERS,
    &subnetpool::SUBNETPOOLS,
    &address_scope::ADDRESS_SCOPES,
    &floating_ip::FLOATINGIPS,
    &port_forwarding::PORT_FORWARDINGS,
    &port_forwarding::FLOATINGIP_POOLS,
    &address_group::ADDRESS_GROUPS,
    &rbac::RBAC_POLICIES,
    &security_group::SECURITY_GROUPS,
    &security_group::SECURITY_GROUP_RULES,
    &security_group::DEFAULT_SECURITY_GROUP_RULES,
    &quota::QUOTAS,
    &service_provider::SERVICE_PROVIDERS,
];

/// Every resource, sub-resources included.
#[must_use]
pub fn all() -> &'static [&'static Resource] {
    &ALL
}
