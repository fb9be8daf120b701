//! Starting a long-running service: configuration, log, runtime, and reading the configuration
//! again.

use std::{path::PathBuf, process::ExitCode};

use neutrino_conf::{Conf, Refusals, Role, opts};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::Failure;
use crate::{cli::Common, logging};

/// Where oslo.config looks when no file is named.
const DEFAULT_FILE: &str = "neutron.conf";
/// And no directory.
const DEFAULT_DIR: &str = "neutron.conf.d";

/// Reads the configuration the options name.
pub fn load(common: &Common) -> Result<Conf, Failure> {
    let found = |name: &str| -> Option<PathBuf> {
        let dirs = neutrino_conf::SYSTEM_DIRS.iter().map(|dir| PathBuf::from(dir).join(name));
        dirs.into_iter().find(|path| path.exists())
    };
    let mut files = common.config_file.clone();
    if files.is_empty() {
        files.extend(found(DEFAULT_FILE));
    }
    let mut dirs = common.config_dir.clone();
    if dirs.is_empty() && common.config_file.is_empty() {
        dirs.extend(found(DEFAULT_DIR));
    }
    Ok(Conf::load(&files, &dirs)?)
}

/// Refuses a configuration that asks `role` for what this release does not do.
pub fn check(conf: &Conf, role: Role) -> Result<(), Failure> {
    let refused = conf.audit(role).refused;
    if refused.is_empty() { Ok(()) } else { Err(Refusals(refused).into()) }
}

/// Runs the service called `name` until it ends. It is given its configuration, and later those it
/// is told to go on with.
pub fn run<F, R>(name: &str, role: Role, common: &Common, service: F) -> Result<ExitCode, Failure>
where
    F: FnOnce(Conf, mpsc::Receiver<Conf>) -> R,
    R: Future<Output = Result<(), Failure>>,
{
    let conf = load(common)?;
    check(&conf, role)?;
    let log = logging::start(name, common, &conf)?;
    tell(&conf, role);
    runtime(name, &conf)?.block_on(async {
        let reloads = reloads(common.clone(), vec![role], log)?;
        service(conf, reloads).await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Says once which options do nothing.
pub fn tell(conf: &Conf, role: Role) {
    let audit = conf.audit(role);
    let names = |list: &[(String, String)]| {
        let names: Vec<_> = list.iter().map(|(group, name)| format!("[{group}] {name}")).collect();
        names.join(", ")
    };
    if !audit.unknown.is_empty() {
        let options = names(&audit.unknown);
        tracing::warn!(options, "these options are unknown to this release and are ignored");
    }
    if !audit.ignored.is_empty() {
        let options = names(&audit.ignored);
        tracing::info!(options, "these options of Neutron have no meaning here");
    }
}

/// On SIGHUP reads the files of `common` again and applies what they say of the log; the rest is
/// for whoever receives the configuration. One that cannot be used is logged and changes nothing.
pub fn reloads(
    common: Common,
    roles: Vec<Role>,
    log: logging::Control,
) -> std::io::Result<mpsc::Receiver<Conf>> {
    let mut hangups = signal(SignalKind::hangup())?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            let read = load(&common).and_then(|conf| {
                roles.iter().try_for_each(|role| check(&conf, *role)).map(|()| conf)
            });
            match read {
                Ok(conf) => {
                    log.apply(&common, &conf);
                    tracing::info!("the configuration was read again");
                    tracing::debug!(?conf, "options set");
                    // Nobody receives where nothing else can change.
                    let _ = sender.send(conf).await;
                }
                Err(error) => tracing::error!(%error, "the configuration stays as it was"),
            }
        }
    });
    Ok(receiver)
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
