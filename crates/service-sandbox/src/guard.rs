//! The process that cleans up after an owner that cannot.

use std::{
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{Result, io_error};

/// Environment variable that marks processes as belonging to the guarded directory it names, when
/// they do not work in it.
pub const GUARD_MARK: &str = "NEUTRINO_SANDBOX";

/// Runs with the directory as $1 and [`GUARD_MARK`] as $2. Whatever has its working directory there,
/// or says so in its environment, is of the sandbox; children made between two looks are found by
/// the next one.
const GUARD: &str = r#"
trap '' INT TERM HUP
cd /
cat >/dev/null
round=0
while [ "$round" -lt 200 ]; do
    found=$({
        find /proc -maxdepth 2 -name cwd -path '/proc/[0-9]*' \( -lname "$1" -o -lname "$1/*" \)
        grep -lzxF -- "$2=$1" /proc/[0-9]*/environ
    } 2>/dev/null | cut -d/ -f3 | sort -u)
    [ -n "$found" ] || break
    kill -9 $found 2>/dev/null
    round=$((round + 1))
done
# A killed PostgreSQL leaves a segment of shared memory, which its pid file names.
segment=$(sed -n '7s/.* //p' "$1/data/postmaster.pid" 2>/dev/null)
[ -z "$segment" ] || ipcrm -m "$segment" 2>/dev/null
rm -rf -- "$1"
"#;

/// Ends every process that works in a directory, and removes the directory, when this process
/// ends or drops it. What is to be ended must have been started with its working directory there,
/// or with [`GUARD_MARK`] in its environment.
#[derive(Debug)]
pub struct Guard(Child);

impl Guard {
    /// Begins to watch over `dir`, which must be absolute.
    ///
    /// # Errors
    /// When the guard process cannot be started.
    pub fn over(dir: &Path) -> Result<Self> {
        Command::new("sh")
            .args(["-c", GUARD, "neutrino-sandbox-guard"])
            .arg(dir)
            .arg(GUARD_MARK)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Not in the group that a Ctrl-C at the terminal ends.
            .process_group(0)
            .spawn()
            .map(Self)
            .map_err(io_error("starting the guard process"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It ends by itself; nothing is left to be done if it did not.
        let _ = self.0.wait();
    }
}
