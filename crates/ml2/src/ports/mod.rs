//! Ports: creation with addresses, lists, updates, deletion.

mod bindings;
mod build;
mod groups;
mod list;
mod nested;
mod notify;
mod update;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Resource};
use neutrino_db::{
    Conn, Tx, retrying,
    schema::{Ports as P, Subnets},
    sea_query::Query,
    tags,
};
use neutrino_types::{
    ApiError, ApiResult, Attrs, Context, ListQuery, MacAddr, ResourcePlugin, WrittenPage,
};

use crate::{
    binding, distributed,
    drivers::mech::{Op, PortContext, Wiring},
    ipam::{
        allocate::{PortRequests, serve},
        requests::{Asker, FixedIpRequest, eligible, for_new_port},
    },
    models::{
        distinct, is_in,
        network::{self, Network},
        port::{self, Port},
        segment::Segment,
        subnet::{self, Subnet},
    },
    plugin::{Core, check_revision},
    provisioning, request,
};

pub(crate) use bindings::PortBindings;
pub use nested::{ChangedPort, GonePort, MadePort};
pub(crate) use notify::{notify_changed, port_update};

/// `/v2.0/ports`.
pub(crate) struct Ports {
    core: Arc<Core>,
    /// Whether these are ports the service needs itself: no quota bounds them, and nobody is asked
    /// whether they may be deleted.
    service: bool,
}

/// A port about to be deleted, with what drivers need to know once it is gone.
pub(crate) struct Doomed {
    pub(crate) port: Port,
    segment: Option<Segment>,
    /// Of a distributed port: the hosts that lose it.
    losses: Vec<Wiring>,
}

impl Ports {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core, service: false }
    }

    /// For ports the service needs itself.
    pub(crate) fn for_service(core: Arc<Core>) -> Self {
        Self { core, service: true }
    }

    async fn try_create(&self, ctx: &Context, items: &[Attrs]) -> ApiResult<Vec<Port>> {
        let core = &*self.core;
        let owners: Vec<String> = items.iter().map(|i| request::project(i, ctx)).collect();
        let defaults = core.default_groups.ensure(ctx, owners.iter().map(String::as_str)).await?;
        let mut tx = core.db.begin().await?;
        let ports = self.create_in(&mut tx, ctx, items, &defaults).await?;
        tx.commit().await?;
        Ok(ports)
    }

    /// Inside a transaction: creates ports, `defaults` being the default groups of their projects.
    async fn create_in(
        &self,
        tx: &mut Tx,
        ctx: &Context,
        items: &[Attrs],
        defaults: &HashMap<String, String>,
    ) -> ApiResult<Vec<Port>> {
        let core = &*self.core;
        let owners: Vec<String> = items.iter().map(|i| request::project(i, ctx)).collect();
        let network_ids = distinct(items.iter().filter_map(|i| request::text(i, "network_id")));
        let networks: HashMap<String, Network> = network::by_ids(tx, ctx, &network_ids)
            .await?
            .into_iter()
            .map(|n| (n.id.clone(), n))
            .collect();
        let subnets = subnet::by_networks(tx, &network_ids).await?;
        if !self.service {
            core.ensure_quota(tx, "port", owners.iter().map(String::as_str)).await?;
        }
        let build = |at: usize| -> ApiResult<Port> {
            let item = &items[at];
            let id = request::text(item, "network_id").unwrap_or_default();
            let network =
                networks.get(id).ok_or_else(|| ApiError::resource_not_found("network", id))?;
            let mut port = build::port(&core.config, item, owners[at].clone(), network)?;
            for extension in &core.extensions {
                extension.create_port(item, network, &mut port)?;
            }
            Ok(port)
        };
        let mut ports = (0..items.len()).map(build).collect::<ApiResult<Vec<Port>>>()?;
        settle_macs(tx, items, &mut ports, build).await?;
        groups::assign(tx, ctx, items, &mut ports, defaults).await?;
        self.address(tx, items, &mut ports, &subnets).await?;
        let mut statements = port::insert(&ports);
        statements.extend(provisioning::blocks(core, tx, &ports).await?);
        tx.execute_batch(statements).await?;
        for (item, port) in items.iter().zip(&ports) {
            let change = Change { current: port, original: None, request: Some(item) };
            precommit(core, tx, ctx, Op::Create, &change, (None, None)).await?;
        }
        Ok(ports)
    }

    /// Gives new ports their addresses, all of them by one search.
    async fn address(
        &self,
        tx: &Tx,
        items: &[Attrs],
        ports: &mut [Port],
        subnets: &[Subnet],
    ) -> ApiResult<()> {
        let mut wanted = Vec::with_capacity(ports.len());
        let given: Vec<Option<Vec<FixedIpRequest>>> =
            items.iter().map(build::fixed_ips).collect::<ApiResult<_>>()?;
        for (port, given) in ports.iter().zip(&given) {
            let asker = asker(port);
            let of_network = subnets.iter().filter(|s| s.network_id == port.network_id);
            let usable = eligible(of_network, &asker)?;
            if let Some(given) = given {
                ensure_subnets_exist(tx, given, &usable).await?;
            }
            let requests = for_new_port(&asker, &usable, given.as_deref())?;
            wanted.push(PortRequests { network_id: &port.network_id, requests });
        }
        let found = serve(tx, &wanted).await?;
        drop(wanted);
        for (port, ips) in ports.iter_mut().zip(found) {
            port.fixed_ips = ips;
        }
        Ok(())
    }

    /// One port with all that hangs on it.
    pub(crate) async fn load(conn: &Conn, ctx: &Context, id: &str) -> ApiResult<Port> {
        let mut found = port::by_ids(conn, ctx, &[id]).await?;
        found.pop().ok_or_else(|| ApiError::resource_not_found("port", id))
    }

    async fn try_delete(
        &self,
        ctx: &Context,
        id: &str,
        if_match: Option<i64>,
    ) -> ApiResult<Doomed> {
        let core = &*self.core;
        let mut tx = core.db.begin().await?;
        let port = Self::load(&tx, ctx, id).await?;
        check_revision(if_match, port.revision)?;
        let doomed = doom(&tx, vec![port]).await?;
        for port in &doomed {
            delete_in(core, &mut tx, ctx, port).await?;
        }
        tx.commit().await?;
        doomed.into_iter().next().ok_or_else(|| ApiError::resource_not_found("port", id))
    }
}

/// Who asks for addresses.
fn asker(port: &Port) -> Asker<'_> {
    Asker { network_id: &port.network_id, mac: port.mac_address, owner: &port.device_owner }
}

/// `SubnetNotFound` for a subnet that does not exist at all; one of another network is refused
/// later, in other words.
async fn ensure_subnets_exist(
    conn: &Conn,
    given: &[FixedIpRequest],
    usable: &[&Subnet],
) -> ApiResult<()> {
    let foreign: Vec<&str> = given
        .iter()
        .filter_map(|f| f.subnet_id.as_deref())
        .filter(|id| !usable.is_empty() && usable.iter().all(|s| s.id != *id))
        .collect();
    if foreign.is_empty() {
        return Ok(());
    }
    let query = Query::select()
        .column(Subnets::Id)
        .from(Subnets::Table)
        .and_where(is_in(Subnets::Id, foreign.iter().copied()))
        .to_owned();
    let there = conn.fetch_map(&query, |r| r.text(0)).await?;
    match foreign.iter().find(|id| there.iter().all(|t| t != *id)) {
        Some(missing) => Err(ApiError::resource_not_found("subnet", missing)),
        None => Ok(()),
    }
}

/// How often generated MACs of a bulk are drawn anew.
const MAC_TRIES: usize = 10;

/// Refuses MACs users give that are in use, and makes ports with a generated one anew until it is
/// free. A single port with a generated MAC costs no statement: the unique key finds the rare
/// duplicate, and the create is tried again.
async fn settle_macs(
    conn: &Conn,
    items: &[Attrs],
    ports: &mut [Port],
    build: impl Fn(usize) -> ApiResult<Port>,
) -> ApiResult<()> {
    let is_given =
        |at: usize| request::text(&items[at], "mac_address").is_some_and(|m| !m.is_empty());
    let mut open: Vec<usize> =
        (0..ports.len()).filter(|at| ports.len() > 1 || is_given(*at)).collect();
    let mut ours: HashSet<(String, MacAddr)> = HashSet::new();
    for _ in 0..MAC_TRIES {
        if open.is_empty() {
            return Ok(());
        }
        let taken = macs_in_use(conn, open.iter().map(|at| &ports[*at])).await?;
        let mut again = Vec::new();
        for at in open {
            let key = (ports[at].network_id.clone(), ports[at].mac_address);
            if !taken.contains(&key) && ours.insert(key) {
                continue;
            }
            if is_given(at) {
                return Err(mac_in_use(&ports[at].network_id, ports[at].mac_address));
            }
            ports[at] = build(at)?;
            again.push(at);
        }
        open = again;
    }
    Err(ApiError::new(
        "NetworkMacAddressGenerationFailure",
        503,
        format!("Unable to generate unique mac on network {}.", ports[open[0]].network_id),
    ))
}

/// Which MACs of `ports` are in use on their networks.
async fn macs_in_use<'a>(
    conn: &Conn,
    ports: impl Iterator<Item = &'a Port>,
) -> ApiResult<HashSet<(String, MacAddr)>> {
    let (networks, macs): (Vec<&str>, Vec<String>) =
        ports.map(|p| (p.network_id.as_str(), p.mac_address.to_string())).unzip();
    let query = Query::select()
        .columns([P::NetworkId, P::MacAddress])
        .from(P::Table)
        .and_where(is_in(P::MacAddress, macs.iter().map(String::as_str)))
        .and_where(is_in(P::NetworkId, distinct(networks)))
        .to_owned();
    let rows = conn.fetch_map(&query, |r| (r.text(0), r.str(1).parse().ok())).await?;
    Ok(rows.into_iter().filter_map(|(network, mac)| Some((network, mac?))).collect())
}

/// Refuses a port's new MAC when it is in use.
async fn ensure_mac_free(conn: &Conn, port: &Port) -> ApiResult<()> {
    if macs_in_use(conn, std::iter::once(port)).await?.is_empty() {
        Ok(())
    } else {
        Err(mac_in_use(&port.network_id, port.mac_address))
    }
}

/// `MacAddressInUse` (409).
fn mac_in_use(network_id: &str, mac: MacAddr) -> ApiError {
    ApiError::conflict(
        "MacAddressInUse",
        format!(
            "Unable to complete operation for network {network_id}. The mac address {mac} is in \
             use."
        ),
    )
}

/// A change of a port as hooks see it.
pub(crate) struct Change<'a> {
    pub(crate) current: &'a Port,
    pub(crate) original: Option<&'a Port>,
    pub(crate) request: Option<&'a Attrs>,
}

/// The bound segment now, and before an update.
pub(crate) type Segments<'a> = (Option<&'a Segment>, Option<&'a Segment>);

/// The port as subscribers see it, after a change and before it. Made only when there are any.
struct Shown {
    now: Attrs,
    before: Option<Attrs>,
}

impl Shown {
    fn of(core: &Core, change: &Change<'_>) -> Self {
        Self {
            now: core.show_port(change.current.clone()),
            before: change.original.map(|port| core.show_port(port.clone())),
        }
    }

    fn payload<'a>(&'a self, ctx: &'a Context, change: &'a Change<'_>) -> Payload<'a> {
        Payload {
            ctx,
            id: &change.current.id,
            request: change.request,
            original: self.before.as_ref(),
            current: Some(&self.now),
        }
    }
}

/// Inside the transaction: subscribers, then mechanism drivers.
pub(crate) async fn precommit(
    core: &Core,
    tx: &mut Tx,
    ctx: &Context,
    op: Op,
    change: &Change<'_>,
    segments: Segments<'_>,
) -> ApiResult<()> {
    if core.registry.any(Resource::Port, Phase::Precommit, op) {
        let shown = Shown::of(core, change);
        core.registry.precommit(tx, Resource::Port, op, &shown.payload(ctx, change)).await?;
    }
    core.mechanisms.port_precommit(tx, op, &context(ctx, change, segments)).await
}

fn context<'a>(ctx: &'a Context, change: &Change<'a>, segments: Segments<'a>) -> PortContext<'a> {
    PortContext {
        ctx,
        current: change.current,
        original: change.original,
        segment: segments.0,
        original_segment: segments.1,
    }
}

/// After the commit: subscribers.
pub(crate) async fn after(core: &Core, ctx: &Context, op: Op, change: &Change<'_>) {
    if !core.registry.any(Resource::Port, Phase::After, op) {
        return;
    }
    let shown = Shown::of(core, change);
    core.registry.after(Resource::Port, op, &shown.payload(ctx, change)).await;
}

/// A port was wired on another host than it is bound to: subscribers.
pub(crate) async fn after_wired_elsewhere(core: &Core, ctx: &Context, change: &Change<'_>) {
    if !core.registry.any(Resource::PortWiredElsewhere, Phase::After, Op::Update) {
        return;
    }
    let shown = Shown::of(core, change);
    let payload = shown.payload(ctx, change);
    core.registry.after(Resource::PortWiredElsewhere, Op::Update, &payload).await;
}

/// After the commit of new ports: subscribers, who hear of all at once.
async fn created(core: &Core, ctx: &Context, ports: &[Port]) {
    if !core.registry.any(Resource::Port, Phase::After, Op::Create) {
        return;
    }
    let changes: Vec<Change<'_>> =
        ports.iter().map(|port| Change { current: port, original: None, request: None }).collect();
    let shown: Vec<Shown> = changes.iter().map(|change| Shown::of(core, change)).collect();
    let payloads: Vec<Payload<'_>> =
        shown.iter().zip(&changes).map(|(shown, change)| shown.payload(ctx, change)).collect();
    core.registry.after_all(Resource::Port, Op::Create, &payloads).await;
}

/// After the commit: mechanism drivers.
pub(crate) async fn postcommit(
    core: &Core,
    ctx: &Context,
    op: Op,
    change: &Change<'_>,
    segments: Segments<'_>,
) -> ApiResult<()> {
    core.mechanisms.port_postcommit(&core.db, op, &context(ctx, change, segments)).await
}

/// Notes what drivers will need to know of ports once they are gone.
pub(crate) async fn doom(conn: &Conn, ports: Vec<Port>) -> ApiResult<Vec<Doomed>> {
    let mut segments = binding::bound_segments(conn, &ports).await?;
    let mut losses: HashMap<String, Vec<Wiring>> = HashMap::new();
    for loss in distributed::losses(conn, &ports).await? {
        losses.entry(loss.port.id.clone()).or_default().push(loss);
    }
    let doomed = |port: Port| Doomed {
        segment: segments.remove(&port.id),
        losses: losses.remove(&port.id).unwrap_or_default(),
        port,
    };
    Ok(ports.into_iter().map(doomed).collect())
}

/// Inside the transaction: deletes a port.
pub(crate) async fn delete_in(
    core: &Core,
    tx: &mut Tx,
    ctx: &Context,
    doomed: &Doomed,
) -> ApiResult<()> {
    let port = &doomed.port;
    let change = Change { current: port, original: None, request: None };
    precommit(core, tx, ctx, Op::Delete, &change, (doomed.segment.as_ref(), None)).await?;
    tx.execute_batch(vec![port::delete(&[&port.id])]).await?;
    if !port.tags.is_empty() {
        tags::remove_all(tx, std::slice::from_ref(&port.id)).await?;
    }
    Ok(())
}

/// After a port was deleted: subscribers, drivers, agents.
pub(crate) async fn deleted(core: &Core, ctx: &Context, doomed: &Doomed) {
    let change = Change { current: &doomed.port, original: None, request: None };
    after(core, ctx, Op::Delete, &change).await;
    let segments = (doomed.segment.as_ref(), None);
    if let Err(error) = postcommit(core, ctx, Op::Delete, &change, segments).await {
        tracing::error!(port = doomed.port.id, %error, "a driver failed on a deleted port");
    }
    core.mechanisms.ports_wired(&core.db, &doomed.losses).await;
    core.notifier.port_delete(&doomed.port.id).await;
    notify::members_changed(core, [&doomed.port]).await;
}

#[async_trait]
impl ResourcePlugin for Ports {
    async fn create(&self, ctx: &Context, items: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        let core = &*self.core;
        for item in &items {
            let payload = Payload::new(ctx, "").request(item);
            core.registry.before(Resource::Port, Action::Create, &payload).await?;
        }
        let mut ports = retrying(|| self.try_create(ctx, &items)).await?;
        created(core, ctx, &ports).await;
        notify::members_changed(core, &ports).await;
        for port in &ports {
            let change = Change { current: port, original: None, request: None };
            if let Err(error) = postcommit(core, ctx, Op::Create, &change, (None, None)).await {
                for port in &ports {
                    if let Err(e) = self.delete(&Context::admin(), &port.id, None).await {
                        tracing::error!(port = port.id, error = %e, "undoing a create failed");
                    }
                }
                return Err(error);
            }
        }
        binding::bind_where_needed(core, ctx, &mut ports).await?;
        Ok(ports.into_iter().map(|port| core.show_port(port)).collect())
    }

    async fn list(&self, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
        list::list(&self.core, ctx, query).await
    }

    async fn write_list(
        &self,
        ctx: &Context,
        query: &ListQuery,
        out: &mut Vec<u8>,
    ) -> ApiResult<Option<WrittenPage>> {
        list::write(&self.core, ctx, query, out).await.map(Some)
    }

    async fn get(&self, ctx: &Context, id: &str) -> ApiResult<Attrs> {
        let conn = self.core.db.read().await?;
        Ok(self.core.show_port(Self::load(&conn, ctx, id).await?))
    }

    async fn update(
        &self,
        ctx: &Context,
        id: &str,
        changes: Attrs,
        if_match: Option<i64>,
    ) -> ApiResult<Attrs> {
        update::update(&self.core, ctx, id, &changes, if_match).await
    }

    async fn delete(&self, ctx: &Context, id: &str, if_match: Option<i64>) -> ApiResult<()> {
        let core = &*self.core;
        if !self.service {
            // Subscribers that must see the port do so inside the transaction.
            let payload = Payload::new(ctx, id);
            core.registry.before(Resource::Port, Action::Delete, &payload).await?;
        }
        let doomed = retrying(|| self.try_delete(ctx, id, if_match)).await?;
        deleted(core, ctx, &doomed).await;
        Ok(())
    }
}
