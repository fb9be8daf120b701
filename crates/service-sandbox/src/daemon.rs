//! One process of a sandbox.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use neutrino_linux::process::{Signal, signal};

use crate::{CommandLine, Result, io_error};

/// How long a server may take to end in its own way.
pub(crate) const GRACE: Duration = Duration::from_secs(30);
/// How often a wait looks again.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// A running process.
#[derive(Debug)]
pub(crate) struct Daemon(Child);

impl Daemon {
    /// Starts `line` in `dir`, what it prints going to `output` there.
    pub(crate) fn start(line: &CommandLine, dir: &Path, output: &str) -> Result<Self> {
        let path = dir.join(output);
        let file =
            File::options().create(true).append(true).open(&path).map_err(io_error("opening"))?;
        let errors = file.try_clone().map_err(io_error("duplicating a file"))?;
        let mut command = line.command();
        command.current_dir(dir).stdin(Stdio::null()).stdout(file).stderr(errors);
        // Ctrl-C is the owner's to act upon.
        command.process_group(0);
        command.spawn().map(Self).map_err(io_error(format!("starting {}", line.words().join(" "))))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, when it has.
    pub(crate) fn ended(&mut self) -> Result<Option<String>> {
        let status = self.0.try_wait().map_err(io_error("looking after a daemon"))?;
        Ok(status.map(|status| status.to_string()))
    }

    /// Asks it to end with `wanted`, and makes it when it does not.
    pub(crate) fn stop(mut self, wanted: Signal) -> Result<()> {
        let deadline = Instant::now() + GRACE;
        signal(self.0.id().cast_signed(), wanted);
        while self.ended()?.is_none() {
            if Instant::now() > deadline {
                return self.kill();
            }
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.0.kill().map_err(io_error("killing a daemon"))?;
        self.0.wait().map(|_| ()).map_err(io_error("awaiting the end of a daemon"))
    }
}

/// Processes whose working directory is `dir` or below it.
pub(crate) fn working_in(dir: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(dir))
    })
    .collect()
}
