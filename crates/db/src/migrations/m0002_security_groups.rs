//! 0002: security groups, their rules, what new groups start with.

use neutrino_types::constants::PARENT_GROUP;
use sea_query::{ColumnDef, ForeignKeyAction, IntoIden, Query};

use super::{
    Step,
    ddl::{
        ADDRESS, ID, NAME, belongs_to, flag, index, opt_text, refers_to, standard, table, text,
        text_or_empty,
    },
};
use crate::schema::{
    DefaultSecurityGroups, Ports, SecurityGroupDefaultRules, SecurityGroupPortBindings,
    SecurityGroupRules, SecurityGroups,
};

/// Length of `direction` and `ethertype`.
const WORD: u32 = 16;
/// Length of a protocol's name.
const PROTOCOL: u32 = 40;
/// Length of the description of a default rule.
const LONG_DESCRIPTION: u32 = 1024;

pub(super) fn steps() -> Vec<Step> {
    let mut out = Vec::new();
    groups(&mut out);
    rules(&mut out);
    bindings(&mut out);
    default_rules(&mut out);
    out
}

fn add(out: &mut Vec<Step>, table: sea_query::TableCreateStatement) {
    out.push(Step::Table(Box::new(table)));
}

fn add_index(out: &mut Vec<Step>, index: sea_query::IndexCreateStatement) {
    out.push(Step::Index(Box::new(index)));
}

/// Integer or NULL.
fn opt_int(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).integer().null().to_owned()
}

fn groups(out: &mut Vec<Step>) {
    use SecurityGroups as G;
    let columns = [
        text(G::Id, ID),
        text_or_empty(G::ProjectId, NAME),
        text_or_empty(G::Name, NAME),
        flag(G::Stateful).default(true).to_owned(),
    ];
    let standard = standard(G::Description, G::RevisionNumber, G::CreatedAt, G::UpdatedAt);
    add(out, table(G::Table, columns.into_iter().chain(standard), [G::Id]));
    add_index(out, index(G::Table, [G::ProjectId]));

    use DefaultSecurityGroups as D;
    let mut defaults =
        table(D::Table, [text(D::ProjectId, NAME), text(D::SecurityGroupId, ID)], [D::ProjectId]);
    belongs_to(&mut defaults, (D::Table, D::SecurityGroupId), (G::Table, G::Id));
    add(out, defaults);
    add_index(out, index(D::Table, [D::SecurityGroupId]));
}

fn rules(out: &mut Vec<Step>) {
    use SecurityGroupRules as R;
    let columns = [
        text(R::Id, ID),
        text_or_empty(R::ProjectId, NAME),
        text(R::SecurityGroupId, ID),
        opt_text(R::RemoteGroupId, ID),
        opt_text(R::RemoteAddressGroupId, ID),
        text(R::Direction, WORD),
        text(R::Ethertype, WORD),
        opt_text(R::Protocol, PROTOCOL),
        opt_int(R::PortRangeMin),
        opt_int(R::PortRangeMax),
        opt_text(R::RemoteIpPrefix, ADDRESS),
        opt_text(R::NormalizedCidr, ADDRESS),
        // Rules made from the default rules have none.
        opt_text(R::Description, NAME),
    ];
    let [_, revision, created, updated] =
        standard(R::Description, R::RevisionNumber, R::CreatedAt, R::UpdatedAt);
    let columns = columns.into_iter().chain([revision, created, updated]);
    let mut rules = table(R::Table, columns, [R::Id]);
    let group = (SecurityGroups::Table, SecurityGroups::Id);
    belongs_to(&mut rules, (R::Table, R::SecurityGroupId), group);
    belongs_to(&mut rules, (R::Table, R::RemoteGroupId), group);
    add(out, rules);
    add_index(out, index(R::Table, [R::SecurityGroupId]));
    add_index(out, index(R::Table, [R::RemoteGroupId]));
    add_index(out, index(R::Table, [R::RemoteAddressGroupId]));
    add_index(out, index(R::Table, [R::ProjectId]));
}

fn bindings(out: &mut Vec<Step>) {
    use SecurityGroupPortBindings as B;
    let columns = [text(B::PortId, ID), text(B::SecurityGroupId, ID)];
    let mut bindings = table(B::Table, columns, [B::PortId, B::SecurityGroupId]);
    belongs_to(&mut bindings, (B::Table, B::PortId), (Ports::Table, Ports::Id));
    // A group in use is not deleted by accident.
    refers_to(
        &mut bindings,
        (B::Table, B::SecurityGroupId),
        (SecurityGroups::Table, SecurityGroups::Id),
        ForeignKeyAction::Restrict,
    );
    add(out, bindings);
    add_index(out, index(B::Table, [B::SecurityGroupId]));
}

fn default_rules(out: &mut Vec<Step>) {
    use SecurityGroupDefaultRules as D;
    let columns = [
        text(D::Id, ID),
        opt_text(D::RemoteGroupId, ID),
        opt_text(D::RemoteAddressGroupId, ID),
        text(D::Direction, WORD),
        text(D::Ethertype, WORD),
        opt_text(D::Protocol, PROTOCOL),
        opt_int(D::PortRangeMin),
        opt_int(D::PortRangeMax),
        opt_text(D::RemoteIpPrefix, ADDRESS),
        text_or_empty(D::Description, LONG_DESCRIPTION),
        flag(D::UsedInDefaultSg).default(false).to_owned(),
        flag(D::UsedInNonDefaultSg).default(false).to_owned(),
    ];
    add(out, table(D::Table, columns, [D::Id]));
    let mut rows = Query::insert();
    rows.into_table(D::Table).columns([
        D::Id,
        D::RemoteGroupId,
        D::Direction,
        D::Ethertype,
        D::Description,
        D::UsedInDefaultSg,
        D::UsedInNonDefaultSg,
    ]);
    // What groups started with before there was a choice: everything goes out, and members of a
    // project's default group reach each other.
    let egress = "Legacy default SG rule for egress traffic";
    let ingress = "Legacy default SG rule for ingress traffic";
    for (id, direction, ethertype) in [
        ("6b2e0f0e-5a0b-4c2b-8f7e-0d3b6a4f9a01", "egress", "IPv4"),
        ("6b2e0f0e-5a0b-4c2b-8f7e-0d3b6a4f9a02", "egress", "IPv6"),
        ("6b2e0f0e-5a0b-4c2b-8f7e-0d3b6a4f9a03", "ingress", "IPv4"),
        ("6b2e0f0e-5a0b-4c2b-8f7e-0d3b6a4f9a04", "ingress", "IPv6"),
    ] {
        let goes_out = direction == "egress";
        rows.values_panic([
            id.into(),
            (!goes_out).then_some(PARENT_GROUP).into(),
            direction.into(),
            ethertype.into(),
            if goes_out { egress } else { ingress }.into(),
            true.into(),
            goes_out.into(),
        ]);
    }
    out.push(Step::Rows(Box::new(rows)));
}
