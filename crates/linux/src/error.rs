//! What can go wrong when asking the kernel for something.

use std::io;

/// Result of a call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A refused or misunderstood request to the kernel or to a child process.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused; `attempt` completes "cannot ...".
    #[error("cannot {attempt}: {source}")]
    Kernel {
        /// What was asked for.
        attempt: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// No network interface has this name in the namespace asked.
    #[error("no network interface named {0}")]
    NoSuchLink(String),
    /// A netlink answer could not be decoded; `attempt` completes "cannot ...".
    #[error("cannot {attempt}: netlink answer not understood: {detail}")]
    Answer {
        /// What was asked for.
        attempt: String,
        /// What the decoder said.
        detail: String,
    },
    /// A child process ended with a failure.
    #[error("`{command}` failed ({status}): {stderr}")]
    Child {
        /// The command line.
        command: String,
        /// Exit status in words.
        status: String,
        /// What it wrote to its standard error, trimmed.
        stderr: String,
    },
}

impl Error {
    /// A [`Error::Kernel`] for `attempt`, to be used with `map_err`.
    pub fn kernel(attempt: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let attempt = attempt.into();
        move |source| Self::Kernel { attempt, source }
    }

    /// A [`Error::Kernel`] for `attempt` from an errno of the `nix` crate.
    pub(crate) fn errno(attempt: impl Into<String>) -> impl FnOnce(nix::errno::Errno) -> Self {
        let attempt = attempt.into();
        move |errno| Self::Kernel { attempt, source: errno.into() }
    }

    /// The errno when the kernel refused.
    #[must_use]
    pub fn os_error(&self) -> Option<i32> {
        match self {
            Self::Kernel { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }

    /// The thing to create is already there.
    #[must_use]
    pub fn is_exists(&self) -> bool {
        self.os_error() == Some(libc::EEXIST)
    }

    /// The thing to change or remove is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        let gone = [libc::ENODEV, libc::ENOENT, libc::ESRCH, libc::EADDRNOTAVAIL];
        matches!(self, Self::NoSuchLink(_)) || self.os_error().is_some_and(|e| gone.contains(&e))
    }
}
