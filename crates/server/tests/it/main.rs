//! Integration tests of the server: real TCP, real router, a real database.

mod any_value;
mod api;
mod bad_input;
mod identity;
mod long_queries;
mod nova;
mod rpc;
mod slow_clients;
mod statements;
mod support;
