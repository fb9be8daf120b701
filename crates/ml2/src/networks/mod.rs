//! Networks: creation with segments and MTU, lists, updates, deletion.

mod list;
mod segments;
mod update;

use std::sync::Arc;

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Resource};
use neutrino_db::{
    Conn, Prepared, Tx, agents, retrying,
    schema::{Networks as N, Ports as P},
    sea_query::{Expr, ExprTrait, Query},
    tags, time,
};
use neutrino_types::{
    ApiError, ApiResult, Attrs, Context, ListQuery, ResourcePlugin,
    constants::{agent_type, device_owner, status},
    new_id,
};
use serde_json::Value;

use crate::{
    drivers::mech::{NetworkContext, Op},
    models::{
        network::{self, ACCESS_EXTERNAL, ACCESS_SHARED, Network},
        port,
        segment::{self, Segment},
        subnet::{self, Subnet},
    },
    plugin::{Core, check_revision},
    ports::Doomed,
    request,
};

pub(crate) use list::{plain_text, shared};

/// `/v2.0/networks`.
pub(crate) struct Networks {
    core: Arc<Core>,
}

impl Networks {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    async fn try_create(&self, ctx: &Context, items: &[Attrs]) -> ApiResult<Vec<Network>> {
        let core = &*self.core;
        let owners: Vec<String> = items.iter().map(|i| request::project(i, ctx)).collect();
        core.default_groups.ensure(ctx, owners.iter().map(String::as_str)).await?;
        let mut tx = core.db.begin().await?;
        core.ensure_quota(&tx, "network", owners.iter().map(String::as_str)).await?;
        let mut networks = Vec::with_capacity(items.len());
        for (item, owner) in items.iter().zip(owners) {
            networks.push(self.build(&tx, item, owner).await?);
        }
        let mut defaults = networks.iter().filter(|n| n.is_default);
        if let (Some(first), Some(_)) = (defaults.next(), defaults.next()) {
            return Err(default_exists(&first.id));
        }
        tx.execute_batch(store(&networks)).await?;
        for (item, network) in items.iter().zip(&networks) {
            self.precommit(&mut tx, ctx, Op::Create, network, None, Some(item)).await?;
        }
        tx.commit().await?;
        Ok(networks)
    }

    /// A new network with its segments reserved.
    async fn build(&self, tx: &Tx, item: &Attrs, project_id: String) -> ApiResult<Network> {
        let core = &*self.core;
        let now = time::now();
        let mut network = Network {
            id: new_id(),
            project_id,
            name: request::text_or_empty(item, "name"),
            description: request::text_or_empty(item, "description"),
            status: status::ACTIVE.to_string(),
            admin_state_up: request::flag(item, "admin_state_up").unwrap_or(true),
            external: request::flag(item, "router:external").unwrap_or(false),
            shared: request::flag(item, "shared").unwrap_or(false),
            revision: 1,
            created_at: now.clone(),
            updated_at: now,
            tags: request::tags(item),
            ..Network::default()
        };
        set_default(tx, item, &mut network).await?;
        let wanted = segments::wanted(&core.types, item)?;
        if wanted.is_empty() {
            let reserved = core.types.allocate(tx, network.external).await?;
            network.segments.push(Segment::new(&network.id, reserved));
        }
        for request in &wanted {
            let reserved = core.types.reserve(tx, request).await?;
            network.segments.push(Segment::new(&network.id, reserved));
        }
        let asked = request::int(item, "mtu").unwrap_or(0);
        network.mtu = segments::mtu(&core.config.mtu, &network.segments, asked)?;
        if let Some(hints) = request::texts(item, "availability_zone_hints")
            && !hints.is_empty()
        {
            agents::ensure_zones(tx, agent_type::DHCP, &hints).await?;
            network.az_hints = Value::from(hints).to_string();
        }
        for extension in &core.extensions {
            extension.create_network(item, &mut network)?;
        }
        Ok(network)
    }

    /// Inside the transaction: subscribers, then mechanism drivers.
    async fn precommit(
        &self,
        tx: &mut Tx,
        ctx: &Context,
        op: Op,
        current: &Network,
        original: Option<&Network>,
        request: Option<&Attrs>,
    ) -> ApiResult<()> {
        let core = &*self.core;
        if core.registry.any(Resource::Network, Phase::Precommit, op) {
            let now = core.show_network(current.clone());
            let before = original.map(|n| core.show_network(n.clone()));
            let payload = Payload {
                ctx,
                id: &current.id,
                request,
                original: before.as_ref(),
                current: Some(&now),
            };
            core.registry.precommit(tx, Resource::Network, op, &payload).await?;
        }
        let context = NetworkContext { ctx, current, original };
        core.mechanisms.network_precommit(tx, op, &context).await
    }

    async fn after(&self, ctx: &Context, op: Op, current: &Network, original: Option<&Network>) {
        let core = &*self.core;
        let registry = &core.registry;
        if !registry.any(Resource::Network, Phase::After, op) {
            return;
        }
        let now = core.show_network(current.clone());
        let before = original.map(|n| core.show_network(n.clone()));
        let payload = Payload {
            ctx,
            id: &current.id,
            request: None,
            original: before.as_ref(),
            current: Some(&now),
        };
        registry.after(Resource::Network, op, &payload).await;
    }

    async fn postcommit(
        &self,
        ctx: &Context,
        op: Op,
        current: &Network,
        original: Option<&Network>,
    ) -> ApiResult<()> {
        let context = NetworkContext { ctx, current, original };
        self.core.mechanisms.network_postcommit(&self.core.db, op, &context).await
    }

    /// One network with all that hangs on it.
    pub(crate) async fn load(conn: &Conn, ctx: &Context, id: &str) -> ApiResult<Network> {
        let mut found = network::by_ids(conn, ctx, &[id]).await?;
        network::load_children(conn, &mut found).await?;
        found.pop().ok_or_else(|| ApiError::resource_not_found("network", id))
    }

    async fn try_delete(
        &self,
        ctx: &Context,
        id: &str,
        if_match: Option<i64>,
    ) -> ApiResult<Deleted> {
        let core = &*self.core;
        let mut tx = core.db.begin().await?;
        let network = Self::load(&tx, ctx, id).await?;
        check_revision(if_match, network.revision)?;
        let ports = ports_to_delete(&tx, id).await?;
        let subnets = subnet::by_networks(&tx, &[id]).await?;
        for port in &ports {
            crate::ports::delete_in(core, &mut tx, ctx, port).await?;
        }
        for subnet in &subnets {
            crate::subnets::precommit(core, &mut tx, ctx, Op::Delete, subnet, None, None).await?;
        }
        self.precommit(&mut tx, ctx, Op::Delete, &network, None, None).await?;
        for segment in &network.segments {
            core.types.release(&tx, segment).await?;
        }
        let mut tagged: Vec<String> = subnets.iter().map(|s| s.id.clone()).collect();
        let mut statements: Vec<Prepared> =
            tagged.iter().map(|id| crate::subnets::delete_row(id)).collect();
        let row =
            Query::delete().from_table(N::Table).and_where(Expr::col(N::Id).eq(id)).to_owned();
        statements.push(Prepared::new(&row));
        tx.execute_batch(statements).await?;
        tagged.push(id.to_string());
        tags::remove_all(&tx, &tagged).await?;
        tx.commit().await?;
        Ok(Deleted { network, subnets, ports })
    }
}

struct Deleted {
    network: Network,
    subnets: Vec<Subnet>,
    ports: Vec<Doomed>,
}

/// `is_default` of `attrs` (of a create or an update): only external networks have it, and one of
/// them at most.
///
/// # Errors
/// `DefaultExternalNetworkExists` (409).
async fn set_default(conn: &Conn, attrs: &Attrs, network: &mut Network) -> ApiResult<()> {
    request::set_flag(attrs, "is_default", &mut network.is_default);
    network.is_default &= network.external;
    if !network.is_default || request::flag(attrs, "is_default") != Some(true) {
        return Ok(());
    }
    match network::other_default(conn, &network.id).await? {
        None => Ok(()),
        Some(other) => Err(default_exists(&other)),
    }
}

fn default_exists(id: &str) -> ApiError {
    ApiError::conflict(
        "DefaultExternalNetworkExists",
        format!("A default external network already exists: {id}."),
    )
}

/// The statements that store new networks.
fn store(networks: &[Network]) -> Vec<Prepared> {
    let mut out = vec![Prepared::new(&network::insert(networks))];
    let segments = networks.iter().flat_map(|n| &n.segments);
    out.push(Prepared::new(&segment::insert(segments)));
    let shared = networks.iter().filter(|n| n.shared).map(|n| (n, ACCESS_SHARED));
    let external = networks.iter().filter(|n| n.external).map(|n| (n, ACCESS_EXTERNAL));
    let grants: Vec<(&str, &str, &str)> = shared
        .chain(external)
        .map(|(n, action)| (n.id.as_str(), n.project_id.as_str(), action))
        .collect();
    if !grants.is_empty() {
        out.push(Prepared::new(&network::insert_grants(&grants)));
    }
    let tags = networks.iter().flat_map(|n| n.tags.iter().map(|t| (&*n.id, &**t)));
    out.extend(port::insert_tags("networks", tags));
    out
}

/// The ports that go with their network; `NetworkInUse` when there are others.
async fn ports_to_delete(conn: &Conn, network_id: &str) -> ApiResult<Vec<Doomed>> {
    let query = Query::select()
        .columns([P::Id, P::DeviceOwner])
        .from(P::Table)
        .and_where(Expr::col(P::NetworkId).eq(network_id))
        .to_owned();
    let ports = conn.fetch_map(&query, |r| (r.text(0), r.text(1))).await?;
    let in_use: Vec<&str> = ports
        .iter()
        .filter(|(_, owner)| !device_owner::AUTO_DELETE.contains(&owner.as_str()))
        .map(|(id, _)| id.as_str())
        .collect();
    if !in_use.is_empty() {
        return Err(ApiError::conflict(
            "NetworkInUse",
            format!(
                "Unable to complete operation on network {network_id}. There are one or more \
                 ports still in use on the network, id for these ports is: {}.",
                in_use.join(",")
            ),
        ));
    }
    if ports.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = ports.iter().map(|(id, _)| id.as_str()).collect();
    crate::ports::doom(conn, port::by_ids(conn, &Context::admin(), &ids).await?).await
}

#[async_trait]
impl ResourcePlugin for Networks {
    async fn create(&self, ctx: &Context, items: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        let registry = &self.core.registry;
        for item in &items {
            let payload = Payload::new(ctx, "").request(item);
            registry.before(Resource::Network, Action::Create, &payload).await?;
        }
        let networks = retrying(|| self.try_create(ctx, &items)).await?;
        for network in &networks {
            self.after(ctx, Op::Create, network, None).await;
        }
        for network in &networks {
            if let Err(error) = self.postcommit(ctx, Op::Create, network, None).await {
                for network in &networks {
                    if let Err(e) = self.delete(&Context::admin(), &network.id, None).await {
                        tracing::error!(network = network.id, error = %e, "undoing a create failed");
                    }
                }
                return Err(error);
            }
        }
        Ok(networks.into_iter().map(|n| self.core.show_network(n)).collect())
    }

    async fn list(&self, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
        list::list(&self.core, ctx, query).await
    }

    async fn get(&self, ctx: &Context, id: &str) -> ApiResult<Attrs> {
        let conn = self.core.db.read().await?;
        Ok(self.core.show_network(Self::load(&conn, ctx, id).await?))
    }

    async fn update(
        &self,
        ctx: &Context,
        id: &str,
        changes: Attrs,
        if_match: Option<i64>,
    ) -> ApiResult<Attrs> {
        update::update(self, ctx, id, &changes, if_match).await
    }

    async fn delete(&self, ctx: &Context, id: &str, if_match: Option<i64>) -> ApiResult<()> {
        let core = &*self.core;
        let payload = Payload::new(ctx, id);
        core.registry.before(Resource::Network, Action::Delete, &payload).await?;
        let deleted = retrying(|| self.try_delete(ctx, id, if_match)).await?;
        for port in &deleted.ports {
            crate::ports::deleted(core, ctx, port).await;
        }
        for subnet in &deleted.subnets {
            crate::subnets::deleted(core, ctx, subnet).await;
        }
        self.after(ctx, Op::Delete, &deleted.network, None).await;
        if let Err(error) = self.postcommit(ctx, Op::Delete, &deleted.network, None).await {
            tracing::error!(network = id, %error, "a driver failed on a deleted network");
        }
        core.notifier.network_delete(id).await;
        Ok(())
    }
}
