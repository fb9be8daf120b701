//! What agents ask about security groups: rules of their devices, and the members behind remote
//! groups (`SecurityGroupInfoAPIMixin`).
//!
//! Reading costs the same number of statements for any number of devices, groups and members.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::IpAddr,
};

use neutrino_db::{
    Conn, DbResult, address_groups,
    schema::{AllowedAddressPairs as A, IpAllocations as I, SecurityGroupPortBindings as G},
    sea_query::{Expr, ExprTrait, JoinType, Query},
    security_groups::{self as rows, Rule},
};
use neutrino_rpc::shapes::security_groups::{
    Member, SecuredDevice, SecurityGroupInfo, SecurityGroupRule,
};
use neutrino_types::{ApiResult, Context, constants::device_owner};

use super::lookup;
use crate::{
    models::{
        distinct, is_in,
        port::{self, Port},
    },
    plugin::Ml2Plugin,
};

/// What is behind a remote group, by group.
type Members = HashMap<String, BTreeSet<Member>>;

impl Ml2Plugin {
    /// Rules of the groups of `devices` (port ids, beginnings of port ids, or MACs), and the
    /// members of the remote groups they name. Devices that are no port, ports of the network
    /// service and ports without port security are left out.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn security_group_info(
        &self,
        ctx: &Context,
        devices: &[String],
    ) -> ApiResult<SecurityGroupInfo> {
        let conn = self.core.db.read().await?;
        let secured = Secured::read(&conn, ctx, devices).await?;
        let members = secured.members(&conn).await?;
        Ok(secured.info(&members))
    }

    /// The same for agents that know no remote groups: each device with its rules, in which
    /// remote groups are replaced by their members.
    ///
    /// # Errors
    /// What the database refused.
    pub async fn security_group_rules(
        &self,
        ctx: &Context,
        devices: &[String],
    ) -> ApiResult<BTreeMap<String, SecuredDevice>> {
        let conn = self.core.db.read().await?;
        let secured = Secured::read(&conn, ctx, devices).await?;
        let members = secured.members(&conn).await?;
        Ok(secured.expanded(&members))
    }
}

/// Ports and the rules of their groups.
struct Secured {
    ports: Vec<Port>,
    /// Rules and statefulness by group.
    groups: BTreeMap<String, (bool, Vec<Rule>)>,
}

impl Secured {
    async fn read(conn: &Conn, ctx: &Context, devices: &[String]) -> ApiResult<Self> {
        let ids = lookup::port_ids(conn, devices, None).await?;
        let ids = distinct(ids.values().map(String::as_str));
        let mut ports = port::by_ids(conn, ctx, &ids).await?;
        ports.retain(|p| {
            p.port_security_enabled && !p.device_owner.starts_with(device_owner::NETWORK_PREFIX)
        });
        let ids = distinct(ports.iter().flat_map(|p| &p.security_groups).map(String::as_str));
        let mut groups: BTreeMap<String, (bool, Vec<Rule>)> = BTreeMap::new();
        if !ids.is_empty() {
            for group in rows::by_ids(conn, &Context::admin(), &ids).await? {
                groups.insert(group.id, (group.stateful, Vec::new()));
            }
            for rule in rows::of_groups(conn, &ids).await? {
                if let Some((_, rules)) = groups.get_mut(&rule.group_id) {
                    rules.push(rule);
                }
            }
        }
        Ok(Self { ports, groups })
    }

    fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.groups.values().flat_map(|(_, rules)| rules)
    }

    /// The members of every remote group that a rule names.
    async fn members(&self, conn: &Conn) -> DbResult<Members> {
        let of = |id: fn(&Rule) -> Option<&String>| -> Vec<&str> {
            distinct(self.rules().filter_map(id).map(String::as_str))
        };
        let mut out = Members::new();
        port_members(conn, &of(|r| r.traffic.remote_group_id.as_ref()), &mut out).await?;
        let groups = of(|r| r.traffic.remote_address_group_id.as_ref());
        for (group, addresses) in address_groups::members(conn, &groups).await? {
            out.entry(group).or_default().extend(addresses.into_iter().map(|a| Member(a, None)));
        }
        Ok(out)
    }

    fn info(&self, members: &Members) -> SecurityGroupInfo {
        let mut info = SecurityGroupInfo::default();
        for (id, (stateful, rules)) in &self.groups {
            let mut shown: Vec<SecurityGroupRule> = Vec::with_capacity(rules.len());
            for rule in rules {
                let rule = wire(rule, Some(*stateful));
                if !shown.contains(&rule) {
                    shown.push(rule);
                }
            }
            info.security_groups.insert(id.clone(), shown);
            for rule in rules {
                let Some(remote) = remote(rule) else { continue };
                let ethertype = rule.traffic.ethertype.as_str();
                let by_ethertype = info.sg_member_ips.entry(remote.to_string()).or_default();
                by_ethertype.entry(ethertype.to_string()).or_insert_with(|| {
                    let all = members.get(remote).into_iter().flatten();
                    all.filter(|m| is_of(&m.0, ethertype)).cloned().collect()
                });
            }
        }
        for port in &self.ports {
            info.devices.insert(port.id.clone(), self.device(port));
        }
        info
    }

    /// A port with the rules of no group.
    fn device(&self, port: &Port) -> SecuredDevice {
        let ips: Vec<IpAddr> = port.fixed_ips.iter().map(|f| f.ip_address).collect();
        let rules = port.security_groups.iter().filter_map(|id| self.groups.get(id));
        let (mut groups, mut address_groups) = (Vec::new(), Vec::new());
        for rule in rules.flat_map(|(_, rules)| rules) {
            let t = &rule.traffic;
            add(&mut groups, t.remote_group_id.as_ref());
            add(&mut address_groups, t.remote_address_group_id.as_ref());
        }
        SecuredDevice {
            device: port.id.clone(),
            security_groups: port.security_groups.clone(),
            security_group_rules: provider_rules(&ips),
            security_group_source_groups: groups,
            security_group_remote_address_groups: address_groups,
            fixed_ips: ips.iter().map(IpAddr::to_string).collect(),
            network_id: Some(port.network_id.clone()),
            device_owner: port.device_owner.clone(),
            mac_address: Some(port.mac_address),
            allowed_address_pairs: port.address_pairs.iter().map(super::wire_pair).collect(),
        }
    }

    fn expanded(&self, members: &Members) -> BTreeMap<String, SecuredDevice> {
        let mut out = BTreeMap::new();
        for port in &self.ports {
            let mut device = self.device(port);
            let own: HashSet<&String> = device.fixed_ips.iter().collect();
            let mut rules = Vec::new();
            let groups = port.security_groups.iter().filter_map(|id| self.groups.get(id));
            for rule in groups.flat_map(|(_, rules)| rules) {
                let plain = wire(rule, None);
                let Some(remote) = remote(rule) else {
                    rules.push(plain);
                    continue;
                };
                let all = members.get(remote).into_iter().flatten();
                let addresses: BTreeSet<&String> = all.map(|m| &m.0).collect();
                for address in addresses {
                    if !own.contains(address) && is_of(address, &plain.ethertype) {
                        rules.push(with_prefix(plain.clone(), host_cidr(address)));
                    }
                }
            }
            rules.append(&mut device.security_group_rules);
            device.security_group_rules = rules;
            out.insert(port.id.clone(), device);
        }
        out
    }
}

fn add(list: &mut Vec<String>, id: Option<&String>) {
    if let Some(id) = id.filter(|id| !list.contains(id)) {
        list.push(id.clone());
    }
}

/// The remote group or address group of a rule.
fn remote(rule: &Rule) -> Option<&str> {
    let t = &rule.traffic;
    t.remote_group_id.as_deref().or(t.remote_address_group_id.as_deref())
}

/// Whether an address or CIDR is one of `ethertype`.
fn is_of(address: &str, ethertype: &str) -> bool {
    address.contains(':') == (ethertype == "IPv6")
}

fn host_cidr(address: &str) -> String {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => format!("{ip}/32"),
        Ok(IpAddr::V6(ip)) => format!("{ip}/128"),
        Err(_) => address.to_string(),
    }
}

fn with_prefix(mut rule: SecurityGroupRule, prefix: String) -> SecurityGroupRule {
    if rule.direction == "ingress" {
        rule.source_ip_prefix = Some(prefix);
    } else {
        rule.dest_ip_prefix = Some(prefix);
    }
    rule
}

/// A rule as agents are told it.
fn wire(rule: &Rule, stateful: Option<bool>) -> SecurityGroupRule {
    let t = &rule.traffic;
    let port = |n: Option<i64>| n.and_then(|n| u32::try_from(n).ok());
    let out = SecurityGroupRule {
        direction: t.direction.clone(),
        ethertype: t.ethertype.clone(),
        protocol: t.protocol.clone(),
        port_range_min: port(t.port_range_min),
        port_range_max: port(t.port_range_max),
        remote_group_id: t.remote_group_id.clone(),
        remote_address_group_id: t.remote_address_group_id.clone(),
        stateful,
        ..SecurityGroupRule::default()
    };
    match rule.normalized_cidr.as_ref().or(t.remote_ip_prefix.as_ref()) {
        Some(prefix) => with_prefix(out, prefix.clone()),
        None => out,
    }
}

/// DHCP of one IP version: port of servers, port of clients, where answers may go besides the
/// client's own addresses.
struct Dhcp {
    ethertype: &'static str,
    server: u32,
    client: u32,
    other: &'static str,
}

const DHCP: [Dhcp; 2] = [
    Dhcp { ethertype: "IPv4", server: 67, client: 68, other: "255.255.255.255/32" },
    Dhcp { ethertype: "IPv6", server: 547, client: 546, other: "fe80::/64" },
];
/// ICMPv6 type of router advertisements.
const ROUTER_ADVERTISEMENT: u32 = 134;

/// Rules that every port has, whatever its groups: router advertisements, and DHCP answers to its
/// own addresses.
fn provider_rules(ips: &[IpAddr]) -> Vec<SecurityGroupRule> {
    let ingress = |ethertype: &str, protocol: &str| SecurityGroupRule {
        direction: "ingress".into(),
        ethertype: ethertype.into(),
        protocol: Some(protocol.into()),
        ..SecurityGroupRule::default()
    };
    let mut out = Vec::new();
    if ips.iter().any(IpAddr::is_ipv6) {
        out.push(SecurityGroupRule {
            source_port_range_min: Some(ROUTER_ADVERTISEMENT),
            ..ingress("IPv6", "ipv6-icmp")
        });
    }
    for dhcp in DHCP {
        let own = ips.iter().map(|ip| host_cidr(&ip.to_string()));
        let own = own.filter(|cidr| is_of(cidr, dhcp.ethertype));
        for destination in own.chain([dhcp.other.to_string()]) {
            out.push(SecurityGroupRule {
                port_range_min: Some(dhcp.client),
                port_range_max: Some(dhcp.client),
                source_port_range_min: Some(dhcp.server),
                source_port_range_max: Some(dhcp.server),
                dest_ip_prefix: Some(destination),
                ..ingress(dhcp.ethertype, "udp")
            });
        }
    }
    out
}

/// Addresses and address pairs of the ports in `groups`: two statements. As in Neutron, a fixed
/// address comes without its MAC.
async fn port_members(conn: &Conn, groups: &[&str], out: &mut Members) -> DbResult<()> {
    if groups.is_empty() {
        return Ok(());
    }
    let mut fixed = Query::select();
    fixed
        .columns([(G::Table, G::SecurityGroupId)])
        .column((I::Table, I::IpAddress))
        .from(G::Table)
        .join(
            JoinType::InnerJoin,
            I::Table,
            Expr::col((I::Table, I::PortId)).equals((G::Table, G::PortId)),
        )
        .and_where(is_in((G::Table, G::SecurityGroupId), groups.iter().copied()));
    for (group, ip) in conn.fetch_map(&fixed, |r| (r.text(0), r.text(1))).await? {
        out.entry(group).or_default().insert(Member(ip, None));
    }
    let mut pairs = Query::select();
    pairs
        .columns([(G::Table, G::SecurityGroupId)])
        .columns([(A::Table, A::IpAddress), (A::Table, A::MacAddress)])
        .from(G::Table)
        .join(
            JoinType::InnerJoin,
            A::Table,
            Expr::col((A::Table, A::PortId)).equals((G::Table, G::PortId)),
        )
        .and_where(is_in((G::Table, G::SecurityGroupId), groups.iter().copied()));
    for (group, ip, mac) in conn.fetch_map(&pairs, |r| (r.text(0), r.text(1), r.text(2))).await? {
        out.entry(group).or_default().insert(Member(ip, Some(mac)));
    }
    Ok(())
}
