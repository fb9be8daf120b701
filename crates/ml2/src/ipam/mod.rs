//! Address management: which addresses a port asks for, and giving it free ones.
//!
//! `ipallocations` is the one truth about addresses in use: its key (subnet, address) is what
//! keeps two ports from having the same one. The number of statements does not depend on how many
//! addresses are in use (see [`candidates`]).

pub mod addr;
pub mod allocate;
pub mod candidates;
pub mod pools;
pub mod prefixes;
pub mod requests;
