//! Processes in other namespaces: enter those of a process, or start one in new ones.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

pub use nix::sched::CloneFlags;

use crate::error::{Error, Result};
use crate::process::set_death_signal;

/// The pid, network, uts and mount namespaces of a process, and its root, kept open.
#[derive(Debug, Clone)]
pub struct Namespaces(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    kinds: Vec<(File, libc::c_int)>,
    /// Root directory: that of the mount namespace is another one where we run in a chroot.
    root: File,
}

impl Namespaces {
    /// Opens the namespaces of the process whose directory in a proc file system is `proc_dir`.
    ///
    /// The directory may lie in another mount namespace, reached through a `root` link:
    /// `/proc/<init of a pid namespace>/root/proc/<pid in that namespace>`.
    ///
    /// # Errors
    /// [`Error::Kernel`] when the process is gone.
    pub fn open(proc_dir: impl AsRef<Path>) -> Result<Self> {
        let dir = proc_dir.as_ref().join("ns");
        // The mount namespace comes last: entering it changes what paths mean.
        let kinds = [
            ("pid", libc::CLONE_NEWPID),
            ("net", libc::CLONE_NEWNET),
            ("uts", libc::CLONE_NEWUTS),
            ("mnt", libc::CLONE_NEWNS),
        ];
        let mut files = Vec::with_capacity(kinds.len());
        for (name, flag) in kinds {
            let path = dir.join(name);
            let file = File::open(&path)
                .map_err(Error::kernel(format!("open the namespace {}", path.display())))?;
            files.push((file, flag));
        }
        let path = proc_dir.as_ref().join("root");
        let root = File::open(&path)
            .map_err(Error::kernel(format!("open the root directory {}", path.display())))?;
        Ok(Self(Arc::new(Opened { kinds: files, root })))
    }

    /// Makes `command` run inside these namespaces, in the same working directory if it is there.
    ///
    /// The spawned process is a small waiter: it ends as the command ends (128 + signal number
    /// when a signal ended it), and the command dies when the waiter is killed.
    pub fn enter<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let namespaces = self.clone();
        let directory = std::env::current_dir()
            .ok()
            .and_then(|dir| CString::new(dir.as_os_str().as_bytes()).ok());
        // SAFETY: only async-signal-safe calls between fork and exec: setns, chroot, chdir, fork,
        // prctl, sigaction, close_range, waitpid, _exit. What they use was allocated before.
        unsafe {
            command.pre_exec(move || {
                for (file, flag) in &namespaces.0.kinds {
                    check(libc::setns(file.as_raw_fd(), *flag))?;
                }
                check(libc::fchdir(namespaces.0.root.as_raw_fd()))?;
                check(libc::chroot(c".".as_ptr()))?;
                if let Some(directory) = &directory {
                    // Not there in the other mount namespace: its root directory will do.
                    libc::chdir(directory.as_ptr());
                }
                fork_and_wait()
            })
        }
    }
}

/// Enters the pid namespace chosen by setns: the child returns to exec, the parent waits for it.
unsafe fn fork_and_wait() -> io::Result<()> {
    // SAFETY: the caller is a freshly forked, single-threaded child (see `enter`).
    unsafe {
        let child = check(libc::fork())?;
        if child == 0 {
            return set_death_signal(libc::SIGKILL);
        }
        // A ^C at the terminal is for the command; the waiter reports how it ended.
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        libc::signal(libc::SIGQUIT, libc::SIG_IGN);
        // The pipe on which std waits for exec must not be held open here.
        libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32);
        let mut status = 0;
        while libc::waitpid(child, &raw mut status, 0) < 0 {
            if *libc::__errno_location() != libc::EINTR {
                libc::_exit(125);
            }
        }
        if libc::WIFSIGNALED(status) {
            libc::_exit(128 + libc::WTERMSIG(status));
        }
        libc::_exit(libc::WEXITSTATUS(status));
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A program to start in new namespaces, as the first process of them.
#[derive(Debug)]
pub struct NamespaceProcess {
    program: PathBuf,
    arguments: Vec<CString>,
    flags: CloneFlags,
    keep: Vec<RawFd>,
    stdio: [Option<RawFd>; 3],
    new_session: bool,
}

impl NamespaceProcess {
    /// A process that will run `program` in the new namespaces named by `flags`.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, flags: CloneFlags) -> Self {
        let program = program.into();
        let mut process = Self {
            program: program.clone(),
            arguments: Vec::new(),
            flags,
            keep: Vec::new(),
            stdio: [None; 3],
            new_session: false,
        };
        process.push(program.as_os_str());
        process
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        for argument in arguments {
            self.push(argument.as_ref());
        }
        self
    }

    fn push(&mut self, argument: &OsStr) {
        // An argument cannot hold a zero byte; what comes after one would be lost in any case.
        let bytes = argument.as_bytes().split(|byte| *byte == 0).next().unwrap_or_default();
        self.arguments.push(CString::new(bytes).unwrap_or_default());
    }

    /// Leaves a descriptor open, under its number, in the new process.
    #[must_use]
    pub fn keep(mut self, fd: BorrowedFd<'_>) -> Self {
        self.keep.push(fd.as_raw_fd());
        self
    }

    /// Uses `fd` as descriptor `number` (0 to 2) of the new process.
    #[must_use]
    pub fn stdio(mut self, number: usize, fd: BorrowedFd<'_>) -> Self {
        if let Some(slot) = self.stdio.get_mut(number) {
            *slot = Some(fd.as_raw_fd());
        }
        self
    }

    /// Detaches the process from the terminal's session.
    #[must_use]
    pub fn new_session(mut self) -> Self {
        self.new_session = true;
        self
    }

    /// Starts it; returns its process id in our pid namespace. The caller reaps it.
    ///
    /// Every descriptor passed in must still be open. A failure to execute the program shows as
    /// exit status 127.
    ///
    /// # Errors
    /// [`Error::Kernel`] when the kernel refuses the namespaces.
    pub fn spawn(&self) -> Result<u32> {
        let attempt = format!("start {} in new namespaces", self.program.display());
        let mut argv: Vec<*const libc::c_char> =
            self.arguments.iter().map(|argument| argument.as_ptr()).collect();
        argv.push(std::ptr::null());
        let flags = i64::from(self.flags.bits()) | i64::from(libc::SIGCHLD);
        // SAFETY: clone without CLONE_VM and without a stack is fork with namespaces: the child
        // has its own copy of memory and makes only async-signal-safe calls before exec.
        let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0_u64, 0_u64, 0_u64, 0_u64) };
        if pid == 0 {
            // SAFETY: we are the child, single-threaded; `argv` is null-terminated and alive.
            unsafe { self.exec(&argv) }
        }
        u32::try_from(pid).map_err(|_| Error::kernel(attempt)(io::Error::last_os_error()))
    }

    /// The child's part: descriptors, session, exec. Never returns.
    unsafe fn exec(&self, argv: &[*const libc::c_char]) -> ! {
        // SAFETY: see `spawn`.
        unsafe {
            if self.new_session {
                libc::setsid();
            }
            for (number, source) in (0..).zip(&self.stdio) {
                if let Some(source) = source {
                    libc::dup2(*source, number);
                }
            }
            for fd in &self.keep {
                libc::fcntl(*fd, libc::F_SETFD, 0);
            }
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
            libc::execv(argv[0], argv.as_ptr());
            libc::_exit(127)
        }
    }
}
