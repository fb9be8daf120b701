//! What the tests share: a small HTTP client and servers on ports the system chooses.

pub mod client;
pub mod golden;
pub mod l3;
pub mod server;
