//! How large a packet a network carries, from the physical MTU and the encapsulation.

use neutrino_types::NetworkType;

use crate::config::MtuConfig;

/// Bytes GRE with key adds, without the IP header (Neutron's `GRE_ENCAP_OVERHEAD`).
const GRE_OVERHEAD: u32 = 22;
/// Bytes VXLAN adds, without the IP header (`VXLAN_ENCAP_OVERHEAD`).
const VXLAN_OVERHEAD: u32 = 30;

/// Largest MTU in bytes of a segment; `None` when the type sets no limit.
#[must_use]
pub fn segment_mtu(
    config: &MtuConfig,
    network_type: NetworkType,
    physical_network: Option<&str>,
) -> Option<u32> {
    let limit = |other: Option<u32>| {
        [(config.global_physnet > 0).then_some(config.global_physnet), other]
            .into_iter()
            .flatten()
            .min()
    };
    let tunnel = |overhead: u32| {
        let header = if config.overlay_ip_version == 6 { 40 } else { 20 };
        limit((config.path > 0).then_some(config.path))
            .map(|mtu| mtu.saturating_sub(header + overhead))
    };
    let mtu = match network_type {
        NetworkType::Local => None,
        NetworkType::Flat | NetworkType::Vlan => {
            limit(physical_network.and_then(|n| config.physical_networks.get(n).copied()))
        }
        NetworkType::Gre => tunnel(GRE_OVERHEAD),
        NetworkType::Vxlan => tunnel(VXLAN_OVERHEAD),
        NetworkType::Geneve => tunnel(config.geneve_header),
    };
    mtu.filter(|mtu| *mtu > 0)
}

/// Largest MTU in bytes of a network with these segments; 0 when nothing limits it.
#[must_use]
pub fn network_max_mtu<'a>(
    config: &MtuConfig,
    segments: impl IntoIterator<Item = (NetworkType, Option<&'a str>)>,
) -> u32 {
    segments
        .into_iter()
        .filter_map(|(t, physical)| segment_mtu(config, t, physical))
        .min()
        .unwrap_or(config.global_physnet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_physnet(mtu: u32) -> MtuConfig {
        MtuConfig { global_physnet: mtu, ..MtuConfig::default() }
    }

    #[test]
    fn physnet_1496_gives_the_seeds_values() {
        let config = with_physnet(1496);
        let mtu = |t| segment_mtu(&config, t, Some("p"));
        assert_eq!(mtu(NetworkType::Vlan), Some(1496));
        assert_eq!(mtu(NetworkType::Flat), Some(1496));
        assert_eq!(mtu(NetworkType::Vxlan), Some(1446));
        assert_eq!(mtu(NetworkType::Geneve), Some(1446));
        assert_eq!(mtu(NetworkType::Gre), Some(1454));
        assert_eq!(mtu(NetworkType::Local), None);
    }

    #[test]
    fn path_mtu_and_ipv6_overlays_lower_tunnels_only() {
        let config = MtuConfig { path: 1400, overlay_ip_version: 6, ..with_physnet(9000) };
        assert_eq!(segment_mtu(&config, NetworkType::Vxlan, None), Some(1330));
        assert_eq!(segment_mtu(&config, NetworkType::Vlan, Some("p")), Some(9000));
    }

    #[test]
    fn a_network_takes_its_smallest_segment() {
        let config = with_physnet(1500);
        let segments = [(NetworkType::Vlan, Some("p")), (NetworkType::Vxlan, None)];
        assert_eq!(network_max_mtu(&config, segments), 1450);
        assert_eq!(network_max_mtu(&config, [(NetworkType::Local, None)]), 1500);
    }
}
