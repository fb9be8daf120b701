//! Tests of the codec against recorded flows of a real Neutron host and against ovs-ofctl.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod hostile;
mod messages;
mod observed;
mod oracle;
mod vectors;

/// Where the cases live.
fn case(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

/// Whether goldens are to be written rather than compared.
fn update_goldens() -> bool {
    std::env::var_os("NEUTRINO_UPDATE_GOLDENS").is_some()
}
