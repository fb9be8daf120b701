//! Integration tests of the server: real TCP, real router, real SQLite.

mod identity;
mod rpc;
mod support;
