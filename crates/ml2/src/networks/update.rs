//! Updates of networks.

use neutrino_callbacks::{Action, Payload, Phase, Resource};
use neutrino_db::{
    Prepared, Tx,
    rbac::{self, ObjectType, invalid_shared_setting},
    retrying,
    schema::{Networks as N, Ports as P, Subnets as S},
    sea_query::{Expr, ExprTrait, Query},
    time,
};
use neutrino_types::{
    ApiError, ApiResult, Attrs, Context, NetworkType,
    constants::{device_owner, vif_type},
};

use super::{Networks, segments};
use crate::{
    drivers::{mech::Op, types::SegmentRequest},
    models::{
        network::{self, ACCESS_EXTERNAL, ACCESS_SHARED, EVERY_PROJECT, Network},
        segment,
    },
    plugin::check_revision,
    request,
};

/// Smallest MTU IPv4 works with.
const IPV4_MIN_MTU: u32 = 68;
/// Smallest MTU IPv6 works with.
const IPV6_MIN_MTU: u32 = 1280;

pub(super) async fn update(
    plugin: &Networks,
    ctx: &Context,
    id: &str,
    changes: &Attrs,
    if_match: Option<i64>,
) -> ApiResult<Attrs> {
    let core = &*plugin.core;
    if core.registry.any(Resource::Network, Phase::Before, Action::Update) {
        let conn = core.db.read().await?;
        let original = core.show_network(Networks::load(&conn, ctx, id).await?);
        drop(conn);
        let payload = Payload::new(ctx, id).request(changes).original(&original);
        core.registry.before(Resource::Network, Action::Update, &payload).await?;
    }
    let (original, network) = retrying(|| try_update(plugin, ctx, id, changes, if_match)).await?;
    plugin.after(ctx, Op::Update, &network, Some(&original)).await;
    plugin.postcommit(ctx, Op::Update, &network, Some(&original)).await?;
    let notify = original.mtu != network.mtu
        || original.segments != network.segments
        || original.admin_state_up != network.admin_state_up;
    let view = core.show_network(network);
    if notify {
        core.notifier.network_update(&view).await;
    }
    Ok(view)
}

async fn try_update(
    plugin: &Networks,
    ctx: &Context,
    id: &str,
    changes: &Attrs,
    if_match: Option<i64>,
) -> ApiResult<(Network, Network)> {
    let core = &*plugin.core;
    let mut tx = core.db.begin().await?;
    let original = Networks::load(&tx, ctx, id).await?;
    check_revision(if_match, original.revision)?;
    let mut network = original.clone();
    request::set_text(changes, "name", &mut network.name);
    request::set_text(changes, "description", &mut network.description);
    request::set_flag(changes, "admin_state_up", &mut network.admin_state_up);
    request::set_flag(changes, "router:external", &mut network.external);
    super::set_default(&tx, changes, &mut network).await?;
    change_segment(plugin, &tx, changes, &mut network).await?;
    if let Some(asked) = request::int(changes, "mtu") {
        network.mtu = segments::mtu(&core.config.mtu, &network.segments, asked)?;
        ensure_mtu_fits(&tx, &network).await?;
    }
    for extension in &core.extensions {
        extension.update_network(changes, &mut network)?;
    }
    if let Some(shared) = request::flag(changes, "shared") {
        change_shared(&tx, ctx, shared, &mut network).await?;
    }
    change_external(&tx, &original, &network).await?;
    if network != original {
        network.revision += 1;
        network.updated_at = time::now();
        tx.execute_batch(vec![row(&network)]).await?;
    }
    plugin.precommit(&mut tx, ctx, Op::Update, &network, Some(&original), Some(changes)).await?;
    tx.commit().await?;
    Ok((original, network))
}

fn row(n: &Network) -> Prepared {
    let statement = Query::update()
        .table(N::Table)
        .values([
            (N::Name, n.name.as_str().into()),
            (N::Description, n.description.as_str().into()),
            (N::AdminStateUp, n.admin_state_up.into()),
            (N::Mtu, n.mtu.into()),
            (N::PortSecurityEnabled, n.port_security_enabled.into()),
            (N::External, n.external.into()),
            (N::IsDefault, n.is_default.into()),
            (N::RevisionNumber, n.revision.into()),
            (N::UpdatedAt, n.updated_at.as_str().into()),
            (N::DnsDomain, n.dns_domain.as_str().into()),
        ])
        .and_where(Expr::col(N::Id).eq(n.id.as_str()))
        .to_owned();
    Prepared::new(&statement)
}

/// Provider attributes cannot change, but for the VLAN of a network with one segment whose ports
/// are not bound.
async fn change_segment(
    plugin: &Networks,
    tx: &Tx,
    changes: &Attrs,
    network: &mut Network,
) -> ApiResult<()> {
    let core = &*plugin.core;
    let current = network.segments.first();
    let unchanged = |name: &str, now: Option<&str>| {
        changes.get(name).is_none_or(|v| v.is_null() || v.as_str() == now)
    };
    let type_name = current.map(|s| s.network_type.as_str());
    let physical = current.and_then(|s| s.physical_network.as_deref());
    if !unchanged(segments::PROVIDER[0], type_name) || !unchanged(segments::PROVIDER[1], physical) {
        return Err(ApiError::invalid_input(
            "Plugin does not support updating the following provider network attributes: \
             provider:network_type, provider:physical_network",
        ));
    }
    let asked = request::int(changes, segments::PROVIDER[2]);
    let Some(asked) = asked.filter(|id| *id != 0) else { return Ok(()) };
    if network.segments.len() > 1 {
        return Err(ApiError::invalid_input(
            "Provider network attributes can be updated only in provider networks with a single \
             segment.",
        ));
    }
    let Some(segment) = network.segments.first_mut() else { return Ok(()) };
    if segment.segmentation_id.map(i64::from) == Some(asked) {
        return Ok(());
    }
    ensure_unbound(tx, &network.id).await?;
    if segment.network_type != NetworkType::Vlan {
        return Err(ApiError::invalid_input("Only VLAN type networks can be updated."));
    }
    let wanted = SegmentRequest {
        network_type: segment.network_type,
        physical_network: segment.physical_network.clone(),
        segmentation_id: Some(asked),
    };
    core.types.validate(&wanted)?;
    let reserved = core.types.reserve(tx, &wanted).await?;
    core.types.release(tx, segment).await?;
    segment.segmentation_id = reserved.segmentation_id;
    if let Some(id) = reserved.segmentation_id {
        segment::set_segmentation_id(tx, &segment.id, id).await?;
    }
    Ok(())
}

/// Refuses while a port of the network is bound by a driver other than Open vSwitch, whose agents
/// rewire their ports when the VLAN changes.
async fn ensure_unbound(tx: &Tx, network_id: &str) -> ApiResult<()> {
    use neutrino_db::schema::PortBindings as B;
    let allowed = [vif_type::UNBOUND, vif_type::BINDING_FAILED, vif_type::OVS];
    let ports = Query::select()
        .column(P::Id)
        .from(P::Table)
        .and_where(Expr::col(P::NetworkId).eq(network_id))
        .to_owned();
    let bound = Query::select()
        .column(B::PortId)
        .from(B::Table)
        .and_where(Expr::col(B::PortId).in_subquery(ports))
        .and_where(Expr::col(B::VifType).is_not_in(allowed))
        .limit(1)
        .to_owned();
    if tx.fetch_opt(&bound).await?.is_none() {
        return Ok(());
    }
    Err(ApiError::invalid_input(format!(
        "Provider network attribute provider:segmentation_id cannot be updated if any port in the \
         network has not the following binding:vif_type: {}",
        allowed.join(", ")
    )))
}

async fn ensure_mtu_fits(tx: &Tx, network: &Network) -> ApiResult<()> {
    if network.mtu >= IPV6_MIN_MTU || network.subnets.is_empty() {
        return Ok(());
    }
    let conflict = |mtu: u32| {
        ApiError::conflict(
            "NetworkMTUSubnetConflict",
            format!("MTU of {} is not valid, subnet requires a minimum of {mtu}", network.id),
        )
    };
    if network.mtu < IPV4_MIN_MTU {
        return Err(conflict(IPV4_MIN_MTU));
    }
    let v6 = Query::select()
        .column(S::Id)
        .from(S::Table)
        .and_where(Expr::col(S::NetworkId).eq(network.id.as_str()))
        .and_where(Expr::col(S::IpVersion).eq(6))
        .limit(1)
        .to_owned();
    if tx.fetch_opt(&v6).await?.is_some() { Err(conflict(IPV6_MIN_MTU)) } else { Ok(()) }
}

/// `shared` in a request is about everyone: the RBAC row for all projects comes or goes. Whether the
/// caller sees the network as shared afterwards may hang on a row for its own project too.
async fn change_shared(
    tx: &Tx,
    ctx: &Context,
    shared: bool,
    network: &mut Network,
) -> ApiResult<()> {
    let targets = rbac::targets(tx, ObjectType::Network, &network.id, ACCESS_SHARED).await?;
    let is_shared = targets.iter().any(|target| target == EVERY_PROJECT);
    if shared && !is_shared {
        let grant = (network.id.as_str(), network.project_id.as_str(), ACCESS_SHARED);
        tx.execute(&network::insert_grants(&[grant])).await?;
        network.shared = true;
    }
    if !shared && is_shared {
        ensure_not_used_by_others(tx, network, &targets).await?;
        network::revoke(tx, &network.id, ACCESS_SHARED, Some(EVERY_PROJECT)).await?;
        network.shared = targets.iter().any(|target| target == ctx.project());
    }
    Ok(())
}

/// The RBAC rows behind `router:external`; none is left of a network that no longer is.
async fn change_external(tx: &Tx, original: &Network, network: &Network) -> ApiResult<()> {
    if original.external && !network.external {
        ensure_no_gateways(tx, &network.id).await?;
        network::revoke(tx, &network.id, ACCESS_EXTERNAL, None).await?;
    }
    if network.external && !original.external {
        let grant = (network.id.as_str(), network.project_id.as_str(), ACCESS_EXTERNAL);
        tx.execute(&network::insert_grants(&[grant])).await?;
    }
    Ok(())
}

/// Refuses while projects use the network that none of `targets` lets use it by name.
async fn ensure_not_used_by_others(
    tx: &Tx,
    network: &Network,
    targets: &[String],
) -> ApiResult<()> {
    let ports = Query::select()
        .distinct()
        .column(P::ProjectId)
        .from(P::Table)
        .and_where(Expr::col(P::NetworkId).eq(network.id.as_str()))
        .and_where(Expr::col(P::DeviceOwner).not_like(format!("{}%", device_owner::NETWORK_PREFIX)))
        .to_owned();
    let subnets = Query::select()
        .distinct()
        .column(S::ProjectId)
        .from(S::Table)
        .and_where(Expr::col(S::NetworkId).eq(network.id.as_str()))
        .to_owned();
    let mut users = tx.fetch_map(&ports, |r| r.text(0)).await?;
    users.extend(tx.fetch_map(&subnets, |r| r.text(0)).await?);
    if users.iter().all(|user| *user == network.project_id || targets.contains(user)) {
        return Ok(());
    }
    Err(invalid_shared_setting(&network.name))
}

async fn ensure_no_gateways(tx: &Tx, network_id: &str) -> ApiResult<()> {
    let gateway = Query::select()
        .column(P::Id)
        .from(P::Table)
        .and_where(Expr::col(P::NetworkId).eq(network_id))
        .and_where(Expr::col(P::DeviceOwner).eq(device_owner::ROUTER_GATEWAY))
        .limit(1)
        .to_owned();
    if tx.fetch_opt(&gateway).await?.is_none() {
        return Ok(());
    }
    Err(ApiError::conflict(
        "ExternalNetworkInUse",
        format!(
            "External network {network_id} cannot be updated to be made non-external, since it \
             has existing gateway ports."
        ),
    ))
}
