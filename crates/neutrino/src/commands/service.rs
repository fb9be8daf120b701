//! Starting a long-running service: configuration, log, runtime.

use std::{path::PathBuf, process::ExitCode};

use neutrino_conf::{Conf, opts};
use tokio::runtime::Runtime;

use super::Failure;
use crate::{cli::Common, logging};

/// Where oslo.config looks when no file is named.
const DEFAULT_FILE: &str = "/etc/neutron/neutron.conf";

/// Reads the configuration the options name.
pub fn load(common: &Common) -> Result<Conf, Failure> {
    let mut files = common.config_file.clone();
    let default = PathBuf::from(DEFAULT_FILE);
    if files.is_empty() && common.config_dir.is_empty() && default.exists() {
        files.push(default);
    }
    Ok(Conf::load(&files, &common.config_dir)?)
}

/// Runs `service` until it ends.
pub fn run<F, R>(name: &str, common: &Common, service: F) -> Result<ExitCode, Failure>
where
    F: FnOnce(Conf) -> R,
    R: Future<Output = Result<(), Failure>>,
{
    let conf = load(common)?;
    logging::start(name, common, &conf)?;
    tell_unknown(&conf);
    runtime(name, &conf)?.block_on(service(conf))?;
    Ok(ExitCode::SUCCESS)
}

/// Logs the options that no component knows.
pub fn tell_unknown(conf: &Conf) {
    for (group, option) in conf.unknown() {
        tracing::debug!(group, option, "option is not known to this release and is ignored");
    }
}

/// The threads that do the work of the service called `name`.
pub fn runtime(name: &str, conf: &Conf) -> std::io::Result<Runtime> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().thread_name(name);
    if let Some(threads) = conf.get(&opts::default::API_WORKERS)
        && let Ok(threads) = usize::try_from(threads)
        && threads > 0
    {
        runtime.worker_threads(threads);
    }
    runtime.build()
}
