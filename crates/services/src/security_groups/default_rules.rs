//! `/v2.0/default-security-group-rules`.

use std::sync::Arc;

use async_trait::async_trait;
use neutrino_db::{
    Conn,
    list::{Column, ListSpec, nothing_computed, scope},
    retrying,
    schema::SecurityGroupDefaultRules as D,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
    security_groups::{self as rows, DefaultRule},
};
use neutrino_ml2::views::security_group as views;
use neutrino_types::{ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin, request};

use super::{Core, validate};
use crate::read_only;

/// The collection.
pub(super) struct DefaultRules(pub(super) Arc<Core>);

fn id() -> Expr {
    Expr::col(D::Id)
}

fn from() -> SelectStatement {
    Query::select().from(D::Table).to_owned()
}

/// How default rules are listed.
static SPEC: ListSpec = ListSpec {
    resource: "default_security_group_rule",
    from,
    id,
    columns: &[
        Column::text("id", id),
        Column::text("remote_group_id", || Expr::col(D::RemoteGroupId)).or_null(),
        Column::text("remote_address_group_id", || Expr::col(D::RemoteAddressGroupId)).or_null(),
        Column::text("direction", || Expr::col(D::Direction)),
        Column::text("ethertype", || Expr::col(D::Ethertype)),
        Column::text("protocol", || Expr::col(D::Protocol)).or_null(),
        Column::int("port_range_min", || Expr::col(D::PortRangeMin)).or_null(),
        Column::int("port_range_max", || Expr::col(D::PortRangeMax)).or_null(),
        Column::text("remote_ip_prefix", || Expr::col(D::RemoteIpPrefix)).or_null(),
        Column::text("description", || Expr::col(D::Description)),
        Column::bool("used_in_default_sg", || Expr::col(D::UsedInDefaultSg)),
        Column::bool("used_in_non_default_sg", || Expr::col(D::UsedInNonDefaultSg)),
    ],
    computed: nothing_computed,
    visibility: scope::everything,
    updated_at: None,
    tagged: false,
};

/// Refuses a rule that is there already for the same kind of group.
async fn ensure_new(conn: &Conn, rule: &DefaultRule) -> ApiResult<()> {
    let key = validate::key(&rule.traffic);
    let same = |other: &DefaultRule| {
        let together = (rule.in_default && other.in_default) || (rule.in_others && other.in_others);
        together && validate::key(&other.traffic) == key
    };
    match rows::default_rules(conn, None).await?.iter().find(|other| same(other)) {
        Some(other) => Err(ApiError::conflict(
            "DefaultSecurityGroupRuleExists",
            format!("Default Security group rule already exists. Rule id is {}.", other.id),
        )),
        None => Ok(()),
    }
}

impl DefaultRules {
    async fn load(conn: &Conn, id: &str) -> ApiResult<DefaultRule> {
        let query = from().columns(DefaultRule::COLUMNS).and_where(Expr::col(D::Id).eq(id)).take();
        let found = conn.fetch_map(&query, DefaultRule::decode).await?;
        let rule = found.into_iter().next();
        rule.ok_or_else(|| ApiError::resource_not_found("default_security_group_rule", id))
    }

    async fn try_create(&self, items: &[Attrs]) -> ApiResult<Vec<Attrs>> {
        let tx = self.0.db.begin().await?;
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            let mut rule = DefaultRule::new(validate::traffic(item)?);
            rule.description = request::text_or_empty(item, "description");
            rule.in_default = request::flag(item, "used_in_default_sg").unwrap_or(false);
            rule.in_others = request::flag(item, "used_in_non_default_sg").unwrap_or(false);
            ensure_new(&tx, &rule).await?;
            tx.execute_batch(vec![rows::insert_default(&rule)]).await?;
            out.push(views::default_rule(rule));
        }
        tx.commit().await?;
        Ok(out)
    }
}

#[async_trait]
impl ResourcePlugin for DefaultRules {
    async fn create(&self, _: &Context, items: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        retrying(|| self.try_create(&items)).await
    }

    async fn list(&self, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
        let conn = self.0.db.read().await?;
        let page = SPEC.page(&conn, ctx, query).await?;
        let found = conn.fetch_map(&page.select(DefaultRule::COLUMNS), DefaultRule::decode).await?;
        Ok(page.arrange(found).into_iter().map(views::default_rule).collect())
    }

    async fn get(&self, _: &Context, id: &str) -> ApiResult<Attrs> {
        let conn = self.0.db.read().await?;
        Ok(views::default_rule(Self::load(&conn, id).await?))
    }

    async fn update(&self, _: &Context, _: &str, _: Attrs, _: Option<i64>) -> ApiResult<Attrs> {
        Err(read_only::not_offered())
    }

    async fn delete(&self, _: &Context, id: &str, _: Option<i64>) -> ApiResult<()> {
        let tx = self.0.db.begin().await?;
        Self::load(&tx, id).await?;
        tx.execute_batch(vec![rows::delete_default(id)]).await?;
        tx.commit().await?;
        Ok(())
    }
}
