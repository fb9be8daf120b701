//! `/v2.0/quotas`: limits per project. Enforcement is [`neutrino_db::quotas::ensure`], called by
//! whoever creates; this module is what operators see and set.

use std::collections::BTreeMap;

use neutrino_api_defs::QUOTAS;
use neutrino_conf::{Conf, opts};
use neutrino_db::{
    Conn, Db,
    quotas::{self, QuotaDefaults, UNLIMITED},
};
use neutrino_types::{ApiError, ApiResult, Attrs, Context};
use serde_json::{Value, json};

/// `[quotas]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotaConfig {
    /// Limits of projects without limits of their own.
    pub defaults: QuotaDefaults,
}

impl QuotaConfig {
    /// The limits `conf` gives.
    #[must_use]
    pub fn from_conf(conf: &Conf) -> Self {
        use opts::quotas as q;
        let limits = [
            ("network", &q::QUOTA_NETWORK),
            ("subnet", &q::QUOTA_SUBNET),
            ("port", &q::QUOTA_PORT),
            ("router", &q::QUOTA_ROUTER),
            ("router_route", &q::QUOTA_ROUTER_ROUTE),
            ("floatingip", &q::QUOTA_FLOATINGIP),
            ("security_group", &q::QUOTA_SECURITY_GROUP),
            ("security_group_rule", &q::QUOTA_SECURITY_GROUP_RULE),
            ("rbac_policy", &q::QUOTA_RBAC_POLICY),
        ];
        // Any negative number means unlimited; the API shows -1 for it.
        let limit = |opt: &neutrino_conf::Opt<i64>| conf.get(opt).max(UNLIMITED);
        Self {
            defaults: QuotaDefaults {
                limits: limits
                    .iter()
                    .map(|(name, opt)| ((*name).to_string(), limit(opt)))
                    .collect(),
                other: limit(&q::DEFAULT_QUOTA),
            },
        }
    }
}

/// The plugin behind `/v2.0/quotas`.
#[derive(Clone, Debug)]
pub struct Quotas {
    db: Db,
    config: QuotaConfig,
}

/// The resources that are counted, in the order the API shows them.
fn resources() -> impl Iterator<Item = &'static str> {
    QUOTAS.attributes.iter().map(|a| a.name)
}

impl Quotas {
    /// Limits in `db`, with `config`'s defaults.
    #[must_use]
    pub fn new(db: Db, config: QuotaConfig) -> Self {
        Self { db, config }
    }

    /// The limits of projects without limits of their own, for [`quotas::ensure`].
    #[must_use]
    pub fn defaults(&self) -> &QuotaDefaults {
        &self.config.defaults
    }

    /// The project's limits: `GET /v2.0/quotas/{project}`.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn get(&self, project: &str) -> ApiResult<Attrs> {
        let conn = self.db.read().await?;
        self.limits(&conn, project).await
    }

    /// The projects that have limits of their own, each with all its limits:
    /// `GET /v2.0/quotas`.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn list(&self) -> ApiResult<Vec<Attrs>> {
        let conn = self.db.read().await?;
        let all = quotas::all_limits(&conn).await?;
        Ok(all
            .into_iter()
            .map(|(project, own)| {
                let mut row = self.merged(&own);
                row.insert("project_id".into(), json!(project));
                row.insert("tenant_id".into(), json!(project));
                row
            })
            .collect())
    }

    /// The configured limits: `GET /v2.0/quotas/{project}/default`.
    #[must_use]
    pub fn default_limits(&self) -> Attrs {
        self.merged(&BTreeMap::new())
    }

    /// Limit, use and reservations by resource: `GET /v2.0/quotas/{project}/details`. There are
    /// never reservations: what is counted is what is there.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn details(&self, project: &str) -> ApiResult<Attrs> {
        let conn = self.db.read().await?;
        let limits = self.limits(&conn, project).await?;
        let mut out = Attrs::new();
        for (resource, limit) in limits {
            let used = quotas::used(&conn, project, &resource, None).await?;
            out.insert(resource, json!({"limit": limit, "used": used, "reserved": 0}));
        }
        Ok(out)
    }

    /// Sets limits: `PUT /v2.0/quotas/{project}` with the checked attributes of
    /// [`neutrino_api_defs::QUOTAS`]; answers all limits.
    ///
    /// Without `force`, a limit below what the project already uses is refused.
    ///
    /// # Errors
    /// 400 for such a limit; what the database refused.
    pub async fn update(&self, project: &str, changes: &Attrs, force: bool) -> ApiResult<Attrs> {
        let tx = self.db.begin().await?;
        for (resource, limit) in changes {
            let limit = limit
                .as_i64()
                .ok_or_else(|| ApiError::invalid_input(format!("'{limit}' is not an integer")))?;
            if !force && limit != UNLIMITED {
                check_limit(&tx, project, resource, limit).await?;
            }
            quotas::set_limit(&tx, project, resource, limit).await?;
        }
        let limits = self.limits(&tx, project).await?;
        tx.commit().await?;
        Ok(limits)
    }

    /// Takes the project's own limits away: `DELETE /v2.0/quotas/{project}`.
    ///
    /// # Errors
    /// `TenantQuotaNotFound` (404) when it has none.
    pub async fn delete(&self, project: &str) -> ApiResult<()> {
        let tx = self.db.begin().await?;
        if quotas::delete_limits(&tx, project).await? == 0 {
            return Err(ApiError::not_found(
                "TenantQuotaNotFound",
                format!("Quota for project {project} could not be found."),
            ));
        }
        tx.commit().await?;
        Ok(())
    }

    /// The caller's project under `key` (`project` or `tenant`): `GET /v2.0/quotas/project`.
    ///
    /// # Errors
    /// `QuotaMissingTenant` (400) when the caller has no project.
    pub fn own_project(ctx: &Context, key: &str) -> ApiResult<Attrs> {
        let Some(project) = ctx.project_id.as_deref().filter(|p| !p.is_empty()) else {
            return Err(ApiError::bad_request(
                "QuotaMissingTenant",
                "Tenant-id was missing from quota request.",
            ));
        };
        let mut out = Attrs::new();
        out.insert(format!("{key}_id"), json!(project));
        Ok(out)
    }

    async fn limits(&self, conn: &Conn, project: &str) -> ApiResult<Attrs> {
        Ok(self.merged(&quotas::limits_of(conn, project).await?))
    }

    /// The defaults, overridden by `own`.
    fn merged(&self, own: &BTreeMap<String, i64>) -> Attrs {
        resources()
            .map(|name| {
                let limit = own.get(name).copied();
                let limit = limit.unwrap_or_else(|| self.config.defaults.get(name));
                (name.to_string(), Value::from(limit))
            })
            .collect()
    }
}

/// Refuses a `limit` below what the project uses.
async fn check_limit(conn: &Conn, project: &str, resource: &str, limit: i64) -> ApiResult<()> {
    let used = quotas::used(conn, project, resource, None).await?;
    if i64::try_from(used).unwrap_or(i64::MAX) > limit {
        return Err(ApiError::bad_request(
            "HTTPBadRequest",
            format!(
                "Quota limit {limit} for {resource} must be greater than or equal to already \
                 used {used}"
            ),
        ));
    }
    Ok(())
}
