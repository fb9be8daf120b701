//! What `[database]` says about connections and tries, as oslo.db has it.

use std::time::Duration;

use crate::Retries;

/// Most snapshots of SQLite open at once by default; more readers wait their turn.
pub const DEFAULT_READERS: usize = 8;

/// How the database is connected to. The defaults are oslo.db's.
#[derive(Clone, Debug)]
pub struct DbOptions {
    /// Most snapshots open at once, on SQLite.
    pub sqlite_readers: usize,
    /// Most connections kept open when idle; `None`: no limit.
    pub max_pool_size: Option<usize>,
    /// Most connections beyond `max_pool_size`, closed after use; `None`: no limit.
    pub max_overflow: Option<usize>,
    /// How long to wait for a connection.
    pub pool_timeout: Duration,
    /// Age at which a connection is replaced; `None`: never.
    pub connection_recycle_time: Option<Duration>,
    /// Tries to connect at start; `None`: no limit.
    pub max_retries: Option<u32>,
    /// Time between tries to connect at start.
    pub retry_interval: Duration,
    /// How what lost a race or its connection is tried again.
    pub retries: Retries,
    /// `sql_mode` of MariaDB/MySQL sessions; empty: the server's.
    pub mysql_sql_mode: String,
    /// `wsrep_sync_wait` of the sessions of a Galera cluster: what a read waits for, so that it
    /// sees what another node has committed.
    pub mysql_wsrep_sync_wait: Option<u32>,
}

impl Default for DbOptions {
    fn default() -> Self {
        Self {
            sqlite_readers: DEFAULT_READERS,
            max_pool_size: Some(5),
            max_overflow: Some(50),
            pool_timeout: Duration::from_secs(30),
            connection_recycle_time: Some(Duration::from_secs(3600)),
            max_retries: Some(10),
            retry_interval: Duration::from_secs(10),
            retries: Retries::default(),
            mysql_sql_mode: "TRADITIONAL".into(),
            mysql_wsrep_sync_wait: None,
        }
    }
}
