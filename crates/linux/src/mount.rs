//! Mounts of a private mount namespace.

use std::path::Path;

use nix::mount::{MsFlags, mount};

use crate::error::{Error, Result};

/// Keeps later mounts of this mount namespace from reaching any other.
///
/// # Errors
/// [`Error::Kernel`] when the kernel refuses.
pub fn make_private() -> Result<()> {
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
        .map_err(Error::errno("make the mount namespace private"))
}

/// Mounts an empty tmpfs with directory mode 0755.
///
/// # Errors
/// [`Error::Kernel`] when the kernel refuses.
pub fn tmpfs(target: &Path) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), target, Some("tmpfs"), flags, Some("mode=0755"))
        .map_err(Error::errno(format!("mount a tmpfs on {}", target.display())))
}

/// Lays the writable directory `upper` over `target`; what was there stays readable.
///
/// `upper` and `work` must be empty directories of one file system.
///
/// # Errors
/// [`Error::Kernel`] when the kernel refuses, for instance because it has no overlayfs.
pub fn overlay(target: &Path, upper: &Path, work: &Path) -> Result<()> {
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        target.display(),
        upper.display(),
        work.display()
    );
    mount(Some("overlay"), target, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .map_err(Error::errno(format!("mount an overlay on {}", target.display())))
}

/// Mounts `source` a second time at `target`.
///
/// # Errors
/// [`Error::Kernel`] when the kernel refuses.
pub fn bind(source: &Path, target: &Path) -> Result<()> {
    mount(Some(source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(Error::errno(format!("bind {} to {}", source.display(), target.display())))
}

/// Mounts the caller's pid and network namespaces on `/proc` and `/sys`.
///
/// # Errors
/// [`Error::Kernel`] when the kernel refuses.
pub fn proc_and_sys() -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    for (kind, target) in [("proc", "/proc"), ("sysfs", "/sys")] {
        mount(Some(kind), target, Some(kind), flags, None::<&str>)
            .map_err(Error::errno(format!("mount {target}")))?;
    }
    Ok(())
}
