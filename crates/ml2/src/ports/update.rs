//! Updates of ports.

use neutrino_callbacks::{Action, Payload, Phase, Resource};
use neutrino_db::{Conn, Prepared, Tx, retrying, time};
use neutrino_types::{
    ApiError, ApiResult, Attrs, Context,
    constants::{device_owner, status, vif_type},
};

use super::{
    Change, Ports, after, asker, build, ensure_mac_free, ensure_subnets_exist, groups, notify,
};
use crate::{
    binding,
    distributed::{self, is_distributed},
    drivers::mech::{Op, Wiring},
    ipam::{
        allocate::{PortRequests, serve},
        requests::{difference, eligible, for_update},
    },
    mac,
    models::{
        self, binding as rows,
        port::{self, FixedIp, Port},
        segment::Segment,
        subnet,
    },
    plugin::{Core, check_revision},
    provisioning, request,
};

/// What an update did.
pub(super) struct Updated {
    original: Port,
    pub(super) port: Port,
    /// The bound segment before.
    original_segment: Option<Segment>,
    /// The bound segment now; none after the binding was cleared.
    segment: Option<Segment>,
    /// Of a port that is distributed no more: the hosts that lose it.
    losses: Vec<Wiring>,
}

/// What changed of a port's addresses.
#[derive(Default)]
struct AddressChange {
    removed: Vec<FixedIp>,
    added: Vec<FixedIp>,
}

pub(super) async fn update(
    core: &Core,
    ctx: &Context,
    id: &str,
    changes: &Attrs,
    if_match: Option<i64>,
) -> ApiResult<Attrs> {
    if core.registry.any(Resource::Port, Phase::Before, Action::Update) {
        let conn = core.db.read().await?;
        let original = core.show_port(Ports::load(&conn, ctx, id).await?);
        drop(conn);
        let payload = Payload::new(ctx, id).request(changes).original(&original);
        core.registry.before(Resource::Port, Action::Update, &payload).await?;
    }
    let updated = retrying(|| try_update(core, ctx, id, changes, if_match)).await?;
    committed(core, ctx, changes, updated).await
}

/// After the commit: subscribers, drivers, agents; binds the port where that is due. Answers the
/// port as the API shows it.
pub(super) async fn committed(
    core: &Core,
    ctx: &Context,
    changes: &Attrs,
    updated: Updated,
) -> ApiResult<Attrs> {
    let Updated { original, port, original_segment, segment, losses } = updated;
    let id = port.id.as_str();
    let change = Change { current: &port, original: Some(&original), request: Some(changes) };
    after(core, ctx, Op::Update, &change).await;
    let segments = (segment.as_ref(), original_segment.as_ref());
    if let Err(error) = super::postcommit(core, ctx, Op::Update, &change, segments).await {
        tracing::error!(port = id, %error, "a driver failed on an updated port");
    }
    core.mechanisms.ports_wired(&core.db, &losses).await;
    if concerns_members(&original, &port) {
        notify::members_changed(core, [&original, &port]).await;
    }
    let notify = concerns_agents(&original, &port);
    if port.binding.needs_binding() {
        let id = port.id.clone();
        let mut bound = vec![port];
        let mut segments = binding::bind_where_needed(core, ctx, &mut bound).await?;
        let port = bound.pop().ok_or_else(|| ApiError::resource_not_found("port", &id))?;
        notify::port_update(core, &port, segments.remove(&port.id).as_ref()).await;
        return Ok(core.show_port(port));
    }
    if notify && is_distributed(&port) {
        let conn = core.db.read().await?;
        let segment = distributed::some_segment(&conn, &port).await?;
        drop(conn);
        notify::port_update(core, &port, segment.as_ref()).await;
    } else if notify {
        notify::port_update(core, &port, segment.as_ref()).await;
    }
    Ok(core.show_port(port))
}

/// Whether ports that allow the members of the port's groups must hear of the change.
fn concerns_members(original: &Port, port: &Port) -> bool {
    original.security_groups != port.security_groups
        || original.fixed_ips != port.fixed_ips
        || original.address_pairs != port.address_pairs
        || original.mac_address != port.mac_address
}

/// Whether agents must hear of the change: a new name alone is nothing to them.
fn concerns_agents(original: &Port, port: &Port) -> bool {
    original.mac_address != port.mac_address
        || original.fixed_ips != port.fixed_ips
        || original.port_security_enabled != port.port_security_enabled
        || original.address_pairs != port.address_pairs
        || original.security_groups != port.security_groups
        || original.dhcp_opts != port.dhcp_opts
        || original.binding != port.binding
        || original.admin_state_up != port.admin_state_up
        || original.status != port.status
}

async fn try_update(
    core: &Core,
    ctx: &Context,
    id: &str,
    changes: &Attrs,
    if_match: Option<i64>,
) -> ApiResult<Updated> {
    let mut tx = core.db.begin().await?;
    let updated = update_in(core, &mut tx, ctx, id, changes, if_match).await?;
    tx.commit().await?;
    Ok(updated)
}

/// Inside the transaction: changes a port.
pub(super) async fn update_in(
    core: &Core,
    tx: &mut Tx,
    ctx: &Context,
    id: &str,
    changes: &Attrs,
    if_match: Option<i64>,
) -> ApiResult<Updated> {
    let original = Ports::load(tx, ctx, id).await?;
    check_revision(if_match, original.revision)?;
    let original_segment =
        binding::bound_segments(tx, std::slice::from_ref(&original)).await?.remove(id);
    let mut port = original.clone();
    request::set_text(changes, "name", &mut port.name);
    request::set_text(changes, "description", &mut port.description);
    request::set_flag(changes, "admin_state_up", &mut port.admin_state_up);
    request::set_text(changes, "device_id", &mut port.device_id);
    request::set_text(changes, "device_owner", &mut port.device_owner);
    if let Some(status) = request::text(changes, "status") {
        port.status = status.to_string();
    }
    change_mac(core, tx, changes, &original, &mut port).await?;
    let addresses = change_addresses(tx, changes, &mut port).await?;
    if let Some(pairs) = build::address_pairs(&core.config, changes, port.mac_address)? {
        port.address_pairs = pairs;
    }
    if changes.contains_key("extra_dhcp_opts") {
        port.dhcp_opts = build::merge_opts(&port.dhcp_opts, changes);
    }
    for extension in &core.extensions {
        extension.update_port(changes, &original, &mut port)?;
    }
    groups::change(tx, ctx, changes, &mut port).await?;
    let unbound = change_binding(changes, &original, &mut port)?;
    let no_longer = is_distributed(&original) && !is_distributed(&port);
    let losses = if no_longer {
        distributed::losses(tx, std::slice::from_ref(&original)).await?
    } else {
        Vec::new()
    };
    let segment = original_segment.clone().filter(|_| !unbound);
    if port != original {
        port.revision += 1;
        port.updated_at = time::now();
        let mut statements = statements(&original, &port, &addresses);
        if unbound {
            statements.extend(provisioning::rebound(core, tx, std::slice::from_ref(&port)).await?);
        }
        if port.fixed_ips != original.fixed_ips || port.mac_address != original.mac_address {
            let now = std::slice::from_ref(&port);
            statements.extend(provisioning::readdressed(core, tx, now).await?);
        }
        tx.execute_batch(statements).await?;
    }
    let change = Change { current: &port, original: Some(&original), request: Some(changes) };
    let segments = (segment.as_ref(), original_segment.as_ref());
    super::precommit(core, tx, ctx, Op::Update, &change, segments).await?;
    Ok(Updated { original, port, original_segment, segment, losses })
}

async fn change_mac(
    core: &Core,
    conn: &Conn,
    changes: &Attrs,
    original: &Port,
    port: &mut Port,
) -> ApiResult<()> {
    if !changes.contains_key("mac_address") {
        return Ok(());
    }
    // An explicit null asks for another one.
    let given = build::mac_address(changes)?;
    let new = given.unwrap_or_else(|| mac::generate(core.config.base_mac, &mut rand::rng()));
    if new == original.mac_address {
        return Ok(());
    }
    if original.binding.is_bound() {
        return Err(ApiError::conflict(
            "PortBound",
            format!(
                "Unable to complete operation on port {}, port is already bound, port type: {}, \
                 old_mac {}, new_mac {new}.",
                port.id, original.binding.vif_type, original.mac_address
            ),
        ));
    }
    if port.device_owner.starts_with(device_owner::NETWORK_PREFIX) {
        return Err(ApiError::conflict(
            "UnsupportedPortDeviceOwner",
            format!(
                "Operation mac address update is not supported for device_owner {} on port {}.",
                port.device_owner, port.id
            ),
        ));
    }
    port.mac_address = new;
    if given.is_some() { ensure_mac_free(conn, port).await } else { Ok(()) }
}

async fn change_addresses(
    conn: &Conn,
    changes: &Attrs,
    port: &mut Port,
) -> ApiResult<AddressChange> {
    let Some(wanted) = build::fixed_ips(changes)? else { return Ok(AddressChange::default()) };
    let subnets = subnet::by_networks(conn, &[&port.network_id]).await?;
    let asker = asker(port);
    let usable = eligible(&subnets, &asker)?;
    ensure_subnets_exist(conn, &wanted, &usable).await?;
    let is_automatic = |id: &str| subnets.iter().any(|s| s.id == id && s.is_auto_address());
    let difference = difference(&port.fixed_ips, &wanted, &port.device_owner, is_automatic);
    let requests = for_update(&asker, &usable, &difference)?;
    let wanted = PortRequests { network_id: &port.network_id, requests };
    // Addresses given up in the same request count as taken still, but for their own port.
    let added = if wanted.requests.is_empty() {
        Vec::new()
    } else {
        serve(conn, &[wanted]).await?.pop().unwrap_or_default()
    };
    port.fixed_ips = difference.keep;
    port.fixed_ips.extend(added.iter().cloned());
    if !port.fixed_ips.is_empty() {
        port.ip_allocation = Some("immediate".into());
    }
    Ok(AddressChange { removed: difference.remove, added })
}

/// Takes new binding inputs over; answers whether they cleared the binding.
fn change_binding(changes: &Attrs, original: &Port, port: &mut Port) -> ApiResult<bool> {
    let mut changed = build::set_binding(changes, &mut port.binding)?;
    if is_distributed(port) {
        // Its hosts are those of its router.
        distributed::settle(port);
        return Ok(false);
    }
    changed |= is_distributed(original);
    let vnic_changed = port.binding.vnic_type != original.binding.vnic_type;
    if vnic_changed && original.binding.vif_type != vif_type::UNBOUND {
        return Err(ApiError::conflict(
            "PortInUse",
            format!(
                "Unable to complete operation on port {} for network {}. Port already has an \
                 attached device {}.",
                port.id, port.network_id, original.device_id
            ),
        ));
    }
    if changed {
        port.binding.clear();
        port.status = status::DOWN.into();
    }
    Ok(changed)
}

fn statements(original: &Port, port: &Port, addresses: &AddressChange) -> Vec<Prepared> {
    let id = port.id.as_str();
    let mut out = vec![port::update(port)];
    if !addresses.removed.is_empty() {
        out.push(port::delete_ips(id, &addresses.removed));
    }
    let added = [(id, port.network_id.as_str(), addresses.added.as_slice())];
    out.extend(port::insert_ips(added.into_iter()));
    if port.address_pairs != original.address_pairs {
        out.push(port::delete_pairs(id));
        out.extend(port::insert_pairs([(id, port.address_pairs.as_slice())].into_iter()));
    }
    out.extend(groups::statements(original, port));
    if port.dhcp_opts != original.dhcp_opts {
        out.push(port::delete_opts(id));
        out.extend(port::insert_opts([(id, port.dhcp_opts.as_slice())].into_iter()));
    }
    if port.binding != original.binding {
        let old_host = original.binding.host.as_str();
        if port.binding.host != old_host {
            // A binding prepared for the new host gives way to the one that moves there.
            out.push(rows::delete_statement(id, &port.binding.host));
        }
        out.push(rows::update(id, old_host, &port.binding));
        out.push(rows::clear_levels(id, old_host));
    }
    if is_distributed(original) && !is_distributed(port) {
        out.extend(models::distributed::delete(&[id]));
    }
    out
}
