//! How a server is run, as a value.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
};

use neutrino_linux::process;

use crate::{Result, io_error};

/// A command with all it needs to know in its arguments, environment included: it reads nothing of
/// its caller's. Starting it replaces helper programs (`env`, `setpriv`, scripts) one after the
/// other, so its process is the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine(Vec<String>);

impl CommandLine {
    /// `words`, run with `environment` and a PATH of the system's directories.
    pub(crate) fn new<'a>(
        environment: impl IntoIterator<Item = (&'a str, String)>,
        words: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut all = vec!["env".to_owned(), "-i".to_owned()];
        all.push("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned());
        all.push("LANG=C.UTF-8".to_owned());
        all.extend(environment.into_iter().map(|(name, value)| format!("{name}={value}")));
        all.extend(words);
        Self(all)
    }

    /// The same with `more` arguments.
    pub(crate) fn with(&self, more: &[&str]) -> Self {
        Self(self.0.iter().cloned().chain(more.iter().map(|&word| word.to_owned())).collect())
    }

    /// The same without the arguments that begin with `prefix`.
    pub(crate) fn without(mut self, prefix: &str) -> Self {
        self.0.retain(|word| !word.starts_with(prefix));
        self
    }

    /// Program and arguments.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.0
    }

    /// The command, ready to be started.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.0[0]);
        command.args(&self.0[1..]);
        command
    }
}

/// The files and command lines of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The directory everything of it lies in.
    pub dir: PathBuf,
    /// The system user the directory must belong to, where the server refuses to run as root.
    pub owner: Option<&'static str>,
    /// Configuration files and their text.
    pub files: Vec<(PathBuf, String)>,
    /// Makes the data, once, when the files are there.
    pub prepare: Option<CommandLine>,
    /// What runs beside the server and must be there first.
    pub helper: Option<CommandLine>,
    /// The server itself, in the foreground.
    pub server: CommandLine,
}

impl Launch {
    /// Makes the directory, the files and the data. Not to be called on data that exists.
    ///
    /// # Errors
    /// When a file cannot be written or the server's own tool fails.
    pub fn prepare(&self) -> Result<()> {
        let dir = &self.dir;
        fs::create_dir_all(dir).map_err(io_error(format!("creating {}", dir.display())))?;
        for (path, text) in &self.files {
            fs::write(path, text).map_err(io_error(format!("writing {}", path.display())))?;
        }
        if let Some(owner) = self.owner {
            give_to(owner, dir)?;
        }
        if let Some(prepare) = &self.prepare {
            process::run(prepare.command().current_dir(dir))?;
        }
        Ok(())
    }
}

/// Makes `user` the owner of a directory.
fn give_to(user: &str, dir: &Path) -> Result<()> {
    let id = |flag| -> Result<u32> {
        let text = process::run(Command::new("id").args([flag, user]))?;
        text.trim().parse().map_err(|_| {
            io_error(format!("reading the ids of {user}"))(std::io::ErrorKind::InvalidData.into())
        })
    };
    chown(dir, Some(id("-u")?), Some(id("-g")?))
        .map_err(io_error(format!("giving {} to {user}", dir.display())))
}

/// Whether this process is root's: some servers then need another user, others a word of consent.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
