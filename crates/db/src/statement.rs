//! Statements as text in a backend's dialect.
//!
//! For SQLite a statement has placeholders and is kept prepared. For MariaDB and PostgreSQL its
//! values are literals, as Neutron's drivers send them: one message then carries a transaction's
//! begin, its write turn, a savepoint and several statements, which no prepared statement can.

use std::fmt::{self, Write};

use sea_query::{
    MysqlQueryBuilder, PostgresQueryBuilder, QueryBuilder, QueryStatementBuilder, SqlWriter,
    SqliteQueryBuilder, SubQueryStatement, Value, Values,
};

use crate::{DbError, DbResult, Dialect};

/// Most values bound to one statement: SQLite takes 32,766.
const MOST_VALUES: usize = 32_000;
/// Longest statement kept prepared, in bytes.
const LONGEST_KEPT: usize = 64 * 1024;
/// How much of a statement an error shows, in characters.
const LONGEST_SHOWN: usize = 2000;

/// A statement of a batch (see [`crate::Conn::execute_batch`]), for whichever backend runs it.
#[derive(Clone, Debug)]
pub struct Prepared(SubQueryStatement);

impl Prepared {
    /// Keeps `statement` for a batch.
    pub fn new<S: QueryStatementBuilder + Clone>(statement: &S) -> Self {
        Self(statement.clone().into())
    }

    pub(crate) fn render(&self, dialect: Dialect) -> DbResult<Rendered> {
        match &self.0 {
            SubQueryStatement::SelectStatement(s) => Rendered::new(s, dialect),
            SubQueryStatement::InsertStatement(s) => Rendered::new(s, dialect),
            SubQueryStatement::UpdateStatement(s) => Rendered::new(s, dialect),
            SubQueryStatement::DeleteStatement(s) => Rendered::new(s, dialect),
            SubQueryStatement::WithStatement(s) => Rendered::new(s, dialect),
        }
    }
}

/// A statement in a backend's dialect.
#[derive(Clone, Debug)]
pub(crate) struct Rendered {
    pub(crate) sql: String,
    /// What is bound to its placeholders, on SQLite.
    pub(crate) values: Values,
}

impl Rendered {
    /// Renders `statement`.
    ///
    /// # Errors
    /// [`DbError::Value`] for a value the backend cannot store.
    pub(crate) fn new<S: QueryStatementBuilder>(statement: &S, dialect: Dialect) -> DbResult<Self> {
        let sql = match dialect {
            Dialect::Sqlite => return Ok(Self::with_placeholders(statement)),
            Dialect::Mysql => literal(statement, &MysqlQueryBuilder, dialect)?,
            Dialect::Postgres => literal(statement, &PostgresQueryBuilder, dialect)?,
        };
        Ok(Self { sql, values: Values(Vec::new()) })
    }

    /// Where it has more values than can be bound, as a bulk create of thousands has, they become
    /// part of the text, quoted by sea-query.
    fn with_placeholders<S: QueryStatementBuilder>(statement: &S) -> Self {
        let (sql, values) = statement.build_any(&SqliteQueryBuilder);
        if values.0.len() <= MOST_VALUES {
            return Self { sql, values };
        }
        let mut sql = String::with_capacity(2 * sql.len());
        statement.build_collect_any_into(&SqliteQueryBuilder, &mut sql);
        Self { sql, values: Values(Vec::new()) }
    }

    /// Whether it only reads.
    pub(crate) fn reads(&self) -> bool {
        reads(&self.sql)
    }

    /// Whether it is worth keeping prepared: a long text will hardly come again.
    pub(crate) fn recurs(&self) -> bool {
        self.sql.len() <= LONGEST_KEPT
    }

    /// What it is, for an error.
    pub(crate) fn attempted(&self) -> String {
        attempted(&self.sql)
    }
}

fn reads(sql: &str) -> bool {
    sql.starts_with("SELECT") || sql.starts_with('(')
}

/// What running `sql` is called in an error.
pub(crate) fn attempted(sql: &str) -> String {
    let text: String = sql.chars().take(LONGEST_SHOWN).collect();
    format!("running '{text}'")
}

fn literal<S, B>(statement: &S, builder: &B, dialect: Dialect) -> DbResult<String>
where
    S: QueryStatementBuilder,
    B: QueryBuilder,
{
    let mut out = Literals { sql: String::with_capacity(512), dialect, refused: None };
    statement.build_collect_any_into(builder, &mut out);
    match out.refused {
        Some(what) if !reads(&out.sql) => Err(DbError::Value(what)),
        _ => Ok(out.sql),
    }
}

/// Writes values as literals. Text is quoted here: sea-query writes characters with escapes that
/// MariaDB and PostgreSQL read as others (0x1A, 0x00 before a digit).
struct Literals {
    sql: String,
    dialect: Dialect,
    refused: Option<&'static str>,
}

impl Literals {
    fn text(&mut self, text: &str) {
        self.sql.push('\'');
        for c in text.chars() {
            match (c, self.dialect) {
                ('\'', _) => self.sql.push_str("''"),
                ('\\', Dialect::Mysql) => self.sql.push_str("\\\\"),
                // No text there has a NUL: asked for one, it finds none, as for this, which is no
                // character.
                ('\0', Dialect::Postgres) => {
                    self.refused = Some("text with a NUL character");
                    self.sql.push('\u{ffff}');
                }
                _ => self.sql.push(c),
            }
        }
        self.sql.push('\'');
    }
}

impl Write for Literals {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.sql.write_str(s)
    }
}

impl fmt::Display for Literals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql)
    }
}

impl SqlWriter for Literals {
    fn push_param<T: QueryBuilder>(&mut self, value: Value, builder: &T) {
        match &value {
            Value::String(Some(text)) => self.text(text),
            Value::Char(Some(c)) => self.text(c.encode_utf8(&mut [0; 4])),
            other => self.sql.push_str(&builder.value_to_string(other)),
        }
    }

    fn as_writer(&mut self) -> &mut dyn Write {
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sea_query::{Alias, Expr, Query};

    use super::*;

    fn select(text: &str, dialect: Dialect) -> DbResult<String> {
        let select = Query::select().expr_as(Expr::val(text), Alias::new("t")).to_owned();
        Rendered::new(&select, dialect).map(|r| r.sql)
    }

    #[test]
    fn text_becomes_a_literal_of_the_dialect() {
        let odd = "it's a\\b \"?\" $1";
        assert_eq!(
            select(odd, Dialect::Mysql).expect("mysql"),
            r#"SELECT 'it''s a\\b "?" $1' AS `t`"#
        );
        assert_eq!(
            select(odd, Dialect::Postgres).expect("postgres"),
            r#"SELECT 'it''s a\b "?" $1' AS "t""#
        );
    }

    #[test]
    fn postgres_stores_no_nul_and_finds_none() {
        let asked = select("a\0b", Dialect::Postgres).expect("a question");
        assert_eq!(asked, "SELECT 'a\u{ffff}b' AS \"t\"");
        let insert =
            Query::insert().into_table("t").columns(["c"]).values_panic(["a\0b".into()]).to_owned();
        let refused = Rendered::new(&insert, Dialect::Postgres);
        assert!(matches!(refused, Err(DbError::Value(_))), "{refused:?}");
        assert!(Rendered::new(&insert, Dialect::Mysql).is_ok());
    }

    proptest! {
        /// Between the outer quotes each quote is doubled and, on MariaDB, each backslash too: no
        /// text ends the literal.
        #[test]
        fn no_text_leaves_its_literal(text in "[^\0]{0,40}") {
            let inner = |sql: String, quote: char| {
                let sql = sql.strip_prefix("SELECT '").expect("select").to_string();
                let end = format!("' AS {quote}t{quote}");
                sql.strip_suffix(&end).expect("alias").to_string()
            };
            let mysql = inner(select(&text, Dialect::Mysql).expect("mysql"), '`');
            prop_assert_eq!(mysql.replace("''", "'").replace("\\\\", "\\"), text.clone());
            let postgres = inner(select(&text, Dialect::Postgres).expect("postgres"), '"');
            prop_assert_eq!(postgres.replace("''", "'"), text);
        }
    }
}
