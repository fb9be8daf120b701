//! `/v2.0/ports/{id}/bindings`: several bindings of one port, for live migration.
//!
//! A second binding is made INACTIVE for the target host; activating it swaps the two.

use std::sync::Arc;

use async_trait::async_trait;
use neutrino_db::{Prepared, retrying};
use neutrino_types::{
    ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin,
    constants::{device_owner, status, vif_type},
};
use serde_json::Value;

use super::{Change, Ports, after, build, postcommit, precommit};
use crate::{
    binding::{self, Attempt, World},
    drivers::mech::Op,
    models::{
        binding::{self as rows, ACTIVE, Binding, INACTIVE},
        port::{self, Port},
        segment::Segment,
    },
    plugin::Core,
    request, views,
};

/// Owner of shared filesystems' ports, which migrate too.
const MANILA_PREFIX: &str = "manila:";

/// The bindings of one port.
pub(crate) struct PortBindings {
    core: Arc<Core>,
    port_id: String,
}

impl PortBindings {
    pub(crate) fn new(core: Arc<Core>, port_id: &str) -> Self {
        Self { core, port_id: port_id.to_string() }
    }

    /// The port and its bindings, if it is of a kind that can have several.
    async fn load(&self, ctx: &Context) -> ApiResult<(Port, Vec<Binding>)> {
        let conn = self.core.db.read().await?;
        let port = Ports::load(&conn, ctx, &self.port_id).await?;
        let migrates = [device_owner::COMPUTE_PREFIX, MANILA_PREFIX]
            .iter()
            .any(|prefix| port.device_owner.starts_with(prefix));
        if !migrates {
            return Err(ApiError::bad_request(
                "BadRequest",
                format!(
                    "Bad port request: Invalid port {}. Operation only valid on compute and \
                     shared filesystem ports.",
                    port.id
                ),
            ));
        }
        let bindings = rows::of_port(&conn, &port.id).await?;
        Ok((port, bindings))
    }

    async fn find(&self, ctx: &Context, host: &str) -> ApiResult<(Port, Binding)> {
        let (port, bindings) = self.load(ctx).await?;
        let found = bindings.into_iter().find(|b| b.host == host);
        Ok((port, found.ok_or_else(|| self.not_found(host))?))
    }

    fn not_found(&self, host: &str) -> ApiError {
        ApiError::not_found(
            "PortBindingNotFound",
            format!("Binding for port {} for host {host} could not be found.", self.port_id),
        )
    }

    fn failed(&self, host: &str) -> ApiError {
        ApiError::new(
            "PortBindingError",
            500,
            format!(
                "Binding for port {} on host {host} could not be created or updated.",
                self.port_id
            ),
        )
    }

    /// Asks the drivers for `wanted`, without storing anything.
    async fn attempt(&self, port: &Port, wanted: &Binding) -> ApiResult<Attempt> {
        let conn = self.core.db.read().await?;
        let (networks, hosts) = ([port.network_id.as_str()], [wanted.host.as_str()]);
        let world = World::load(&self.core, &conn, &networks, &hosts).await?;
        drop(conn);
        let attempt = binding::attempt(&self.core, &world, port, wanted).await;
        if attempt.binding.vif_type == vif_type::BINDING_FAILED {
            return Err(self.failed(&wanted.host));
        }
        Ok(attempt)
    }

    /// Stores a binding that is not in force, over `old` if there is one.
    async fn store_inactive(&self, attempt: &Attempt, old: Option<&Binding>) -> ApiResult<()> {
        let id = self.port_id.as_str();
        let host = attempt.binding.host.as_str();
        let mut statements = match old {
            Some(old) => vec![
                rows::clear_levels(id, &old.host),
                rows::update(id, &old.host, &attempt.binding),
            ],
            None => vec![Prepared::new(&rows::insert([(id, &attempt.binding)]))],
        };
        statements.extend(rows::insert_levels(id, host, &attempt.levels));
        let tx = self.core.db.begin().await?;
        tx.execute_batch(statements).await.map_err(|e| match e {
            neutrino_db::DbError::UniqueViolation { .. } => self.exists(host),
            other => other.into(),
        })?;
        tx.commit().await?;
        Ok(())
    }

    fn exists(&self, host: &str) -> ApiError {
        ApiError::conflict(
            "PortBindingAlreadyExists",
            format!("Binding for port {} on host {host} already exists.", self.port_id),
        )
    }

    async fn create_one(&self, ctx: &Context, item: &Attrs) -> ApiResult<Attrs> {
        let (port, bindings) = self.load(ctx).await?;
        let host = request::text_or_empty(item, "host");
        if bindings.iter().any(|b| b.host == host) {
            return Err(self.exists(&host));
        }
        let in_force = bindings.iter().any(|b| b.status == ACTIVE);
        let mut wanted = Binding {
            host,
            status: if in_force { INACTIVE } else { ACTIVE }.to_string(),
            ..Binding::default()
        };
        build::set_binding(&prefixed(item), &mut wanted)?;
        let attempt = self.attempt(&port, &wanted).await?;
        self.store_inactive(&attempt, None).await?;
        Ok(views::port::binding(attempt.binding, &port.project_id))
    }

    /// Puts the binding on `host` in force and the present one out of it.
    pub(crate) async fn activate(&self, ctx: &Context, host: &str) -> ApiResult<Attrs> {
        let core = &*self.core;
        let done = retrying(|| self.try_activate(ctx, host)).await?;
        let change = Change { current: &done.port, original: Some(&done.original), request: None };
        after(core, ctx, Op::Update, &change).await;
        let segments = (done.segment.as_ref(), done.original_segment.as_ref());
        if let Err(error) = postcommit(core, ctx, Op::Update, &change, segments).await {
            tracing::error!(port = self.port_id, %error, "a driver failed on an activated binding");
        }
        let old_host = &done.original.binding.host;
        core.notifier.binding_deactivate(&self.port_id, old_host, &done.port.network_id).await;
        core.notifier.binding_activate(&self.port_id, host).await;
        Ok(views::port::binding(done.port.binding, &done.port.project_id))
    }

    async fn try_activate(&self, ctx: &Context, host: &str) -> ApiResult<Activated> {
        let core = &*self.core;
        let (original, bindings) = self.load(ctx).await?;
        let mut tx = core.db.begin().await?;
        if original.binding.host == host && bindings.iter().any(|b| b.status == ACTIVE) {
            return Err(ApiError::conflict(
                "PortBindingAlreadyActive",
                format!("Binding for port {} on host {host} is already active.", self.port_id),
            ));
        }
        let mut new = bindings
            .into_iter()
            .find(|b| b.host == host && b.status == INACTIVE)
            .ok_or_else(|| self.not_found(host))?;
        let original_segment = binding::bound_segments(&tx, std::slice::from_ref(&original))
            .await?
            .remove(&original.id);
        let mut old = original.binding.clone();
        old.clear();
        old.status = INACTIVE.to_string();
        new.status = ACTIVE.to_string();
        let mut port = original.clone();
        port.binding = new;
        port.status = status::DOWN.to_string();
        port.revision += 1;
        port.updated_at = neutrino_db::time::now();
        let id = port.id.as_str();
        tx.execute_batch(vec![
            rows::update(id, &old.host, &old),
            rows::clear_levels(id, &old.host),
            rows::update(id, host, &port.binding),
            port::update(&port),
        ])
        .await?;
        let segment = binding::bound_segments(&tx, std::slice::from_ref(&port)).await?.remove(id);
        let change = Change { current: &port, original: Some(&original), request: None };
        let segments = (segment.as_ref(), original_segment.as_ref());
        precommit(core, &mut tx, ctx, Op::Update, &change, segments).await?;
        tx.commit().await?;
        Ok(Activated { original, port, segment, original_segment })
    }
}

/// What activating did.
struct Activated {
    original: Port,
    port: Port,
    segment: Option<Segment>,
    original_segment: Option<Segment>,
}

/// The attributes of a binding as those of a port.
fn prefixed(item: &Attrs) -> Attrs {
    let names = [
        ("vnic_type", "binding:vnic_type"),
        ("profile", "binding:profile"),
        ("host", "binding:host_id"),
    ];
    names
        .into_iter()
        .filter_map(|(name, full)| Some((full.to_string(), item.get(name)?.clone())))
        .collect()
}

#[async_trait]
impl ResourcePlugin for PortBindings {
    async fn create(&self, ctx: &Context, items: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        let mut out = Vec::with_capacity(items.len());
        for item in &items {
            out.push(self.create_one(ctx, item).await?);
        }
        Ok(out)
    }

    async fn list(&self, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
        let (port, bindings) = self.load(ctx).await?;
        let views = bindings.into_iter().map(|b| views::port::binding(b, &port.project_id));
        // A port has a handful of bindings: filtered here rather than in SQL.
        let matches = |view: &Attrs| {
            query
                .filters
                .iter()
                .all(|(name, values)| view.get(name).is_some_and(|value| values.contains(value)))
        };
        Ok(views.filter(matches).collect())
    }

    async fn get(&self, ctx: &Context, host: &str) -> ApiResult<Attrs> {
        let (port, found) = self.find(ctx, host).await?;
        Ok(views::port::binding(found, &port.project_id))
    }

    async fn update(
        &self,
        ctx: &Context,
        host: &str,
        changes: Attrs,
        _if_match: Option<i64>,
    ) -> ApiResult<Attrs> {
        let (port, found) = self.find(ctx, host).await?;
        let mut changes = prefixed(&changes);
        changes.entry("binding:host_id").or_insert_with(|| Value::from(host));
        if found.status == ACTIVE {
            let updated = super::update::update(&self.core, ctx, &port.id, &changes, None).await?;
            if updated.get("binding:vif_type").and_then(Value::as_str)
                == Some(vif_type::BINDING_FAILED)
            {
                return Err(self.failed(host));
            }
            let now = request::text_or_empty(&updated, "binding:host_id");
            return self.get(ctx, &now).await;
        }
        let mut wanted = found.clone();
        if build::set_binding(&changes, &mut wanted)? {
            wanted.clear();
        }
        let attempt = self.attempt(&port, &wanted).await?;
        self.store_inactive(&attempt, Some(&found)).await?;
        Ok(views::port::binding(attempt.binding, &port.project_id))
    }

    async fn delete(&self, ctx: &Context, host: &str, _if_match: Option<i64>) -> ApiResult<()> {
        let (port, _) = self.find(ctx, host).await?;
        let tx = self.core.db.begin().await?;
        tx.execute_batch(vec![
            rows::delete_statement(&port.id, host),
            rows::clear_levels(&port.id, host),
        ])
        .await?;
        tx.commit().await?;
        Ok(())
    }
}
