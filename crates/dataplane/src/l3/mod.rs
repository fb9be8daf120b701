//! Routers: what the namespaces of a host are to hold, computed from what the server says.
//!
//! [`view`] is the input: a router, its ports and floating IPs, the agent's settings. [`legacy`]
//! and [`dvr`] answer [`desired::Namespace`], what a namespace shall hold; [`observed`] is what it
//! holds, and [`diff`] answers the [`step::Step`]s between the two. [`allocations`] keeps what a
//! host chooses by itself. Nothing here does I/O: the agent observes and carries the steps out.

pub mod allocations;
mod builder;
pub mod desired;
pub mod diff;
pub mod dvr;
mod filter;
mod legacy;
mod marks;
pub mod names;
pub mod observed;
mod port_forwarding;
mod radvd;
pub mod step;
pub mod view;

pub use diff::{diff, remove};
pub use filter::WRAP;
pub use legacy::legacy;
pub use marks::Known;
