//! Carrying one table: source rows and rows of ours, both in the order of their key, walked side
//! by side. Neither side is ever held whole.

use std::{collections::VecDeque, time::Duration};

use futures_util::{StreamExt, stream::BoxStream};
use neutrino_db::{Conn, DbError, DbResult, Prepared};

use crate::{
    ImportError,
    convert::Cell,
    left::Left,
    mapping::Mapping,
    report::{Event, TableCount},
    row::{self, Converted, LeftIds},
    select,
    source::{Source, Values},
    target::{self, BATCH, Table},
};

type Row = Vec<Cell>;

/// How long the target hears nothing while the source is waited for: well below the minute after
/// which it gives a silent transaction up.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// What is remembered and told while rows are walked.
pub struct Notes<'a> {
    /// Rows that are not carried.
    pub left: LeftIds,
    /// Whom to tell.
    pub tell: &'a mut (dyn FnMut(&Event) + Send),
}

impl Notes<'_> {
    fn leave(&mut self, mapping: &Mapping, row: String, reason: String) {
        (self.tell)(&Event::Left { table: mapping.target.into(), row: row.clone(), reason });
        // Only what has a key of one column, its id, is referred to.
        if mapping.key.len() == 1 {
            self.left.insert((mapping.target, row));
        }
    }

    /// Tells every row of a table that is not carried; answers how many there are.
    ///
    /// # Errors
    /// What the source refused.
    pub async fn leave_all(
        &mut self,
        mut rows: BoxStream<'_, Result<Values, ImportError>>,
        lacking: &Left,
    ) -> Result<u64, ImportError> {
        let mut count = 0;
        while let Some(values) = rows.next().await {
            count += 1;
            let parts = values?.into_iter().map(|value| value.unwrap_or_else(|| "?".into()));
            let row = parts.collect::<Vec<_>>().join(" ");
            let reason = format!("{}: there is none here", lacking.what);
            (self.tell)(&Event::Left { table: lacking.table.into(), row, reason });
        }
        Ok(count)
    }
}

/// Deletes the rows of ours that the source does not have, and those that [`Mapping::replace`]
/// says are to be made anew. Answers how many of either.
///
/// # Errors
/// What either database refused.
pub async fn remove(
    source: &mut Source,
    conn: &Conn,
    mapping: &'static Mapping,
) -> Result<(u64, u64), ImportError> {
    let table = Table::new(mapping);
    if table.is_empty(conn).await? {
        return Ok((0, 0));
    }
    // Told by `write`, which walks the same rows.
    let mut notes = Notes { left: LeftIds::new(), tell: &mut |_| () };
    let mut theirs = Theirs::new(source, mapping);
    let mut ours = Ours::default();
    let (mut gone, mut replaced) = (0, 0);
    let mut next = theirs.next(&table, conn, &mut notes).await?;
    let mut deletes = Vec::new();
    while let Some(row) = ours.next(&table, conn).await? {
        while let Some(other) = &next
            && row::by_key(&table.key, other, &row).is_lt()
        {
            next = theirs.next(&table, conn, &mut notes).await?;
        }
        match &next {
            Some(other) if row::by_key(&table.key, other, &row).is_eq() => {
                if !mapping.replace || *other == row {
                    continue;
                }
                replaced += 1;
            }
            _ => gone += 1,
        }
        deletes.push(table.delete(&row));
        if deletes.len() == BATCH {
            conn.execute_batch(std::mem::take(&mut deletes)).await?;
        }
    }
    conn.execute_batch(deletes).await?;
    Ok((gone, replaced))
}

/// Inserts and changes rows of ours until the table is as the source is.
///
/// # Errors
/// What either database refused.
pub async fn write(
    source: &mut Source,
    conn: &Conn,
    mapping: &'static Mapping,
    notes: &mut Notes<'_>,
) -> Result<TableCount, ImportError> {
    let mut writer = Writer::new(conn, mapping);
    let mut theirs = Theirs::new(source, mapping);
    let mut ours = Ours::default();
    let mut mine = ours.next(&writer.table, conn).await?;
    while let Some(row) = theirs.next(&writer.table, conn, notes).await? {
        while let Some(other) = &mine
            && row::by_key(&writer.table.key, other, &row).is_lt()
        {
            // Carried once, and now left for what it refers to.
            writer.delete(other).await?;
            mine = ours.next(&writer.table, conn).await?;
        }
        match &mine {
            Some(other) if row::by_key(&writer.table.key, other, &row).is_eq() => {
                if *other == row {
                    writer.count.same += 1;
                } else {
                    writer.change(row, notes).await?;
                }
                mine = ours.next(&writer.table, conn).await?;
            }
            _ => writer.insert(row, notes).await?,
        }
    }
    while let Some(other) = &mine {
        writer.delete(other).await?;
        mine = ours.next(&writer.table, conn).await?;
    }
    writer.flush(notes).await?;
    let mut count = writer.count;
    count.read = theirs.read;
    count.left += theirs.left;
    Ok(count)
}

/// Rows of the source that can be carried, as rows of ours.
struct Theirs<'a> {
    mapping: &'static Mapping,
    rows: BoxStream<'a, Result<Values, ImportError>>,
    last: Option<Row>,
    read: u64,
    left: u64,
}

impl<'a> Theirs<'a> {
    fn new(source: &'a mut Source, mapping: &'static Mapping) -> Self {
        let select = select::select(mapping, source.dialect());
        Self { mapping, rows: source.rows(&select), last: None, read: 0, left: 0 }
    }

    /// The next row. While the source sorts, the target hears that we are there: it would end the
    /// transaction otherwise.
    async fn read(&mut self, conn: &Conn) -> DbResult<Option<Result<Values, ImportError>>> {
        loop {
            match tokio::time::timeout(SIGN_OF_LIFE, self.rows.next()).await {
                Ok(row) => return Ok(row),
                Err(_) => target::touch(conn).await?,
            }
        }
    }

    async fn next(
        &mut self,
        table: &Table,
        conn: &Conn,
        notes: &mut Notes<'_>,
    ) -> Result<Option<Row>, ImportError> {
        while let Some(values) = self.read(conn).await? {
            let values = values?;
            self.read += 1;
            let name = || row::name(self.mapping, &values);
            let reason = match row::convert(self.mapping, &values, &notes.left) {
                Converted::Row(row, lost) => {
                    let twice = self
                        .last
                        .as_ref()
                        .is_some_and(|last| row::by_key(&table.key, last, &row).is_eq());
                    if !twice {
                        if let Some(what) = lost {
                            let table = self.mapping.target.into();
                            (notes.tell)(&Event::Lost { table, row: name(), what });
                        }
                        self.last = Some(row.clone());
                        return Ok(Some(row));
                    }
                    "another row has the same key".to_string()
                }
                Converted::Left(reason) => reason,
            };
            self.left += 1;
            notes.leave(self.mapping, name(), reason);
        }
        Ok(None)
    }
}

/// Rows of ours, page by page.
#[derive(Default)]
struct Ours {
    page: VecDeque<Row>,
    last: Option<Row>,
    done: bool,
}

impl Ours {
    async fn next(&mut self, table: &Table, conn: &Conn) -> DbResult<Option<Row>> {
        if self.page.is_empty() && !self.done {
            let page = table.page(conn, self.last.as_deref()).await?;
            self.done = page.len() < BATCH;
            self.last = page.last().cloned();
            self.page = page.into();
        }
        Ok(self.page.pop_front())
    }
}

/// Writes rows of ours, many with one statement.
struct Writer<'a> {
    conn: &'a Conn,
    mapping: &'static Mapping,
    table: Table,
    new: Vec<Row>,
    changed: Vec<Row>,
    count: TableCount,
}

impl<'a> Writer<'a> {
    fn new(conn: &'a Conn, mapping: &'static Mapping) -> Self {
        let count = TableCount { table: mapping.target, ..TableCount::default() };
        let table = Table::new(mapping);
        Self { conn, mapping, table, new: Vec::new(), changed: Vec::new(), count }
    }

    async fn insert(&mut self, row: Row, notes: &mut Notes<'_>) -> DbResult<()> {
        self.new.push(row);
        if self.new.len() == BATCH { self.flush(notes).await } else { Ok(()) }
    }

    async fn change(&mut self, row: Row, notes: &mut Notes<'_>) -> DbResult<()> {
        self.changed.push(row);
        if self.changed.len() == BATCH { self.flush(notes).await } else { Ok(()) }
    }

    async fn delete(&mut self, row: &[Cell]) -> DbResult<()> {
        self.count.removed += 1;
        self.conn.execute_batch(vec![self.table.delete(row)]).await.map(|_| ())
    }

    async fn flush(&mut self, notes: &mut Notes<'_>) -> DbResult<()> {
        let new = std::mem::take(&mut self.new);
        let changed = std::mem::take(&mut self.changed);
        self.count.new += self.write(&new, Table::insert, notes).await?;
        for row in &changed {
            let update: fn(&Table, &[Row]) -> Prepared = |table, rows| table.update(&rows[0]);
            self.count.changed += self.write(std::slice::from_ref(row), update, notes).await?;
        }
        Ok(())
    }

    /// Runs the statement `make` makes of `rows`; when the database refuses it for what a row
    /// holds, row by row, leaving those it refuses. Answers how many rows it took.
    async fn write(
        &mut self,
        rows: &[Row],
        make: fn(&Table, &[Row]) -> Prepared,
        notes: &mut Notes<'_>,
    ) -> DbResult<u64> {
        if rows.is_empty() {
            return Ok(0);
        }
        match self.conn.execute_batch(vec![make(&self.table, rows)]).await {
            Ok(_) => return Ok(rows.len() as u64),
            Err(error) if !is_about_a_row(&error) => return Err(error),
            Err(_) => {}
        }
        let mut taken = 0;
        for row in rows {
            let one = std::slice::from_ref(row);
            match self.conn.execute_batch(vec![make(&self.table, one)]).await {
                Ok(_) => taken += 1,
                Err(error) if is_about_a_row(&error) => {
                    self.count.left += 1;
                    let name = self.table.name(row);
                    notes.leave(self.mapping, name, error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }
}

/// Whether the database refused what a row holds.
const fn is_about_a_row(error: &DbError) -> bool {
    matches!(
        error,
        DbError::UniqueViolation { .. }
            | DbError::ForeignKey { .. }
            | DbError::Constraint { .. }
            | DbError::Unfit { .. }
    )
}
