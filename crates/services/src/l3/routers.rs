//! `/v2.0/routers`.

use std::sync::Arc;

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Resource};
use neutrino_db::{
    Conn, Tx, agents,
    list::{Column, ListSpec, nothing_computed},
    quotas, retrying,
    routers::{self as rows, Route, Router, ports},
    schema::Routers as R,
    sea_query::Expr,
    tags, time,
};
use neutrino_types::{
    ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin, constants::agent_type, request,
};
use serde_json::Value;

use super::{
    Inner, bad_request, gateway, interface_owner, interfaces, load,
    routes::{self, Wish},
    view,
};

/// The collection.
pub(super) struct Routers(pub(super) Arc<Inner>);

fn col(column: R) -> Expr {
    Expr::col((R::Table, column))
}

/// How routers are listed.
static SPEC: ListSpec = ListSpec {
    resource: "router",
    from: rows::from,
    id: || col(R::Id),
    columns: &[
        Column::text("id", || col(R::Id)),
        Column::text("name", || col(R::Name)),
        Column::text("project_id", || col(R::ProjectId)),
        Column::text("description", || col(R::Description)),
        Column::text("status", || col(R::Status)),
        Column::bool("admin_state_up", || col(R::AdminStateUp)),
        Column::int("revision_number", || col(R::RevisionNumber)),
    ],
    computed: nothing_computed,
    visibility: rows::visible,
    updated_at: Some(|| col(R::UpdatedAt)),
    tagged: true,
};

impl Routers {
    /// New routers as asked for, nothing stored.
    fn build(&self, ctx: &Context, item: &Attrs) -> ApiResult<Router> {
        self.check_kind(item)?;
        let mut router = Router::new(&request::project(item, ctx));
        router.name = request::text_or_empty(item, "name");
        router.description = request::text_or_empty(item, "description");
        router.admin_state_up = request::flag(item, "admin_state_up").unwrap_or(true);
        router.distributed = match request::flag(item, "distributed") {
            Some(given) => given,
            None => self.0.config.enable_dvr && self.0.config.distributed,
        };
        let hints = request::texts(item, "availability_zone_hints").unwrap_or_default();
        if !hints.is_empty() {
            router.az_hints = Value::from(hints).to_string();
        }
        Ok(router)
    }

    /// Refuses kinds of routers that are not there.
    fn check_kind(&self, item: &Attrs) -> ApiResult<()> {
        if item.contains_key("distributed") && !self.0.config.enable_dvr {
            // As where the extension is not loaded.
            let text = "Unrecognized attribute(s) 'distributed'";
            return Err(ApiError::bad_request("HTTPBadRequest", text));
        }
        if request::flag(item, "ha") == Some(true) {
            return Err(bad_request("HA routers are not supported yet, 'ha' can only be False"));
        }
        Ok(())
    }

    async fn try_create(
        &self,
        ctx: &Context,
        items: &[Attrs],
        routers: &[Router],
    ) -> ApiResult<()> {
        let inner = &*self.0;
        let mut tx = inner.db.begin().await?;
        let owners = routers.iter().map(|r| r.project_id.as_str());
        quotas::ensure_each(&tx, "router", owners, 1, &inner.quotas).await?;
        let mut hints: Vec<String> = items
            .iter()
            .flat_map(|item| request::texts(item, "availability_zone_hints").unwrap_or_default())
            .collect();
        hints.sort_unstable();
        hints.dedup();
        if !hints.is_empty() {
            agents::ensure_zones(&tx, agent_type::L3, &hints).await?;
        }
        tx.execute_batch(vec![rows::insert(routers)]).await?;
        for (item, router) in items.iter().zip(routers) {
            precommit(inner, &mut tx, ctx, Action::Create, (None, Some(router)), Some(item))
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Answers the router before and after.
    async fn try_update(
        &self,
        ctx: &Context,
        id: &str,
        changes: &Attrs,
        routes: Option<&Wish>,
        if_match: Option<i64>,
    ) -> ApiResult<(Router, Router)> {
        let inner = &*self.0;
        let mut tx = inner.db.begin().await?;
        let original = load(&tx, ctx, id).await?;
        request::check_revision(if_match, original.revision)?;
        let mut router = original.clone();
        request::set_text(changes, "name", &mut router.name);
        request::set_text(changes, "description", &mut router.description);
        request::set_flag(changes, "admin_state_up", &mut router.admin_state_up);
        let migrates = request::set_flag(changes, "distributed", &mut router.distributed);
        if migrates && router.admin_state_up {
            return Err(bad_request(
                "Cannot change the 'distributed' attribute of active routers. Please set router \
                 admin_state_up to False prior to upgrade",
            ));
        }
        if let Some(wish) = routes {
            router.routes = routes::changed(&tx, &original, wish, &inner.quotas).await?;
        }
        if router != original {
            router.revision += 1;
            router.updated_at = time::now();
            let mut statements = vec![rows::update(&router)];
            if router.routes != original.routes {
                statements.extend(rows::set_routes(id, &router.routes));
            }
            if migrates {
                let (old, new) = (interface_owner(&original), interface_owner(&router));
                statements.extend(ports::migrate(id, old, new));
                statements.push(rows::unbind(id));
                router.zones.clear();
            }
            tx.execute_batch(statements).await?;
        }
        let states = (Some(&original), Some(&router));
        precommit(inner, &mut tx, ctx, Action::Update, states, Some(changes)).await?;
        tx.commit().await?;
        Ok((original, router))
    }

    async fn try_delete(&self, ctx: &Context, id: &str) -> ApiResult<()> {
        let inner = &*self.0;
        let mut tx = inner.db.begin().await?;
        let router = load(&tx, ctx, id).await?;
        ensure_no_interfaces(&tx, &router).await?;
        precommit(inner, &mut tx, ctx, Action::Delete, (Some(&router), None), None).await?;
        tx.execute_batch(vec![rows::delete(id)]).await?;
        if !router.tags.is_empty() {
            tags::remove_all(&tx, &[id.to_string()]).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Takes the gateway and other ports of its own from a router that is about to go.
    async fn strip(&self, ctx: &Context, router: &Router) -> ApiResult<()> {
        let inner = &*self.0;
        gateway::remove(inner, ctx, router, &Attrs::new()).await?;
        let conn = inner.db.read().await?;
        let mut attached = ports::attached(&conn, &router.id).await?;
        drop(conn);
        // An interface that has come meanwhile is a user's, and refuses the delete.
        attached.retain(|port| port.port_type != interface_owner(router));
        for port in attached {
            match inner.ml2.service_ports().delete(&ctx.elevated(), &port.port_id, None).await {
                Ok(()) => {}
                // Deleted meanwhile.
                Err(error) if error.kind == "PortNotFound" => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// An update with a gateway. As in Neutron routes change first, then the gateway, then the rest.
    async fn reconnect(
        &self,
        ctx: &Context,
        id: &str,
        (changes, info): (&Attrs, &Value),
        routes: Option<&Wish>,
        if_match: Option<i64>,
    ) -> ApiResult<(Router, Router)> {
        let inner = &*self.0;
        let conn = inner.db.read().await?;
        let original = load(&conn, ctx, id).await?;
        drop(conn);
        request::check_revision(if_match, original.revision)?;
        if routes.is_some() {
            let nothing = Attrs::new();
            retrying(|| self.try_update(ctx, id, &nothing, routes, None)).await?;
        }
        gateway::set(inner, ctx, id, info, changes).await?;
        let (_, router) = retrying(|| self.try_update(ctx, id, changes, None, None)).await?;
        Ok((original, router))
    }

    /// `add_extraroutes` and `remove_extraroutes`: routes come or go, the others stay.
    async fn reroute(
        &self,
        ctx: &Context,
        id: &str,
        body: &Attrs,
        wish: fn(Vec<Route>) -> Wish,
    ) -> ApiResult<Attrs> {
        let inner = &*self.0;
        let changes = routes::named(body)?;
        let wish = wish(changes.get(ROUTES).map(routes::parse).transpose()?.unwrap_or_default());
        let payload = Payload::new(ctx, id).request(&changes);
        inner.registry.before(Resource::Router, Action::Update, &payload).await?;
        let nothing = Attrs::new();
        let (original, router) =
            retrying(|| self.try_update(ctx, id, &nothing, Some(&wish), None)).await?;
        let states = (Some(&original), Some(&router));
        after(inner, ctx, Action::Update, states, Some(&changes)).await;
        Ok(Attrs::from_iter([("router".to_string(), Value::Object(view::router(&router)))]))
    }

    /// Gives new routers the gateways asked for. When one cannot be had, none of the routers stays.
    async fn connect(
        &self,
        ctx: &Context,
        items: &[Attrs],
        routers: Vec<Router>,
    ) -> ApiResult<Vec<Router>> {
        let inner = &*self.0;
        let mut out = Vec::with_capacity(routers.len());
        for (item, router) in items.iter().zip(&routers) {
            let info = item.get(GATEWAY).filter(|info| is_given(info));
            let Some(info) = info else {
                out.push(router.clone());
                continue;
            };
            if let Err(error) = gateway::set(inner, ctx, &router.id, info, item).await {
                for router in &routers {
                    if let Err(error) = self.delete(&Context::admin(), &router.id, None).await {
                        tracing::error!(router = router.id, %error, "undoing a create failed");
                    }
                }
                return Err(error);
            }
            let conn = inner.db.read().await?;
            out.push(load(&conn, ctx, &router.id).await?);
        }
        Ok(out)
    }
}

const GATEWAY: &str = "external_gateway_info";
const ROUTES: &str = "routes";

/// Whether there is any gateway in it.
fn is_given(info: &Value) -> bool {
    info.as_object().is_some_and(|info| !info.is_empty())
}

/// `RouterInUse` while the router has interfaces.
async fn ensure_no_interfaces(conn: &Conn, router: &Router) -> ApiResult<()> {
    let owner = interface_owner(router);
    let mut attached = ports::attached(conn, &router.id).await?;
    attached.retain(|port| port.port_type == owner);
    if attached.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = attached.iter().map(|port| port.port_id.as_str()).collect();
    Err(ApiError::conflict(
        "RouterInUse",
        format!("Router {} has ports still attached: {}", router.id, ids.join(", ")),
    ))
}

/// A router before and after a change.
type States<'a> = (Option<&'a Router>, Option<&'a Router>);

/// Publishes a PRECOMMIT event of the router.
async fn precommit(
    inner: &Inner,
    tx: &mut Tx,
    ctx: &Context,
    action: Action,
    states: States<'_>,
    request: Option<&Attrs>,
) -> ApiResult<()> {
    let registry = &inner.registry;
    if !registry.any(Resource::Router, Phase::Precommit, action) {
        return Ok(());
    }
    let (before, now) = (states.0.map(view::event), states.1.map(view::event));
    let id = states.1.or(states.0).map_or("", |router| router.id.as_str());
    let payload = Payload { ctx, id, request, original: before.as_ref(), current: now.as_ref() };
    registry.precommit(tx, Resource::Router, action, &payload).await
}

/// Publishes an AFTER event of the router.
async fn after(
    inner: &Inner,
    ctx: &Context,
    action: Action,
    states: States<'_>,
    request: Option<&Attrs>,
) {
    if !inner.registry.any(Resource::Router, Phase::After, action) {
        return;
    }
    let (before, now) = (states.0.map(view::event), states.1.map(view::event));
    let id = states.1.or(states.0).map_or("", |router| router.id.as_str());
    let payload = Payload { ctx, id, request, original: before.as_ref(), current: now.as_ref() };
    inner.registry.after(Resource::Router, action, &payload).await;
}

#[async_trait]
impl ResourcePlugin for Routers {
    async fn create(&self, ctx: &Context, items: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        let inner = &*self.0;
        let built = items.iter().map(|item| self.build(ctx, item));
        let routers = built.collect::<ApiResult<Vec<Router>>>()?;
        for (item, router) in items.iter().zip(&routers) {
            let payload = Payload::new(ctx, &router.id).request(item);
            inner.registry.before(Resource::Router, Action::Create, &payload).await?;
        }
        retrying(|| self.try_create(ctx, &items, &routers)).await?;
        let routers = self.connect(ctx, &items, routers).await?;
        for (item, router) in items.iter().zip(&routers) {
            after(inner, ctx, Action::Create, (None, Some(router)), Some(item)).await;
        }
        Ok(routers.iter().map(view::router).collect())
    }

    async fn list(&self, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
        let conn = self.0.db.read().await?;
        let page = SPEC.page(&conn, ctx, query).await?;
        let found = conn.fetch_map(&page.select_exprs(rows::exprs()), rows::decode).await?;
        let mut routers = page.arrange(found);
        rows::load_children(&conn, &mut routers).await?;
        Ok(routers.iter().map(view::router).collect())
    }

    async fn get(&self, ctx: &Context, id: &str) -> ApiResult<Attrs> {
        let conn = self.0.db.read().await?;
        Ok(view::router(&load(&conn, ctx, id).await?))
    }

    async fn update(
        &self,
        ctx: &Context,
        id: &str,
        changes: Attrs,
        if_match: Option<i64>,
    ) -> ApiResult<Attrs> {
        let inner = &*self.0;
        self.check_kind(&changes)?;
        let payload = Payload::new(ctx, id).request(&changes);
        inner.registry.before(Resource::Router, Action::Update, &payload).await?;
        let routes = changes.get(ROUTES).map(routes::parse).transpose()?.map(Wish::Only);
        let routes = routes.as_ref();
        let (original, router) = match changes.get(GATEWAY) {
            None => retrying(|| self.try_update(ctx, id, &changes, routes, if_match)).await?,
            Some(info) => self.reconnect(ctx, id, (&changes, info), routes, if_match).await?,
        };
        let states = (Some(&original), Some(&router));
        after(inner, ctx, Action::Update, states, Some(&changes)).await;
        Ok(view::router(&router))
    }

    async fn act(&self, ctx: &Context, id: &str, action: &str, body: Attrs) -> ApiResult<Attrs> {
        let inner = &*self.0;
        match action {
            "add_router_interface" => interfaces::add(inner, ctx, id, &body).await,
            "remove_router_interface" => interfaces::remove(inner, ctx, id, &body).await,
            "add_extraroutes" => self.reroute(ctx, id, &body, Wish::Also).await,
            _ => self.reroute(ctx, id, &body, Wish::Not).await,
        }
    }

    async fn delete(&self, ctx: &Context, id: &str, if_match: Option<i64>) -> ApiResult<()> {
        let inner = &*self.0;
        let conn = inner.db.read().await?;
        let router = load(&conn, ctx, id).await?;
        request::check_revision(if_match, router.revision)?;
        ensure_no_interfaces(&conn, &router).await?;
        drop(conn);
        let before = view::event(&router);
        let payload = Payload::new(ctx, id).original(&before);
        inner.registry.before(Resource::Router, Action::Delete, &payload).await?;
        self.strip(ctx, &router).await?;
        retrying(|| self.try_delete(ctx, id)).await?;
        after(inner, ctx, Action::Delete, (Some(&router), None), None).await;
        Ok(())
    }
}
