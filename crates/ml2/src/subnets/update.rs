//! Updates of subnets.

use neutrino_callbacks::{Action, Payload, Phase, Resource};
use neutrino_db::{
    Prepared, Tx, ip, retrying,
    schema::{
        DnsNameservers as D, IpAllocationPools as Pools, IpAllocations as I, Ports as P,
        SubnetRoutes as H, SubnetServiceTypes as T, Subnets as S,
    },
    sea_query::{Expr, ExprTrait, Query},
    time,
};
use neutrino_types::{ApiError, ApiResult, Attrs, Context, constants::device_owner};

use super::{Subnets, after, precommit, validate};
use crate::{
    drivers::mech::{Op, SubnetContext},
    ipam::pools,
    models::{
        port::delete_rows,
        subnet::{self, Subnet},
    },
    plugin::{Core, check_revision},
    request, views,
};

pub(super) async fn update(
    core: &Core,
    ctx: &Context,
    id: &str,
    changes: &Attrs,
    if_match: Option<i64>,
) -> ApiResult<Attrs> {
    if core.registry.any(Resource::Subnet, Phase::Before, Action::Update) {
        let conn = core.db.read().await?;
        let original = views::subnet::subnet(Subnets::load(&conn, ctx, id).await?);
        drop(conn);
        let payload = Payload::new(ctx, id).request(changes).original(&original);
        core.registry.before(Resource::Subnet, Action::Update, &payload).await?;
    }
    let (original, subnet) = retrying(|| try_update(core, ctx, id, changes, if_match)).await?;
    after(core, ctx, Op::Update, &subnet, Some(&original)).await;
    let context = SubnetContext { ctx, current: &subnet, original: Some(&original) };
    core.mechanisms.subnet_postcommit(&core.db, Op::Update, &context).await?;
    Ok(views::subnet::subnet(subnet))
}

async fn try_update(
    core: &Core,
    ctx: &Context,
    id: &str,
    changes: &Attrs,
    if_match: Option<i64>,
) -> ApiResult<(Subnet, Subnet)> {
    let mut tx = core.db.begin().await?;
    let original = Subnets::load(&tx, ctx, id).await?;
    check_revision(if_match, original.revision)?;
    let mut subnet = original.clone();
    apply(core, changes, &original, &mut subnet)?;
    if subnet.gateway_ip != original.gateway_ip {
        ensure_gateway_unused(&tx, &original).await?;
    }
    if subnet != original {
        subnet.revision += 1;
        subnet.updated_at = time::now();
        tx.execute_batch(statements(&original, &subnet)).await?;
    }
    precommit(core, &mut tx, ctx, Op::Update, &subnet, Some(&original), Some(changes)).await?;
    tx.commit().await?;
    Ok((original, subnet))
}

fn apply(core: &Core, changes: &Attrs, original: &Subnet, subnet: &mut Subnet) -> ApiResult<()> {
    let version = subnet.ip_version();
    request::set_text(changes, "name", &mut subnet.name);
    request::set_text(changes, "description", &mut subnet.description);
    request::set_flag(changes, "enable_dhcp", &mut subnet.enable_dhcp);
    if subnet.enable_dhcp && !original.enable_dhcp {
        validate::dhcp_possible(&subnet.cidr)?;
    }
    let has_mode = subnet.ipv6_ra_mode.is_some() || subnet.ipv6_address_mode.is_some();
    if has_mode && !subnet.enable_dhcp && changes.contains_key("enable_dhcp") {
        return Err(ApiError::invalid_input("Cannot disable enable_dhcp with ipv6 attributes set"));
    }
    if let Some(gateway) = validate::gateway(changes, &subnet.cidr)? {
        subnet.gateway_ip = gateway;
    }
    let id = subnet.id.clone();
    if let Some(dns) = validate::dns_nameservers(changes, version, &id, &core.config)? {
        subnet.dns_nameservers = dns;
    }
    if let Some(routes) = validate::host_routes(changes, version, &id, &core.config)? {
        subnet.host_routes = routes;
    }
    if let Some(types) = request::distinct_texts(changes, "service_types") {
        subnet.service_types = types;
    }
    let pools = validate::allocation_pools(changes, &subnet.cidr)?;
    let check_gateway = pools.is_some() || subnet.gateway_ip != original.gateway_ip;
    if let Some(pools) = pools {
        subnet.pools = pools;
    }
    match subnet.gateway_ip.filter(|_| check_gateway) {
        Some(gateway) => pools::gateway_outside(gateway, &subnet.pools),
        None => Ok(()),
    }
}

/// Refuses to change a gateway that is a router's address.
async fn ensure_gateway_unused(tx: &Tx, subnet: &Subnet) -> ApiResult<()> {
    let Some(gateway) = subnet.gateway_ip else { return Ok(()) };
    let is_gateway = Expr::col((I::Table, I::IpKey))
        .eq(ip::to_key(gateway))
        .and(Expr::col((P::Table, P::DeviceOwner)).is_in(device_owner::ROUTER_INTERFACES));
    match subnet::a_port_with_address(tx, &subnet.id, Some(is_gateway)).await? {
        None => Ok(()),
        Some(port) => Err(ApiError::conflict(
            "GatewayIpInUse",
            format!(
                "Current gateway ip {gateway} already in use by port {port}. Unable to update."
            ),
        )),
    }
}

fn statements(original: &Subnet, s: &Subnet) -> Vec<Prepared> {
    let row = Query::update()
        .table(S::Table)
        .values([
            (S::Name, s.name.as_str().into()),
            (S::Description, s.description.as_str().into()),
            (S::GatewayIp, s.gateway_ip.map(|g| g.to_string()).into()),
            (S::EnableDhcp, s.enable_dhcp.into()),
            (S::RevisionNumber, s.revision.into()),
            (S::UpdatedAt, s.updated_at.as_str().into()),
        ])
        .and_where(Expr::col(S::Id).eq(s.id.as_str()))
        .to_owned();
    let id = s.id.as_str();
    let mut out = vec![Prepared::new(&row)];
    if s.pools != original.pools {
        out.push(delete_rows(Pools::Table, Pools::SubnetId, id));
        out.extend(subnet::insert_pools([(id, s.pools.as_slice())].into_iter()));
    }
    if s.dns_nameservers != original.dns_nameservers {
        out.push(delete_rows(D::Table, D::SubnetId, id));
        out.extend(subnet::insert_dns([(id, s.dns_nameservers.as_slice())].into_iter()));
    }
    if s.host_routes != original.host_routes {
        out.push(delete_rows(H::Table, H::SubnetId, id));
        out.extend(subnet::insert_routes([(id, s.host_routes.as_slice())].into_iter()));
    }
    if s.service_types != original.service_types {
        out.push(delete_rows(T::Table, T::SubnetId, id));
        out.extend(subnet::insert_types([(id, s.service_types.as_slice())].into_iter()));
    }
    out
}
