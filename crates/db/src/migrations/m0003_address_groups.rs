//! 0003: address groups, sharing of address groups.

use super::{
    Step,
    ddl::{ADDRESS, ID, NAME, belongs_to, index, standard, table, text, text_or_empty, unique},
};
use crate::schema::{AddressAssociations, AddressGroupRbacs, AddressGroups};

/// Length of an address group's description, in characters.
const LONG_DESCRIPTION: u32 = 1024;

pub(super) fn steps() -> Vec<Step> {
    use AddressGroupRbacs as R;
    use AddressGroups as G;
    let [_, revision, created, updated] =
        standard(G::Description, G::RevisionNumber, G::CreatedAt, G::UpdatedAt);
    let groups = table(
        G::Table,
        [
            text(G::Id, ID),
            text_or_empty(G::ProjectId, NAME),
            text_or_empty(G::Name, NAME),
            text_or_empty(G::Description, LONG_DESCRIPTION),
            revision,
            created,
            updated,
        ],
        [G::Id],
    );

    use AddressAssociations as A;
    // The group comes first: its addresses are one range of the key.
    let mut addresses = table(
        A::Table,
        [text(A::AddressGroupId, ID), text(A::Address, ADDRESS)],
        [A::AddressGroupId, A::Address],
    );
    belongs_to(&mut addresses, (A::Table, A::AddressGroupId), (G::Table, G::Id));

    let mut rbacs = table(
        R::Table,
        [
            text(R::Id, ID),
            text_or_empty(R::ProjectId, NAME),
            text(R::ObjectId, ID),
            text(R::TargetProject, NAME),
            text(R::Action, NAME),
        ],
        [R::Id],
    );
    belongs_to(&mut rbacs, (R::Table, R::ObjectId), (G::Table, G::Id));

    vec![
        Step::Table(Box::new(groups)),
        Step::Index(Box::new(index(G::Table, [G::ProjectId]))),
        Step::Table(Box::new(addresses)),
        Step::Table(Box::new(rbacs)),
        Step::Index(Box::new(unique(R::Table, [R::ObjectId, R::Action, R::TargetProject]))),
        Step::Index(Box::new(index(R::Table, [R::TargetProject, R::Action]))),
    ]
}
