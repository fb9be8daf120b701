//! The controller against a real ovs-vswitchd (observed by ovs-ofctl) and against misbehaving
//! switches played by the test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod misbehaving;
mod real;

use std::time::Duration;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);
