//! Commands to ovs-vswitchd, as `ovs-appctl` gives them: JSON-RPC over its control socket.
//!
//! One connection for any number of commands; a process for each would cost more than the command.
//! Blocking, for use in `spawn_blocking`.

use std::{
    fs, io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

/// How long the switch may take for one command.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum UnixctlError {
    /// The switch could not be reached.
    #[error("cannot {attempt}: {source}")]
    Io {
        /// What was attempted.
        attempt: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The switch's answer is none.
    #[error("the answer of ovs-vswitchd to {0} is not understood")]
    Answer(String),
    /// The switch refused.
    #[error("ovs-vswitchd refused {command}: {reason}")]
    Refused {
        /// The command.
        command: String,
        /// What it said.
        reason: String,
    },
}

impl UnixctlError {
    fn io(attempt: String) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { attempt, source }
    }
}

/// A connection to the control socket.
#[derive(Debug)]
pub struct Unixctl {
    stream: UnixStream,
    last_id: u64,
}

/// The control socket of the ovs-vswitchd whose run directory (`/run/openvswitch`) this is.
///
/// # Errors
/// [`UnixctlError::Io`] when no ovs-vswitchd runs there.
pub fn switch_socket(run_directory: &Path) -> Result<PathBuf, UnixctlError> {
    // As an ovs-vswitchd is told to call it that does not share the directory.
    let named = run_directory.join("ovs-vswitchd.ctl");
    if named.exists() {
        return Ok(named);
    }
    let pid_file = run_directory.join("ovs-vswitchd.pid");
    let pid = fs::read_to_string(&pid_file)
        .map_err(UnixctlError::io(format!("read {}", pid_file.display())))?;
    Ok(run_directory.join(format!("ovs-vswitchd.{}.ctl", pid.trim())))
}

impl Unixctl {
    /// Connects to a control socket.
    ///
    /// # Errors
    /// [`UnixctlError::Io`] when nobody listens.
    pub fn connect(socket: &Path) -> Result<Self, UnixctlError> {
        let open = || {
            let stream = UnixStream::connect(socket)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            Ok(stream)
        };
        let stream =
            open().map_err(UnixctlError::io(format!("connect to {}", socket.display())))?;
        Ok(Self { stream, last_id: 0 })
    }

    /// Runs a command and returns what it prints.
    ///
    /// # Errors
    /// [`UnixctlError::Refused`] when the switch says no, others when it says nothing sensible.
    pub fn run(&mut self, command: &str, arguments: &[&str]) -> Result<String, UnixctlError> {
        self.last_id += 1;
        let request = json!({"id": self.last_id, "method": command, "params": arguments});
        let attempt = || UnixctlError::io(format!("send {command} to ovs-vswitchd"));
        serde_json::to_writer(&self.stream, &request).map_err(|e| attempt()(e.into()))?;
        // The switch answers one command after the other and nothing else.
        let mut answers = serde_json::Deserializer::from_reader(&self.stream).into_iter::<Value>();
        let answer = match answers.next() {
            Some(Ok(answer)) => answer,
            Some(Err(error)) if !error.is_io() && !error.is_eof() => {
                return Err(UnixctlError::Answer(command.to_string()));
            }
            Some(Err(error)) => return Err(attempt()(error.into())),
            None => return Err(attempt()(io::ErrorKind::UnexpectedEof.into())),
        };
        if let Some(reason) = answer["error"].as_str() {
            let (command, reason) = (command.to_string(), reason.trim().to_string());
            return Err(UnixctlError::Refused { command, reason });
        }
        let text = answer["result"].as_str().map(str::to_string);
        text.ok_or_else(|| UnixctlError::Answer(command.to_string()))
    }
}
