//! The agent against a real Open vSwitch (private, user space, no privilege) and the real
//! embedded bus with a small server behind it.

mod adoption;
mod failures;
mod moves;
mod support;
mod timing;
mod trace;
mod wiring;
