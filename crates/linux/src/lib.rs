//! Linux host plumbing: netlink, namespaces, mounts, sysctl, child processes.
//!
//! Owns the calls into the kernel that agents and the lab share. Knows nothing of Neutron, Open
//! vSwitch or the lab. Everything here is blocking: the calls are short and the callers are either
//! plain threads or wrap them in `spawn_blocking`.

mod address;
mod error;
pub mod ethtool;
mod link;
pub mod mount;
mod namespace;
mod netlink;
mod netns;
pub mod process;
mod route;
pub mod sysctl;

pub use address::{Address, interface_has_address};
pub use error::{Error, Result};
pub use link::Link;
pub use namespace::{CloneFlags, NamespaceProcess, Namespaces};
pub use netlink::Netlink;
pub use netns::NetNs;
