//! Private RabbitMQ, MariaDB and PostgreSQL servers from Debian's packages.
//!
//! Two layers. The configuration is pure: [`rabbitmq::Settings`], [`mariadb::Settings`] and
//! [`postgres::Settings`] answer a [`Launch`], the files and command lines of a server; labs run
//! those on their hosts. The handles [`Rabbitmq`], [`Mariadb`] and [`Postgres`] run one for a test,
//! on free ports of the loopback, in a directory of its own (in memory where there is room),
//! without regard to durability. A small guard process ends servers and removes directories when
//! the owner ends, also by SIGKILL. Everything here blocks.
//!
//! Owns no client of the three: tests talk to them with the code under test or the real tools.
//!
//! ```no_run
//! let mut broker = neutrino_service_sandbox::Rabbitmq::start()?;
//! let transport_url = broker.url();
//! broker.stop()?;
//! broker.start_again()?; // the same port, what was durable is there
//! # Ok::<(), neutrino_service_sandbox::SandboxError>(())
//! ```

pub mod certificates;
mod daemon;
mod database;
pub mod galera;
mod guard;
mod launch;
pub mod mariadb;
mod port;
pub mod postgres;
pub mod rabbitmq;
mod server;

use std::io;

pub use certificates::Authority;
pub use database::Database;
pub use galera::Galera;
pub use guard::{GUARD_MARK, Guard};
pub use launch::{CommandLine, Launch};
pub use mariadb::Mariadb;
pub use port::Port;
pub use postgres::Postgres;
pub use rabbitmq::Rabbitmq;
pub use server::Server;

/// The user that tests are.
pub const USER: &str = "neutron";
/// That user's password; the servers listen on the loopback only.
pub const PASSWORD: &str = "sandbox";

/// A server could not be started or used.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A file, port or process could not be made.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A tool ended with a failure.
    #[error(transparent)]
    Tool(#[from] neutrino_linux::Error),
    /// A server did not come up.
    #[error("{name} did not come up ({state}); it said last:\n{log}")]
    NotUp {
        /// The server.
        name: &'static str,
        /// Whether it ended, or what was waited for.
        state: String,
        /// The end of its output and log.
        log: String,
    },
}

/// Result of sandbox functions.
pub type Result<T> = std::result::Result<T, SandboxError>;

pub(crate) fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> SandboxError {
    let what = what.into();
    move |source| SandboxError::Io { what, source }
}
