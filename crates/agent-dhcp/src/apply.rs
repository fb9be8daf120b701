//! Doing what was planned: files, leases, dnsmasq, devices.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use neutrino_agent::{external_process, interface, interface::blocking};
use neutrino_dataplane::{
    dhcp::{
        checksums, file,
        leases::{self, Release},
    },
    firewall::Ethertype,
    iptables::{SaveError, Saved},
};
use neutrino_linux::{Family, NetNs, iptables};

use crate::{
    observe::{self, INTERRUPTED},
    plan::{Plan, Process},
};

/// How often a lease is tried to be released.
const RELEASE_TRIES: u32 = 3;
/// Pause for dnsmasq to write its lease file.
const RELEASE_PAUSE: Duration = Duration::from_millis(300);

/// How long to wait for another user of iptables.
const IPTABLES_LOCK: Duration = Duration::from_secs(10);

/// A file could not be written, or dnsmasq not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A file.
    #[error("writing {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// dnsmasq.
    #[error("starting dnsmasq")]
    Spawn(#[source] interface::InterfaceError),
    /// dnsmasq ended with or shortly after its start.
    #[error("dnsmasq is not there after its start")]
    Gone,
    /// dnsmasq.
    #[error("dnsmasq does not end")]
    DoesNotEnd,
}

/// Where a network's dnsmasq is.
#[derive(Clone, Debug)]
pub struct Site<'a> {
    /// The network.
    pub network_id: &'a str,
    /// Its directory.
    pub dir: PathBuf,
    /// Its namespace.
    pub namespace: String,
    /// The device dnsmasq listens on.
    pub device: String,
}

/// Makes a network's dnsmasq as planned.
///
/// # Errors
/// What could not be done; what was done stays.
pub async fn dnsmasq(site: &Site<'_>, plan: Plan) -> Result<(), ApplyError> {
    let daemon = observe::daemon(&site.dir, site.network_id);
    if plan.process == Process::Restart && !daemon.stop().await {
        return Err(ApplyError::DoesNotEnd);
    }
    release(site, plan.release).await;
    let marker = site.dir.join(INTERRUPTED);
    if plan.process == Process::Reload {
        // If the agent ends between writing and telling dnsmasq, the next one must tell it.
        write(&marker, "")?;
    }
    for (name, text) in &plan.write {
        write(&site.dir.join(name), text)?;
    }
    match plan.process {
        Process::Keep => return Ok(()),
        Process::Reload if daemon.reload() => {}
        // It died since it was looked at.
        Process::Reload | Process::Start | Process::Restart => {
            daemon.spawn(&site.namespace, &plan.command).await.map_err(ApplyError::Spawn)?;
            if daemon.running().is_none() {
                return Err(ApplyError::Gone);
            }
            tracing::info!(network_id = site.network_id, "dnsmasq started");
        }
    }
    remove(&marker)
}

/// Has dnsmasq forget leases. That one cannot be released is not worth more than a warning: it
/// expires, and until then nobody else gets the address from this dnsmasq.
async fn release(site: &Site<'_>, mut releases: Vec<Release>) {
    for attempt in 0..=RELEASE_TRIES {
        let text = fs::read_to_string(site.dir.join(file::LEASES)).unwrap_or_default();
        releases = leases::still_leased(releases, &text);
        if releases.is_empty() {
            return;
        }
        if attempt == RELEASE_TRIES {
            break;
        }
        let commands: Vec<Vec<String>> =
            releases.iter().map(|release| release.command(&site.device)).collect();
        let namespace = site.namespace.clone();
        let run = blocking(move || {
            commands
                .iter()
                .try_for_each(|command| external_process::run_in(&namespace, command).map(drop))
        });
        if let Err(error) = run.await {
            tracing::warn!(network_id = site.network_id, %error, "releasing leases failed");
        }
        tokio::time::sleep(RELEASE_PAUSE).await;
    }
    let addresses: Vec<String> = releases.iter().map(|release| release.ip().to_string()).collect();
    tracing::warn!(network_id = site.network_id, ?addresses, "leases could not be released");
}

/// The packet filter of a namespace could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// The tools.
    #[error(transparent)]
    Linux(#[from] neutrino_linux::Error),
    /// Their output.
    #[error("reading the tables")]
    Save(#[from] SaveError),
}

/// Has a namespace fill in the checksums of DHCP answers. Rules that are there stay.
///
/// # Errors
/// iptables refuses, or is not installed.
pub fn fill_checksums(namespace: &NetNs) -> Result<(), FilterError> {
    for (family, version) in [(Family::V4, Ethertype::V4), (Family::V6, Ethertype::V6)] {
        if !iptables::available(family) {
            continue;
        }
        let saved = Saved::parse(&namespace.run(|| iptables::save(family, false))?)?;
        if let Some(input) = checksums::tables(version).restore(&saved) {
            namespace.run(|| iptables::restore(family, &input, IPTABLES_LOCK))?;
        }
    }
    Ok(())
}

/// Makes a directory that dnsmasq, which gives up root, can read.
///
/// # Errors
/// The file system refuses.
pub fn ensure_dir(dir: &Path) -> Result<(), ApplyError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(dir)
        .map_err(|source| ApplyError::File { path: dir.to_owned(), source })
}

/// Puts a whole new file in place of what is there.
fn write(path: &Path, text: &str) -> Result<(), ApplyError> {
    let fail = |source| ApplyError::File { path: path.to_owned(), source };
    let temporary = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(&temporary)
        .map_err(fail)?;
    io::Write::write_all(&mut file, text.as_bytes()).map_err(fail)?;
    fs::rename(&temporary, path).map_err(fail)
}

fn remove(path: &Path) -> Result<(), ApplyError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(ApplyError::File { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Removes a network's directory with all it holds; not there is fine.
///
/// # Errors
/// The file system refuses.
pub fn remove_dir(dir: &Path) -> Result<(), ApplyError> {
    match fs::remove_dir_all(dir) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(ApplyError::File { path: dir.to_owned(), source })
        }
        _ => Ok(()),
    }
}
