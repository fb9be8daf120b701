//! The backends: SQLite on threads of this process, MariaDB/MySQL and PostgreSQL over sockets.

pub(crate) mod errors;
mod keys;
mod link;
pub(crate) mod mysql;
pub(crate) mod postgres;
pub(crate) mod remote;
pub(crate) mod script;
pub(crate) mod sqlite;
#[cfg(test)]
mod tests;
mod tls;
mod worker;

use std::{path::Path, sync::Arc};

use futures_util::FutureExt;
use script::Begin;

use crate::{Dialect, error::DbResult, row::RowRef, statement::Rendered};

/// How long a statement waits for a lock of the database, in seconds.
const LOCK_TIMEOUT: u32 = 30;
/// How long the server keeps a transaction of which nothing is heard, in seconds.
const IDLE_TIMEOUT: u32 = 60;

/// What a statement that answers no rows did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Rows inserted, matched by an update, or deleted.
    pub(crate) rows: u64,
    /// What `LAST_INSERT_ID(value)` was given, on MariaDB/MySQL.
    pub(crate) last_id: u64,
}

/// What runs statements.
pub(crate) enum Backend {
    Sqlite(Arc<sqlite::Pool>),
    Remote(Arc<remote::Pool>),
}

/// A transaction on one of the backend's connections.
///
/// The futures of the remote ones are boxed: they are deep, and every caller's would hold them.
pub(crate) enum Session {
    Sqlite(sqlite::Session),
    Remote(remote::Session),
}

impl Backend {
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Remote(pool) => pool.dialect(),
        }
    }

    /// The file, where there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(pool) => Some(pool.path()),
            Self::Remote(_) => None,
        }
    }

    /// A transaction, which begins as `begin` says at its first statement.
    pub(crate) async fn session(&self, begin: Begin) -> DbResult<Session> {
        Ok(match (self, begin) {
            (Self::Sqlite(pool), Begin::Read) => Session::Sqlite(pool.read().await?),
            // SQLite orders all writers.
            (Self::Sqlite(pool), _) => Session::Sqlite(pool.begin().await?),
            (Self::Remote(pool), begin) => Session::Remote(pool.session(begin).boxed().await?),
        })
    }
}

impl Session {
    pub(crate) async fn fetch<T, F>(&self, statement: Rendered, state: T, step: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: FnMut(&mut T, &RowRef<'_>) + Send + 'static,
    {
        match self {
            Self::Sqlite(session) => session.fetch(statement, state, step).await,
            Self::Remote(session) => session.fetch(statement, state, step).boxed().await,
        }
    }

    pub(crate) async fn execute(&self, statements: Vec<Rendered>) -> DbResult<Vec<Done>> {
        match self {
            Self::Sqlite(session) => session.execute(statements).await,
            Self::Remote(session) => session.execute(statements).boxed().await,
        }
    }

    pub(crate) async fn execute_ddl(&self, sql: Vec<String>) -> DbResult<()> {
        match self {
            Self::Sqlite(session) => session.execute_ddl(sql).await,
            Self::Remote(session) => session.execute_ddl(sql).boxed().await,
        }
    }

    pub(crate) async fn end(self, commit: bool) -> DbResult<()> {
        match self {
            Self::Sqlite(session) => session.end(commit).await,
            Self::Remote(session) => session.end(commit).boxed().await,
        }
    }
}
