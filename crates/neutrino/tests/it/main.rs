//! The binary as a process: its configuration, its signals, several servers on one database.

mod configuration;
mod process;
mod servers;
