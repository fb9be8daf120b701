//! 0003: address groups, sharing of address groups and security groups.

use super::{
    Step,
    ddl::{ADDRESS, ID, NAME, belongs_to, index, rbacs, standard, table, text, text_or_empty},
};
use crate::schema::{
    AddressAssociations, AddressGroupRbacs, AddressGroups, SecurityGroupRbacs, SecurityGroups,
};

/// Length of an address group's description, in characters.
const LONG_DESCRIPTION: u32 = 1024;

pub(super) fn steps() -> Vec<Step> {
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

    let mut out = vec![
        Step::Table(Box::new(groups)),
        Step::Index(Box::new(index(G::Table, [G::ProjectId]))),
        Step::Table(Box::new(addresses)),
    ];
    use AddressGroupRbacs as R;
    let columns = [R::Id, R::ProjectId, R::ObjectId, R::TargetProject, R::Action];
    out.extend(rbacs(R::Table, columns, (G::Table, G::Id)));
    use SecurityGroupRbacs as S;
    let columns = [S::Id, S::ProjectId, S::ObjectId, S::TargetProject, S::Action];
    out.extend(rbacs(S::Table, columns, (SecurityGroups::Table, SecurityGroups::Id)));
    out
}
