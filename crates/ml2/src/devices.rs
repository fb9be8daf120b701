//! What L2 agents ask and report: details of devices, devices up and down, tunnel endpoints.
//!
//! A report of many devices costs as many statements as one.

pub(crate) mod endpoints;
mod lookup;
mod security_groups;

use std::collections::{HashMap, HashSet};

use neutrino_db::{
    retrying,
    schema::{PortBindings as B, Ports as P},
    sea_query::{Expr, ExprTrait, Query},
};
use neutrino_rpc::shapes::{
    AddressPair, DeviceDetails, DeviceDown, DeviceListUpdate, DevicesDetails, FixedIp,
    TunnelEndpoint,
};
use neutrino_types::{
    ApiResult, Attrs, Context,
    constants::{device_owner, status},
};

use crate::{
    binding, distributed,
    drivers::mech::{Op, Wiring},
    models::{
        binding::ACTIVE,
        distinct,
        network::{self, Network},
        port::{self, Port},
        segment::Segment,
    },
    networks::Networks,
    plugin::{Core, Ml2Plugin},
    ports::{self, Change},
    provisioning, views,
};

impl Ml2Plugin {
    /// Details of `devices` (port ids, beginnings of port ids, or MACs) for the agent on `host`.
    /// Ports found are bound if they are not yet, and become BUILD, or DOWN when
    /// administratively down.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn devices_details(
        &self,
        ctx: &Context,
        host: Option<&str>,
        devices: &[String],
    ) -> ApiResult<DevicesDetails> {
        let core = &*self.core;
        let conn = core.db.read().await?;
        let ids = lookup::port_ids(&conn, devices, host).await?;
        let found = distinct(ids.values().map(String::as_str));
        let mut ports = port::by_ids(&conn, ctx, &found).await?;
        let network_ids = distinct(ports.iter().map(|p| p.network_id.as_str()));
        let networks: HashMap<String, Network> = network::by_ids(&conn, ctx, &network_ids)
            .await?
            .into_iter()
            .map(|n| (n.id.clone(), n))
            .collect();
        distributed::localise(&conn, host, &mut ports).await?;
        let mut segments = binding::bound_segments(&conn, &ports).await?;
        drop(conn);
        segments.extend(binding::bind_where_needed(core, ctx, &mut ports).await?);
        segments.extend(distributed::bind_where_needed(core, host, &mut ports).await?);
        set_building(core, ctx, host, &mut ports).await?;
        distributed::set_building(core, ctx, host, &mut ports).await?;
        let ports: HashMap<&str, &Port> = ports.iter().map(|p| (p.id.as_str(), p)).collect();
        let details = devices
            .iter()
            .map(|device| {
                let port = ids.get(device).and_then(|id| ports.get(id.as_str()));
                match port.and_then(|p| Some((*p, networks.get(&p.network_id)?))) {
                    Some((port, network)) => {
                        details(device, host, port, network, segments.get(&port.id))
                    }
                    None => unknown(device),
                }
            })
            .collect();
        Ok(DevicesDetails { devices: details, failed_devices: Vec::new() })
    }

    /// The agent on `host` has wired `up` and lost `down`. Ports that were waiting for their
    /// agent only become ACTIVE, lost ones DOWN; forwarding entries follow. `refresh_tunnels`
    /// asks for all entries of the networks of `up`.
    ///
    /// # Errors
    /// What the database refused; nothing has changed then.
    pub async fn update_device_list(
        &self,
        ctx: &Context,
        host: Option<&str>,
        up: &[String],
        down: &[String],
        refresh_tunnels: bool,
    ) -> ApiResult<DeviceListUpdate> {
        let core = &*self.core;
        let conn = core.db.read().await?;
        let all: Vec<String> = up.iter().chain(down).cloned().collect();
        let ids = lookup::port_ids(&conn, &all, host).await?;
        drop(conn);
        let of = |devices: &[String]| -> HashSet<String> {
            devices.iter().filter_map(|d| ids.get(d)).cloned().collect()
        };
        let report = Report { host, up: of(up), down: of(down) };
        let outcome = retrying(|| apply(core, ctx, &report)).await?;
        for (original, port) in &outcome.changed {
            let change = Change { current: port, original: Some(original), request: None };
            ports::after(core, ctx, Op::Update, &change).await;
        }
        wired_elsewhere(core, ctx, &report, &outcome.ports).await;
        let wirings = report.wirings(&outcome, refresh_tunnels);
        core.mechanisms.ports_wired(&core.db, &wirings).await;
        let exists = |device: &String| {
            ids.get(device).is_some_and(|id| outcome.ports.iter().any(|p| p.id == *id))
        };
        Ok(DeviceListUpdate {
            devices_up: up.to_vec(),
            failed_devices_up: Vec::new(),
            devices_down: down
                .iter()
                .map(|d| DeviceDown { device: d.clone(), exists: exists(d) })
                .collect(),
            failed_devices_down: Vec::new(),
        })
    }

    /// Records the tunnel endpoint of `host` and tells all agents; answers every endpoint of the
    /// type.
    ///
    /// # Errors
    /// `InvalidInput` for a type that is no tunnel or an address another host has.
    pub async fn tunnel_sync(
        &self,
        _ctx: &Context,
        tunnel_ip: &str,
        tunnel_type: &str,
        host: Option<&str>,
    ) -> ApiResult<Vec<TunnelEndpoint>> {
        endpoints::sync(&self.core, tunnel_ip, tunnel_type, host).await
    }

    /// A network as the API shows it (`get_network_details`).
    ///
    /// # Errors
    /// `NetworkNotFound`.
    pub async fn network(&self, ctx: &Context, network_id: &str) -> ApiResult<Attrs> {
        let conn = self.core.db.read().await?;
        Ok(self.core.show_network(Networks::load(&conn, ctx, network_id).await?))
    }

    /// Ports of a VNIC type bound to `host`, as the API shows them.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn ports_by_vnic_type_and_host(
        &self,
        ctx: &Context,
        vnic_type: &str,
        host: &str,
    ) -> ApiResult<Vec<Attrs>> {
        let mut query = port::from();
        query
            .exprs(port::exprs())
            .and_where(Expr::col((B::Table, B::Host)).eq(host))
            .and_where(Expr::col((B::Table, B::VnicType)).eq(vnic_type));
        if let Some(visible) = port::visible(ctx) {
            query.cond_where(visible);
        }
        let conn = self.core.db.read().await?;
        let mut ports = conn.fetch_map(&query, port::decode).await?;
        port::load_children(&conn, &mut ports).await?;
        Ok(ports.into_iter().map(|port| self.show_port(port)).collect())
    }

    /// The agent on `host` came back to life: ports whose binding failed are tried again.
    /// Answers how many are bound now.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn agent_revived(&self, ctx: &Context, host: &str) -> ApiResult<usize> {
        binding::rebind_failed(&self.core, ctx, host).await
    }
}

/// Ports handed to their own host's agent become BUILD (or DOWN).
async fn set_building(
    core: &Core,
    ctx: &Context,
    host: Option<&str>,
    ports: &mut [Port],
) -> ApiResult<()> {
    let wanted = |p: &Port| if p.admin_state_up { status::BUILD } else { status::DOWN };
    let changing: Vec<usize> = (0..ports.len())
        .filter(|i| {
            let p = &ports[*i];
            p.status != wanted(p)
                && !distributed::is_distributed(p)
                && p.binding.is_bound()
                && host.is_none_or(|host| p.binding.host == host)
        })
        .collect();
    if changing.is_empty() {
        return Ok(());
    }
    let mut statements = Vec::new();
    for to in [status::BUILD, status::DOWN] {
        let ids: Vec<&str> = changing
            .iter()
            .filter(|i| wanted(&ports[**i]) == to)
            .map(|i| ports[*i].id.as_str())
            .collect();
        if !ids.is_empty() {
            statements.push(neutrino_db::Prepared::new(&port::set_status(&ids, to)));
        }
    }
    let tx = core.db.begin().await?;
    tx.execute_batch(statements).await?;
    tx.commit().await?;
    for i in changing {
        let to = wanted(&ports[i]);
        let original = ports[i].clone();
        ports[i].status = to.to_string();
        ports[i].revision += 1;
        let change = Change { current: &ports[i], original: Some(&original), request: None };
        ports::after(core, ctx, Op::Update, &change).await;
    }
    Ok(())
}

/// Ports wired on a host they are not bound to, as when an instance is being moved there: their
/// status is not touched, but somebody may be waiting.
async fn wired_elsewhere(core: &Core, ctx: &Context, report: &Report<'_>, ports: &[Port]) {
    let elsewhere = ports.iter().filter(|port| {
        report.up.contains(&port.id) && !report.is_here(port) && !distributed::is_distributed(port)
    });
    for port in elsewhere {
        let change = Change { current: port, original: None, request: None };
        ports::after_wired_elsewhere(core, ctx, &change).await;
    }
}

fn unknown(device: &str) -> DeviceDetails {
    DeviceDetails { device: device.to_string(), ..DeviceDetails::default() }
}

fn details(
    device: &str,
    host: Option<&str>,
    port: &Port,
    network: &Network,
    segment: Option<&Segment>,
) -> DeviceDetails {
    let Some(segment) = segment else {
        tracing::warn!(
            device,
            port = port.id,
            vif_type = port.binding.vif_type,
            host,
            "an agent asked for a port that is not bound"
        );
        return unknown(device);
    };
    let elsewhere = host.is_some_and(|host| host != port.binding.host);
    if elsewhere && port.device_owner.starts_with(device_owner::COMPUTE_PREFIX) {
        return DeviceDetails { no_active_binding: true, ..unknown(device) };
    }
    DeviceDetails {
        device: device.to_string(),
        port_id: Some(port.id.clone()),
        no_active_binding: false,
        network_id: Some(port.network_id.clone()),
        mac_address: Some(port.mac_address.to_string()),
        admin_state_up: port.admin_state_up,
        network_type: Some(segment.network_type.as_str().to_string()),
        segmentation_id: segment.segmentation_id,
        physical_network: segment.physical_network.clone(),
        mtu: Some(network.mtu),
        fixed_ips: port
            .fixed_ips
            .iter()
            .map(|f| FixedIp {
                subnet_id: f.subnet_id.clone(),
                ip_address: f.ip_address.to_string(),
            })
            .collect(),
        device_owner: port.device_owner.clone(),
        allowed_address_pairs: port.address_pairs.iter().map(wire_pair).collect(),
        port_security_enabled: port.port_security_enabled,
        qos_policy_id: None,
        network_qos_policy_id: None,
        profile: views::json_object(&port.binding.profile),
        propagate_uplink_status: port.propagate_uplink_status,
    }
}

/// An address pair as agents are told it.
fn wire_pair(pair: &port::AddressPair) -> AddressPair {
    AddressPair { mac_address: pair.mac_address.clone(), ip_address: pair.ip_address.clone() }
}

/// A report of devices, as port ids.
struct Report<'a> {
    host: Option<&'a str>,
    up: HashSet<String>,
    down: HashSet<String>,
}

/// What a report did.
struct Outcome {
    /// Every port of the report, as it is now; distributed ones as they are on the host.
    ports: Vec<Port>,
    /// Bound segments by port id.
    segments: HashMap<String, Segment>,
    /// Ports whose status changed: before and after.
    changed: Vec<(Port, Port)>,
}

impl Report<'_> {
    fn is_here(&self, port: &Port) -> bool {
        self.host.is_none_or(|host| port.binding.host == host)
    }

    /// What mechanism drivers hear: every port wired here, new or not, and every one lost.
    fn wirings(&self, outcome: &Outcome, refresh: bool) -> Vec<Wiring> {
        outcome
            .ports
            .iter()
            .filter_map(|port| {
                let up = self.up.contains(&port.id);
                let wired = up && self.is_here(port) && port.status == status::ACTIVE;
                (wired || self.down.contains(&port.id)).then(|| Wiring {
                    port: port.clone(),
                    host: self.host.unwrap_or(&port.binding.host).to_string(),
                    segment: outcome.segments.get(&port.id).cloned(),
                    up,
                    refresh: up && refresh,
                })
            })
            .collect()
    }
}

async fn apply(core: &Core, ctx: &Context, report: &Report<'_>) -> ApiResult<Outcome> {
    let tx = core.db.begin().await?;
    let all = distinct(report.up.iter().chain(&report.down).map(String::as_str));
    let mut ports = port::by_ids(&tx, ctx, &all).await?;
    distributed::localise(&tx, report.host, &mut ports).await?;
    let segments = binding::bound_segments(&tx, &ports).await?;
    let (new, statements) = plain_statuses(&tx, report, &ports).await?;
    tx.execute_batch(statements).await?;
    let (up, down) = distributed_statuses(report, &ports);
    let on_host = [(status::ACTIVE, up), (status::DOWN, down)];
    let overall = match report.host {
        Some(host) => distributed::set_statuses(&tx, host, &on_host).await?,
        None => Vec::new(),
    };
    tx.commit().await?;
    let now_on_host: HashMap<String, &str> = on_host
        .into_iter()
        .flat_map(|(to, ids)| ids.into_iter().map(move |id| (id.to_string(), to)))
        .collect();
    let mut changed = Vec::with_capacity(new.len() + overall.len());
    for port in &mut ports {
        if let Some(to) = new.get(&port.id) {
            let original = port.clone();
            port.status = (*to).to_string();
            port.revision += 1;
            changed.push((original, port.clone()));
        }
        if let Some(to) = now_on_host.get(&port.id) {
            port.status = (*to).to_string();
        }
        if let Some(overall) = overall.iter().find(|overall| overall.port_id == port.id) {
            changed.push(distributed::changed(port, overall));
        }
    }
    Ok(Outcome { ports, segments, changed })
}

/// Which distributed ports of a report have another status on its host: ACTIVE ones, DOWN ones.
fn distributed_statuses<'a>(
    report: &Report<'_>,
    ports: &'a [Port],
) -> (Vec<&'a str>, Vec<&'a str>) {
    let here = || ports.iter().filter(|p| distributed::is_distributed(p) && report.is_here(p));
    let up = here()
        .filter(|p| report.up.contains(&p.id) && p.binding.is_bound() && p.admin_state_up)
        .filter(|p| p.status != status::ACTIVE);
    // Also those that are DOWN: their router may have left since.
    let down = here().filter(|p| report.down.contains(&p.id) && !report.up.contains(&p.id));
    (up.map(|p| p.id.as_str()).collect(), down.map(|p| p.id.as_str()).collect())
}

/// The ports of a report that are on one host at most: who gets which status, and the statements
/// that make it so.
async fn plain_statuses(
    tx: &neutrino_db::Tx,
    report: &Report<'_>,
    ports: &[Port],
) -> ApiResult<(HashMap<String, &'static str>, Vec<neutrino_db::Prepared>)> {
    let here = || ports.iter().filter(|p| !distributed::is_distributed(p) && report.is_here(p));
    let up: Vec<&str> =
        here().filter(|p| report.up.contains(&p.id)).map(|p| p.id.as_str()).collect();
    let mut statements = Vec::new();
    let mut still_blocked = Vec::new();
    if !up.is_empty() {
        tx.execute_batch(vec![provisioning::complete(&up, provisioning::L2)]).await?;
        still_blocked = provisioning::blocked(tx, &up).await?;
        if !still_blocked.is_empty() {
            tracing::info!(ports = ?still_blocked, "wired, not ACTIVE yet: DHCP does not serve them");
        }
    }
    let lost = || here().filter(|p| report.down.contains(&p.id) && !report.up.contains(&p.id));
    let down: Vec<&str> = lost().map(|p| p.id.as_str()).collect();
    if !down.is_empty() {
        // One that DHCP does not serve yet must be wired again before it may be ACTIVE.
        let waiting = provisioning::waiting_for(tx, &down, provisioning::DHCP).await?;
        let blocks = waiting.iter().map(|id| (id.as_str(), provisioning::L2));
        statements.extend(port::insert_blocks(blocks));
    }
    let to_active: Vec<&str> = here()
        .filter(|p| up.contains(&p.id.as_str()))
        .filter(|p| p.binding.is_bound() && p.admin_state_up && p.status != status::ACTIVE)
        .filter(|p| !still_blocked.contains(&p.id))
        .map(|p| p.id.as_str())
        .collect();
    let to_down: Vec<&str> =
        lost().filter(|p| p.status != status::DOWN).map(|p| p.id.as_str()).collect();
    let mut new: HashMap<String, &'static str> = HashMap::new();
    for (ids, to) in [(to_active, status::ACTIVE), (to_down, status::DOWN)] {
        if !ids.is_empty() {
            statements.push(neutrino_db::Prepared::new(&port::set_status(&ids, to)));
            new.extend(ids.into_iter().map(|id| (id.to_string(), to)));
        }
    }
    Ok((new, statements))
}

/// Of ports with the same MAC, the one bound on `host`.
async fn on_host(
    conn: &neutrino_db::Conn,
    ids: &[String],
    host: &str,
) -> neutrino_db::DbResult<Vec<String>> {
    let query = Query::select()
        .column((P::Table, P::Id))
        .from(P::Table)
        .join(
            neutrino_db::sea_query::JoinType::InnerJoin,
            B::Table,
            Expr::col((B::Table, B::PortId)).equals((P::Table, P::Id)),
        )
        .and_where(crate::models::is_in((P::Table, P::Id), ids.iter().map(String::as_str)))
        .and_where(Expr::col((B::Table, B::Host)).eq(host))
        .and_where(Expr::col((B::Table, B::Status)).eq(ACTIVE))
        .to_owned();
    conn.fetch_map(&query, |r| r.text(0)).await
}
