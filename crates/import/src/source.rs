//! The Neutron database that is read: one read-only transaction, values as text.

use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use neutrino_db::{
    sea_query::SelectStatement,
    url::{Server, ServerKind},
};
use sqlx::{
    AssertSqlSafe, Connection, Database, Decode, Executor, MySqlConnection, PgConnection, Row,
};

use crate::{ImportError, select::Dialect};

/// The revisions of Neutron 29.0.0's schema, one of each of its two branches.
pub const HEADS: [&str; 2] = ["5c85685d616d", "c7f8d9e0f1a2"];
/// Where Neutron's migrations record themselves.
pub const REVISIONS: &str = "alembic_version";

/// A row: every value as text, or NULL.
pub type Values = Vec<Option<String>>;

/// A connection in a transaction that sees the database as it was when it began and cannot change
/// it.
pub struct Source {
    connection: Link,
}

enum Link {
    Mysql(MySqlConnection),
    Postgres(PgConnection),
}

impl Source {
    /// Connects and begins the transaction.
    ///
    /// # Errors
    /// [`ImportError::Source`]: no connection, or the transaction was refused.
    pub async fn open(server: &Server) -> Result<Self, ImportError> {
        let failed = |source| ImportError::Source {
            attempted: format!("connecting to {}", server.shown()),
            source,
        };
        let connection = match &server.kind {
            ServerKind::Mysql(options) => {
                let connection = MySqlConnection::connect_with(options).await;
                Link::Mysql(connection.map_err(failed)?)
            }
            ServerKind::Postgres(options) => {
                let connection = PgConnection::connect_with(options).await;
                Link::Postgres(connection.map_err(failed)?)
            }
        };
        let mut source = Self { connection };
        for statement in source.beginning() {
            source.run(statement).await?;
        }
        Ok(source)
    }

    const fn beginning(&self) -> &'static [&'static str] {
        match self.connection {
            Link::Mysql(_) => &[
                "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            ],
            Link::Postgres(_) => &["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"],
        }
    }

    async fn run(&mut self, statement: &'static str) -> Result<(), ImportError> {
        let done = match &mut self.connection {
            Link::Mysql(c) => c.execute(sqlx::raw_sql(statement)).await.map(|_| ()),
            Link::Postgres(c) => c.execute(sqlx::raw_sql(statement)).await.map(|_| ()),
        };
        done.map_err(|source| ImportError::Source {
            attempted: format!("running '{statement}'"),
            source,
        })
    }

    /// The dialect statements have to be in.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        match self.connection {
            Link::Mysql(_) => Dialect::Mysql,
            Link::Postgres(_) => Dialect::Postgres,
        }
    }

    /// The rows of `select`, as they arrive.
    pub fn rows(&mut self, select: &SelectStatement) -> BoxStream<'_, Result<Values, ImportError>> {
        let sql = self.dialect().render(select);
        let attempted = format!("running '{sql}'");
        let failed = move |source| ImportError::Source { attempted: attempted.clone(), source };
        let query = AssertSqlSafe(sql);
        match &mut self.connection {
            Link::Mysql(c) => {
                c.fetch(sqlx::query(query)).map(|row| values(&row?)).map_err(failed).boxed()
            }
            Link::Postgres(c) => {
                c.fetch(sqlx::query(query)).map(|row| values(&row?)).map_err(failed).boxed()
            }
        }
    }

    /// All rows of a `select` that has few.
    ///
    /// # Errors
    /// What the source refused.
    pub async fn all(&mut self, select: &SelectStatement) -> Result<Vec<Values>, ImportError> {
        self.rows(select).try_collect().await
    }

    /// Ends the transaction.
    ///
    /// # Errors
    /// What the source refused.
    pub async fn close(mut self) -> Result<(), ImportError> {
        self.run("ROLLBACK").await
    }
}

/// A row's values. Every selected expression is a text.
fn values<R>(row: &R) -> Result<Values, sqlx::Error>
where
    R: Row,
    usize: sqlx::ColumnIndex<R>,
    for<'r> Option<String>: Decode<'r, <R as Row>::Database>,
    <R as Row>::Database: Database,
{
    (0..row.len()).map(|i| row.try_get_unchecked::<Option<String>, _>(i)).collect()
}
