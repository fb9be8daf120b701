//! Daemons that agents run inside namespaces and that outlive them: started, found again by their
//! pid file, signalled, stopped.
//!
//! A pid file alone proves nothing after a reboot; the process counts as ours when its command
//! line names what it is for, as Neutron's process manager has it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use neutrino_linux::{NetNs, process};
use tokio::time::Instant;

use crate::interface::{Result, blocking};

/// How long a daemon may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// Pause between looks whether it has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A daemon by what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Part of its command line, e.g. the network's id.
    pub id: String,
    /// Where it writes its process id.
    pub pid_file: PathBuf,
}

/// A daemon that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its process id.
    pub pid: i32,
    /// Its command line, program first.
    pub command: Vec<String>,
}

impl Daemon {
    /// The running process, if there is one.
    #[must_use]
    pub fn running(&self) -> Option<Running> {
        let pid: i32 = fs::read_to_string(&self.pid_file).ok()?.trim().parse().ok()?;
        // A process that ended but was not reaped has an empty command line.
        let bytes = fs::read(Path::new("/proc").join(pid.to_string()).join("cmdline")).ok()?;
        let command: Vec<String> = bytes
            .split(|byte| *byte == 0)
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .filter(|part| !part.is_empty())
            .collect();
        let ours = command.iter().any(|part| part.contains(&self.id));
        ours.then_some(Running { pid, command })
    }

    /// Starts `command` in `namespace` and waits until it has become a daemon.
    ///
    /// # Errors
    /// It cannot be started, or says that it failed.
    pub async fn spawn(&self, namespace: &str, command: &[String]) -> Result<()> {
        let (namespace, command) = (namespace.to_string(), command.to_vec());
        blocking(move || run_in(&namespace, &command).map(drop)).await
    }

    /// Has the daemon read its files again. Answers whether it runs.
    pub fn reload(&self) -> bool {
        self.running().is_some_and(|running| process::signal(running.pid, process::Signal::SIGHUP))
    }

    /// Whether it runs all the time for as long as `time`.
    pub async fn survives(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            tokio::time::sleep(LOOK_AGAIN).await;
            if self.running().is_none() {
                return false;
            }
        }
        true
    }

    /// Ends the daemon, patiently at first. Not running is fine. Answers whether it is gone.
    pub async fn stop(&self) -> bool {
        use process::Signal::{SIGKILL, SIGTERM};
        for signal in [SIGTERM, SIGKILL] {
            let Some(running) = self.running() else { return true };
            if signal == SIGKILL {
                tracing::warn!(pid = running.pid, "daemon ignores SIGTERM, killing it");
            }
            process::signal(running.pid, signal);
            let deadline = Instant::now() + GRACE;
            while Instant::now() < deadline {
                if self.running().is_none() {
                    return true;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
        self.running().is_none()
    }
}

/// Runs a command in a namespace to its end and answers what it printed.
///
/// # Errors
/// There is no such namespace, or the command cannot be started or fails.
pub fn run_in(namespace: &str, command: &[String]) -> Result<String> {
    use crate::interface::InterfaceError::NoNamespace;
    let found = NetNs::named(namespace)?.ok_or_else(|| NoNamespace(namespace.to_string()))?;
    let mut it = command.iter();
    let mut command = Command::new(it.next().map(String::as_str).unwrap_or_default());
    command.args(it);
    Ok(process::run(found.enter(&mut command)?)?)
}
