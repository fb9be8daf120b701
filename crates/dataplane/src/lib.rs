//! Pure functions from what a host looks like to the OpenFlow flows its bridges should have.
//!
//! [`view::HostView`] is the input; [`br_int`], [`br_tun`] and [`br_phys`] each answer the
//! complete flows of one bridge, which are Neutron's table for table, with those of `dvr`; [`diff`] turns them and
//! what is installed into the least changes; [`names`] and [`tables`] hold what operators know
//! by heart. [`dhcp`] is the same for what a DHCP agent runs. Nothing here does I/O: the agents
//! apply.

pub mod br_int;
pub mod br_phys;
pub mod br_tun;
pub mod dhcp;
pub mod diff;
mod dvr;
pub mod firewall;
pub mod iptables;
pub mod l3;
pub mod names;
pub mod tables;
pub mod view;
