//! Gateways: `external_gateway_info` of a router.
//!
//! The gateway is a port of nobody's on the external network. It is made and becomes the gateway in
//! one transaction; deleting it ends both at once (see [`super::vetoes`]).

use std::{collections::BTreeSet, net::IpAddr};

use neutrino_callbacks::{Action, Payload, Resource};
use neutrino_db::{
    Conn, Tx, retrying,
    routers::{self as rows, Gateway, GatewayIp, Router, ports},
    time,
};
use neutrino_ml2::models::{
    network,
    subnet::{self, Subnet},
};
use neutrino_types::{ApiError, ApiResult, Attrs, Context, constants::device_owner, request};
use serde_json::{Value, json};

use super::{Inner, L3Config, bad_request, checks, load, view};

/// `external_gateway_info` of a request.
struct Wanted {
    /// None clears the gateway.
    network: Option<String>,
    /// `external_fixed_ips` as given.
    ips: Vec<Value>,
    enable_snat: bool,
}

impl Wanted {
    fn parse(config: &L3Config, info: &Value) -> Self {
        let given = |name: &str| info.get(name);
        Self {
            network: given("network_id").and_then(Value::as_str).map(str::to_string),
            ips: given("external_fixed_ips").and_then(Value::as_array).cloned().unwrap_or_default(),
            enable_snat: given("enable_snat")
                .and_then(Value::as_bool)
                .unwrap_or(config.enable_snat),
        }
    }

    fn texts(&self, key: &str) -> impl Iterator<Item = &str> {
        self.ips.iter().filter_map(move |ip| ip.get(key).and_then(Value::as_str))
    }

    fn addresses(&self) -> BTreeSet<IpAddr> {
        self.texts("ip_address").filter_map(|ip| ip.parse().ok()).collect()
    }
}

/// One change of a router's gateway.
struct Change<'a> {
    inner: &'a Inner,
    ctx: &'a Context,
    /// The body of the request that asks for it.
    request: &'a Attrs,
}

/// Gives the router the gateway `info` asks for, or takes it away.
///
/// # Errors
/// What Neutron refuses; the router keeps what it had, but for a gateway to another network, which
/// may be gone by then.
pub(super) async fn set(
    inner: &Inner,
    ctx: &Context,
    router_id: &str,
    info: &Value,
    request: &Attrs,
) -> ApiResult<()> {
    let wanted = Wanted::parse(&inner.config, info);
    let conn = inner.db.read().await?;
    let router = load(&conn, ctx, router_id).await?;
    let subnets = check(&conn, ctx, &router, &wanted).await?;
    drop(conn);
    let change = Change { inner, ctx, request };
    let same = |gateway: &&Gateway| wanted.network.as_ref() == Some(&gateway.network_id);
    if let Some(gateway) = router.gateway.as_ref().filter(same) {
        return match readdressed(gateway, &wanted) {
            true => change.readdress(&router, gateway, &wanted).await,
            false => change.update(&router, wanted.enable_snat).await,
        };
    }
    let mut router = router;
    if let Some(gateway) = &router.gateway {
        change.clear(&router, gateway).await?;
        let conn = inner.db.read().await?;
        router = load(&conn, ctx, router_id).await?;
    }
    match &wanted.network {
        Some(network) => change.create(&router, network, &wanted, &subnets).await,
        None => change.update(&router, wanted.enable_snat).await,
    }
}

/// Takes the gateway away, e.g. before its router goes.
///
/// # Errors
/// `RouterExternalGatewayInUseByFloatingIp`, a veto.
pub(super) async fn remove(
    inner: &Inner,
    ctx: &Context,
    router: &Router,
    request: &Attrs,
) -> ApiResult<()> {
    match &router.gateway {
        Some(gateway) => Change { inner, ctx, request }.clear(router, gateway).await,
        None => Ok(()),
    }
}

/// Whether the addresses asked for are others than the gateway has.
fn readdressed(gateway: &Gateway, wanted: &Wanted) -> bool {
    if wanted.ips.is_empty() {
        return false;
    }
    let subnets: BTreeSet<&str> = gateway.fixed_ips.iter().map(|ip| &*ip.subnet_id).collect();
    let ips: BTreeSet<IpAddr> = gateway.fixed_ips.iter().map(|ip| ip.ip_address).collect();
    wanted.texts("subnet_id").collect::<BTreeSet<&str>>() != subnets || wanted.addresses() != ips
}

/// Checks what is wanted; answers the subnets of the external network.
async fn check(
    conn: &Conn,
    ctx: &Context,
    router: &Router,
    wanted: &Wanted,
) -> ApiResult<Vec<Subnet>> {
    let mut subnets = Vec::new();
    if let Some(id) = &wanted.network {
        let found = network::by_ids(conn, ctx, &[id]).await?.pop();
        let network = found.ok_or_else(|| ApiError::resource_not_found("network", id))?;
        if !network.external {
            return Err(bad_request(format!("Network {id} is not an external network")));
        }
        subnets = subnet::by_networks(conn, &[id]).await?;
        let asked = wanted.addresses();
        let gateway = |s: &Subnet| s.gateway_ip.filter(|ip| asked.contains(ip));
        if let Some(ip) = subnets.iter().find_map(gateway) {
            return Err(bad_request(format!("External IP {ip} is the same as the gateway IP")));
        }
    }
    if !router.routes.is_empty() {
        let gateway = router.gateway.as_ref().map(|gateway| gateway.port_id.as_str());
        let mut attached = ports::attached(conn, &router.id).await?;
        attached.retain(|port| Some(port.port_id.as_str()) != gateway);
        let ips = || attached.iter().flat_map(|port| &port.ips);
        let cidrs: Vec<_> = ips().map(|ip| ip.cidr).chain(subnets.iter().map(|s| s.cidr)).collect();
        let own: Vec<_> = ips().map(|ip| ip.ip_address).collect();
        checks::next_hops(&router.routes, &cidrs, &own)?;
    }
    Ok(subnets)
}

impl Change<'_> {
    /// Other addresses on the same network.
    async fn readdress(
        &self,
        router: &Router,
        gateway: &Gateway,
        wanted: &Wanted,
    ) -> ApiResult<()> {
        let original = view::event(router);
        let payload = Payload::new(self.ctx, &router.id).request(self.request).original(&original);
        self.inner.registry.before(Resource::RouterGateway, Action::Update, &payload).await?;
        let ips = Value::Array(wanted.ips.clone());
        let changes = Attrs::from_iter([("fixed_ips".to_string(), ips)]);
        let ports = self.inner.ml2.service_ports();
        let port = ports.update(&self.ctx.elevated(), &gateway.port_id, changes, None).await?;
        let now = router.with_gateway(Some(gateway_of(&port)));
        self.store(router, now, wanted.enable_snat, Action::Update).await
    }

    /// Only whether to translate addresses.
    async fn update(&self, router: &Router, enable_snat: bool) -> ApiResult<()> {
        if router.enable_snat == enable_snat {
            return Ok(());
        }
        self.store(router, router.clone(), enable_snat, Action::Update).await
    }

    /// A gateway where there is none.
    async fn create(
        &self,
        router: &Router,
        network: &str,
        wanted: &Wanted,
        subnets: &[Subnet],
    ) -> ApiResult<()> {
        let router_id = router.id.as_str();
        let conn = self.inner.db.read().await?;
        let attached = ports::attached(&conn, router_id).await?;
        drop(conn);
        let original = view::event(router);
        let payload = Payload::new(self.ctx, router_id).request(self.request).original(&original);
        self.inner.registry.before(Resource::RouterGateway, Action::Create, &payload).await?;
        let new: Vec<checks::Block<'_>> = subnets.iter().map(|s| (s.id.as_str(), s.cidr)).collect();
        checks::no_overlap(&attached, &[], &new)?;
        let mut item = json!({
            // Hidden from projects.
            "project_id": "",
            "network_id": network,
            "device_id": router_id,
            "device_owner": device_owner::ROUTER_GATEWAY,
        });
        if !wanted.ips.is_empty() {
            item["fixed_ips"] = Value::Array(wanted.ips.clone());
        }
        let item = item.as_object().cloned().unwrap_or_default();
        let admin = self.ctx.elevated();
        let (now, port) = retrying(|| async {
            let mut tx = self.inner.db.begin().await?;
            let made = self.inner.ml2.create_port_in(&mut tx, &admin, item.clone()).await?;
            let shown = self.inner.ml2.show_port(made.port().clone());
            let now = router.with_gateway(Some(gateway_of(&shown)));
            let now =
                self.store_in(&mut tx, router, now, wanted.enable_snat, Action::Create).await?;
            tx.commit().await?;
            Ok((now, made))
        })
        .await?;
        port.committed(&admin).await?;
        self.stored(router, &now, Action::Create).await;
        Ok(())
    }

    /// Stores the gateway of `now` in place of that of `original`, and tells subscribers.
    async fn store(
        &self,
        original: &Router,
        now: Router,
        enable_snat: bool,
        action: Action,
    ) -> ApiResult<()> {
        let now = retrying(|| async {
            let mut tx = self.inner.db.begin().await?;
            let now = self.store_in(&mut tx, original, now.clone(), enable_snat, action).await?;
            tx.commit().await?;
            Ok(now)
        });
        let now = now.await?;
        self.stored(original, &now, action).await;
        Ok(())
    }

    /// After the commit: subscribers.
    async fn stored(&self, original: &Router, now: &Router, action: Action) {
        let (before, current) = (view::event(original), view::event(now));
        let payload = Payload::new(self.ctx, &now.id)
            .request(self.request)
            .original(&before)
            .current(&current);
        self.inner.registry.after(Resource::RouterGateway, action, &payload).await;
    }

    /// Inside the transaction: stores the gateway of `now` in place of that of `original`; answers
    /// the router as it is then.
    async fn store_in(
        &self,
        tx: &mut Tx,
        original: &Router,
        mut now: Router,
        enable_snat: bool,
        action: Action,
    ) -> ApiResult<Router> {
        let Self { inner, ctx, request } = *self;
        let found = rows::by_ids(tx, ctx, &[&original.id]).await?.pop();
        let stored = found.ok_or_else(|| ApiError::resource_not_found("router", &original.id))?;
        let port = |router: &Router| router.gateway.as_ref().map(|g| g.port_id.clone());
        if port(&stored) != port(original) {
            return Err(ApiError::conflict(
                "RouterInUse",
                format!("Router {} got another gateway meanwhile", original.id),
            ));
        }
        let mut row = stored.with_gateway(now.gateway.clone());
        row.enable_snat = enable_snat;
        row.revision += 1;
        row.updated_at = time::now();
        let mut statements = vec![rows::update(&row)];
        if action == Action::Create
            && let Some(gateway) = &now.gateway
        {
            let owner = device_owner::ROUTER_GATEWAY;
            statements.push(ports::insert(&row.id, &gateway.port_id, owner));
        }
        tx.execute_batch(statements).await?;
        now.enable_snat = enable_snat;
        now.revision = row.revision;
        now.updated_at = row.updated_at;
        let (before, current) = (view::event(original), view::event(&now));
        let payload =
            Payload::new(ctx, &now.id).request(request).original(&before).current(&current);
        inner.registry.precommit(tx, Resource::RouterGateway, action, &payload).await?;
        Ok(now)
    }

    /// No gateway.
    async fn clear(&self, router: &Router, gateway: &Gateway) -> ApiResult<()> {
        let Self { inner, ctx, request } = *self;
        let conn = inner.db.read().await?;
        ensure_no_floating_ips(&conn, &router.id, &gateway.network_id).await?;
        drop(conn);
        let before = view::event(router);
        let current = view::event(&router.with_gateway(None));
        let payload =
            Payload::new(ctx, &router.id).request(request).original(&before).current(&current);
        inner.registry.before(Resource::RouterGateway, Action::Delete, &payload).await?;
        inner.ml2.service_ports().delete(&ctx.elevated(), &gateway.port_id, None).await?;
        inner.registry.after(Resource::RouterGateway, Action::Delete, &payload).await;
        Ok(())
    }
}

/// Refuses to take its gateway on `network` from a router that floating IPs need it for.
///
/// # Errors
/// `RouterExternalGatewayInUseByFloatingIp`.
pub(super) async fn ensure_no_floating_ips(
    conn: &Conn,
    router: &str,
    network: &str,
) -> ApiResult<()> {
    if !ports::has_floating_ips(conn, router).await? {
        return Ok(());
    }
    Err(ApiError::conflict(
        "RouterExternalGatewayInUseByFloatingIp",
        format!(
            "Gateway cannot be updated for router {router}, since a gateway to external network \
             {network} is required by one or more floating IPs."
        ),
    ))
}

/// The gateway a port is.
fn gateway_of(port: &Attrs) -> Gateway {
    let ip = |ip: &Value| {
        let subnet_id = ip.get("subnet_id")?.as_str()?.to_string();
        let ip_address = ip.get("ip_address")?.as_str()?.parse().ok()?;
        Some(GatewayIp { subnet_id, ip_address })
    };
    Gateway {
        port_id: request::text_or_empty(port, "id"),
        network_id: request::text_or_empty(port, "network_id"),
        fixed_ips: request::list(port, "fixed_ips")
            .unwrap_or_default()
            .iter()
            .filter_map(ip)
            .collect(),
    }
}
