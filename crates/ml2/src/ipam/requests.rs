//! What addresses a port asks for: the rules that turn `fixed_ips` into requests.

use std::net::IpAddr;

use neutrino_types::{ApiError, ApiResult, MacAddr, constants::device_owner};

use super::{
    addr::{eui64, is_eui64, is_router_interface_or_snat, valid_on_subnet},
    candidates::Preference,
};
use crate::models::{port::FixedIp, subnet::Subnet};

/// One address wanted.
#[derive(Clone, Debug, PartialEq)]
pub enum AddressRequest<'a> {
    /// This address of this subnet.
    Specific(&'a Subnet, IpAddr),
    /// Any free address of the first of these subnets that has one.
    Any(Vec<&'a Subnet>, Preference),
}

/// One entry of `fixed_ips` as given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FixedIpRequest {
    /// `subnet_id`.
    pub subnet_id: Option<String>,
    /// `ip_address`.
    pub ip_address: Option<IpAddr>,
    /// `delete_subnet`: give up the automatic address of that subnet.
    pub delete_subnet: bool,
}

/// The port that asks.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Its network.
    pub network_id: &'a str,
    /// Its MAC.
    pub mac: MacAddr,
    /// Its `device_owner`.
    pub owner: &'a str,
}

impl Asker<'_> {
    fn preference(&self) -> Preference {
        match self.owner {
            device_owner::DHCP | device_owner::DISTRIBUTED => Preference::First,
            _ => Preference::Random,
        }
    }
}

/// The subnets a port with `owner` may use: those with a matching service type first, then those
/// without any.
///
/// # Errors
/// `IpAddressGenerationFailureNoMatchingSubnet` when the network has subnets but none fits.
pub fn eligible<'a>(
    subnets: impl IntoIterator<Item = &'a Subnet>,
    asker: &Asker<'_>,
) -> ApiResult<Vec<&'a Subnet>> {
    let mut any = false;
    let (mut matching, mut general) = (Vec::new(), Vec::new());
    for subnet in subnets {
        any = true;
        if subnet.service_types.is_empty() {
            general.push(subnet);
        } else if subnet.service_types.iter().any(|t| fits(t, asker.owner)) {
            matching.push(subnet);
        }
    }
    matching.extend(general);
    if any && matching.is_empty() {
        return Err(ApiError::conflict(
            "IpAddressGenerationFailureNoMatchingSubnet",
            format!(
                "No valid service subnet for the given device owner, network {}, service type {}.",
                asker.network_id, asker.owner
            ),
        ));
    }
    Ok(matching)
}

fn fits(service_type: &str, owner: &str) -> bool {
    !owner.is_empty() && owner.starts_with(service_type)
}

/// The requests of a new port. `fixed_ips` is `None` when the user gave none.
///
/// # Errors
/// As [`for_given`].
pub fn for_new_port<'a>(
    asker: &Asker<'_>,
    subnets: &[&'a Subnet],
    fixed_ips: Option<&[FixedIpRequest]>,
) -> ApiResult<Vec<AddressRequest<'a>>> {
    let mut out = match fixed_ips {
        Some(given) => for_given(asker, subnets, given)?,
        None => {
            let any = |version: u8| -> Option<AddressRequest<'a>> {
                let of_version: Vec<&Subnet> = subnets
                    .iter()
                    .copied()
                    .filter(|s| s.ip_version() == version && !s.is_auto_address())
                    .collect();
                (!of_version.is_empty())
                    .then(|| AddressRequest::Any(of_version, asker.preference()))
            };
            any(4).into_iter().chain(any(6)).collect()
        }
    };
    // An explicit empty list means no address at all, automatic ones excepted as in Neutron.
    out.extend(automatic(asker, subnets, &out));
    Ok(out)
}

/// EUI-64 addresses of every automatic subnet that `out` does not serve yet. Router interfaces
/// get none.
fn automatic<'a>(
    asker: &Asker<'_>,
    subnets: &[&'a Subnet],
    out: &[AddressRequest<'a>],
) -> Vec<AddressRequest<'a>> {
    if is_router_interface_or_snat(asker.owner) {
        return Vec::new();
    }
    let served = |subnet: &Subnet| {
        out.iter().any(|r| matches!(r, AddressRequest::Specific(s, _) if s.id == subnet.id))
    };
    subnets
        .iter()
        .copied()
        .filter(|s| s.is_auto_address() && !served(s))
        .map(|s| AddressRequest::Specific(s, eui64(&s.cidr, asker.mac)))
        .collect()
}

/// The requests of given `fixed_ips` entries.
///
/// # Errors
/// `InvalidInput`, `InvalidIpForSubnet`, `InvalidIpForNetwork`, `AllocationOnAutoAddressSubnet`,
/// `SubnetNotFound`-like refusals of entries that cannot be served.
pub fn for_given<'a>(
    asker: &Asker<'_>,
    subnets: &[&'a Subnet],
    given: &[FixedIpRequest],
) -> ApiResult<Vec<AddressRequest<'a>>> {
    let mut out = Vec::with_capacity(given.len());
    for entry in given {
        let subnet = subnet_for(asker, subnets, entry)?;
        match entry.ip_address {
            Some(ip) => {
                check_automatic(asker, subnet, ip)?;
                out.push(AddressRequest::Specific(subnet, ip));
            }
            // Automatic subnets are served all together, whether listed or not.
            None if subnet.is_auto_address() && !is_router_interface_or_snat(asker.owner) => {}
            None => out.push(AddressRequest::Any(vec![subnet], asker.preference())),
        }
    }
    Ok(out)
}

fn check_automatic(asker: &Asker<'_>, subnet: &Subnet, ip: IpAddr) -> ApiResult<()> {
    let is_interface = device_owner::ROUTER_INTERFACES.contains(&asker.owner);
    if !subnet.is_auto_address() || is_interface || ip == eui64(&subnet.cidr, asker.mac) {
        return Ok(());
    }
    Err(ApiError::bad_request(
        "AllocationOnAutoAddressSubnet",
        format!(
            "IPv6 address {ip} cannot be directly assigned to a port on subnet {} as the subnet \
             is configured for automatic addresses",
            subnet.id
        ),
    ))
}

fn subnet_for<'a>(
    asker: &Asker<'_>,
    subnets: &[&'a Subnet],
    entry: &FixedIpRequest,
) -> ApiResult<&'a Subnet> {
    if subnets.is_empty() {
        return Err(ApiError::invalid_input("IP allocation requires subnets for network"));
    }
    match (&entry.subnet_id, entry.ip_address) {
        (Some(id), ip) => {
            let subnet = subnets.iter().copied().find(|s| s.id == *id).ok_or_else(|| {
                ApiError::invalid_input(format!(
                    "Failed to create port on network {}, because fixed_ips included invalid \
                     subnet {id}",
                    asker.network_id
                ))
            })?;
            match ip {
                Some(ip) if !valid_on_subnet(&subnet.cidr, ip, asker.owner) => {
                    Err(ApiError::bad_request(
                        "InvalidIpForSubnet",
                        format!("IP address {ip} is not a valid IP for the specified subnet."),
                    ))
                }
                _ => Ok(subnet),
            }
        }
        (None, Some(ip)) => {
            subnets.iter().copied().find(|s| valid_on_subnet(&s.cidr, ip, asker.owner)).ok_or_else(
                || {
                    ApiError::bad_request(
                        "InvalidIpForNetwork",
                        format!(
                            "IP address {ip} is not a valid IP for any of the subnets on the \
                         specified network."
                        ),
                    )
                },
            )
        }
        (None, None) => {
            Err(ApiError::invalid_input("IP allocation requires subnet_id or ip_address"))
        }
    }
}

/// What an update of `fixed_ips` adds, keeps and removes.
#[derive(Debug, Default, PartialEq)]
pub struct Difference {
    /// Entries that need an address.
    pub add: Vec<FixedIpRequest>,
    /// Addresses that stay.
    pub keep: Vec<FixedIp>,
    /// Addresses given up.
    pub remove: Vec<FixedIp>,
}

/// Compares a port's addresses with the wanted entries: an entry with an address keeps or adds
/// it, one with only a subnet keeps an address of that subnet; automatic addresses stay unless
/// `delete_subnet` names their subnet.
#[must_use]
pub fn difference(
    original: &[FixedIp],
    wanted: &[FixedIpRequest],
    owner: &str,
    is_automatic: impl Fn(&str) -> bool,
) -> Difference {
    let given_up = |subnet: &str| {
        wanted.iter().any(|w| w.delete_subnet && w.subnet_id.as_deref() == Some(subnet))
    };
    let mut left: Vec<FixedIp> = original.to_vec();
    let mut out = Difference::default();
    let wanted: Vec<&FixedIpRequest> =
        wanted.iter().filter(|w| !w.subnet_id.as_deref().is_some_and(&given_up)).collect();
    for entry in wanted.iter().filter(|w| w.ip_address.is_some()) {
        match left.iter().position(|f| Some(f.ip_address) == entry.ip_address) {
            Some(at) => out.keep.push(left.remove(at)),
            None => out.add.push((*entry).clone()),
        }
    }
    let mut maybe_remove = Vec::new();
    for entry in wanted.iter().filter(|w| w.ip_address.is_none()) {
        match left.iter().rposition(|f| Some(&f.subnet_id) == entry.subnet_id.as_ref()) {
            None => out.add.push((*entry).clone()),
            // The prefix may have changed: ask for it again.
            Some(at) if is_eui64(left[at].ip_address) => {
                out.add.push((*entry).clone());
                maybe_remove.push(left.remove(at));
            }
            Some(at) => out.keep.push(left.remove(at)),
        }
    }
    for ip in left.into_iter().chain(maybe_remove) {
        let required = is_router_interface_or_snat(owner) || !is_automatic(&ip.subnet_id);
        if required || given_up(&ip.subnet_id) {
            out.remove.push(ip);
        } else {
            out.keep.push(ip);
        }
    }
    out
}

/// The requests of an update: what [`difference`] adds, and automatic addresses of subnets the
/// port has none of yet.
///
/// # Errors
/// As [`for_given`].
pub fn for_update<'a>(
    asker: &Asker<'_>,
    subnets: &[&'a Subnet],
    difference: &Difference,
) -> ApiResult<Vec<AddressRequest<'a>>> {
    let mut out = if difference.add.is_empty() {
        Vec::new()
    } else {
        for_given(asker, subnets, &difference.add)?
    };
    let handled = |subnet: &Subnet| {
        difference.keep.iter().chain(&difference.remove).any(|f| f.subnet_id == subnet.id)
    };
    let open: Vec<&Subnet> = subnets.iter().copied().filter(|s| !handled(s)).collect();
    out.extend(automatic(asker, &open, &out));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipam::{addr::parse_net, pools::default_pools};

    fn subnet(id: &str, cidr: &str, mode: Option<&str>) -> Subnet {
        let cidr = parse_net(cidr).expect("valid");
        Subnet {
            id: id.into(),
            project_id: "p".into(),
            network_id: "n".into(),
            segment_id: None,
            name: String::new(),
            description: String::new(),
            gateway_ip: None,
            enable_dhcp: true,
            ipv6_ra_mode: mode.map(Into::into),
            ipv6_address_mode: mode.map(Into::into),
            subnetpool_id: None,
            external: false,
            revision: 0,
            created_at: String::new(),
            updated_at: String::new(),
            pools: default_pools(&cidr, None),
            dns_nameservers: vec![],
            host_routes: vec![],
            service_types: vec![],
            tags: vec![],
            cidr,
        }
    }

    fn asker(owner: &str) -> Asker<'_> {
        Asker { network_id: "n", mac: "fa:16:3e:d0:33:1a".parse().expect("valid"), owner }
    }

    fn given(subnet: Option<&str>, ip: Option<&str>) -> FixedIpRequest {
        FixedIpRequest {
            subnet_id: subnet.map(Into::into),
            ip_address: ip.map(|i| i.parse().expect("valid")),
            delete_subnet: false,
        }
    }

    fn fixed(subnet: &str, ip: &str) -> FixedIp {
        FixedIp { subnet_id: subnet.into(), ip_address: ip.parse().expect("valid") }
    }

    #[test]
    fn a_port_gets_one_v4_one_stateful_v6_and_every_automatic_address() {
        let (a, b) = (subnet("a", "10.0.0.0/24", None), subnet("b", "10.0.1.0/24", None));
        let stateful = subnet("c", "fd00:1::/64", Some("dhcpv6-stateful"));
        let slaac = subnet("d", "fd00:2::/64", Some("slaac"));
        let stateless = subnet("e", "fd00:3::/64", Some("dhcpv6-stateless"));
        let all = [&a, &b, &stateful, &slaac, &stateless];
        let out = for_new_port(&asker("compute:nova"), &all, None).expect("requests");
        let mac = asker("").mac;
        assert_eq!(
            out,
            [
                AddressRequest::Any(vec![&a, &b], Preference::Random),
                AddressRequest::Any(vec![&stateful], Preference::Random),
                AddressRequest::Specific(&slaac, eui64(&slaac.cidr, mac)),
                AddressRequest::Specific(&stateless, eui64(&stateless.cidr, mac)),
            ]
        );
        let router = for_new_port(&asker(device_owner::ROUTER_INTERFACE), &all, None);
        assert_eq!(router.expect("requests").len(), 2);
        let dhcp = for_new_port(&asker(device_owner::DHCP), &[&a], None).expect("requests");
        assert_eq!(dhcp, [AddressRequest::Any(vec![&a], Preference::First)]);
    }

    #[test]
    fn entries_are_checked_as_neutron_does() {
        let (a, slaac) =
            (subnet("a", "10.0.0.0/24", None), subnet("d", "fd00:2::/64", Some("slaac")));
        let kind = |subnets: &[&Subnet], entry| {
            for_given(&asker("compute:nova"), subnets, &[entry]).expect_err("refused").kind
        };
        assert_eq!(kind(&[], given(Some("a"), None)), "InvalidInput");
        assert_eq!(kind(&[&a], given(Some("x"), None)), "InvalidInput");
        assert_eq!(kind(&[&a], given(None, None)), "InvalidInput");
        assert_eq!(kind(&[&a], given(Some("a"), Some("10.0.0.255"))), "InvalidIpForSubnet");
        assert_eq!(kind(&[&a], given(None, Some("10.1.0.5"))), "InvalidIpForNetwork");
        assert_eq!(
            kind(&[&slaac], given(Some("d"), Some("fd00:2::5"))),
            "AllocationOnAutoAddressSubnet"
        );
        let ok = for_given(&asker(""), &[&a], &[given(None, Some("10.0.0.5"))]).expect("requests");
        assert_eq!(ok, [AddressRequest::Specific(&a, "10.0.0.5".parse().expect("valid"))]);
    }

    #[test]
    fn updates_keep_what_they_can() {
        let original = [fixed("a", "10.0.0.5"), fixed("a", "10.0.0.6"), fixed("s", "fd00::9")];
        let wanted = [given(Some("a"), None), given(None, Some("10.0.0.9"))];
        let out = difference(&original, &wanted, "compute:nova", |s| s == "s");
        assert_eq!(out.add, [given(None, Some("10.0.0.9"))]);
        assert_eq!(out.keep, [fixed("a", "10.0.0.6"), fixed("s", "fd00::9")]);
        assert_eq!(out.remove, [fixed("a", "10.0.0.5")]);
        let gone = FixedIpRequest { delete_subnet: true, ..given(Some("s"), None) };
        let out = difference(&original, &[gone], "compute:nova", |s| s == "s");
        assert_eq!((out.keep.len(), out.remove.len()), (0, 3));
    }

    #[test]
    fn service_types_prefer_and_exclude() {
        let plain = subnet("a", "10.0.0.0/24", None);
        let mut nova = subnet("b", "10.0.1.0/24", None);
        nova.service_types = vec!["compute:nova".into()];
        let ids = |owner: &str| {
            eligible([&plain, &nova], &asker(owner))
                .expect("subnets")
                .iter()
                .map(|s| s.id.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(ids("compute:nova"), ["b", "a"]);
        assert_eq!(ids("network:dhcp"), ["a"]);
        let none = eligible([&nova], &asker("network:dhcp")).expect_err("refused");
        assert_eq!((none.kind, none.status), ("IpAddressGenerationFailureNoMatchingSubnet", 409));
    }
}
