//! Where log lines go and which: `debug`, `log_file`, `log_dir`, as oslo.log has them.

use std::{fs::OpenOptions, io, path::PathBuf, sync::Mutex};

use neutrino_conf::{Conf, opts};
use tracing_subscriber::EnvFilter;

use crate::cli::Common;

/// The log file cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the log file {path}: {source}")]
pub struct LogError {
    path: PathBuf,
    source: io::Error,
}

/// Starts logging for the service called `name`. The environment variable `RUST_LOG` overrides
/// the level.
pub fn start(name: &str, common: &Common, conf: &Conf) -> Result<(), LogError> {
    let level = if common.debug || conf.get(&opts::default::DEBUG) { "debug" } else { "info" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(true);
    match log_path(name, common, conf) {
        None => builder.with_ansi(false).with_writer(io::stderr).init(),
        Some(path) => {
            let opened = OpenOptions::new().create(true).append(true).open(&path);
            let file = opened.map_err(|source| LogError { path, source })?;
            builder.with_ansi(false).with_writer(Mutex::new(file)).init();
        }
    }
    Ok(())
}

fn log_path(name: &str, common: &Common, conf: &Conf) -> Option<PathBuf> {
    let file =
        common.log_file.clone().or_else(|| conf.get(&opts::default::LOG_FILE).map(PathBuf::from));
    let dir =
        common.log_dir.clone().or_else(|| conf.get(&opts::default::LOG_DIR).map(PathBuf::from));
    match (dir, file) {
        // An absolute file name wins over the directory, as Path::join has it.
        (Some(dir), Some(file)) => Some(dir.join(file)),
        (Some(dir), None) => Some(dir.join(format!("{name}.log"))),
        (None, file) => file,
    }
}
