//! Network namespaces by file descriptor.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::thread;

use nix::sched::{CloneFlags, setns};

use crate::error::{Error, Result};

/// A network namespace, kept alive by an open file.
#[derive(Debug)]
pub struct NetNs(File);

impl NetNs {
    /// Opens a namespace file: `/run/netns/<name>` or `/proc/<pid>/ns/net`.
    ///
    /// # Errors
    /// [`Error::Kernel`] when the file cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path)
            .map_err(Error::kernel(format!("open the network namespace {}", path.display())))?;
        Ok(Self(file))
    }

    /// The namespace of a process of our own pid namespace.
    ///
    /// # Errors
    /// [`Error::Kernel`] when there is no such process.
    pub fn of_process(pid: u32) -> Result<Self> {
        Self::open(format!("/proc/{pid}/ns/net"))
    }

    /// Runs `job` inside the namespace, on a thread of its own so that the caller stays put.
    ///
    /// # Errors
    /// [`Error::Kernel`] when the namespace cannot be entered, else what `job` returns.
    pub fn run<T: Send>(&self, job: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET)
                    .map_err(Error::errno("enter a network namespace"))?;
                job()
            });
            match worker.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
