//! Database threads: each owns one SQLite connection and runs jobs in the order they were sent.
//!
//! Owns opening and tuning connections and binding values; knows nothing of transactions' owners
//! (see [`super::sqlite`]).

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::mpsc,
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::Connection;
use sea_query::{Value, Values};
use tokio::sync::oneshot;

use crate::error::{DbError, DbResult};

/// How long a statement waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Statements each connection keeps prepared.
const STATEMENT_CACHE: usize = 512;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// What a connection may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// The one connection that writes.
    Writer,
    /// Reads snapshots.
    Reader,
}

/// The sending end of a database thread.
#[derive(Clone)]
pub(crate) struct Worker {
    jobs: mpsc::Sender<Job>,
}

impl Worker {
    /// Opens `path` on a new thread and answers when it is open.
    pub(crate) fn spawn(
        path: &Path,
        role: Role,
        durable: bool,
        name: String,
    ) -> DbResult<(Self, JoinHandle<()>)> {
        let connection = open(path, role, durable)?;
        let (jobs, inbox) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || {
                for job in inbox {
                    // A panic in a caller's row decoder must not take the connection with it.
                    if catch_unwind(AssertUnwindSafe(|| job(&connection))).is_err() {
                        tracing::error!("a database job panicked");
                    }
                }
            })
            .map_err(|e| DbError::Other {
                attempted: "starting a database thread".into(),
                source: Box::new(e),
            })?;
        Ok((Self { jobs }, thread))
    }

    /// A worker without a thread, to put in the place of one that is to end.
    pub(crate) fn dead() -> Self {
        Self { jobs: mpsc::channel().0 }
    }

    /// Runs `job` on the thread and awaits its result: one hop there, one back.
    pub(crate) async fn run<T, F>(&self, job: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> DbResult<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.post(move |c| {
            // The asker may be gone; the work is done all the same.
            let _ = reply.send(job(c));
        })?;
        answer.await.map_err(|_| DbError::Closed)?
    }

    /// Runs `job` on the thread without awaiting it.
    pub(crate) fn post(&self, job: impl FnOnce(&Connection) + Send + 'static) -> DbResult<()> {
        self.jobs.send(Box::new(job)).map_err(|_| DbError::Closed)
    }
}

fn open(path: &Path, role: Role, durable: bool) -> DbResult<Connection> {
    let attempted = || format!("opening {}", path.display());
    let c = Connection::open(path).map_err(|e| DbError::from_sqlite(e, attempted()))?;
    c.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    let pragmas = || -> rusqlite::Result<()> {
        c.busy_timeout(BUSY_TIMEOUT)?;
        c.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        c.execute_batch(if durable {
            "PRAGMA synchronous = NORMAL"
        } else {
            "PRAGMA synchronous = OFF"
        })?;
        c.execute_batch(
            "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384;",
        )?;
        c.query_row("PRAGMA mmap_size = 268435456", [], |_| Ok(()))?;
        if role == Role::Reader {
            c.execute_batch("PRAGMA query_only = ON")?;
        }
        Ok(())
    };
    pragmas().map_err(|e| DbError::from_sqlite(e, attempted()))?;
    Ok(c)
}

/// Binds `values` to `statement`, in order.
pub(crate) fn bind(statement: &mut rusqlite::Statement<'_>, values: &Values) -> DbResult<()> {
    for (i, value) in values.0.iter().enumerate() {
        let at = i + 1;
        let bound = match value {
            Value::Bool(v) => statement.raw_bind_parameter(at, v),
            Value::TinyInt(v) => statement.raw_bind_parameter(at, v),
            Value::SmallInt(v) => statement.raw_bind_parameter(at, v),
            Value::Int(v) => statement.raw_bind_parameter(at, v),
            Value::BigInt(v) => statement.raw_bind_parameter(at, v),
            Value::TinyUnsigned(v) => statement.raw_bind_parameter(at, v),
            Value::SmallUnsigned(v) => statement.raw_bind_parameter(at, v),
            Value::Unsigned(v) => statement.raw_bind_parameter(at, v),
            Value::BigUnsigned(v) => {
                let v = v
                    .map(i64::try_from)
                    .transpose()
                    .map_err(|_| DbError::Value("unsigned integer above 2^63-1"))?;
                statement.raw_bind_parameter(at, v)
            }
            Value::String(v) => statement.raw_bind_parameter(at, v.as_deref()),
            Value::Char(v) => statement.raw_bind_parameter(at, v.map(String::from)),
            Value::Double(v) => statement.raw_bind_parameter(at, v),
            Value::Bytes(v) => statement.raw_bind_parameter(at, v.as_deref()),
            _ => return Err(DbError::Value("none the database has")),
        };
        bound.map_err(|e| DbError::from_sqlite(e, "binding a value"))?;
    }
    Ok(())
}
