//! The ML2 plugin: networks, subnets, ports, drivers, binding, IPAM, provisioning blocks.

pub mod config;
pub mod drivers;
pub mod ipam;
pub mod mac;
pub mod models;
pub mod mtu;
pub mod notifier;
pub mod ranges;
pub mod views;
