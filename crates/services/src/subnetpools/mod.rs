//! Subnet pools: `/v2.0/subnetpools`, and the actions `add_prefixes` and `remove_prefixes`.
//!
//! Blocks are taken where subnets are made, in `neutrino_ml2`. A pool that changes its address
//! scope is announced ([`Resource::SubnetPoolAddressScope`]).

mod prefixes;
mod scope;

use std::sync::Arc;

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Registry, Resource};
use neutrino_db::{
    Conn, Db,
    list::{Column, ListSpec},
    quotas::{self, QuotaDefaults},
    rbac::{self, ObjectType},
    schema::SubnetPools as P,
    sea_query::{Condition, Expr, Query},
    subnetpools::{self, SubnetPool},
    tags, time,
};
use neutrino_types::{
    ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin, new_id, request,
};
use serde_json::{Value, json};

/// The plugin behind `/v2.0/subnetpools`.
#[derive(Clone)]
pub struct SubnetPools {
    db: Db,
    registry: Arc<Registry>,
    quotas: QuotaDefaults,
}

fn col(column: P) -> Expr {
    Expr::col((P::Table, column))
}

static SPEC: ListSpec = ListSpec {
    resource: "subnetpool",
    from: || Query::select().from(P::Table).to_owned(),
    id: || col(P::Id),
    columns: &[
        Column::text("id", || col(P::Id)),
        Column::text("name", || col(P::Name)),
        Column::text("project_id", || col(P::ProjectId)),
        Column::text("description", || col(P::Description)),
        Column::int("default_quota", || col(P::DefaultQuota)).or_null(),
        Column::int("ip_version", || col(P::IpVersion)),
        Column::int("default_prefixlen", || col(P::DefaultPrefixlen)),
        Column::int("min_prefixlen", || col(P::MinPrefixlen)),
        Column::int("max_prefixlen", || col(P::MaxPrefixlen)),
        Column::bool("is_default", || col(P::IsDefault)),
        Column::text("address_scope_id", || col(P::AddressScopeId)).or_null(),
        Column::int("revision_number", || col(P::RevisionNumber)),
    ],
    computed,
    visibility: subnetpools::visible,
    updated_at: Some(|| col(P::UpdatedAt)),
    tagged: true,
};

fn computed(ctx: &Context, name: &str, values: &[Value]) -> Option<ApiResult<Condition>> {
    let shared = || rbac::is_shared(ObjectType::SubnetPool, ctx, &col(P::Id), values);
    (name == "shared").then(|| Ok(shared()))
}

impl SubnetPools {
    /// Subnet pools in `db`; `registry` hears of changed address scopes, `quotas` are the limits of
    /// projects without limits of their own.
    #[must_use]
    pub fn new(db: Db, registry: Arc<Registry>, quotas: QuotaDefaults) -> Self {
        Self { db, registry, quotas }
    }

    /// Changes the pool; answers it with whether its address scope is another one now.
    async fn change(
        &self,
        ctx: &Context,
        id: &str,
        changes: &Attrs,
        if_match: Option<i64>,
    ) -> ApiResult<(SubnetPool, bool)> {
        let tx = self.db.begin().await?;
        let original = load(&tx, ctx, id).await?;
        request::check_revision(if_match, original.revision)?;
        let mut pool = original.clone();
        request::set_text(changes, "name", &mut pool.name);
        request::set_text(changes, "description", &mut pool.description);
        request::set_flag(changes, "is_default", &mut pool.is_default);
        if let Some(wanted) = request::texts(changes, "prefixes") {
            pool.prefixes = prefixes::grown(&original, &wanted)?;
        }
        prefixes::set_bounds(&mut pool, changes)?;
        if let Some(scope) = changes.get("address_scope_id") {
            pool.address_scope_id = scope.as_str().map(str::to_string);
        }
        if pool.is_default && !original.is_default {
            no_other_default(&tx, ctx, pool.ip_version).await?;
        }
        if let Some(scope) = &original.address_scope_id {
            scope::check_owner(&tx, ctx, id, scope).await?;
        }
        scope::check(&tx, ctx, &pool).await?;
        if pool != original {
            subnetpools::save(&tx, &mut pool).await?;
        }
        tx.commit().await?;
        let rescoped = pool.address_scope_id != original.address_scope_id;
        Ok((pool, rescoped))
    }
}

async fn load(conn: &Conn, ctx: &Context, id: &str) -> ApiResult<SubnetPool> {
    let found = subnetpools::by_id(conn, ctx, id).await?;
    let mut pool = found.ok_or_else(|| ApiError::resource_not_found("subnetpool", id))?;
    pool.tags = tags::of(conn, id).await?;
    Ok(pool)
}

/// There is one default pool for each IP version.
async fn no_other_default(conn: &Conn, ctx: &Context, version: u8) -> ApiResult<()> {
    match subnetpools::default_of(conn, ctx, version).await? {
        None => Ok(()),
        Some(_) => Err(ApiError::invalid_input(
            "A default subnetpool for this IP family has already been set. Only one default may \
             exist per IP family",
        )),
    }
}

fn build(item: &Attrs, ctx: &Context) -> ApiResult<SubnetPool> {
    let now = time::now();
    let (ip_version, cidrs) =
        prefixes::of_new(&request::texts(item, "prefixes").unwrap_or_default())?;
    let (min, max) = prefixes::default_bounds(ip_version);
    let mut pool = SubnetPool {
        id: new_id(),
        project_id: request::project(item, ctx),
        name: request::text_or_empty(item, "name"),
        description: request::text_or_empty(item, "description"),
        ip_version,
        default_prefixlen: min,
        min_prefixlen: min,
        max_prefixlen: max,
        is_default: request::flag(item, "is_default").unwrap_or(false),
        default_quota: None,
        address_scope_id: request::text(item, "address_scope_id").map(str::to_string),
        shared: request::flag(item, "shared").unwrap_or(false),
        revision: 0,
        created_at: now.clone(),
        updated_at: now,
        prefixes: cidrs,
        tags: Vec::new(),
    };
    // A block is as large as it may be unless said otherwise.
    if let (None, Some(min)) = (item.get("default_prefixlen"), item.get("min_prefixlen")) {
        let mut given = item.clone();
        given.insert("default_prefixlen".into(), min.clone());
        prefixes::set_bounds(&mut pool, &given)?;
    } else {
        prefixes::set_bounds(&mut pool, item)?;
    }
    Ok(pool)
}

/// All attributes of a pool. Lengths are texts, as in Neutron.
fn view(pool: &SubnetPool) -> Attrs {
    let pairs = [
        ("id", json!(pool.id)),
        ("name", json!(pool.name)),
        ("project_id", json!(pool.project_id)),
        ("default_prefixlen", json!(pool.default_prefixlen.to_string())),
        ("min_prefixlen", json!(pool.min_prefixlen.to_string())),
        ("max_prefixlen", json!(pool.max_prefixlen.to_string())),
        ("is_default", json!(pool.is_default)),
        ("shared", json!(pool.shared)),
        ("prefixes", json!(pool.prefixes)),
        ("ip_version", json!(pool.ip_version)),
        ("default_quota", json!(pool.default_quota)),
        ("address_scope_id", json!(pool.address_scope_id)),
        ("description", json!(pool.description)),
        ("tags", json!(pool.tags)),
        ("created_at", json!(pool.created_at)),
        ("updated_at", json!(pool.updated_at)),
        ("revision_number", json!(pool.revision)),
        ("tenant_id", json!(pool.project_id)),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

#[async_trait]
impl ResourcePlugin for SubnetPools {
    async fn create(&self, ctx: &Context, items: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        let built = items.iter().map(|item| build(item, ctx));
        let pools = built.collect::<ApiResult<Vec<SubnetPool>>>()?;
        let tx = self.db.begin().await?;
        let owners = pools.iter().map(|pool| pool.project_id.as_str());
        quotas::ensure_each(&tx, "subnetpool", owners, 1, &self.quotas).await?;
        for pool in &pools {
            if pool.is_default {
                no_other_default(&tx, ctx, pool.ip_version).await?;
            }
            scope::check(&tx, ctx, pool).await?;
            subnetpools::insert(&tx, pool).await?;
        }
        tx.commit().await?;
        Ok(pools.iter().map(view).collect())
    }

    async fn list(&self, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
        let conn = self.db.read().await?;
        let page = SPEC.page(&conn, ctx, query).await?;
        let select = page.select_exprs(subnetpools::exprs(ctx));
        let mut pools = page.arrange(conn.fetch_map(&select, subnetpools::decode).await?);
        subnetpools::load_prefixes(&conn, &mut pools).await?;
        let ids: Vec<&str> = pools.iter().map(|pool| pool.id.as_str()).collect();
        let mut found = tags::of_many(&conn, &ids).await?;
        for pool in &mut pools {
            pool.tags = found.remove(&pool.id).unwrap_or_default();
        }
        Ok(pools.iter().map(view).collect())
    }

    async fn get(&self, ctx: &Context, id: &str) -> ApiResult<Attrs> {
        let conn = self.db.read().await?;
        Ok(view(&load(&conn, ctx, id).await?))
    }

    async fn update(
        &self,
        ctx: &Context,
        id: &str,
        changes: Attrs,
        if_match: Option<i64>,
    ) -> ApiResult<Attrs> {
        let (pool, rescoped) = self.change(ctx, id, &changes, if_match).await?;
        let now = view(&pool);
        if rescoped {
            let payload = Payload::new(ctx, id).current(&now);
            let resource = Resource::SubnetPoolAddressScope;
            self.registry.after(resource, Action::Update, &payload).await;
        }
        Ok(now)
    }

    async fn act(&self, ctx: &Context, id: &str, action: &str, body: Attrs) -> ApiResult<Attrs> {
        let given = request::texts(&body, "prefixes").filter(|list| !list.is_empty());
        let Some(given) = given else {
            let text = "Request body contains invalid data";
            return Err(ApiError::bad_request("HTTPBadRequest", text));
        };
        let tx = self.db.begin().await?;
        let original = load(&tx, ctx, id).await?;
        let mut pool = original.clone();
        if action == "add_prefixes" {
            let wanted: Vec<String> = pool.prefixes.iter().cloned().chain(given).collect();
            pool.prefixes = prefixes::grown(&original, &wanted)?;
            if let Some(scope) = &original.address_scope_id {
                scope::check_owner(&tx, ctx, id, scope).await?;
            }
            scope::check(&tx, ctx, &pool).await?;
        } else {
            let taken = subnetpools::allocations(&tx, id).await?;
            pool.prefixes = prefixes::shrunk(&original, &given, &taken)?;
        }
        if pool != original {
            subnetpools::save(&tx, &mut pool).await?;
        }
        tx.commit().await?;
        let mut answer = Attrs::new();
        answer.insert("prefixes".into(), json!(pool.prefixes));
        Ok(answer)
    }

    async fn delete(&self, ctx: &Context, id: &str, if_match: Option<i64>) -> ApiResult<()> {
        let tx = self.db.begin().await?;
        let pool = load(&tx, ctx, id).await?;
        request::check_revision(if_match, pool.revision)?;
        if !subnetpools::allocations(&tx, id).await?.is_empty() {
            return Err(ApiError::bad_request(
                "SubnetPoolDeleteError",
                "Unable to delete subnet pool: Subnet pool has existing allocations.",
            ));
        }
        subnetpools::delete(&tx, id).await?;
        tags::remove_all(&tx, &[id.to_string()]).await?;
        tx.commit().await?;
        Ok(())
    }
}
