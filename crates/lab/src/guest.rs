//! The first process of what has namespaces of its own and runs nothing by itself: instances, and
//! the hosts outside the cloud.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use neutrino_linux::{CloneFlags, NamespaceProcess, Netlink, mount};

use crate::error::{Error, Result};

/// What a guest writes when it may be plugged.
const READY: &str = "ready";

/// Starts `neutrino lab COMMAND NAME`, whose life is [`init`], in namespaces of its own; answers
/// its process id when it may be plugged.
pub(crate) fn start(binary: &Path, command: &str, name: &str) -> Result<u32> {
    let attempt = || format!("start {name}");
    let (mut ready, theirs) = std::io::pipe().map_err(Error::io(attempt()))?;
    let null = std::fs::File::open("/dev/null").map_err(Error::io(attempt()))?;
    let flags = CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWNET;
    let pid = NamespaceProcess::new(binary, flags)
        .args(["lab", command, name])
        .stdio(0, null.as_fd())
        .stdio(1, theirs.as_fd())
        .spawn()?;
    drop(theirs);
    let mut told = String::new();
    ready.read_to_string(&mut told).map_err(Error::io(attempt()))?;
    if told == READY {
        return Ok(pid);
    }
    Err(Error::Lab(format!("{name} did not start: {told}")))
}

/// Life of a guest: its own view of the system, what `prepare` does, then nothing but reaping.
pub(crate) fn init(name: &str, prepare: impl FnOnce() -> Result<()>) -> Result<()> {
    mount::make_private()?;
    mount::proc_and_sys()?;
    prepare()?;
    nix::unistd::sethostname(name).map_err(|errno| Error::io("set the host name")(errno.into()))?;
    Netlink::open()?.set_up("lo")?;
    // One write, then end of file: whoever started us waits for both.
    print!("{READY}");
    std::io::stdout().flush().map_err(Error::io("say that the guest is ready"))?;
    let null = std::fs::File::open("/dev/null").map_err(Error::io("open /dev/null"))?;
    nix::unistd::dup2_stdout(&null)
        .map_err(|errno| Error::io("close standard output")(errno.into()))?;
    loop {
        // SAFETY: waits for any child and keeps nothing of it.
        let reaped = unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) };
        if reaped < 0 {
            // Nobody to wait for now: sleep until a process is adopted and ends.
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}
