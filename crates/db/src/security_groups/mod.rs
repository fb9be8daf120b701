//! Security groups: rows, and the statements that read and write them.

mod bindings;
mod default_rules;
mod rules;

use std::collections::HashMap;

use neutrino_types::{Context, new_id};
use sea_query::{Condition, Expr, ExprTrait, Query, SelectStatement};

use crate::{
    Conn, DbResult, Prepared, RowRef,
    list::{any_of, scope},
    rbac::{self, ObjectType},
    schema::{DefaultSecurityGroups as D, SecurityGroups as G},
    tags, time,
};

pub use bindings::{Bindings, bind, groups_of, is_in_use, unbind};
pub use default_rules::{
    DefaultRule, all as default_rules, delete_default, from_default_rules, insert_default,
};
pub use rules::{
    Rule, Traffic, groups_that_name, in_default_group, insert_rules, of_groups, rule_exprs,
    rule_from, rule_visible,
};

/// The name of every project's own group.
pub const DEFAULT: &str = "default";

/// A security group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Group id.
    pub id: String,
    /// Owner.
    pub project_id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Whether answers of allowed connections pass.
    pub stateful: bool,
    /// Whether the asker (or everyone) may use it.
    pub shared: bool,
    /// Counts its changes, and the rules that came and went.
    pub revision: i64,
    /// Creation time.
    pub created_at: String,
    /// Time of the last change.
    pub updated_at: String,
    /// Its rules, when loaded.
    pub rules: Vec<Rule>,
    /// Its tags, when loaded.
    pub tags: Vec<String>,
}

impl Group {
    /// A group of `project` that is not stored yet, of revision 1 and created now.
    #[must_use]
    pub fn new(project: &str, name: &str) -> Self {
        let now = time::now();
        Self {
            id: new_id(),
            project_id: project.into(),
            name: name.into(),
            stateful: true,
            revision: 1,
            created_at: now.clone(),
            updated_at: now,
            ..Self::default()
        }
    }
}

/// The condition that `ctx` may see a group; `None` for those who see all.
#[must_use]
pub fn visible(ctx: &Context) -> Option<Condition> {
    (!ctx.sees_all_projects()).then(|| visible_to(ctx.project()))
}

/// The condition that a group may be used by `project`.
#[must_use]
pub fn visible_to(project: &str) -> Condition {
    Condition::any().add(Expr::col((G::Table, G::ProjectId)).eq(project)).add(shared_with(project))
}

/// The condition that a group is shared with `project`, or with everyone.
fn shared_with(project: &str) -> Expr {
    rbac::granted(ObjectType::SecurityGroup, (G::Table, G::Id), project, &[scope::SHARED])
}

/// FROM clause of group queries.
#[must_use]
pub fn from() -> SelectStatement {
    Query::select().from(G::Table).to_owned()
}

const COLUMNS: [G; 8] = [
    G::Id,
    G::ProjectId,
    G::Name,
    G::Description,
    G::Stateful,
    G::RevisionNumber,
    G::CreatedAt,
    G::UpdatedAt,
];

/// The columns [`decode`] reads, as `ctx` sees them.
#[must_use]
pub fn exprs(ctx: &Context) -> Vec<Expr> {
    let mut out: Vec<Expr> = COLUMNS.into_iter().map(|c| Expr::col((G::Table, c))).collect();
    out.push(shared_with(ctx.project()));
    out
}

/// A row of [`exprs`], without rules and tags.
#[must_use]
pub fn decode(row: &RowRef<'_>) -> Group {
    Group {
        id: row.text(0),
        project_id: row.text(1),
        name: row.text(2),
        description: row.text(3),
        stateful: row.bool(4),
        revision: row.int(5),
        created_at: row.text(6),
        updated_at: row.text(7),
        shared: row.bool(8),
        ..Group::default()
    }
}

/// The groups with these ids that `ctx` may see, without rules and tags.
///
/// # Errors
/// What the database refused.
pub async fn by_ids(conn: &Conn, ctx: &Context, ids: &[&str]) -> DbResult<Vec<Group>> {
    by_ids_where(conn, ctx, ids, visible(ctx)).await
}

/// The groups with these ids that `project` may use, without rules and tags.
///
/// # Errors
/// What the database refused.
pub async fn usable_by(conn: &Conn, project: &str, ids: &[&str]) -> DbResult<Vec<Group>> {
    by_ids_where(conn, &Context::default(), ids, Some(visible_to(project))).await
}

async fn by_ids_where(
    conn: &Conn,
    ctx: &Context,
    ids: &[&str],
    visible: Option<Condition>,
) -> DbResult<Vec<Group>> {
    let mut query = from();
    query.exprs(exprs(ctx)).and_where(is_one_of((G::Table, G::Id), ids));
    if let Some(visible) = visible {
        query.cond_where(visible);
    }
    conn.fetch_map(&query, decode).await
}

/// Loads rules and tags of `groups`: two statements.
///
/// # Errors
/// What the database refused.
pub async fn load_children(conn: &Conn, groups: &mut [Group]) -> DbResult<()> {
    if groups.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = groups.iter().map(|g| g.id.clone()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut rules: HashMap<String, Vec<Rule>> = HashMap::new();
    for rule in of_groups(conn, &ids).await? {
        rules.entry(rule.group_id.clone()).or_default().push(rule);
    }
    let mut tags = tags::of_many(conn, &ids).await?;
    for group in groups {
        group.rules = rules.remove(&group.id).unwrap_or_default();
        group.tags = tags.remove(&group.id).unwrap_or_default();
    }
    Ok(())
}

/// Statements that store new groups with their rules.
#[must_use]
pub fn insert(groups: &[Group]) -> Vec<Prepared> {
    let mut statement = Query::insert();
    statement.into_table(G::Table).columns(COLUMNS);
    for g in groups {
        statement.values_panic([
            g.id.as_str().into(),
            g.project_id.as_str().into(),
            g.name.as_str().into(),
            g.description.as_str().into(),
            g.stateful.into(),
            g.revision.into(),
            g.created_at.as_str().into(),
            g.updated_at.as_str().into(),
        ]);
    }
    let mut out = vec![Prepared::new(&statement)];
    out.extend(insert_rules(groups.iter().flat_map(|g| &g.rules)));
    out
}

/// Overwrites a group's own columns.
#[must_use]
pub fn update(g: &Group) -> Prepared {
    let statement = Query::update()
        .table(G::Table)
        .values([
            (G::Name, g.name.as_str().into()),
            (G::Description, g.description.as_str().into()),
            (G::Stateful, g.stateful.into()),
            (G::RevisionNumber, g.revision.into()),
            (G::UpdatedAt, g.updated_at.as_str().into()),
        ])
        .and_where(Expr::col(G::Id).eq(g.id.as_str()))
        .to_owned();
    Prepared::new(&statement)
}

/// Counts the revisions of groups up by `changes`: rules came or went.
#[must_use]
pub fn bump(groups: &[&str], changes: usize) -> Prepared {
    let changes = i64::try_from(changes).unwrap_or(i64::MAX);
    let statement = Query::update()
        .table(G::Table)
        .value(G::RevisionNumber, Expr::col(G::RevisionNumber).add(changes))
        .value(G::UpdatedAt, time::now())
        .and_where(is_one_of(G::Id, groups))
        .to_owned();
    Prepared::new(&statement)
}

/// Deletes a group; its rules, and those of other groups that name it, go with it.
#[must_use]
pub fn delete(group: &str) -> Prepared {
    Prepared::new(
        &Query::delete().from_table(G::Table).and_where(Expr::col(G::Id).eq(group)).to_owned(),
    )
}

/// The default groups of `projects`, by project; those without one are missing.
///
/// # Errors
/// What the database refused.
pub async fn default_groups(conn: &Conn, projects: &[&str]) -> DbResult<HashMap<String, String>> {
    let query = Query::select()
        .columns([D::ProjectId, D::SecurityGroupId])
        .from(D::Table)
        .and_where(is_one_of(D::ProjectId, projects))
        .to_owned();
    Ok(conn.fetch_map(&query, |r| (r.text(0), r.text(1))).await?.into_iter().collect())
}

/// Whether `group` is its project's default one.
///
/// # Errors
/// What the database refused.
pub async fn is_default(conn: &Conn, group: &str) -> DbResult<bool> {
    let query = Query::select()
        .column(D::ProjectId)
        .from(D::Table)
        .and_where(Expr::col(D::SecurityGroupId).eq(group))
        .to_owned();
    Ok(conn.fetch_opt(&query).await?.is_some())
}

/// The condition that a group of a query is some project's default one.
#[must_use]
pub fn is_some_default() -> Expr {
    let default = Query::select()
        .expr(Expr::val(1))
        .from(D::Table)
        .and_where(Expr::col((D::Table, D::SecurityGroupId)).equals((G::Table, G::Id)))
        .to_owned();
    Expr::exists(default)
}

/// Makes a group its project's default one.
#[must_use]
pub fn set_default(group: &Group) -> Prepared {
    let statement = Query::insert()
        .into_table(D::Table)
        .columns([D::ProjectId, D::SecurityGroupId])
        .values_panic([group.project_id.as_str().into(), group.id.as_str().into()])
        .to_owned();
    Prepared::new(&statement)
}

fn is_one_of(column: impl sea_query::IntoColumnRef, values: &[&str]) -> Expr {
    any_of(Expr::col(column), values.iter().map(|v| (*v).to_string()).collect())
}
