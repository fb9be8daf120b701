//! Which address of which port a floating IP leads to, and by which router.
//!
//! Reading and deciding are apart: [`InternalPort::choose`] and [`choose_router`] are functions of
//! what was read.

use std::net::{IpAddr, Ipv4Addr};

use neutrino_db::{
    Conn, DbResult,
    floating_ips::{self as rows, Association, FloatingIp, PortDetails},
    port_forwardings,
    schema::{
        IpAllocations as I, PortBindings as B, Ports as P, RouterPorts as O, Routers as R, Subnets,
    },
    sea_query::{Alias, Condition, Expr, ExprTrait, JoinType, Order, Query},
};
use neutrino_ml2::models::port;
use neutrino_types::{ApiError, ApiResult, Attrs, Context, constants::device_owner, request};
use serde_json::Value;

use super::bad_request;

/// VNIC types of ports that a switch on the host carries: those a distributed router reaches.
const SWITCHED: [&str; 2] = ["normal", "smart-nic"];

/// An address of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::l3) struct InternalAddress {
    /// The address.
    pub(in crate::l3) ip: IpAddr,
    /// Its subnet.
    pub(in crate::l3) subnet_id: String,
}

/// A port that a floating IP may lead to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::l3) struct InternalPort {
    pub(in crate::l3) id: String,
    pub(in crate::l3) project_id: String,
    pub(in crate::l3) vnic_type: String,
    pub(in crate::l3) details: PortDetails,
    pub(in crate::l3) addresses: Vec<InternalAddress>,
}

/// A router between a subnet and an external network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::l3) struct Candidate {
    pub(in crate::l3) router_id: String,
    pub(in crate::l3) distributed: bool,
    /// Whether the router's address is the gateway of the subnet.
    pub(in crate::l3) is_gateway: bool,
}

/// The port `id` with its addresses; one statement.
///
/// # Errors
/// `PortNotFound` when it is not there or `ctx` may not see it.
pub(in crate::l3) async fn internal_port(
    conn: &Conn,
    ctx: &Context,
    id: &str,
) -> ApiResult<InternalPort> {
    let mut query = port::from();
    query
        .columns([P::Id, P::ProjectId].map(|c| (P::Table, c)))
        .column((B::Table, B::VnicType))
        .columns([(I::Table, I::IpAddress), (I::Table, I::SubnetId)])
        .columns(rows::PORT_COLUMNS.map(|c| (P::Table, c)))
        .join(
            JoinType::LeftJoin,
            I::Table,
            Expr::col((I::Table, I::PortId)).equals((P::Table, P::Id)),
        )
        .and_where(Expr::col((P::Table, P::Id)).eq(id))
        .cond_where(Condition::all().add_option(port::visible(ctx)));
    let found = conn
        .fetch_fold(&query, None, |found: &mut Option<InternalPort>, row| {
            let port = found.get_or_insert_with(|| InternalPort {
                id: row.text(0),
                project_id: row.text(1),
                vnic_type: row.text(2),
                details: rows::port_details(row, 5),
                addresses: Vec::new(),
            });
            if let Ok(ip) = row.str(3).parse() {
                port.addresses.push(InternalAddress { ip, subnet_id: row.text(4) });
            }
        })
        .await?;
    found.ok_or_else(|| ApiError::resource_not_found("port", id))
}

/// The routers between `subnet` and the external `network`, in the order of their ids; one
/// statement.
///
/// # Errors
/// What the database refused.
pub(in crate::l3) async fn candidates(
    conn: &Conn,
    subnet: &str,
    network: &str,
) -> DbResult<Vec<Candidate>> {
    let gateway = Alias::new("gateway");
    let query = Query::select()
        .columns([(R::Table, R::Id), (R::Table, R::Distributed)])
        .columns([(I::Table, I::IpAddress)])
        .columns([(Subnets::Table, Subnets::GatewayIp)])
        .from(O::Table)
        .join(
            JoinType::InnerJoin,
            I::Table,
            Expr::col((I::Table, I::PortId)).equals((O::Table, O::PortId)),
        )
        .join(
            JoinType::InnerJoin,
            Subnets::Table,
            Expr::col((Subnets::Table, Subnets::Id)).equals((I::Table, I::SubnetId)),
        )
        .join(
            JoinType::InnerJoin,
            R::Table,
            Expr::col((R::Table, R::Id)).equals((O::Table, O::RouterId)),
        )
        .join_as(
            JoinType::InnerJoin,
            P::Table,
            gateway.clone(),
            Expr::col((gateway.clone(), P::Id)).equals((R::Table, R::GwPortId)),
        )
        .and_where(Expr::col((I::Table, I::SubnetId)).eq(subnet))
        .and_where(Expr::col((O::Table, O::PortType)).is_in(device_owner::ROUTER_INTERFACES))
        .and_where(Expr::col((gateway, P::NetworkId)).eq(network))
        .order_by((R::Table, R::Id), Order::Asc)
        .to_owned();
    conn.fetch_map(&query, |row| Candidate {
        router_id: row.text(0),
        distributed: row.bool(1),
        is_gateway: row.opt_str(3) == Some(row.str(2)),
    })
    .await
}

/// The router that is the subnet's gateway, else the first one.
pub(in crate::l3) fn choose_router(candidates: Vec<Candidate>) -> Option<Candidate> {
    let gateway = candidates.iter().position(|c| c.is_gateway).unwrap_or(0);
    candidates.into_iter().nth(gateway)
}

impl InternalPort {
    /// The IPv4 addresses with their subnets.
    pub(in crate::l3) fn v4(&self) -> impl Iterator<Item = (Ipv4Addr, &str)> {
        self.addresses.iter().filter_map(|address| match address.ip {
            IpAddr::V4(ip) => Some((ip, address.subnet_id.as_str())),
            IpAddr::V6(_) => None,
        })
    }

    /// The address that a floating IP leads to, and its subnet: the one `wanted`, else the only
    /// one of IPv4.
    ///
    /// # Errors
    /// `BadRequest`.
    fn choose(&self, wanted: Option<IpAddr>) -> ApiResult<(Ipv4Addr, &str)> {
        if self.details.device_owner == device_owner::DHCP {
            return Err(bad_request(format_args!(
                "Port {} is unable to be assigned a floating IP",
                self.id
            )));
        }
        if let Some(wanted) = wanted {
            if wanted.is_ipv6() {
                return Err(bad_request(format_args!(
                    "Cannot process floating IP association with {wanted}, since that is not an \
                     IPv4 address"
                )));
            }
            return self.v4().find(|(ip, _)| IpAddr::V4(*ip) == wanted).ok_or_else(|| {
                bad_request(format_args!("Port {} does not have fixed ip {wanted}", self.id))
            });
        }
        let mut v4 = self.v4();
        let first = v4.next().ok_or_else(|| {
            bad_request(format_args!(
                "Cannot add floating IP to port {} that has no fixed IPv4 addresses",
                self.id
            ))
        })?;
        if v4.next().is_some() {
            return Err(bad_request(format_args!(
                "Port {} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address \
                 when assigning a floating IP",
                self.id
            )));
        }
        Ok(first)
    }
}

/// `FipInUseByPortForwarding` (409) when the floating IP has port forwardings.
pub(super) fn ensure_not_forwarding(floating: &FloatingIp) -> ApiResult<()> {
    if !floating.is_forwarding() {
        return Ok(());
    }
    Err(ApiError::conflict(
        "FipInUseByPortForwarding",
        format!("Floating IP {} in use by Port Forwarding resources.", floating.id),
    ))
}

/// Makes `floating` lead where `attrs` (of a create or an update) say; no statement where they name
/// no port, else three.
///
/// # Errors
/// `BadRequest`, `PortNotFound`, `ExternalGatewayForFloatingIPNotFound`,
/// `FloatingIPPortAlreadyAssociated`, `FipInUseByPortForwarding`.
pub(super) async fn change(
    conn: &Conn,
    ctx: &Context,
    floating: &mut FloatingIp,
    attrs: &Attrs,
) -> ApiResult<()> {
    let wanted = request::text(attrs, "fixed_ip_address");
    let Some(port) = request::text(attrs, "port_id") else {
        if wanted.is_some() {
            return Err(bad_request("fixed_ip_address cannot be specified without a port_id"));
        }
        // An update that says nothing at all disassociates too: once there was nothing else to say.
        let leave = attrs.is_empty() || attrs.get("port_id").is_some_and(Value::is_null);
        if leave && floating.association.is_some() {
            floating.association = None;
            floating.last_known_router_id = floating.router_id.take();
        }
        return Ok(());
    };
    let wanted = wanted.map(|ip| {
        ip.parse()
            .map_err(|_| ApiError::invalid_input(format_args!("'{ip}' is not a valid IP address")))
    });
    let association = find(conn, ctx, floating, port, wanted.transpose()?).await?;
    ensure_not_forwarding(floating)?;
    if floating.router_id.as_ref() != Some(&association.1) {
        floating.last_known_router_id = floating.router_id.replace(association.1);
    }
    floating.association = Some(association.0);
    Ok(())
}

/// The association of `floating` with `port`, and its router.
async fn find(
    conn: &Conn,
    ctx: &Context,
    floating: &FloatingIp,
    port: &str,
    wanted: Option<IpAddr>,
) -> ApiResult<(Association, String)> {
    let port = internal_port(conn, ctx, port).await?;
    if port.project_id != floating.project_id && !ctx.is_admin {
        return Err(bad_request(format_args!(
            "Cannot process floating IP association with Port {}, since that port is owned by a \
             different project",
            port.id
        )));
    }
    let (ip, subnet) = port.choose(wanted)?;
    let router = choose_router(candidates(conn, subnet, &floating.network_id).await?);
    let router =
        router.ok_or_else(|| unreachable_network(&floating.network_id, subnet, &port.id))?;
    if router.distributed && !SWITCHED.contains(&port.vnic_type.as_str()) {
        return Err(bad_request("Port VNIC type is not valid to associate a FIP in DVR mode"));
    }
    if router.distributed && !port_forwardings::to_ports(conn, &[&port.id]).await?.is_empty() {
        // The port may be on any host, its forwardings are where the router's gateway is.
        return Err(ApiError::bad_request(
            "PortHasPortForwarding",
            format!(
                "Cannot associate floating IP to port {} because it already has a Port Forwarding \
                 binding.",
                port.id
            ),
        ));
    }
    if rows::is_taken(conn, &floating.network_id, &port.id, ip, &floating.id).await? {
        return Err(already_associated(floating, &port.id, ip));
    }
    let association = Association { port_id: port.id, fixed_ip_address: ip, port: port.details };
    Ok((association, router.router_id))
}

/// `ExternalGatewayForFloatingIPNotFound` (404).
fn unreachable_network(network: &str, subnet: &str, port: &str) -> ApiError {
    ApiError::not_found(
        "ExternalGatewayForFloatingIPNotFound",
        format!(
            "External network {network} is not reachable from subnet {subnet}.  Therefore, cannot \
             associate Port {port} with a Floating IP."
        ),
    )
}

/// `FloatingIPPortAlreadyAssociated` (409).
pub(in crate::l3) fn already_associated(
    floating: &FloatingIp,
    port: &str,
    fixed_ip: Ipv4Addr,
) -> ApiError {
    ApiError::conflict(
        "FloatingIPPortAlreadyAssociated",
        format!(
            "Cannot associate floating IP {} ({}) with port {port} using fixed IP {fixed_ip}, as \
             that fixed IP already has a floating IP on external network {}.",
            floating.address, floating.id, floating.network_id
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(owner: &str, addresses: &[&str]) -> InternalPort {
        let address = |(n, ip): (usize, &&str)| InternalAddress {
            ip: ip.parse().expect("address"),
            subnet_id: format!("s{n}"),
        };
        InternalPort {
            id: "p".into(),
            details: PortDetails { device_owner: owner.into(), ..PortDetails::default() },
            addresses: addresses.iter().enumerate().map(address).collect(),
            ..InternalPort::default()
        }
    }

    #[test]
    fn the_only_ipv4_address_is_meant_unless_one_is_named() {
        let ip = |text: &str| Some(text.parse().expect("address"));
        let one = port("compute:nova", &["fd00::5", "10.0.0.5"]);
        assert_eq!(one.choose(None).expect("the only one"), (Ipv4Addr::new(10, 0, 0, 5), "s1"));
        let two = port("compute:nova", &["10.0.0.5", "10.0.1.5"]);
        let chosen = two.choose(ip("10.0.1.5")).expect("named");
        assert_eq!(chosen, (Ipv4Addr::new(10, 0, 1, 5), "s1"));
        for (port, wanted, why) in [
            (&two, None, "multiple fixed IPv4 addresses"),
            (&two, ip("10.0.0.9"), "does not have fixed ip 10.0.0.9"),
            (&one, ip("fd00::5"), "not an IPv4 address"),
            (&port("compute:nova", &["fd00::5"]), None, "no fixed IPv4 addresses"),
            (&port(device_owner::DHCP, &["10.0.0.2"]), None, "unable to be assigned"),
        ] {
            let refused = port.choose(wanted).expect_err("refused");
            assert_eq!((refused.status, refused.kind), (400, "BadRequest"));
            assert!(refused.message.contains(why), "{}", refused.message);
        }
    }

    #[test]
    fn the_gateway_of_the_subnet_is_preferred() {
        let router = |id: &str, is_gateway| Candidate {
            router_id: id.into(),
            distributed: false,
            is_gateway,
        };
        let chosen = |found| choose_router(found).map(|c| c.router_id);
        assert_eq!(chosen(vec![]), None);
        assert_eq!(chosen(vec![router("a", false), router("b", false)]).as_deref(), Some("a"));
        assert_eq!(chosen(vec![router("a", false), router("b", true)]).as_deref(), Some("b"));
    }
}
