//! The multi-host emulator: hosts, underlays, instances.
