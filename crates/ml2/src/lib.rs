//! The ML2 plugin: networks, subnets, ports, drivers, binding, IPAM, provisioning blocks.
//!
//! Owns what a network, subnet or port *is*: its rules, its rows, its life. Owns neither HTTP nor
//! policy nor validation of attribute types (the server's and `api-defs`'), nor how agents are
//! reached ([`notifier::AgentNotifier`] is the seam).
//!
//! - [`Ml2Plugin`] hands out the three collections and answers L2 agents ([`devices`]).
//! - [`drivers`] are what can be plugged in; [`models`] the rows; [`views`] what the API shows.
//! - A change runs: BEFORE subscribers, one transaction (rows, PRECOMMIT subscribers, driver
//!   precommit), AFTER subscribers, driver postcommit, binding, notification of agents.

mod binding;
pub mod config;
pub mod devices;
mod dhcp;
mod distributed;
pub mod dns;
pub mod drivers;
mod dvr;
pub mod ipam;
pub mod l3;
pub mod mac;
pub mod models;
pub mod mtu;
mod networks;
pub mod notifier;
mod plugin;
mod ports;
pub mod provisioning;
pub mod ranges;
pub mod security_groups;
mod subnets;
pub mod views;

use neutrino_types::request;

pub use config::Ml2Config;
pub use dhcp::DhcpView;
pub use notifier::AgentNotifier;
pub use plugin::{Ml2Plugin, StartError};
pub use ports::{ChangedPort, GonePort, MadePort};
