//! The in-process callback registry: BEFORE, PRECOMMIT and AFTER events with veto.
//!
//! Owns the vocabulary of events ([`Resource`], [`Phase`], [`Action`]), the [`Payload`] that
//! travels with them, and the [`Registry`] that calls subscribers in order. Owns no resource and
//! no subscriber: ml2 publishes, service plugins subscribe.
//!
//! The phases are Neutron's (`neutron_lib.callbacks`): BEFORE runs outside a transaction and
//! PRECOMMIT inside one, both may veto; AFTER runs when the change is committed and can only be
//! logged when it fails.

mod event;
mod registry;
mod veto;

pub use event::{Action, Payload, Phase, Resource};
pub use registry::{DEFAULT_PRIORITY, Registry, Subscriber};
pub use veto::{VETO, veto};
