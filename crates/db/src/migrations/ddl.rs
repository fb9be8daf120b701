//! Short words to write tables with.

use sea_query::{
    ColumnDef, ForeignKey, ForeignKeyAction, Iden, Index, IndexCreateStatement, IntoIden, Table,
    TableCreateStatement,
};

use super::Step;
use crate::schema::{RevisionSteps, Revisions};

/// Length of a UUID in text form.
pub(super) const ID: u32 = 36;
/// Length of names, project ids and hosts.
pub(super) const NAME: u32 = 255;
/// Length of an address or CIDR in text form.
pub(super) const ADDRESS: u32 = 64;
/// Length of an address as a sort key.
pub(super) const KEY: u32 = 32;
/// Length of a time (see [`crate::time`]).
pub(super) const TIME: u32 = 20;

/// Text of at most `n` characters, required.
pub(super) fn text(column: impl IntoIden, n: u32) -> ColumnDef {
    ColumnDef::new(column).string_len(n).not_null().to_owned()
}

/// Text of at most `n` characters, required, empty by default.
pub(super) fn text_or_empty(column: impl IntoIden, n: u32) -> ColumnDef {
    text(column, n).default("").to_owned()
}

/// Text of at most `n` characters, or NULL.
pub(super) fn opt_text(column: impl IntoIden, n: u32) -> ColumnDef {
    ColumnDef::new(column).string_len(n).null().to_owned()
}

/// Integer, required.
pub(super) fn int(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).integer().not_null().to_owned()
}

/// 64-bit integer, required.
pub(super) fn big(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).big_integer().not_null().to_owned()
}

/// 64-bit integer or NULL.
pub(super) fn opt_big(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).big_integer().null().to_owned()
}

/// Boolean, required.
pub(super) fn flag(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).boolean().not_null().to_owned()
}

/// Boolean or NULL.
pub(super) fn opt_flag(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).boolean().null().to_owned()
}

/// The columns every resource has: description, revision, times.
pub(super) fn standard(
    description: impl IntoIden,
    revision: impl IntoIden,
    created: impl IntoIden,
    updated: impl IntoIden,
) -> [ColumnDef; 4] {
    [
        text_or_empty(description, NAME),
        big(revision).default(0).to_owned(),
        text(created, TIME),
        text(updated, TIME),
    ]
}

/// A table with `columns` and primary key `key`.
pub(super) fn table<T: Iden + Copy + 'static, K: IntoIden>(
    name: T,
    columns: impl IntoIterator<Item = ColumnDef>,
    key: impl IntoIterator<Item = K>,
) -> TableCreateStatement {
    let mut out = Table::create();
    out.table(name);
    for mut column in columns {
        out.col(&mut column);
    }
    let mut primary = Index::create();
    for column in key {
        primary.col(column.into_iden());
    }
    out.primary_key(&mut primary);
    out
}

/// Adds `table.column -> target.target_column`, the row going with the row it refers to.
pub(super) fn belongs_to<T: Iden + Copy + 'static, U: Iden + Copy + 'static>(
    out: &mut TableCreateStatement,
    from: (T, T),
    to: (U, U),
) {
    refers_to(out, from, to, ForeignKeyAction::Cascade);
}

/// Adds `table.column -> target.target_column` with `on_delete`.
pub(super) fn refers_to<T: Iden + Copy + 'static, U: Iden + Copy + 'static>(
    out: &mut TableCreateStatement,
    (from, from_column): (T, T),
    (to, to_column): (U, U),
    on_delete: ForeignKeyAction,
) {
    let name = format!("fk_{}_{}", from.unquoted(), from_column.unquoted());
    out.foreign_key(
        ForeignKey::create()
            .name(name)
            .from(from, from_column)
            .to(to, to_column)
            .on_delete(on_delete),
    );
}

/// An index over `columns`, to be named.
pub(super) fn index<T: Iden + Copy + 'static>(
    table: T,
    columns: impl IntoIterator<Item = T>,
) -> IndexCreateStatement {
    let mut out = Index::create();
    let mut name = format!("ix_{}", table.unquoted());
    for column in columns {
        name.push('_');
        name.push_str(column.unquoted());
        out.col(column);
    }
    out.name(name).table(table).to_owned()
}

/// An index over `columns` that refuses duplicates.
pub(super) fn unique<T: Iden + Copy + 'static>(
    table: T,
    columns: impl IntoIterator<Item = T>,
) -> IndexCreateStatement {
    index(table, columns).unique().to_owned()
}

/// The table of policies about one type of object, and its indices.
pub(super) fn rbacs<T: Iden + Copy + 'static, U: Iden + Copy + 'static>(
    name: T,
    [id, project_id, object_id, target_project, action]: [T; 5],
    object: (U, U),
) -> [Step; 3] {
    let mut rbacs = table(
        name,
        [
            text(id, ID),
            text_or_empty(project_id, NAME),
            text(object_id, ID),
            text(target_project, NAME),
            text(action, NAME),
        ],
        [id],
    );
    belongs_to(&mut rbacs, (name, object_id), object);
    [
        Step::Table(Box::new(rbacs)),
        Step::Index(Box::new(unique(name, [object_id, action, target_project]))),
        Step::Index(Box::new(index(name, [target_project, action]))),
    ]
}

/// The table that records migrations; made before the first one.
pub(super) fn revisions_table() -> Step {
    let mut out = table(
        Revisions::Table,
        [text(Revisions::Revision, ADDRESS), text(Revisions::AppliedAt, TIME)],
        [Revisions::Revision],
    );
    Step::Table(Box::new(out.if_not_exists().to_owned()))
}

/// The table that records how far a migration came, where each step is committed by itself.
pub(super) fn revision_steps_table() -> Step {
    use RevisionSteps as S;
    let mut out = table(
        S::Table,
        [text(S::Revision, ADDRESS), int(S::Step), flag(S::Refused)],
        [S::Revision],
    );
    Step::Table(Box::new(out.if_not_exists().to_owned()))
}
