//! What goes over the wire as one message: the transaction's begin, its write turn, savepoints,
//! statements. A value made without I/O.

use super::Done;
use crate::{DbError, DbResult, Dialect, statement::Rendered};

/// Takes the write turn: the row stays locked until the transaction ends (see ADR 0011).
const TURN: [(Dialect, &str); 2] = [
    (Dialect::Mysql, "UPDATE `write_turn` SET `count` = `count` + 1 WHERE `id` = 1"),
    (Dialect::Postgres, r#"UPDATE "write_turn" SET "count" = "count" + 1 WHERE "id" = 1"#),
];
pub(super) const UNDO: &str = "ROLLBACK TO SAVEPOINT s";

/// How a session's first message begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// A snapshot for reading.
    Read,
    /// A transaction that holds the write turn.
    Write,
    /// A transaction beside those that take turns.
    Unordered,
    /// No transaction: each statement is committed by itself.
    Auto,
}

/// What a part of a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Begins the transaction.
    Begin,
    /// Takes the write turn; must change its one row.
    Turn,
    /// Marks where to go back to.
    Savepoint,
    /// The statement of this number. `true`: a savepoint was set before it.
    Statement(usize, bool),
    /// Forgets the mark.
    Release,
}

/// A message: statements separated by semicolons, and what each is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) sql: String,
    /// Each statement and where it ends in `sql`.
    parts: Vec<(Part, usize)>,
}

impl Script {
    /// The message that runs `statements`, and begins the transaction where `begin` is given.
    pub(super) fn new(dialect: Dialect, begin: Option<Begin>, statements: &[Rendered]) -> Self {
        let length = statements.iter().map(|s| s.sql.len() + 32).sum::<usize>() + 160;
        let mut out = Self { sql: String::with_capacity(length), parts: Vec::new() };
        if let Some(begin) = begin {
            out.begin(dialect, begin);
        }
        for (n, statement) in statements.iter().enumerate() {
            // PostgreSQL gives the whole transaction up when a statement is refused.
            let guarded =
                dialect == Dialect::Postgres && begin != Some(Begin::Auto) && !statement.reads();
            if guarded {
                out.add(Part::Savepoint, "SAVEPOINT s");
            }
            out.add(Part::Statement(n, guarded), &statement.sql);
            if guarded {
                out.add(Part::Release, "RELEASE SAVEPOINT s");
            }
        }
        out
    }

    /// The message that runs changes of the schema.
    pub(super) fn ddl(dialect: Dialect, begin: Option<Begin>, statements: &[String]) -> Self {
        let mut out = Self { sql: String::new(), parts: Vec::new() };
        if let Some(begin) = begin {
            out.begin(dialect, begin);
        }
        for (n, statement) in statements.iter().enumerate() {
            out.add(Part::Statement(n, false), statement);
        }
        out
    }

    /// The message that makes everything permanent.
    pub(super) fn commit() -> Self {
        let mut out = Self { sql: String::new(), parts: Vec::new() };
        out.add(Part::Statement(0, false), "COMMIT");
        out
    }

    /// What part number `n` is.
    pub(super) fn part(&self, n: usize) -> Option<Part> {
        self.parts.get(n).map(|(part, _)| *part)
    }

    /// The text of part number `n`.
    pub(super) fn text(&self, n: usize) -> &str {
        let start = n.checked_sub(1).and_then(|before| self.parts.get(before));
        let start = start.map_or(0, |(_, end)| end + 1);
        let end = self.parts.get(n).map_or(self.sql.len(), |(_, end)| *end);
        self.sql.get(start..end).unwrap_or(&self.sql)
    }

    /// What the statements among the parts did, where `done` is what all parts did.
    ///
    /// # Errors
    /// [`DbError::NoTurn`] when the write turn was not there to take.
    pub(super) fn results(&self, done: &[Done]) -> DbResult<Vec<Done>> {
        let mut out = Vec::new();
        for ((part, _), done) in self.parts.iter().zip(done) {
            match part {
                Part::Turn if done.rows != 1 => return Err(DbError::NoTurn),
                Part::Statement(..) => out.push(*done),
                Part::Begin | Part::Turn | Part::Savepoint | Part::Release => {}
            }
        }
        Ok(out)
    }

    fn begin(&mut self, dialect: Dialect, begin: Begin) {
        match (begin, dialect) {
            (Begin::Auto, _) => {}
            (Begin::Read, Dialect::Postgres) => {
                self.add(Part::Begin, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
            }
            (Begin::Read, _) => {
                self.add(Part::Begin, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
            }
            (Begin::Write | Begin::Unordered, Dialect::Postgres) => {
                self.add(Part::Begin, "BEGIN ISOLATION LEVEL READ COMMITTED");
            }
            (Begin::Write | Begin::Unordered, _) => {
                self.add(Part::Begin, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED");
                self.add(Part::Begin, "START TRANSACTION");
            }
        }
        if begin == Begin::Write {
            for (of, sql) in TURN {
                if of == dialect {
                    self.add(Part::Turn, sql);
                }
            }
        }
    }

    fn add(&mut self, part: Part, sql: &str) {
        if !self.parts.is_empty() {
            self.sql.push(';');
        }
        self.sql.push_str(sql);
        self.parts.push((part, self.sql.len()));
    }
}

#[cfg(test)]
mod tests {
    use sea_query::Values;

    use super::*;

    fn statements(sql: &[&str]) -> Vec<Rendered> {
        sql.iter().map(|s| Rendered { sql: (*s).into(), values: Values(Vec::new()) }).collect()
    }

    #[test]
    fn a_write_begins_takes_its_turn_and_runs_in_one_message() {
        let script = Script::new(Dialect::Mysql, Some(Begin::Write), &statements(&["INSERT 1"]));
        assert_eq!(
            script.sql,
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;START TRANSACTION;\
             UPDATE `write_turn` SET `count` = `count` + 1 WHERE `id` = 1;INSERT 1"
        );
        use Part::{Begin as B, Turn};
        let parts: Vec<Part> = script.parts.iter().map(|(part, _)| *part).collect();
        assert_eq!(parts, [B, B, Turn, Part::Statement(0, false)]);
        assert_eq!(script.text(1), "START TRANSACTION");
        assert_eq!(script.text(3), "INSERT 1");
        let done = |rows| Done { rows, last_id: 0 };
        let turn_taken = [done(0), done(0), done(1), done(7)];
        assert_eq!(script.results(&turn_taken).expect("results"), [done(7)]);
        assert!(matches!(script.results(&[done(0); 4]), Err(DbError::NoTurn)));
    }

    #[test]
    fn postgresql_can_go_back_before_each_write() {
        let both = statements(&["SELECT 1", "INSERT 2"]);
        let script = Script::new(Dialect::Postgres, None, &both);
        assert_eq!(script.sql, "SELECT 1;SAVEPOINT s;INSERT 2;RELEASE SAVEPOINT s");
        let read = Script::new(Dialect::Postgres, Some(Begin::Read), &both[..1]);
        assert_eq!(read.sql, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;SELECT 1");
    }
}
