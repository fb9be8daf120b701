//! The agent's side against a real bus on loopback, with scripted answers of the server.

mod calls;
mod config;
mod heartbeat;
mod notifications;
mod support;
