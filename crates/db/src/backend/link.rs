//! One connection to MariaDB/MySQL or PostgreSQL: a message there, its results back.

use futures_util::TryStreamExt;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Either, mysql::MySqlConnection,
    postgres::PgConnection,
};

use super::{Done, mysql, postgres};
use crate::{
    options::DbOptions,
    row::{Kind, RowRef, kinds},
    url::{Server, ServerKind},
};

/// A connection.
#[derive(Debug)]
pub(super) enum Link {
    Mysql(MySqlConnection),
    Postgres(PgConnection),
}

/// What is done with each row.
pub(super) type Each<'a> = &'a mut (dyn FnMut(&RowRef<'_>) + Send);

impl Link {
    /// Connects to `server` and sets the session up.
    ///
    /// # Errors
    /// What the database refused; no connection.
    pub(super) async fn open(server: &Server, options: &DbOptions) -> Result<Self, sqlx::Error> {
        match &server.kind {
            ServerKind::Mysql(of) => {
                let mut link = Self::Mysql(of.connect().await?);
                link.run(&mysql::greeting(options)).await?;
                Ok(link)
            }
            ServerKind::Postgres(of) => {
                let mut link = Self::Postgres(of.connect().await?);
                link.run(&postgres::greeting()).await?;
                Ok(link)
            }
        }
    }

    /// Runs the statements of `sql`, giving `each` every row; `done` gets an entry for each
    /// statement that succeeded, so that its length tells which one an error belongs to.
    ///
    /// # Errors
    /// What the database refused; a lost connection.
    pub(super) async fn exchange(
        &mut self,
        sql: &str,
        each: Each<'_>,
        done: &mut Vec<Done>,
    ) -> Result<(), sqlx::Error> {
        // Every value in it was quoted by `crate::statement`.
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_string()));
        let mut columns: Option<Vec<Kind>> = None;
        match self {
            Self::Mysql(connection) => {
                let mut results = sql.fetch_many(connection);
                while let Some(result) = results.try_next().await? {
                    match result {
                        Either::Left(result) => {
                            let (rows, last_id) = (result.rows_affected(), result.last_insert_id());
                            done.push(Done { rows, last_id });
                            columns = None;
                        }
                        Either::Right(row) => {
                            let columns = columns.get_or_insert_with(|| kinds(&row));
                            each(&RowRef::mysql(&row, columns));
                        }
                    }
                }
            }
            Self::Postgres(connection) => {
                let mut results = sql.fetch_many(connection);
                while let Some(result) = results.try_next().await? {
                    match result {
                        Either::Left(result) => {
                            done.push(Done { rows: result.rows_affected(), last_id: 0 });
                            columns = None;
                        }
                        Either::Right(row) => {
                            let columns = columns.get_or_insert_with(|| kinds(&row));
                            each(&RowRef::postgres(&row, columns));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Runs statements whose results do not matter.
    ///
    /// # Errors
    /// As [`Link::exchange`].
    pub(super) async fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        self.exchange(sql, &mut |_| {}, &mut Vec::new()).await
    }

    /// Says goodbye, so that the server logs no aborted connection.
    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Mysql(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        }
    }
}
