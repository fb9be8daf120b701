//! What can go wrong in a lab.

use std::io;

/// Result of a call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure, told so that the user of the lab can act on it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel or a child process refused.
    #[error(transparent)]
    Linux(#[from] neutrino_linux::Error),
    /// A broker or database server could not be prepared.
    #[error(transparent)]
    Backing(#[from] neutrino_service_sandbox::SandboxError),
    /// Input or output failed; `attempt` completes "cannot ...".
    #[error("cannot {attempt}: {source}")]
    Io {
        /// What was attempted.
        attempt: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The user asked for something that makes no sense or is not there.
    #[error("{0}")]
    Usage(String),
    /// The supervisor or a host of the lab reports a failure.
    #[error("{0}")]
    Lab(String),
    /// An API of the lab answered with an error.
    #[error("{request}: HTTP {status}: {body}")]
    Api {
        /// Method and URL.
        request: String,
        /// HTTP status.
        status: u16,
        /// Body of the answer.
        body: String,
    },
    /// Something awaited did not happen in time.
    #[error("{what} did not happen within {seconds} s; last seen: {last}")]
    Timeout {
        /// What was awaited.
        what: String,
        /// How long.
        seconds: u64,
        /// What was observed last.
        last: String,
    },
}

impl Error {
    /// An [`Error::Io`] for `attempt`, to be used with `map_err`.
    pub(crate) fn io(attempt: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let attempt = attempt.into();
        move |source| Self::Io { attempt, source }
    }
}
