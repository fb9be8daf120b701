//! Port binding: asking the mechanism drivers who can plug a port on its host, and keeping the
//! answer if nothing changed meanwhile.
//!
//! Drivers are asked outside any transaction. The result is kept only if the binding is still
//! unbound and asks for the same host, kind of NIC and profile; otherwise the attempt is repeated
//! or, when someone else bound the port, their result is taken.

use std::{collections::HashMap, future::Future, pin::Pin};

use chrono::{TimeDelta, Utc};
use neutrino_db::{
    Conn, DbResult,
    agents::{self, Agent},
    list::any_of,
    retrying,
    schema::Agents,
    sea_query::{Expr, ExprTrait},
    time,
};
use neutrino_types::{ApiResult, Attrs, Context, constants::vif_type};
use serde_json::Value;

use crate::{
    distributed,
    drivers::mech::{BindingContext, Bound, Op},
    models::{
        binding::{self, Binding, Level},
        distinct,
        port::{self, Port},
        segment::{self, Segment},
    },
    plugin::Core,
    ports::{self, Change},
};

/// How often binding a port is attempted (`MAX_BIND_TRIES`).
const TRIES: usize = 10;
/// Most levels of a hierarchical binding (`MAX_BINDING_LEVELS`).
const MAX_LEVELS: usize = 10;

/// The bottom segments of those of `ports` that are bound, by port id. No statement when none is.
pub(crate) async fn bound_segments(
    conn: &Conn,
    ports: &[Port],
) -> DbResult<HashMap<String, Segment>> {
    let found = segments_on_hosts(conn, ports).await?;
    Ok(found.into_iter().map(|((port, _), segment)| (port, segment)).collect())
}

/// As [`bound_segments`], by port id and host: a distributed port may come once for each host.
pub(crate) async fn segments_on_hosts(
    conn: &Conn,
    ports: &[Port],
) -> DbResult<HashMap<(String, String), Segment>> {
    let bound: Vec<&Port> = ports.iter().filter(|p| p.binding.is_bound()).collect();
    if bound.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = distinct(bound.iter().map(|p| p.id.as_str()));
    let mut levels = binding::levels(conn, &ids).await?;
    let bottoms: Vec<((String, String), String)> = bound
        .iter()
        .filter_map(|p| {
            let on_host = (p.id.clone(), p.binding.host.clone());
            let bottom = levels.remove(&on_host)?.pop()?;
            Some((on_host, bottom.segment_id?))
        })
        .collect();
    let segments =
        segment::by_ids(conn, &distinct(bottoms.iter().map(|(_, s)| s.as_str()))).await?;
    Ok(bottoms
        .into_iter()
        .filter_map(|(on_host, id)| Some((on_host, segments.get(&id)?.clone())))
        .collect())
}

/// What the drivers made of one binding.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// The binding with `vif_type` and `vif_details` set.
    pub(crate) binding: Binding,
    /// Levels, top first; empty when nothing bound it.
    pub(crate) levels: Vec<Level>,
    /// The bottom segment.
    pub(crate) segment: Option<Segment>,
}

/// What drivers need to know of the world to bind ports.
pub(crate) struct World {
    segments: HashMap<String, Vec<Segment>>,
    agents: HashMap<String, Vec<Agent>>,
}

impl World {
    /// Segments of `networks`, and the living agents on `hosts`: two statements.
    pub(crate) async fn load(
        core: &Core,
        conn: &Conn,
        networks: &[&str],
        hosts: &[&str],
    ) -> DbResult<Self> {
        let segments = segment::by_networks(conn, networks).await?;
        let mut query = agents::select();
        let hosts = hosts.iter().map(ToString::to_string).collect();
        query.and_where(any_of(Expr::col(Agents::Host), hosts));
        let now = Utc::now();
        let down_time = TimeDelta::seconds(core.config.agent_down_time_secs);
        let mut by_host: HashMap<String, Vec<Agent>> = HashMap::new();
        for agent in conn.fetch_map(&query, agents::decode).await? {
            if agent.is_alive(now, down_time) {
                by_host.entry(agent.host.clone()).or_default().push(agent);
            } else {
                tracing::warn!(
                    host = agent.host,
                    agent_type = agent.agent_type,
                    "a dead agent binds no port"
                );
            }
        }
        Ok(Self { segments, agents: by_host })
    }

    /// Whether the port's network has segments at all.
    pub(crate) fn has_segments(&self, port: &Port) -> bool {
        self.segments.get(&port.network_id).is_some_and(|s| !s.is_empty())
    }
}

/// Asks the drivers, level by level, to bind `port` as `wanted` says.
pub(crate) async fn attempt(core: &Core, world: &World, port: &Port, wanted: &Binding) -> Attempt {
    let none = Vec::new();
    let segments = world.segments.get(&port.network_id).unwrap_or(&none);
    let agents = world.agents.get(&wanted.host).map(Vec::as_slice).unwrap_or_default();
    let found = level(core, port, wanted, segments, agents, &[]).await;
    let mut result = wanted.clone();
    match found {
        Some((levels, vif_type, vif_details)) => {
            result.vif_type = vif_type.to_string();
            result.vif_details = Value::Object(vif_details).to_string();
            let bottom = levels.last().and_then(|l| l.segment_id.as_deref());
            let segment = bottom.and_then(|id| segments.iter().find(|s| s.id == id)).cloned();
            Attempt { binding: result, levels, segment }
        }
        None => {
            tracing::error!(
                port = port.id,
                host = wanted.host,
                vnic_type = wanted.vnic_type,
                agents = agents.len(),
                segments = ?segments.iter().map(|s| s.network_type).collect::<Vec<_>>(),
                "no mechanism driver can bind the port"
            );
            result.vif_type = vif_type::BINDING_FAILED.to_string();
            result.vif_details.clear();
            Attempt { binding: result, levels: Vec::new(), segment: None }
        }
    }
}

type Levels = Option<(Vec<Level>, &'static str, Attrs)>;

fn level<'a>(
    core: &'a Core,
    port: &'a Port,
    wanted: &'a Binding,
    segments: &'a [Segment],
    agents: &'a [Agent],
    above: &'a [Level],
) -> Pin<Box<dyn Future<Output = Levels> + Send + 'a>> {
    Box::pin(async move {
        if above.len() == MAX_LEVELS {
            tracing::error!(port = port.id, "binding needs more levels than are allowed");
            return None;
        }
        for driver in core.mechanisms.drivers() {
            let bound_above = above.iter().any(|l| {
                l.driver == driver.name()
                    && segments.iter().any(|s| Some(&s.id) == l.segment_id.as_ref())
            });
            if bound_above || (port.fixed_ips.is_empty() && !driver.is_l2()) {
                continue;
            }
            let context = BindingContext { port, binding: wanted, segments, agents };
            let bound = match driver.bind_port(&context).await {
                Ok(Some(bound)) => bound,
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!(port = port.id, driver = driver.name(), %error, "binding failed");
                    continue;
                }
            };
            let mut levels = above.to_vec();
            let mut push = |segment_id| {
                let driver = driver.name().to_string();
                levels.push(Level { driver, segment_id: Some(segment_id) });
            };
            match bound {
                Bound::Final { segment_id, vif_type, vif_details } => {
                    push(segment_id);
                    return Some((levels, vif_type, vif_details));
                }
                Bound::Continue { segment_id, next } => {
                    push(segment_id);
                    let below = level(core, port, wanted, &next, agents, &levels).await;
                    if below.is_some() {
                        return below;
                    }
                }
            }
        }
        None
    })
}

/// Binds those of `ports` that have a host but no binding, in place; answers the segments of
/// those it bound. The number of reads does not depend on how many there are; each port bound costs
/// four writes, all sent in one batch.
///
/// # Errors
/// What the database refused, what a driver vetoed.
pub(crate) async fn bind_where_needed(
    core: &Core,
    ctx: &Context,
    ports: &mut [Port],
) -> ApiResult<HashMap<String, Segment>> {
    let mut out = HashMap::new();
    let open = |p: &Port| p.binding.needs_binding() && !distributed::is_distributed(p);
    let mut open: Vec<usize> = (0..ports.len()).filter(|i| open(&ports[*i])).collect();
    for _ in 0..TRIES {
        if open.is_empty() {
            return Ok(out);
        }
        let networks = distinct(open.iter().map(|i| ports[*i].network_id.as_str()));
        let hosts = distinct(open.iter().map(|i| ports[*i].binding.host.as_str()));
        let conn = core.db.read().await?;
        let world = World::load(core, &conn, &networks, &hosts).await?;
        drop(conn);
        let mut attempts = Vec::with_capacity(open.len());
        for i in open.iter().copied().filter(|i| world.has_segments(&ports[*i])) {
            attempts.push((i, attempt(core, &world, &ports[i], &ports[i].binding).await));
        }
        let committed = retrying(|| commit(core, ctx, ports, &attempts)).await?;
        open.clear();
        for (i, result) in committed {
            let original = std::mem::replace(&mut ports[i], result.port);
            if !result.ours {
                // Someone else bound it, changed its inputs, or deleted it.
                if ports[i].binding.needs_binding() && !result.gone {
                    open.push(i);
                }
                continue;
            }
            let change = Change { current: &ports[i], original: Some(&original), request: None };
            ports::after(core, ctx, Op::Update, &change).await;
            let segments = (result.segment.as_ref(), None);
            if let Err(error) = ports::postcommit(core, ctx, Op::Update, &change, segments).await {
                tracing::error!(port = ports[i].id, %error, "a driver failed on a bound port");
            }
            if let Some(segment) = result.segment {
                out.insert(ports[i].id.clone(), segment);
            }
        }
    }
    tracing::error!(ports = open.len(), "binding was overtaken by other changes too often");
    Ok(out)
}

/// What became of one attempt.
struct Committed {
    /// The port as it is now.
    port: Port,
    segment: Option<Segment>,
    /// Our attempt is what is stored.
    ours: bool,
    /// The port was deleted meanwhile.
    gone: bool,
}

async fn commit(
    core: &Core,
    ctx: &Context,
    ports: &[Port],
    attempts: &[(usize, Attempt)],
) -> ApiResult<Vec<(usize, Committed)>> {
    if attempts.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = core.db.begin().await?;
    let ids: Vec<&str> = attempts.iter().map(|(i, _)| ports[*i].id.as_str()).collect();
    let current = port::by_ids(&tx, &Context::admin(), &ids).await?;
    let mut current: HashMap<String, Port> =
        current.into_iter().map(|p| (p.id.clone(), p)).collect();
    let mut out = Vec::with_capacity(attempts.len());
    let mut statements = Vec::new();
    let now = time::now();
    for (i, attempt) in attempts {
        let Some(stored) = current.remove(&ports[*i].id) else {
            let port = ports[*i].clone();
            out.push((*i, Committed { port, segment: None, ours: false, gone: true }));
            continue;
        };
        let ours = stored.binding.needs_binding() && stored.binding.same_inputs(&ports[*i].binding);
        if !ours {
            out.push((*i, Committed { port: stored, segment: None, ours, gone: false }));
            continue;
        }
        let mut bound = stored;
        bound.binding = attempt.binding.clone();
        bound.revision += 1;
        bound.updated_at.clone_from(&now);
        let (id, host) = (bound.id.as_str(), bound.binding.host.as_str());
        statements.push(binding::update(id, host, &bound.binding));
        statements.push(binding::clear_levels(id, host));
        statements.extend(binding::insert_levels(id, host, &attempt.levels));
        statements.push(port::update(&bound));
        let segment = attempt.segment.clone();
        out.push((*i, Committed { port: bound, segment, ours, gone: false }));
    }
    tx.execute_batch(statements).await?;
    for (i, result) in out.iter().filter(|(_, r)| r.ours) {
        let change = Change { current: &result.port, original: Some(&ports[*i]), request: None };
        let segments = (result.segment.as_ref(), None);
        ports::precommit(core, &mut tx, ctx, Op::Update, &change, segments).await?;
    }
    tx.commit().await?;
    Ok(out)
}

/// Tries again the ports whose binding failed on a host whose agent came back to life.
pub(crate) async fn rebind_failed(core: &Core, ctx: &Context, host: &str) -> ApiResult<usize> {
    use neutrino_db::{schema::PortBindings as B, sea_query::Query};
    let query = Query::select()
        .column(B::PortId)
        .from(B::Table)
        .and_where(Expr::col(B::Host).eq(host))
        .and_where(Expr::col(B::Status).eq(binding::ACTIVE))
        .and_where(Expr::col(B::VifType).eq(vif_type::BINDING_FAILED))
        .to_owned();
    let conn = core.db.read().await?;
    let ids = conn.fetch_map(&query, |r| r.text(0)).await?;
    let refs: Vec<&str> = ids.iter().map(String::as_str).collect();
    if refs.is_empty() {
        return Ok(0);
    }
    let mut ports = port::by_ids(&conn, ctx, &refs).await?;
    drop(conn);
    let segments = bind_where_needed(core, ctx, &mut ports).await?;
    for port in &ports {
        ports::port_update(core, port, segments.get(&port.id)).await;
    }
    Ok(segments.len())
}
