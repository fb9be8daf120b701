//! radvd of a router: files and process as Neutron's, so that either agent finds the other's.

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use neutrino_agent::{external_process::Daemon, interface::InterfaceError};

use crate::{config::Config, observe};

/// radvd could not be started, told or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RadvdError {
    /// A file.
    #[error("writing {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The process.
    #[error("starting radvd; is it installed (Debian: radvd)?")]
    Spawn(#[source] InterfaceError),
    /// The process ended with or shortly after its start.
    #[error("radvd is not there after its start")]
    Gone,
    /// The process.
    #[error("radvd does not end")]
    DoesNotEnd,
}

/// radvd of one router.
#[derive(Clone, Debug)]
pub struct Radvd {
    daemon: Daemon,
    namespace: String,
    conf: PathBuf,
    /// Exists while radvd has not been told of what was written.
    untold: PathBuf,
    user: Option<String>,
}

impl Radvd {
    /// That of `router_id`, which runs in `namespace`.
    #[must_use]
    pub fn new(config: &Config, router_id: &str, namespace: String) -> Self {
        let file = |dir: &Path, name: &str| dir.join(format!("{router_id}.{name}"));
        Self {
            daemon: Daemon {
                id: router_id.to_string(),
                pid_file: file(&config.external_pids, "pid.radvd"),
            },
            namespace,
            conf: file(&config.ra_confs, "radvd.conf"),
            untold: file(&config.ra_confs, "radvd.untold"),
            user: config.radvd_user.clone(),
        }
    }

    /// What the running one is configured with, as far as it knows; none when it does not run.
    #[must_use]
    pub fn observed(&self) -> Option<String> {
        let runs = self.daemon.running().is_some();
        // A file that cannot be read is not what is wanted; neither is one it was not told of.
        let text = if self.untold.exists() {
            String::new()
        } else {
            observe::file(&self.conf).unwrap_or_default()
        };
        runs.then_some(text)
    }

    /// Whether it runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.daemon.running().is_some()
    }

    /// Has it run with this configuration.
    ///
    /// # Errors
    /// A file cannot be written, or radvd not be started.
    pub async fn run(&self, text: &str) -> Result<(), RadvdError> {
        for path in [&self.conf, &self.daemon.pid_file] {
            if let Some(dir) = path.parent() {
                fs::create_dir_all(dir).map_err(at(dir))?;
            }
        }
        // If the agent ends between writing and telling radvd, the next one must tell it.
        fs::write(&self.untold, "").map_err(at(&self.untold))?;
        replace(&self.conf, text)?;
        if !self.daemon.reload() {
            self.start().await?;
        }
        remove(&self.untold)
    }

    async fn start(&self) -> Result<(), RadvdError> {
        let mut command = vec!["radvd".to_string(), "-C".into(), self.conf.display().to_string()];
        command.extend(["-p".into(), self.daemon.pid_file.display().to_string()]);
        command.extend(["-m".into(), "syslog".into()]);
        command.extend(self.user.iter().flat_map(|user| ["-u".into(), user.clone()]));
        self.daemon.spawn(&self.namespace, &command).await.map_err(RadvdError::Spawn)?;
        if self.daemon.running().is_none() {
            return Err(RadvdError::Gone);
        }
        tracing::info!(router_id = self.daemon.id, "radvd started");
        Ok(())
    }

    /// Ends it and removes its files. Not running is fine.
    ///
    /// # Errors
    /// It does not end, or a file cannot be removed.
    pub async fn stop(&self) -> Result<(), RadvdError> {
        if !self.daemon.stop().await {
            return Err(RadvdError::DoesNotEnd);
        }
        for path in [&self.conf, &self.untold, &self.daemon.pid_file] {
            remove(path)?;
        }
        Ok(())
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RadvdError {
    let path = path.to_owned();
    |source| RadvdError::File { path, source }
}

/// Puts a whole new file in place of what is there. radvd refuses one that others may write.
fn replace(path: &Path, text: &str) -> Result<(), RadvdError> {
    let temporary = path.with_extension("new");
    remove(&temporary)?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o444)
        .open(&temporary)
        .map_err(at(&temporary))?;
    io::Write::write_all(&mut file, text.as_bytes()).map_err(at(&temporary))?;
    fs::rename(&temporary, path).map_err(at(path))
}

fn remove(path: &Path) -> Result<(), RadvdError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(at(path)(source)),
        _ => Ok(()),
    }
}
