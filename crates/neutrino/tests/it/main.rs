//! The binary as a process: its configuration, its signals, several servers on one database, a
//! database taken over from Neutron.

mod configuration;
mod import;
mod process;
mod servers;
