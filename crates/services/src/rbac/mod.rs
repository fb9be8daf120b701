//! RBAC policies: `/v2.0/rbac-policies`, who besides its owner may use an object.
//!
//! What a policy may say and when it may go depends on the type of its object: [`network`] for
//! networks, [`object`] for all others. The visibility that follows from policies is not made
//! here: every resource's own queries look at the rows ([`neutrino_db::rbac::granted`]).

mod network;
mod object;
mod verdict;

use async_trait::async_trait;
use neutrino_api_defs::pytext;
use neutrino_db::{
    Conn, Db, DbError, Tx,
    list::{self, Column, ListSpec, scope},
    quotas::{self, QuotaDefaults},
    rbac::{self, ObjectType, Policy},
    sea_query::{Condition, Expr, Query},
};
use neutrino_types::{
    ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin, new_id, request,
};
use serde_json::{Value, json};

use self::verdict::{Verdict, Veto};

/// The plugin behind `/v2.0/rbac-policies`.
#[derive(Clone, Debug)]
pub struct RbacPolicies {
    db: Db,
    quotas: QuotaDefaults,
}

fn col(column: &'static str) -> Expr {
    Expr::col((rbac::ALIAS, column))
}

static SPEC: ListSpec = ListSpec {
    resource: "rbac_policy",
    from: || Query::select().from_subquery(rbac::all(), rbac::ALIAS).to_owned(),
    id: || col("id"),
    columns: &[
        Column::text("id", || col("id")),
        Column::text("project_id", || col("project_id")),
        Column::text("object_id", || col("object_id")),
        Column::text("target_tenant", || col("target_project")),
        Column::text("action", || col("action")),
        Column::text("object_type", || col("object_type")),
    ],
    computed: list::nothing_computed,
    visibility: visible,
    updated_at: None,
    tagged: false,
};

/// Whoever made a policy sees it; those it favours do not.
fn visible(ctx: &Context) -> Option<Condition> {
    let owned = || Condition::all().add(scope::owned("project_id", ctx));
    (!ctx.sees_all_projects()).then(owned)
}

/// What is about to happen to a policy.
#[derive(Clone, Copy)]
enum Change<'a> {
    Create,
    /// Access goes from the policy's target to this one.
    Retarget(&'a str),
    Delete,
}

impl RbacPolicies {
    /// Policies in `db`; `quotas` are the limits of projects without limits of their own.
    #[must_use]
    pub fn new(db: Db, quotas: QuotaDefaults) -> Self {
        Self { db, quotas }
    }
}

async fn load(conn: &Conn, ctx: &Context, id: &str) -> ApiResult<Policy> {
    rbac::by_id(conn, id, visible(ctx)).await?.ok_or_else(|| {
        ApiError::not_found(
            "RbacPolicyNotFound",
            format!("RBAC policy of type unknown with ID {id} not found"),
        )
    })
}

/// Whether `ctx` may make the change, and the object bears it.
async fn check(conn: &Conn, ctx: &Context, policy: &Policy, change: Change<'_>) -> Verdict {
    match policy.object_type {
        ObjectType::Network => network::check(conn, ctx, policy, change).await,
        _ => object::check(conn, ctx, policy, change).await,
    }
}

/// `RbacPolicyInUse` (409).
fn in_use(policy: &Policy) -> impl FnOnce(Veto) -> ApiError {
    let object = policy.object_id.clone();
    move |veto| {
        veto.into_error(|details| {
            ApiError::conflict(
                "RbacPolicyInUse",
                format!(
                    "RBAC policy on object {object} cannot be removed because other objects \
                     depend on it.\nDetails: {details}"
                ),
            )
        })
    }
}

/// The policy a request asks for.
fn build(item: &Attrs, ctx: &Context) -> ApiResult<Policy> {
    let named = item.get("object_type").unwrap_or(&Value::Null);
    let object_type = named.as_str().and_then(ObjectType::parse).ok_or_else(|| {
        let name = pytext::str(named);
        ApiError::invalid_input(format_args!("'{name}' is not a valid RBAC object type"))
    })?;
    Ok(Policy {
        id: new_id(),
        project_id: request::project(item, ctx),
        object_type,
        object_id: request::text_or_empty(item, "object_id"),
        target_project: request::text_or_empty(item, "target_tenant"),
        action: request::text_or_empty(item, "action"),
    })
}

async fn store(tx: &Tx, policy: &Policy) -> ApiResult<()> {
    let actions = policy.object_type.actions();
    if !actions.contains(&policy.action.as_str()) {
        return Err(ApiError::bad_request(
            "InvalidActionForType",
            format!(
                "Invalid action '{}' for object type '{}'. Valid actions: {}",
                policy.action,
                policy.object_type.name(),
                pytext::repr_tuple(actions.iter().copied())
            ),
        ));
    }
    rbac::insert(tx, policy).await.map_err(|error| match error {
        DbError::ForeignKey { .. } => {
            let kind = policy.object_type.name();
            let absent = ApiError::resource_not_found(kind, &policy.object_id).message;
            ApiError::invalid_input(absent.trim_end_matches('.'))
        }
        error => duplicate(error),
    })
}

/// `DuplicateRbacPolicy` (409) when the values are those of another policy.
fn duplicate(error: DbError) -> ApiError {
    match error {
        DbError::UniqueViolation { .. } => ApiError::conflict(
            "DuplicateRbacPolicy",
            "An RBAC policy already exists with those values.",
        ),
        other => other.into(),
    }
}

/// All attributes of a policy.
fn view(policy: &Policy) -> Attrs {
    let pairs = [
        ("id", json!(policy.id)),
        ("object_type", json!(policy.object_type.name())),
        ("object_id", json!(policy.object_id)),
        ("target_tenant", json!(policy.target_project)),
        ("project_id", json!(policy.project_id)),
        ("tenant_id", json!(policy.project_id)),
        ("action", json!(policy.action)),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

#[async_trait]
impl ResourcePlugin for RbacPolicies {
    async fn create(&self, ctx: &Context, items: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        let built = items.iter().map(|item| build(item, ctx));
        let policies = built.collect::<ApiResult<Vec<Policy>>>()?;
        let tx = self.db.begin().await?;
        let owners = policies.iter().map(|p| p.project_id.as_str());
        quotas::ensure_each(&tx, "rbac_policy", owners, 1, &self.quotas).await?;
        for policy in &policies {
            let verdict = check(&tx, ctx, policy, Change::Create).await;
            verdict.map_err(|veto| veto.into_error(ApiError::invalid_input))?;
            store(&tx, policy).await?;
            if policy.object_type == ObjectType::Network {
                network::granted(&tx, policy).await?;
            }
        }
        tx.commit().await?;
        Ok(policies.iter().map(view).collect())
    }

    async fn list(&self, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
        let conn = self.db.read().await?;
        let page = SPEC.page(&conn, ctx, query).await?;
        let select = page.select(rbac::COLUMNS.map(|column| (rbac::ALIAS, column)));
        let rows = conn.fetch_map(&select, rbac::decode).await?;
        Ok(page.arrange(rows).iter().map(view).collect())
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
        _: Option<i64>,
    ) -> ApiResult<Attrs> {
        let tx = self.db.begin().await?;
        let mut policy = load(&tx, ctx, id).await?;
        let Some(target) = request::text(&changes, "target_tenant") else {
            return Ok(view(&policy));
        };
        check(&tx, ctx, &policy, Change::Retarget(target)).await.map_err(in_use(&policy))?;
        if target != policy.target_project {
            policy.target_project = target.to_string();
            rbac::retarget(&tx, &policy).await.map_err(duplicate)?;
            if policy.object_type == ObjectType::Network {
                network::changed(&tx, &policy.object_id).await?;
            }
        }
        tx.commit().await?;
        Ok(view(&policy))
    }

    async fn delete(&self, ctx: &Context, id: &str, _: Option<i64>) -> ApiResult<()> {
        let tx = self.db.begin().await?;
        let policy = load(&tx, ctx, id).await?;
        check(&tx, ctx, &policy, Change::Delete).await.map_err(in_use(&policy))?;
        rbac::delete(&tx, &policy).await?;
        if policy.object_type == ObjectType::Network {
            network::withdrawn(&tx, &policy).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
