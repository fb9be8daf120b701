//! The network API, one module per place in its URL tree.

mod address_groups;
mod agents;
mod availability_zones;
mod bindings;
mod dhcp_agents;
mod extensions;
mod networks;
mod policy;
mod ports;
mod quotas;
mod rbac_policies;
mod service_providers;
mod subnets;
mod tags;
mod versions;
