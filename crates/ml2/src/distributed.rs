//! Distributed ports: the interfaces of a distributed router, bound on every host that has it.
//!
//! On one host such a port is like any other: [`localise`] gives it the binding and the status it
//! has there, and the code for devices goes on with that. What the API shows is made of all hosts.

use std::collections::HashMap;

use neutrino_db::{Conn, DbResult, Prepared, Tx, retrying};
use neutrino_types::{
    ApiResult, Context,
    constants::{device_owner, status, vif_type},
};

use crate::{
    binding::{self, World},
    drivers::mech::{Op, Wiring},
    models::{
        binding as levels, distinct,
        distributed::{self as rows, HostBinding},
        port::{self, Port},
        segment::Segment,
    },
    plugin::{Core, Ml2Plugin},
    ports::{self, Change},
};

/// Whether `port` has a binding per host.
pub(crate) fn is_distributed(port: &Port) -> bool {
    port.device_owner == device_owner::DVR_INTERFACE
}

/// Gives a distributed port the binding of its own that the API shows: no host at all.
pub(crate) fn settle(port: &mut Port) {
    if is_distributed(port) {
        port.binding.host.clear();
        port.binding.vif_type = vif_type::DISTRIBUTED.to_string();
        port.binding.vif_details.clear();
    }
}

fn to_local(port: &mut Port, row: HostBinding) {
    port.binding = row.binding;
    port.status = row.status;
}

/// Gives those of `ports` that are distributed the binding and the status they have on `host`; one
/// that is not there is unbound. No statement when none is distributed.
pub(crate) async fn localise(conn: &Conn, host: Option<&str>, ports: &mut [Port]) -> DbResult<()> {
    let ids: Vec<&str> =
        ports.iter().filter(|p| is_distributed(p)).map(|p| p.id.as_str()).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let mut there = match host {
        Some(host) => rows::on_host(conn, host, &ids).await?,
        None => HashMap::new(),
    };
    for port in ports.iter_mut().filter(|p| is_distributed(p)) {
        match there.remove(&port.id) {
            Some(row) => to_local(port, row),
            None => port.binding = levels::Binding::default(),
        }
    }
    Ok(())
}

/// Those of `ports` that are distributed as losses on every host that has them, for when they go
/// altogether. No statement when none is distributed.
pub(crate) async fn losses(conn: &Conn, ports: &[Port]) -> DbResult<Vec<Wiring>> {
    let by_id: HashMap<&str, &Port> =
        ports.iter().filter(|p| is_distributed(p)).map(|p| (p.id.as_str(), p)).collect();
    if by_id.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = by_id.keys().copied().collect();
    let found = rows::of_ports(conn, &ids).await?;
    let local = found.into_iter().filter_map(|row| {
        let mut port = (*by_id.get(row.port_id.as_str())?).clone();
        to_local(&mut port, row);
        Some(port)
    });
    let local: Vec<Port> = local.collect();
    let mut segments = binding::segments_on_hosts(conn, &local).await?;
    let wiring = |port: Port| {
        let host = port.binding.host.clone();
        let segment = segments.remove(&(port.id.clone(), host.clone()));
        Wiring { port, host, segment, up: false, refresh: false }
    };
    Ok(local.into_iter().map(wiring).collect())
}

/// A segment some host has bound a distributed port to, to tell agents with.
pub(crate) async fn some_segment(conn: &Conn, port: &Port) -> DbResult<Option<Segment>> {
    let losses = losses(conn, std::slice::from_ref(port)).await?;
    Ok(losses.into_iter().find_map(|wiring| wiring.segment))
}

impl Ml2Plugin {
    /// The routers of distributed ports are on `host`: each pair of port and router gets its
    /// binding there (`update_distributed_port_binding`). Ports that are gone are left out. One
    /// statement when everything is there; the same number for any number of ports otherwise.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn bind_distributed(&self, host: &str, wanted: &[(&str, &str)]) -> ApiResult<()> {
        if wanted.is_empty() || host.is_empty() {
            return Ok(());
        }
        let core = &*self.core;
        let ids = distinct(wanted.iter().map(|(port, _)| *port));
        let conn = core.db.read().await?;
        let there = rows::on_host(&conn, host, &ids).await?;
        let lacks = |(port, router): &(&str, &str)| {
            there.get(*port).is_none_or(|row| {
                row.router_id.as_deref() != Some(*router) || !row.binding.is_bound()
            })
        };
        let lacking: HashMap<&str, &str> = wanted.iter().copied().filter(lacks).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let ids: Vec<&str> = lacking.keys().copied().collect();
        let mut ports = port::by_ids(&conn, &Context::admin(), &ids).await?;
        drop(conn);
        ports.retain(is_distributed);
        for port in &mut ports {
            let new = || HostBinding::new(&port.id, host, lacking[port.id.as_str()]);
            let row = there.get(&port.id).cloned().unwrap_or_else(new);
            to_local(port, row);
        }
        bind(core, host, &mut ports, Some(&lacking)).await?;
        Ok(())
    }

    /// Routers have left `host`: their distributed ports are given up there. A row goes when the
    /// host's L2 agent has lost the port.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn leave_distributed(&self, host: &str, ports: &[&str]) -> ApiResult<()> {
        if ports.is_empty() {
            return Ok(());
        }
        let tx = self.core.db.begin().await?;
        let mut statements = vec![rows::leave(host, ports)];
        // What no agent ever wired, none will report lost.
        statements.extend(rows::delete_stale(host, ports));
        tx.execute_batch(statements).await?;
        tx.commit().await?;
        self.core.notifier.ports_rebound(ports);
        Ok(())
    }
}

impl Ml2Plugin {
    /// Inside the transaction that made a router distributed, or centralised: the bindings of its
    /// interfaces, whose device owner is the new one, start anew.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn rebind_router(&self, tx: &Tx, router: &str) -> ApiResult<()> {
        let found = rows::of_device(tx, router, &device_owner::ROUTER_INTERFACES).await?;
        let ids = |distributed: bool| -> Vec<&str> {
            let of = |(_, owner): &&(String, String)| {
                (owner == device_owner::DVR_INTERFACE) == distributed
            };
            found.iter().filter(of).map(|(id, _)| id.as_str()).collect()
        };
        let (distributed, plain) = (ids(true), ids(false));
        let mut statements = Vec::new();
        if !distributed.is_empty() {
            statements.extend(rows::made_distributed(&distributed));
        }
        if !plain.is_empty() {
            statements.extend(rows::made_plain(&plain));
        }
        tx.execute_batch(statements).await?;
        Ok(())
    }
}

/// Binds those of the localised `ports` on `host` that have a row and are not bound; answers the
/// segments of those it bound.
pub(crate) async fn bind_where_needed(
    core: &Core,
    host: Option<&str>,
    ports: &mut [Port],
) -> ApiResult<HashMap<String, Segment>> {
    let Some(host) = host else { return Ok(HashMap::new()) };
    if !ports.iter().any(|p| is_distributed(p) && p.binding.needs_binding()) {
        return Ok(HashMap::new());
    }
    bind(core, host, ports, None).await
}

/// Asks the drivers to bind those of the localised `ports` that are not, and stores the answer.
/// `routers` are whose the rows are to be, and rows that are missing are made; without it, only
/// rows that are there still are changed.
async fn bind(
    core: &Core,
    host: &str,
    ports: &mut [Port],
    routers: Option<&HashMap<&str, &str>>,
) -> ApiResult<HashMap<String, Segment>> {
    let conn = core.db.read().await?;
    let open = |p: &Port| is_distributed(p) && p.binding.needs_binding();
    let networks = distinct(ports.iter().filter(|p| open(p)).map(|p| p.network_id.as_str()));
    let world = World::load(core, &conn, &networks, &[host]).await?;
    drop(conn);
    let mut attempts = HashMap::new();
    for port in ports.iter().filter(|p| open(p) && world.has_segments(p)) {
        let attempt = binding::attempt(core, &world, port, &port.binding).await;
        attempts.insert(port.id.clone(), attempt);
    }
    let wanted: Vec<&Port> = ports.iter().filter(|p| is_distributed(p)).collect();
    let stored = retrying(|| store(core, host, &wanted, &attempts, routers)).await?;
    let mut segments = HashMap::new();
    for port in ports.iter_mut().filter(|p| is_distributed(p)) {
        let Some(row) = stored.get(&port.id) else { continue };
        to_local(port, row.clone());
        if let Some(segment) = attempts.remove(&port.id).and_then(|attempt| attempt.segment) {
            segments.insert(port.id.clone(), segment);
        }
    }
    Ok(segments)
}

/// Stores attempts over what is there now; answers the rows of `ports` on `host` after that.
async fn store(
    core: &Core,
    host: &str,
    ports: &[&Port],
    attempts: &HashMap<String, binding::Attempt>,
    routers: Option<&HashMap<&str, &str>>,
) -> ApiResult<HashMap<String, HostBinding>> {
    let ids: Vec<&str> = ports.iter().map(|p| p.id.as_str()).collect();
    let tx = core.db.begin().await?;
    let mut there = rows::on_host(&tx, host, &ids).await?;
    // Deleted meanwhile: nothing to bind.
    let alive = rows::distributed(&tx, &ids).await?;
    let mut changed = Vec::new();
    for port in ports.iter().filter(|p| alive.contains(&p.id)) {
        let router = routers.and_then(|routers| routers.get(port.id.as_str()));
        if let Some(router) = router {
            let new = || HostBinding::new(&port.id, host, router);
            let row = there.entry(port.id.clone()).or_insert_with(new);
            row.router_id = Some((*router).to_string());
        }
        let Some(row) = there.get_mut(&port.id) else { continue };
        let attempt = attempts.get(&port.id).filter(|_| row.binding.needs_binding());
        if let Some(attempt) = attempt {
            row.binding = attempt.binding.clone();
        }
        if router.is_some() || attempt.is_some() {
            changed.push((port.id.as_str(), attempt));
        }
    }
    let new_rows: Vec<&HostBinding> = changed.iter().map(|(id, _)| &there[*id]).collect();
    let mut statements: Vec<Prepared> = rows::store(&new_rows).into_iter().collect();
    let bound: Vec<(&str, &[levels::Level])> = changed
        .iter()
        .filter_map(|(id, attempt)| Some((*id, attempt.as_ref()?.levels.as_slice())))
        .collect();
    if !bound.is_empty() {
        statements.extend(levels::replace_levels(host, &bound));
    }
    tx.execute_batch(statements).await?;
    tx.commit().await?;
    let rebound: Vec<&str> = changed.iter().map(|(id, _)| *id).collect();
    core.notifier.ports_rebound(&rebound);
    Ok(there)
}

/// Inside the transaction: the localised distributed ports have another status on `host`. Answers
/// those whose status over all hosts changed by it: port, before, now. `down` ones whose router
/// has left are forgotten on the host.
pub(crate) async fn set_statuses(
    tx: &Tx,
    host: &str,
    new: &[(&'static str, Vec<&str>)],
) -> DbResult<Vec<rows::Overall>> {
    let all: Vec<&str> = new.iter().flat_map(|(_, ids)| ids.iter().copied()).collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let rows_of = new.iter().filter(|(_, ids)| !ids.is_empty());
    tx.execute_batch(rows_of.map(|(to, ids)| rows::set_status(host, ids, to)).collect()).await?;
    let mut changed = rows::overall(tx, &all).await?;
    changed.retain(|overall| overall.stored != overall.due);
    let mut statements = Vec::new();
    for to in [status::ACTIVE, status::DOWN, status::BUILD] {
        let of = changed.iter().filter(|overall| overall.due == to);
        let ids: Vec<&str> = of.map(|overall| overall.port_id.as_str()).collect();
        if !ids.is_empty() {
            statements.push(Prepared::new(&port::set_status(&ids, to)));
        }
    }
    for (to, ids) in new {
        if *to == status::DOWN && !ids.is_empty() {
            statements.extend(rows::delete_stale(host, ids));
        }
    }
    tx.execute_batch(statements).await?;
    Ok(changed)
}

/// A change of the status over all hosts, as subscribers see it: before and after.
pub(crate) fn changed(port: &Port, overall: &rows::Overall) -> (Port, Port) {
    let original = Port { status: overall.stored.clone(), ..port.clone() };
    let now = Port { status: overall.due.to_string(), revision: port.revision + 1, ..port.clone() };
    (original, now)
}

/// Distributed ports handed to an agent become BUILD on its host (or DOWN).
pub(crate) async fn set_building(
    core: &Core,
    ctx: &Context,
    host: Option<&str>,
    ports: &mut [Port],
) -> ApiResult<()> {
    let Some(host) = host else { return Ok(()) };
    let wanted = |p: &Port| if p.admin_state_up { status::BUILD } else { status::DOWN };
    let changing = |p: &Port| {
        is_distributed(p)
            && p.binding.is_bound()
            && !p.binding.host.is_empty()
            && p.status != wanted(p)
    };
    let ids = |to: &str| -> Vec<&str> {
        let of = ports.iter().filter(|p| changing(p) && wanted(p) == to);
        of.map(|p| p.id.as_str()).collect()
    };
    let new = [(status::BUILD, ids(status::BUILD)), (status::DOWN, ids(status::DOWN))];
    if new.iter().all(|(_, ids)| ids.is_empty()) {
        return Ok(());
    }
    let tx = core.db.begin().await?;
    let overall = set_statuses(&tx, host, &new).await?;
    tx.commit().await?;
    for port in ports.iter_mut().filter(|p| changing(p)) {
        port.status = wanted(port).to_string();
    }
    for overall in &overall {
        if let Some(port) = ports.iter().find(|p| p.id == overall.port_id) {
            let (original, now) = changed(port, overall);
            let change = Change { current: &now, original: Some(&original), request: None };
            ports::after(core, ctx, Op::Update, &change).await;
        }
    }
    Ok(())
}
