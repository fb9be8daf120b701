//! Service plugins beside ML2, one module each: address groups and scopes, subnet pools, agents,
//! scheduling of networks to DHCP agents, routers, quotas, availability zones, RBAC policies,
//! security groups, service providers, tags, what Nova is told; and all of it as versioned objects.
//!
//! Each owns its part of the API's behaviour over [`neutrino_db`]. None owns HTTP, policy or RPC
//! transport: the server calls them with checked input.

pub mod address_groups;
pub mod address_scopes;
pub mod agents;
pub mod availability_zones;
pub mod dhcp;
pub mod l3;
pub mod nova;
pub mod objects;
pub mod quotas;
pub mod rbac;
mod read_only;
pub mod scheduling;
pub mod security_groups;
pub mod service_providers;
pub mod subnetpools;
pub mod tags;

pub use address_groups::AddressGroups;
pub use address_scopes::AddressScopes;
pub use agents::{AgentConfig, Agents};
pub use availability_zones::AvailabilityZones;
pub use dhcp::{DhcpConfig, DhcpScheduler};
pub use l3::{L3, L3Config};
pub use objects::{AgentVersions, Changes, Objects};
pub use quotas::{QuotaConfig, Quotas};
pub use rbac::RbacPolicies;
pub use security_groups::SecurityGroups;
pub use service_providers::ServiceProviders;
pub use subnetpools::SubnetPools;
pub use tags::TagService;
