//! 0009: what was taken over from a Neutron database.

use super::{
    Step,
    ddl::{NAME, TIME, int, opt_text, table, text},
};
use crate::schema::Imports as I;

pub(super) fn steps() -> Vec<Step> {
    let columns =
        [int(I::Id), text(I::Source, NAME), text(I::FinishedAt, TIME), opt_text(I::UsedAt, TIME)];
    vec![Step::Table(Box::new(table(I::Table, columns, [I::Id])))]
}
