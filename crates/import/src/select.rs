//! A mapping as one SELECT on the source: all values as text, in the order of the key.

use neutrino_db::sea_query::{
    Alias, Cond, Expr, ExprTrait, Func, JoinType, MysqlQueryBuilder, Order, PostgresQueryBuilder,
    Query, SelectStatement, SimpleExpr,
};

use crate::{
    convert::Kind,
    mapping::{At, Column, Equal, Join, Mapping},
};

/// The source's SQL dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// MariaDB and MySQL.
    Mysql,
    /// PostgreSQL.
    Postgres,
}

impl Dialect {
    /// `select` in this dialect. It must have no values but constants of this crate.
    #[must_use]
    pub fn render(self, select: &SelectStatement) -> String {
        match self {
            Self::Mysql => select.to_string(MysqlQueryBuilder),
            Self::Postgres => select.to_string(PostgresQueryBuilder),
        }
    }

    /// `expr` as text.
    fn text(self, expr: SimpleExpr) -> SimpleExpr {
        let kind = match self {
            Self::Mysql => "char",
            Self::Postgres => "text",
        };
        Func::cast_as(expr, Alias::new(kind)).into()
    }

    /// Text `expr` to sort by: its bytes, whatever the collation.
    fn bytes(self, expr: SimpleExpr) -> SimpleExpr {
        match self {
            Self::Mysql => Func::cast_as(expr, Alias::new("binary")).into(),
            Self::Postgres => {
                Func::cust(Alias::new("convert_to")).arg(expr).arg(Expr::val("UTF8")).into()
            }
        }
    }
}

/// What `mapping` reads. The columns are those of [`Mapping::columns`], then the second values
/// some of them have, then the ids of [`Mapping::refers`], then [`Mapping::looks_at`].
#[must_use]
pub fn select(mapping: &Mapping, dialect: Dialect) -> SelectStatement {
    let mut out = Query::select();
    for column in mapping.columns {
        out.expr(dialect.text(value(column)));
    }
    let seconds = mapping.columns.iter().filter_map(|column| column.and.as_ref());
    let refers = mapping.refers.iter().map(|(at, _)| at);
    for at in seconds.chain(refers).chain(mapping.looks_at) {
        out.expr(dialect.text(col(*at)));
    }
    out.from(mapping.from);
    for join in mapping.joins {
        out.join(JoinType::LeftJoin, join.table, condition(join));
    }
    if let Some((column, text)) = mapping.only {
        out.and_where(Expr::col((mapping.from, column)).eq(text));
    }
    for name in mapping.key {
        for column in mapping.columns.iter().filter(|column| column.to == *name) {
            let by = match column.convert.kind {
                Kind::Text => dialect.bytes(value(column)),
                Kind::Int | Kind::Flag => value(column),
            };
            out.order_by_expr(by, Order::Asc);
        }
    }
    out
}

/// Counts the rows of a table.
#[must_use]
pub fn count(table: &str, dialect: Dialect) -> SelectStatement {
    let count = Func::count(Expr::val(1));
    Query::select().expr(dialect.text(count.into())).from(Alias::new(table)).to_owned()
}

/// Some columns of every row of a table, in their order.
#[must_use]
pub fn columns_of(
    table: &'static str,
    names: &[&'static str],
    dialect: Dialect,
) -> SelectStatement {
    let mut out = Query::select();
    for name in names {
        out.expr(dialect.text(col((table, *name))));
        out.order_by((table, *name), Order::Asc);
    }
    out.from(table).to_owned()
}

fn col((table, column): At) -> SimpleExpr {
    Expr::col((table, column))
}

fn value(column: &Column) -> SimpleExpr {
    match column.from {
        [at] => col(*at),
        several => Func::coalesce(several.iter().map(|at| col(*at))).into(),
    }
}

fn condition(join: &Join) -> Cond {
    let mut all = Cond::all();
    for (column, equal) in join.on {
        let column = Expr::col((join.table, *column));
        all = all.add(match equal {
            Equal::To(at) => column.equals(*at),
            Equal::Number(number) => column.eq(*number),
            Equal::Text(text) => column.eq(*text),
        });
    }
    all
}
