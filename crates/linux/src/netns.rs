//! Network namespaces by file descriptor, and named ones as `ip netns` keeps them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

use crate::error::{Error, Result};
use crate::mount::bind;
use crate::netlink::Netlink;

/// Where `ip netns` keeps named namespaces.
const DIR: &str = "/run/netns";

/// Keeps two threads from preparing [`DIR`] at the same time.
static PREPARING: Mutex<()> = Mutex::new(());

/// Names of which somebody is making the namespace. Of two threads that make the same one, the
/// second would mount its own over the first one's, which is lost with all that is in it.
static MAKING: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static MADE: Condvar = Condvar::new();

/// Whoever holds it makes the namespace of a name.
struct Making<'a>(&'a str);

impl<'a> Making<'a> {
    fn begin(name: &'a str) -> Self {
        let mut names = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        while !names.insert(name.to_owned()) {
            names = MADE.wait(names).unwrap_or_else(PoisonError::into_inner);
        }
        Self(name)
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        MAKING.lock().unwrap_or_else(PoisonError::into_inner).remove(self.0);
        MADE.notify_all();
    }
}

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

    /// Where the namespace called `name` is mounted, if it exists.
    #[must_use]
    pub fn named_path(name: &str) -> PathBuf {
        Path::new(DIR).join(name)
    }

    /// The namespace that `ip netns` calls `name`, when there is one.
    ///
    /// # Errors
    /// [`Error::Kernel`] when its file cannot be opened.
    pub fn named(name: &str) -> Result<Option<Self>> {
        match Self::open(Self::named_path(name)) {
            Ok(namespace) if namespace.is_namespace() => Ok(Some(namespace)),
            // A file without a mount is what a creation cut short leaves.
            Ok(_) => Ok(None),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names of all namespaces `ip netns` shows, sorted.
    ///
    /// # Errors
    /// [`Error::Kernel`] when their directory cannot be read.
    pub fn names() -> Result<Vec<String>> {
        let attempt = format!("read {DIR}");
        let entries = match fs::read_dir(DIR) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::kernel(attempt)(error)),
        };
        let mut out: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| Self::named(name).is_ok_and(|found| found.is_some()))
            .collect();
        out.sort();
        Ok(out)
    }

    /// Makes the namespace called `name` with its loopback up, as `ip netns add` does; the one
    /// that exists is answered.
    ///
    /// # Errors
    /// [`Error::Kernel`] when the kernel refuses.
    pub fn add_named(name: &str) -> Result<Self> {
        let _alone = Making::begin(name);
        if let Some(existing) = Self::named(name)? {
            return Ok(existing);
        }
        prepare_dir()?;
        let path = Self::named_path(name);
        let attempt = format!("create the network namespace {name}");
        fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o000)
            .open(&path)
            .map_err(Error::kernel(attempt.clone()))?;
        // The thread ends in the new namespace and takes nothing else with it.
        let made = thread::scope(|scope| {
            let worker = scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET).map_err(Error::errno(attempt))?;
                bind(Path::new("/proc/thread-self/ns/net"), &path)?;
                Netlink::open()?.set_up("lo")
            });
            match worker.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        if let Err(error) = made {
            Self::delete_named(name)?;
            return Err(error);
        }
        Self::open(path)
    }

    /// Removes the name, as `ip netns delete` does; no such name is fine. The namespace itself
    /// ends with its last user.
    ///
    /// # Errors
    /// [`Error::Kernel`] when the kernel refuses.
    pub fn delete_named(name: &str) -> Result<()> {
        let path = Self::named_path(name);
        let attempt = || format!("delete the network namespace {name}");
        match umount2(&path, MntFlags::MNT_DETACH) {
            // Not there, or not mounted.
            Ok(()) | Err(nix::errno::Errno::ENOENT | nix::errno::Errno::EINVAL) => {}
            Err(errno) => return Err(Error::errno(attempt())(errno)),
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::kernel(attempt())(error))
            }
            _ => Ok(()),
        }
    }

    fn is_namespace(&self) -> bool {
        // Only namespace files answer which kind they are.
        const NS_GET_NSTYPE: libc::Ioctl = 0xb703;
        // SAFETY: the ioctl takes no argument and only answers a number.
        unsafe { libc::ioctl(self.0.as_raw_fd(), NS_GET_NSTYPE) == libc::CLONE_NEWNET }
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

    /// Makes `command` run inside the namespace; everything else stays the caller's.
    ///
    /// # Errors
    /// [`Error::Kernel`] when the namespace's file cannot be duplicated.
    pub fn enter<'a>(&self, command: &'a mut Command) -> Result<&'a mut Command> {
        let file = self.0.try_clone().map_err(Error::kernel("duplicate a namespace's file"))?;
        // SAFETY: setns is async-signal-safe and touches only the child.
        Ok(unsafe {
            command.pre_exec(move || {
                setns(&file, CloneFlags::CLONE_NEWNET).map_err(std::io::Error::from)
            })
        })
    }
}

/// Makes [`DIR`] a mount that others share, as `ip netns add` does: what is mounted there must be
/// seen in every mount namespace, and a copy elsewhere must not keep a deleted namespace alive.
fn prepare_dir() -> Result<()> {
    let attempt = || format!("prepare {DIR}");
    let guard = PREPARING.lock();
    fs::create_dir_all(DIR).map_err(Error::kernel(attempt()))?;
    fs::set_permissions(DIR, fs::Permissions::from_mode(0o755))
        .map_err(Error::kernel(attempt()))?;
    let share = || {
        let flags = MsFlags::MS_SHARED | MsFlags::MS_REC;
        mount(None::<&str>, DIR, None::<&str>, flags, None::<&str>)
    };
    if share().is_err() {
        // Not a mount point yet.
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(DIR), DIR, None::<&str>, flags, None::<&str>)
            .map_err(Error::errno(attempt()))?;
        share().map_err(Error::errno(attempt()))?;
    }
    drop(guard);
    Ok(())
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
