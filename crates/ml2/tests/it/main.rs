//! The plugin as the server uses it, on a real database.

mod common;

mod anything;
mod binding;
mod devices;
mod distributed;
mod l2population;
mod networks;
mod ports;
mod scale;
mod security_groups;
mod servers;
mod subnets;
