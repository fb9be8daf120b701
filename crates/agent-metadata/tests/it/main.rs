//! The metadata path in real namespaces, asked by real curl.

mod agent;
mod proxy;
mod server;
mod support;
