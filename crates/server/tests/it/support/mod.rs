//! What the tests share: a small HTTP client, servers on ports the system chooses, a Keystone.

pub mod client;
pub mod golden;
pub mod keystone;
pub mod l3;
pub mod server;
