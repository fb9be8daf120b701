//! Subnets: creation with gateway and pools, lists, updates, deletion.

mod block;
mod list;
mod update;
mod validate;

use std::sync::Arc;

use async_trait::async_trait;
use neutrino_callbacks::{Action, Payload, Phase, Resource};
use neutrino_db::{
    Conn, Prepared, Tx, retrying,
    schema::{IpAllocations as I, Ports as P, Subnets as S},
    sea_query::{Expr, ExprTrait, Query},
    tags, time,
};
use neutrino_types::{
    ApiError, ApiResult, Attrs, Context, ListQuery, MacAddr, ResourcePlugin,
    constants::device_owner, new_id,
};

use self::block::Block;
use crate::{
    drivers::mech::{Op, SubnetContext},
    ipam::{
        addr::{eui64, is_router_interface_or_snat},
        pools,
    },
    models::{
        distinct,
        network::{self, Network},
        port::{self, FixedIp},
        subnet::{self, Subnet},
    },
    plugin::{Core, check_revision},
    request, views,
};

/// `/v2.0/subnets`.
pub(crate) struct Subnets {
    core: Arc<Core>,
}

/// What a create did: the subnets, and ports that got an automatic address by it.
struct Created {
    subnets: Vec<Subnet>,
    ports: Vec<String>,
}

impl Subnets {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    async fn try_create(&self, ctx: &Context, items: &[Attrs]) -> ApiResult<Created> {
        let core = &*self.core;
        let mut tx = core.db.begin().await?;
        let network_ids = distinct(items.iter().filter_map(|i| request::text(i, "network_id")));
        let networks = network::by_ids(&tx, ctx, &network_ids).await?;
        let mut there = subnet::by_networks(&tx, &network_ids).await?;
        let owners: Vec<String> = items.iter().map(|i| request::project(i, ctx)).collect();
        core.ensure_quota(&tx, "subnet", owners.iter().map(String::as_str)).await?;
        let first = there.len();
        for (item, owner) in items.iter().zip(owners) {
            let id = request::text(item, "network_id").unwrap_or_default();
            let network = networks
                .iter()
                .find(|n| n.id == id)
                .ok_or_else(|| ApiError::resource_not_found("network", id))?;
            let block = block::of(&tx, ctx, item, &owner, id, &there).await?;
            let subnet = self.build(item, owner, network, block)?;
            let others = there.iter().filter(|s| s.network_id == id);
            validate::no_overlap(&subnet.cidr, id, others)?;
            there.push(subnet);
        }
        let subnets = there.split_off(first);
        let mut statements = subnet::insert(&subnets);
        let tags = subnets.iter().flat_map(|s| s.tags.iter().map(|t| (&*s.id, &**t)));
        statements.extend(port::insert_tags("subnets", tags));
        statements.push(Prepared::new(&network::bump(&network_ids)));
        tx.execute_batch(statements).await?;
        let mut ports = Vec::new();
        for subnet in subnets.iter().filter(|s| s.is_auto_address()) {
            ports.extend(add_automatic_addresses(&tx, subnet).await?);
        }
        for (item, subnet) in items.iter().zip(&subnets) {
            precommit(core, &mut tx, ctx, Op::Create, subnet, None, Some(item)).await?;
        }
        tx.commit().await?;
        Ok(Created { subnets, ports })
    }

    fn build(
        &self,
        item: &Attrs,
        project_id: String,
        network: &Network,
        Block { cidr, pool }: Block,
    ) -> ApiResult<Subnet> {
        const NEW: &str = "new subnet";
        let config = &self.core.config;
        let version = crate::ipam::addr::net_version(&cidr);
        let enable_dhcp = request::flag(item, "enable_dhcp").unwrap_or(true);
        if enable_dhcp {
            validate::dhcp_possible(&cidr)?;
        }
        let gateway_ip = match validate::gateway(item, &cidr)? {
            Some(given) => given,
            None => Some(pools::default_gateway(&cidr)),
        };
        let dns = validate::dns_nameservers(item, version, NEW, config)?;
        let routes = validate::host_routes(item, version, NEW, config)?;
        let now = time::now();
        let mut subnet = Subnet {
            id: new_id(),
            project_id,
            network_id: network.id.clone(),
            segment_id: None,
            name: request::text_or_empty(item, "name"),
            description: request::text_or_empty(item, "description"),
            cidr,
            gateway_ip,
            enable_dhcp,
            ipv6_ra_mode: request::text(item, "ipv6_ra_mode").map(str::to_string),
            ipv6_address_mode: request::text(item, "ipv6_address_mode").map(str::to_string),
            subnetpool_id: pool,
            external: network.external,
            revision: 0,
            created_at: now.clone(),
            updated_at: now,
            pools: Vec::new(),
            dns_nameservers: dns.unwrap_or_default(),
            host_routes: routes.unwrap_or_default(),
            service_types: request::distinct_texts(item, "service_types").unwrap_or_default(),
            tags: request::tags(item),
        };
        validate::ipv6_modes(&subnet)?;
        validate::fits_mtu(&network.id, network.mtu, version)?;
        subnet.pools = match validate::allocation_pools(item, &cidr)? {
            Some(given) => {
                if let Some(gateway) = gateway_ip {
                    pools::gateway_outside(gateway, &given)?;
                }
                given
            }
            None => pools::default_pools(&cidr, gateway_ip),
        };
        Ok(subnet)
    }

    /// One subnet with all that hangs on it.
    async fn load(conn: &Conn, ctx: &Context, id: &str) -> ApiResult<Subnet> {
        let mut found = subnet::by_ids(conn, ctx, &[id]).await?;
        found.pop().ok_or_else(|| ApiError::resource_not_found("subnet", id))
    }

    async fn try_delete(
        &self,
        ctx: &Context,
        id: &str,
        if_match: Option<i64>,
    ) -> ApiResult<Subnet> {
        let core = &*self.core;
        let mut tx = core.db.begin().await?;
        let subnet = Self::load(&tx, ctx, id).await?;
        check_revision(if_match, subnet.revision)?;
        ensure_unused(&tx, &subnet).await?;
        precommit(core, &mut tx, ctx, Op::Delete, &subnet, None, None).await?;
        let allocations = Query::delete()
            .from_table(I::Table)
            .and_where(Expr::col(I::SubnetId).eq(id))
            .to_owned();
        tx.execute_batch(vec![
            Prepared::new(&allocations),
            delete_row(id),
            Prepared::new(&network::bump(&[&subnet.network_id])),
        ])
        .await?;
        tags::remove_all(&tx, &[id.to_string()]).await?;
        tx.commit().await?;
        Ok(subnet)
    }
}

/// Refuses while ports have addresses of the subnet: router interfaces always, others unless the
/// addresses are automatic or the port goes with its network.
async fn ensure_unused(tx: &Tx, subnet: &Subnet) -> ApiResult<()> {
    let owner = || Expr::col((P::Table, P::DeviceOwner));
    let condition = if subnet.is_auto_address() {
        owner().is_in(device_owner::ROUTER_INTERFACES)
    } else {
        owner().is_not_in(device_owner::AUTO_DELETE)
    };
    match subnet::a_port_with_address(tx, &subnet.id, Some(condition)).await? {
        None => Ok(()),
        Some(port) => {
            tracing::info!(subnet = subnet.id, port, "a subnet in use cannot be deleted");
            Err(ApiError::conflict(
                "SubnetInUse",
                format!(
                    "Unable to complete operation on subnet {}: One or more ports have an IP \
                     allocation from this subnet.",
                    subnet.id
                ),
            ))
        }
    }
}

/// Gives every port of the network but router interfaces its address of a new automatic subnet;
/// answers those ports.
async fn add_automatic_addresses(tx: &Tx, subnet: &Subnet) -> ApiResult<Vec<String>> {
    let query = Query::select()
        .columns([P::Id, P::MacAddress, P::DeviceOwner])
        .from(P::Table)
        .and_where(Expr::col(P::NetworkId).eq(subnet.network_id.as_str()))
        .to_owned();
    let ports = tx.fetch_map(&query, |r| (r.text(0), r.text(1), r.text(2))).await?;
    let addresses: Vec<(String, FixedIp)> = ports
        .into_iter()
        .filter(|(_, _, owner)| !is_router_interface_or_snat(owner))
        .filter_map(|(id, mac, _)| {
            let mac: MacAddr = mac.parse().ok()?;
            let ip_address = eui64(&subnet.cidr, mac);
            Some((id, FixedIp { subnet_id: subnet.id.clone(), ip_address }))
        })
        .collect();
    let rows = addresses
        .iter()
        .map(|(id, ip)| (id.as_str(), subnet.network_id.as_str(), std::slice::from_ref(ip)));
    if let Some(insert) = port::insert_ips(rows) {
        tx.execute_batch(vec![insert]).await?;
    }
    Ok(addresses.into_iter().map(|(id, _)| id).collect())
}

/// The statement that deletes a subnet's row; what hangs on it goes with it.
pub(crate) fn delete_row(id: &str) -> Prepared {
    let row = Query::delete().from_table(S::Table).and_where(Expr::col(S::Id).eq(id)).to_owned();
    Prepared::new(&row)
}

/// Inside the transaction: subscribers, then mechanism drivers.
pub(crate) async fn precommit(
    core: &Core,
    tx: &mut Tx,
    ctx: &Context,
    op: Op,
    current: &Subnet,
    original: Option<&Subnet>,
    request: Option<&Attrs>,
) -> ApiResult<()> {
    if core.registry.any(Resource::Subnet, Phase::Precommit, op) {
        let now = views::subnet::subnet(current.clone());
        let before = original.map(|s| views::subnet::subnet(s.clone()));
        let payload = Payload {
            ctx,
            id: &current.id,
            request,
            original: before.as_ref(),
            current: Some(&now),
        };
        core.registry.precommit(tx, Resource::Subnet, op, &payload).await?;
    }
    let context = SubnetContext { ctx, current, original };
    core.mechanisms.subnet_precommit(tx, op, &context).await
}

async fn after(core: &Core, ctx: &Context, op: Op, current: &Subnet, original: Option<&Subnet>) {
    if !core.registry.any(Resource::Subnet, Phase::After, op) {
        return;
    }
    let now = views::subnet::subnet(current.clone());
    let before = original.map(|s| views::subnet::subnet(s.clone()));
    let payload = Payload {
        ctx,
        id: &current.id,
        request: None,
        original: before.as_ref(),
        current: Some(&now),
    };
    core.registry.after(Resource::Subnet, op, &payload).await;
}

/// After the commit of new subnets: subscribers, who hear of all at once.
async fn announce(core: &Core, ctx: &Context, subnets: &[Subnet]) {
    if !core.registry.any(Resource::Subnet, Phase::After, Op::Create) {
        return;
    }
    let shown: Vec<Attrs> = subnets.iter().cloned().map(views::subnet::subnet).collect();
    let payloads: Vec<Payload<'_>> = subnets
        .iter()
        .zip(&shown)
        .map(|(subnet, shown)| Payload::new(ctx, &subnet.id).current(shown))
        .collect();
    core.registry.after_all(Resource::Subnet, Op::Create, &payloads).await;
}

/// After a subnet was deleted: subscribers, drivers.
pub(crate) async fn deleted(core: &Core, ctx: &Context, subnet: &Subnet) {
    after(core, ctx, Op::Delete, subnet, None).await;
    let context = SubnetContext { ctx, current: subnet, original: None };
    if let Err(error) = core.mechanisms.subnet_postcommit(&core.db, Op::Delete, &context).await {
        tracing::error!(subnet = subnet.id, %error, "a driver failed on a deleted subnet");
    }
}

#[async_trait]
impl ResourcePlugin for Subnets {
    async fn create(&self, ctx: &Context, items: Vec<Attrs>) -> ApiResult<Vec<Attrs>> {
        let core = &*self.core;
        for item in &items {
            let payload = Payload::new(ctx, "").request(item);
            core.registry.before(Resource::Subnet, Action::Create, &payload).await?;
        }
        let created = retrying(|| self.try_create(ctx, &items)).await?;
        announce(core, ctx, &created.subnets).await;
        for subnet in &created.subnets {
            let context = SubnetContext { ctx, current: subnet, original: None };
            let done = core.mechanisms.subnet_postcommit(&core.db, Op::Create, &context).await;
            if let Err(error) = done {
                for subnet in &created.subnets {
                    if let Err(e) = self.delete(&Context::admin(), &subnet.id, None).await {
                        tracing::error!(subnet = subnet.id, error = %e, "undoing a create failed");
                    }
                }
                return Err(error);
            }
        }
        if !created.ports.is_empty() {
            crate::ports::notify_changed(core, &created.ports).await;
        }
        Ok(created.subnets.into_iter().map(views::subnet::subnet).collect())
    }

    async fn list(&self, ctx: &Context, query: &ListQuery) -> ApiResult<Vec<Attrs>> {
        list::list(&self.core.db, ctx, query).await
    }

    async fn get(&self, ctx: &Context, id: &str) -> ApiResult<Attrs> {
        let conn = self.core.db.read().await?;
        Ok(views::subnet::subnet(Self::load(&conn, ctx, id).await?))
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
        let payload = Payload::new(ctx, id);
        core.registry.before(Resource::Subnet, Action::Delete, &payload).await?;
        let subnet = retrying(|| self.try_delete(ctx, id, if_match)).await?;
        deleted(core, ctx, &subnet).await;
        Ok(())
    }
}
