//! `/v2.0/floatingips/{id}/port_forwardings`.
//!
//! `wanted` is what a request makes of a port forwarding and which others it collides with; here
//! it is stored, and the floating IP takes its router from the first one.

mod events;
mod view;
mod wanted;

use std::sync::Arc;

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Resource};
use neutrino_db::{
    Conn, Prepared, Tx,
    floating_ips::{self, FloatingIp},
    list::{Column, ListSpec, nothing_computed, scope},
    port_forwardings::{self as rows, PortForwarding},
    retrying,
    schema::{PortForwardings as W, Ports as P},
    sea_query::{Expr, ExprTrait, Func, Query},
    time,
};
use neutrino_types::{ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin, request};

use super::{
    Inner,
    floating_ips::{
        after,
        association::{already_associated, candidates, choose_router, internal_port},
        load, precommit,
    },
};

pub(super) use events::publish;
pub(super) use view::of_floating_ip;

/// The port forwardings of one floating IP.
pub(super) struct PortForwardings {
    pub(super) inner: Arc<Inner>,
    pub(super) floating_ip: String,
}

fn col(column: W) -> Expr {
    Expr::col((W::Table, column))
}

/// How port forwardings are listed; the floating IP is one more filter.
static SPEC: ListSpec = ListSpec {
    resource: "port_forwarding",
    from: rows::from,
    id: || col(W::Id),
    columns: &[
        Column::text("id", || col(W::Id)),
        Column::text(FLOATING_IP, || col(W::FloatingIpId)),
        Column::text("protocol", || col(W::Protocol)),
        Column::text("internal_port_id", || col(W::InternalNeutronPortId)),
        Column::text("description", || col(W::Description)),
        Column::int("external_port", || col(W::ExternalPortStart)),
        Column::text("external_port_range", range_of_external_ports),
    ],
    computed: nothing_computed,
    visibility: scope::everything,
    updated_at: None,
    tagged: false,
};

/// Name of the filter by floating IP, which users cannot ask for.
const FLOATING_IP: &str = "floatingip_id";

/// `first:last` as text.
fn range_of_external_ports() -> Expr {
    let parts = [col(W::ExternalPortStart), Expr::val(":"), col(W::ExternalPortEnd)];
    Func::cust("CONCAT").args(parts).into()
}

/// `BadRequest` (400) about a port forwarding.
fn bad_request(reason: impl std::fmt::Display) -> ApiError {
    ApiError::bad_request("BadRequest", format!("Bad port_forwarding request: {reason}."))
}

/// `PortForwardingNotFound` (404).
fn not_found(id: &str) -> ApiError {
    ApiError::not_found(
        "PortForwardingNotFound",
        format!("Port Forwarding {id} could not be found."),
    )
}

/// Counts the change in the revisions of the floating IP, which takes `router`, and of the port.
fn revise(floating: &FloatingIp, router: Option<&str>, ports: &[&str]) -> Vec<Prepared> {
    let id = floating.id.as_str();
    let of_floating_ip = match floating.router_id.as_deref() == router {
        true => floating_ips::bump(&[id]),
        false => floating_ips::set_router(id, router),
    };
    let of_ports = Query::update()
        .table(P::Table)
        .value(P::RevisionNumber, Expr::col(P::RevisionNumber).add(1))
        .value(P::UpdatedAt, time::now())
        .and_where(Expr::col(P::Id).is_in(ports.iter().copied()))
        .to_owned();
    vec![of_floating_ip, Prepared::new(&of_ports)]
}

/// The floating IP as it is once it has `forwardings` and `router`.
fn revised(
    floating: &FloatingIp,
    router: Option<String>,
    forwardings: Vec<PortForwarding>,
) -> FloatingIp {
    let mut out = floating.clone();
    if out.router_id != router {
        out.last_known_router_id = std::mem::replace(&mut out.router_id, router);
    }
    out.revision += 1;
    out.updated_at = time::now();
    out.set_forwardings(forwardings);
    out
}

/// What a transaction did: the floating IP before and after, and the port forwarding.
struct Done {
    original: FloatingIp,
    current: FloatingIp,
    forwarding: PortForwarding,
}

impl PortForwardings {
    async fn floating(&self, conn: &Conn, ctx: &Context) -> ApiResult<FloatingIp> {
        load(conn, ctx, &self.floating_ip).await
    }

    async fn try_create(&self, ctx: &Context, item: &Attrs) -> ApiResult<Done> {
        let tx = self.inner.db.begin().await?;
        let original = self.floating(&tx, ctx).await?;
        let mut forwarding = PortForwarding::new(&original.id);
        wanted::apply(&mut forwarding, item)?;
        self.ensure_free(&tx, &original, &forwarding).await?;
        if original.association.is_some() {
            let (port, ip) = (&forwarding.internal_port_id, forwarding.internal_ip_address);
            return Err(already_associated(&original, port, ip));
        }
        let router = route(&tx, ctx, &original, &forwarding).await?;
        let mut statements = vec![rows::insert(&forwarding)];
        statements.extend(revise(&original, Some(&router), &[&forwarding.internal_port_id]));
        tx.execute_batch(statements).await?;
        let mut forwardings = original.forwardings.clone();
        forwardings.push(forwarding.clone());
        let current = revised(&original, Some(router), forwardings);
        self.finish(tx, ctx, Done { original, current, forwarding }).await
    }

    async fn try_update(
        &self,
        ctx: &Context,
        id: &str,
        changes: &Attrs,
        if_match: Option<i64>,
    ) -> ApiResult<Done> {
        let tx = self.inner.db.begin().await?;
        let original = self.floating(&tx, ctx).await?;
        let former = find(&original, id)?;
        request::check_revision(if_match, former.revision)?;
        let mut forwarding = former.clone();
        wanted::apply(&mut forwarding, changes)?;
        let moves = forwarding.internal_port_id != former.internal_port_id;
        if moves && !changes.contains_key("internal_ip_address") {
            // As in Neutron, the first address of another port is meant.
            let port = internal_port(&tx, ctx, &forwarding.internal_port_id).await?;
            let first = port.v4().next().ok_or_else(|| wanted::no_address(&port.id))?;
            forwarding.internal_ip_address = first.0;
        }
        if forwarding == *former {
            let current = original.clone();
            return self.finish(tx, ctx, Done { original, current, forwarding }).await;
        }
        forwarding.revision += 1;
        forwarding.updated_at = time::now();
        self.ensure_free(&tx, &original, &forwarding).await?;
        let mut router = original.router_id.clone();
        if moves || forwarding.internal_ip_address != former.internal_ip_address {
            router = Some(route(&tx, ctx, &original, &forwarding).await?);
        }
        let mut statements = vec![rows::update(&forwarding)];
        let ports = [former.internal_port_id.as_str(), &forwarding.internal_port_id];
        statements.extend(revise(&original, router.as_deref(), &ports));
        tx.execute_batch(statements).await?;
        let mut forwardings = original.forwardings.clone();
        for one in forwardings.iter_mut().filter(|one| one.id == id) {
            *one = forwarding.clone();
        }
        let current = revised(&original, router, forwardings);
        self.finish(tx, ctx, Done { original, current, forwarding }).await
    }

    async fn try_delete(&self, ctx: &Context, id: &str, if_match: Option<i64>) -> ApiResult<Done> {
        let tx = self.inner.db.begin().await?;
        let original = self.floating(&tx, ctx).await?;
        let forwarding = find(&original, id)?.clone();
        request::check_revision(if_match, forwarding.revision)?;
        let mut forwardings = original.forwardings.clone();
        forwardings.retain(|one| one.id != id);
        let router = original.router_id.clone().filter(|_| !forwardings.is_empty());
        let mut statements = vec![rows::delete(&[id])];
        let ports = [forwarding.internal_port_id.as_str()];
        statements.extend(revise(&original, router.as_deref(), &ports));
        tx.execute_batch(statements).await?;
        let current = revised(&original, router, forwardings);
        self.finish(tx, ctx, Done { original, current, forwarding }).await
    }

    async fn finish(&self, mut tx: Tx, ctx: &Context, done: Done) -> ApiResult<Done> {
        let states = (Some(&done.original), Some(&done.current));
        precommit(&self.inner, &mut tx, ctx, Action::Update, states, None).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Refuses what collides with other port forwardings, and ports that have a floating IP of
    /// their own.
    async fn ensure_free(
        &self,
        conn: &Conn,
        floating: &FloatingIp,
        forwarding: &PortForwarding,
    ) -> ApiResult<()> {
        let port = forwarding.internal_port_id.as_str();
        let inside = rows::to_ports(conn, &[port]).await?;
        wanted::ensure_no_collision(forwarding, &inside, &floating.forwardings)?;
        match floating_ips::on_ports(conn, &[port]).await?.first() {
            Some(other) => Err(ApiError::conflict(
                "PortHasBindingFloatingIP",
                format!(
                    "Cannot create port forwarding to floating IP {} ({}) with port {port} using \
                     fixed IP {}, as that port already has a binding floating IP.",
                    other.address, other.id, forwarding.internal_ip_address
                ),
            )),
            None => Ok(()),
        }
    }

    async fn told(&self, ctx: &Context, done: &Done) {
        let states = (Some(&done.original), Some(&done.current));
        after(&self.inner, ctx, Action::Update, states, None).await;
    }

    async fn asked(&self, ctx: &Context, request: &Attrs) -> ApiResult<()> {
        let payload = Payload::new(ctx, &self.floating_ip).request(request);
        self.inner.registry.before(Resource::FloatingIp, Action::Update, &payload).await
    }
}

/// The port forwarding `id` of the floating IP.
fn find<'a>(floating: &'a FloatingIp, id: &str) -> ApiResult<&'a PortForwarding> {
    floating.forwardings.iter().find(|one| one.id == id).ok_or_else(|| not_found(id))
}

/// The router through which the floating IP reaches the address of `forwarding`.
///
/// # Errors
/// `PortNotFound`; `BadRequest` when the port lacks the address, or when another router than that
/// of the floating IP's other forwardings would be needed.
async fn route(
    conn: &Conn,
    ctx: &Context,
    floating: &FloatingIp,
    forwarding: &PortForwarding,
) -> ApiResult<String> {
    let port = internal_port(conn, ctx, &forwarding.internal_port_id).await?;
    let subnet = wanted::subnet_of(&port, forwarding.internal_ip_address)?;
    let network = &floating.network_id;
    let router = choose_router(candidates(conn, subnet, network).await?).ok_or_else(|| {
        bad_request(format_args!(
            "External network {network} is not reachable from subnet {subnet}. Cannot set Port \
             forwarding for port {} with Floating IP {}",
            port.id, floating.id
        ))
    })?;
    match floating.router_id.as_deref() {
        Some(other) if other != router.router_id => Err(bad_request(format_args!(
            "The Floating IP {} had been set on router {other}, the internal Neutron port {} can \
             not reach it",
            floating.id, port.id
        ))),
        _ => Ok(router.router_id),
    }
}

#[async_trait]
impl ResourcePlugin for PortForwardings {
    async fn create(&self, ctx: &Context, items: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        // There is one: the definition admits no bulk.
        let mut out = Vec::with_capacity(items.len());
        for item in &items {
            self.asked(ctx, &Attrs::new()).await?;
            let done = retrying(|| self.try_create(ctx, item)).await?;
            self.told(ctx, &done).await;
            out.push(view::port_forwarding(&done.forwarding));
        }
        Ok(out)
    }

    async fn list(&self, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
        let conn = self.inner.db.read().await?;
        self.floating(&conn, ctx).await?;
        let mut query = query.clone();
        query.filters.push((FLOATING_IP.into(), vec![self.floating_ip.as_str().into()]));
        let page = SPEC.page(&conn, ctx, &query).await?;
        let select = page.select(rows::COLUMNS.map(|c| (W::Table, c)));
        let found = page.arrange(conn.fetch_map(&select, rows::decode).await?);
        Ok(found.iter().map(view::port_forwarding).collect())
    }

    async fn get(&self, ctx: &Context, id: &str) -> ApiResult<Attrs> {
        let conn = self.inner.db.read().await?;
        let floating = self.floating(&conn, ctx).await?;
        find(&floating, id).map(view::port_forwarding)
    }

    async fn update(
        &self,
        ctx: &Context,
        id: &str,
        changes: Attrs,
        if_match: Option<i64>,
    ) -> ApiResult<Attrs> {
        self.asked(ctx, &Attrs::new()).await?;
        let done = retrying(|| self.try_update(ctx, id, &changes, if_match)).await?;
        self.told(ctx, &done).await;
        Ok(view::port_forwarding(&done.forwarding))
    }

    async fn delete(&self, ctx: &Context, id: &str, if_match: Option<i64>) -> ApiResult<()> {
        self.asked(ctx, &Attrs::new()).await?;
        let done = retrying(|| self.try_delete(ctx, id, if_match)).await?;
        self.told(ctx, &done).await;
        Ok(())
    }
}
