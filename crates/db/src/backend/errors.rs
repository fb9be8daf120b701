//! What the errors of MariaDB/MySQL and PostgreSQL mean, and what they leave of the transaction.

use sqlx::{mysql::MySqlDatabaseError, postgres::PgDatabaseError};

use super::keys;
use crate::{DbError, statement::attempted};

/// What an error leaves of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The statement was refused, nothing else happened.
    Kept,
    /// The transaction is gone or of no more use; the connection is well.
    Aborted,
    /// The connection is of no more use.
    Lost,
    /// The same, and what was asked for is known not to have been done, be it COMMIT.
    Unready,
}

/// The error of statement `sql` and what it leaves.
pub(super) fn fault(error: sqlx::Error, sql: &str) -> (DbError, Fate) {
    if let sqlx::Error::Database(database) = &error {
        let known = if let Some(mysql) = database.try_downcast_ref::<MySqlDatabaseError>() {
            of_mysql(mysql.number(), mysql.message(), sql)
        } else if let Some(pg) = database.try_downcast_ref::<PgDatabaseError>() {
            of_postgres(pg)
        } else {
            None
        };
        return match known {
            Some(Known::Kept(error)) => (error, Fate::Kept),
            Some(Known::Aborted(error)) => (error, Fate::Aborted),
            Some(Known::Lost) => (DbError::ConnectionLost { source: Box::new(error) }, Fate::Lost),
            Some(Known::Unready) => {
                (DbError::ConnectionLost { source: Box::new(error) }, Fate::Unready)
            }
            None => (other(error, sql), Fate::Aborted),
        };
    }
    match error {
        // What was sent or received cannot be told apart from the rest of the stream any more.
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => {
            (DbError::ConnectionLost { source: Box::new(error) }, Fate::Lost)
        }
        error => (other(error, sql), Fate::Lost),
    }
}

fn other(error: sqlx::Error, sql: &str) -> DbError {
    DbError::Other { attempted: attempted(sql), source: Box::new(error) }
}

/// Whether MariaDB refused a table, column, index or constraint for being there already.
pub(crate) fn is_there_already(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(database) = error else { return false };
    let mysql = database.try_downcast_ref::<MySqlDatabaseError>();
    mysql.is_some_and(|mysql| matches!(mysql.number(), 1050 | 1060 | 1061 | 1826))
}

enum Known {
    Kept(DbError),
    Aborted(DbError),
    Lost,
    Unready,
}

const LOCK: &str = "a lock in the database";

/// By MariaDB's and MySQL's error numbers.
fn of_mysql(number: u16, message: &str, sql: &str) -> Option<Known> {
    let detail = || message.to_string();
    Some(match number {
        // Duplicate key, in its three spellings.
        1022 | 1062 | 1586 => {
            let detail = mysql_key(message, sql).unwrap_or(message).to_string();
            Known::Kept(DbError::UniqueViolation { detail })
        }
        1216 | 1217 | 1451 | 1452 => Known::Kept(DbError::ForeignKey { detail: detail() }),
        // NULL, no default, CHECK (MySQL, MariaDB).
        1048 | 1364 | 3819 | 4025 => Known::Kept(DbError::Constraint { detail: detail() }),
        // Too long, out of range, no such text or number.
        1406 | 1264 | 1366 | 1265 | 1292 => Known::Kept(DbError::Unfit { detail: detail() }),
        // Lock wait timeout: whether the whole transaction went with the statement depends on the
        // server's innodb_rollback_on_timeout.
        1205 => Known::Aborted(DbError::Busy { what: LOCK }),
        // Deadlock; also what a Galera cluster answers to the loser of a certification.
        1213 | 1020 => Known::Aborted(DbError::Deadlock { detail: detail() }),
        // Too many connections, in its two spellings.
        1040 | 1203 => {
            Known::Aborted(DbError::Busy { what: "a connection of the database server" })
        }
        // A Galera node without its cluster looks at no statement; another one may serve.
        1047 => Known::Unready,
        // A commit that a Galera node could not send around: others may have got it.
        1180 => Known::Lost,
        // Shutdown, killed, network errors, idle for too long.
        1053 | 1152..=1161 | 1184 | 1317 | 1927 | 2006 | 2013 | 2055 | 4031 => Known::Lost,
        _ => return None,
    })
}

/// The columns of the key that MariaDB's `message` names, as `table.column, ...`.
fn mysql_key(message: &str, sql: &str) -> Option<&'static str> {
    let (_, key) = message.rsplit_once("for key '")?;
    // MySQL 8 writes table.key.
    let key = key.trim_end_matches('\'');
    let key = key.rsplit_once('.').map_or(key, |(_, key)| key);
    if key == "PRIMARY" { keys::of_primary(written(sql)?) } else { keys::of_index(key) }
}

/// The table that `sql` writes.
fn written(sql: &str) -> Option<&str> {
    let rest = sql.strip_prefix("INSERT INTO ").or_else(|| sql.strip_prefix("UPDATE "))?;
    rest.split(['`', '"']).nth(1)
}

/// By PostgreSQL's SQLSTATE.
fn of_postgres(error: &PgDatabaseError) -> Option<Known> {
    let detail = || error.message().to_string();
    Some(match error.code() {
        "23505" => {
            let constraint = error.constraint().unwrap_or_default();
            let key = keys::of_index(constraint).or_else(|| {
                keys::of_primary(error.table()?).filter(|_| constraint.ends_with("_pkey"))
            });
            let detail = key.map_or_else(detail, str::to_string);
            Known::Kept(DbError::UniqueViolation { detail })
        }
        "23503" | "23001" => Known::Kept(DbError::ForeignKey { detail: detail() }),
        "23502" | "23514" => Known::Kept(DbError::Constraint { detail: detail() }),
        // Data exceptions: too long, out of range, no such text or number.
        code if code.starts_with("22") => Known::Kept(DbError::Unfit { detail: detail() }),
        "40001" | "40P01" => Known::Aborted(DbError::Deadlock { detail: detail() }),
        "55P03" => Known::Aborted(DbError::Busy { what: LOCK }),
        "53300" => Known::Aborted(DbError::Busy { what: "a connection of the database server" }),
        "25P02" => Known::Aborted(DbError::Aborted),
        // Connection errors, shutdown, crash, not yet started, idle for too long.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => Known::Lost,
        code if code.starts_with("08") => Known::Lost,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mariadb_names_the_key_and_the_statement_the_table() {
        let insert = "INSERT INTO `quotas` (`project_id`) VALUES ('for key')";
        let primary = mysql_key("Duplicate entry 'a-port' for key 'PRIMARY'", insert);
        assert_eq!(primary, Some("quotas.project_id, quotas.resource"));
        let message = "Duplicate entry 'for key 'x'' for key 'routerports.ix_routerports_port_id'";
        assert_eq!(mysql_key(message, insert), Some("routerports.port_id"));
        assert_eq!(mysql_key("Duplicate entry", insert), None);
    }
}
