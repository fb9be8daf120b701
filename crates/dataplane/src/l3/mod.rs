//! Routers: what the namespaces of a host are to hold, computed from what the server says.
//!
//! [`view`] is the input: a router, its ports and floating IPs, the agent's settings. [`desired`]
//! is what a namespace shall hold, [`observed`] what it holds, [`step`] one change between the
//! two. Nothing here does I/O: the agent observes and carries the steps out.

pub mod desired;
pub mod observed;
pub mod step;
pub mod view;
