//! Ports that bring distributed routers to hosts and take them away again: instances that come, go
//! and move, with their addresses and their floating IPs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use neutrino_callbacks::Payload;
use neutrino_db::{
    agent_bindings,
    agents::by_type_and_host,
    dvr::{self, Interface},
};
use neutrino_rpc::methods;
use neutrino_types::{
    ApiResult, Attrs,
    constants::{
        agent_type,
        device_owner::{DVR_INTERFACE, HA_REPLICATED_INTERFACE, ROUTER_GATEWAY, ROUTER_SNAT},
    },
    request,
};
use serde_json::Value;

use super::{
    Inner, arp,
    hosts::{hosts, routers_on},
};

/// Where a port needs the distributed routers of its subnets.
#[derive(Debug, Default, PartialEq, Eq)]
struct Presence {
    /// Its host, and the one it migrates to.
    hosts: BTreeSet<String>,
    /// The subnets it has addresses of.
    subnets: BTreeSet<String>,
}

impl Presence {
    /// Nowhere, for a port that no distributed router serves.
    fn of(port: &Attrs) -> Self {
        let owner = request::text(port, "device_owner").unwrap_or_default();
        if !dvr::is_serviced(owner, true) {
            return Self::default();
        }
        let host = host(port).into_iter().map(str::to_string);
        let hosts = host.chain(migrating_to(port).map(str::to_string)).collect();
        let ips = request::list(port, "fixed_ips").unwrap_or_default();
        let subnet = |ip: &Value| ip.get("subnet_id")?.as_str().map(str::to_string);
        Self { hosts, subnets: ips.iter().filter_map(subnet).collect() }
    }

    /// The hosts that have something they had not `before`.
    fn gained<'a>(&'a self, before: &Self) -> BTreeSet<&'a str> {
        let everywhere = !self.subnets.is_subset(&before.subnets);
        let gained = self.hosts.iter().filter(|h| everywhere || !before.hosts.contains(*h));
        gained.map(String::as_str).collect()
    }
}

fn host(port: &Attrs) -> Option<&str> {
    request::text(port, "binding:host_id").filter(|host| !host.is_empty())
}

fn migrating_to(port: &Attrs) -> Option<&str> {
    let target = port.get("binding:profile")?.get(dvr::MIGRATING_TO)?.as_str();
    target.filter(|host| !host.is_empty())
}

fn network(port: &Attrs) -> &str {
    request::text(port, "network_id").unwrap_or_default()
}

/// The routers among `interfaces` on any of `subnets`.
fn routers_of<'i>(interfaces: &'i [Interface], subnets: &BTreeSet<String>) -> BTreeSet<&'i str> {
    let on = interfaces.iter().filter(|i| subnets.contains(&i.subnet_id));
    on.map(|i| i.router_id.as_str()).collect()
}

impl Inner {
    /// Ports were made; some on a host already.
    pub(super) async fn ports_created(&self, ports: &[&Attrs]) -> ApiResult<()> {
        let present: Vec<(&Attrs, Presence)> = ports
            .iter()
            .map(|port| (*port, Presence::of(port)))
            .filter(|(_, presence)| !presence.hosts.is_empty())
            .collect();
        if present.is_empty() {
            return Ok(());
        }
        let networks: BTreeSet<&str> = present.iter().map(|(port, _)| network(port)).collect();
        let networks: Vec<&str> = networks.into_iter().collect();
        let conn = self.db.read().await?;
        let interfaces = dvr::interfaces_on(&conn, &networks).await?;
        drop(conn);
        if interfaces.is_empty() {
            return Ok(());
        }
        let mut arrivals: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (_, presence) in &present {
            let routers = routers_of(&interfaces, &presence.subnets);
            for host in &presence.hosts {
                arrivals.entry(host).or_default().extend(&routers);
            }
        }
        self.arrive(&arrivals).await?;
        for (port, _) in present {
            let all: BTreeSet<_> = arp::own(port).into_iter().chain(arp::allowed(port)).collect();
            self.tell_neighbours(methods::ADD_ARP_ENTRY, &all, &interfaces).await;
        }
        Ok(())
    }

    /// Hosts need routers: their agents come and look.
    async fn arrive(&self, arrivals: &BTreeMap<&str, BTreeSet<&str>>) -> ApiResult<()> {
        let all: BTreeSet<&str> = arrivals.values().flatten().copied().collect();
        if all.is_empty() {
            return Ok(());
        }
        let hosts: Vec<&str> = arrivals.keys().copied().collect();
        let served = self.with_agent(&hosts).await?;
        if served.is_empty() {
            return Ok(());
        }
        let all: Vec<&str> = all.into_iter().collect();
        let conn = self.db.read().await?;
        let connected = dvr::connected(&conn, &all).await?;
        drop(conn);
        for host in served {
            let routers = &arrivals[host];
            let others = connected.iter().filter(|(mine, _)| routers.contains(mine.as_str()));
            let with_others: BTreeSet<&str> =
                routers.iter().copied().chain(others.map(|(_, other)| other.as_str())).collect();
            let told: Vec<&str> = with_others.into_iter().collect();
            self.routers_updated_on(host, &told).await;
        }
        Ok(())
    }

    /// A port that needed `routers` on `host` is there no more: those that nothing else needs there
    /// go. Answers which went.
    async fn depart(&self, host: &str, routers: &BTreeSet<&str>) -> ApiResult<Vec<String>> {
        if routers.is_empty() {
            return Ok(Vec::new());
        }
        let conn = self.db.read().await?;
        let Some(agent) = by_type_and_host(&conn, agent_type::L3, host).await? else {
            return Ok(Vec::new());
        };
        let bound = agent_bindings::L3.resources_of(&conn, &agent.id).await?;
        let needed = routers_on(&conn, host, &bound, self.dhcp).await?;
        let of: Vec<&str> = routers.iter().copied().collect();
        let connected = dvr::connected(&conn, &of).await?;
        drop(conn);
        let candidates: BTreeSet<&str> =
            of.into_iter().chain(connected.iter().map(|(_, other)| other.as_str())).collect();
        let mut left = Vec::new();
        for router in candidates {
            if !needed.contains(router) && bound.iter().all(|b| b != router) {
                self.router_left(host, router).await?;
                left.push(router.to_string());
            }
        }
        Ok(left)
    }

    /// A port changed, or is gone.
    pub(super) async fn port_changed(&self, payload: &Payload<'_>) -> ApiResult<()> {
        let nowhere = Attrs::new();
        // Of a deleted port there is only the last state.
        let (before, now) = match (payload.original, payload.current) {
            (Some(before), Some(now)) => (before, now),
            (None, Some(gone)) => (gone, &nowhere),
            _ => return Ok(()),
        };
        let owner = request::text(before, "device_owner").unwrap_or_default();
        let same_ips = before.get("fixed_ips") == now.get("fixed_ips");
        let of_router = [HA_REPLICATED_INTERFACE, ROUTER_SNAT, ROUTER_GATEWAY, DVR_INTERFACE];
        if of_router.contains(&owner) && (same_ips || now.is_empty()) {
            return Ok(());
        }
        let change = Change::between(before, now);
        if change.is_nothing() {
            return Ok(());
        }
        let conn = self.db.read().await?;
        let interfaces = dvr::interfaces_on(&conn, &[network(before)]).await?;
        drop(conn);
        if interfaces.is_empty() {
            return Ok(());
        }
        self.move_routers(&change, before, now, &interfaces).await?;
        self.tell_neighbours(methods::DEL_ARP_ENTRY, &change.lost_neighbours, &interfaces).await;
        self.tell_neighbours(methods::ADD_ARP_ENTRY, &change.new_neighbours, &interfaces).await;
        Ok(())
    }

    async fn move_routers(
        &self,
        change: &Change,
        before: &Attrs,
        now: &Attrs,
        interfaces: &[Interface],
    ) -> ApiResult<()> {
        let moves = host(before) != host(now) || migrating_to(before) != migrating_to(now);
        let conn = self.db.read().await?;
        let floating_ips = match request::text(now, "id") {
            Some(port) if moves => dvr::floating_ips_of(&conn, port).await?,
            _ => Vec::new(),
        };
        drop(conn);
        let departing = routers_of(interfaces, &change.before.subnets);
        for host in change.before.gained(&change.now) {
            let left = self.depart(host, &departing).await?;
            // The host's router stays; the floating IP goes.
            let staying = floating_ips.iter().map(|f| f.router_id.as_str());
            let staying: BTreeSet<&str> = staying.filter(|r| left.iter().all(|l| l != r)).collect();
            let staying: Vec<&str> = staying.into_iter().collect();
            self.routers_updated_on(host, &staying).await;
        }
        let gained = change.now.gained(&change.before);
        for floating_ip in &floating_ips {
            for host in &gained {
                self.ensure_agent_gateway(&floating_ip.network_id, host).await?;
            }
        }
        let arriving = routers_of(interfaces, &change.now.subnets);
        let arrivals = gained.into_iter().map(|host| (host, arriving.clone())).collect();
        self.arrive(&arrivals).await?;
        // Served centrally before, or from now on.
        if host(before).is_none() != host(now).is_none() {
            let routers: BTreeSet<&str> =
                floating_ips.iter().map(|f| f.router_id.as_str()).collect();
            self.tell_centres(&routers.into_iter().collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    /// Tells the agents that have the centralised parts of `routers` that these changed.
    async fn tell_centres(&self, routers: &[&str]) -> ApiResult<()> {
        if routers.is_empty() {
            return Ok(());
        }
        let conn = self.db.read().await?;
        let hosting = agent_bindings::L3.hosting(&conn, routers).await?;
        drop(conn);
        for router in routers {
            for agent in hosting.of(router) {
                self.routers_updated_on(&agent.host, &[router]).await;
            }
        }
        Ok(())
    }

    /// A floating IP behind a distributed router came, changed or went: the hosts of the instances
    /// it leads to, before and now, hear of it. One that it leads to now serves it through a port
    /// of its own.
    pub(super) async fn floating_ip_changed(&self, payload: &Payload<'_>) -> ApiResult<()> {
        let states = [payload.original, payload.current];
        let text = |state: Option<&'_ Attrs>, key: &str| -> Option<String> {
            state.and_then(|s| request::text(s, key)).map(str::to_string)
        };
        let routers: Vec<String> =
            states.iter().filter_map(|state| text(*state, "router_id")).collect();
        if routers.is_empty() {
            return Ok(());
        }
        let conn = self.db.read().await?;
        let ids: Vec<&str> = routers.iter().map(String::as_str).collect();
        let distributed = dvr::distributed(&conn, &ids).await?;
        if distributed.is_empty() {
            return Ok(());
        }
        let ports: Vec<String> = states.iter().filter_map(|s| text(*s, "port_id")).collect();
        let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
        let at = dvr::port_hosts(&conn, &ports).await?;
        drop(conn);
        if let (Some(port), Some(network)) =
            (text(payload.current, "port_id"), text(payload.current, "floating_network_id"))
        {
            for host in at.get(&port).map(dvr::PortHost::hosts).unwrap_or_default() {
                self.ensure_agent_gateway(&network, host).await?;
            }
        }
        self.tell_of_floating_ip(&states, &distributed, &at).await
    }

    async fn tell_of_floating_ip(
        &self,
        states: &[Option<&Attrs>],
        distributed: &[String],
        at: &HashMap<String, dvr::PortHost>,
    ) -> ApiResult<()> {
        let mut told: BTreeSet<(String, &str)> = BTreeSet::new();
        for state in states.iter().flatten() {
            let router = request::text(state, "router_id");
            let Some(router) = router.filter(|r| distributed.iter().any(|d| d == r)) else {
                continue;
            };
            let port = request::text(state, "port_id").unwrap_or_default();
            match at.get(port) {
                Some(at) => {
                    told.extend(at.hosts().into_iter().map(|host| (host.to_string(), router)));
                }
                // The port is gone: its host is one of those that need the router.
                None if !port.is_empty() => {
                    let conn = self.db.read().await?;
                    let all = hosts(&conn, &[router], self.dhcp).await?;
                    drop(conn);
                    let hosts = all.into_values().flatten();
                    told.extend(hosts.map(|host| (host, router)));
                }
                None => {}
            }
        }
        for (host, router) in told {
            self.routers_updated_on(&host, &[router]).await;
        }
        Ok(())
    }

    /// An interface of a distributed router is gone: so are the routers from hosts that needed them
    /// for it only, and the port of the centralised part.
    pub(super) async fn interface_removed(&self, payload: &Payload<'_>) -> ApiResult<()> {
        let Some(event) = payload.current else { return Ok(()) };
        let subnets = request::texts(event, "subnet_ids").unwrap_or_default();
        let network = request::text(event, "network_id").unwrap_or_default();
        let router = payload.id;
        let conn = self.db.read().await?;
        let on_network = dvr::interfaces_on(&conn, &[network]).await?;
        let mut routers: BTreeSet<&str> = on_network.iter().map(|i| i.router_id.as_str()).collect();
        routers.insert(router);
        let routers: Vec<&str> = routers.into_iter().collect();
        let subnet_ids: Vec<&str> = subnets.iter().map(String::as_str).collect();
        let mut concerned: BTreeSet<String> =
            dvr::hosts_on_subnets(&conn, &subnet_ids, self.dhcp).await?.into_iter().collect();
        let direct = dvr::needing(&conn, &routers, self.dhcp).await?;
        concerned.extend(direct.into_iter().map(|(_, host)| host));
        let after = hosts(&conn, &routers, self.dhcp).await?;
        let hosting = agent_bindings::L3.hosting(&conn, &routers).await?;
        drop(conn);
        for router in &routers {
            let needs = |host: &String| after.get(*router).is_some_and(|h| h.contains(host));
            let is_centre = |host: &String| hosting.of(router).any(|agent| agent.host == *host);
            let gone = concerned.iter().filter(|host| !needs(host) && !is_centre(host));
            let gone: Vec<&str> = gone.map(String::as_str).collect();
            for host in gone {
                self.router_left(host, router).await?;
            }
        }
        self.delete_csnat(router, Some(&subnets)).await
    }
}

/// What a change of a port means for distributed routers.
struct Change {
    before: Presence,
    now: Presence,
    lost_neighbours: BTreeSet<arp::Neighbour>,
    new_neighbours: BTreeSet<arp::Neighbour>,
}

impl Change {
    fn between(before: &Attrs, now: &Attrs) -> Self {
        let neighbours = |port: &Attrs| -> BTreeSet<arp::Neighbour> {
            if host(port).is_none() {
                return BTreeSet::new();
            }
            let up = request::flag(port, "admin_state_up").unwrap_or(true);
            let pairs = if up { arp::allowed(port) } else { BTreeSet::new() };
            arp::own(port).into_iter().chain(pairs).collect()
        };
        let (old, new) = (neighbours(before), neighbours(now));
        Self {
            before: Presence::of(before),
            now: Presence::of(now),
            lost_neighbours: old.difference(&new).cloned().collect(),
            new_neighbours: new.difference(&old).cloned().collect(),
        }
    }

    fn is_nothing(&self) -> bool {
        self.before == self.now && self.lost_neighbours.is_empty() && self.new_neighbours.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn port(owner: &str, host: &str, subnets: &[&str], profile: Value) -> Attrs {
        let ips: Vec<Value> = subnets
            .iter()
            .enumerate()
            .map(|(n, subnet)| json!({ "subnet_id": subnet, "ip_address": format!("10.0.{n}.5") }))
            .collect();
        let port = json!({
            "device_owner": owner, "binding:host_id": host, "fixed_ips": ips,
            "binding:profile": profile, "mac_address": "fa:16:3e:00:00:01",
        });
        port.as_object().expect("object").clone()
    }

    #[test]
    fn hosts_are_gained_by_moving_and_by_new_subnets() {
        let of = |host: &str, subnets: &[&str], profile: Value| {
            Presence::of(&port("compute:nova", host, subnets, profile))
        };
        let none = json!({});
        let here = of("c0", &["s"], none.clone());
        assert!(here.gained(&here).is_empty());
        let there = of("c1", &["s"], none.clone());
        assert_eq!(there.gained(&here), ["c1"].into());
        assert_eq!(here.gained(&there), ["c0"].into());
        let migrating = of("c0", &["s"], json!({ "migrating_to": "c1" }));
        assert_eq!(migrating.gained(&here), ["c1"].into());
        assert!(there.gained(&migrating).is_empty(), "it is there already");
        assert_eq!(migrating.gained(&there), ["c0"].into(), "and leaves where it was");
        let more = of("c0", &["s", "t"], none.clone());
        assert_eq!(more.gained(&here), ["c0"].into());
        let nobody = Presence::of(&port("network:router_gateway", "c0", &["s"], none));
        assert_eq!(nobody, Presence::default());
    }

    #[test]
    fn addresses_of_ports_on_a_host_are_neighbours() {
        let none = json!({});
        let free = port("", "", &["s"], none.clone());
        let bound = port("compute:nova", "c0", &["s"], none.clone());
        let moved = port("compute:nova", "c1", &["s"], none);
        let change = Change::between(&free, &bound);
        assert_eq!((change.new_neighbours.len(), change.lost_neighbours.len()), (1, 0));
        let change = Change::between(&bound, &moved);
        assert_eq!((change.new_neighbours.len(), change.lost_neighbours.len()), (0, 0));
        assert!(!change.is_nothing());
        let change = Change::between(&bound, &Attrs::new());
        assert_eq!((change.new_neighbours.len(), change.lost_neighbours.len()), (0, 1));
        assert!(Change::between(&bound, &bound).is_nothing());
    }
}
