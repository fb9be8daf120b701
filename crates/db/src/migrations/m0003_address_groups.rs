//! 0003: address groups, sharing of address groups and security groups.

use sea_query::Iden;

use super::{
    Step,
    ddl::{ADDRESS, ID, NAME, belongs_to, index, standard, table, text, text_or_empty, unique},
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

/// The table of policies about one type of object, and its indices.
fn rbacs<T: Iden + Copy + 'static, U: Iden + Copy + 'static>(
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
