//! For tests: whether those that need root run, and a count of those that did not.
//!
//! A test that needs root begins with `if !neutrino_privilege::granted() { return; }`. One that
//! makes namespaces, daemons or files in system directories is wrapped in [`isolated`].

use std::{
    any::type_name_of_val, env, fs::OpenOptions, io::Write, os::unix::fs::MetadataExt, path::Path,
    process::Command,
};

use neutrino_linux::{Netlink, mount, process};

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

/// Names the test that runs inside namespaces of its own.
const INSIDE: &str = "NEUTRINO_ISOLATED_TEST";

/// Runs `body` in a process of its own with pid, network and mount namespaces of its own and empty
/// `/run` and `/tmp`. Whatever it starts or makes there is gone afterwards, also when it is killed.
///
/// Call it as the only thing a test does. Skipped as [`granted`] says.
///
/// # Panics
/// When `body` panics there, with what it printed.
pub fn isolated(body: impl FnOnce()) {
    if !granted() {
        return;
    }
    // `<crate>::<module>::<test>::{{closure}}`, of which libtest knows what is in between.
    let name = type_name_of_val(&body).trim_end_matches("::{{closure}}");
    let name = name.split_once("::").map_or(name, |(_, rest)| rest);
    if env::var_os(INSIDE).is_some_and(|inside| inside == name) {
        let prepared = mount::make_private()
            .and_then(|()| mount::tmpfs(Path::new("/run")))
            .and_then(|()| mount::tmpfs(Path::new("/tmp")))
            .and_then(|()| Netlink::open()?.set_up("lo"));
        assert!(prepared.is_ok(), "namespaces cannot be prepared: {prepared:?}");
        return body();
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.arg(env::current_exe().unwrap_or_default());
    command.args(["--exact", name, "--nocapture"]).env(INSIDE, name);
    let output = process::die_with_parent(&mut command).output();
    let passed = output.as_ref().is_ok_and(|output| {
        // A name that libtest does not know runs nothing.
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed")
    });
    let said = output.map(|output| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        text(&output.stdout) + &text(&output.stderr)
    });
    assert!(passed, "{name} failed inside its namespaces: {}", said.unwrap_or_default());
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
