//! The oslo.policy rule language and Neutron's default rules.
//!
//! [`Enforcer`] is made once from the defaults and an optional policy file. Requests ask it with
//! the caller's [`Context`](neutrino_types::Context) and a [`Target`]; lists go through a [`View`],
//! which decides once per request whatever the caller's roles alone decide. Owns no knowledge of
//! how resources are stored: what rules look at is handed in.

pub mod defaults;
pub mod enforcer;
pub mod error;
pub mod expr;
pub mod file;
mod rules;
pub mod target;
pub mod view;

pub use enforcer::{Enforcer, Options, not_found};
pub use error::PolicyError;
pub use rules::Truth;
pub use target::Target;
pub use view::View;
