//! What is carried, as data: which source table and columns become which table and columns of ours.

use crate::convert::Convert;

mod addresses;
mod agents;
mod allocations;
mod bindings;
mod groups;
mod networks;
mod ports;
mod routers;
mod subnets;

/// Every mapping, those first that others refer to.
pub const ALL: &[&[Mapping]] = &[
    agents::MAPPINGS,
    addresses::MAPPINGS,
    networks::MAPPINGS,
    subnets::MAPPINGS,
    groups::MAPPINGS,
    ports::MAPPINGS,
    bindings::MAPPINGS,
    routers::MAPPINGS,
    allocations::MAPPINGS,
];

/// Every mapping in order.
pub fn all() -> impl DoubleEndedIterator<Item = &'static Mapping> {
    ALL.iter().copied().flatten()
}

/// A column of a source table.
pub type At = (&'static str, &'static str);

/// How one table of ours is made from the source.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    /// The table of ours.
    pub target: &'static str,
    /// Columns of ours that tell rows apart: text or numbers that are taken over as they are.
    pub key: &'static [&'static str],
    /// The source table; it has one row per row of ours.
    pub from: &'static str,
    /// Further source tables, each with at most one row per row of `from`.
    pub joins: &'static [Join],
    /// A column of `from` and the text it has in the rows that count.
    pub only: Option<(&'static str, &'static str)>,
    /// The columns of ours.
    pub columns: &'static [Column],
    /// What each row refers to: where the id stands in the source, and the table of ours it is in.
    /// A row whose object was not carried is not carried either.
    pub refers: &'static [(At, &'static str)],
    /// Source columns [`Mapping::judge`] looks at.
    pub looks_at: &'static [At],
    /// What to do with a row beyond converting it, from the values of `looks_at`.
    pub judge: fn(&[Option<String>]) -> Verdict,
    /// Whether a row that differs is deleted and inserted anew: needed where a second unique key
    /// could refuse one change while another one is still to come.
    pub replace: bool,
}

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is carried.
    Carry,
    /// It is carried, but something of it is lost.
    CarryWithout(String),
    /// It is not carried, and why.
    Leave(String),
}

/// A left join.
#[derive(Clone, Copy, Debug)]
pub struct Join {
    /// The table.
    pub table: &'static str,
    /// Its columns and what they are equal to.
    pub on: &'static [(&'static str, Equal)],
}

/// What a column of a joined table is equal to.
#[derive(Clone, Copy, Debug)]
pub enum Equal {
    /// Another column.
    To(At),
    /// A number.
    Number(i64),
    /// A text.
    Text(&'static str),
}

/// One column of ours.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub to: &'static str,
    /// Where its value is in the source; the first one that is not NULL.
    pub from: &'static [At],
    /// Where a second value is that the conversion needs.
    pub and: Option<At>,
    /// How the value becomes ours.
    pub convert: Convert,
}

/// `to` from one source column.
pub const fn column(to: &'static str, from: &'static [At; 1], convert: Convert) -> Column {
    Column { to, from, and: None, convert }
}

/// Nothing to look at.
pub fn carry(_: &[Option<String>]) -> Verdict {
    Verdict::Carry
}

/// A mapping without anything special: to be completed with `..PLAIN`.
pub const PLAIN: Mapping = Mapping {
    target: "",
    key: &[],
    from: "",
    joins: &[],
    only: None,
    columns: &[],
    refers: &[],
    looks_at: &[],
    judge: carry,
    replace: false,
};

/// The parent row every resource of Neutron has: description, revision, times.
pub const STANDARD: &str = "standardattributes";

/// The columns of a mapping: each column of ours (`Enum::Variant`), the source table and column it
/// is from (ours has the same name where only a table is said), and the conversion.
macro_rules! columns {
    (@one $ours:ident $source:literal $variant:ident $convert:ident) => {
        $crate::mapping::column(
            $ours::$variant.name(),
            &[($source, $ours::$variant.name())],
            $crate::convert::$convert,
        )
    };
    ($ours:ident from $source:literal: $($variant:ident $convert:ident),* $(,)?
        ; $($other:ident ($table:literal . $column:literal) $how:ident),* $(,)?) => {
        &[
            $(columns!(@one $ours $source $variant $convert),)*
            $($crate::mapping::column(
                $ours::$other.name(),
                &[($table, $column)],
                $crate::convert::$how,
            ),)*
        ]
    };
    // With the four standard attributes.
    ($ours:ident with standard from $source:literal: $($variant:ident $convert:ident),* $(,)?
        ; $($other:ident ($table:literal . $column:literal) $how:ident),* $(,)?) => {
        columns!($ours from $source: $($variant $convert),*;
            $($other ($table . $column) $how,)*
            Description ("standardattributes"."description") OR_EMPTY,
            RevisionNumber ("standardattributes"."revision_number") INT,
            CreatedAt ("standardattributes"."created_at") TIME,
            UpdatedAt ("standardattributes"."updated_at") TIME)
    };
}
use columns;

/// The join to the standard attributes of `$table`.
macro_rules! standard {
    ($table:literal) => {
        $crate::mapping::Join {
            table: $crate::mapping::STANDARD,
            on: &[("id", $crate::mapping::Equal::To(($table, "standard_attr_id")))],
        }
    };
}
use standard;

/// The join to a table that has at most one row of `$table`'s, told by `$column` = its id.
macro_rules! one_of {
    ($joined:literal . $column:literal of $table:literal) => {
        $crate::mapping::Join {
            table: $joined,
            on: &[($column, $crate::mapping::Equal::To(($table, "id")))],
        }
    };
}
use one_of;

/// The mapping of one type of RBAC policies.
macro_rules! rbacs {
    ($ours:ident from $source:literal about $objects:expr) => {
        $crate::mapping::Mapping {
            target: $ours::Table.name(),
            key: &[$ours::Id.name()],
            from: $source,
            columns: columns!($ours from $source:
                Id TEXT, ProjectId OR_EMPTY, ObjectId TEXT, TargetProject TEXT, Action TEXT;),
            refers: &[(($source, "object_id"), $objects)],
            replace: true,
            ..$crate::mapping::PLAIN
        }
    };
}
use rbacs;
