//! Decisions about Neutron's options, and files that deployment tools write.

mod decisions;
mod deployments;

use std::{fs, path::PathBuf};

/// The file `name` of this crate's test cases.
fn case(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

/// Compares `text` with the file `name`, or rewrites it with `NEUTRINO_UPDATE_GOLDENS=1`.
fn assert_golden(name: &str, text: &str) {
    let path = case(name);
    if std::env::var_os("NEUTRINO_UPDATE_GOLDENS").is_some_and(|v| v == "1") {
        fs::write(&path, text).expect("write golden");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == text,
        "{} differs; NEUTRINO_UPDATE_GOLDENS=1 rewrites it. Now:\n{text}",
        path.display()
    );
}
