//! `/v2.0/security-group-rules`.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Resource};
use neutrino_db::{
    Conn, Prepared, address_groups,
    list::{Column, ListSpec},
    retrying,
    schema::SecurityGroupRules as R,
    sea_query::{Condition, Expr, ExprTrait, Query},
    security_groups::{self as rows, Rule, Traffic},
};
use neutrino_ml2::{
    security_groups::{conflict, vetoed},
    views::security_group as views,
};
use neutrino_types::{ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin, request};
use serde_json::Value;

use super::{Core, validate};
use crate::read_only;

/// The collection.
pub(super) struct Rules(pub(super) Arc<Core>);

fn id() -> Expr {
    Expr::col((R::Table, R::Id))
}

/// By what rules are filtered and sorted.
pub(crate) const LISTED: &[Column] = &[
    Column::text("id", id),
    Column::text("project_id", || Expr::col((R::Table, R::ProjectId))),
    Column::text("security_group_id", || Expr::col((R::Table, R::SecurityGroupId))),
    Column::text("remote_group_id", || Expr::col((R::Table, R::RemoteGroupId))).or_null(),
    Column::text("remote_address_group_id", || Expr::col((R::Table, R::RemoteAddressGroupId)))
        .or_null(),
    Column::text("direction", || Expr::col((R::Table, R::Direction))),
    Column::text("ethertype", || Expr::col((R::Table, R::Ethertype))),
    Column::text("protocol", || Expr::col((R::Table, R::Protocol))).or_null(),
    Column::int("port_range_min", || Expr::col((R::Table, R::PortRangeMin))).or_null(),
    Column::int("port_range_max", || Expr::col((R::Table, R::PortRangeMax))).or_null(),
    Column::text("remote_ip_prefix", || Expr::col((R::Table, R::RemoteIpPrefix))).or_null(),
    Column::text("normalized_cidr", || Expr::col((R::Table, R::NormalizedCidr))).or_null(),
    Column::text("description", || Expr::col((R::Table, R::Description))).or_null(),
    Column::int("revision_number", || Expr::col((R::Table, R::RevisionNumber))),
    Column::text("created_at", || Expr::col((R::Table, R::CreatedAt))),
    Column::text("updated_at", || Expr::col((R::Table, R::UpdatedAt))),
];

/// How rules are listed.
static SPEC: ListSpec = ListSpec {
    resource: "security_group_rule",
    from: rows::rule_from,
    id,
    columns: LISTED,
    computed,
    visibility: rows::rule_visible,
    updated_at: Some(|| Expr::col((R::Table, R::UpdatedAt))),
    tagged: false,
};

fn computed(_: &Context, name: &str, values: &[Value]) -> Option<ApiResult<Condition>> {
    (name == "belongs_to_default_sg").then(|| {
        let asked = |wanted: bool| values.contains(&Value::Bool(wanted));
        let belongs = || Condition::all().add(rows::in_default_group());
        Ok(Condition::any()
            .add_option(asked(true).then(belongs))
            .add_option(asked(false).then(|| belongs().not())))
    })
}

/// A rule asked for, as far as it can be checked without the database.
struct Wanted {
    project: String,
    group: String,
    traffic: Traffic,
    description: String,
}

impl Wanted {
    fn new(ctx: &Context, item: &Attrs) -> ApiResult<Self> {
        Ok(Self {
            project: request::project(item, ctx),
            group: request::text_or_empty(item, "security_group_id"),
            traffic: validate::traffic(item)?,
            description: request::text_or_empty(item, "description"),
        })
    }

    fn rule(&self, in_default_group: bool) -> Rule {
        Rule {
            description: Some(self.description.clone()),
            in_default_group,
            ..Rule::new(&self.project, &self.group, self.traffic.clone())
        }
    }
}

/// Refuses a bulk of rules of several groups or projects.
fn ensure_one_group_and_project(ctx: &Context, items: &[Attrs]) -> ApiResult<()> {
    let Some(first) = items.first() else { return Ok(()) };
    let group = |item| request::text(item, "security_group_id");
    for item in items {
        if group(item) != group(first) {
            return Err(ApiError::bad_request(
                "SecurityGroupNotSingleGroupRules",
                "Only allowed to update rules for one security profile at a time",
            ));
        }
        if request::project(item, ctx) != request::project(first, ctx) {
            return Err(ApiError::bad_request(
                "SecurityGroupRulesNotSingleProject",
                "Multiple project_ids in bulk security group rule create not allowed",
            ));
        }
    }
    Ok(())
}

/// Refuses rules that are there already, or twice in the request.
async fn ensure_new(conn: &Conn, group: &str, wanted: &[Wanted]) -> ApiResult<()> {
    let mut keys = HashMap::with_capacity(wanted.len());
    for rule in wanted {
        if keys.insert(validate::key(&rule.traffic), ()).is_some() {
            return Err(ApiError::conflict(
                "DuplicateSecurityGroupRuleInPost",
                "Duplicate Security Group Rule in POST.",
            ));
        }
    }
    let there = rows::of_groups(conn, &[group]).await?;
    match there.iter().find(|r| keys.contains_key(&validate::key(&r.traffic))) {
        Some(rule) => Err(ApiError::conflict(
            "SecurityGroupRuleExists",
            format!("Security group rule already exists. Rule id is {}.", rule.id),
        )),
        None => Ok(()),
    }
}

/// Refuses rules of, or about, groups that are not there for the rules' project.
async fn ensure_groups(conn: &Conn, ctx: &Context, wanted: &[Wanted]) -> ApiResult<()> {
    let Some(first) = wanted.first() else { return Ok(()) };
    let mut ids: Vec<&str> =
        wanted.iter().filter_map(|w| w.traffic.remote_group_id.as_deref()).collect();
    ids.push(&first.group);
    let found = match ctx.sees_all_projects() {
        true => rows::by_ids(conn, ctx, &ids).await?,
        false => rows::usable_by(conn, &first.project, &ids).await?,
    };
    let addresses: Vec<&str> =
        wanted.iter().filter_map(|w| w.traffic.remote_address_group_id.as_deref()).collect();
    let project = (!ctx.sees_all_projects()).then_some(first.project.as_str());
    let usable = address_groups::usable_by(conn, &addresses, project).await?;
    if let Some(missing) = addresses.iter().find(|id| !usable.iter().any(|u| u == *id)) {
        return Err(ApiError::resource_not_found("address_group", missing));
    }
    match ids.iter().find(|id| found.iter().all(|g| g.id != **id)) {
        Some(missing) => Err(ApiError::resource_not_found("security_group", missing)),
        None => Ok(()),
    }
}

/// `SecurityGroupRuleInUse` (409).
fn in_use(id: &str, reason: &str) -> ApiError {
    ApiError::conflict("SecurityGroupRuleInUse", format!("Security Group Rule {id} {reason}."))
}

impl Rules {
    async fn load(conn: &Conn, ctx: &Context, id: &str) -> ApiResult<Rule> {
        let mut query = rows::rule_from();
        query
            .exprs(rows::rule_exprs())
            .and_where(Expr::col((R::Table, R::Id)).eq(id))
            .cond_where(Condition::all().add_option(rows::rule_visible(ctx)));
        let found = conn.fetch_map(&query, Rule::decode).await?;
        let rule = found.into_iter().next();
        rule.ok_or_else(|| ApiError::resource_not_found("security_group_rule", id))
    }

    async fn try_create(
        &self,
        ctx: &Context,
        items: &[Attrs],
        wanted: &[Wanted],
    ) -> ApiResult<Vec<Attrs>> {
        let Some(first) = wanted.first() else { return Ok(Vec::new()) };
        let core = &*self.0;
        let mut tx = core.db.begin().await?;
        core.ensure_quota(&tx, "security_group_rule", wanted.iter().map(|w| w.project.as_str()), 1)
            .await?;
        ensure_groups(&tx, ctx, wanted).await?;
        ensure_new(&tx, &first.group, wanted).await?;
        let in_default_group = rows::is_default(&tx, &first.group).await?;
        let rules: Vec<Rule> = wanted.iter().map(|w| w.rule(in_default_group)).collect();
        let mut statements: Vec<Prepared> = rows::insert_rules(rules.iter()).into_iter().collect();
        statements.push(rows::bump(&[&first.group], rules.len()));
        tx.execute_batch(statements).await?;
        let mut shown = Vec::with_capacity(rules.len());
        for (item, rule) in items.iter().zip(rules) {
            let id = rule.id.clone();
            let now = views::rule(rule);
            let payload = Payload::new(ctx, &id).request(item).current(&now);
            let asked = core
                .registry
                .precommit(&mut tx, Resource::SecurityGroupRule, Action::Create, &payload)
                .await;
            vetoed(asked, (Phase::Precommit, Action::Create), conflict)?;
            shown.push(now);
        }
        tx.commit().await?;
        Ok(shown)
    }

    async fn try_delete(&self, ctx: &Context, id: &str, if_match: Option<i64>) -> ApiResult<Rule> {
        let core = &*self.0;
        let mut tx = core.db.begin().await?;
        let rule = Self::load(&tx, ctx, id).await?;
        request::check_revision(if_match, rule.revision)?;
        if core.registry.any(Resource::SecurityGroupRule, Phase::Precommit, Action::Delete) {
            let shown = views::rule(rule.clone());
            let payload = Payload::new(ctx, id).current(&shown);
            let asked = core
                .registry
                .precommit(&mut tx, Resource::SecurityGroupRule, Action::Delete, &payload)
                .await;
            vetoed(asked, (Phase::Precommit, Action::Delete), |reason| in_use(id, reason))?;
        }
        let delete =
            Query::delete().from_table(R::Table).and_where(Expr::col(R::Id).eq(id)).to_owned();
        tx.execute_batch(vec![Prepared::new(&delete), rows::bump(&[&rule.group_id], 1)]).await?;
        tx.commit().await?;
        Ok(rule)
    }
}

#[async_trait]
impl ResourcePlugin for Rules {
    async fn create(&self, ctx: &Context, items: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        let core = &*self.0;
        ensure_one_group_and_project(ctx, &items)?;
        let wanted: Vec<Wanted> =
            items.iter().map(|item| Wanted::new(ctx, item)).collect::<ApiResult<_>>()?;
        for item in &items {
            let payload = Payload::new(ctx, "").request(item);
            core.registry.before(Resource::SecurityGroupRule, Action::Create, &payload).await?;
        }
        let rules = retrying(|| self.try_create(ctx, &items, &wanted)).await?;
        for (item, rule) in items.iter().zip(&rules) {
            let id = request::text(rule, "id").unwrap_or_default();
            let payload = Payload::new(ctx, id).request(item).current(rule);
            core.registry.after(Resource::SecurityGroupRule, Action::Create, &payload).await;
        }
        if let Some(first) = wanted.first() {
            let group = std::slice::from_ref(&first.group);
            core.notifier.security_groups_rule_updated(group).await;
        }
        Ok(rules)
    }

    async fn list(&self, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
        let core = &*self.0;
        core.defaults.ensure(ctx, super::listed_project(ctx, query)).await?;
        let conn = core.db.read().await?;
        let page = SPEC.page(&conn, ctx, query).await?;
        let found = conn.fetch_map(&page.select_exprs(rows::rule_exprs()), Rule::decode).await?;
        Ok(page.arrange(found).into_iter().map(views::rule).collect())
    }

    async fn get(&self, ctx: &Context, id: &str) -> ApiResult<Attrs> {
        let conn = self.0.db.read().await?;
        Ok(views::rule(Self::load(&conn, ctx, id).await?))
    }

    async fn update(&self, _: &Context, _: &str, _: Attrs, _: Option<i64>) -> ApiResult<Attrs> {
        Err(read_only::not_offered())
    }

    async fn delete(&self, ctx: &Context, id: &str, if_match: Option<i64>) -> ApiResult<()> {
        let core = &*self.0;
        let payload = Payload::new(ctx, id);
        core.registry.before(Resource::SecurityGroupRule, Action::Delete, &payload).await?;
        let rule = retrying(|| self.try_delete(ctx, id, if_match)).await?;
        let group = rule.group_id.clone();
        let shown = views::rule(rule);
        let payload = Payload::new(ctx, id).current(&shown);
        core.registry.after(Resource::SecurityGroupRule, Action::Delete, &payload).await;
        core.notifier.security_groups_rule_updated(&[group]).await;
        Ok(())
    }
}
