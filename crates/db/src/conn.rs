//! Connections and transactions as async code sees them: one hop per statement.
//!
//! A [`Conn`] is a consistent snapshot of the database for reading; a [`Tx`] is a write
//! transaction. Neither outlives the request it serves.

use std::{
    ops::Deref,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use sea_query::{
    Expr, Func, IntoIden, IntoTableRef, Query, QueryStatementBuilder, SelectStatement,
};

use crate::{
    Dialect,
    backend::Session,
    error::{DbError, DbResult},
    retry,
    row::{Row, RowRef},
    statement::{Prepared, Rendered},
};

/// What the column is called that a choice answers (see [`Conn::insert_chosen`]).
pub const CHOSEN: &str = "chosen";

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

/// A snapshot of the database for reading, taken at the first statement.
///
/// It holds one of the pool's connections: keep it short, and never await a second one or a
/// [`Tx`] while holding it longer than needed. What is written after the first statement stays
/// invisible.
pub struct Conn {
    session: Session,
    dialect: Dialect,
    counters: Counters,
    /// Of all connections.
    all: Arc<Counters>,
}

impl Conn {
    pub(crate) fn new(session: Session, dialect: Dialect, all: Arc<Counters>) -> Self {
        Self { session, dialect, counters: Counters::default(), all }
    }

    /// What the database speaks.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Statements run on this connection so far.
    #[must_use]
    pub fn counts(&self) -> StatementCounts {
        self.counters.get()
    }

    /// Runs `statement` and decodes each row where the backend has it, without copying cells.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn fetch_map<S, T, F>(&self, statement: &S, mut decode: F) -> DbResult<Vec<T>>
    where
        S: QueryStatementBuilder,
        T: Send + 'static,
        F: FnMut(&RowRef<'_>) -> T + Send + 'static,
    {
        let step = move |out: &mut Vec<T>, row: &RowRef<'_>| out.push(decode(row));
        self.fetch_fold(statement, Vec::new(), step).await
    }

    /// Runs `statement` and folds its rows into `state` where the backend has them.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn fetch_fold<S, T, F>(&self, statement: &S, state: T, step: F) -> DbResult<T>
    where
        S: QueryStatementBuilder,
        T: Send + 'static,
        F: FnMut(&mut T, &RowRef<'_>) + Send + 'static,
    {
        let rendered = Rendered::new(statement, self.dialect)?;
        self.count(&rendered);
        self.session.fetch(rendered, state, step).await
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
        let rendered = Rendered::new(statement, self.dialect)?;
        self.count(&rendered);
        let done = self.session.execute(vec![rendered]).await?;
        Ok(done.first().map_or(0, |done| done.rows))
    }

    /// Inserts a row into `table` whose `column` is what `choice` answers (a SELECT of at most one
    /// row of one column, an integer above zero, called [`CHOSEN`]) and whose other columns are
    /// `fixed`; answers what was chosen. Choice and insertion are one statement.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn insert_chosen<C: IntoIden>(
        &self,
        table: impl IntoTableRef,
        (column, choice): (C, SelectStatement),
        fixed: Vec<(C, Expr)>,
    ) -> DbResult<Option<i64>> {
        let column = column.into_iden();
        let chosen = Expr::col(CHOSEN);
        let mut row = Query::select();
        // MySQL has no RETURNING.
        match self.dialect {
            Dialect::Mysql => row.expr(Func::cust("LAST_INSERT_ID").arg(chosen)),
            Dialect::Sqlite | Dialect::Postgres => row.expr(chosen),
        };
        row.from_subquery(choice, "choice");
        let mut columns = vec![column.clone()];
        for (column, value) in fixed {
            columns.push(column.into_iden());
            row.expr(value);
        }
        let mut insert = Query::insert();
        insert.into_table(table).columns(columns);
        // The columns and the select above are written together, so their numbers agree.
        insert.select_from(row).map_err(|_| DbError::Value("a row of another width"))?;
        if self.dialect != Dialect::Mysql {
            insert.returning_col(column);
            return Ok(self.fetch_opt(&insert).await?.map(|row| row.int(0)));
        }
        let rendered = Rendered::new(&insert, self.dialect)?;
        self.count(&rendered);
        let done = self.session.execute(vec![rendered]).await?;
        let inserted = done.first().filter(|done| done.rows > 0);
        Ok(inserted.and_then(|done| i64::try_from(done.last_id).ok()))
    }

    /// Runs several statements in one hop; answers the rows each touched. Stops at the first
    /// refused one; those before it stay done (in the transaction).
    ///
    /// # Errors
    /// What the database refused.
    pub async fn execute_batch(&self, statements: Vec<Prepared>) -> DbResult<Vec<u64>> {
        let rendered: Vec<Rendered> = statements
            .into_iter()
            .map(|statement| statement.render(self.dialect))
            .collect::<DbResult<_>>()?;
        for statement in &rendered {
            self.count(statement);
        }
        let done = self.session.execute(rendered).await?;
        Ok(done.iter().map(|done| done.rows).collect())
    }

    /// Runs DDL, which sea-query renders without values.
    pub(crate) async fn execute_ddl(&self, sql: Vec<String>) -> DbResult<()> {
        self.session.execute_ddl(sql).await
    }

    fn count(&self, statement: &Rendered) {
        let reads = statement.reads();
        self.counters.add(reads);
        self.all.add(reads);
    }
}

/// A write transaction. Dropped without [`Tx::commit`] it is rolled back.
///
/// There is one at a time, over all servers on the database (but see
/// [`crate::Db::begin_unordered`]); a server hands it out in the order it was asked for. It begins
/// at the first statement.
pub struct Tx {
    conn: Conn,
    /// A mutex, so that a shared transaction can be held across threads; never contended.
    then: Mutex<Vec<Then>>,
}

/// What follows a commit.
type Then = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Tx {
    pub(crate) fn new(conn: Conn) -> Self {
        Self { conn, then: Mutex::default() }
    }

    /// Runs `then` once the transaction is committed, before [`Tx::commit`] returns and in the
    /// order of these calls: for who takes part in a transaction that somebody else commits. A
    /// transaction that is rolled back forgets it.
    pub fn on_commit(&mut self, then: impl Future<Output = ()> + Send + 'static) {
        let all = self.then.get_mut().unwrap_or_else(PoisonError::into_inner);
        all.push(Box::pin(then));
    }

    /// Makes everything done in this transaction permanent and visible.
    ///
    /// # Errors
    /// [`DbError::CommitUnknown`] when the connection was lost before the answer; what the database
    /// refused, in which case nothing is kept.
    pub async fn commit(self) -> DbResult<()> {
        let Self { conn, then } = self;
        conn.session.end(true).await?;
        retry::committed();
        for then in then.into_inner().unwrap_or_else(PoisonError::into_inner) {
            then.await;
        }
        Ok(())
    }
}

impl Deref for Tx {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl std::ops::DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}
