//! What the host has of a network: files, dnsmasq, devices.

use std::{fs, io, path::Path, path::PathBuf};

use neutrino_agent::{
    external_process::{Daemon, Running},
    interface::Result,
};
use neutrino_dataplane::{
    dhcp::{device, file},
    names::{NAMESPACE_END_PREFIX, TAP_PREFIX},
};
use neutrino_linux::{NetNs, Netlink};

/// Length of a network's id.
const UUID_LEN: usize = 36;

/// What the host has of a network that dnsmasq is concerned with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The hosts file.
    pub host: String,
    /// The additional hosts file.
    pub addn_hosts: String,
    /// The options file.
    pub opts: String,
    /// The lease file.
    pub leases: String,
    /// The device dnsmasq listens on.
    pub interface: String,
    /// Files were written that dnsmasq was not told of yet.
    pub interrupted: bool,
    /// dnsmasq.
    pub running: Option<Running>,
}

/// The file that exists while dnsmasq has not been told of what was written.
pub const INTERRUPTED: &str = "reload";

/// The files and the dnsmasq of the network whose directory is `dir`.
#[must_use]
pub fn files(dir: &Path, network_id: &str) -> Observed {
    let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap_or_default();
    Observed {
        host: read(file::HOST),
        addn_hosts: read(file::ADDN_HOSTS),
        opts: read(file::OPTS),
        leases: read(file::LEASES),
        interface: read(file::INTERFACE),
        interrupted: dir.join(INTERRUPTED).exists(),
        running: daemon(dir, network_id).running(),
    }
}

/// dnsmasq of the network whose directory is `dir`.
#[must_use]
pub fn daemon(dir: &Path, network_id: &str) -> Daemon {
    Daemon { id: network_id.to_string(), pid_file: dir.join(file::PID) }
}

/// Agents' devices in a namespace, which may not exist.
///
/// # Errors
/// The kernel refuses.
pub fn devices(namespace: &str) -> Result<Vec<String>> {
    let Some(found) = NetNs::named(namespace)? else { return Ok(Vec::new()) };
    let links = Netlink::open_in(&found)?.links()?;
    let ours =
        |name: &String| [TAP_PREFIX, NAMESPACE_END_PREFIX].iter().any(|p| name.starts_with(p));
    Ok(links.into_iter().map(|link| link.name).filter(ours).collect())
}

/// The networks the host has a directory or a namespace of.
///
/// # Errors
/// The directory of all networks cannot be read.
pub fn networks(confs: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(confs) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let directories = entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok());
    // Without the directory of namespaces there are none.
    let namespaces = NetNs::names().unwrap_or_default();
    let namespaces = namespaces
        .into_iter()
        .filter_map(|name| name.strip_prefix(device::NAMESPACE_PREFIX).map(str::to_string));
    let mut out: Vec<String> = directories.chain(namespaces).filter(|id| is_uuid(id)).collect();
    out.sort();
    out.dedup();
    Ok(out)
}

fn is_uuid(text: &str) -> bool {
    text.len() == UUID_LEN
        && text.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}

/// A network's directory.
#[must_use]
pub fn directory(confs: &Path, network_id: &str) -> PathBuf {
    confs.join(network_id)
}
