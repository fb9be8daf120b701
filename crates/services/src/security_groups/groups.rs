//! `/v2.0/security-groups`.

use std::sync::Arc;

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Resource};
use neutrino_db::{
    Conn,
    list::{Column, ListSpec},
    rbac::{self, ObjectType},
    retrying,
    schema::SecurityGroups as G,
    sea_query::{Condition, Expr},
    security_groups::{self as rows, Group},
    tags, time,
};
use neutrino_ml2::{
    security_groups::{conflict, vetoed},
    views::security_group as views,
};
use neutrino_types::{ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin, request};
use serde_json::Value;

use super::Core;

/// The collection.
pub(super) struct Groups(pub(super) Arc<Core>);

fn id() -> Expr {
    Expr::col((G::Table, G::Id))
}

/// By what groups are filtered and sorted.
pub(crate) const LISTED: &[Column] = &[
    Column::text("id", id),
    Column::text("name", || Expr::col((G::Table, G::Name))),
    Column::text("project_id", || Expr::col((G::Table, G::ProjectId))),
    Column::text("description", || Expr::col((G::Table, G::Description))),
    Column::bool("stateful", || Expr::col((G::Table, G::Stateful))),
    Column::int("revision_number", || Expr::col((G::Table, G::RevisionNumber))),
    Column::text("created_at", || Expr::col((G::Table, G::CreatedAt))),
    Column::text("updated_at", || Expr::col((G::Table, G::UpdatedAt))),
];

/// How groups are listed.
static SPEC: ListSpec = ListSpec {
    resource: "security_group",
    from: rows::from,
    id,
    columns: LISTED,
    computed,
    visibility: rows::visible,
    updated_at: Some(|| Expr::col((G::Table, G::UpdatedAt))),
    tagged: true,
};

fn computed(ctx: &Context, name: &str, values: &[Value]) -> Option<ApiResult<Condition>> {
    (name == "shared").then(|| Ok(rbac::is_shared(ObjectType::SecurityGroup, ctx, &id(), values)))
}

/// `SecurityGroupInUse` (409).
fn in_use(id: &str, reason: &str) -> ApiError {
    ApiError::conflict("SecurityGroupInUse", format!("Security Group {id} {reason}."))
}

/// A group that is gone, and the groups whose rules went with it.
struct Deleted {
    group: Group,
    poorer: Vec<String>,
}

impl Groups {
    async fn load(conn: &Conn, ctx: &Context, id: &str) -> ApiResult<Group> {
        let mut found = rows::by_ids(conn, ctx, &[id]).await?;
        rows::load_children(conn, &mut found).await?;
        found.pop().ok_or_else(|| ApiError::resource_not_found("security_group", id))
    }

    async fn try_create(&self, ctx: &Context, items: &[Attrs]) -> ApiResult<Vec<Attrs>> {
        let core = &*self.0;
        let mut tx = core.db.begin().await?;
        let owners: Vec<String> = items.iter().map(|i| request::project(i, ctx)).collect();
        let owners = || owners.iter().map(String::as_str);
        core.ensure_quota(&tx, "security_group", owners(), 1).await?;
        let defaults = rows::default_rules(&tx, Some(false)).await?;
        core.ensure_quota(&tx, "security_group_rule", owners(), defaults.len()).await?;
        let build = |(item, owner): (&Attrs, &str)| {
            let mut group = Group::new(owner, request::text(item, "name").unwrap_or_default());
            group.description = request::text_or_empty(item, "description");
            group.stateful = request::flag(item, "stateful").unwrap_or(true);
            group.rules = rows::from_default_rules(&defaults, owner, &group.id, false);
            group
        };
        let groups: Vec<Group> = items.iter().zip(owners()).map(build).collect();
        tx.execute_batch(rows::insert(&groups)).await?;
        let mut shown = Vec::with_capacity(groups.len());
        for (item, group) in items.iter().zip(groups) {
            let id = group.id.clone();
            let now = views::group(group);
            let payload = Payload::new(ctx, &id).request(item).current(&now);
            let asked = core
                .registry
                .precommit(&mut tx, Resource::SecurityGroup, Action::Create, &payload)
                .await;
            vetoed(asked, (Phase::Precommit, Action::Create), conflict)?;
            shown.push(now);
        }
        tx.commit().await?;
        Ok(shown)
    }

    /// Answers the group before and after.
    async fn try_update(
        &self,
        ctx: &Context,
        id: &str,
        changes: &Attrs,
        if_match: Option<i64>,
    ) -> ApiResult<(Group, Group)> {
        let core = &*self.0;
        let mut tx = core.db.begin().await?;
        let original = Self::load(&tx, ctx, id).await?;
        request::check_revision(if_match, original.revision)?;
        let mut group = original.clone();
        request::set_text(changes, "name", &mut group.name);
        request::set_text(changes, "description", &mut group.description);
        let stateful = request::set_flag(changes, "stateful", &mut group.stateful);
        if stateful && rows::is_in_use(&tx, id).await? {
            return Err(in_use(id, "in use"));
        }
        if original.name == rows::DEFAULT && changes.contains_key("name") {
            return Err(ApiError::conflict(
                "SecurityGroupCannotUpdateDefault",
                "Updating default security group not allowed.",
            ));
        }
        if group != original {
            group.revision += 1;
            group.updated_at = time::now();
            tx.execute_batch(vec![rows::update(&group)]).await?;
        }
        if core.registry.any(Resource::SecurityGroup, Phase::Precommit, Action::Update) {
            let (before, now) = (views::group(original.clone()), views::group(group.clone()));
            let payload = Payload::new(ctx, id).request(changes).original(&before).current(&now);
            let asked = core
                .registry
                .precommit(&mut tx, Resource::SecurityGroup, Action::Update, &payload)
                .await;
            vetoed(asked, (Phase::Precommit, Action::Update), conflict)?;
        }
        tx.commit().await?;
        Ok((original, group))
    }

    async fn try_delete(
        &self,
        ctx: &Context,
        id: &str,
        if_match: Option<i64>,
    ) -> ApiResult<Deleted> {
        let core = &*self.0;
        let mut tx = core.db.begin().await?;
        let group = Self::deletable(&tx, ctx, id).await?;
        request::check_revision(if_match, group.revision)?;
        let poorer = rows::groups_that_name(&tx, id).await?;
        if core.registry.any(Resource::SecurityGroup, Phase::Precommit, Action::Delete) {
            let shown = views::group(group.clone());
            let payload = Payload::new(ctx, id).current(&shown);
            let asked = core
                .registry
                .precommit(&mut tx, Resource::SecurityGroup, Action::Delete, &payload)
                .await;
            vetoed(asked, (Phase::Precommit, Action::Delete), |reason| in_use(id, reason))?;
        }
        let mut statements = vec![rows::delete(id)];
        if !poorer.is_empty() {
            let poorer: Vec<&str> = poorer.iter().map(String::as_str).collect();
            statements.push(rows::bump(&poorer, 1));
        }
        tx.execute_batch(statements).await?;
        if !group.tags.is_empty() {
            tags::remove_all(&tx, &[id.to_string()]).await?;
        }
        tx.commit().await?;
        Ok(Deleted { group, poorer })
    }

    /// The group, if nothing keeps it from being deleted.
    async fn deletable(conn: &Conn, ctx: &Context, id: &str) -> ApiResult<Group> {
        if rows::is_in_use(conn, id).await? {
            return Err(in_use(id, "in use"));
        }
        let group = Self::load(conn, ctx, id).await?;
        if group.name == rows::DEFAULT && !ctx.is_admin {
            return Err(ApiError::conflict(
                "SecurityGroupCannotRemoveDefault",
                "Insufficient rights for removing default security group.",
            ));
        }
        Ok(group)
    }
}

#[async_trait]
impl ResourcePlugin for Groups {
    async fn create(&self, ctx: &Context, items: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        let core = &*self.0;
        for item in &items {
            let payload = Payload::new(ctx, "").request(item);
            let asked =
                core.registry.before(Resource::SecurityGroup, Action::Create, &payload).await;
            vetoed(asked, (Phase::Before, Action::Create), conflict)?;
        }
        let owners: Vec<String> = items.iter().map(|i| request::project(i, ctx)).collect();
        core.defaults.ensure(ctx, owners.iter().map(String::as_str)).await?;
        let groups = retrying(|| self.try_create(ctx, &items)).await?;
        for (item, group) in items.iter().zip(&groups) {
            let id = request::text(group, "id").unwrap_or_default();
            let payload = Payload::new(ctx, id).request(item).current(group);
            core.registry.after(Resource::SecurityGroup, Action::Create, &payload).await;
        }
        Ok(groups)
    }

    async fn list(&self, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
        let core = &*self.0;
        core.defaults.ensure(ctx, super::listed_project(ctx, query)).await?;
        let conn = core.db.read().await?;
        let page = SPEC.page(&conn, ctx, query).await?;
        let found = conn.fetch_map(&page.select_exprs(rows::exprs(ctx)), rows::decode).await?;
        let mut groups = page.arrange(found);
        let wanted = |name: &str| query.fields.is_empty() || query.fields.iter().any(|f| f == name);
        if wanted("security_group_rules") || wanted("tags") {
            rows::load_children(&conn, &mut groups).await?;
        }
        Ok(groups.into_iter().map(views::group).collect())
    }

    async fn get(&self, ctx: &Context, id: &str) -> ApiResult<Attrs> {
        let conn = self.0.db.read().await?;
        Ok(views::group(Self::load(&conn, ctx, id).await?))
    }

    async fn update(
        &self,
        ctx: &Context,
        id: &str,
        changes: Attrs,
        if_match: Option<i64>,
    ) -> ApiResult<Attrs> {
        let core = &*self.0;
        let payload = Payload::new(ctx, id).request(&changes);
        let asked = core.registry.before(Resource::SecurityGroup, Action::Update, &payload).await;
        vetoed(asked, (Phase::Before, Action::Update), conflict)?;
        let (original, group) = retrying(|| self.try_update(ctx, id, &changes, if_match)).await?;
        let statefulness_changed = original.stateful != group.stateful;
        let (before, now) = (views::group(original), views::group(group));
        let payload = Payload::new(ctx, id).request(&changes).original(&before).current(&now);
        core.registry.after(Resource::SecurityGroup, Action::Update, &payload).await;
        if statefulness_changed {
            core.notifier.security_groups_rule_updated(&[id.to_string()]).await;
        }
        Ok(now)
    }

    async fn delete(&self, ctx: &Context, id: &str, if_match: Option<i64>) -> ApiResult<()> {
        let core = &*self.0;
        if core.registry.any(Resource::SecurityGroup, Phase::Before, Action::Delete) {
            let conn = core.db.read().await?;
            let group = views::group(Self::deletable(&conn, ctx, id).await?);
            drop(conn);
            let payload = Payload::new(ctx, id).current(&group);
            let asked =
                core.registry.before(Resource::SecurityGroup, Action::Delete, &payload).await;
            vetoed(asked, (Phase::Before, Action::Delete), |reason| in_use(id, reason))?;
        }
        let deleted = retrying(|| self.try_delete(ctx, id, if_match)).await?;
        let group = views::group(deleted.group);
        let payload = Payload::new(ctx, id).current(&group);
        core.registry.after(Resource::SecurityGroup, Action::Delete, &payload).await;
        if !deleted.poorer.is_empty() {
            core.notifier.security_groups_rule_updated(&deleted.poorer).await;
        }
        Ok(())
    }
}
