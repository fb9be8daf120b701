//! The plugin as the server uses it, on a real database.

mod common;

mod binding;
mod devices;
mod l2population;
mod networks;
mod ports;
mod scale;
mod subnets;
