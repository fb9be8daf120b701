//! Connections and transactions as async code sees them: one hop per statement.
//!
//! A [`Conn`] is a consistent snapshot of the database for reading; a [`Tx`] is the one write
//! transaction. Neither outlives the request it serves.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use rusqlite::Connection;
use sea_query::{QueryStatementBuilder, SqliteQueryBuilder, Values};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    db::DbInner,
    error::{DbError, DbResult},
    row::{Row, RowRef},
    worker::{Role, Worker, bind},
};

/// How many statements ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatementCounts {
    /// Statements that only read.
    pub selects: u64,
    /// Statements that write, `RETURNING` ones included. BEGIN and COMMIT are not counted.
    pub writes: u64,
}

impl StatementCounts {
    /// All statements.
    #[must_use]
    pub fn total(self) -> u64 {
        self.selects + self.writes
    }
}

impl std::ops::Sub for StatementCounts {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { selects: self.selects - earlier.selects, writes: self.writes - earlier.writes }
    }
}

/// Counters behind [`StatementCounts`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    selects: AtomicU64,
    writes: AtomicU64,
}

impl Counters {
    fn add(&self, read_only: bool) {
        let counter = if read_only { &self.selects } else { &self.writes };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> StatementCounts {
        StatementCounts {
            selects: self.selects.load(Ordering::Relaxed),
            writes: self.writes.load(Ordering::Relaxed),
        }
    }
}

/// Most values bound to one statement: SQLite takes 32,766.
const MOST_VALUES: usize = 32_000;
/// Longest statement kept prepared, in bytes.
const LONGEST_KEPT: usize = 64 * 1024;
/// How much of a statement an error shows, in characters.
const LONGEST_SHOWN: usize = 2000;

/// A statement of a batch, rendered (see [`Conn::execute_batch`]).
#[derive(Clone, Debug)]
pub struct Prepared {
    sql: String,
    values: Values,
}

impl Prepared {
    /// Renders `statement`. Where it has more values than can be bound, as a bulk create of
    /// thousands has, they become part of the text, quoted by sea-query.
    pub fn new<S: QueryStatementBuilder>(statement: &S) -> Self {
        let (sql, values) = statement.build_any(&SqliteQueryBuilder);
        if values.0.len() <= MOST_VALUES {
            return Self { sql, values };
        }
        let mut sql = String::with_capacity(2 * sql.len());
        statement.build_collect_any_into(&SqliteQueryBuilder, &mut sql);
        Self { sql, values: Values(Vec::new()) }
    }

    /// Whether it is worth keeping prepared: a long text will hardly come again.
    fn recurs(&self) -> bool {
        self.sql.len() <= LONGEST_KEPT
    }

    /// What it is, for an error.
    fn attempted(&self) -> String {
        let text: String = self.sql.chars().take(LONGEST_SHOWN).collect();
        format!("running '{text}'")
    }
}

/// A snapshot of the database for reading, taken at the first statement.
///
/// It holds one of the pool's connections: keep it short, and never await a second one or a
/// [`Tx`] while holding it longer than needed. What is written after the first statement stays
/// invisible.
pub struct Conn {
    db: Arc<DbInner>,
    worker: Worker,
    role: Role,
    begun: AtomicBool,
    open: bool,
    counters: Arc<Counters>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Conn {
    pub(crate) fn new(
        db: Arc<DbInner>,
        worker: Worker,
        role: Role,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            db,
            worker,
            role,
            begun: AtomicBool::new(false),
            open: true,
            counters: Arc::default(),
            permit: Some(permit),
        }
    }

    /// Statements run on this connection so far.
    #[must_use]
    pub fn counts(&self) -> StatementCounts {
        self.counters.get()
    }

    /// Runs `statement` and decodes each row on the database thread, without copying cells.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn fetch_map<S, T, F>(&self, statement: &S, mut decode: F) -> DbResult<Vec<T>>
    where
        S: QueryStatementBuilder,
        T: Send + 'static,
        F: FnMut(&RowRef<'_>) -> T + Send + 'static,
    {
        let prepared = Prepared::new(statement);
        self.run(move |c, counters| {
            let mut out = Vec::new();
            query(c, &prepared, counters, |row| out.push(decode(row)))?;
            Ok(out)
        })
        .await
    }

    /// Runs `statement` and folds its rows into `state` on the database thread.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn fetch_fold<S, T, F>(&self, statement: &S, mut state: T, mut step: F) -> DbResult<T>
    where
        S: QueryStatementBuilder,
        T: Send + 'static,
        F: FnMut(&mut T, &RowRef<'_>) + Send + 'static,
    {
        let prepared = Prepared::new(statement);
        self.run(move |c, counters| {
            query(c, &prepared, counters, |row| step(&mut state, row))?;
            Ok(state)
        })
        .await
    }

    /// All rows of `statement`.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn fetch_all<S: QueryStatementBuilder>(&self, statement: &S) -> DbResult<Vec<Row>> {
        self.fetch_map(statement, |row| row.owned()).await
    }

    /// The first row of `statement`, if any.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn fetch_opt<S: QueryStatementBuilder>(
        &self,
        statement: &S,
    ) -> DbResult<Option<Row>> {
        Ok(self.fetch_all(statement).await?.into_iter().next())
    }

    /// The first row of `statement`.
    ///
    /// # Errors
    /// [`DbError::NoRow`] when there is none; what the database refused.
    pub async fn fetch_one<S: QueryStatementBuilder>(&self, statement: &S) -> DbResult<Row> {
        self.fetch_opt(statement).await?.ok_or(DbError::NoRow)
    }

    /// Runs a statement that answers no rows; answers how many it inserted, changed or deleted.
    ///
    /// # Errors
    /// What the database refused. A refused statement leaves the transaction as it was before it.
    pub async fn execute<S: QueryStatementBuilder>(&self, statement: &S) -> DbResult<u64> {
        let prepared = Prepared::new(statement);
        self.run(move |c, counters| execute(c, &prepared, counters)).await
    }

    /// Runs several statements in one hop; answers the rows each touched. Stops at the first
    /// refused one; those before it stay done (in the transaction).
    ///
    /// # Errors
    /// What the database refused.
    pub async fn execute_batch(&self, statements: Vec<Prepared>) -> DbResult<Vec<u64>> {
        self.run(move |c, counters| {
            statements.iter().map(|statement| execute(c, statement, counters)).collect()
        })
        .await
    }

    /// Runs DDL, which sea-query renders without values.
    pub(crate) async fn execute_ddl(&self, sql: Vec<String>) -> DbResult<()> {
        self.run(move |c, _| {
            for statement in &sql {
                c.execute_batch(statement)
                    .map_err(|e| DbError::from_sqlite(e, format!("running '{statement}'")))?;
            }
            Ok(())
        })
        .await
    }

    async fn run<T, F>(&self, job: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &BothCounters) -> DbResult<T> + Send + 'static,
    {
        let first = !self.begun.swap(true, Ordering::Relaxed);
        let role = self.role;
        let counters = BothCounters { own: self.counters.clone(), db: self.db.counters.clone() };
        self.worker
            .run(move |c| {
                ensure_begun(c, role, first)?;
                job(c, &counters)
            })
            .await
    }

    /// Ends the transaction and gives the connection back. `commit` only makes sense for writers.
    async fn end(mut self, commit: bool) -> DbResult<()> {
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

impl Drop for Conn {
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
            self.db.give_back(self.worker.clone());
        }
    }
}

/// The write transaction. Dropped without [`Tx::commit`] it is rolled back.
///
/// There is one at a time; it is handed out in the order it was asked for. It begins at the first
/// statement.
pub struct Tx(Conn);

impl Tx {
    pub(crate) fn new(conn: Conn) -> Self {
        Self(conn)
    }

    /// Makes everything done in this transaction permanent and visible.
    ///
    /// # Errors
    /// What the database refused; nothing is kept then.
    pub async fn commit(self) -> DbResult<()> {
        self.0.end(true).await
    }
}

impl Deref for Tx {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.0
    }
}

impl std::ops::DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.0
    }
}

struct BothCounters {
    own: Arc<Counters>,
    /// Not the whole `DbInner`: a job must never hold the last reference to its own thread.
    db: Arc<Counters>,
}

impl BothCounters {
    fn add(&self, read_only: bool) {
        self.own.add(read_only);
        self.db.add(read_only);
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

fn query(
    c: &Connection,
    prepared: &Prepared,
    counters: &BothCounters,
    mut each: impl FnMut(&RowRef<'_>),
) -> DbResult<()> {
    let attempted = || prepared.attempted();
    let mut statement =
        c.prepare_cached(&prepared.sql).map_err(|e| DbError::from_sqlite(e, attempted()))?;
    counters.add(statement.readonly());
    bind(&mut statement, &prepared.values)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(|e| DbError::from_sqlite(e, attempted()))? {
        each(&RowRef(row));
    }
    drop(rows);
    if !prepared.recurs() {
        statement.discard();
    }
    Ok(())
}

fn execute(c: &Connection, prepared: &Prepared, counters: &BothCounters) -> DbResult<u64> {
    let attempted = || prepared.attempted();
    let mut statement =
        c.prepare_cached(&prepared.sql).map_err(|e| DbError::from_sqlite(e, attempted()))?;
    counters.add(statement.readonly());
    bind(&mut statement, &prepared.values)?;
    let changed = statement.raw_execute().map_err(|e| DbError::from_sqlite(e, attempted()))?;
    if !prepared.recurs() {
        statement.discard();
    }
    Ok(changed as u64)
}
