//! Kernel parameters under `/proc/sys`.

use std::fs;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// Reads a parameter of the caller's namespaces ([`crate::NetNs::run`] for another network
/// namespace), without the final line end. The path is as in [`set`].
///
/// # Errors
/// [`Error::Kernel`] when there is no such parameter.
pub fn get(path: &[&str]) -> Result<String> {
    let file = file(path);
    let text = fs::read_to_string(&file).map_err(Error::kernel(format!("read {}", file.display())));
    Ok(text?.trim_end().to_owned())
}

fn file(path: &[&str]) -> PathBuf {
    ["/proc/sys"].iter().chain(path).collect()
}

/// Writes a parameter of the caller's namespaces.
///
/// The path is given in parts because an interface name may hold a dot:
/// `["net", "ipv6", "conf", "tap1", "disable_ipv6"]`.
///
/// # Errors
/// [`Error::Kernel`] when there is no such parameter or it refuses the value.
pub fn set(path: &[&str], value: &str) -> Result<()> {
    let file = file(path);
    fs::write(&file, value).map_err(Error::kernel(format!("set {} to {value}", file.display())))
}

/// Turns IPv6 off on an interface, as for devices that only a switch looks at.
///
/// A kernel without IPv6 has nothing to turn off, which is no error.
///
/// # Errors
/// [`Error::Kernel`] when the kernel refuses.
pub fn disable_ipv6(interface: &str) -> Result<()> {
    match set(&["net", "ipv6", "conf", interface, "disable_ipv6"], "1") {
        Err(error) if error.is_missing() => Ok(()),
        other => other,
    }
}
