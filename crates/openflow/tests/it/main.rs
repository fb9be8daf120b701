//! Tests of the codec against recorded flows of a real Neutron host and against ovs-ofctl.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod observed;
