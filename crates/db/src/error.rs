//! What can go wrong with the database, apart from what the user is told.

use neutrino_types::ApiError;

/// Result of a database operation.
pub type DbResult<T> = Result<T, DbError>;

/// A failed database operation.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A row with the same key exists.
    #[error("a row with the same key exists: {detail}")]
    UniqueViolation {
        /// The columns, as the backend names them (`table.column, ...`).
        detail: String,
    },
    /// The row refers to, or is referred to by, another one.
    #[error("a row that refers to another one has none, or is still referred to: {detail}")]
    ForeignKey {
        /// The backend's words.
        detail: String,
    },
    /// A NOT NULL or CHECK constraint refused the value.
    #[error("a column refused its value: {detail}")]
    Constraint {
        /// The backend's words.
        detail: String,
    },
    /// The value is too long, too large or of another kind than its column.
    #[error("a value does not fit its column: {detail}")]
    Unfit {
        /// The backend's words.
        detail: String,
    },
    /// The database stayed locked by another process or server, or every connection stayed in use.
    #[error("waiting for {what} took too long")]
    Busy {
        /// What was waited for.
        what: &'static str,
    },
    /// The transaction lost against another one (deadlock, serialisation failure, certification of
    /// a Galera cluster) and was rolled back.
    #[error("the transaction lost against another one: {detail}")]
    Deadlock {
        /// The backend's words.
        detail: String,
    },
    /// The database server went away or does not answer; nothing of the transaction was kept.
    #[error("the connection to the database is lost: {source}")]
    ConnectionLost {
        /// The backend's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Encryption failed, or one side insists on it; trying again does not help.
    #[error("connecting to '{server}': {reason}; {advice}")]
    Tls {
        /// The URL without its password.
        server: String,
        /// What failed.
        reason: String,
        /// What an operator does about it.
        advice: String,
    },
    /// The connection was lost while committing.
    #[error("whether the transaction was committed is unknown: {source}")]
    CommitUnknown {
        /// What was lost.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The row that writers lock is missing.
    #[error("table write_turn lacks its row: run `neutrino db upgrade`")]
    NoTurn,
    /// The backend ended the transaction on its own (disk full, I/O error).
    #[error("the database rolled the transaction back before this statement")]
    Aborted,
    /// The database thread is gone: the process is shutting down.
    #[error("the database is closed")]
    Closed,
    /// A query that must find one row found none.
    #[error("the query found no row")]
    NoRow,
    /// A value cannot be stored.
    #[error("a value of kind {0} cannot be stored")]
    Value(&'static str),
    /// The URL names no database that can be opened.
    #[error("opening the database at '{url}': {reason}")]
    Url {
        /// `[database] connection`.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The schema is from a newer Neutrino.
    #[error("the database is at revision '{found}', which this version does not know")]
    UnknownRevision {
        /// The revision found.
        found: String,
    },
    /// The schema is older than this version needs and was not to be upgraded.
    #[error(
        "the database is at revision '{found}', this version needs '{head}': run `neutrino db upgrade`"
    )]
    NotUpgraded {
        /// The revision found (`base` when there is none).
        found: String,
        /// The newest revision.
        head: &'static str,
    },
    /// Anything else.
    #[error("{attempted}: {source}")]
    Other {
        /// What was attempted.
        attempted: String,
        /// The backend's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl DbError {
    /// Whether this is a duplicate of `column` (perhaps among others) in `table`.
    #[must_use]
    pub fn duplicates(&self, table: &str, column: &str) -> bool {
        let Self::UniqueViolation { detail } = self else { return false };
        let wanted = format!("{table}.{column}");
        detail.split(|c: char| c == ',' || c.is_whitespace()).any(|name| name == wanted)
    }

    /// Whether the same work may succeed when done again.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        matches!(
            self,
            Self::UniqueViolation { .. }
                | Self::ForeignKey { .. }
                | Self::Busy { .. }
                | Self::Deadlock { .. }
                | Self::ConnectionLost { .. }
        )
    }

    /// Whether a change of the schema was refused for being there already.
    pub(crate) fn is_there_already(&self) -> bool {
        match self {
            Self::UniqueViolation { .. } => true,
            Self::Other { source, .. } => {
                source.downcast_ref().is_some_and(crate::backend::errors::is_there_already)
            }
            _ => false,
        }
    }

    /// The backend's error while doing `attempted`.
    pub(crate) fn from_sqlite(source: rusqlite::Error, attempted: impl Into<String>) -> Self {
        use rusqlite::ErrorCode;
        let rusqlite::Error::SqliteFailure(code, message) = &source else {
            return Self::Other { attempted: attempted.into(), source: Box::new(source) };
        };
        let detail = || {
            let text = message.clone().unwrap_or_default();
            text.split_once(": ").map_or(text.clone(), |(_, rest)| rest.to_string())
        };
        match code.code {
            ErrorCode::ConstraintViolation => match code.extended_code {
                rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
                | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
                    Self::UniqueViolation { detail: detail() }
                }
                rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY => {
                    Self::ForeignKey { detail: detail() }
                }
                _ => Self::Constraint { detail: detail() },
            },
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                Self::Busy { what: "the database lock" }
            }
            _ => Self::Other { attempted: attempted.into(), source: Box::new(source) },
        }
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        // Neutron has no rule for some attributes' length; what comes of that is the user's to know.
        if let DbError::Unfit { .. } | DbError::Value(_) = error {
            let message = format!("Invalid input for operation: {error}.");
            return ApiError::bad_request("InvalidInput", message);
        }
        let retriable = error.is_retriable();
        let api = ApiError::internal(error);
        if retriable { api.retriable() } else { api }
    }
}
