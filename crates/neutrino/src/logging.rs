//! Where log lines go and which: `debug`, `log_file`, `log_dir`, `use_stderr`, `use_journal`, as
//! oslo.log has them.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::Mutex,
};

use neutrino_conf::{Conf, opts};
use tracing_subscriber::{
    EnvFilter,
    fmt::writer::{BoxMakeWriter, MakeWriterExt},
};

use crate::cli::Common;

/// The log file cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the log file {path}: {source}")]
pub struct LogError {
    path: PathBuf,
    source: io::Error,
}

/// Changes what is logged while the process runs.
pub struct Control(Box<dyn Fn(bool) + Send + Sync>);

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Control(..)")
    }
}

impl Control {
    /// Logs what `common` and `conf` say from now on.
    pub fn apply(&self, common: &Common, conf: &Conf) {
        (self.0)(wants_debug(common, conf));
    }
}

fn wants_debug(common: &Common, conf: &Conf) -> bool {
    common.debug || conf.get(&opts::default::DEBUG)
}

/// The environment variable `RUST_LOG` overrides the level.
fn filter(debug: bool) -> EnvFilter {
    let level = if debug { "debug" } else { "info" };
    // What happens to connections of RabbitMQ is told once, by those who use them.
    let directives = format!("{level},lapin=off");
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(directives))
}

/// Starts logging for the service called `name`.
pub fn start(name: &str, common: &Common, conf: &Conf) -> Result<Control, LogError> {
    let to_stderr = conf.get(&opts::default::USE_STDERR) || conf.get(&opts::default::USE_JOURNAL);
    let writer = match log_path(name, common, conf) {
        None => BoxMakeWriter::new(io::stderr),
        Some(path) => {
            let file = LogFile::open(path)?;
            if to_stderr {
                BoxMakeWriter::new(Mutex::new(file).and(io::stderr))
            } else {
                BoxMakeWriter::new(Mutex::new(file))
            }
        }
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(wants_debug(common, conf)))
        .with_target(true)
        .with_ansi(false)
        .with_writer(writer)
        .with_filter_reloading();
    let handle = builder.reload_handle();
    builder.init();
    Ok(Control(Box::new(move |debug| {
        // Fails only when the subscriber is gone, and with it the log.
        let _ = handle.reload(filter(debug));
    })))
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

/// A log file that is opened anew when it was moved away, as logrotate does.
#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    fn open(path: PathBuf) -> Result<Self, LogError> {
        match OpenOptions::new().create(true).append(true).open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(LogError { path, source }),
        }
    }

    fn was_moved(&self) -> bool {
        let identity =
            |found: io::Result<std::fs::Metadata>| found.ok().map(|m| (m.dev(), m.ino()));
        identity(std::fs::metadata(&self.path)) != identity(self.file.metadata())
    }
}

impl io::Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.was_moved()
            && let Ok(anew) = Self::open(self.path.clone())
        {
            *self = anew;
        }
        self.file.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;

    #[test]
    fn a_file_that_was_moved_is_opened_anew() {
        let dir = std::env::temp_dir().join(format!("neutrino-log-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("directory");
        let path = dir.join("x.log");
        let mut log = LogFile::open(path.clone()).expect("file");
        log.write_all(b"one\n").expect("written");
        fs::rename(&path, dir.join("x.log.1")).expect("moved");
        log.write_all(b"two\n").expect("written");
        let read = |name: &str| fs::read_to_string(dir.join(name)).expect("file");
        let found = (read("x.log.1"), read("x.log"));
        fs::remove_dir_all(&dir).expect("clean up");
        assert_eq!(found, ("one\n".to_string(), "two\n".to_string()));
    }
}
