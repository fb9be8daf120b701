//! For tests: whether those that need root run, and a count of those that did not.
//!
//! A test that needs root begins with `if !neutrino_privilege::granted() { return; }`.

use std::{fs::OpenOptions, io::Write, os::unix::fs::MetadataExt};

/// The user's word that privileged tests may be left out: `1`.
pub const SKIP: &str = "NEUTRINO_SKIP_PRIVILEGED";
/// File that gets a line per test left out, so that `make test` can count them.
pub const SKIPS_FILE: &str = "NEUTRINO_SKIPS_FILE";

/// Whether the calling test may go on; false where skipping was asked for, which is recorded.
///
/// # Panics
/// Without root and without leave to skip: a test that did not run must not pass.
#[must_use]
pub fn granted() -> bool {
    if std::env::var_os(SKIP).is_some_and(|value| value == "1") {
        // libtest names the thread after the test.
        let thread = std::thread::current();
        record(thread.name().unwrap_or("a test"));
        return false;
    }
    let root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    assert!(root, "this test needs root; {SKIP}=1 leaves out the tests that do");
    true
}

fn record(test: &str) {
    eprintln!("skipped: {test} needs root");
    let Some(path) = std::env::var_os(SKIPS_FILE) else { return };
    let line = format!("{test}\n");
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    assert!(written.is_ok(), "{SKIPS_FILE} cannot be written: {written:?}");
}
