//! The Open vSwitch agent.
