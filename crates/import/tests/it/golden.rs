//! Golden files: what a test made, kept under `tests/cases`.

use std::{fs, path::PathBuf};

/// Compares `text` with the golden file `name`, or writes it when `NEUTRINO_UPDATE_GOLDENS` is set.
pub fn check(name: &str, text: &str) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases")).join(name);
    if std::env::var_os("NEUTRINO_UPDATE_GOLDENS").is_some() {
        fs::write(&path, text).expect("golden");
        return;
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(golden, text, "{} differs: see CONTRIBUTING.md", path.display());
}
