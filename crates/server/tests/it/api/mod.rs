//! The network API, one module per place in its URL tree.

mod address_groups;
mod address_scopes;
mod agents;
mod availability_zones;
mod bindings;
mod default_security_group_rules;
mod dhcp_agents;
mod extensions;
mod l3_agents;
mod networks;
mod policy;
mod ports;
mod quotas;
mod rbac_policies;
mod router_gateways;
mod router_interfaces;
mod routers;
mod security_group_rules;
mod security_groups;
mod service_providers;
mod shared_groups;
mod subnetpools;
mod subnets;
mod tags;
mod versions;
