//! What an import says.

use std::fmt;

/// Something worth a line while the import runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A row that is not carried.
    Left {
        /// The table: of ours, or the source's where we have none.
        table: String,
        /// The row's name: its key.
        row: String,
        /// Why.
        reason: String,
    },
    /// A row that lost something on the way.
    Lost {
        /// The table of ours.
        table: String,
        /// The row's name: its key.
        row: String,
        /// What it lost.
        what: String,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left { table, row, reason } => write!(f, "not carried: {table} {row}: {reason}"),
            Self::Lost { table, row, what } => write!(f, "carried without {what}: {table} {row}"),
        }
    }
}

/// How many rows of a table of ours were treated how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableCount {
    /// The table of ours.
    pub table: &'static str,
    /// Rows read from the source.
    pub read: u64,
    /// Rows that were not there.
    pub new: u64,
    /// Rows that differed.
    pub changed: u64,
    /// Rows that were there as they should be.
    pub same: u64,
    /// Rows the source no longer has.
    pub removed: u64,
    /// Rows that were not carried.
    pub left: u64,
}

impl TableCount {
    /// Rows of ours that the source has too.
    #[must_use]
    pub const fn carried(&self) -> u64 {
        self.new + self.changed + self.same
    }

    /// Whether the table is as it was before the import.
    #[must_use]
    pub const fn is_unchanged(&self) -> bool {
        self.new == 0 && self.changed == 0 && self.removed == 0
    }
}

/// A source table that is not carried, and how many rows it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftCount {
    /// The source table.
    pub table: String,
    /// What it holds.
    pub what: String,
    /// Its rows.
    pub rows: u64,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Each table of ours.
    pub tables: Vec<TableCount>,
    /// Each source table with rows that is not carried.
    pub left: Vec<LeftCount>,
}

impl Report {
    /// Whether the target was already as the source is.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.tables.iter().all(TableCount::is_unchanged)
    }
}

impl fmt::Display for Report {
    /// A table of counts: one line per table that has rows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEAD: [&str; 7] = ["table", "read", "new", "changed", "same", "removed", "left"];
        let [table, read, new, changed, same, removed, left] = HEAD;
        writeln!(f, "{table:<32}{read:>9}{new:>9}{changed:>9}{same:>9}{removed:>9}{left:>9}")?;
        for t in self.tables.iter().filter(|t| t.read + t.removed > 0) {
            let TableCount { table, read, new, changed, same, removed, left } = t;
            writeln!(f, "{table:<32}{read:>9}{new:>9}{changed:>9}{same:>9}{removed:>9}{left:>9}")?;
        }
        for LeftCount { table, what, rows } in &self.left {
            writeln!(f, "{table:<32}{rows:>9} not carried: {what}")?;
        }
        if self.is_unchanged() {
            writeln!(f, "The database was already as the source is.")?;
        }
        Ok(())
    }
}
