//! The metadata path: from an instance's `curl http://169.254.169.254/` to Nova.
//!
//! - [`proxy`]: listens inside the namespaces of networks and routers, in the process of whoever
//!   owns those namespaces (the DHCP agent, the L3 agent).
//! - [`agent`]: takes requests from the proxies of this host over a unix socket, finds out which
//!   instance asks, and asks Nova on its behalf.
//!
//! Between proxy and agent lies Neutron's seam, HTTP over a unix socket, so that either end may be
//! Neutron's.

pub mod agent;
mod http;
pub mod proxy;

pub use agent::run;
