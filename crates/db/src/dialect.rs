//! The SQL dialects of the backends.

/// The SQL dialects statements and the schema render for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3.
    Sqlite,
    /// MariaDB and MySQL.
    Mysql,
    /// PostgreSQL.
    Postgres,
}
