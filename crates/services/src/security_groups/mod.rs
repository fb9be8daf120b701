//! Security groups, their rules, and the rules that new groups start with.
//!
//! Which ports are in which groups is ML2's business, and so is each project's default group
//! ([`neutrino_ml2::security_groups`]). What agents ask about groups is answered by ML2's device
//! functions.

mod default_rules;
pub(crate) mod groups;
pub(crate) mod rules;
mod validate;

use std::sync::Arc;

use neutrino_callbacks::Registry;
use neutrino_db::{
    Conn, Db,
    quotas::{self, QuotaDefaults},
};
use neutrino_ml2::{AgentNotifier, security_groups::DefaultGroups};
use neutrino_types::{ApiResult, Context, ListQuery, ResourcePlugin};
use serde_json::Value;

/// What the three collections share.
struct Core {
    db: Db,
    registry: Arc<Registry>,
    notifier: Arc<dyn AgentNotifier>,
    defaults: DefaultGroups,
    quotas: QuotaDefaults,
}

/// The plugins of the three collections. Cheap to clone.
#[derive(Clone)]
pub struct SecurityGroups(Arc<Core>);

impl SecurityGroups {
    /// Groups in `db`. `registry` hears of changes and may veto them, agents hear of them through
    /// `notifier`, `defaults` makes projects' default groups, `quotas` bounds groups and rules.
    #[must_use]
    pub fn new(
        db: Db,
        registry: Arc<Registry>,
        notifier: Arc<dyn AgentNotifier>,
        defaults: DefaultGroups,
        quotas: QuotaDefaults,
    ) -> Self {
        Self(Arc::new(Core { db, registry, notifier, defaults, quotas }))
    }

    /// `/v2.0/security-groups`.
    #[must_use]
    pub fn groups(&self) -> Arc<dyn ResourcePlugin> {
        Arc::new(groups::Groups(Arc::clone(&self.0)))
    }

    /// `/v2.0/security-group-rules`.
    #[must_use]
    pub fn rules(&self) -> Arc<dyn ResourcePlugin> {
        Arc::new(rules::Rules(Arc::clone(&self.0)))
    }

    /// `/v2.0/default-security-group-rules`.
    #[must_use]
    pub fn default_rules(&self) -> Arc<dyn ResourcePlugin> {
        Arc::new(default_rules::DefaultRules(Arc::clone(&self.0)))
    }
}

/// The project whose default group a list makes: the first one filtered by, else the caller's.
/// Callers without a project make none.
fn listed_project<'a>(ctx: &'a Context, query: &'a ListQuery) -> Option<&'a str> {
    let own = ctx.project_id.as_deref()?;
    let filtered = query.values("project_id").and_then(<[Value]>::first);
    Some(filtered.and_then(Value::as_str).unwrap_or(own))
}

impl Core {
    /// Refuses `each` more of `resource` for each of `owners` past their quotas.
    async fn ensure_quota<'a>(
        &self,
        conn: &Conn,
        resource: &str,
        owners: impl Iterator<Item = &'a str>,
        each: usize,
    ) -> ApiResult<()> {
        quotas::ensure_each(conn, resource, owners, each, &self.quotas).await
    }
}
