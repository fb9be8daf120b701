//! The metadata path: from an instance's `curl http://169.254.169.254/` to Nova.
//!
//! - [`proxy`]: listens inside the namespaces of networks and routers, in the process of whoever
//!   owns those namespaces (the DHCP agent, the L3 agent).
//!
//! Between proxy and agent lies Neutron's seam, HTTP over a unix socket, so that either end may be
//! Neutron's.

mod http;
pub mod proxy;
