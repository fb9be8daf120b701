//! 0006: subnet pools and address scopes, and their sharing.

use sea_query::{ForeignKeyAction, TableCreateStatement};

use super::{
    Step,
    ddl::{
        ADDRESS, ID, NAME, belongs_to, flag, index, int, opt_big, opt_text, rbacs, refers_to,
        standard, table, text, text_or_empty,
    },
};
use crate::schema::{
    AddressScopeRbacs, AddressScopes, SubnetPoolPrefixes, SubnetPoolRbacs, SubnetPools,
};

pub(super) fn steps() -> Vec<Step> {
    use AddressScopes as A;
    use SubnetPoolPrefixes as X;
    use SubnetPools as P;
    let scopes = table(
        A::Table,
        [
            text(A::Id, ID),
            text_or_empty(A::ProjectId, NAME),
            text(A::Name, NAME),
            int(A::IpVersion),
        ],
        [A::Id],
    );
    let mut prefixes = table(
        X::Table,
        [text(X::SubnetpoolId, ID), text(X::Cidr, ADDRESS)],
        [X::SubnetpoolId, X::Cidr],
    );
    belongs_to(&mut prefixes, (X::Table, X::SubnetpoolId), (P::Table, P::Id));
    let mut out = vec![
        Step::Table(Box::new(scopes)),
        Step::Index(Box::new(index(A::Table, [A::ProjectId]))),
        Step::Table(Box::new(pools())),
        Step::Index(Box::new(index(P::Table, [P::ProjectId]))),
        Step::Index(Box::new(index(P::Table, [P::AddressScopeId]))),
        Step::Table(Box::new(prefixes)),
    ];
    use AddressScopeRbacs as R;
    let columns = [R::Id, R::ProjectId, R::ObjectId, R::TargetProject, R::Action];
    out.extend(rbacs(R::Table, columns, (A::Table, A::Id)));
    use SubnetPoolRbacs as S;
    let columns = [S::Id, S::ProjectId, S::ObjectId, S::TargetProject, S::Action];
    out.extend(rbacs(S::Table, columns, (P::Table, P::Id)));
    out
}

fn pools() -> TableCreateStatement {
    use SubnetPools as P;
    let columns = [
        text(P::Id, ID),
        text_or_empty(P::ProjectId, NAME),
        text(P::Name, NAME),
        int(P::IpVersion),
        int(P::DefaultPrefixlen),
        int(P::MinPrefixlen),
        int(P::MaxPrefixlen),
        flag(P::IsDefault),
        opt_big(P::DefaultQuota),
        text(P::Hash, ID),
        opt_text(P::AddressScopeId, ID),
    ];
    let standard = standard(P::Description, P::RevisionNumber, P::CreatedAt, P::UpdatedAt);
    let mut pools = table(P::Table, columns.into_iter().chain(standard), [P::Id]);
    // A scope in use is not deleted by accident.
    refers_to(
        &mut pools,
        (P::Table, P::AddressScopeId),
        (AddressScopes::Table, AddressScopes::Id),
        ForeignKeyAction::Restrict,
    );
    pools
}
