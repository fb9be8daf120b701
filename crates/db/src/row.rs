//! Rows: decoded where the backend has them, borrowed or owned.

use rusqlite::types::ValueRef;
use sqlx::{Column, Decode, Row as _, TypeInfo, ValueRef as _, mysql::MySqlRow, postgres::PgRow};

/// A row to be decoded without copying (see [`crate::Conn::fetch_map`]).
///
/// Columns are read by index. A column of another type, or NULL where a value is asked for, reads
/// as the empty value (`""`, 0, `false`): what a column holds is fixed by the schema, not by input.
pub struct RowRef<'a>(Cells<'a>);

enum Cells<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Mysql(&'a MySqlRow, &'a [Kind]),
    Postgres(&'a PgRow, &'a [Kind]),
}

/// What a column of a remote result holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int,
    Text,
}

/// The kinds of the columns of `row`, by the types the server names.
pub(crate) fn kinds<R: sqlx::Row>(row: &R) -> Vec<Kind> {
    row.columns()
        .iter()
        .map(|column| match column.type_info().name().trim_end_matches(" UNSIGNED") {
            // MariaDB's is a small integer by another name.
            "BOOL" => Kind::Bool,
            "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" | "DECIMAL"
            | "INT2" | "INT4" | "INT8" | "NUMERIC" => Kind::Int,
            _ => Kind::Text,
        })
        .collect()
}

enum Value<'a> {
    Null,
    Int(i64),
    Text(&'a str),
}

impl<'a> Value<'a> {
    fn sqlite(value: ValueRef<'a>) -> Self {
        match value {
            ValueRef::Integer(n) => Self::Int(n),
            ValueRef::Text(t) => std::str::from_utf8(t).map_or(Self::Null, Self::Text),
            ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Self::Null,
        }
    }

    /// A cell as the server writes it, which is text for every kind.
    fn remote(text: &'a str, kind: Option<&Kind>) -> Self {
        match kind {
            Some(Kind::Bool) => Self::Int(i64::from(text == "t")),
            Some(Kind::Int) => text.parse().map_or(Self::Null, Self::Int),
            Some(Kind::Text) => Self::Text(text),
            None => Self::Null,
        }
    }
}

impl<'a> RowRef<'a> {
    pub(crate) fn sqlite(row: &'a rusqlite::Row<'a>) -> Self {
        Self(Cells::Sqlite(row))
    }

    pub(crate) fn mysql(row: &'a MySqlRow, kinds: &'a [Kind]) -> Self {
        Self(Cells::Mysql(row, kinds))
    }

    pub(crate) fn postgres(row: &'a PgRow, kinds: &'a [Kind]) -> Self {
        Self(Cells::Postgres(row, kinds))
    }

    fn value(&self, i: usize) -> Value<'a> {
        match self.0 {
            Cells::Sqlite(row) => Value::sqlite(row.get_ref(i).unwrap_or(ValueRef::Null)),
            Cells::Mysql(row, kinds) => {
                let Ok(raw) = row.try_get_raw(i) else { return Value::Null };
                if raw.is_null() {
                    return Value::Null;
                }
                <&str as Decode<sqlx::MySql>>::decode(raw)
                    .map_or(Value::Null, |text| Value::remote(text, kinds.get(i)))
            }
            Cells::Postgres(row, kinds) => {
                let Ok(raw) = row.try_get_raw(i) else { return Value::Null };
                if raw.is_null() {
                    return Value::Null;
                }
                raw.as_str().map_or(Value::Null, |text| Value::remote(text, kinds.get(i)))
            }
        }
    }

    /// Text, borrowed.
    #[must_use]
    pub fn str(&self, i: usize) -> &'a str {
        self.opt_str(i).unwrap_or("")
    }

    /// Text or NULL, borrowed.
    #[must_use]
    pub fn opt_str(&self, i: usize) -> Option<&'a str> {
        match self.value(i) {
            Value::Text(t) => Some(t),
            Value::Null | Value::Int(_) => None,
        }
    }

    /// Text.
    #[must_use]
    pub fn text(&self, i: usize) -> String {
        self.str(i).to_string()
    }

    /// Text or NULL.
    #[must_use]
    pub fn opt_text(&self, i: usize) -> Option<String> {
        self.opt_str(i).map(str::to_string)
    }

    /// Integer.
    #[must_use]
    pub fn int(&self, i: usize) -> i64 {
        self.opt_int(i).unwrap_or(0)
    }

    /// Integer or NULL.
    #[must_use]
    pub fn opt_int(&self, i: usize) -> Option<i64> {
        match self.value(i) {
            Value::Int(n) => Some(n),
            Value::Null | Value::Text(_) => None,
        }
    }

    /// Boolean.
    #[must_use]
    pub fn bool(&self, i: usize) -> bool {
        self.int(i) != 0
    }

    /// Boolean or NULL.
    #[must_use]
    pub fn opt_bool(&self, i: usize) -> Option<bool> {
        self.opt_int(i).map(|n| n != 0)
    }

    /// How many columns the row has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0 {
            Cells::Sqlite(row) => row.as_ref().column_count(),
            Cells::Mysql(_, kinds) | Cells::Postgres(_, kinds) => kinds.len(),
        }
    }

    /// Whether the row has no column.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn owned(&self) -> Row {
        Row((0..self.len())
            .map(|i| match self.value(i) {
                Value::Int(n) => Cell::Int(n),
                Value::Text(text) => Cell::Text(text.to_string()),
                Value::Null => Cell::Null,
            })
            .collect())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cell {
    Null,
    Int(i64),
    Text(String),
}

/// An owned row. Reads as [`RowRef`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(Vec<Cell>);

impl Row {
    /// Text, borrowed.
    #[must_use]
    pub fn str(&self, i: usize) -> &str {
        self.opt_str(i).unwrap_or("")
    }

    /// Text or NULL, borrowed.
    #[must_use]
    pub fn opt_str(&self, i: usize) -> Option<&str> {
        match self.0.get(i) {
            Some(Cell::Text(t)) => Some(t),
            _ => None,
        }
    }

    /// Text.
    #[must_use]
    pub fn text(&self, i: usize) -> String {
        self.str(i).to_string()
    }

    /// Text or NULL.
    #[must_use]
    pub fn opt_text(&self, i: usize) -> Option<String> {
        self.opt_str(i).map(str::to_string)
    }

    /// Integer.
    #[must_use]
    pub fn int(&self, i: usize) -> i64 {
        self.opt_int(i).unwrap_or(0)
    }

    /// Integer or NULL.
    #[must_use]
    pub fn opt_int(&self, i: usize) -> Option<i64> {
        match self.0.get(i) {
            Some(Cell::Int(n)) => Some(*n),
            _ => None,
        }
    }

    /// Boolean.
    #[must_use]
    pub fn bool(&self, i: usize) -> bool {
        self.int(i) != 0
    }

    /// Boolean or NULL.
    #[must_use]
    pub fn opt_bool(&self, i: usize) -> Option<bool> {
        self.opt_int(i).map(|n| n != 0)
    }

    /// How many columns the row has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the row has no column.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
