//! dnsmasq's command line.

use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::{
    file, subnet_tag,
    view::{Ipv6Mode, Network, Settings, Subnet},
};

/// Longest IPv6 range dnsmasq serves addresses from.
const MIN_V6_PREFIX_LEN: u8 = 64;

/// Directory of a network's log with `dnsmasq_base_log_dir`.
#[must_use]
pub fn log_dir(settings: &Settings, network_id: &str) -> Option<PathBuf> {
    let base = settings.dnsmasq_base_log_dir.as_ref().filter(|base| !base.is_empty())?;
    Some(Path::new(base).join(network_id))
}

/// The command line of `network`'s dnsmasq, program first; its files are in `dir`.
///
/// The order is Neutron's: whether a running dnsmasq can stay is decided by comparing it.
#[must_use]
pub fn dnsmasq(settings: &Settings, network: &Network, dir: &Path) -> Vec<String> {
    let path = |name: &str| dir.join(name).display().to_string();
    let mut out = vec!["dnsmasq".to_string(), "--no-hosts".into()];
    if !settings.dnsmasq_dns_servers.is_empty() || !settings.dnsmasq_local_resolv {
        out.push("--no-resolv".into());
    }
    out.push(format!("--pid-file={}", path(file::PID)));
    out.push(format!("--dhcp-hostsfile={}", path(file::HOST)));
    out.push(format!("--addn-hosts={}", path(file::ADDN_HOSTS)));
    out.push(format!("--dhcp-optsfile={}", path(file::OPTS)));
    out.push(format!("--dhcp-leasefile={}", path(file::LEASES)));
    out.push("--dhcp-match=set:ipxe,175".into());
    out.push("--dhcp-userclass=set:ipxe6,iPXE".into());
    out.push("--local-service".into());
    out.push("--bind-dynamic".into());
    let mut leases = 0_u128;
    for subnet in network.all_subnets() {
        if let Some(range) = range(settings, subnet) {
            out.push(range);
            leases = leases.saturating_add(size(subnet.cidr));
        }
    }
    if network.mtu > 0 {
        out.push(format!("--dhcp-option-force=option:mtu,{}", network.mtu));
    }
    out.push(format!("--dhcp-lease-max={}", leases.min(settings.dnsmasq_lease_max.into())));
    out.extend(general(settings));
    if let Some(dir) = log_dir(settings, &network.id) {
        out.push("--log-queries".into());
        out.push("--log-dhcp".into());
        out.push(format!("--log-facility={}", dir.join("dhcp_dns_log").display()));
    }
    out
}

/// The options that do not depend on the network.
fn general(settings: &Settings) -> Vec<String> {
    let mut out = Vec::new();
    if settings.dhcp_renewal_time > 0 {
        out.push(format!("--dhcp-option-force=option:T1,{}s", settings.dhcp_renewal_time));
    }
    if settings.dhcp_rebinding_time > 0 {
        out.push(format!("--dhcp-option-force=option:T2,{}s", settings.dhcp_rebinding_time));
    }
    if !settings.dnsmasq_txt_record.is_empty() {
        out.push(format!("--txt-record={}", settings.dnsmasq_txt_record));
    }
    let file = settings.dnsmasq_config_file.trim();
    // Without this dnsmasq would read the host's own configuration.
    out.push(format!("--conf-file={}", if file.is_empty() { "/dev/null" } else { file }));
    out.extend(settings.dnsmasq_dns_servers.iter().map(|server| format!("--server={server}")));
    if !settings.dns_domain.is_empty() {
        out.push(format!("--domain={}", settings.dns_domain));
    }
    if settings.dhcp_broadcast_reply {
        out.push("--dhcp-broadcast".into());
    }
    out
}

/// The `--dhcp-range` of a subnet, when DHCP serves it.
fn range(settings: &Settings, subnet: &Subnet) -> Option<String> {
    let tag = subnet_tag(&subnet.id);
    let lease =
        settings.dhcp_lease_duration.map_or_else(|| "infinite".into(), |secs| format!("{secs}s"));
    if !subnet.enable_dhcp {
        return None;
    }
    match subnet.cidr {
        IpNet::V4(net) => Some(format!(
            "--dhcp-range=set:{tag},{},static,{},{lease}",
            net.network(),
            net.netmask()
        )),
        IpNet::V6(net) => {
            let asked = match subnet.ipv6_address_mode {
                Some(Ipv6Mode::Dhcpv6Stateful | Ipv6Mode::Dhcpv6Stateless) => true,
                Some(Ipv6Mode::Slaac) => false,
                // Subnets older than the modes are served.
                None => subnet.ipv6_ra_mode.is_none(),
            };
            (asked && net.prefix_len() >= MIN_V6_PREFIX_LEN).then(|| {
                format!(
                    "--dhcp-range=set:{tag},{},static,{},{lease}",
                    net.network(),
                    net.prefix_len()
                )
            })
        }
    }
}

/// Addresses in a range, the unusable ones included.
fn size(net: IpNet) -> u128 {
    1_u128.checked_shl(u32::from(net.max_prefix_len() - net.prefix_len())).unwrap_or(u128::MAX)
}
