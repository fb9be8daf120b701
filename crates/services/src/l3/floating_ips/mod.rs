//! `/v2.0/floatingips`.
//!
//! - `association`: which address of which port a floating IP may lead to, and by which router;
//! - `status`: how far agents got;
//! - `networks`: what happens to floating IPs when their external network goes;
//! - `ports`: what happens to floating IPs when the ports they lead to change or go;
//! - `pools`: the subnets they are taken from;
//! - `view`: what the API and subscribers see.

pub(in crate::l3) mod association;
mod networks;
mod pools;
mod ports;
mod status;
mod view;

use std::sync::Arc;

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Registry, Resource};
use neutrino_db::{
    Conn, Tx,
    floating_ips::{self as rows, FloatingIp},
    list::{Column, ListSpec, nothing_computed},
    quotas, retrying,
    schema::{FloatingIps as F, Networks as N, Subnets},
    sea_query::{Condition, Expr, ExprTrait, Query},
    tags, time,
};
use neutrino_ml2::{
    GonePort, MadePort,
    models::{network, port::FixedIp},
};
use neutrino_types::{
    ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin,
    constants::{device_owner, status as statuses},
    request,
};
use serde_json::json;

use super::{Inner, port_forwardings};

pub(super) use pools::Pools;
/// Makes floating IPs follow what the registry tells of ports and networks.
pub(super) fn subscribe(inner: &Arc<Inner>, registry: &Registry) {
    ports::subscribe(inner, registry);
    networks::subscribe(inner, registry);
}
pub(super) use view::floating_ip as shown;

/// The collection.
pub(super) struct FloatingIps(pub(super) Arc<Inner>);

fn col(column: F) -> Expr {
    Expr::col((F::Table, column))
}

/// How floating IPs are listed.
static SPEC: ListSpec = ListSpec {
    resource: "floatingip",
    from: rows::from,
    id: || col(F::Id),
    columns: &[
        Column::text("id", || col(F::Id)),
        Column::text("project_id", || col(F::ProjectId)),
        Column::text("description", || col(F::Description)),
        Column::text("floating_ip_address", || col(F::FloatingIpAddress)),
        Column::text("floating_network_id", || col(F::FloatingNetworkId)),
        Column::text("router_id", || col(F::RouterId)).or_null(),
        Column::text("port_id", || col(F::FixedPortId)).or_null(),
        Column::text("fixed_ip_address", || col(F::FixedIpAddress)).or_null(),
        Column::text("status", || col(F::Status)),
        Column::int("revision_number", || col(F::RevisionNumber)),
    ],
    computed: nothing_computed,
    visibility: rows::visible,
    updated_at: Some(|| col(F::UpdatedAt)),
    tagged: true,
};

/// `BadRequest` (400) about a floating IP.
pub(super) fn bad_request(reason: impl std::fmt::Display) -> ApiError {
    ApiError::bad_request("BadRequest", format!("Bad floatingip request: {reason}."))
}

/// The floating IP `id` with all that hangs on it.
///
/// # Errors
/// `FloatingIPNotFound` when it is not there or `ctx` may not see it.
pub(super) async fn load(conn: &Conn, ctx: &Context, id: &str) -> ApiResult<FloatingIp> {
    let found = rows::by_id(conn, ctx, id).await?;
    found.ok_or_else(|| ApiError::resource_not_found("floatingip", id))
}

/// Refuses networks that no floating IP can come from.
async fn ensure_external(conn: &Conn, ctx: &Context, id: &str) -> ApiResult<()> {
    let mut v4 = Query::select();
    v4.expr(Expr::val(1))
        .from(Subnets::Table)
        .and_where(Expr::col((Subnets::Table, Subnets::NetworkId)).eq(id))
        .and_where(Expr::col((Subnets::Table, Subnets::IpVersion)).eq(4));
    let query = Query::select()
        .exprs([Expr::col((N::Table, N::External)), Expr::exists(v4)])
        .from(N::Table)
        .and_where(Expr::col((N::Table, N::Id)).eq(id))
        .cond_where(Condition::all().add_option(network::visible(ctx)))
        .to_owned();
    let found = conn.fetch_opt(&query).await?;
    let found = found.ok_or_else(|| ApiError::resource_not_found("network", id))?;
    if !found.bool(0) {
        return Err(bad_request(format_args!("Network {id} is not a valid external network")));
    }
    if !found.bool(1) {
        return Err(bad_request(format_args!("Network {id} does not contain any IPv4 subnet")));
    }
    Ok(())
}

/// The request of the port that holds a floating IP's address: nobody's, and never shown.
fn port_request(floating: &FloatingIp, item: &Attrs) -> Attrs {
    let mut fixed_ip = Attrs::new();
    for (asked, name) in [("subnet_id", "subnet_id"), ("floating_ip_address", "ip_address")] {
        if let Some(value) = request::text(item, asked) {
            fixed_ip.insert(name.into(), json!(value));
        }
    }
    let pairs = [
        ("network_id", json!(floating.network_id)),
        ("project_id", json!("")),
        ("tenant_id", json!("")),
        ("admin_state_up", json!(true)),
        ("device_id", json!(floating.id)),
        ("device_owner", json!(device_owner::FLOATING_IP)),
        ("status", json!(statuses::NOT_APPLICABLE)),
    ];
    let mut out: Attrs = pairs.into_iter().map(|(name, value)| (name.into(), value)).collect();
    if !fixed_ip.is_empty() {
        out.insert("fixed_ips".into(), json!([fixed_ip]));
    }
    out
}

/// The first IPv4 address of a new port on `network`.
fn address_of(fixed_ips: &[FixedIp], network: &str) -> ApiResult<std::net::Ipv4Addr> {
    let v4 = |ip: &FixedIp| match ip.ip_address {
        std::net::IpAddr::V4(v4) => Some(v4),
        std::net::IpAddr::V6(_) => None,
    };
    fixed_ips.iter().find_map(v4).ok_or_else(|| {
        ApiError::bad_request(
            "ExternalIpAddressExhausted",
            format!("Unable to find any IP address on external network {network}."),
        )
    })
}

/// A floating IP before and after a change.
pub(super) type States<'a> = (Option<&'a FloatingIp>, Option<&'a FloatingIp>);

/// Publishes a PRECOMMIT event of the floating IP.
pub(super) async fn precommit(
    inner: &Inner,
    tx: &mut Tx,
    ctx: &Context,
    action: Action,
    states: States<'_>,
    request: Option<&Attrs>,
) -> ApiResult<()> {
    if !inner.registry.any(Resource::FloatingIp, Phase::Precommit, action) {
        return Ok(());
    }
    let show = |floating| view::for_users(inner, floating);
    let (before, now) = (states.0.map(show), states.1.map(show));
    let id = states.1.or(states.0).map_or("", |floating| floating.id.as_str());
    let payload = Payload { ctx, id, request, original: before.as_ref(), current: now.as_ref() };
    inner.registry.precommit(tx, Resource::FloatingIp, action, &payload).await
}

/// Publishes an AFTER event of the floating IP.
pub(super) async fn after(
    inner: &Inner,
    ctx: &Context,
    action: Action,
    states: States<'_>,
    request: Option<&Attrs>,
) {
    port_forwardings::publish(inner, ctx, states).await;
    if !inner.registry.any(Resource::FloatingIp, Phase::After, action) {
        return;
    }
    let show = |floating| view::for_users(inner, floating);
    let (before, now) = (states.0.map(show), states.1.map(show));
    let id = states.1.or(states.0).map_or("", |floating| floating.id.as_str());
    let payload = Payload { ctx, id, request, original: before.as_ref(), current: now.as_ref() };
    inner.registry.after(Resource::FloatingIp, action, &payload).await;
}

impl FloatingIps {
    /// A floating IP, its port and its association in one transaction.
    async fn try_create(&self, ctx: &Context, item: &Attrs) -> ApiResult<(FloatingIp, MadePort)> {
        let inner = &*self.0;
        let network = request::text(item, "floating_network_id").unwrap_or_default();
        let mut floating = FloatingIp::new(&request::project(item, ctx), network);
        floating.description = request::text_or_empty(item, "description");
        if inner.ml2.dns().is_some() {
            floating.dns_name = request::text_or_empty(item, "dns_name");
            floating.dns_domain = request::text_or_empty(item, "dns_domain");
        }
        let mut tx = inner.db.begin().await?;
        let owner = std::iter::once(floating.project_id.as_str());
        quotas::ensure_each(&tx, "floatingip", owner, 1, &inner.quotas).await?;
        ensure_external(&tx, ctx, network).await?;
        let port = port_request(&floating, item);
        let made = inner.ml2.create_port_in(&mut tx, &ctx.elevated(), port).await?;
        floating.floating_port_id = made.port().id.clone();
        floating.address = address_of(&made.port().fixed_ips, network)?;
        association::change(&tx, ctx, &mut floating, item).await?;
        tx.execute_batch(vec![rows::insert(&floating)]).await?;
        precommit(inner, &mut tx, ctx, Action::Create, (None, Some(&floating)), Some(item)).await?;
        tx.commit().await?;
        Ok((floating, made))
    }

    /// Answers the floating IP before and after.
    async fn try_update(
        &self,
        ctx: &Context,
        id: &str,
        changes: &Attrs,
        if_match: Option<i64>,
    ) -> ApiResult<(FloatingIp, FloatingIp)> {
        let inner = &*self.0;
        let mut tx = inner.db.begin().await?;
        let original = load(&tx, ctx, id).await?;
        request::check_revision(if_match, original.revision)?;
        let mut floating = original.clone();
        request::set_text(changes, "description", &mut floating.description);
        association::change(&tx, ctx, &mut floating, changes).await?;
        if floating != original {
            floating.revision += 1;
            floating.updated_at = time::now();
            tx.execute_batch(vec![rows::update(&floating)]).await?;
        }
        let states = (Some(&original), Some(&floating));
        precommit(inner, &mut tx, ctx, Action::Update, states, Some(changes)).await?;
        tx.commit().await?;
        Ok((original, floating))
    }

    /// Deletes the port, and with it the floating IP.
    async fn try_delete(
        &self,
        ctx: &Context,
        id: &str,
        if_match: Option<i64>,
    ) -> ApiResult<(FloatingIp, GonePort)> {
        let inner = &*self.0;
        let mut tx = inner.db.begin().await?;
        let floating = load(&tx, ctx, id).await?;
        request::check_revision(if_match, floating.revision)?;
        association::ensure_not_forwarding(&floating)?;
        precommit(inner, &mut tx, ctx, Action::Delete, (Some(&floating), None), None).await?;
        let gone = inner.ml2.delete_port_in(&mut tx, ctx, &floating.floating_port_id).await?;
        if !floating.tags.is_empty() {
            tags::remove_all(&tx, &[id.to_string()]).await?;
        }
        tx.commit().await?;
        Ok((floating, gone))
    }

    async fn create_one(&self, ctx: &Context, item: &Attrs) -> ApiResult<Attrs> {
        let inner = &*self.0;
        let payload = Payload::new(ctx, "").request(item);
        inner.registry.before(Resource::FloatingIp, Action::Create, &payload).await?;
        let (floating, port) = retrying(|| self.try_create(ctx, item)).await?;
        port.committed(&ctx.elevated()).await?;
        after(inner, ctx, Action::Create, (None, Some(&floating)), Some(item)).await;
        log_association(None, Some(&floating));
        Ok(view::for_users(inner, &floating))
    }
}

/// One line when the port that a floating IP leads to changes.
fn log_association(before: Option<&FloatingIp>, now: Option<&FloatingIp>) {
    let port =
        |f: Option<&FloatingIp>| f.and_then(|f| f.association.as_ref()).map(|a| a.port_id.clone());
    let (former, port) = (port(before), port(now));
    let Some(floating) = now.or(before).filter(|_| former != port) else { return };
    tracing::info!(
        floating_ip = floating.id,
        address = %floating.address,
        former_port = former,
        port,
        "a floating IP leads elsewhere"
    );
}

#[async_trait]
impl ResourcePlugin for FloatingIps {
    async fn create(&self, ctx: &Context, items: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        // There is one: the definition admits no bulk.
        let mut out = Vec::with_capacity(items.len());
        for item in &items {
            out.push(self.create_one(ctx, item).await?);
        }
        Ok(out)
    }

    async fn list(&self, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
        let conn = self.0.db.read().await?;
        let page = SPEC.page(&conn, ctx, query).await?;
        let found = conn.fetch_map(&page.select_exprs(rows::exprs()), rows::decode).await?;
        let mut floating = page.arrange(found);
        rows::load_children(&conn, &mut floating).await?;
        Ok(floating.iter().map(|one| view::for_users(&self.0, one)).collect())
    }

    async fn get(&self, ctx: &Context, id: &str) -> ApiResult<Attrs> {
        let conn = self.0.db.read().await?;
        Ok(view::for_users(&self.0, &load(&conn, ctx, id).await?))
    }

    async fn update(
        &self,
        ctx: &Context,
        id: &str,
        changes: Attrs,
        if_match: Option<i64>,
    ) -> ApiResult<Attrs> {
        let inner = &*self.0;
        let payload = Payload::new(ctx, id).request(&changes);
        inner.registry.before(Resource::FloatingIp, Action::Update, &payload).await?;
        let (original, floating) =
            retrying(|| self.try_update(ctx, id, &changes, if_match)).await?;
        let states = (Some(&original), Some(&floating));
        after(inner, ctx, Action::Update, states, Some(&changes)).await;
        log_association(states.0, states.1);
        Ok(view::for_users(inner, &floating))
    }

    async fn delete(&self, ctx: &Context, id: &str, if_match: Option<i64>) -> ApiResult<()> {
        let inner = &*self.0;
        let payload = Payload::new(ctx, id);
        inner.registry.before(Resource::FloatingIp, Action::Delete, &payload).await?;
        let (floating, port) = retrying(|| self.try_delete(ctx, id, if_match)).await?;
        port.committed(&ctx.elevated()).await;
        after(inner, ctx, Action::Delete, (Some(&floating), None), None).await;
        log_association(Some(&floating), None);
        Ok(())
    }
}
