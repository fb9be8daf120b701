//! SQLite: one writer, a few readers, each a connection on a thread of its own.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Done,
    worker::{Role, Worker, bind},
};
use crate::{
    error::{DbError, DbResult},
    row::RowRef,
    statement::{Rendered, attempted},
    testing::TempDir,
};

/// How long to wait for a reader before reporting that none comes free.
const READER_TIMEOUT: Duration = Duration::from_secs(30);

/// The database file and its connections.
pub(crate) struct Pool {
    path: PathBuf,
    durable: bool,
    writer: Worker,
    write_turn: Arc<Semaphore>,
    read_turn: Arc<Semaphore>,
    idle_readers: Mutex<Vec<Worker>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Removed after the threads ended, hence last.
    _private: Option<TempDir>,
}

impl Pool {
    /// Opens the file at `path`, for at most `readers` snapshots at once; `private` is a directory
    /// to remove with it. Blocks.
    pub(crate) fn open(path: PathBuf, private: Option<TempDir>, readers: usize) -> DbResult<Self> {
        let durable = private.is_none();
        let (writer, thread) = Worker::spawn(&path, Role::Writer, durable, "db-writer".into())?;
        Ok(Self {
            path,
            durable,
            writer,
            write_turn: Arc::new(Semaphore::new(1)),
            read_turn: Arc::new(Semaphore::new(readers.max(1))),
            idle_readers: Mutex::default(),
            threads: Mutex::new(vec![thread]),
            _private: private,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn read(self: &Arc<Self>) -> DbResult<Session> {
        let turn = self.read_turn.clone().acquire_owned();
        let permit = tokio::time::timeout(READER_TIMEOUT, turn)
            .await
            .map_err(|_| DbError::Busy { what: "a database connection for reading" })?
            .map_err(|_| DbError::Closed)?;
        let idle = lock(&self.idle_readers).pop();
        let worker = match idle {
            Some(worker) => worker,
            None => self.start_reader().await?,
        };
        Ok(Session::new(self.clone(), worker, Role::Reader, permit))
    }

    pub(crate) async fn begin(self: &Arc<Self>) -> DbResult<Session> {
        let turn = self.write_turn.clone().acquire_owned();
        let permit = turn.await.map_err(|_| DbError::Closed)?;
        Ok(Session::new(self.clone(), self.writer.clone(), Role::Writer, permit))
    }

    async fn start_reader(&self) -> DbResult<Worker> {
        let (path, durable) = (self.path.clone(), self.durable);
        let opened = tokio::task::spawn_blocking(move || {
            Worker::spawn(&path, Role::Reader, durable, "db-reader".into())
        });
        let (worker, thread) = opened.await.map_err(|e| DbError::Other {
            attempted: "starting a database reader".into(),
            source: Box::new(e),
        })??;
        lock(&self.threads).push(thread);
        Ok(worker)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Closing every sender ends the threads, which close their connections: the last one
        // folds the write-ahead log into the database file. Wait for it, so that the file is
        // complete (or, if private, gone) when the last handle is.
        lock(&self.idle_readers).clear();
        self.writer = Worker::dead();
        for thread in lock(&self.threads).drain(..) {
            if thread.thread().id() != std::thread::current().id() {
                // A thread that panicked has nothing left to close.
                let _ = thread.join();
            }
        }
    }
}

/// The lock of plain data: a panic while holding it cannot have left it half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A transaction on one of the connections, begun by its first statement.
pub(crate) struct Session {
    pool: Arc<Pool>,
    worker: Worker,
    role: Role,
    begun: AtomicBool,
    open: bool,
    permit: Option<OwnedSemaphorePermit>,
}

impl Session {
    fn new(pool: Arc<Pool>, worker: Worker, role: Role, permit: OwnedSemaphorePermit) -> Self {
        Self { pool, worker, role, begun: AtomicBool::new(false), open: true, permit: Some(permit) }
    }

    pub(crate) async fn fetch<T, F>(
        &self,
        statement: Rendered,
        mut state: T,
        mut step: F,
    ) -> DbResult<T>
    where
        T: Send + 'static,
        F: FnMut(&mut T, &RowRef<'_>) + Send + 'static,
    {
        self.run(move |c| {
            query(c, &statement, |row| step(&mut state, row))?;
            Ok(state)
        })
        .await
    }

    pub(crate) async fn execute(&self, statements: Vec<Rendered>) -> DbResult<Vec<Done>> {
        self.run(move |c| statements.iter().map(|statement| execute(c, statement)).collect()).await
    }

    /// Runs DDL, which sea-query renders without values.
    pub(crate) async fn execute_ddl(&self, sql: Vec<String>) -> DbResult<()> {
        self.run(move |c| {
            for statement in &sql {
                c.execute_batch(statement)
                    .map_err(|e| DbError::from_sqlite(e, attempted(statement)))?;
            }
            Ok(())
        })
        .await
    }

    async fn run<T, F>(&self, job: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> DbResult<T> + Send + 'static,
    {
        let first = !self.begun.swap(true, Ordering::Relaxed);
        let role = self.role;
        self.worker
            .run(move |c| {
                ensure_begun(c, role, first)?;
                job(c)
            })
            .await
    }

    /// Ends the transaction and gives the connection back. `commit` only makes sense for writers.
    pub(crate) async fn end(mut self, commit: bool) -> DbResult<()> {
        self.open = false;
        if !self.begun.load(Ordering::Relaxed) {
            return Ok(());
        }
        let permit = self.permit.take();
        self.worker
            .run(move |c| {
                let result = finish(c, commit);
                drop(permit);
                result
            })
            .await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.open && self.begun.load(Ordering::Relaxed) {
            let permit = if self.role == Role::Writer { self.permit.take() } else { None };
            // Only fails when the thread is gone, and the transaction with it.
            let _ = self.worker.post(move |c| {
                if let Err(error) = finish(c, false) {
                    tracing::error!(%error, "rolling back failed");
                }
                drop(permit);
            });
        }
        if self.role == Role::Reader {
            // Back before the permit is: whoever gets the permit finds a reader.
            lock(&self.pool.idle_readers).push(self.worker.clone());
        }
    }
}

fn ensure_begun(c: &Connection, role: Role, first: bool) -> DbResult<()> {
    if !c.is_autocommit() {
        return Ok(());
    }
    if !first {
        return Err(DbError::Aborted);
    }
    let sql = match role {
        // Takes the write lock at once: a transaction that got it cannot fail for want of it later.
        Role::Writer => "BEGIN IMMEDIATE",
        Role::Reader => "BEGIN",
    };
    run_plain(c, sql)
}

fn finish(c: &Connection, commit: bool) -> DbResult<()> {
    if c.is_autocommit() {
        return if commit { Err(DbError::Aborted) } else { Ok(()) };
    }
    let result = run_plain(c, if commit { "COMMIT" } else { "ROLLBACK" });
    if result.is_err() && !c.is_autocommit() {
        run_plain(c, "ROLLBACK")?;
    }
    result
}

fn run_plain(c: &Connection, sql: &'static str) -> DbResult<()> {
    c.prepare_cached(sql)
        .and_then(|mut statement| statement.raw_execute())
        .map(|_| ())
        .map_err(|e| DbError::from_sqlite(e, sql))
}

fn query(c: &Connection, rendered: &Rendered, mut each: impl FnMut(&RowRef<'_>)) -> DbResult<()> {
    let refused = |e| DbError::from_sqlite(e, rendered.attempted());
    let mut statement = c.prepare_cached(&rendered.sql).map_err(refused)?;
    bind(&mut statement, &rendered.values)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(refused)? {
        each(&RowRef::sqlite(row));
    }
    drop(rows);
    if !rendered.recurs() {
        statement.discard();
    }
    Ok(())
}

fn execute(c: &Connection, rendered: &Rendered) -> DbResult<Done> {
    let refused = |e| DbError::from_sqlite(e, rendered.attempted());
    let mut statement = c.prepare_cached(&rendered.sql).map_err(refused)?;
    bind(&mut statement, &rendered.values)?;
    let changed = statement.raw_execute().map_err(refused)?;
    if !rendered.recurs() {
        statement.discard();
    }
    Ok(Done { rows: changed as u64, last_id: 0 })
}
