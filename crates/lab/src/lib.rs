//! A datacentre on one machine: emulated hosts, the networks between them, instances.
//!
//! Owns `neutrino lab`: the process tree of a lab, its hosts with an Open vSwitch each, the
//! underlay networks, the services started on the hosts and the instances plugged into them. Does
//! not own what the services do: the server and the agents are started as anybody would start
//! them, from configuration files.
//!
//! ```text
//! neutrino lab up ── clone ──> supervisor         pid 1 of the lab's namespaces; underlay bridges,
//!                                |                control socket, proxy to the APIs
//!                                +─ host-init     pid 1 of controller0: ovsdb-server, ovs-vswitchd,
//!                                |                neutrino server, neutrino agent openvswitch
//!                                +─ host-init     pid 1 of compute0: ..., instances
//!                                |    +─ instance-init   pid 1 of an instance
//!                                +─ outside-init  pid 1 of upstream, and of internet
//! ```
//!
//! Killing the supervisor ends its pid namespace and with it every process, mount, interface and
//! file of the lab. Outside there is only an abstract unix socket, which dies with it too.

pub mod api;
mod backing;
mod cli;
mod cli_instance;
pub mod config;
mod control;
mod dhcp;
mod error;
mod guest;
mod host;
mod instance;
mod lab;
mod nova;
mod outside;
mod ovs;
mod parts;
mod peers;
mod proxy;
mod services;
mod spec;
mod supervisor;
mod underlay;
mod up;
pub mod wait;

pub use cli::{Cli, run};
pub use cli_instance::Addressing;
pub use control::{HostStatus, LabStatus, ServiceAction, ServiceStatus};
pub use dhcp::DhcpClient;
pub use error::{Error, Result};
pub use instance::InstanceSpec;
pub use lab::Lab;
pub use outside::OutsideStatus;
pub use parts::{AgentsChoice, Bus, Database, Implementation};
pub use spec::{
    Datapath, Firewall, FirewallChoice, HostSpec, INTERNET, L3Choice, L3Mode, LabOptions, LabSpec,
    PEERS, UPSTREAM,
};
