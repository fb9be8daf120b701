//! Serving address requests: specific addresses are checked, others chosen among candidates.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use neutrino_db::{
    Conn, DbResult, ip,
    schema::IpAllocations as I,
    sea_query::{Expr, ExprTrait, Query},
};
use neutrino_types::{ApiError, ApiResult};

use super::{
    candidates::{Preference, Space, pick_exact},
    requests::AddressRequest,
};
use crate::models::{is_in, port::FixedIp, subnet::Subnet};

/// Subnets asked about in one statement: each is a condition of its own, and the depth of a
/// statement is bounded.
const SUBNETS_AT_ONCE: usize = 200;

/// The requests of one port.
pub struct PortRequests<'a> {
    /// The port's network, for errors.
    pub network_id: &'a str,
    /// What it asks for.
    pub requests: Vec<AddressRequest<'a>>,
}

/// What is known of a subnet while a batch is served.
struct Source<'a> {
    subnet: &'a Subnet,
    candidates: Vec<IpAddr>,
    next: usize,
    /// All allocations have been read; `candidates` holds exactly what is free.
    exact: bool,
}

/// Serves the requests of several ports: addresses per port, in the order of its requests.
///
/// One statement in the ordinary case, two more for each subnet that is all but full.
///
/// # Errors
/// `IpAddressAlreadyAllocated`, `IpAddressGenerationFailure`.
pub async fn serve(conn: &Conn, ports: &[PortRequests<'_>]) -> ApiResult<Vec<Vec<FixedIp>>> {
    let mut batch = Batch::new(ports);
    batch.probe(conn).await?;
    batch.take_specific(ports)?;
    let mut out = Vec::with_capacity(ports.len());
    for port in ports {
        let mut ips = Vec::with_capacity(port.requests.len());
        for request in &port.requests {
            let (subnet, ip_address) = match request {
                AddressRequest::Specific(subnet, ip) => (*subnet, *ip),
                AddressRequest::Any(subnets, preference) => {
                    batch.take_any(conn, subnets, *preference, port.network_id).await?
                }
            };
            ips.push(FixedIp { subnet_id: subnet.id.clone(), ip_address });
        }
        out.push(ips);
    }
    Ok(out)
}

struct Batch<'a> {
    /// How many addresses are wanted of each first-choice subnet.
    wanted: HashMap<&'a str, usize>,
    sources: HashMap<&'a str, Source<'a>>,
    specific: Vec<(&'a Subnet, IpAddr)>,
    taken: HashSet<(&'a str, IpAddr)>,
    /// Taken addresses as the database told them, keyed by subnet and address key.
    known: HashSet<(String, String)>,
}

impl<'a> Batch<'a> {
    fn new(ports: &[PortRequests<'a>]) -> Self {
        let mut batch = Self {
            wanted: HashMap::new(),
            sources: HashMap::new(),
            specific: Vec::new(),
            taken: HashSet::new(),
            known: HashSet::new(),
        };
        let mut firsts: Vec<(&'a Subnet, Preference)> = Vec::new();
        for request in ports.iter().flat_map(|p| &p.requests) {
            match request {
                AddressRequest::Specific(subnet, ip) => batch.specific.push((subnet, *ip)),
                AddressRequest::Any(subnets, preference) => {
                    if let Some(first) = subnets.first() {
                        *batch.wanted.entry(first.id.as_str()).or_insert(0) += 1;
                        firsts.push((first, *preference));
                    }
                }
            }
        }
        for (subnet, preference) in firsts {
            batch.open(subnet, preference);
        }
        batch
    }

    /// Draws candidates of `subnet`, unless they are drawn already.
    fn open(&mut self, subnet: &'a Subnet, preference: Preference) {
        let wanted = self.wanted.get(subnet.id.as_str()).copied().unwrap_or(1);
        self.sources.entry(subnet.id.as_str()).or_insert_with(|| Source {
            subnet,
            candidates: Space::new(&subnet.pools).candidates(preference, wanted, &mut rand::rng()),
            next: 0,
            exact: false,
        });
    }

    /// Asks the database which of the specific addresses and candidates are taken.
    async fn probe(&mut self, conn: &Conn) -> DbResult<()> {
        let mut by_subnet: HashMap<&str, Vec<String>> = HashMap::new();
        for (subnet, ip) in &self.specific {
            by_subnet.entry(subnet.id.as_str()).or_default().push(ip::to_key(*ip));
        }
        for source in self.sources.values() {
            let keys = by_subnet.entry(source.subnet.id.as_str()).or_default();
            keys.extend(source.candidates.iter().map(|ip| ip::to_key(*ip)));
        }
        if by_subnet.is_empty() {
            return Ok(());
        }
        self.ask(conn, by_subnet).await
    }

    async fn ask(&mut self, conn: &Conn, by_subnet: HashMap<&str, Vec<String>>) -> DbResult<()> {
        let by_subnet: Vec<(&str, Vec<String>)> = by_subnet.into_iter().collect();
        for some in by_subnet.chunks(SUBNETS_AT_ONCE) {
            let mut any = neutrino_db::sea_query::Cond::any();
            for (subnet, keys) in some {
                any = any.add(
                    Expr::col(I::SubnetId)
                        .eq(*subnet)
                        .and(is_in(I::IpKey, keys.iter().map(String::as_str))),
                );
            }
            let query = Query::select()
                .columns([I::SubnetId, I::IpKey])
                .from(I::Table)
                .cond_where(any)
                .to_owned();
            self.known.extend(conn.fetch_map(&query, |r| (r.text(0), r.text(1))).await?);
        }
        Ok(())
    }

    fn is_taken(&self, subnet: &str, ip: IpAddr) -> bool {
        self.taken.contains(&(subnet, ip))
            || self.known.contains(&(subnet.to_string(), ip::to_key(ip)))
    }

    fn take_specific(&mut self, ports: &[PortRequests<'a>]) -> ApiResult<()> {
        for request in ports.iter().flat_map(|p| &p.requests) {
            let AddressRequest::Specific(subnet, ip) = request else { continue };
            if self.is_taken(&subnet.id, *ip) {
                return Err(already_allocated(*ip, &subnet.id));
            }
            self.taken.insert((subnet.id.as_str(), *ip));
        }
        Ok(())
    }

    async fn take_any(
        &mut self,
        conn: &Conn,
        subnets: &[&'a Subnet],
        preference: Preference,
        network_id: &str,
    ) -> ApiResult<(&'a Subnet, IpAddr)> {
        for &subnet in subnets {
            if !self.sources.contains_key(subnet.id.as_str()) {
                self.open(subnet, preference);
                let keys = self.sources[subnet.id.as_str()].candidates.iter();
                let keys = keys.map(|ip| ip::to_key(*ip)).collect();
                self.ask(conn, HashMap::from([(subnet.id.as_str(), keys)])).await?;
            }
            loop {
                if let Some(ip) = self.next_free(subnet) {
                    self.taken.insert((subnet.id.as_str(), ip));
                    return Ok((subnet, ip));
                }
                if !self.read_all(conn, subnet, preference).await? {
                    break;
                }
            }
        }
        Err(ApiError::conflict(
            "IpAddressGenerationFailure",
            format!("No more IP addresses available on network {network_id}."),
        ))
    }

    fn next_free(&mut self, subnet: &Subnet) -> Option<IpAddr> {
        loop {
            let source = self.sources.get_mut(subnet.id.as_str())?;
            let ip = *source.candidates.get(source.next)?;
            source.next += 1;
            if !self.is_taken(&subnet.id, ip) {
                return Some(ip);
            }
        }
    }

    /// Replaces a subnet's candidates by what is free; answers whether that was still to be done.
    async fn read_all(
        &mut self,
        conn: &Conn,
        subnet: &'a Subnet,
        preference: Preference,
    ) -> DbResult<bool> {
        let wanted = self.wanted.get(subnet.id.as_str()).copied().unwrap_or(0).max(1);
        match self.sources.get(subnet.id.as_str()) {
            Some(source) if !source.exact => {}
            _ => return Ok(false),
        }
        let query = Query::select()
            .column(I::IpKey)
            .from(I::Table)
            .and_where(Expr::col(I::SubnetId).eq(subnet.id.as_str()))
            .to_owned();
        let keys = conn.fetch_map(&query, |r| ip::from_key(r.str(0))).await?;
        let mut taken: HashSet<IpAddr> = keys.into_iter().flatten().collect();
        let in_batch = self.taken.iter().filter(|(id, _)| *id == subnet.id);
        taken.extend(in_batch.map(|(_, ip)| *ip));
        let free = pick_exact(&subnet.pools, &taken, preference, wanted, &mut rand::rng());
        if let Some(source) = self.sources.get_mut(subnet.id.as_str()) {
            source.exact = true;
            source.next = 0;
            source.candidates = free;
        }
        Ok(true)
    }
}

/// `IpAddressAlreadyAllocated` (409).
#[must_use]
pub fn already_allocated(ip: IpAddr, subnet: &str) -> ApiError {
    ApiError::conflict(
        "IpAddressAlreadyAllocated",
        format!("IP address {ip} already allocated in subnet {subnet}"),
    )
}
