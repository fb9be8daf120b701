//! Interfaces: `PUT /v2.0/routers/{id}/add_router_interface` and `remove_router_interface`.
//!
//! A port is made (or taken) and becomes the router's in one transaction, which checks again what was
//! checked before. Deleting the port ends both at once (see [`super::vetoes`]).

use neutrino_api_defs::validators::{self, Refusal};
use neutrino_callbacks::{Action, Payload, Resource};
use neutrino_db::{
    Conn, DbError, Tx, retrying,
    routers::{
        self as rows, Router,
        ports::{self, Attached},
    },
};
use neutrino_ml2::models::{
    port::{self, Port},
    subnet::{self, Subnet},
};
use neutrino_types::{ApiError, ApiResult, Attrs, Context};
use serde_json::{Value, json};

use super::{Inner, bad_request, checks, interface_owner, load, view};

/// What a request names.
struct Named {
    port: Option<String>,
    subnet: Option<String>,
}

impl Named {
    fn parse(body: &Attrs) -> ApiResult<Self> {
        if !body.contains_key("port_id") && !body.contains_key("subnet_id") {
            return Err(bad_request("Either subnet_id or port_id must be specified"));
        }
        let id = |key: &str| -> ApiResult<Option<String>> {
            let Some(value) = body.get(key) else { return Ok(None) };
            match validators::uuid(value) {
                Ok(()) => Ok(value.as_str().map(str::to_string)),
                Err(Refusal::Reason(reason)) => Err(bad_request(reason)),
                Err(Refusal::Error(error)) => Err(error),
            }
        };
        Ok(Self { port: id("port_id")?, subnet: id("subnet_id")? })
    }
}

/// What is to be an interface.
enum Source {
    /// A port to be made of this request.
    New(Attrs),
    /// A port that nobody uses.
    Of(Box<Port>),
}

/// What a request for an interface comes to.
enum Candidate {
    /// A port becomes one; the subnets it brings.
    Port(Source, Vec<Subnet>),
    /// A prefix more for the port that is one already: its id, and all its addresses then.
    Prefix(String, Vec<Value>, Box<Subnet>),
}

/// Adds an interface; answers what Neutron answers.
pub(super) async fn add(
    inner: &Inner,
    ctx: &Context,
    router_id: &str,
    body: &Attrs,
) -> ApiResult<Attrs> {
    let conn = inner.db.read().await?;
    let router = load(&conn, ctx, router_id).await?;
    let named = Named::parse(body)?;
    let attached = ports::attached(&conn, router_id).await?;
    let candidate = match (&named.port, &named.subnet) {
        (Some(_), Some(_)) => {
            return Err(bad_request("Cannot specify both subnet-id and port-id"));
        }
        (Some(port), None) => by_port(&conn, ctx, (&router, &attached), port).await?,
        (None, subnet) => {
            let subnet = subnet.as_deref().unwrap_or_default();
            by_subnet(&conn, ctx, (&router, &attached), subnet).await?
        }
    };
    drop(conn);
    let before = view::event(&router);
    let payload = Payload::new(ctx, router_id).request(body).original(&before);
    let (port, subnets) = match candidate {
        Candidate::Port(source, subnets) => {
            let port = add_port(inner, &router, &source, &subnets, &payload).await?;
            (port, subnets)
        }
        Candidate::Prefix(port, ips, subnet) => {
            let subnets = vec![*subnet];
            (add_prefix(inner, &port, ips, &subnets, &payload).await?, subnets)
        }
    };
    let answer = answer(router_id, &port, &subnets, subnets.last());
    let event = event(&answer, &port);
    let payload = payload.current(&event);
    inner.registry.after(Resource::RouterInterface, Action::Create, &payload).await;
    Ok(answer)
}

/// Asks subscribers and makes a port the router's; answers it as the API shows it.
async fn add_port(
    inner: &Inner,
    router: &Router,
    source: &Source,
    subnets: &[Subnet],
    payload: &Payload<'_>,
) -> ApiResult<Attrs> {
    let asked = inner.registry.before(Resource::RouterInterface, Action::Create, payload).await;
    asked.map_err(attachment_conflict)?;
    match source {
        Source::New(item) => {
            let admin = payload.ctx.elevated();
            let (made, shown) = retrying(|| async {
                let mut tx = inner.db.begin().await?;
                let made = inner.ml2.create_port_in(&mut tx, &admin, item.clone()).await?;
                let shown = attach(inner, tx, (router, subnets), made.port(), payload).await?;
                Ok((made, shown))
            })
            .await?;
            made.committed(&admin).await?;
            Ok(shown)
        }
        Source::Of(port) => {
            let ctx = payload.ctx;
            let (changed, shown) = retrying(|| async {
                let mut tx = inner.db.begin().await?;
                let (device, seen) = (device(&router.id, interface_owner(router)), port.revision);
                let ml2 = &inner.ml2;
                let taking = ml2.update_port_in(&mut tx, ctx, &port.id, device, Some(seen)).await;
                // Of two routers that take the port at once, one finds it changed.
                let changed = taking.map_err(|error| match error.status {
                    412 => in_use(port, "of another request"),
                    _ => error,
                })?;
                let shown = attach(inner, tx, (router, subnets), changed.port(), payload).await?;
                Ok((changed, shown))
            })
            .await?;
            changed.committed(ctx).await?;
            Ok(shown)
        }
    }
}

/// Gives the router's port all of `ips`; answers it as the API shows it.
async fn add_prefix(
    inner: &Inner,
    port: &str,
    ips: Vec<Value>,
    subnets: &[Subnet],
    payload: &Payload<'_>,
) -> ApiResult<Attrs> {
    let admin = payload.ctx.elevated();
    let changes = Attrs::from_iter([("fixed_ips".to_string(), Value::Array(ips))]);
    let (changed, shown) = retrying(|| async {
        let mut tx = inner.db.begin().await?;
        let changed = inner.ml2.update_port_in(&mut tx, &admin, port, changes.clone(), None);
        let changed = changed.await?;
        let shown = commit(inner, tx, payload, changed.port(), subnets).await?;
        Ok((changed, shown))
    })
    .await?;
    changed.committed(&admin).await?;
    Ok(shown)
}

/// Makes `port` the router's and commits; answers it as the API shows it.
async fn attach(
    inner: &Inner,
    tx: Tx,
    (router, subnets): (&Router, &[Subnet]),
    port: &Port,
    payload: &Payload<'_>,
) -> ApiResult<Attrs> {
    let attached = ports::attached(&tx, &router.id).await?;
    check_subnets(&tx, router, &attached, subnets).await?;
    let owner = interface_owner(router);
    let statements = vec![ports::insert(&router.id, &port.id, owner), rows::bump(&router.id)];
    tx.execute_batch(statements).await.map_err(|error| match error {
        DbError::ForeignKey { .. } => ApiError::resource_not_found("router", &router.id),
        other => other.into(),
    })?;
    commit(inner, tx, payload, port, subnets).await
}

/// Asks subscribers within the transaction and commits; answers `port` as the API shows it.
async fn commit(
    inner: &Inner,
    mut tx: Tx,
    payload: &Payload<'_>,
    port: &Port,
    subnets: &[Subnet],
) -> ApiResult<Attrs> {
    let shown = inner.ml2.show_port(port.clone());
    let answer = answer(payload.id, &shown, subnets, subnets.last());
    let event = event(&answer, &shown);
    let payload = payload.current(&event);
    inner.registry.precommit(&mut tx, Resource::RouterInterface, Action::Create, &payload).await?;
    tx.commit().await?;
    Ok(shown)
}

/// `RouterInterfaceAttachmentConflict` (409), but for what trying again may mend.
pub(super) fn attachment_conflict(error: ApiError) -> ApiError {
    if error.retriable {
        return error;
    }
    ApiError::conflict(
        "RouterInterfaceAttachmentConflict",
        format!(
            "Error cannot perform router interface attachment due to {} while attempting the \
             operation.",
            error.message
        ),
    )
}

fn device(id: &str, owner: &str) -> Attrs {
    let mut out = Attrs::new();
    out.insert("device_id".into(), id.into());
    out.insert("device_owner".into(), owner.into());
    out
}

/// `PortInUse` (409).
fn in_use(port: &Port, device: &str) -> ApiError {
    ApiError::conflict(
        "PortInUse",
        format!(
            "Unable to complete operation on port {} for network {}. Port already has an attached \
             device {device}.",
            port.id, port.network_id
        ),
    )
}

/// Takes a port that nobody uses.
async fn by_port(
    conn: &Conn,
    ctx: &Context,
    (router, attached): (&Router, &[Attached]),
    id: &str,
) -> ApiResult<Candidate> {
    let found = port::by_ids(conn, ctx, &[id]).await?.pop();
    let port = found.ok_or_else(|| ApiError::resource_not_found("port", id))?;
    if !port.device_id.is_empty() {
        return Err(in_use(&port, &port.device_id));
    }
    if port.fixed_ips.is_empty() {
        return Err(bad_request("Router port must have at least one fixed IP"));
    }
    let ids: Vec<&str> = port.fixed_ips.iter().map(|ip| ip.subnet_id.as_str()).collect();
    let mut subnets = subnet::by_ids(conn, ctx, &ids).await?;
    let place = |s: &Subnet| port.fixed_ips.iter().position(|ip| ip.subnet_id == s.id);
    subnets.sort_by_key(place);
    for subnet in &subnets {
        check_address_mode(subnet)?;
    }
    if port.fixed_ips.iter().any(|ip| ip.ip_address.is_ipv6()) && !router.distributed {
        checks::one_ipv6_port(attached, &port.network_id)?;
    }
    check_subnets(conn, router, attached, &subnets).await?;
    if subnets.iter().filter(|s| s.ip_version() == 4).count() > 1 {
        return Err(bad_request("Cannot have multiple IPv4 subnets on router port"));
    }
    check_in_pools(ctx, &port, &subnets)?;
    Ok(Candidate::Port(Source::Of(Box::new(port)), subnets))
}

/// Only who owns the subnet may choose an address outside its pools.
fn check_in_pools(ctx: &Context, port: &Port, subnets: &[Subnet]) -> ApiResult<()> {
    if ctx.is_admin {
        return Ok(());
    }
    for ip in &port.fixed_ips {
        let Some(subnet) = subnets.iter().find(|s| s.id == ip.subnet_id) else { continue };
        let pooled = subnet.pools.iter().any(|pool| pool.contains(ip.ip_address));
        if !pooled && subnet.project_id != ctx.project() {
            return Err(bad_request(format!(
                "Cannot add interface to router because specified port {} has an IP address out \
                 of the allocation pool of subnet {}, which is not owned by the project making \
                 the request",
                port.id, subnet.id
            )));
        }
    }
    Ok(())
}

/// Makes a port with the subnet's gateway address, or gives that to the port with IPv6 addresses
/// which the router has on the network.
async fn by_subnet(
    conn: &Conn,
    ctx: &Context,
    (router, attached): (&Router, &[Attached]),
    id: &str,
) -> ApiResult<Candidate> {
    let found = subnet::by_ids(conn, ctx, &[id]).await?.pop();
    let subnet = found.ok_or_else(|| ApiError::resource_not_found("subnet", id))?;
    let Some(gateway) = subnet.gateway_ip else {
        return Err(bad_request("Subnet for router interface must have a gateway IP"));
    };
    check_owner(conn, ctx, &subnet).await?;
    check_address_mode(&subnet)?;
    check_subnets(conn, router, attached, std::slice::from_ref(&subnet)).await?;
    let fixed_ip = json!({"subnet_id": subnet.id, "ip_address": gateway});
    let owner = interface_owner(router);
    let of_prefixes = attached.iter().find(|port| {
        port.port_type == owner && port.network_id == subnet.network_id && port.has_ipv6()
    });
    if let Some(port) = of_prefixes.filter(|_| subnet.ip_version() == 6) {
        let mut ips = addresses(port);
        ips.push(fixed_ip);
        return Ok(Candidate::Prefix(port.port_id.clone(), ips, Box::new(subnet)));
    }
    let mut item = device(&router.id, owner);
    item.insert("project_id".into(), router.project_id.as_str().into());
    item.insert("network_id".into(), subnet.network_id.as_str().into());
    item.insert("fixed_ips".into(), json!([fixed_ip]));
    Ok(Candidate::Port(Source::New(item), vec![subnet]))
}

fn addresses(port: &Attached) -> Vec<Value> {
    let ip =
        |ip: &ports::AttachedIp| json!({"subnet_id": ip.subnet_id, "ip_address": ip.ip_address});
    port.ips.iter().map(ip).collect()
}

/// A project may add its own subnets, and those of networks shared with it by name.
async fn check_owner(conn: &Conn, ctx: &Context, subnet: &Subnet) -> ApiResult<()> {
    use neutrino_db::{
        list::scope::SHARED,
        rbac::{ObjectType, targets},
    };
    if ctx.is_admin || subnet.project_id == ctx.project() {
        return Ok(());
    }
    let targets = targets(conn, ObjectType::Network, &subnet.network_id, SHARED).await?;
    if targets.iter().any(|target| target == ctx.project()) {
        return Ok(());
    }
    Err(bad_request(format!(
        "Cannot add interface to router because subnet {} is not owned by project making the \
         request",
        subnet.id
    )))
}

/// Who hears of the prefix from another router needs none of ours.
fn check_address_mode(subnet: &Subnet) -> ApiResult<()> {
    let foreign = subnet.ipv6_ra_mode.is_none() && subnet.ipv6_address_mode.is_some();
    if subnet.ip_version() == 6 && foreign {
        return Err(bad_request(format!(
            "IPv6 subnet {} configured to receive RAs from an external router cannot be added to \
             Neutron Router",
            subnet.id
        )));
    }
    Ok(())
}

async fn check_subnets(
    conn: &Conn,
    router: &Router,
    attached: &[Attached],
    subnets: &[Subnet],
) -> ApiResult<()> {
    let external = match &router.gateway {
        Some(gateway) => ports::blocks_of(conn, &gateway.network_id).await?,
        None => Vec::new(),
    };
    let external: Vec<checks::Block<'_>> =
        external.iter().map(|(id, cidr)| (id.as_str(), *cidr)).collect();
    let new: Vec<checks::Block<'_>> = subnets.iter().map(|s| (s.id.as_str(), s.cidr)).collect();
    checks::no_overlap(attached, &external, &new)
}

/// Removes an interface; answers what Neutron answers.
pub(super) async fn remove(
    inner: &Inner,
    ctx: &Context,
    router_id: &str,
    body: &Attrs,
) -> ApiResult<Attrs> {
    let conn = inner.db.read().await?;
    let router = load(&conn, ctx, router_id).await?;
    let named = Named::parse(body)?;
    let mut attached = ports::attached(&conn, router_id).await?;
    attached.retain(|port| port.port_type == interface_owner(&router));
    let leaving = leaving(&conn, ctx, router_id, &named, &attached).await?;
    let ids: Vec<&str> = leaving.subnets.iter().map(String::as_str).collect();
    let subnets = subnet::by_ids(&conn, &ctx.elevated(), &ids).await?;
    let shown = port::by_ids(&conn, &ctx.elevated(), &[&leaving.port.port_id]).await?.pop();
    let port = shown.ok_or_else(|| ApiError::resource_not_found("port", &leaving.port.port_id))?;
    drop(conn);
    let port = inner.ml2.show_port(port);
    let answer = answer(router_id, &port, &subnets, subnets.first());
    let event = event(&answer, &port);
    let before = view::event(&router);
    let payload = Payload::new(ctx, router_id).request(body).original(&before).current(&event);
    inner.registry.before(Resource::RouterInterface, Action::Delete, &payload).await?;
    check_unused(inner, &router, &subnets).await?;
    let ports = inner.ml2.service_ports();
    let admin = ctx.elevated();
    if leaving.whole {
        ports.delete(&admin, &leaving.port.port_id, None).await?;
    } else {
        let mut rest = leaving.port.clone();
        rest.ips.retain(|ip| !leaving.subnets.contains(&ip.subnet_id));
        let ips = Value::Array(addresses(&rest));
        let changes = Attrs::from_iter([("fixed_ips".to_string(), ips)]);
        ports.update(&admin, &rest.port_id, changes, None).await?;
    }
    inner.registry.after(Resource::RouterInterface, Action::Delete, &payload).await;
    Ok(answer)
}

/// What a removal takes away.
struct Leaving<'a> {
    port: &'a Attached,
    subnets: Vec<String>,
    /// Whether the port goes, not only one of its subnets.
    whole: bool,
}

async fn leaving<'a>(
    conn: &Conn,
    ctx: &Context,
    router: &str,
    named: &Named,
    attached: &'a [Attached],
) -> ApiResult<Leaving<'a>> {
    if let Some(id) = &named.port {
        let port = attached.iter().find(|port| port.port_id == *id).ok_or_else(|| {
            ApiError::not_found(
                "RouterInterfaceNotFound",
                format!("Router {router} does not have an interface with id {id}"),
            )
        })?;
        if let Some(subnet) = named.subnet.as_deref().filter(|subnet| !port.is_on(subnet)) {
            return Err(ApiError::bad_request(
                "SubnetMismatchForPort",
                format!("Subnet on port {id} does not match the requested subnet {subnet}."),
            ));
        }
        let subnets = port.ips.iter().map(|ip| ip.subnet_id.clone()).collect();
        return Ok(Leaving { port, subnets, whole: true });
    }
    let id = named.subnet.as_deref().unwrap_or_default();
    if subnet::by_ids(conn, ctx, &[id]).await?.is_empty() {
        return Err(ApiError::resource_not_found("subnet", id));
    }
    let port = attached.iter().find(|port| port.is_on(id)).ok_or_else(|| {
        ApiError::not_found(
            "RouterInterfaceNotFoundForSubnet",
            format!("Router {router} has no interface on subnet {id}"),
        )
    })?;
    let whole = port.ips.iter().all(|ip| ip.subnet_id == id);
    Ok(Leaving { port, subnets: vec![id.to_string()], whole })
}

/// Refuses while floating IPs or routes need one of the subnets.
async fn check_unused(inner: &Inner, router: &Router, subnets: &[Subnet]) -> ApiResult<()> {
    let ids: Vec<&str> = subnets.iter().map(|s| s.id.as_str()).collect();
    let conn = inner.db.read().await?;
    ensure_no_floating_ips(&conn, &router.id, &ids).await?;
    for subnet in subnets {
        checks::no_route_through(&router.id, &router.routes, (&subnet.id, subnet.cidr))?;
    }
    Ok(())
}

/// Refuses to take its interface on one of `subnets` from a router that floating IPs need it for.
///
/// # Errors
/// `RouterInterfaceInUseByFloatingIP`.
pub(super) async fn ensure_no_floating_ips(
    conn: &Conn,
    router: &str,
    subnets: &[&str],
) -> ApiResult<()> {
    match ports::with_floating_ip(conn, router, subnets).await? {
        None => Ok(()),
        Some(subnet) => Err(ApiError::conflict(
            "RouterInterfaceInUseByFloatingIP",
            format!(
                "Router interface for subnet {subnet} on router {router} cannot be deleted, as it \
                 is required by one or more floating IPs."
            ),
        )),
    }
}

/// What Neutron answers: `subnet_id` is the one of `subnets` that stands for all.
fn answer(router: &str, port: &Attrs, subnets: &[Subnet], subnet: Option<&Subnet>) -> Attrs {
    let of_port = |name: &str| port.get(name).cloned().unwrap_or_default();
    let ids: Vec<&str> = subnets.iter().map(|s| s.id.as_str()).collect();
    let pairs = [
        ("id", json!(router)),
        ("tenant_id", of_port("project_id")),
        ("project_id", of_port("project_id")),
        ("port_id", of_port("id")),
        ("network_id", of_port("network_id")),
        ("subnet_id", json!(subnet.map(|s| s.id.as_str()))),
        ("subnet_ids", json!(ids)),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// The same for subscribers, with the port as the API shows it.
fn event(answer: &Attrs, port: &Attrs) -> Attrs {
    let mut out = answer.clone();
    out.insert("port".into(), Value::Object(port.clone()));
    out
}
