//! The security group `default` that every project has from the first time one is needed.

use std::{collections::HashMap, sync::Arc};

use neutrino_callbacks::{Action, Payload, Phase, Registry, Resource, VETO};
use neutrino_db::{
    Db, Prepared,
    quotas::{self, QuotaDefaults},
    security_groups::{self as rows, Group},
};
use neutrino_types::{ApiError, ApiResult, Attrs, Context};
use serde_json::json;

use crate::{models::distinct, views};

const DESCRIPTION: &str = "Default security group";

/// Makes default groups. Cheap to clone.
#[derive(Clone)]
pub struct DefaultGroups {
    db: Db,
    registry: Arc<Registry>,
    quotas: QuotaDefaults,
}

impl DefaultGroups {
    /// Default groups in `db`; `registry` hears of new ones, their rules count against `quotas`.
    #[must_use]
    pub fn new(db: Db, registry: Arc<Registry>, quotas: QuotaDefaults) -> Self {
        Self { db, registry, quotas }
    }

    /// The default groups of `projects`, by project, made where there is none. One statement when
    /// all are there. As in Neutron a project makes none for another one: callers without admin
    /// rights get only their own.
    ///
    /// # Errors
    /// `OverQuota` for the rules, a veto, what the database refused.
    pub async fn ensure<'a>(
        &self,
        ctx: &Context,
        projects: impl IntoIterator<Item = &'a str>,
    ) -> ApiResult<HashMap<String, String>> {
        let mut projects = distinct(projects);
        projects.retain(|p| !p.is_empty() && (ctx.is_admin || *p == ctx.project()));
        if projects.is_empty() {
            return Ok(HashMap::new());
        }
        let conn = self.db.read().await?;
        let mut found = rows::default_groups(&conn, &projects).await?;
        drop(conn);
        for project in projects {
            if !found.contains_key(project) {
                found.insert(project.to_string(), self.make(ctx, project).await?);
            }
        }
        Ok(found)
    }

    async fn make(&self, ctx: &Context, project: &str) -> ApiResult<String> {
        let request = json!({
            "name": rows::DEFAULT, "project_id": project, "description": DESCRIPTION,
        });
        let request = request.as_object().cloned().unwrap_or_default();
        let payload = Payload::new(ctx, "").request(&request);
        let asked = self.registry.before(Resource::SecurityGroup, Action::Create, &payload).await;
        vetoed(asked, (Phase::Before, Action::Create), conflict)?;
        // With bounds of its own: that there is a group now does not keep the request that needs it
        // from being tried again.
        match self.db.retries().run(|| self.try_make(ctx, project, &request)).await? {
            Made::New(shown, id) => {
                let payload = Payload::new(ctx, &id).request(&request).current(&shown);
                self.registry.after(Resource::SecurityGroup, Action::Create, &payload).await;
                tracing::info!(project, group = id, "a default security group was made");
                Ok(id)
            }
            Made::Found(id) => Ok(id),
        }
    }

    async fn try_make(&self, ctx: &Context, project: &str, request: &Attrs) -> ApiResult<Made> {
        let mut tx = self.db.begin().await?;
        // Somebody may have been faster.
        if let Some(id) = rows::default_groups(&tx, &[project]).await?.remove(project) {
            return Ok(Made::Found(id));
        }
        let defaults = rows::default_rules(&tx, Some(true)).await?;
        let delta = u64::try_from(defaults.len()).unwrap_or(u64::MAX);
        quotas::ensure(&tx, project, "security_group_rule", delta, &self.quotas).await?;
        let mut group = Group::new(project, rows::DEFAULT);
        group.description = DESCRIPTION.into();
        group.rules = rows::from_default_rules(&defaults, project, &group.id, true);
        let mut statements: Vec<Prepared> = rows::insert(std::slice::from_ref(&group));
        statements.insert(1, rows::set_default(&group));
        tx.execute_batch(statements).await?;
        let id = group.id.clone();
        let shown = views::security_group::group(group);
        let payload = Payload::new(ctx, &id).request(request).current(&shown);
        let asked = self
            .registry
            .precommit(&mut tx, Resource::SecurityGroup, Action::Create, &payload)
            .await;
        vetoed(asked, (Phase::Precommit, Action::Create), conflict)?;
        tx.commit().await?;
        Ok(Made::New(shown, id))
    }
}

enum Made {
    New(Attrs, String),
    Found(String),
}

/// The outcome of an event about a group or a rule: a subscriber's veto becomes what `refused`
/// makes of its reason, as Neutron words it.
///
/// # Errors
/// The veto, or another error of a subscriber as it is.
pub fn vetoed(
    result: ApiResult<()>,
    (phase, action): (Phase, Action),
    refused: impl FnOnce(&str) -> ApiError,
) -> ApiResult<()> {
    result.map_err(|e| match e.kind {
        VETO => {
            let (phase, action) = (phase.as_str(), action.as_str());
            refused(&format!("cannot perform {phase}_{action} due to {}", e.message))
        }
        _ => e,
    })
}

/// `SecurityGroupConflict` (409).
#[must_use]
pub fn conflict(reason: &str) -> ApiError {
    ApiError::conflict(
        "SecurityGroupConflict",
        format!("Error {reason} while attempting the operation."),
    )
}
