//! Linux host plumbing: netlink, namespaces, mounts, sysctl, packet filter, child processes.
//!
//! Owns the calls into the kernel that agents and the lab share. Knows nothing of Neutron, Open
//! vSwitch or the lab. Everything here is blocking: the calls are short and the callers are either
//! plain threads or wrap them in `spawn_blocking`.

mod address;
pub mod arp;
pub mod conntrack;
mod error;
pub mod ethtool;
mod family;
pub mod ipset;
pub mod iptables;
mod link;
pub mod mount;
mod namespace;
mod neighbour;
mod netlink;
mod netns;
pub mod process;
mod route;
mod rule;
pub mod sysctl;

pub use address::{Address, interface_has_address};
pub use error::{Error, Result};
pub use family::Family;
pub use link::Link;
pub use namespace::{CloneFlags, NamespaceProcess, Namespaces};
pub use neighbour::{Neighbour, ProxyNeighbour};
pub use netlink::Netlink;
pub use netns::NetNs;
pub use route::{Hop, MAIN_TABLE, Route};
pub use rule::Rule;
