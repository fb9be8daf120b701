//! `l2population`: tells agents which tunnel endpoint has which MAC and address, so that nothing
//! needs flooding and ARP is answered locally.
//!
//! Only networks carried in tunnels take part. What is sent when is Neutron's (`l2pop`
//! mechanism driver); a report of many ports is answered with one message per kind.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use async_trait::async_trait;
use neutrino_db::{
    Conn, Db, DbResult,
    agents::{self, Agent},
    list::any_of,
    schema::{
        Agents, DistributedPortBindings as D, IpAllocations as I, PortBindings as B, Ports as P,
    },
    sea_query::{Cond, Expr, ExprTrait, JoinType, Query, SelectStatement, UnionType},
};
use neutrino_rpc::shapes::{FdbChange, FdbEntries, FdbNetwork, FdbPort, FdbUpdate};
use neutrino_types::{
    ApiResult, MacAddr,
    constants::{device_owner, status},
};

use super::{MechanismDriver, Op, PortContext, Wiring, openvswitch::tunnel_types};
use crate::{
    distributed::is_distributed,
    models::{binding, distinct, is_in, port::Port, segment::Segment},
    notifier::AgentNotifier,
};

/// The l2population mechanism driver.
pub struct L2Population {
    notifier: Arc<dyn AgentNotifier>,
}

/// One port on one host whose entries go in or out.
#[derive(Clone, Copy)]
struct Change<'a> {
    port: &'a Port,
    host: &'a str,
    segment: &'a Segment,
    refresh: bool,
}

/// Agents with a tunnel endpoint, by host.
struct Endpoints(HashMap<String, Agent>);

impl Endpoints {
    async fn load(conn: &Conn, hosts: Option<&[&str]>) -> DbResult<Self> {
        let mut query = agents::select();
        if let Some(hosts) = hosts {
            let hosts = hosts.iter().map(ToString::to_string).collect();
            query.and_where(any_of(Expr::col(Agents::Host), hosts));
        }
        let all = conn.fetch_map(&query, agents::decode).await?;
        let tunnelling = all.into_iter().filter(|a| tunnel_ip(a).is_some());
        Ok(Self(tunnelling.map(|a| (a.host.clone(), a)).collect()))
    }

    /// The endpoint of `host` if it takes part in `segment`.
    fn of(&self, host: &str, segment: &Segment) -> Option<&str> {
        let agent = self.0.get(host)?;
        takes_part(agent, segment).then(|| tunnel_ip(agent)).flatten()
    }

    fn ip(&self, host: &str) -> Option<&str> {
        self.0.get(host).and_then(tunnel_ip)
    }
}

fn tunnel_ip(agent: &Agent) -> Option<&str> {
    agent.config_str("tunneling_ip").filter(|ip| !ip.is_empty())
}

fn takes_part(agent: &Agent, segment: &Segment) -> bool {
    let name = segment.network_type.as_str();
    match agent.configurations.get("l2pop_network_types").and_then(|v| v.as_array()) {
        Some(types) => types.iter().any(|t| t.as_str() == Some(name)),
        None => tunnel_types(agent).any(|t| t == name),
    }
}

fn entries_of(port: &Port) -> impl Iterator<Item = FdbPort> + '_ {
    port.fixed_ips.iter().map(|f| FdbPort(port.mac_address, f.ip_address.to_string()))
}

/// Adds `ports` of the endpoint `ip` to a network's entries.
fn add(
    out: &mut FdbEntries,
    network_id: &str,
    segment: &Segment,
    ip: &str,
    ports: impl IntoIterator<Item = FdbPort>,
) {
    let network = out.entry(network_id.to_string()).or_insert_with(|| FdbNetwork {
        segment_id: segment.segmentation_id.unwrap_or(0),
        network_type: segment.network_type.as_str().to_string(),
        ports: BTreeMap::new(),
    });
    network.ports.entry(ip.to_string()).or_default().extend(ports);
}

/// Active, not distributed ports of networks, with their host.
fn active_ports(networks: &[&str]) -> SelectStatement {
    Query::select()
        .from(P::Table)
        .join(
            JoinType::InnerJoin,
            B::Table,
            Cond::all()
                .add(Expr::col((B::Table, B::PortId)).equals((P::Table, P::Id)))
                .add(Expr::col((B::Table, B::Status)).eq(binding::ACTIVE)),
        )
        .and_where(is_in((P::Table, P::NetworkId), networks.iter().copied()))
        .and_where(Expr::col((P::Table, P::Status)).eq(status::ACTIVE))
        .and_where(Expr::col((P::Table, P::DeviceOwner)).ne(device_owner::DVR_INTERFACE))
        .to_owned()
}

/// Distributed ports of networks on the hosts where they are active.
fn active_on_hosts(networks: &[&str]) -> SelectStatement {
    Query::select()
        .from(D::Table)
        .join(
            JoinType::InnerJoin,
            P::Table,
            Expr::col((P::Table, P::Id)).equals((D::Table, D::PortId)),
        )
        .and_where(is_in((P::Table, P::NetworkId), networks.iter().copied()))
        .and_where(Expr::col((D::Table, D::Status)).eq(status::ACTIVE))
        .to_owned()
}

/// How many active ports each host has on each network.
async fn active_counts(
    conn: &Conn,
    networks: &[&str],
    hosts: &[&str],
) -> DbResult<HashMap<(String, String), u64>> {
    let mut query = active_ports(networks);
    query
        .column((P::Table, P::NetworkId))
        .column((B::Table, B::Host))
        .expr(Expr::col((P::Table, P::Id)).count())
        .and_where(is_in((B::Table, B::Host), hosts.iter().copied()))
        .group_by_columns([(P::Table, P::NetworkId)])
        .group_by_columns([(B::Table, B::Host)]);
    let mut distributed = active_on_hosts(networks);
    distributed
        .column((P::Table, P::NetworkId))
        .column((D::Table, D::Host))
        .expr(Expr::col((P::Table, P::Id)).count())
        .and_where(is_in((D::Table, D::Host), hosts.iter().copied()))
        .group_by_columns([(P::Table, P::NetworkId)])
        .group_by_columns([(D::Table, D::Host)]);
    query.union(UnionType::All, distributed);
    let counts = HashMap::new();
    conn.fetch_fold(&query, counts, |counts, r| {
        let count = counts.entry((r.text(0), r.text(1))).or_insert(0);
        *count += u64::try_from(r.int(2)).unwrap_or(0);
    })
    .await
}

/// One row of a network's forwarding table: network, host, MAC, and an address if there is one.
/// Distributed ports have none: they are on every host, and only make a host a member.
type TableRow = (String, String, MacAddr, Option<String>);

async fn forwarding_table(conn: &Conn, networks: &[&str]) -> DbResult<Vec<TableRow>> {
    let mut query = active_ports(networks);
    query
        .column((P::Table, P::NetworkId))
        .column((B::Table, B::Host))
        .column((P::Table, P::MacAddress))
        .column((I::Table, I::IpAddress))
        .join(
            JoinType::LeftJoin,
            I::Table,
            Expr::col((I::Table, I::PortId)).equals((P::Table, P::Id)),
        );
    let mut distributed = active_on_hosts(networks);
    distributed
        .distinct()
        .column((P::Table, P::NetworkId))
        .column((D::Table, D::Host))
        .expr(Expr::val(""))
        .expr(Expr::val(None::<String>));
    query.union(UnionType::All, distributed);
    conn.fetch_map(&query, |r| {
        (r.text(0), r.text(1), r.str(2).parse().unwrap_or_default(), r.opt_text(3))
    })
    .await
}

impl L2Population {
    /// A driver that tells agents through `notifier`.
    #[must_use]
    pub fn new(notifier: Arc<dyn AgentNotifier>) -> Self {
        Self { notifier }
    }

    /// Ports came up: their entries go to all agents, and a host's first ports on a network bring
    /// that host the whole table and all others its flooding entry.
    async fn up(&self, db: &Db, changes: &[Change<'_>]) -> ApiResult<()> {
        let changes: Vec<&Change<'_>> =
            changes.iter().filter(|c| c.segment.network_type.is_tunnel()).collect();
        if changes.is_empty() {
            return Ok(());
        }
        let networks = distinct(changes.iter().map(|c| c.port.network_id.as_str()));
        let hosts = distinct(changes.iter().map(|c| c.host));
        let conn = db.read().await?;
        let counts = active_counts(&conn, &networks, &hosts).await?;
        let mut in_report: HashMap<(&str, &str), u64> = HashMap::new();
        for change in &changes {
            *in_report.entry((&change.port.network_id, change.host)).or_insert(0) += 1;
        }
        // Which (network, host) become members now, and their segment.
        let mut joining: BTreeMap<(&str, &str), &Segment> = BTreeMap::new();
        for change in &changes {
            let key = (change.port.network_id.as_str(), change.host);
            let active = counts.get(&(key.0.to_string(), key.1.to_string())).copied().unwrap_or(0);
            let before = active.saturating_sub(in_report.get(&key).copied().unwrap_or(0));
            // One may have come up just before, at the same time (Neutron's rule).
            if change.refresh || before <= 1 {
                joining.insert(key, change.segment);
            }
        }
        // A joining host needs every endpoint, others only their own.
        let endpoints =
            Endpoints::load(&conn, joining.is_empty().then_some(hosts.as_slice())).await?;
        let tables = if joining.is_empty() {
            Vec::new()
        } else {
            let joined = distinct(joining.keys().map(|(network, _)| *network));
            forwarding_table(&conn, &joined).await?
        };
        drop(conn);
        for host in distinct(joining.keys().map(|(_, host)| *host)) {
            let table = table_for(host, &joining, &tables, &endpoints);
            if !table.is_empty() {
                self.notifier.add_fdb_entries(&table, Some(host)).await;
            }
        }
        let mut entries = FdbEntries::new();
        for ((network, host), segment) in &joining {
            if let Some(ip) = endpoints.of(host, segment) {
                add(&mut entries, network, segment, ip, [FdbPort::flooding()]);
            }
        }
        for change in &changes {
            let Some(ip) = endpoints.of(change.host, change.segment) else {
                tracing::debug!(host = change.host, "no tunnel endpoint to announce a port at");
                continue;
            };
            let own = entries_of(change.port).filter(|_| !is_distributed(change.port));
            add(&mut entries, &change.port.network_id, change.segment, ip, own);
        }
        if !entries.is_empty() {
            self.notifier.add_fdb_entries(&entries, None).await;
        }
        Ok(())
    }

    /// Ports went down: their entries go, and with a host's last port its flooding entry.
    async fn down(&self, db: &Db, changes: &[Change<'_>]) -> ApiResult<()> {
        let changes: Vec<&Change<'_>> =
            changes.iter().filter(|c| c.segment.network_type.is_tunnel()).collect();
        if changes.is_empty() {
            return Ok(());
        }
        let networks = distinct(changes.iter().map(|c| c.port.network_id.as_str()));
        let hosts = distinct(changes.iter().map(|c| c.host));
        let conn = db.read().await?;
        let endpoints = Endpoints::load(&conn, Some(&hosts)).await?;
        let counts = active_counts(&conn, &networks, &hosts).await?;
        drop(conn);
        let mut entries = FdbEntries::new();
        let mut left: Vec<(&str, &str)> = Vec::new();
        for change in &changes {
            let network = change.port.network_id.as_str();
            let Some(ip) = endpoints.of(change.host, change.segment) else { continue };
            let key = (network.to_string(), change.host.to_string());
            if counts.get(&key).copied().unwrap_or(0) == 0
                && !left.contains(&(network, change.host))
            {
                left.push((network, change.host));
                add(&mut entries, network, change.segment, ip, [FdbPort::flooding()]);
            }
            let own = entries_of(change.port).filter(|_| !is_distributed(change.port));
            add(&mut entries, network, change.segment, ip, own);
        }
        if !entries.is_empty() {
            self.notifier.remove_fdb_entries(&entries, None).await;
        }
        Ok(())
    }

    async fn addresses_changed(
        &self,
        db: &Db,
        port: &Port,
        original: &Port,
        host: &str,
        segment: &Segment,
    ) -> ApiResult<()> {
        if !segment.network_type.is_tunnel() {
            return Ok(());
        }
        let conn = db.read().await?;
        let endpoints = Endpoints::load(&conn, Some(&[host])).await?;
        drop(conn);
        let Some(ip) = endpoints.of(host, segment) else { return Ok(()) };
        let missing_in = |other: &Port| {
            let other = other.fixed_ips.clone();
            move |f: &FdbPort| other.iter().all(|o| o.ip_address.to_string() != f.1)
        };
        let before: Vec<FdbPort> = entries_of(original).filter(missing_in(port)).collect();
        let after: Vec<FdbPort> = entries_of(port).filter(missing_in(original)).collect();
        let change = FdbChange { before, after };
        let by_endpoint = BTreeMap::from([(ip.to_string(), change)]);
        let update = FdbUpdate { chg_ip: BTreeMap::from([(port.network_id.clone(), by_endpoint)]) };
        self.notifier.update_fdb_entries(&update, None).await;
        Ok(())
    }
}

/// The whole table `host` needs: every other endpoint of its networks with flooding and ports.
fn table_for(
    host: &str,
    joining: &BTreeMap<(&str, &str), &Segment>,
    tables: &[TableRow],
    endpoints: &Endpoints,
) -> FdbEntries {
    let mut out = FdbEntries::new();
    for (network, other, mac, address) in tables.iter().filter(|(_, other, ..)| other != host) {
        let Some(segment) = joining.get(&(network.as_str(), host)) else { continue };
        if endpoints.of(host, segment).is_none() {
            continue;
        }
        let Some(ip) = endpoints.ip(other) else { continue };
        let known = out.get(network).is_some_and(|n| n.ports.contains_key(ip));
        let flooding = (!known).then(FdbPort::flooding);
        let own = address.clone().map(|address| FdbPort(*mac, address));
        add(&mut out, network, segment, ip, flooding.into_iter().chain(own));
    }
    out
}

#[async_trait]
impl MechanismDriver for L2Population {
    fn name(&self) -> &'static str {
        "l2population"
    }

    async fn port_precommit(
        &self,
        _: &mut neutrino_db::Tx,
        op: Op,
        context: &PortContext<'_>,
    ) -> ApiResult<()> {
        let changed = context
            .original
            .is_some_and(|original| original.mac_address != context.current.mac_address);
        if op == Op::Update && changed && context.current.status == status::ACTIVE {
            return Err(neutrino_types::ApiError::invalid_input(format!(
                "unable to modify mac_address of ACTIVE port {}",
                context.current.id
            )));
        }
        Ok(())
    }

    async fn port_postcommit(&self, db: &Db, op: Op, context: &PortContext<'_>) -> ApiResult<()> {
        let port = context.current;
        match (op, context.original) {
            (Op::Create, _) | (Op::Update, None) => Ok(()),
            (Op::Delete, _) => {
                let Some(segment) = context.segment else { return Ok(()) };
                let host = port.binding.host.as_str();
                self.down(db, &[Change { port, host, segment, refresh: false }]).await
            }
            (Op::Update, Some(original)) => {
                let same_addresses = original.fixed_ips.len() == port.fixed_ips.len()
                    && original.fixed_ips.iter().all(|f| port.fixed_ips.contains(f));
                if let (false, Some(segment)) = (same_addresses, context.segment) {
                    let host = original.binding.host.as_str();
                    self.addresses_changed(db, port, original, host, segment).await?;
                }
                let went_down = original.status == status::ACTIVE && port.status == status::DOWN;
                if let (true, Some(segment)) = (went_down, context.original_segment) {
                    let host = original.binding.host.as_str();
                    let change = Change { port: original, host, segment, refresh: false };
                    self.down(db, &[change]).await?;
                }
                Ok(())
            }
        }
    }

    async fn ports_wired(&self, db: &Db, wirings: &[Wiring]) -> ApiResult<()> {
        let changes = |up: bool| -> Vec<Change<'_>> {
            wirings
                .iter()
                .filter(|w| w.up == up)
                .filter_map(|w| {
                    let segment = w.segment.as_ref()?;
                    Some(Change { port: &w.port, host: &w.host, segment, refresh: w.refresh })
                })
                .collect()
        };
        self.down(db, &changes(false)).await?;
        self.up(db, &changes(true)).await
    }
}
