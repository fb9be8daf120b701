//! 0008: several servers on one database.

use sea_query::{Expr, Query};

use super::{
    Step,
    ddl::{ADDRESS, NAME, TIME, big, int, table, text},
};
use crate::schema::{Leases as L, WriteTurn as W};

pub(super) fn steps() -> Vec<Step> {
    let leases = table(
        L::Table,
        [text(L::Name, ADDRESS), text(L::Holder, NAME), text(L::ExpiresAt, TIME)],
        [L::Name],
    );
    let turn = table(W::Table, [int(W::Id), big(W::Count)], [W::Id]);
    let mut first = Query::insert();
    first
        .into_table(W::Table)
        .columns([W::Id, W::Count])
        .values_panic([Expr::val(1), Expr::val(0)]);
    vec![Step::Table(Box::new(leases)), Step::Table(Box::new(turn)), Step::Rows(Box::new(first))]
}
