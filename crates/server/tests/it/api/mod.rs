//! The network API, one module per place in its URL tree.

mod agents;
mod availability_zones;
mod bindings;
mod extensions;
mod networks;
mod policy;
mod ports;
mod quotas;
mod service_providers;
mod subnets;
mod tags;
mod versions;
