//! Child processes that never outlive their parent.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::thread;

pub use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::error::{Error, Result};

/// Sends a signal to one process. Answers whether it was there to get it.
pub fn signal(pid: i32, signal: Signal) -> bool {
    // 0 and negative numbers name groups of processes.
    pid > 0 && kill(Pid::from_raw(pid), signal).is_ok()
}

/// Lets the kernel kill the child when the thread that spawns it ends.
///
/// # Safety of use
/// Spawn from a thread that lives as long as the child should.
pub fn die_with_parent(command: &mut Command) -> &mut Command {
    // SAFETY: prctl is async-signal-safe and touches only the child.
    unsafe { command.pre_exec(|| set_death_signal(libc::SIGKILL)) }
}

/// Runs a command to its end and returns its standard output.
///
/// # Errors
/// [`Error::Kernel`] when it cannot be started, [`Error::Child`] when it fails.
pub fn run(command: &mut Command) -> Result<String> {
    let line = command_line(command);
    let output =
        command.stdin(Stdio::null()).output().map_err(Error::kernel(format!("run `{line}`")))?;
    outcome(line, &output)
}

/// As [`run`], with `input` on the command's standard input.
///
/// # Errors
/// [`Error::Kernel`] when it cannot be started or spoken to, [`Error::Child`] when it fails.
pub fn run_with_input(command: &mut Command, input: &str) -> Result<String> {
    let line = command_line(command);
    let attempt = || Error::kernel(format!("run `{line}`"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(attempt())?;
    let output = thread::scope(|scope| {
        // Beside reading, or a command that prints much and one that reads much wait for another.
        if let Some(mut stdin) = child.stdin.take() {
            // A command that ends without reading everything says why on its standard error.
            scope.spawn(move || stdin.write_all(input.as_bytes()));
        }
        child.wait_with_output()
    });
    outcome(line.clone(), &output.map_err(attempt())?)
}

fn outcome(line: String, output: &Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Child {
        command: line,
        status: output.status.to_string(),
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// The command as one would type it, for messages.
#[must_use]
pub fn command_line(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// Asks for `signal` when the parent thread ends. Async-signal-safe.
pub(crate) fn set_death_signal(signal: libc::c_int) -> io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes one integer and touches only the caller.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
