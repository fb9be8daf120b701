//! Rows: decoded on the database thread, borrowed or owned.

use rusqlite::types::ValueRef;

/// A row on the database thread, to be decoded there without copying (see [`crate::Conn::fetch_map`]).
///
/// Columns are read by index. A column of another type, or NULL where a value is asked for, reads
/// as the empty value (`""`, 0, `false`): what a column holds is fixed by the schema, not by input.
pub struct RowRef<'a>(pub(crate) &'a rusqlite::Row<'a>);

impl<'a> RowRef<'a> {
    fn value(&self, i: usize) -> ValueRef<'a> {
        self.0.get_ref(i).unwrap_or(ValueRef::Null)
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
            ValueRef::Text(t) => std::str::from_utf8(t).ok(),
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
        match self.value(i) {
            ValueRef::Integer(n) => Some(n),
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
        self.0.as_ref().column_count()
    }

    /// Whether the row has no column.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn owned(&self) -> Row {
        Row((0..self.len())
            .map(|i| match self.value(i) {
                ValueRef::Integer(n) => Cell::Int(n),
                ValueRef::Text(_) => Cell::Text(self.text(i)),
                ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Cell::Null,
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
