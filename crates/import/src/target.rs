//! Rows of ours: read in pages, inserted, changed, deleted.

use neutrino_db::{
    Conn, DbResult, Prepared,
    sea_query::{Alias, Cond, Expr, ExprTrait, Order, Query, SelectStatement, SimpleExpr},
};

use crate::{
    convert::{Cell, Kind},
    mapping::Mapping,
    row,
};

/// Rows per statement.
pub const BATCH: usize = 500;

/// A table of ours, seen through its mapping.
pub struct Table {
    mapping: &'static Mapping,
    /// Where the key's columns stand among the mapping's columns.
    pub key: Vec<usize>,
}

impl Table {
    /// The table `mapping` is about.
    #[must_use]
    pub fn new(mapping: &'static Mapping) -> Self {
        Self { mapping, key: row::key_positions(mapping) }
    }

    /// Whether it has no row.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn is_empty(&self, conn: &Conn) -> DbResult<bool> {
        let select =
            Query::select().expr(Expr::val(1)).from(self.mapping.target).limit(1).to_owned();
        Ok(conn.fetch_opt(&select).await?.is_none())
    }

    /// The first [`BATCH`] rows after `after`, by key.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn page(&self, conn: &Conn, after: Option<&[Cell]>) -> DbResult<Vec<Vec<Cell>>> {
        let kinds: Vec<Kind> = self.mapping.columns.iter().map(|c| c.convert.kind).collect();
        let select = self.select_page(after);
        conn.fetch_map(&select, move |row| {
            kinds.iter().enumerate().map(|(i, kind)| row::cell(row, i, *kind)).collect()
        })
        .await
    }

    fn select_page(&self, after: Option<&[Cell]>) -> SelectStatement {
        let mut out = Query::select();
        out.columns(self.mapping.columns.iter().map(|c| Alias::new(c.to)));
        out.from(self.mapping.target).limit(BATCH as u64);
        for i in &self.key {
            out.order_by(Alias::new(self.mapping.columns[*i].to), Order::Asc);
        }
        if let Some(after) = after {
            let columns = self.key.iter().map(|i| self.column(*i));
            let values = self.key.iter().map(|i| value(&after[*i]));
            out.and_where(Expr::tuple(columns).gt(Expr::tuple(values)));
        }
        out
    }

    /// The name of a row in the report: its key.
    #[must_use]
    pub fn name(&self, row: &[Cell]) -> String {
        let part = |i: &usize| match &row[*i] {
            Cell::Null => "?".into(),
            Cell::Flag(flag) => flag.to_string(),
            Cell::Int(n) => n.to_string(),
            Cell::Text(text) => text.clone(),
        };
        self.key.iter().map(part).collect::<Vec<_>>().join(" ")
    }

    /// Inserts rows in one statement.
    #[must_use]
    pub fn insert(&self, rows: &[Vec<Cell>]) -> Prepared {
        let mut out = Query::insert();
        out.into_table(self.mapping.target);
        out.columns(self.mapping.columns.iter().map(|c| Alias::new(c.to)));
        for row in rows {
            out.values_panic(row.iter().map(value));
        }
        Prepared::new(&out)
    }

    /// Writes all columns of the row with `row`'s key.
    #[must_use]
    pub fn update(&self, row: &[Cell]) -> Prepared {
        let mut out = Query::update();
        out.table(self.mapping.target).cond_where(self.has_key_of(row));
        for (column, cell) in self.mapping.columns.iter().zip(row) {
            out.value(Alias::new(column.to), value(cell));
        }
        Prepared::new(&out)
    }

    /// Deletes the row with `row`'s key.
    #[must_use]
    pub fn delete(&self, row: &[Cell]) -> Prepared {
        let mut out = Query::delete();
        out.from_table(self.mapping.target).cond_where(self.has_key_of(row));
        Prepared::new(&out)
    }

    fn has_key_of(&self, row: &[Cell]) -> Cond {
        self.key.iter().fold(Cond::all(), |all, i| all.add(self.column(*i).eq(value(&row[*i]))))
    }

    fn column(&self, i: usize) -> SimpleExpr {
        Expr::col(Alias::new(self.mapping.columns[i].to))
    }
}

/// Runs a statement that does nothing.
///
/// # Errors
/// What the database refused.
pub async fn touch(conn: &Conn) -> DbResult<()> {
    conn.fetch_one(&Query::select().expr(Expr::val(1)).to_owned()).await.map(|_| ())
}

fn value(cell: &Cell) -> SimpleExpr {
    match cell {
        Cell::Null => Expr::null(),
        Cell::Flag(flag) => Expr::val(*flag),
        Cell::Int(n) => Expr::val(*n),
        Cell::Text(text) => Expr::val(text.as_str()),
    }
}
